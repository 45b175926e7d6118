"""User agents as mail programs, browsers, proxies and machines build them, with versions drawn from ranges.

A function for each family: the shape of the string is the family's own, as public corpora show it (yauaa, uap-core,
device-detector, crawler-user-agents), the numbers in it are drawn. Nothing is copied from a list of strings, so a rule
that knows only certain strings is found out.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Agents = Callable[[Random], str]

NEWEST_CHROME = 148  # of November 2026; one version comes every four weeks

# Seen from Microsoft's scanner: gophish issues 973, 2115, 2357, 2446, 2646. The last is only just outdated.
STALE_CHROMES = (57, 64, 72, 79, 80, 96, 97, 101)

GMAIL_PREFETCH = (  # Bird, "Gmail is Prefetching Images"; mautic PR 10245; the one agent that never varies
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
)
APPLE_PRIVACY = "Mozilla/5.0"  # uap-core issue 509; ClickDimensions "Adjusted Opens"
OFFICE_DISCOVERY = "Microsoft Office Existence Discovery"


def chrome(rng: Random) -> str:
    return _chromium(rng.choice(_DESKTOPS), _chrome_version(rng))


def edge(rng: Random) -> str:
    version = _chrome_version(rng)
    return f"{_chromium(_DESKTOPS[0], version)} Edg/{version}.0.0.0"


def firefox(rng: Random) -> str:
    version = rng.choice((115, 128, 140, *range(NEWEST_CHROME - 4, NEWEST_CHROME + 1)))
    system = rng.choice(("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10.15", "X11; Linux x86_64"))
    return f"Mozilla/5.0 ({system}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"


def safari_mac(rng: Random) -> str:
    return f"{_WEBKIT_MAC} Version/{_safari_version(rng)} Safari/605.1.15"


def safari_phone(rng: Random) -> str:
    system = _ios(rng)
    return f"{_webkit_phone(system)} Version/{system.replace('_', '.')} Mobile/15E148 Safari/604.1"


def safari_tablet(rng: Random) -> str:
    """iPads name themselves as Macs by default since iPadOS 13; some sites and older ones see an iPad."""
    system = _ios(rng)
    if rng.random() < 0.7:
        return safari_mac(rng)
    return (
        f"Mozilla/5.0 (iPad; CPU OS {system} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        f"Version/{system.replace('_', '.')} Mobile/15E148 Safari/604.1"
    )


def chrome_android(rng: Random) -> str:
    """Since 2023 Chrome on Android says neither model nor real system version."""
    return (
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
        f"Chrome/{_chrome_version(rng)}.0.0.0 Mobile Safari/537.36"
    )


def webview_android(rng: Random) -> str:
    """What Outlook for Android, Samsung Email and most other apps load pictures with."""
    model = rng.choice(("SM-S911B", "SM-A546B", "Pixel 8", "Pixel 7a", "M2101K6G", "CPH2451"))
    build = f"{rng.choice('TUPA')}P1A.{rng.randint(210000, 250999)}.0{rng.randint(10, 40)}"
    return (
        f"Mozilla/5.0 (Linux; Android {rng.randint(11, 16)}; {model} Build/{build}; wv) "
        "AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 "
        f"Chrome/{_chrome_version(rng)}.0.{rng.randrange(4000, 7500)}.{rng.randrange(30, 220)} Mobile Safari/537.36"
    )


def dalvik(rng: Random) -> str:
    return f"Dalvik/2.1.0 (Linux; U; Android {rng.randint(11, 16)}; SM-{rng.choice('ASG')}{rng.randint(100, 999)}B)"


def outlook_classic(rng: Random) -> str:
    """Three forms, sometimes two of them joined by a comma (classification 3.5)."""
    build = rng.randrange(4266, 19400)
    trident = (
        f"Mozilla/4.0 (compatible; MSIE 7.0; Windows NT {rng.choice(('10.0', '10.0', '6.1'))}; "
        f"{rng.choice(('Win64; x64', 'WOW64'))}; Trident/7.0; .NET4.0C; .NET4.0E; .NET CLR 2.0.50727; "
        f"Microsoft Outlook 16.0.{build}; ms-office; MSOffice 16)"
    )
    office = f"Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.{build}; Pro)"
    return rng.choice((trident, trident, office, f"{office},{trident}"))


def outlook_new(rng: Random) -> str:
    return f"{edge(rng)} OneOutlook/1.{rng.randint(2024, 2026)}.{rng.randint(100, 1299)}.{rng.choice((100, 200, 300))}"


def outlook_mac(rng: Random) -> str:
    build = f"16.{rng.randint(60, 105)}.{rng.randint(22, 26)}{rng.randint(10, 12)}{rng.randint(10, 28)}"
    return f"MacOutlook/{build} (Intelx64 Mac OS X Version {rng.randint(12, 15)}.{rng.randint(0, 7)} (Build 23G93))"


def outlook_phone(rng: Random) -> str:
    return f"Outlook-iOS/{rng.randint(690, 740)}.{rng.randint(1_000_000, 6_000_000)}.prod.iphone"


def apple_mail_mac(rng: Random) -> str:
    return _WEBKIT_MAC


def apple_mail_phone(rng: Random) -> str:
    return f"{_webkit_phone(_ios(rng))} Mobile/15E148"


def thunderbird(rng: Random) -> str:
    version = rng.choice((102, 115, 128, 140, 145, 146))
    system = rng.choice(("Windows NT 10.0; Win64; x64", "X11; Linux x86_64", "Macintosh; Intel Mac OS X 10.15"))
    product = f"Thunderbird/{version}.{rng.randint(0, 12)}.{rng.randint(0, 2)}"
    return f"Mozilla/5.0 ({system}; rv:{version}.0) Gecko/20100101 {product}"


def gmail_proxy(rng: Random) -> str:
    """The start varies (classification 3.1); the product at the end does not."""
    start = rng.choice(
        ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko ", "", "Mozilla/5.0 (Windows; U; Windows NT 5.1) ")
    )
    return f"{start}Firefox/11.0 (via ggpht.com GoogleImageProxy)"


def yahoo_proxy(rng: Random) -> str:
    return "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"


def fastmail_proxy(rng: Random) -> str:
    return "FastmailUA/1.0"


def superhuman(rng: Random) -> str:
    """The reader's own agent with the proxy behind it (yauaa)."""
    return f"{rng.choice((chrome, safari_mac))(rng)} (via SuperhumanProxy; hello@superhuman.com)"


