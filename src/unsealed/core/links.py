"""Which links are left alone, and why.

Promises one reason code for each link that is not tracked; the codes and their plain words are `LEFT_REASONS`. When in
doubt a link is left alone: an untracked link costs a number, a broken one costs a customer.

An own click link (own host, valid token) is never wrapped again. In quoted text it is led back to its destination,
because a click there would count for the older message; anywhere else it stays byte for byte.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from msgspec import Struct

from unsealed.core.token import Claims, open_token, safe_destination
from unsealed.model.errors import BadToken
from unsealed.model.policy import VisibleUrl
from unsealed.model.ports import Keys
from unsealed.model.texts import later

LEFT_REASONS: dict[str, str] = {
    "not-web": later("not an absolute http or https address"),
    "placeholder": later("the address still holds a template placeholder"),
    "unsafe": later("the address has a user name, a backslash, control or unreadable characters, or no proper host"),
    "too-long": later("the address is too long to be carried in a tracked link"),
    "line-limit": later("a tracked link would make its line longer than mail allows"),
    "opt-out": later("marked as not to be tracked"),
    "list-unsubscribe": later("the same address stands in List-Unsubscribe"),
    "unsubscribe": later("looks like an unsubscribe link"),
    "one-time": later("looks like a one-time link: reset, confirmation, invitation or sign-in"),
    "excluded-domain": later("the domain is on the do-not-track list"),
    "visible-url": later(
        "the visible text is an address of another site, and mail programs warn when text and target differ"
    ),
    "own-link": later("already a tracked link of this installation"),
    "unwrapped": later("a tracked link of an older message in quoted text, led back to its destination"),
    "own-host": later("points at the tracking host itself"),
    "clicks-off": later("link tracking is switched off for this message"),
}

# What nearly every link looks like: a web address with a plain host, ASCII letters, and no sign of a placeholder. The
# groups are its host, path and query.
_USUAL = re.compile(
    r"[hH][tT][tT][pP][sS]?://([a-zA-Z0-9_-][a-zA-Z0-9._-]*+)(?<!\.)(/[!$&->A-Z_a-z~]*+)?(?:\?([!$&->?A-Z_a-z~]*+))?"
)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_WEB = re.compile(r"https?://[^/?#]", re.IGNORECASE)
NO_TRACK_MARK = re.compile(r"[\x00-\x20]*https?(\+notrack)://", re.IGNORECASE)
# Patterns without IGNORECASE are matched against lower-case text, which is three times as fast.
_PLACEHOLDER_SIGN = re.compile(r"[{}\[|<@%#]")
_PLACEHOLDER = re.compile(
    r"\{\{|\}\}|\{%|%\}|%\{|\$\{|#\{|\*\||\|\*|%%[^%\s]{1,80}%%|%(?![0-9A-Fa-f]{2})[\w.]{1,80}%|"
    r"%[A-Za-z_][\w.]{1,80}%(?![0-9A-Fa-f]{2})|<%|@@\w{1,80}@@|"
    r"(?:^|[/=?&#])\[\[?[A-Za-z_][\w .:|-]{0,80}\]|(?:^|[/=?&#])\{[A-Za-z_][\w .:|-]{0,80}\}"
)
# A word of which one stands in everything that _UNSUBSCRIBE and _DOOR find, and in few other addresses: told in a tenth
# of their time, because the first letter decides.
_HINT = re.compile(
    r"a(?:bbestell|bmeld|ccept|ccess|ctivat|ustrag|uth)|c(?:allback|ode|onfirm)|d(?:esabonn|esinscri|isiscri)|forgot|invit|key|"
    r"log[-_]?in|magic|o(?:ne[-_]?time|pt|tp)|p(?:ass|erishable|references|wd)|re(?:cover|set)|"
    r"s(?:ession|ign[-_]?in|so|ubscription)|token|un[-_]?sub|v(?:alidat|erif)"
)
_UNSUBSCRIBE = re.compile(
    r"unsub(?![a-z])|un[-_]?subscri|opt[-_]?out|abmeld|abbestell|austrag|desabonn|desinscri|disiscri|"
    r"(?:email|mail|subscription|communication|notification)s?[-_]?preferences|manage[-_]?(?:your[-_]?)?subscription"
)
_UNSUBSCRIBE_HOSTS = ("unsubscribe.", "unsub.", "optout.", "opt-out.")  # below a domain of somebody's own
_UNSUBSCRIBE_WORDS = re.compile(
    r"un-?subscribe|opt[ -]?out|abmeld|abbestell|austragen|désabonn|désinscri|darse de baja|"
    r"cancelar (?:la )?suscripci|cancelar (?:a )?(?:inscri|subscri|assinatura)|descadastr|disiscri|"
    r"annulla l.iscrizione|afmelden|uitschrijven|avregistrera|avmeld|afmeld|peruuta tilaus|wypisz|odhlásit|leiratkoz|"
    r"dezabon|отпис|відпис|退订|退訂|取消订阅|配信停止|購読解除|수신거부|إلغاء الاشتراك"
)
# Every one-time address holds one of these; most addresses hold none.
_DOOR = re.compile(
    r"(?<![a-z])(?:pass(?:word|wd|phrase|less)|pwd|magic|one[-_]?time|otp(?![a-z])|verif|confirm|validat|activat|"
    r"log[-_]?in|sign[-_]?in|auth|access|accept|invit|perishable|sso|session|reset|recover|forgot|callback)|"
    r"(?:password|passwd|login|signin|email|mail|account|user)(?:reset|verif|confirm|activat|validat|token|key|code)"
)
_ONE_TIME = re.compile(
    r"(?:reset|recover|forgot|set|change|choose|new)[-_/]?(?:your[-_]?)?(?:password|passwd|pwd|passphrase)|"
    r"(?:password|passwd|pwd|account)[-_/]?(?:reset|recover|forgot)|magic[-_]?(?:link|login|token)|one[-_]?time|"
    r"(?<![a-z])otp(?![a-z])|passwordless|(?:verify|confirm|validate|activate)[-_/]?(?:your[-_]?)?(?:e?-?mail|account|"
    r"address|registration|user|signup|login|token)|(?:e?-?mail|account)[-_/]?(?:verif|confirm|activat|validat)|"
    r"(?:login|signin|sign[-_]in|log[-_]in|auth|access|accept|invite|invitation|confirm|confirmation|verification|"
    r"activation|verify|activate|reset|recovery)[-_/](?:by[-_]?)?(?:link|token|code|key)(?![a-z])|"
    r"(?:reset|confirm(?:ation)?|verif(?:y|ication)|activat(?:e|ion)|invit(?:e|ation)|login|auth|access|magic|recovery|"
    r"one_?time|perishable|sso|session|signin)[-_]?(?:token|code|key|hash|id)="
)
_SECRET = re.compile(r"[?&](?:token|code|key|hash|t|k|oobcode|otp|ticket|nonce|sig|signature)=[^&#]{4,}")
# The secret is a piece of the path behind such a word, or all of the query: eight characters at least, with a digit.
_DOOR_WORD = (
    r"(?:reset|magic|verif(?:y|ication)|confirm(?:ation)?|validat(?:e|ion)|activat(?:e|ion)|invit(?:e|es|ation|ations)|"
    r"accept(?:[-_]?invit(?:e|ation))?|log[-_]?in|sign[-_]?in|auth|recovery?|otp|sso|passw(?:or)?d|passwordless)"
)
_SECRET_PLACE = re.compile(
    rf"/{_DOOR_WORD}(?:/|/?\?)(?=[^/?&=]*\d)[^/?&=]{{8,}}|[?&]{_DOOR_WORD}=(?=[^&]*\d)[^&]{{8,}}"
)
_ONE_TIME_WORDS = re.compile(
    r"(?:reset|change|set|choose|create) (?:your |my |a )?(?:new )?password|passwort (?:zurücksetzen|ändern|festlegen)|"
    r"(?:confirm|verify|activate) (?:your |my |this |the )?(?:e-?mail|account|address|registration|sign-?up|"
    r"subscription)|accept (?:the |your |this |my )?invit|join (?:the |your )?(?:team|workspace|organi[sz]ation)|"
    r"(?:e-?mail(?:-adresse)?|konto|registrierung|anmeldung) (?:jetzt )?(?:bestätigen|aktivieren)|einladung annehmen|"
    r"réinitialiser (?:le|votre|mon) mot de passe|accepter l.invitation|"
    r"confirmer (?:mon|votre|l.) ?(?:adresse|e-?mail|compte|inscription)|"
    r"restablecer (?:la |tu |su )?contraseña|aceptar (?:la )?invitaci|"
    r"(?:confirmar|verificar) (?:mi |tu |su |la |el |o |a |meu |seu )?(?:correo|e-?mail|cuenta|conta|registro|"
    r"cadastro)|"
    r"redefinir (?:a |minha )?senha|aceitar (?:o )?convite|reimposta (?:la )?password|accetta (?:l.)?invito|"
    r"conferma (?:la |il |tua |tuo |l.)*(?:registrazione|e-?mail|account|indirizzo)|"
    r"wachtwoord (?:opnieuw )?(?:instellen|resetten)|bevestig (?:je|uw) (?:e-?mail|account|registratie)|"
    r"magic link|one[- ]time (?:link|code|password)|"
    r"log in (?:now )?with(?:out)? (?:this|one|a) (?:link|click|password)"
)
_AUTHORITY = re.compile(r"(?:[^/?#\s:]*+://)?+([^/?#\s]*+)")
_TOKEN_END = re.compile(r"[/?#]")
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_IPV4 = r"\d{1,3}(?:\.\d{1,3}){3}"
_VISIBLE_URL = re.compile(
    rf"(?:(?:https?|ftp)://\S+|www\.\S+|(?:(?:{_LABEL}\.){{1,8}}([^\W\d_]{{2,24}}|xn--[a-z0-9-]{{1,59}})\.?|{_IPV4})"
    r"(?::\d{1,5})?(?:[/?#]\S*)?)",
    re.IGNORECASE,
)
_URL_INSIDE = re.compile(r"(?:https?://|(?<!\w)www\.)[\w-]", re.IGNORECASE)
_AROUND = " \t\r\n.,;:!?'\"()[]<>{}«»“”„‘’‹›→›»⇒➔▶*_-–—|"
_UNSEEN = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))  # where a word may break, or must not
# Endings that are file names in visible texts ("report.pdf") and no top-level domains.
_FILES = frozenset(
    "pdf doc docx xls xlsx ppt pptx odt ods csv txt rtf png jpg jpeg gif svg htm html js json xml ics".split()
)
_SECOND_LEVEL = frozenset({"co", "com", "org", "net", "ac", "gov", "edu", "or", "ne", "go", "gv", "in", "ltd", "plc"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the decisions about one message depend on."""

    base_url: str  # of the tracking host, no slash at the end
    keys: Keys
    clicks: bool
    visible_urls: VisibleUrl
    excluded_domains: frozenset[str]
    list_unsubscribe: frozenset[str] = field(default_factory=frozenset)

    def decide(self, destination: str, text: str, attributes: Mapping[str, str]) -> str:
        """The reason to leave one link alone, "" when it is to be tracked. An "own-link" in quoted text is `unwrapped`.

        Whether the destination is short enough is asked where it is sealed ("too-long").

        destination: decoded and stripped, as a browser would read it. text: what the link shows.
        """
        usual = _USUAL.fullmatch(destination)
        if usual is None and not _WEB.match(destination):
            return self._not_web(destination)
        if self.at_home(destination):
            return "own-host" if self.unwrapped(destination) is None else "own-link"
        if usual is not None:
            host, path, query = usual.groups("")
            return self._left(destination, host.lower(), path.lower(), query, text, attributes)
        if _has_placeholder(destination):
            return "placeholder"
        if "\ufffd" in destination:
            return "unsafe"
        host = host_of(destination)
        path, _, query = destination[destination.index("://") + 3 + len(host) :].partition("?")
        reason = self._left(destination, host, path.lower(), query, text, attributes)
        return reason or ("" if safe_destination(destination) else "unsafe")

    def unwrapped(self, destination: str) -> str | None:
        """Where a tracked link of an older message leads; None: it is none."""
        claims = own_token(self.base_url, "/c/", destination, self.keys)
        return None if claims is None or claims.link is None else claims.destination

    def _not_web(self, destination: str) -> str:
        if NO_TRACK_MARK.match(destination):
            return "opt-out"
        if not _SCHEME.match(destination) and _has_placeholder(destination):
            return "placeholder"
        return "not-web"

    def _left(
        self, destination: str, host: str, path: str, query: str, text: str, attributes: Mapping[str, str]
    ) -> str:
        """The reason to leave it; path and query apart from the host: a site called optout.example is none."""
        if attributes and _opted_out(attributes):
            return "opt-out"
        if destination in self.list_unsubscribe:
            return "list-unsubscribe"
        words = _words(text)
        if words.unsubscribe or (host.startswith(_UNSUBSCRIBE_HOSTS) and host.count(".") > 1):
            return "unsubscribe"
        door = False
        if _HINT.search(path) or _query_hinted(query):  # no hint holds a question mark
            behind = f"{path}?{query.lower()}"
            if _UNSUBSCRIBE.search(behind):
                return "unsubscribe"
            door = _DOOR.search(behind) is not None and any(
                secret.search(behind) for secret in (_ONE_TIME, _SECRET, _SECRET_PLACE)
            )
        if words.one_time or door:
            return "one-time"
        if self.excluded_domains and _within(host, self.excluded_domains):
            return "excluded-domain"
        if not self.clicks:
            return "clicks-off"
        if words.host is not None and self.visible_urls is VisibleUrl.LEAVE and self._is_other_site(words.host):
            return "visible-url"
        return ""

    def at_home(self, destination: str) -> bool:
        """Whether it points at the tracking host."""
        size = len(self.base_url)
        if destination[size : size + 1] not in ("", "/", "?", "#"):  # most others end here
            return False
        return destination[:size].lower() == self.base_url.lower()

    def _is_other_site(self, shown: str) -> bool:
        return _site(shown) != _site(host_of(self.base_url))


