"""What the sandbox can load a copy as: one look for each family that the judge tells apart.

Data only. A look is a request as that program sends it, from where it sends it: addresses are from documentation
ranges (RFC 5737) where a person reads, from the ranges that a provider really uses where the network is part of the
evidence (core.network_ranges). The agents are those of public corpora, brought to versions of 2026-11.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from unsealed.model.texts import later

HOME, OFFICE, STREET = "203.0.113.24", "198.51.100.66", "203.0.113.140"
GOOGLE, APPLE, MICROSOFT, YAHOO = "66.249.84.33", "172.224.226.17", "40.94.16.20", "74.6.135.9"
BARRACUDA, MIMECAST, AMAZON, ZSCALER = "64.235.150.21", "205.139.111.40", "54.240.197.34", "165.225.12.8"

PICTURES = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
PAGES = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
NAVIGATION = {
    "Accept": PAGES,
    "Sec-Fetch-Site": "none",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-User": "?1",
}
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
CHROME = f"{WINDOWS} Chrome/142.0.0.0 Safari/537.36"
OLD_CHROME = f"{WINDOWS} Chrome/79.0.3945.88 Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A program, as it looks from outside."""

    name: str
    symbol: str  # of icons.svg
    address: str
    agent: str = ""
    accept: str = "*/*"
    language: str = ""
    more: dict[str, str] = field(default_factory=dict)  # further headers
    method: str = "GET"
    follows_links: bool = False  # loads every link as well
    asks_first: str = ""  # the agent of an enquiry ahead of the request itself

    @property
    def headers(self) -> dict[str, str]:
        named = {"User-Agent": self.agent, "Accept": self.accept, "Accept-Language": self.language}
        return {name: value for name, value in named.items() if value} | self.more


