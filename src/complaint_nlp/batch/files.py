"""Labelling a file on one machine: rows in, rows with labels out, in order, on several processes."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import signal
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from complaint_nlp.batch.columns import EXTRA, label_row, masked
from complaint_nlp.batch.columns import renamed as renamed_columns
from complaint_nlp.batch.formats import Encoder, Reject, Row, estimate_rows, format_of, open_output, open_rows
from complaint_nlp.errors import DataError
from complaint_nlp.hub import resolve_model
from complaint_nlp.labels import TASKS
from complaint_nlp.report import column_names

if TYPE_CHECKING:
    from complaint_nlp.analyzer import Analyzer
    from complaint_nlp.classify.cascade import Speed

_CHUNK: Final = 128
_ALONE_BYTES: Final = 1_000_000
"""Files up to this size are labelled in this process: starting others would take longer."""
_MAX_WORKERS: Final = 16


class Progress(Protocol):
    """Told how far the work has come."""

    def __call__(self, stage: str, done: int, total: int, /) -> None:
        """Report that ``done`` of about ``total`` rows are finished."""


@dataclass(slots=True)
class LabelSummary:
    """What a labelling run did.

    Attributes:
        target: the file that was written.
        rows: how many rows it holds.
        rejected: how many rows could not be read.
        rejects: the file that lists them, ``None`` when there are none.
        seconds: how long it took.
        counts: how often every status and every label of the main tasks occurs.
    """

    target: Path
    rows: int = 0
    rejected: int = 0
    rejects: Path | None = None
    seconds: float = 0.0
    counts: dict[str, Counter[str]] = field(default_factory=dict)


def label_file(
    source: str | Path,
    target: str | Path,
    *,
    text_column: str = "text",
    encoding: str | None = None,
    workers: int = 0,
    overwrite: bool = False,
    model: str | Path = "default",
    speed: Speed | None = None,
    routing: str | Path | None = None,
    safety_rules: str | Path | None = None,
    mask: bool = False,
    progress: Progress | None = None,
) -> LabelSummary:
    """Label every row of a file.

    The output holds the input's own columns, then those of :func:`complaint_nlp.report.arrow_schema`, then
    ``extra_<task>`` for every own task of the model (lists where several values apply); a column of the
    input that bears the name of a label is kept as ``input_<name>``. It appears only when it is complete. Rows that
    cannot be read are listed in ``<target>.rejects.jsonl`` with number and reason; the rest goes on.

    Args:
        source: CSV, TSV, JSONL or Parquet file.
        target: file to write, its format by its ending.
        text_column: column that holds the message.
        encoding: of a text file; found out when ``None``.
        workers: processes; 0 for as many as useful.
        overwrite: replace ``target`` when it exists.
        model: as in :meth:`complaint_nlp.Analyzer.load`.
        speed: as in :meth:`complaint_nlp.Analyzer.load`.
        routing: as in :meth:`complaint_nlp.Analyzer.load`.
        safety_rules: as in :meth:`complaint_nlp.Analyzer.load`.
        mask: hide personal data in the message, in the words taken from it, and in rows that are set aside; a hidden
            character becomes ``*``. Other columns stay as they are.
        progress: told how far the work has come.

    Raises:
        DataError: the files or the column are not what they should be.
        ModelError: the model bundle is missing or damaged.
        ConfigError: a rule file is wrong.
    """
    source, target = Path(source), Path(target)
    _check_target(source, target, overwrite=overwrite)
    began = time.monotonic()
    columns, rows = open_rows(source, encoding)
    if text_column not in columns and (columns or format_of(source) != "jsonl"):
        msg = f"{source}: has no column {text_column!r}; its columns are {', '.join(columns)} (use --text-column)"
        raise DataError(msg)
    # a hub id is looked up once, so that all processes use the same files
    model = resolve_model(model)
    extra = _extra_columns(model)
    labels = column_names()
    renamed = renamed_columns(columns, [*labels, *extra])
    summary = LabelSummary(target, counts={name: Counter() for name in _COUNTED})
    count = workers or (1 if source.stat().st_size <= _ALONE_BYTES else min(os.cpu_count() or 1, _MAX_WORKERS))
    options = {"routing": routing, "safety_rules": safety_rules, "speed": speed, "threads": 1 if count > 1 else 0}
    arguments = (str(model), options, datetime.now(UTC))
    target.parent.mkdir(parents=True, exist_ok=True)
    with _staged(target) as staging, _label_function(count, arguments) as submit:
        encoder, sink = open_output(staging / target.name, format_of(target), [*renamed.values()], labels, extra)
        rejects = staging / _rejects_of(target).name
        total = estimate_rows(source) if progress is not None else 0
        chunks = _chunks(rows, rejects, summary, mask=mask)
        try:
            job = Job(text_column, renamed, encoder, mask)
            for encoded, counts in _labelled(chunks, submit, job, waiting=2 * count):
                sink.write(encoded)
                _add(summary, counts)
                if progress is not None:
                    done = summary.rows + summary.rejected
                    progress("labelling", done, max(total, done))
        finally:
            sink.close()
        if summary.rejected:
            summary.rejects = rejects.replace(_rejects_of(target))
        else:
            _rejects_of(target).unlink(missing_ok=True)  # of an earlier run, which this one replaces
        (staging / target.name).replace(target)
    summary.seconds = time.monotonic() - began
    return summary


def _extra_columns(model: str | Path) -> dict[str, bool]:
    """Return the columns of the model's own tasks, and whether they hold lists."""
    from complaint_nlp.classify.bundle import open_bundle
    from complaint_nlp.classify.heads import OwnHeads

    bundle = open_bundle(model)
    if "heads" not in bundle.manifest.components:
        return {}
    return {f"{EXTRA}{name}": task.kind == "several" for name, task in OwnHeads(bundle).settings.tasks.items()}


