"""Labelling rows here or in other processes, each of which loads the model once."""

from __future__ import annotations

import gc
import hashlib
import multiprocessing
import os
import signal
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.batch.columns import label_row, masked
from complaint_nlp.errors import DataError
from complaint_nlp.labels import TASKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from complaint_nlp.batch.cache import ResultCache
    from complaint_nlp.batch.journal import Counts
    from complaint_nlp.batch.outputs import Encoder

COUNTED: Final = ("status", "intent", "category", "urgency", "emotion", "department")
"""Columns whose values are counted."""
_REMEMBERED: Final = 5_000
"""Messages whose labels a process remembers, so that the same text is not labelled twice."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a process needs beside the rows.

    Attributes:
        text_column: column that holds the message.
        renamed: names of the own columns in the output; those that are not kept are missing.
        encoder: of the output.
        open_ended: whether rows may hold further columns, which are kept too.
    """

    text_column: str
    renamed: Mapping[str, str]
    encoder: Encoder
    open_ended: bool


@dataclass(frozen=True, slots=True)
class Setup:
    """How a process gets ready.

    Attributes:
        model: directory of the bundle.
        options: further arguments of :meth:`Analyzer.load`.
        received_at: from when deadlines count.
        mask: whether personal data is hidden.
        cache: file of the result cache, if any.
    """

    model: str
    options: Mapping[str, Any]
    received_at: datetime
    mask: bool = False
    cache: Path | None = None


Rows = list[dict[str, Any]]
Submit = Callable[[Rows, Job], "Future[tuple[Any, Counts]]"]


@contextmanager
def labelling(workers: int, setup: Setup) -> Iterator[Submit]:
    """Yield a function that labels and encodes rows, here or in one of several processes.

    Raises:
        DataError: the cache cannot be used, or a process was ended by something else than this one.
    """
    if setup.cache is not None:
        from complaint_nlp.batch.cache import make_cache

        make_cache(setup.cache)
    if workers == 1:
        worker = Worker(setup)

        def here(rows: Rows, job: Job) -> Future[tuple[Any, Counts]]:
            future: Future[tuple[Any, Counts]] = Future()
            future.set_result(worker.label(rows, job))
            return future

        try:
            yield here
        finally:
            worker.close()
        return
    # forkserver: the processes begin clean, whatever threads run here; spawn where there is none
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        context.set_forkserver_preload(["complaint_nlp.batch.warm"])  # dictionaries in memory that all share
    pool: Executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(setup,))

    def there(rows: Rows, job: Job) -> Future[tuple[Any, Counts]]:
        with _deaf():
            return pool.submit(_label, rows, job)

    with pool:
        try:
            yield there
        except BrokenProcessPool as error:
            msg = (
                "a worker process was ended from outside (killed, or out of memory); fewer --workers need less memory. "
                "A script that labels needs its calls under \"if __name__ == '__main__':\", for workers import it too"
            )
            raise DataError(msg) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def _deaf() -> Iterator[None]:
    """Keep interrupts back; processes started meanwhile never hear them: they are the main process's to handle."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Worker:
    """Labels rows, and remembers what it has labelled.

    Args:
        setup: how it gets ready.
    """

    def __init__(self, setup: Setup) -> None:
        from complaint_nlp.analyzer import Analyzer

        self._analyzer: Analyzer = Analyzer.load(setup.model, **setup.options)
        self._received_at = setup.received_at
        self._mask = setup.mask
        self._remembered: OrderedDict[bytes, dict[str, Any]] = OrderedDict()
        self._cache: ResultCache | None = None
        if setup.cache is not None:
            from complaint_nlp.batch.cache import ResultCache

            self._cache = ResultCache(setup.cache, self._analyzer, {**setup.options, "mask": setup.mask})

    def close(self) -> None:
        """Close the cache."""
        if self._cache is not None:
            self._cache.close()

    def label(self, rows: Rows, job: Job) -> tuple[Any, Counts]:
        """Return rows with their labels, encoded, and how often each label occurs."""
        labels = self._labels([row.get(job.text_column) for row in rows])
        counts: Counts = {name: Counter() for name in COUNTED}
        labelled = []
        for row, label in zip(rows, labels, strict=True):
            for name, counter in counts.items():
                value = label[name]
                if isinstance(value, list):
                    counter.update(value[:1] if TASKS[name].kind == "primary_multilabel" else value)
                elif value is not None:
                    counter[str(value)] += 1
            labelled.append({**self._own(row, label, job), **label})
        return job.encoder(labelled), counts

    def _own(self, row: dict[str, Any], label: dict[str, Any], job: Job) -> dict[str, Any]:
        """Return the row's own columns under their names in the output."""
        if self._mask and job.text_column in row:
            row = {**row, job.text_column: masked(row[job.text_column])}
        if job.open_ended:
            # a column that only later lines of a JSONL file have may bear the name of a label too
            return {job.renamed.get(key, f"input_{key}" if key in label else key): value for key, value in row.items()}
        return {new: row.get(name) for name, new in job.renamed.items()}

    def _labels(self, texts: list[Any]) -> list[dict[str, Any]]:
        """Return the labels of every text; a text that occurs again is not labelled again."""
        known = self._remembered
        keys = [_key(text) for text in texts]
        found: dict[bytes, dict[str, Any]] = {}
        waiting: dict[bytes, Any] = {}
        for key, text in zip(keys, texts, strict=True):
            if key in known:
                known.move_to_end(key)
                found[key] = known[key]
            else:
                waiting[key] = text
        if self._cache is not None:
            found |= self._cache.get(waiting, self._received_at)
            waiting = {key: text for key, text in waiting.items() if key not in found}
        reports = self._analyzer.analyze_stream(waiting.values(), received_at=self._received_at)
        made = {
            key: label_row(report, self._analyzer.extra_tasks, mask=self._mask)
            for key, report in zip(waiting, reports, strict=True)
        }
        if self._cache is not None:
            self._cache.put(made)
        found |= made
        known.update(found)
        while len(known) > _REMEMBERED:
            known.popitem(last=False)
        return [found[key] for key in keys]


def _key(text: object) -> bytes:
    """Return what tells texts apart; what is no text by its type and value."""
    content = f"str {text}" if isinstance(text, str) else f"{type(text).__name__} {text!r}"
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).digest()


_worker: Worker | Exception | None = None
"""Of this process, where it is one that others ask; or why it could not get ready."""


def _begin(setup: Setup) -> None:
    """Get ready in a process of its own."""
    global _worker  # noqa: PLW0603 - a process has nothing else to keep it in
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where interrupts could not be kept back
    # reports hold no cycles, so the collector would walk through them for nothing: a third of the time
    gc.freeze()
    gc.set_threshold(500_000)
    try:
        _worker = Worker(setup)
    except Exception as error:  # noqa: BLE001 - the pool would only say that it is broken
        _worker = error


def _end_with(sentinel: int) -> None:
    """End this process as soon as the main one is gone, however it went."""
    wait([sentinel])
    os._exit(1)


def _label(rows: Rows, job: Job) -> tuple[Any, Counts]:
    """Label rows in a process of its own."""
    if not isinstance(_worker, Worker):
        raise _worker or RuntimeError
    return _worker.label(rows, job)
