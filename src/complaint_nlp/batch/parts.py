"""The part of an output that is being written, and the rows on their way to it."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.batch.columns import masked
from complaint_nlp.text.chars import is_broken

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from types import FrameType

    from complaint_nlp.batch.formats import Reject
    from complaint_nlp.batch.journal import Counts, Journal, Totals
    from complaint_nlp.batch.outputs import Output, Sink
    from complaint_nlp.batch.workers import Job, Submit

PART_ROWS: Final = 20_000
PART_SECONDS: Final = 15.0
"""A part is finished after so many rows, or after so long: that is what a kill costs at most."""
_MAX_REJECT_CHARS: Final = 2000


class Part:
    """The part that is being written, and after it the next one.

    Args:
        journal: of the run.
        output: how parts are written.
    """

    def __init__(self, journal: Journal, output: Output) -> None:
        self._journal = journal
        self._output = output
        self._sink: Sink | None = None
        self._rejects: list[str] = []
        self._began = time.monotonic()
        self._rows = 0
        self._read, self._rejected = journal.totals.read, journal.totals.rejected
        self._whole = True

    def reject(self, row: Reject, *, mask: bool) -> None:
        """Set a row aside."""
        # masked before it is cut: half a number would not be known as one
        content = str(masked(row.content[: 2 * _MAX_REJECT_CHARS])) if mask else row.content
        content = content[:_MAX_REJECT_CHARS]
        record = {"row": row.number, "reason": row.reason, "content": content}
        # bytes that are no text stand there as lone surrogates, which UTF-8 cannot hold
        broken = is_broken(content)
        self._rejects.append(json.dumps(record, ensure_ascii=broken))

    def write(self, encoded: object, counts: Counts, read: int, rejected: int) -> None:
        """Append encoded rows, after which ``read`` rows of the source are done and ``rejected`` set aside."""
        with _undisturbed():
            self._whole = False
            rows = sum(counts["status"].values())
            if rows:  # none was asked for in many a chunk
                if self._sink is None:
                    self._sink = self._output.open_part(self._journal.next_part()[0])
                self._sink.write(encoded)
            self._journal.totals.add(counts)
            self._rows += rows
            self._read, self._rejected = read, rejected
            self._whole = True
        held = max(self._rows, rejected - self._journal.totals.rejected)
        if held >= PART_ROWS or time.monotonic() - self._began >= PART_SECONDS:
            self.close()

    def end(self, reading: Totals) -> None:
        """Finish the last part: the source is at its end."""
        self._read, self._rejected = reading.read, reading.rejected
        if self._sink is None and not self._journal.parts:
            self._sink = self._output.open_part(self._journal.next_part()[0])  # an empty output has columns too
        self.close()

    def close(self) -> None:
        """Finish the part, if there is anything in it."""
        totals = self._journal.totals
        if self._sink is None and self._read == totals.read:
            return
        with _undisturbed():
            self._whole = False
            path, rejects = self._journal.next_part()
            sink = self._sink or self._output.open_part(path)
            sink.close()
            self._sink = None
            count = self._rejected - totals.rejected
            rejects.write_text("".join(f"{line}\n" for line in self._rejects[:count]), encoding="utf-8")
            self._rejects = self._rejects[count:]
            totals.read, totals.rejected = self._read, self._rejected
            self._journal.finish_part()
            self._began, self._rows = time.monotonic(), 0
            self._whole = True

    def stop(self) -> None:
        """Keep what is labelled already: the run was interrupted."""
        if self._whole:
            self.close()
        else:  # in the midst of writing, where interrupts cannot be held back: half a chunk must not count
            self.abandon()

    def abandon(self) -> None:
        """Leave the part unfinished."""
        if self._sink is not None:
            with suppress(Exception):
                self._sink.close()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold interrupts back until a step is whole: else all of an unfinished part would be lost."""
    if threading.current_thread() is not threading.main_thread():
        yield  # others are not interrupted
        return
    held: list[int] = []

    def hold(number: int, _frame: FrameType | None) -> None:
        held.append(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler is not None:
            signal.signal(number, hold)
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
        if held:
            signal.raise_signal(held[0])


def in_order(
    chunks: Iterator[list[dict[str, Any]]], submit: Submit, job: Job, reading: Totals, waiting: int
) -> Iterator[tuple[Any, Counts, int, int]]:
    """Yield encoded rows in order, with how many rows are read and set aside by then.

    Args:
        chunks: rows in pieces.
        submit: labels them.
        job: what to label them for.
        reading: counts what has been read.
        waiting: how many pieces are under way at most.
    """
    pending: deque[tuple[Future[tuple[Any, Counts]], int, int]] = deque()
    for chunk in chunks:
        pending.append((submit(chunk, job), reading.read, reading.rejected))
        if len(pending) > waiting:
            future, read, rejected = pending.popleft()
            yield (*future.result(), read, rejected)
    while pending:
        future, read, rejected = pending.popleft()
        yield (*future.result(), read, rejected)