def own_token(base_url: str, path: str, address: str, keys: Keys) -> Claims | None:
    """What the token says when the address is one of this installation: own host and path, valid token."""
    base = base_url + path
    if address[: len(base)].lower() != base.lower():
        return None
    token = _TOKEN_END.split(address[len(base) :], maxsplit=1)[0]
    if path == "/o/":
        if not token.endswith(".gif"):
            return None
        token = token.removesuffix(".gif")
    try:
        return open_token(keys, token)
    except BadToken:
        return None


@lru_cache(maxsize=256)  # most links of a letter end in the same query
def _query_hinted(query: str) -> bool:
    return _HINT.search(query.lower()) is not None


class _Words(Struct, frozen=True, gc=False):
    """What the visible text of a link says."""

    unsubscribe: bool
    one_time: bool
    host: str | None  # that it names


@lru_cache(maxsize=256)  # "Read more" comes again and again, and so do pictures without words
def _words(text: str) -> _Words:
    words = text.lower()
    return _Words(
        _UNSUBSCRIBE_WORDS.search(words) is not None, _ONE_TIME_WORDS.search(words) is not None, visible_host(text)
    )


def _has_placeholder(address: str) -> bool:
    return _PLACEHOLDER_SIGN.search(address) is not None and _PLACEHOLDER.search(address) is not None


