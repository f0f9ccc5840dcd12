"""Answers beside reference labels, message by message, in arrays: what every figure is counted from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import numpy as np

from complaint_nlp.errors import DataError
from complaint_nlp.labels import TASKS, Task
from complaint_nlp.report import Decision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from complaint_nlp.labelled import LabelledMessage

PRIMARY_EMOTION: Final = "emotion_primary"
DECISIONS: Final = tuple(Decision)
"""In this order they are numbered in :attr:`TaskAnswers.decision`."""

Labels = tuple[str, ...]


class EvidenceSource(Protocol):
    """Finds the words that spoke for an answer, when they are asked for."""

    def words(self, rows: Sequence[int], task: str) -> list[list[str]]:
        """Return for these messages the words of the evidence for the task, the strongest first."""
        ...


class ColumnSource(Protocol):
    """Finds further columns of the evaluated data, when they are asked for."""

    def names(self) -> list[str]:
        """Return the names of all columns."""
        ...

    def column(self, name: str) -> list[str | None]:
        """Return what stands in a column, one per message; ``None`` where nothing does."""
        ...


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a model answered.

    Attributes:
        labels: by task the values, primary first, one mapping per message.
        analysed: (messages,) whether there is an answer at all.
        confidence: by task (messages,) probability of the answer; not a key where it is not known.
        decision: by task (messages,) index into :data:`DECISIONS`.
        scores: by task (messages, values) probability of every value.
        evidence: where the words that spoke for an answer come from.
        why_not: why there is no confidence, where there is none.
    """

    labels: Sequence[Mapping[str, Labels]]
    analysed: NDArray[np.bool_]
    confidence: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    decision: Mapping[str, NDArray[np.int8]] = field(default_factory=dict)
    scores: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    evidence: EvidenceSource | None = None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class TaskAnswers:
    """Reference and answer of the messages labelled for one task.

    Attributes:
        task: the task; of ``emotion_primary`` one that takes a single value.
        rows: (n,) which of all messages these are.
        truth: (n, values) which values apply.
        answer: (n, values) which values were answered.
        true_first: (n,) index of the primary value, -1 for none.
        first: (n,) index of the primary value answered, -1 for none.
        analysed: (n,) whether there was an answer at all.
        confidence: (n,) probability of the answer, 0 to 1, or ``None``.
        decision: (n,) index into :data:`DECISIONS`, or ``None``.
        scores: (n, values) probability of every value, or ``None``.
    """

    task: Task
    rows: NDArray[np.int64]
    truth: NDArray[np.bool_]
    answer: NDArray[np.bool_]
    true_first: NDArray[np.int16]
    first: NDArray[np.int16]
    analysed: NDArray[np.bool_]
    confidence: NDArray[np.float32] | None
    decision: NDArray[np.int8] | None
    scores: NDArray[np.float32] | None

    @property
    def exact(self) -> NDArray[np.bool_]:
        """(n,) whether the whole answer is right, order aside."""
        result: NDArray[np.bool_] = (self.truth == self.answer).all(axis=1)
        return result

    @property
    def right(self) -> NDArray[np.bool_]:
        """(n,) whether that came true whose probability the confidence is.

        For one value, and for the emotion: the primary value is the right one. For label sets: the primary value
        answered applies, or nothing was answered and nothing applies.
        """
        if self.task.kind != "multilabel":
            same: NDArray[np.bool_] = self.first == self.true_first
            return same
        applies = self.truth[np.arange(len(self.first)), self.first]
        return np.where(self.first >= 0, applies, ~self.truth.any(axis=1))

    def labels(self, row: int, *, truth: bool) -> list[str]:
        """Return the values of one message, the primary one first."""
        known, first = (self.truth[row], self.true_first[row]) if truth else (self.answer[row], self.first[row])
        return [self.task.values[i] for i in sorted(np.flatnonzero(known).tolist(), key=lambda i: (i != first, i))]


@dataclass(frozen=True, slots=True)
class Answers:
    """Everything an evaluation keeps per message.

    Attributes:
        tasks: by task name.
        messages: the evaluated messages, ``None`` where only their labels were given.
        columns: further columns of the data, or ``None``.
        evidence: where evidence comes from, or ``None``.
        why_not: why there is no confidence, where there is none.
    """

    tasks: Mapping[str, TaskAnswers]
    messages: Sequence[LabelledMessage] | None = None
    columns: ColumnSource | None = None
    evidence: EvidenceSource | None = None
    why_not: str = ""


def line_up(
    predicted: Predictions, reference: Sequence[Mapping[str, Labels]], tasks: Mapping[str, Task] = TASKS
) -> dict[str, TaskAnswers]:
    """Put answers beside reference labels.

    Args:
        predicted: the answers, one per message.
        reference: the labels; a task that is no key is not labelled.
        tasks: the tasks to look at.

    Returns:
        By task name; ``emotion_primary`` beside ``emotion``. Tasks that no message is labelled for are left out.

    Raises:
        DataError: a value is none of its task's.
    """
    found: dict[str, TaskAnswers] = {}
    for name, task in tasks.items():
        rows = np.array([i for i, labels in enumerate(reference) if name in labels], dtype=np.int64)
        if not len(rows):
            continue
        truth, true_first = _encoded(task, [reference[i][name] for i in rows])
        answer, first = _encoded(task, [predicted.labels[i].get(name, ()) for i in rows])
        confidence, decision, scores = (
            _part(predicted.confidence, name, rows),
            _part(predicted.decision, name, rows),
            _part(predicted.scores, name, rows),
        )
        analysed = predicted.analysed[rows]
        found[name] = TaskAnswers(task, rows, truth, answer, true_first, first, analysed, confidence, decision, scores)
        if name == "emotion":
            only = Task(PRIMARY_EMOTION, "single", task.values)
            found[PRIMARY_EMOTION] = TaskAnswers(
                only,
                rows,
                _indicator(true_first, len(task.values)),
                _indicator(first, len(task.values)),
                true_first,
                first,
                analysed,
                confidence,
                decision,
                None,  # the scores are those of all emotions that apply, not of the strongest one
            )
    return found


_Number = TypeVar("_Number", bound=np.generic)


def _part(table: Mapping[str, NDArray[_Number]], name: str, rows: NDArray[np.int64]) -> NDArray[_Number] | None:
    return table[name][rows] if name in table else None


def _encoded(task: Task, labels: Sequence[Labels]) -> tuple[NDArray[np.bool_], NDArray[np.int16]]:
    index = {value: i for i, value in enumerate(task.values)}
    table = np.zeros((len(labels), len(index)), dtype=np.bool_)
    first = np.full(len(labels), -1, dtype=np.int16)
    for row, given in enumerate(labels):
        for place, value in enumerate(given):
            if value not in index:
                msg = f"{task.name}: {value[:80]!r} is not one of {', '.join(task.values)}"
                raise DataError(msg)
            table[row, index[value]] = True
            if place == 0:
                first[row] = index[value]
    return table, first


def _indicator(codes: NDArray[np.int16], width: int) -> NDArray[np.bool_]:
    result: NDArray[np.bool_] = codes[:, None] == np.arange(width)
    return result
