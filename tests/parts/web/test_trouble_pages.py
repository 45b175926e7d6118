"""Where a page that says why not has the frame of the others, and where it has none."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, event

from unsealed.inlets.web import sent

RAIL = 'class="rail"'


@pytest.mark.parametrize(
    ("path", "status"),
    [("/message/0000000000000000", 404), ("/nothing", 404), ("/reports?period=8", 400), ("/sign-out", 405)],
)
async def test_who_is_signed_in_keeps_the_rail(mara: Any, mail: Any, path: str, status: int) -> None:
    answer = await mara.get(path)

    assert status == answer.status
    assert RAIL in answer.text
    assert "Go to Sent" in answer.text
    assert 1 == answer.text.count("<main") == answer.text.count("</main>") == answer.text.count("<h1>")


async def test_what_is_not_allowed_has_the_rail_too(mara: Any, mail: Any) -> None:
    mara.token = "of an older page"
    answer = await mara.post("/settings/language", {"language": "de"})

    assert 403 == answer.status
    assert RAIL in answer.text


async def test_within_the_window_of_a_letter_and_for_strangers_there_is_none(mara: Any, mail: Any) -> None:
    within = await mara.get("/message/0000000000000000/letter", sec_fetch_dest="iframe")
    mara.cookies.clear()
    stranger = await mara.get("/welcome/0000")

    assert (404, 404) == (within.status, stranger.status)
    assert RAIL not in within.text + stranger.text
    assert "Sign in" in stranger.text


async def test_a_fault_of_ours_is_said_without_the_frame_and_without_the_store(
    mara: Any, mail: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def broken(*_: object, **__: object) -> object:
        event.listen(engine, "before_cursor_execute", lambda *said: asked.append(said))
        raise RuntimeError

    monkeypatch.setattr(sent, "render", broken)
    answer = await mara.get("/sent")

    assert 500 == answer.status
    assert RAIL not in answer.text
    assert "<script" not in answer.text
    assert "Nothing that was acknowledged is lost." in answer.text
    assert [] == asked
