"""Training of the linear classifier.

One L2-regularised logistic regression per value on tf-idf n-grams, words and signals; margins predicted out of fold
calibrate the probabilities and choose the thresholds; the calibration, being linear in the margins, is multiplied into
the weights, which are stored as 8-bit integers with one scale per feature.
"""

from __future__ import annotations

import io
import json
import warnings
from collections import Counter
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from complaint_nlp.classify.bundle import write_bundle
from complaint_nlp.classify.decide import CALIBRATION
from complaint_nlp.classify.features import Vocabulary, encode, extract
from complaint_nlp.classify.linear import ARRAYS, HEADS, head_slices, probabilities_from_margins, signal_matrix
from complaint_nlp.classify.scores import PRIMARY_OF
from complaint_nlp.errors import DataError
from complaint_nlp.labels import TASKS
from complaint_nlp.text import Normalizer
from complaint_nlp.train.calibrate import CalibrationMap, choose_thresholds, cross_fit, fit_calibration, guard_scope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from complaint_nlp.classify.bundle import Bundle
    from complaint_nlp.labelled import LabelledMessage
    from complaint_nlp.text import NormalizedText

_CHUNK: Final = 2000
_MIN_POSITIVES: Final = 3
_RATIO_SMOOTHING: Final = 0.2
_RATIO_FLOOR: Final = 0.5
_NEVER: Final = -7.0  # margin of a value that too few messages carry: below 0.1 %


@dataclass(frozen=True, slots=True)
class LinearOptions:
    """How a linear model is trained.

    Attributes:
        min_documents: features of fewer messages are left out.
        max_features: of the others the most frequent ones are kept.
        inverse_regularization: the C of scikit-learn's LogisticRegression.
        folds: for the out-of-fold margins.
        auto_precision: precision wanted of answers decided as ``auto``.
        suggest_precision: the same for ``suggest`` and above.
        draw_weights: how often a message counts when probabilities are calibrated and thresholds chosen, by a pattern
            of its ``draw`` (``*`` stands for anything; the first that fits; 1 when none does). What was picked because
            it looked rare should count nothing there, a fair sample of what comes in the most.
        jobs: processes.
        seed: of the folds and the solver.
    """

    min_documents: int = 2
    max_features: int = 100_000
    inverse_regularization: float = 5.0
    folds: int = 5
    auto_precision: float = 0.9
    suggest_precision: float = 0.7
    draw_weights: tuple[tuple[str, int], ...] = ()
    jobs: int = 2
    seed: int = 0


class Progress(Protocol):
    """Told what is going on."""

    def __call__(self, stage: str, done: int, total: int, /) -> None:
        """Report that ``done`` of ``total`` parts of ``stage`` are finished."""


def silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""


STEPS: Final = tuple(
    (name, level) for name, task in TASKS.items() if task.kind == "ordinal" for level in range(1, len(task.values))
)
"""Further outputs behind those of the heads: whether an urgency or intensity is at least of a level. They are not
stored; calibration draws on them, because "at least high" is easier to learn than "high and no more"."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What is fitted: the outputs of the heads, then the steps of the scales.

    Attributes:
        values: (messages, outputs and steps) 1 where the value of that output applies.
        known: (messages, outputs and steps) whether the message is labelled for the output's task.
    """

    values: NDArray[np.float32]
    known: NDArray[np.bool_]


def targets_of(messages: Sequence[LabelledMessage]) -> Targets:
    """Return the targets of every head for ``messages``."""
    outputs = sum(len(values) for values in HEADS.values())
    values = np.zeros((len(messages), outputs + len(STEPS)), dtype=np.float32)
    known = np.zeros(values.shape, dtype=bool)
    for head, columns in head_slices().items():
        task = PRIMARY_OF.get(head, head)
        index = {value: columns.start + i for i, value in enumerate(HEADS[head])}
        for row, message in enumerate(messages):
            given = message.labels.get(task)
            # where no value applies, none is the primary one either
            if given is None or (head in PRIMARY_OF and not given):
                continue
            known[row, columns] = True
            for value in given[:1] if head in PRIMARY_OF else given:
                values[row, index[value]] = 1.0
    for step, (task, level) in enumerate(STEPS, outputs):
        columns = head_slices()[task]
        values[:, step] = values[:, columns][:, level:].any(axis=1)
        known[:, step] = known[:, columns.start]
    return Targets(values, known)


