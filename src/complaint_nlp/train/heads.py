"""Training of heads for a user's own labels on top of a bundle; a few hundred labelled rows suffice.

One L2-regularised logistic regression per value (multinomial where one of them applies) on the standardised margins of
the linear model and vectors of the encoder, both as the bundle has them. Probabilities and thresholds come from margins
predicted out of fold.
"""

from __future__ import annotations

import io
import json
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from complaint_nlp import __version__
from complaint_nlp.classify.bundle import MANIFEST, open_bundle, write_bundle
from complaint_nlp.classify.encoder import Encoder
from complaint_nlp.classify.heads import ARRAYS, SETTINGS, OwnTask, decide_own, own_probabilities
from complaint_nlp.classify.linear import LinearClassifier
from complaint_nlp.errors import DataError
from complaint_nlp.evaluation.metrics import Evaluation, evaluate_labels
from complaint_nlp.hub import resolve_model
from complaint_nlp.report import Decision, Status
from complaint_nlp.text import Normalizer
from complaint_nlp.train.calibrate import best_offsets, best_thresholds, least_for_precision
from complaint_nlp.train.linear import Progress, silent
from complaint_nlp.train.own_labels import OwnMessage, load_labels, read_own, refuse_overlap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from complaint_nlp.classify.bundle import Bundle, Component
    from complaint_nlp.classify.heads import OwnKind
    from complaint_nlp.labels import Task
    from complaint_nlp.text import NormalizedText

MIN_ROWS: Final = 20
MIN_EXAMPLES: Final = 5
"""Values of fewer different messages are never answered."""
_FOLDS: Final = 5
_CHUNK: Final = 512
_STRENGTHS: Final = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
_NEVER: Final = -12.0  # log-odds of a value that is never answered
_UNREACHED: Final = 1.01
_LEAST_DEVIATION: Final = 1e-4
_SECTION: Final = "\n## Own labels\n"
_OUT_OF_FOLD: Final = "own labels, out of fold"


@dataclass(frozen=True, slots=True)
class HeadsResult:
    """What training heads gave.

    Attributes:
        bundle: the written bundle.
        evaluations: figures by title: out of fold, and of the stored model on every test file.
        notes: what a person should know: values that are never answered, how many answers are automatic.
    """

    bundle: Bundle
    evaluations: Mapping[str, Evaluation]
    notes: tuple[str, ...]


