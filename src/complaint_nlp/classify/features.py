"""Character n-grams and jieba words of a batch, as arrays.

A feature is known by a 64-bit hash of its characters; a :class:`Vocabulary` maps hashes to columns. Everything
is computed for a whole batch at once with NumPy, and every occurrence keeps the characters it covers, so that a
weight can be traced back to the words of the message.

Latin letters are folded to lower case and digits to ``0`` before hashing: amounts and order numbers differ in every
message and say nothing by their digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import rjieba  # the Rust port of jieba: the same dictionary and, without HMM, the same words
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MAX_NGRAM: Final = 4
_WORD_SALT: Final = np.uint64(0x9E3779B97F4A7C15)
_BASE: Final = 0x100000001B3 | 1
_MODULUS: Final = 1 << 64
_BASE_INVERSE: Final = pow(_BASE, -1, _MODULUS)


def _powers(base: int, count: int) -> NDArray[np.uint64]:
    powers = np.full(count, base % _MODULUS, dtype=np.uint64)
    powers[0] = 1
    return np.cumprod(powers, dtype=np.uint64)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scatter the bits (the finaliser of splitmix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _fold(codes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    codes = codes.copy()
    codes[(codes >= ord("0")) & (codes <= ord("9"))] = ord("0")
    codes[(codes >= ord("A")) & (codes <= ord("Z"))] += ord("a") - ord("A")
    return codes


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Every n-gram and word of a batch of texts.

    Attributes:
        hashes: one 64-bit hash per occurrence.
        rows: index of the text each occurrence stands in.
        starts: first character covered, counted in the concatenation of all texts.
        lengths: number of characters covered.
        offsets: where each text begins in the concatenation, one more than there are texts.
        tokens: where each word or single character begins in the concatenation; together they cover it.
    """

    hashes: NDArray[np.uint64]
    rows: NDArray[np.int32]
    starts: NDArray[np.int32]
    lengths: NDArray[np.int32]
    offsets: NDArray[np.int64]
    tokens: NDArray[np.int64]


def extract(texts: Sequence[str]) -> Occurrences:
    """Return all character 1- to 4-grams and all jieba words of two or more characters of ``texts``."""
    sizes = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    total = int(offsets[-1])
    raw = "".join(texts).encode("utf-32-le", "surrogatepass")
    codes = _fold(np.frombuffer(raw, dtype="<u4").astype(np.uint32))
    row_of = np.repeat(np.arange(len(texts), dtype=np.int32), sizes)
    # hash(start, n) = (prefix[start + n] - prefix[start]) * base ** -start: any length in two look-ups
    prefix = np.zeros(total + 1, dtype=np.uint64)
    if total:
        np.cumsum(_mix(codes.astype(np.uint64)) * _powers(_BASE, total), out=prefix[1:])
    inverse = _powers(_BASE_INVERSE, total) if total else np.zeros(0, dtype=np.uint64)

    hashes, starts, lengths = [], [], []
    for n in range(1, MAX_NGRAM + 1):
        count = max(total - n + 1, 0)
        keep = np.flatnonzero(row_of[:count] == row_of[n - 1 :])
        hashes.append(_mix((prefix[keep + n] - prefix[keep]) * inverse[keep] + np.uint64(n)))
        starts.append(keep)
        lengths.append(np.full(len(keep), n, dtype=np.int32))
    tokens, token_lengths = _tokens(texts)
    words, word_lengths = tokens[token_lengths > 1], token_lengths[token_lengths > 1]
    hashes.append(_mix((prefix[words + word_lengths] - prefix[words]) * inverse[words] + _WORD_SALT))
    starts.append(words)
    lengths.append(word_lengths.astype(np.int32))
    all_starts = np.concatenate(starts).astype(np.int32)
    rows = row_of[all_starts] if total else np.zeros(0, dtype=np.int32)
    return Occurrences(np.concatenate(hashes), rows, all_starts, np.concatenate(lengths), offsets, tokens)


