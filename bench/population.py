"""A population that writes, reads, scans and forwards mail: requests with the truth about each.

Promises the same letters for the same seed and rates. Every behaviour follows a documented fact or stands in `Rates` as
an assumption with its reason; none follows from the rules that are measured with it, and it contains cases in which no
rule can be right. It does not know core.judge, and says nothing about how often such people occur in your mail: change
the rates and see.

What is known comes from public sources. Short names in the comments:
    Bird         SparkPost/Bird, "Gmail is Prefetching Images"
    Liveclicker  on Apple's Mail Privacy Protection; Mailgun's and ClickDimensions' documents say the same
    gophish N, warmbly N, onetimesecret N, ahoy_email N    issue or pull request N of that project on GitHub
    Barracuda    Barracuda Campus on intent analysis; Act-On, "Identifying False Positives"
    Marketo      the proximity rule and its discussions
    Kooti        Kooti et al. 2015, "Evolution of Conversations in the Age of Email Overload": 2 million people
    MailPing     "IP exposure study" 2026
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import Enum, StrEnum
from ipaddress import ip_network
from random import Random

from bench import clients
from bench.clients import Agents
from unsealed.model.event import NetworkClass

MINUTE, HOUR = 60.0, 3600.0


# --- what is assumed --------------------------------------------------------------------------------------------------


def share(default: float, words: str, why: str) -> float:
    """A field of Rates, with what it is a share of and where it comes from."""
    found: float = field(default=default, metadata={"words": words, "why": why})
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Everything that is assumed, as shares of one. No public source counts most of it; then `why` says so."""

    # who gets the mail: business letters of one person, few recipients
    gmail: float = share(0.27, "recipients at Gmail or Google Workspace", "assumed")
    icloud: float = share(0.10, "recipients with a mailbox at Apple", "assumed")
    yahoo: float = share(0.04, "recipients at Yahoo or AOL", "assumed")
    outlook_com: float = share(0.05, "recipients at Outlook.com", "assumed")
    other: float = share(0.08, "recipients at other providers", "assumed")
    proton: float = share(0.01, "recipients at Proton", "assumed")
    proxied: float = share(0.01, "recipients with Fastmail or Superhuman", "assumed")
    office: float = share(0.12, "recipients in small offices, all behind one address", "assumed")
    company: float = share(0.20, "recipients in companies with Microsoft 365", "assumed")
    gateway: float = share(0.09, "recipients in companies behind a mail security gateway", "assumed")
    sse: float = share(0.03, "recipients in companies that browse through a security proxy", "assumed")

    # people
    reads: float = share(0.75, "recipients who read the letter at all", "assumed for letters between people")
    at_once: float = share(0.08, "readings that begin within a minute or so", "Kooti: many answer within 2 minutes")
    next_morning: float = share(0.20, "readings on the next morning", "assumed")
    again: float = share(0.35, "readers who look again, hours later", "assumed")
    clicks: float = share(0.25, "readers who follow a link", "assumed; far more than in newsletters")
    two_links: float = share(0.20, "of those, followers of a second link", "assumed")
    tab_after_tab: float = share(0.02, "of those, who open both within 3 s", "assumed; Marketo's users met it")
    double_click: float = share(0.03, "clicks that come twice within a second", "assumed")
    pane: float = share(0.20, "readings in Outlook's pane that load the picture twice", "seen, how often is assumed")
    yahoo_twice: float = share(0.15, "readings at Yahoo that load the picture twice", "seen, how often is assumed")
    forwards: float = share(0.04, "readers who forward the letter, copy and all", "assumed")
    pastes: float = share(0.03, "readers who paste a link into a chat", "assumed")
    vpn: float = share(0.03, "people behind a VPN", "assumed for people at work")
    vpn_unknown: float = share(0.5, "of those, on rented machines that no list calls a VPN", "assumed")
    relay: float = share(0.15, "people with Apple devices who pay for Private Relay", "assumed")
    cloud_desktop: float = share(0.005, "people in Microsoft companies who work on a desktop in Azure", "assumed")
    hover: float = share(
        0.01, "clicks in a browser that loads the page ahead, and says so", "assumed; Chrome's default"
    )
    link_guard: float = share(0.01, "clicks that a guard on the same machine checks with HEAD", "assumed")
    office_asks: float = share(0.4, "clicks in classic Outlook that Office announces", "seen, how often is assumed")
    no_language: float = share(0.002, "browsers of people that name no language", "assumed: privacy tools")

    # machines of mail providers
    apple_ahead: float = share(
        0.9, "letters that Apple loads ahead, where its protection is on", "Liveclicker: on Wi-Fi and power"
    )
    apple_twice: float = share(0.3, "of those, loaded by a second device as well", "assumed: phone and computer")
    gmail_prefetch: float = share(
        0.04, "letters at Gmail that are loaded ahead, under the prefetch's name", "Bird: 1 to 6 % of 9.8 bn"
    )
    gmail_ahead: float = share(
        0.005,
        "letters at Gmail whose proxy loads ahead under its usual name",
        "MailPing saw it, Bird and Validity did not",
    )
    gmail_reload: float = share(
        0.5, "later readings at Gmail that are seen", "assumed: the proxy keeps pictures a while"
    )
    proton_strips: float = share(0.7, "letters at Proton that lose the picture", "Proton: known trackers are removed")

    # machines of companies
    defender: float = share(
        0.4,
        "companies with Microsoft 365 whose policy visits links on arrival",
        "depends on policy: gophish 973 to 2646 met it, thomask.sdf.org not at 4 of 4",
    )
    defender_pixel: float = share(0.6, "of those visits, with the picture", "warmbly 410; how often is assumed")
    defender_modern: float = share(0.15, "of those visits, as an up-to-date browser", "mostly old Chromes were seen")
    defender_late: float = share(0.15, "of those visits, repeated hours later", "gophish 2357; how often is assumed")
    gateway_rests: float = share(0.15, "letters that a gateway does not touch", "assumed: known senders")
    gateway_first_only: float = share(0.25, "visits of gateways to the first link only", "Barracuda; share assumed")
    gateway_slow: float = share(0.10, "visits of gateways with seconds between the links", "assumed")
    gateway_own_network: float = share(
        0.5, "gateways that visit from the vendor's own network", "classification: the network catches a part only"
    )
    gateway_modern: float = share(0.35, "visits of gateways as an up-to-date browser", "assumed")
    gateway_language: float = share(0.15, "of those, with a language header", "assumed")
    gateway_late: float = share(0.10, "visits of gateways repeated hours later", "assumed, as for Defender")
    gateway_imitates: float = share(
        0.02, "letters visited hours later as if by a person, from a rented machine", "no source counts them"
    )
    gateway_at_home: float = share(0.002, "the same, from a household address", "no source counts them")
    checked: float = share(
        0.2,
        "clicks in guarded companies that the guard checks at that moment",
        "Microsoft: time-of-click; share assumed",
    )
    before_250: float = share(0.10, "visits before the message was accepted", "Marketo; gophish 2446")
    inside_burst: float = share(0.01, "letters read by a person while the gateway visits", "assumed")
    crawler: float = share(0.003, "letters whose link a crawler finds days later", "assumed")
    hidden_link: float = share(0.2, "letters with a link that people cannot see", "off by default in letters to one")

    # the sender
    own_reading: float = share(0.12, "letters the sender sees again, quoted in an answer", "assumed")
    signed_in: float = share(0.7, "senders who are signed in to Unsealed with their browser", "assumed")
    this_is_me: float = share(0.5, 'of those, who said "this is me" and whose browser shows it', "assumed")
    colleague: float = share(0.05, "letters to a colleague behind the sender's own address", "assumed")


