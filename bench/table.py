"""How results are written: Markdown tables, medians with their range, progress on standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median


@dataclass(kw_only=True)
class Table:
    """One table of a report. Cells are written as they are; the first column is left-aligned, the others right."""

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells for {len(self.columns)} columns")
        self.rows.append(cells)

    def markdown(self) -> str:
        rule = ["---", *["---:"] * (len(self.columns) - 1)]
        return "\n".join("| " + " | ".join(row) + " |" for row in (self.columns, rule, *self.rows)) + "\n"


def number(value: float) -> str:
    """A figure with no more digits than the noise of a measurement leaves meaning to: 1,420, 87, 3.1, 0.42."""
    if abs(value) >= 1000:
        return f"{round(value, -1):,.0f}"
    if abs(value) >= 20:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 2 else f"{value:.2f}"


def middle(values: Sequence[float]) -> str:
    """The median, and the range when there is one."""
    shown, low, high = (number(value) for value in (median(values), min(values), max(values)))
    return shown if low == high else f"{shown} ({low} to {high})"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(len(ordered) * share * 1000) // 1000) - 1)]


def progress(words: str) -> None:
    """Tell the person who waits what is going on."""
    print(f"bench: {words}", file=sys.stderr, flush=True)
