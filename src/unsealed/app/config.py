"""The settings: one frozen tree, read once, from the file `unsealed.toml`, the environment and the command line.

Promises that every mistake is reported at once, each with its key, and that passwords never
appear in a message. The command line wins over the environment, the environment over the file.

The file is the one that UNSEALED_CONFIG names; else `unsealed.toml` in the working folder; else `unsealed.toml` in the
data folder. `[track] url = "..."` in the file is UNSEALED_TRACK_URL in the environment: the section, then the key.
Lists in the environment are separated by commas. An unknown key is an error everywhere: it is a misspelt one.

This is the only module that knows pydantic; how values are written is said in `config_values`.
docs/reference/settings.md is made from the descriptions here.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from unsealed.app import config_values as values
from unsealed.app.config_values import Listen
from unsealed.model.errors import UnsealedError
from unsealed.model.policy import MANY_RECIPIENTS, OFF, HiddenLink, Level, LinkScope, Switches, VisibleUrl
from unsealed.model.upstream import Upstream as NextHop
from unsealed.model.upstream import is_local

PREFIX = "UNSEALED_"
CONFIG_VARIABLE = "UNSEALED_CONFIG"
FILE_NAME = "unsealed.toml"
# How variables with our prefix begin that are no settings.
NOT_SETTINGS = ("UNSEALED_CONFIG", "UNSEALED_TEST_", "UNSEALED_BENCH_")

# What the options of `unsealed serve` are called among the settings.
OPTIONS = {
    "data": "data",
    "web": "web.listen",
    "track": "track.listen",
    "smtp": "smtp.listen",
    "upstream": "upstream.url",
    "track_url": "track.url",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with the settings."""

    key: str  # "track.url"
    words: str


