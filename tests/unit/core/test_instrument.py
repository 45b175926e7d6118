"""What becomes of whole messages, beyond the common case list (test_mime_cases) and the corpus."""

from __future__ import annotations

import base64
import json
import quopri
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from time import process_time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unsealed.core.instrument import (
    LEFT_REASONS,
    UNCHANGED_REASONS,
    Tracking,
    edits_json,
    instrument,
    make_copy,
    report,
    survey,
    survey_outgoing,
    surveyed_copy,
    undo,
)
from unsealed.core.token import open_token, seal_click, seal_pixel
from unsealed.model.message import Copy, CopyId, Edit, LinkPart, Outgoing, Recipient, Survey, UserId
from unsealed.model.policy import OFF, Level, LinkScope, Switches

if TYPE_CHECKING:
    from tests.unit.core.conftest import Result

Run = Callable[..., "Result"]
Letter = Callable[..., bytes]

LINK = '<a href="https://x.example/a">go</a>'
GONE = ("https://x.example/a", "-> https://x.example/a")
PIXEL = ("", "pixel")
COPY = CopyId(5)


def plain(body: str, head: str = "") -> bytes:
    return f"From: a@sender.example\r\nContent-Type: text/plain; charset=utf-8\r\n{head}\r\n{body}".encode()


def outgoing(
    raw: bytes, switches: Switches | None = None, recipients: int = 1, sender: str = "a@sender.example"
) -> Outgoing:
    return Outgoing(
        user=UserId(1),
        envelope_from=sender,
        recipients=tuple(Recipient(address=f"r{number}@x.example") for number in range(recipients)),
        raw=raw,
        switches=switches or Switches(),
        received_at=datetime(2026, 11, 21, tzinfo=UTC),
    )


@pytest.fixture
def own_link(tracking: Tracking) -> str:
    token = seal_click(tracking.keys, tracking.key_id, CopyId(77), Level.FULL, 0, "https://x.example/old?a=1&b='2'")
    return f"{tracking.base_url}/c/{token}"


@pytest.fixture
def own_pixel(tracking: Tracking) -> str:
    return f"{tracking.base_url}/o/{seal_pixel(tracking.keys, tracking.key_id, CopyId(77), Level.FULL)}.gif"


# The same bytes, and back


def test_off_is_the_same_object_without_reading_the_message(tracking: Tracking) -> None:
    raw = b"\0 no message at all"

    assert make_copy(raw, switches=OFF, tracking=tracking, copy=COPY, recipient=None) == Copy(
        id=COPY, recipient=None, raw=raw
    )
    assert survey(raw, switches=OFF, tracking=tracking) == Survey(unchanged="off")


def test_the_same_input_gives_the_same_bytes(letter: Letter, tracking: Tracking) -> None:
    raw = letter(LINK)
    first, again, other = (
        make_copy(raw, switches=Switches(), tracking=tracking, copy=copy, recipient=None)
        for copy in (COPY, COPY, CopyId(6))
    )

    assert first == again
    assert first.raw != other.raw
    assert len(first.raw) == len(other.raw)


def test_decisions_and_copy_at_once_are_those_made_apart(letter: Letter, tracking: Tracking) -> None:
    raw = letter(LINK + '<a href="mailto:x@y.example">')

    found, copy = surveyed_copy(raw, switches=Switches(), tracking=tracking, copy=COPY, recipient=None)

    assert copy == make_copy(raw, switches=Switches(), tracking=tracking, copy=COPY, recipient=None)
    assert found == survey(raw, switches=Switches(), tracking=tracking)


def test_the_keys_need_no_hash(letter: Letter, tracking: Tracking) -> None:
    class Changing:
        newest = tracking.keys.newest
        __hash__ = None  # type: ignore[assignment]

        def key(self, key_id: int) -> bytes | None:
            return tracking.keys.key(key_id)

    changing = replace(tracking, keys=Changing())
    copy = make_copy(letter(LINK), switches=Switches(), tracking=changing, copy=COPY, recipient=None)

    assert copy == make_copy(letter(LINK), switches=Switches(), tracking=tracking, copy=COPY, recipient=None)


