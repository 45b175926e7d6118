"""What an operator does beside a server that works: look after it, copy it, turn its keys."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.walk

SENDER = "mara@tidewater.example"
LETTER = (
    b"From: mara@tidewater.example\r\nTo: ines@harbourline.example\r\nSubject: Depots\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/html\r\n\r\n<html><body><a href='https://tidewater.example/plan'>plan</a></body></html>\r\n"
)


@pytest.fixture
def sent(installation: Any, until: Callable[..., Any]) -> Callable[[], Any]:
    """A server with a user; `sent()` sends a letter and gives what the API says about all messages."""
    password, token = installation.add(SENDER, "correct horse battery")
    installation.start()

    def messages() -> Any:
        answer = installation.get(installation.web, "/api/v1/messages", Authorization=f"Bearer {token}")
        return answer.json["messages"]

    def send() -> Any:
        before = len(messages())
        installation.send(SENDER, password, SENDER, ["ines@harbourline.example"], LETTER)
        until(lambda: len(messages()) > before and messages()[0]["state"] == "delivered", "the letter in the sandbox")
        return messages()

    return send


def check(installation: Any) -> tuple[int, str]:
    doors = {"WEB": installation.web, "TRACK": installation.track, "SMTP": installation.smtp}
    listen = {f"UNSEALED_{door}_LISTEN": f"127.0.0.1:{port}" for door, port in doors.items()}
    done = subprocess.run(
        [sys.executable, "-m", "unsealed.app", "check", "--data", str(installation.data)],
        env=os.environ | listen,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.returncode, done.stdout


def test_check_finds_nothing_wrong_with_a_server_that_works(installation: Any, sent: Callable[[], Any]) -> None:
    sent()

    status, said = check(installation)

    assert (0, []) == (status, [line for line in said.splitlines() if line.startswith("fail")])
    assert 3 == said.count("Unsealed listens here")
    assert "collector" in said


def test_a_copy_made_beside_a_working_server_is_a_server_of_its_own(
    installation: Any, sent: Callable[[], Any], tmp_path: Path
) -> None:
    before = sent()
    said = installation.command("backup", str(tmp_path / "copy"))
    assert "mark: main " in said
    sent()
    installation.stop()

    installation.data = tmp_path / "copy"
    installation.start()
    token = installation.command("api-token", SENDER)
    answer = installation.get(installation.web, "/api/v1/messages", Authorization=f"Bearer {token}")

    assert [each["id"] for each in before] == [each["id"] for each in answer.json["messages"]]
    installation.stop()


def test_old_links_open_and_new_mail_has_the_new_key_after_a_rotation(
    installation: Any, sent: Callable[[], Any], until: Callable[..., Any]
) -> None:
    from sqlalchemy import select

    from unsealed.store import engine as stores
    from unsealed.store import schema

    def links() -> list[str]:
        engine = stores.connect(stores.sqlite_url(installation.data))
        with stores.reading(engine) as connection:
            mails = connection.execute(select(schema.sandbox.c.raw).order_by(schema.sandbox.c.at)).scalars().all()
        engine.dispose()
        return [found[0].decode() for raw in mails for found in re.finditer(rb"http://[^'\" ]+/c/[\w-]+", raw)]

    sent()
    installation.command("keys", "rotate")
    until(
        lambda: sent() and links()[-1].rsplit("/", 1)[1][:3] != links()[0].rsplit("/", 1)[1][:3], "a token with key 2"
    )

    answers = [installation.load(link) for link in (links()[0], links()[-1])]

    assert [302, 302] == [answer.status for answer in answers]
    assert ["https://tidewater.example/plan"] * 2 == [answer.headers["location"] for answer in answers]
    installation.stop()


def test_history_is_judged_again_beside_a_working_server_and_after_an_update(
    installation: Any, sent: Callable[[], Any], until: Callable[..., Any]
) -> None:
    sent()
    token = installation.command("api-token", SENDER)

    def clicks() -> int:
        answer = installation.get(installation.web, "/api/v1/messages", Authorization=f"Bearer {token}")
        return int(answer.json["messages"][0]["clicks"])

    def store(*statements: str) -> list[Any]:
        with closing(
            sqlite3.connect(installation.data / "unsealed.db", timeout=PATIENCE_S, isolation_level=None)
        ) as database:
            return [database.execute(statement).fetchall() for statement in statements][-1]

    def misjudge() -> None:
        """As though older rules had called every click a machine's."""
        store("UPDATE events SET finding = 'scanner_click', rules = 'old'")
        installation.command("recount")
        assert 0 == clicks()

    raw = store("SELECT raw FROM sandbox")[0][0]
    click = re.search(rb"http://127\.0\.0\.1:\d+/c/[\w-]+", raw.replace(b"=\r\n", b""))
    assert click is not None
    installation.load(click[0].decode())
    until(lambda: clicks() == 1, "the click")

    misjudge()
    assert "1 event would be called something else" in installation.command("rejudge", "--dry-run")
    assert 0 == clicks()
    assert "1 event is now called something else" in installation.command("rejudge")
    assert 1 == clicks()

    misjudge()
    installation.stop()
    store('UPDATE settings SET value = \'{"rules": "old", "data": ""}\' WHERE key = \'judged_with\'')
    installation.start()
    until(lambda: clicks() == 1, "history judged by the rules of today")
    until(lambda: not store("SELECT id FROM rejudgings WHERE finished_at IS NULL"), "the end of it")
    installation.stop()


def test_the_index_of_words_is_put_together_while_nothing_waits(installation: Any, until: Callable[..., Any]) -> None:
    installation.add(SENDER, "correct horse battery")
    with closing(sqlite3.connect(installation.data / "unsealed.db")) as store, store:
        for number in range(1, 20):  # without their messages, which that connection does not ask for
            store.execute("INSERT INTO texts VALUES (?, '0', ' depots')", (number,))

    def pieces() -> int:
        with closing(sqlite3.connect(installation.data / "unsealed.db")) as store:
            return len(store.execute("SELECT DISTINCT segid FROM text_index_idx").fetchall())

    assert pieces() > 2
    installation.start()
    until(lambda: pieces() <= 2, "no two pieces of a size")
    installation.stop()
