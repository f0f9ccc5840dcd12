"""The encoder: a small transformer run by ONNX Runtime, whose logits are sums over the tokens of a message."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
import rjieba
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from complaint_nlp.classify.linear import HEADS, head_slices, is_exclusive
from complaint_nlp.classify.runtime import cores, load_onnxruntime
from complaint_nlp.classify.scores import TokenWeights
from complaint_nlp.errors import ModelError, validation_problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from complaint_nlp.classify.bundle import Bundle
    from complaint_nlp.text import NormalizedText

MODEL: Final = "encoder.onnx"
TOKENIZER: Final = "tokenizer.json"
SETTINGS: Final = "encoder.json"
VECTORS: Final = "vectors.npz"
"""What is usual in the vectors; bundles made before version 0.2 have none."""
_BATCH_TOKENS: Final = 512
"""Padded pieces of a pass: what the caches of a core hold."""


class EncoderSettings(BaseModel):
    """The schema of ``encoder.json``.

    Attributes:
        max_tokens: longer messages are read in part: the first two thirds and the last third of so many pieces.
        padding: id of the padding piece.
        outputs: number of logits: those of the heads, then those of the steps of the scales.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_tokens: Annotated[int, Field(ge=8, le=512)]
    padding: Annotated[int, Field(ge=0)]
    outputs: Annotated[int, Field(gt=0)]


@dataclass(frozen=True, slots=True)
class EncodedBatch:
    """What one pass of the encoder gives for a batch of messages.

    Attributes:
        logits: (messages, outputs).
        vectors: (messages, width) mean of the vectors of a message's pieces; texts of like meaning have a small angle.
        contributions: (pieces, outputs of the heads) what every piece adds to its message's logits; special pieces are
            left out.
        rows: (pieces,) index of the message of every piece.
        starts: (pieces,) its first character in the normalised text.
        ends: (pieces,) its end.
        words: (words,) index of the first piece of every word.
    """

    logits: NDArray[np.float32]
    vectors: NDArray[np.float32]
    contributions: NDArray[np.float32]
    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    words: NDArray[np.int64]


