"""Rows of a CSV or TSV file as records of labelled messages; the columns are described in ``docs/labels.md``."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.labels import TASKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import TextIO

DELIMITERS: Final[Mapping[str, str]] = {".csv": ",", ".tsv": "\t"}
MAX_ROW_CHARS: Final = 1_000_000
_SEPARATOR: Final = "|"
_NOTES: Final = ("id", "source", "trade", "draw", "split")
_COLUMNS: Final = ("text", *_NOTES, *TASKS)


class _RowTooLongError(ValueError):
    pass


class _Lines:
    """The lines of a file, up to a number of characters for one row: an open quote must not swallow the whole file."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._room = MAX_ROW_CHARS

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._stream.readline(self._room + 1)
        if not line:
            raise StopIteration
        self._room -= len(line)
        if self._room < 0:
            msg = f"a row of more than {MAX_ROW_CHARS:,} characters; is a closing quote missing?"
            raise _RowTooLongError(msg)
        return line

    def begin_row(self) -> None:
        self._room = MAX_ROW_CHARS


def table_records(path: Path) -> Iterator[tuple[int, dict[str, Any] | ValueError]]:
    """Return every row that is not blank with the number of its first line: as a record, or what is wrong with it.

    Raises:
        OSError: the file cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    header: list[str] | None = None
    for number, cells in _rows(path):
        if isinstance(cells, ValueError):
            yield number, cells
            if header is None:
                return
        elif header is not None:
            yield number, _record(header, cells)
        else:
            header = [name.strip() for name in cells]
            problem = _header_problem(header)
            if problem is not None:
                yield number, problem
                return
    if header is None:
        yield 1, ValueError("the file is empty; the first line should hold the names of the columns")


def _rows(path: Path) -> Iterator[tuple[int, list[str] | ValueError]]:
    """Return the cells of every row that is not blank, the header's too, with the number of its first line."""
    # what others allow for other files stays allowed; here, rows are bounded before cells are
    csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW_CHARS))
    # line breaks within cells are left as they are
    with path.open(encoding="utf-8-sig", newline="") as stream:
        lines = _Lines(stream)
        # strict: a quote that is never closed is an error, not a long text
        reader = csv.reader(lines, delimiter=DELIMITERS[path.suffix.lower()], strict=True)
        while True:
            number = reader.line_num + 1
            lines.begin_row()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield number, ValueError(f"not readable as {path.suffix[1:].upper()}, check its quotes: {error}")
            except _RowTooLongError as error:
                yield number, error
                return  # where the next row begins is not known
            else:
                if any(cell.strip() for cell in cells):
                    yield number, cells


def _header_problem(header: list[str]) -> ValueError | None:
    if "text" not in header:
        return ValueError(f"text: there is no such column; the first line names {', '.join(filter(None, header))}")
    for name in header:
        if name and header.count(name) > 1:
            return ValueError(f"{name}: the column stands twice in the first line")
        # a column in another spelling would be passed over, and its labels with it
        if name not in _COLUMNS and name.lower() in _COLUMNS:
            return ValueError(f"{name}: write the name of the column as {name.lower()}")
    return None


def _record(header: list[str], cells: list[str]) -> dict[str, Any] | ValueError:
    """Return the row in the form of a line of JSONL."""
    if len(cells) != len(header):
        return ValueError(f"{len(cells)} cells where the first line has {len(header)}")
    row = dict(zip(header, cells, strict=True))
    if not row["text"].strip():
        return ValueError("text: is empty")
    record: dict[str, Any] = {"text": row["text"]}
    for name in _NOTES:
        if value := row.get(name, "").strip():
            record[name] = value
    for name, task in TASKS.items():
        cell = row.get(name)
        if cell is None:
            continue
        values = [value.strip() for value in cell.split(_SEPARATOR)] if cell.strip() else []
        if name == "intensity":
            values = [_whole(value) for value in values]
        # every message has an emotion, so an empty cell cannot mean that it has none
        if values or (task.is_multilabel and name != "emotion"):
            record[name] = values
    return record


def _whole(value: str) -> str:
    """Return ``"2"`` for ``"2.0"``, which spreadsheets and data frames make of numbers in a column with gaps."""
    whole, _, decimals = value.partition(".")
    return whole if decimals and not decimals.strip("0") else value
