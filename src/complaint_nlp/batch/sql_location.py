"""Where tables of databases are: their names, the way there, and what goes wrong on it. Needs the extra ``sql``.

A table is named by a SQLAlchemy URL and ``#table`` or ``#schema.table`` behind it:
``sqlite:///complaints.db#messages``, ``postgresql+psycopg://user@host/base#service.messages``. A name that holds a dot
stands in double quotes. Passwords are shown as ``***`` wherever a table is named.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus

from complaint_nlp.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection, Engine

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]*://")
_NAME: Final = r'"(?:[^"]|"")+"|[^".]+'
_TABLE: Final = re.compile(rf"(?:(?P<schema>{_NAME})\.)?(?P<table>{_NAME})")
_SECRET: Final = re.compile(r"pass|pwd|secret|token|odbc_connect", re.IGNORECASE)
_HIDDEN: Final = "***"


def is_sql(text: object) -> bool:
    """Return whether a source or target is named by a URL, as tables of databases are."""
    return _URL.match(str(text)) is not None


@dataclass(frozen=True)
class Location:
    """A table of a database.

    Attributes:
        url: of the database.
        schema: of the table; ``None`` for the database's own choice.
        table: its name.
    """

    url: URL = field(repr=False)
    schema: str | None
    table: str

    def __str__(self) -> str:
        """Return the whole name without passwords."""
        return f"{self.shown_url}#{self.label}"

    @property
    def label(self) -> str:
        """The table's name behind that of its schema."""
        return self.table if self.schema is None else f"{self.schema}.{self.table}"

    @property
    def shown_url(self) -> str:
        """The URL without passwords."""
        query = {key: _HIDDEN if _SECRET.search(key) else value for key, value in self.url.query.items()}
        shown: str = self.url.set(query=query).render_as_string(hide_password=True)
        return shown.replace(quote_plus(_HIDDEN), _HIDDEN)

    @property
    def backend(self) -> str:
        """The kind of database: ``sqlite``, ``postgresql``, ..."""
        return str(self.url.get_backend_name())

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database; ``None`` for any other, and for one named by SQLite's own kind of URI."""
        if self.backend != "sqlite" or "uri" in self.url.query or not self.url.database:
            return None
        return Path(self.url.database)

    def reason(self, error: BaseException) -> str:
        """Return the first line of what a driver says, without passwords, statements and what rows hold."""
        said = str(getattr(error, "orig", None) or error).strip()
        line = said.splitlines()[0] if said else type(error).__name__
        secrets = [self.url.password, *(value for key, value in self.url.query.items() if _SECRET.search(key))]
        for secret in secrets:
            if secret:
                line = line.replace(str(secret), _HIDDEN)
        return line

    @contextmanager
    def errors(self, what: str) -> Iterator[None]:
        """Turn errors of the database into one line that says what could not be done.

        Raises:
            DataError: instead of SQLAlchemy's.
        """
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except SQLAlchemyError as error:
            msg = f"{self}: {what}: {self.reason(error)}"
            raise DataError(msg) from error

    @contextmanager
    def connected(self, what: str) -> Iterator[Connection]:
        """Yield a connection for reading, on which no transaction stays open.

        Raises:
            ConfigError: the driver is missing.
            DataError: the database does not answer, or says no; ``what`` says what could not be done.
        """
        engine = make_engine(self)
        try:
            with self.errors(what), engine.connect() as connection:
                yield connection.execution_options(isolation_level="AUTOCOMMIT")
        finally:
            engine.dispose()


def parse_location(text: str) -> Location:
    """Return the table that a text names.

    Raises:
        ConfigError: SQLAlchemy is not installed.
        DataError: it names none.
    """
    try:
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError
    except ImportError as error:
        msg = f"databases need SQLAlchemy: pip install 'complaint-nlp[sql]' ({error})"
        raise ConfigError(msg) from error
    address, sign, name = text.rpartition("#")
    try:
        url = make_url(address if sign else text)
    except (ArgumentError, ValueError):
        # what SQLAlchemy says may hold the password
        msg = f"{text.partition('://')[0]}://…: is no URL of a database, such as sqlite:///file.db#table"
        raise DataError(msg) from None
    found = _TABLE.fullmatch(name) if sign else None
    if found is None:
        shown = Location(url, None, "").shown_url
        msg = f"{shown}: names no table; write {shown}#table or {shown}#schema.table (a name with a dot in quotes)"
        raise DataError(msg)
    schema, table = (part and _bare(part) for part in (found["schema"], found["table"]))
    return Location(url, schema, table)


def _bare(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def make_engine(location: Location, *, writing: bool = False) -> Engine:
    """Return SQLAlchemy's engine for a database, with transactions that hold tables too when ``writing``.

    Raises:
        ConfigError: the driver is missing.
        DataError: there is no such kind of database, or its driver is for asyncio.
    """
    from sqlalchemy import create_engine, event
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    from sqlalchemy.pool import NullPool

    kind = location.url.drivername
    try:
        # one connection at a time, and errors that tell nothing of what the rows hold
        engine = create_engine(location.url, poolclass=NullPool, hide_parameters=True)
    except (NoSuchModuleError, ArgumentError, TypeError) as error:
        msg = f"{location}: {kind!r} is no database that SQLAlchemy knows here: {location.reason(error)}"
        raise DataError(msg) from None
    except ImportError as error:
        advice = "for PostgreSQL: pip install 'psycopg[binary]' and postgresql+psycopg://"
        msg = f"{location}: the driver for {kind!r} is missing ({error}); {advice}"
        raise ConfigError(msg) from error
    if engine.dialect.is_async:
        msg = f"{location}: {kind!r} is a driver for asyncio; name another, such as postgresql+psycopg://"
        raise DataError(msg)
    if location.backend == "sqlite":
        event.listen(engine, "connect", _writes if writing else _reads)
        if writing:
            event.listen(engine, "begin", _begins)
    return engine


def _reads(connection: Any, _: object) -> None:  # noqa: ANN401 - of whichever driver
    # bytes that are no UTF-8 survive as lone surrogates, so that only their own row is set aside
    connection.text_factory = lambda content: content.decode("utf-8", "surrogateescape")


def _writes(connection: Any, _: object) -> None:  # noqa: ANN401 - of whichever driver
    connection.isolation_level = None  # the driver's own transactions leave out CREATE, DROP and ALTER
    connection.execute("PRAGMA legacy_alter_table = ON")  # views of a table that is replaced stay as they are


def _begins(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
