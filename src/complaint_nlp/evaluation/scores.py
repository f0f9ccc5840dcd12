"""Precision, recall, F1 and agreement per task and value; scikit-learn does the counting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sklearn.metrics import cohen_kappa_score, precision_recall_fscore_support

if TYPE_CHECKING:
    from collections.abc import Mapping

    from complaint_nlp.evaluation.answers import TaskAnswers

AVERAGES: Final = ("macro", "micro", "weighted")


@dataclass(frozen=True, slots=True)
class ValueScore:
    """How well one value is found. All figures 0 to 1; ``support`` is the number of messages that carry it."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class TaskScore:
    """How well one task is answered.

    Attributes:
        messages: how many are labelled for the task.
        macro_f1: mean F1 over the values that occur in the reference labels, 0 to 1.
        micro_f1: F1 over all decisions together, 0 to 1.
        weighted_f1: mean F1 weighted by how often each value occurs in the reference labels, 0 to 1.
        exact_match: share of messages whose whole answer is right, order aside, 0 to 1.
        kappa: quadratically weighted kappa for tasks on a scale (-1 to 1), else ``None``; also where only one value
            occurs, which leaves it undefined.
        averages: precision, recall and F1 as ``macro``, ``micro`` and ``weighted`` means; their support is the number
            of labels in the reference.
        values: figures of every value.
    """

    messages: int
    macro_f1: float
    micro_f1: float
    weighted_f1: float
    exact_match: float
    kappa: float | None
    averages: Mapping[str, ValueScore]
    values: Mapping[str, ValueScore]


def score_task(answers: TaskAnswers) -> TaskScore:
    """Return the figures of one task."""
    truth, answer = answers.truth.astype("int8"), answers.answer.astype("int8")
    precision, recall, f1, support = precision_recall_fscore_support(truth, answer, average=None, zero_division=0)
    occurring, labels = support > 0, int(support.sum())
    averages = {}
    for average in AVERAGES:
        if average == "macro":  # a value that nobody needed is no failure
            found = [part[occurring].mean() if labels else 0.0 for part in (precision, recall, f1)]
        else:
            found = precision_recall_fscore_support(truth, answer, average=average, zero_division=0)[:3]
        averages[average] = ValueScore(float(found[0]), float(found[1]), float(found[2]), labels)
    return TaskScore(
        messages=len(truth),
        macro_f1=averages["macro"].f1,
        micro_f1=averages["micro"].f1,
        weighted_f1=averages["weighted"].f1,
        exact_match=float(answers.exact.mean()),
        kappa=_kappa(answers),
        averages=averages,
        values={
            value: ValueScore(float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]))
            for i, value in enumerate(answers.task.values)
        },
    )


def _kappa(answers: TaskAnswers) -> float | None:
    answered = answers.first >= 0
    wanted, given = answers.true_first[answered], answers.first[answered]
    # undefined for a single value
    if answers.task.kind != "ordinal" or len({*wanted.tolist(), *given.tolist()}) < 2:  # noqa: PLR2004
        return None
    numbers = list(range(len(answers.task.values)))
    return float(cohen_kappa_score(wanted, given, labels=numbers, weights="quadratic"))
