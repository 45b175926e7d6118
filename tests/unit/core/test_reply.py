"""What an incoming message is: labelled cases, real mail where there is some, and anything at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import NOON, SHARED

from unsealed.core import bounce, reply
from unsealed.model.message import CopyId, MessageId
from unsealed.model.reply import Kind

OURS = "<offer@tidewater.example>"
MACHINES = (
    "Auto-Submitted: auto-replied",
    "Auto-Submitted: auto-generated (failure)",
    "auto-submitted: Auto-Notified; owner=x",
    "X-Auto-Response-Suppress: All",
    "X-Auto-Response-Suppress: OOF, AutoReply",
    "X-Autoreply: yes",
    "X-Autorespond: vacation",
    "X-Mail-Autoreply: Mailcow",
    "Precedence: bulk",
    "Precedence: junk",
    "Precedence: auto_reply",
    "X-Precedence: auto_reply",
    "Return-Path: <>",
    "X-MS-Exchange-Inbox-Rules-Loop: ines@harbourline.example",
)
PEOPLE = (
    "Auto-Submitted: no",
    "Auto-Submitted: NO (really)",
    "Precedence: list\r\nList-Id: <friends.list.example>",
    "Precedence: bulk\r\nList-Post: <mailto:friends@list.example>",
    "Precedence: first-class",
    "Return-Path: <ines@harbourline.example>",
    "User-Agent: Mozilla Thunderbird",
    "X-Mailer: Apple Mail (2.3774)",
    "Importance: high",
)
AWAY = (
    "Automatic reply: Offer",
    "Out of Office: Offer",
    "Out of the office until Monday",
    "Auto-Reply: I am travelling",
    "Automatische Antwort: Offer",
    "Abwesenheitsnotiz: Offer",
    "Réponse automatique : Offer",
    "Respuesta automática: Offer",
    "Risposta automatica: Offer",
    "Resposta automática: Offer",
    "Automatisch antwoord: Offer",
    "Autosvar: Offer",
    "Automatyczna odpowiedź: Offer",
    "Автоматический ответ: Offer",
    "自動返信: Offer",
    "=?utf-8?q?R=C3=A9ponse_automatique?= : Offer",
)


def head(*more: str, by: str = "Ines <ines@harbourline.example>", subject: str = "Re: Offer", to: str = OURS) -> bytes:
    lines = [f"From: {by}", "To: mara@tidewater.example", f"Subject: {subject}", "Message-ID: <a@harbourline.example>"]
    return "\r\n".join([*lines, f"In-Reply-To: {to}", *more, "", "Fine.", ""]).encode()


def kind_of(raw: bytes) -> Kind:
    found = reply.read(raw)
    assert found is not None
    return found.kind


def report(
    *recipients: str, returned: str = f"Message-ID: {OURS}", top: str = "", kind: str = "text/rfc822-headers"
) -> bytes:
    """A delivery report with these groups of fields."""
    groups = "\r\n\r\n".join(("Reporting-MTA: dns; mx.example", *recipients))
    return (
        "From: MAILER-DAEMON@mx.example\r\nTo: mara@tidewater.example\r\nMessage-ID: <r@mx.example>\r\n"
        f'{top}Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        f"--b\r\nContent-Type: message/delivery-status\r\n\r\n{groups}\r\n"
        f"--b\r\nContent-Type: {kind}\r\n\r\n{returned}\r\nSubject: Offer\r\n\r\n--b--\r\n"
    ).encode()


# Answers


@pytest.mark.parametrize("line", PEOPLE)
def test_an_answer_is_a_persons_where_nothing_speaks_for_a_machine(line: str) -> None:
    found = reply.read(head(line))

    assert found is not None
    assert (Kind.REPLY, (OURS,), "ines@harbourline.example", "Ines") == (
        found.kind,
        found.parents,
        found.address,
        found.name,
    )
    assert "<a@harbourline.example>" == found.header_id


@pytest.mark.parametrize("line", MACHINES)
def test_what_a_machine_wrote_is_automatic(line: str) -> None:
    assert Kind.AUTOMATIC is kind_of(head(line))


@pytest.mark.parametrize("subject", AWAY)
def test_a_subject_of_absence_is_believed_only_where_no_mail_program_is_named(subject: str) -> None:
    assert Kind.AUTOMATIC is kind_of(head(subject=subject))
    assert Kind.REPLY is kind_of(head("User-Agent: Mozilla Thunderbird", subject=subject))
    assert Kind.REPLY is kind_of(head(subject=f"Re: {subject}"))


@pytest.mark.parametrize("by", ["noreply@shop.example", "No-Reply+7@shop.example", "do_not_reply@shop.example"])
def test_who_takes_no_mail_is_no_person(by: str) -> None:
    assert Kind.AUTOMATIC is kind_of(head(by=by))


def test_what_answers_nothing_is_nothing_of_ours() -> None:
    raw = b"From: ines@harbourline.example\r\nSubject: Hello\r\nMessage-ID: <n@harbourline.example>\r\n\r\nHi\r\n"

    assert None is reply.read(raw)
    assert not reply.wants_body(raw)


def test_the_conversation_is_read_with_the_nearest_first_and_the_parent_apart() -> None:
    found = reply.read(head(f"References: <first@x.example> {OURS} <theirs@y.example>", to="<theirs@y.example>"))

    assert found is not None
    assert ("<theirs@y.example>", OURS, "<first@x.example>") == found.names
    assert ("<theirs@y.example>",) == found.parents


def test_without_in_reply_to_the_last_reference_is_the_parent() -> None:
    raw = head(f"References: <first@x.example> {OURS}").replace(f"In-Reply-To: {OURS}\r\n".encode(), b"")
    found = reply.read(raw)

    assert found is not None
    assert (OURS,) == found.parents


def test_an_answer_without_an_id_of_its_own_still_has_a_name_of_its_own() -> None:
    one, other = (
        reply.read(head(f"Date: Sat, 21 Nov 2026 12:00:0{second} +0000").replace(b"Message-ID", b"X-Lost"))
        for second in (1, 2)
    )

    assert one is not None
    assert other is not None
    assert one.header_id.startswith("sha256:")
    assert one.header_id != other.header_id


def test_an_id_longer_than_any_index_takes_is_kept_as_its_hash() -> None:
    found = reply.read(head().replace(b"<a@", b"<" + b"a" * 900 + b"@"))

    assert found is not None
    assert 71 == len(found.header_id)


@pytest.mark.parametrize(
    "by", ["ines@x.example, rob@x.example", "not an address", "", "<ines@x.example> <rob@y.example>"]
)
def test_an_author_who_cannot_be_read_beyond_doubt_is_nobody(by: str) -> None:
    found = reply.read(head(by=by))

    assert found is not None
    assert "" == found.address


def test_only_the_line_on_top_says_that_the_author_was_forged() -> None:
    passed, failed = (
        f"Authentication-Results: mx.tidewater.example; spf=none; dmarc={word} header.from=x.example"
        for word in ("pass", "fail")
    )

    for lines, doubtful in (((failed,), True), ((passed,), False), ((passed, failed), False), ((failed, passed), True)):
        found = reply.read(head(*lines))
        assert found is not None
        assert doubtful == found.doubtful


# Whose copy it is


@pytest.mark.parametrize(
    "author", ["ines@harbourline.example", "Ines@Harbourline.Example", "ines+sales@harbourline.example"]
)
def test_spellings_of_one_mailbox_are_one(author: str) -> None:
    assert 1 == reply.tied(author, {1: "INES@harbourline.example", 2: "rob@harbourline.example"})


def test_a_tag_that_was_written_to_comes_back_without_it() -> None:
    assert 1 == reply.tied("ines@x.example", {1: "ines+news@x.example", 2: "rob@x.example"})


def test_gmail_knows_no_dots_and_has_two_names() -> None:
    assert 1 == reply.tied("ines.marchetti@googlemail.com", {1: "inesmarchetti@gmail.com"})
    assert None is reply.tied("ines.marchetti@x.example", {1: "inesmarchetti@x.example"})


@pytest.mark.parametrize("author", ["", "stranger@x.example", "ines@x.example.evil.example"])
def test_a_stranger_has_no_copy(author: str) -> None:
    assert None is reply.tied(author, {1: "ines@x.example", 2: ""})


def test_what_fits_two_copies_fits_none_unless_one_fits_better() -> None:
    copies = {1: "ines+a@x.example", 2: "ines+b@x.example"}

    assert None is reply.tied("ines@x.example", copies)
    assert 2 == reply.tied("INES+B@x.example", copies)


# Reports


@pytest.mark.parametrize(
    ("action", "kind"), [("failed", Kind.BOUNCE), ("delayed", Kind.DELAYED), ("Delivered (mailbox)", Kind.DELIVERED)]
)
def test_a_report_says_what_became_of_each_recipient(action: str, kind: Kind) -> None:
    raw = report(
        f"Final-Recipient: rfc822; ines@harbourline.example\r\nAction: {action}\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 <ines@harbourline.example>\r\n no such user"
    )
    found = reply.read(raw)

    assert reply.wants_body(raw[: raw.index(b"\r\n\r\n")])
    assert found is not None
    assert (kind, (OURS,)) == (found.kind, found.parents)
    [fate] = found.fates
    assert (kind, ("ines@harbourline.example",)) == (fate.kind, fate.addresses)
    assert "550 5.1.1 <ines@harbourline.example> no such user" == fate.words


def test_recipients_of_one_report_have_their_own_fates_and_the_gravest_names_it() -> None:
    found = reply.read(
        report(
            "Final-Recipient: rfc822; rob@x.example\r\nAction: delivered\r\nStatus: 2.0.0",
            "Original-Recipient: rfc822;lotte+2Bnews@x.example\r\n"
            "Final-Recipient: rfc822; lotte@inside.example\r\nStatus: 5.2.2",
            "Final-Recipient: rfc822; list@x.example\r\nAction: expanded\r\nStatus: 2.0.0",
            "Final-Recipient: rfc822; far@y.example\r\nAction: relayed",
        )
    )

    assert found is not None
    assert Kind.BOUNCE is found.kind
    assert [Kind.DELIVERED, Kind.BOUNCE] == [fate.kind for fate in found.fates]
    assert ("lotte+2Bnews@x.example", "lotte+news@x.example", "lotte@inside.example") == found.fates[1].addresses
    assert "5.2.2" == found.fates[1].words


def test_our_own_report_is_read_as_what_it_is() -> None:
    raw = bounce.report(
        bounce.Failure(
            copy=CopyId(0xC0FFEE),
            message=MessageId(1),
            sender="mara@tidewater.example",
            recipient="ines@harbourline.example",
            reply="550 5.1.1 no such user",
            received_at=NOON,
            failed_at=NOON,
            original=f"Message-ID: {OURS}\r\nSubject: Offer\r\n\r\nHello\r\n".encode(),
        ),
        host="mail.tidewater.example",
    )
    found = reply.read(raw)

    assert found is not None
    assert (Kind.BOUNCE, "0000000000c0ffee", (OURS,)) == (found.kind, found.envelope, found.parents)
    assert "550 5.1.1 no such user" == found.fates[0].words


@pytest.mark.parametrize("kind", ["disposition-notification", "feedback-report"])
def test_a_receipt_or_a_complaint_says_nothing_about_the_delivery(kind: str) -> None:
    raw = report("Final-Recipient: rfc822; ines@x.example\r\nAction: failed").replace(
        b"report-type=delivery-status", f"report-type={kind}".encode()
    )
    found = reply.read(raw)

    assert found is not None
    assert (Kind.AUTOMATIC, ()) == (found.kind, found.fates)


@pytest.mark.parametrize(
    ("raw", "kind", "recipient"),
    [
        pytest.param(
            b"Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example\r\nSubject: failure notice\r\n\r\n"
            b"Hi. This is the qmail-send program at mx.example.\r\n\r\n<ines@x.example>:\r\n"
            b"192.0.2.1 failed after I sent the message.\r\nRemote host said: 552 5.2.2 mailbox full\r\n\r\n"
            b"--- Below this line is a copy of the message.\r\n\r\nReturn-Path: <mara@tidewater.example>\r\n"
            b"Message-ID: <offer@tidewater.example>\r\nTo: rob@x.example\r\n\r\nHello\r\n",
            Kind.BOUNCE,
            "ines@x.example",
            id="qmail",
        ),
        pytest.param(
            b"From: Mail Delivery System <Mailer-Daemon@mx.example>\r\nX-Failed-Recipients: ines@x.example\r\n"
            b"Auto-Submitted: auto-replied\r\nSubject: Mail delivery failed\r\n\r\nA message that you sent\r\n\r\n"
            b"  ines@x.example\r\n    550 unknown user\r\n\r\n------ This is a copy of your message ------\r\n\r\n"
            b"Message-Id: <offer@tidewater.example>\r\n\r\n",
            Kind.BOUNCE,
            "ines@x.example",
            id="exim",
        ),
        pytest.param(
            b"From: postmaster@mx.example\r\nSubject: Warning: delivery delayed\r\n\r\nStill trying ines@x.example\r\n"
            b"\r\n"
            b"> Message-ID: <offer@tidewater.example>\r\n",
            Kind.DELAYED,
            "ines@x.example",
            id="delay",
        ),
    ],
)
def test_bounces_of_systems_that_know_no_reports(raw: bytes, kind: Kind, recipient: str) -> None:
    found = reply.read(raw)

    assert reply.wants_body(raw)
    assert found is not None
    assert (kind, (OURS,)) == (found.kind, found.parents)
    assert recipient in [address for fate in found.fates for address in fate.addresses]
    assert "rob@x.example" not in [address for fate in found.fates for address in fate.addresses]


def test_a_postmaster_who_writes_of_something_else_is_nothing_of_ours() -> None:
    assert None is reply.read(b"From: postmaster@x.example\r\nSubject: Quota\r\n\r\nYour mailbox is nearly full.\r\n")


CASES = {
    "mikel__multipart_report_multiple_status": (Kind.BOUNCE, ["u@ci.com"]),
    "mikel__report_530": (Kind.BOUNCE, ["edwin@zzzzzzz.com"]),
    "mimekit__disposition-notification": (Kind.AUTOMATIC, []),
    "cpython__msg_43": (Kind.BOUNCE, None),
    "talon__gmail": (None, []),
}


@pytest.mark.parametrize("name", CASES)
def test_real_mail_is_what_it_is(name: str, shared: Path) -> None:
    [path] = (shared / "corpus" / "mime").glob(f"{name}.*__*")
    found = reply.read(path.read_bytes())
    kind, recipients = CASES[name]

    assert kind == (found.kind if found else None)
    if found is not None and recipients is not None:
        assert recipients == [fate.addresses[0] for fate in found.fates]


# Anything at all


@given(st.binary(max_size=3000))
def test_no_bytes_break_it(raw: bytes) -> None:
    reply.wants_body(raw)
    reply.read(raw)


@given(st.data())
def test_no_damage_breaks_it(data: st.DataObject) -> None:
    raw = data.draw(st.sampled_from([head("Auto-Submitted: no"), report("Final-Recipient: rfc822; a@b.example")]))
    at = data.draw(st.integers(0, len(raw)))
    cut = data.draw(st.integers(0, 40))
    found = reply.read(raw[:at] + data.draw(st.binary(max_size=40)) + raw[at + cut :])

    assert found is None or (len(found.names) <= 200 and len(found.fates) <= 150 and len(found.header_id) <= 300)


@pytest.mark.parametrize(
    "flood",
    [
        b"In-Reply-To: " + b"<a@b>" * 20_000 + b"\r\n\r\n",
        b"References: " + b"<" * 100_000 + b"\r\n\r\n",
        b"From: " + b"(" * 90_000 + b"\r\n\r\n",
        b"Subject: " + b"=?utf-8?b?" * 9_000 + b"\r\n\r\n",
        b"x: y\r\n" * 15_000 + b"\r\n",
        report(*["Final-Recipient: rfc822; a@b.example\r\nAction: failed"] * 4_000),
        report("Diagnostic-Code: " + "550 5." * 20_000),
        b"Content-Type: multipart/report; boundary=b\r\n\r\n" + b"--b\r\n" * 50_000,
        b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=" * 250_000,
        b"From: mailer-daemon@x.example\r\n\r\n" + b"Message-ID: <a@b>\r\n" * 10_000,
        b"From: mailer-daemon@x.example\r\n\r\n" + b"a@" * 120_000,
        b"From: mailer-daemon@x.example\r\n\r\n" + b"a" * 250_000,
        b"\r" * 300_000,
        b"\r\n" * 150_000,
    ],
    ids=range(14),
)
def test_a_flood_is_read_to_the_end_and_gives_no_more_than_a_letter(flood: bytes) -> None:
    """Quadratic reading would take minutes here, as everywhere in these tests."""
    found = reply.read(flood)

    assert found is None or (len(found.names) <= 200 and len(found.fates) <= 150)


def test_corpora_are_read_without_a_complaint() -> None:
    for path in sorted((SHARED / "corpus" / "mime").glob("*")):
        raw = path.read_bytes()
        reply.wants_body(raw)
        reply.read(raw)
