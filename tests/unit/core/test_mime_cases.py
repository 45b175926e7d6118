"""The 35 tricky inputs of the common case list, each under its number. The messages are built here from the words."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from unsealed.core.instrument import Tracking, instrument, survey
from unsealed.core.token import seal_click
from unsealed.model.message import AddressKind, CopyId, Outgoing, Recipient, UserId
from unsealed.model.policy import OFF, Level, LinkScope, Switches, VisibleUrl

if TYPE_CHECKING:
    from tests.unit.core.conftest import Result

Run = Callable[..., "Result"]
Letter = Callable[..., bytes]
PIXEL = ("", "pixel")


def multipart(kind: str, *parts: str, boundary: str = "b0", preamble: str = "", epilogue: str = "") -> str:
    """A multipart, header included; parts bring their own headers."""
    inside = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts)
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'
    return f"{head}{preamble}{inside}--{boundary}--\r\n{epilogue}"


def part(kind: str, body: str, head: str = "") -> str:
    return f"Content-Type: {kind}\r\n{head}\r\n{body}"


def message(body: str) -> bytes:
    return (
        "From: Ann <ann@sender.example>\r\nTo: bob@reader.example\r\nSubject: Hello\r\nMIME-Version: 1.0\r\n" + body
    ).encode()


HTML = part("text/html; charset=utf-8", '<body><p><a href="https://x.example/a">go</a></p></body>')
HTML_CHANGES = [("https://x.example/a", "-> https://x.example/a"), PIXEL]


def test_every_case_of_the_list_has_its_test(shared: Path) -> None:
    cases = json.loads((shared / "data" / "mime_cases.json").read_text())["cases"]
    written = set(re.findall(r"^def test_(m\d\d)", Path(__file__).read_text(), re.MULTILINE))

    assert {case["id"].lower() for case in cases} <= written


def test_m01_an_escaped_ampersand_is_one_ampersand(run: Run, letter: Letter) -> None:
    result = run(letter('<a class="k" href="https://x.example/?a=1&amp;b=2" id=i>go</a>'))

    assert result.changes == [("https://x.example/?a=1&amp;b=2", "-> https://x.example/?a=1&b=2"), PIXEL]


def test_m02_a_scheme_in_character_references_is_read(run: Run, letter: Letter) -> None:
    result = run(letter('<a href="https&#58;&#x2F;&#x2f;x.example/a">go</a>'))

    assert result.changes == [("https&#58;&#x2F;&#x2f;x.example/a", "-> https://x.example/a"), PIXEL]


def test_m03_an_unquoted_value_is_replaced_whole_without_quotes(run: Run, letter: Letter) -> None:
    result = run(letter("<A CLASS=K HREF=https://x.example/?q=1 ID=I>go</A><A HREF=https://x.example/b/>go</A>"))

    assert result.changes == [
        ("https://x.example/?q=1", "-> https://x.example/?q=1"),
        ("https://x.example/b/", "-> https://x.example/b/"),
        PIXEL,
    ]
    assert re.search(rb"HREF=https://t\.sender\.example/c/[A-Za-z0-9_-]+ ID=I>go", result.copy.raw)


def test_m04_white_space_is_removed_as_the_url_standard_says(run: Run, letter: Letter) -> None:
    result = run(letter('<a href="  https://x.example/one\r\n\ttwo  ">go</a>'))

    assert result.changes == [("  https://x.example/one\r\n\ttwo  ", "-> https://x.example/onetwo"), PIXEL]


def test_m05_only_the_first_of_two_hrefs_is_the_link(run: Run, letter: Letter) -> None:
    result = run(letter('<a href="https://x.example/1" href="https://x.example/2">go</a>'))

    assert result.changes == [("https://x.example/1", "-> https://x.example/1"), PIXEL]
    assert len(result.survey.links) == 1


def test_m06_glued_attributes_and_tags_over_many_lines_are_read(run: Run, letter: Letter) -> None:
    tall = '<a\r\n  class = "k"\r\n\thref\r\n =\r\n   "https://x.example/2"\r\n>go</a>'
    result = run(letter('<a class="k"href="https://x.example/1"id="i">go</a>' + tall))

    assert result.changes == [
        ("https://x.example/1", "-> https://x.example/1"),
        ("https://x.example/2", "-> https://x.example/2"),
        PIXEL,
    ]


def test_m07_what_is_no_web_address_is_left_and_listed(run: Run, letter: Letter) -> None:
    values = [
        "mailto:a@b.example",
        "tel:+123",
        "sms:+123",
        "cid:1@x",
        "data:text/html,x",
        "javascript:x()",
        "ftp://x.example/",
        "x-apple-data-detectors://0",
        "#top",
        "",
    ]
    result = run(letter("".join(f'<a href="{value}">go</a>' for value in values) + "<a href>go</a>"))

    assert result.changes == [PIXEL]
    assert result.left == [(value, "not-web") for value in [*values, ""]]


def test_m08_case_is_kept_in_the_destination(run: Run, letter: Letter) -> None:
    result = run(letter('<a href="HTTPS://X.Example/Path/A?Q=B">go</a>'))

    assert result.tracked == ["HTTPS://X.Example/Path/A?Q=B"]
    assert result.changes == [("HTTPS://X.Example/Path/A?Q=B", "-> HTTPS://X.Example/Path/A?Q=B"), PIXEL]


def test_m09_placeholders_are_left_with_a_warning(run: Run, letter: Letter) -> None:
    values = [
        "{{url}}",
        "{% url %}",
        "%%URL%%",
        "*|URL|*",
        "[URL]",
        "https://x.example/{{id}}",
        "https://x.example/%%ID%%",
        "https://x.example/?u=*|ID|*",
        "https://x.example/[id]",
        "https://{{host}}/a",
    ]
    result = run(letter("".join(f'<a href="{value}">go</a>' for value in values)))

    assert result.changes == [PIXEL]
    assert result.left == [(value, "placeholder") for value in values]
    assert result.survey.warnings == ("placeholder",)


def test_m10_excluded_domains_count_by_label(run: Run, letter: Letter) -> None:
    hosts = ["bank.example", "www.Bank.Example", "notbank.example"]
    body = "".join(f'<a href="https://{host}/">go</a>' for host in hosts)
    result = run(letter(body), excluded_domains=frozenset({"bank.example"}))

    assert result.tracked == ["https://notbank.example/"]
    assert [reason for _, reason in result.left] == ["excluded-domain", "excluded-domain"]


def test_m11_an_own_link_is_not_wrapped_again(run: Run, letter: Letter, tracking: Tracking) -> None:
    token = seal_click(tracking.keys, tracking.key_id, CopyId(1), Level.FULL, 0, "https://x.example/old")
    result = run(letter(f'<a href="{tracking.base_url}/c/{token}">go</a>'))

    assert result.changes == [PIXEL]
    assert result.left == [(f"{tracking.base_url}/c/{token}", "own-link")]


@pytest.mark.parametrize(
    "shown", ["https://other.example/a", "www.other.example", "other.example", "<b>Other.Example</b>"]
)
def test_m12_a_visible_address_of_another_site_is_left(shown: str, run: Run, letter: Letter) -> None:
    raw = letter(f'<a href="https://x.example/a">{shown}</a>')

    assert run(raw).left == [("https://x.example/a", "visible-url")]
    assert run(raw, visible_urls=VisibleUrl.TRACK).changes == HTML_CHANGES


def test_m13_area_is_a_link_and_nothing_else(run: Run, letter: Letter) -> None:
    result = run(
        letter(
            '<link rel=stylesheet href="https://x.example/1"><base href="https://x.example/2">'
            '<form action="https://x.example/3"></form><img src="https://x.example/4">'
            '<td background="https://x.example/5"><script src="https://x.example/6"></script>'
            '<svg><use xlink:href="https://x.example/7"/></svg>'
            '<map name=m><area shape=rect coords="0,0,1,1" href="https://x.example/8" alt="go"></map>'
        )
    )

    assert result.changes == [("https://x.example/8", "-> https://x.example/8"), PIXEL]


def test_m14_links_in_conditional_comments_are_tracked(run: Run, letter: Letter) -> None:
    result = run(
        letter(
            '<body><!--[if mso]><v:roundrect xmlns:v="urn:x" href="https://x.example/b" style="width:9px"><center>Go'
            "</center></v:roundrect><![endif]--><![if !mso]><a href='https://x.example/b'>Go</a><![endif]></body>"
        )
    )

    assert result.changes == [("https://x.example/b", "-> https://x.example/b")] * 2 + [PIXEL]


def test_m15_raw_text_holds_no_links(run: Run, letter: Letter) -> None:
    link = '<a href="https://x.example/a">go</a>'
    result = run(
        letter(
            f"<title>{link}</title><style>a[href='https://x.example/a']{{}} {link}</style>"
            f"<script>'{link}'</script><textarea>{link}</textarea><p>Hi</p>"
        )
    )

    assert result.changes == [PIXEL]
    assert result.survey.links == ()


def test_m16_in_a_fragment_the_pixel_follows_the_last_visible_byte(run: Run, letter: Letter) -> None:
    result = run(letter("<div>Hello</div>\r\n\r\n"))

    assert result.html == "<div>Hello</div>pixel\r\n\r\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<html><p>Hello\r\n</html>\r\n", "<html><p>Hello\r\npixel</html>\r\n"),
        ('<table><tr><td><a href="#">Hello\r\n', '<table><tr><td><a href="#">Hellopixel\r\n'),
    ],
)
def test_m17_without_a_body_end_nothing_is_repaired(body: str, expected: str, run: Run, letter: Letter) -> None:
    assert run(letter(body)).html == expected


def test_m18_in_a_long_letter_the_pixel_goes_before_the_clipping(run: Run, letter: Letter) -> None:
    row = f"<tr><td>{'Hello ' * 15}<!-- </td> --><style></td></style></td></tr>\r\n"
    head = "<body><table><tr><td><a href='https://x.example/a'>go</a></td></tr>"
    result = run(letter(f"{head}{row * 1300}</table></body>"))
    place = result.html.index("pixel")

    assert result.survey.html_bytes > 170_000
    assert result.pixels == 1
    assert result.survey.warnings == ("clipped",)
    assert 89_500 < result.copy.raw.split(b"\r\n\r\n", 1)[1].index(b"<img") < 90_000
    assert result.html[place + 5 :].startswith("</td></tr>")
    assert result.html[:place].endswith("</style>")
    assert result.survey.pixel == "before an early </td>"


def test_m19_the_pixel_never_stands_before_the_preheader(run: Run, letter: Letter) -> None:
    result = run(letter('<body><div style="display:none">Preview</div><p>Hello</p></body>'))

    assert result.html == '<body><div style="display:none">Preview</div><p>Hello</p>pixel</body>'


def test_m20_odd_line_ends_and_nul_survive(run: Run, letter: Letter) -> None:
    body = b'<p>a\r\nb\nc\0d\re<a href="https://x.example/a">go</a>\n\r\n</p>\0\r'
    result = run(letter(body))

    assert result.changes == HTML_CHANGES


def test_m21_amp_and_plain_parts_stay(run: Run) -> None:
    amp = part("text/x-amp-html", '<html amp4email><a href="https://x.example/a">go</a></html>')
    result = run(message(multipart("alternative", part("text/plain", "https://x.example/a"), amp, HTML)))

    assert result.changes == HTML_CHANGES


def test_m22_only_the_html_of_a_related_changes(run: Run) -> None:
    alternative = multipart("alternative", part("text/plain", "Hi"), HTML, boundary="b2")
    png = part("image/png", "iVBORw0KGgo=", "Content-ID: <1@x>\r\nContent-Transfer-Encoding: base64\r\n")
    pdf = part("application/pdf", "JVBERi0=", "Content-Disposition: attachment; filename=a.pdf\r\n")
    result = run(message(multipart("mixed", multipart("related", alternative, png, boundary="b1"), pdf)))

    assert result.changes == HTML_CHANGES


def test_m23_attached_messages_stay_at_every_depth(run: Run) -> None:
    forwarded = part("message/rfc822", "Subject: x\r\n" + HTML)
    digest = multipart("digest", *["\r\nSubject: x\r\n" + HTML] * 3, boundary="b1")
    inner = part("message/rfc822", "Subject: x\r\n" + multipart("mixed", HTML, forwarded, boundary="b2"))
    result = run(message(multipart("mixed", HTML, forwarded, digest, inner)))

    assert result.changes == HTML_CHANGES
    assert result.copy.raw.index(b"/c/") < result.raw.index(b"message/rfc822")


def test_m24_calendar_parts_stay(run: Run) -> None:
    ics = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nURL:https://x.example/a\r\nEND:VCALENDAR"
    invitation = part('text/calendar; method=REQUEST; charset="utf-8"', ics)
    attached = part("application/ics; name=invite.ics", ics, "Content-Disposition: attachment\r\n")
    alternative = multipart("alternative", part("text/plain", "Hi"), HTML, invitation, boundary="b1")
    result = run(message(multipart("mixed", alternative, attached)))

    assert result.changes == HTML_CHANGES


def test_m25_a_truncated_message_is_read_to_its_end(run: Run) -> None:
    link = '<a href="https://x.example/p">go</a>\r\n'
    whole = multipart("alternative", part("text/plain", "Hi"), HTML, preamble=link, epilogue=link)
    truncated = whole[: whole.index("--b0--")]

    assert run(message(whole)).changes == HTML_CHANGES
    assert run(message(truncated)).changes == HTML_CHANGES


def test_m26_plain_text_alone_stays(run: Run) -> None:
    raw = message(part("text/plain", "https://a.example https://b.example\r\nhttps://c.example\r\n"))
    result = run(raw)

    assert result.untouched
    assert result.survey.unchanged == "no-html"


def test_m27_the_header_stays_octet_for_octet(run: Run) -> None:
    references = "\r\n ".join(f"<{number:040}@x.example>" for number in range(20))
    head = (
        "Received: from a by b; x\r\nReceived: from c by d; y\r\n"
        "Subject: =?utf-8?q?caf=C3=A9_?=\r\n =?utf-8?q?au_lait?=\r\n"
        f"References: {references}\r\nX-Trailing: spaces   \r\nX-Raw: caf\u00e9\r\n"
    )
    raw = head.encode() + message(HTML)
    result = run(raw)

    assert len(references) > 900
    assert result.changes == HTML_CHANGES
    assert result.copy.raw.split(b"\r\n\r\n")[0] == raw.split(b"\r\n\r\n")[0]


def test_m28_a_link_across_a_soft_break_is_joined(run: Run, letter: Letter) -> None:
    lines = [
        b'<p>Gr=C3=BC=C3=9Fe <a class=3D"k" href=3D"https://x.example/a-long-path/with?que=',
        b"ry=3D1&amp;b=3D=",
        b'2" id=3D"i">go</a> and more text of this line, caf=C3=A9</p>',
        b"<p>a line that stays as it is, =3D included, and its soft =",
        b"break too</p>",
    ]
    result = run(letter(b"\r\n".join(lines), encoding="quoted-printable"))

    assert result.tracked == ["https://x.example/a-long-path/with?query=1&b=2"]
    assert result.copy.raw.split(b"\r\n\r\n", 1)[1].split(b"\r\n")[-5:-2] != lines[-3:]
    assert lines[3] + b"\r\n" in result.copy.raw
    assert max(len(line) for line in result.copy.raw.split(b"\r\n")) <= 76
    assert result.html == (
        '<p>Gr\xc3\xbc\xc3\x9fe <a class="k" href="-> https://x.example/a-long-path/with?query=1&b=2" id="i">go</a> '
        "and more text of this line, caf\xc3\xa9</p>\r\n<p>a line that stays as it is, = included, and its soft "
        "break too</p>pixel"
    )


def test_m29_no_line_grows_beyond_998(run: Run, letter: Letter) -> None:
    line = "<p>" + "word " * 186 + '<a class="k" href="https://x.example/a">go</a></p></body>'
    assert len(line) == 990
    result = run(letter(f"<body>\r\n{line}\r\n", encoding="7bit"))

    assert result.changes == [("", "\r\n"), *HTML_CHANGES]
    assert re.search(rb'<a class="k"\r\n href="https://t\.\S+">go</a></p><img ', result.copy.raw)
    assert max(len(line) for line in result.copy.raw.split(b"\r\n")) <= 998


@pytest.mark.parametrize("encoding", ["8bit", "binary"])
def test_m30_eight_bit_parts_keep_label_and_bytes(encoding: str, run: Run, letter: Letter) -> None:
    result = run(
        letter('<p>Gr\u00fc\u00dfe <a href="https://x.example/a">gr\u00fcn</a> \u65e5\u672c</p>', encoding=encoding)
    )

    assert result.changes == HTML_CHANGES


@pytest.mark.parametrize("label", ["; charset=utf-8", "; charset=x-unheard-of", ""])
def test_m31_bad_and_unknown_charsets_are_instrumented(label: str, run: Run) -> None:
    head = f"From: a@b.example\r\nContent-Type: text/html{label}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    result = run(head.encode() + b'<p>\xff\xfe\x80 <a href="https://x.example/a">g\xe9\x92</a></p>')

    assert result.changes == HTML_CHANGES


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ('multipart/signed; protocol="application/pgp-signature"; micalg=pgp-sha256; boundary=b9', "signed"),
        ('multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256; boundary=b9', "signed"),
        ("application/pkcs7-mime; smime-type=signed-data; name=smime.p7m", "signed"),
        ("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", "encrypted"),
        ("application/x-pkcs7-mime; name=smime.p7m", "encrypted"),
        ('multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b9', "encrypted"),
    ],
)
def test_m32_signed_and_encrypted_messages_stay(head: str, reason: str, run: Run) -> None:
    inner = multipart("alternative", part("text/plain", "Hi"), HTML)
    for top in (f"Content-Type: {head}\r\n\r\n--b9\r\n{inner}\r\n--b9--\r\n",):
        for raw in (message(top), message(multipart("mixed", HTML, top, boundary="b8"))):
            result = run(raw)
            assert result.untouched
            assert result.survey.unchanged == reason


@pytest.mark.parametrize("name", ["DKIM-Signature", "dkim-signature", "ARC-Seal", "ARC-Message-Signature"])
def test_m33_a_dkim_signed_message_stays(name: str, run: Run) -> None:
    result = run(f"{name}: v=1; a=rsa-sha256; d=other.example; s=s;\r\n h=from; bh=x; b=y\r\n".encode() + message(HTML))

    assert result.untouched
    assert result.survey.unchanged == "dkim-signed"


def outgoing(raw: bytes, switches: Switches) -> Outgoing:
    return Outgoing(
        user=UserId(1),
        envelope_from="ann@sender.example",
        recipients=(
            Recipient(address="bob@reader.example", kind=AddressKind.TO),
            Recipient(address="cat@reader.example", kind=AddressKind.CC),
            Recipient(address="dan@reader.example", kind=AddressKind.BCC),
        ),
        raw=raw,
        switches=switches,
        received_at=datetime(2026, 11, 21, tzinfo=UTC),
    )


def test_m34_each_recipient_gets_own_tokens_and_the_same_header(tracking: Tracking) -> None:
    raw = message(HTML)
    _, copies = instrument(outgoing(raw, Switches()), tracking=tracking, ids=[CopyId(1), CopyId(2), CopyId(3)])
    tokens = [re.findall(rb"/[oc]/([\w-]+)", copy.raw) for copy in copies]

    assert [copy.raw.split(b"\r\n\r\n")[0] for copy in copies] == [raw.split(b"\r\n\r\n")[0]] * 3
    assert [len(set(each)) for each in tokens] == [2, 2, 2]
    assert len({token for each in tokens for token in each}) == 6
    assert not any(name in copy.raw for copy in copies for name in (b"cat@", b"dan@"))
    assert len({len(copy.raw) for copy in copies}) == 1


def test_m35_only_what_is_switched_on_is_done(run: Run, tracking: Tracking) -> None:
    raw = message(HTML)

    assert run(raw, opens=Level.OFF).changes == HTML_CHANGES[:1]
    assert run(raw, clicks=Level.OFF).changes == [PIXEL]
    assert run(raw, links=LinkScope.NONE).changes == [PIXEL]
    assert run(raw, opens=Level.OFF, clicks=Level.OFF).untouched
    _, copies = instrument(outgoing(raw, OFF), tracking=tracking, ids=[CopyId(1), CopyId(2), CopyId(3)])
    assert [copy.raw for copy in copies] == [raw] * 3
    assert survey(raw, switches=replace(OFF, links=LinkScope.HTML), tracking=tracking).unchanged == "off"


def test_content_md5_of_a_changed_part_is_computed_again(run: Run) -> None:
    import hashlib

    body = '<p><a href="https://x.example/a">go</a></p>'
    digest = base64.b64encode(hashlib.md5(body.encode()).digest()).decode()
    result = run(message(part("text/html", body, f"Content-MD5: {digest}\r\n")))
    now = re.search(rb"Content-MD5: (\S+)\r\n", result.copy.raw)

    assert now is not None
    assert base64.b64decode(now[1]) == hashlib.md5(result.copy.raw.split(b"\r\n\r\n", 1)[1]).digest()
