"""Calibration and thresholds from out-of-fold margins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from sklearn.linear_model import LogisticRegression

from complaint_nlp.classify.linear import HEADS, head_slices, is_exclusive
from complaint_nlp.classify.scores import PRIMARY_EMOTION
from complaint_nlp.labels import TASKS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_STACKED: Final = frozenset({"urgency", "emotion", PRIMARY_EMOTION, "intensity", "needs"})
"""Heads whose calibration looks at the margins of all heads: anger makes venting likelier. Measured out of fold, this
helps the common values of these heads and hurts the rare ones of the others, which look at their own margins only."""

_STACKING_C: Final = 0.015
_MIN_POSITIVES: Final = 3
_MIN_OUTSIDE: Final = 50
_OUTSIDE_AUTO: Final = 0.02
_OUTSIDE_SUGGEST: Final = 0.2
"""Part of the texts labelled ``other`` that may be taken for a complaint automatically, and as a suggestion."""
_MIN_ANSWERS: Final = 15
_UNREACHED: Final = 1.01
_UNSEEN_MARGIN: Final = -12.0  # of a value that no message carries
_RESAMPLES: Final = 20
_F1_SMOOTHING: Final = 2.0
_ASCENTS: Final = 3
_CANDIDATES: Final = np.linspace(-2.0, 3.0, 21)
_OFFSET_COST: Final = 0.002  # macro-F1 that a doubled log-probability must be worth


class Sources(Protocol):
    """Chooses the margins that a calibration looks at."""

    def __call__(self, head: str, block: slice, margins: int, /) -> NDArray[np.int64]:
        """Return the columns for the outputs ``block`` of ``head``, of so many margins."""
        ...


@dataclass(frozen=True, slots=True)
class CalibrationMap:
    """A linear map from raw margins, those of the steps included, to calibrated ones: ``raw @ matrix + bias``."""

    matrix: NDArray[np.float32]
    bias: NDArray[np.float32]

    def apply(self, margins: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (messages, outputs) calibrated margins."""
        result: NDArray[np.float32] = margins @ self.matrix + self.bias
        return result


def own_margins(head: str, block: slice, margins: int) -> NDArray[np.int64]:
    """Return the margins that the calibration of outputs ``block`` looks at, for margins of one model."""
    return np.arange(margins) if head in _STACKED else np.arange(block.start, block.stop)


def blended_margins(head: str, block: slice, margins: int) -> NDArray[np.int64]:
    """Return the same for the logits of an encoder with the calibrated margins of a linear model behind them."""
    outputs = sum(len(values) for values in HEADS.values())
    second = np.arange(block.start, block.stop) + margins - outputs
    first = np.arange(margins - outputs) if head in _STACKED else np.arange(block.start, block.stop)
    return np.concatenate([first, second])


def fit_calibration(
    margins: NDArray[np.float32],
    values: NDArray[np.float32],
    known: NDArray[np.bool_],
    sources_of: Sources = own_margins,
) -> CalibrationMap:
    """Fit logistic regressions from out-of-fold margins to the labels.

    Args:
        margins: (messages, margins) from models that have not seen the message, those of the outputs first.
        values: (messages, outputs) 1 where a value applies.
        known: (messages, outputs) whether the message is labelled for it.
        sources_of: which margins the calibration of an output looks at.
    """
    outputs = sum(len(values) for values in HEADS.values())
    matrix, bias = np.eye(margins.shape[1], outputs, dtype=np.float32), np.zeros(outputs, dtype=np.float32)
    mean, deviation = margins.mean(axis=0), np.maximum(margins.std(axis=0), 1e-6)
    standard = (margins - mean) / deviation
    for head, columns in head_slices().items():
        rows = np.flatnonzero(known[:, columns.start])
        if len(rows) == 0:
            continue
        if is_exclusive(head):
            blocks = [(columns, values[rows, columns].argmax(axis=1))]
        else:
            blocks = [(slice(j, j + 1), values[rows, j]) for j in range(columns.start, columns.stop)]
        for block, wanted in blocks:
            sources = sources_of(head, block, margins.shape[1])
            counts = np.bincount(wanted.astype(int), minlength=2)
            if np.sort(counts)[-2] < _MIN_POSITIVES:
                continue  # nothing to learn from: the raw margin stays
            model = LogisticRegression(C=_STACKING_C if head in _STACKED else 1.0, max_iter=1000)
            model.fit(standard[np.ix_(rows, sources)], wanted)
            scaled = model.coef_ / deviation[sources]
            intercept = model.intercept_ - scaled @ mean[sources]
            matrix[:, block] = 0.0
            if is_exclusive(head) and len(model.classes_) > 2:  # noqa: PLR2004 - two classes share one row of weights
                bias[block] = _UNSEEN_MARGIN
                for row, label in enumerate(model.classes_):
                    matrix[sources, block.start + label] = scaled[row]
                    bias[block.start + label] = intercept[row]
            elif is_exclusive(head):
                bias[block] = _UNSEEN_MARGIN
                for sign, label in zip((-0.5, 0.5), model.classes_, strict=True):
                    matrix[sources, block.start + label] = sign * scaled[0]
                    bias[block.start + label] = sign * intercept[0]
            else:
                matrix[sources, block.start] = scaled[0]
                bias[block.start] = intercept[0]
    return CalibrationMap(matrix, bias)


