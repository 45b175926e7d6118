from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.core.intake import Intake, take_in
from unsealed.model.errors import AboveCeiling, BadInput, Refused
from unsealed.model.message import UserId
from unsealed.model.policy import Level, Place, Rule, Said, Scope, Switches

COMPLETE = (
    b"From: Ann <ann@example.org>\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n"
    b"To: bob@x.example\r\nSubject: hi\r\n"
)


def taken(
    content: bytes,
    *,
    sender: str = "ann@example.org",
    said: Said = Said(),  # noqa: B008
    asks: bool | None = None,
    defaults: Switches = Switches(),  # noqa: B008
) -> Intake:
    return take_in(
        content,
        user=UserId(1),
        envelope_from=sender,
        envelope_to=["bob@x.example", "eve@x.example"],
        defaults=defaults,
        said=said,
        asks=asks,
        mark="[notrack]",
        now=datetime(2026, 11, 21, 12, tzinfo=UTC),
        new_id="abc",
    )


def test_a_complete_message_is_kept_octet_for_octet() -> None:
    raw = COMPLETE + b"\r\n.dots\r\n\xff\r\n"

    assert taken(raw).outgoing.raw == raw


def test_bcc_and_control_headers_are_cut_out_and_nothing_else() -> None:
    controls = (
        b"Bcc: eve@x.example,\r\n mallory@x.example\r\nX-Pm-Trackopens: false\r\nX-PM-Tag: t\r\nResent-Bcc: q@x\r\n"
    )

    made = taken(controls + COMPLETE + controls + b"\r\nBcc: in the body\r\n")

    assert made.outgoing.raw == COMPLETE + b"\r\nBcc: in the body\r\n"
    assert made.outgoing.switches.opens == Level.OFF
    assert made.outgoing.tag == "t"


@given(st.permutations([b"Bcc: a@x", b"bCC : b@x", b"X-PM-Tag: t", b"junk", b"To: c@x", b"Resent-BCC:\r\n\te@x"]))
def test_no_order_of_lines_lets_a_bcc_through(lines: list[bytes]) -> None:
    raw = taken(b"\r\n".join(lines) + b"\r\n\r\nbody\r\n").outgoing.raw

    assert b"bcc" not in raw.lower()
    assert b"To: c@x\r\n" in raw


def test_missing_headers_are_put_on_top() -> None:
    made = taken(b"Subject: hi\r\n\r\nbody\r\n")

    assert made.outgoing.raw == (
        b"From: ann@example.org\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <abc@example.org>\r\n"
        b"Subject: hi\r\n\r\nbody\r\n"
    )
    assert made.authors == ("ann@example.org",)


def test_a_body_without_a_head_stays_a_body() -> None:
    assert taken(b"hello\r\nBob\r\n").outgoing.raw.endswith(b"@example.org>\r\n\r\nhello\r\nBob\r\n")
    assert taken(b"\r\nhello\r\n").outgoing.raw.endswith(b"@example.org>\r\n\r\nhello\r\n")
    assert taken(b"").outgoing.raw.endswith(b"@example.org>\r\n\r\n")


def test_a_made_message_id_is_ascii() -> None:
    assert b"<abc@xn--bcher-kva.example>" in taken(b"Subject: hi\r\n\r\n", sender="a@b\xfccher.example").outgoing.raw


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\r\n", b"\n\r"])
def test_other_line_ends_become_crlf(end: bytes) -> None:
    raw = taken(COMPLETE + b"\r\na" + end + b"." + end + b"b\r\n").outgoing.raw

    assert raw.count(b"\r\n") == raw.count(b"\r") == raw.count(b"\n")


def test_a_nul_is_refused() -> None:
    with pytest.raises(BadInput):
        taken(COMPLETE + b"\r\n\0\r\n")


def test_a_message_that_runs_in_a_circle_is_refused() -> None:
    hop = b"Received: from a by b; Sat, 21 Nov 2026 12:00:00 +0000\r\n"

    assert taken(hop * 30 + COMPLETE + b"\r\n").outgoing.raw.startswith(hop * 30)
    with pytest.raises(Refused, match="circle"):
        taken(hop * 31 + COMPLETE + b"\r\n")


def levels(made: Intake) -> list[tuple[Level, Level]]:
    return [(each.opens, each.clicks) for each in made.outgoing.recipients]


EVE = Rule(scope=Scope.RECIPIENT, name="eve@x.example", opens=Level.OFF)
OFF, FULL = Level.OFF, Level.FULL


def test_every_recipient_has_a_ceiling_of_its_own() -> None:
    made = taken(COMPLETE + b"\r\n", said=Said(recipients=(EVE,)))

    assert levels(made) == [(FULL, FULL), (OFF, FULL)]
    assert (made.outgoing.switches.opens, made.outgoing.switches.clicks) == (FULL, FULL)
    assert made.outgoing.notes == ("eve@x.example: open tracking is switched off for mail to eve@x.example",)


def test_a_message_without_any_tracked_copy_is_not_tracked() -> None:
    everybody = Rule(scope=Scope.RECIPIENT_DOMAIN, name="x.example", opens=OFF, clicks=OFF)

    made = taken(COMPLETE + b"\r\n", said=Said(recipients=(everybody,)))

    assert made.outgoing.switches.off
    assert levels(made) == [(OFF, OFF), (OFF, OFF)]


