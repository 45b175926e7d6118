from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.keys import NoKeys

from unsealed.app.languages import languages
from unsealed.core import compose, quote
from unsealed.core.instrument import Tracking, make_copy
from unsealed.core.quote import Original
from unsealed.model.draft import Mode
from unsealed.model.errors import BadInput
from unsealed.model.message import AddressKind, CopyId, Recipient
from unsealed.model.policy import Switches

SENT = datetime(2026, 11, 20, 14, 5, tzinfo=UTC)
LETTER = compose.Letter(
    sender="ann@x.example",
    name="Ann",
    to=[Recipient(address="ines@y.example", name="Ines", kind=AddressKind.TO)],
    subject="The offer",
    html='<html><head><style>p{color:red}</style></head><body bgcolor="red"><p style="color:red" onclick="x()">'
    'Hello <a href="https://offer.example/a">you</a> <img src="cid:1@x.example"><img src="cid:2@x.example"></p></body>'
    "</html>",
    text="Hello you\n> older\n",
    pictures=[compose.Part(name="a.png", media_type="image/png", content=b"\x89PNG", id="1@x.example")],
    files=[compose.Part(name="b.pdf", media_type="application/pdf", content=b"%PDF")],
    at=SENT,
    id="<2@x.example>",
    answers="<1@y.example>",
    references=["<0@y.example>", "<1@y.example>"],
)


def quoted(original: Original, tracking: Tracking, mode: Mode = Mode.REPLY) -> quote.Quote:
    return quote.quoted(original, mode=mode, sent_at=SENT, bases=[tracking.base_url], keys=tracking.keys)


def test_a_message_is_read_with_all_that_an_answer_needs() -> None:
    original = quote.read(compose.write(LETTER))

    assert ("Ann", "Ines <ines@y.example>", "The offer", "<2@x.example>") == (
        original.sender,
        original.to,
        original.subject,
        original.id,
    )
    assert ("<0@y.example>", "<1@y.example>") == original.answers
    assert [("1@x.example", b"\x89PNG")] == [(part.id, part.content) for part in original.pictures]
    assert [("b.pdf", b"%PDF")] == [(part.name, part.content) for part in original.files]


@pytest.mark.parametrize(
    ("written", "sender"),
    [
        ("=?utf-8?q?Lindh=2C_Mara?= <mara@x.example>", "Lindh, Mara"),
        ("mara@x.example, rob@y.example", "mara@x.example"),
        ("mara@x.example)rob@y.example", "mara@x.example)rob@y.example"),
        ("MAILER-DAEMON", "MAILER-DAEMON"),
    ],
)
def test_who_wrote_is_named_by_each_python_alike(written: str, sender: str) -> None:
    assert sender == quote.read(f"From: {written}\r\n\r\n".encode()).sender


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (0, "20 November 2026, 14:05 UTC"),
        (1, "20 November 2026, 15:05 UTC+1"),
        (-3.5, "20 November 2026, 10:35 UTC-3:30"),
        (12.75, "21 November 2026, 02:50 UTC+12:45"),
    ],
)
def test_the_clock_of_who_answers_tells_the_time(hours: float, words: str, tracking: Tracking) -> None:
    original = quote.read(compose.write(LETTER))
    at = SENT.astimezone(timezone(timedelta(hours=hours)))
    found = quote.quoted(original, mode=Mode.REPLY, sent_at=at, bases=[], keys=tracking.keys)

    assert f"On {words}, Ann wrote:" == found.text.partition("\n")[0]


def test_who_counts_hours_to_twelve_tells_the_time_so(tracking: Tracking) -> None:
    original = quote.read(compose.write(LETTER))
    at = SENT.astimezone(timezone(timedelta(hours=-5)))
    found = quote.quoted(original, mode=Mode.REPLY, sent_at=at, bases=[], keys=tracking.keys, twelve=True)

    assert "On 20 November 2026, 9:05 am UTC-5, Ann wrote:" == found.text.partition("\n")[0]
    assert found.html.startswith("<div>On 20 November 2026, 9:05 am UTC-5, Ann wrote:</div>")


def test_an_answer_says_who_wrote_when(tracking: Tracking) -> None:
    found = quoted(quote.read(compose.write(LETTER)), tracking)

    assert "On 20 November 2026, 14:05 UTC, Ann wrote:\n> Hello you\n>> older" == found.text
    assert "<blockquote" in found.html
    assert '<p style="color:red">Hello <a href="https://offer.example/a">you</a> <img src="cid:1@x.example"><img>' in (
        found.html
    )
    assert ["1@x.example"] == [part.id for part in found.pictures]
    assert "onclick" not in found.html
    assert "<style" not in found.html


