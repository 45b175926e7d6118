"""The measurements run, with tiny numbers: what they find is not looked at, only that it was found."""

from __future__ import annotations

import re
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))  # bench/ is started from the root of the repository

from bench import ingest, live, memory, places, postfix, rewrite, submit
from bench.table import Table

pytestmark = pytest.mark.walk
FIGURE = re.compile(r"[\d,.]+")


def figures(table: Table, column: int) -> list[float]:
    """The first number of each cell of a column."""
    return [float(found[0].replace(",", "")) for row in table.rows if (found := FIGURE.match(row[column]))]


def test_hostile_input_and_memory_are_measured() -> None:
    grown = rewrite.growth((500, 1_000))
    taken = rewrite.memory((1,))

    assert all(len(row) == 4 for row in grown.rows)
    assert 2 == len(figures(taken, 2))


def test_submission_into_the_sandbox_is_measured() -> None:
    table = submit.sandbox(1, 10, (2,))

    assert ["2 kB, 2 connections", "50 kB, 2 connections"] == [row[0] for row in table.rows]
    assert all(rate > 0 for rate in figures(table, 1) + figures(table, 2))


def test_submission_to_a_next_hop_is_measured_beside_postfix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postfix, "relay", nullcontext)  # the sink itself stands in: tests install no mail server
    monkeypatch.setattr(postfix, "version", lambda: "0")

    table = submit.side_by_side(1, 10, 2)

    assert 6 == len(table.rows) == len(figures(table, 2))


def test_the_way_from_hit_to_browser_is_measured() -> None:
    table = live.found(20, 0.5)

    assert ["0", "0", "0"] == [row[-1] for row in table.rows]


def test_messages_that_are_asked_for_all_the_time_are_measured() -> None:
    (row,) = live.found_spread([3], 1.0, 10).rows

    assert ("3 messages", "10", "500", "0") == (*row[:3], row[-1])


def test_looking_addresses_up_is_measured() -> None:
    table = places.look_ups(200, 200, 1)

    assert ["IPv4", "IPv6"] == [row[0] for row in table.rows]
    assert all(cost > 0 for cost in figures(table, 1))


def test_the_memory_of_every_process_is_measured() -> None:
    table = memory.processes(0.1, 0.5)

    assert {"parent", "collect", "judge", "hot", "mail", "observe", "web", "all"} == {row[0] for row in table.rows}
    assert all(size > 1 for size in figures(table, 1))


def test_what_a_hit_costs_in_a_long_history_is_measured() -> None:
    table = ingest.grown(1, 50)

    assert ["an hour", "a minute", "a second"] == [row[0] for row in table.rows]
    assert all(len(row) == 4 for row in table.rows)
