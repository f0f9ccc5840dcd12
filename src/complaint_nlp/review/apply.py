"""Corrections into a training set: one line per message, with the history of every label."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.errors import DataError
from complaint_nlp.labelled import MAX_LINE_CHARS, parse_labelled
from complaint_nlp.labels import TASKS
from complaint_nlp.review.corrected import read_corrected
from complaint_nlp.review.formats import write_whole
from complaint_nlp.review.tables import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from complaint_nlp.review.corrected import Correction, Rejected

MAX_TRAINING_BYTES: Final = 2_000_000_000
_HISTORY: Final = "history"
_BEFORE: Final = "before"
_ID_CHARS: Final = 16


@dataclass(slots=True)
class TaskChanges:
    """What people said about one task.

    Attributes:
        kept: how many answers they confirmed.
        changed: how many they changed.
        new: how many stood without a guess.
        moves: how often which answer was changed to which; several values joined by ``|``, ``-`` for none.
    """

    kept: int = 0
    changed: int = 0
    new: int = 0
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class ApplySummary:
    """What :func:`apply` did.

    Attributes:
        rows: rows of the corrected file.
        untouched: rows that nobody has looked at.
        rejected: rows that could not be used.
        rejects: the file that lists them, ``None`` when there are none.
        added: messages that are new in the training set.
        updated: messages of it that got other or further labels, or a further entry in their history.
        applied: corrections that were new.
        repeated: corrections that had been applied before.
        tasks: by task what people said, of the whole file.
        total: messages of the training set.
    """

    rows: int
    untouched: int
    rejected: tuple[Rejected, ...]
    rejects: Path | None
    added: int
    updated: int
    applied: int
    repeated: int
    tasks: Mapping[str, TaskChanges]
    total: int


def apply(
    corrected: str | Path,
    training: str | Path,
    *,
    reviewer: str = "",
    all_checked: bool = False,
    at: datetime | None = None,
) -> ApplySummary:
    """Add the corrections in a file to a training set.

    A row counts when it is marked as checked, and then all of it, or for the labels that were changed. Of several
    corrections of the same task of the same message the latest is the label; all of them stay in the key ``history`` of
    the message, as do labels that stood there before. A correction that is there already is not added again.

    Args:
        corrected: Excel, CSV, Label Studio's export, Argilla's records, or the JSONL that the desk page writes.
        training: JSONL file in the format of ``docs/labels.md``; made when there is none.
        reviewer: who corrected, where the file does not say.
        all_checked: every row counts as checked.
        at: when it was corrected, where the file does not say; now, when ``None``.

    Returns:
        What changed.

    Raises:
        DataError: the corrected file cannot be read, or the training set is damaged; nothing is written then.
        ConfigError: what the format needs is not installed.
    """
    source, target = Path(corrected), Path(training)
    if source.resolve() == target.resolve():
        msg = f"{target}: is the corrected file itself; give another file for the training set"
        raise DataError(msg)
    found = read_corrected(source, all_checked=all_checked)
    book = _TrainingSet(target)
    when = (at or datetime.now(UTC)).astimezone(UTC)
    for correction in found.corrections:
        book.add(correction, reviewer, when)
    if book.applied:
        book.write()
    rejects = None
    if found.rejected:
        rejects = source.with_name(f"{source.name}.rejects.jsonl")
        lines = [{"row": one.row, "reason": one.reason, "text": one.text} for one in found.rejected]
        write_whole(rejects, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode())
    return ApplySummary(
        found.rows,
        found.untouched,
        tuple(found.rejected),
        rejects,
        len(book.added),
        len(book.updated - book.added),
        book.applied,
        len(found.corrections) - book.applied,
        _changes(found.corrections),
        len(book.entries),
    )


def _changes(corrections: Sequence[Correction]) -> dict[str, TaskChanges]:
    found: dict[str, TaskChanges] = {}
    for one in corrections:
        task = found.setdefault(one.task, TaskChanges())
        if one.guess is None:
            task.new += 1
        elif one.guess == one.values:
            task.kept += 1
        else:
            task.changed += 1
            task.moves[_shown(one.guess), _shown(one.values)] += 1
    return {task: found[task] for task in TASKS if task in found}


def _shown(values: tuple[str, ...]) -> str:
    return "|".join(values) or "-"


class _TrainingSet:
    """The lines of a training set by message."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, dict[str, Any]] = {}
        self.added: set[str] = set()
        self.updated: set[str] = set()
        self.applied = 0
        self._others: dict[str, list[dict[str, Any]]] = {}
        if path.exists():
            self._read()

    def _read(self) -> None:
        """Read what is there; a text that stands there twice keeps all its lines, and the last is the one that changes.

        Raises:
            DataError: a line is no labelled message: it would be lost or carried along unseen.
        """
        try:
            if self.path.stat().st_size > MAX_TRAINING_BYTES:
                msg = f"{self.path}: larger than {MAX_TRAINING_BYTES:,} bytes; begin another training set"
                raise DataError(msg)
            with self.path.open(encoding="utf-8-sig") as stream:
                for number, line in enumerate(stream, 1):
                    if not line.strip():
                        continue
                    try:
                        record = json.loads(line[:MAX_LINE_CHARS])
                        parse_labelled(record)
                        if not isinstance(record.get(_HISTORY, []), list):
                            msg = f"{_HISTORY}: expected a list"
                            raise ValueError(msg)  # noqa: TRY004, TRY301 - what is wrong is the data
                    except (ValueError, RecursionError) as error:
                        msg = f"{self.path}:{number}: {error}; mend the line or take another file, nothing was changed"
                        raise DataError(msg) from error
                    key = clean(record["text"])
                    if key in self.entries:
                        self._others.setdefault(key, []).append(self.entries[key])
                    self.entries[key] = record
        except (OSError, UnicodeDecodeError) as error:
            msg = f"{self.path}: cannot be read as UTF-8 text: {error}"
            raise DataError(msg) from error

    def add(self, one: Correction, reviewer: str, now: datetime) -> None:
        """Add a correction unless it is there."""
        key = clean(one.text)
        record = self.entries.get(key)
        history: list[dict[str, Any]] = [] if record is None else record.setdefault(_HISTORY, [])
        entry = {
            "at": (one.at or now).isoformat(timespec="seconds"),
            "by": one.reviewer or reviewer,
            "task": one.task,
            "value": list(one.values),
            "guess": None if one.guess is None else list(one.guess),
            "model": one.model,
            **({"note": one.note} if one.note else {}),
        }
        same = [other for other in history if _same(other, entry, timed=one.at is not None)]
        if same:
            return
        if record is None:
            record = {"id": one.id or _identifier(key), "text": one.text, _HISTORY: history}
            self.entries[key] = record
            self.added.add(key)
        mine = [other for other in history if other.get("task") == one.task]
        if one.task in record and not mine:
            # where the label comes from is not known, but it must not be lost
            given = record[one.task]
            known = given if isinstance(given, list) else [given]
            history.append({"at": None, "by": _BEFORE, "task": one.task, "value": [str(item) for item in known]})
        latest = max((str(other.get("at") or "") for other in mine), default="")
        history.append(entry)
        if str(entry["at"]) >= latest:
            record[one.task] = _label(one)
        self.updated.add(key)
        self.applied += 1

    def write(self) -> None:
        """Write all lines, the history behind the labels."""
        lines = []
        for key, record in self.entries.items():
            for other in (*self._others.get(key, ()), record):
                history = other.get(_HISTORY)
                kept = {name: value for name, value in other.items() if name != _HISTORY}
                lines.append(json.dumps(kept | ({_HISTORY: history} if history else {}), ensure_ascii=False))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, ("\n".join(lines) + "\n").encode("utf-8", "replace"))


def _same(other: Mapping[str, Any], entry: Mapping[str, Any], *, timed: bool) -> bool:
    """Return whether a correction is one that was made before; files without times tell it by everything else."""
    names = ("task", "value", "guess", "model", "by", *(["at"] if timed else []))
    return isinstance(other, dict) and all(other.get(name) == entry[name] for name in names)


def _label(one: Correction) -> Any:  # noqa: ANN401 - a text, a number or a list of texts
    """Return the label as docs/labels.md writes it."""
    if TASKS[one.task].is_multilabel:
        return list(one.values)
    return int(one.values[0]) if one.task == "intensity" else one.values[0]


def _identifier(text: str) -> str:
    return "c" + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:_ID_CHARS]
