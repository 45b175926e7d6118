from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from itertools import product
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from tests.patience import PATIENCE_S

from unsealed.model.errors import DeliveryFailed
from unsealed.model.message import CopyId, MessageId
from unsealed.model.ports import Parcel, Receipt
from unsealed.model.upstream import Tls, Upstream
from unsealed.outlets.smtp import SmtpOutlet, _wire_form

PARCEL = Parcel(
    copy=CopyId(0xC0),
    message=MessageId(1),
    envelope_from="ann@example.org",
    recipient="bob@x.example",
    raw=b"From: ann@example.org\r\nSubject: hi\r\n\r\n.dot\r\nbody\r\n",
)

Outlet = Callable[..., SmtpOutlet]


@pytest.fixture
def outlet(clock: Callable[[], datetime]) -> Outlet:
    """`outlet(port)` hands over to that port of this machine, without TLS."""

    def make(port: int, **settings: Any) -> SmtpOutlet:
        upstream = Upstream(host="localhost", port=port, tls=settings.pop("tls", Tls.NONE), **settings.pop("who", {}))
        return SmtpOutlet(upstream, clock=clock, host="mail.example.org", **{"timeout_s": PATIENCE_S, **settings})

    return make


async def refused(outlet: SmtpOutlet, parcel: Parcel = PARCEL) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as caught:
        await outlet.deliver(parcel)
    return caught.value


# What leaves


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a", b"\r\n.\r\n", b"\n.\n"])).map(b"".join))
def test_no_bytes_whatever_end_the_message_early(raw: bytes) -> None:
    assert ends_once(raw)


def test_none_of_all_short_endings_ends_the_message_early() -> None:
    """Every text of up to eight of these letters: 87,381, both halves of each wrong ending among them."""
    texts = (bytes(letters) for length in range(9) for letters in product(b"\r\n.a", repeat=length))

    assert [] == [text for text in texts if not ends_once(text)]


def ends_once(raw: bytes) -> bool:
    """Whether what leaves has whole line ends only, and one end of data, which is its own end."""
    wire = _wire_form(raw)
    whole = wire.count(b"\r\n") == wire.count(b"\r") == wire.count(b"\n")
    return whole and (b"\r\n" + wire).find(b"\r\n.\r\n") == len(wire) - 3


def test_a_nul_never_leaves() -> None:
    with pytest.raises(DeliveryFailed) as caught:
        _wire_form(b"a\0b\r\n")

    assert not caught.value.temporary


async def test_the_copy_arrives_as_it_is(upstream: Any, outlet: Outlet) -> None:
    hop = upstream()
    ours = outlet(await hop.start())

    receipt = await ours.deliver(PARCEL)
    await ours.close()

    assert hop.messages == [PARCEL.raw.replace(b"\r\n.dot", b"\r\n..dot")]
    assert receipt.reply == "250 2.0.0 Ok: queued as 0"
    assert not receipt.final


async def test_reports_are_asked_for_where_they_are_offered(upstream: Any, outlet: Outlet) -> None:
    hop = upstream()
    ours = outlet(await hop.start())
    await ours.deliver(replace(PARCEL, recipient="b+ob@x.example"))
    await ours.deliver(replace(PARCEL, envelope_from="", wants_report=False))
    await ours.close()

    size = len(PARCEL.raw)
    assert [line for line in hop.commands if line[:4] in ("MAIL", "RCPT")] == [
        f"MAIL FROM:<ann@example.org> SIZE={size} RET=HDRS ENVID=00000000000000c0",
        "RCPT TO:<b+ob@x.example> NOTIFY=FAILURE,DELAY ORCPT=rfc822;b+2Bob@x.example",
        f"MAIL FROM:<> SIZE={size}",
        "RCPT TO:<bob@x.example> NOTIFY=NEVER",
    ]


async def test_a_next_hop_without_extensions_gets_the_bytes_all_the_same(upstream: Any, outlet: Outlet) -> None:
    hop = upstream()
    hop.extensions = ()
    ours = outlet(await hop.start())
    eight_bit = replace(PARCEL, raw="Subject: \xfc\r\n\r\n\xe4\r\n".encode())
    await ours.deliver(eight_bit)
    await ours.close()

    assert hop.messages == [eight_bit.raw]
    assert "MAIL FROM:<ann@example.org>" in hop.commands


async def test_eight_bit_and_international_mail_is_announced(upstream: Any, outlet: Outlet) -> None:
    hop = upstream()
    hop.extensions = ("8BITMIME", "SMTPUTF8")
    ours = outlet(await hop.start())
    await ours.deliver(replace(PARCEL, raw="Subject: x\r\n\r\n\xe4\r\n".encode()))
    await ours.deliver(replace(PARCEL, recipient="j\xf6rg@x.example"))
    await ours.close()

    assert [line for line in hop.commands if line.startswith("MAIL")] == [
        "MAIL FROM:<ann@example.org> BODY=8BITMIME",
        "MAIL FROM:<ann@example.org> SMTPUTF8",
    ]
    hop.extensions = ()
    error = await refused(ours, replace(PARCEL, recipient="j\xf6rg@x.example"))
    assert (error.temporary, error.status) == (False, "5.6.7")


