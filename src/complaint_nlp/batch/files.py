"""Labelling a file on one machine: rows in, rows with labels out, in order, on several processes.

What is finished is safe: parts of the output lie in a work folder beside it until all are there, and a run that was
stopped or killed goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import time
from collections import Counter
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from complaint_nlp import __version__
from complaint_nlp.batch.columns import EXTRA
from complaint_nlp.batch.columns import renamed as renamed_columns
from complaint_nlp.batch.formats import Reject, Row, column_types, format_of, open_rows
from complaint_nlp.batch.journal import Journal, Totals
from complaint_nlp.batch.options import LabelOptions, LabelProgress, LabelSummary
from complaint_nlp.batch.outputs import open_output
from complaint_nlp.batch.parts import Part, in_order
from complaint_nlp.batch.places import STANDARD, check_target, manifest_of, opened_target, rejects_of
from complaint_nlp.batch.sources import Source, is_small, opened, row_count, state_of
from complaint_nlp.batch.sql import SqlSource, is_sql
from complaint_nlp.batch.sql_output import SqlTarget, first_rows
from complaint_nlp.batch.workers import COUNTED, Job, Setup, labelling
from complaint_nlp.errors import DataError
from complaint_nlp.hub import resolve_model
from complaint_nlp.labels import TASKS
from complaint_nlp.report import SCHEMA_VERSION, column_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from complaint_nlp.batch.options import Progress
    from complaint_nlp.batch.outputs import Output

_CHUNK: Final = 256
_MAX_WORKERS: Final = 16


def label(
    source: str | Path,
    target: str | Path,
    *,
    progress: Progress | None = None,
    **options: Any,  # noqa: ANN401 - the attributes of LabelOptions
) -> LabelSummary:
    """Label every row of a file.

    The output holds the input's own columns, then those of :func:`complaint_nlp.report.arrow_schema`, then
    ``extra_<task>`` for every own task of the model (lists where several values apply); a column of the
    input that bears the name of a label is kept as ``input_<name>``. It appears only when it is complete, with
    ``<target>.manifest.json`` beside it, which says how the labels came about. Rows that cannot be read are listed in
    ``<target>.rejects.jsonl`` with number and reason; the rest goes on.

    A run that is stopped leaves its finished parts in ``.<target>.work``; call again with ``resume=True`` to go on.
    Standard output is written when all rows are labelled, and such a run cannot be resumed.

    Args:
        source: CSV, TSV, JSONL (also ``.gz``, ``.zst``, ``.xz``), Parquet file or folder, or Excel workbook; ``-`` for
            JSONL from standard input; or a table of a database, ``URL#table`` (see :mod:`complaint_nlp.batch.sql`).
        target: file to write, its format by its ending; ``-`` for JSONL to standard output; or ``URL#table``, a new
            table in SQLite or PostgreSQL. What lies beside a file lies in the current directory for a table.
        progress: told how far the work has come; a :class:`LabelProgress` also which labels were found.
        options: the attributes of :class:`LabelOptions`.

    Raises:
        DataError: the files or columns are not what they should be, too many rows cannot be read, the disk is full, or
            there are finished parts of a run with other settings.
        ModelError: the model bundle is missing or damaged.
        ConfigError: a rule file is wrong, or a package for the format is missing.
        ValueError: an option is out of its range.
        TypeError: there is no such option.
    """
    chosen = LabelOptions(**options)
    began = time.monotonic()
    with opened(source, chosen.key) as (given, name), opened_target(target) as place:
        run = _Run(given, name, place, chosen, progress, lasting=str(target) != STANDARD)
        summary = run.dry() if chosen.dry_run else run.label()
    if str(target) == STANDARD:  # the files beside it are gone
        summary.target = summary.rejects = summary.manifest = None
    summary.seconds = time.monotonic() - began
    return summary


class _Run:
    """One labelling run."""

    def __init__(
        self,
        source: Source,
        name: str,
        target: str | Path,
        options: LabelOptions,
        progress: Progress | None,
        *,
        lasting: bool,
    ) -> None:
        self.source = source
        self.name = name
        self.options = options
        self.progress = progress
        self.lasting = lasting
        self.table = SqlTarget(str(target)) if is_sql(target) else None
        self.target = Path(target) if self.table is None else self.table.path
        check_target(source, self.table or self.target, options)
        self.selection = options.selection
        if isinstance(source, SqlSource):
            columns, self.open_ended = source.columns, False
        else:
            columns, self.rows = open_rows(source, options.encoding)
            self.open_ended = format_of(source) == "jsonl"
        if options.text_column not in columns and (columns or not self.open_ended):
            msg = (
                f"{name}: has no column {options.text_column!r}; its columns are {', '.join(columns)} "
                "(use --text-column)"
            )
            raise DataError(msg)
        if columns:
            self.selection.check(columns, name)
        # a hub id is looked up once, so that all processes use the same files
        self.model = resolve_model(options.model)
        self.bundle_hash, self.extra = _bundle(self.model)
        labels = column_names()
        kept = self.selection.kept(columns)
        self.renamed = renamed_columns(kept, [*labels, *self.extra])
        own = [*self.renamed.values()]
        self.output: Output = (
            open_output(self.target, own, labels, self.extra, options.partition_by, self._types())
            if self.table is None
            else self.table.output(own, labels, self.extra, overwrite=options.overwrite)
        )
        self.journal = Journal(self.target, self._settings())

    def _types(self) -> dict[str, Any]:
        """Return the types of own columns, as far as the source tells them."""
        types = {} if isinstance(self.source, SqlSource) else column_types(self.source)
        return {new: types[name] for name, new in self.renamed.items() if name in types}

    def _settings(self) -> dict[str, Any]:
        """Return everything that the output depends on."""
        options = asdict(self.options)
        for name in ("workers", "overwrite", "resume", "dry_run", "max_rejects", "cache"):
            del options[name]
        for name in ("routing", "safety_rules"):
            options[name] = _with_digest(options[name])
        return {
            **options,
            "model": str(self.model),
            "model_hash": self.bundle_hash,
            # the temporary file with standard input is another one every time
            "source": _with_digest(self.source) if self.name == STANDARD else state_of(self.source),
            "target": str(self.table or self.target.absolute()),
            "version": __version__,
            "schema": SCHEMA_VERSION,
        }

    def dry(self) -> LabelSummary:
        """Label the first rows and write nothing."""
        summary = LabelSummary(None, counts={name: Counter() for name in COUNTED})
        totals = Totals()
        chunk = next(self._chunks(totals, None), [])
        setup = replace(self._setup(1, datetime.now(UTC)), cache=None)  # which would be written to
        with labelling(1, setup) as submit:
            _, counts = submit(chunk, self._job()).result()
        totals.add(counts)
        summary.rows, summary.rejected = totals.rows, totals.rejected
        summary.counts = totals.counts
        return summary

    def label(self) -> LabelSummary:
        """Label all rows, part by part, and put the parts together."""
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            (self.journal.resume if self.options.resume else self.journal.begin)()
            return self._labelled(self.journal.totals.rows)
        except OSError as error:
            msg = f"{self.target}: cannot be written: {error.strerror or error}{self._kept()}"
            raise DataError(msg) from error
        finally:
            self.journal.release()

    def _labelled(self, resumed: int) -> LabelSummary:
        try:
            self._parts()
            summary = self._finish(resumed)
        except BaseException as error:
            if not self.journal.parts:
                self.journal.discard()  # it holds nothing
            elif isinstance(error, DataError):
                msg = f"{error}{self._kept()}"
                raise DataError(msg) from error
            elif isinstance(error, KeyboardInterrupt) and self._kept():
                error.add_note(self._kept().removeprefix("; "))
            raise
        self.journal.discard()
        return summary

    def _kept(self) -> str:
        if not self.lasting or not self.journal.parts:
            return ""
        return f"; {self.journal.finished:,} rows are finished and kept, go on with --resume"

    def _setup(self, workers: int, received_at: datetime) -> Setup:
        options = self.options
        arguments = {
            "routing": options.routing,
            "safety_rules": options.safety_rules,
            "speed": options.speed,
            "threads": 1 if workers > 1 else 0,
        }
        cache = None if options.cache is None else Path(options.cache).absolute()
        return Setup(str(self.model), arguments, received_at, options.mask, cache)

    def _job(self) -> Job:
        open_ended = self.open_ended and self.selection.columns is None
        return Job(self.options.text_column, self.renamed, self.output.encoder, open_ended)

    def _workers(self) -> int:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.options.workers or (1 if is_small(self.source) else min(cores, _MAX_WORKERS))

    def _parts(self) -> None:
        """Label what is left of the source into parts."""
        journal = self.journal
        received_at = journal.received_at()
        total = row_count(self.source) if self.progress is not None else 0
        workers = self._workers()
        if journal.parts:
            self._report(journal.totals.read, total)
        with labelling(workers, self._setup(workers, received_at)) as submit:
            part = Part(journal, self.output)
            reading = Totals(journal.totals.read, journal.totals.rows, journal.totals.rejected)
            chunks = self._chunks(reading, part)
            try:
                for encoded, counts, read, rejected in in_order(chunks, submit, self._job(), reading, 2 * workers):
                    part.write(encoded, counts, read, rejected)
                    self._report(read, total)
                part.end(reading)
            except KeyboardInterrupt:
                part.stop()
                raise
            except BaseException:
                part.abandon()
                raise

    def _report(self, read: int, total: int) -> None:
        if isinstance(self.progress, LabelProgress):
            self.progress.found(self.journal.totals.counts)
        if self.progress is not None:
            self.progress("labelling", read, max(total, read) if total else 0)

    def _chunks(self, reading: Totals, part: Part | None) -> Iterator[list[dict[str, Any]]]:
        """Yield the good rows that are asked for in pieces, and set the others aside."""
        if isinstance(self.source, SqlSource):
            rows = self.source.rows(reading.read, None if part is None else self.journal.folder)
        else:
            rows = islice(self.rows, reading.read, None)
        while chunk := list(islice(rows, _CHUNK)):
            good = []
            for row in chunk:
                reading.read += 1
                if isinstance(row, Row):
                    if self.selection.takes(row.number, row.values):
                        good.append(row.values)
                    continue
                reading.rejected += 1
                if part is not None:
                    part.reject(row, mask=self.options.mask)
                self._check_rejects(reading.rejected, row)
            yield good

    def _check_rejects(self, rejected: int, last: Reject) -> None:
        limit = self.options.max_rejects
        if limit is not None and rejected > limit:
            msg = f"{self.name}: more than {limit:,} rows cannot be read; row {last.number:,}: {last.reason}"
            raise DataError(msg)

    def _finish(self, resumed: int) -> LabelSummary:
        """Put the parts together; the output appears at once."""
        journal, target, totals = self.journal, self.target, self.journal.totals
        whole, joined, rejects = journal.folder / "whole", journal.folder / "rejects", rejects_of(target)
        self.output.assemble(journal.parts, whole)
        with joined.open("wb") as stream:
            for path in journal.rejects:
                stream.write(path.read_bytes())
        journal.begin_moving()
        if totals.rejected:
            joined.replace(rejects)
        else:
            rejects.unlink(missing_ok=True)  # of an earlier run, which this one replaces
        if self.table is None:
            if target.is_dir():
                shutil.rmtree(target)
            whole.replace(target)
        summary = LabelSummary(target, totals.rows, totals.rejected, resumed=resumed)
        summary.counts = {name: totals.counts.get(name, Counter()) for name in COUNTED}
        summary.rejects = rejects if totals.rejected else None
        summary.manifest = self._write_manifest(summary)
        return summary

    def _write_manifest(self, summary: LabelSummary) -> Path:
        content = {
            "rows": summary.rows,
            "rejected": summary.rejected,
            "counts": summary.counts,
            "source": self.name,
            "settings": {key: value for key, value in self.journal.settings.items() if key != "source"},
            "received_at": self.journal.received_at().isoformat(timespec="seconds"),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": platform.python_version(),
        }
        path, part = manifest_of(self.target), self.journal.folder / "manifest"
        part.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        part.replace(path)
        return path


def _with_digest(file: object) -> list[str] | None:
    """Return the name of a file and a digest of its content; where there is none, reading it says so."""
    if file is None:
        return None
    path = Path(str(file))
    if not path.is_file():
        return [path.name, ""]
    with path.open("rb") as stream:
        return [path.name, hashlib.file_digest(stream, "sha256").hexdigest()]


def _bundle(model: str | Path) -> tuple[str, Mapping[str, bool]]:
    """Return the hash of a bundle, and the columns of its own tasks with whether they hold lists."""
    from complaint_nlp.classify.bundle import open_bundle
    from complaint_nlp.classify.heads import OwnHeads

    bundle = open_bundle(model)
    if "heads" not in bundle.manifest.components:
        return bundle.hash, {}
    tasks = OwnHeads(bundle).settings.tasks
    return bundle.hash, {f"{EXTRA}{name}": task.kind == "several" for name, task in tasks.items()}


def read_rows(path: str | Path, count: int) -> list[dict[str, Any]]:
    """Return the first rows of a labelled file, lists as lists whatever its format."""
    if is_sql(path):
        return first_rows(str(path), count)
    _, rows = open_rows(Path(path), None)
    found = [row.values for row in islice((row for row in rows if isinstance(row, Row)), count)]
    for row in found:
        for name, task in TASKS.items():
            if task.is_multilabel and isinstance(row.get(name), str):
                row[name] = row[name].split("|") if row[name] else []
    return found
