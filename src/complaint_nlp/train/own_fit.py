"""Fitting of one task of a user's own: regressions, calibration and thresholds, the latter two out of fold."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from complaint_nlp.classify.heads import OwnTask, decide_own, own_probabilities
from complaint_nlp.train.calibrate import best_offsets, best_thresholds, least_for_precision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from complaint_nlp.classify.heads import OwnKind
    from complaint_nlp.labels import Task
    from complaint_nlp.report import Decision

_FOLDS: Final = 5
_STRENGTHS: Final = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
_NEVER: Final = -12.0  # log-odds of a value that is never answered
_UNREACHED: Final = 1.01
_LEAST_DEVIATION: Final = 1e-4


def folds_of_texts(texts: Sequence[str], truth: NDArray[np.bool_], seed: int) -> NDArray[np.int64]:
    """Return the fold of every row: rows of one text share it, and rare values are dealt out evenly."""
    support = truth.sum(axis=0)
    rarest = np.where(truth, support, len(texts) + 1).min(axis=1)
    value = np.where(truth, support, len(texts) + 1).argmin(axis=1)
    first: dict[str, int] = {}
    for row, text in enumerate(texts):
        first.setdefault(text, row)
    groups = np.array(list(first.values()))
    drawn = np.random.default_rng(seed).random(len(groups))
    order = np.lexsort([drawn, value[groups], rarest[groups]])
    fold_of_text = {texts[groups[place]]: number % _FOLDS for number, place in enumerate(order.tolist())}
    return np.array([fold_of_text[text] for text in texts])


@dataclass(frozen=True, slots=True)
class Problem:
    """One task to learn.

    Attributes:
        features: (rows, features) as the bundle gives them.
        truth: (rows, values).
        usable: (values,) which have examples enough.
        folds: (rows,).
        kind: whether one value applies or several may.
    """

    features: NDArray[np.float64]
    truth: NDArray[np.bool_]
    usable: NDArray[np.bool_]
    folds: NDArray[np.int64]
    kind: OwnKind


@dataclass(frozen=True, slots=True)
class Fitted:
    """A learnt task: weights of the features as the bundle gives them, thresholds, and answers out of fold."""

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    settings: OwnTask
    labels: dict[int, tuple[str, ...]]
    decisions: list[Decision]


def fit_task(problem: Problem, task: Task, rows: NDArray[np.int64], precision: tuple[float, float]) -> Fitted:
    """Learn one task.

    Args:
        problem: what to learn.
        task: its values.
        rows: number of every row of the problem in the user's data.
        precision: wanted out of fold of ``auto`` answers, and of ``suggest`` and above.
    """
    mean, deviation = problem.features.mean(axis=0), problem.features.std(axis=0)
    # a feature that hardly changes here says nothing, but would shout where it does change
    scale = np.where(deviation > _LEAST_DEVIATION, 1.0 / np.maximum(deviation, _LEAST_DEVIATION), 0.0)
    scale /= np.sqrt(problem.features.shape[1])  # so that the same strengths suit any number of features
    standard = (problem.features - mean) * scale
    best, least = np.zeros(problem.truth.shape), np.inf
    strength = _STRENGTHS[0]
    for candidate in _STRENGTHS:
        margins = np.zeros(problem.truth.shape)
        for fold in range(_FOLDS):
            held = problem.folds == fold
            weights, bias = _regressions(standard[~held], problem.truth[~held], problem, candidate)
            margins[held] = standard[held] @ weights + bias
        loss = _loss(margins, problem)
        if loss < least:
            best, least, strength = margins, loss, candidate
    held_out = np.zeros_like(best)
    for fold in range(_FOLDS):
        held = problem.folds == fold
        slope, shift = _calibration(best[~held], problem.truth[~held], problem)
        held_out[held] = best[held] * slope + shift
    probabilities = own_probabilities(held_out, problem.kind)
    settings = _thresholds(probabilities, problem, task, precision)
    decided = decide_own(settings, probabilities)
    slope, shift = _calibration(best, problem.truth, problem)
    weights, bias = _regressions(standard, problem.truth, problem, strength)
    weights, bias = weights * slope, bias * slope + shift
    weights *= scale[:, None]
    names = [tuple(task.values[index] for index in indices) for indices in decided.labels]
    return Fitted(
        weights, bias - mean @ weights, settings, dict(zip(rows.tolist(), names, strict=True)), decided.decisions
    )


def _regressions(
    features: NDArray[np.float64], truth: NDArray[np.bool_], problem: Problem, strength: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (features, values) weights and (values,) bias."""
    weights = np.zeros((features.shape[1], truth.shape[1]))
    bias = np.full(truth.shape[1], _NEVER)
    if problem.kind == "one":
        rows = (truth & problem.usable).any(axis=1)
        wanted = truth[rows].argmax(axis=1)
        present = np.unique(wanted)
        if len(present) == 1:
            bias[present] = 0.0
            return weights, bias
        model = _regression(features[rows], wanted, strength)
        if len(present) == 2:  # noqa: PLR2004 - two classes share one row of weights
            weights[:, present] = model.coef_.T * [-0.5, 0.5]
            bias[present] = model.intercept_ * [-0.5, 0.5]
        else:
            weights[:, present], bias[present] = model.coef_.T, model.intercept_
        return weights, bias
    for value in np.flatnonzero(problem.usable):
        wanted = truth[:, value]
        if wanted.all() or not wanted.any():
            bias[value] = -_NEVER if wanted.all() else _NEVER
            continue
        model = _regression(features, wanted, strength)
        weights[:, value], bias[value] = model.coef_[0], model.intercept_[0]
    return weights, bias


