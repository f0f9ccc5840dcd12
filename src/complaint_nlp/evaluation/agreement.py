"""How far annotators agree: Cohen's kappa and Krippendorff's alpha."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import combinations, permutations
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from sklearn.metrics import cohen_kappa_score

from complaint_nlp.errors import DataError
from complaint_nlp.evaluation.answers import PRIMARY_EMOTION, Predictions, TaskAnswers, line_up
from complaint_nlp.evaluation.data import Data, read_reference
from complaint_nlp.evaluation.frames import frame
from complaint_nlp.evaluation.scores import score_task
from complaint_nlp.labels import TASKS, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray


Distance = Literal["nominal", "ordinal", "jaccard", "masi"]
Labels = tuple[str, ...]
MAX_CATEGORIES: Final = 5000
_COLUMNS: Final = ["task", "messages", "annotators", "exact_match", "macro_f1", "kappa", "alpha", "distance"]


@dataclass(frozen=True, slots=True)
class TaskAgreement:
    """How far annotators agree on one task.

    Attributes:
        task: name of the task.
        messages: how many have labels of at least two annotators.
        annotators: how many have labelled some.
        exact_match: share of equal answers, order aside, 0 to 1.
        macro_f1: of one annotator measured against another, 0 to 1; who is measured against whom is no matter but for
            values that only one of them uses.
        kappa: Cohen's kappa (1960), -1 to 1: on a scale quadratically weighted; for label sets the mean of the kappas
            of every value that occurs. ``None`` where it is undefined.
        alpha: Krippendorff's alpha (2004), at most 1, 0 for agreement by chance. ``None`` where it is undefined.
        distance: that alpha is counted with: ``nominal``, ``ordinal``, or, for label sets, ``masi`` or ``jaccard``.

    With more than two annotators all but alpha are means over their pairs, weighted by the messages they share.
    """

    task: str
    messages: int
    annotators: int
    exact_match: float
    macro_f1: float
    kappa: float | None
    alpha: float | None
    distance: Distance


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far annotators agree.

    Attributes:
        messages: how many have labels of at least two annotators.
        annotators: how many there are.
        tasks: by task name, ``emotion_primary`` beside ``emotion``.
    """

    messages: int
    annotators: int
    tasks: Mapping[str, TaskAgreement]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain dicts, strings and numbers."""
        return asdict(self)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per task; the columns are the attributes of :class:`TaskAgreement`.

        Raises:
            ConfigError: pandas is not installed.
        """
        return frame(map(asdict, self.tasks.values()), _COLUMNS, "task")


def agreement(*annotators: Data, sets: Literal["masi", "jaccard"] = "masi") -> Agreement:
    """Measure how far two or more annotators of the same messages agree.

    Messages are put together by their ``id``; they need not be in one order, and nobody need have labelled all.

    Args:
        annotators: the labelled messages of each, in any form that :func:`complaint_nlp.evaluate` takes.
        sets: distance of two label sets, for tasks with several values (see :func:`krippendorff_alpha`).

    Raises:
        DataError: there are fewer than two annotators, one has an id twice, one id stands for different texts, or no
            message has labels of two annotators.
        ValueError: ``sets`` is neither of these.
    """
    if sets not in ("masi", "jaccard"):
        msg = f"sets {sets!r}: use 'masi' or 'jaccard'"
        raise ValueError(msg)
    given = [_by_id(data) for data in annotators]
    ids = list(dict.fromkeys(key for labels in given for key in labels))
    tasks: dict[str, TaskAgreement] = {}
    shared: set[str] = set()
    for name, task in TASKS.items():
        labelled = [{key: labels[name] for key, labels in one.items() if name in labels} for one in given]
        several = {key for key in ids if sum(key in one for one in labelled) > 1}
        if not several:
            continue
        shared |= several
        tasks[name] = _task_agreement(task, labelled, ids, sets if task.is_multilabel else _scale(task))
        if name == "emotion":
            only = Task(PRIMARY_EMOTION, "single", task.values)
            first = [{key: labels[:1] for key, labels in one.items()} for one in labelled]
            tasks[PRIMARY_EMOTION] = _task_agreement(only, first, ids, "nominal")
    if not tasks:
        msg = "no message has labels of two annotators; give two or more sets with the same ids"
        raise DataError(msg)
    return Agreement(len(shared), len(given), tasks)


def _scale(task: Task) -> Distance:
    return "ordinal" if task.kind == "ordinal" else "nominal"


def _by_id(data: Data) -> dict[str, Mapping[str, Labels]]:
    found: dict[str, Mapping[str, Labels]] = {}
    for message in read_reference(data).messages:
        if message.id in found:
            msg = f"the id {message.id!r} stands there twice, so messages cannot be put together by it"
            raise DataError(msg)
        found[message.id] = message.labels
    return found


def _task_agreement(task: Task, labelled: list[dict[str, Labels]], ids: list[str], distance: Distance) -> TaskAgreement:
    pairs = []
    for one, two in combinations(labelled, 2):
        common = [key for key in ids if key in one and key in two]
        if common:
            answers = line_up(
                Predictions([{task.name: two[key]} for key in common], np.ones(len(common), dtype=bool)),
                [{task.name: one[key]} for key in common],
                {task.name: task},
            )[task.name]
            pairs.append((len(common), score_task(answers), _kappa(answers)))
    weights = [size for size, _, _ in pairs]
    kappas = [(size, kappa) for size, _, kappa in pairs if kappa is not None]
    ratings: list[list[Hashable | None]] = [
        [_rating(one.get(key), task, several=task.is_multilabel) for key in ids] for one in labelled
    ]
    scale = task.values if distance == "ordinal" else None  # noqa: PD011 - a task's
    return TaskAgreement(
        task=task.name,
        messages=sum(sum(key in one for one in labelled) > 1 for key in ids),
        annotators=sum(bool(one) for one in labelled),
        exact_match=float(np.average([score.exact_match for _, score, _ in pairs], weights=weights)),
        macro_f1=float(np.average([score.macro_f1 for _, score, _ in pairs], weights=weights)),
        kappa=float(np.average([k for _, k in kappas], weights=[n for n, _ in kappas])) if kappas else None,
        alpha=krippendorff_alpha(ratings, distance, order=scale),
        distance=distance,
    )


