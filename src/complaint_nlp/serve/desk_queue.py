"""The table that an agent uploads: read by the project's own reader, labelled row by row, ready to be exported."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.batch.columns import EXTRA, label_row, renamed
from complaint_nlp.batch.formats import Reject, Row, open_rows
from complaint_nlp.batch.outputs import cell
from complaint_nlp.errors import DataError
from complaint_nlp.labels import TASKS
from complaint_nlp.report import column_names
from complaint_nlp.serve.desk_texts import desk_file
from complaint_nlp.text.chars import is_broken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from complaint_nlp.report import Report
    from complaint_nlp.serve.problems import Code, RejectCode

MAX_BYTES: Final = 5_000_000
"""Largest table that is taken."""
MAX_ROWS: Final = 2_000
"""Most rows that are taken; longer tables are a matter for ``complaint-nlp label``."""
_JSON_ENDINGS: Final = (".jsonl", ".ndjson")
_ENDINGS: Final = (".csv", ".tsv", *_JSON_ENDINGS)
_MAX_REJECTS_SHOWN: Final = 20
_BLANK: Final = b"\xef\xbb\xbf\xfe\xff\0 \t\r\n"
"""Byte order marks and white space."""
# what spreadsheets take as the beginning of a formula, full width too
_FORMULA: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
_YEARS: Final = range(1990, 2100)
_NUMBER: Final = re.compile(r"[+-]?[0-9]+([.][0-9]+)?")


class TableError(DataError):
    """A table cannot be taken.

    Attributes:
        code: what is wrong with it.
        limit: how many bytes or rows may be at most, where there are more.
    """

    def __init__(self, message: str, code: Code, limit: int | None = None) -> None:
        super().__init__(message)
        self.code: Code = code
        self.limit = limit


class TooLargeError(TableError):
    """The table is larger than the page takes."""


@dataclass(frozen=True, slots=True)
class QueueTable:
    """An uploaded table.

    Attributes:
        columns: its columns.
        text_column: the one that holds the message; ``None`` where none was named and no name is a usual one.
        time_column: the one that says when a message came in; ``None`` where there is none.
        rows: the readable rows.
        rejects: the rows that could not be read.
        is_json: whether it came as JSONL.
    """

    columns: tuple[str, ...]
    text_column: str | None
    time_column: str | None
    rows: tuple[Row, ...]
    rejects: tuple[Reject, ...]
    is_json: bool

    def text_of(self, row: Row) -> str:
        """Return the message of a row; empty where it has none."""
        value = row.values.get(self.text_column or "")
        return "" if value is None else str(value)

    def received_at(self, row: Row) -> datetime | None:
        """Return when the message came in, without a zone in the server's; ``None`` where the row does not say it.

        Times are read in ISO 8601, with slashes too.
        """
        try:
            given = datetime.fromisoformat(str(row.values.get(self.time_column or "")).strip().replace("/", "-"))
            # deadlines far from today cannot be reckoned, and nobody means them
            return given.astimezone() if _YEARS.start <= given.year < _YEARS.stop else None
        except (ValueError, OverflowError):
            return None


def read_table(content: bytes, name: str, text_column: str | None = None) -> QueueTable:
    """Return an uploaded table.

    Args:
        content: the file, in UTF-8, UTF-16, Big5 or GB 18030.
        name: its name, which tells CSV, TSV and JSONL apart by its ending.
        text_column: the column that holds the message; guessed by its name when ``None``.

    Raises:
        TableError: it is of another kind, not readable, empty, or has no such column.
        TooLargeError: it is larger than ``MAX_BYTES`` or has more than ``MAX_ROWS`` rows.
    """
    shown = PurePath(name.replace("\\", "/")).name[:200] or "upload"
    ending = PurePath(shown).suffix.lower()
    if ending not in _ENDINGS:
        msg = f"{shown}: the page takes {', '.join(_ENDINGS)}; save the table as CSV"
        raise TableError(msg, "table_kind")
    if len(content) > MAX_BYTES:
        msg = f"{shown}: larger than {MAX_BYTES:,} bytes; label it with complaint-nlp label"
        raise TooLargeError(msg, "table_too_large", MAX_BYTES)
    columns, read = _read(content, shown, ending)
    if len(read) > MAX_ROWS:
        msg = f"{shown}: more than {MAX_ROWS:,} rows; label it with complaint-nlp label"
        raise TooLargeError(msg, "table_too_many_rows", MAX_ROWS)
    _check_readable(columns, read, shown)
    if text_column is not None and text_column not in columns:
        msg = f"{shown}: has no column {text_column!r}; its columns are {', '.join(columns)}"
        raise TableError(msg, "table_column")
    usual = desk_file().columns
    return QueueTable(
        columns=tuple(columns),
        text_column=text_column or _usual(columns, usual.text) or (columns[0] if len(columns) == 1 else None),
        time_column=_usual(columns, usual.received_at),
        rows=tuple(row for row in read if isinstance(row, Row)),
        rejects=tuple(row for row in read if isinstance(row, Reject)),
        is_json=ending in _JSON_ENDINGS,
    )


def _read(content: bytes, shown: str, ending: str) -> tuple[list[str], list[Row | Reject]]:
    """Return the columns of a table and its rows, one more than may be at most."""
    with TemporaryDirectory(prefix="complaint-nlp-") as directory:
        path = Path(directory) / f"upload{ending}"
        path.write_bytes(content)
        try:
            columns, found = open_rows(path, None)
            return columns, list(islice(found, MAX_ROWS + 1))
        except DataError as error:
            raise TableError(str(error).replace(str(path), shown), _code_of(content, error)) from error


def _code_of(content: bytes, error: DataError) -> Code:
    """Return what is wrong with a table that could not be opened."""
    if not content.strip(_BLANK):
        return "table_empty"
    if error.__cause__ is None:  # it was read, but its first line will not do
        return "table_header"
    return "table_encoding" if isinstance(error.__cause__, UnicodeError) else "table_unreadable"


def _check_readable(columns: Sequence[str], read: Sequence[Row | Reject], shown: str) -> None:
    """Raise ``TableError`` where what was read is no table of text, such as a workbook under another name."""
    only_broken = bool(read) and all(isinstance(row, Reject) and is_broken(row.content) for row in read)
    if only_broken or any(map(is_broken, columns)):
        msg = f"{shown}: is no text in UTF-8, UTF-16, Big5 or GB 18030; save the table as CSV in UTF-8"
        raise TableError(msg, "table_encoding")
    if not columns:
        first = next((f"; line {row.line}: {row.reason}" for row in read if isinstance(row, Reject)), "")
        msg = f"{shown}: holds no row that can be read{first}"
        raise TableError(msg, "table_unreadable" if first else "table_empty")


def _usual(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the first column that bears one of the usual names."""
    by_name = {column.strip().lower(): column for column in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), None)