def test_instrument_makes_the_copies_that_make_copy_makes(letter: Letter, own_link: str, tracking: Tracking) -> None:
    raw = letter(f"{LINK}<blockquote><a href='{own_link}'>old</a><a href='{own_link}'>old</a></blockquote>{LINK}")
    found, copies = instrument(outgoing(raw, recipients=3), tracking=tracking, ids=[CopyId(3), CopyId(4), CopyId(0)])

    assert found == survey(raw, switches=Switches(), tracking=tracking)
    assert copies == [
        make_copy(raw, switches=Switches(), tracking=tracking, copy=copy.id, recipient=copy.recipient)
        for copy in copies
    ]


def test_undo_refuses_what_was_not_made_by_the_edits(letter: Letter, tracking: Tracking) -> None:
    copy = make_copy(letter(LINK), switches=Switches(), tracking=tracking, copy=COPY, recipient=None)

    with pytest.raises(ValueError, match="not made here"):
        undo(copy.raw[:-1], copy.edits)
    with pytest.raises(ValueError, match="not made here"):
        undo(b"", [Edit(offset=-1, removed=b"", inserted=b"x")])
    assert undo(b"abc", []) == b"abc"


@pytest.mark.parametrize("encoding", ["7bit", "8bit", "binary", "", "quoted-printable", "base64"])
@pytest.mark.parametrize("newline", ["\r\n", "\n"])
def test_every_transfer_encoding_is_spliced_and_undone(encoding: str, newline: str, run: Run, letter: Letter) -> None:
    body = f"<body>\n<p>Hello {LINK} and\n</p></body>\n".replace("\n", newline).encode()
    written = {
        "quoted-printable": quopri.encodestring,
        "base64": lambda text: base64.encodebytes(text).replace(b"\n", newline.encode()),
    }.get(encoding, bytes)(body)  # fmt: skip
    result = run(letter(written, encoding=encoding))

    assert result.html == body.decode().replace("https://x.example/a", "-> https://x.example/a").replace(
        "</body>", "pixel</body>"
    )


@pytest.mark.parametrize(
    "charset", ["utf-8", "iso-8859-1", "utf-16le", "utf-16be", "utf-32le", "shift_jis", "iso-2022-jp"]
)
def test_every_charset_is_spliced(charset: str, run: Run, letter: Letter) -> None:
    codec = {"utf-16le": "utf-16-le", "utf-16be": "utf-16-be", "utf-32le": "utf-32-le"}.get(charset, charset)
    word = "\u30bc" if "jp" in charset or "jis" in charset else "\u00fc"
    body = f"<p>{word}{LINK.replace('go', word)}</p>"
    result = run(letter(base64.encodebytes(body.encode(codec)), charset=charset, encoding="base64"))
    copy = base64.b64decode(result.copy.raw.partition(b"\r\n\r\n")[2]).decode(codec)

    assert [link.text for link in result.survey.links] == [word]
    assert copy.startswith(f'<p>{word}<a href="https://t.sender.example/c/')
    assert copy.endswith('border:0">')


def test_a_charset_without_plain_ascii_leaves_the_message_unchanged(run: Run, letter: Letter) -> None:
    result = run(letter(LINK, charset="utf-7"))

    assert (result.untouched, result.survey.unchanged) == (True, "odd-encoding")


@pytest.mark.parametrize("encoding", ["x-uuencode", "quoted-printable", "base64"])
def test_a_body_that_is_not_clean_leaves_the_message_unchanged(encoding: str, run: Run, letter: Letter) -> None:
    result = run(letter(LINK, encoding=encoding))

    assert (result.untouched, result.survey.unchanged) == (True, "odd-encoding")


# Links


