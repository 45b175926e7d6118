from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unsealed.core.records import NAME_LETTERS, RECORDS, VALUE_LETTERS, link, read, refused
from unsealed.model.texts import ENGLISH


@pytest.mark.parametrize(
    "value", ["https://crm.example/contacts/4471", "http://crm.example:8080/x?y=1#z", "0031x00000ABC", "deal:4471"]
)
def test_an_id_or_a_web_address_is_kept(value: str) -> None:
    assert refused("CRM", value, ENGLISH) == ""


@pytest.mark.parametrize(
    "value",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "//evil.example/x",
        "https://",
        "https:evil.example",
        "https://user@evil.example/",
        "java\tscript:alert(1)",
        "https://crm.example/\u202egnp",
        "mailto:a@b.example",
    ],
)
def test_what_is_neither_is_refused(value: str) -> None:
    assert refused("CRM", value, ENGLISH) != ""
    assert link(value) == ""


@given(st.text(max_size=80))
def test_what_may_be_followed_leads_to_the_web(value: str) -> None:
    if found := link(value):
        assert urlsplit(found).scheme.lower() in ("http", "https")
        assert urlsplit(found).netloc


def test_what_is_missing_or_too_much_is_said() -> None:
    assert refused("", "4471", ENGLISH).startswith("Say which system")
    assert refused("CRM", "", ENGLISH).startswith("Give the number")
    assert "letters" in refused("C" * (NAME_LETTERS + 1), "1", ENGLISH)
    assert "letters" in refused("CRM", "1" * (VALUE_LETTERS + 1), ENGLISH)


def test_pairs_are_read_with_what_is_wrong_by_number() -> None:
    assert read([(" CRM ", " 4471 "), ("", ""), ("Shop", "javascript:x"), ("CRM", "2")], ENGLISH) == (
        {"CRM": "4471"},
        {2: "An address begins with https:// or http://, and names a host.", 3: "This name stands twice."},
    )
    kept, wrong = read(((f"System {each}", "1") for each in range(RECORDS + 1)), ENGLISH)

    assert (len(kept), list(wrong)) == (RECORDS, [RECORDS])
