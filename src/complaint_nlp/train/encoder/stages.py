"""The stages of training an encoder, each of which leaves a file in the work folder and is skipped when it is there."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from complaint_nlp.classify.linear import HEADS, head_slices, is_exclusive
from complaint_nlp.errors import ConfigError, DataError
from complaint_nlp.text import Normalizer
from complaint_nlp.train.encoder.auxiliary import AuxiliarySets, auxiliary_heads, load_auxiliary, read_auxiliary
from complaint_nlp.train.encoder.batches import MAX_TOKENS, TokenizedSet, joined, pieces_of
from complaint_nlp.train.encoder.fit import STATE, FitOptions, fit, predict_logits, probe, ranking
from complaint_nlp.train.encoder.network import Head, MultiTaskEncoder, load_backbone
from complaint_nlp.train.keyed import text_lines
from complaint_nlp.train.linear import STEPS, Progress, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

    from complaint_nlp.classify.scores import Classifier
    from complaint_nlp.labelled import LabelledMessage
    from complaint_nlp.text import NormalizedText
    from complaint_nlp.train.linear import Targets

OUTPUTS: Final = sum(len(values) for values in HEADS.values()) + len(STEPS)
"""Logits of an exported encoder: those of the heads, then those of the steps of the scales."""

_LOSS_WEIGHTS: Final = {"demands": 0.7, "intensity": 0.7, "needs": 0.8}
_CHUNK: Final = 2000
_MAX_UNLABELLED_CHARS: Final = 300
_MIN_UNLABELLED_CHARS: Final = 8


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """How an encoder is trained.

    Attributes:
        layers: how many layers of the base to keep, from the first; all when ``None``.
        warm_up: passes over unlabelled texts, labelled by the linear model, and auxiliary sets.
        unlabelled: how many unlabelled texts.
        auxiliary_scale: part of the auxiliary sets to use, 0 to 1.
        warm_up_tokens: pieces of a text that are read in the warm-up.
        max_tokens: pieces of a text that are read in training and in use.
        folds_run: how many of the folds are trained without, for calibration and thresholds; with more than one the
            final network is their mean.
        heads_only: leave the encoder as it is and fit the heads.
        tuning: of the labelled messages.
        device: where to compute, as in PyTorch.
    """

    layers: int | None = None
    warm_up: int = 1
    unlabelled: int = 32_000
    auxiliary_scale: float = 0.35
    warm_up_tokens: int = 96
    max_tokens: int = MAX_TOKENS
    folds_run: int = 2
    heads_only: bool = False
    tuning: FitOptions = field(default_factory=FitOptions)
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Refuse what would fail only after hours."""
        if self.folds_run < 1:
            msg = f"folds_run must be at least 1, or nothing is left to fit thresholds on; got {self.folds_run}"
            raise ValueError(msg)


