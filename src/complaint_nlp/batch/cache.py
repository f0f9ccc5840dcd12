"""Labels of texts kept from one run to the next, in an SQLite file."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from complaint_nlp import __version__
from complaint_nlp.errors import DataError
from complaint_nlp.labels import Urgency
from complaint_nlp.report import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from complaint_nlp.analyzer import Analyzer

_AT_ONCE: Final = 500
_WAIT_SECONDS: Final = 30.0
_DEADLINE: Final = "respond_by"


class ResultCache:
    """Labels by text, of one model with one set of rules; what other ones gave is never returned.

    The file holds hashes of texts, not texts; but evidence and reasons are words of them.

    Args:
        path: the file; made when there is none.
        analyzer: what labels the texts that are not there.
        settings: what the labels depend on besides the model: speed, rule files, masking.

    Raises:
        DataError: the file cannot be opened, or is something else.
    """

    def __init__(self, path: Path, analyzer: Analyzer, settings: Mapping[str, Any]) -> None:
        self._path = path
        self._analyzer = analyzer
        self._space = _space(analyzer, settings)
        self._file = _connect(path)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def get(self, keys: Iterable[bytes], received_at: datetime) -> dict[bytes, dict[str, Any]]:
        """Return the labels of the texts with these keys, as far as they are there.

        Args:
            keys: of the texts.
            received_at: from when their deadlines count.

        Raises:
            DataError: the file is damaged.
        """
        wanted = list(keys)
        found: dict[bytes, dict[str, Any]] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            query = f"SELECT text, labels FROM labels WHERE space = ? AND text IN ({marks})"  # noqa: S608 - only marks
            try:
                for key, content in self._file.execute(query, (self._space, *some)):
                    label = json.loads(content)
                    urgency = label["urgency"]
                    due = None if urgency is None else self._analyzer.respond_by(Urgency(urgency), received_at)
                    found[key] = {**label, _DEADLINE: due}
            except (sqlite3.Error, ValueError, LookupError, TypeError) as error:
                raise _problem(self._path, error) from error
        return found

    def put(self, labels: Mapping[bytes, Mapping[str, Any]]) -> None:
        """Keep the labels of texts.

        Raises:
            DataError: the file cannot be written.
        """
        rows = [
            (self._space, key, json.dumps({**label, _DEADLINE: None}, ensure_ascii=False))
            for key, label in labels.items()
            if label["status"] != "error"  # may be better next time
        ]
        if not rows:
            return
        try:
            self._file.execute("BEGIN IMMEDIATE")
            self._file.executemany("INSERT OR REPLACE INTO labels VALUES (?, ?, ?)", rows)
            self._file.execute("COMMIT")
        except (sqlite3.Error, UnicodeError) as error:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            raise _problem(self._path, error) from error


def make_cache(path: Path) -> None:
    """Make the file if there is none: once, before several processes open it.

    Raises:
        DataError: it cannot be made, or is something else.
    """
    _connect(path).close()


def _connect(path: Path) -> sqlite3.Connection:
    try:
        file = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)
    except sqlite3.Error as error:
        raise _problem(path, error) from error
    try:
        file.execute("PRAGMA journal_mode=WAL")
        file.execute("PRAGMA synchronous=NORMAL")
        file.execute(
            "CREATE TABLE IF NOT EXISTS labels (space TEXT, text BLOB, labels TEXT, PRIMARY KEY (space, text)) "
            "WITHOUT ROWID"
        )
        file.execute("SELECT space, text, labels FROM labels LIMIT 1").fetchone()
    except sqlite3.Error as error:
        file.close()
        raise _problem(path, error) from error
    return file


def _problem(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: the result cache cannot be used: {error}; delete it, or leave --cache out")


def _space(analyzer: Analyzer, settings: Mapping[str, Any]) -> str:
    """Return a digest of everything that labels depend on besides their text."""
    parts: dict[str, Any] = {"version": __version__, "schema": SCHEMA_VERSION, "model": analyzer.bundle.hash}
    parts["speed"] = analyzer.speed
    for name, value in settings.items():
        if name in ("speed", "threads"):
            continue
        file = Path(value) if isinstance(value, str | Path) else None
        parts[name] = value if file is None else hashlib.sha256(file.read_bytes()).hexdigest()
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