@pytest.mark.parametrize(
    "href",
    [
        "https://user@x.example/",
        "https://user:pw@x.example/",
        "https://x.example@y.example/",
        "https://x.example\\@y.example/",
        "https://x.example\\",
        "https://x.example/\\..\\a",
        "https://x.example/a\x01b",
        "https://x.example/a\x7fb",
        "https://x.example/\0",
        "https://x.example/&#0;",
        "https://x.example/&#1;a",
        "https://x.ex ample/",
        "https://x.example:99999/",
        "https://x.example:8a/",
        "https://[::1/",
        "https://./",
        "https://x.example&#92;@y.example/",
        "https://x&#64;y.example/",
        "https://%00.example/",
        "https://x.example/\xff",
    ],
)
def test_url_tricks_are_never_tracked(href: str, run: Run, letter: Letter) -> None:
    result = run(letter(f'<a href="{href}">go</a>'.encode("latin-1")))

    assert result.changes == [PIXEL]
    assert [link.reason for link in result.survey.links] == ["unsafe"]


@pytest.mark.parametrize(
    "href",
    ["//x.example/", "/\\x.example", "https:x.example", "https:\\\\x.example", "java\tscript:x", " javascript:https://x.example",
     "view-source:https://x.example", "vbscript:x", "blob:https://x.example/1", "about:blank", "http:/x.example"],
)  # fmt: skip
def test_what_is_no_absolute_web_address_is_never_tracked(href: str, run: Run, letter: Letter) -> None:
    result = run(letter(f'<a href="{href}">go</a>'))

    assert result.changes == [PIXEL]
    assert result.left == [(href, "not-web")]


def test_an_address_that_no_token_can_carry_is_left(run: Run, letter: Letter) -> None:
    result = run(letter(f'<a href="https://x.example/{"a" * 9000}">go</a>'))

    assert [link.reason for link in result.survey.links] == ["too-long"]


@pytest.mark.parametrize(
    "value",
    ["http+notrack://x.example/a", " https+notrack://x.example/a", "HTTPS+NoTrack://x.example/a"],
)
def test_the_mark_of_an_untracked_link_is_removed_from_its_address(value: str, run: Run, letter: Letter) -> None:
    result = run(letter(f'<a href="{value}">go</a>'))

    assert [link.reason for link in result.survey.links] == ["opt-out"]
    assert result.html == f'<a href="{value[: value.index("+")]}{value[value.index("://") :]}">go</a>pixel'


def test_an_opt_out_attribute_stays_in_place(run: Run, letter: Letter) -> None:
    body = '<a clicktracking=off href="https://x.example/+notrack">go</a>'

    assert run(letter(body)).html == body + "pixel"


def test_a_list_unsubscribe_address_is_left(run: Run, letter: Letter) -> None:
    head = "List-Unsubscribe: <mailto:u@x.example>,\r\n <https://x.example/a>\r\n"

    assert run(letter(LINK, head=head)).left == [("https://x.example/a", "list-unsubscribe")]


def test_positions_offsets_and_texts_are_listed(run: Run, letter: Letter) -> None:
    body = f'{LINK}<a href="#x"> Tom &amp;\r\n<b>Jerry</b></a><area href=https://x.example/b alt="map">'
    found = run(letter(body)).survey.links

    assert [(link.position, link.text, link.part) for link in found] == [
        (0, "go", LinkPart.HTML),
        (1, "Tom & Jerry", LinkPart.HTML),
        (2, "map", LinkPart.HTML),
    ]
    assert [body.encode()[link.offset :][:3] for link in found] == [b"htt", b'#x"', b"htt"]


