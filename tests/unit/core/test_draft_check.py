"""What a draft would become, said while it is typed."""

from __future__ import annotations

import pytest
from tests.unit.core.test_drafting import ANN, DESK

from unsealed.core.draft_check import check
from unsealed.core.drafting import Material
from unsealed.model.draft import Check, Draft
from unsealed.model.message import UserId

HTML = '<p><a href="https://offer.example/a">one</a> <a href="https://offer.example/c" data-unsealed="off">two</a></p>'


def checked(draft: Draft) -> Check:
    return check(Material(user=UserId(1), draft=draft, identities=[ANN]), DESK)


@pytest.mark.parametrize(
    ("opens", "clicks", "levels"),
    [(None, None, ("full", "full")), (True, True, ("full", "full")), (False, None, ("off", "full")),
     (None, False, ("full", "off")), (False, False, ("off", "off"))],
)  # fmt: skip
def test_the_switches_beside_send_hold(opens: bool | None, clicks: bool | None, levels: tuple[str, str]) -> None:
    found = checked(Draft(to="ines@x.example", html=HTML, opens=opens, clicks=clicks))

    assert levels == (found.opens, found.clicks)
    assert (clicks is not False) == bool(found.tracked)


@pytest.mark.parametrize(
    ("draft", "code"),
    [
        (Draft(to="a@x.example", subject="s", plain=True, text="hello"), "plain"),
        (Draft(to="a@x.example", subject="s", html="<p>" + "x" * 110_000), "clipped"),
        (Draft(to="a@x.example", html="<p>x</p>"), "no-subject"),
        (Draft(to="a@x.example", subject="s", html="<p>-----BEGIN PGP MESSAGE-----<br>x</p>"), "encrypted"),
    ],
)
def test_what_cannot_work_is_said(draft: Draft, code: str) -> None:
    found = checked(draft)

    assert ([code], {}) == ([each.code for each in found.warnings], found.errors)
