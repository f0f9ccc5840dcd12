"""Tables of databases, read through SQLAlchemy page by page. Needs the extra ``sql``."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.batch.formats import Reject, Row
from complaint_nlp.batch.sql_location import Location, is_sql, parse_location
from complaint_nlp.errors import DataError
from complaint_nlp.text.chars import is_broken

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Connection, Select, TableClause

__all__ = ["KEYS", "PAGE_ROWS", "SqlSource", "is_sql", "sql_rows"]

PAGE_ROWS: Final = 500
KEYS: Final = "keys.jsonl"
"""In the work folder: after how many rows which key stood, so that a resumed run begins right there."""
_MANY: Final = 20
_ROWS_COMPARE: Final = frozenset({"sqlite", "postgresql", "mysql", "mariadb"})
"""Databases that can compare several columns at once, which paging by several needs."""


class SqlSource:
    """A table or view that is read in the order of its key, page by page.

    The key is the primary key, or the column that ``key`` names (with the primary key behind it where values occur
    twice). SQLite tables without either go by the number of the row. What comes in behind the last key while the
    table is read is read too; what comes in before it is not.

    Args:
        text: names the table.
        key: column to go by; the primary key when ``None``.

    Attributes:
        location: the table.
        columns: names of its columns.
        key: names of the columns that make up the key; empty for SQLite's numbers of rows.

    Raises:
        ConfigError: SQLAlchemy or the driver is missing.
        DataError: there is no such database, table or column, or nothing that tells its rows apart.
    """

    def __init__(self, text: str, key: str | None = None) -> None:
        self.location = location = parse_location(text)
        if location.backend == "sqlite" and not location.url.database:
            msg = f"{location}: a database in memory holds nothing; name a file, as in sqlite:///file.db#table"
            raise DataError(msg)
        if location.file is not None and not location.file.is_file():
            msg = f"{location}: no such file as {location.file}"
            raise DataError(msg)
        with location.connected("cannot be read") as connection, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # types that SQLAlchemy does not know: the driver's will do
            self.columns, primary, unique = _reflected(connection, location)
            self.key = self._chosen(connection, key, primary, unique)
        if len(self.key) > 1 and location.backend not in _ROWS_COMPARE:
            msg = f"{location}: its key has several columns, and {location.backend} cannot page by them; use --key"
            raise DataError(msg)

    def __str__(self) -> str:
        """Return the table's name without passwords."""
        return str(self.location)

    @property
    def settings(self) -> list[Any]:
        """What a resumed run must find unchanged: where the rows come from, and in which order."""
        return [str(self.location), self.columns, self.key]

    def count(self) -> int:
        """Return how many rows there are now.

        Raises:
            DataError: the database does not answer.
        """
        from sqlalchemy import func, select

        with self.location.connected("cannot be counted") as connection:
            return int(connection.execute(select(func.count()).select_from(self._table())).scalar_one())

    def rows(self, read: int = 0, folder: Path | None = None) -> Iterator[Row | Reject]:
        """Yield the rows behind the first ``read``, with memory for one page.

        Args:
            read: how many rows to leave out.
            folder: keeps notes of the key after every page. With them a resumed run begins behind the key it had come
                to, and reads less than a page again, whatever was added or deleted before it; without them it
                counts from the first row.

        Raises:
            DataError: the database is gone; the message says after which row.
        """
        done, last = _noted(folder, read)
        notes = None if folder is None else (folder / KEYS).open("a", encoding="utf-8")
        try:
            with self.location.connected("cannot be read") as connection:
                while page := self._page(connection, done, last):
                    for row, last in page:  # noqa: B007 - the last one's key begins the next page
                        done += 1
                        if done > read:
                            yield _checked(done, row, self.columns)
                    if notes is not None:
                        notes.write(json.dumps([done, [_jsonable(value) for value in last or ()]]) + "\n")
                        notes.flush()
        finally:
            if notes is not None:
                notes.close()

    def _page(self, connection: Connection, done: int, last: list[Any] | None) -> list[tuple[Any, list[Any]]]:
        """Return the rows behind a key, each with its own; a row that the driver cannot read is its error."""
        from sqlalchemy.exc import DataError as Unreadable

        with self.location.errors(f"cannot be read after row {done:,}{self._at(last)}"):
            try:
                found = connection.execute(self._statement(last)).all()
            except Unreadable:  # such as a date that Python has no room for
                return self._singly(connection, last)
        places = [self.columns.index(name) for name in self.key] or [len(self.columns)]
        page: list[tuple[Any, list[Any]]] = [(row, [row[place] for place in places]) for row in found]
        if page and page[0][1] == last:  # without this it would come again for ever
            msg = f"{self}: the key{self._at(last)} comes back from the database as another value; use another --key"
            raise DataError(msg)
        return page

    def _singly(self, connection: Connection, last: list[Any] | None) -> list[tuple[Any, list[Any]]]:
        from sqlalchemy.exc import DataError as Unreadable

        page: list[tuple[Any, list[Any]]] = []
        for key in [list(row) for row in connection.execute(self._statement(last, keys_only=True)).all()]:
            try:
                page += [(row, key) for row in connection.execute(self._statement(last, 1)).all()]
            except Unreadable as error:
                page.append((self.location.reason(error), key))
            last = key
        return page

    def _at(self, last: list[Any] | None) -> str:
        if last is None or not self.key:
            return ""
        return f" ({', '.join(f'{name} = {value}' for name, value in zip(self.key, last, strict=True))})"

    def _table(self) -> TableClause:
        from sqlalchemy import column, table

        # columns without types: values stay as the driver gives them, and go back as they came
        return table(self.location.table, *map(column, self.columns), schema=self.location.schema)

    def _statement(self, last: list[Any] | None, limit: int | None = None, *, keys_only: bool = False) -> Select[Any]:
        from sqlalchemy import bindparam, literal_column, select, tuple_
        from sqlalchemy.types import NullType

        table = self._table()
        keys = [table.c[name] for name in self.key] or [literal_column("_rowid_")]
        asked = keys if keys_only else [*table.c, *([] if self.key else keys)]
        statement = select(*asked).select_from(table).order_by(*keys).limit(limit or PAGE_ROWS)
        if last is None:
            return statement
        values = [bindparam(f"last_{place}", value, type_=NullType()) for place, value in enumerate(last)]
        behind = keys[0] > values[0] if len(keys) == 1 else tuple_(*keys) > tuple_(*values)
        return statement.where(behind)

    def _chosen(
        self, connection: Connection, key: str | None, primary: list[str], unique: list[list[str]]
    ) -> list[str]:
        """Return the columns that tell the rows apart."""
        if key is None:
            if not primary and not self._numbered(connection):
                msg = f"{self}: has no primary key; name a column that tells its rows apart with --key"
                raise DataError(msg)
            chosen = primary
        elif key not in self.columns:
            msg = f"{self}: has no column {key!r} to go by; its columns are {', '.join(self.columns)}"
            raise DataError(msg)
        elif [key] in [primary, *unique] or not self._twice(connection, key):
            chosen = [key]
        elif primary:
            chosen = [key, *(name for name in primary if name != key)]
        else:
            msg = f"{self}: the column {key!r} does not tell its rows apart, and there is no primary key"
            raise DataError(msg)
        for name in chosen:
            if (name not in primary or self.location.backend == "sqlite") and self._missing(connection, name):
                msg = f"{self}: the column {name!r} is empty in some rows, which would be left out; use another --key"
                raise DataError(msg)
        return chosen

    def _twice(self, connection: Connection, name: str) -> bool:
        from sqlalchemy import func, select

        column = self._table().c[name]
        several = select(column).where(column.is_not(None)).group_by(column).having(func.count() > 1).limit(1)
        return connection.execute(several).first() is not None

    def _missing(self, connection: Connection, name: str) -> bool:
        from sqlalchemy import select

        column = self._table().c[name]
        return connection.execute(select(column).where(column.is_(None)).limit(1)).first() is not None

    def _numbered(self, connection: Connection) -> bool:
        """Return whether SQLite numbers the rows: it does not for views."""
        from sqlalchemy import inspect

        location = self.location
        if location.backend != "sqlite" or "_rowid_" in {name.lower() for name in self.columns}:
            return False
        tables = inspect(connection).get_table_names(location.schema)
        return location.table.lower() in {name.lower() for name in tables}