def assumptions(rates: Rates) -> list[tuple[str, float, str]]:
    """What is assumed, in words: of what, which share, why."""
    return [(each.metadata["words"], getattr(rates, each.name), each.metadata["why"]) for each in fields(rates)]


# --- what comes out ---------------------------------------------------------------------------------------------------


class Truth(StrEnum):
    """What a request really was."""

    READ = "read"  # a person looked; the person's own program asked
    PROXIED_READ = "proxied read"  # a person looked; the provider's proxy asked
    CLICK = "click"  # a person followed a link
    REPEAT = "repeat"  # the same act of a person once more: a pane, a double click, an announcement
    OWN = "own"  # the sender saw or followed the own letter
    PREFETCH = "prefetch"  # loaded ahead, for a person who may look or not
    SCAN = "scan"  # a scanner, preview or crawler asked for the picture
    SCAN_CLICK = "scan of a link"
    # A person looked before Apple had loaded ahead: then it loads at that moment, octet for octet like a prefetch.
    HIDDEN_READ = "hidden read"

    @property
    def person(self) -> bool:
        return self in (Truth.READ, Truth.PROXIED_READ, Truth.CLICK)

    @property
    def machine(self) -> bool:
        return self in (Truth.PREFETCH, Truth.SCAN, Truth.SCAN_CLICK)


@dataclass(frozen=True, slots=True)
class Spot:
    """An address. `network` is None where the built-in ranges must know it, else what a complete table would say."""

    address: str
    network: NetworkClass | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request at the tracking address, and what it was."""

    at: float  # seconds after the copy was accepted
    copy: int  # position in the letter
    link: int | None
    method: str
    spot: Spot
    user_agent: str
    language: bool
    prefetch: str
    own_device: bool
    truth: Truth
    story: str  # which behaviour made it


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One recipient's copy."""

    recipient: str
    kind: str  # the field of Rates that chose the recipient
    read: bool  # a person looked at it, whether or not anything showed that


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who wrote, and what Unsealed knows about that person."""

    spot: Spot
    program: str
    browser: str
    phone: str
    signed_in: bool
    marked: bool  # said "this is me" in this browser
    submits: bool  # hands in mail from this very address
    domain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message and everything that ever happened to it."""

    sender: Sender
    copies: tuple[Copy, ...]
    links: int
    trap: int | None  # the link that people cannot see
    requests: tuple[Request, ...]
    shared: bool  # a recipient sits behind the sender's own address


# --- programs and networks --------------------------------------------------------------------------------------------


