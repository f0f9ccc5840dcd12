"""A user's own labels: the file that names them, and the rows that carry them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from complaint_nlp.batch.formats import Reject, Row, open_rows
from complaint_nlp.classify.heads import OwnKind
from complaint_nlp.errors import DataError
from complaint_nlp.labelled import check_values
from complaint_nlp.labels import TASKS, Task
from complaint_nlp.resources import Strict, WrongEntry, load_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_TASKS: Final = 20
MAX_VALUES: Final = 100
_MAX_LISTED: Final = 10

# no blank at either end, no line breaks, and no |, which joins several values in a cell
_TaskName = Annotated[str, Field(pattern=r"^[\p{L}\p{N}_][\p{L}\p{N}_.-]*$", max_length=40)]
_Value = Annotated[str, Field(pattern=r"^[^\s|\p{C}]([^|\p{C}]*[^\s|\p{C}])?$", max_length=80)]


class LabelTask(Strict):
    """One task of a label file.

    Attributes:
        kind: ``one`` value per message, or ``several`` (any number, none as well).
        values: what can be answered.
    """

    kind: OwnKind
    values: Annotated[tuple[_Value, ...], Field(min_length=1, max_length=MAX_VALUES)]


class LabelFile(Strict):
    """The schema of a label file."""

    version: Literal[1]
    tasks: Annotated[dict[_TaskName, LabelTask], Field(min_length=1, max_length=MAX_TASKS)]

    @model_validator(mode="after")
    def _sensible(self) -> LabelFile:
        for name, task in self.tasks.items():
            if name in TASKS:
                raise WrongEntry(("tasks", name), f"{name!r} is a standard task; give yours another name")
            for place, value in enumerate(task.values):
                if value in task.values[:place]:
                    raise WrongEntry(("tasks", name, "values", place), f"{value!r} stands there twice")
            if task.kind == "one" and len(task.values) == 1:
                raise WrongEntry(("tasks", name, "values"), "at least two values are needed where one of them applies")
        return self


@dataclass(frozen=True, slots=True)
class OwnMessage:
    """One message with a user's own labels.

    Attributes:
        text: the message as written.
        labels: values by task; a task that is not a key is not labelled, an empty tuple says that none applies.
        place: file and line it stands in.
    """

    text: str
    labels: dict[str, tuple[str, ...]]
    place: str


def load_labels(path: str | Path) -> dict[str, Task]:
    """Return the tasks that a label file names.

    Raises:
        ConfigError: the file is wrong; the message names its line and key.
    """
    tasks = load_yaml(path, LabelFile).tasks
    return {
        name: Task(name, "single" if task.kind == "one" else "multilabel", task.values) for name, task in tasks.items()
    }


def read_own(
    paths: str | Path | Iterable[str | Path],
    tasks: Mapping[str, Task],
    *,
    text_column: str = "text",
) -> list[OwnMessage]:
    """Read rows with a text and a column for every task that they are labelled for.

    An empty cell of a task of which several values apply says that none does; of one of which one applies, that the
    row is not labelled. In JSONL, so does a missing key or ``null``. Rows without any label are left out.

    Args:
        paths: CSV, TSV, JSONL or Parquet, one file or several.
        tasks: what :func:`load_labels` returned.
        text_column: column that holds the message.

    Raises:
        DataError: a file cannot be read, has none of the columns, or a row is wrong; the message names file, line and
            column, for up to ten rows.
    """
    if text_column in tasks:
        msg = f"the column {text_column!r} cannot hold both the message and the labels of a task"
        raise DataError(msg)
    messages: list[OwnMessage] = []
    problems: list[str] = []
    for path in [Path(paths)] if isinstance(paths, str | Path) else map(Path, paths):
        columns, rows = open_rows(path, None)
        for needed in ([text_column], list(tasks)):
            if not set(needed) & set(columns):
                names = " or ".join(map(repr, needed))
                msg = f"{path}: has no column {names}; its columns are {', '.join(columns) or 'none'}"
                raise DataError(msg)
        for row in rows:
            place = f"{path}:{row.line}" if row.line else f"{path}: row {row.number}"
            try:
                message = _checked(row, tasks, text_column, place)
            except ValueError as error:
                problems.append(f"{place}: {error}")
                if len(problems) == _MAX_LISTED:
                    raise DataError("\n".join([*problems, "(further rows were not checked)"])) from error
            else:
                messages += [message] if message.labels else []
    if problems:
        raise DataError("\n".join(problems))
    return messages


def _checked(row: Row | Reject, tasks: Mapping[str, Task], text_column: str, place: str) -> OwnMessage:
    if isinstance(row, Reject):
        raise ValueError(row.reason)  # noqa: TRY004 - what is wrong is the data, not a caller's type
    text = row.values.get(text_column)
    if not isinstance(text, str) or not text.strip():
        msg = f"{text_column}: there is no text"
        raise ValueError(msg)
    labels = {}
    for name, task in tasks.items():
        values = _values(row.values.get(name), task)
        if values is not None:
            labels[name] = values
    return OwnMessage(text, labels, place)


def _values(given: Any, task: Task) -> tuple[str, ...] | None:  # noqa: ANN401 - any cell or JSON value
    if given is None:
        return None
    if not isinstance(given, list):
        cell = str(given).strip()
        if not cell:
            return () if task.is_multilabel else None
        given = cell.split("|") if task.is_multilabel else [cell]
    values = tuple(str(value).strip() for value in given)
    check_values(values, task)
    return values
