from __future__ import annotations

import dataclasses

from unsealed.model import view
from unsealed.model.view import Page, Signals


def test_a_shape_without_signals_counts_nothing() -> None:
    assert Signals(opens=0, clicks=0, raw=0, machine=0, confidence=None, first_at=None, last_at=None) == Signals()


def test_the_last_page_has_no_cursor() -> None:
    assert Page(items=("a",)).next is None


def test_shapes_are_values_that_never_change() -> None:
    shapes = [each for each in vars(view).values() if dataclasses.is_dataclass(each) and isinstance(each, type)]

    assert [] == [each for each in shapes if not each.__dataclass_params__.frozen]  # type: ignore[attr-defined]
