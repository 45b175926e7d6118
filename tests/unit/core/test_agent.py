from __future__ import annotations

import csv
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.core.agent import _read, is_stale, read_agent
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
    ("FortiGuard Web Filter", "scanner", "unknown"),
    ("Dr.Web LinkChecker/1.0", "scanner", "unknown"),
    ("Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; McAfee)", "browser", "desktop"),
    (f"{CHROME} Avast/141.0.0.0", "browser", "desktop"),
    ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessEdg/141.0 Safari/537.36", "crawler", "unknown"),
    ("MailMate/6121 CFNetwork/1568.100.1 Darwin/24.0.0", "desktop_client", "desktop"),
    ("Mimestream/1.5.2 CFNetwork/1568.100.1 Darwin/24.0.0", "desktop_client", "desktop"),
    ("Mozilla/5.0 (Windows NT 6.3; WOW64; Trident/7.0; eM_Client/7.2) like Gecko", "desktop_client", "desktop"),
    ("GyazMail version 1.7.0", "desktop_client", "desktop"),
    ("claws-mail/4.3.0", "desktop_client", "desktop"),
    ("Nine-512/4.9.9", "mobile_app", "mobile"),
    ("Lotus Traveler Android 12.0.10", "mobile_app", "mobile"),
    ("SOGoMail 5.11.0", "webmail", "hidden"),
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
    ("Mail/16.0 (3774.600.62) CFNetwork/1496.0.7 Darwin/23.5.0 (x86_64)", "desktop_client", "desktop"),
    ("macOS/14.5 (23F79) Mail/3774.600.62", "desktop_client", "desktop"),
    ("iPhone Mail (21F90)", "mobile_app", "mobile"),
    (CHROME.replace("Chrome/", "proton-mail/1.8.0 Chrome/"), "desktop_client", "desktop"),
    (CHROME.replace("Chrome/", "zoho-mail-desktop/1.6 Chrome/"), "desktop_client", "desktop"),
    ("HEY/1.2 (iPhone; iOS 17.5)", "mobile_app", "mobile"),
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


@pytest.mark.parametrize(
    "wrapped",
    [
        "User-Agent: {}",
        "user-agent:{}",
        '"{}"',
        "'{}'",
        " \t{}\r\n",
    ],
)
@pytest.mark.parametrize(
    "user_agent", [CHROME, "Mozilla/5.0", "Outlook-iOS/711.3061168.prod.iphone", "curl/8.9.1", "The Bat! 4.0.0.22"]
)
def test_what_logs_and_careless_programs_wrap_around_an_agent_changes_nothing(user_agent: str, wrapped: str) -> None:
    assert read_agent(user_agent) == read_agent(wrapped.format(user_agent))


def test_an_agent_may_be_written_as_in_an_address_and_in_any_case() -> None:
    expected = read_agent(CHROME)

    assert expected == read_agent(quote(CHROME))
    assert expected == read_agent(quote_plus(CHROME))
    assert "mail.outlook.new" == read_agent(f"{CHROME} OneOutlook/1.2024".upper()).rule
    assert "mail.yahoo.app" == read_agent("Yahoo%20Mail/1 CFNetwork/1 Darwin/1").rule


# Browsers that people read in, also inside other programs; their services' own fetches are previews.
PEOPLE = [
    # faisalman/ua-parser-js, inapp.json
    f"{CHROME} Slack/4.39.90 Electron/13.1.9",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_6) AppleWebKit/601.7.8 (KHTML, like Gecko) Slack_SSB/2.0.3",
    f"{CHROME} Teams/1.8.00.3758 Electron/31.7.7",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 TeamsMobile-iOS",
    f"{CHROME} discord/0.0.26 Electron/22.3.2",
    f"{CHROME} Mattermost/4.4.0 Electron/6.1.7",
    f"{CHROME} Rocket.Chat/3.8.16 Electron/21.3.3",
    f"{CHROME} Notion/2.0.8 Electron/6.1.5",
    "Mozilla/5.0 (Linux; Android 14; K) AppleWebKit/537.36 Chrome/144 Mobile Safari/537.36 Telegram-Android/12.4.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1 Mobile/15E148 [FBAN/FBIOS;FBAV/283.0]",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1 Mobile/15E148 Instagram 331.0.0.29",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1 Mobile/15E148 [LinkedInApp]/9.29",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1 Mobile/15E148 WhatsApp/2.24.11",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1 GSA/310 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1 Mobile/15E148 Safari Line/14.9.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1 Mobile/15E148 MicroMessenger/8.0.49",
    # matomo-org/device-detector: phones whose names look like something else
    "Mozilla/5.0 (Linux; Android 7.0; M bot 60 Build/NRD90M) AppleWebKit/537 Chrome/58.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 13; Cubot X30) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/122 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 12; TECNO Spark 8) AppleWebKit/537.36 Chrome/122 Mobile Safari/537",
    "Mozilla/5.0 (Linux; Android 9; SM-A530F; wv) AppleWebKit/537 Chrome/111 Mobile Safari/537 CamScanner/6.27.0",
]