def _rating(labels: Labels | None, task: Task, *, several: bool) -> Hashable | None:
    if labels is None:
        return None
    return frozenset(labels) if several else (labels[0] if labels else f"no {task.name}")


def _kappa(answers: TaskAnswers) -> float | None:
    task = answers.task
    if not task.is_multilabel:
        if len({*answers.true_first.tolist(), *answers.first.tolist()}) < 2:  # noqa: PLR2004 - no choice was made
            return None
        weights = "quadratic" if task.kind == "ordinal" else None
        numbers = list(range(len(task.values)))
        return float(cohen_kappa_score(answers.true_first, answers.first, labels=numbers, weights=weights))
    kappas = [
        float(cohen_kappa_score(answers.truth[:, i], answers.answer[:, i], labels=[False, True]))
        for i in range(len(task.values))
        if 0 < answers.truth[:, i].sum() + answers.answer[:, i].sum() < 2 * len(answers.rows)
    ]
    return float(np.mean(kappas)) if kappas else None


def krippendorff_alpha(
    ratings: Sequence[Sequence[Hashable | None]],
    distance: Distance = "nominal",
    *,
    order: Sequence[Hashable] | None = None,
) -> float | None:
    """Return Krippendorff's alpha: one less observed over expected disagreement.

    Source: K. Krippendorff, Content Analysis, 2nd edition (2004), chapter 11. Label sets: ``jaccard`` is one less
    intersection over union; ``masi`` (R. Passonneau, LREC 2006) multiplies the overlap by 1 for equal sets, 2/3 where
    one contains the other, 1/3 where both have something of their own, and 0 for nothing in common. Two empty sets are
    equal.

    Args:
        ratings: for every annotator one rating per unit, in the same order; ``None`` where there is none. For
            ``jaccard`` and ``masi`` a rating is a ``frozenset``.
        distance: ``nominal``, ``ordinal``, ``jaccard`` or ``masi``.
        order: for ``ordinal`` the ratings from lowest to highest; sorted when ``None``.

    Returns:
        At most 1 (perfect); 0 is what chance would give. ``None`` where there is no unit with two ratings, or only one
        rating was ever used.

    Raises:
        DataError: the annotators have different numbers of units, or there are more than 5,000 different ratings.
        ValueError: there is no such distance.
    """
    if distance not in ("nominal", "ordinal", "jaccard", "masi"):
        msg = f"distance {distance!r}: use one of nominal, ordinal, jaccard, masi"
        raise ValueError(msg)
    if len({len(one) for one in ratings}) > 1:
        msg = f"{', '.join(str(len(one)) for one in ratings)} units; every annotator needs one rating or None per unit"
        raise DataError(msg)
    found = dict.fromkeys(rating for one in ratings for rating in one if rating is not None)
    used: list[Any] = list(found)
    if distance == "ordinal":
        used = [rating for rating in order if rating in found] if order is not None else sorted(used)
    if len(used) > MAX_CATEGORIES:
        msg = f"{len(used):,} different ratings, at most {MAX_CATEGORIES:,} can be compared"
        raise DataError(msg)
    index = {rating: i for i, rating in enumerate(used)}
    coincidences = _coincidences([[index.get(rating, -1) for rating in one] for one in ratings], len(used))
    totals = coincidences.sum(axis=1)
    whole = totals.sum()
    apart = _distances(used, totals, distance)
    expected = totals @ apart @ totals
    if whole <= 1 or expected == 0:
        return None
    return float(1.0 - (whole - 1.0) * (coincidences * apart).sum() / expected)


def _coincidences(codes: list[list[int]], width: int) -> NDArray[np.float64]:
    """Return (ratings, ratings) how often two ratings met in one unit, each unit counting as many as it has ratings."""
    table = np.array(codes, dtype=np.int64).reshape(len(codes), -1)
    given = (table >= 0).sum(axis=0)
    result = np.zeros((width, width))
    for one, two in permutations(range(len(table)), 2):
        both = (table[one] >= 0) & (table[two] >= 0)
        np.add.at(result, (table[one][both], table[two][both]), 1.0 / (given[both] - 1))
    return result


def _distances(used: list[Any], totals: NDArray[np.float64], distance: Distance) -> NDArray[np.float64]:
    if distance == "nominal":
        return 1.0 - np.eye(len(used))
    if distance == "ordinal":
        # squared number of ratings between the two, half of their own included
        middle = np.cumsum(totals) - totals / 2
        result: NDArray[np.float64] = (middle[:, None] - middle) ** 2
        return result
    apart: Callable[[frozenset[Any], frozenset[Any]], float] = _masi if distance == "masi" else _jaccard
    return np.array([[apart(one, two) for two in used] for one in used])


def _jaccard(one: frozenset[Any], two: frozenset[Any]) -> float:
    return 0.0 if one == two else 1.0 - len(one & two) / len(one | two)


def _masi(one: frozenset[Any], two: frozenset[Any]) -> float:
    if one == two:
        return 0.0
    share = 2 / 3 if one <= two or two <= one else 1 / 3
    return 1.0 - share * len(one & two) / len(one | two)
