"""Labelling a file on one machine: rows in, rows with labels out, in order, on several processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
import time
from collections import Counter, deque
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from complaint_nlp.batch.formats import Reject, Row, format_of, open_rows, open_writer
from complaint_nlp.errors import DataError
from complaint_nlp.labels import TASKS
from complaint_nlp.report import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from complaint_nlp.analyzer import Analyzer
    from complaint_nlp.batch.formats import Writer

_CHUNK: Final = 512
_ALONE_BYTES: Final = 1_000_000
"""Files up to this size are labelled in this process: starting others would take longer."""
_MAX_WORKERS: Final = 16


class Progress(Protocol):
    """Told how far the work has come."""

    def __call__(self, stage: str, done: int, total: int, /) -> None:
        """Report that ``done`` of ``total`` rows (0: not known) are finished."""


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
    routing: str | Path | None = None,
    safety_rules: str | Path | None = None,
    progress: Progress | None = None,
) -> LabelSummary:
    """Label every row of a file.

    The output holds the input's own columns, then those of :func:`complaint_nlp.report.arrow_schema`; a column of the
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
        routing: as in :meth:`complaint_nlp.Analyzer.load`.
        safety_rules: as in :meth:`complaint_nlp.Analyzer.load`.
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
    labels = [item.name for item in arrow_schema()]
    renamed = {name: f"input_{name}" if name in labels else name for name in columns}
    summary = LabelSummary(target, counts={name: Counter() for name in _COUNTED})
    arguments = (str(model), routing, safety_rules, datetime.now(UTC))
    count = workers or (1 if source.stat().st_size <= _ALONE_BYTES else min(os.cpu_count() or 1, _MAX_WORKERS))
    target.parent.mkdir(parents=True, exist_ok=True)
    with _staged(target) as staging, _label_function(count, arguments) as submit:
        writer = open_writer(staging / target.name, format_of(target), [*renamed.values()], labels)
        rejects = staging / (target.name + ".rejects.jsonl")
        try:
            for batch in _labelled(rows, submit, text_column, waiting=2 * count, rejects=rejects, summary=summary):
                writer.write([_joined(row, label, renamed) for row, label in batch])
                if progress is not None:
                    progress("labelling", summary.rows, 0)
        finally:
            _close(writer)
        if summary.rejected:
            summary.rejects = target.with_name(rejects.name)
            rejects.replace(summary.rejects)
        (staging / target.name).replace(target)
    summary.seconds = time.monotonic() - began
    return summary


_COUNTED: Final = ("status", "intent", "category", "urgency", "emotion", "department")


def _check_target(source: Path, target: Path, *, overwrite: bool) -> None:
    format_of(target)
    if not source.is_file():
        msg = f"{source}: no such file"
        raise DataError(msg)
    if target.exists() and target.resolve() == source.resolve():
        msg = f"{target}: is the input itself; write to another file"
        raise DataError(msg)
    if target.exists() and not overwrite:
        msg = f"{target}: exists already; use --overwrite to replace it"
        raise DataError(msg)


@contextmanager
def _staged(target: Path) -> Iterator[Path]:
    """Yield a folder beside ``target`` for unfinished files; it is gone afterwards, whatever happens."""
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        yield Path(folder)


def _close(writer: Writer) -> None:
    writer.close()


Labels = list[dict[str, Any]]


@contextmanager
def _label_function(workers: int, arguments: tuple[Any, ...]) -> Iterator[Callable[[list[Any]], Future[Labels]]]:
    """Yield a function that labels a list of texts, here or in one of several processes."""
    if workers == 1:
        _load(*arguments)

        def here(texts: list[Any]) -> Future[Labels]:
            future: Future[Labels] = Future()
            future.set_result(_label(texts))
            return future

        yield here
        return
    # forkserver: the processes begin clean, whatever threads run here; spawn where there is none
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    pool: Executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_load, initargs=arguments)
    with pool:
        try:
            yield lambda texts: pool.submit(_label, texts)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_ANALYZER: dict[str, Any] = {}


def _load(model: str, routing: str | Path | None, safety_rules: str | Path | None, received_at: datetime) -> None:
    from complaint_nlp.analyzer import Analyzer

    _ANALYZER["analyzer"] = Analyzer.load(model, routing=routing, safety_rules=safety_rules)
    _ANALYZER["received_at"] = received_at


def _label(texts: list[Any]) -> Labels:
    analyzer: Analyzer = _ANALYZER["analyzer"]
    reports = analyzer.analyze_batch(texts, batch_size=_CHUNK, received_at=_ANALYZER["received_at"])
    return [report.to_columns() for report in reports]


def _labelled(
    rows: Iterator[Row | Reject],
    submit: Callable[[list[Any]], Future[Labels]],
    text_column: str,
    *,
    waiting: int,
    rejects: Path,
    summary: LabelSummary,
) -> Iterator[list[tuple[Row, dict[str, Any]]]]:
    """Yield labelled rows in order, keeping at most ``waiting`` chunks under way."""
    pending: deque[tuple[list[Row], Future[Labels]]] = deque()
    with rejects.open("w", encoding="utf-8") as set_aside:
        chunks = iter(lambda: list(islice(rows, _CHUNK)), [])
        for chunk in chunks:
            good = [row for row in chunk if isinstance(row, Row)]
            for row in chunk:
                if isinstance(row, Reject):
                    summary.rejected += 1
                    record = {"row": row.number, "reason": row.reason, "content": row.content[:2000]}
                    set_aside.write(json.dumps(record, ensure_ascii=True) + "\n")
            pending.append((good, submit([row.values.get(text_column) for row in good])))
            if len(pending) > waiting:
                yield _finished(pending.popleft(), summary)
        while pending:
            yield _finished(pending.popleft(), summary)


def _finished(item: tuple[list[Row], Future[Labels]], summary: LabelSummary) -> list[tuple[Row, dict[str, Any]]]:
    rows, future = item
    labels = future.result()
    summary.rows += len(rows)
    for label in labels:
        for name, counter in summary.counts.items():
            value = label[name]
            if isinstance(value, list):
                counter.update(value[:1] if TASKS[name].kind == "primary_multilabel" else value)
            elif value is not None:
                counter[str(value)] += 1
    return list(zip(rows, labels, strict=True))


def _joined(row: Row, label: dict[str, Any], renamed: dict[str, str]) -> dict[str, Any]:
    own = {renamed.get(name, f"input_{name}" if name in label else name): value for name, value in row.values.items()}
    return {**own, **label}


def read_rows(path: Path, count: int) -> list[dict[str, Any]]:
    """Return the first rows of a labelled file, lists as lists whatever its format."""
    _, rows = open_rows(path, None)
    found = [row.values for row in islice((row for row in rows if isinstance(row, Row)), count)]
    for row in found:
        for name, task in TASKS.items():
            if task.is_multilabel and isinstance(row.get(name), str):
                row[name] = row[name].split("|") if row[name] else []
    return found