class ConfigError(UnsealedError):
    """The settings cannot be used. All problems, each with its key."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(
            "these settings cannot be used:\n" + "\n".join(f"  {each.key}: {each.words}" for each in problems)
        )
        self.problems = problems


def _optional_listen(value: object) -> object:
    return None if value == "" else values.listen(value)


def _store_url(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if text == "":
        return value
    from sqlalchemy import make_url  # here, because commands that ask no store need nothing of it
    from sqlalchemy.exc import ArgumentError

    try:
        kind = make_url(text).get_backend_name()
    except ArgumentError:
        kind = ""
    if kind not in ("sqlite", "postgresql"):
        raise ValueError("write it as sqlite:////absolute/path.db or postgresql://user:password@host/database")
    return value


def _items(value: object) -> object:
    """A list as the environment writes it."""
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def _optional_path(value: object) -> object:
    return None if value == "" else value


Address = Annotated[Listen, BeforeValidator(values.listen)]
OptionalAddress = Annotated[Listen | None, BeforeValidator(_optional_listen)]
BaseUrl = Annotated[str, AfterValidator(values.base_url)]
OptionalPath = Annotated[Path | None, BeforeValidator(_optional_path)]
Network = Annotated[ipaddress.IPv4Network | ipaddress.IPv6Network, BeforeValidator(values.network)]
Domain = Annotated[str, BeforeValidator(values.domain)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Store(_Section):
    """Where messages and events are kept."""

    url: Annotated[SecretStr, AfterValidator(_store_url)] = Field(
        default=SecretStr(""),
        description="`postgresql://user:password@host/database` for "
        "[several machines](../how-to/use-several-machines.md). "
        "Empty: SQLite, the file `unsealed.db` in the data folder.",
    )


class Web(_Section):
    """The pages and the API. Put a proxy with TLS in front when others than you shall reach them."""

    listen: Address = Field(default=Listen("127.0.0.1", 8025), description="HOST:PORT of the pages and the API.")
    url: BaseUrl = Field(
        default="",
        description="Base URL under which people reach the pages. Empty: `http://` and the address listened on.",
    )


class Track(_Section):
    """The tracking host: pixels and links. Nothing else lives there."""

    listen: Address = Field(default=Listen("127.0.0.1", 8026), description="HOST:PORT of pixels and links.")
    url: BaseUrl = Field(
        default="",
        description="Public base URL of pixels and links, such as `https://t.example.org`. It is frozen into each "
        "message when it is sent, so an old name must go on working. Empty: `http://` and the address listened on, "
        "which only this machine reaches.",
    )
    trusted_proxies: Annotated[tuple[Network, ...], BeforeValidator(_items)] = Field(
        default=(),
        description="Addresses or networks of your own proxies, in front of pixels and links and of the pages. The "
        "address that is recorded is the right-most entry of `X-Forwarded-For` that is not in this list. `*` is "
        "refused: every caller could then write the address.",
    )
    connections: int = Field(
        default=4096,
        ge=16,
        le=1_000_000,
        description="Open connections at most. Above it, clients that never sent a whole request are dropped first.",
    )
    collector: str = Field(
        default="main",
        pattern=r"^[a-z0-9][a-z0-9-]{0,31}$",
        description="Name of this collector: its journal lies in the folder `journal/NAME` of the data folder. "
        "Each machine that collects needs its own.",
    )


class Smtp(_Section):
    """The server for mail programs."""

    listen: Address = Field(
        default=Listen("127.0.0.1", 2525),
        description="HOST:PORT for mail programs. Signing in works under STARTTLS, or in clear on loopback only.",
    )
    tls_listen: OptionalAddress = Field(
        default=None,
        description="A second HOST:PORT with TLS from the first byte (port 465 by custom). Needs the certificate.",
    )
    certificate: OptionalPath = Field(
        default=None, description="PEM file with the certificate chain; switches STARTTLS on."
    )
    key: OptionalPath = Field(
        default=None, description="PEM file with the private key of the certificate.", validate_default=True
    )
    max_size: ByteSize = Field(
        default=ByteSize(50_000_000),
        gt=0,
        description="The largest message taken, such as `50 MB`; announced as SIZE. Over 25 MB a message goes out "
        "as it came, untracked.",
    )

    @field_validator("key")
    @classmethod
    def _complete(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        certificate = info.data.get("certificate")
        if (certificate is None) != (key is None):
            raise ValueError("smtp.certificate and smtp.key go together")
        if info.data.get("tls_listen") is not None and certificate is None:
            raise ValueError("smtp.tls_listen needs smtp.certificate and smtp.key")
        return key


class Upstream(_Section):
    """The next hop: the SMTP server of your provider or company."""

    url: Annotated[NextHop | None, BeforeValidator(values.next_hop)] = Field(
        default=None,
        description="`smtp://[user:password@]host:port[?tls=none|starttls|implicit]`. TLS is verified; the default is "
        "`starttls`, on port 465 `implicit`, on this machine itself `none`. Empty: nothing leaves, mail lands in the "
        "built-in sandbox.",
    )
    ca: OptionalPath = Field(
        default=None,
        description="PEM file with the authorities that may vouch for it. Empty: those of the system. Servers that "
        "people name in the pages are trusted on the word of either.",
    )


class People(_Section):
    """What the people of this installation may do."""

    private_hosts: bool = Field(
        default=False,
        description="Whether the mail servers that people name, next hops and mailboxes of their own, and the push "
        "services of their browsers, may lie in a private network or on this machine. Owners may always name such; "
        "others could look around in your network.",
    )


class Allowed(StrEnum):
    """Levels of tracking that work today, under the names of model.policy.Level."""

    OFF = "off"
    IDENTIFIED = "identified"
    FULL = "full"


def _allowed(said: object) -> object:
    # What the setting could say before there were levels, in a file and in the environment.
    words = str(said).strip().lower()
    if words in ("true", "yes", "on", "1"):
        return Allowed.FULL
    return Allowed.OFF if words in ("false", "no", "0") else words


class TrackingDefaults(_Section):
    """What may be tracked at most in this installation. The pages lower it: for everybody, for one user, for
    recipients."""

    opens: Annotated[Allowed, BeforeValidator(_allowed)] = Field(
        default=Allowed.FULL,
        description="How much may be kept of opens: `off` (no pixel), `identified` (who and when; no device, network "
        "or place) or `full`. `false` and `true` mean `off` and `full`. Nothing overrules it.",
    )
    clicks: Annotated[Allowed, BeforeValidator(_allowed)] = Field(
        default=Allowed.FULL, description="The same of clicks: `off`, `identified` or `full`. Nothing overrules it."
    )
    links: LinkScope = Field(
        default=LinkScope.HTML,
        description="Which links are rewritten: `none`, `html` or `html+text`. `none` cannot be overruled anywhere.",
    )
    subject_mark: Annotated[str, AfterValidator(values.subject_mark)] = Field(
        default="[notrack]",
        description="In front of a subject it switches tracking off for that message, and is removed before the "
        "message goes out. Empty: there is no such mark.",
    )
    visible_urls: VisibleUrl = Field(
        default=VisibleUrl.LEAVE,
        description="Links whose visible text is itself an address: `leave` them or `track` them. Mail programs warn "
        "of fraud when text and target differ.",
    )
    excluded_domains: Annotated[tuple[Domain, ...], BeforeValidator(_items)] = Field(
        default=(), description="Links to these domains, their subdomains included, are left alone."
    )
    hidden_link: HiddenLink = Field(
        default=HiddenLink.MANY,
        description="Which messages with tracked links get a hidden one that only machines follow: `never`, `many` "
        f"(those with {MANY_RECIPIENTS} recipients or more) or `always`. It tells scanners from people.",
    )

    @property
    def switches(self) -> Switches:
        return Switches(
            opens=Level[self.opens.name],
            clicks=Level[self.clicks.name],
            links=self.links,
            visible_urls=self.visible_urls,
            excluded_domains=frozenset(self.excluded_domains),
            hidden_link=self.hidden_link,
        )


class Keep(_Section):
    """How long things are kept."""

    requests_days: int = Field(
        default=395,
        ge=1,
        le=36_500,
        description="For how many days the store keeps what a request looked like: address, program, headers. Then "
        "they are emptied out; events, verdicts and counts stay, and are not judged again.",
    )


class LogLevel(StrEnum):
    """From which weight on a line is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """Who reads the log."""

    TEXT = "text"
    JSON = "json"


