"""The work folder of a labelling run: finished parts of the output, and a journal of what they hold.

A part counts as soon as the journal has its line, and the line is written when the part is safe on the disk. What a
killed process leaves behind it is thrown away by the next one.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, Final

from complaint_nlp.batch.sql import KEYS
from complaint_nlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_RUN: Final = "run.json"
_JOURNAL: Final = "parts.jsonl"
_RECEIVED: Final = "received_at"
_MOVING: Final = "moving"
_LOCK: Final = "lock"
Counts = dict[str, Counter[str]]


@dataclass(slots=True)
class Totals:
    """What a run has done so far.

    Attributes:
        read: rows taken from the source, those that were set aside or not asked for included.
        rows: rows labelled.
        rejected: rows set aside.
        counts: how often every status and every label of the main tasks occurs.
    """

    read: int = 0
    rows: int = 0
    rejected: int = 0
    counts: Counts = field(default_factory=dict)

    def add(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Count labelled rows."""
        for name, values in counts.items():
            self.counts.setdefault(name, Counter()).update(values)
        self.rows += sum(counts["status"].values())


class Journal:
    """A work folder.

    Attributes:
        folder: where it lies.
        totals: what the run has done, the part that is being written included.
        finished: how many rows the finished parts hold.

    Args:
        target: the output it belongs to; the folder lies beside it.
        settings: everything the output depends on: the source and how it is labelled.
    """

    def __init__(self, target: Path, settings: Mapping[str, Any]) -> None:
        self.folder = work_folder(target)
        self.totals = Totals()
        self.finished = 0
        self._settings = json.loads(json.dumps(settings, default=str))
        self._parts: list[str] = []
        self._lock: IO[str] | None = None

    def begin(self) -> None:
        """Make the folder.

        Raises:
            DataError: it holds finished parts of an interrupted run, or another process is at work in it.
        """
        if has_parts(self.folder):
            msg = (
                f"{self.folder}: holds finished parts of an interrupted run; use --resume to go on with it, or delete "
                "the folder to begin again"
            )
            raise DataError(msg)
        self._take()
        self._sweep({_LOCK})
        _write_safely(self.folder / _RUN, json.dumps(self._settings, ensure_ascii=False, indent=1))

    def resume(self) -> None:
        """Take up the finished parts of an interrupted run; with none this is :meth:`begin`.

        Raises:
            DataError: the run was one of another source or with other settings, its parts are not all there, or
                another process is at work on it.
        """
        if not has_parts(self.folder):
            self.begin()
            return
        self._take()
        try:
            before = json.loads((self.folder / _RUN).read_text(encoding="utf-8"))
            lines = _lines(self.folder / _JOURNAL)
            changed = sorted(key for key in {*before, *self._settings} if before.get(key) != self._settings.get(key))
            for line in lines:
                self._parts.append(line["part"])
                self.totals.read, self.totals.rows, self.totals.rejected = line["read"], line["rows"], line["rejected"]
                self.totals.counts = {name: Counter(values) for name, values in line["counts"].items()}
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            msg = f"{self.folder}: is damaged ({error}); delete the folder to begin again"
            raise DataError(msg) from error
        if changed:
            msg = (
                f"{self.folder}: was begun with other settings or another source ({', '.join(changed)} differ); go on "
                "as before, or delete the folder to begin again"
            )
            raise DataError(msg)
        missing = next((path for path in (*self.parts, *self.rejects) if not path.is_file()), None)
        if missing is not None:
            msg = f"{missing}: is not there any more; delete the folder to begin again"
            raise DataError(msg)
        self.finished = self.totals.rows
        # without a half line at its end, to which the next one would stick
        _write_safely(self.folder / _JOURNAL, "".join(json.dumps(line) + "\n" for line in lines))
        self._sweep({_LOCK, _RUN, _JOURNAL, _RECEIVED, _MOVING, KEYS, *self._parts, *map(_rejects_of, self._parts)})

    def _take(self) -> None:
        """Make the folder if there is none, and keep other processes out of it for as long as this one lives."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if sys.platform == "win32":
            return
        import fcntl

        self._lock = (self.folder / _LOCK).open("w", encoding="utf-8")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.release()
            msg = f"{self.folder}: another process is writing this output; wait for it, or stop it"
            raise DataError(msg) from error
        except OSError:
            pass  # some network drives have no locks

    def _sweep(self, known: set[str]) -> None:
        """Delete what a killed process left behind."""
        for left in self.folder.iterdir():
            if left.name not in known:
                shutil.rmtree(left) if left.is_dir() else left.unlink()

    def received_at(self) -> datetime:
        """Return from when deadlines count: now, or when a resumed run was begun."""
        note = self.folder / _RECEIVED
        if not note.is_file():
            _write_safely(note, datetime.now(UTC).isoformat())
        return datetime.fromisoformat(note.read_text(encoding="utf-8"))

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the output depends on, as JSON holds it; of a resumed run what it was begun with."""
        return dict(self._settings)

    def next_part(self) -> tuple[Path, Path]:
        """Return where the next part and its rejected rows are to be written."""
        name = f"part-{len(self._parts):06d}"
        return self.folder / name, self.folder / _rejects_of(name)

    def finish_part(self) -> None:
        """Count the part that was written last as finished."""
        part, rejects = self.next_part()
        for path in (part, rejects):
            _sync(path)
        totals = self.totals
        line = {
            "part": part.name,
            "read": totals.read,
            "rows": totals.rows,
            "rejected": totals.rejected,
            "counts": totals.counts,
        }
        with (self.folder / _JOURNAL).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")  # ASCII: a line that is cut off can still be read
            stream.flush()
            os.fsync(stream.fileno())
        self._parts.append(part.name)
        self.finished = totals.rows

    @property
    def parts(self) -> list[Path]:
        """The finished parts in order."""
        return [self.folder / name for name in self._parts]

    @property
    def rejects(self) -> list[Path]:
        """The lists of rejected rows that belong to them."""
        return [self.folder / _rejects_of(name) for name in self._parts]

    def begin_moving(self) -> None:
        """Note that from now on the output itself is put in place: what is there is this run's own."""
        (self.folder / _MOVING).touch()

    def discard(self) -> None:
        """Delete the folder."""
        with suppress(OSError):
            (self.folder / _JOURNAL).unlink(missing_ok=True)  # first: half a folder must not look like finished parts
        shutil.rmtree(self.folder, ignore_errors=True)
        self.release()

    def release(self) -> None:
        """Let other processes into the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def is_moving(target: Path) -> bool:
    """Return whether a run was stopped while it put this output in place; going on with it does so again."""
    folder = work_folder(target)
    return has_parts(folder) and (folder / _MOVING).exists()


def work_folder(target: Path) -> Path:
    """Return the work folder of an output."""
    return target.with_name(f".{target.name}.work")


def _rejects_of(part: str) -> str:
    return f"{part}.rejects"


def has_parts(folder: Path) -> bool:
    """Return whether a work folder holds finished parts."""
    journal = folder / _JOURNAL
    return (folder / _RUN).is_file() and journal.is_file() and b"\n" in journal.read_bytes()


def _lines(journal: Path) -> list[dict[str, Any]]:
    """Return the lines of a journal; one that a killed process left half written does not count."""
    *whole, _ = journal.read_bytes().split(b"\n")
    return [json.loads(line) for line in whole]


def _write_safely(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    _sync(part)
    part.replace(path)


def _sync(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())