def plain(text: str) -> str:
    """Visible text with character references decoded, white space folded, at most 200 characters."""
    if "&" in text:
        text = " ".join(html.unescape(text).split())
    return text[:200]


def visible_host(text: str) -> str | None:
    """The host that a visible text names when it is an address, or shows one; None otherwise."""
    if ":" not in text and "." not in text[:-1]:  # the end of a sentence is none
        return None
    if not text.isascii():
        text = text.translate(_UNSEEN)
    shown = text.strip(_AROUND)
    found = _VISIBLE_URL.fullmatch(shown)
    if found is None:
        inside = _URL_INSIDE.search(text)
        return host_of(text[inside.start() :]) if inside else None
    if found[1] and "/" not in shown and found[1].lower() in _FILES:
        return None
    return host_of(shown)


def host_of(address: str) -> str:
    """The host of an address with or without scheme, lower case, without port and final dot."""
    found = _AUTHORITY.match(address)
    authority = found[1] if found else ""
    if authority.startswith("["):
        return authority.partition("]")[0].lower() + "]"
    return authority.partition(":")[0].lower().rstrip(".")


def _within(host: str, domains: frozenset[str]) -> bool:
    """By label: example.com covers a.example.com, never notexample.com."""
    try:
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        return True  # a name that cannot be compared may be one of those
    labels = host.split(".")
    return any(".".join(labels[start:]) in domains for start in range(len(labels)))


