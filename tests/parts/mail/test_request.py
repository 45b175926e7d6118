"""Letters that programs ask for: through the API, on the command line, pasted."""

from __future__ import annotations

import base64
import email
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine
from starlette.applications import Starlette
from starlette.middleware import Middleware
from typer.testing import CliRunner

from unsealed.app import send as command
from unsealed.app.cli import cli
from unsealed.core.drafting import Desk
from unsealed.core.instrument import Tracking
from unsealed.flow import policy, request, send
from unsealed.flow.request import Faulty, Wanted
from unsealed.inlets import api
from unsealed.inlets.api import sending
from unsealed.inlets.guard import Guard
from unsealed.inlets.web.trouble import HANDLERS, refuse
from unsealed.model.errors import BadInput
from unsealed.model.message import Delivery, UserId
from unsealed.model.policy import Level, LinkScope, Place, Rule, Scope, Switches
from unsealed.model.template import Content
from unsealed.store import proofs, schema, templates, views
from unsealed.store.engine import reading

ANN = "ann@example.org"
HTML = '<table><tr><td onclick="x()">Hi <a href="https://a.example/x">you</a></td></tr></table>'
WANTED = Wanted(sender=ANN, to="ines@x.example", subject="Offer", html=HTML)
LETTER = {"from": ANN, "to": "Ines <ines@x.example>", "subject": "Offer", "html": HTML}


@pytest.fixture
def table(tracking: Tracking, clock: Callable[[], datetime]) -> Desk:
    return Desk(tracking=tracking, switches=Switches(), now=clock())


@pytest.fixture
def read(engine: Engine, ann: Any, table: Desk) -> Callable[[Wanted], Any]:
    def ask(wanted: Wanted) -> Any:
        with reading(engine) as connection:
            return request.read(connection, ann.user, wanted, table)

    return ask


def test_html_of_a_program_goes_out_as_it_came(read: Callable[[Wanted], Any]) -> None:
    whole: Any = email.message_from_bytes(read(WANTED).raw)
    text, html = (part.get_payload(decode=True).decode().strip() for part in whole.get_payload())

    assert HTML == html
    assert "Hi you <https://a.example/x>" == text


def test_what_is_asked_for_is_done(read: Callable[[Wanted], Any]) -> None:
    made = read(
        replace(WANTED, opens=Level.IDENTIFIED, clicks=False, tag="spring", metadata={"deal": "7"}, bcc="b@y.example")
    )

    assert (Level.IDENTIFIED, Level.OFF) == (made.switches.opens, made.switches.clicks)
    assert ("spring", (("deal", "7"),), 2) == (made.tag, made.metadata, len(made.recipients))
    assert b"X-PM" not in made.raw
    assert LinkScope.HTML_AND_TEXT == read(replace(WANTED, links=LinkScope.HTML_AND_TEXT)).switches.links


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (replace(WANTED, sender="rob@other.example"), "from"),
        (replace(WANTED, to=""), "to"),
        (replace(WANTED, cc="x"), "cc"),
        (replace(WANTED, subject="a\r\nBcc: b@x.example"), "subject"),
        (replace(WANTED, html=None), "html"),
        (replace(WANTED, html="<div>" * 1_000), "html"),
        (replace(WANTED, text="a\0"), "text"),
        (replace(WANTED, tag="a\nb"), "tag"),
        (replace(WANTED, metadata={"a": "b\n"}), "metadata"),
        (replace(WANTED, metadata={str(n): "" for n in range(51)}), "metadata"),
        (replace(WANTED, template="nope"), "template"),
    ],
)
def test_what_is_wrong_is_named(read: Callable[[Wanted], Any], wanted: Wanted, field: str) -> None:
    with pytest.raises(Faulty) as raised:
        read(wanted)

    assert [field] == list(raised.value.fields)


def test_more_than_is_allowed_is_refused_in_the_words_of_the_rule(
    engine: Engine, ann: Any, clock: Any, read: Callable[[Wanted], Any]
) -> None:
    with engine.begin() as connection:
        off = Place(limit=Rule(scope=Scope.ACCOUNT, clicks=Level.OFF))
        policy.keep(connection, ann.user, off, Switches(), clock())
    with pytest.raises(Faulty, match="Link tracking is switched off for everybody here"):
        read(replace(WANTED, clicks=True))

    assert Level.OFF == read(WANTED).switches.clicks  # what asks for nothing gets what there is


