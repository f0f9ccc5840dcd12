"""Bootstrap: how far figures would move with other messages of the same kind.

Messages are drawn with replacement (Efron, 1979). A draw is held as how often each message was drawn, so that the
figures of all draws are a few products of matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from complaint_nlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from complaint_nlp.evaluation.answers import TaskAnswers

FIGURES: Final = ("macro_f1", "micro_f1", "weighted_f1", "exact_match", "kappa")
VALUE_FIGURES: Final = ("precision", "recall", "f1")
MAX_RESAMPLES: Final = 100_000
_CELLS: Final = 8_000_000
"""Counts of drawn messages that are held at once."""

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with the interval in which it lies for most samples of messages.

    Attributes:
        task: name of the task.
        value: the value the figure belongs to, ``None`` for the whole task.
        figure: its name.
        estimate: the figure on all messages.
        low: lower end of the percentile interval; ``nan`` where the figure is undefined in all draws.
        high: upper end.
    """

    task: str
    value: str | None
    figure: str
    estimate: float
    low: float
    high: float


def check_resampling(n_resamples: int, level: float = 0.95) -> None:
    """Refuse what cannot be drawn.

    Raises:
        ValueError: ``n_resamples`` or ``level`` is out of its range.
    """
    if not 1 <= n_resamples <= MAX_RESAMPLES:
        msg = f"n_resamples must be 1 to {MAX_RESAMPLES:,}, got {n_resamples}"
        raise ValueError(msg)
    if not 0.0 < level < 1.0:
        msg = f"level must lie between 0 and 1, such as 0.95, got {level}"
        raise ValueError(msg)


def draws(messages: int, n_resamples: int, seed: int) -> Iterator[Floats]:
    """Return in parts (draws, messages) how often every message was drawn; the same for the same seed."""
    generator = np.random.default_rng(seed)
    part = max(1, min(n_resamples, _CELLS // max(messages, 1)))
    for start in range(0, n_resamples, part):
        yield np.stack(
            [
                np.bincount(generator.integers(0, messages, messages), minlength=messages).astype(np.float64)
                for _ in range(min(part, n_resamples - start))
            ]
        )


class Counted:
    """Counts of one task, to be summed with any weights of the messages.

    Args:
        answers: of the task.
    """

    def __init__(self, answers: TaskAnswers) -> None:
        self.rows = answers.rows
        self._width = len(answers.task.values)
        self._ordinal = answers.task.kind == "ordinal"
        truth, answer = answers.truth, answers.answer
        parts = [truth & answer, answer, truth, answers.exact[:, None], np.ones((len(truth), 1), dtype=bool)]
        if self._ordinal:
            pairs = answers.true_first.astype(int) * self._width + answers.first
            answered = answers.first >= 0
            parts.append((pairs[:, None] == np.arange(self._width**2)) & answered[:, None])
        self.table = np.hstack(parts).astype(np.float64)

    def sums(self, weights: Floats, only: NDArray[np.int64] | None = None) -> Floats:
        """Return (draws, counts) sums over the messages.

        Args:
            weights: (draws, all messages).
            only: places in :attr:`rows` of the messages to sum; all when ``None``.
        """
        if only is None:
            return weights[:, self.rows] @ self.table
        return weights[:, self.rows[only]] @ self.table[only]

    def figures(self, sums: Floats) -> dict[str, Floats]:
        """Return (draws,) of every one of :data:`FIGURES`, ``nan`` where undefined."""
        hits, given, wanted = (sums[:, i * self._width : (i + 1) * self._width] for i in range(3))
        exact, messages = sums[:, 3 * self._width], sums[:, 3 * self._width + 1]
        f1 = _ratio(2 * hits, given + wanted)
        occurring = wanted > 0
        labels = wanted.sum(axis=1)
        result = {
            "macro_f1": _ratio((f1 * occurring).sum(axis=1), occurring.sum(axis=1)),
            "micro_f1": _ratio(2 * hits.sum(axis=1), given.sum(axis=1) + labels),
            "weighted_f1": _ratio((f1 * wanted).sum(axis=1), labels),
            "exact_match": _ratio(exact, messages),
        }
        if self._ordinal:
            result["kappa"] = _kappa(sums[:, 3 * self._width + 2 :].reshape(-1, self._width, self._width))
        return {name: np.where(messages > 0, figure, np.nan) for name, figure in result.items()}

    def value_figures(self, sums: Floats) -> dict[str, Floats]:
        """Return (draws, values) of every one of :data:`VALUE_FIGURES`; 0 where undefined, as in the scores."""
        hits, given, wanted = (sums[:, i * self._width : (i + 1) * self._width] for i in range(3))
        return {
            "precision": _ratio(hits, given),
            "recall": _ratio(hits, wanted),
            "f1": _ratio(2 * hits, given + wanted),
        }


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=whole > 0)


def _kappa(pairs: Floats) -> Floats:
    """Return (draws,) quadratically weighted kappa (Cohen, 1968) of (draws, true, answered) counts."""
    scale = np.arange(pairs.shape[1])
    cost = (scale[:, None] - scale) ** 2.0
    total = pairs.sum(axis=(1, 2))
    expected = np.einsum("bi,bj->bij", pairs.sum(axis=2), pairs.sum(axis=1))
    by_chance = (expected * cost).sum(axis=(1, 2))
    observed = (pairs * cost).sum(axis=(1, 2)) * total
    return np.where(by_chance > 0, 1.0 - _ratio(observed, by_chance), np.nan)


def intervals(
    tasks: Mapping[str, TaskAnswers],
    messages: int,
    *,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    by_value: bool = False,
) -> list[Interval]:
    """Return percentile intervals of every task's figures.

    Args:
        tasks: the answers by task.
        messages: how many messages there are in all.
        n_resamples: how many samples of as many messages are drawn, 1 to 100,000.
        level: share of the draws that lie in the interval.
        seed: of the draws; the same draws serve all tasks.
        by_value: the figures of every value as well.

    Raises:
        DataError: there is no message.
        ValueError: ``n_resamples`` or ``level`` is out of its range.
    """
    check_resampling(n_resamples, level)
    if not messages:
        msg = "there is no message to draw from"
        raise DataError(msg)
    counted = {name: Counted(answers) for name, answers in tasks.items()}
    whole = {name: one.sums(np.ones((1, messages))) for name, one in counted.items()}
    drawn: dict[str, list[Floats]] = {name: [] for name in counted}
    for weights in draws(messages, n_resamples, seed):
        for name, one in counted.items():
            drawn[name].append(one.sums(weights))
    found = []
    for name, one in counted.items():
        sums = np.concatenate(drawn[name])
        figures, estimates = one.figures(sums), one.figures(whole[name])
        for figure, series in figures.items():
            low, high = percentiles(series, level)
            found.append(Interval(name, None, figure, float(estimates[figure][0]), low, high))
        if by_value:
            series_of, single = one.value_figures(sums), one.value_figures(whole[name])
            for i, value in enumerate(tasks[name].task.values):
                for figure in VALUE_FIGURES:
                    low, high = percentiles(series_of[figure][:, i], level)
                    found.append(Interval(name, value, figure, float(single[figure][0, i]), low, high))
    return found


def percentiles(series: Floats, level: float) -> tuple[float, float]:
    """Return the ends of the percentile interval; ``nan`` where there is no defined figure."""
    defined = series[~np.isnan(series)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