class Via(Enum):
    """Who asks for the picture when a person looks."""

    DIRECT = "direct"
    GOOGLE = "google"
    APPLE = "apple"
    MICROSOFT = "microsoft"
    YAHOO = "yahoo"
    FASTMAIL = "fastmail"
    SUPERHUMAN = "superhuman"
    PROTON = "proton"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A mail program as its readers use it."""

    agent: Agents
    browsers: tuple[Agents, ...]  # what follows its links
    via: Via = Via.DIRECT
    desk: bool = True
    shows: float  # people who let it load pictures; assumed, from what it does by default
    language: float = (
        0.2  # pictures asked for with Accept-Language; mail programs mostly send none (classification 3.6)
    )
    twice: bool = False  # its pane loads again


_AT_DESK = (clients.chrome, clients.chrome, clients.edge, clients.edge, clients.firefox, clients.safari_mac)
_ON_WINDOWS = (clients.edge, clients.edge, clients.chrome, clients.firefox)
_ON_APPLE = (clients.safari_mac, clients.safari_phone, clients.safari_phone, clients.safari_tablet)
_ON_PHONE = (clients.safari_phone, clients.chrome_android)

GMAIL_WEB = Client(agent=clients.gmail_proxy, browsers=_AT_DESK, via=Via.GOOGLE, shows=0.95)
GMAIL_APP = Client(agent=clients.gmail_proxy, browsers=_ON_PHONE, via=Via.GOOGLE, desk=False, shows=0.95)
APPLE_PRIVATE = Client(
    agent=lambda rng: clients.APPLE_PRIVACY, browsers=_ON_APPLE, via=Via.APPLE, desk=False, shows=1.0
)
APPLE_MAC = Client(agent=clients.apple_mail_mac, browsers=(clients.safari_mac,), shows=0.85)
APPLE_PHONE = Client(agent=clients.apple_mail_phone, browsers=(clients.safari_phone,), desk=False, shows=0.85)
YAHOO = Client(agent=clients.yahoo_proxy, browsers=_AT_DESK, via=Via.YAHOO, shows=0.9, twice=True)
# Classic Outlook and Thunderbird block pictures until they are told otherwise.
OUTLOOK = Client(agent=clients.outlook_classic, browsers=_ON_WINDOWS, shows=0.45, twice=True)
OUTLOOK_NEW = Client(agent=clients.outlook_new, browsers=_ON_WINDOWS, shows=0.85, language=0.9)
OUTLOOK_WEB = Client(agent=clients.outlook_web, browsers=_AT_DESK, via=Via.MICROSOFT, shows=0.85, language=0.5)
OUTLOOK_MAC = Client(agent=clients.outlook_mac, browsers=(clients.safari_mac, clients.chrome), shows=0.6)
OUTLOOK_PHONE = Client(agent=clients.outlook_phone, browsers=(clients.safari_phone,), desk=False, shows=0.85)
ANDROID = Client(
    agent=clients.webview_android, browsers=(clients.chrome_android,), desk=False, shows=0.85, language=0.9
)
ANDROID_BARE = Client(agent=clients.dalvik, browsers=(clients.chrome_android,), desk=False, shows=0.7)
THUNDERBIRD = Client(agent=clients.thunderbird, browsers=(clients.firefox, clients.chrome), shows=0.35, language=0.9)
WEBMAIL = Client(agent=clients.chrome, browsers=(clients.chrome,), shows=0.6, language=1.0)
WEBMAIL_FIREFOX = Client(agent=clients.firefox, browsers=(clients.firefox,), shows=0.6, language=1.0)
FASTMAIL = Client(agent=clients.fastmail_proxy, browsers=_AT_DESK, via=Via.FASTMAIL, shows=0.8)
SUPERHUMAN = Client(agent=clients.superhuman, browsers=_AT_DESK, via=Via.SUPERHUMAN, shows=1.0)
PROTON = Client(agent=clients.chrome, browsers=_AT_DESK, via=Via.PROTON, shows=0.3)

# Which programs the people of each kind use; weights, assumed.
USES: dict[str, tuple[tuple[float, Client], ...]] = {
    "gmail": ((45, GMAIL_WEB), (35, GMAIL_APP), (12, APPLE_PRIVATE), (2, APPLE_PHONE), (3, OUTLOOK_PHONE),
              (3, THUNDERBIRD)),
    "icloud": ((85, APPLE_PRIVATE), (8, APPLE_PHONE), (7, APPLE_MAC)),
    "yahoo": ((70, YAHOO), (20, APPLE_PRIVATE), (10, ANDROID)),
    "outlook_com": ((50, OUTLOOK_WEB), (15, OUTLOOK_NEW), (15, OUTLOOK_PHONE), (15, APPLE_PRIVATE), (5, ANDROID)),
    "other": ((30, WEBMAIL), (15, WEBMAIL_FIREFOX), (20, THUNDERBIRD), (15, ANDROID), (5, ANDROID_BARE),
              (15, APPLE_PRIVATE)),
    "proton": ((100, PROTON),),
    "proxied": ((60, FASTMAIL), (40, SUPERHUMAN)),
    "office": ((45, OUTLOOK), (10, THUNDERBIRD), (15, APPLE_PRIVATE), (10, APPLE_MAC), (10, OUTLOOK_PHONE),
               (10, ANDROID)),
    "company": ((40, OUTLOOK), (12, OUTLOOK_NEW), (20, OUTLOOK_WEB), (8, OUTLOOK_MAC), (10, OUTLOOK_PHONE),
                (10, ANDROID)),
    "gateway": ((50, OUTLOOK), (10, OUTLOOK_NEW), (10, OUTLOOK_MAC), (10, OUTLOOK_PHONE), (10, ANDROID),
                (8, APPLE_PRIVATE), (2, THUNDERBIRD)),
    "sse": ((50, OUTLOOK), (20, OUTLOOK_NEW), (30, WEBMAIL)),
}  # fmt: skip

# Real ranges, where registries and vendors publish them; the product's table has to know them (network=None).
GOOGLE = ("66.249.80.0/20", "66.102.0.0/20", "64.233.160.0/19", "74.125.0.0/16", "209.85.128.0/17")
MICROSOFT = ("40.94.0.0/16", "40.107.0.0/16", "104.47.0.0/17", "20.72.0.0/16", "52.100.0.0/14")
APPLE = ("172.224.0.0/13", "104.28.0.0/16", "140.248.0.0/16", "146.75.128.0/17", "2a02:26f7::/32")
YAHOO_NET = ("66.163.160.0/19", "98.136.0.0/14", "212.82.96.0/19")
FASTMAIL_NET = ("66.111.4.0/24", "103.168.172.0/22")
PROTON_NET = ("185.70.40.0/22",)
AZURE = ("20.64.0.0/10", "13.64.0.0/11")
AMAZON = ("18.128.0.0/9", "34.192.0.0/10", "52.0.0.0/10", "54.64.0.0/10")
GOOGLE_CLOUD = ("34.64.0.0/10", "35.192.0.0/11")
RENTED = ("159.65.0.0/16", "157.90.0.0/16", "51.38.0.0/16", "139.162.0.0/16", "178.128.0.0/16")
ZSCALER = ("165.225.0.0/16", "147.161.128.0/17", "136.226.0.0/16")
TELEGRAM = ("149.154.160.0/20",)
VENDORS: dict[str, tuple[str, ...]] = {
    "barracuda": ("64.235.144.0/20", "209.222.80.0/21"),
    "proofpoint": ("67.231.144.0/20", "148.163.128.0/19", "205.220.160.0/19"),
    "mimecast": ("207.211.30.0/23", "195.130.217.0/24", "170.10.128.0/21"),
    "nameless": (),
}
# Documentation and test ranges stand for ordinary addresses; the class says what a complete table would know.
ORDINARY = ("198.18.0.0/15", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """People who share a network, a way of buying computers, and machines that look at their mail."""

    kind: str
    domain: str
    office: Spot
    scans: bool  # Microsoft's scanner, by policy
    vendor: str
    scanner: tuple[str, ...]  # the ranges it visits from; empty: see `scanner_spot`
    scanner_spot: Spot | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A recipient."""

    address: str
    organisation: Organisation | None
    kind: str
    devices: tuple[tuple[Client, str, str], ...]  # program, its agent, the browser beside it
    shows: tuple[bool, ...]  # pictures, by device
    home: Spot
    carrier: Spot
    vpn: Spot | None
    relay: bool


