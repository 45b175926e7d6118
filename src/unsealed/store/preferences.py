"""What a user likes, by name: small values that a page remembers.

Promises that a value which cannot be read any more counts as never said.
"""

from __future__ import annotations

import json
from typing import TypeVar

from sqlalchemy import Connection, bindparam, select

from unsealed.model.message import UserId
from unsealed.store.engine import insert
from unsealed.store.schema import preferences

Value = TypeVar("Value", bool, int, str, list[str], dict[str, str])

UNDO_S = "undo_s"  # how many seconds a letter waits in which it can be taken back
UNDO_S_DEFAULT = 10
UNDO_S_MAX = 60
LANGUAGE = "language"  # code of the language that was chosen; none: as the browser asks
CLOCK = "clock"  # "12" or "24": how hours are counted, as it was chosen; none: as the browser does
# What the browser said at the last sign-in, for what is written without it.
BROWSER_LANGUAGE = "browser_language"
BROWSER_ZONE = "browser_zone"  # IANA name
BROWSER_CLOCK = "browser_clock"


def get(connection: Connection, user: UserId, key: str, default: Value) -> Value:
    """What the user said, or `default`, of whose kind every value under this key is."""
    found = connection.execute(_VALUE, {"user": user, "key": key}).scalar_one_or_none()
    return default if found is None else _read(found, default)


def _read(kept: str, default: Value) -> Value:
    try:
        value = json.loads(kept)
    except ValueError:
        return default
    return value if type(value) is type(default) else default


_VALUE = select(preferences.c.value).where(
    preferences.c.user_id == bindparam("user"), preferences.c.key == bindparam("key")
)


def put(connection: Connection, user: UserId, key: str, value: Value) -> None:
    """Remember it, in the caller's transaction. key: at most 32 characters."""
    statement = insert(preferences, connection.dialect).on_conflict_do_update(
        index_elements=["user_id", "key"], set_={"value": json.dumps(value)}
    )
    connection.execute(statement, {"user_id": user, "key": key, "value": json.dumps(value)})


def undo_s(connection: Connection, user: UserId) -> int:
    """How many seconds a letter of this user waits, 0 to 60."""
    return min(max(get(connection, user, UNDO_S, UNDO_S_DEFAULT), 0), UNDO_S_MAX)


def language(connection: Connection, user: UserId) -> str:
    """Code of the language that the user chose for the pages; "": as the browser asks."""
    return get(connection, user, LANGUAGE, "")


def words(connection: Connection, user: UserId, *keys: str) -> list[str]:
    """What stands under these keys, all of which hold words; "" where nothing was said."""
    found = {row.key: _read(row.value, "") for row in connection.execute(_WORDS, {"user": user, "keys": keys})}
    return [found.get(key, "") for key in keys]


_WORDS = select(preferences.c.key, preferences.c.value).where(
    preferences.c.user_id == bindparam("user"), preferences.c.key.in_(bindparam("keys", expanding=True))
)


def language_of_letters(connection: Connection, user: UserId) -> str:
    """Code of the language for what is written to the user when no browser asks: the chosen one, else that of the
    last sign-in; "" when neither is known."""
    chosen, asked = words(connection, user, LANGUAGE, BROWSER_LANGUAGE)
    return chosen or asked
