"""`unsealed rejudge` on a data folder with a history that older rules judged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from tests.parts.house import CLOUD, CURL, NOON, House, a_hit
from typer.testing import CliRunner

from unsealed.app.cli import cli
from unsealed.app.rejudge import read_since
from unsealed.model.errors import BadInput
from unsealed.model.event import Finding
from unsealed.store import counts, schema
from unsealed.store import engine as stores
from unsealed.store.migrate import migrate


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNSEALED_DATA", str(tmp_path))
    engine = stores.connect(stores.sqlite_url(tmp_path))
    migrate(engine)
    house = House(engine, tmp_path / "journal")
    first, second = house.message()[0], house.message()[0]
    house.write(a_hit(first, 300, CURL, CLOUD), a_hit(first, 300, CURL, CLOUD, link=1), a_hit(second, 300))
    house.take_in()
    with engine.begin() as connection:
        connection.execute(schema.events.update().values(finding="human_open"))
        counts.recount(connection)
    yield house
    engine.dispose()


def rejudge(*options: str) -> list[str]:
    result = CliRunner().invoke(cli, ["rejudge", *options])
    assert 0 == result.exit_code, (result.output, result.exception)
    return result.stdout.splitlines()


def test_it_says_what_changed_and_where_most(house: House) -> None:
    said = rejudge()

    assert [Finding.SCANNER, Finding.SCANNER_CLICK, Finding.HUMAN_OPEN] == house.findings()
    assert [
        "2 messages judged again; 2 events are now called something else",
        "",
        "before            after               events",
        "human open        scanner                  1",
        "human open        scanner click            1",
        "",
        "message             events  subject",
        "00000000000003e8         2  Offer",
    ] == said
    assert ["2 messages judged again; 0 events are now called something else"] == rejudge()


def test_a_dry_run_says_the_same_and_writes_nothing(house: House) -> None:
    before = rows(house.engine)

    said = rejudge("--dry-run")

    assert before == rows(house.engine)
    assert "2 messages judged again; 2 events would be called something else" == said[0]
    assert said[1:] == rejudge()[1:]


def rows(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    with engine.connect() as connection:
        return {
            name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for name, table in schema.metadata.tables.items()
        }


def test_nothing_came_since(house: House) -> None:
    assert ["0 messages judged again; 0 events are now called something else"] == rejudge("--since", "2026-11-21T13:00")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T12:30", datetime(2026, 11, 1, 12, 30, tzinfo=UTC)),
        ("2026-11-01T12:30+02:00", datetime(2026, 11, 1, 10, 30, tzinfo=UTC)),
    ],
)
def test_a_day_begins_in_utc(written: str, meant: datetime) -> None:
    assert meant == read_since(written, NOON)


@pytest.mark.parametrize("written", ["", "yesterday", "2026-13-01", "1 Nov 2026", "0001-01-01T00:00+10:00"])
def test_what_is_no_date_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(BadInput, match="write it like 2026-11-21"):
        read_since(written, NOON)


def test_a_day_before_computers_is_all_of_history() -> None:
    assert schema.EPOCH == read_since("0001-01-01", NOON)


def test_a_day_to_come_is_refused() -> None:
    with pytest.raises(BadInput, match="still to come"):
        read_since("2026-11-22", NOON)