_COUNTED: Final = ("status", "intent", "category", "urgency", "emotion", "department")


def _check_target(source: Path, target: Path, *, overwrite: bool) -> None:
    format_of(target)
    if not source.is_file():
        msg = f"{source}: no such file"
        raise DataError(msg)
    if target.exists() and target.resolve() == source.resolve():
        msg = f"{target}: is the input itself; write to another file"
        raise DataError(msg)
    if target.is_dir():
        msg = f"{target}: is a directory; write to a file"
        raise DataError(msg)
    for path in (target, _rejects_of(target)):
        if path.exists() and not overwrite:
            msg = f"{path}: exists already; use --overwrite to replace it"
            raise DataError(msg)


def _rejects_of(target: Path) -> Path:
    return target.with_name(target.name + ".rejects.jsonl")


@contextmanager
def _staged(target: Path) -> Iterator[Path]:
    """Yield a folder beside ``target`` for unfinished files; it is gone afterwards, whatever happens."""
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        yield Path(folder)


Counts = dict[str, Counter[str]]


class Job(NamedTuple):
    """What a process needs beside the rows.

    Attributes:
        text_column: column that holds the message.
        renamed: names of the own columns in the output.
        encoder: of the output.
        mask: whether personal data is hidden.
    """

    text_column: str
    renamed: dict[str, str]
    encoder: Encoder
    mask: bool


Submit = Callable[[list[dict[str, Any]], Job], "Future[tuple[Any, Counts]]"]


