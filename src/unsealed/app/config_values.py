"""How values of settings are written, and what is wrong with one that is not.

Whatever stands here knows nothing of where settings come from.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from unsealed.model.errors import BadInput
from unsealed.model.upstream import Upstream, parse_upstream


@dataclass(frozen=True, slots=True)
class Listen:
    """An address to listen on."""

    host: str
    port: int  # 0: the system chooses

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only programs on this machine reach it."""
        return self.host == "localhost" or _is_address(self.host, "is_loopback")

    @property
    def family(self) -> socket.AddressFamily:
        """IPv6 where it is written; names mean IPv4."""
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    @property
    def near(self) -> str:
        """The host under which this machine itself reaches it, also when it is every address of the machine."""
        if _is_address(self.host, "is_unspecified"):
            return "::1" if ":" in self.host else "127.0.0.1"
        return self.host

    @property
    def url(self) -> str:
        """The base URL under which this machine itself reaches it."""
        return f"http://{Listen(self.near, self.port)}"


def _is_address(host: str, quality: str) -> bool:
    try:
        return bool(getattr(ipaddress.ip_address(host), quality))
    except ValueError:
        return False


def listen(value: object) -> Listen:
    """An address to listen on.

    Raises:
        ValueError: it is none; says how to write it.
    """
    if isinstance(value, Listen):
        return value
    form = r"(\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]\s*]+)):(?P<port>\d{1,5})"
    found = re.fullmatch(form, str(value).strip())
    if found is None or int(found["port"]) > 65_535:
        raise ValueError("write it as HOST:PORT, such as 127.0.0.1:8026 or [::1]:8026")
    return Listen(found["six"] or found["host"], int(found["port"]))


def base_url(value: str) -> str:
    """Scheme, host and port of a web address, or "".

    Raises:
        ValueError: it is none; says how to write it.
    """
    if value == "":
        return value
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not value.isascii():
        raise ValueError("write it as https://HOST or https://HOST:PORT")
    if parts.username is not None or parts.query or parts.fragment or parts.path not in ("", "/"):
        raise ValueError("only scheme, host and port belong here: no user, path, query or fragment")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def next_hop(value: object) -> Upstream | None:
    """Where mail goes, or None.

    Raises:
        ValueError: it is none; says how to write it.
    """
    try:
        return parse_upstream(str(value)) if value else None
    except BadInput as error:
        raise ValueError(str(error)) from None


def network(value: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """An address or a network whose callers may be believed: never all of them.

    Raises:
        ValueError: it is none; says how to write it.
    """
    if value == "*":
        raise ValueError(
            "* would let every caller write the address that is recorded; list the addresses of your own proxies"
        )
    try:
        found = ipaddress.ip_network(str(value).strip())
    except ValueError:
        raise ValueError(f"{value!r} is not an address or a network such as 10.0.0.0/8") from None
    if found.prefixlen == 0:
        raise ValueError(f"{found} is every caller, and each could write the address that is recorded")
    return found


def domain(value: object) -> str:
    """A domain, as it stands in the DNS.

    Raises:
        ValueError: it is none; says how to write it.
    """
    try:
        name = str(value).strip().strip(".").lower().encode("idna").decode("ascii")
    except UnicodeError:
        name = ""
    if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", name):
        raise ValueError(f"{value!r} is not a domain")
    return name


def email(value: str) -> str:
    """One address of mail.

    Raises:
        ValueError: it is none; says how to write it.
    """
    address = value.strip().lower()
    if not re.fullmatch(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+", address):
        raise ValueError("write one address, such as ines@example.org")
    return address


def subject_mark(value: str) -> str:
    """A mark in subjects, or "".

    Raises:
        ValueError: it is none; says how to write it.
    """
    mark = value.strip()
    if mark and not re.fullmatch(r"[!-~](?:[ -~]{1,38}[!-~])", mark):
        raise ValueError("write 3 to 40 letters, figures and signs of ASCII, such as [notrack]")
    return mark
