from __future__ import annotations

import base64
import re
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unsealed.inlets.web import letter
from unsealed.model.texts import ENGLISH

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


def mail(html: str, text: str = "plain", **pictures: bytes) -> bytes:
    message = EmailMessage()
    message["From"] = "Mara Lindh <mara@tidewater.example>"
    message["To"] = "Ines Marchetti <ines@harbourline.example>, rob@harbourline.example"
    message["Subject"] = "Grüße"
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    for name, picture in pictures.items():
        message.get_payload()[1].add_related(picture, "image", "png", cid=f"<{name}>")  # type: ignore[union-attr,index]
    return message.as_bytes().replace(b"\n", b"\r\n")  # canonical, as it is kept


def test_the_html_is_shown_rather_than_the_text() -> None:
    page = letter.html(mail("<p>Dear <b>Ines</b></p>"), ENGLISH)

    assert "<p>Dear <b>Ines</b></p>" in page
    assert "plain" not in page


def test_a_text_is_shown_as_text() -> None:
    message = EmailMessage()
    message.set_content("a < b & <script>alert(1)</script>")

    assert "a &lt; b &amp; &lt;script&gt;alert(1)&lt;/script&gt;" in letter.html(message.as_bytes(), ENGLISH)


@pytest.mark.parametrize(
    "element",
    [
        "<link rel=preconnect href=https://evil.example>",
        "<LINK\nrel=stylesheet href=//evil.example/x.css>",
        '<meta http-equiv="refresh" content="0;url=https://evil.example">',
        "<base href=https://evil.example>",
        "<iframe src=https://evil.example></iframe>",
        "<script src=https://evil.example></script>",
        "<script/src=https://evil.example>",
        "<object data=https://evil.example>",
        "<embed src=https://evil.example>",
        "<form action=https://evil.example><button>Sign in</button></form>",
        "<video src=https://evil.example/v.mp4>",
        "<audio src=https://evil.example/a.mp3>",
    ],
)
def test_elements_that_load_or_lead_away_are_out_of_service(element: str) -> None:
    page = letter.html(mail(f"<p>before</p>{element}<p>after</p>"), ENGLISH)

    assert not re.search(r"<(link|meta|base|iframe|script|object|embed|form|video|audio)\b(?!-)", page, re.IGNORECASE)
    assert "<p>before</p>" in page
    assert "<p>after</p>" in page


def test_the_frame_may_load_nothing_and_run_nothing() -> None:
    policy = letter.response(letter.html(mail("<p>x"), ENGLISH)).headers["content-security-policy"]

    assert policy.split("; ")[:2] == ["sandbox", "default-src 'none'"]
    assert "allow-" not in policy
    assert "http:" not in policy
    assert "img-src data:;" in policy


def test_only_pictures_may_come_from_outside_and_only_when_asked_for() -> None:
    policy = letter.response("x", pictures=True).headers["content-security-policy"]

    assert "sandbox; default-src 'none'" in policy
    assert "img-src data: https: http:;" in policy
    assert "allow-" not in policy


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            '<img alt=a src="https://x/y.png" srcset="//x/z 2x">',
            '<img alt=a x-src="https://x/y.png" x-srcset="//x/z 2x">',
        ),
        ("<IMG\nSRC = http://x/y.png>", "<IMG\nx-SRC = http://x/y.png>"),
        ('<td background="http://x/y.png">', '<td x-background="http://x/y.png">'),
        ("<p style=\"background:url('https://x/y.png') red\">", "<p style=\"background:url('data:,x/y.png') red\">"),
        ("<style>p{background:url(//x/y.png)}</style>", "<style>p{background:url(data:,x/y.png)}</style>"),
        ('<img src="data:image/png;base64,AA">', '<img src="data:image/png;base64,AA">'),
        ("<p>url(http://x) src=http://x</p>", "<p>url(http://x) src=http://x</p>"),
    ],
)
def test_without_pictures_nothing_is_even_asked_for(written: str, expected: str) -> None:
    assert expected == bytes(letter.response(written).body).decode()
    assert written == bytes(letter.response(written, pictures=True).body).decode()


def test_links_lead_nowhere_with_the_keyboard_neither() -> None:
    page = letter.html(
        mail('<a class=b href="https://x.example">there</a><MAP><AREA HREF=//x></MAP><a\nhref=/y>'), ENGLISH
    )

    assert not re.search(r"[\s\"']href", page, re.IGNORECASE)
    assert '<a class=b x-href="https://x.example">there</a>' in page


def test_the_letter_tells_nobody_where_it_is_read() -> None:
    assert letter.response("x").headers["referrer-policy"] == "no-referrer"


