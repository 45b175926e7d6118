"""A next hop: where mail goes from here, how it is written as a URL, and what came of trying it out."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qsl, unquote, urlsplit

from unsealed.model.errors import BadInput


class Tls(StrEnum):
    """How a connection to a mail server is protected. Stored."""

    NONE = "none"
    STARTTLS = "starttls"  # required
    IMPLICIT = "implicit"


class Auth(StrEnum):
    """How we sign in where there is a user name. Stored."""

    PASSWORD = "password"  # noqa: S105 - a word
    XOAUTH2 = "xoauth2"  # with an access token that a refresh token is exchanged for


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth:
    """What access tokens are had with (RFC 6749 §6). Stored, sealed, as JSON of these names."""

    token_url: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """The next hop for mail."""

    host: str
    port: int
    tls: Tls = Tls.STARTTLS
    user: str = ""
    password: str = field(default="", repr=False)
    oauth: OAuth | None = None  # signs in instead of the password
    inside: bool = True  # may lie in a private network or on this machine


class Trouble(StrEnum):
    """Why a next hop did not take a message."""

    NAME = "name"  # the host is not known
    INSIDE = "inside"  # it lies where people's next hops must not lie
    REFUSED = "refused"  # nobody listens there
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"  # no way there, or the connection broke
    NO_STARTTLS = "no starttls"
    CERTIFICATE = "certificate"
    TLS = "tls"  # no common language, or none at all
    SIGN_IN = "sign-in"
    TOKEN = "token"  # noqa: S105 - no access token was to be had
    ANSWER = "answer"  # it answers, but says no before it has seen the message
    MESSAGE = "message"  # it let us in and refused sender, recipient or message


class Speaker(StrEnum):
    """Who said a line of a dialogue."""

    US = "us"
    THEM = "them"
    NOTE = "note"  # said by neither: what happened


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a dialogue with a next hop; secrets are masked."""

    by: Speaker
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What came of trying a next hop out."""

    lines: tuple[Line, ...]
    trouble: Trouble | None = None  # None: it took the message
    words: str  # its last answer, or what failed


def parse_upstream(url: str) -> Upstream:
    """Read `smtp://[user:password@]host:port[?tls=none|starttls|implicit]`.

    User and password are percent-decoded. Without `tls`: none towards this machine, implicit on port 465, else
    STARTTLS. The port may be missing: 465 for implicit TLS, 25 towards this machine, else 587.

    Raises:
        BadInput: says what is wrong, never with the password.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise BadInput("the upstream URL has no proper host and port") from error
    if parts.scheme != "smtp":
        raise BadInput("the upstream URL must begin with smtp:// (for TLS from the first byte add ?tls=implicit)")
    if not parts.hostname:
        raise BadInput("the upstream URL names no host")
    if parts.path not in ("", "/") or parts.fragment:
        raise BadInput("the upstream URL ends after host and port; only ?tls=... may follow")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    asked = query.pop("tls", None)
    if query:
        raise BadInput(f"the upstream URL knows only ?tls=none|starttls|implicit, not {sorted(query)[0]!r}")
    if asked is not None and asked not in set(Tls):
        raise BadInput(f"?tls= must be none, starttls or implicit, not {asked!r}")
    if (parts.username is None) != (parts.password is None):
        raise BadInput("the upstream URL needs user and password, or neither")
    local = is_local(parts.hostname)
    default = Tls.NONE if local else Tls.IMPLICIT if port == 465 else Tls.STARTTLS
    tls = default if asked is None else Tls(asked)
    return Upstream(
        host=parts.hostname,
        port=port or (465 if tls is Tls.IMPLICIT else 25 if local else 587),
        tls=tls,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def is_local(host: str) -> bool:
    """Whether a host name or address means the machine that uses it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
