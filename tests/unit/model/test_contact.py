from __future__ import annotations

from unsealed.model.contact import Dealing


def test_what_pages_and_programs_call_a_dealing_stays() -> None:
    assert [each.value for each in Dealing] == ["sent", "opened", "clicked", "replied", "automatic", "bounced"]
