"""How a file is labelled, and what that gave."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from complaint_nlp.batch.select import Selection, parse_condition

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from complaint_nlp.classify.cascade import Speed


class Progress(Protocol):
    """Told how far the work has come."""

    def __call__(self, stage: str, done: int, total: int, /) -> None:
        """Report that ``done`` of about ``total`` rows are finished; ``total`` is 0 where it is not known."""


@runtime_checkable
class LabelProgress(Protocol):
    """A :class:`Progress` that is also told which labels were found."""

    def __call__(self, stage: str, done: int, total: int, /) -> None:
        """Report that ``done`` of about ``total`` rows are finished; ``total`` is 0 where it is not known."""

    def found(self, counts: Mapping[str, Mapping[str, int]], /) -> None:
        """Report how often every status and every label of the main tasks occurs so far."""


@dataclass(slots=True)
class LabelSummary:
    """What a labelling run did.

    Attributes:
        target: the file that was written; ``None`` for a dry run and for standard output.
        rows: how many rows it holds.
        rejected: how many rows could not be read.
        rejects: the file that lists them; ``None`` when there are none, and for standard output.
        seconds: how long it took; of a resumed run since it was resumed.
        resumed: how many of the rows were finished before.
        counts: how often every status and every label of the main tasks occurs.
        manifest: the file that says how the labels came about; ``None`` for a dry run and for standard output.
    """

    target: Path | None
    rows: int = 0
    rejected: int = 0
    rejects: Path | None = None
    seconds: float = 0.0
    resumed: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    manifest: Path | None = None


@dataclass(frozen=True, slots=True)
class LabelOptions:
    """How a file is labelled.

    Attributes:
        text_column: column that holds the message.
        encoding: of a text file; found out when ``None``.
        workers: processes; 0 for as many as useful.
        overwrite: replace the target when it exists.
        resume: go on with the finished parts of an interrupted run.
        model: as in :meth:`complaint_nlp.Analyzer.load`.
        speed: as in :meth:`complaint_nlp.Analyzer.load`.
        routing: as in :meth:`complaint_nlp.Analyzer.load`.
        safety_rules: as in :meth:`complaint_nlp.Analyzer.load`.
        mask: hide personal data in the message, in the words taken from it, and in rows that are set aside; a hidden
            character becomes ``*``. Other columns stay as they are.
        where: conditions on rows, such as ``brand=A``, ``date>=2024-01-01``, ``text~退款``; all must hold.
        sample: part of the rows to label, 0 to 1, spread evenly and the same every time.
        columns: own columns to keep; all when ``None``.
        max_rejects: stop when more rows than this cannot be read; ``None`` for no limit.
        partition_by: columns whose values become the folders of a Parquet folder.
        dry_run: read and label the first rows, check everything, and write nothing.
        cache: file that keeps labels by text for later runs.
        key: column that tells the rows of a database's table apart, by which it is read; its primary key when ``None``.
    """

    text_column: str = "text"
    encoding: str | None = None
    workers: int = 0
    overwrite: bool = False
    resume: bool = False
    model: str | Path = "default"
    speed: Speed | None = None
    routing: str | Path | None = None
    safety_rules: str | Path | None = None
    mask: bool = False
    where: Sequence[str] = ()
    sample: float = 1.0
    columns: Sequence[str] | None = None
    max_rejects: int | None = None
    partition_by: Sequence[str] = ()
    dry_run: bool = False
    cache: str | Path | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ValueError: the sample is no share, or a number is negative.
            TypeError: a text stands where a list of texts belongs.
        """
        for name in ("where", "columns", "partition_by"):
            if isinstance(getattr(self, name), str):
                msg = f"{name} must be a list of texts, not one text"
                raise TypeError(msg)
        if not 0.0 < self.sample <= 1.0:
            msg = f"sample must be above 0 and at most 1, got {self.sample}"
            raise ValueError(msg)
        if self.workers < 0 or (self.max_rejects is not None and self.max_rejects < 0):
            msg = "workers and max_rejects must not be negative"
            raise ValueError(msg)

    @property
    def selection(self) -> Selection:
        """The rows and columns that are asked for."""
        columns = None if self.columns is None else tuple(self.columns)
        return Selection(tuple(map(parse_condition, self.where)), self.sample, columns)