# Connections


async def test_connections_are_used_again(upstream: Any, outlet: Outlet) -> None:
    hop = upstream()
    ours = outlet(await hop.start())
    for _ in range(5):
        await ours.deliver(PARCEL)
    await ours.close()

    assert (hop.connections, len(hop.messages)) == (1, 5)
    assert hop.commands[-1] == "QUIT"


async def test_not_more_connections_than_asked_for(upstream: Any, outlet: Outlet) -> None:
    hop = upstream()
    ours = outlet(await hop.start(), connections=3)
    await asyncio.gather(*(ours.deliver(PARCEL) for _ in range(20)))
    await ours.close()

    assert (hop.connections, len(hop.messages)) == (3, 20)


async def test_a_refusal_does_not_spoil_the_connection(upstream: Any, outlet: Outlet) -> None:
    hop = upstream()
    hop.script = {"RCPT": ["550 5.1.1 no such user", "usual"], "END": ["554 5.7.1 spam", "usual"]}
    ours = outlet(await hop.start())
    await refused(ours)
    await refused(ours)
    await ours.deliver(PARCEL)
    await ours.close()

    assert (hop.connections, len(hop.messages)) == (1, 1)


async def test_a_connection_that_went_stale_is_replaced_unseen(upstream: Any, outlet: Outlet) -> None:
    hop = upstream()
    ours = outlet(await hop.start())
    await ours.deliver(PARCEL)
    hop.script = {"MAIL": [None, "usual"]}  # hangs up when the kept connection is used again
    await ours.deliver(PARCEL)
    hop.hang_up_all()
    await asyncio.sleep(0)
    await ours.deliver(PARCEL)
    await ours.close()

    assert (hop.connections, len(hop.messages)) == (3, 3)


# Every way in which a next hop can misbehave


@pytest.mark.parametrize(
    ("script", "temporary", "code", "status"),
    [
        ({"CONNECT": ["554 5.3.2 go away"]}, True, 0, "4.3.2"),
        ({"CONNECT": ["421 4.3.2 busy"]}, True, 0, "4.3.2"),
        ({"CONNECT": [None]}, True, 0, "4.4.1"),
        ({"CONNECT": ["hang"]}, True, 0, "4.4.2"),
        ({"EHLO": ["421 4.3.2 busy"]}, True, 0, "4.3.2"),
        ({"EHLO": [None]}, True, 0, "4.4.1"),
        ({"EHLO": ["hang"]}, True, 0, "4.4.2"),
        ({"MAIL": ["451 4.7.1 greylisted"]}, True, 451, "4.7.1"),
        ({"MAIL": ["550 5.7.1 not you"]}, False, 550, "5.7.1"),
        ({"MAIL": ["530 5.7.0 sign in"]}, True, 530, "5.7.0"),
        ({"MAIL": ["552 5.3.4 too big"]}, False, 552, "5.3.4"),
        ({"MAIL": [None]}, True, 0, "4.4.2"),
        ({"MAIL": ["hang"]}, True, 0, "4.4.2"),
        ({"MAIL": ["421 4.3.2 closing"]}, True, 421, "4.3.2"),
        ({"RCPT": ["450 4.2.0 later"]}, True, 450, "4.2.0"),
        ({"RCPT": ["550-5.1.1 no such\r\n550 5.1.1 user"]}, False, 550, "5.1.1"),
        ({"RCPT": ["550 no enhanced code"]}, False, 550, ""),
        ({"RCPT": [None]}, True, 0, "4.4.2"),
        ({"RCPT": ["hang"]}, True, 0, "4.4.2"),
        ({"DATA": ["451 4.3.0 no"]}, True, 451, "4.3.0"),
        ({"DATA": ["554 5.0.0 no"]}, False, 554, "5.0.0"),
        ({"DATA": ["250 2.0.0 what"]}, True, 250, "2.0.0"),
        ({"DATA": [None]}, True, 0, "4.4.2"),
        ({"END": ["452 4.2.2 full"]}, True, 452, "4.2.2"),
        ({"END": ["554 5.7.1 spam"]}, False, 554, "5.7.1"),
        ({"END": [None]}, True, 0, "4.4.2"),
        ({"END": ["421 4.3.2 closing"]}, True, 421, "4.3.2"),
        ({"END": ["nonsense"]}, True, 0, "4.5.0"),
    ],
    ids=str,
)
async def test_every_answer_is_understood(
    upstream: Any,
    outlet: Outlet,
    script: dict[str, list[Any]],
    temporary: bool,
    code: int,
    status: str,
) -> None:
    hop = upstream()
    hop.script = script
    silent = any("hang" in answers for answers in script.values())
    ours = outlet(await hop.start(), timeout_s=0.5 if silent else PATIENCE_S)

    error = await refused(ours)
    await ours.close()

    assert (error.temporary, error.code, error.status) == (temporary, code, status)


