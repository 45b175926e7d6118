"""What all routes of the API ask of a request."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast
from unittest.mock import Mock

import msgspec
import pytest
from sqlalchemy import Connection
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException

from unsealed.inlets.api.door import LIMIT, Question, decoded
from unsealed.model.errors import BadInput
from unsealed.model.message import MessageId, UserId, public_id
from unsealed.store.keyset import PAGE_LIMIT


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    name: str


def question(query: str = "", **path: str) -> Question:
    return Question(
        connection=cast(Connection, None),
        user=UserId(1),
        now=datetime.now(UTC),
        given=QueryParams(query),
        path=path,
        desk=Mock(),
    )


def test_a_parameter_that_is_not_known_is_named_with_those_that_are() -> None:
    with pytest.raises(BadInput, match="unknown parameter 'lmit'; known here: cursor, limit"):
        question("cursor=a&lmit=5").only("cursor", "limit")
    with pytest.raises(BadInput, match="none is known here"):
        question("limit=5").only()


@pytest.mark.parametrize(("said", "limit"), [("", LIMIT), ("limit=1", 1), (f"limit={PAGE_LIMIT}", PAGE_LIMIT)])
def test_a_page_is_as_long_as_was_asked(said: str, limit: int) -> None:
    assert limit == question(said).limit


@pytest.mark.parametrize("said", ["0", "-1", "", "five", "²", "00001", str(PAGE_LIMIT + 1)])
def test_a_limit_is_a_number_that_is_allowed(said: str) -> None:
    with pytest.raises(BadInput, match="limit is a number from 1 to"):
        _ = question(f"limit={said}").limit


def test_an_empty_cursor_is_the_first_page() -> None:
    assert (None, "x", "x") == (question("cursor=").cursor, question("cursor=x").cursor, question("after=x").cursor)


def test_a_message_is_named_by_its_public_id_alone() -> None:
    assert MessageId(77) == question(id=public_id(77)).message_id
    with pytest.raises(HTTPException) as refused:
        _ = question(id="77").message_id
    assert 404 == refused.value.status_code


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"name=Ann", "malformed"),
        (b'{"name": "\xff"}', "utf-8"),
        (b'{"name": 5}', r"\$.name"),
        (b'{"name": "Ann", "age": 5}', "age"),
        (b"[" * 50 + b"]" * 50, "object"),
    ],
)
def test_a_body_that_is_not_what_is_asked_for_is_refused_with_the_reason(body: bytes, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        decoded(body, Wish)


def test_a_body_is_read_as_what_is_asked_for() -> None:
    assert Wish("Ann") == decoded(b'{"name": "Ann"}', Wish)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (b"", "the body is empty; JSON is expected"),
        (b" \r\n", "the body is empty; JSON is expected"),
        (b'{"name": "x"', "the body ends in the middle of its JSON"),
    ],
)
def test_a_body_that_is_not_there_or_not_whole_is_called_so(written: bytes, words: str) -> None:
    with pytest.raises(BadInput, match=f"^{words}$"):
        decoded(written, Wish)