def outlook_web(rng: Random) -> str:
    """Outlook on the web has no stable agent (classification 3.1). Mostly the look of a browser; a bare WebKit was seen
    24 minutes after sending, a true open (warmbly issue 564, PR 569); how often there is none at all is not known."""
    luck = rng.random()
    if luck < 0.03:
        return ""
    return _WEBKIT_MAC if luck < 0.15 else rng.choice((edge, chrome))(rng)


def stale_chrome(rng: Random) -> str:
    system = rng.choice(("Windows NT 10.0; Win64; x64", "Windows NT 6.1", "Windows NT 6.3; Win64; x64"))
    version = rng.choice(STALE_CHROMES)
    return (
        f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) "
        f"Chrome/{version}.0.{rng.randrange(2900, 5000)}.{rng.randrange(40, 140)} Safari/537.36"
    )


def library(rng: Random) -> str:
    return rng.choice(
        (
            f"python-requests/2.{rng.randint(9, 32)}.{rng.randint(0, 3)}",
            f"Go-http-client/{rng.choice(('1.1', '2.0'))}",
            f"curl/{rng.randint(7, 8)}.{rng.randint(10, 88)}.0",
            f"okhttp/4.{rng.randint(9, 12)}.{rng.randint(0, 3)}",
            f"Java/{rng.randint(8, 21)}.0.{rng.randint(1, 9)}",
        )
    )


def crawler(rng: Random) -> str:
    return rng.choice(
        (
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
            f"Mozilla/5.0 (compatible; AhrefsBot/{rng.randint(6, 8)}.0; +http://ahrefs.com/robot/)",
            library(rng),
        )
    )


def whatsapp_preview(rng: Random) -> str:
    return f"WhatsApp/2.{rng.randint(22, 26)}.{rng.randint(1, 25)}.{rng.randint(60, 99)} {rng.choice('AIN')}"


def messages_preview(rng: Random) -> str:
    return (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 "
        "Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0"
    )


def slack_preview(rng: Random) -> str:
    return "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"


def teams_preview(rng: Random) -> str:
    return "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com"


def telegram_preview(rng: Random) -> str:
    return "TelegramBot (like TwitterBot)"


_DESKTOPS = ("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64")
_WEBKIT_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"


def _chrome_version(rng: Random) -> int:
    """Browsers bring themselves up to date; some people and companies lag, and Windows 7 stopped at 109."""
    luck = rng.random()
    if luck < 0.85:
        return rng.randint(NEWEST_CHROME - 2, NEWEST_CHROME)
    if luck < 0.985:
        return rng.randint(120, NEWEST_CHROME - 3)
    return 109 if luck < 0.997 else rng.randint(80, 99)


def _chromium(system: str, version: int) -> str:
    return f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"


def _safari_version(rng: Random) -> str:
    return f"{rng.choice((16, 17, 17, 18, 18, 18, 26, 26))}.{rng.randint(0, 6)}"


def _ios(rng: Random) -> str:
    return _safari_version(rng).replace(".", "_")


def _webkit_phone(system: str) -> str:
    return f"Mozilla/5.0 (iPhone; CPU iPhone OS {system} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