def cross_fit(
    margins: NDArray[np.float32],
    values: NDArray[np.float32],
    known: NDArray[np.bool_],
    folds: NDArray[np.int64],
    counted: NDArray[np.int64],
    sources_of: Sources = own_margins,
) -> NDArray[np.float32]:
    """Return calibrated margins of every message by calibrations that were fitted without its fold.

    Thresholds chosen on these do not rest on a calibration that has seen the answers.

    Args:
        margins: as in :func:`fit_calibration`.
        values: as in :func:`fit_calibration`.
        known: as in :func:`fit_calibration`.
        folds: (messages,) fold of every message.
        counted: rows to fit on, as often as they count.
        sources_of: as in :func:`fit_calibration`.
    """
    outputs = sum(len(names) for names in HEADS.values())
    result = np.zeros((len(margins), outputs), dtype=np.float32)
    for fold in np.unique(folds):
        rows = counted[folds[counted] != fold]
        held = folds == fold
        result[held] = fit_calibration(margins[rows], values[rows], known[rows], sources_of).apply(margins[held])
    return result


def choose_thresholds(
    probabilities: Mapping[str, NDArray[np.float32]],
    values: NDArray[np.float32],
    known: NDArray[np.bool_],
    *,
    auto_precision: float,
    suggest_precision: float,
) -> dict[str, Any]:
    """Return the content of a calibration file.

    Args:
        probabilities: calibrated out-of-fold probabilities by head.
        values: (messages, outputs) 1 where a value applies.
        known: (messages, outputs) whether the message is labelled for it.
        auto_precision: precision wanted of automatic answers.
        suggest_precision: precision wanted of suggestions.
    """
    tasks: dict[str, Any] = {}
    for name, task in TASKS.items():
        head = PRIMARY_EMOTION if name == "emotion" else name
        columns = head_slices()[head]
        rows = known[:, columns.start]
        scores, truth = probabilities[head][rows], values[rows, columns] > 0
        entry: dict[str, Any] = {}
        if task.kind == "multilabel":
            least = best_thresholds(scores, truth)
            given = scores >= least
            entry["decide"] = _named(head, least)
            none = 1.0 - scores.max(axis=1)
            silent, truly_silent = ~given.any(axis=1), np.asarray(~truth.any(axis=1))
            for level, wanted in (("none_auto", auto_precision), ("none_suggest", suggest_precision)):
                entry[level] = least_for_precision(none[silent], truly_silent[silent], wanted)
        else:
            offsets = best_offsets(scores, truth.argmax(axis=1))
            answer = (np.log(np.maximum(scores, 1e-9)) + offsets).argmax(axis=1)
            given = np.zeros_like(truth)
            given[np.arange(len(answer)), answer] = True
            entry["offsets"] = _named(head, offsets)
            if name == "emotion":
                several = head_slices()[name]
                entry["decide"] = _named(name, best_thresholds(probabilities[name][rows], values[rows, several] > 0))
        for level, wanted in (("auto", auto_precision), ("suggest", suggest_precision)):
            least_sure = [
                least_for_precision(scores[given[:, j], j], truth[given[:, j], j], wanted)
                for j in range(len(task.values))
            ]
            entry[level] = _named(head, np.array(least_sure))
        tasks[name] = entry
    return {"auto_precision": auto_precision, "suggest_precision": suggest_precision, "tasks": tasks}


