"""The mail that the measurements use: made here, the same octets every time.

Shapes follow what senders' programs write: a newsletter as MJML compiles it (nested tables, conditional comments for
Outlook, VML buttons, style sheets), a personal letter with two links. Line ends are CRLF.
"""

from __future__ import annotations

import quopri
from collections.abc import Iterator
from random import Random

SENDER = "mara@tidewater.example"
RECIPIENT = "ines@harbourline.example"

_WORDS = (
    "harbour tide ledger window copper morning letter garden bridge quiet signal paper amber engine coast field "
    "lantern season market river stone winter canvas anchor meadow timber silver pocket orchard ferry depot "
    "schedule proposal"
).split()

_HEAD = """<!doctype html>
<html lang="en" dir="auto" xmlns="http://www.w3.org/1999/xhtml" xmlns:v="urn:schemas-microsoft-com:vml" \
xmlns:o="urn:schemas-microsoft-com:office:office">
<head>
  <title>News from Tidewater</title>
  <!--[if !mso]><!-->
  <meta http-equiv="X-UA-Compatible" content="IE=edge">
  <!--<![endif]-->
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <style type="text/css">
    #outlook a { padding: 0; }
    body { margin: 0; padding: 0; -webkit-text-size-adjust: 100%; -ms-text-size-adjust: 100%; }
    table, td { border-collapse: collapse; mso-table-lspace: 0pt; mso-table-rspace: 0pt; }
    img { border: 0; height: auto; line-height: 100%; outline: none; text-decoration: none; }
    td > p { display: block; margin: 13px 0; }
  </style>
  <!--[if mso]>
  <noscript><xml><o:OfficeDocumentSettings><o:AllowPNG/><o:PixelsPerInch>96</o:PixelsPerInch>\
</o:OfficeDocumentSettings></xml></noscript>
  <![endif]-->
  <!--[if lte mso 11]>
  <style type="text/css">.mj-outlook-group-fix { width: 100% !important; }</style>
  <![endif]-->
  <style type="text/css">
    @media only screen and (min-width: 480px) {
      .mj-column-per-100 { width: 100% !important; max-width: 100%; }
      .mj-column-per-50 { width: 50% !important; max-width: 50%; }
    }
  </style>
</head>
<body style="word-spacing: normal; background-color: #f4f4f1;">
  <div style="background-color: #f4f4f1;" lang="en">
"""
_FOOT = """  </div>
</body>
</html>
"""
_SECTION_OPEN = """    <!--[if mso | IE]><table align="center" border="0" cellpadding="0" cellspacing="0" class="" \
role="presentation" style="width:600px;" width="600" bgcolor="#ffffff"><tr><td \
style="line-height:0px;font-size:0px;mso-line-height-rule:exactly;"><![endif]-->
    <div style="background: #ffffff; background-color: #ffffff; margin: 0px auto; max-width: 600px;">
      <table align="center" border="0" cellpadding="0" cellspacing="0" role="presentation" \
style="background: #ffffff; background-color: #ffffff; width: 100%;">
        <tbody><tr><td style="direction: ltr; font-size: 0px; padding: 20px 0; text-align: center;">
          <!--[if mso | IE]><table role="presentation" border="0" cellpadding="0" cellspacing="0"><tr><td \
class="" style="vertical-align:top;width:600px;"><![endif]-->
          <div class="mj-column-per-100 mj-outlook-group-fix" style="font-size: 0px; text-align: left; \
direction: ltr; display: inline-block; vertical-align: top; width: 100%;">
            <table border="0" cellpadding="0" cellspacing="0" role="presentation" width="100%"><tbody>
"""
_SECTION_CLOSE = """            </tbody></table>
          </div>
          <!--[if mso | IE]></td></tr></table><![endif]-->
        </td></tr></tbody>
      </table>
    </div>
    <!--[if mso | IE]></td></tr></table><![endif]-->
"""
_TEXT = """              <tr><td align="left" style="font-size: 0px; padding: 10px 25px; word-break: break-word;">
                <div style="font-family: Ubuntu, Helvetica, Arial, sans-serif; font-size: 15px; line-height: 1.5; \
text-align: left; color: #2b2b2b;">{}</div>
              </td></tr>
"""
_DIVIDER = """              <tr><td align="center" style="font-size: 0px; padding: 10px 25px; word-break: break-word;">
                <p style="border-top: solid 1px #d5d5cf; font-size: 1px; margin: 0px auto; width: 100%;"></p>
                <!--[if mso | IE]><table align="center" border="0" cellpadding="0" cellspacing="0" \
style="border-top:solid 1px #d5d5cf;font-size:1px;margin:0px auto;width:550px;" role="presentation" width="550px">\
<tr><td style="height:0;line-height:0;"> &nbsp; </td></tr></table><![endif]-->
              </td></tr>
"""
_PICTURE = """              <tr><td align="center" style="font-size: 0px; padding: 10px 25px; word-break: break-word;">
                <table border="0" cellpadding="0" cellspacing="0" role="presentation" \
style="border-collapse: collapse; border-spacing: 0px;"><tbody><tr><td style="width: 550px;">
                  <a href="{}" target="_blank"><img alt="" src="https://img.tidewater.example/n/{}.jpg" \
style="border: 0; display: block; outline: none; text-decoration: none; height: auto; width: 100%;" width="550" \
height="auto"></a>
                </td></tr></tbody></table>
              </td></tr>
"""
_VML = """              <!--[if mso]><tr><td align="center"><v:roundrect xmlns:v="urn:schemas-microsoft-com:vml" \
xmlns:w="urn:schemas-microsoft-com:office:word" href="{}" style="height:40px;v-text-anchor:middle;width:200px;" \
arcsize="10%" strokecolor="#1e3650" fillcolor="#556270"><w:anchorlock/><center style="color:#ffffff;\
font-family:sans-serif;font-size:13px;font-weight:bold;">Read on</center></v:roundrect></td></tr><![endif]-->
"""
_BUTTON = """              <tr><td align="center" vertical-align="middle" style="font-size: 0px; padding: 10px 25px; \
word-break: break-word;">
                <table border="0" cellpadding="0" cellspacing="0" role="presentation" \
style="border-collapse: separate; line-height: 100%;"><tbody><tr><td align="center" bgcolor="#414141" \
role="presentation" style="border: none; border-radius: 3px; cursor: auto; background: #414141;" valign="middle">
                  <a class="button" href="{}" style="display: inline-block; background: #414141; color: #ffffff; \
font-family: Ubuntu, Helvetica, Arial, sans-serif; font-size: 13px; padding: 10px 25px;" target="_blank">Read on</a>
                </td></tr></tbody></table>
              </td></tr>
"""


