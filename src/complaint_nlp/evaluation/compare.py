"""Two models on the same messages: is one of them better, or was it chance?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.stats import binomtest

from complaint_nlp.errors import DataError
from complaint_nlp.evaluation.bootstrap import Counted, check_resampling, draws, percentiles
from complaint_nlp.evaluation.frames import frame

if TYPE_CHECKING:
    import pandas as pd

    from complaint_nlp.evaluation.answers import Answers
    from complaint_nlp.evaluation.bootstrap import Floats
    from complaint_nlp.evaluation.result import Evaluation

_COLUMNS: Final = [
    "task",
    "messages",
    "macro_f1_a",
    "macro_f1_b",
    "difference",
    "low",
    "high",
    "p_bootstrap",
    "exact_match_a",
    "exact_match_b",
    "only_a_right",
    "only_b_right",
    "p_mcnemar",
]


@dataclass(frozen=True, slots=True)
class TaskComparison:
    """Two models on one task.

    Attributes:
        task: name of the task.
        messages: how many are labelled for it.
        macro_f1_a: macro-F1 of the first model.
        macro_f1_b: macro-F1 of the second one.
        difference: ``macro_f1_b - macro_f1_a``; above 0 the second one is better.
        low: lower end of the percentile interval of the difference.
        high: upper end.
        p_bootstrap: two-sided: twice the smaller share of the draws in which the difference lies on one side of 0, at
            least ``1 / (n_resamples + 1)``.
        exact_match_a: exact match of the first model.
        exact_match_b: exact match of the second one.
        only_a_right: messages that only the first model answered exactly.
        only_b_right: messages that only the second one did.
        p_mcnemar: McNemar's exact test (1947) of these two counts, two-sided; 1 when both are 0.
    """

    task: str
    messages: int
    macro_f1_a: float
    macro_f1_b: float
    difference: float
    low: float
    high: float
    p_bootstrap: float
    exact_match_a: float
    exact_match_b: float
    only_a_right: int
    only_b_right: int
    p_mcnemar: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same messages.

    Attributes:
        messages: how many there are.
        n_resamples: bootstrap samples drawn.
        level: of the intervals.
        macro_f1_a: mean over the tasks of the first model's macro-F1; of emotions the primary one counts as a task too.
        macro_f1_b: the same of the second model.
        low: lower end of the percentile interval of their difference.
        high: upper end.
        tasks: by task name; the p-values are not adjusted for the number of tasks.
    """

    messages: int
    n_resamples: int
    level: float
    macro_f1_a: float
    macro_f1_b: float
    low: float
    high: float
    tasks: dict[str, TaskComparison]

    @property
    def difference(self) -> float:
        """``macro_f1_b - macro_f1_a``; above 0 the second model is better."""
        return self.macro_f1_b - self.macro_f1_a

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain dicts and numbers."""
        return asdict(self)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per task; the columns are the attributes of :class:`TaskComparison`.

        Raises:
            ConfigError: pandas is not installed.
        """
        return frame(map(asdict, self.tasks.values()), _COLUMNS, "task")

    def _repr_html_(self) -> str:
        """Return an HTML fragment for notebooks: what differs by more than chance is bold."""
        from complaint_nlp.evaluation.page import comparison_fragment

        return comparison_fragment(self)


def compare(a: Evaluation, b: Evaluation, *, n_resamples: int = 1000, level: float = 0.95, seed: int = 0) -> Comparison:
    """Compare two evaluations of the same messages, pair by pair.

    Messages are drawn with replacement, the same ones for both models, so that what is hard for both cancels out.

    Args:
        a: the first model's, such as the one in use.
        b: the second model's.
        n_resamples: bootstrap samples, 1 to 100,000.
        level: of the intervals.
        seed: of the draws.

    Raises:
        DataError: the evaluations are not of the same messages with the same labels, or have no task in common.
        ValueError: ``n_resamples`` or ``level`` is out of its range.
    """
    check_resampling(n_resamples, level)
    first, second = a.require_answers(), b.require_answers()
    shared = [name for name in first.tasks if name in second.tasks]
    _check_same(first, second, shared, (a.messages, b.messages))
    pairs = {name: (Counted(first.tasks[name]), Counted(second.tasks[name])) for name in shared}
    ones = np.ones((1, a.messages))
    drawn: dict[str, list[Floats]] = {name: [] for name in shared}
    for weights in draws(a.messages, n_resamples, seed):
        for name, (one, two) in pairs.items():
            drawn[name].append(_macro_f1(two, weights) - _macro_f1(one, weights))
    found = {}
    moved_by = {name: np.concatenate(parts) for name, parts in drawn.items()}
    for name, (one, two) in pairs.items():
        right_a, right_b = first.tasks[name].exact, second.tasks[name].exact
        only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
        moved = moved_by[name]
        f1_a, f1_b = float(_macro_f1(one, ones)[0]), float(_macro_f1(two, ones)[0])
        low, high = percentiles(moved, level)
        found[name] = TaskComparison(
            task=name,
            messages=len(right_a),
            macro_f1_a=f1_a,
            macro_f1_b=f1_b,
            difference=f1_b - f1_a,
            low=low,
            high=high,
            p_bootstrap=_two_sided(moved),
            exact_match_a=float(right_a.mean()),
            exact_match_b=float(right_b.mean()),
            only_a_right=only_a,
            only_b_right=only_b,
            p_mcnemar=float(binomtest(only_b, only_a + only_b).pvalue) if only_a + only_b else 1.0,
        )
    low, high = percentiles(np.mean(list(moved_by.values()), axis=0), level)
    return Comparison(
        messages=a.messages,
        n_resamples=n_resamples,
        level=level,
        macro_f1_a=float(np.mean([one.macro_f1_a for one in found.values()])),
        macro_f1_b=float(np.mean([one.macro_f1_b for one in found.values()])),
        low=low,
        high=high,
        tasks=found,
    )


def _check_same(first: Answers, second: Answers, shared: list[str], sizes: tuple[int, int]) -> None:
    if sizes[0] != sizes[1]:
        msg = f"the evaluations are of {sizes[0]:,} and {sizes[1]:,} messages; both must be of the same ones"
        raise DataError(msg)
    if not shared:
        msg = f"no task in common: one has {', '.join(first.tasks)}, the other {', '.join(second.tasks)}"
        raise DataError(msg)
    if first.messages is not None and second.messages is not None:
        for place, (one, two) in enumerate(zip(first.messages, second.messages, strict=True)):
            if one.text != two.text:
                msg = f"message {place + 1} ({one.id!r}, {two.id!r}) is not the same in both evaluations"
                raise DataError(msg)
    for name in shared:
        task, other = first.tasks[name], second.tasks[name]
        if not (np.array_equal(task.rows, other.rows) and np.array_equal(task.truth, other.truth)):
            msg = f"{name}: the reference labels of the two evaluations differ"
            raise DataError(msg)


def _macro_f1(counted: Counted, weights: Floats) -> Floats:
    # a draw may miss the few messages labelled for a task: then there is no difference either
    return np.nan_to_num(counted.figures(counted.sums(weights))["macro_f1"])


def _two_sided(moved: Floats) -> float:
    least = min(int((moved <= 0).sum()), int((moved >= 0).sum()))
    return min(1.0, 2.0 * (least + 1) / (len(moved) + 1))