class Population:
    """Letters of one seed."""

    def __init__(self, seed: int, rates: Rates | None = None) -> None:
        self.rates = rates or Rates()
        self._rng = Random(seed)
        self._organisations = {
            kind: [self._organisation(kind, number) for number in range(count)]
            for kind, count in (("office", 60), ("company", 40), ("gateway", 30), ("sse", 10))
        }
        self._senders = [self._sender(number) for number in range(20)]

    def letters(self, count: int) -> Iterator[Letter]:
        """So many messages, each with all its requests in the order of time."""
        for _ in range(count):
            yield self._letter()

    # who there is

    def _sender(self, number: int) -> Sender:
        rng = self._rng
        signed_in = self._happens(self.rates.signed_in)
        return Sender(
            spot=self._ordinary(rng.choice((NetworkClass.RESIDENTIAL, NetworkClass.CORPORATE))),
            program=rng.choice((clients.thunderbird, clients.outlook_classic, clients.apple_mail_mac))(rng),
            browser=rng.choice(_AT_DESK)(rng),
            phone=rng.choice((clients.outlook_phone, clients.webview_android))(rng),
            signed_in=signed_in,
            marked=signed_in and self._happens(self.rates.this_is_me),
            submits=self._happens(0.8),
            domain=f"sender{number}.example",
        )

    def _organisation(self, kind: str, number: int) -> Organisation:
        rng, rates = self._rng, self.rates
        vendor = ""
        ranges: tuple[str, ...] = ()
        spot: Spot | None = None
        office = self._ordinary(NetworkClass.CORPORATE if rng.random() < 0.6 else NetworkClass.RESIDENTIAL)
        if kind == "sse":
            office = self._within(ZSCALER)
        if kind == "gateway":
            vendor = rng.choice(("barracuda", "barracuda", "proofpoint", "proofpoint", "mimecast", "nameless"))
            ranges = VENDORS[vendor]
            if not ranges or not self._happens(rates.gateway_own_network):
                # "Many detonate from AWS, Azure or Cogent" (classification 3.3; onetimesecret 359). Appliances stand in
                # the company's own network, behind the address that its people have.
                place = rng.choices(("amazon", "azure", "google", "cogent", "own"), (50, 20, 10, 12, 8))[0]
                ranges = {"amazon": AMAZON, "azure": AZURE, "google": GOOGLE_CLOUD}.get(place, ())
                if place == "cogent":
                    spot = self._ordinary(NetworkClass.UNKNOWN)
                elif place == "own":
                    spot = office
        return Organisation(
            kind=kind,
            domain=f"{kind}{number}.example",
            office=office,
            scans=kind == "company" and self._happens(rates.defender),
            vendor=vendor,
            scanner=ranges,
            scanner_spot=spot,
        )

    def _person(self, kind: str, organisation: Organisation | None, number: int) -> Person:
        rng, rates = self._rng, self.rates
        weights, programs = zip(*USES[kind], strict=True)
        many = rng.choices((1, 2, 3), (55, 35, 10))[0]
        chosen = list(dict.fromkeys(rng.choices(programs, weights, k=many)))
        devices = []
        for client in chosen:
            # Half of the computers of a company come from the same roll-out.
            same = client.desk and client.via is Via.DIRECT and rng.random() < 0.5
            agent = client.agent(Random(organisation.domain) if organisation is not None and same else rng)
            browser = agent if client in (WEBMAIL, WEBMAIL_FIREFOX) else rng.choice(client.browsers)(rng)
            devices.append((client, agent, browser))
        vpn = None
        if self._happens(rates.vpn):
            unknown = self._happens(rates.vpn_unknown)
            vpn = self._within(RENTED) if unknown else self._ordinary(NetworkClass.VPN)
        if kind == "company" and self._happens(rates.cloud_desktop):
            vpn = self._within(AZURE)
        domain = organisation.domain if organisation else f"{kind}.example"
        return Person(
            address=f"p{number}@{domain}",
            organisation=organisation,
            kind=kind,
            devices=tuple(devices),
            shows=tuple(self._happens(client.shows) for client, _, _ in devices),
            home=self._ordinary(NetworkClass.RESIDENTIAL),
            carrier=self._ordinary(NetworkClass.MOBILE_CARRIER),
            vpn=vpn,
            relay=self._happens(rates.relay),
        )

    # what happens

    def _letter(self) -> Letter:
        rng, rates = self._rng, self.rates
        sender = rng.choice(self._senders)
        links = rng.choices((1, 2, 3, 5, 8), (25, 30, 20, 15, 10))[0]
        trap = links if self._happens(rates.hidden_link) else None
        people = self._recipients()
        shared = self._happens(rates.colleague)
        if shared:
            people[0] = self._colleague(sender)
        story = _Story(rng, rates, sender=sender, links=links, trap=trap)
        copies = []
        for number, person in enumerate(people):
            read = self._happens(rates.reads)
            story.receives(number, person, read=read, forward_to=self._recipients()[0])
            copies.append(Copy(recipient=person.address, kind=person.kind, read=read))
        story.answered(len(copies))
        return Letter(
            sender=sender,
            copies=tuple(copies),
            links=links,
            trap=trap,
            requests=tuple(sorted(story.requests, key=lambda request: request.at)),
            shared=shared,
        )

    def _recipients(self) -> list[Person]:
        rng = self._rng
        kinds = tuple(USES)
        weights = [getattr(self.rates, kind) for kind in kinds]
        many = rng.choices((1, 2, 3, 4), (78, 12, 6, 4))[0]
        people: list[Person] = []
        organisation: Organisation | None = None
        for number in range(many):
            if not people or rng.random() > 0.6:  # else another one of the same house
                kind = rng.choices(kinds, weights)[0]
                pool = self._organisations.get(kind)
                organisation = rng.choice(pool) if pool else None
            people.append(self._person(kind, organisation, number))
        return people

    def _colleague(self, sender: Sender) -> Person:
        house = Organisation(
            kind="office",
            domain=sender.domain,
            office=sender.spot,
            scans=False,
            vendor="",
            scanner=(),
            scanner_spot=None,
        )
        return self._person("office", house, 0)

    def _happens(self, often: float) -> bool:
        return self._rng.random() < often

    def _within(self, ranges: Sequence[str]) -> Spot:
        return Spot(_address(self._rng, ranges))

    def _ordinary(self, network: NetworkClass) -> Spot:
        return Spot(_address(self._rng, ORDINARY), network)


