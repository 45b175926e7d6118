from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from tests.conftest import NOON
from tests.patience import PATIENCE_S

from unsealed.inlets.submit import Limits
from unsealed.model.errors import BadInput
from unsealed.model.policy import Level, Place, Rule, Scope
from unsealed.store import identities, members, people, policies, schema

HEAD = b"From: ann@example.org\r\nTo: bob@x.example\r\nSubject: hi\r\n\r\n"

Desk = Callable[..., Awaitable[Any]]
Rows = Callable[[Any], list[Any]]
Eventually = Callable[[Callable[[], Any]], Awaitable[Any]]


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """The dialogue is the same on both stores; what it leaves behind is tested on both in test_send."""
    return sqlite_url


async def signed_in(desk: Any, ann: Any) -> Any:
    client = await desk.client()
    assert await client.sign_in(ann.email, ann.password) == "235 2.7.0 Authentication successful"
    return client


# What is offered and who may sign in


async def test_the_greeting_offers_everything_mail_programs_look_for(desk: Desk) -> None:
    client = await (await desk()).client()

    offered = (await client.say("EHLO client.example")).split("|")

    assert offered == [
        "250-mail.example.org",
        "250-SIZE 26214400",
        "250-8BITMIME",
        "250-SMTPUTF8",
        "250-PIPELINING",
        "250-ENHANCEDSTATUSCODES",
        "250-STARTTLS",
        "250 AUTH PLAIN LOGIN",
    ]


@pytest.mark.parametrize("initial", [True, False])
@pytest.mark.parametrize("mechanism", ["PLAIN", "login"])
@pytest.mark.parametrize("way", ["loopback", "starttls", "implicit"])
async def test_every_way_to_sign_in(
    desk: Desk, ann: Any, client_tls: ssl.SSLContext, way: str, mechanism: str, initial: bool
) -> None:
    open_desk = await desk()
    client = await open_desk.client(client_tls if way == "implicit" else None)
    await client.say("EHLO client.example")
    if way == "starttls":
        assert await client.start_tls(client_tls) == "220 2.0.0 Ready to start TLS"
        assert "STARTTLS" not in await client.say("EHLO client.example")
    account, password = (base64.b64encode(each.encode()).decode() for each in (ann.email, ann.password))
    both = base64.b64encode(f"\0{ann.email}\0{ann.password}".encode()).decode()

    steps = [both] if mechanism == "PLAIN" else [account, password]
    if initial:
        reply = await client.say(f"AUTH {mechanism} {steps.pop(0)}")
    else:
        reply = await client.say(f"AUTH {mechanism}")
    for step in steps:
        assert reply.startswith("334 ")
        reply = await client.say(step)

    assert reply == "235 2.7.0 Authentication successful"
    assert await client.envelope() == "354 End data with <CR><LF>.<CR><LF>"


async def test_in_clear_signing_in_is_for_this_machine_only(
    desk: Desk, ann: Any, client_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unsealed.inlets.submit_dialogue._is_loopback", lambda address: False)
    client = await (await desk()).client()

    assert "AUTH" not in await client.say("EHLO client.example")
    assert (await client.say("AUTH PLAIN AGFubgBwdw==")).startswith("538 5.7.11 ")
    await client.start_tls(client_tls)
    assert await client.sign_in(ann.email, ann.password) == "235 2.7.0 Authentication successful"


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("AUTH PLAIN !!!", "501 5.5.2"),
        ("AUTH PLAIN AGFubg==", "501 5.5.2"),
        ("AUTH PLAIN =", "501 5.5.2"),
        ("AUTH PLAIN Ym9zcwBhbm4AcHc=", "535 5.7.8"),  # ann, to act for boss
        ("AUTH CRAM-MD5", "504 5.5.4"),
        ("AUTH", "501 5.5.4"),
        ("AUTH PLAIN a b", "501 5.5.4"),
    ],
)
async def test_a_broken_sign_in_is_refused(desk: Desk, line: str, reply: str) -> None:
    client = await (await desk()).client()
    await client.say("EHLO client.example")

    assert (await client.say(line)).startswith(reply)


async def test_a_sign_in_can_be_broken_off(desk: Desk) -> None:
    client = await (await desk()).client()
    await client.say("EHLO client.example")

    assert (await client.say("AUTH LOGIN")).startswith("334")
    assert await client.say("*") == "501 5.7.0 Auth aborted"