def test_the_token_says_level_copy_and_position(letter: Letter, tracking: Tracking) -> None:
    switches = Switches(opens=Level.ANONYMOUS, clicks=Level.IDENTIFIED)
    copy = make_copy(
        letter(f'<a href="#">x</a>{LINK}'), switches=switches, tracking=tracking, copy=COPY, recipient=None
    )
    click = open_token(tracking.keys, copy.raw.split(b"/c/")[1].split(b'"')[0].decode())
    pixel = open_token(tracking.keys, copy.raw.split(b"/o/")[1].split(b".")[0].decode())

    assert (click.copy, click.level, click.link, click.destination) == (
        COPY,
        Level.IDENTIFIED,
        1,
        "https://x.example/a",
    )
    assert (pixel.copy, pixel.level, pixel.link) == (COPY, Level.ANONYMOUS, None)


def test_more_links_than_a_letter_holds_leave_the_message_unchanged(run: Run, letter: Letter) -> None:
    assert run(letter('<a href="#">x</a>' * 2001)).survey.unchanged == "too-many-links"
    assert run(letter('<a href="#">x</a>' * 2000)).survey.unchanged == ""
    text = plain("https://x.example/a\r\n" * 2001)
    assert run(text, links=LinkScope.HTML_AND_TEXT).survey.unchanged == "too-many-links"


# Quoted older messages


def test_an_older_pixel_is_removed_and_others_stay(
    run: Run, letter: Letter, own_pixel: str, tracking: Tracking
) -> None:
    others = f'<img src="https://other.example/o/x.gif"><img src="{tracking.base_url}/o/{"A" * 36}.gif">'
    result = run(letter(f"Hi<blockquote>{others}<IMG width=1 src='{own_pixel}'/>old</blockquote>"))

    assert result.html == f"Hi<blockquote>{others}old</blockquote>pixel"


@pytest.mark.parametrize(
    ("before", "after"),
    [("<blockquote>", "</blockquote>"), ("<div class=gmail_quote>", "</div>"), ('<div id="appendonsend"></div>', "")],
)
@pytest.mark.parametrize("quote", ['"', "'", ""])
def test_an_older_link_in_quoted_text_leads_back_to_its_destination(
    before: str, after: str, quote: str, run: Run, letter: Letter, own_link: str
) -> None:
    result = run(letter(f"{before}<a href={quote}{own_link}{quote}>old</a>{after}"))
    written = {
        '"': "https://x.example/old?a=1&amp;b='2'",
        "'": "https://x.example/old?a=1&amp;b=&#39;2&#39;",
        "": "https://x.example/old?a&#61;1&amp;b&#61;&#39;2&#39;",
    }[quote]

    assert result.changes == [(own_link, written), PIXEL]
    assert result.left == [("https://x.example/old?a=1&b='2'", "unwrapped")]


def test_an_own_link_outside_quoted_text_stays(run: Run, letter: Letter, own_link: str) -> None:
    body = f'<blockquote>old</blockquote><a href="{own_link}">x</a><blockquote>old</blockquote>'
    result = run(letter(body))

    assert result.changes == [PIXEL]
    assert result.left == [(own_link, "own-link")]


def test_older_links_in_quoted_plain_text_lead_back(run: Run, own_link: str) -> None:
    raw = (
        "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n\r\n"
        f"\u00fc https://x.example/n {own_link}\r\n> {own_link}.\r\n--b\r\n"
        f"Content-Type: text/html\r\n\r\n{LINK}\r\n--b--"
    ).encode()

    back = (own_link, "https://x.example/old?a=1&b='2'")
    assert run(raw).changes == [back, GONE, PIXEL]
    assert run(raw).left == [("https://x.example/old?a=1&b='2'", "unwrapped")]
    assert run(raw, links=LinkScope.HTML_AND_TEXT).changes == [
        ("https://x.example/n", "-> https://x.example/n"), back, GONE, PIXEL,
    ]  # fmt: skip


# The pixel


@pytest.mark.parametrize("kind", ["alternative", "mixed"])
def test_each_alternative_carries_the_pixel_and_a_mixed_message_once(kind: str, run: Run) -> None:
    parts = "".join(f"--b\r\nContent-Type: text/html\r\n\r\n{LINK}\r\n" for _ in range(2))
    result = run(f"Content-Type: multipart/{kind}; boundary=b\r\n\r\n{parts}--b--".encode())

    assert result.changes == ([GONE, PIXEL, GONE, PIXEL] if kind == "alternative" else [GONE, PIXEL, GONE])