async def test_a_hang_after_the_end_of_data_is_cut_off(upstream: Any, outlet: Outlet) -> None:
    hop = upstream()
    ours = outlet(await hop.start())

    def lose_patience(*_: object) -> str:
        ours._timeout_s = 0.1
        return "usual"

    hop.script = {"DATA": [lose_patience], "END": ["hang"]}
    error = await refused(ours)

    assert (error.temporary, error.status) == (True, "4.4.2")
    assert "end of data" in str(error)


async def test_a_server_from_before_esmtp_is_greeted_with_helo(upstream: Any, outlet: Outlet) -> None:
    hop = upstream()
    hop.script = {"EHLO": ["502 5.5.1 what"]}
    ours = outlet(await hop.start())
    await ours.deliver(PARCEL)
    await ours.close()

    assert hop.commands[:2] == ["EHLO mail.example.org", "HELO mail.example.org"]
    assert len(hop.messages) == 1


async def test_nobody_there_is_temporary(outlet: Outlet, free_port: Callable[[], int]) -> None:
    error = await refused(outlet(free_port()))

    assert (error.temporary, error.status) == (True, "4.4.1")


async def test_an_address_cannot_carry_a_command(upstream: Any, outlet: Outlet) -> None:
    hop = upstream()
    ours = outlet(await hop.start())
    error = await refused(ours, replace(PARCEL, recipient="bob@x.example>\r\nRCPT TO:<eve@x.example"))
    await ours.close()

    assert (error.temporary, error.status) == (False, "5.1.3")
    assert not [line for line in hop.commands if "eve" in line]


# TLS and signing in


@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.IMPLICIT])
async def test_mail_goes_over_verified_tls_with_a_sign_in(
    upstream: Any,
    outlet: Outlet,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
    tls: Tls,
) -> None:
    hop = upstream(server_tls)
    port = await hop.start(implicit=tls is Tls.IMPLICIT)
    ours = outlet(port, tls=tls, tls_context=client_tls, who={"user": "ann", "password": "pw"})
    await ours.deliver(PARCEL)
    await ours.close()

    assert len(hop.messages) == 1
    secured = hop.commands.index("STARTTLS") if tls is Tls.STARTTLS else -1
    assert secured < hop.commands.index("AUTH PLAIN AGFubgBwdw==") < hop.commands.index("QUIT")


@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.IMPLICIT])
async def test_a_certificate_that_nobody_vouches_for_is_temporary(
    upstream: Any, outlet: Outlet, server_tls: ssl.SSLContext, tls: Tls
) -> None:
    hop = upstream(server_tls)
    strangers = ssl.create_default_context()
    trustme.CA().configure_trust(strangers)
    port = await hop.start(implicit=tls is Tls.IMPLICIT)

    error = await refused(outlet(port, tls=tls, tls_context=strangers))

    assert (error.temporary, error.status) == (True, "4.7.5")
    assert "cannot be trusted" in str(error)
    assert hop.messages == []


async def test_tls_that_is_not_offered_is_never_given_up(
    upstream: Any, outlet: Outlet, client_tls: ssl.SSLContext
) -> None:
    hop = upstream()
    error = await refused(outlet(await hop.start(), tls=Tls.STARTTLS, tls_context=client_tls))

    assert (error.temporary, error.status) == (True, "4.7.4")
    assert not [line for line in hop.commands if line.startswith(("MAIL", "AUTH"))]


@pytest.mark.parametrize("answer", ["454 4.7.0 not now", None, "hang"])
async def test_starttls_that_fails_is_temporary(
    upstream: Any,
    outlet: Outlet,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
    answer: str | None,
) -> None:
    hop = upstream(server_tls)
    hop.script = {"STARTTLS": [answer]}
    port = await hop.start()
    error = await refused(outlet(port, tls=Tls.STARTTLS, tls_context=client_tls, timeout_s=0.3))

    assert error.temporary
    assert hop.messages == []


async def test_a_sign_in_that_fails_says_nothing_about_the_mail(upstream: Any, outlet: Outlet) -> None:
    hop = upstream()
    hop.script = {"AUTH": ["535 5.7.8 wrong"]}
    ours = outlet(await hop.start(), who={"user": "ann", "password": "sesame"})
    error = await refused(ours)

    assert (error.temporary, error.status) == (True, "4.7.8")
    assert "sesame" not in str(error)


async def test_giving_up_in_the_middle_closes_the_connection(
    upstream: Any, outlet: Outlet, eventually: Callable[[Callable[[], Any]], Awaitable[Any]]
) -> None:
    hop = upstream()
    hop.script = {"RCPT": ["hang", "usual"]}
    ours = outlet(await hop.start(), connections=1)
    task = asyncio.create_task(ours.deliver(PARCEL))
    await eventually(lambda: [each for each in hop.commands if each.startswith("RCPT")])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert isinstance(await ours.deliver(PARCEL), Receipt)
    await ours.close()
    assert (hop.connections, len(hop.messages)) == (2, 1)