class QueueRows:
    """Rows of a table as the page shows and exports them.

    Args:
        table: the uploaded table; its text column is known.
        extra_tasks: the model's own tasks, as in :attr:`Analyzer.extra_tasks`.
    """

    def __init__(self, table: QueueTable, extra_tasks: Mapping[str, bool]) -> None:
        self.table = table
        self._extra = extra_tasks
        self._labels = [*column_names(), *(f"{EXTRA}{name}" for name in extra_tasks)]
        self._own = renamed(table.columns, self._labels)

    def head(self) -> dict[str, Any]:
        """Return what the page has to know before the first row."""
        return {
            "columns": [formula_safe(name) for name in (*self._own.values(), *self._labels)],
            "own_columns": list(self.table.columns),
            "text_column": self.table.text_column,
            "rows": len(self.table.rows),
            "rejected": len(self.table.rejects),
            "rejects": [
                {"line": reject.line, "code": self._code_of(reject), "reason": reject.reason}
                for reject in self.table.rejects[:_MAX_REJECTS_SHOWN]
            ],
        }

    def _code_of(self, reject: Reject) -> RejectCode:
        if is_broken(reject.content):
            return "row_encoding"
        return "row_json" if self.table.is_json else "row_cells"

    def row(self, row: Row, report: Report | None) -> dict[str, Any]:
        """Return one labelled row: what the table on the page shows, and the cells of the export."""
        assert report is not None  # noqa: S101 - the engine gives one for every text
        labels = label_row(report, self._extra, mask=False)
        received_at = self.table.received_at(row)
        cells = [row.values.get(name) for name in self._own] + [labels[name] for name in self._labels]
        return {
            "number": row.number,
            "text": self.table.text_of(row),
            "status": report.status.value,
            "received_at": None if received_at is None else received_at.isoformat(),
            "labels": {name: [str(label) for label in report.task(name).labels] for name in TASKS},
            "decisions": {name: report.task(name).decision.value for name in TASKS},
            "department": None if report.route is None else report.route.department,
            "respond_by": None if report.route is None else report.route.respond_by.isoformat(),
            "escalate": report.route is not None and report.route.escalate,
            "cells": ["" if value is None else formula_safe(str(cell(value))) for value in cells],
        }


def formula_safe(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: with ``'`` before it where it would be one.

    Plain numbers stay as they are. See OWASP, "CSV Injection".
    """
    begins = text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA)
    return f"'{text}" if begins and not _NUMBER.fullmatch(text) else text