@pytest.mark.parametrize("user_agent", PEOPLE)
def test_a_persons_browser_is_no_machine_whatever_its_service_fetches_itself(user_agent: str) -> None:
    assert ClientKind.BROWSER == read_agent(user_agent).kind


@pytest.mark.parametrize(
    "token",
    ["ProofpointURLDefense", "OutlookImageProxy", "BarracudaURLDefense", "MimecastUrlProtectBot", "applemailproxy"],
)
def test_tokens_that_no_one_ever_saw_are_not_matched(token: str) -> None:
    known = {ClientKind.SCANNER, ClientKind.IMAGE_PROXY, ClientKind.PREFETCH}

    assert read_agent(f"{token}/1.0").kind not in known
    assert read_agent(token).kind not in known
    assert ClientKind.BROWSER == read_agent(f"{CHROME} {token}/1.0").kind or "Bot" in token


@given(st.text(max_size=600))
def test_any_text_has_an_answer_and_always_the_same(text: str) -> None:
    agent = read_agent(text)

    assert agent == _read.__wrapped__(text)
    assert agent.rule


@pytest.mark.parametrize(
    "text", ["\ud800", "Thunderbird/1 \udcff", "\0", "%", "%zz%20", "İ" * 9, "(" * 512, "a" * 10**6]
)
def test_text_that_is_no_text_has_an_answer_too(text: str) -> None:
    assert read_agent(text).kind in (ClientKind.UNKNOWN, ClientKind.DESKTOP_CLIENT)


def test_the_answer_names_the_rule_that_gave_it() -> None:
    assert "mail.thunderbird" == read_agent("Mozilla/5.0 (X11; Linux; rv:9) Gecko Thunderbird/140.1").rule
    assert "browser" == read_agent(CHROME).rule
    assert "none" == read_agent("").rule


def test_old_browsers_are_stale_and_new_ones_are_not() -> None:
    assert is_stale(CHROME.replace("141", "80"))
    assert is_stale("Mozilla/5.0 (Windows NT 6.1; rv:52.0) Gecko/20100101 Firefox/52.0")
    assert is_stale("Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 6.1)")
    assert is_stale(CHROME.replace("141", "105"))
    assert not is_stale(CHROME.replace("141", "109"))  # the last one for Windows 7
    assert not is_stale(CHROME)
    assert not is_stale("Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; Microsoft Outlook 16.0.6366; MSOffice 16)")
    assert not is_stale(CHROME.replace("Chrome/141", "Mailspring/1.7.4 Chrome/69"))
    assert not is_stale("Outlook-iOS/711.1.prod.iphone")


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


def test_a_mail_program_without_a_row_of_its_own_is_named_by_its_own_word() -> None:
    agent = f"{CHROME.replace('Chrome/', 'QuillMail/0.5 Chrome/')}".replace(" Safari", " Electron/33.3.2 Safari")
    assert read_agent(agent).client == "QuillMail"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (CHROME.replace("Chrome/", "Quill Mail/1.0 Chrome/").replace(" Safari", " Electron/33 Safari"), "Quill Mail"),
        (CHROME.replace("Chrome/", "quill-mail/1.0 Chrome/").replace(" Safari", " Electron/33 Safari"), "quill-mail"),
        ("Quill Mail/6.8", "Quill Mail"),
        (CHROME.replace("Chrome/", "Rambox/2.3.4 Chrome/").replace(" Safari", " Electron/29 Safari"), "Rambox"),
        (CHROME.replace("Chrome/", "Rocket.Chat/4.0 Chrome/").replace(" Safari", " Electron/30 Safari"), "Rocket.Chat"),
    ],
)
def test_a_program_is_not_named_after_what_it_is_made_of(user_agent: str, name: str) -> None:
    assert name == read_agent(user_agent).client