class Workshop:
    """What all stages share: the base, its tokenizer, the heads, and the folder of what is done already.

    Args:
        base: a Hugging Face encoder: directory or hub id.
        options: how to train.
        work: folder of finished stages.
        auxiliary: folder with the auxiliary sets; none are used without.
        progress: told what is going on.
    """

    def __init__(
        self,
        base: str | Path,
        options: EncoderOptions,
        work: Path,
        *,
        auxiliary: Path | None = None,
        progress: Progress = silent,
    ) -> None:
        from transformers import AutoConfig, AutoTokenizer

        self.base = base
        self.options = options
        self.work = work
        self.progress = progress
        self.auxiliary_folder = auxiliary
        self.sets: AuxiliarySets = load_auxiliary()
        self.tokenizer: Any = AutoTokenizer.from_pretrained(base, trust_remote_code=False)
        own = [
            Head(name, len(values), is_exclusive(name), _LOSS_WEIGHTS.get(name, 1.0)) for name, values in HEADS.items()
        ]
        self.heads = [*own, Head("steps", len(STEPS), exclusive=False, weight=0.5), *auxiliary_heads(self.sets)]
        positions = getattr(AutoConfig.from_pretrained(base), "max_position_embeddings", options.max_tokens)
        if positions < options.max_tokens:
            msg = f"{base}: reads at most {positions} pieces, fewer than max_tokens={options.max_tokens}"
            raise ConfigError(msg)
        self.padding = int(self.tokenizer.pad_token_id or 0)
        work.mkdir(parents=True, exist_ok=True)

    @property
    def width(self) -> int:
        """Number of outputs of the network, auxiliary ones included."""
        return sum(head.size for head in self.heads)

    def network(self) -> MultiTaskEncoder:
        """Return the network as the base gives it, with heads that know nothing yet."""
        torch.manual_seed(self.options.tuning.seed)
        layers = None if self.options.layers is None else range(self.options.layers)
        return MultiTaskEncoder(load_backbone(self.base, layers=layers), self.heads)

    def labelled(
        self, messages: Sequence[NormalizedText], targets: Targets, weights: NDArray[np.float32]
    ) -> TokenizedSet:
        """Return labelled messages as a training set."""
        values = np.zeros((len(messages), self.width), dtype=np.float32)
        known = np.zeros(values.shape, dtype=bool)
        values[:, :OUTPUTS], known[:, :OUTPUTS] = targets.values, targets.known
        texts = [message.text for message in messages]
        return TokenizedSet(pieces_of(self.tokenizer, texts, self.options.max_tokens), values, known, weights)

    def warm_up(
        self,
        network: MultiTaskEncoder,
        teacher: Classifier,
        unlabelled: Sequence[Path],
        labelled_texts: AbstractSet[str] = frozenset(),
    ) -> None:
        """Teach the network what a teacher says of unlabelled texts, and the auxiliary questions.

        Args:
            network: what to train.
            teacher: the linear model, or a better one to distil.
            unlabelled: files with one text a line.
            labelled_texts: texts that have labels; the teacher has seen them, so they are left out.
        """
        done = self.work / "warm_up.safetensors"
        if not done.is_file():
            parts = []
            if self.options.warm_up and unlabelled and self.options.unlabelled:
                texts = read_texts(unlabelled, self.options.unlabelled, labelled_texts)
                parts.append(self.taught(teacher, texts))
            if self.options.warm_up and self.auxiliary_folder is not None:
                parts.append(self._auxiliary(self.auxiliary_folder))
            if not parts:
                return
            data = joined(parts)
            if not (self.work / "warm_up" / STATE).is_file():
                probe(network, data, padding=self.padding, device=self.options.device)
            options = FitOptions(
                epochs=self.options.warm_up,
                rate=6e-4,
                layer_decay=0.95,
                balance=0.0,
                compiled=self.options.tuning.compiled,
            )
            self._fit(network, data, options, "warm_up")
            store(network, done)
        restore(network, done)

    def tune(
        self, network: MultiTaskEncoder, data: TokenizedSet, name: str, seed: int, held: TokenizedSet | None = None
    ) -> None:
        """Fit the heads, then all of the network, on labelled messages; the result is kept as ``name``.

        Args:
            network: what to train.
            data: labelled messages.
            name: of the stage.
            seed: of the order of messages and of dropout.
            held: messages to stop early by: training ends when they are ranked worse than before, and goes back to
                where they were ranked best.
        """
        done = self.work / f"{name}.safetensors"
        if not done.is_file():
            options = replace(self.options.tuning, seed=seed)
            if not (self.work / name / STATE).is_file():
                probe(network, data, padding=self.padding, seed=seed, device=self.options.device)
            if not self.options.heads_only:
                best = self.work / f"{name}.best.safetensors"
                self._fit(network, data, options, name, self._stopper(network, held, best) if held else None)
                if best.is_file():
                    restore(network, best)
            store(network, done)
        restore(network, done)

    def _fit(
        self,
        network: MultiTaskEncoder,
        data: TokenizedSet,
        options: FitOptions,
        name: str,
        after_epoch: Callable[[int], bool] | None = None,
    ) -> None:
        fit(
            network,
            data,
            options,
            padding=self.padding,
            checkpoint=self.work / name,
            progress=self._named(name.replace("_", " ")),
            after_epoch=after_epoch,
            device=self.options.device,
        )

    def _stopper(self, network: MultiTaskEncoder, held: TokenizedSet, best: Path) -> Callable[[int], bool]:
        """Return what decides after every epoch whether to stop; the best weights so far lie in ``best``."""
        note = best.with_suffix(".json")
        figures: list[float] = json.loads(note.read_text(encoding="utf-8")) if note.is_file() else []

        def stop(epoch: int) -> bool:
            figure = ranking(self.logits(network, held), held.values[:, :OUTPUTS], held.known[:, :OUTPUTS])
            network.train()
            if not figures or figure > max(figures):
                store(network, best)
            figures[epoch:] = [figure]
            note.write_text(json.dumps(figures), encoding="utf-8")
            return figure < max(figures)

        return stop

    def logits(self, network: MultiTaskEncoder, data: TokenizedSet) -> NDArray[np.float32]:
        """Return (texts, :data:`OUTPUTS`) logits."""
        return predict_logits(network, data, padding=self.padding, device=self.options.device)[:, :OUTPUTS]

    def taught(self, teacher: Classifier, texts: Sequence[str]) -> TokenizedSet:
        """Return texts with the probabilities that a teacher gives them, which are kept in the work folder."""
        messages = Normalizer().normalize_batch(texts)
        done = self.work / "taught.npy"
        if not done.is_file():
            store_array(done, self._asked(teacher, messages))
        values = np.zeros((len(texts), self.width), dtype=np.float32)
        values[:, :OUTPUTS] = np.load(done)
        known = np.zeros(values.shape, dtype=bool)
        known[:, :OUTPUTS] = True
        pieces = pieces_of(self.tokenizer, [message.text for message in messages], self.options.warm_up_tokens)
        return TokenizedSet(pieces, values, known, np.ones(len(texts), dtype=np.float32))

    def _asked(self, teacher: Classifier, messages: Sequence[NormalizedText]) -> NDArray[np.float32]:
        """Return (messages, :data:`OUTPUTS`) probabilities, those of the steps of the scales included."""
        values = np.zeros((len(messages), OUTPUTS), dtype=np.float32)
        slices = head_slices()
        for start in range(0, len(messages), _CHUNK):
            rows = slice(start, min(start + _CHUNK, len(messages)))
            probabilities = teacher.predict(messages[rows]).probabilities
            for head, columns in slices.items():
                values[rows, columns] = probabilities[head]
            self.progress("labelling unlabelled texts", rows.stop, len(messages))
        for step, (task, level) in enumerate(STEPS, OUTPUTS - len(STEPS)):
            values[:, step] = values[:, slices[task]][:, level:].sum(axis=1)
        return np.clip(values, 0.0, 1.0)

    def _auxiliary(self, folder: Path) -> TokenizedSet:
        texts = read_auxiliary(self.sets, folder, scale=self.options.auxiliary_scale)
        start, columns = OUTPUTS, {}
        for name, head in self.sets.heads.items():
            columns[name] = slice(start, start + len(head.values))
            start += len(head.values)
        values = np.zeros((len(texts), self.width), dtype=np.float32)
        known = np.zeros(values.shape, dtype=bool)
        for row, text in enumerate(texts):
            part = columns[text.head]
            known[row, part] = True
            for value in text.values:
                values[row, part.start + self.sets.heads[text.head].values.index(value)] = 1.0
        simplified = [message.text for message in Normalizer().normalize_batch([text.text for text in texts])]
        pieces = pieces_of(self.tokenizer, simplified, self.options.warm_up_tokens)
        return TokenizedSet(pieces, values, known, np.ones(len(texts), dtype=np.float32))

    def _named(self, stage: str) -> Progress:
        def report(_: str, done: int, total: int, /) -> None:
            self.progress(f"training {stage}", done, total)

        return report


