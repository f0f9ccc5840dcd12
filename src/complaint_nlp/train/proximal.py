"""One proximal step: logistic regressions that move away from given ones only as far as new labels pay for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from complaint_nlp.classify.linear import HEADS, head_slices, is_exclusive

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

_MOST_COMPACT: Final = 4_000
"""Up to so many messages the step is looked for among combinations of them, which is where it lies."""
_MIN_LABELLED: Final = 20
"""Heads with fewer labelled messages stay as they are: five folds of them would tell nothing."""
_ITERATIONS: Final = 40
_SURE: Final = 2.0
_RISES: Final = 0.8
_RESAMPLES: Final = 200


@dataclass(frozen=True, slots=True)
class Step:
    """What a proximal step gives.

    Attributes:
        weights: (features, outputs) to be added to the weights.
        bias: (outputs,) to be added to the bias.
        strengths: by head the chosen cost of moving; infinite where the head stays as it is.
        out_of_fold: (messages, outputs) what the step adds to the margins of every message when it has not seen it.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    strengths: dict[str, float]
    out_of_fold: NDArray[np.float64]


def proximal_step(
    features: Any,  # noqa: ANN401 - a SciPy sparse array or a NumPy one
    margins: NDArray[np.float32],
    values: NDArray[np.float32],
    known: NDArray[np.bool_],
    folds: NDArray[np.int64],
    shifts: NDArray[np.float64],
    strengths: Sequence[float],
) -> Step:
    """Fit what has to be added to the weights of a model so that it answers new messages as they are labelled.

    Head by head the sum of the messages' logarithmic loss plus ``strength / 2`` times the squared change of the weights
    is minimised (a proximal step towards the old weights; Parikh and Boyd 2014, Proximal Algorithms). The strength is
    the one with the least loss out of fold. The head stays as it is unless, out of fold, that loss is less than the one
    of the old weights by more than two standard errors, and the macro-F1 of the answers is higher in 80 % of bootstrap
    resamples: better probabilities alone are no reason to change answers.

    Args:
        features: (messages, features) what the weights are multiplied with.
        margins: (messages, outputs) of the old weights.
        values: (messages, outputs) 1 where a value applies.
        known: (messages, outputs) whether the message is labelled for it.
        folds: (messages,) fold of every message, from 0.
        shifts: (outputs,) added to margins before the answer is taken: the highest where one value applies, those above
            0 where several may.
        strengths: costs of moving that are tried.
    """
    outputs = sum(len(names) for names in HEADS.values())
    weights, bias = np.zeros((features.shape[1], outputs)), np.zeros(outputs)
    out_of_fold = np.zeros((features.shape[0], outputs))
    chosen: dict[str, float] = {}
    for head, columns in head_slices().items():
        rows = np.flatnonzero(known[:, columns.start])
        chosen[head] = np.inf
        if len(rows) < _MIN_LABELLED:
            continue
        compact, back = _compact(features[rows])
        problem = _Problem(
            compact, margins[rows][:, columns].astype(float), values[rows][:, columns], is_exclusive(head)
        )
        chosen[head], added = _chosen(problem, folds[rows], shifts[columns], strengths)
        if np.isfinite(chosen[head]):
            change, bias[columns] = problem.fit(np.arange(len(rows)), chosen[head])
            weights[:, columns] = back(change)
            out_of_fold[rows, columns] = added
    return Step(weights, bias, chosen, out_of_fold)


def _compact(features: Any) -> tuple[NDArray[np.float64], Callable[[NDArray[Any]], NDArray[Any]]]:  # noqa: ANN401
    """Return fewer features with the same products between messages, and what turns their weights into the full ones.

    The solution is a combination of the messages' features, so that nothing is lost (representer theorem).
    """
    count, width = features.shape
    if count > _MOST_COMPACT or width <= count:
        return features, lambda change: change
    products = features @ features.T
    values, vectors = np.linalg.eigh(products.toarray() if hasattr(products, "toarray") else products)
    kept = values > values.max() * 1e-9
    root = np.sqrt(values[kept])
    # the rows of a sparse matrix are still at hand, those of a dense product would not fit into memory
    return vectors[:, kept] * root, lambda change: features.T @ ((vectors[:, kept] / root) @ change)