def test_tracked_links_count_for_the_clipping(run: Run, letter: Letter) -> None:
    long = f"<body>{('<p>' + LINK + '</p>') * 900}</body>"
    assert len(long) < 90_000
    result = run(letter(long))
    written = result.copy.raw.partition(b"\r\n\r\n")[2]

    assert result.survey.html_bytes == len(written) > 90_000
    assert result.survey.warnings == ("clipped",)
    assert 89_500 < written.index(b"<img") < 90_000
    assert run(letter(long), clicks=Level.OFF).survey.warnings == ()


def test_a_long_letter_without_blocks_keeps_its_pixel_at_the_end(run: Run, letter: Letter) -> None:
    result = run(letter("<body>" + "x<br>" * 20_000 + "</body>"))

    assert (result.survey.pixel, result.survey.warnings) == ("before </body>", ("clipped",))


def test_an_empty_body_gets_a_pixel(run: Run, letter: Letter) -> None:
    assert run(letter("")).html == "pixel"


@pytest.mark.parametrize("text", ["hello <b>x</b>", ""])
def test_texts_on_which_peers_fail_are_sent(text: str, run: Run, letter: Letter) -> None:
    assert run(letter(text)).html == text + "pixel"


# Lines


def test_a_link_that_fits_on_no_line_is_left(run: Run, letter: Letter) -> None:
    body = f'<p>{"x" * 900}<a href="https://x.example/a"class=k>go</a></p>\r\n{LINK}'
    result = run(letter(body.replace("<a href", "<a/href", 1), encoding="7bit"))

    assert result.left == [("https://x.example/a", "line-limit")]
    assert result.tracked == ["https://x.example/a"]
    assert max(map(len, result.copy.raw.split(b"\r\n"))) <= 998


def test_a_line_that_was_too_long_before_is_spliced(run: Run, letter: Letter) -> None:
    result = run(letter(f"<p>{'x' * 2000}{LINK}</p>", encoding="7bit"))

    assert result.changes == [GONE, PIXEL]


def test_the_pixel_gets_a_line_of_its_own_where_needed(run: Run, letter: Letter) -> None:
    result = run(letter(f"<body>{'x' * 900}</body>", encoding="7bit"))

    assert result.html == f"<body>{'x' * 900}\r\npixel</body>"


def test_text_lines_are_never_broken(run: Run) -> None:
    raw = plain("x" * 950 + " https://x.example/a\r\nhttps://x.example/b\r\n")
    result = run(raw, links=LinkScope.HTML_AND_TEXT)

    assert result.changes == [("https://x.example/b", "-> https://x.example/b")]
    assert result.left == [("https://x.example/a", "line-limit")]


# Text parts


def test_links_in_text_are_tracked_when_asked(run: Run) -> None:
    text = "\u00dcber https://x.example/\u00e9, (https://x.example/a) <https://x.example/c.>\r\n"
    result = run(plain(text), links=LinkScope.HTML_AND_TEXT)

    assert result.tracked == ["https://x.example/\u00e9", "https://x.example/a", "https://x.example/c."]
    assert [text.encode()[link.offset :][:8] for link in result.survey.links] == [b"https://"] * 3
    assert result.survey.pixel == ""
    assert result.survey.unchanged == ""


def test_text_without_links_is_no_html(run: Run) -> None:
    result = run(plain("Hello mailto:x"), links=LinkScope.HTML_AND_TEXT)

    assert (result.untouched, result.survey.unchanged) == (True, "no-html")