def folds_of(messages: Sequence[LabelledMessage], folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of every message: messages of one trade share a fold, others are spread at random."""
    random = np.random.default_rng(seed)
    trades = sorted({message.trade for message in messages if message.trade})
    of_trade = dict(zip(trades, (random.permutation(len(trades)) % folds).tolist(), strict=True))
    spread = random.integers(0, folds, len(messages)).tolist()
    pairs = zip(messages, spread, strict=True)
    return np.array([of_trade.get(message.trade, fold) for message, fold in pairs])


@dataclass(frozen=True, slots=True)
class LinearWeights:
    """Raw weights: margins are ``features @ weights + bias``."""

    vocabulary: Vocabulary
    idf: NDArray[np.float32]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def margins(self, messages: Sequence[NormalizedText]) -> NDArray[np.float32]:
        """Return (messages, outputs) uncalibrated margins."""
        features = design_matrix(messages, self.vocabulary, self.idf)
        result: NDArray[np.float32] = features @ self.weights + self.bias
        return result


def choose_vocabulary(
    messages: Sequence[NormalizedText], options: LinearOptions
) -> tuple[Vocabulary, NDArray[np.float32]]:
    """Return the features worth keeping and their smoothed inverse document frequencies (as in scikit-learn)."""
    frequency: Counter[int] = Counter()
    for start in range(0, len(messages), _CHUNK):
        found = extract([message.text for message in messages[start : start + _CHUNK]])
        pairs = np.unique(np.stack([found.hashes, found.rows.astype(np.uint64)]), axis=1)
        keys, counts = np.unique(pairs[0], return_counts=True)
        frequency.update(dict(zip(keys.tolist(), counts.tolist(), strict=True)))
    enough = [(count, key) for key, count in frequency.items() if count >= options.min_documents]
    enough.sort(key=lambda pair: (-pair[0], pair[1]))
    kept = sorted((key, count) for count, key in enough[: options.max_features])
    keys = np.array([key for key, _ in kept], dtype=np.uint64)
    documents = np.array([count for _, count in kept], dtype=np.float64)
    idf = np.log((1 + len(messages)) / (1 + documents)) + 1
    return Vocabulary(keys), idf.astype(np.float32)


def design_matrix(
    messages: Sequence[NormalizedText], vocabulary: Vocabulary, idf: NDArray[np.float32]
) -> sparse.csr_matrix:
    """Return tf-idf rows with the signals appended."""
    parts = []
    for start in range(0, len(messages), _CHUNK):
        chunk = messages[start : start + _CHUNK]
        text_part = encode([message.text for message in chunk], vocabulary, idf).matrix
        parts.append(sparse.hstack([text_part, sparse.csr_array(signal_matrix(chunk))]))
    matrix = sparse.csr_matrix(sparse.vstack(parts))
    matrix.sort_indices()  # other processes get it read-only and could not
    return matrix


def fit_weights(
    messages: Sequence[NormalizedText], targets: Targets, options: LinearOptions, progress: Progress = silent
) -> LinearWeights:
    """Fit one logistic regression per output."""
    vocabulary, idf = choose_vocabulary(messages, options)
    features = design_matrix(messages, vocabulary, idf)
    outputs = targets.values.shape[1]
    weights = np.zeros((features.shape[1], outputs), dtype=np.float32)
    bias = np.zeros(outputs, dtype=np.float32)
    jobs = Parallel(n_jobs=options.jobs, return_as="generator")(
        delayed(_fit_output)(features, targets.values[:, output], targets.known[:, output], options)
        for output in range(outputs)
    )
    for output, (column, intercept) in enumerate(jobs):
        weights[:, output], bias[output] = column, intercept
        progress("fitting", output + 1, outputs)
    return LinearWeights(vocabulary, idf, weights, bias)


def _fit_output(
    features: sparse.csr_matrix, values: NDArray[np.float32], known: NDArray[np.bool_], options: LinearOptions
) -> tuple[NDArray[np.float64], float]:
    """Return weights and bias of one value.

    They are the mean of two regressions, on the features as they are and on features scaled by their log-count ratio
    (Wang and Manning 2012): the one is better on trades left out, the other on messages like the training data.
    """
    rows = np.flatnonzero(known)
    wanted = values[rows]
    positives = int(wanted.sum())
    if positives < _MIN_POSITIVES or positives > len(rows) - _MIN_POSITIVES:
        return np.zeros(features.shape[1]), _NEVER if positives < _MIN_POSITIVES else -_NEVER
    part = features[rows]
    weights, bias = np.zeros(features.shape[1]), 0.0
    for scale in (np.ones(features.shape[1]), _log_ratios(part, wanted)):
        model = LogisticRegression(
            solver="liblinear",
            dual=True,
            C=options.inverse_regularization,
            tol=0.01,
            max_iter=200,
            random_state=options.seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(part @ sparse.diags(scale), wanted)
        weights += 0.5 * model.coef_[0] * scale
        bias += 0.5 * float(model.intercept_[0])
    return weights, bias


def _log_ratios(features: sparse.csr_matrix, wanted: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how much more often every feature stands with the value than without it, as a scale around 1."""
    with_value = _RATIO_SMOOTHING + np.asarray(features[wanted > 0].sum(axis=0)).ravel()
    without = _RATIO_SMOOTHING + np.asarray(features[wanted <= 0].sum(axis=0)).ravel()
    ratios = np.abs(np.log((with_value / with_value.sum()) / (without / without.sum()))) + _RATIO_FLOOR
    scale: NDArray[np.float64] = ratios / np.sqrt((ratios**2).mean())
    return scale


def out_of_fold_margins(
    messages: Sequence[NormalizedText],
    targets: Targets,
    folds: NDArray[np.int64],
    options: LinearOptions,
    progress: Progress = silent,
) -> NDArray[np.float32]:
    """Return margins of every message from models that have not seen it (nor its trade)."""
    margins = np.zeros(targets.values.shape, dtype=np.float32)
    present = np.unique(folds)
    for done, fold in enumerate(present):
        train, held = np.flatnonzero(folds != fold).tolist(), np.flatnonzero(folds == fold).tolist()
        part = Targets(targets.values[train], targets.known[train])
        fitted = fit_weights([messages[i] for i in train], part, options)
        margins[held] = fitted.margins([messages[i] for i in held])
        progress("cross-validating", done + 1, len(present))
    return margins


@dataclass(frozen=True, slots=True)
class TrainedLinear:
    """A trained model before it is stored.

    Attributes:
        weights: the raw weights of all messages.
        calibration: from raw margins to calibrated ones.
        thresholds: content of the calibration file.
        out_of_fold: (messages, outputs) calibrated margins of the training messages from models and calibrations
            that have not seen them.
    """

    weights: LinearWeights
    calibration: CalibrationMap
    thresholds: dict[str, Any]
    out_of_fold: NDArray[np.float32]

    def margins(self, messages: Sequence[NormalizedText]) -> NDArray[np.float32]:
        """Return (messages, outputs) calibrated margins."""
        return self.calibration.apply(self.weights.margins(messages))


def normalize_all(messages: Sequence[LabelledMessage], progress: Progress = silent) -> list[NormalizedText]:
    """Return the normalised texts of ``messages``."""
    normalizer = Normalizer()
    normalized: list[NormalizedText] = []
    for start in range(0, len(messages), _CHUNK):
        normalized += normalizer.normalize_batch([message.text for message in messages[start : start + _CHUNK]])
        progress("normalising", len(normalized), len(messages))
    return normalized


def fit_linear(
    messages: Sequence[LabelledMessage],
    options: LinearOptions | None = None,
    progress: Progress = silent,
    normalized: Sequence[NormalizedText] | None = None,
) -> TrainedLinear:
    """Train on labelled messages.

    Args:
        messages: the training data; tasks that a message is not labelled for are left out for it.
        options: how to train.
        progress: told what is going on.
        normalized: the normalised texts, when they are at hand already.

    Raises:
        DataError: there are too few messages to hold any out.
    """
    options = options or LinearOptions()
    if len(messages) < options.folds * 4:
        msg = f"{len(messages)} labelled messages are too few to train on; at least {options.folds * 4} are needed"
        raise DataError(msg)
    texts = normalized if normalized is not None else normalize_all(messages, progress)
    targets = targets_of(messages)
    folds = folds_of(messages, options.folds, options.seed)
    raw = out_of_fold_margins(texts, targets, folds, options, progress)
    counted = np.repeat(np.arange(len(messages)), [draw_weight(message.draw, options) for message in messages])
    calibration = fit_calibration(raw[counted], targets.values[counted], targets.known[counted])
    held_out = cross_fit(raw, targets.values, targets.known, folds, counted)
    thresholds = choose_thresholds(
        probabilities_from_margins(held_out[counted]),
        targets.values[counted],
        targets.known[counted],
        auto_precision=options.auto_precision,
        suggest_precision=options.suggest_precision,
    )
    guard_scope(thresholds, probabilities_from_margins(held_out), targets.values, targets.known)
    weights = fit_weights(texts, targets, options, progress)
    return TrainedLinear(weights, calibration, thresholds, held_out)


def draw_weight(draw: str, options: LinearOptions) -> int:
    """Return how often a message counts for calibration and thresholds."""
    return next((weight for pattern, weight in options.draw_weights if fnmatchcase(draw, pattern)), 1)


def save_linear(model: TrainedLinear, target: str | Path, *, name: str, trained_with: str, card: str) -> Bundle:
    """Write a trained model as a bundle.

    Args:
        model: what :func:`fit_linear` returned.
        target: directory to write; replaced when it exists.
        name: name of the model.
        trained_with: the training data, for people.
        card: the model card, stored as ``README.md``.
    """
    features = len(model.weights.vocabulary)
    weights = model.weights.weights @ model.calibration.matrix
    bias = model.weights.bias @ model.calibration.matrix + model.calibration.bias
    scale = np.maximum(np.abs(weights[:features]).max(axis=1), 1e-12) / 127.0
    stream = io.BytesIO()
    np.savez(
        stream,
        keys=model.weights.vocabulary.keys,
        idf=model.weights.idf,
        weights=np.rint(weights[:features] / scale[:, None]).astype(np.int8),
        row_scale=scale.astype(np.float32),
        signal_weights=weights[features:].astype(np.float32),
        bias=bias.astype(np.float32),
    )
    files = {
        ARRAYS: stream.getvalue(),
        CALIBRATION: json.dumps(model.thresholds, indent=1).encode() + b"\n",
        "README.md": card.encode(),
    }
    return write_bundle(target, name=name, trained_with=trained_with, components=("linear",), files=files)


def options_summary(options: LinearOptions) -> str:
    """Return the options in one line, for the model card and the log."""
    return ", ".join(f"{key}={value}" for key, value in asdict(options).items())