def _regression(features: NDArray[np.float64], wanted: NDArray[Any], strength: float) -> Any:  # noqa: ANN401 - untyped
    model = LogisticRegression(C=strength, max_iter=500)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(features, wanted)


def _loss(margins: NDArray[np.float64], problem: Problem) -> float:
    """Return the mean logarithmic loss over the values that have examples enough."""
    if problem.kind == "one":
        rows = (problem.truth & problem.usable).any(axis=1)
        kept = margins[rows]
        highest = kept.max(axis=1, keepdims=True)
        total = np.log(np.exp(kept - highest).sum(axis=1)) + highest[:, 0]
        return float((total - kept[problem.truth[rows]]).mean())
    kept, truth = margins[:, problem.usable], problem.truth[:, problem.usable]
    return float(np.logaddexp(0.0, np.where(truth, -kept, kept)).mean())


def _calibration(
    margins: NDArray[np.float64], truth: NDArray[np.bool_], problem: Problem
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return by value what out-of-fold margins are multiplied with and what is added to get log-odds.

    Where one value applies, one factor for all; where several may, factor and shift per value (Platt 1999).
    """
    slope, shift = np.ones(truth.shape[1]), np.zeros(truth.shape[1])
    if problem.kind == "one":
        part = Problem(margins, truth, problem.usable, problem.folds, problem.kind)
        found = minimize_scalar(
            lambda power: _loss(margins * np.exp(power), part), bounds=(-2.5, 0.7), method="bounded"
        )
        return slope * np.exp(found.x), shift
    for value in np.flatnonzero(problem.usable):
        wanted = truth[:, value]
        if wanted.all() or not wanted.any():
            continue
        deviation = max(float(margins[:, value].std()), _LEAST_DEVIATION)
        model = LogisticRegression(C=1.0).fit(margins[:, [value]] / deviation, wanted)
        factor = float(model.coef_[0, 0]) / deviation
        if factor > 0.0:
            slope[value], shift[value] = factor, float(model.intercept_[0])
        else:  # nothing was learnt: all that is known is how often it applies
            slope[value], shift[value] = 0.0, float(np.log(wanted.mean() / (1.0 - wanted.mean())))
    return slope, shift


def _thresholds(
    probabilities: NDArray[np.float32], problem: Problem, task: Task, precision: tuple[float, float]
) -> OwnTask:
    """Return how the task is decided; values without examples enough never are."""
    truth = problem.truth

    def named(row: NDArray[Any]) -> dict[str, float]:
        # never rounded up: the messages that a threshold was measured on must reach it
        return {value: float(np.floor(number * 1e6) / 1e6) for value, number in zip(task.values, row, strict=True)}

    entry: dict[str, Any] = {}
    if problem.kind == "one":
        offsets = np.where(problem.usable, best_offsets(probabilities, truth.argmax(axis=1)), 2.0 * _NEVER)
        answer = (np.log(np.maximum(probabilities, 1e-9)) + offsets).argmax(axis=1)
        given = np.zeros_like(truth)
        given[np.arange(len(answer)), answer] = True
        entry["offsets"] = named(offsets)
    else:
        least = np.where(problem.usable, _centred(best_thresholds(probabilities, truth), probabilities), _UNREACHED)
        given = probabilities >= least
        entry["decide"] = named(least)
        none, silent_rows = 1.0 - probabilities.max(axis=1), ~given.any(axis=1)
        right = np.asarray(~truth.any(axis=1))
        entry["none_auto"], entry["none_suggest"] = (
            least_for_precision(none[silent_rows], right[silent_rows], wanted) for wanted in precision
        )
    for level, wanted in zip(("auto", "suggest"), precision, strict=True):
        columns = [
            least_for_precision(probabilities[given[:, j], j], truth[given[:, j], j], wanted)
            for j in range(len(task.values))
        ]
        entry[level] = named(np.array(columns))
    return OwnTask(kind=problem.kind, values=task.values, **entry)


def _centred(thresholds: NDArray[np.float64], scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return thresholds half way (as log-odds) between the scores around them, which decides the same here.

    Where the values are far apart, as they may be for few rows, the best threshold would lie on the last right answer,
    and any new message that is a little less clear would miss it.
    """
    centred = thresholds.copy()
    for value, least in enumerate(thresholds):
        column = np.clip(scores[:, value].astype(np.float64), 1e-6, 1.0 - 1e-6)
        given = scores[:, value] >= least
        if given.any() and not given.all():
            around = np.array([column[given].min(), column[~given].max()])
            centred[value] = 1.0 / (1.0 + np.exp(-np.log(around / (1.0 - around)).mean()))
    return centred
