from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from unsealed.inlets.web import page
from unsealed.model.message import public_id
from unsealed.model.texts import ENGLISH

LINKED = re.compile(r"/static/[0-9a-f]{12}/[\w.-]+\.(?:js|css|svg)")


async def test_script_and_style_of_every_page_stay_under_sixty_kilobytes(
    mara: Any, app: Starlette, mail: dict[str, Any]
) -> None:
    """As they come packed, for the first load of each. Without the editor, which comes when a letter can be written
    already: no page asks for it by itself."""
    paths = [route.path for route in app.routes if isinstance(route, Route) and "GET" in (route.methods or ())]
    paths = [path.replace("{id}", public_id(mail["proposal"])) for path in paths if path != "/live"]
    loads = {}
    for path in paths:
        if "{" in path:
            continue
        shown = await mara.get(path)
        if shown.status == 200 and "/static/" in shown.text and "<body" in shown.text:
            files = set(LINKED.findall(re.sub(r'data-editor="[^"]*"', "", shown.text)))
            loads[path] = sum([len((await mara.get(name, accept_encoding="gzip")).body) for name in files])

    assert len(loads) > 20
    assert {path: load for path, load in loads.items() if not 10_000 < load < 60_000} == {}


def test_pages_are_those_of_the_version_that_was_started_whatever_an_upgrade_puts_into_its_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise AssertionError("a file was looked for")

    page.templates.cache_clear()  # nothing was compiled yet
    for name in ("builtins.open", "os.stat", "os.path.getmtime"):
        monkeypatch.setattr(name, gone)
    read = [page.templates(ENGLISH).get_template(name).name for name in page.SOURCES for _ in range(2)]
    monkeypatch.undo()

    assert len(set(read)) > 40


@pytest.mark.parametrize(
    "told",
    ["", "~", "Mars/Phobos~0~24", "Europe~0", "../../etc/passwd~0", "%00~%00", f"x~{'9' * 60}", "x~1440", "x~٣~12~~"],
)
async def test_whatever_a_browser_tells_of_its_zone_pages_are_shown(mara: Any, told: str) -> None:
    mara.cookies["zone"] = quote(told, safe="%~/")

    assert 200 == (await mara.get("/sent")).status
