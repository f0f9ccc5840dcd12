"""The file to which the desk page appends what people corrected: one JSON object per line, in UTF-8."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from filelock import FileLock, Timeout

from complaint_nlp.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

_WAIT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person says a message should have been labelled.

    Attributes:
        text: the message, as it came in.
        task: a key of :data:`complaint_nlp.TASKS`.
        value: the right value, or the right values, the primary one first, of a task that allows several.
        guess: what the model said, in the same form; ``None`` where it said nothing.
        model: the hash of the model bundle that guessed.
        at: when it was corrected: ISO 8601 in UTC.
        reviewer: who corrected it, when given.
    """

    text: str
    task: str
    value: str | list[str]
    guess: str | list[str] | None
    model: str
    at: str
    reviewer: str | None = None


class CorrectionsFile:
    """Appends corrections to a file, whole lines only, from any number of threads and processes.

    A lock file ``<path>.lock`` lies beside it. The messages are kept as they came in, personal data included, so
    the file is created readable by its owner alone.

    Args:
        path: the file; made, like its directory, with the first correction.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, correction: Correction) -> None:
        """Write one line; when this returns, it is on the disk.

        Raises:
            DataError: the file cannot be written, or another process has held its lock for ten seconds.
        """
        record = {name: value for name, value in asdict(correction).items() if name != "reviewer" or value}
        written = json.dumps(record, ensure_ascii=False)
        try:
            line = written.encode()
        except UnicodeEncodeError:  # half a surrogate pair has no UTF-8, but an escape
            line = json.dumps(record).encode()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.path}.lock", timeout=_WAIT_SECONDS):
                self._append(line + b"\n")
        except Timeout as error:
            msg = f"{self.path}: locked by another process for {_WAIT_SECONDS:.0f} seconds; the correction was not kept"
            raise DataError(msg) from error
        except OSError as error:
            msg = f"{self.path}: the correction cannot be written: {error.strerror or error}"
            raise DataError(msg) from error

    def _append(self, line: bytes) -> None:
        is_new = not self.path.exists()
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as stream:
            size = stream.seek(0, os.SEEK_END)
            try:
                if size and os.pread(descriptor, 1, size - 1) != b"\n":
                    line = b"\n" + line  # a writer was killed within its line: that one alone stays broken
                rest = memoryview(line)
                while rest:
                    rest = rest[stream.write(rest) :]
                os.fsync(descriptor)
            except OSError:  # such as a full disk: no half line stays
                stream.truncate(size)
                raise
        if is_new:
            _sync_directory(self.path.parent)


def _sync_directory(directory: Path) -> None:
    """Make sure that the name of a new file is on the disk too, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
