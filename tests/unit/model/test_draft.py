from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.model.draft import Draft, FromTemplate, Mode, draft_from, draft_json
from unsealed.model.errors import BadInput

TEXT = st.text(st.characters(exclude_categories=["Cs"]))  # with NUL and every other control character
DRAFTS = st.builds(
    Draft,
    sender=TEXT,
    to=TEXT,
    cc=TEXT,
    bcc=TEXT,
    subject=TEXT,
    html=TEXT,
    text=TEXT,
    plain=st.booleans(),
    opens=st.none() | st.booleans(),
    clicks=st.none() | st.booleans(),
    answers=TEXT,
    mode=st.sampled_from(Mode),
    quote=st.booleans(),
    signature=st.booleans(),
    template=st.none() | st.builds(FromTemplate, id=TEXT, version=st.integers(0, 9)),
)


@given(DRAFTS)
def test_a_draft_is_kept_exactly_as_it_was_typed(draft: Draft) -> None:
    kept = draft_json(draft)

    assert draft == draft_from(kept)
    assert "\0" not in kept  # PostgreSQL keeps none


def test_its_sender_is_called_from_outside() -> None:
    assert "ann@x.example" == json.loads(draft_json(Draft(sender="ann@x.example")))["from"]


def test_drafts_of_other_versions_can_be_read() -> None:
    assert Draft(to="a") == draft_from('{"to": "a", "invented_later": 1}')


@pytest.mark.parametrize("raw", ["", "[]", "null", '{"to": 1}', '{"mode": "shout"}', "[" * 100_000])
def test_what_is_no_draft_is_refused(raw: str) -> None:
    with pytest.raises(BadInput):
        draft_from(raw)