def test_an_odd_text_part_matters_only_when_it_is_tracked(run: Run) -> None:
    raw = (
        "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n"
        "Content-Type: text/plain; charset=utf-7\r\n\r\nx\r\n"
        f"--b\r\nContent-Type: text/html\r\n\r\n{LINK}\r\n--b--"
    ).encode()

    assert run(raw).changes == [GONE, PIXEL]
    assert run(raw, links=LinkScope.HTML_AND_TEXT).survey.unchanged == "odd-encoding"


# Unchanged


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"Received: x\r\n" * 31 + b"\r\n", "loop"),
        (b"Return-Path: <>\r\n\r\n", "null-sender"),
        (b"To: " + b"a@b.example," * 1000 + b"\r\n\r\n", "too-many-addresses"),
        (b"From: " + b"a@b.example," * 1000 + b"\r\n\r\n", "too-many-addresses"),
        (b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\n--b--", "report"),
        (b"no header", "broken-structure"),
        (b"", "no-html"),
        (b"Content-Type: text/html\r\n\r\n<pre>-----BEGIN PGP SIGNED MESSAGE-----", "signed"),
        (b"Content-Type: text/html\r\n\r\n-----BEGIN PGP MESSAGE-----", "encrypted"),
        (b"Content-Type: text/plain\r\n\r\n-----BEGIN PGP SIGNED MESSAGE-----", "signed"),
        (b"Content-Type: text/html\r\n\r\n" + b"<img>" * 60_000, "too-complex"),
        (b"x" * 25_000_001, "too-large"),
    ],
)
def test_some_messages_go_out_as_they_came(raw: bytes, reason: str, run: Run) -> None:
    result = run(raw)

    assert (result.untouched, result.survey.unchanged) == (True, reason)


def test_a_letter_to_a_thousand_people_is_tracked(run: Run) -> None:
    to = b",\r\n ".join(b"p%d@b.example" % number for number in range(1000))

    assert run(b"From: a@b.example\r\nTo: " + to + b"\r\nContent-Type: text/html\r\n\r\n<p>x").survey.unchanged == ""


def test_quoted_pgp_is_no_signature(run: Run, letter: Letter) -> None:
    assert run(letter("&gt; -----BEGIN PGP SIGNED MESSAGE-----")).survey.unchanged == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"envelope_from": ""}, "null-sender"),
        (
            {"recipients": tuple(Recipient(address=f"{number}@x.example") for number in range(1001))},
            "too-many-addresses",
        ),
        ({"switches": OFF, "envelope_from": ""}, "off"),
        ({}, ""),
    ],
)
def test_the_envelope_has_its_say(changes: dict[str, object], reason: str, letter: Letter, tracking: Tracking) -> None:
    message = replace(outgoing(letter(LINK)), **changes)  # type: ignore[arg-type]
    found, copies = instrument(
        message, tracking=tracking, ids=[CopyId(number) for number in range(len(message.recipients))]
    )

    assert found == survey_outgoing(message, tracking=tracking)
    assert found.unchanged == reason
    assert {copy.raw == message.raw for copy in copies} == {bool(reason)}


def test_every_reason_has_plain_words() -> None:
    assert all(words and words[0].islower() and not words.endswith(".") for words in UNCHANGED_REASONS.values())


# For people and programs


def test_the_report_says_everything(letter: Letter, tracking: Tracking) -> None:
    found = survey(letter(f'{LINK}<a href="mailto:x">x</a>'), switches=Switches(), tracking=tracking)
    said = json.loads(json.dumps(report(found)))

    assert said["instrumented"] is True
    assert said["unchanged"] is None
    assert said["pixel"] == {"place": "at the end of the content", "offset": 60}
    assert (said["tracked"], said["left"]) == (1, 1)
    assert [(link["destination"], link["tracked"], link["reason"], link["words"]) for link in said["links"]] == [
        ("https://x.example/a", True, "", ""),
        ("mailto:x", False, "not-web", LEFT_REASONS["not-web"]),
    ]


def test_the_report_says_why_a_message_is_unchanged() -> None:
    said = report(Survey(unchanged="signed"))

    assert (said["instrumented"], said["unchanged"], said["pixel"]) == (False, "signed", None)
    assert said["words"] == UNCHANGED_REASONS["signed"]


