"""Ranges on disk: whole or refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unsealed.model.errors import BadInput
from unsealed.store.range_file import compile_ranges, load, pack

ROWS = [
    (4, 0x0A000000, 0x0AFFFFFF, 64512, "Example Telecom"),
    (4, 0x0A010000, 0x0A01FFFF, 64513, "Пример"),
    (6, 0x2001 << 112, (0x2001 << 112) + (1 << 96) - 1, 64512, "Example Telecom"),
]


def test_what_was_packed_is_loaded_with_its_meanings(tmp_path: Path) -> None:
    path = tmp_path / "routes.ranges"
    path.write_bytes(pack(compile_ranges(ROWS)))
    ranges = load(path)

    assert compile_ranges(ROWS) == ranges
    assert [(64512, "Example Telecom"), (64513, "Пример"), (64512, "Example Telecom"), (0, "")] == [
        ranges.meaning(ranges.table.find(version, number))
        for version, number in [(4, 0x0A000001), (4, 0x0A010001), (6, 0x2001 << 112), (4, 0x0B000000)]
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    whole = pack(compile_ranges(ROWS))
    at = data.draw(st.integers(0, len(whole) - 1))
    path = tmp_path / "routes.ranges"
    path.write_bytes(whole[:at] if data.draw(st.booleans()) else whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])

    with pytest.raises(BadInput):
        load(path)