READERS: dict[str, dict[str, Look]] = {
    later("Usual"): {
        "thunderbird": Look(
            name="Thunderbird",
            symbol="desktop",
            address=HOME,
            agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.5.0",
            accept=PICTURES,
            language="en-GB,en;q=0.5",
        ),
        "gmail": Look(
            name="Gmail",
            symbol="devices",
            address=GOOGLE,
            agent="Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
        ),
        "apple": Look(
            name=later("Apple Mail, privacy on"),
            symbol="unknown",
            address=APPLE,
            agent="Mozilla/5.0",
            accept="image/*,*/*;q=0.8",
        ),
        "outlook": Look(
            name="Outlook",
            symbol="desktop",
            address=OFFICE,
            agent="Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/8.0; .NET4.0C; .NET4.0E; "
            "Microsoft Outlook 16.0.19328; ms-office; MSOffice 16)",
            language="en-US",
        ),
        "phone": Look(
            name=later("Phone"),
            symbol="phone",
            address=STREET,
            agent=f"{IPHONE} Mobile/15E148",
            accept=PICTURES,
            language="en-GB,en;q=0.9",
        ),
        "mail-scanner": Look(
            name=later("Mail scanner"), symbol="scanner", address=BARRACUDA, agent="Barracuda Sentinel (EE)"
        ),
        "link-scanner": Look(
            name=later("Link scanner"), symbol="scanner", address=MICROSOFT, agent=OLD_CHROME, follows_links=True
        ),
    },
    later("On a computer"): {
        "outlook-new": Look(
            name=later("New Outlook for Windows"),
            symbol="desktop",
            address=OFFICE,
            agent=f"{WINDOWS} Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0 OneOutlook/1.2025.1105.100",
            accept=PICTURES,
            language="en-US",
        ),
        "outlook-mac": Look(
            name="Outlook for Mac",
            symbol="desktop",
            address=OFFICE,
            agent="MacOutlook/16.103.25110922 (Intelx64 Mac OS X Version 15.7.1 (Build 24G231))",
        ),
        "apple-mac": Look(
            name=later("Apple Mail on a Mac, privacy off"),
            symbol="desktop",
            address=HOME,
            agent="Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
            accept=PICTURES,
            language="en-GB,en;q=0.9",
        ),
        "webmail": Look(
            name=later("A company's own webmail"),
            symbol="desktop",
            address=OFFICE,
            agent=FIREFOX,
            accept=PICTURES,
            language="en-GB,en;q=0.5",
            more={"Referer": "https://webmail.example.com/"},
        ),
        "company-proxy": Look(
            name=later("Outlook behind a company's web proxy"),
            symbol="desktop",
            address=ZSCALER,
            agent="Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.19328; Pro)",
            language="en-US",
        ),
    },
    later("On a phone or tablet"): {
        "ipad": Look(
            name=later("Apple Mail on an iPad, privacy off"),
            symbol="tablet",
            address=HOME,
            agent="Mozilla/5.0 (iPad; CPU OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Mobile/15E148",
            accept=PICTURES,
            language="en-GB,en;q=0.9",
        ),
        "outlook-ios": Look(
            name=later("Outlook on an iPhone"),
            symbol="phone",
            address=STREET,
            agent="Outlook-iOS/723.4044821.prod.iphone (4.2540.0)",
        ),
        "android": Look(
            name=later("A mail app on Android"),
            symbol="phone",
            address=STREET,
            agent="Mozilla/5.0 (Linux; Android 16; Pixel 9 Build/BP3A; wv) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Version/4.0 Chrome/142.0.7444.102 Mobile Safari/537.36",
            accept=PICTURES,
            language="en-GB,en;q=0.9",
        ),
    },
    later("Through a provider's proxy"): {
        "yahoo": Look(
            name="Yahoo Mail",
            symbol="devices",
            address=YAHOO,
            agent="YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
        ),
        "outlook-web": Look(
            name=later("Outlook on the web"), symbol="devices", address="40.107.22.83", agent=CHROME, accept=PICTURES
        ),
        "fastmail": Look(name="Fastmail", symbol="devices", address="103.168.172.40", agent="FastmailUA/1.0"),
        "superhuman": Look(
            name="Superhuman",
            symbol="devices",
            address=AMAZON,
            agent="Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/142.0.0.0 Safari/537.36 (via SuperhumanProxy; hello@superhuman.com)",
        ),
    },
    later("Loaded ahead, unread"): {
        "gmail-ahead": Look(
            name=later("Gmail, loading ahead"),
            symbol="unknown",
            address=GOOGLE,
            agent=f"{WINDOWS} Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0",
        ),
        "browser-ahead": Look(
            name=later("A browser, loading ahead"),
            symbol="unknown",
            address=HOME,
            agent=FIREFOX,
            accept=PICTURES,
            language="en-GB,en;q=0.5",
            more={"Sec-Purpose": "prefetch"},
        ),
    },
    later("Gateways and scanners"): {
        "gateway": Look(
            name=later("A gateway that opens every link"), symbol="scanner", address=MIMECAST, follows_links=True
        ),
        "rented": Look(name=later("A scanner on a rented machine"), symbol="scanner", address=AMAZON, agent=OLD_CHROME),
        "headers-only": Look(
            name=later("A checker that asks for headers"), symbol="scanner", address=OFFICE, agent=CHROME, method="HEAD"
        ),
    },
    later("Previews and programs"): {
        "slack-picture": Look(
            name="Slack",
            symbol="link",
            address=AMAZON,
            agent="Slack-ImgProxy 0.59 (+https://api.slack.com/robots)",
        ),
        "crawler": Look(
            name=later("A search engine"),
            symbol="scanner",
            address="66.249.66.1",
            agent="Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        ),
        "program": Look(name=later("A program (curl)"), symbol="scanner", address=HOME, agent="curl/8.16.0"),
    },
}

CLICKERS: dict[str, Look] = {
    "person": Look(
        name=later("Person"), symbol="desktop", address=HOME, agent=FIREFOX, language="en-GB,en;q=0.5", more=NAVIGATION
    ),
    "person-phone": Look(
        name=later("Person, on a phone"),
        symbol="phone",
        address=STREET,
        agent=f"{IPHONE} Version/26.1 Mobile/15E148 Safari/604.1",
        language="en-GB,en;q=0.9",
        more=NAVIGATION,
    ),
    "office": Look(
        name=later("Person, from Word or Outlook"),
        symbol="desktop",
        address=OFFICE,
        agent=f"{WINDOWS} Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
        language="en-US,en;q=0.9",
        more=NAVIGATION,
        asks_first="Microsoft Office Existence Discovery",
    ),
    "scanner": Look(name=later("Link scanner"), symbol="scanner", address=MICROSOFT, agent=OLD_CHROME),
    "slack": Look(
        name=later("Slack, for a preview"),
        symbol="link",
        address=AMAZON,
        agent="Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    ),
    "head": Look(
        name=later("A checker that asks for headers"), symbol="scanner", address=OFFICE, agent=CHROME, method="HEAD"
    ),
}


def reader(name: str) -> Look | None:
    """The look of that name among all groups."""
    return next((looks[name] for looks in READERS.values() if name in looks), None)


def own(address: str, agent: str, language: str) -> Look:
    """The browser that asks for the page: the sender's own."""
    return Look(name="You", symbol="eye", address=address, agent=agent, accept=PICTURES, language=language)
