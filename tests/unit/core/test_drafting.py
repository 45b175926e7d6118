"""A draft as a letter: what is wrong is said beside its field."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.unit.core.conftest import TRACKING

from unsealed.core.drafting import Desk, Material, Prepared, prepare
from unsealed.model.draft import Draft, Identity
from unsealed.model.message import UserId
from unsealed.model.policy import Switches

DESK = Desk(tracking=TRACKING, switches=Switches(), now=datetime(2026, 11, 21, 12, tzinfo=UTC))
ANN = Identity(address="ann@sender.example", name="Ann")


def prepared(draft: Draft, *identities: Identity) -> Prepared:
    return prepare(Material(user=UserId(1), draft=draft, identities=identities or (ANN,)), DESK, "id")


@pytest.mark.parametrize(
    ("draft", "fields"),
    [
        (Draft(), {"to"}),
        (Draft(to="ines", cc="rob", bcc="<"), {"to", "cc", "bcc"}),
        (Draft(to="a@x.example", subject="a\r\nBcc: b@x.example"), {"subject"}),
        (Draft(to="a@x.example", subject="x" * 10_000), {"subject"}),
        (Draft(to="a@x.example", html="<p>\0"), {"html"}),
        (Draft(to="a@x.example", html="<div>" * 5_000), {"html"}),
        (Draft(to="a@x.example", html='<a href="{{link}}">x</a>', subject="{{first_name}}"), {"html", "subject"}),
        (Draft(to="a@x.example", plain=True, text="{{first_name}}"), {"html"}),
        (Draft(sender="rob@other.example", to="a@x.example"), {"from"}),
        (Draft(to=", ".join(f"a{number}@x.example" for number in range(1_001))), {"to"}),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(draft: Draft, fields: set[str]) -> None:
    assert fields == set(prepared(draft).errors)


def test_who_has_no_address_cannot_send() -> None:
    material = Material(user=UserId(1), draft=Draft(to="ines@x.example", subject="s", html="<p>x</p>"), identities=())

    assert {"from": "You have no address to send from; prove one in Settings, Addresses."} == prepare(
        material, DESK, "id"
    ).errors


def test_a_placeholder_that_stops_the_sending_is_named() -> None:
    one = prepared(Draft(to="ines@y.example", subject="For {{first_name}}", html="<p>{{a}}, {{b}}"))

    assert "{{first_name}} still waits for its words; fill it in, or take it out." == one.errors["subject"]
    assert "{{a}}, {{b}} still wait for their words; fill them in, or take them out." == one.errors["html"]


def test_the_letter_of_a_draft_with_errors_is_looked_at_all_the_same() -> None:
    found = prepared(Draft(to="ines@x.example, rob", subject="{{name}}", html="<p>x</p>"))

    assert {"to", "subject"} == set(found.errors)
    assert found.intake is not None
    assert "<p>x</p>" in (found.page.html or "")


def test_a_signature_is_written_below_the_text_with_its_addresses_as_links() -> None:
    ann = Identity(address="ann@sender.example", name="Ann", signature="Ann <x>\nhttps://ann.example/")
    page = prepared(Draft(to="ines@x.example", subject="s", html="<p>x</p>"), ann).page

    assert page.text.endswith("-- \nAnn <x>\nhttps://ann.example/\n")
    assert '-- <br>Ann &lt;x&gt;<br><a href="https://ann.example/">https://ann.example/</a>' in (page.html or "")
    assert "-- " not in prepared(Draft(to="ines@x.example", html="<p>x</p>", signature=False), ann).page.text
