"""Texts to tensors: pieces, targets, batches of like length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

MAX_TOKENS: Final = 192
_POOL_BATCHES: Final = 40


@dataclass(frozen=True, slots=True)
class TokenizedSet:
    """Texts as pieces with what is known of them.

    Attributes:
        pieces: the ids of every text.
        values: (texts, outputs) target of every output, 0 to 1.
        known: (texts, outputs) whether it is known.
        weights: (texts,) how much a text counts.
    """

    pieces: list[NDArray[np.int32]]
    values: NDArray[np.float32]
    known: NDArray[np.bool_]
    weights: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.pieces)

    def subset(self, rows: Sequence[int] | NDArray[np.int64]) -> TokenizedSet:
        """Return the texts ``rows``."""
        index = np.asarray(rows, dtype=np.int64)
        return TokenizedSet(
            [self.pieces[i] for i in index.tolist()], self.values[index], self.known[index], self.weights[index]
        )


def joined(sets: Sequence[TokenizedSet]) -> TokenizedSet:
    """Return all texts of ``sets``."""
    return TokenizedSet(
        [piece for part in sets for piece in part.pieces],
        np.concatenate([part.values for part in sets]),
        np.concatenate([part.known for part in sets]),
        np.concatenate([part.weights for part in sets]),
    )


def shortened(ids: Sequence[int], limit: int) -> list[int]:
    """Return at most ``limit`` pieces: the first two thirds and the last third, where the verdict stands."""
    if len(ids) <= limit:
        return list(ids)
    head = limit * 2 // 3
    return [*ids[:head], *ids[len(ids) - (limit - head) :]]


def pieces_of(tokenizer: Any, texts: Sequence[str], limit: int = MAX_TOKENS) -> list[NDArray[np.int32]]:  # noqa: ANN401
    """Return the pieces of simplified texts, special ones included."""
    result = []
    for start in range(0, len(texts), 2000):
        encoded = tokenizer(list(texts[start : start + 2000]), add_special_tokens=True, truncation=False, verbose=False)
        result += [np.array(shortened(ids, limit), dtype=np.int32) for ids in encoded["input_ids"]]
    return result


@dataclass(frozen=True, slots=True)
class Batch:
    """Tensors of one step."""

    input_ids: Tensor
    attention_mask: Tensor
    values: Tensor
    known: Tensor
    weights: Tensor
    rows: NDArray[np.int64]


def batch_rows(lengths: NDArray[np.int64], tokens: int, random: np.random.Generator | None) -> list[NDArray[np.int64]]:
    """Return the rows of every batch: texts of like length, at most ``tokens`` padded pieces.

    Args:
        lengths: pieces of every text.
        tokens: limit of a batch.
        random: shuffles texts and batches; ``None`` for a fixed order by length.
    """
    count = len(lengths)
    order = np.argsort(-lengths, kind="stable") if random is None else random.permutation(count)
    pool = count if random is None else max(int(_POOL_BATCHES * tokens / max(float(lengths.mean()), 1.0)), 1)
    batches = []
    for start in range(0, count, pool):
        chunk = order[start : start + pool]
        chunk = chunk[np.argsort(-lengths[chunk], kind="stable")]
        begin = 0
        while begin < len(chunk):
            size = max(tokens // int(lengths[chunk[begin]]), 1)
            batches.append(chunk[begin : begin + size])
            begin += size
    if random is not None:
        batches = [batches[i] for i in random.permutation(len(batches)).tolist()]
    return batches


def make_batch(data: TokenizedSet, rows: NDArray[np.int64], padding: int) -> Batch:
    """Return the tensors of ``rows``."""
    longest = max(len(data.pieces[i]) for i in rows.tolist())
    ids = np.full((len(rows), longest), padding, dtype=np.int64)
    mask = np.zeros((len(rows), longest), dtype=np.int64)
    for place, i in enumerate(rows.tolist()):
        piece = data.pieces[i]
        ids[place, : len(piece)], mask[place, : len(piece)] = piece, 1
    return Batch(
        torch.from_numpy(ids),
        torch.from_numpy(mask),
        torch.from_numpy(data.values[rows]),
        torch.from_numpy(data.known[rows]),
        torch.from_numpy(data.weights[rows]),
        rows,
    )


def batches(
    data: TokenizedSet, *, tokens: int, padding: int, random: np.random.Generator | None = None
) -> Iterator[Batch]:
    """Return batches of all texts; see :func:`batch_rows`."""
    lengths = np.array([len(piece) for piece in data.pieces], dtype=np.int64)
    for rows in batch_rows(lengths, tokens, random):
        yield make_batch(data, rows, padding)
