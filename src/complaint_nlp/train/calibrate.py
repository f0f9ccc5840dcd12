"""Calibration and thresholds from out-of-fold margins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

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
_MIN_ANSWERS: Final = 15
_UNREACHED: Final = 1.01
_UNSEEN_MARGIN: Final = -12.0  # of a value that no message carries
_TRIED: Final = 200


@dataclass(frozen=True, slots=True)
class CalibrationMap:
    """A linear map from raw margins, those of the steps included, to calibrated ones: ``raw @ matrix + bias``."""

    matrix: NDArray[np.float32]
    bias: NDArray[np.float32]

    def apply(self, margins: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (messages, outputs) calibrated margins."""
        result: NDArray[np.float32] = margins @ self.matrix + self.bias
        return result


def fit_calibration(
    margins: NDArray[np.float32], values: NDArray[np.float32], known: NDArray[np.bool_]
) -> CalibrationMap:
    """Fit logistic regressions from out-of-fold margins to the labels.

    Args:
        margins: (messages, outputs) margins from models that have not seen the message.
        values: (messages, outputs) 1 where a value applies.
        known: (messages, outputs) whether the message is labelled for it.
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
            sources = np.arange(margins.shape[1]) if head in _STACKED else np.arange(block.start, block.stop)
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
) -> NDArray[np.float32]:
    """Return calibrated margins of every message by calibrations that were fitted without its fold.

    Thresholds chosen on these do not rest on a calibration that has seen the answers.

    Args:
        margins: as in :func:`fit_calibration`.
        values: as in :func:`fit_calibration`.
        known: as in :func:`fit_calibration`.
        folds: (messages,) fold of every message.
        counted: rows to fit on, as often as they count.
    """
    outputs = sum(len(names) for names in HEADS.values())
    result = np.zeros((len(margins), outputs), dtype=np.float32)
    for fold in np.unique(folds):
        rows = counted[folds[counted] != fold]
        held = folds == fold
        result[held] = fit_calibration(margins[rows], values[rows], known[rows]).apply(margins[held])
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
            least = _best_thresholds(scores, truth)
            given = scores >= least
            entry["decide"] = _named(head, least)
            none = 1.0 - scores.max(axis=1)
            silent, truly_silent = ~given.any(axis=1), np.asarray(~truth.any(axis=1))
            for level, wanted in (("none_auto", auto_precision), ("none_suggest", suggest_precision)):
                entry[level] = _least_for_precision(none[silent], truly_silent[silent], wanted)
        else:
            offsets = _best_offsets(scores, truth.argmax(axis=1))
            answer = (np.log(np.maximum(scores, 1e-9)) + offsets).argmax(axis=1)
            given = np.zeros_like(truth)
            given[np.arange(len(answer)), answer] = True
            entry["offsets"] = _named(head, offsets)
            if name == "emotion":
                several = head_slices()[name]
                entry["decide"] = _named(name, _best_thresholds(probabilities[name][rows], values[rows, several] > 0))
        for level, wanted in (("auto", auto_precision), ("suggest", suggest_precision)):
            least_sure = [
                _least_for_precision(scores[given[:, j], j], truth[given[:, j], j], wanted)
                for j in range(len(task.values))
            ]
            entry[level] = _named(head, np.array(least_sure))
        tasks[name] = entry
    return {"auto_precision": auto_precision, "suggest_precision": suggest_precision, "tasks": tasks}


def _named(head: str, row: NDArray[Any]) -> dict[str, float]:
    return {value: round(float(number), 4) for value, number in zip(HEADS[head], row, strict=True)}


def _best_thresholds(scores: NDArray[np.float32], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return for every value the threshold with the best F1, smoothed over its neighbours."""
    best = np.full(scores.shape[1], 0.5)
    for j in range(scores.shape[1]):
        positives = int(truth[:, j].sum())
        if positives < _MIN_POSITIVES:
            continue
        tried = np.unique(np.quantile(scores[:, j], np.linspace(0.3, 0.9995, _TRIED)))
        hits = np.array([(truth[:, j] & (scores[:, j] >= least)).sum() for least in tried])
        given = np.array([(scores[:, j] >= least).sum() for least in tried])
        # the 2 keeps thresholds of rare values from resting on one or two messages
        f1 = 2.0 * hits / (given + positives + 2)
        smooth = np.convolve(np.pad(f1, 1, "edge"), [0.25, 0.5, 0.25], "valid")
        best[j] = tried[smooth.argmax()]
    return best


def _best_offsets(scores: NDArray[np.float32], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return offsets to the log-probabilities with the best macro-F1, by coordinate ascent."""
    logs = np.log(np.maximum(scores, 1e-9))
    offsets = np.zeros(scores.shape[1])
    present = sorted(set(truth.tolist()))
    for _ in range(3):
        for j in present:
            if (truth == j).sum() < _MIN_POSITIVES:
                continue
            results = []
            for candidate in np.linspace(-1.5, 3.0, 19):
                shifted = offsets.copy()
                shifted[j] = candidate
                score = f1_score(
                    truth, (logs + shifted).argmax(axis=1), average="macro", labels=present, zero_division=0
                )
                results.append((score - 0.002 * abs(candidate), candidate))
            offsets[j] = max(results)[1]
    return offsets


def _least_for_precision(scores: NDArray[np.float32], right: NDArray[np.bool_], wanted: float) -> float:
    """Return the least score from which on answers are right often enough; above 1 when there is none."""
    order = np.argsort(-scores, kind="stable")
    precision = np.cumsum(right[order]) / (np.arange(len(order)) + 1)
    enough = np.flatnonzero(precision[_MIN_ANSWERS - 1 :] >= wanted)
    return float(scores[order][enough[-1] + _MIN_ANSWERS - 1]) if len(enough) else _UNREACHED
