"""Precision, recall, F1 and agreement per task and value; scikit-learn does the counting."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sklearn.metrics import cohen_kappa_score, f1_score, precision_recall_fscore_support

from complaint_nlp.errors import DataError
from complaint_nlp.labelled import LabelledMessage, read_labelled
from complaint_nlp.labels import TASKS
from complaint_nlp.report import Report, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from complaint_nlp.analyzer import Analyzer
    from complaint_nlp.labels import Task

PRIMARY_EMOTION: Final = "emotion_primary"


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
        exact_match: share of messages whose whole answer is right, order aside, 0 to 1.
        kappa: quadratically weighted kappa for tasks on a scale (-1 to 1), else ``None``; also where only one value
            occurs, which leaves it undefined.
        values: figures of every value.
    """

    messages: int
    macro_f1: float
    micro_f1: float
    exact_match: float
    kappa: float | None
    values: Mapping[str, ValueScore]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of a model on labelled messages.

    Attributes:
        messages: how many there were.
        not_analysed: how many of them got no answer (their status was not ``ok``); they count as answered with nothing.
        tasks: by task name; ``emotion`` counts all emotions of a message, ``emotion_primary`` the first one.
    """

    messages: int
    not_analysed: int
    tasks: Mapping[str, TaskScore]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain dicts and numbers."""
        return asdict(self)


def evaluate(
    model: Analyzer | Sequence[Report], data: str | Path | Sequence[str | Path] | Sequence[LabelledMessage]
) -> Evaluation:
    """Compare a model's answers with reference labels.

    Args:
        model: an analyzer, or the reports it gave for ``data``, one per message in order.
        data: JSONL file or files with labelled messages, or the messages themselves.

    Raises:
        DataError: the data is wrong or empty, or there is not one report per message.
    """
    messages = _messages(data)
    reports = list(model) if not hasattr(model, "analyze_batch") else model.analyze_batch([m.text for m in messages])
    if len(reports) != len(messages):
        msg = f"{len(reports)} reports for {len(messages)} messages; one each is needed, in the same order"
        raise DataError(msg)
    predicted = [{name: tuple(map(str, report.task(name).labels)) for name in TASKS} for report in reports]
    unanswered = sum(report.status is not Status.OK for report in reports)
    return evaluate_labels(predicted, [message.labels for message in messages], not_analysed=unanswered)


def _messages(data: str | Path | Sequence[str | Path] | Sequence[LabelledMessage]) -> list[LabelledMessage]:
    if isinstance(data, str | Path):
        messages = read_labelled(data)
    else:
        messages = []
        for item in data:
            messages += [item] if isinstance(item, LabelledMessage) else read_labelled(item)
    if not messages:
        msg = "there is no labelled message to evaluate on"
        raise DataError(msg)
    return messages


def evaluate_labels(
    predicted: Sequence[Mapping[str, tuple[str, ...]]],
    reference: Sequence[Mapping[str, tuple[str, ...]]],
    *,
    not_analysed: int = 0,
    tasks: Mapping[str, Task] = TASKS,
) -> Evaluation:
    """Compare label sets, one mapping from task to values (primary first) per message.

    A task that is missing from a reference is not counted for that message.

    Args:
        predicted: the answers.
        reference: the labels.
        not_analysed: how many messages got no answer.
        tasks: the tasks to count; the standard ones unless told otherwise.
    """
    scores: dict[str, TaskScore] = {}
    for name, task in tasks.items():
        rows = [i for i, labels in enumerate(reference) if name in labels]
        if not rows:
            continue
        truth, answer = [reference[i][name] for i in rows], [predicted[i].get(name, ()) for i in rows]
        if task.is_multilabel:
            scores[name] = _several(task.values, truth, answer)
        else:
            scores[name] = _single(task.values, truth, answer, ordinal=task.kind == "ordinal")
        if name == "emotion":
            first, given = [labels[:1] for labels in truth], [labels[:1] for labels in answer]
            scores[PRIMARY_EMOTION] = _single(task.values, first, given, ordinal=False)
    return Evaluation(len(reference), not_analysed, scores)


def _indicators(values: tuple[str, ...], labels: Sequence[tuple[str, ...]]) -> NDArray[np.int8]:
    return np.array([[value in given for value in values] for given in labels], dtype=np.int8)


def _several(values: tuple[str, ...], truth: Sequence[tuple[str, ...]], answer: Sequence[tuple[str, ...]]) -> TaskScore:
    wanted, given = _indicators(values, truth), _indicators(values, answer)
    precision, recall, f1, support = precision_recall_fscore_support(wanted, given, average=None, zero_division=0)
    occurring = support > 0
    return TaskScore(
        messages=len(truth),
        macro_f1=float(f1[occurring].mean()) if occurring.any() else 0.0,
        micro_f1=float(f1_score(wanted, given, average="micro", zero_division=0)),
        exact_match=float((wanted == given).all(axis=1).mean()),
        kappa=None,
        values=_value_scores(values, precision, recall, f1, support),
    )


def _single(
    values: tuple[str, ...], truth: Sequence[tuple[str, ...]], answer: Sequence[tuple[str, ...]], *, ordinal: bool
) -> TaskScore:
    index = {value: i for i, value in enumerate(values)}
    wanted = np.array([index[labels[0]] for labels in truth])
    given = np.array([index[labels[0]] if labels else -1 for labels in answer])
    numbers = list(range(len(values)))
    precision, recall, f1, support = precision_recall_fscore_support(
        wanted, given, labels=numbers, average=None, zero_division=0
    )
    occurring = support > 0
    answered = given >= 0
    kappa = None
    if ordinal and len({*wanted[answered].tolist(), *given[answered].tolist()}) > 1:  # undefined for a single value
        kappa = float(cohen_kappa_score(wanted[answered], given[answered], labels=numbers, weights="quadratic"))
    return TaskScore(
        messages=len(truth),
        macro_f1=float(f1[occurring].mean()),
        micro_f1=float(f1_score(wanted, given, labels=numbers, average="micro", zero_division=0)),
        exact_match=float((wanted == given).mean()),
        kappa=kappa,
        values=_value_scores(values, precision, recall, f1, support),
    )


def _value_scores(
    values: tuple[str, ...],
    precision: NDArray[np.float64],
    recall: NDArray[np.float64],
    f1: NDArray[np.float64],
    support: NDArray[np.int64],
) -> dict[str, ValueScore]:
    return {
        value: ValueScore(float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]))
        for i, value in enumerate(values)
    }
