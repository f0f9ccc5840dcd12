"""Tables of databases, written from finished parts in one transaction. Needs the extra ``sql``."""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from complaint_nlp.batch.outputs import Encoder, Sink, TextSink
from complaint_nlp.batch.sql import SqlSource
from complaint_nlp.batch.sql_location import Location, make_engine, parse_location
from complaint_nlp.batch.sql_values import SqlEncoder, column_types, common_kind, fitter, kind_of
from complaint_nlp.errors import DataError
from complaint_nlp.report import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Select, Table

    from complaint_nlp.batch.options import LabelOptions

_BATCH: Final = 500
_WRITABLE: Final = ("sqlite", "postgresql")
_SERVER: Final = "SELECT current_database(), pg_postmaster_start_time()"


class SqlTarget:
    """A table to write.

    Args:
        text: names it.

    Attributes:
        location: the table.
        path: in the current directory, with the table's name: work folder, rejects and manifest are named after it.
            Nothing is written there itself.

    Raises:
        ConfigError: SQLAlchemy is not installed.
        DataError: the text names no table, or one of a database that is read only here.
    """

    def __init__(self, text: str) -> None:
        self.location = location = parse_location(text)
        if location.backend not in _WRITABLE:
            msg = f"{location}: only {' and '.join(_WRITABLE)} can be written to; write CSV or Parquet and load that"
            raise DataError(msg)
        if location.backend == "sqlite" and not location.url.database:
            msg = f"{location}: a database in memory would be gone at once; name a file: sqlite:///file.db#table"
            raise DataError(msg)
        self.path = Path(re.sub(r'[\\/:*?"<>|\s]', "_", location.label)).absolute()

    def __str__(self) -> str:
        """Return the table's name without passwords."""
        return str(self.location)

    def check(self, source: object, options: LabelOptions) -> None:
        """Refuse a table that exists, and the source itself.

        Args:
            source: what is read.
            options: say whether a table may be replaced.

        Raises:
            DataError: it must not be written.
        """
        location = self.location
        if options.partition_by:
            msg = f"{self}: --partition-by is for folders of Parquet files, not for tables"
            raise DataError(msg)
        if isinstance(source, SqlSource) and _same(location, source.location):
            msg = f"{self}: is the input itself; write to another table"
            raise DataError(msg)
        if location.file is not None and not location.file.exists():
            return
        with location.connected("cannot be written to") as connection:
            _check_free(connection, location, overwrite=options.overwrite)

    def output(
        self, own: Sequence[str], labels: Sequence[str], extra: Mapping[str, bool], *, overwrite: bool
    ) -> SqlOutput:
        """Return how the table is written, once the database has shown that it can hold it.

        Args:
            own: the input's own columns.
            labels: those of the standard tasks.
            extra: those of the user's own tasks, and whether they hold lists.
            overwrite: whether a table may be replaced.

        Raises:
            DataError: it cannot be made there.
        """
        made = SqlOutput(self.location, tuple(own), tuple(labels), tuple(extra), overwrite)
        made.rehearse()
        return made