def test_a_template_is_filled_and_remembered(
    engine: Engine, ann: Any, clock: Any, read: Callable[[Wanted], Any]
) -> None:
    content = Content(subject="Dear {{first_name}}", html="<p>{{deal}}</p>")
    with engine.begin() as connection:
        made = templates.add(connection, ann.user, "Offer", content, clock())
    wanted = Wanted(sender=ANN, to="Ines Ruiz <ines@x.example>", template="Offer", values={"first_name": "Ines"})
    with pytest.raises(Faulty, match="deal"):
        read(wanted)
    found = read(replace(wanted, values={"first_name": "Ines", "deal": "<7>"}))

    assert (made, 1) == found.template
    assert b"Subject: Dear Ines\r\n" in found.raw
    assert b"<p>&lt;7&gt;</p>" in found.raw


# API


@pytest.fixture
def program(engine: Engine, ann: Any, clock: Any, table: Desk, browser: Any) -> Callable[..., Any]:
    def desk(_connection: Connection, _user: UserId) -> Desk:
        return table

    guard = Middleware(
        Guard, engine=engine, clock=clock, origin="http://127.0.0.1:8025", trusted_proxies=(), refuse=refuse
    )
    routes = api.routes(engine=engine, clock=clock, desk=desk)
    app = Starlette(routes=routes, middleware=[guard], exception_handlers=HANDLERS)
    with engine.begin() as connection:
        token = proofs.new_api_token(connection, ann.user, "test", clock())

    async def post(body: object, **headers: str) -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"authorization": f"Bearer {token}", **headers}
        return await browser(app=app).request("POST", "/api/v1/messages", given, raw)

    return post


def test_a_sender_may_have_a_name(read: Callable[[Wanted], Any]) -> None:
    made = read(replace(WANTED, sender='"Lee, Ann" <Ann@Example.org>'))

    assert ANN == made.envelope_from
    assert b'From: "Lee, Ann" <ann@example.org>' in made.raw


def test_a_template_that_cannot_be_filled_is_the_only_fault(read: Callable[[Wanted], Any]) -> None:
    with pytest.raises(Faulty) as caught:
        read(Wanted(sender=ANN, to="ines@x.example", template="None"))

    assert {"template"} == caught.value.fields.keys()


async def test_a_program_sends_and_gets_the_id(program: Callable[..., Any], rows: Any) -> None:
    content = base64.b64encode(b"%PDF").decode()
    files = [{"name": "ü.pdf", "type": "application/pdf", "content": content}]
    answer = await program(LETTER | {"attachments": files, "track": {"opens": "identified", "clicks": True}})
    [message], jobs = rows(schema.messages), rows(schema.jobs)

    assert (202, f"{message['id']:016x}") == (answer.status, answer.json["id"])
    assert (int(Level.IDENTIFIED), int(Level.FULL)) == (message["opens_level"], message["clicks_level"])
    assert ["ready"] == [job["state"] for job in jobs]


async def test_recipients_may_be_a_list(program: Callable[..., Any], copies: Any) -> None:
    assert 202 == (await program(LETTER | {"to": ["a@x.example", '"Li, Rob" <b@x.example>']})).status
    assert {"a@x.example", "b@x.example"} == set(copies())


@pytest.mark.parametrize(
    ("letter", "field"),
    [
        (LETTER | {"from": "rob@other.example"}, "from"),
        (LETTER | {"to": "nobody"}, "to"),
        (LETTER | {"track": {"opens": "loud"}}, "track.opens"),
        (LETTER | {"track": {"links": "all"}}, "track.links"),
        (LETTER | {"attachments": [{"name": "a", "content": "*"}]}, "attachments[0].content"),
        (LETTER | {"attachments": [{"name": "a\r\nb", "content": ""}]}, "attachments[0].name"),
        (
            LETTER | {"attachments": [{"name": "a", "content": base64.b64encode(bytes(20_000_000)).decode()}]},
            "attachments",
        ),
    ],
)
async def test_a_program_reads_what_is_wrong_by_field(
    program: Callable[..., Any], rows: Any, letter: object, field: str
) -> None:
    answer = await program(letter)

    assert (422, [field]) == (answer.status, list(answer.json["error"]["fields"]))
    assert [] == rows(schema.messages)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"from": 1}', json.dumps(LETTER | {"two": 2}).encode(), b"[" * 9_999]
)
async def test_what_is_no_letter_is_refused(program: Callable[..., Any], body: bytes) -> None:
    assert 400 == (await program(body)).status


