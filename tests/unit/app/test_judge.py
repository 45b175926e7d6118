from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.patience import PATIENCE_S
from typer.testing import CliRunner, Result

from unsealed.app.cli import cli
from unsealed.app.judge import BadStories, judged
from unsealed.model.event import NetworkClass

STORIES = Path(__file__).parents[1] / "core" / "cases" / "stories.json"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
)
OPEN = {"n": 1, "t": 900, "type": "open", "ip": "203.0.113.21", "ip_class": "residential", "ua": CHROME}
CLICK = {**OPEN, "type": "click", "link": "L1"}


def stories(*requests: dict[str, Any], **scenario: Any) -> bytes:
    return json.dumps({"scenarios": [{"id": "S1", "requests": requests, **scenario}]}).encode()


def verdicts(*requests: dict[str, Any], **scenario: Any) -> list[str]:
    return [json.loads(line)["verdict"] for line in judged(stories(*requests, **scenario))]


def faults(raw: bytes) -> tuple[str, ...]:
    with pytest.raises(BadStories) as caught:
        judged(raw)
    return caught.value.faults


def run(*arguments: str | Path, given: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["judge", *map(str, arguments)], input=given)


# What comes out


def wrong(raw: bytes) -> list[str]:
    """The requests whose verdict is not the one that stands beside them."""
    allowed = {
        (scenario["id"], request["n"]): (request["verdict"], *request.get("also_acceptable", ()))
        for scenario in json.loads(raw)["scenarios"]
        for request in scenario["requests"]
    }
    said = [json.loads(line) for line in judged(raw)]
    assert list(allowed) == [(one["scenario"], one["n"]) for one in said]
    return [
        f"{one['scenario']} {one['n']}: {one['verdict']}"
        for one in said
        if one["verdict"] not in allowed[one["scenario"], one["n"]]
    ]


def test_the_public_scenarios_come_out_right(shared: Path) -> None:
    assert [] == wrong((shared / "data" / "scenarios.json").read_bytes())


def test_our_own_stories_come_out_right() -> None:
    assert [] == wrong(STORIES.read_bytes())


def test_the_page_about_it_tells_the_truth() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "ask-the-judge.md").read_text(encoding="utf-8")
    answer, story = re.findall(r"```json\n(.*?)```", page, re.DOTALL)

    assert answer.strip() == judged(story.encode())[1]


def test_each_request_gets_one_line_with_its_verdict_and_why() -> None:
    (line,) = judged(stories({**CLICK, "n": 7}))

    assert {
        "scenario": "S1",
        "n": 7,
        "verdict": "human_click",
        "confidence": 0.95,
        "reasons": [{"code": "BROWSER_DIRECT", "words": "followed in Chrome, 15 min after delivery"}],
    } == json.loads(line)


def test_requests_may_stand_in_any_order_and_are_answered_in_theirs() -> None:
    second = {**OPEN, "n": 2, "t": 902}

    assert ["duplicate", "human_open"] == verdicts(second, OPEN)
    assert ["human_open", "duplicate"] == verdicts({**OPEN, "n": 1}, {**OPEN, "n": 2})
    assert ["duplicate", "human_open"] == verdicts({**OPEN, "n": 2}, {**OPEN, "n": 1})


def test_without_a_class_the_address_is_looked_up() -> None:
    nameless = {key: value for key, value in CLICK.items() if key != "ip_class"}

    assert ["scanner_click", "human_click"] == verdicts({**nameless, "ip": "40.94.16.20"}, {**nameless, "n": 2})


@pytest.mark.parametrize("network", [*NetworkClass, "google_other", "link_preview_platform", "apple"])
def test_every_class_of_networks_is_understood(network: str) -> None:
    assert 1 == len(judged(stories({**OPEN, "ip_class": network})))


def test_a_hint_that_is_null_is_absent_and_one_that_is_missing_is_unknown() -> None:
    rented = {**CLICK, "ip_class": "hosting", "t": 20}

    assert ["scanner_click"] == verdicts({**rented, "hints": {"accept_language": None}})
    assert ["human_click"] == verdicts({**rented, "hints": {}})


def test_what_the_story_tells_of_the_sender_is_heard() -> None:
    own = {**OPEN, "ip_class": "residential"}

    assert ["self_open"] == verdicts(own, context={"sender_ips": [OPEN["ip"]]})
    assert ["human_open"] == verdicts(own, context={"sender_ips": [OPEN["ip"]], "shared_ips": [OPEN["ip"]]})
    assert ["self_click"] == verdicts({**CLICK, "hints": {"own_device": True}})


def test_unknown_keys_and_links_are_passed_over() -> None:
    assert ["human_click"] == verdicts({**CLICK, "mood": "bright", "link": "elsewhere"}, author="me", links=["L1"])


