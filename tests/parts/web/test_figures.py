from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine
from tests.parts import many_letters

from unsealed.app.languages import languages
from unsealed.inlets import report
from unsealed.inlets.web.figures import COLUMNS, lines
from unsealed.model.message import UserId
from unsealed.model.texts import ENGLISH
from unsealed.store.engine import reading

MARA = UserId(0x5E9D_0000_0000_0001)
GERMAN = languages().known["de"]
OURS = {"filter", "template", "subject", "comparison"}  # sections whose names, or what is filtered by, are of people


def test_a_file_names_everything_in_the_language_of_who_reads_and_counts_the_same(
    engine: Engine, mail: Any, clock: Callable[[], datetime]
) -> None:
    with engine.begin() as connection:
        many_letters.write(connection, MARA, clock(), letters=600)
    for query in ({"tag": "spring"}, {"by": "subject"}, {"by": "link", "period": "7"}):
        with reading(engine) as connection:
            made = report.make(connection, MARA, report.read(query, clock(), UTC), clock(), UTC)

        english, german = list(lines(made, ENGLISH)), list(lines(made, GERMAN))

        assert {len(COLUMNS)} == {len(row) for row in english}
        assert [row[2:7] for row in english] == [row[2:7] for row in german]
        sections = {row[0]: other[0] for row, other in zip(english, german, strict=True)}
        assert len(sections) == len(set(sections.values()))
        assert {"filter", "link"} >= {name for name, said in sections.items() if name == str(said).lower()}
        names = {row[1] for row in english if row[0] not in {*OURS, "link"}}
        assert set() == names & {row[1] for row in german}
        assert set() == {row[7] for row in english if row[0] != "link"} & {row[7] for row in german} - {""}
