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