class Log(_Section):
    """What the server says on standard error."""

    level: LogLevel = Field(default=LogLevel.INFO, description="`debug`, `info`, `warning` or `error`.")
    format: LogFormat = Field(default=LogFormat.TEXT, description="`text` for people or `json` for machines.")


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="_",
        env_nested_max_split=1,
        enable_decoding=False,
        extra="forbid",
        frozen=True,
    )

    data: Path = Field(
        default=Path("unsealed-data"),
        description="The folder that holds everything kept: the store, the journal and the key ring. "
        "A relative path starts at the working folder.",
    )
    owner: Annotated[str, AfterValidator(values.email)] = Field(
        default="owner@localhost",
        description="Sign-in name and sender address of the owner, whom the first start creates.",
    )
    store: Store = Store()
    web: Web = Web()
    track: Track = Track()
    smtp: Smtp = Smtp()
    upstream: Upstream = Upstream()
    people: People = People()
    tracking: TrackingDefaults = TrackingDefaults()
    keep: Keep = Keep()
    log: Log = Log()

    @property
    def store_url(self) -> str:
        """URL of the store, with its password. Not for messages."""
        from unsealed.store.engine import sqlite_url

        return self.store.url.get_secret_value() or sqlite_url(self.data)

    @property
    def web_url(self) -> str:
        """Base of the pages, without a slash at the end."""
        return self.web.url or self.web.listen.url

    @property
    def track_url(self) -> str:
        """Base of pixels and links, without a slash at the end."""
        return self.track.url or self.track.listen.url

    @property
    def usual_host(self) -> str:
        """The next hop of all for whom the store names none; "": the sandbox."""
        return "" if self.upstream.url is None else self.upstream.url.host

    @property
    def allowed(self) -> Switches:
        """What may be tracked at most in mail that goes the usual way."""
        return self.allowed_by(self.usual_host)

    def allowed_by(self, host: str) -> Switches:
        """What may be tracked at most in mail that goes by that next hop, "": into the sandbox. Nothing where links
        would lead nowhere."""
        return self.tracking.switches if self._links_reach(host) else OFF

    @property
    def links_reach_readers(self) -> bool:
        """False where mail leaves this machine the usual way but its links would not: then nothing is tracked."""
        return self._links_reach(self.usual_host)

    def _links_reach(self, host: str) -> bool:
        return host == "" or is_local(host) or not is_local(urlsplit(self.track_url).hostname or "")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _File(settings_cls)