async def test_unknown_users_and_wrong_passwords_get_the_same_answer(desk: Desk, ann: Any) -> None:
    client = await (await desk()).client()

    assert await client.sign_in(ann.email, "us-wrong-wrong") == "535 5.7.8 Authentication credentials invalid"
    assert await client.sign_in("no@body.example", ann.password) == "535 5.7.8 Authentication credentials invalid"


async def test_after_five_failures_nobody_is_asked_again_for_a_minute(
    desk: Desk, ann: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unsealed.inlets.submit_throttle.FIRST_DELAY_S", 0.001)
    open_desk = await desk()
    client = await open_desk.client()
    for _ in range(5):
        assert (await client.sign_in(ann.email, "us-wrong-wrong")).startswith("535 ")

    assert (await client.sign_in(ann.email, ann.password)).startswith("454 4.7.0 ")
    other = await open_desk.client()
    assert (await other.sign_in(ann.email, ann.password)).startswith("454 4.7.0 ")


async def test_what_was_piped_in_behind_starttls_is_thrown_away(
    desk: Desk, ann: Any, client_tls: ssl.SSLContext
) -> None:
    client = await (await desk()).client()
    await client.sign_in(ann.email, ann.password)
    await client.send(b"STARTTLS\r\nMAIL FROM:<ann@example.org>\r\nEHLO evil.example\r\n")
    assert (await client.reply()).startswith("220 ")
    await client.writer.start_tls(client_tls, server_hostname="localhost")

    assert (await client.say("RCPT TO:<bob@x.example>")).startswith("503 5.5.1 ")
    await client.say("EHLO client.example")
    assert (await client.say("MAIL FROM:<ann@example.org>")).startswith("530 5.7.0 ")  # signing in is forgotten too


async def test_a_handshake_that_fails_ends_that_connection_only(desk: Desk, eventually: Eventually) -> None:
    open_desk = await desk()
    client = await open_desk.client()
    await client.say("EHLO client.example")
    await client.say("STARTTLS")
    await client.send(b"EHLO this is no handshake\r\n" * 10)

    assert await client.at_end()
    await eventually(lambda: not open_desk.server._dialogues)
    assert await (await open_desk.client()).say("NOOP") == "250 2.0.0 OK"


# No relay, no borrowed names


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_without_signing_in_nothing_is_relayed_from_anywhere(
    desk: Desk, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await (await desk()).client()
    await client.say("EHLO client.example")
    monkeypatch.setattr("unsealed.inlets.submit_dialogue.Dialogue.address", host, raising=False)

    assert await client.say("MAIL FROM:<ann@example.org>") == "530 5.7.0 Authentication required"
    assert await client.say("RCPT TO:<bob@x.example>") == "530 5.7.0 Authentication required"
    assert await client.say("DATA") == "530 5.7.0 Authentication required"
    assert await client.say("VRFY bob@x.example") == "530 5.7.0 Authentication required"


@pytest.mark.parametrize("sender", ["bob@example.org", "ann@example.org.evil.example"])
async def test_a_foreign_envelope_sender_is_refused(desk: Desk, ann: Any, sender: str) -> None:
    client = await signed_in(await desk(), ann)

    assert await client.say(f"MAIL FROM:<{sender}>") == "550 5.7.1 This sender address does not belong to you"


async def test_a_receipt_without_an_envelope_sender_goes_out_as_it_came_for_its_author_alone(
    desk: Desk, ann: Any, rows: Rows
) -> None:
    client = await signed_in(await desk(), ann)

    async def send(head: bytes) -> str:
        assert await client.say("MAIL FROM:<>") == "250 2.1.0 Ok"
        await client.say("RCPT TO:<bob@x.example>")
        await client.say("DATA")
        await client.send(head + b"To: bob@x.example\r\n\r\nread\r\n.\r\n")
        return str(await client.reply())

    assert (await send(b"From: bob@example.org\r\n")).startswith("550 5.7.1 ")
    assert (await send(b"Subject: nobody\r\n")).startswith("550 5.7.1 ")
    assert (await send(b"From: ann@example.org\r\n")).startswith("250 2.0.0 ")
    assert [("", "null-sender")] == [(row["envelope_from"], row["unchanged"]) for row in rows(schema.messages)]
    assert b"@localhost>" in rows(schema.originals)[0]["raw"]


async def test_an_address_that_was_taken_away_stops_working_within_seconds(
    desk: Desk, ann: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await signed_in(await desk(), ann)
    assert await client.say("MAIL FROM:<ann@example.org>") == "250 2.1.0 Ok"
    await client.say("RSET")
    with engine.begin() as connection:
        connection.execute(schema.identities.delete())
    monkeypatch.setattr("unsealed.inlets.submit.OWNED_S", 0.0)

    assert (await client.say("MAIL FROM:<ann@example.org>")).startswith("550 5.7.1 ")


async def test_an_address_is_a_sender_once_its_code_was_entered(desk: Desk, ann: Any, engine: Engine) -> None:
    client = await signed_in(await desk(), ann)
    with engine.begin() as connection:
        _, code = identities.new_code(connection, ann.user, "sales@example.org", NOON)
    assert (await client.say("MAIL FROM:<sales@example.org>")).startswith("550 5.7.1 ")

    with engine.begin() as connection:
        identities.enter_code(connection, ann.user, "sales@example.org", code, NOON)

    assert await client.say("MAIL FROM:<sales@example.org>") == "250 2.1.0 Ok"


async def test_who_is_removed_sends_nothing_any_more_nor_on_a_connection_that_is_open(
    desk: Desk, ann: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = await desk()
    client = await signed_in(there, ann)
    with engine.begin() as connection:
        boss = people.add_user(connection, "boss@example.org", "owner", NOON)
        members.remove(connection, boss, ann.user, NOON)
    monkeypatch.setattr("unsealed.inlets.submit.OWNED_S", 0.0)

    assert (await client.say("MAIL FROM:<ann@example.org>")).startswith("550 5.7.1 ")
    again = await there.client()
    assert (await again.sign_in(ann.email, ann.password)).startswith("535 5.7.8 ")


@pytest.mark.parametrize(
    "head",
    [
        b"From: eve@example.org\r\n",
        b"From: ann@example.org, eve@example.org\r\n",
        b"From: ann@example.org\r\nFrom: eve@example.org\r\n",
        b'From: "ann@example.org" <eve@example.org>\r\n',
        b"From: nobody\r\n",
    ],
)
async def test_a_foreign_from_header_is_refused(desk: Desk, ann: Any, rows: Rows, head: bytes) -> None:
    client = await signed_in(await desk(), ann)
    await client.envelope()
    await client.send(head + b"Subject: hi\r\n\r\nbody\r\n.\r\n")

    assert (await client.reply()).startswith("550 5.7.1 ")
    assert rows(schema.messages) == []


@pytest.mark.parametrize(
    "head",
    [
        b"Sender: eve@example.org\r\n",
        b"Sender: nobody\r\n",
        b"Sender: ann@example.org\r\nSender: eve@example.org\r\n",
        b"Resent-From: eve@example.org\r\n",
        b"Resent-From: ann@example.org\r\nResent-Sender: eve@example.org\r\n",
    ],
)
async def test_a_foreign_sender_beside_an_own_author_is_refused(desk: Desk, ann: Any, rows: Rows, head: bytes) -> None:
    client = await signed_in(await desk(), ann)
    await client.envelope()
    await client.send(b"From: ann@example.org\r\n" + head + b"\r\nbody\r\n.\r\n")

    refusal = "550 5.7.1 An address in the Sender or Resent-From header does not belong to you"
    assert await client.reply() == refusal
    assert rows(schema.messages) == []


@pytest.mark.parametrize(
    "head",
    [
        b"Sender: Ann <ann@example.org>\r\n",
        b"Resent-From: ann@example.org\r\nResent-From: list@example.net\r\n",  # by a list to her, by her again
    ],
)
async def test_an_own_sender_goes_out_as_it_came(desk: Desk, ann: Any, rows: Rows, head: bytes) -> None:
    client = await signed_in(await desk(), ann)
    await client.envelope()
    await client.send(b"From: ann@example.org\r\n" + head + b"\r\nbody\r\n.\r\n")

    assert (await client.reply()).startswith("250 2.0.0 ")
    assert head in rows(schema.originals)[0]["raw"]


# One message is one message


WRONG_ENDINGS = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\n.\r",
    b"\r.\n",
    b"\r\n\x2e\x0b\r\n",
    b"\r\r\n.\r\r\n",
    b"\r\n.\r\r\n",
    b"\n\n.\r\n",
]


@pytest.mark.parametrize("ending", WRONG_ENDINGS, ids=repr)
async def test_no_wrong_ending_smuggles_a_second_message(desk: Desk, ann: Any, rows: Rows, ending: bytes) -> None:
    client = await signed_in(await desk(), ann)
    await client.envelope()
    smuggled = b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<eve@x.example>\r\nDATA\r\n" + HEAD + b"smuggled\r\n"
    await client.send(HEAD + b"body" + ending + smuggled + b".\r\n")

    assert (await client.reply()).startswith("250 2.0.0 ")
    assert await client.say("NOOP") == "250 2.0.0 OK"
    assert ["bob@x.example"] == [copy["address"] for copy in rows(schema.copies)]
    [original] = rows(schema.originals)
    raw = original["raw"]
    assert raw.count(b"\r\n") == raw.count(b"\r") == raw.count(b"\n")
    assert b"smuggled" in raw


async def test_the_right_ending_ends_and_dots_are_unstuffed(desk: Desk, ann: Any, rows: Rows) -> None:
    client = await signed_in(await desk(), ann)
    await client.envelope()
    await client.send(HEAD + b"..one dot\r\n..\r\n...two dots\r\n.\r\nNOOP\r\n")

    assert (await client.reply()).startswith("250 2.0.0 Ok: queued as ")
    assert await client.reply() == "250 2.0.0 OK"
    assert rows(schema.originals)[0]["raw"].endswith(b"\r\n\r\n.one dot\r\n.\r\n..two dots\r\n")


@pytest.mark.parametrize("cut", range(0, 12))
async def test_the_end_is_found_wherever_the_network_cuts(desk: Desk, ann: Any, rows: Rows, cut: int) -> None:
    client = await signed_in(await desk(), ann)
    data = HEAD + b"body\r\n.\r\nNOOP\r\n"
    at = len(data) - cut
    await client.envelope()
    await client.send(data[:at])
    await asyncio.sleep(0)
    await client.send(data[at:])

    assert (await client.reply()).startswith("250 2.0.0 Ok: queued as ")
    assert await client.reply() == "250 2.0.0 OK"
    assert rows(schema.originals)[0]["raw"].endswith(b"\r\n\r\nbody\r\n")


async def test_an_empty_message_is_a_message(desk: Desk, ann: Any, rows: Rows) -> None:
    client = await signed_in(await desk(), ann)
    await client.envelope()
    await client.send(b".\r\n")

    assert (await client.reply()).startswith("250 2.0.0 ")
    assert rows(schema.originals)[0]["raw"].startswith(b"From: ann@example.org\r\n")


async def test_a_nul_is_refused_for_good(desk: Desk, ann: Any, rows: Rows) -> None:
    client = await signed_in(await desk(), ann)
    await client.envelope()
    await client.send(HEAD + b"a\0b\r\n.\r\n")

    assert await client.reply() == "554 5.6.0 the message contains a NUL octet"
    assert rows(schema.messages) == []


async def test_a_loop_is_refused(desk: Desk, ann: Any) -> None:
    client = await signed_in(await desk(), ann)
    await client.envelope()
    await client.send(b"Received: from a\r\n" * 31 + HEAD + b".\r\n")

    assert (await client.reply()).startswith("554 5.4.6 ")


# Limits


async def test_a_message_over_the_size_is_refused_before_and_after(desk: Desk, ann: Any, rows: Rows) -> None:
    client = await signed_in(await desk(Limits(message_bytes=10_000)), ann)
    refusal = "552 5.3.4 Not more than 10000 bytes"

    assert await client.say("MAIL FROM:<ann@example.org> SIZE=10001") == refusal
    await client.envelope()
    await client.send(HEAD + b"x\r\n" * 10_000 + b".\r\n")
    assert await client.reply() == refusal
    await client.envelope()
    await client.send(HEAD + b"small\r\n.\r\n")
    assert (await client.reply()).startswith("250 ")
    assert len(rows(schema.messages)) == 1


async def test_mail_that_comes_in_has_a_bounded_memory(desk: Desk, ann: Any) -> None:
    open_desk = await desk(Limits(buffered_bytes=5_000))
    client = await signed_in(open_desk, ann)
    await client.envelope()
    await client.send(HEAD + b"x\r\n" * 500_000 + b".\r\n")

    assert (await client.reply()).startswith("452 4.3.1 ")
    assert open_desk.server.buffered == 0


async def test_a_thousand_recipients_and_not_more(desk: Desk, ann: Any, rows: Rows) -> None:
    client = await signed_in(await desk(Limits(recipients=3)), ann)
    await client.say("MAIL FROM:<ann@example.org>")

    replies = [await client.say(f"RCPT TO:<r{number}@x.example>") for number in range(4)]

    assert replies == ["250 2.1.5 Ok"] * 3 + ["452 4.5.3 Not more than 3 recipients"]
    await client.say("DATA")
    await client.send(HEAD + b".\r\n")
    assert (await client.reply()).startswith("250 ")
    assert len(rows(schema.copies)) == 3


@pytest.mark.parametrize("domain", ["x..example", "x.example.", "a" * 64 + ".example", "-x.example", "x y"])
async def test_a_recipient_at_no_domain_is_refused_at_once(desk: Desk, ann: Any, domain: str) -> None:
    client = await signed_in(await desk(), ann)
    await client.say("MAIL FROM:<ann@example.org>")

    assert (await client.say(f"RCPT TO:<bob@{domain}>")).startswith("501 5.1.3 ")
    for good in ("x_y.example", "localhost", "xn--bcher-kva.example", "[192.0.2.1]"):
        assert await client.say(f"RCPT TO:<bob@{good}>") == "250 2.1.5 Ok"


async def test_long_lines_are_taken_and_very_long_ones_refused(desk: Desk, ann: Any) -> None:
    client = await signed_in(await desk(), ann)
    await client.envelope()
    await client.send(HEAD + b"x" * 60_000 + b"\r\n.\r\n")
    assert (await client.reply()).startswith("250 ")
    await client.envelope()
    await client.send(HEAD + b"x" * 70_000 + b"\r\n.\r\n")

    assert await client.reply() == "554 5.6.0 A line is longer than 65536 octets"


async def test_a_command_line_that_is_too_long_is_refused(desk: Desk, ann: Any) -> None:
    client = await signed_in(await desk(), ann)

    assert (await client.say("NOOP " + "x" * 1_000)).startswith("500 5.5.2 ")
    assert (await client.say("NOOP " + "x" * 200_000)).startswith("500 5.5.2 ")
    assert await client.say("NOOP") == "250 2.0.0 OK"


async def test_connections_are_bounded_in_all_and_by_address(desk: Desk, eventually: Eventually) -> None:
    open_desk = await desk(Limits(connections_per_address=2))
    first, _ = await open_desk.client(), await open_desk.client()
    reader, writer = await asyncio.open_connection("127.0.0.1", open_desk.port)

    said = await asyncio.wait_for(reader.read(), PATIENCE_S)
    assert said == b"421 4.7.0 Too many connections; try again later\r\n"
    writer.close()
    await first.say("QUIT")
    await first.at_end()
    await eventually(lambda: len(open_desk.server._dialogues) == 1)
    assert (await (await open_desk.client()).say("NOOP")) == "250 2.0.0 OK"


async def test_a_silent_stranger_is_cut_off(desk: Desk) -> None:
    client = await (await desk(Limits(stranger_timeout_s=0.1))).client()

    assert await client.reply() == "421 4.4.2 Nothing heard from you for too long"
    assert await client.at_end()


async def test_silence_within_the_data_is_cut_off_and_keeps_nothing(desk: Desk, ann: Any, rows: Rows) -> None:
    open_desk = await desk()
    client = await signed_in(open_desk, ann)
    await client.envelope()
    open_desk.server.limits = Limits(timeout_s=0.2)
    await client.send(HEAD + b"half")

    assert (await client.reply()).startswith("421 4.4.2 ")
    assert rows(schema.messages) == []


async def test_too_many_errors_end_the_connection(desk: Desk) -> None:
    client = await (await desk(Limits(errors=3))).client()
    await client.send(b"BOGUS\r\nDATA\r\nRCPT\r\nMAIL\r\nNOOP\r\n")

    replies = [await client.reply() for _ in range(5)]

    assert [reply[:9] for reply in replies] == ["500 5.5.2", "503 5.5.1", "503 5.5.1", "503 5.5.1", "421 4.7.0"]


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("NOOP", "250 2.0.0"),
        ("RSET", "250 2.0.0"),
        ("QUIT", "221 2.0.0"),
        ("HELP", "250 2.0.0"),
        ("EXPN x", "502 5.5.1"),
        ("VRFY bob@x.example", "252 2.0.0"),
        ("MAIL FROM:ann", "501 5.1.7"),
        ("MAIL TO:<ann@example.org>", "501 5.1.7"),
        ("MAIL FROM:<ann@example.org> FOO=1", "555 5.5.4"),
        ("MAIL FROM:<ann@example.org> SIZE=99999999999999999999", "552 5.3.4"),
        ("MAIL FROM:<ann@example.org> BODY=8BITMIME SMTPUTF8 AUTH=<>", "250 2.1.0"),
        ("MAIL FROM:<ann@example.org> BODY=8BITMIME SMTPUTF8 SIZE=10", "250 2.1.0"),
        ("MAIL FROM:<j\xf6rg@example.org>", "553 5.6.7"),
        ("RCPT TO:<bob@x.example>", "503 5.5.1"),
        ("DATA", "503 5.5.1"),
        ("EHLO", "501 5.5.4"),
        ("STARTTLS now", "501 5.5.4"),
        ("AUTH PLAIN AAAA", "503 5.5.1"),
        ("\x80\xff", "500 5.5.2"),
    ],
)
async def test_every_reply_has_an_enhanced_code(desk: Desk, ann: Any, line: str, reply: str) -> None:
    client = await signed_in(await desk(), ann)

    assert (await client.say(line))[:9] == reply


# What is kept


async def test_the_queue_id_is_the_id_of_the_message(desk: Desk, ann: Any, rows: Rows) -> None:
    open_desk = await desk()
    client = await signed_in(open_desk, ann)
    await client.envelope()
    await client.send(HEAD + b".\r\n")

    reply = await client.reply()

    [message] = rows(schema.messages)
    assert reply == f"250 2.0.0 Ok: queued as {message['id']:016x}"
    assert open_desk.accepted == [None]


async def test_bcc_and_control_headers_are_honoured_and_gone(desk: Desk, ann: Any, rows: Rows) -> None:
    client = await signed_in(await desk(), ann)
    await client.envelope("ann@example.org", "bob@x.example", "eve@x.example")
    await client.send(
        b"Bcc: eve@x.example\r\nX-PM-TrackOpens: false\r\nX-PM-Tag: news\r\nX-PM-Metadata-Color: blue\r\n"
        b"Message-ID: <mine@example.org>\r\n" + HEAD + b".\r\n"
    )
    await client.reply()

    [message], [original] = rows(schema.messages), rows(schema.originals)
    assert (message["tag"], message["metadata"], message["opens_level"]) == ("news", '{"color": "blue"}', 0)
    assert message["message_id"] == "<mine@example.org>"
    assert b"Bcc" not in original["raw"]
    assert b"X-PM" not in original["raw"]
    assert {copy["address"]: copy["kind"] for copy in rows(schema.copies)} == {
        "bob@x.example": "to",
        "eve@x.example": "bcc",
    }


async def test_an_international_address_is_kept(desk: Desk, ann: Any, rows: Rows) -> None:
    client = await signed_in(await desk(), ann)
    await client.say("MAIL FROM:<ann@example.org> SMTPUTF8")
    await client.say("RCPT TO:<j\xf6rg@b\xfccher.example>")
    await client.say("DATA")
    await client.send(HEAD + b".\r\n")
    await client.reply()

    assert [copy["address"] for copy in rows(schema.copies)] == ["j\xf6rg@b\xfccher.example"]


# Faults of ours


@pytest.mark.parametrize(
    ("fault", "reply"),
    [("database or disk is full", "452 4.3.1"), ("database is locked", "451 4.3.0"), ("unable to open", "451 4.3.0")],
)
async def test_a_store_that_fails_is_a_temporary_refusal(
    desk: Desk, ann: Any, rows: Rows, monkeypatch: pytest.MonkeyPatch, fault: str, reply: str
) -> None:
    import sqlite3

    from sqlalchemy.exc import OperationalError

    def fail(*args: object, **kwargs: object) -> None:
        raise OperationalError("INSERT", {}, sqlite3.OperationalError(fault))

    open_desk = await desk()
    client = await signed_in(open_desk, ann)
    await client.envelope()
    monkeypatch.setattr("unsealed.store.messages.add", fail)
    await client.send(HEAD + b".\r\n")

    assert (await client.reply())[:9] == reply
    assert rows(schema.messages) == []
    assert open_desk.accepted == []
    monkeypatch.undo()
    await client.envelope()
    await client.send(HEAD + b".\r\n")
    assert (await client.reply()).startswith("250 ")


async def test_a_full_disk_is_a_temporary_refusal_and_passes(desk: Desk, ann: Any, rows: Rows, engine: Engine) -> None:
    pages = ["PRAGMA max_page_count=200"]
    event.listen(engine, "begin", lambda connection: [connection.exec_driver_sql(each) for each in pages])
    client = await signed_in(await desk(), ann)
    await client.envelope()
    await client.send(HEAD + b"x" * 998 + b"\r\n" * 1_000_000 + b".\r\n")

    assert (await client.reply())[:9] == "452 4.3.1"
    assert rows(schema.messages) == []
    await client.envelope()
    await client.send(HEAD + b"small\r\n.\r\n")
    assert (await client.reply())[:9] == "250 2.0.0"


async def test_a_bug_is_a_temporary_refusal(desk: Desk, ann: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await signed_in(await desk(), ann)
    await client.envelope()
    monkeypatch.setattr("unsealed.flow.send.plan", lambda *args, **kwargs: 1 // 0)
    await client.send(HEAD + b".\r\n")

    assert (await client.reply()).startswith("451 4.3.0 ")


async def test_a_store_that_is_away_lets_nobody_in_and_says_so_for_now(desk: Desk, ann: Any, engine: Engine) -> None:
    client = await (await desk()).client()
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE credentials RENAME TO elsewhere"))

    assert (await client.sign_in(ann.email, ann.password)).startswith("454 4.7.0 ")


async def test_a_client_that_goes_away_within_the_data_leaves_nothing(
    desk: Desk, ann: Any, rows: Rows, eventually: Eventually
) -> None:
    open_desk = await desk()
    client = await signed_in(open_desk, ann)
    await client.envelope()
    await client.send(HEAD + b"half a mess")
    await client.close()
    await eventually(lambda: not open_desk.server._dialogues)

    assert rows(schema.messages) == []
    assert open_desk.server.buffered == 0


async def test_without_a_certificate_there_is_no_port_for_tls(
    desk: Desk, listening: Callable[[], socket.socket]
) -> None:
    open_desk = await desk(tls=None)

    with pytest.raises(BadInput, match="needs a certificate"):
        await open_desk.server.start(implicit=[listening()])
    assert "STARTTLS" not in await (await open_desk.client()).say("EHLO client.example")


async def test_stopping_says_good_bye(desk: Desk) -> None:
    open_desk = await desk()
    client = await open_desk.client()
    await open_desk.server.stop()

    assert await client.reply() == "421 4.3.2 Going down"


# Stock clients


async def test_swaks_hands_in_a_message(desk: Desk, ann: Any, rows: Rows, program: Callable[[str], str]) -> None:
    open_desk = await desk()
    command = [
        program("swaks"), "--server", "127.0.0.1", "--port", str(open_desk.port), "--tls", "--auth", "LOGIN",
        "--auth-user", ann.email, "--auth-password", ann.password, "--from", ann.email,
        "--to", "bob@x.example,eve@x.example", "--header", "Subject: from swaks", "--body", "hello",
        "--timeout", str(int(PATIENCE_S)),
    ]  # fmt: skip
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=PATIENCE_S)
    if "requires Net::SSLeay" in done.stderr:
        pytest.skip("needs the program swaks with Net::SSLeay (Debian: libnet-ssleay-perl), which is not installed")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "queued as" in done.stdout
    assert sorted(copy["address"] for copy in rows(schema.copies)) == ["bob@x.example", "eve@x.example"]
    assert rows(schema.messages)[0]["subject"] == "from swaks"


async def test_msmtp_hands_in_a_message(desk: Desk, ann: Any, rows: Rows, program: Callable[[str], str]) -> None:
    open_desk = await desk()
    command = [
        program("msmtp"), "--host=127.0.0.1", f"--port={open_desk.port}", "--auth=plain", f"--user={ann.email}",
        f"--passwordeval=printf %s {ann.password}", "--tls=off", f"--from={ann.email}", "--read-recipients",
        "--file=/dev/null",
    ]  # fmt: skip
    mail = b"From: ann@example.org\nTo: bob@x.example\nBcc: eve@x.example\nSubject: from msmtp\n\nhello\n.\nbye\n"
    done = await asyncio.to_thread(subprocess.run, command, input=mail, capture_output=True, timeout=PATIENCE_S)

    assert done.returncode == 0, done.stderr
    assert rows(schema.originals)[0]["raw"].endswith(b"\r\n\r\nhello\r\n.\r\nbye\r\n")
    assert sorted(copy["address"] for copy in rows(schema.copies)) == ["bob@x.example", "eve@x.example"]


# What is tracked

TRACKED = (
    b"From: ann@example.org\r\nTo: bob@x.example\r\nSubject: hi\r\nContent-Type: text/html\r\n\r\n"
    b'<p>Hello <a href="https://z.example/">there</a></p>\r\n'
)


async def hand_in(client: Any, raw: bytes, *to: str) -> str:
    await client.say("MAIL FROM:<ann@example.org>")
    for address in to or ("bob@x.example",):
        await client.say(f"RCPT TO:<{address}>")
    await client.say("DATA")
    await client.send(raw + b".\r\n")
    return str(await client.reply())


@pytest.mark.parametrize(
    ("wish", "opens", "clicks"),
    [("", 0, 4), ("+track", 4, 4), ("+NoTrack", 0, 0)],
)
async def test_the_sign_in_name_may_ask_for_tracking_or_for_none(
    desk: Desk, ann: Any, engine: Engine, rows: Rows, wish: str, opens: int, clicks: int
) -> None:
    with engine.begin() as connection:
        usual = Place(limit=Rule(scope=Scope.USER), opens=Level.OFF)
        policies.keep(connection, ann.user, usual, by=ann.user, now=NOON)
    client = await (await desk()).client()
    local, _, domain = ann.email.partition("@")
    assert (await client.sign_in(f"{local}{wish}@{domain}", ann.password)).startswith("235 ")

    assert (await hand_in(client, TRACKED)).startswith("250 2.0.0 ")

    (found,) = rows(schema.messages)
    assert (found["opens_level"], found["clicks_level"]) == (opens, clicks)


async def test_an_address_that_really_ends_so_is_an_address(desk: Desk, ann: Any, engine: Engine, rows: Rows) -> None:
    with engine.begin() as connection:
        people.add_identity(connection, ann.user, "ann+notrack@example.org", NOON)
    client = await (await desk()).client()
    assert (await client.sign_in("ann+notrack@example.org", ann.password)).startswith("235 ")

    await hand_in(client, TRACKED)

    assert rows(schema.messages)[0]["opens_level"] == Level.FULL


async def test_a_wish_in_the_name_opens_no_door(desk: Desk, ann: Any) -> None:
    client = await (await desk()).client()

    assert (await client.sign_in("eve+track@example.org", ann.password)).startswith("535 ")
    assert (await client.sign_in(ann.email.replace("@", "+track@"), "us-aaaaaaaaaa-" + "b" * 28)).startswith("535 ")


async def test_mail_that_asks_for_too_much_is_lowered_or_refused_as_the_account_wants(
    desk: Desk, ann: Any, engine: Engine, rows: Rows
) -> None:
    off = Place(limit=Rule(scope=Scope.ACCOUNT, opens=Level.OFF))
    with engine.begin() as connection:
        policies.keep(connection, policies.EVERYBODY, off, by=ann.user, now=NOON)
    client = await signed_in(await desk(), ann)
    asking = b"X-PM-TrackOpens: true\r\n" + TRACKED

    assert (await hand_in(client, asking)).startswith("250 ")
    (found,) = rows(schema.messages)
    assert found["opens_level"] == Level.OFF
    assert "asked for but not done: open tracking is switched off for everybody here" in found["notes"]

    with engine.begin() as connection:
        strict = Place(limit=Rule(scope=Scope.USER), strict=True)
        policies.keep(connection, ann.user, strict, by=ann.user, now=NOON)
    assert await hand_in(client, asking) == "550 5.7.1 open tracking is switched off for everybody here"
    assert (await hand_in(client, TRACKED)).startswith("250 ")


async def test_an_excluded_recipient_gets_the_original_and_the_others_do_not(
    desk: Desk, ann: Any, engine: Engine, rows: Rows
) -> None:
    quiet = Rule(scope=Scope.RECIPIENT_DOMAIN, name="x.example", opens=Level.OFF, clicks=Level.OFF)
    with engine.begin() as connection:
        policies.exclude(connection, ann.user, quiet, by=ann.user, now=NOON)
    client = await signed_in(await desk(), ann)

    await hand_in(client, TRACKED, "bob@Mail.X.example", "eve@y.example")

    found = {row["address"]: (row["opens_level"], row["clicks_level"], row["tracked"]) for row in rows(schema.copies)}
    assert found == {"bob@Mail.X.example": (0, 0, False), "eve@y.example": (4, 4, True)}


async def test_the_mark_in_the_subject_does_not_leave_the_house(desk: Desk, ann: Any, rows: Rows) -> None:
    client = await signed_in(await desk(), ann)

    await hand_in(client, TRACKED.replace(b"Subject: hi", b"Subject: [notrack] hi"))

    (message,) = rows(schema.messages)
    (original,) = rows(schema.originals)
    assert (message["subject"], message["opens_level"], message["clicks_level"]) == ("hi", 0, 0)
    assert b"[notrack]" not in original["raw"]
