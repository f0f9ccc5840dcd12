"""Do probabilities mean what they say, and how much can be answered without a person?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from sklearn.metrics import brier_score_loss

from complaint_nlp.errors import DataError
from complaint_nlp.evaluation.answers import DECISIONS
from complaint_nlp.evaluation.frames import frame

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from complaint_nlp.evaluation.answers import TaskAnswers

Strategy = Literal["uniform", "quantile"]
MAX_BINS: Final = 1000
_CURVE: Final = ["low", "high", "messages", "confidence", "accuracy"]


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of about the same probability.

    Attributes:
        low: lower edge of the bin.
        high: upper edge; what lies on an inner edge belongs to the lower bin.
        messages: how many answers lie in it.
        confidence: their mean probability, 0 to 1.
        accuracy: share of them that came true, 0 to 1.
    """

    low: float
    high: float
    messages: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far stated probabilities are from what came true.

    Attributes:
        task: name of the task.
        value: the value whose probability is looked at, ``None`` for the confidence of the answer.
        messages: how many answers there were; messages that were not analysed are left out.
        ece: expected calibration error, 0 to 1: mean of ``|confidence - accuracy|`` over the bins, weighted by their
            messages (Naeini et al., 2015). It depends on the bins, so compare only what has the same.
        brier: mean squared distance of the probability from what came true, 0 to 1 (Brier, 1950).
        strategy: ``uniform`` for bins of equal width, ``quantile`` for about as many answers in each.
        n_bins: how many bins were asked for.
        bins: the reliability curve; empty bins are left out.
    """

    task: str
    value: str | None
    messages: int
    ece: float
    brier: float
    strategy: Strategy
    n_bins: int
    bins: tuple[Bin, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return the reliability curve: one row per bin with low, high, messages, confidence, accuracy.

        Raises:
            ConfigError: pandas is not installed.
        """
        return frame(map(asdict, self.bins), _CURVE)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain dicts, lists and numbers."""
        return asdict(self)


def calibrate(answers: TaskAnswers, value: str | None, n_bins: int, strategy: Strategy, why_not: str) -> Calibration:
    """Return the calibration of a task; see :meth:`Evaluation.calibration`."""
    if not 1 <= n_bins <= MAX_BINS:
        msg = f"n_bins must be 1 to {MAX_BINS:,}, got {n_bins}"
        raise ValueError(msg)
    if strategy not in ("uniform", "quantile"):
        msg = f"strategy {strategy!r}: use 'uniform' or 'quantile'"
        raise ValueError(msg)
    if value is None:
        given, true = known_confidence(answers, why_not), answers.right
    else:
        values = answers.task.values  # noqa: PD011 - a task's
        if value not in values:
            msg = f"{answers.task.name}: {value!r} is not one of {', '.join(values)}"
            raise ValueError(msg)
        if answers.scores is None:
            why = "the probabilities of single values are not known; evaluate an Analyzer or Reports"
            msg = f"{answers.task.name}: {why}"
            raise DataError(msg)
        place = values.index(value)
        given, true = answers.scores[:, place], answers.truth[:, place]
    known = answers.analysed & ~np.isnan(given)
    if not known.any():
        msg = f"{answers.task.name}: no message was analysed, so there is no probability to look at"
        raise DataError(msg)
    probability, outcome = given[known].astype(np.float64), true[known]
    bins = _bins(probability, outcome, n_bins, strategy)
    ece = sum(one.messages * abs(one.confidence - one.accuracy) for one in bins) / len(probability)
    brier = float(brier_score_loss(outcome, probability, pos_label=True))
    return Calibration(answers.task.name, value, len(probability), ece, brier, strategy, n_bins, bins)


def known_confidence(answers: TaskAnswers, why_not: str) -> NDArray[np.float32]:
    """Return the confidence of every answer.

    Raises:
        DataError: there is none; the message says why.
    """
    if answers.confidence is None:
        why = why_not or f"the predictions hold no {answers.task.name}_confidence"
        msg = f"{answers.task.name}: there is no confidence to look at: {why}"
        raise DataError(msg)
    return answers.confidence


def _bins(
    probability: NDArray[np.float64], outcome: NDArray[np.bool_], n_bins: int, strategy: Strategy
) -> tuple[Bin, ...]:
    places = np.linspace(0.0, 1.0, n_bins + 1)
    edges = places if strategy == "uniform" else np.quantile(probability, places)
    # as sklearn.calibration.calibration_curve, which does not tell how many there are
    index = np.searchsorted(edges[1:-1], probability)
    counts = np.bincount(index, minlength=n_bins)
    sums = np.bincount(index, weights=probability, minlength=n_bins)
    hits = np.bincount(index, weights=outcome, minlength=n_bins)
    return tuple(
        Bin(
            float(edges[i]), float(edges[i + 1]), int(counts[i]), float(sums[i] / counts[i]), float(hits[i] / counts[i])
        )
        for i in np.flatnonzero(counts).tolist()
    )


@dataclass(frozen=True, slots=True)
class CoveragePoint:
    """What comes of using only answers of at least this confidence.

    Attributes:
        confidence: the least confidence, 0 to 1.
        coverage: share of all messages that are answered so, 0 to 1.
        accuracy: share of these answers that are right, 0 to 1.
    """

    confidence: float
    coverage: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class DecisionPoint:
    """Where a decision stands.

    Attributes:
        decision: ``auto``, ``suggest`` or ``review``.
        messages: how many answers have it.
        share: of all messages, 0 to 1.
        accuracy: share of these answers that are right, 0 to 1; ``None`` without any.
        coverage: share of all messages that have this decision or a surer one, 0 to 1.
        accuracy_so_far: share of those that are right, 0 to 1; ``None`` without any.
    """

    decision: str
    messages: int
    share: float
    accuracy: float | None
    coverage: float
    accuracy_so_far: float | None


def coverage_curve(answers: TaskAnswers, why_not: str) -> list[CoveragePoint]:
    """Return the curve from the surest answer to all of them; equal confidences come together."""
    # a message that was not analysed is the last one to rely on
    given = np.where(answers.analysed, np.nan_to_num(known_confidence(answers, why_not)), 0.0)
    order = np.argsort(-given, kind="stable")
    confidence, hits = given[order], np.cumsum(answers.right[order])
    last = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True))
    return [CoveragePoint(float(confidence[i]), (i + 1) / len(given), float(hits[i]) / (i + 1)) for i in last.tolist()]


def decision_points(answers: TaskAnswers, why_not: str) -> list[DecisionPoint]:
    """Return where auto, suggest and review stand."""
    if answers.decision is None:
        why = why_not or f"the predictions hold no {answers.task.name}_decision"
        msg = f"{answers.task.name}: there are no decisions to look at: {why}"
        raise DataError(msg)
    found, messages, hits = [], 0, 0
    total = len(answers.rows)
    for number, decision in enumerate(DECISIONS):
        chosen = answers.decision == number
        count, right = int(chosen.sum()), int(answers.right[chosen].sum())
        messages, hits = messages + count, hits + right
        found.append(
            DecisionPoint(
                decision.value,
                count,
                count / total,
                right / count if count else None,
                messages / total,
                hits / messages if messages else None,
            )
        )
    return found
