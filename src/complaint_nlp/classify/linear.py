"""The linear classifier: n-grams, jieba words and signals times one matrix, calibrated.

Its scores are sums over features, so the evidence for a label is exact: the log-odds of a value are its bias plus what
every occurrence of a feature adds, and what an occurrence adds belongs to the characters it covers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import sparse

from complaint_nlp.classify.features import Encoded, Vocabulary, encode
from complaint_nlp.classify.scores import PRIMARY_OF, Scores, TokenWeights
from complaint_nlp.errors import ModelError
from complaint_nlp.labels import TASKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from complaint_nlp.classify.bundle import Bundle
    from complaint_nlp.text import NormalizedText

ARRAYS: Final = "linear.npz"

HEADS: Final[dict[str, tuple[str, ...]]] = {
    **{name: task.values for name, task in TASKS.items()},
    **{head: TASKS[task].values for head, task in PRIMARY_OF.items()},
}
"""Values of every head, in the order of the columns of the weights."""

SIGNALS: Final = (
    "exclamations",
    "questions",
    "ellipses",
    "repeats",
    "capitals",
    "emoji",
    "kaomoji",
    "intensifiers",
)
"""Counts of the text room's signals that are features, beside the length of the message."""

_SIGNAL_SCALE: Final = 0.25


def head_slices() -> dict[str, slice]:
    """Return which columns of the weights belong to every head."""
    slices, start = {}, 0
    for head, values in HEADS.items():
        slices[head] = slice(start, start + len(values))
        start += len(values)
    return slices


def is_exclusive(head: str) -> bool:
    """Return whether exactly one value of ``head`` applies, so that its probabilities sum to 1."""
    return head in PRIMARY_OF or not TASKS[head].is_multilabel


def signal_matrix(messages: Sequence[NormalizedText]) -> NDArray[np.float32]:
    """Return (messages, signals + 1) features between 0 and about 1: log counts, and the log length."""
    rows = []
    for message in messages:
        counts = message.signals.counts()
        rows.append([*(counts[name] for name in SIGNALS), len(message.text)])
    table = np.log1p(np.array(rows, dtype=np.float32).reshape(len(messages), len(SIGNALS) + 1))
    table[:, -1] /= 3.0  # the length would outweigh the others
    scaled: NDArray[np.float32] = table * np.float32(_SIGNAL_SCALE)
    return scaled