def sql_rows(location: str, key: str | None = None) -> tuple[list[str], Iterator[Row | Reject]]:
    """Return the columns of a table, and its rows in the order of its key, as :class:`SqlSource` reads them."""
    source = SqlSource(location, key)
    return source.columns, source.rows()


def _reflected(connection: Connection, location: Location) -> tuple[list[str], list[str], list[list[str]]]:
    """Return the columns of a table, those of its primary key, and those of every other unique key."""
    from sqlalchemy import inspect
    from sqlalchemy.exc import NoSuchTableError

    inspector, name, schema = inspect(connection), location.table, location.schema
    try:
        columns = [column["name"] for column in inspector.get_columns(name, schema)]
        primary = inspector.get_pk_constraint(name, schema)["constrained_columns"]
        unique = [item["column_names"] for item in inspector.get_unique_constraints(name, schema)]
    except NoSuchTableError as error:
        known = sorted({*inspector.get_table_names(schema), *inspector.get_view_names(schema)})
        listed = ", ".join(known[:_MANY]) + (", …" if len(known) > _MANY else "")
        msg = f"{location}: has no table {name!r}; its tables are {listed or 'none'}"
        raise DataError(msg) from error
    return columns, list(primary), [list(names) for names in unique]


def _checked(number: int, row: Any, columns: Sequence[str]) -> Row | Reject:  # noqa: ANN401 - a driver's row, or an error
    if isinstance(row, str):
        return Reject(number, f"cannot be read: {row}", "")
    values = dict(zip(columns, row, strict=False))
    if any(isinstance(value, str) and not value.isascii() and is_broken(value) for value in values.values()):
        content = json.dumps({name: str(value) for name, value in values.items()})
        return Reject(number, "holds bytes that are not text in UTF-8", content)
    return Row(number, values)


def _jsonable(value: Any) -> Any:  # noqa: ANN401 - a value of a key
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    # as text any type finds its way back: an untyped parameter takes that of the column
    return value if isinstance(value, int | float | str) else str(value)


def _noted(folder: Path | None, read: int) -> tuple[int, list[Any] | None]:
    """Return the last note at or before ``read`` rows, and drop those after it: they will be made again."""
    path = None if folder is None else folder / KEYS
    if path is None or not path.is_file():
        return 0, None
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if not line.endswith("\n") or json.loads(line)[0] > read:
            break
        kept.append(line)
    part = path.with_name(f"{KEYS}.part")
    part.write_text("".join(kept), encoding="utf-8")
    part.replace(path)
    if not kept:
        return 0, None
    done, key = json.loads(kept[-1])
    return done, [bytes.fromhex(value["bytes"]) if isinstance(value, dict) else value for value in key]
