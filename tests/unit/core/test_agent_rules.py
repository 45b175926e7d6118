from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from unsealed.core.agent import read_agent
from unsealed.core.agent_rules import PLATFORMS, RULES
from unsealed.model.event import ClientKind

# One agent for every row, with what it is and where it was seen; none of them stands in the labelled file.
with (Path(__file__).parent / "agent_samples.csv").open(newline="", encoding="utf-8") as file:
    SAMPLES = list(csv.DictReader(file))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["rule"])
def test_a_sample_of_every_family_comes_out_right(sample: dict[str, str]) -> None:
    agent = read_agent(sample["user_agent"])

    assert (sample["rule"], sample["client"], sample["kind"], sample["device"]) == (
        agent.rule,
        agent.client,
        agent.kind,
        agent.device,
    )


def test_no_row_is_hidden_by_an_earlier_one() -> None:
    assert [rule.name for rule in RULES] == [sample["rule"] for sample in SAMPLES]
    assert [] == [sample["rule"] for sample in SAMPLES if not sample["source"]]


# One for every row of platforms, in their order: matomo-org/device-detector, browscap/browscap, ua-parser/uap-core.
MACHINES = [
    (
        "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0; ARM; WPDesktop; Lumia 920)",
        "Windows Phone",
        "mobile",
    ),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0", "Windows", "desktop"),
    (
        "Mozilla/5.0 (iPad; CPU OS 15_6 like Mac OS X) AppleWebKit/605.1 Version/15.6 Mobile/15E148 Safari/604.1",
        "iPadOS",
        "tablet",
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1 Version/18.1 Safari/604.1",
        "iOS",
        "mobile",
    ),
    (
        "Mozilla/5.0 (Linux; Android 5.1.1; Coolpad E501) AppleWebKit/537 Chrome/92 Mobile Safari/537",
        "Android",
        "mobile",
    ),
    (
        "Mozilla/5.0 (Linux; Android 9; Lenovo TB-X304F) AppleWebKit/537 Chrome/92 Mobile Safari/537",
        "Android",
        "tablet",
    ),
    ("Mozilla/5.0 (Linux; Android 9; SM-N950W) AppleWebKit/537 Chrome/95.0.4638.32 Safari/537", "Android", "mobile"),
    ("Mozilla/5.0 (Linux; Android 12; LIFETAB_E1) AppleWebKit/537 Chrome/120 Safari/537", "Android", "tablet"),
    ("K-9 Mail/6.8 (Android 14)", "Android", "mobile"),
    ("Mozilla/5.0 (X11; CrOS x86_64 15917.71.0) AppleWebKit/537 Chrome/127 Safari/537", "ChromeOS", "desktop"),
    ("Airmail 5.7.1 rv:866 (Macintosh; macOS 13.4)", "macOS", "desktop"),
    ("YahooMail/1.0 (iOS; 1.0.0; en_US)", "iOS", "mobile"),
    ("Aloha/3 CFNetwork/1329 Darwin/21.3.0", "", "mobile"),
    ("Mozilla/5.0 (Mobile; Nokia_8110_4G; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5", "KaiOS", "mobile"),
    ("Mozilla/5.0 (SymbianOS/9.4; Series60/5.0 Nokia5800d) AppleWebKit/533.4 NokiaBrowser/7.3", "Symbian", "mobile"),
    (
        "Mozilla/5.0 (PlayBook; U; RIM Tablet OS 2.1.0; en-US) AppleWebKit/536 Version/7.2 Safari/536",
        "BlackBerry",
        "tablet",
    ),
    ("Mozilla/5.0 (BB10; Touch) AppleWebKit/537.10 Version/10.0.9 Safari/537.10", "BlackBerry", "mobile"),
    ("Nokia6100/1.0 (05.16) Profile/MIDP-1.0", "", "mobile"),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.1.0", "Linux", "desktop"),
    ("Mozilla/5.0 (OS/2; Warp 4.5; rv:45.0) Gecko/20100101 Firefox/45.0", "", "desktop"),
]


@pytest.mark.parametrize(("user_agent", "system", "device"), MACHINES)
def test_the_words_about_the_machine_tell_its_system_and_form(user_agent: str, system: str, device: str) -> None:
    agent = read_agent(user_agent)

    assert (system, device) == (agent.system, agent.device)


def test_every_row_of_platforms_has_its_example() -> None:
    assert [(row.system, row.device) for row in PLATFORMS] == [(system, device) for _, system, device in MACHINES]


def test_every_rule_has_its_own_name_a_source_and_a_date() -> None:
    assert len(RULES) == len({rule.name for rule in RULES})
    assert [] == [rule.name for rule in RULES if not rule.source or not rule.since]
    assert ClientKind.UNKNOWN not in {rule.kind for rule in RULES}


@pytest.mark.parametrize(
    "token",
    ["ProofpointURLDefense", "OutlookImageProxy", "BarracudaURLDefense", "MimecastUrlProtectBot", "applemailproxy"],
)
def test_tokens_that_no_one_ever_saw_are_in_no_rule(token: str) -> None:
    assert [] == [rule.name for rule in RULES if token.lower() in rule.pattern.replace("\\", "")]


PATTERNS = [*(rule.pattern for rule in RULES), *(platform.pattern for platform in PLATFORMS)]


def test_every_pattern_is_in_lower_case_as_it_is_matched() -> None:
    assert [] == [each for each in PATTERNS if re.search(r"[A-Z]", re.sub(r"\\.", "", each))]


def test_no_pattern_needs_what_the_compiled_engine_has_not() -> None:
    assert [] == [each for each in PATTERNS if re.search(r"\(\?[=!<]", each)]
