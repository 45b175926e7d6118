from __future__ import annotations

import email
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from unsealed.core import compose, header, mime
from unsealed.core.compose import Letter, Part
from unsealed.core.envelope import good_address
from unsealed.core.instrument import Tracking, survey
from unsealed.model.errors import BadInput
from unsealed.model.message import AddressKind, Recipient
from unsealed.model.policy import Switches

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
INES = Recipient(address="ines@x.example", name="Ines Ruiz", kind=AddressKind.TO)
LETTER = Letter(
    sender="ann@x.example",
    name="Ann",
    to=[INES],
    cc=[Recipient(address="rob@y.example", kind=AddressKind.CC)],
    subject="Grüße",
    html='<p>Hällo <a href="https://a.example/x">you</a> <img src="cid:1@x"></p>',
    text="Hällo\n",
    pictures=[Part(name="a.png", media_type="image/png", content=b"\x89PNG", id="1@x")],
    files=[Part(name="Preisliste für Übermorgen.pdf", media_type="application/pdf", content=b"%PDF")],
    at=NOON,
    id="<1@x.example>",
    answers="<0@y.example>",
    references=["<-1@y.example>", "<0@y.example>"],
)
HOSTILE = [
    "a\r\nBcc: b@evil.example",
    "a\nb",
    "a\rb",
    "a\0b",
    "a\x0bb",
    "a\x85b",
    "a\u2028b",
    "a\x1bb",
    "a\x9fb",
    "a\u202eb",
    "a\u2066b",
    "a\ud800b",
    "a" * 10_000,
]


def parsed(raw: bytes) -> EmailMessage:
    return cast(EmailMessage, email.message_from_bytes(raw, policy=cast(Any, policy.default)))


def parts(raw: bytes) -> list[str]:
    return [part.get_content_type() for part in parsed(raw).walk()]


# What was typed


@pytest.mark.parametrize("typed", HOSTILE)
def test_what_nobody_could_see_in_a_line_is_refused_in_words(typed: str) -> None:
    for read in (compose.subject, compose.file_name, lambda text: compose.recipients(text, AddressKind.TO)):
        with pytest.raises(BadInput, match=r"line end|character|U\+|is not an e-mail address"):
            read(typed)


def test_a_subject_is_one_line_with_single_spaces() -> None:
    assert "a b" == compose.subject("  a   b ")


@given(st.text(max_size=40))
@example("a\r\nBcc: b\0\u202efdp.exe\ud800")
def test_words_made_plain_are_taken_as_a_subject_and_plain_ones_stay(words: str) -> None:
    plain = compose.plain(words)

    assert len(words) == len(plain)
    assert " ".join(plain.split()) == compose.subject(plain)
    assert plain == compose.plain(plain)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("ines@x.example", [("", "ines@x.example")]),
        ("Ines <ines@x.example>, rob@y.example;", [("Ines", "ines@x.example"), ("", "rob@y.example")]),
        ('"Ruiz, Ines" <ines@x.example>', [("Ruiz, Ines", "ines@x.example")]),
        ("ines@x.example (Ines)", [("Ines", "ines@x.example")]),
        ('"ines ruiz"@x.example', [("", '"ines ruiz"@x.example')]),
        ("<post@müller.example>", [("", "post@xn--mller-kva.example")]),
        ("post@straße.example", [("", "post@xn--strae-oqa.example")]),
        ("用户@例子.广告", [("", "用户@xn--fsqu00a.xn--4rr70v")]),
        ("=?utf-8?q?a=0D=0ABcc=3A_x?= <a@b.example>", [("a Bcc: x", "a@b.example")]),
        (" ,; ", []),
        ("", []),
    ],
)
def test_lists_are_read_as_people_write_them(typed: str, read: list[tuple[str, str]]) -> None:
    assert read == [(each.name, each.address) for each in compose.recipients(typed, AddressKind.TO)]


@pytest.mark.parametrize(
    "typed",
    [
        "ines",
        "@x.example",
        "ines@",
        "ines@x@y.example",
        "Ines Ruiz ines@x.example",
        "a@x.example b@y.example",
        "<a@x.example> <b@y.example>",
        "a@[127.0.0.1]",
        "a@-.example-",
        "a@x..example",
        "a@" + "x" * 64 + ".example",
        "a@" + "ä" * 300 + ".example",
        "a" * 400 + "@x.example",
        "(" * 10_000,
        '"' * 10_000,
        "<" * 10_000,
    ],
)
def test_what_is_no_address_is_named(typed: str) -> None:
    with pytest.raises(BadInput, match="is not an e-mail address") as raised:
        compose.recipients(f"good@x.example, {typed}", AddressKind.TO)

    assert len(str(raised.value)) < 200


def test_a_message_has_at_most_a_thousand_recipients() -> None:
    typed = ", ".join(f"a{number}@x.example" for number in range(mime.ADDRESSES))

    assert mime.ADDRESSES == len(compose.recipients(typed, AddressKind.TO))
    with pytest.raises(BadInput, match="at most 1,000"):
        compose.recipients(f"{typed}, one@more.example", AddressKind.TO)
    with pytest.raises(BadInput, match="there are 1,001"):
        compose.unique([*compose.recipients(typed, AddressKind.TO), replace(INES, address="one@more.example")])


