from __future__ import annotations

import pytest

from unsealed.model import errors
from unsealed.model.errors import (
    BadInput,
    BadToken,
    DeliveryFailed,
    DiskFull,
    Refused,
    Unavailable,
    UnsealedError,
    Untouchable,
    sentence,
    told,
)
from unsealed.model.texts import Phrase, Texts


def all_kinds(kind: type[UnsealedError] = UnsealedError) -> list[type[UnsealedError]]:
    return [kind, *(found for below in kind.__subclasses__() for found in all_kinds(below))]


@pytest.mark.parametrize(
    ("kind", "temporary"),
    [(BadInput, False), (BadToken, False), (Refused, False), (Unavailable, True), (DiskFull, True)],
)
def test_every_error_says_whether_trying_again_makes_sense(kind: type[UnsealedError], temporary: bool) -> None:
    assert temporary is kind().temporary


def test_without_words_the_docstring_is_the_message() -> None:
    assert "Not a token of this installation." == str(BadToken())
    assert "no room for the copy" == str(DiskFull("no room for the copy"))


def test_a_part_that_must_not_be_changed_carries_its_reason() -> None:
    error = Untouchable("signed")

    assert ("signed", "left unchanged: signed") == (error.reason, str(error))


@pytest.mark.parametrize("temporary", [True, False])
def test_a_failed_delivery_says_what_the_next_hop_said(temporary: bool) -> None:
    error = DeliveryFailed("no such user", temporary=temporary, code=550, status="5.1.1")

    assert (temporary, 550, "5.1.1") == (error.temporary, error.code, error.status)


def test_the_tree_in_the_docstring_shows_every_error_of_the_model() -> None:
    drawn = errors.__doc__ or ""
    kinds = [kind.__name__ for kind in all_kinds() if kind.__module__ == errors.__name__ and kind is not UnsealedError]

    assert [] == [name for name in kinds if name not in drawn]


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("the subject is long", "The subject is long."),
        ("ines@y.example: nothing is tracked", "ines@y.example: nothing is tracked."),
        ("“x” is no address!", "“x” is no address!"),
        ("", "."),
    ],
)
def test_an_address_in_front_of_a_sentence_keeps_its_letters(words: str, shown: str) -> None:
    assert shown == sentence(words)


def test_an_error_with_values_is_told_in_the_language_of_who_reads() -> None:
    german = Texts(
        one={
            "there are %(number)s": "%(number)s sind da",
            "%(field)s: %(why)s": "%(field)s – %(why)s",
            "the subject": "der Betreff",
            "100% wrong": "ganz falsch",
        }.get,  # type: ignore[arg-type]  # all that is asked for is there
        thousands=".",
    )
    inner = BadInput("there are %(number)s", number=3000)
    outer = BadInput("%(field)s: %(why)s", field=Phrase("the subject"), why=inner)
    typed = BadInput("%(field)s: %(why)s", field="the subject", why="")

    assert ("there are 3,000", "the subject: there are 3,000") == (str(inner), str(outer))
    assert ("3.000 sind da", "der Betreff – 3.000 sind da") == (told(inner, german), told(outer, german))
    assert "the subject – " == told(typed, german)
    assert "Ganz falsch." == sentence(BadInput("100% wrong"), german)
    assert "100% wrong." == sentence(BadInput("100% wrong"))
