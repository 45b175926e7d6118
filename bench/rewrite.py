"""Rewriting a message: 55 kB newsletters with 30 links against pytracking and lxml; hostile input; memory.

All candidates get the same documents, equally often, and take turns; what counts is processor time. Ours does more: it
leaves every other octet alone, lists every decision, seals destinations, sees the links that stand for Outlook only.
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from time import process_time

from bench.messages import SENDER, flood, hostile, newsletter, newsletter_html
from bench.peers import Peers
from bench.table import Table, middle, number, progress
from unsealed.core.html import pixel_place, scan, strip_url, unescape_attribute
from unsealed.core.instrument import Tracking, make_copy, survey
from unsealed.core.token import seal_click, seal_pixel
from unsealed.model.message import Copy, CopyId
from unsealed.model.policy import Level, Switches

_COPY = CopyId(0x1234567890ABCDEF)
_RECIPIENTS = {1: "one recipient", 2: "2 recipients", 3: "3 recipients", 20: "20 recipients"}
_SIZES = (120_000, 480_000, 1_920_000)  # beyond 100 kB, up to which what was decided is remembered
_MEGABYTES = (1, 5, 20)


class _OneKey:
    newest = 1
    _only = bytes(range(64))

    def key(self, key_id: int) -> bytes | None:
        return self._only if key_id == self.newest else None


_TRACKING = Tracking(base_url="https://t.tidewater.example", keys=_OneKey(), key_id=1)


def track(raw: bytes) -> Copy:
    """The tracked copy of a message for one recipient."""
    return make_copy(raw, switches=Switches(), tracking=_TRACKING, copy=_COPY, recipient=None)


def sent(raw: bytes, recipients: int = 1) -> None:
    """What becomes of a message in the product: every decision listed once, then a copy for each recipient.

    As there, intake and each delivery hold octets of their own, and the plan is found again by what they say.
    """
    survey(_read(raw), switches=Switches(), tracking=_TRACKING)
    for copy in range(_COPY, _COPY + recipients):
        make_copy(_read(raw), switches=Switches(), tracking=_TRACKING, copy=CopyId(copy), recipient=None)


def _read(raw: bytes) -> bytes:
    """The message as it comes out of the store: not the object that was put in, whose hash is known."""
    return bytes(memoryview(raw))


def rewrite(html: bytes) -> bytes:
    """What pytracking does, with our scanner and tokens: every link and a pixel, no question asked, nothing listed."""
    text = html.decode("latin-1")
    found = scan(text)
    pieces: list[str] = []
    at = 0
    for position, anchor in enumerate(found.anchors):
        if anchor.href is not None:
            destination = strip_url(unescape_attribute(text[anchor.href.start : anchor.href.end]))
            token = seal_click(_TRACKING.keys, _TRACKING.key_id, _COPY, Level.FULL, position, destination)
            pieces += (text[at : anchor.href.start], f"{_TRACKING.base_url}/c/{token}")
            at = anchor.href.end
    place, _ = pixel_place(found, text)
    pixel = seal_pixel(_TRACKING.keys, _TRACKING.key_id, _COPY, Level.FULL)
    pieces += (text[at:place], f'<img src="{_TRACKING.base_url}/o/{pixel}.gif">', text[place:])
    return "".join(pieces).encode("latin-1")


def page(html: bytes) -> bytes:
    """A message that is the HTML alone, unencoded."""
    head = f"From: {SENDER}\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n"
    return f"{head}Content-Transfer-Encoding: 8bit\r\n\r\n".encode() + html


def compared(rounds: int, documents: int) -> Table:
    """HTML documents of one shape, none with the links of another: copies/s, and the ratio to pytracking.

    documents: more than 32, the number of plans that are remembered, with more than 256 links, the number of packed
    destinations, or the next round finds those of the last.
    """
    pages = [newsletter_html(seed=seed) for seed in range(documents)]
    alone = [page(html) for html in pages]
    whole = [newsletter(html) for html in pages]
    found: dict[str, list[float]] = {}

    def note(name: str, seconds: float, copies: int = 1) -> None:
        found.setdefault(name, []).append(copies * documents / seconds)

    with Peers(pages) as peers:
        for _ in range(rounds):
            note("Unsealed, scanner and tokens alone", _seconds(rewrite, pages))
            for recipients, words in _RECIPIENTS.items():
                to_all = partial(sent, recipients=recipients)
                note(f"Unsealed, HTML, every decision listed, to {words}", _seconds(to_all, alone), recipients)
                note(f"Unsealed, whole quoted-printable message, to {words}", _seconds(to_all, whole), recipients)
            note("pytracking 0.2.2", peers.seconds("pytracking", 1))
            note("pytracking 0.2.2, encrypted", peers.seconds("pytracking, encrypted", 1))
            note("lxml, parse + set + serialise, ready-made links", peers.seconds("lxml", 1))
    table = Table(columns=("55 kB, 30 links", "copies/s on one core", "ratio to pytracking", "to it, encrypted"))
    for name, rates in found.items():
        ratios = (
            middle([rate / peer for rate, peer in zip(rates, found[peer_name], strict=True)])
            for peer_name in ("pytracking 0.2.2", "pytracking 0.2.2, encrypted")
        )
        table.add(name, middle(rates), *ratios)
    return table


def growth(sizes: tuple[int, ...]) -> Table:
    """Hostile input of growing size: milliseconds, and how many times longer a byte takes at the largest size."""
    taken: dict[str, list[float]] = {}
    for size in sizes:
        bodies = {name: page(html) for name, html in hostile(size).items()}
        for name, raw in (bodies | flood(size)).items():
            taken.setdefault(name, []).append(min(_seconds(sent, [raw]) for _ in range(3)))
    named = (f"{size // 1000} kB, ms" for size in sizes)
    table = Table(columns=("hostile input", *named, "per byte, largest : smallest"))
    for name, seconds in taken.items():
        per_byte = (seconds[-1] / sizes[-1]) / (seconds[0] / sizes[0])
        table.add(name, *(number(1e3 * each) for each in seconds), number(per_byte))
    return table


def memory(megabytes: tuple[int, ...]) -> Table:
    """Peak of resident memory while a copy is made, above what was resident before, per byte of message."""
    table = Table(columns=("message", "peak, MB", "times the message"))
    for size in megabytes:
        for kind in ("a newsletter of that size", "a newsletter with an attachment"):
            # A fresh process: one that has done something holds free memory that the message could use unseen.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as child:
                grown, length = child.submit(_peak, kind, size * 1_000_000).result()
            table.add(f"{size} MB, {kind}", number(grown / 1e6), number(grown / length))
    return table


def _large(kind: str, size_bytes: int) -> bytes:
    if kind == "a newsletter of that size":
        return newsletter(newsletter_html(size_bytes=int(size_bytes * 0.9)))
    line = b"QUJD" * 19 + b"\r\n"
    return (
        b"From: a@x.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=outer\r\n\r\n--outer\r\n"
        + newsletter(newsletter_html()).partition(b"MIME-Version: 1.0\r\n")[2]
        + b"\r\n--outer\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + line * ((size_bytes - 62_000) // len(line))
        + b"--outer--\r\n"
    )


def _peak(kind: str, size_bytes: int) -> tuple[int, int]:
    """How far resident memory grows while such a message is tracked, and the size of the message."""
    raw = _large(kind, size_bytes)
    track(newsletter(newsletter_html()))  # what the first message ever costs is not the message's
    ctypes.CDLL(None).malloc_trim(0)  # what making the message left behind
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again from here
    before = _resident("VmRSS")
    track(raw)
    return _resident("VmHWM") - before, len(raw)


def _resident(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


def _seconds(call: Callable[[bytes], object], messages: Sequence[bytes]) -> float:
    begun = process_time()
    for message in messages:
        call(message)
    return process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny numbers")
    quick = parser.parse_args().quick
    print("## Rewriting a message\n")
    print(
        "Aims: three times pytracking and 1,000 copies/s for the HTML, 300/s for the whole message. The first row does"
    )
    print("what pytracking does and no more; our tokens are sealed, so its like is pytracking's encrypted form. The")
    print(
        "other rows of ours are the way of a message in the product: surveyed once, every decision listed, then a copy"
    )
    print(
        "for each recipient. Survey and copies each read the message anew; what was decided is remembered between them,"
    )
    print("as it is between intake and delivery. pytracking starts again for each recipient. Every document has other")
    print("links, so that nothing is remembered from one to the next.\n")
    print(compared(2, 40).markdown() if quick else compared(9, 100).markdown())
    progress("hostile input")
    sizes = (2_000, 8_000) if quick else _SIZES
    print(
        "Survey and copy of hostile input. The last column is about 1 when the time grows with the size, and would be"
    )
    print(f"{sizes[-1] // sizes[0]} if it grew with its square.\n")
    print(growth(sizes).markdown())
    progress("memory")
    print("Memory while a copy is made; aim: under five times the message.\n")
    print(memory((1,) if quick else _MEGABYTES).markdown())


if __name__ == "__main__":
    main()
