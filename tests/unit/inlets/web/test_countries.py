from __future__ import annotations

from unsealed.inlets.web.countries import COUNTRIES, country


def test_every_code_has_two_capitals_and_a_name_of_its_own() -> None:
    assert len(COUNTRIES) == 250  # the 249 of ISO 3166-1, and Kosovo
    assert all(len(code) == 2 and code.isascii() and code.isupper() for code in COUNTRIES)
    assert len(set(COUNTRIES.values())) == len(COUNTRIES)
    assert all(name[0].isupper() and name == name.strip() for name in COUNTRIES.values())


def test_a_code_of_no_country_is_shown_as_it_is() -> None:
    assert (country("PT"), country("ZZ"), country("")) == ("Portugal", "ZZ", "")