def test_what_is_forwarded_keeps_its_head(tracking: Tracking) -> None:
    found = quoted(quote.read(compose.write(LETTER)), tracking, Mode.FORWARD)

    assert found.text.startswith(
        "---------- Forwarded message ----------\nFrom: Ann\nDate: 20 November 2026, 14:05 UTC\n"
        "Subject: The offer\nTo: Ines <ines@y.example>\n\nHello you"
    )
    assert "To: Ines &lt;ines@y.example&gt;" in found.html
    assert "<blockquote" not in found.html


def test_nothing_of_ours_reports_from_a_quote(tracking: Tracking) -> None:
    copy = make_copy(
        compose.write(LETTER), switches=Switches(trap=True), tracking=tracking, copy=CopyId(5), recipient=None
    )
    found = quoted(quote.read(copy.raw), tracking)

    assert tracking.base_url in copy.raw.replace(b"=\r\n", b"").decode()
    assert tracking.base_url not in found.html
    assert '<a href="https://offer.example/a">you</a>' in found.html
    assert 1 == found.html.count("<a ")


def test_links_of_others_stay(tracking: Tracking) -> None:
    html = f'<a href="{tracking.base_url}/c/AAAA">x</a><img src="https://other.example/o/1.gif">'

    assert html == quote.without_ours(html, bases=[tracking.base_url], keys=tracking.keys)


@pytest.mark.parametrize(
    ("subject", "mode", "answer"),
    [
        ("The offer", Mode.REPLY, "Re: The offer"),
        ("RE: Re:  The offer", Mode.REPLY_ALL, "Re: The offer"),
        ("AW: The offer", Mode.REPLY, "Re: The offer"),
        ("Fwd: The offer", Mode.FORWARD, "Fwd: The offer"),
        ("Regarding", Mode.REPLY, "Re: Regarding"),
        ("", Mode.FORWARD, "Fwd: "),
        ("Re: x", Mode.NEW, "Re: x"),
    ],
)
def test_a_subject_says_once_what_it_is(subject: str, mode: Mode, answer: str) -> None:
    assert answer == quote.subject(subject, mode)


def test_a_letter_of_text_is_quoted_as_html_too(tracking: Tracking) -> None:
    raw = b"From: a@x.example\r\n\r\n1 < 2\r\nnext\r\n"

    assert "1 &lt; 2<br>next" in quoted(quote.read(raw), tracking).html


def test_html_that_no_letter_has_is_quoted_as_text(tracking: Tracking) -> None:
    bomb = compose.write(
        compose.Letter(sender="a@x.example", html="<div>" * 5_000, text="short\n", at=SENT, id="<1@x>")
    )
    found = quoted(quote.read(bomb), tracking)

    assert ("> short", True) == (found.text.partition("\n")[2], ">short<" in found.html)


def test_a_message_inside_the_message_goes_along_whole() -> None:
    raw = (
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nouter\r\n'
        b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Type: text/html\r\n\r\n"
        b"<p>inner\r\n--b--\r\n"
    )
    original = quote.read(raw)

    assert (None, "outer") == (original.html, original.text.strip())
    assert [("application/octet-stream", True)] == [
        (part.media_type, b"Subject: inner" in part.content) for part in original.files
    ]


@given(
    st.binary(max_size=300), st.sampled_from([b"text/html", b"text/plain; charset=x", b"multipart/mixed; boundary=b"])
)
def test_broken_mail_is_quoted_as_far_as_it_goes(body: bytes, kind: bytes) -> None:
    original = quote.read(b"Content-Type: " + kind + b"\r\nFrom: =?x?\r\n\r\n" + body)
    try:
        quote.without_ours(original.html or "", bases=["https://t.example"], keys=NO_KEYS)
    except BadInput:
        return


NO_KEYS = NoKeys()


def test_what_stands_above_a_quote_is_in_the_language_of_who_writes(tracking: Tracking) -> None:
    original = quote.read(compose.write(LETTER))
    german = languages().known["de"]

    def above(mode: Mode) -> list[str]:
        made = quote.quoted(original, mode=mode, sent_at=SENT, bases=[], keys=tracking.keys, texts=german)
        return made.text.split("\n")

    assert "Am 20. November 2026, 14:05 UTC schrieb Ann:" == above(Mode.REPLY)[0]
    assert [
        "---------- Weitergeleitete Nachricht ----------",
        "Von: Ann",
        "Datum: 20. November 2026, 14:05 UTC",
        "Betreff: The offer",
        "An: Ines <ines@y.example>",
    ] == above(Mode.FORWARD)[:5]
