"""The same walk on both databases, with the sandbox as the next hop."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.walk

HITS = 300  # while the store is locked
SENDER = "mara@tidewater.example"
LETTER = (
    b"From: mara@tidewater.example\r\nTo: ines@x.example, rob@x.example\r\nSubject: Plan\r\n"
    b"X-PM-Tag: depots\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b'<html><body><p><a href="https://tidewater.example/plan">the plan</a></p></body></html>\r\n'
)


def test_a_message_is_sent_opened_and_counted_on_either_database(
    installation: Any, store_url: str, monkeypatch: pytest.MonkeyPatch, until: Callable[..., Any]
) -> None:
    monkeypatch.setenv("UNSEALED_STORE_URL", store_url)
    installation.command("user", "add", SENDER, "--password-stdin", given=b"correct horse battery\n")
    password = installation.command("app-password", SENDER)
    token = installation.command("api-token", SENDER)
    installation.start()

    def ask(path: str) -> Any:
        return installation.get(installation.web, f"/api/v1{path}", Authorization=f"Bearer {token}").json

    installation.send(SENDER, password, SENDER, ["ines@x.example", "rob@x.example"], LETTER)
    message = until(lambda: ask("/messages")["messages"], "the message")[0]["id"]
    until(
        lambda: {"delivered"} == {copy["state"] for copy in ask(f"/messages/{message}")["copies"]}, "both copies there"
    )
    report = installation.command("instrument", given=LETTER)  # the same installation, so its links are ours
    assert re.search(r"/c/[\w-]+", report)
    assert 404 == installation.get(installation.track, "/c/" + "A" * 60).status
    assert "all counts were right" == installation.command("recount")
    installation.stop()


def test_mail_is_refused_for_now_while_the_store_is_locked_and_hits_are_kept(
    installation: Any, until: Callable[..., Any]
) -> None:
    """A store that does not answer costs the reader nothing and loses nothing."""
    import sqlite3

    password, token = installation.add(SENDER, "correct horse battery")
    installation.start()
    installation.send(SENDER, password, SENDER, ["ines@x.example"], LETTER)

    def ask(path: str) -> Any:
        return installation.get(installation.web, f"/api/v1{path}", Authorization=f"Bearer {token}").json

    message = until(lambda: ask("/messages")["messages"], "the message")[0]["id"]
    until(lambda: ask(f"/messages/{message}")["copies"][0]["state"] == "delivered", "delivery")
    store = sqlite3.connect(installation.data / "unsealed.db", timeout=PATIENCE_S, isolation_level=None)
    raw = store.execute("SELECT raw FROM sandbox").fetchone()[0]
    click = re.search(rb"http://127\.0\.0\.1:\d+(/c/[\w-]+)", raw.replace(b"=\r\n", b""))
    assert click is not None

    store.execute("BEGIN EXCLUSIVE")
    for _ in range(HITS):
        answer = installation.get(installation.track, click[1].decode())
        assert (302, "https://tidewater.example/plan") == (answer.status, answer.headers["location"])
    store.execute("ROLLBACK")
    store.close()

    detail = until(lambda: (got := ask(f"/messages/{message}"))["raw"] == HITS and got, "every hit, once")
    assert 1 == detail["copies"][0]["opens"]
    assert HITS == detail["copies"][0]["raw"]
    installation.stop()