async def test_a_ceiling_is_named_to_programs(
    program: Callable[..., Any], engine: Engine, ann: Any, clock: Any, rows: Any
) -> None:
    with engine.begin() as connection:
        off = Place(limit=Rule(scope=Scope.ACCOUNT, opens=Level.OFF))
        policy.keep(connection, ann.user, off, Switches(), clock())
    answer = await program(LETTER | {"track": {"opens": True}})

    assert 422 == answer.status
    assert "Open tracking is switched off for everybody here." == answer.json["error"]["fields"]["track"]
    assert [] == rows(schema.messages)


async def test_without_a_token_nothing_is_sent(program: Callable[..., Any], rows: Any) -> None:
    assert 401 == (await program(LETTER, authorization="")).status
    assert [] == rows(schema.messages)


async def test_a_body_is_bounded(program: Callable[..., Any], rows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "BODY_BYTES_MAX", 1_000)
    answer = await program(LETTER | {"text": "a" * 1_000})

    assert (413, "The body has more than 1,000 bytes.") == (answer.status, answer.json["error"]["message"])
    assert [] == rows(schema.messages)


# Pasted


def test_pasted_html_counts_as_sent_and_is_delivered_by_nobody(
    engine: Engine, ann: Any, table: Desk, rows: Any, tracking: Tracking
) -> None:
    with engine.begin() as connection:
        outgoing = request.paste(
            connection, ann.user, html=HTML, to="a@x.example, b@x.example", subject="s", desk=table
        )
        planned = send.plan(outgoing, tracking=tracking)
        request.keep_pasted(connection, planned, table.now)
    made = [request.tracked_html(send.copy_of(engine, copy, keys=tracking.keys).raw) for copy in planned.copies]

    assert [] == rows(schema.jobs)
    assert [("sent", table.now)] * 2 == [(row["delivery"], row["sent_at"]) for row in rows(schema.copies)]
    assert 2 == len(set(made))
    assert all("https://t.example.org/c/" in html and "https://t.example.org/o/" in html for html in made)
    assert all(html.startswith("<table>") for html in made)


def test_pasted_html_may_be_for_someone(engine: Engine, ann: Any, table: Desk, rows: Any, tracking: Tracking) -> None:
    with engine.begin() as connection:
        outgoing = request.paste(connection, ann.user, html=HTML, to=" ", subject="s", desk=table)
        request.keep_pasted(connection, send.plan(outgoing, tracking=tracking), table.now)
    with reading(engine) as connection:
        found = views.rows(connection, ann.user, [row["id"] for row in rows(schema.messages)])

    assert [("", True)] == [(row["address"], row["tracked"]) for row in rows(schema.copies)]
    assert [Delivery.SENT] == [each.facts.delivery for each in found.values()]
    assert [] == rows(schema.contacts)


# Command line


@pytest.mark.parametrize(
    ("made", "option"),
    [
        (lambda folder: command.track("yes"), "--track"),
        (lambda folder: command.links("all"), "--links"),
        (lambda folder: command.values(["name"], "Offer"), "--value"),
        (lambda folder: command.values(["=x"], "Offer"), "--value"),
        (lambda folder: command.values(["name=x"], None), "--template"),
        (lambda folder: command.text_of(folder / "none.html", "--html"), "--html"),
        (lambda folder: command.text_of(folder / "latin", "--text"), "--text"),
        (lambda folder: command.text_of(folder / "empty.html", "--html"), "--html .*: there is nothing in it"),
        (lambda folder: command.files([folder / "none"]), "--attach"),
    ],
)
def test_what_is_wrong_on_the_command_line_names_its_option(
    made: Callable[[Path], object], option: str, tmp_path: Path
) -> None:
    (tmp_path / "latin").write_bytes(b"\xe4\xff")
    (tmp_path / "empty.html").write_bytes(b"\xef\xbb\xbf\r\n")
    with pytest.raises(BadInput, match=option):
        made(tmp_path)


def test_a_letter_is_sent_from_the_command_line(tmp_path: Path) -> None:
    data, letter = str(tmp_path / "data"), tmp_path / "letter.html"
    letter.write_text(HTML, encoding="utf-8")
    run = CliRunner().invoke
    assert 0 == run(cli, ["user", "add", "ann@x.example", "--data", data]).exit_code
    given = ["send", "--data", data, "--from", "ann@x.example", "--subject", "Grüße", "--html", str(letter)]
    sent = run(cli, [*given, "--to", "Ines <ines@y.example>", "--attach", str(letter), "--track", "clicks"])
    unsent = run(cli, [*given, "--to", "nobody"])

    assert (0, 16) == (sent.exit_code, len(sent.stdout.strip()))
    assert isinstance(unsent.exception, BadInput)
