"""From files of labelled messages to a bundle with its figures and its card."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from complaint_nlp import __version__
from complaint_nlp.classify.bundle import MANIFEST
from complaint_nlp.classify.decide import Decider, parse_calibration
from complaint_nlp.classify.linear import probabilities_from_margins
from complaint_nlp.errors import DataError
from complaint_nlp.evaluation import Evaluation, evaluate, evaluate_labels
from complaint_nlp.labelled import LabelledMessage, read_labelled
from complaint_nlp.labels import TASKS
from complaint_nlp.train.card import model_card
from complaint_nlp.train.linear import LinearOptions, Progress, TrainedLinear, fit_linear, save_linear

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from complaint_nlp.classify.bundle import Bundle


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What training gave.

    Attributes:
        bundle: the written bundle.
        evaluations: figures by title: out of fold, and of the stored model on every test file.
    """

    bundle: Bundle
    evaluations: Mapping[str, Evaluation]


def train_bundle(
    data: Sequence[str | Path],
    out: str | Path,
    *,
    test: Sequence[str | Path] = (),
    name: str = "custom",
    notes: str | Path | None = None,
    overwrite: bool = False,
    draw_weights: Sequence[tuple[str, int]] = (),
    seed: int = 0,
    progress: Progress | None = None,
) -> TrainingResult:
    """Train the linear model and write it as a bundle.

    Args:
        data: JSONL files with labelled messages to train on; of those with a key ``split`` only ``"train"``.
        out: directory of the bundle.
        test: JSONL files to measure the stored model on; of messages with a key ``split`` only ``"test"``.
        name: name of the model.
        notes: a Markdown file to put into the model card: what the data is, its licences, limits.
        overwrite: replace ``out`` when it exists.
        draw_weights: see :class:`LinearOptions`.
        seed: of folds and solver.
        progress: told what is going on.

    Raises:
        DataError: the data is wrong, or ``out`` exists.
    """
    out = Path(out)
    if out.exists() and not overwrite:
        msg = f"{out}: exists already; use --overwrite to replace it"
        raise DataError(msg)
    if out.exists() and not (out / MANIFEST).is_file() and any(out.iterdir()):
        msg = f"{out}: is not a model bundle, so it is not replaced; give another directory"
        raise DataError(msg)
    about = _read_notes(notes)
    messages = read_labelled(data, split="train")
    tests = {"/".join(Path(path).resolve().parts[-2:]): read_labelled(path, split="test") for path in test}
    _refuse_overlap(messages, tests)
    options = LinearOptions(draw_weights=tuple(draw_weights), seed=seed)
    model = fit_linear(messages, options, progress) if progress else fit_linear(messages, options)
    evaluations = out_of_fold_evaluations(model, messages)
    trained_with = (
        f"{len(messages):,} messages of {', '.join(Path(path).name for path in data)}; complaint_nlp {__version__}"
    )
    with tempfile.TemporaryDirectory() as folder:
        from complaint_nlp.analyzer import Analyzer

        trial = Path(folder) / "bundle"
        save_linear(model, trial, name=name, trained_with=trained_with, card="")
        analyzer = Analyzer.load(trial)
        for title, held_out in tests.items():
            evaluations[title] = evaluate(analyzer, held_out)
    card = model_card(name, trained_with, options, evaluations, model.thresholds, about)
    bundle = save_linear(model, out, name=name, trained_with=trained_with, card=card)
    return TrainingResult(bundle, evaluations)


def _read_notes(notes: str | Path | None) -> str:
    if notes is None:
        return ""
    try:
        return Path(notes).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{notes}: cannot be read as UTF-8 text: {error}"
        raise DataError(msg) from error


def _refuse_overlap(messages: Sequence[LabelledMessage], tests: Mapping[str, Sequence[LabelledMessage]]) -> None:
    seen = {message.text for message in messages}
    for title, held_out in tests.items():
        shared = [message.id for message in held_out if message.text in seen]
        if shared:
            msg = f"{title}: {len(shared)} of its messages are in the training data too, {shared[0]} the first"
            raise DataError(msg)


def out_of_fold_evaluations(model: TrainedLinear, messages: Sequence[LabelledMessage]) -> dict[str, Evaluation]:
    """Return the figures of the out-of-fold answers: of messages without a trade, and of whole trades left out."""
    answers = decide_margins(model, model.out_of_fold)
    result = {}
    for title, rows in (
        ("out of fold, messages at random", [i for i, message in enumerate(messages) if not message.trade]),
        ("out of fold, trades left out", [i for i, message in enumerate(messages) if message.trade]),
    ):
        if rows:
            result[title] = evaluate_labels([answers[i] for i in rows], [messages[i].labels for i in rows])
    return result


def decide_margins(model: TrainedLinear, margins: NDArray[np.float32]) -> list[dict[str, tuple[str, ...]]]:
    """Return the labels that calibrated margins lead to, one mapping from task to values per message."""
    decider = Decider(parse_calibration(model.thresholds, Path("thresholds")))
    decided = decider.decide(probabilities_from_margins(margins))
    return [
        {name: tuple(TASKS[name].values[index] for index in decided[name].labels[row]) for name in TASKS}
        for row in range(len(margins))
    ]
