"""From files of labelled messages to a bundle with its figures and its card."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complaint_nlp import __version__
from complaint_nlp.classify.bundle import MANIFEST, open_bundle
from complaint_nlp.classify.cascade import SPEEDS, AccurateClassifier
from complaint_nlp.classify.decide import Decider, parse_calibration
from complaint_nlp.classify.linear import probabilities_from_margins
from complaint_nlp.errors import ConfigError, DataError
from complaint_nlp.evaluation import Evaluation, evaluate, evaluate_labels
from complaint_nlp.labelled import LabelledMessage, read_labelled, refuse_overlap
from complaint_nlp.labels import TASKS
from complaint_nlp.train.card import encoder_method, model_card
from complaint_nlp.train.keyed import read_keyed_labels
from complaint_nlp.train.linear import LinearOptions, Progress, fit_linear, save_linear, silent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from complaint_nlp.classify.bundle import Bundle
    from complaint_nlp.train.encoder.stages import EncoderOptions


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
    prepared = _prepare(data, out, test, notes, overwrite=overwrite)
    messages, tests = prepared.messages, prepared.tests
    options = LinearOptions(draw_weights=tuple(draw_weights), seed=seed)
    model = fit_linear(messages, options, progress) if progress else fit_linear(messages, options)
    evaluations = out_of_fold_evaluations(model.out_of_fold, model.thresholds, messages)
    trained_with = prepared.trained_with
    with tempfile.TemporaryDirectory() as folder:
        from complaint_nlp.analyzer import Analyzer

        trial = Path(folder) / "bundle"
        save_linear(model, trial, name=name, trained_with=trained_with, card="")
        analyzer = Analyzer.load(trial)
        for title, held_out in tests.items():
            evaluations[title] = evaluate(analyzer, held_out)
    card = model_card(name, trained_with, options, evaluations, model.thresholds, prepared.notes)
    bundle = save_linear(model, out, name=name, trained_with=trained_with, card=card)
    return TrainingResult(bundle, evaluations)


@dataclass(frozen=True, slots=True)
class EncoderSources:
    """What an encoder learns from beside the labelled messages.

    Attributes:
        base: the encoder to start from: a directory or a hub id that ``transformers.AutoModel`` reads.
        auxiliary: folder with the public sets of ``resources/train/auxiliary.yaml``.
        unlabelled: files with one text a line, to be labelled by the linear model for the warm-up.
        corpus_labels: labels of some of these texts, keyed by their SHA-256; see ``data/README.md``.
        teacher: a bundle with an encoder that labels the unlabelled texts (distillation; with the model's own
            predecessor: self-training); the linear model does when ``None``.
    """

    base: str | Path
    auxiliary: str | Path | None = None
    unlabelled: Sequence[str | Path] = ()
    corpus_labels: str | Path | None = None
    teacher: str | Path | None = None


def train_encoder_bundle(
    data: Sequence[str | Path],
    out: str | Path,
    *,
    sources: EncoderSources,
    work: str | Path,
    test: Sequence[str | Path] = (),
    options: EncoderOptions | None = None,
    name: str = "custom",
    notes: str | Path | None = None,
    overwrite: bool = False,
    draw_weights: Sequence[tuple[str, int]] = (),
    seed: int = 0,
    progress: Progress = silent,
) -> TrainingResult:
    """Train the linear model and an encoder beside it and write both as one bundle. Needs the extra ``train``.

    Every finished stage stays in ``work``, and a killed run goes on where it was when called again.

    Args:
        data: as in :func:`train_bundle`.
        out: as in :func:`train_bundle`.
        sources: the encoder to start from and what it learns from beside the labelled messages.
        work: folder for finished stages; use a fresh one when data or options change.
        test: as in :func:`train_bundle`.
        options: how to train the encoder.
        name: as in :func:`train_bundle`.
        notes: as in :func:`train_bundle`.
        overwrite: as in :func:`train_bundle`.
        draw_weights: as in :func:`train_bundle`.
        seed: of everything random.
        progress: told what is going on.

    Raises:
        DataError: the data is wrong, ``out`` exists, or ``work`` belongs to another run.
        ConfigError: PyTorch or transformers is not installed.
    """
    try:
        from complaint_nlp.train.encoder.run import EncoderTraining, save_encoder
        from complaint_nlp.train.encoder.stages import EncoderOptions, Workshop, claim_work
    except ImportError as error:
        raise _without_torch(error) from error
    texts = [Path(path) for path in sources.unlabelled]
    further = read_keyed_labels(sources.corpus_labels, texts) if sources.corpus_labels is not None else []
    prepared = _prepare(data, out, test, notes, overwrite=overwrite, further=further)
    linear_options = LinearOptions(draw_weights=tuple(draw_weights), seed=seed)
    chosen = options or EncoderOptions()
    auxiliary = None if sources.auxiliary is None else Path(sources.auxiliary)
    workshop = Workshop(sources.base, chosen, Path(work), auxiliary=auxiliary, progress=progress)
    claim_work(Path(work), prepared.messages, sources=sources, options=chosen, linear=linear_options)
    training = EncoderTraining(prepared.messages, workshop, linear_options, progress)
    linear, margins = training.linear(name, prepared.trained_with)
    teaching = None if sources.teacher is None else open_bundle(sources.teacher)
    teacher = None if teaching is None else AccurateClassifier(teaching)
    taught_by = None if teaching is None else f'the model "{teaching.manifest.name}"'
    trained = training.train(linear, margins, texts, teacher)
    kept = [prepared.messages[i] for i in trained.blend.rows.tolist()]
    evaluations = out_of_fold_evaluations(trained.blend.out_of_fold, trained.blend.thresholds, kept)
    with tempfile.TemporaryDirectory() as folder:
        from complaint_nlp.analyzer import Analyzer

        trial = Path(folder) / "bundle"
        save_encoder(linear, trained, trial, name=name, trained_with=prepared.trained_with, card="")
        for title, held_out in prepared.tests.items():
            for speed in SPEEDS:
                evaluations[f"{title}, {speed}"] = evaluate(Analyzer.load(trial, speed=speed), held_out)
    card = model_card(
        name,
        prepared.trained_with,
        linear_options,
        evaluations,
        trained.blend.thresholds,
        prepared.notes,
        encoder_method(sources.base, chosen, trained.check, trained.blend.sure, taught_by),
    )
    bundle = save_encoder(linear, trained, out, name=name, trained_with=prepared.trained_with, card=card)
    return TrainingResult(bundle, evaluations)


def encoder_options(
    layers: int | None,
    epochs: int,
    device: str,
    *,
    folds_run: int = 2,
    heads_only: bool = False,
    compiled: bool = False,
) -> EncoderOptions:
    """Return options of encoder training without importing PyTorch by name.

    Raises:
        ConfigError: PyTorch or transformers is not installed.
    """
    try:
        from complaint_nlp.train.encoder.fit import FitOptions
        from complaint_nlp.train.encoder.stages import EncoderOptions
    except ImportError as error:
        raise _without_torch(error) from error
    tuning = FitOptions(epochs=epochs, compiled=compiled)
    return EncoderOptions(layers=layers, device=device, folds_run=folds_run, heads_only=heads_only, tuning=tuning)


def _without_torch(error: ImportError) -> ConfigError:
    msg = f"training an encoder needs PyTorch and transformers: pip install 'complaint-nlp[train]' ({error})"
    return ConfigError(msg)


@dataclass(frozen=True, slots=True)
class _Prepared:
    messages: list[LabelledMessage]
    tests: dict[str, list[LabelledMessage]]
    notes: str
    trained_with: str


def _prepare(
    data: Sequence[str | Path],
    out: str | Path,
    test: Sequence[str | Path],
    notes: str | Path | None,
    *,
    overwrite: bool,
    further: Sequence[LabelledMessage] = (),
) -> _Prepared:
    """Read and check everything that can be wrong before anything long begins."""
    out = Path(out)
    if out.exists() and not overwrite:
        msg = f"{out}: exists already; use --overwrite to replace it"
        raise DataError(msg)
    if out.exists() and not (out / MANIFEST).is_file() and any(out.iterdir()):
        msg = f"{out}: is not a model bundle, so it is not replaced; give another directory"
        raise DataError(msg)
    about = _read_notes(notes)
    tests = {"/".join(Path(path).resolve().parts[-2:]): read_labelled(path, split="test") for path in test}
    messages = [*read_labelled(data, split="train"), *further]
    refuse_overlap(
        (message.text for message in messages),
        {title: [(message.id, message.text) for message in held_out] for title, held_out in tests.items()},
    )
    names = ", ".join(Path(path).name for path in data)
    if further:
        names += " and labelled texts of a corpus"
    return _Prepared(messages, tests, about, f"{len(messages):,} messages of {names}; complaint_nlp {__version__}")


def _read_notes(notes: str | Path | None) -> str:
    if notes is None:
        return ""
    try:
        return Path(notes).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{notes}: cannot be read as UTF-8 text: {error}"
        raise DataError(msg) from error


def out_of_fold_evaluations(
    margins: NDArray[np.float32], thresholds: Mapping[str, Any], messages: Sequence[LabelledMessage]
) -> dict[str, Evaluation]:
    """Return the figures of out-of-fold answers: of messages without a trade, and of whole trades left out.

    Args:
        margins: (messages, outputs) calibrated margins.
        thresholds: content of the calibration file.
        messages: what they are of.
    """
    answers = decide_margins(margins, thresholds)
    result = {}
    for title, rows in (
        ("out of fold, messages at random", [i for i, message in enumerate(messages) if not message.trade]),
        ("out of fold, trades left out", [i for i, message in enumerate(messages) if message.trade]),
    ):
        if rows:
            result[title] = evaluate_labels([answers[i] for i in rows], [messages[i].labels for i in rows])
    return result


def decide_margins(margins: NDArray[np.float32], thresholds: Mapping[str, Any]) -> list[dict[str, tuple[str, ...]]]:
    """Return the labels that calibrated margins lead to, one mapping from task to values per message."""
    decider = Decider(parse_calibration(thresholds, Path("thresholds")))
    decided = decider.decide(probabilities_from_margins(margins))
    return [
        {name: tuple(TASKS[name].values[index] for index in decided[name].labels[row]) for name in TASKS}
        for row in range(len(margins))
    ]