def store_array(path: Path, array: NDArray[np.float32]) -> None:
    """Write an array; the file appears when it is complete."""
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as stream:
        np.save(stream, array)
    Path(stream.name).replace(path)


def store(network: MultiTaskEncoder, path: Path) -> None:
    """Write the weights of a network; the file appears when it is complete."""
    part = path.with_suffix(".part")
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}, part)
    part.replace(path)


def restore(network: MultiTaskEncoder, path: Path) -> None:
    """Read the weights of a network.

    Raises:
        DataError: they are of another network.
    """
    try:
        network.load_state_dict(load_file(path))
    except (OSError, RuntimeError, SafetensorError) as error:
        msg = f"{path}: does not fit this base and these heads; use another --work folder ({error})"
        raise DataError(msg) from error


def restore_mean(network: MultiTaskEncoder, paths: Sequence[Path]) -> None:
    """Give a network the mean of stored weights.

    Raises:
        DataError: some are of another network.
    """
    total: dict[str, torch.Tensor] = {}
    for path in paths:
        restore(network, path)
        for name, tensor in network.state_dict().items():
            total[name] = total[name] + tensor / len(paths) if name in total else tensor / len(paths)
    network.load_state_dict(total)


def read_texts(paths: Sequence[Path], count: int, without: AbstractSet[str] = frozenset(), seed: int = 0) -> list[str]:
    """Return ``count`` texts of plain or ``.xz`` files with one text a line, spread evenly over the files.

    Args:
        paths: the files.
        count: how many texts.
        without: texts to leave out.
        seed: of the choice.

    Raises:
        DataError: a file cannot be read.
    """
    random = np.random.default_rng(seed)
    texts: list[str] = []
    for path in paths:
        found: list[str] = []
        share = -(-count // len(paths))
        for text in text_lines(path):
            if _MIN_UNLABELLED_CHARS <= len(text) <= _MAX_UNLABELLED_CHARS and text not in without:
                found.append(text)
            if len(found) >= 2 * share:  # the files are shuffled; half of what is read is enough
                break
        texts += [found[i] for i in random.permutation(len(found))[:share].tolist()]
    return texts[:count]


def claim_work(work: Path, messages: Sequence[LabelledMessage], **settings: object) -> None:
    """Mark a work folder as that of one training run.

    Args:
        work: the folder.
        messages: what is trained on.
        settings: whatever else the stages depend on.

    Raises:
        DataError: it holds stages of other data or other settings.
    """
    digest = hashlib.sha256()
    for message in messages:
        digest.update(json.dumps([message.id, message.text, message.draw, message.labels], ensure_ascii=False).encode())
    content = json.dumps({"data": digest.hexdigest(), **{key: str(value) for key, value in settings.items()}}, indent=1)
    mark = work / "run.json"
    if not mark.is_file():
        part = mark.with_suffix(".part")
        part.write_text(content, encoding="utf-8")
        part.replace(mark)  # a run killed here leaves no half of it
    elif mark.read_text(encoding="utf-8") != content:
        msg = f"{work}: holds stages of a run with other data or options; empty it or give another --work folder"
        raise DataError(msg)
