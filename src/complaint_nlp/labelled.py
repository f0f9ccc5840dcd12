"""Reading labelled messages: one JSON object a line, in the format of ``docs/labels.md``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complaint_nlp.errors import DataError
from complaint_nlp.labels import TASKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_LINE_CHARS = 1_000_000
_MAX_LISTED = 10


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
    """Read labelled messages from one or more JSONL files.

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
        for number, line in _lines(path):
            try:
                record = json.loads(line)
                message = parse_labelled(record, default_id=f"{path.name}:{number}")
                if split is None or record.get("split", split) == split:
                    messages.append(message)
            except (ValueError, RecursionError) as error:
                problems.append(f"{path}:{number}: {error}")
                if len(problems) == _MAX_LISTED:
                    raise DataError("\n".join([*problems, "(further lines were not checked)"])) from error
    if problems:
        raise DataError("\n".join(problems))
    return messages


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, line[:MAX_LINE_CHARS]
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read as UTF-8 text: {error}"
        raise DataError(msg) from error


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
        for value in values:
            if value not in task.values:
                msg = f"{name}: {value!r} is not one of {', '.join(task.values)}"
                raise ValueError(msg)
        if not task.is_multilabel and len(values) != 1:
            msg = f"{name}: exactly one value is needed, got {len(values)}"
            raise ValueError(msg)
        if len(set(values)) != len(values):
            msg = f"{name}: a value stands there twice"
            raise ValueError(msg)
        labels[name] = values
    if not labels.get("emotion", ("",)):
        msg = "emotion: at least one value is needed"
        raise ValueError(msg)
    identifier = str(record.get("id", default_id))
    source, trade, draw = (str(record.get(key) or "") for key in ("source", "trade", "draw"))
    return LabelledMessage(identifier, record["text"], labels, source, trade, draw)
