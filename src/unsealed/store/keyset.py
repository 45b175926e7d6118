"""Pages by key: the place in a list that a page ended at, as an opaque cursor.

A list in an order of descending (moment, number) goes on behind the cursor, whatever came on top of it meanwhile.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, or_

from unsealed.model.errors import BadInput
from unsealed.model.message import from_public_id, public_id
from unsealed.store.schema import EPOCH, MICROSECOND

PAGE_LIMIT = 200


def bounded(limit: int) -> int:
    """A length of a page, from 1 to PAGE_LIMIT."""
    return max(1, min(limit, PAGE_LIMIT))


def cursor_of(at: datetime, number: int) -> str:
    """The place of a row."""
    return f"{(at - EPOCH) // MICROSECOND:x}.{public_id(number)}"


def place_of(cursor: str) -> tuple[datetime, int]:
    """The moment and the number that a cursor stands for.

    Raises:
        BadInput: this is not a cursor.
    """
    first, _, second = cursor.partition(".")
    number = from_public_id(second)
    try:
        at = EPOCH + int(first, 16) * MICROSECOND
    except (ValueError, OverflowError):
        number = None
    if number is None:
        raise BadInput("this is not a cursor of this list")
    return at, number


def behind(
    query: Select[Any], key: ColumnElement[datetime], number: ColumnElement[int], after: str | None
) -> Select[Any]:
    """Only what stands behind the cursor in an order of descending (key, number).

    Raises:
        BadInput: this is not a cursor.
    """
    if not after:
        return query
    at, place = place_of(after)
    # `key <= at` alone lets the index find the place on both databases.
    return query.where(key <= at, or_(key < at, number < place))
