"""What somebody typed about their next hop, read into a value or into words beside the fields.

Promises that nothing in a value that was read can end a line of SMTP or HTTP, that a host is one name or address in
the form that is looked up, and that mail leaves in clear towards this machine only. Looks nothing up.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TypeVar
from urllib.parse import urlsplit

import idna

from unsealed.model.errors import BadInput
from unsealed.model.reach import is_public
from unsealed.model.texts import later
from unsealed.model.upstream import Auth, OAuth, Tls, Upstream, is_local

T = TypeVar("T")

HOST_LETTERS = 253  # RFC 1035 §2.3.4
LABEL_LETTERS = 63
USER_LETTERS = 320
SECRET_LETTERS = 4096  # tokens are long
URL_LETTERS = 500

_LABEL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
INVISIBLE = later("This holds invisible characters, such as line ends. Type it instead of pasting it.")
AGAIN = "Type it again: it was for {host}, and is sent nowhere else without you."


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A form as it came: text, whatever was typed."""

    host: str = ""
    port: str = ""
    tls: str = ""
    auth: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    token_url: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)


def read(written: Written, before: Upstream | None, *, inside: bool) -> Upstream | Mapping[str, str]:
    """The next hop, or by field what is wrong with it.

    before: what is kept so far. Its secrets hold on where none are typed, as long as they go to the same host.
    inside: whether it may lie in a private network or on this machine.
    """
    wrong: dict[str, str] = {}
    host = _field("host", wrong, lambda: clean_host(written.host), "")
    if host:
        _field("host", wrong, lambda: _check_inside(host, inside=inside), None)
    port = _field("port", wrong, lambda: clean_port(written.port), 0)
    user = _field("user", wrong, lambda: _one_line(written.user, USER_LETTERS), "")
    tls = _field("tls", wrong, lambda: _tls(written.tls, host), Tls.STARTTLS)
    same_host = before if before is not None and before.host == host else None
    password, oauth = "", None
    match written.auth:
        case Auth.PASSWORD:
            password = _password(written, user, before, same_host, wrong)
        case Auth.XOAUTH2:
            if not user and "user" not in wrong:
                wrong["user"] = later("Write the address of the mailbox that the tokens are for.")
            oauth = read_oauth(written, same_host.oauth if same_host is not None else None, wrong, inside=inside)
        case _:
            wrong["auth"] = later("Choose one of these.")
    if wrong:
        return wrong
    return Upstream(host=host, port=port, tls=tls, user=user, password=password, oauth=oauth, inside=inside)


def _field(name: str, wrong: dict[str, str], clean: Callable[[], T], otherwise: T) -> T:
    """What was written into a field; `otherwise` when it cannot be used, and then `wrong` says why."""
    try:
        return clean()
    except BadInput as error:
        wrong[name] = str(error)
        return otherwise


def _tls(written: str, host: str) -> Tls:
    try:
        tls = Tls(written)
    except ValueError:
        raise BadInput(later("Choose one of these.")) from None
    if tls is Tls.NONE and host and not is_local(host):
        raise BadInput(later("Without TLS only a server on this very machine can be used: choose STARTTLS or TLS."))
    return tls


def _password(
    written: Written, user: str, before: Upstream | None, same_host: Upstream | None, wrong: dict[str, str]
) -> str:
    """The password that was typed, or else the kept one, which goes only where and for whom it was typed."""
    password = _field("password", wrong, lambda: _secret(written.password), "")
    if not password and same_host is not None and same_host.user == user:
        password = same_host.password
    if user and not password and "password" not in wrong:
        had = before is not None and before.password
        wrong["password"] = AGAIN.format(host=_whose(before)) if had else later("This user name needs a password.")
    if password and not user and "user" not in wrong:
        wrong["user"] = later("A password needs its user name. Without sign-in, leave both empty.")
    return password


def clean_host(written: str) -> str:
    """A host name in lower case and IDNA, or an address, as it is looked up.

    Raises:
        BadInput: it is neither; in words for the one who typed it.
    """
    text = written.strip()
    if not text:
        raise BadInput(later("Write the name of the server, such as smtp.example.org."))
    if not _printable(text):
        raise BadInput(INVISIBLE)
    if "://" in text or "/" in text:
        raise BadInput(later("Write the name alone, such as smtp.example.org: no smtp:// in front, no path."))
    if "@" in text:
        raise BadInput(later("This is an address. The server has a name of its own, such as smtp.example.org."))
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(ip_address(bare))
    except ValueError:
        pass
    if ":" in text:
        raise BadInput(later("Write the port into its own field."))
    name = _ascii(text).removesuffix(".")
    labels = name.split(".")
    if (
        len(name) > HOST_LETTERS
        or any(not label or len(label) > LABEL_LETTERS or set(label) - _LABEL for label in labels)
        or labels[-1].isdigit()  # 127.1, 2130706433: resolvers take them for addresses
        or labels[-1].startswith("0x")
    ):
        raise BadInput(later("This is not the name of a server; write it like smtp.example.org."))
    return name