def newsletter_html(size_bytes: int = 55_000, links: int = 30, *, seed: int = 2) -> bytes:
    """An HTML document of exactly `size_bytes` with exactly `links` links that can be tracked, as MJML writes them.

    One link in six stands in VML inside a conditional comment, where only Outlook sees it. As dense as real ones:
    about 16 tags and one comment to the kilobyte.
    """
    chance = Random(seed)
    parts = [_HEAD]
    made = 0
    end = len(_crlf(_FOOT))
    size = len(_crlf(_HEAD)) + end
    while True:
        section, used = _section(chance, made, links)
        if size + len(section) > size_bytes:
            break
        parts.append(section)
        size += len(section)
        made += used
    if made < links:
        raise ValueError(f"{links} links do not fit into {size_bytes} bytes")
    return _crlf("".join(parts)) + _padding(chance, size_bytes - size) + _crlf(_FOOT)


def _section(chance: Random, made: int, links: int) -> tuple[str, int]:
    """One section with up to five links, numbered from `made`; (what is written, CRLF counted; links in it)."""
    before = made
    parts = [_SECTION_OPEN]
    for pattern in (_PICTURE, _TEXT, _DIVIDER, _VML, _BUTTON, _TEXT, _TEXT):
        if pattern is _DIVIDER:
            parts.append(_DIVIDER)
        elif pattern is _TEXT:
            inline = [f'<a href="{_url(chance, made)}">{_prose(chance, 20)}</a>'] if made < links else []
            parts.append(_TEXT.format(" ".join([_prose(chance, 110), *inline, _prose(chance, 40)])))
            made += len(inline)
        elif made < links:
            parts.append(pattern.format(*[_url(chance, made), made][: pattern.count("{}")]))
            made += 1
    parts.append(_SECTION_CLOSE)
    return "".join(parts).replace("\n", "\r\n"), made - before


