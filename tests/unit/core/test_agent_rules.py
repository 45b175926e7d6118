from __future__ import annotations

import re
from time import process_time

import pytest

from unsealed.core.agent_rules import RULES


@pytest.mark.parametrize(
    "token",
    ["ProofpointURLDefense", "OutlookImageProxy", "BarracudaURLDefense", "MimecastUrlProtectBot", "applemailproxy"],
)
def test_tokens_that_no_one_ever_saw_are_in_no_rule(token: str) -> None:
    texts = [(rule.exact, str(rule.starts), *rule.has, *rule.any_of, rule.pattern) for rule in RULES]

    assert [] == [text for row in texts for text in row if token.lower() in text]


def test_every_rule_has_its_own_name_a_source_and_a_date() -> None:
    assert len(RULES) == len({rule.name for rule in RULES})
    assert [] == [rule.name for rule in RULES if not rule.source or not rule.since]


def test_every_rule_is_written_in_lower_case_as_it_is_matched() -> None:
    texts = [
        text for rule in RULES for text in (rule.exact, "".join(rule.starts), *rule.has, *rule.any_of, *rule.lacks)
    ]

    assert [] == [text for row in texts for text in row if text != text.lower()]


@pytest.mark.parametrize("piece", ["a", "mail", "(", "android", "x/1 ", ".", "mozilla/5.0 (", "spark/1", "kaspersky"])
def test_no_agent_of_the_length_we_keep_takes_a_rule_long(piece: str) -> None:
    hostile = (piece * 512)[:512]
    patterns = [re.compile(rule.pattern) for rule in RULES]
    begun = process_time()
    for pattern in patterns:
        pattern.search(hostile)

    assert process_time() - begun < 0.1