@contextmanager
def _label_function(workers: int, arguments: tuple[Any, ...]) -> Iterator[Submit]:
    """Yield a function that labels and encodes rows, here or in one of several processes."""
    if workers == 1:
        _load(*arguments)

        def here(rows: list[dict[str, Any]], job: Job) -> Future[tuple[Any, Counts]]:
            future: Future[tuple[Any, Counts]] = Future()
            future.set_result(_label(rows, job))
            return future

        yield here
        return
    # forkserver: the processes begin clean, whatever threads run here; spawn where there is none
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        context.set_forkserver_preload(["complaint_nlp.batch.warm"])  # dictionaries in memory that all share
    pool: Executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_load, initargs=arguments)
    with pool:
        try:
            yield lambda rows, job: pool.submit(_label, rows, job)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_ANALYZER: dict[str, Any] = {}


def _load(model: str, options: dict[str, Any], received_at: datetime) -> None:
    from complaint_nlp.analyzer import Analyzer

    # an interrupt is the main process's to handle: it stops the others
    if multiprocessing.parent_process() is not None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # reports hold no cycles, so the collector would walk through them for nothing: a third of the time
        gc.freeze()
        gc.set_threshold(500_000)
    _ANALYZER["analyzer"] = Analyzer.load(model, **options)
    _ANALYZER["received_at"] = received_at


def _label(rows: list[dict[str, Any]], job: Job) -> tuple[Any, Counts]:
    text_column = job.text_column
    analyzer: Analyzer = _ANALYZER["analyzer"]
    texts = [row.get(text_column) for row in rows]
    counts: Counts = {name: Counter() for name in _COUNTED}
    labelled = []
    for row, report in zip(rows, analyzer.analyze_stream(texts, received_at=_ANALYZER["received_at"]), strict=True):
        label = label_row(report, analyzer.extra_tasks, mask=job.mask)
        for name, counter in counts.items():
            value = label[name]
            if isinstance(value, list):
                counter.update(value[:1] if TASKS[name].kind == "primary_multilabel" else value)
            elif value is not None:
                counter[str(value)] += 1
        # a column that only later lines of a JSONL file have may bear the name of a label too
        given = {**row, text_column: masked(row.get(text_column))} if job.mask and text_column in row else row
        own = {job.renamed.get(key, f"input_{key}" if key in label else key): value for key, value in given.items()}
        labelled.append({**own, **label})
    return job.encoder(labelled), counts


def _chunks(
    rows: Iterator[Row | Reject], rejects: Path, summary: LabelSummary, *, mask: bool
) -> Iterator[list[dict[str, Any]]]:
    """Yield the good rows in pieces and write the others to the list of rejects."""
    with rejects.open("w", encoding="utf-8") as set_aside:
        while chunk := list(islice(rows, _CHUNK)):
            for row in chunk:
                if isinstance(row, Reject):
                    summary.rejected += 1
                    # masked before it is cut: half a number would not be known as one
                    content = str(masked(row.content[:4000])) if mask else row.content
                    record = {"row": row.number, "reason": row.reason, "content": content[:2000]}
                    set_aside.write(json.dumps(record, ensure_ascii=True) + "\n")
            yield [row.values for row in chunk if isinstance(row, Row)]


def _labelled(
    chunks: Iterator[list[dict[str, Any]]], submit: Submit, job: Job, *, waiting: int
) -> Iterator[tuple[Any, Counts]]:
    """Yield encoded rows in order, keeping at most ``waiting`` chunks under way."""
    pending: deque[Future[tuple[Any, Counts]]] = deque()
    for chunk in chunks:
        pending.append(submit(chunk, job))
        if len(pending) > waiting:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _add(summary: LabelSummary, counts: Counts) -> None:
    summary.rows += counts["status"].total()
    for name, counter in counts.items():
        summary.counts[name].update(counter)


def read_rows(path: Path, count: int) -> list[dict[str, Any]]:
    """Return the first rows of a labelled file, lists as lists whatever its format."""
    _, rows = open_rows(path, None)
    found = [row.values for row in islice((row for row in rows if isinstance(row, Row)), count)]
    for row in found:
        for name, task in TASKS.items():
            if task.is_multilabel and isinstance(row.get(name), str):
                row[name] = row[name].split("|") if row[name] else []
    return found
