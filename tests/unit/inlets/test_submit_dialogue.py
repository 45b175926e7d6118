"""What the dialogue counts; what it says is asked over real connections in tests/parts/mail/test_submit.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.inlets.submit_dialogue import longest_line


@pytest.mark.parametrize(
    ("content", "longest"),
    [(b"", 0), (b"\r\n", 0), (b"a\r\nbcd\r\n", 3), (b"a\nb\rc\r\n", 5), (b"a\r\nno end", 1)],
)
def test_only_crlf_ends_a_line(content: bytes, longest: int) -> None:
    assert longest == longest_line(content)


@given(st.lists(st.binary(max_size=50).filter(lambda line: b"\r" not in line)))
def test_the_longest_line_is_found_wherever_it_stands(lines: list[bytes]) -> None:
    assert max(map(len, lines), default=0) == longest_line(b"".join(line + b"\r\n" for line in lines))
