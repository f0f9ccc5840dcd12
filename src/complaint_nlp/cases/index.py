"""The vectors of a case base in memory: one matrix, and the labels beside it, searched as a whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from complaint_nlp.cases.types import CASE_TASKS, CaseStatus
from complaint_nlp.errors import ModelError
from complaint_nlp.labels import TASKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from complaint_nlp.cases.file import CaseFile, Change, Model
    from complaint_nlp.cases.types import Labels

MEANING_WEIGHT: Final = 0.7
LABEL_WEIGHT: Final = 0.3
"""score = MEANING_WEIGHT × similarity + LABEL_WEIGHT × overlap, where labels are given. The text says more than its
labels do, so two unlike texts with all labels in common (0.3) stay behind a like text with none (0.7 × similarity) as
soon as that is more than 0.43 similar."""
TASK_WEIGHTS: Final = {
    "category": 1.0,
    "subcategory": 3.0,
    "demands": 2.0,
    "urgency": 0.5,
    "emotion": 0.5,
    "needs": 0.5,
}
"""What each task counts in the overlap: what went wrong and what is asked for decide which handling fits; how the
customer felt, hardly. Only the tasks count for which the query has labels."""

_ROWS: Final = {key: row for row, key in enumerate((task, str(v)) for task in CASE_TASKS for v in TASKS[task].values)}
Marks = tuple[tuple[int, ...], tuple[int, ...]]
"""The rows of a case's labels, and for every task how many there are."""
_GROWTH: Final = 1.25
_SPARE: Final = 1024