class LinearAttribution:
    """Exact shares of every word in the scores of a batch.

    Args:
        encoded: the batch.
        weights: (features, outputs) stored weights.
        row_scale: (features,) what they are multiplied with.
    """

    def __init__(self, encoded: Encoded, weights: NDArray[np.int8], row_scale: NDArray[np.float32]) -> None:
        self._encoded = encoded
        self._flat_weights = weights.reshape(-1)
        self._outputs = weights.shape[1]
        self._row_scale = row_scale

    def token_weights(self, chosen: Mapping[str, NDArray[np.int64]]) -> dict[str, TokenWeights]:
        """Return how much every token adds to the log-odds of its message's chosen values."""
        encoded = self._encoded
        ends = np.append(encoded.tokens[1:], encoded.offsets[-1:])
        rows = np.searchsorted(encoded.offsets, encoded.tokens, side="right") - 1
        begin = encoded.offsets[rows]
        table = (self._shares(ends - encoded.tokens) @ self._added(chosen)).astype(np.float64)
        result = {}
        for weights, (head, values) in zip(table.T, chosen.items(), strict=True):
            weights[values[rows] < 0] = 0.0
            result[head] = TokenWeights(weights, rows, encoded.tokens - begin, ends - begin)
        return result

    def _added(self, chosen: Mapping[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return (occurrences, heads) what every character of an occurrence adds to the chosen values' log-odds."""
        encoded, slices = self._encoded, head_slices()
        outputs = [np.maximum(values, 0) + slices[head].start for head, values in chosen.items()]
        output = np.stack(outputs, axis=1).astype(np.int32)
        first = encoded.columns * np.int32(self._outputs)
        worth = self._row_scale[encoded.columns] * encoded.share / encoded.lengths
        # "clip" only spares the check of places that are right by their making
        places = first[:, None] + np.take(output, encoded.rows, axis=0, mode="clip")
        added: NDArray[np.float32] = np.take(self._flat_weights, places, mode="clip").astype(np.float32)
        added *= worth[:, None]
        return added

    def _shares(self, sizes: NDArray[np.int64]) -> sparse.csc_array:
        """Return (tokens, occurrences) how many characters of every occurrence stand in every token."""
        encoded = self._encoded
        token_of = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        lengths = encoded.lengths
        bounds = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
        covered = np.arange(bounds[-1], dtype=np.int32) - np.repeat(bounds[:-1] - encoded.starts, lengths)
        ones = np.ones(len(covered), dtype=np.float32)
        return sparse.csc_array((ones, np.take(token_of, covered), bounds), shape=(len(sizes), len(lengths)))


class LinearClassifier:
    """Scores messages with the linear component of a bundle.

    Args:
        bundle: an opened bundle with a linear component.

    Raises:
        ModelError: the bundle's arrays are missing or do not fit together.
    """

    def __init__(self, bundle: Bundle) -> None:
        arrays = bundle.arrays(ARRAYS)
        outputs = sum(len(values) for values in HEADS.values())
        features = len(arrays["keys"]) if "keys" in arrays else 0
        shapes = {
            "keys": (features,),
            "idf": (features,),
            "weights": (features, outputs),
            "row_scale": (features,),
            "signal_weights": (len(SIGNALS) + 1, outputs),
            "bias": (outputs,),
        }
        for name, shape in shapes.items():
            if name not in arrays or arrays[name].shape != shape:
                found = arrays[name].shape if name in arrays else "nothing"
                msg = f"{bundle.path / ARRAYS}: {name} should have the shape {shape}, found {found}"
                raise ModelError(msg)
        self._vocabulary = Vocabulary(arrays["keys"].view(np.ndarray))
        self._idf = np.asarray(arrays["idf"], dtype=np.float32)
        # a plain view: numpy.memmap pays for every slice that it might be written back
        self._weights: NDArray[np.int8] = arrays["weights"].view(np.ndarray)
        self._row_scale = np.asarray(arrays["row_scale"], dtype=np.float32)
        self._signal_weights = np.asarray(arrays["signal_weights"], dtype=np.float32)
        self._bias = np.asarray(arrays["bias"], dtype=np.float32)

    def predict(self, messages: Sequence[NormalizedText]) -> Scores:
        """Return calibrated probabilities of a batch and where they come from."""
        margins, attribution = self.margins(messages)
        return Scores(probabilities_from_margins(margins), attribution)

    def margins(self, messages: Sequence[NormalizedText]) -> tuple[NDArray[np.float32], LinearAttribution]:
        """Return (messages, outputs) calibrated margins of a batch and where they come from."""
        encoded = encode([message.text for message in messages], self._vocabulary, self._idf)
        margins = self._margins(encoded.matrix)
        margins += signal_matrix(messages) @ self._signal_weights + self._bias
        return margins, LinearAttribution(encoded, self._weights, self._row_scale)

    def _margins(self, matrix: sparse.csr_array) -> NDArray[np.float32]:
        """Multiply with the weights, turning only the rows that this batch uses into floats."""
        columns, position = np.unique(matrix.indices, return_inverse=True)
        weights = self._weights[columns] * self._row_scale[columns, None]
        shape = (matrix.shape[0], len(columns))
        compact = sparse.csr_array((matrix.data, position, matrix.indptr), shape=shape)
        margins: NDArray[np.float32] = compact @ weights
        return margins


def probabilities_from_margins(margins: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
    """Return for every head softmax (one value applies) or logistic (several may) of its columns."""
    result = {}
    for head, columns in head_slices().items():
        part = margins[:, columns].astype(np.float32)
        if is_exclusive(head):
            part = np.exp(part - part.max(axis=1, keepdims=True))
            result[head] = part / part.sum(axis=1, keepdims=True)
        else:
            result[head] = 1.0 / (1.0 + np.exp(-np.clip(part, -30.0, 30.0)))
    return result