def _tokens(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return start and length of every jieba word in the concatenation of ``texts``."""
    hmm = False  # guessed words differ between versions, words of the dictionary do not
    lengths = np.array([len(word) for text in texts for word in rjieba.cut(text, hmm)], dtype=np.int64)
    return np.cumsum(lengths) - lengths, lengths


class Vocabulary:
    """Maps feature hashes to columns.

    Args:
        keys: the known hashes, strictly increasing; a hash's position is its column.
    """

    def __init__(self, keys: NDArray[np.uint64]) -> None:
        self.keys = keys
        # a last key that is no hash's, so that every look beyond the end finds something
        self._padded = np.append(keys, ~np.uint64(0))
        # keys are evenly spread, so their leading bits lead almost to the right place: four buckets a key, so that
        # most hashes are known or unknown after one look
        bits = max(len(keys).bit_length(), 1) + 2
        self._shift = np.uint64(64 - bits)
        in_bucket = np.bincount((keys >> self._shift).astype(np.int64), minlength=1 << bits)
        self._first = (np.cumsum(in_bucket) - in_bucket).astype(np.int32)

    def __len__(self) -> int:
        return len(self.keys)

    def columns(self, hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the column of every hash, -1 where it is unknown."""
        guess = np.take(self._first, (hashes >> self._shift).astype(np.int64), mode="clip")
        key = np.take(self._padded, guess, mode="clip")
        found = np.where(key == hashes, guess, np.int32(-1))
        pending = np.flatnonzero(key < hashes)
        guess, wanted = guess[pending] + 1, hashes[pending]
        while len(pending):
            key = np.take(self._padded, guess, mode="clip")
            hit = key == wanted
            found[pending[hit]] = guess[hit]
            further = key < wanted
            pending, guess, wanted = pending[further], guess[further] + 1, wanted[further]
        found[found == len(self.keys)] = -1
        return found


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch as a sparse matrix together with the way back to its characters.

    Attributes:
        matrix: (texts, columns) weighted features, rows of Euclidean length 1.
        columns: for every kept occurrence, its column.
        share: for every kept occurrence, the part of its entry of ``matrix`` it is responsible for.
        rows, starts, lengths: as in :class:`Occurrences`, for the kept occurrences.
        offsets, tokens: as in :class:`Occurrences`.
    """

    matrix: sparse.csr_array
    columns: NDArray[np.int32]
    share: NDArray[np.float32]
    rows: NDArray[np.int32]
    starts: NDArray[np.int32]
    lengths: NDArray[np.int32]
    offsets: NDArray[np.int64]
    tokens: NDArray[np.int64]


def encode(texts: Sequence[str], vocabulary: Vocabulary, idf: NDArray[np.float32]) -> Encoded:
    """Return ``texts`` as sublinear tf-idf rows over ``vocabulary``."""
    found = extract(texts)
    columns = vocabulary.columns(found.hashes)
    keep = columns >= 0
    columns, rows = columns[keep], found.rows[keep]
    width = max(len(vocabulary), 1)
    keys, entry, counts = np.unique(rows.astype(np.int64) * width + columns, return_inverse=True, return_counts=True)
    entry_rows = keys // width
    entry_columns = (keys - entry_rows * width).astype(np.int32)
    values = (1.0 + np.log(counts, dtype=np.float32)) * idf[entry_columns]
    norms = np.sqrt(np.bincount(entry_rows, weights=values * values, minlength=len(texts)))
    values = (values / np.maximum(norms, 1e-12)[entry_rows]).astype(np.float32)
    indptr = np.searchsorted(entry_rows, np.arange(len(texts) + 1)).astype(np.int32)
    matrix = sparse.csr_array((values, entry_columns, indptr), shape=(len(texts), len(vocabulary)))
    share = (values / counts.astype(np.float32))[entry]
    return Encoded(matrix, columns, share, rows, found.starts[keep], found.lengths[keep], found.offsets, found.tokens)
