from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from tests.parts.test_api import app, wordless  # noqa: F401 - the app with the API alone

from unsealed.model.message import MessageId, UserId, public_id
from unsealed.model.reminder import LATEST
from unsealed.store import proofs, reminders

MARA = UserId(0x5E9D_0000_0000_0001)
OTHER = UserId(0x5E9D_0000_0000_0002)
THERE = "/api/v1/reminders"

Mail = dict[str, MessageId]


@pytest.fixture
def ask(app: Any, browser: Any, engine: Engine, mail: Mail, clock: Callable[[], datetime]) -> Any:  # noqa: F811
    async def ask(method: str, path: str = THERE, said: object = None, user: UserId = MARA) -> Any:
        with engine.begin() as connection:
            token = proofs.new_api_token(connection, user, "test", clock())
        body = b"" if said is None else json.dumps(said, default=datetime.isoformat).encode()
        return await browser(app=app).request(method, path, {"authorization": f"Bearer {token}"}, body)

    return ask


async def listed(ask: Any, user: UserId = MARA) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await ask("GET", user=user)).json["reminders"]
    return found


async def test_a_reminder_is_set_listed_moved_and_taken_back(ask: Any, mail: Mail, clock: Any) -> None:
    wanted = {"message": public_id(mail["silent"]), "unless": "answered", "due": clock() + timedelta(days=3)}
    made = await ask("POST", said=wanted)
    [told] = await listed(ask)

    assert (201, {"id": told["id"]}) == (made.status, made.json)
    assert (wanted["message"], "answered", "waiting", False, "Jonas Weidner") == tuple(
        told[name] for name in ("message", "unless", "state", "happened", "name")
    )
    assert wanted["due"] == datetime.fromisoformat(told["due"])
    moved = wanted | {"due": "2026-11-30T10:00:00+01:00", "copy": told["copy"]}
    assert {"id": told["id"]} == (await ask("POST", said=moved)).json
    assert ["2026-11-30T09:00:00Z"] == [each["due"] for each in await listed(ask)]
    assert 204 == (await ask("DELETE", f"{THERE}/{told['id']}")).status
    assert [] == await listed(ask)
    assert 404 == (await ask("DELETE", f"{THERE}/{told['id']}")).status


async def test_nobody_reaches_the_letters_or_reminders_of_others(ask: Any, mail: Mail, clock: Any) -> None:
    wanted = {"message": public_id(mail["silent"]), "unless": "opened", "due": clock() + timedelta(days=3)}
    made = (await ask("POST", said=wanted)).json["id"]

    assert 404 == (await ask("POST", said=wanted, user=OTHER)).status
    assert 404 == (await ask("DELETE", f"{THERE}/{made}", user=OTHER)).status
    assert [] == await listed(ask, OTHER)
    [told] = await listed(ask)
    theirs = wanted | {"message": public_id(mail["foreign"]), "copy": told["copy"]}
    assert 404 == (await ask("POST", said=theirs, user=OTHER)).status


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"message": "nonsense"}, 404),
        ({"message": "0123456789abcdef"}, 404),
        ({"copy": "nonsense"}, 404),
        ({"copy": "0123456789abcdef"}, 404),
        ({"unless": "read"}, 400),
        ({"due": "2026-11-30"}, 400),
        ({"due": "2026-11-30T09:00:00"}, 400),  # of which zone?
        ({"due": "9999-12-31T23:59:59-23:59"}, 400),
        ({"by": "2026-11-30"}, 400),
    ],
)
async def test_what_cannot_be_kept_is_refused(
    ask: Any, mail: Mail, clock: Any, changes: dict[str, str], status: int
) -> None:
    wanted = {"message": public_id(mail["silent"]), "unless": "opened", "due": clock() + timedelta(days=3)}

    assert status == (await ask("POST", said=wanted | changes)).status
    assert [] == await listed(ask)


async def test_only_a_time_to_come_that_is_near_enough_is_kept(ask: Any, mail: Mail, clock: Any) -> None:
    wanted = {"message": public_id(mail["silent"]), "unless": "opened"}
    for due, status in (
        (clock(), 400),
        (clock() + timedelta(seconds=1), 201),
        (clock() + LATEST, 201),
        (clock() + LATEST + timedelta(seconds=1), 400),
    ):
        answer = await ask("POST", said=wanted | {"due": due})
        assert status == answer.status
        assert "due: A time to come" in answer.json.get("error", "due: A time to come")


async def test_too_many_reminders_are_refused(
    ask: Any, mail: Mail, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminders, "MOST", 0)
    wanted = {"message": public_id(mail["silent"]), "unless": "opened", "due": clock() + timedelta(days=3)}

    assert 404 == (await ask("POST", said=wanted)).status