class _Story:
    """Everything that happens to one letter."""

    def __init__(self, rng: Random, rates: Rates, *, sender: Sender, links: int, trap: int | None) -> None:
        self.requests: list[Request] = []
        self._rng = rng
        self._rates = rates
        self._sender = sender
        self._links = links
        self._trap = trap
        self._copy = 0

    def receives(self, copy: int, person: Person, *, read: bool, forward_to: Person) -> None:
        """One copy arrives: the machines first, then the person."""
        self._copy = copy
        visited = self._machines_of(person)
        readings = self._readings() if read else []
        if read and visited is not None and self._happens(self._rates.inside_burst):
            readings[0] = max(2.5, visited + self._rng.uniform(-1.0, 4.0))
            readings.sort()
        self._prefetches(person, readings[0] if readings else None)
        for number, at in enumerate(readings):
            self._reads(person, at, again=number > 0)
        if not read:
            return
        if self._happens(self._rates.forwards):
            self._forwarded(forward_to, readings[0] + self._rng.uniform(2 * MINUTE, HOUR))
        if self._happens(self._rates.pastes):
            self._pasted(person, readings[0] + self._rng.uniform(30, 20 * MINUTE))

    def answered(self, copies: int) -> None:
        """What the sender sees of the own letter. The sent folder holds a copy without picture, and our own pixels are
        taken out of what the sender quotes; but the recipient's program quotes the picture in its answer."""
        rng, sender = self._rng, self._sender
        if self._happens(self._rates.crawler):
            self._copy = rng.randrange(copies)
            self._crawled()
        if not self._happens(self._rates.own_reading):
            return
        self._copy = rng.randrange(copies)
        at = self._delay() + rng.uniform(5 * MINUTE, 5 * HOUR)
        how = rng.choices(("program", "browser", "phone", "gmail", "apple"), (45, 20, 10, 15, 10))[0]
        match how:
            case "program":
                self._ask(at, sender.spot, sender.program, Truth.OWN, "own program", language=self._happens(0.3))
            case "browser":
                marked = sender.marked
                self._ask(at, sender.spot, sender.browser, Truth.OWN, "own browser", language=True, own_device=marked)
                if self._happens(0.1):
                    self._ask(
                        at + rng.uniform(4, 60),
                        sender.spot,
                        sender.browser,
                        Truth.OWN,
                        "own browser",
                        language=True,
                        own_device=marked,
                        link=rng.randrange(self._links),
                    )
            case "phone":
                carrier = Spot(_address(rng, ORDINARY), NetworkClass.MOBILE_CARRIER)
                self._ask(at, carrier, sender.phone, Truth.OWN, "own phone on the road")
            case "gmail":
                self._ask(at, self._within(GOOGLE), clients.gmail_proxy(rng), Truth.OWN, "own Gmail")
            case _:  # the sender's Apple Mail loads ahead, whether or not the sender looks
                self._ask(at, self._within(APPLE), clients.APPLE_PRIVACY, Truth.PREFETCH, "own Apple Mail ahead")

    # people

    def _readings(self) -> list[float]:
        """When a person looks, in seconds after arrival."""
        first = self._delay()
        again = [first + self._rng.lognormvariate(9.5, 1.2)] if self._happens(self._rates.again) else []  # about 4 h
        return [first, *again]

    def _delay(self) -> float:
        """Half of all answers come within 47 minutes, the most frequent delay is 2 minutes (Kooti); reading comes
        before answering. Nobody reads before the letter is shown and seen."""
        rng, luck = self._rng, self._rng.random()
        if luck < self._rates.at_once:
            return rng.uniform(0.5, 5.0) + rng.lognormvariate(2.7, 0.9)  # on the screen, then about 15 s
        if luck < self._rates.at_once + self._rates.next_morning:
            return rng.uniform(8, 16) * HOUR
        return 20 + rng.lognormvariate(7.6, 1.6)  # about 33 min

    def _reads(self, person: Person, at: float, *, again: bool) -> None:
        rng, rates = self._rng, self._rates
        which = rng.randrange(len(person.devices))
        client, agent, browser = person.devices[which]
        spot = self._where(person, client)
        if person.shows[which]:
            self._looks(client, agent, spot, at, again=again)
        if not self._happens(rates.clicks if not again else rates.clicks / 3):
            return
        if person.relay and "Safari/" in browser and "Chrome/" not in browser:
            spot = self._within(APPLE)  # Relay carries Safari, whatever network it is in
        moment = at + rng.uniform(3, 90)
        first = rng.randrange(self._links)
        self._clicks(person, client, browser, spot, moment, first)
        if self._links > 1 and self._happens(rates.two_links):
            gap = rng.uniform(0.5, 3) if self._happens(rates.tab_after_tab) else rng.uniform(5, 120)
            self._clicks(person, client, browser, spot, moment + gap, (first + 1) % self._links)

    def _where(self, person: Person, client: Client) -> Spot:
        rng = self._rng
        if person.vpn is not None and rng.random() < 0.8:
            return person.vpn
        wifi = person.home
        if person.organisation is not None and rng.random() < 0.75:
            wifi = person.organisation.office
        return wifi if client.desk or rng.random() < 0.5 else person.carrier

    def _looks(self, client: Client, agent: str, spot: Spot, at: float, *, again: bool) -> None:
        rng, rates = self._rng, self._rates
        language = self._happens(client.language)
        match client.via:
            case Via.DIRECT:
                self._ask(at, spot, agent, Truth.READ, "direct", language=language)
                if client.twice and self._happens(rates.pane):
                    self._ask(at + rng.uniform(0.2, 4), spot, agent, Truth.REPEAT, "pane", language=language)
            case Via.GOOGLE:
                if not again or self._happens(rates.gmail_reload):
                    self._ask(at, self._within(GOOGLE), agent, Truth.PROXIED_READ, "Gmail")
            case Via.APPLE:
                pass  # `_prefetches` knows whether the picture is there already
            case Via.MICROSOFT:
                self._ask(
                    at, self._within(MICROSOFT), agent, Truth.PROXIED_READ, "Outlook on the web", language=language
                )
            case Via.YAHOO:
                if not again or self._happens(0.3):  # "caches at first open" (Validity)
                    proxy = self._within(YAHOO_NET)
                    self._ask(at, proxy, agent, Truth.PROXIED_READ, "Yahoo")
                    if self._happens(rates.yahoo_twice):
                        self._ask(at + rng.uniform(0.5, 4), proxy, agent, Truth.REPEAT, "Yahoo again")
            case Via.FASTMAIL:
                self._ask(at, self._within(FASTMAIL_NET), agent, Truth.PROXIED_READ, "Fastmail")
            case Via.SUPERHUMAN:
                self._ask(at, self._within(AMAZON), agent, Truth.PROXIED_READ, "Superhuman", language=True)
            case Via.PROTON:
                pass  # taken out or loaded ahead (Proton: "pre-load other remote images on your behalf")

    def _clicks(self, person: Person, client: Client, browser: str, spot: Spot, at: float, link: int) -> None:
        rng, rates, house = self._rng, self._rates, person.organisation
        if house is not None and (house.scans or house.kind == "gateway") and self._happens(rates.checked):
            guard = house.scanner_spot or self._within(house.scanner or MICROSOFT)
            language, name = self._browser_of_gateway()
            self._ask(
                at - rng.uniform(0.2, 2),
                guard,
                name,
                Truth.SCAN_CLICK,
                "check of a click",
                link=link,
                language=language,
            )
        language = not self._happens(rates.no_language)
        if client is OUTLOOK and self._happens(rates.office_asks):
            ahead = at - rng.uniform(0.05, 1.5)
            self._ask(ahead, spot, clients.OFFICE_DISCOVERY, Truth.REPEAT, "Office asks", link=link, method="HEAD")
        if self._happens(rates.link_guard):
            self._ask(
                at - rng.uniform(0.1, 1), spot, browser, Truth.SCAN_CLICK, "guard on the PC", link=link, method="HEAD"
            )
        if "Chrome/" in browser and self._happens(rates.hover):
            ahead = at - rng.uniform(0.3, 3)
            self._ask(ahead, spot, browser, Truth.PREFETCH, "hover", link=link, language=language, prefetch="prefetch")
        self._ask(at, spot, browser, Truth.CLICK, "click", link=link, language=language)
        if self._happens(rates.double_click):
            again = at + rng.uniform(0.15, 1)
            self._ask(again, spot, browser, Truth.REPEAT, "double click", link=link, language=language)

    def _forwarded(self, person: Person, at: float) -> None:
        """The forwarded letter carries the same picture: others look, and their machines."""
        before = len(self.requests)
        self._machines_of(person)
        moved = [replace(request, at=request.at + at) for request in self.requests[before:]]
        self.requests[before:] = moved
        if self._happens(0.7):
            looked = at + self._delay()
            self._prefetches(person, looked - at, start=at)
            self._reads(person, looked, again=False)

    def _pasted(self, person: Person, at: float) -> None:
        """Chat programs fetch a card; WhatsApp and Apple's Messages from the phone itself (classification 3.4)."""
        rng = self._rng
        link = rng.randrange(self._links)
        phone = person.carrier
        spot, agent = rng.choice(
            (
                (self._within(AMAZON), clients.slack_preview(rng)),
                (self._within(MICROSOFT), clients.teams_preview(rng)),
                (self._within(TELEGRAM), clients.telegram_preview(rng)),
                (phone, clients.whatsapp_preview(rng)),
                (phone, clients.messages_preview(rng)),
            )
        )
        self._ask(at, spot, agent, Truth.SCAN_CLICK, "preview", link=link)
        for _ in range(rng.randint(0, 2)):
            other = Spot(_address(rng, ORDINARY), NetworkClass.RESIDENTIAL)
            browser = rng.choice((*_AT_DESK, *_ON_PHONE))(rng)
            clicked = at + rng.uniform(20, 3 * HOUR)
            self._ask(clicked, other, browser, Truth.CLICK, "click from a chat", link=link, language=True)

    # machines

    def _prefetches(self, person: Person, looks: float | None, *, start: float = 0.0) -> None:
        """looks: when the person looks first, in seconds after `start`; None: never."""
        rng, rates = self._rng, self._rates
        vias = {client.via for client, _, _ in person.devices}
        if Via.GOOGLE in vias and not start:
            if self._happens(rates.gmail_prefetch):
                self._ask(
                    rng.uniform(0.5, 90), self._within(GOOGLE), clients.GMAIL_PREFETCH, Truth.PREFETCH, "Gmail ahead"
                )
            if self._happens(rates.gmail_ahead):
                ahead = rng.uniform(0.3, 30)
                agent = clients.gmail_proxy(rng)
                self._ask(ahead, self._within(GOOGLE), agent, Truth.PREFETCH, "Gmail's proxy ahead")
        if Via.APPLE in vias:
            # "Minutes to hours after delivery, not seconds" (Liveclicker); on a table with power, at night.
            loads = 20 + rng.lognormvariate(7.2, 1.3)  # about 22 min
            does = self._happens(rates.apple_ahead)
            if looks is not None and (looks < loads or not does):
                at = start + looks + rng.uniform(0, 1)
                self._ask(at, self._within(APPLE), clients.APPLE_PRIVACY, Truth.HIDDEN_READ, "Apple, at the moment")
            elif does:
                self._ask(start + loads, self._within(APPLE), clients.APPLE_PRIVACY, Truth.PREFETCH, "Apple ahead")
            if does and self._happens(rates.apple_twice):
                later = start + loads + rng.uniform(MINUTE, 10 * HOUR)
                self._ask(later, self._within(APPLE), clients.APPLE_PRIVACY, Truth.PREFETCH, "Apple ahead, again")
        if Via.PROTON in vias and not self._happens(rates.proton_strips):
            # When, and under what name, Proton does not say: taken as soon after arrival, with the look of a browser.
            ahead = start + 1 + rng.lognormvariate(3, 1.5)
            self._ask(ahead, self._within(PROTON_NET), clients.chrome(rng), Truth.PREFETCH, "Proton ahead")

    def _machines_of(self, person: Person) -> float | None:
        """The scanners that guard this mailbox; when they came, if they did."""
        house = person.organisation
        if house is None:
            return None
        if house.scans:
            return self._defender()
        if house.kind == "gateway" and not self._happens(self._rates.gateway_rests):
            return self._gateway(house)
        return None

    def _defender(self) -> float:
        """Never names itself; picture and links within seconds, one address or a few neighbours (gophish 2646), at
        times under two agents (warmbly 410); again hours later (gophish 2357: "opened" in the evening by Windows 8)."""
        rng, rates = self._rng, self._rates
        at = self._arrival(6.0)
        block = (f"{_address(rng, MICROSOFT).rpartition('.')[0]}.0/29",)
        modern = self._happens(rates.defender_modern)

        def agent() -> str:
            if modern:
                return rng.choice((clients.chrome, clients.edge))(rng)
            return "" if rng.random() < 0.12 else clients.stale_chrome(rng)

        name = agent()
        if self._happens(rates.defender_pixel):
            other = agent() if self._happens(0.3) else name
            self._ask(at + rng.uniform(-0.5, 2), self._within(block), other, Truth.SCAN, "Defender")
        moment = at
        for link in range(self._links if self._happens(0.7) else 1):
            self._ask(moment, self._within(block), name, Truth.SCAN_CLICK, "Defender", link=link)
            moment += rng.uniform(0.1, 1.5)
        if self._happens(rates.defender_late):
            again = at + rng.uniform(1, 20) * HOUR
            name = agent()
            if self._happens(0.3):
                self._ask(again, self._within(block), name, Truth.SCAN, "Defender, hours later")
            else:
                link = rng.randrange(self._links)
                self._ask(again, self._within(block), name, Truth.SCAN_CLICK, "Defender, hours later", link=link)
        return at

    def _gateway(self, house: Organisation) -> float:
        rng, rates = self._rng, self._rates
        at = self._arrival(8.0)
        spot = house.scanner_spot or self._within(house.scanner)
        language, name = self._browser_of_gateway()
        if house.vendor == "barracuda" and rng.random() < 0.3:  # the cloud part names itself, the appliance does not
            self._ask(at - 0.3, spot, "Barracuda Sentinel (EE)", Truth.SCAN_CLICK, "gateway", link=0, method="HEAD")
        elif rng.random() < 0.1:
            self._ask(at - 0.3, spot, name, Truth.SCAN_CLICK, "gateway", link=0, method="HEAD")
        # Multilevel intent analysis follows the first link only (Barracuda); others follow all, the hidden one too.
        first_only = self._happens(rates.gateway_first_only)
        slow = self._happens(rates.gateway_slow)
        links = [0] if first_only else [*range(self._links), *([] if self._trap is None else [self._trap])]
        if not first_only and rng.random() < 0.6:
            self._ask(at - rng.uniform(0, 1), spot, name, Truth.SCAN, "gateway", language=language)
        moment = at
        for link in links:
            self._ask(moment, spot, name, Truth.SCAN_CLICK, "gateway", link=link, language=language)
            if house.vendor == "nameless" and rng.random() < 0.3:
                # From EC2: the same link twice within milliseconds, as Linux and as Windows (reports of senders).
                _, other = self._browser_of_gateway()
                self._ask(moment + 0.03, spot, other, Truth.SCAN_CLICK, "gateway", link=link, language=language)
            moment += rng.uniform(1.5, 6) if slow else rng.uniform(0.03, 0.5)
        if self._happens(rates.gateway_late):
            again = at + rng.uniform(1, 20) * HOUR
            language, name = self._browser_of_gateway()
            link = rng.randrange(self._links)
            self._ask(again, spot, name, Truth.SCAN_CLICK, "gateway, hours later", link=link, language=language)
        for often, where in ((rates.gateway_imitates, AMAZON), (rates.gateway_at_home, ())):
            if self._happens(often):
                self._imitates(
                    self._within(where) if where else Spot(_address(rng, ORDINARY), NetworkClass.RESIDENTIAL)
                )
        return at

    def _imitates(self, spot: Spot) -> None:
        """No rule can be right here: a machine that takes its time, in a new browser, with one link."""
        rng = self._rng
        at, name = rng.uniform(0.5, 12) * HOUR, clients.chrome(rng)
        if rng.random() < 0.5:
            self._ask(at, spot, name, Truth.SCAN, "imitates a person", language=True)
        self._ask(
            at + rng.uniform(4, 30),
            spot,
            name,
            Truth.SCAN_CLICK,
            "imitates a person",
            link=rng.randrange(self._links),
            language=True,
        )

    def _browser_of_gateway(self) -> tuple[bool, str]:
        """Whether it names a language, and what it calls itself."""
        rng = self._rng
        if self._happens(self._rates.gateway_modern):
            return self._happens(self._rates.gateway_language), rng.choice((clients.chrome, clients.firefox))(rng)
        luck = rng.random()
        if luck < 0.12:
            return False, ""
        return False, clients.library(rng) if luck < 0.22 else clients.stale_chrome(rng)

    def _crawled(self) -> None:
        rng = self._rng
        spot = self._within(rng.choice((AMAZON, RENTED, GOOGLE)))
        at, link = rng.uniform(24, 240) * HOUR, rng.randrange(self._links)
        self._ask(at, spot, clients.crawler(rng), Truth.SCAN_CLICK, "crawler", link=link)

    def _arrival(self, median_s: float) -> float:
        """When a scanner comes: mostly seconds after the message, sometimes before we heard that it was taken."""
        if self._happens(self._rates.before_250):
            return -self._rng.uniform(0.5, 10)
        return median_s * self._rng.lognormvariate(0, 1.1)

    # words for it

    def _ask(
        self,
        at: float,
        spot: Spot,
        user_agent: str,
        truth: Truth,
        story: str,
        *,
        link: int | None = None,
        method: str = "GET",
        language: bool = False,
        prefetch: str = "",
        own_device: bool = False,
    ) -> None:
        self.requests.append(
            Request(
                at=at,
                copy=self._copy,
                link=link,
                method=method,
                spot=spot,
                user_agent=user_agent,
                language=language,
                prefetch=prefetch,
                own_device=own_device,
                truth=truth,
                story=story,
            )
        )

    def _happens(self, often: float) -> bool:
        return self._rng.random() < often

    def _within(self, ranges: Sequence[str]) -> Spot:
        return Spot(_address(self._rng, ranges))


def _address(rng: Random, ranges: Sequence[str]) -> str:
    """Some address of one of the ranges; all ranges are drawn equally often."""
    network = ip_network(rng.choice(ranges))
    return str(network[rng.randrange(1, min(network.num_addresses, 2**48) - 1)])