@dataclass(frozen=True, slots=True)
class SqlOutput:
    """A table of text, integers, truth values, floating numbers and moments; lists are JSON text.

    The labels have the types of :func:`complaint_nlp.report.arrow_schema`, own columns those that hold their values.
    In SQLite moments are in UTC. Columns whose names the database cannot tell from others are called ``input_<name>``.

    Attributes:
        location: the table.
        own: names of the input's own columns.
        labels: those of the standard tasks.
        extra: those of the user's own tasks.
        overwrite: whether a table of this name is replaced, with what depends on it alone (indexes, grants).
    """

    location: Location
    own: tuple[str, ...]
    labels: tuple[str, ...]
    extra: tuple[str, ...]
    overwrite: bool = False

    @property
    def encoder(self) -> Encoder:
        """What turns rows into lines of JSON."""
        return SqlEncoder((*self.own, *self.labels, *self.extra))

    def open_part(self, path: Path) -> Sink:
        """Create a part."""
        return TextSink(path, None)

    def assemble(self, parts: Sequence[Path], target: Path) -> None:  # noqa: ARG002 - no file is written
        """Make the table with the rows of all parts; it appears, or takes the place of the old one, at once.

        Raises:
            DataError: the database says no; nothing is changed then.
        """
        from sqlalchemy import insert

        found = self._found(parts)
        kinds = [*found, *self._label_kinds()]
        fitters = [fitter(kind, sqlite=self.location.backend == "sqlite") for kind in kinds]
        if self.location.file is not None:
            self.location.file.parent.mkdir(parents=True, exist_ok=True)
        with self._transaction("cannot be written") as connection:
            table = self._create(connection, kinds)
            names = [column.name for column in table.columns]
            lines = _lines(parts)
            while batch := list(islice(lines, _BATCH)):
                rows = [
                    {
                        name: None if value is None else fit(value)
                        for name, fit, value in zip(names, fitters, row, strict=True)
                    }
                    for row in batch
                ]
                connection.execute(insert(table), rows)
            self._place(connection, table)

    def rehearse(self) -> None:
        """Make the table and take it back: better now than after hours of labelling.

        Raises:
            DataError: it cannot be made there.
        """
        from sqlalchemy.engine import make_url

        kinds = ["text"] * len(self.own) + self._label_kinds()
        location = self.location
        if location.file is not None and not location.file.exists():
            # the file appears only when it is complete
            location = Location(make_url("sqlite://"), location.schema, location.table)
        with self._transaction("cannot be made", location) as connection:
            self._create(connection, kinds)
            connection.rollback()

    def _label_kinds(self) -> list[str]:
        import pyarrow as pa

        def kind(given: pa.DataType) -> str:
            if pa.types.is_integer(given):
                return "int"
            if pa.types.is_floating(given):
                return "float"
            if pa.types.is_timestamp(given):
                return "moment"
            return "bool" if pa.types.is_boolean(given) else "text"

        schema = arrow_schema()
        return [*(kind(schema.field(name).type) for name in self.labels), *["text"] * len(self.extra)]

    def _found(self, parts: Sequence[Path]) -> list[str]:
        """Return the kinds of the own columns: what all their values need."""
        seen: list[set[str]] = [set() for _ in self.own]
        for row in _lines(parts):
            for kinds, value in zip(seen, row, strict=False):
                if value is not None:
                    kinds.add(kind_of(value))
        return [common_kind(kinds) for kinds in seen]

    def _names(self) -> list[str]:
        """Return the names of the columns as the database can hold them."""
        labels = [*self.labels, *self.extra]
        if self.location.backend == "postgresql":
            names = [*self.own, *labels]
            long = next((name for name in names if len(name.encode()) > 63), None)  # noqa: PLR2004 - PostgreSQL's limit
            if long is not None:
                msg = f"{self.location}: the name of the column {long!r} is longer than 63 bytes; see --columns"
                raise DataError(msg)
            return names
        taken = {name.lower() for name in labels}
        own = []
        for name in self.own:
            new = name
            while new.lower() in taken:
                new = f"input_{new}"
            taken.add(new.lower())
            own.append(new)
        return [*own, *labels]

    def _create(self, connection: Connection, kinds: Sequence[str]) -> Table:
        """Create the table under a name of its own."""
        from sqlalchemy import Column, MetaData, Table

        types = column_types()
        columns = [Column(name, types[kind]) for name, kind in zip(self._names(), kinds, strict=True)]
        name = f"complaint_nlp_{uuid4().hex[:16]}"
        table = Table(name, MetaData(), *columns, schema=self.location.schema)
        table.create(connection)
        return table

    def _place(self, connection: Connection, table: Table) -> None:
        """Give the table its name, and let the old one go."""
        from sqlalchemy import MetaData, Table, inspect

        location = self.location
        _check_free(connection, location, overwrite=self.overwrite)
        if inspect(connection).has_table(location.table, location.schema):
            Table(location.table, MetaData(), schema=location.schema).drop(connection)
        quoted = connection.dialect.identifier_preparer
        new = quoted.quote_identifier(location.table)
        connection.exec_driver_sql(f"ALTER TABLE {quoted.format_table(table)} RENAME TO {new}")

    @contextmanager
    def _transaction(self, what: str, location: Location | None = None) -> Iterator[Connection]:
        """Yield a connection whose work counts at the end, all of it or none."""
        engine = make_engine(location or self.location, writing=True)
        try:
            with self.location.errors(what), engine.connect() as connection:
                yield connection
                connection.commit()
        finally:
            engine.dispose()


def _lines(parts: Sequence[Path]) -> Iterator[list[Any]]:
    for part in parts:
        with part.open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                yield json.loads(line)


def first_rows(text: str, count: int) -> list[dict[str, Any]]:
    """Return the first rows of a table that was just written, lists as lists."""
    from sqlalchemy import literal_column, select, table

    location = parse_location(text)
    labels = arrow_schema()
    with location.connected("cannot be read") as connection:
        asked: Select[Any] = select(literal_column("*")).select_from(table(location.table, schema=location.schema))
        rows = [dict(row) for row in connection.execute(asked.limit(count)).mappings()]
    for row in rows:
        for name, kind in zip(labels.names, labels.types, strict=True):
            if str(kind).startswith("list") and isinstance(row.get(name), str):
                row[name] = json.loads(row[name])
    return rows


def _check_free(connection: Connection, location: Location, *, overwrite: bool) -> None:
    from sqlalchemy import inspect

    inspector = inspect(connection)
    if not inspector.has_table(location.table, location.schema):
        return
    if not overwrite:
        msg = f"{location}: exists already; use --overwrite to replace it"
        raise DataError(msg)
    if location.table not in inspector.get_table_names(location.schema):
        msg = f"{location}: is no plain table, so it is not replaced; write to another name"
        raise DataError(msg)


def _same(one: Location, other: Location) -> bool:
    """Return whether two names are those of one table."""
    if one.backend != other.backend:
        return False
    if one.backend == "sqlite":
        files = [os.path.realpath(location.url.database or "") for location in (one, other)]
        names = [((location.schema or "main").lower(), location.table.lower()) for location in (one, other)]
        return files[0] == files[1] and names[0] == names[1]
    return one.table == other.table and _whereabouts(one) == _whereabouts(other)


def _whereabouts(location: Location) -> tuple[Any, ...]:
    """Return the server, database and schema that a name leads to, whatever it calls them."""
    from sqlalchemy import inspect

    with location.connected("cannot be reached") as connection:
        found = connection.exec_driver_sql(_SERVER).one()
        return (*found, location.schema or inspect(connection).default_schema_name)
