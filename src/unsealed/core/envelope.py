"""Who sends and who receives, read from the envelope and the visible headers.

The address-list reader is our own: linear, without recursion, and content with what it finds; the library's takes
9.3 s for 20,000 addresses and dies on 2,000 open parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from unsealed.core.header import Field, decoded
from unsealed.model.message import AddressKind, Recipient

ADDRESS_OCTETS = 320  # RFC 5321 §4.5.3.1: 64 for the local part, 255 for the domain
NAME_CHARACTERS = 200
NAMED_OCTETS = 100_000  # longer To and Cc fields are not read for names

_TOKEN = re.compile(
    r"""
    (?P<quoted>"(?:[^"\\]|\\.)*+"?)   # a quoted string, also one that never ends
    | (?P<angle><[^<>]*+>?)
    | (?P<mark>[(),;:\\])
    | (?P<text>[^"<>(),;:\\]++)
    | (?P<stray>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_PATH = re.compile(r"<(?:@[^:<>\s]*:)?(?P<address>(?:\"(?:[^\"\\]|\\.)*+\"|[^\"<>\s]*+)(?:@[^<>\s@]++)?)>")


def read_path(text: str) -> tuple[str, str] | None:
    """Address and the parameters behind it, of the argument of MAIL FROM or RCPT TO; None when it is none.

    Angle brackets may be missing, as some clients do. "" is the null address. A source route is dropped
    (RFC 5321 appendix C).
    """
    text = text.strip()
    if text.startswith("<"):
        match = _PATH.match(text)
        if match is None:
            return None
        address, rest = match["address"], text[match.end() :]
        if rest and not rest.startswith(" "):
            return None
    else:
        address, _, rest = text.partition(" ")
    return (address, rest.strip()) if not address or good_address(address) else None


def good_address(address: str) -> bool:
    """Whether this can be an envelope address: one @ with something on both sides, no white space outside quotes, no
    control characters, no broken encoding, not longer than any mailbox may be."""
    local, at, domain = address.rpartition("@")
    if (
        not (at and local and domain)
        or not address.isprintable()
        or len(address.encode("utf-8", "replace")) > ADDRESS_OCTETS
    ):
        return False
    if any(character in ' <>"(),' for character in domain):
        return False
    if local.startswith('"'):
        return len(local) > 2 and local.endswith('"')
    return not any(character in ' <>"(),@:;' for character in local)


def same_mailbox(address: str) -> str:
    """A form in which equal mailboxes are equal: the domain does not know case, the local part may."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"


def addresses(value: bytes) -> Iterator[tuple[str, str]]:
    """Name and address of each mailbox in the value of a From, To or Cc field; groups are opened."""
    return ((name, address) for name, address in _mailboxes(value) if address)


def _mailboxes(value: bytes) -> Iterator[tuple[str, str]]:
    """The same, with "" for the address of a mailbox that cannot be read beyond doubt."""
    text = value.decode("utf-8", "surrogateescape")
    name: list[str] = []
    comment: list[str] = []
    angles: list[str] = []
    depth = 0
    for token in _TOKEN.finditer(text):
        part = token[0]
        if depth:
            depth += (part == "(") - (part == ")")
            if depth:
                comment.append(part)
            continue
        match token.lastgroup:
            case "quoted" if text.startswith("@", token.end()):
                name.append(part)  # a quoted local part
            case "quoted":
                name.append(_ESCAPE.sub(r"\1", part.removeprefix('"').removesuffix('"')))
            case "angle":
                angles.append(part)
            case "mark" if part == "(":
                depth = 1
            case "mark" if part in ",;":
                yield from _mailbox(name, comment, angles)
                name, comment, angles = [], [], []
            case "mark" if part == ":":
                name, comment, angles = [], [], []  # the name of a group
            case _:
                name.append(part)
    yield from _mailbox(name, comment, angles)


def _mailbox(name: list[str], comment: list[str], angles: list[str]) -> Iterator[tuple[str, str]]:
    plain = "".join(name).strip()
    if angles:
        shown = plain or "".join(comment)
        path = read_path(angles[0]) if len(angles) == 1 else None  # programs disagree about which of two counts
        address = path[0] if path is not None else ""
    elif plain:
        shown = "".join(comment)
        address = plain if plain.startswith('"') else "".join(plain.split())
    else:
        return
    label = decoded(shown.encode("utf-8", "surrogateescape"))[:NAME_CHARACTERS]
    yield label, address if good_address(address) else ""


def authors(found: Iterable[Field]) -> list[str] | None:
    """All addresses of the From fields; None when there is no such field; [] when any cannot be read beyond doubt."""
    values = [item.value for item in found if item.name == "from"]
    if not values:
        return None
    read = [address for value in values for _, address in _mailboxes(value)]
    return read if all(read) else []


def senders(found: Iterable[Field]) -> list[str]:
    """Who is said to hand it in for the authors: the addresses of Sender, and of the newest Resent-From and
    Resent-Sender; "" for each that cannot be read beyond doubt.

    Sets of Resent fields are put on top of older ones (RFC 5322 §3.6.6), which tell who resent it in former times: a
    field that comes again is of an older set.
    """
    values: list[bytes] = []
    resent: set[str] = set()
    older = False
    for item in found:
        if item.name.startswith("resent-"):
            older = older or item.name in resent
            resent.add(item.name)
        if item.name == "sender" or (item.name in _RESENDERS and not older):
            values.append(item.value)
    return [address for value in values for _, address in _mailboxes(value)]


def recipients(envelope: Sequence[str], found: Iterable[Field]) -> tuple[Recipient, ...]:
    """The envelope recipients, each mailbox once, with the name and place that To and Cc give; all others are Bcc."""
    shown: dict[str, tuple[str, AddressKind]] = {}
    budget = NAMED_OCTETS
    for item in found:
        if item.name not in _SHOWN or (budget := budget - len(item.value)) < 0:
            continue
        for name, address in addresses(item.value):
            shown.setdefault(address.lower(), (name, _SHOWN[item.name]))
    unique: dict[str, str] = {}
    for address in envelope:
        unique.setdefault(same_mailbox(address), address)
    made = []
    for address in unique.values():
        name, kind = shown.get(address.lower(), ("", AddressKind.BCC))
        made.append(Recipient(address=address, name=name, kind=kind))
    return tuple(made)


_SHOWN = {"to": AddressKind.TO, "cc": AddressKind.CC, "resent-to": AddressKind.TO, "resent-cc": AddressKind.CC}
_RESENDERS = frozenset({"resent-from", "resent-sender"})