def _chosen(
    problem: _Problem, folds: NDArray[np.int64], shifts: NDArray[np.float64], strengths: Sequence[float]
) -> tuple[float, NDArray[np.float64]]:
    """Return the strength, infinite for no change, and what the step adds out of fold."""
    unchanged = problem.losses(problem.margins)
    best: tuple[float, float, NDArray[np.float64]] | None = None
    for strength in strengths:
        added = np.zeros(problem.margins.shape)
        for fold in np.unique(folds):
            held = folds == fold
            weights, bias = problem.fit(np.flatnonzero(~held), strength)
            added[held] = problem.features[np.flatnonzero(held)] @ weights + bias
        loss = float(problem.losses(problem.margins + added).mean())
        if best is None or loss < best[0]:
            best = loss, strength, added
    if best is None:
        return np.inf, np.zeros(problem.margins.shape)
    gains = unchanged - problem.losses(problem.margins + best[2])
    error = float(gains.std(ddof=1) / np.sqrt(len(gains)))
    rises = problem.macro_f1(problem.margins + best[2] + shifts) > problem.macro_f1(problem.margins + shifts)
    return (
        (best[1], best[2])
        if rises.mean() >= _RISES and gains.mean() > _SURE * error
        else (np.inf, np.zeros(problem.margins.shape))
    )


@dataclass(frozen=True, slots=True)
class _Problem:
    """One head: features, margins of the old weights, and which values apply."""

    features: Any
    margins: NDArray[np.float64]
    wanted: NDArray[np.float32]
    exclusive: bool

    def losses(self, margins: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (messages,) logarithmic losses."""
        if self.exclusive:
            result: NDArray[np.float64] = logsumexp(margins, axis=1) - (margins * self.wanted).sum(axis=1)
            return result
        return np.asarray(np.logaddexp(0.0, np.where(self.wanted > 0, -margins, margins)).sum(axis=1))

    def macro_f1(self, shifted: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (resamples,) the mean F1, 0 to 1, over the values that occur, of the same resamples every time."""
        truth = self.wanted > 0
        given = shifted >= shifted.max(axis=1, keepdims=True) if self.exclusive else shifted >= 0.0
        counts = np.random.default_rng(0).poisson(1.0, (_RESAMPLES, len(truth))).astype(float)
        hits, wanted, said = (counts @ table.astype(float) for table in (truth & given, truth, given))
        f1 = 2.0 * hits / np.maximum(wanted + said, 1.0)
        occurring = wanted > 0.0
        return np.asarray((f1 * occurring).sum(axis=1) / np.maximum(occurring.sum(axis=1), 1))

    def fit(self, rows: NDArray[np.int64] | Sequence[int], strength: float) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return (features, values) change of the weights and (values,) change of the bias."""
        part = _Problem(self.features[rows], self.margins[rows], self.wanted[rows], self.exclusive)
        count, values = self.features.shape[1], self.margins.shape[1]

        def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            change = flat.reshape(count + 1, values)
            margins = part.margins + part.features @ change[:-1] + change[-1]
            if self.exclusive:
                probabilities = np.exp(margins - logsumexp(margins, axis=1, keepdims=True))
            else:
                probabilities = 1.0 / (1.0 + np.exp(-np.clip(margins, -30.0, 30.0)))
            errors = probabilities - part.wanted
            gradient = np.vstack([part.features.T @ errors, errors.sum(axis=0)]) + strength * change
            return float(part.losses(margins).sum() + strength / 2 * (change**2).sum()), gradient.ravel()

        found = minimize(
            objective,
            np.zeros((count + 1) * values),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": _ITERATIONS},
        )
        change = found.x.reshape(count + 1, values)
        return change[:-1], change[-1]