def _site(host: str) -> str:
    """The registrable domain, by the common shape of country domains; good enough to say "the same site"."""
    labels = host.split(".")
    if len(labels) < 3 or labels[-1].isdigit() or host.startswith("["):
        return host
    deep = len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3:] if deep else labels[-2:])


def may_opt_out(tag: str) -> bool:
    """Whether a tag might carry one of the opt-out marks, told without reading its attributes."""
    tag = tag.lower()
    return "track" in tag or "data-skip-click" in tag or "data-unsealed" in tag


def _opted_out(attributes: Mapping[str, str]) -> bool:
    """The opt-out marks of all services whose users come to us; they stay in place."""
    if _MARK_NAMES.isdisjoint(attributes):
        return False
    if not _MARKS.isdisjoint(attributes):
        return True
    return any(name in attributes and attributes[name].strip().lower() in values for name, values in _MARKS_WITH_VALUE)


_NO = frozenset({"off", "no", "false", "0"})
_MARKS = frozenset(
    {"data-pm-no-track", "data-skip-click", "data-dont-track", "ses:no-track", "mc:disable-tracking"},
)
_MARKS_WITH_VALUE: tuple[tuple[str, frozenset[str]], ...] = (
    ("data-unsealed", _NO),
    ("data-track", _NO),
    ("clicktracking", _NO),
    ("data-msys-clicktrack", _NO),
    ("disable-tracking", frozenset({"", "true", "yes", "1"})),
)
_MARK_NAMES = _MARKS.union(name for name, _ in _MARKS_WITH_VALUE)