def clean_port(written: str) -> int:
    """A port.

    Raises:
        BadInput: it is none; in words for the one who typed it.
    """
    text = written.strip()
    if not text.isascii() or not text.isdigit() or len(text) > 5 or not 0 < int(text) < 65_536:
        raise BadInput(later("From 1 to 65535; mostly 587 or 465."))
    return int(text)


def _ascii(text: str) -> str:
    if text.isascii():
        return text.lower()
    try:
        return idna.encode(text, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise BadInput(later("This name has letters that no server's name can have.")) from None


def _check_inside(host: str, *, inside: bool) -> None:
    if inside:
        return
    try:
        private = not is_public(str(ip_address(host)))
    except ValueError:
        private = is_local(host)
    if private:
        raise BadInput(
            later(
                "This server lies in a private network. Only owners may choose such, unless the setting "
                "people.private_hosts lets everybody."
            )
        )


def _one_line(written: str, letters: int) -> str:
    text = written.strip()
    if len(text) > letters:
        raise BadInput(f"This is too long: {letters:,} characters at most.")
    if not _printable(text):
        raise BadInput(INVISIBLE)
    return text


def _secret(written: str) -> str:
    # A password may begin or end with a space; line ends come from pasting.
    text = written.strip("\r\n\t")
    if len(text) > SECRET_LETTERS:
        raise BadInput(f"This is too long: {SECRET_LETTERS:,} characters at most.")
    if not _printable(text):
        raise BadInput(INVISIBLE)
    return text


def _printable(text: str) -> bool:
    return all(letter == " " or unicodedata.category(letter)[0] not in "CZ" for letter in text)


def read_oauth(written: Written, before: OAuth | None, wrong: dict[str, str], *, inside: bool) -> OAuth | None:
    """What access tokens are had with; None, and by field in `wrong` why, when it cannot be used.

    before: what is kept so far for the same server. Its secrets hold on where none are typed, as long as they go to
    the same address for the same application. inside: as for `read`.
    """
    found: dict[str, str] = {}
    for name, clean in (
        ("token_url", lambda text: _token_url(text, inside=inside)),
        ("client_id", lambda text: _one_line(text, SECRET_LETTERS)),
        ("client_secret", _secret),
        ("refresh_token", _secret),
    ):
        try:
            found[name] = clean(getattr(written, name))
        except BadInput as error:
            wrong[name] = str(error)
    if len(found) < 4:
        return None
    if not found["client_id"]:
        wrong["client_id"] = later("Write the client ID of your application.")
    same = before is not None and (before.token_url, before.client_id) == (found["token_url"], found["client_id"])
    if before is not None and same:
        found["client_secret"] = found["client_secret"] or before.client_secret
        found["refresh_token"] = found["refresh_token"] or before.refresh_token
    if not found["refresh_token"]:
        wrong["refresh_token"] = (
            AGAIN.format(host=_host_of(before))
            if before is not None
            else later("Write the refresh token that you were given.")
        )
    return None if wrong else OAuth(**found)


def _token_url(written: str, *, inside: bool) -> str:
    text = _one_line(written, URL_LETTERS)
    form = later("Write the whole address, such as https://oauth2.googleapis.com/token.")
    try:
        parts = urlsplit(text)
        _ = parts.port  # one that is none is found out here
    except ValueError:
        raise BadInput(form) from None
    host = parts.hostname or ""
    if parts.username is not None or parts.fragment or not text.isascii() or " " in text or not host:
        raise BadInput(form)
    if parts.scheme != "https" and not (parts.scheme == "http" and inside and is_local(host)):
        raise BadInput(later("The address must begin with https://: secrets are sent there."))
    clean_host(host)
    _check_inside(host, inside=inside)
    return text


def _whose(before: Upstream | None) -> str:
    return f"{before.user} at {before.host}" if before is not None else ""


def _host_of(before: OAuth | None) -> str:
    return urlsplit(before.token_url).hostname or "" if before is not None else ""