class _File(PydanticBaseSettingsSource):
    """`unsealed.toml`; an absent one is an empty one, unless UNSEALED_CONFIG names it."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False  # asked for by the base class; __call__ gives everything at once

    def __call__(self) -> dict[str, Any]:
        data = Path(self.current_state.get("data", Settings.model_fields["data"].default))
        path = config_file(data)
        if path is None:
            return {}
        try:
            return tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError((Problem(key=str(path), words=f"cannot be read: {error.strerror}"),)) from error
        except UnicodeDecodeError as error:
            raise ConfigError((Problem(key=str(path), words="not a text in UTF-8"),)) from error
        except ValueError as error:
            raise ConfigError((Problem(key=str(path), words=str(error)),)) from error


def config_file(data: Path) -> Path | None:
    """The settings file in use, or None."""
    if named := os.environ.get(CONFIG_VARIABLE):
        return Path(named)
    return next((path for path in (Path(FILE_NAME), data / FILE_NAME) if path.is_file()), None)


def load(options: Mapping[str, object] | None = None) -> Settings:
    """Read the settings: command line over environment over file over defaults.

    options: values from the command line, named as in OPTIONS or by their key ("smtp.max_size"); None is "not given".

    Raises:
        ConfigError: permanent; carries every problem, not only the first one.
    """
    given: dict[str, Any] = {}
    for name, value in (options or {}).items():
        if value is not None:
            section, _, key = OPTIONS.get(name, name).partition(".")
            if key:
                given.setdefault(section, {})[key] = value
            else:
                given[section] = value
    problems = _misspelt_variables()
    try:
        settings = Settings(**given)
    except ValidationError as error:
        problems += [_problem(details) for details in error.errors(include_url=False)]
    if problems:
        raise ConfigError(tuple(problems))
    return settings.model_copy(update={"data": settings.data.expanduser().absolute()})


def _misspelt_variables() -> list[Problem]:
    """Variables whose section does not exist; pydantic reports a wrong key within a section, but not these."""
    names = [
        name for name in os.environ if name.upper().startswith(PREFIX) and not name.upper().startswith(NOT_SETTINGS)
    ]
    return [
        Problem(key=name, words="there is no such setting")
        for name in names
        if name.upper().removeprefix(PREFIX).partition("_")[0].lower() not in Settings.model_fields
    ]


_WRITE = {  # what to write, by the type of pydantic's error
    "bool_parsing": "write true or false",
    "bool_type": "write true or false",
    "byte_size": "write a size, such as 50 MB",
    "byte_size_unit": "write a size, such as 50 MB",
    "enum": "write {expected}",
    "greater_than_equal": "write {ge} or more",
    "int_from_float": "write a whole number",
    "int_parsing": "write a whole number",
    "int_type": "write a whole number",
    "less_than_equal": "write {le} or less",
    "model_type": "this is a section: write [{class_name}] above its keys",
    "path_type": "write a path in quotes",
    "string_pattern_mismatch": "write small letters, digits and hyphens, at most 32",
    "string_type": "write a text in quotes",
    "tuple_type": 'write a list, such as ["one", "two"]',
}


def _problem(details: Any) -> Problem:
    key = ".".join(str(part) for part in details["loc"])
    if details["type"] == "extra_forbidden":
        return Problem(key=key, words="there is no such setting")
    words = str(details["msg"]).removeprefix("Value error, ")
    if details["type"] in _WRITE:
        words = _WRITE[details["type"]].format(**details.get("ctx", {}) | {"class_name": key})
    secret = key in ("store.url", "upstream.url") or not isinstance(details["input"], str | int | float)
    return Problem(key=key, words=words if secret else f"{words} (given: {str(details['input'])!r})")
