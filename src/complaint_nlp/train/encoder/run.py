"""From labelled messages to a bundle with a linear model, an encoder and the blend of both."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from complaint_nlp.classify.bundle import open_bundle, write_bundle
from complaint_nlp.classify.cascade import BLEND, BLEND_CALIBRATION, CASCADE, CascadeSettings, sureness
from complaint_nlp.classify.decide import CALIBRATION, Decider, parse_calibration
from complaint_nlp.classify.encoder import MODEL, SETTINGS, TOKENIZER, VECTORS, EncoderSettings
from complaint_nlp.classify.linear import ARRAYS, LinearClassifier, probabilities_from_margins
from complaint_nlp.evaluation import evaluate_labels
from complaint_nlp.labels import TASKS
from complaint_nlp.train.calibrate import (
    CalibrationMap,
    blended_margins,
    choose_thresholds,
    cross_fit,
    fit_calibration,
    guard_scope,
)
from complaint_nlp.train.encoder.export import ExportCheck, compare, export_onnx, run_onnx
from complaint_nlp.train.encoder.stages import OUTPUTS, Workshop, restore_mean, store_array
from complaint_nlp.train.linear import (
    LinearOptions,
    Progress,
    draw_weight,
    fit_linear,
    folds_of,
    normalize_all,
    save_linear,
    silent,
    targets_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from complaint_nlp.classify.bundle import Bundle
    from complaint_nlp.classify.scores import Classifier
    from complaint_nlp.labelled import LabelledMessage
    from complaint_nlp.text import NormalizedText
    from complaint_nlp.train.linear import Targets

_COMPARED: Final = 2500
_LEAST_DEVIATION: Final = 1e-4
_LOSS_OF_BALANCED: Final = 0.005
_OUT_OF_FOLD: Final = "linear_out_of_fold.npy"


@dataclass(frozen=True, slots=True)
class Blend:
    """How logits of the encoder and margins of the linear model become answers.

    Attributes:
        calibration: from both to calibrated margins.
        thresholds: content of the calibration file.
        sure: from which sureness the linear model's answer stands in ``balanced``.
        rows: (some,) the training messages that the figures below are of.
        out_of_fold: (some, outputs) their calibrated margins by models and calibrations that have not seen them.
    """

    calibration: CalibrationMap
    thresholds: dict[str, Any]
    sure: float
    rows: NDArray[np.int64]
    out_of_fold: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TrainedEncoder:
    """A trained encoder in the form it is stored in.

    Attributes:
        files: content by file name, to be added to those of the linear model.
        blend: how it is blended.
        check: how far the stored model is from the trained one.
    """

    files: Mapping[str, bytes]
    blend: Blend
    check: ExportCheck


class EncoderTraining:
    """One run of training; every finished stage is kept in the work folder, so that a killed run goes on.

    Args:
        messages: the training data.
        workshop: base, heads and work folder.
        linear_options: how the linear model is trained, and how messages count for calibration.
        progress: told what is going on.
    """

    def __init__(
        self,
        messages: Sequence[LabelledMessage],
        workshop: Workshop,
        linear_options: LinearOptions,
        progress: Progress = silent,
    ) -> None:
        self.messages = messages
        self.workshop = workshop
        self.linear_options = linear_options
        self.progress = progress
        self.targets: Targets = targets_of(messages)
        self.folds = folds_of(messages, linear_options.folds, linear_options.seed)
        self.normalized: list[NormalizedText] = normalize_all(messages, progress)
        self._random = np.random.default_rng(linear_options.seed)

    def linear(self, name: str, trained_with: str) -> tuple[Bundle, NDArray[np.float32]]:
        """Return the linear model and its calibrated out-of-fold margins, trained once."""
        folder = self.workshop.work
        stored = folder / "linear"
        if not (folder / _OUT_OF_FOLD).is_file():
            model = fit_linear(self.messages, self.linear_options, self.progress, self.normalized)
            save_linear(model, stored, name=name, trained_with=trained_with, card="")
            store_array(folder / _OUT_OF_FOLD, model.out_of_fold)
        return open_bundle(stored), np.load(folder / _OUT_OF_FOLD)

    def train(
        self,
        linear: Bundle,
        linear_margins: NDArray[np.float32],
        unlabelled: Sequence[Path],
        teacher: Classifier | None = None,
    ) -> TrainedEncoder:
        """Train the encoder: warm-up, one network without each of some folds, the final one; then blend and export.

        With several folds the final network has the mean of their weights: they start from the same warm-up, so that
        the mean answers as well as all of them together (model soup, Wortsman et al. 2022, arXiv:2203.05482). With one
        fold it is trained on all messages.

        Args:
            linear: the linear model.
            linear_margins: its calibrated out-of-fold margins.
            unlabelled: files with one text a line for the warm-up.
            teacher: labels them; the linear model when ``None``.
        """
        shop = self.workshop
        weights = np.ones(len(self.messages), dtype=np.float32)
        data = shop.labelled(self.normalized, self.targets, weights)
        teacher = teacher or LinearClassifier(linear)
        labelled = frozenset(message.text for message in self.messages)
        rows, logits = [], []
        for fold in range(min(shop.options.folds_run, self.linear_options.folds)):
            held = np.flatnonzero(self.folds == fold)
            network = shop.network()
            shop.warm_up(network, teacher, unlabelled, labelled)
            rest = data.subset(np.flatnonzero(self.folds != fold))
            shop.tune(network, rest, f"without_fold_{fold}", seed=fold, held=data.subset(held))
            kept = shop.work / f"without_fold_{fold}.npy"
            if not kept.is_file():
                store_array(kept, shop.logits(network, data.subset(held)))
            rows.append(held)
            logits.append(np.load(kept))
        blend = self._blend(np.concatenate(rows), np.concatenate(logits), linear_margins, linear)
        network = shop.network()
        if len(rows) > 1:
            restore_mean(network, [shop.work / f"without_fold_{fold}.safetensors" for fold in range(len(rows))])
        else:
            shop.warm_up(network, teacher, unlabelled, labelled)
            shop.tune(network, data, "final", seed=self.linear_options.seed)
        order = np.random.default_rng(0).permutation(len(data))
        exported = export_onnx(network, OUTPUTS)
        sample = data.subset(order[:_COMPARED])
        check = compare(shop.logits(network, sample), run_onnx(exported, sample, padding=shop.padding))
        vectors = run_onnx(exported, sample, padding=shop.padding, output="vectors")
        return TrainedEncoder({**self._files(exported, blend), VECTORS: vector_scale(vectors)}, blend, check)

    def _blend(
        self,
        rows: NDArray[np.int64],
        logits: NDArray[np.float32],
        linear_margins: NDArray[np.float32],
        linear: Bundle,
    ) -> Blend:
        """Fit the blend on messages that neither model has seen."""
        margins = np.concatenate([logits, linear_margins[rows]], axis=1)
        values, known = self.targets.values[rows], self.targets.known[rows]
        held = [self.messages[i] for i in rows.tolist()]
        folds = folds_of(held, self.linear_options.folds, self.linear_options.seed + 1)
        count = [draw_weight(message.draw, self.linear_options) for message in held]
        counted = np.repeat(np.arange(len(rows)), count)
        calibration = fit_calibration(margins[counted], values[counted], known[counted], blended_margins)
        held_out = cross_fit(margins, values, known, folds, counted, blended_margins)
        thresholds = choose_thresholds(
            probabilities_from_margins(held_out[counted]),
            values[counted],
            known[counted],
            auto_precision=self.linear_options.auto_precision,
            suggest_precision=self.linear_options.suggest_precision,
        )
        guard_scope(thresholds, probabilities_from_margins(held_out), values, known)
        fair = np.array([i for i, times in enumerate(count) if times], dtype=np.int64)
        sure = choose_sureness(
            linear_margins[rows[fair]],
            held_out[fair],
            Decider(parse_calibration(linear.json(CALIBRATION), linear.path)),
            Decider(parse_calibration(thresholds, Path("thresholds"))),
            [self.messages[i].labels for i in rows[fair].tolist()],
        )
        return Blend(calibration, thresholds, sure, rows, held_out)

    def _files(self, exported: bytes, blend: Blend) -> dict[str, bytes]:
        shop = self.workshop
        arrays = io.BytesIO()
        np.savez(arrays, matrix=blend.calibration.matrix, bias=blend.calibration.bias)
        settings = EncoderSettings(max_tokens=shop.options.max_tokens, padding=shop.padding, outputs=OUTPUTS)
        return {
            MODEL: exported,
            TOKENIZER: shop.tokenizer.backend_tokenizer.to_str().encode(),
            SETTINGS: settings.model_dump_json(indent=1).encode() + b"\n",
            BLEND: arrays.getvalue(),
            BLEND_CALIBRATION: json.dumps(blend.thresholds, indent=1).encode() + b"\n",
            CASCADE: CascadeSettings(sure=blend.sure).model_dump_json(indent=1).encode() + b"\n",
        }


def vector_scale(vectors: NDArray[np.float32]) -> bytes:
    """Return the file that says what is usual in every number of an encoder's vectors: (width,) mean and 1 / deviation.

    The means of token vectors of any two texts are nearly the same; what tells texts apart is what differs from that.
    """
    content = io.BytesIO()
    np.savez(content, mean=vectors.mean(axis=0), scale=1.0 / np.maximum(vectors.std(axis=0), _LEAST_DEVIATION))
    return content.getvalue()


def choose_sureness(
    fast: NDArray[np.float32],
    accurate: NDArray[np.float32],
    fast_decider: Decider,
    accurate_decider: Decider,
    labels: Sequence[Mapping[str, tuple[str, ...]]],
) -> float:
    """Return the least sureness at which the linear model may answer alone.

    With it no more than half a point of macro-F1 is lost on any of intent, category, subcategory, urgency, emotion and
    needs, on messages that neither model has seen.

    Args:
        fast: (messages, outputs) calibrated margins of the linear model.
        accurate: the same of the blend.
        fast_decider: thresholds of the linear model.
        accurate_decider: thresholds of the blend.
        labels: the right answers.
    """
    first, second = probabilities_from_margins(fast), probabilities_from_margins(accurate)
    sure = sureness(first)
    quick, careful = decided_labels(fast_decider, first), decided_labels(accurate_decider, second)
    watched = ("intent", "category", "subcategory", "urgency", "emotion_primary", "needs")
    reference = _figures(careful, labels)
    chosen = 1.01
    for share in np.arange(0.02, 1.0, 0.02):
        threshold = float(np.quantile(sure, 1.0 - share))
        mixed = [a if s >= threshold else b for a, b, s in zip(quick, careful, sure.tolist(), strict=True)]
        figures = _figures(mixed, labels)
        if any(reference[task] - figures[task] > _LOSS_OF_BALANCED for task in watched if task in reference):
            break
        chosen = threshold
    return round(chosen, 4)


def _figures(
    answers: Sequence[Mapping[str, tuple[str, ...]]], labels: Sequence[Mapping[str, tuple[str, ...]]]
) -> dict[str, float]:
    return {name: score.macro_f1 for name, score in evaluate_labels(answers, labels).tasks.items()}


def decided_labels(
    decider: Decider, probabilities: Mapping[str, NDArray[np.float32]]
) -> list[dict[str, tuple[str, ...]]]:
    """Return the labels that probabilities lead to, one mapping from task to values per message."""
    decided = decider.decide(probabilities)
    return [
        {name: tuple(TASKS[name].values[index] for index in decided[name].labels[row]) for name in TASKS}
        for row in range(len(probabilities["intent"]))
    ]


def save_encoder(
    linear: Bundle, trained: TrainedEncoder, target: str | Path, *, name: str, trained_with: str, card: str
) -> Bundle:
    """Write the linear model and the encoder as one bundle."""
    kept = {file: (linear.path / file).read_bytes() for file in (ARRAYS, CALIBRATION)}
    return write_bundle(
        target,
        name=name,
        trained_with=trained_with,
        components=("linear", "encoder"),
        files={**kept, **trained.files, "README.md": card.encode()},
    )
