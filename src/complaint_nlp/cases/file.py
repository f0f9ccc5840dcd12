"""The SQLite file of a case base: its schema, its transactions and its rows. Knows nothing of meaning."""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from datetime import datetime
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from complaint_nlp.cases.types import Case, CaseStatus
from complaint_nlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA_VERSION: Final = 1
APPLICATION_ID: Final = 0x434E4C50
"""Marks an SQLite file as a case base ("CNLP"), so that no other database is ever written to."""
BUSY_SECONDS: Final = 30.0
"""How long to wait for another process that is writing."""
_BLOCK: Final = 2048

# `changes` counts the transactions; a case's `changed` is the count at its last change: what is newer than the count
# that a reader has seen is what it lacks. A retired case has no vector. While vectors are recomputed, a case has two:
# that of `state.model` is in force.
_SCHEMA: Final = (
    "CREATE TABLE models (id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, size INTEGER NOT NULL CHECK (size > 0))",
    """CREATE TABLE state (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        model INTEGER REFERENCES models (id),
        changes INTEGER NOT NULL
    )""",
    "INSERT INTO state (id, model, changes) VALUES (1, NULL, 0)",
    """CREATE TABLE cases (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        text TEXT NOT NULL,
        labels TEXT NOT NULL,
        handling TEXT NOT NULL,
        outcome TEXT NOT NULL,
        source_id TEXT UNIQUE,
        status TEXT NOT NULL CHECK (status IN ('proposed', 'reviewed', 'retired')),
        created TEXT NOT NULL,
        reviewed TEXT,
        retired TEXT,
        reviewer TEXT,
        note TEXT,
        reason TEXT,
        changed INTEGER NOT NULL,
        CHECK ((status = 'retired') = (retired IS NOT NULL))
    )""",
    "CREATE INDEX cases_changed ON cases (changed)",
    """CREATE TABLE vectors (
        model INTEGER NOT NULL REFERENCES models (id),
        case_id INTEGER NOT NULL REFERENCES cases (id),
        vector BLOB NOT NULL,
        PRIMARY KEY (model, case_id)
    )""",
)


class Model(NamedTuple):
    """A model that vectors of the file were made with.

    Attributes:
        id: its number in the file.
        hash: tells it from others.
        size: how many numbers its vectors have.
    """

    id: int
    hash: str
    size: int


class Change(NamedTuple):
    """What an index has to know of a case that is new or has changed.

    Attributes:
        id: its number.
        status: its status.
        labels: its labels as JSON.
        vector: its float16 vector; ``None`` when it is retired.
    """

    id: int
    status: str
    labels: str
    vector: bytes | None


