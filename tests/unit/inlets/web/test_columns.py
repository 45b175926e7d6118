from __future__ import annotations

from unsealed.app.languages import languages
from unsealed.inlets.web import figures
from unsealed.inlets.web.columns import heads
from unsealed.model.texts import ENGLISH
from unsealed.store import reports


def test_every_column_of_a_file_has_a_head_of_its_own_in_every_language() -> None:
    for texts in (ENGLISH, languages().known["de"]):
        for columns in (reports.SENT, reports.PEOPLE, reports.HAPPENED, figures.COLUMNS):
            assert len(columns) == len(set(heads(columns, texts)))


def test_in_english_a_head_is_what_the_api_calls_it() -> None:
    assert reports.PEOPLE == heads(reports.PEOPLE, ENGLISH)
