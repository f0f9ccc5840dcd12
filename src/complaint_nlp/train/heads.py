"""Training of heads for a user's own labels on top of a bundle; a few hundred labelled rows suffice.

One L2-regularised logistic regression per value (multinomial where one of them applies) on the standardised margins of
the linear model and vectors of the encoder, both as the bundle has them. Probabilities and thresholds come from margins
predicted out of fold.
"""

from __future__ import annotations

import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from complaint_nlp import __version__
from complaint_nlp.classify.bundle import MANIFEST, open_bundle, write_bundle
from complaint_nlp.classify.encoder import Encoder
from complaint_nlp.classify.heads import ARRAYS, SETTINGS
from complaint_nlp.classify.linear import LinearClassifier
from complaint_nlp.errors import DataError
from complaint_nlp.evaluation.metrics import Evaluation, evaluate_labels
from complaint_nlp.hub import resolve_model
from complaint_nlp.labelled import refuse_overlap
from complaint_nlp.report import Decision, Status
from complaint_nlp.text import Normalizer
from complaint_nlp.train.linear import Progress, silent
from complaint_nlp.train.own_fit import Fitted, Problem, fit_task, folds_of_texts
from complaint_nlp.train.own_labels import OwnMessage, load_labels, read_own

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from complaint_nlp.classify.bundle import Bundle, Component
    from complaint_nlp.labels import Task
    from complaint_nlp.text import NormalizedText

MIN_ROWS: Final = 20
MIN_EXAMPLES: Final = 5
"""Values of fewer different messages are never answered."""
_CHUNK: Final = 512
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
    refuse_overlap(
        (message.text for message in messages),
        {title: [(message.place, message.text) for message in held_out] for title, held_out in tests.items()},
    )
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
        folds = folds_of_texts([texts[i] for i in rows], truth, seed)
        problem = Problem(table[rows], truth, usable[key], folds, "several" if task.is_multilabel else "one")
        fitted[key] = fit_task(problem, task, np.array(rows), (auto_precision, suggest_precision))
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


def _out_of_fold(fitted: Mapping[str, Fitted], tasks: Mapping[str, Task], messages: Sequence[OwnMessage]) -> Evaluation:
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


def _notes(key: str, one: Fitted, usable: NDArray[np.bool_]) -> list[str]:
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


def _arrays(fitted: Mapping[str, Fitted]) -> bytes:
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