def test_nothing_switches_on_what_the_account_switched_off() -> None:
    off = Place(limit=Rule(scope=Scope.ACCOUNT, opens=OFF, clicks=OFF))
    on = b"X-PM-TrackOpens: true\r\nX-PM-TrackLinks: HtmlAndText\r\nX-Unsealed-Opens: full\r\n"

    made = taken(on + COMPLETE + b"\r\n", said=Said(places=(off,)), asks=True)

    assert made.outgoing.switches.off
    assert made.outgoing.notes == (
        "asked for but not done: open tracking is switched off for everybody here",
        "asked for but not done: link tracking is switched off for everybody here",
    )


@pytest.mark.parametrize(
    ("head", "rule", "words"),
    [
        (b"X-PM-TrackOpens: true\r\n", None, "open tracking is switched off in your settings"),
        (b"X-PM-TrackLinks: HtmlOnly\r\n", None, ""),
        (b"", None, ""),
        (b"X-PM-TrackLinks: HtmlOnly\r\n", EVE, ""),
        (
            b"X-PM-TrackLinks: HtmlOnly\r\n",
            Rule(scope=Scope.RECIPIENT, name="eve@x.example", clicks=OFF),
            "link tracking is switched off for mail to eve@x.example",
        ),
    ],
)
def test_strict_refuses_only_what_was_asked_for(head: bytes, rule: Rule | None, words: str) -> None:
    strict = Place(limit=Rule(scope=Scope.USER, opens=OFF), strict=True)
    said = Said(places=(strict,), recipients=() if rule is None else (rule,))

    if not words:
        assert taken(head + COMPLETE + b"\r\n", said=said).outgoing.switches.opens is OFF
    else:
        with pytest.raises(AboveCeiling, match=words):
            taken(head + COMPLETE + b"\r\n", said=said)


def test_destinations_come_on_top_of_those_in_the_settings_file() -> None:
    made = taken(
        COMPLETE + b"\r\n",
        defaults=Switches(excluded_domains=frozenset({"a.example"})),
        said=Said(destinations=frozenset({"b.example"})),
    )

    assert made.outgoing.switches.excluded_domains == {"a.example", "b.example"}


def test_the_mark_in_the_subject_is_followed_and_leaves_no_trace() -> None:
    marked = COMPLETE.replace(b"Subject: hi", b"Subject: [NoTrack] hi")

    made = taken(b"Bcc: eve@x.example\r\n" + marked + b"X-PM-TrackOpens: true\r\n\r\n[notrack]\r\n")

    assert made.outgoing.switches.off
    assert made.outgoing.raw == COMPLETE + b"\r\n[notrack]\r\n"
    assert made.outgoing.notes == ()


@pytest.mark.parametrize(
    ("signature", "subject"),
    [
        (b"DKIM-Signature: v=1\r\n", b"Subject: [notrack] hi"),
        (b"", b"Subject: =?utf-8?q?=5Bnot?= =?utf-8?q?rack=5D_x?="),
    ],
)
def test_a_mark_that_must_not_be_cut_out_is_followed_and_said(signature: bytes, subject: bytes) -> None:
    raw = signature + COMPLETE.replace(b"Subject: hi", subject) + b"\r\n"

    made = taken(raw)

    assert made.outgoing.switches.off
    assert made.outgoing.raw == raw
    assert made.outgoing.notes == (
        "[notrack] was followed but left in the subject, where it could not be cut out safely",
    )


@pytest.mark.parametrize(("asks", "opens"), [(None, FULL), (True, FULL), (False, OFF)])
def test_the_sign_in_name_may_ask(asks: bool | None, opens: Level) -> None:
    made = taken(COMPLETE + b"\r\n", asks=asks)

    assert (made.outgoing.switches.opens, made.outgoing.switches.clicks) == (opens, opens)


def test_who_shares_a_copy_shares_its_level_but_for_those_of_whom_nothing_may_be_known() -> None:
    head = b"X-Unsealed-Copies: shared\r\n"
    named = Rule(scope=Scope.RECIPIENT, name="bob@x.example", opens=Level.IDENTIFIED)

    made = taken(head + COMPLETE + b"\r\n", said=Said(recipients=(named,)))
    assert levels(made) == [(Level.IDENTIFIED, FULL), (Level.IDENTIFIED, FULL)]

    made = taken(head + COMPLETE + b"\r\n", said=Said(recipients=(named, EVE)))
    assert levels(made) == [(Level.IDENTIFIED, FULL), (OFF, FULL)]


def test_a_thousand_excluded_recipients_make_no_thousand_notes() -> None:
    made = take_in(
        COMPLETE + b"\r\n",
        user=UserId(1),
        envelope_from="ann@example.org",
        envelope_to=[f"r{number}@x.example" for number in range(1_000)],
        defaults=Switches(),
        said=Said(recipients=(Rule(scope=Scope.RECIPIENT_DOMAIN, name="x.example", opens=OFF),)),
        now=datetime(2026, 11, 21, 12, tzinfo=UTC),
        new_id="abc",
    )

    assert len(made.outgoing.notes) == 21
    assert made.outgoing.notes[-1] == "the same for 980 more recipients"