def newsletter(html: bytes, *, number: int = 0) -> bytes:
    """A whole message around the HTML: multipart/alternative, both parts quoted-printable."""
    text = _crlf("News from Tidewater\n\n" + "\n".join(_prose(Random(number), 70) for _ in range(20)) + "\n")
    return _message("News from Tidewater", number, text, html)


def letter(size_bytes: int, *, number: int = 0) -> bytes:
    """A personal message of exactly `size_bytes`: text and HTML with two links; the same prose in both."""
    chance = Random(number)
    anchors = "".join(f'<p>Here: <a href="{_url(chance, n)}">chapter {n}</a></p>\r\n' for n in range(2))

    def made(prose: str) -> bytes:
        text = f"Dear Ines,\r\n{prose}\r\nMara\r\n".encode()
        html = f"<html><body>\r\n<p>Dear Ines,</p>\r\n<div>{prose}</div>\r\n{anchors}<p>Mara</p>\r\n</body></html>\r\n"
        return _message("The plan for the depots", number, text, html.encode())

    room = (size_bytes - len(made(""))) // 2
    if room < 0:
        raise ValueError(f"a letter does not fit into {size_bytes} bytes")
    lines = "\r\n" + "".join(f"{_prose(chance, 68)}\r\n" for _ in range(room // 70))
    message = made(lines[:-2])
    rest = size_bytes - len(message)
    return message.replace(b"\r\nSubject: ", b"\r\nX-Room: " + b"x" * (rest - 10) + b"\r\nSubject: ", 1)


def hostile(size_bytes: int) -> dict[str, bytes]:
    """HTML of about that size that makes careless scanners quadratic, by name."""
    pieces = {
        "`<`": b"<",
        "`<a `": b"<a ",
        "`<a href=`": b"<a href=",
        '`<a href="x `': b'<a href="x ',
        "`<a href=x>`": b"<a href=https://x.example/>",
        "`</`": b"</",
        "`<!--`": b"<!--",
        "`<!-- -->`": b"<!-- -->",
        "`<!--[if mso]>`": b"<!--[if mso]>",
        "`<![endif]-->`": b"<![endif]-->",
        "whole conditional comments": b"<!--[if mso]><a href=https://x.example/>x</a><![endif]-->",
        "`<style>`": b"<style>",
        "`<script><!--<script>`": b"<script><!--<script>",
        "`<blockquote>`": b"<blockquote>",
        "`</body>`": b"</body>",
        "`<x y='z' `": b"<x y='z' ",
    }
    found = {name: _repeat(piece, size_bytes) for name, piece in pieces.items()}
    found["one tag of attributes"] = b"<a" + _repeat(b" x='y'", size_bytes) + b">"
    found["one attribute of references"] = b"<a href='https://x.example/?" + _repeat(b"&amp", size_bytes) + b"'>x</a>"
    found["one link of references"] = b"<a href='https://x.example/'>" + _repeat(b"&lt", size_bytes)
    return found


def flood(size_bytes: int) -> dict[str, bytes]:
    """Whole messages of about that size that make careless MIME readers quadratic, by name."""
    head = b"From: a@x.example\r\nTo: b@x.example\r\nMIME-Version: 1.0\r\n"
    mixed = head + b'Content-Type: multipart/mixed; boundary="B"\r\n\r\n'
    html = b"--B\r\nContent-Type: text/html\r\n\r\n"
    quoted = head + b"Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    levels = size_bytes // 60
    nested = b"".join(
        b'--B%d\r\nContent-Type: multipart/mixed; boundary="B%d"\r\n\r\n' % (n, n + 1) for n in range(levels)
    )
    return {
        "boundary lines": mixed + _repeat(b"--B\r\n", size_bytes),
        "almost boundary lines": mixed + html + _repeat(b"--b\r\n", size_bytes) + b"--B--\r\n",
        "empty parts": mixed + _repeat(html, size_bytes) + b"--B--\r\n",
        "nested multiparts": head + b'Content-Type: multipart/mixed; boundary="B0"\r\n\r\n' + nested,
        "one header line": head + b"Subject: " + _repeat(b"a", size_bytes) + b"\r\n\r\nx",
        "folded header lines": head + b"Subject: a" + _repeat(b"\r\n a", size_bytes) + b"\r\n\r\nx",
        "addresses": b"To: " + _repeat(b"a@x.example, ", size_bytes) + b"b@x.example\r\n\r\nx",
        "open parentheses": b"To: " + _repeat(b"(", size_bytes) + b"\r\n\r\nx",
        "header parameters": head + b"Content-Type: text/html" + _repeat(b"; a=b", size_bytes) + b"\r\n\r\nx",
        "quoted-printable, soft ends": quoted + _repeat(b"=\r\n", size_bytes),
        "quoted-printable, white space": quoted + _repeat(b" ", size_bytes),
        "quoted-printable, `<a href=`": quoted + _repeat(b"<a href=3D=\r\n", size_bytes),
    }


def _repeat(piece: bytes, size_bytes: int) -> bytes:
    return piece * (size_bytes // len(piece))


def _message(subject: str, number: int, text: bytes, html: bytes) -> bytes:
    head = (
        f"From: Mara Lindh <{SENDER}>\r\nTo: Ines Marchetti <{RECIPIENT}>\r\nSubject: {subject}\r\n"
        f"Date: Sat, 21 Nov 2026 09:14:00 +0000\r\nMessage-ID: <{number:08}.bench@tidewater.example>\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="=_bench"\r\n\r\n'
    )
    return b"".join(_pieces(head.encode(), text, html))


def _pieces(head: bytes, text: bytes, html: bytes) -> Iterator[bytes]:
    yield head
    for kind, body in ((b"plain", text), (b"html", html)):
        yield b"--=_bench\r\nContent-Type: text/" + kind + b"; charset=utf-8\r\n"
        yield b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        yield quopri.encodestring(body.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n") + b"\r\n"
    yield b"--=_bench--\r\n"


def _url(chance: Random, number: int) -> str:
    words = "-".join(chance.choices(_WORDS, k=4))
    return (
        f"https://www.tidewater.example/news/2026/{number}/{words}"
        "?utm_source=newsletter&amp;utm_medium=email&amp;utm_campaign=november"
    )


def _prose(chance: Random, characters: int) -> str:
    """Exactly that many characters of words without a space at either end."""
    words = " ".join(chance.choices(_WORDS, k=characters // 4 + 1))
    return words[: characters - 1].rstrip().ljust(characters - 1, ".") + "."


def _padding(chance: Random, size_bytes: int) -> bytes:
    lines = [_prose(chance, 78) for _ in range(size_bytes // 80)]
    rest = size_bytes - 80 * len(lines)
    return _crlf("".join(f"{line}\n" for line in lines)) + b" " * rest


def _crlf(text: str) -> bytes:
    return text.replace("\r\n", "\n").replace("\n", "\r\n").encode()
