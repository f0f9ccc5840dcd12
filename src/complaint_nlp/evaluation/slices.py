"""Figures of parts of the messages, and which parts are worse than the rest by more than chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.stats import false_discovery_control, norm

from complaint_nlp.errors import DataError
from complaint_nlp.evaluation.bootstrap import Counted, check_resampling, draws, percentiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from complaint_nlp.evaluation.answers import Answers, TaskAnswers
    from complaint_nlp.evaluation.bootstrap import Floats

SLICE_FIGURES: Final = ("micro_f1", "macro_f1", "weighted_f1", "exact_match")
STANDARD: Final = ("script", "region", "source", "trade", "draw", "length")
MAX_SLICES: Final = 200
_LENGTHS: Final = ((20, "1-20"), (50, "21-50"), (100, "51-100"), (200, "101-200"))
_LONGEST: Final = "201+"

By = str | Callable[[str], object] | Sequence[object]
Groups = list[str | None]


@dataclass(frozen=True, slots=True)
class Slice:
    """The figure of one part of the messages beside that of all others.

    Attributes:
        task: name of the task.
        by: what the messages were divided by.
        value: the part.
        messages: how many labelled messages it has.
        figure: name of the figure.
        estimate: the figure in the part.
        low: lower end of its percentile interval.
        high: upper end.
        rest: the figure on all other labelled messages.
        difference: ``estimate - rest``; below 0 the part is worse.
        difference_low: lower end of the percentile interval of the difference.
        difference_high: upper end.
        p_value: probability of a difference as low as this by chance (one-sided, from the bootstrap's standard error).
            As :meth:`Evaluation.worst_slices` gives it, it is adjusted for the number of slices looked at.
    """

    task: str
    by: str
    value: str
    messages: int
    figure: str
    estimate: float
    low: float
    high: float
    rest: float
    difference: float
    difference_low: float
    difference_high: float
    p_value: float


@dataclass(frozen=True, slots=True)
class SliceOptions:
    """How slices are compared.

    Attributes:
        figure: one of :data:`SLICE_FIGURES`.
        min_messages: smaller slices are left out: what they show is mostly chance.
        n_resamples: bootstrap samples, 1 to 100,000.
        level: of the intervals.
        seed: of the draws.
    """

    figure: str = "micro_f1"
    min_messages: int = 30
    n_resamples: int = 1000
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        check_resampling(self.n_resamples, self.level)
        if self.figure not in SLICE_FIGURES:
            msg = f"figure {self.figure!r}: use one of {', '.join(SLICE_FIGURES)}"
            raise ValueError(msg)
        if self.min_messages < 2:  # noqa: PLR2004 - one message cannot be compared with anything
            msg = f"min_messages must be at least 2, got {self.min_messages}"
            raise ValueError(msg)


def length_bucket(text: str) -> str:
    """Return the bucket of a message by its characters: 1-20, 21-50, 51-100, 101-200 or 201+."""
    return next((name for most, name in _LENGTHS if len(text) <= most), _LONGEST)


def groups_of(answers: Answers, messages: int, by: By) -> tuple[str, Groups]:
    """Return the name of a division and the part every message belongs to; ``None`` where it belongs to none.

    Raises:
        DataError: there is no such column, or not one value per message.
    """
    if not isinstance(by, str):
        if callable(by):
            name, values = getattr(by, "__name__", "function"), [by(text) for text in _texts(answers)]
        else:
            name, values = str(getattr(by, "name", None) or "values"), list(by)
        if len(values) != messages:
            msg = f"{len(values)} values for {messages} messages; one each is needed, in the same order"
            raise DataError(msg)
        return name, [None if value is None or value != value else str(value) for value in values]  # noqa: PLR0124
    if by in ("script", "region"):
        return by, _written(_texts(answers), by)
    if by == "length":
        return by, [length_bucket(text) for text in _texts(answers)]
    if answers.columns is None:
        msg = f"there is no column {by!r}: the evaluation was made from labels alone"
        raise DataError(msg)
    return by, answers.columns.column(by)


def _texts(answers: Answers) -> list[str]:
    if answers.messages is None:
        msg = "the messages themselves are not known: the evaluation was made from labels alone; use evaluate()"
        raise DataError(msg)
    return [message.text for message in answers.messages]


def _written(texts: list[str], by: str) -> Groups:
    from complaint_nlp.text import Normalizer

    normalizer = Normalizer()
    parts = []
    for text in texts:
        message = normalizer.normalize(text)
        kind = message.script if by == "script" else message.region
        parts.append(None if kind is None else kind.value)
    return parts


def slices_of(
    tasks: Mapping[str, TaskAnswers], messages: int, by: str, groups: Groups, options: SliceOptions
) -> list[Slice]:
    """Return the slices task by task, those with the lowest figure first.

    Raises:
        DataError: there are more than 200 slices with enough messages.
    """
    codes, names = _numbered(groups)
    divided = []
    for task, answers in tasks.items():
        own = codes[answers.rows]
        sizes = Counter(own[own >= 0].tolist())
        kept = sorted(code for code, size in sizes.items() if options.min_messages <= size < len(own))
        if len(kept) > MAX_SLICES:
            advice = "take a coarser column, or raise min_messages"
            msg = f"{by}: {len(kept)} slices, at most {MAX_SLICES} can be compared; {advice}"
            raise DataError(msg)
        members = {names[code]: np.flatnonzero(own == code) for code in kept}
        divided.append(_Divided(task, Counted(answers), members, options.figure))
    estimates = [one.figures(np.ones((1, messages))) for one in divided]
    drawn = [
        [one.figures(weights) for one in divided] for weights in draws(messages, options.n_resamples, options.seed)
    ]
    found: list[Slice] = []
    for place, one in enumerate(divided):
        slices = [
            _slice(one, by, value, estimates[place][value], [part[place][value] for part in drawn], options.level)
            for value in one.members
        ]
        found += sorted(slices, key=lambda part: part.estimate)
    return found


@dataclass(frozen=True, slots=True)
class _Divided:
    """One task with the messages of each part."""

    task: str
    counted: Counted
    members: Mapping[str, NDArray[np.int64]]
    figure: str

    def figures(self, weights: Floats) -> dict[str, tuple[Floats, Floats]]:
        """Return by part the figure (draws,) in it and on the rest."""
        if not self.members:
            return {}
        whole = self.counted.sums(weights)
        parts = {name: self.counted.sums(weights, only) for name, only in self.members.items()}
        return {
            name: (self.counted.figures(part)[self.figure], self.counted.figures(whole - part)[self.figure])
            for name, part in parts.items()
        }


def _slice(
    divided: _Divided,
    by: str,
    value: str,
    estimate: tuple[Floats, Floats],
    drawn: Sequence[tuple[Floats, Floats]],
    level: float,
) -> Slice:
    inside = np.concatenate([part for part, _ in drawn])
    moved = inside - np.concatenate([rest for _, rest in drawn])
    here, rest = float(estimate[0][0]), float(estimate[1][0])
    low, high = percentiles(inside, level)
    difference_low, difference_high = percentiles(moved, level)
    return Slice(
        task=divided.task,
        by=by,
        value=value,
        messages=len(divided.members[value]),
        figure=divided.figure,
        estimate=here,
        low=low,
        high=high,
        rest=rest,
        difference=here - rest,
        difference_low=difference_low,
        difference_high=difference_high,
        p_value=_p_value(here - rest, moved),
    )


def _numbered(groups: Groups) -> tuple[NDArray[np.int64], list[str]]:
    names = sorted({group for group in groups if group is not None})
    index = {name: i for i, name in enumerate(names)}
    return np.array([-1 if group is None else index[group] for group in groups], dtype=np.int64), names


def _p_value(difference: float, moved: Floats) -> float:
    """Return how likely a difference as low as this is where there is none, taking it as normally distributed."""
    error = float(np.nanstd(moved)) if not np.isnan(moved).all() else 0.0
    return float(norm.cdf(difference / error)) if error > 0 else 1.0


def worst(found: Sequence[Slice], alpha: float = 0.05) -> list[Slice]:
    """Return the slices that are worse than the rest by more than chance, the largest difference first.

    Args:
        found: all slices that were looked at.
        alpha: share of falsely named slices that is accepted (Benjamini and Hochberg, 1995).
    """
    if not 0.0 < alpha < 1.0:
        msg = f"alpha must lie between 0 and 1, such as 0.05, got {alpha}"
        raise ValueError(msg)
    if not found:
        return []
    adjusted = false_discovery_control([one.p_value for one in found])
    named = [
        replace(one, p_value=float(p))
        for one, p in zip(found, adjusted, strict=True)
        if p <= alpha and one.difference < 0
    ]
    return sorted(named, key=lambda one: one.difference)