class EncoderAttribution:
    """Exact shares of every word in the logits of a batch.

    Args:
        batch: the pass that gave them.
    """

    def __init__(self, batch: EncodedBatch) -> None:
        self._batch = batch

    def token_weights(self, chosen: Mapping[str, NDArray[np.int64]]) -> dict[str, TokenWeights]:
        """Return how much every word adds to the logits of its message's chosen values.

        Pieces are no units that a reader knows: what those of a word add is summed up.

        Where exactly one value applies, what speaks for its rivals is taken off, each as likely as it is: that is the
        change of the log-odds.
        """
        return {head: self._weights(head, values) for head, values in chosen.items()}

    def _weights(self, head: str, chosen: NDArray[np.int64]) -> TokenWeights:
        batch = self._batch
        columns = head_slices()[head]
        values = chosen[batch.rows]
        part = batch.contributions[:, columns]
        weights = part[np.arange(len(values)), np.maximum(values, 0)].astype(np.float64)
        if is_exclusive(head):
            weights -= (part * self._rivals(columns, chosen)[batch.rows]).sum(axis=1)
        weights[values < 0] = 0.0
        if not len(weights):
            return TokenWeights(weights, batch.rows, batch.starts, batch.ends)
        last = np.append(batch.words[1:], len(weights)) - 1
        summed = np.add.reduceat(weights, batch.words)
        return TokenWeights(summed, batch.rows[batch.words], batch.starts[batch.words], batch.ends[last])

    def _rivals(self, columns: slice, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return (messages, values) how likely each value is if the chosen one is not."""
        logits = self._batch.logits[:, columns].copy()
        rows = np.flatnonzero(chosen >= 0)
        logits[rows, chosen[rows]] = -np.inf
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        result: NDArray[np.float32] = shares / shares.sum(axis=1, keepdims=True)
        return result


class Encoder:
    """Runs the encoder of a bundle.

    Args:
        bundle: an opened bundle with an encoder.
        threads: passes side by side; 0 for as many as there are cores.

    Raises:
        ModelError: the encoder's files are missing, damaged or do not fit together.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 0) -> None:
        from tokenizers import Tokenizer

        try:
            self.settings = EncoderSettings.model_validate(bundle.json(SETTINGS))
        except ValidationError as error:
            msg = f"{bundle.path / SETTINGS}: {validation_problems(error)}"
            raise ModelError(msg) from error
        onnxruntime = load_onnxruntime()
        options = onnxruntime.SessionOptions()
        # a core each for passes side by side: sharing out the small products of one pass costs more than it gains
        self._workers = threads or cores()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._tokenizer: Any = Tokenizer.from_str(bundle.listed(TOKENIZER).read_text(encoding="utf-8"))
            self._session: Any = onnxruntime.InferenceSession(
                str(bundle.listed(MODEL)), options, providers=["CPUExecutionProvider"]
            )
        except ModelError:
            raise
        except Exception as error:  # the two libraries raise classes of their own
            msg = f"{bundle.path}: the encoder cannot be loaded: {error}"
            raise ModelError(msg) from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        outputs = self._session.get_outputs()
        if [output.name for output in outputs] != ["logits", "contributions", "vectors"]:
            msg = f"{bundle.path / MODEL}: its outputs are not 'logits', 'contributions' and 'vectors'"
            raise ModelError(msg)
        self.width = int(outputs[-1].shape[-1])
        self._usual = self._read_usual(bundle)

    def _read_usual(self, bundle: Bundle) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return (width,) mean and scale of the vectors."""
        if VECTORS not in bundle.manifest.files:
            return np.zeros(self.width, dtype=np.float32), np.ones(self.width, dtype=np.float32)
        arrays = bundle.arrays(VECTORS)
        found = [arrays[name] for name in ("mean", "scale") if name in arrays]
        if [array.shape for array in found] != [(self.width,)] * 2 or not all(
            np.isfinite(array).all() for array in found
        ):
            msg = f"{bundle.path / VECTORS}: needs a mean and a scale of {self.width} finite numbers each"
            raise ModelError(msg)
        return found[0].astype(np.float32), found[1].astype(np.float32)

    def embed(self, messages: Sequence[NormalizedText]) -> NDArray[np.float32]:
        """Return (messages, width) vectors whose angles tell how like the meanings are; zeros for empty messages.

        From the mean of a message's piece vectors what all messages share is taken off, and every number is scaled by
        how much it varies.
        """
        mean, scale = self._usual
        vectors: NDArray[np.float32] = (self.run(messages).vectors - mean) * scale
        vectors[[not message.text.strip() for message in messages]] = 0.0
        return vectors

    def run(self, messages: Sequence[NormalizedText]) -> EncodedBatch:
        """Return logits and contributions for normalised messages."""
        encoded = self._tokenizer.encode_batch([message.text for message in messages], add_special_tokens=True)
        pieces = [_Pieces.of(one, self.settings.max_tokens) for one in encoded]
        lengths = np.array([len(one.ids) for one in pieces], dtype=np.int64)
        heads = sum(len(values) for values in HEADS.values())
        logits = np.zeros((len(messages), self.settings.outputs), dtype=np.float32)
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        contributions = np.zeros((int(offsets[-1]), heads), dtype=np.float32)
        vectors = np.zeros((len(messages), self.width), dtype=np.float32)
        batches = _batches(lengths)
        for rows, (given, parts, vectors[rows]) in zip(batches, self._passes(batches, pieces), strict=True):
            if given.shape[1] != self.settings.outputs or self.settings.outputs < heads:
                msg = f"{MODEL}: gives {given.shape[1]} outputs where {self.settings.outputs} are stated"
                raise ModelError(msg)
            logits[rows] = given
            for place, i in enumerate(rows):
                contributions[offsets[i] : offsets[i + 1]] = parts[place, : lengths[i], :heads]
        owners = np.repeat(np.arange(len(messages)), lengths)
        spans = np.array([span for one in pieces for span in one.spans], dtype=np.int64).reshape(-1, 2)
        cuts = np.array([offsets[i] + one.cut for i, one in enumerate(pieces) if one.cut], dtype=np.int64)
        if len(cuts):  # what is not read stands as one piece that adds nothing: no evidence reaches across it
            spans = np.insert(spans, cuts, np.stack([spans[cuts - 1, 1], spans[cuts, 0]], axis=1), axis=0)
            owners = np.insert(owners, cuts, owners[cuts])
            contributions = np.insert(contributions, cuts, 0.0, axis=0)
        unread = np.zeros(len(spans), dtype=bool)
        unread[cuts + np.arange(len(cuts))] = True
        real = spans[:, 1] > spans[:, 0]
        owners, spans, unread = owners[real], spans[real], unread[real]
        words = _first_pieces([message.text for message in messages], owners, spans[:, 0], unread)
        return EncodedBatch(logits, vectors, contributions[real], owners, spans[:, 0], spans[:, 1], words)

    def _passes(self, batches: Sequence[list[int]], pieces: Sequence[_Pieces]) -> Iterator[list[NDArray[np.float32]]]:
        def one_pass(rows: list[int]) -> list[NDArray[np.float32]]:
            ids, mask = self._padded([pieces[i].ids for i in rows])
            given: list[NDArray[np.float32]] = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
            return given

        workers = min(self._workers, len(batches))
        if workers < 2:  # noqa: PLR2004 - one does it alone
            yield from map(one_pass, batches)
            return
        pool = ThreadPoolExecutor(workers)  # not kept: threads do not survive a fork
        try:
            yield from pool.map(one_pass, batches)
        finally:  # also when a person stops it
            pool.shutdown(cancel_futures=True)

    def _padded(self, ids: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        longest = max(len(one) for one in ids)
        table = np.full((len(ids), longest), self.settings.padding, dtype=np.int64)
        mask = np.zeros((len(ids), longest), dtype=np.int64)
        for row, one in enumerate(ids):
            table[row, : len(one)], mask[row, : len(one)] = one, 1
        return table, mask


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Ids and character ranges of one message's pieces; special ones have an empty range.

    Before the piece ``cut`` pieces are left out, unless it is 0.
    """

    ids: list[int]
    spans: list[tuple[int, int]]
    cut: int = 0

    @classmethod
    def of(cls, encoded: Any, limit: int) -> _Pieces:  # noqa: ANN401 - tokenizers has no types
        ids: list[int] = encoded.ids
        spans: list[tuple[int, int]] = encoded.offsets
        if len(ids) > limit:
            head = limit * 2 // 3
            tail = len(ids) - (limit - head)
            return cls([*ids[:head], *ids[tail:]], [*spans[:head], *spans[tail:]], head)
        return cls(ids, spans)


def _first_pieces(
    texts: Sequence[str], owners: NDArray[np.int64], starts: NDArray[np.int64], unread: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the index of the first piece of every word; what was not read is a word of its own."""
    lengths = np.array([len(word) for text in texts for word in rjieba.cut(text, False)], dtype=np.int64)  # noqa: FBT003
    begins = np.concatenate(([0], np.cumsum([len(text) for text in texts])))
    word = np.searchsorted(np.cumsum(lengths), begins[owners] + starts, side="right")
    first = np.diff(word, prepend=-1) != 0
    first |= unread
    first[1:] |= unread[:-1] | (np.diff(owners) != 0)
    return np.flatnonzero(first)


def _batches(lengths: NDArray[np.int64]) -> list[list[int]]:
    """Return the messages of every pass: of like length, so that little is padding."""
    order = np.argsort(lengths, kind="stable").tolist()
    batches: list[list[int]] = []
    current: list[int] = []
    for i in order:
        if current and (len(current) + 1) * int(lengths[i]) > _BATCH_TOKENS:
            batches.append(current)
            current = []
        current.append(i)
    if current:
        batches.append(current)
    return batches
