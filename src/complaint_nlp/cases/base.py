"""The case base itself: cases in, similar cases out."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from operator import length_hint
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from complaint_nlp.cases.embedding import BATCH, Embedder
from complaint_nlp.cases.exchange import import_rows, write_cases
from complaint_nlp.cases.file import CaseFile
from complaint_nlp.cases.index import VectorIndex, View
from complaint_nlp.cases.types import (
    MAX_NAME_CHARS,
    MAX_NOTE_CHARS,
    MAX_TEXT_CHARS,
    Case,
    CaseStatus,
    ImportSummary,
    SimilarCase,
    bounded,
    checked,
    filled,
    labels_of,
)
from complaint_nlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray

    from complaint_nlp.batch.options import Progress
    from complaint_nlp.report import Report

MAX_RESULTS: Final = 1_000
_LARGEST_ID: Final = 2**63 - 1


class CaseBase:
    """Solved cases in one SQLite file, found again by similarity of meaning and by labels.

        with CaseBase("cases.db", embed, model_hash=bundle.hash) as cases:
            number = cases.add(Case(text="...", labels=report_labels, handling="退款並致歉", outcome="客戶滿意"))
            similar = cases.search("手機一直死機", k=3)

    One object may be used by several threads, and one file by several processes; what one stores, the others find in
    their next search. After a fork, open the file anew. The vectors are loaded at the first search and kept in memory:
    161 MB for 100,000 cases of 384 numbers (see :attr:`nbytes`).

    Args:
        path: the file; made when it is opened and there is none. Its ``-wal`` and ``-shm`` companions belong to it.
        embed: returns a vector for every text, as a float array of one row each; all of one size, of any length. Texts
            in both scripts find each other if it normalises them. It is called from the thread that needs vectors.
        model_hash: tells the model behind ``embed`` from all others, such as :attr:`Bundle.hash`; at most 200
            characters.

    Raises:
        DataError: ``model_hash`` is empty or too long.
    """

    def __init__(
        self, path: str | Path, embed: Callable[[Sequence[str]], NDArray[np.float32]], *, model_hash: str
    ) -> None:
        self.path = Path(path).absolute()
        self._embedder = Embedder(embed, filled("model_hash", model_hash, MAX_NAME_CHARS))
        self._opened: CaseFile | None = None
        self._index: VectorIndex | None = None
        self._version: tuple[int, int] | None = None

    def open(self) -> Self:
        """Open the file, or make it; nothing happens when it is open already.

        Raises:
            DataError: the file is damaged, of a newer version, no case base, or cannot be opened.
            ModelError: its vectors were made with another model; :meth:`reindex` recomputes them.
        """
        if self._opened is None:
            file = CaseFile(self.path)
            try:
                with file.snapshot():
                    self._embedder.check(file)
            except BaseException:
                file.close()
                raise
            self._opened = file
        return self

    def close(self) -> None:
        """Close the file and free the memory; nothing happens when it is closed already."""
        file, self._opened = self._opened, None
        self._index = None
        if file is not None:
            file.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        counts = self.counts()
        return counts[CaseStatus.PROPOSED] + counts[CaseStatus.REVIEWED]

    def counts(self) -> dict[CaseStatus, int]:
        """Return how many cases there are of every status. ``len()`` counts those that are not retired."""
        file = self._file
        with file.snapshot():
            return file.counts()

    @property
    def nbytes(self) -> int:
        """Memory that the vectors take in bytes; 0 before the first search."""
        return 0 if self._index is None else self._index.nbytes

    def add(self, case: Case, *, mask: Callable[[str], str] | None = None) -> int:
        """Store a case and return its number. Case and vector are stored together or not at all.

        Args:
            case: a case that is not stored yet; ``created`` is now when not given.
            mask: hides personal data: applied to ``text``, ``handling``, ``outcome``, ``note`` and ``reason`` before
                anything is stored, so that the vector is that of the masked text.

        Raises:
            DataError: a field does not have the documented form, or there is a case with this ``source_id``.
            ModelError: the embed function does not return what it should, or the file is another model's by now.
        """
        return self._add_batch([checked(case, mask)])[0]

    def add_many(
        self,
        cases: Iterable[Case],
        progress: Progress | None = None,
        *,
        mask: Callable[[str], str] | None = None,
    ) -> list[int]:
        """Store many cases and return their numbers.

        They are stored in groups of 256, each group wholly or not at all: what is stored when an error or the end of
        the process comes between stays stored.

        Args:
            cases: as for :meth:`add`.
            progress: told how far the work has come.
            mask: as for :meth:`add`.

        Raises:
            DataError: as for :meth:`add`; the message says which case it was, and that all groups before are stored.
            ModelError: as for :meth:`add`.
        """
        total = length_hint(cases)
        waiting, numbers = iter(cases), list[int]()
        while batch := list(islice(waiting, BATCH)):
            ready = []
            for place, case in enumerate(batch, len(numbers) + 1):
                try:
                    ready.append(checked(case, mask))
                except DataError as error:
                    msg = f"case {place}: {error} (the first {len(numbers)} cases are stored)"
                    raise DataError(msg) from error
            try:
                numbers += self._add_batch(ready)
            except DataError as error:
                msg = f"{error} (the first {len(numbers)} cases are stored)"
                raise DataError(msg) from error
            if progress is not None:
                progress("adding", len(numbers), max(total, len(numbers)))
        return numbers

    def review(self, case_id: int, reviewer: str, note: str = "") -> None:
        """Mark a case as reviewed now. A case can be reviewed again; the last review counts.

        Raises:
            DataError: there is no such case, it is retired, or a text is too long.
        """
        reviewer, note = filled("reviewer", reviewer, MAX_NAME_CHARS), bounded("note", note, MAX_NOTE_CHARS)
        file = self._file
        with file.transaction():
            _in_use(file, case_id)
            file.review(case_id, datetime.now(UTC), reviewer, note)

    def retire(self, case_id: int, reason: str) -> None:
        """Take a case out of use for good: it is kept, its text too, but never found again.

        Raises:
            DataError: there is no such case, it is retired already, or the reason is empty or too long.
        """
        reason = filled("reason", reason, MAX_NOTE_CHARS)
        file = self._file
        with file.transaction():
            _in_use(file, case_id)
            file.retire(case_id, datetime.now(UTC), reason)

    def get(self, case_id: int) -> Case:
        """Return a case by its number, retired ones too.

        Raises:
            DataError: there is no such case.
        """
        file = self._file
        with file.snapshot():
            return _existing(file, case_id)

    def search(
        self,
        text: str,
        k: int = 5,
        *,
        labels: Mapping[str, object] | Report | None = None,
        only_reviewed: bool = False,
    ) -> list[SimilarCase]:
        """Return the cases most like a message, the best first; retired ones are never among them.

        Without labels they are ordered by the similarity of meaning. With labels the score is
        ``MEANING_WEIGHT × similarity + LABEL_WEIGHT × overlap`` (0.7 and 0.3); the overlap is the mean over the tasks
        that have labels here of "labels in common by labels that either has", weighted by ``TASK_WEIGHTS``
        (see :mod:`complaint_nlp.cases.index`). Of equal scores the older case comes first.

        Args:
            text: the message, 1 to 20,000 characters; masked as the stored ones were, if they were.
            k: how many cases, 1 to 1,000; fewer come back when there are no more.
            labels: labels of the message, or its report, of which only what is not left to a person counts.
            only_reviewed: leave out cases that nobody has reviewed.

        Raises:
            ValueError: ``k`` is out of its range.
            DataError: the text is empty or too long, a label does not exist, or the file is damaged.
            ModelError: the embed function does not return what it should, or the file is another model's by now.
        """
        if not 1 <= k <= MAX_RESULTS:
            msg = f"k must be 1 to {MAX_RESULTS:,}, got {k}"
            raise ValueError(msg)
        wanted = {} if labels is None else labels_of(labels, sure=True)
        text = filled("text", text, MAX_TEXT_CHARS)
        file = self._file
        view = self._current_view(file)
        if view is None:
            return []
        vector = self._embedder.query(text, view.matrix.shape[1])
        found = view.best(vector, wanted, k, only_reviewed=only_reviewed)
        with file.snapshot():
            cases = [(_existing(file, item.id), item) for item in found]
        return [
            SimilarCase(case, item.similarity, item.score, _shared(case, wanted))
            for case, item in cases
            if case.status is not CaseStatus.RETIRED  # retired since the view was taken
        ]

    def reindex(self, *, progress: Progress | None = None) -> int:
        """Recompute the vectors with this object's model, and return how many had to be computed.

        The base need not be open, and cannot be while its vectors are another model's. The old vectors stay in force
        until the last new one is stored: an interrupted run can be continued by calling this again, and other
        processes work on meanwhile; afterwards they get a ModelError.

        Args:
            progress: told how far the work has come.

        Raises:
            DataError: there is no such file, or it is no case base or damaged.
            ModelError: the embed function does not return what it should.
        """
        if self._opened is not None:
            return self._embedder.reindex(self._opened, progress)
        if not self.path.is_file():
            msg = f"{self.path}: no such file"
            raise DataError(msg)
        file = CaseFile(self.path)
        try:
            return self._embedder.reindex(file, progress)
        finally:
            file.close()

    def export(self, path: str | Path, *, overwrite: bool = False) -> int:
        """Write all cases, retired ones too, to a JSONL file and return how many there are.

        The file holds the cases as of one moment, appears only when it is complete, and is readable by its owner
        only. Its form is that of labelled data (``docs/labels.md``) with further keys.

        Args:
            path: file to write.
            overwrite: replace it when it exists.

        Raises:
            DataError: the file exists or cannot be written.
        """
        _ = self._file
        path = Path(path).absolute()
        if path.exists() and (not overwrite or path.samefile(self.path)):
            msg = f"{path}: exists already; write to another file, or use overwrite=True to replace it"
            raise DataError(msg)
        file = CaseFile(self.path)  # a connection of its own: nobody waits until all is written
        try:
            with file.snapshot():
                return write_cases(path, file.all_cases())
        finally:
            file.close()

    def import_cases(
        self,
        path: str | Path,
        *,
        mask: Callable[[str], str] | None = None,
        progress: Progress | None = None,
    ) -> ImportSummary:
        """Add the cases of a JSONL file in the form that :meth:`export` writes.

        All good lines are stored in one transaction at the end, so that an interrupted import leaves nothing behind;
        until then they are held in memory. Bad lines, and those whose ``source_id`` is taken, are set aside. The
        cases get new numbers and keep status, times and reviewer.

        Args:
            path: the file, UTF-8.
            mask: as for :meth:`add`.
            progress: told how far the work has come.

        Raises:
            DataError: the file cannot be read.
            ModelError: as for :meth:`add`.
        """
        return import_rows(self._file, self._embedder, Path(path), mask, progress)

    @property
    def _file(self) -> CaseFile:
        if self._opened is None:
            msg = f"{self.path}: the case base is closed; use it in a with statement, or call open() first"
            raise DataError(msg)
        return self._opened

    def _add_batch(self, cases: Sequence[Case]) -> list[int]:
        file = self._file
        vectors, size = self._embedder.vectors(cases)  # before the transaction: others may write meanwhile
        with file.transaction():
            return self._embedder.store(file, cases, vectors, size)

    def _current_view(self, file: CaseFile) -> View | None:
        """Return the index up to date with the file, ``None`` when there are no vectors."""
        with file.snapshot():
            version = file.version()
            if self._index is None or version != self._version:
                self._embedder.check(file)
                model = file.model()
                if model is None:
                    return None
                index, self._index = self._index, None  # what fails half-way is not used again
                if index is None or index.is_sparse or index.model != model:
                    index = VectorIndex(file, model)
                index.update()
                self._index, self._version = index, version
            return self._index.view()


def _existing(file: CaseFile, case_id: int) -> Case:
    case = file.get(case_id) if 0 < case_id <= _LARGEST_ID else None
    if case is None:
        msg = f"{file.path}: there is no case {case_id}"
        raise DataError(msg)
    return case


def _in_use(file: CaseFile, case_id: int) -> None:
    case = _existing(file, case_id)
    if case.retired is not None:
        msg = f"{file.path}: case {case_id} was retired on {case.retired:%Y-%m-%d}; add it as a new case"
        raise DataError(msg)


def _shared(case: Case, wanted: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    common = {
        task: tuple(value for value in values if value in case.labels.get(task, ())) for task, values in wanted.items()
    }
    return {task: values for task, values in common.items() if values}
