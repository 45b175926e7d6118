"""Many rows at once, without what SQLAlchemy does for each of their values."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    ClauseElement,
    ColumnElement,
    Connection,
    Dialect,
    TableValuedAlias,
    Text,
    TypeDecorator,
    any_,
    bindparam,
    func,
    select,
)
from sqlalchemy.types import TypeEngine

from unsealed.store.schema import EPOCH, MICROSECOND


class ManyRows:
    """A statement for many rows, compiled once for each database.

    SQLAlchemy looks at every value of every row on its way, which costs more than the database does. So rows go to the
    driver as it takes them: tuples in the order of `columns`, times as integers.
    """

    def __init__(self, make: Callable[[Dialect], ClauseElement], columns: Sequence[str]) -> None:
        self._make = make
        self._columns = tuple(columns)
        self._compiled: dict[str, tuple[str, Callable[[tuple[object, ...]], tuple[object, ...]] | None]] = {}

    def run(self, connection: Connection, rows: list[tuple[object, ...]]) -> None:
        """Once for each of `rows`."""
        if not rows:
            return
        dialect = connection.dialect
        if dialect.name not in self._compiled:
            kind: Any = type(dialect)
            positional = kind(paramstyle="qmark" if dialect.name == "sqlite" else "format")
            compiled: Any = self._make(dialect).compile(dialect=positional, column_keys=list(self._columns))
            order = [self._columns.index(name) for name in compiled.positiontup]
            as_given = order == list(range(len(self._columns)))
            self._compiled[dialect.name] = str(compiled), None if as_given else itemgetter(*order)
        sql, ordered = self._compiled[dialect.name]
        connection.exec_driver_sql(sql, rows if ordered is None else [ordered(row) for row in rows])


def stored(at: datetime | None) -> int | None:
    """A time as the database keeps it."""
    return None if at is None else (at - EPOCH) // MICROSECOND


def among(connection: Connection, column: ColumnElement[int], ids: Collection[int]) -> ColumnElement[bool]:
    """That a column holds one of these. They are one value, as a statement with hundreds takes longer to make than to
    answer."""
    if connection.dialect.name == "postgresql":
        return column == any_(bindparam(None, list(ids), ARRAY(BigInteger)))
    return column.in_(select(_of_json(list(ids)).c.value))


class Several(TypeDecorator[Collection[str]]):
    """Any number of texts as one bound value."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(Text()) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Collection[str] | None, dialect: Dialect) -> Any:
        values = list(value or ())
        return values if dialect.name == "postgresql" else json.dumps(values)


def each_of(dialect: str, values: BindParameter[Collection[str]]) -> ColumnElement[str]:
    """A row for each of these values, of type `Several`; what is asked beside it is asked for one after the other, in
    one statement."""
    if dialect == "postgresql":
        return func.unnest(values).table_valued("value").render_derived().c.value
    return func.json_each(values).table_valued("value").c.value


def _of_json(values: list[Any]) -> TableValuedAlias:
    return func.json_each(json.dumps(values)).table_valued("value")
