from __future__ import annotations

import csv
from pathlib import Path
from time import perf_counter

import pytest

from unsealed.core.agent import is_stale, read_agent
from unsealed.model.event import ClientKind, Device

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
)

# Versions and platforms that stand in no labelled file: rules are for products, not for strings.
CASES = [
    ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Firefox/11.0 (via ggpht.com GoogleImageProxy)", "image_proxy", "hidden"),
    ("Mozilla/5.0 (Windows NT 10.0; rv:99.0) Gecko/2010 (via ggpht.com)", "image_proxy", "hidden"),
    ("YahooMailProxy; https://help.yahoo.com/kb/other.html", "image_proxy", "hidden"),
    ("Mozilla/5.0 SeznamEmailProxy/3.1", "image_proxy", "hidden"),
    ("FastmailUA/2.0", "image_proxy", "hidden"),
    (f"{CHROME} (via SuperhumanProxy; hello@superhuman.com)", "image_proxy", "desktop"),
    ("Superhuman/2.0(1); (Apple; iPhone; iOS 18) (via SuperhumanProxy; hello@superhuman.com)", "image_proxy", "mobile"),
    ("Mozilla/5.0", "prefetch", "unknown"),
    (" Mozilla/5.0 ", "prefetch", "unknown"),
    ("Microsoft Office Protocol Discovery", "prefetch", "desktop"),
    ("Barracuda Sentinel (US)", "scanner", "unknown"),
    ("AppEngine-Google; (+http://code.google.com/appengine; appid: s~virustotalcloud)", "scanner", "unknown"),
    ("Mozilla/5.0 (compatible; CensysInspect/1.1; +https://about.censys.io/)", "scanner", "unknown"),
    ("Slackbot 1.0 (+https://api.slack.com/robots)", "link_preview", "unknown"),
    ("WhatsApp/2.24.6.77 A", "link_preview", "unknown"),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) SkypeUriPreview Preview/1.2", "link_preview", "unknown"),
    ("facebookexternalhit/2.0", "link_preview", "unknown"),
    ("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", "crawler", "unknown"),
    ("Mozilla/5.0 (compatible; SomethingNew-bot/1.0; +https://new.example/bot)", "crawler", "unknown"),
    ("curl/8.9.1", "crawler", "unknown"),
    ("python-httpx/0.28.1", "crawler", "unknown"),
    ("Java/17.0.2", "crawler", "unknown"),
    ("okhttp/4.12.0", "crawler", "unknown"),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Thunderbird/153.7.0", "desktop_client", "desktop"),
    ("Mozilla/5.0 (Android 15; Mobile; rv:138.0) Gecko/138.0 Thunderbird/10.0", "mobile_app", "mobile"),
    ("Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17928; Pro)", "desktop_client", "desktop"),
    ("Mozilla/4.0 (compatible; ms-office; MSOffice rmj)", "desktop_client", "desktop"),
    (f"{CHROME} Edg/141.0.0.0 OneOutlook/1.2025.1001.100", "desktop_client", "desktop"),
    ("MacOutlook/16.89.24090815 (Intelx64 Mac OS X 15.0 (Build 24A335))", "desktop_client", "desktop"),
    ("Outlook-iOS/730.1.prod.ipad (5.0)", "mobile_app", "tablet"),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/618.1.15 (KHTML, like Gecko)",
        "desktop_client",
        "desktop",
    ),
    (
        "Mozilla/5.0 (iPad; CPU OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/22B83",
        "mobile_app",
        "tablet",
    ),
    (CHROME.replace("Chrome/", "Mailspring/1.15 Chrome/"), "desktop_client", "desktop"),
    ("Yahoo%20Mail/70000 CFNetwork/1568.100.1 Darwin/24.0.0", "mobile_app", "mobile"),
    ("Roundcube Webmail/1.7.1", "webmail", "hidden"),
    (CHROME, "browser", "desktop"),
    (CHROME.replace("Windows NT 10.0; Win64; x64", "X11; CrOS x86_64 14541.0.0"), "browser", "desktop"),
    (f"{CHROME} Teams/24.1 (50)", "browser", "desktop"),
    ("Mozilla/5.0 (Linux; Android 14; SM-X700) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36", "browser", "tablet"),
    ("Mozilla/5.0 (Linux; Android 14; CUBOT P80) AppleWebKit/537 Chrome/130 Mobile Safari/537", "browser", "mobile"),
    ("Mozilla/5.0 (compatible; Lipperhey Site Explorer; http://www.lipperhey.com/)", "crawler", "unknown"),
    ("Mozilla/5.0 (compatible; FinderGo/1.0)", "crawler", "unknown"),
    ("Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0)", "browser", "desktop"),
    ("Tiny Tiny RSS/19.8 (http://tt-rss.org/)", "crawler", "unknown"),
    ("newspaper/0.2.8", "crawler", "unknown"),
    ("MailBar/1.3.2 (Mac OS X Version 10.11.1)", "desktop_client", "desktop"),
    ("Dalvik/2.1.0 (Linux; U; Android 13; V2206)", "mobile_app", "mobile"),
    ("Aloha/3 CFNetwork/1329 Darwin/21.3.0", "browser", "mobile"),
    ("Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; http://bsalsa.com)", "browser", "desktop"),
    ("", "unknown", "unknown"),
    ("hello", "unknown", "unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("user_agent", "kind", "device"), CASES)
def test_a_product_is_known_in_any_version_and_on_any_platform(user_agent: str, kind: str, device: str) -> None:
    agent = read_agent(user_agent)

    assert (kind, device) == (agent.kind, agent.device)


def test_the_answer_names_the_rule_that_gave_it() -> None:
    assert "mail.thunderbird" == read_agent("Mozilla/5.0 (X11; Linux; rv:9) Gecko Thunderbird/140.1").rule
    assert "ua-parser" == read_agent(CHROME).rule
    assert "none" == read_agent("").rule


def test_old_browsers_are_stale_and_new_ones_are_not() -> None:
    assert is_stale(CHROME.replace("141", "80"))
    assert is_stale("Mozilla/5.0 (Windows NT 6.1; rv:52.0) Gecko/20100101 Firefox/52.0")
    assert is_stale("Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 6.1)")
    assert not is_stale(CHROME)
    assert not is_stale("Outlook-iOS/711.1.prod.iphone")


def test_a_miss_of_the_cache_takes_microseconds_not_milliseconds() -> None:
    read_agent(CHROME)  # the tables of ua-parser are loaded once
    begun = perf_counter()
    for version in range(200):
        read_agent(CHROME.replace("141", str(1000 + version)))

    assert perf_counter() - begun < 200 * 0.001


def test_the_labelled_agents_come_out_right(shared: Path) -> None:
    """At least 98 % by kind, 95 % by client and device."""
    with (shared / "data" / "ua.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    agents = [read_agent(row["user_agent"]) for row in rows]
    pairs = list(zip(agents, rows, strict=True))
    kinds = sum(agent.kind == row["expected_kind"] for agent, row in pairs)
    clients = sum(agent.client.lower() in row["expected_client"].lower().split("|") for agent, row in pairs)
    devices = sum(
        (Device.UNKNOWN if agent.device is Device.HIDDEN else agent.device) == row["expected_device"]
        for agent, row in pairs
    )

    assert kinds >= 0.98 * len(rows)
    assert clients >= 0.95 * len(rows)
    assert devices >= 0.95 * len(rows)
    assert ClientKind.UNKNOWN not in {agent.kind for agent in agents}


def test_behind_a_proxy_no_system_is_claimed() -> None:
    proxied = read_agent("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)")

    assert (Device.HIDDEN, "") == (proxied.device, proxied.system)