def train_heads(
    data: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    labels: str | Path,
    from_model: str | Path = "default",
    test: Sequence[str | Path] = (),
    name: str | None = None,
    text_column: str = "text",
    auto_precision: float = 0.9,
    suggest_precision: float = 0.7,
    overwrite: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> HeadsResult:
    """Train heads for your own labels and write a copy of a bundle that has them.

    Args:
        data: CSV, TSV, JSONL or Parquet files: a column with the text and one per task.
        out: directory of the bundle to write.
        labels: the label file (YAML), which names the tasks and their values.
        from_model: the bundle to start from, as in :meth:`complaint_nlp.Analyzer.load`; heads that it has already are
            replaced.
        test: files like ``data`` to measure the stored model on.
        name: name of the model; that of ``from_model`` with ``+ own labels`` when ``None``.
        text_column: column that holds the message.
        auto_precision: precision out of fold wanted of answers decided as ``auto``.
        suggest_precision: the same for ``suggest`` and above.
        overwrite: replace ``out`` when it exists.
        seed: of the folds.
        progress: told what is going on.

    Raises:
        ConfigError: the label file is wrong.
        DataError: the rows are wrong or too few, or ``out`` exists.
        ModelError: ``from_model`` is missing or damaged.
    """
    progress = progress or silent
    out, paths = Path(out), [Path(data)] if isinstance(data, str | Path) else list(map(Path, data))
    _check_out(out, overwrite=overwrite)
    tasks = load_labels(labels)
    messages = read_own(paths, tasks, text_column=text_column)
    tests = {"/".join(Path(path).resolve().parts[-2:]): read_own(path, tasks, text_column=text_column) for path in test}
    refuse_overlap(messages, tests)
    usable = {key: _usable(task, messages, labels) for key, task in tasks.items()}
    base = open_bundle(resolve_model(from_model))
    normalized = Normalizer().normalize_batch([message.text for message in messages])
    progress("normalising", len(messages), len(messages))
    features = _Features(base)
    table = features.of(normalized, progress)
    texts = [message.text for message in normalized]
    fitted = {}
    for done, (key, task) in enumerate(tasks.items(), 1):
        rows = [i for i, message in enumerate(messages) if key in message.labels]
        truth = np.array([[value in messages[i].labels[key] for value in task.values] for i in rows])
        folds = _folds([texts[i] for i in rows], truth, seed)
        problem = _Problem(table[rows], truth, usable[key], folds, "several" if task.is_multilabel else "one")
        fitted[key] = _fit_task(problem, task, np.array(rows), (auto_precision, suggest_precision))
        progress("fitting", done, len(tasks))
    evaluations = {_OUT_OF_FOLD: _out_of_fold(fitted, tasks, messages)}
    notes = tuple(note for key, one in fitted.items() for note in _notes(key, one, usable[key]))
    settings = {
        "version": 1,
        "width": features.width,
        "auto_precision": auto_precision,
        "suggest_precision": suggest_precision,
        "tasks": {key: one.settings.model_dump() for key, one in fitted.items()},
    }
    files = _files_of(base)
    card = files.get("README.md", b"").decode("utf-8").partition(_SECTION)[0]
    files[ARRAYS] = _arrays(fitted)
    files[SETTINGS] = json.dumps(settings, ensure_ascii=False, indent=1).encode() + b"\n"
    kept = tuple(component for component in base.manifest.components if component != "heads")
    components: tuple[Component, ...] = (*kept, "heads")
    base_training = base.manifest.trained_with.partition("; own labels: ")[0]
    trained_with = f"{base_training}; own labels: {len(messages):,} rows of {', '.join(path.name for path in paths)}"
    title = name or f"{base.manifest.name.removesuffix(' + own labels')} + own labels"
    if tests:
        with tempfile.TemporaryDirectory() as folder:
            trial = Path(folder) / "bundle"
            write_bundle(trial, name=title, trained_with=trained_with, components=components, files=files)
            evaluations |= _measured(trial, tests, tasks)
    files["README.md"] = (card + _card(evaluations, notes, settings, len(messages))).encode()
    bundle = write_bundle(out, name=title, trained_with=trained_with, components=components, files=files)
    return HeadsResult(bundle, evaluations, notes)


def _check_out(out: Path, *, overwrite: bool) -> None:
    if out.exists() and not overwrite:
        msg = f"{out}: exists already; use --overwrite to replace it"
        raise DataError(msg)
    if out.exists() and not (out / MANIFEST).is_file() and (not out.is_dir() or any(out.iterdir())):
        msg = f"{out}: is not a model bundle, so it is not replaced; give another directory"
        raise DataError(msg)


def _usable(task: Task, messages: Sequence[OwnMessage], labels: str | Path) -> NDArray[np.bool_]:
    """Return which values have examples enough, or raise where that leaves nothing to learn."""
    given = {message.text: message.labels[task.name] for message in messages if task.name in message.labels}
    if len(given) < MIN_ROWS:
        msg = f"{task.name}: {len(given)} different labelled messages are too few; at least {MIN_ROWS} are needed"
        raise DataError(msg)
    counts = np.array([sum(value in values for values in given.values()) for value in task.values])
    needed = 1 if task.is_multilabel else 2
    if (counts >= MIN_EXAMPLES).sum() < needed:
        msg = (
            f"{task.name}: at least {needed} of the values in {labels} must have {MIN_EXAMPLES} different messages "
            f"each; found {', '.join(f'{value} {count}' for value, count in zip(task.values, counts, strict=True))}"
        )
        raise DataError(msg)
    return np.asarray(counts >= MIN_EXAMPLES)


class _Features:
    """What the heads look at: vectors of the encoder, where there is one, and margins of the linear model."""

    def __init__(self, bundle: Bundle) -> None:
        self._linear = LinearClassifier(bundle)
        self._encoder = Encoder(bundle) if "encoder" in bundle.manifest.components else None
        self.width = self._encoder.width if self._encoder is not None else 0

    def of(self, messages: Sequence[NormalizedText], progress: Progress) -> NDArray[np.float64]:
        """Return (messages, features)."""
        parts = []
        for start in range(0, len(messages), _CHUNK):
            chunk = messages[start : start + _CHUNK]
            margins, _ = self._linear.margins(chunk)
            vectors = [self._encoder.run(chunk).vectors] if self._encoder is not None else []
            parts.append(np.concatenate([*vectors, margins], axis=1))
            progress("reading", start + len(chunk), len(messages))
        return np.concatenate(parts).astype(np.float64)


def _folds(texts: Sequence[str], truth: NDArray[np.bool_], seed: int) -> NDArray[np.int64]:
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
class _Problem:
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
class _Fitted:
    """A learnt task: weights of the features as the bundle gives them, thresholds, and answers out of fold."""

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    settings: OwnTask
    labels: dict[int, tuple[str, ...]]
    decisions: list[Decision]


def _fit_task(problem: _Problem, task: Task, rows: NDArray[np.int64], precision: tuple[float, float]) -> _Fitted:
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
    return _Fitted(
        weights, bias - mean @ weights, settings, dict(zip(rows.tolist(), names, strict=True)), decided.decisions
    )


def _regressions(
    features: NDArray[np.float64], truth: NDArray[np.bool_], problem: _Problem, strength: float
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


def _loss(margins: NDArray[np.float64], problem: _Problem) -> float:
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
    margins: NDArray[np.float64], truth: NDArray[np.bool_], problem: _Problem
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return by value what out-of-fold margins are multiplied with and what is added to get log-odds.

    Where one value applies, one factor for all; where several may, factor and shift per value (Platt 1999).
    """
    slope, shift = np.ones(truth.shape[1]), np.zeros(truth.shape[1])
    if problem.kind == "one":
        part = _Problem(margins, truth, problem.usable, problem.folds, problem.kind)
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
    probabilities: NDArray[np.float32], problem: _Problem, task: Task, precision: tuple[float, float]
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


def _out_of_fold(
    fitted: Mapping[str, _Fitted], tasks: Mapping[str, Task], messages: Sequence[OwnMessage]
) -> Evaluation:
    predicted = [
        {key: one.labels[row] for key, one in fitted.items() if row in one.labels} for row in range(len(messages))
    ]
    return evaluate_labels(predicted, [message.labels for message in messages], tasks=tasks)


def _measured(
    trial: Path, tests: Mapping[str, Sequence[OwnMessage]], tasks: Mapping[str, Task]
) -> dict[str, Evaluation]:
    from complaint_nlp.analyzer import Analyzer

    analyzer = Analyzer.load(trial)
    evaluations = {}
    for title, messages in tests.items():
        reports = analyzer.analyze_batch([message.text for message in messages])
        evaluations[title] = evaluate_labels(
            [{key: result.labels for key, result in report.extra.items()} for report in reports],
            [message.labels for message in messages],
            not_analysed=sum(report.status is not Status.OK for report in reports),
            tasks=tasks,
        )
    return evaluations


def _notes(key: str, one: _Fitted, usable: NDArray[np.bool_]) -> list[str]:
    values = one.settings.values
    automatic, proposed = (
        sum(decision is level for decision in one.decisions) / len(one.decisions)
        for level in (Decision.AUTO, Decision.SUGGEST)
    )
    notes = [f"{key}: {automatic:.0%} of the out-of-fold answers are automatic, {proposed:.0%} suggestions"]
    rare = [value for value, enough in zip(values, usable.tolist(), strict=True) if not enough]
    if rare:
        notes.append(f"{key}: never answered, for want of {MIN_EXAMPLES} different messages: {', '.join(rare)}")
    return notes


def _files_of(base: Bundle) -> dict[str, bytes]:
    """Return the base's files but for the labels, which are written anew, and heads it has already."""
    kept = [file for file in base.manifest.files if file not in ("labels.json", ARRAYS, SETTINGS)]
    return {file: base.listed(file).read_bytes() for file in kept}


def _arrays(fitted: Mapping[str, _Fitted]) -> bytes:
    stream = io.BytesIO()
    np.savez(
        stream,
        weights=np.concatenate([one.weights for one in fitted.values()], axis=1).astype(np.float32),
        bias=np.concatenate([one.bias for one in fitted.values()]).astype(np.float32),
    )
    return stream.getvalue()


def _card(
    evaluations: Mapping[str, Evaluation], notes: Sequence[str], settings: Mapping[str, Any], messages: int
) -> str:
    looks = "the encoder's vectors and " if settings["width"] else ""
    parts = [
        (
            f"Logistic regressions on {looks}the linear model's margins, trained on {messages:,} labelled rows with "
            f"complaint_nlp {__version__}. `auto` answers reached a precision of {settings['auto_precision']:.2f} out "
            f"of fold, `suggest` and above {settings['suggest_precision']:.2f}, value by value; values that never "
            "reached it are never decided that way."
        ),
        "\n".join(f"- {note}" for note in notes),
    ]
    for title, evaluation in evaluations.items():
        lines = [f"| {title}: task | value | precision | recall | F1 | support |", "| --- " * 6 + "|"]
        for task, score in evaluation.tasks.items():
            for value, found in score.values.items():
                numbers = f"{found.precision:.2f} | {found.recall:.2f} | {found.f1:.2f} | {found.support:,}"
                lines.append(f"| {task} | {value} | {numbers} |")
        parts.append("\n".join(lines))
    return _SECTION + "\n" + "\n\n".join(parts) + "\n"