def test_recipients_have_their_own_copies() -> None:
    assert ["human_open", "human_open"] == verdicts(
        {**OPEN, "recipient": 1}, {**OPEN, "n": 2, "t": 901, "recipient": 2, "ip_class": "mobile_carrier"}
    )


def test_an_empty_list_has_no_answers() -> None:
    assert [] == judged(b'{"scenarios": []}')


# What goes wrong


def test_every_fault_is_told_with_its_place() -> None:
    raw = json.dumps(
        {
            "scenarios": [
                {"id": "S1", "requests": [{**OPEN, "t": "soon", "type": "look"}, {**CLICK, "n": 2, "link": None}]},
                {"id": "S1", "requests": [{**OPEN, "ip_class": "lunar"}, {**OPEN, "hints": {"accept_language": 3}}]},
                {"requests": "none"},
                5,
            ]
        }
    ).encode()

    classes = ", ".join(sorted(NetworkClass))
    assert (
        'scenario S1, request 1: type must be "open" or "click", not "look"',
        'scenario S1, request 1: t must be a number of seconds, not "soon"',
        "scenario S1, request 2: link is missing",
        f'scenario S1, request 1: ip_class "lunar" is unknown; it is one of {classes}',
        "scenario S1: request 1: this n is used twice",
        "scenario S1, request 1, hints: accept_language must be a text, not 3",
        "scenario number 3: id is missing",
        "scenario number 3: requests must be a list of objects",
        "scenario number 4: not an object",
        "scenario S1: this id is used twice",
    ) == faults(raw)


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"\xff{}", "the file is not UTF-8: byte 1 is 0xff"),
        (b'{"scenarios": [}', "the file is not JSON: Expecting value, line 1 column 16"),
        (b"[]", 'the file must be an object with a list "scenarios"'),
        (b"[" * 100_000, "the file is not a list of scenarios: it nests too deeply"),
        (stories({**OPEN, "t": 1e300}), "scenario S1, request 1: t must be a number of seconds, not 1e+300"),
        (stories({**OPEN, "t": True}), "scenario S1, request 1: t must be a number of seconds, not true"),
        (stories({**OPEN, "n": "x"}), 'scenario S1: request number 1: n must be a whole number, not "x"'),
        (
            stories(OPEN, context={"sender_views": [1, "x"]}),
            "scenario S1, context: sender_views must be a list of numbers of seconds",
        ),
    ],
)
def test_a_file_that_cannot_be_judged_says_why(raw: bytes, fault: str) -> None:
    assert (fault,) == faults(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("t", "n", "ip")), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("n", "t", "type", "link", "ip", "ip_class", "as_org", "method", "ua", "hints", "recipient")


@given(
    change=st.dictionaries(st.sampled_from(KEYS), JSON),
    context=JSON,
    links=JSON,
    trap=JSON,
    extra=st.lists(JSON, max_size=2),
)
def test_any_file_is_judged_or_refused_in_words(
    change: dict[str, object], context: object, links: object, trap: object, extra: list[object]
) -> None:
    scenario = {"id": "S1", "requests": [{**CLICK, **change}, *extra], "context": context, "links": links}
    raw = json.dumps({"scenarios": [{**scenario, "honeypot_link": trap}]}).encode()

    answers = tried(raw)

    assert all(fault.startswith("scenario S1") for fault in answers) or 1 + len(extra) == len(answers)


def tried(raw: bytes) -> list[str]:
    """The lines, or else what is wrong."""
    try:
        return judged(raw)
    except BadStories as bad:
        return list(bad.faults)


# The command


def test_the_command_reads_a_file_or_standard_input(tmp_path: Path) -> None:
    (tmp_path / "stories.json").write_bytes(stories(OPEN))

    from_file, from_input = run(tmp_path / "stories.json"), run("-", given=stories(OPEN))

    assert (0, 0) == (from_file.exit_code, from_input.exit_code)
    assert from_file.stdout == from_input.stdout
    assert "human_open" == json.loads(from_file.stdout)["verdict"]


def test_the_command_prints_nothing_when_anything_is_wrong() -> None:
    result = run("-", given=stories(OPEN, {**OPEN, "n": 2, "ip_class": "lunar"}))

    assert (2, "") == (result.exit_code, result.stdout)
    assert "-: scenario S1, request 2: ip_class" in result.stderr


def test_a_file_that_is_not_there_is_an_error_in_words(tmp_path: Path) -> None:
    result = run(tmp_path / "none.json")

    assert 2 == result.exit_code
    assert "none.json cannot be read: No such file or directory\n" in result.stderr


def test_a_real_process_answers() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "unsealed.app", "judge", "-"],
        input=STORIES.read_bytes(),
        capture_output=True,
        check=True,
        timeout=PATIENCE_S,
    )

    assert judged(STORIES.read_bytes()) == done.stdout.decode().splitlines()