def unit_vectors(vectors: object, count: int) -> NDArray[np.float32]:
    """Return ``vectors`` with length 1 each (0 stays 0), as a matrix of ``count`` rows.

    Raises:
        ModelError: they are no such matrix of finite numbers.
    """
    matrix = np.asarray(vectors, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != count or matrix.shape[1] < 1:  # noqa: PLR2004 - rows and columns
        msg = f"the embed function returned an array of shape {matrix.shape} for {count} texts; one row each is needed"
        raise ModelError(msg)
    if not np.isfinite(matrix).all():
        msg = "the embed function returned numbers that are not finite"
        raise ModelError(msg)
    # by the largest number first: squares of very large ones would be infinite
    largest = np.abs(matrix).max(axis=1, keepdims=True)
    matrix = np.divide(matrix, largest, out=np.zeros_like(matrix), where=largest > 0)
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(matrix, lengths, out=np.zeros_like(matrix), where=lengths > 0).astype(
        np.float32
    )
    return unit


class Found(NamedTuple):
    """A case by its number, with its similarity and score, both 0 to 1."""

    id: int
    similarity: float
    score: float


class View(NamedTuple):
    """The index as it was when a search began; changes append behind it or set flags, and never move its rows."""

    matrix: NDArray[np.float32]
    ids: NDArray[np.int64]
    live: NDArray[np.bool_]
    reviewed: NDArray[np.bool_]
    labels: NDArray[np.bool_]
    counts: NDArray[np.uint8]

    def best(self, vector: NDArray[np.float32], labels: Labels, k: int, *, only_reviewed: bool) -> list[Found]:
        """Return the ``k`` best cases, the best first; of equal ones the older first."""
        eligible = self.live & self.reviewed if only_reviewed else self.live.copy()
        k = min(k, int(np.count_nonzero(eligible)))
        if not k:
            return []
        similarity = np.clip(self.matrix @ vector, 0.0, 1.0)
        overlap = self._overlap(labels)
        score = similarity if overlap is None else MEANING_WEIGHT * similarity + LABEL_WEIGHT * overlap
        ranked = np.where(eligible, score, np.float32(-1.0))
        least = np.partition(ranked, -k)[-k]
        near = np.flatnonzero(ranked >= least)
        order = near[np.lexsort((self.ids[near], -ranked[near]))[:k]]
        return [Found(int(self.ids[i]), float(similarity[i]), min(float(score[i]), 1.0)) for i in order]

    def _overlap(self, labels: Labels) -> NDArray[np.float32] | None:
        """Return per case how far its labels agree with ``labels``, 0 to 1; ``None`` when there are none.

        Per task: labels in common by labels that either has. A task that the case lacks agrees by 0.
        """
        asked = {task: values for task, values in labels.items() if values}
        if not asked:
            return None
        total = np.zeros(len(self.ids), dtype=np.float32)
        for task, values in asked.items():
            common = self.labels[[_ROWS[task, value] for value in values]].sum(axis=0, dtype=np.uint8)
            either = self.counts[CASE_TASKS.index(task)] + np.uint8(len(values)) - common
            total += np.float32(TASK_WEIGHTS[task]) * np.divide(common, either, dtype=np.float32)
        return total / np.float32(sum(TASK_WEIGHTS[task] for task in asked))


class VectorIndex:
    """Holds the vectors of all cases in use.

    Memory per case: 4 bytes for each number of a vector, and about 80 for the labels: 100,000 cases of 384 numbers
    take 161 MB; where the base has grown since it was opened up to a quarter more, and twice as much for the moment
    in which more room is made.

    Args:
        file: the file whose vectors it holds.
        model: the model they were made with.
    """

    def __init__(self, file: CaseFile, model: Model) -> None:
        self.model = model
        self._file = file
        self._used = 0
        self._retired = 0
        self._seen = 0
        self._places: dict[int, int] = {}
        self._known: dict[str, Marks] = {}
        self._allocate(file.count_with_vector(model))

    @property
    def nbytes(self) -> int:
        """Memory of the arrays in bytes."""
        return sum(array.nbytes for array in self._arrays)

    @property
    def is_sparse(self) -> bool:
        """Whether so many cases were retired that loading the index anew is worth while."""
        return self._retired > max(_SPARE, self._used // 4)

    def update(self) -> None:
        """Take over what has changed in the file since the last time; call it inside a snapshot.

        Raises:
            DataError: a vector or label is damaged. The index must then no longer be used.
        """
        newest = self._file.changes()
        for block in self._file.changed_since(self._seen, self.model):
            self._absorb(block)
        self._known.clear()  # labels are many times the same within one loading, hardly ever afterwards
        self._seen = newest

    def view(self) -> View:
        """Return the index as it is now, for a search outside the lock."""
        used = self._used
        matrix, ids, live, reviewed, labels, counts = self._arrays
        return View(matrix[:used], ids[:used], live[:used], reviewed[:used], labels[:, :used], counts[:, :used])

    def _absorb(self, block: Sequence[Change]) -> None:
        new = []
        for change in block:
            place = self._places.get(change.id)
            if place is None:
                if change.status != CaseStatus.RETIRED:
                    new.append(change)
                continue
            self._reviewed[place] = change.status == CaseStatus.REVIEWED
            if change.status == CaseStatus.RETIRED and self._live[place]:
                self._live[place] = False
                self._retired += 1
        if new:
            self._append(new)

    def _append(self, new: Sequence[Change]) -> None:
        start, stop = self._used, self._used + len(new)
        if stop > len(self._ids):
            self._allocate(max(stop, int(len(self._ids) * _GROWTH) + _SPARE))
        self._matrix[start:stop] = self._decoded(new)
        self._ids[start:stop] = [change.id for change in new]
        self._live[start:stop] = True
        self._reviewed[start:stop] = [change.status == CaseStatus.REVIEWED for change in new]
        marks = [self._marks_of(change) for change in new]
        places = np.repeat(np.arange(start, stop), [len(rows) for rows, _ in marks])
        self._labels[[row for rows, _ in marks for row in rows], places] = True
        self._counts[:, start:stop] = np.array([counts for _, counts in marks], dtype=np.uint8).T
        self._places.update({change.id: place for place, change in enumerate(new, start)})
        self._used = stop

    def _decoded(self, new: Sequence[Change]) -> NDArray[np.float32]:
        for change in new:
            if not isinstance(change.vector, bytes) or len(change.vector) != 2 * self.model.size:
                msg = f"the vector of case {change.id} is missing or damaged"
                raise self._file.damaged(msg)
        stored = np.frombuffer(b"".join(change.vector or b"" for change in new), dtype="<f2")
        matrix = stored.reshape(len(new), self.model.size)
        if not np.isfinite(matrix).all():
            broken = new[int(np.flatnonzero(~np.isfinite(matrix).all(axis=1))[0])].id
            msg = f"the vector of case {broken} is damaged"
            raise self._file.damaged(msg)
        return unit_vectors(matrix, len(new))  # rounding to float16 has changed the lengths a little

    def _marks_of(self, change: Change) -> Marks:
        known = self._known.get(change.labels)
        if known is None:
            try:
                read: dict[str, list[str]] = json.loads(change.labels)
                keys = ((task, value) for task, values in read.items() for value in values)
                # a label that a later version no longer has is like nothing that is asked for
                rows = tuple(row for key in keys if (row := _ROWS.get(key)) is not None)
                known = rows, tuple(len(read.get(task, ())) for task in CASE_TASKS)
            except (ValueError, TypeError, AttributeError) as error:
                msg = f"the labels of case {change.id} are damaged"
                raise self._file.damaged(msg) from error
            self._known[change.labels] = known
        return known

    def _allocate(self, capacity: int) -> None:
        """Make room; searches under way keep the arrays they have."""
        used, old = self._used, self._arrays if self._used else None
        self._matrix = np.empty((capacity, self.model.size), dtype=np.float32)
        self._ids = np.zeros(capacity, dtype=np.int64)
        self._live = np.zeros(capacity, dtype=np.bool_)
        self._reviewed = np.zeros(capacity, dtype=np.bool_)
        self._labels = np.zeros((len(_ROWS), capacity), dtype=np.bool_)  # a row per label: a search reads only a few
        self._counts = np.zeros((len(CASE_TASKS), capacity), dtype=np.uint8)
        if old is not None:
            matrix, ids, live, reviewed, labels, counts = old
            self._matrix[:used], self._ids[:used] = matrix[:used], ids[:used]
            self._live[:used], self._reviewed[:used] = live[:used], reviewed[:used]
            self._labels[:, :used], self._counts[:, :used] = labels[:, :used], counts[:, :used]

    @property
    def _arrays(self) -> View:
        return View(self._matrix, self._ids, self._live, self._reviewed, self._labels, self._counts)
