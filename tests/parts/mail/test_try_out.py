"""A next hop tried out: what both sides said, and why it did not work; and signing in with tokens."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
import trustme
from tests.parts.mail.test_oauth import GOOD, Endpoint
from tests.parts.mail.test_oauth import endpoint as endpoint
from tests.patience import PATIENCE_S

from unsealed.model.errors import DeliveryFailed
from unsealed.model.message import CopyId, MessageId
from unsealed.model.ports import Parcel
from unsealed.model.upstream import Attempt, OAuth, Speaker, Tls, Trouble, Upstream
from unsealed.outlets.smtp import SmtpOutlet, try_out

PASSWORD = "open sesame"
PARCEL = Parcel(
    copy=CopyId(0),
    message=MessageId(0),
    envelope_from="ann@example.org",
    recipient="ann@example.org",
    raw=b"Subject: does mail leave?\r\n\r\nyes\r\n",
    wants_report=False,
)
Try = Callable[..., Awaitable[Attempt]]


@pytest.fixture
def attempt(clock: Callable[[], datetime]) -> Try:
    """`await attempt(port, ...)` tries a next hop on this machine out."""

    async def run(
        port: int, context: ssl.SSLContext | None = None, timeout_s: float = PATIENCE_S, **of: Any
    ) -> Attempt:
        given: dict[str, Any] = {"host": "localhost", "port": port, "tls": Tls.NONE} | of
        upstream = Upstream(**given)
        return await try_out(
            upstream, PARCEL, clock=clock, host="unsealed.example", timeout_s=timeout_s, tls_context=context
        )

    return run


def said(attempt: Attempt) -> list[str]:
    marks = {Speaker.US: "C", Speaker.THEM: "S", Speaker.NOTE: "*"}
    return [f"{marks[line.by]} {line.words}" for line in attempt.lines]


def holds(attempt: Attempt, *secrets: str) -> list[str]:
    """Secrets, plain or in a form in which they are sent, that can be read in what is shown."""
    shown = "\n".join([attempt.words, *said(attempt)])
    forms = [(each, base64.b64encode(each.encode()).decode()) for each in secrets]
    return [each for pair in forms for each in pair if each in shown]


async def test_what_both_sides_said_is_put_down(
    upstream: Any, attempt: Try, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    hop = upstream(server_tls)
    done = await attempt(await hop.start(), client_tls, tls=Tls.STARTTLS, user="ann", password=PASSWORD)

    assert (done.trouble, done.words) == (None, "250 2.0.0 Ok: queued as 0")
    lines = said(done)
    assert lines[0].startswith("* connected to ")
    assert lines[1:3] == ["S 220 upstream.example ESMTP", "C EHLO unsealed.example"]
    [tls] = [line for line in lines if "TLSv1" in line]
    assert "certificate for localhost, 127.0.0.1, issued by trustme" in tls
    assert lines.index("C STARTTLS") < lines.index(tls) < lines.index("C AUTH PLAIN ***")
    assert lines[-4:] == ["* the message, 37 bytes", "S 250 2.0.0 Ok: queued as 0", "C QUIT", "S 221 2.0.0 bye"]
    assert hop.messages == [PARCEL.raw]
    assert holds(done, PASSWORD, f"\0ann\0{PASSWORD}") == []


async def test_implicit_tls_is_put_down_too(
    upstream: Any, attempt: Try, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    done = await attempt(await upstream(server_tls).start(implicit=True), client_tls, tls=Tls.IMPLICIT)

    assert done.trouble is None
    assert "TLSv1" in said(done)[1]


async def test_a_refused_sign_in_shows_the_answers_and_no_secret(upstream: Any, attempt: Try) -> None:
    hop = upstream()
    everything = base64.b64encode(f"\0ann\0{PASSWORD}".encode()).decode()
    hop.script["AUTH"] = [f"535 5.7.8 no such: {everything} alias {PASSWORD}"]
    done = await attempt(await hop.start(), user="ann", password=PASSWORD)

    assert done.trouble is Trouble.SIGN_IN
    assert "C AUTH PLAIN ***" in said(done)
    assert "S 535 5.7.8 no such: *** alias ***" in said(done)
    assert holds(done, PASSWORD, f"\0ann\0{PASSWORD}") == []
    assert hop.messages == []


async def test_a_password_asked_for_line_by_line_is_masked(upstream: Any, attempt: Try) -> None:
    hop = upstream()
    hop.script["EHLO"] = ["250-upstream.example\r\n250 AUTH LOGIN"]
    hop.script["AUTH"] = ["334 UGFzc3dvcmQ6"]
    hop.script[base64.b64encode(PASSWORD.encode()).decode().upper()] = ["235 2.7.0 in"]
    done = await attempt(await hop.start(), user="ann", password=PASSWORD)

    assert done.trouble is None
    at = said(done).index("C AUTH LOGIN ***")
    assert said(done)[at + 1 : at + 4] == ["S 334 UGFzc3dvcmQ6", "C ***", "S 235 2.7.0 in"]
    assert said(done)[at + 4].startswith("C MAIL FROM:")
    assert holds(done, PASSWORD) == []


async def test_a_name_that_nobody_knows(attempt: Try) -> None:
    assert (await attempt(25, host="nobody.invalid")).trouble is Trouble.NAME


async def test_nobody_listens(attempt: Try, free_port: Callable[[], int]) -> None:
    done = await attempt(free_port())

    assert done.trouble is Trouble.REFUSED
    assert said(done) == [f"* {done.words}"]


async def test_a_server_that_is_silent(upstream: Any, attempt: Try) -> None:
    hop = upstream()
    hop.script["CONNECT"] = ["hang"]

    assert (await attempt(await hop.start(), timeout_s=0.3)).trouble is Trouble.TIMEOUT


async def test_a_server_that_hangs_up(upstream: Any, attempt: Try) -> None:
    hop = upstream()
    hop.script["EHLO"] = [None]

    assert (await attempt(await hop.start())).trouble is Trouble.UNREACHABLE


async def test_a_server_that_lets_nobody_in(upstream: Any, attempt: Try) -> None:
    hop = upstream()
    hop.script["CONNECT"] = ["554 5.7.1 your network is listed"]
    done = await attempt(await hop.start())

    assert done.trouble is Trouble.ANSWER
    assert "your network is listed" in done.words


async def test_no_starttls_is_never_given_up(upstream: Any, attempt: Try, client_tls: ssl.SSLContext) -> None:
    hop = upstream()
    done = await attempt(await hop.start(), client_tls, tls=Tls.STARTTLS, user="ann", password=PASSWORD)

    assert done.trouble is Trouble.NO_STARTTLS
    assert not any(line.startswith("C AUTH") for line in said(done))


@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.IMPLICIT])
async def test_a_certificate_that_nobody_vouches_for(
    upstream: Any, attempt: Try, server_tls: ssl.SSLContext, tls: Tls
) -> None:
    port = await upstream(server_tls).start(implicit=tls is Tls.IMPLICIT)
    done = await attempt(port, ssl.create_default_context(), tls=tls, user="ann", password=PASSWORD)

    assert done.trouble is Trouble.CERTIFICATE
    assert not any("AUTH" in line for line in said(done) if line.startswith("C"))


async def test_a_certificate_for_another_name(
    upstream: Any, attempt: Try, authority: trustme.CA, client_tls: ssl.SSLContext
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("mail.example.org").configure_cert(context)
    done = await attempt(await upstream(context).start(), client_tls, tls=Tls.STARTTLS)

    assert done.trouble is Trouble.CERTIFICATE
    assert "mismatch" in done.words


async def test_tls_at_a_port_that_speaks_in_clear(upstream: Any, attempt: Try, client_tls: ssl.SSLContext) -> None:
    assert (await attempt(await upstream().start(), client_tls, tls=Tls.IMPLICIT)).trouble is Trouble.TLS


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "END"])
async def test_a_message_that_is_refused(upstream: Any, attempt: Try, step: str) -> None:
    hop = upstream()
    hop.script[step] = ["553 5.7.1 not an address of yours"]
    done = await attempt(await hop.start())

    assert (done.trouble, done.words) == (Trouble.MESSAGE, "553 5.7.1 not an address of yours")
    assert "S 553 5.7.1 not an address of yours" in said(done)


async def test_a_private_address_is_for_those_who_may(upstream: Any, attempt: Try) -> None:
    hop = upstream()
    port = await hop.start()
    for host in ("localhost", "127.0.0.1"):
        assert (await attempt(port, host=host, inside=False)).trouble is Trouble.INSIDE

    assert hop.connections == 0


async def test_a_server_that_never_stops_talking_is_cut(upstream: Any, attempt: Try) -> None:
    hop = upstream()
    hop.script["EHLO"] = ["\r\n".join(["250-x" + "y" * 900] * 60 + ["250 ok"])]
    hop.script["MAIL"] = ["\r\n".join(["550-\x1b[31mx"] * 300 + ["550 no"])]
    done = await attempt(await hop.start())

    assert len(done.lines) <= 200
    assert max(len(line.words) for line in done.lines) <= 500


# Signing in with tokens


@pytest.fixture
async def oauth(endpoint: Endpoint) -> OAuth:
    port = await endpoint.start()
    return OAuth(
        token_url=f"http://localhost:{port}/token", client_id="id", client_secret="hush", refresh_token="1//again"
    )


def opens_with(hop: Any, token: str) -> None:
    """The hop lets in who shows this token, as Gmail does."""
    hop.script["EHLO"] = ["250-upstream.example\r\n250 AUTH PLAIN XOAUTH2"]
    expected = base64.b64encode(f"user=ann@example.org\1auth=Bearer {token}\1\1".encode()).decode()
    challenge = base64.b64encode(json.dumps({"status": "401", "schemes": "Bearer"}).encode()).decode()

    def check(_: Any, command: str) -> str:
        return "235 2.7.0 Accepted" if command == f"AUTH XOAUTH2 {expected}" else f"334 {challenge}"

    hop.script["AUTH"] = [check]
    hop.script[""] = ["535 5.7.8 Username and Password not accepted"]


async def test_a_token_opens_and_is_never_shown(upstream: Any, attempt: Try, oauth: OAuth) -> None:
    hop = upstream()
    opens_with(hop, "ya29.good")
    done = await attempt(await hop.start(), user="ann@example.org", oauth=oauth)

    assert done.trouble is None, said(done)
    assert "C AUTH XOAUTH2 ***" in said(done)
    assert holds(done, "ya29.good", "hush", "1//again", "user=ann@example.org\1auth=Bearer ya29.good\1\1") == []


async def test_a_token_that_is_refused_is_not_shown_again(
    upstream: Any, clock: Callable[[], datetime], attempt: Try, oauth: OAuth, endpoint: Endpoint
) -> None:
    hop = upstream()
    opens_with(hop, "second")
    port = await hop.start()
    done = await attempt(port, user="ann@example.org", oauth=oauth)
    assert done.trouble is Trouble.SIGN_IN
    assert "535 5.7.8" in done.words

    way = Upstream(host="localhost", port=port, tls=Tls.NONE, user="ann@example.org", oauth=oauth)
    outlet = SmtpOutlet(way, clock=clock, timeout_s=PATIENCE_S)
    with pytest.raises(DeliveryFailed) as caught:
        await outlet.deliver(PARCEL)
    assert caught.value.temporary
    endpoint.answer = GOOD | {"access_token": "second"}
    assert (await outlet.deliver(PARCEL)).reply.startswith("250")
    hop.hang_up_all()
    assert (await outlet.deliver(PARCEL)).reply.startswith("250")  # a new connection, the same token
    await outlet.close()

    assert len(endpoint.forms) == 3


async def test_no_token_no_attempt(upstream: Any, attempt: Try, oauth: OAuth, endpoint: Endpoint) -> None:
    hop = upstream()
    opens_with(hop, "ya29.good")
    endpoint.status, endpoint.answer = 400, {"error": "invalid_grant", "error_description": "Token has been revoked."}
    done = await attempt(await hop.start(), user="ann@example.org", oauth=oauth)

    assert done.trouble is Trouble.TOKEN
    assert "Token has been revoked." in done.words
    assert not any(line.startswith("C AUTH") for line in said(done))


async def test_a_server_without_xoauth2_says_so(upstream: Any, attempt: Try, oauth: OAuth) -> None:
    done = await attempt(await upstream().start(), user="ann@example.org", oauth=oauth)

    assert done.trouble is Trouble.SIGN_IN
    assert "offers no XOAUTH2" in done.words


def test_two_ways_with_other_secrets_are_two_ways() -> None:
    way = Upstream(host="mx.example", port=25, password="a")

    assert way != replace(way, password="b")
    assert len({way, replace(way, password="b"), replace(way)}) == 2
