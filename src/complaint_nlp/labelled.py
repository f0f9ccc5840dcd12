"""Reading labelled messages: JSONL, CSV or TSV, in the format of ``docs/labels.md``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.errors import DataError
from complaint_nlp.labelled_table import DELIMITERS, table_records
from complaint_nlp.labels import TASKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from complaint_nlp.labels import Task

MAX_LINE_CHARS = 1_000_000
_MAX_LISTED = 10

_MAX_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class LabelledMessage:
    """One message with its labels.

    Attributes:
        id: identifier, unique within a file.
        text: the message as written.
        labels: for every labelled task its values, the primary one first; a task that is not a key is not labelled, an
            empty tuple says that none applies.
        source: the collection it comes from; "" when not given.
        trade: the customer's kind of business partner ("bank"); "" when not given. Messages of one trade are kept
            together whenever data is split, so that figures say how a model does on trades it has not seen.
        draw: how the message was drawn from its collection ("random", "likely:urgency=critical"); "" when not given.
    """

    id: str
    text: str
    labels: dict[str, tuple[str, ...]]
    source: str = ""
    trade: str = ""
    draw: str = ""


def read_labelled(paths: str | Path | Iterable[str | Path], *, split: str | None = None) -> list[LabelledMessage]:
    """Read labelled messages from one or more files: CSV and TSV by their ending, all others as JSONL.

    A table has a column ``text`` and one for every labelled task, with several values joined by ``|``. An empty cell
    says "not labelled" for a task that has exactly one value, and for the emotion; elsewhere "labelled as none".

    Args:
        paths: one file or several.
        split: only messages whose key ``split`` has this value, or that have no such key; all when ``None``.

    Raises:
        DataError: a file cannot be read or a line is wrong; the message names file, line and key, for up to ten lines.
    """
    listed = [paths] if isinstance(paths, str | Path) else list(paths)
    messages: list[LabelledMessage] = []
    problems: list[str] = []
    for path in map(Path, listed):
        for number, record in _records(path):
            try:
                message = parse_labelled(_readable(record), default_id=f"{path.name}:{number}")
                if split is None or record.get("split", split) == split:
                    messages.append(message)
            except (ValueError, RecursionError) as error:
                problems.append(f"{path}:{number}: {error}")
                if len(problems) == _MAX_LISTED:
                    raise DataError("\n".join([*problems, "(further lines were not checked)"])) from error
    if problems:
        raise DataError("\n".join(problems))
    return messages


def _records(path: Path) -> Iterator[tuple[int, Any]]:
    """Return the records of a file with the lines they begin on; an error in the place of one that is not readable."""
    try:
        yield from table_records(path) if path.suffix.lower() in DELIMITERS else _json_records(path)
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read as UTF-8 text: {error}"
        raise DataError(msg) from error


def _json_records(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                try:
                    record = json.loads(line[:MAX_LINE_CHARS])
                except (ValueError, RecursionError) as error:
                    record = error
                yield number, record


def _readable(record: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(record, Exception):
        raise record
    return record


def parse_labelled(record: Any, *, default_id: str = "") -> LabelledMessage:  # noqa: ANN401 - any JSON value
    """Check one record.

    Raises:
        ValueError: the record has no text or a label that does not exist.
    """
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        msg = "expected an object with a key 'text'"
        raise ValueError(msg)  # noqa: TRY004 - what is wrong is the data, not a caller's type
    labels: dict[str, tuple[str, ...]] = {}
    for name, task in TASKS.items():
        if record.get(name) is None:
            continue
        given = record[name]
        values = tuple(str(value) for value in (given if isinstance(given, list) else [given]))
        check_values(values, task)
        labels[name] = values
    if not labels.get("emotion", ("",)):
        msg = "emotion: at least one value is needed"
        raise ValueError(msg)
    identifier = str(record.get("id", default_id))
    source, trade, draw = (str(record.get(key) or "") for key in ("source", "trade", "draw"))
    return LabelledMessage(identifier, record["text"], labels, source, trade, draw)


def check_values(values: Sequence[str], task: Task) -> None:
    """Raise :class:`ValueError` where these cannot be the labels of a message."""
    for value in values:
        if value not in task.values:
            shown = value if len(value) <= _MAX_SHOWN else value[:_MAX_SHOWN] + "…"
            msg = f"{task.name}: {shown!r} is not one of {', '.join(task.values)}"
            raise ValueError(msg)
    if not task.is_multilabel and len(values) != 1:
        msg = f"{task.name}: exactly one value is needed, got {len(values)}"
        raise ValueError(msg)
    if len(set(values)) != len(values):
        msg = f"{task.name}: a value stands there twice"
        raise ValueError(msg)


def refuse_overlap(texts: Iterable[str], tests: Mapping[str, Iterable[tuple[str, str]]]) -> None:
    """Refuse test messages that were trained on.

    Args:
        texts: the training messages.
        tests: by title, the place or id and the text of every test message.

    Raises:
        DataError: there are some.
    """
    seen = set(texts)
    for title, held_out in tests.items():
        shared = [place for place, text in held_out if text in seen]
        if shared:
            msg = f"{title}: {len(shared)} of its messages are in the training data too, {shared[0]} the first"
            raise DataError(msg)