def guard_scope(
    thresholds: dict[str, Any],
    probabilities: Mapping[str, NDArray[np.float32]],
    values: NDArray[np.float32],
    known: NDArray[np.bool_],
) -> None:
    """Raise the thresholds of ``complaint`` until texts that are no customer messages seldom reach them, in place.

    News, verse or code do not come in with complaints, so that precision on messages says nothing about them.

    Args:
        thresholds: what :func:`choose_thresholds` returned.
        probabilities: calibrated out-of-fold probabilities by head, of all messages.
        values: (messages, outputs) 1 where a value applies.
        known: (messages, outputs) whether the message is labelled for it.
    """
    columns = head_slices()["intent"]
    names = HEADS["intent"]
    other, complaint = names.index("other"), names.index("complaint")
    outside = known[:, columns.start] & (values[:, columns.start + other] > 0)
    if outside.sum() < _MIN_OUTSIDE:
        return
    scores = probabilities["intent"][outside, complaint]
    for level, share in (("auto", _OUTSIDE_AUTO), ("suggest", _OUTSIDE_SUGGEST)):
        least = float(np.quantile(scores, 1.0 - share))
        given = thresholds["tasks"]["intent"][level]
        given["complaint"] = round(max(given["complaint"], least), 4)


def _named(head: str, row: NDArray[Any]) -> dict[str, float]:
    return {value: round(float(number), 4) for value, number in zip(HEADS[head], row, strict=True)}


def _resamples(count: int) -> list[NDArray[np.int64]]:
    """Return how often every message counts in each of several resamples, the same for the same ``count``."""
    random = np.random.default_rng(0)
    return [random.poisson(1.0, count) for _ in range(_RESAMPLES)]


def best_thresholds(scores: NDArray[np.float32], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return for every value the threshold with the best F1, averaged (as log-odds) over resamples of the messages.

    The best threshold of one sample rests on a few messages where a value is rare; the average does not.
    """
    best = np.full(scores.shape[1], 0.5)
    resamples = _resamples(len(scores))
    for j in range(scores.shape[1]):
        if truth[:, j].sum() < _MIN_POSITIVES:
            continue
        order = np.argsort(-scores[:, j], kind="stable")
        ranked, right = scores[order, j].astype(np.float64), truth[order, j]
        # a threshold can only lie where the score changes
        ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
        found = []
        for counts in resamples:
            given = np.cumsum(counts[order])[ends]
            hits = np.cumsum(counts[order] * right)[ends]
            if not hits[-1]:
                continue
            f1 = 2.0 * hits / (given + hits[-1] + _F1_SMOOTHING)
            found.append(ranked[ends[f1.argmax()]])
        odds = np.log(np.clip(found, 1e-6, 1 - 1e-6) / (1 - np.clip(found, 1e-6, 1 - 1e-6)))
        best[j] = 1.0 / (1.0 + np.exp(-odds.mean()))
    return best


def best_offsets(scores: NDArray[np.float32], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return offsets to the log-probabilities with the best macro-F1, averaged over resamples of the messages."""
    logs = np.log(np.maximum(scores, 1e-9)).astype(np.float64)
    found = []
    for counts in _resamples(len(truth)):
        offsets = _ascend(logs, truth, counts.astype(np.float64))
        found.append(offsets - offsets.mean())
    mean: NDArray[np.float64] = np.mean(found, axis=0)
    return mean


def _ascend(logs: NDArray[np.float64], truth: NDArray[np.int64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the offsets with the best macro-F1 on messages counted ``counts`` times, by coordinate ascent."""
    classes = logs.shape[1]
    offsets = np.zeros(classes)
    support = np.bincount(truth, weights=counts, minlength=classes)
    present = np.flatnonzero(support >= _MIN_POSITIVES)
    for _ in range(_ASCENTS):
        for j in present:
            shifted = logs + offsets
            shifted[:, j] = -np.inf
            rival = shifted.argmax(axis=1)
            lead = shifted[np.arange(len(rival)), rival] - logs[:, j]
            results = []
            for candidate in _CANDIDATES:
                answer = np.where(lead < candidate, j, rival)
                given = np.bincount(answer, weights=counts, minlength=classes)
                hits = np.bincount(truth, weights=counts * (answer == truth), minlength=classes)
                f1 = 2.0 * hits / np.maximum(given + support, 1e-9)
                results.append((f1[present].mean() - _OFFSET_COST * abs(candidate), candidate))
            offsets[j] = max(results)[1]
    return offsets


def least_for_precision(scores: NDArray[np.float32], right: NDArray[np.bool_], wanted: float) -> float:
    """Return the least score from which on answers are right often enough; above 1 when there is none."""
    order = np.argsort(-scores, kind="stable")
    precision = np.cumsum(right[order]) / (np.arange(len(order)) + 1)
    enough = np.flatnonzero(precision[_MIN_ANSWERS - 1 :] >= wanted)
    return float(scores[order][enough[-1] + _MIN_ANSWERS - 1]) if len(enough) else _UNREACHED