class CaseFile:
    """An open file. Everything happens inside :meth:`transaction` or :meth:`snapshot`, one thread at a time.

    Args:
        path: the file; made when there is none.

    Raises:
        DataError: the file is damaged, of a newer version, no case base, or cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = RLock()
        self._writes = 0
        with self._explained():
            self._connection = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        """Close the file; open transactions of other threads end first."""
        with self._lock, self._explained():
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write: everything inside happens, or nothing; one process at a time."""
        with self._lock, self._explained():
            with self._between("BEGIN IMMEDIATE"):
                self._execute("UPDATE state SET changes = changes + 1")
                yield
            self._writes += 1

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read: everything inside sees the file as of one moment."""
        with self._lock, self._explained(), self._between("BEGIN"):
            yield

    def version(self) -> tuple[int, int]:
        """Return what differs from its earlier value when this or another process has written."""
        # SQLite's own number tells of all writers but this connection
        return self._number("PRAGMA data_version"), self._writes

    def changes(self) -> int:
        """Return how many transactions have written to the file."""
        return self._number("SELECT changes FROM state")

    def model(self) -> Model | None:
        """Return the model whose vectors are in force; ``None`` as long as there are no vectors."""
        row = self._execute("SELECT m.id, m.hash, m.size FROM state s JOIN models m ON m.id = s.model").fetchone()
        return None if row is None else Model(*row)

    def model_called(self, model_hash: str) -> Model | None:
        """Return the model with this hash, whether or not it is in force."""
        row = self._execute("SELECT id, hash, size FROM models WHERE hash = ?", model_hash).fetchone()
        return None if row is None else Model(*row)

    def add_model(self, model_hash: str, size: int) -> Model:
        """Enter a model that is not in force yet."""
        cursor = self._execute("INSERT INTO models (hash, size) VALUES (?, ?)", model_hash, size)
        return Model(int(cursor.lastrowid or 0), model_hash, size)

    def put_in_force(self, model: Model | None) -> None:
        """Let the vectors of ``model`` count; those of all others are removed."""
        number = None if model is None else model.id
        self._execute("UPDATE state SET model = ?", number)
        self._execute("DELETE FROM vectors WHERE model IS NOT ?", number)
        self._execute("DELETE FROM models WHERE id IS NOT ?", number)

    def insert(self, case: Case) -> int:
        """Store a checked case and return its number."""
        labels = json.dumps(dict(case.labels), ensure_ascii=False, separators=(",", ":"))
        cursor = self._execute(
            """INSERT INTO cases (text, labels, handling, outcome, source_id, status, created, reviewed, retired,
                reviewer, note, reason, changed)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT changes FROM state))""",
            *(case.text, labels, case.handling, case.outcome, case.source_id, str(case.status)),
            *(_written(case.created), _written(case.reviewed), _written(case.retired)),
            *(case.reviewer, case.note, case.reason),
        )
        return int(cursor.lastrowid or 0)

    def insert_vector(self, model: Model, case_id: int, vector: bytes) -> None:
        """Store the vector of a case, unless there is one already or the case has been retired meanwhile."""
        self._execute(
            """INSERT OR IGNORE INTO vectors (model, case_id, vector)
            SELECT ?, id, ? FROM cases WHERE id = ? AND status <> 'retired'""",
            *(model.id, vector, case_id),
        )

    def review(self, case_id: int, time: datetime, reviewer: str, note: str) -> None:
        """Mark a case as reviewed."""
        self._execute(
            """UPDATE cases SET status = 'reviewed', reviewed = ?, reviewer = ?, note = ?,
                changed = (SELECT changes FROM state) WHERE id = ?""",
            *(_written(time), reviewer, note, case_id),
        )

    def retire(self, case_id: int, time: datetime, reason: str) -> None:
        """Mark a case as retired and remove its vectors."""
        self._execute(
            """UPDATE cases SET status = 'retired', retired = ?, reason = ?,
                changed = (SELECT changes FROM state) WHERE id = ?""",
            *(_written(time), reason, case_id),
        )
        self._execute("DELETE FROM vectors WHERE case_id = ?", case_id)

    def get(self, case_id: int) -> Case | None:
        """Return the case with this number, ``None`` when there is none."""
        row = self._execute(
            """SELECT id, text, labels, handling, outcome, source_id, status, created, reviewed, retired, reviewer,
                note, reason FROM cases WHERE id = ?""",
            case_id,
        ).fetchone()
        return None if row is None else self._case(row)

    def all_cases(self) -> Iterator[Case]:
        """Yield all cases in the order of their numbers, retired ones too."""
        cursor = self._execute(
            """SELECT id, text, labels, handling, outcome, source_id, status, created, reviewed, retired, reviewer,
                note, reason FROM cases ORDER BY id"""
        )
        for row in cursor:
            yield self._case(row)

    def owner(self, source_id: str) -> tuple[int, str] | None:
        """Return number and status of the case with this source id."""
        row = self._execute("SELECT id, status FROM cases WHERE source_id = ?", source_id).fetchone()
        return None if row is None else (int(row[0]), str(row[1]))

    def counts(self) -> dict[CaseStatus, int]:
        """Return how many cases there are of every status."""
        found: dict[str, int] = dict(self._execute("SELECT status, count(*) FROM cases GROUP BY status").fetchall())
        return {status: found.get(status, 0) for status in CaseStatus}

    def count_with_vector(self, model: Model | None) -> int:
        """Return how many cases have a vector of ``model``."""
        number = None if model is None else model.id
        return self._number("SELECT count(*) FROM vectors WHERE model = ?", number)

    def without_vector(self, model: Model | None, after: int, limit: int) -> list[tuple[int, str]]:
        """Return numbers and texts of the next cases in use that have no vector of ``model``."""
        number = None if model is None else model.id
        return self._execute(
            """SELECT id, text FROM cases c WHERE id > ? AND status <> 'retired'
                AND NOT EXISTS (SELECT 1 FROM vectors v WHERE v.model = ? AND v.case_id = c.id)
            ORDER BY id LIMIT ?""",
            *(after, number, limit),
        ).fetchall()

    def changed_since(self, changes: int, model: Model) -> Iterator[list[Change]]:
        """Yield in blocks what is newer than the transaction numbered ``changes``."""
        cursor = self._execute(
            """SELECT c.id, c.status, c.labels, v.vector FROM cases c
            LEFT JOIN vectors v ON v.model = ? AND v.case_id = c.id WHERE c.changed > ?""",
            *(model.id, changes),
        )
        while rows := cursor.fetchmany(_BLOCK):
            yield [Change(*row) for row in rows]

    def damaged(self, detail: str) -> DataError:
        """Return the error that says what is wrong with the file and what to do."""
        return DataError(f"{self.path}: {detail}; restore the file from a backup, or import an export into a new one")

    def _prepare(self) -> None:
        self._execute("PRAGMA foreign_keys = ON")
        if self._is_empty():
            self._execute("PRAGMA journal_mode = WAL")
            with self._between("BEGIN IMMEDIATE"):
                if self._is_empty():  # another process may have been faster
                    for statement in (f"PRAGMA application_id = {APPLICATION_ID:d}", *_SCHEMA):
                        self._execute(statement)
                    self._execute(f"PRAGMA user_version = {SCHEMA_VERSION:d}")
        if self._number("PRAGMA application_id") != APPLICATION_ID:
            msg = f"{self.path}: an SQLite file, but no case base"
            raise DataError(msg)
        version = self._number("PRAGMA user_version")
        if version != SCHEMA_VERSION:
            msg = f"{self.path}: a case base of version {version}; this package reads version {SCHEMA_VERSION}"
            raise DataError(msg)
        mode = self._execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            msg = f"{self.path}: SQLite cannot keep a write-ahead log here (journal mode {mode}); use a local disk"
            raise DataError(msg)

    def _is_empty(self) -> bool:
        marks = self._number("PRAGMA application_id"), self._number("PRAGMA user_version")
        return not any(marks) and not self._number("SELECT count(*) FROM sqlite_master")

    def _execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    def _number(self, statement: str, *values: object) -> int:
        return int(self._execute(statement, *values).fetchone()[0])

    @contextmanager
    def _between(self, begin: str) -> Iterator[None]:
        self._execute(begin)
        try:
            yield
            self._execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._execute("ROLLBACK")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what SQLite raises into the errors of this package."""
        try:
            yield
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "")
            if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "decode to UTF-8" in str(error):
                msg = f"damaged, or no case base ({error})"
                raise self.damaged(msg) from error
            if name.startswith("SQLITE_BUSY"):
                msg = f"{self.path}: another process has been writing for more than {BUSY_SECONDS:g} seconds; try again"
                raise DataError(msg) from error
            msg = f"{self.path}: {error}"
            raise DataError(msg) from error

    def _case(self, row: tuple[Any, ...]) -> Case:
        number, text, labels, handling, outcome, source_id, status, *times, reviewer, note, reason = row
        try:
            created, reviewed, retired = (None if time is None else datetime.fromisoformat(time) for time in times)
            read = {task: tuple(values) for task, values in json.loads(labels).items()}
            history = (created, reviewed, retired, reviewer, note, reason)
            return Case(text, read, handling, outcome, source_id, CaseStatus(status), *history, number)
        except (ValueError, TypeError, AttributeError) as error:
            msg = f"case {number} is damaged ({error})"
            raise self.damaged(msg) from error


def _written(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