def test_a_small_picture_inside_the_message_is_shown() -> None:
    page = letter.html(mail('<img src="cid:logo"><img src=cid:gone>', logo=PNG), ENGLISH)

    assert f"data:image/png;base64,{base64.b64encode(PNG).decode()}" in page
    assert "cid:gone" in page


def test_a_large_picture_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letter, "CARRIED_MAX", 10)

    assert "data:" not in letter.html(mail('<img src="cid:logo">', logo=PNG), ENGLISH).replace("data:;", "")


def test_a_picture_shown_a_thousand_times_does_not_fill_the_memory() -> None:
    page = letter.html(mail('<img src="cid:logo">' * 10_000, logo=bytes(100_000)), ENGLISH)

    assert len(page) < 2 * letter.PAGE_MAX


BOMBS = [
    "<img ",
    "<img src",
    "src=",
    "<",
    "cid:",
    "<!doctype",
    "<meta ",
    "&lt;",
    "<style",
    "<td background ",
    "<a ",
    "<a href",
]


@pytest.mark.parametrize("bomb", [*BOMBS, "<img src=" + " " * 1_999_000, "<a style=url(" + " " * 1_999_000])
def test_a_letter_made_to_be_slow_is_shown_all_the_same(bomb: str) -> None:
    """Work that grows with the square of the letter would take hours here instead of a second."""
    page = letter.html(mail(bomb * (2_000_000 // len(bomb))), ENGLISH)

    assert isinstance(letter.has_remote_pictures(page), bool)
    assert letter.response(page).body


def test_a_doctype_stays_first() -> None:
    assert letter.html(mail("<!DOCTYPE html><p>x"), ENGLISH).startswith("<!DOCTYPE html><style>")
    assert letter.html(mail("<p>x"), ENGLISH).startswith("<style>")


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<img width=1 src="http://t.example/o/x.gif">', True),
        ("<IMG SRC = https://x.example/y.png>", True),
        ('<img src="cid:logo"><a href="https://x.example">', False),
    ],
)
def test_whether_pictures_from_outside_are_asked_for(html: str, expected: bool) -> None:
    assert letter.has_remote_pictures(html) == expected


def test_the_letterhead_is_read_as_a_mail_program_does() -> None:
    head = letter.letterhead(mail("<p>x"), ENGLISH)

    assert head == letter.Letterhead(
        subject="Grüße",
        sender="Mara Lindh, mara@tidewater.example",
        to="Ines Marchetti, rob@harbourline.example",
    )


def test_a_message_without_a_head_has_an_empty_letterhead() -> None:
    assert letter.letterhead(b"\r\nbody", ENGLISH) == letter.Letterhead(
        subject="", sender="", to="undisclosed recipients"
    )


# Pythons disagree about fields like these: what one reads in part is nothing to the next.
@pytest.mark.parametrize(
    ("written", "sender", "to"),
    [
        ("=?utf-8?q?Lindh=2C_Mara?= <mara@x.example>", "Lindh, Mara, mara@x.example", "Lindh, Mara"),
        ("mara@x.example <mara@x.example>", "mara@x.example, mara@x.example", "mara@x.example"),
        ("mara@x.example)rob@y.example", "mara@x.example)rob@y.example", "mara@x.example)rob@y.example"),
        ("Mara (the (first)", "Mara (the (first)", "Mara (the (first)"),
        ("MAILER-DAEMON", "MAILER-DAEMON", "MAILER-DAEMON"),
        ("undisclosed-recipients:;", "undisclosed-recipients:;", "undisclosed recipients"),
    ],
)
def test_each_python_reads_the_same_letterhead(written: str, sender: str, to: str) -> None:
    head = letter.letterhead(f"From: {written}\r\nTo: {written}\r\n\r\n".encode(), ENGLISH)

    assert (sender, to) == (head.sender, head.to)


def test_a_source_is_a_file_to_keep() -> None:
    answer = letter.source(b"From: x\r\n\r\n<script>", "original-00.eml")

    assert answer.body == b"From: x\r\n\r\n<script>"
    assert answer.headers["content-disposition"] == 'attachment; filename="original-00.eml"'
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"


@given(st.binary(max_size=600))
@settings(max_examples=150)
def test_broken_mail_never_breaks_the_page(noise: bytes) -> None:
    head = b"Content-Type: text/html; charset=\xff\r\nFrom: " + noise[:20] + b"\r\n\r\n"

    assert letter.html(noise, ENGLISH)
    assert letter.html(head + noise, ENGLISH)
    assert letter.letterhead(head + noise, ENGLISH)


def test_the_whole_corpus_can_be_shown(shared: Path) -> None:
    for path in sorted((shared / "corpus" / "mime").iterdir()):
        raw = path.read_bytes()

        assert letter.html(raw, ENGLISH)
        assert letter.letterhead(raw, ENGLISH)