def test_edits_are_written_for_programs() -> None:
    assert edits_json([Edit(offset=3, removed=b"\xff", inserted=b"x")]) == [
        {"offset": 3, "removed": "/w==", "inserted": "eA=="}
    ]


HOSTILE = {
    "less-than signs": b"<" * 1_000_000,
    "open links": b"<a " * 300_000,
    "open quotes": b'<a href="' * 100_000,
    "comments": b"<!--" * 250_000,
    "conditions": b"<!--[if mso]>" * 80_000,
    "links in a condition": b"<!--[if mso]>href" + b"<a " * 300_000 + b"-->",
    "scripts": b"<script>" * 120_000,
    "comments in a script": b"<script>" + b"<!--" * 250_000 + b"</script>",
    "one value": b'<a href="https://x.example/' + b"a" * 1_000_000 + b'">',
    "attributes": b"<a " + b"a " * 500_000 + b">",
    "references": b'<a href="https://x.example/' + b"&amp" * 250_000 + b'">',
    "digits": b'<a href="https://x.example/&#' + b"1" * 1_000_000 + b'">',
    "NULs": b"\0" * 1_000_000,
    "data": b'<img src="data:image/png;base64,' + b"A" * 1_000_000 + b'">',
    "nesting": b"<div>" * 200_000,
    "ends": b"</p>" * 250_000,
    "equals signs": b"<a " + b"=" * 1_000_000 + b">",
    "white space": b" " * 1_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_markup_is_taken_in_linear_time(name: str, letter: Letter, tracking: Tracking) -> None:
    # It takes a tenth of a second; quadratic work would take minutes. The promise is two seconds.
    raw = letter(HOSTILE[name])
    begun = process_time()
    copy = make_copy(raw, switches=Switches(), tracking=tracking, copy=COPY, recipient=None)

    assert process_time() - begun < 2
    assert undo(copy.raw, copy.edits) == raw


STRUCTURES = {
    "parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 100_000,
    "delimiters": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"\n--bx" * 200_000,
    "white space": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b" + b" " * 1_000_000,
    "nesting": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(10_000)
    ),
    "fields": b"A: b\r\n" * 100_000,
    "comments": b"Content-Type: " + b"(" * 90_000 + b"\r\n\r\n",
    "parameters": b"Content-Type: text/html" + b";a=" * 30_000 + b"\r\n\r\n",
    "sections": b"Content-Type: text/html" + b"".join(b";a*%d*=%%41" % n for n in range(8_000)) + b"\r\n\r\n",
    "addresses": b"To: " + b"(" * 50_000 + b'"' * 40_000 + b"\r\n\r\n",
    "unsubscribe": b"Content-Type: text/html\r\nList-Unsubscribe: " + b"< " * 45_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_hostile_structure_is_taken_in_linear_time(name: str, tracking: Tracking) -> None:
    begun = process_time()
    copy = make_copy(STRUCTURES[name], switches=Switches(), tracking=tracking, copy=COPY, recipient=None)

    assert process_time() - begun < 2
    assert copy.raw == STRUCTURES[name] or copy.edits


@given(
    pieces=st.lists(
        st.sampled_from(
            [
                "<p>",
                "x",
                " ",
                "\r\n",
                "=",
                "\u00fc",
                "</td>",
                "<br>",
                LINK,
                "y" * 70,
                "<a class=k href='https://x.example/b'>b</a>",
            ]
        ),
        max_size=60,
    ),
    encoding=st.sampled_from(["7bit", "quoted-printable", "base64"]),
    trap=st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_lines_stay_within_their_limits(
    pieces: list[str], encoding: str, trap: bool, letter: Letter, tracking: Tracking
) -> None:
    body = "".join(pieces).encode()
    written = body
    if encoding == "quoted-printable":
        written = quopri.encodestring(body.replace(b"\r", b"")).replace(b"\n", b"\r\n")
    elif encoding == "base64":
        written = base64.encodebytes(body)
    raw = letter(written, encoding=encoding)
    copy = make_copy(raw, switches=Switches(trap=trap), tracking=tracking, copy=COPY, recipient=None)

    limit = 998 if encoding == "7bit" else 76
    before = max(len(line.rstrip(b"\r")) for line in written.split(b"\n"))
    after = max(len(line.rstrip(b"\r")) for line in copy.raw.partition(b"\r\n\r\n")[2].split(b"\n"))
    assert after <= max(limit, before) or before > limit


# The hidden link

TRAP = '<a href="-> https://x.example/a" style="display:none" aria-hidden="true" tabindex="-1"></a>'


def test_the_hidden_link_stands_beside_the_pixel_and_is_none_of_the_links(run: Run, letter: Letter) -> None:
    result = run(letter(f"<body>{LINK}<a href='mailto:x@x.example'>x</a></body>"), trap=True)
    trap = result.survey.links[-1]

    assert result.html.endswith(f"pixel{TRAP}</body>")
    assert (trap.position, trap.trap, trap.tracked, trap.text) == (2, True, True, "")
    assert (trap.part, trap.destination, trap.offset) == (LinkPart.HTML, "https://x.example/a", 76)
    assert [link.trap for link in result.survey.links] == [False, False, True]
    assert result.survey.tracked_links == 1
    said = report(result.survey)
    assert (len(said["links"]), said["tracked"], said["left"], said["hidden_link"]) == (2, 1, 1, True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("html", "switches"),
    [
        (LINK, {"trap": False}),
        (LINK, {"opens": Level.OFF}),
        (LINK, {"clicks": Level.OFF}),
        ("<a href='mailto:x@x.example'>x</a>", {}),
        ("<p>x", {}),
        ("<a href='https://x.example/a'><b>never ended", {}),
    ],
    ids=["not wanted", "no pixel", "clicks off", "no tracked link", "no link", "inside another link"],
)
def test_there_is_no_hidden_link(html: str, switches: dict[str, object], run: Run, letter: Letter) -> None:
    result = run(letter(html), **{"trap": True, **switches})

    assert b"display:none" not in result.copy.raw
    assert not any(link.trap for link in result.survey.links)
    assert report(result.survey)["hidden_link"] is False


def test_alternatives_carry_the_same_hidden_link(run: Run) -> None:
    html = f"Content-Type: text/html\r\n\r\n{LINK}\r\n"
    raw = f"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n{html}--b\r\n{html}--b--\r\n".encode()
    result = run(raw, trap=True)
    hidden = [line for line in result.copy.raw.split(b"\r\n") if b"display:none" in line]

    assert len(hidden) == 2
    assert hidden[0].rpartition(b"<a ")[2] == hidden[1].rpartition(b"<a ")[2]
    assert [(link.position, link.trap) for link in result.survey.links] == [(0, False), (1, False), (2, True)]


def test_the_hidden_link_of_an_older_message_is_taken_out(run: Run, letter: Letter) -> None:
    first = run(letter(LINK), trap=True)
    older = first.copy.raw.partition(b"\r\n\r\n")[2].decode()
    again = run(letter(f"<blockquote>{older}</blockquote>"), trap=True)

    assert again.html.count("display:none") == 0
    assert [link.reason for link in again.survey.links] == ["unwrapped"]


def test_a_hidden_link_that_fits_on_no_line_is_given_up_and_the_pixel_stays(run: Run, letter: Letter) -> None:
    result = run(letter(f"{LINK}\r\n</body>{'x' * 780}", encoding="7bit"), trap=True)

    assert result.pixels == 1
    assert b"display:none" not in result.copy.raw
    assert [(link.trap, link.reason) for link in result.survey.links] == [(False, ""), (True, "line-limit")]
    assert report(result.survey)["hidden_link"] is False
