"""Reading what is evaluated: labelled messages with their further columns, in files, lists or data frames."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from complaint_nlp.errors import DataError
from complaint_nlp.labelled import LabelledMessage, parse_labelled, read_labelled
from complaint_nlp.labels import TASKS

if TYPE_CHECKING:
    import pandas as pd

    from complaint_nlp.evaluation.answers import ColumnSource
    from complaint_nlp.labels import Task

Data: TypeAlias = "str | Path | Sequence[str | Path | LabelledMessage] | pd.DataFrame"
Row = Mapping[str, Any]

_NOTES: Final = ("id", "source", "trade", "draw")
_SEPARATOR: Final = "|"
_MAX_LISTED: Final = 10


@dataclass(frozen=True, slots=True)
class Reference:
    """Labelled messages and where their further columns come from."""

    messages: list[LabelledMessage]
    columns: ColumnSource


def read_reference(data: Any, *, split: str | None = None) -> Reference:  # noqa: ANN401 - Data
    """Read labelled messages.

    Args:
        data: a file, several files, messages, or a data frame (see :func:`complaint_nlp.evaluate`).
        split: only messages whose ``split`` is this, or that have none; all when ``None``.

    Raises:
        DataError: the data is wrong or empty.
    """
    if is_table(data):
        rows = [row for row in table_rows(data) if split is None or _text_of(row.get("split")) in (None, split)]
        reference = Reference(_parsed(rows), _RowColumns(rows))
    else:
        reference = _from_parts([data] if isinstance(data, str | Path) else data, split)
    if not reference.messages:
        msg = "there is no labelled message to evaluate on"
        raise DataError(msg)
    return reference


def _from_parts(parts: Iterable[object], split: str | None) -> Reference:
    messages: list[LabelledMessage] = []
    files: list[tuple[Path, int, int]] = []
    for part in parts:
        if isinstance(part, LabelledMessage):
            messages.append(part)
        elif isinstance(part, str | Path):
            read = read_labelled(part, split=split)
            files.append((Path(part), len(messages), len(messages) + len(read)))
            messages += read
        else:
            msg = f"expected labelled messages, files or a data frame, got {type(part).__name__}"
            raise DataError(msg)
    return Reference(messages, _FileColumns(messages, tuple(files)))


def is_table(data: object) -> bool:
    """Return whether this is a pandas DataFrame or an Arrow table."""
    return hasattr(data, "columns") and (hasattr(data, "to_dict") or hasattr(data, "to_pylist"))


def table_rows(table: Any) -> list[Row]:  # noqa: ANN401 - a DataFrame or an Arrow table
    """Return the rows of a pandas DataFrame or an Arrow table."""
    rows: list[Row] = table.to_pylist() if hasattr(table, "to_pylist") else table.to_dict("records")
    return rows


def is_missing(value: object) -> bool:
    """Return whether a cell holds nothing: ``None``, NaN or pandas' NA or NaT."""
    return (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or type(value).__name__.startswith("NA")
        or type(value).__name__ == "NaTType"
    )


def cell_values(value: object, task: Task) -> tuple[str, ...]:
    """Return the values in the cell of a table: a list, a text joined by ``|``, a single value or nothing."""
    if is_missing(value):
        return ()
    given: Any = value.split(_SEPARATOR) if isinstance(value, str) else value
    if isinstance(given, str) or not isinstance(given, Iterable):
        given = [given]
    values = tuple(str(part).strip() for part in given if str(part).strip())
    # data frames make 2.0 of a number in a column with gaps
    return tuple(value.removesuffix(".0") for value in values) if task.name == "intensity" else values


def _parsed(rows: Sequence[Row]) -> list[LabelledMessage]:
    """Return the messages of a table.

    A column of lists is read as JSONL: a missing cell is not labelled, an empty list is labelled as none. A column of
    texts is read as CSV: an empty or missing cell is labelled as none, or, where there is always a value, not labelled.
    """
    joined = {name for name in TASKS if any(isinstance(row.get(name), str) for row in rows)}
    messages, problems = [], []
    for number, row in enumerate(rows, 1):
        record: dict[str, Any] = {"text": row.get("text")}
        record |= {name: row[name] for name in _NOTES if not is_missing(row.get(name))}
        for name, task in TASKS.items():
            if name not in row:
                continue
            values = cell_values(row[name], task)
            can_be_none = task.is_multilabel and name != "emotion"
            if values or (can_be_none and (name in joined or not is_missing(row[name]))):
                record[name] = list(values)
        try:
            messages.append(parse_labelled(record, default_id=f"row {number}"))
        except ValueError as error:
            problems.append(f"row {number}: {error}")
            if len(problems) == _MAX_LISTED:
                problems.append("(further rows were not checked)")
                break
    if problems:
        raise DataError("\n".join(problems))
    return messages


def _text_of(value: object) -> str | None:
    return None if is_missing(value) or value == "" else str(value)


def _known(name: str, names: list[str]) -> None:
    if name not in names:
        msg = f"there is no column {name!r} in the data; there are {', '.join(names) or 'none'}"
        raise DataError(msg)


@dataclass(frozen=True, slots=True)
class _RowColumns:
    """Columns of the rows of a table."""

    rows: Sequence[Row]

    def names(self) -> list[str]:
        return [str(name) for name in self.rows[0]] if self.rows else []

    def column(self, name: str) -> list[str | None]:
        _known(name, self.names())
        return [_cell_text(row.get(name)) for row in self.rows]


@dataclass(frozen=True, slots=True)
class _FileColumns:
    """Columns of messages, and of the files they were read from, which are read again when another column is needed."""

    messages: Sequence[LabelledMessage]
    files: tuple[tuple[Path, int, int], ...]

    def names(self) -> list[str]:
        from complaint_nlp.batch.formats import open_rows

        found = dict.fromkeys(name for name in _NOTES if any(getattr(message, name) for message in self.messages))
        for path, _, _ in self.files:
            found |= dict.fromkeys(open_rows(_readable(path), "utf-8-sig")[0])
        return list(found)

    def column(self, name: str) -> list[str | None]:
        if name in _NOTES and any(getattr(message, name) for message in self.messages):
            return [getattr(message, name) or None for message in self.messages]
        _known(name, self.names())
        result: list[str | None] = [None] * len(self.messages)
        for path, start, stop in self.files:
            cells = _cells(path, name)
            for place in range(start, stop):
                result[place] = cells.get(self.messages[place].id)
        return result


def _cells(path: Path, name: str) -> dict[str, str | None]:
    """Return a column of a file by the id of the message, as :func:`read_labelled` names it."""
    from complaint_nlp.batch.formats import Row as FileRow
    from complaint_nlp.batch.formats import open_rows

    _, rows = open_rows(_readable(path), "utf-8-sig")
    found = {}
    for row in rows:
        if isinstance(row, FileRow):
            cells = row.values  # noqa: PD011 - a row's
            found[_text_of(cells.get("id")) or f"{path.name}:{row.line}"] = _cell_text(cells.get(name))
    return found


def _readable(path: Path) -> Path:
    from complaint_nlp.batch.formats import format_of

    format_of(path)  # labelled data may have any ending, other columns are found by the known ones only
    return path


def _cell_text(value: object) -> str | None:
    """Return a cell as the name of a slice; the values of a list are joined."""
    if isinstance(value, list | tuple) or hasattr(value, "tolist"):
        listed = value.tolist() if hasattr(value, "tolist") else value
        return _SEPARATOR.join(map(str, listed)) if isinstance(listed, list | tuple) else str(listed)
    return _text_of(value)