def test_each_mailbox_is_written_to_once() -> None:
    people = compose.recipients("a@X.example, A@x.example, a@x.EXAMPLE", AddressKind.TO)

    assert ["a@X.example", "A@x.example"] == [each.address for each in compose.unique(people)]


@given(st.text(max_size=60))
@example('"a\\')
@example("a@b.example\\")
def test_whatever_is_typed_is_read_or_refused(typed: str) -> None:
    try:
        people = compose.recipients(typed, AddressKind.TO)
    except BadInput:
        return

    assert all(good_address(each.address) and each.address.rpartition("@")[2].isascii() for each in people)


@pytest.mark.parametrize(
    ("said", "used"),
    [
        ("image/PNG; x=y", "image/png"),
        ("message/rfc822", "application/octet-stream"),
        ("multipart/mixed", "application/octet-stream"),
        ("text/html\r\nX: y", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_a_type_is_one_that_a_file_can_have(said: str, used: str) -> None:
    assert used == compose.media_type(said)


def test_folders_are_no_part_of_a_file_name() -> None:
    assert ["a.pdf", "b.pdf", "file"] == [compose.file_name(each) for each in ("/etc/a.pdf", r"C:\x\b.pdf", "..\\")]


# The message


def test_a_message_has_the_shape_that_programs_expect() -> None:
    raw = compose.write(LETTER)
    read = parsed(raw)

    assert [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "application/pdf",
    ] == parts(raw)
    assert [] == [defect for part in read.walk() for defect in part.defects]
    assert ("Grüße", "Ann <ann@x.example>") == (read["subject"], read["from"])
    assert ("Ines Ruiz <ines@x.example>", "rob@y.example") == (read["to"], read["cc"])
    assert ("<0@y.example>", "<-1@y.example> <0@y.example>") == (read["in-reply-to"], read["references"])
    assert ["a.png", "Preisliste für Übermorgen.pdf"] == [
        part.get_filename() for part in read.walk() if part.get_filename()
    ]
    assert "Bcc" not in read


def test_only_what_is_there_makes_parts() -> None:
    assert ["text/plain"] == parts(compose.write(replace(LETTER, html=None, pictures=(), files=())))
    assert ["multipart/alternative", "text/plain", "text/html"] == parts(
        compose.write(replace(LETTER, pictures=(), files=()))
    )


def test_the_same_letter_gives_the_same_bytes() -> None:
    assert compose.write(LETTER) == compose.write(replace(LETTER))


def test_what_is_written_can_be_tracked(tracking: Tracking) -> None:
    found = survey(compose.write(LETTER), switches=Switches(), tracking=tracking)

    assert ("", 1) == (found.unchanged, found.tracked_links)
    assert found.pixel


TYPED = st.text(max_size=300)
LINES = st.text(st.characters(exclude_characters="\0"), max_size=300)  # `no_nul` is asked before a letter is written


@given(subject=TYPED, name=TYPED, file=TYPED, html=LINES, text=LINES, shown=TYPED)
def test_nothing_typed_ends_a_line_of_the_head(
    subject: str, name: str, file: str, html: str, text: str, shown: str
) -> None:
    letter = replace(
        LETTER,
        subject=subject_or(subject),
        name=line_or(name),
        to=[replace(INES, name=line_or(shown)[:200])],
        files=[
            Part(name=line_or(file)[:120] or "file", media_type="text/plain", content=text.encode("utf-8", "replace"))
        ],
        html=html,
        text=text,
    )
    raw = compose.write(letter)
    names = [field.name for field in header.fields(raw)]

    assert " ".join(names) == ("from to cc subject date message-id in-reply-to references mime-version content-type")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert raw == header.canonical(raw)
    assert letter.subject == header.subject(header.fields(raw))
    assert [] == [defect for part in parsed(raw).walk() for defect in part.defects]


def subject_or(typed: str) -> str:
    try:
        return compose.subject(typed)
    except BadInput:
        return "x"


def line_or(typed: str) -> str:
    try:
        return compose.line(typed, "it", 300)
    except BadInput:
        return "x"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=400))
def test_texts_come_out_as_they_went_in(text: str) -> None:
    raw = compose.write(replace(LETTER, html=None, text=text, pictures=(), files=()))
    kept = parsed(raw).get_payload(decode=True)
    lines = text.replace("\r\n", "\n").replace("\r", "\n")

    assert isinstance(kept, bytes)
    assert lines + ("" if lines.endswith("\n") else "\n") == kept.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("typed", ["=?utf-8?q?a=0D=0ABcc:_x?=", "=?utf-8?b?DQo=?=", "a =?x"])
def test_a_subject_that_looks_encoded_is_shown_as_it_was_typed(typed: str) -> None:
    assert typed == parsed(compose.write(replace(LETTER, subject=typed)))["subject"]
