"""Tables of messages as they come in: labelled by the model, by people, or not at all."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.batch.formats import Row, open_rows
from complaint_nlp.batch.places import manifest_of
from complaint_nlp.errors import DataError
from complaint_nlp.labelled import check_values
from complaint_nlp.labels import TASKS
from complaint_nlp.report import Decision, Status

if TYPE_CHECKING:
    from pathlib import Path

MAX_ROWS: Final = 500_000
"""Rows a table may have; beyond that ``complaint-nlp label --sample`` draws some."""
SEPARATOR: Final = "|"
NONE: Final = "-"
"""What says in a cell that no value applies; an empty cell may be one that nobody has filled."""
_UNWRITABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_BREAKS: Final = re.compile(r"\r\n?")


@dataclass(frozen=True, slots=True)
class TableRow:
    """One message of a table.

    Attributes:
        number: of the row, from 1.
        id: its identifier in the table; "" where it has none.
        text: the message.
        guess: the model's labels by task, the primary one first; empty where the table has none.
        confidence: the model's confidence by task, 0 to 1.
        decision: how far the model's answer can be trusted, by task.
        human: labels by people, by task.
    """

    number: int
    id: str
    text: str
    guess: dict[str, tuple[str, ...]] = field(default_factory=dict)
    confidence: dict[str, float] = field(default_factory=dict)
    decision: dict[str, Decision] = field(default_factory=dict)
    human: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MessageTable:
    """The messages of a table that can be analysed.

    Attributes:
        rows: the messages; those without text, or that the model could not analyse, are left out.
        left_out: how many those are.
        labelled: whether the model's labels stand in it.
        model_hash: hash of the model that labelled it, "" where nothing says so.
        speed: how it was labelled: ``fast``, ``balanced``, ``accurate``; "" where nothing says so.
    """

    rows: list[TableRow]
    left_out: int
    labelled: bool
    model_hash: str = ""
    speed: str = ""


def clean(text: str) -> str:
    """Return a message as every file can hold it: plain line breaks, no control characters, no outer blanks."""
    return _UNWRITABLE.sub("", _BREAKS.sub("\n", text)).strip()


def cell_values(value: Any, task: str) -> tuple[str, ...] | None:  # noqa: ANN401 - any cell
    """Return the labels in a cell, ``None`` for an empty one.

    Args:
        value: a list, or a text with ``|`` between values; ``-`` says that none applies.
        task: name of the task.

    Raises:
        ValueError: these cannot be the labels of a message.
    """
    if value is None or value != value or (isinstance(value, str) and not value.strip()):  # noqa: PLR0124 - NaN
        return None
    given = list(value) if isinstance(value, list | tuple) else str(value).replace("｜", SEPARATOR).split(SEPARATOR)
    values = [str(item).strip() for item in given]
    if values == [NONE]:
        values = []
    if task == "intensity":  # spreadsheets make 2.0 of 2
        values = [item.removesuffix(".0") for item in values]
    found = tuple(values)
    check_values(found, TASKS[task])
    if task == "emotion" and not 1 <= len(found) <= 2:  # noqa: PLR2004 - as docs/labels.md says
        msg = f"emotion: one or two values are needed, got {len(found)}"
        raise ValueError(msg)
    return found


def read_table(path: Path, *, text_column: str = "text", encoding: str | None = None) -> MessageTable:
    """Read a table of messages: CSV, TSV, JSONL, Parquet or Excel.

    Where a column ``<task>_confidence`` stands, the labels are the model's, and those in ``input_<task>`` are people's;
    else labels, where there are any, are people's.

    Raises:
        DataError: the file cannot be read, has no such column, holds an unknown label or too many rows.
    """
    names, rows = open_rows(path, None if encoding is None else encoding)
    if text_column not in names:
        msg = f"{path}: has no column {text_column!r}; its columns are {', '.join(names)}; name it with --text-column"
        raise DataError(msg)
    labelled = any(f"{task}_confidence" in names for task in TASKS)
    found: list[TableRow] = []
    left_out = 0
    for row in rows:
        if row.number > MAX_ROWS:
            msg = f"{path}: has more than {MAX_ROWS:,} rows; draw some with 'complaint-nlp label --sample 0.1'"
            raise DataError(msg)
        if not isinstance(row, Row):
            left_out += 1
            continue
        text = row.values.get(text_column)
        if not isinstance(text, str) or not clean(text) or row.values.get("status", Status.OK) != Status.OK:
            left_out += 1
            continue
        try:
            found.append(parse_row(row, text, labelled=labelled))
        except ValueError as error:
            msg = f"{path}: row {row.number}: {error}"
            raise DataError(msg) from error
    model_hash, speed = _made_with(path) if labelled else ("", "")
    return MessageTable(found, left_out, labelled, model_hash, speed)


def parse_row(row: Row, text: str, *, labelled: bool) -> TableRow:
    """Return one row of a table with its labels.

    Args:
        row: its columns.
        text: the message.
        labelled: whether the labels are the model's; see :func:`read_table`.

    Raises:
        ValueError: a label is unknown.
    """
    values = row.values
    made = TableRow(row.number, str(values.get("id") or ""), text)
    for task, about in TASKS.items():
        people = values.get(f"input_{task}" if labelled else task)
        given = cell_values(people, task)
        if given is not None:
            made.human[task] = given
        elif about.is_multilabel and task != "emotion" and isinstance(people, str):
            made.human[task] = ()  # as docs/labels.md reads an empty cell
        if not labelled:
            continue
        confidence = values.get(f"{task}_confidence")
        if confidence in (None, ""):
            continue
        made.guess[task] = cell_values(values.get(task), task) or ()
        made.confidence[task] = float(confidence)
        made.decision[task] = Decision(str(values.get(f"{task}_decision") or Decision.REVIEW))
    return made


def _made_with(path: Path) -> tuple[str, str]:
    """Return hash of the model and speed from the file that ``complaint-nlp label`` leaves beside its output."""
    try:
        settings = json.loads(manifest_of(path).read_text(encoding="utf-8"))["settings"]
        return str(settings.get("model_hash") or ""), str(settings.get("speed") or "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "", ""
