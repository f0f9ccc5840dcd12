"""Near-duplicates among many texts: MinHash signatures, candidates by bands, then the exact similarity of candidates.

Every text is compared with at most two texts per band (Broder 1997; Leskovec, Rajaraman and Ullman, ch. 3), so a
million texts are a matter of seconds whatever they hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SHINGLE: Final = 2
"""Characters of a shingle: Chinese words mostly have two."""
BANDS, ROWS = 10, 3
"""Texts of similarity s are compared with probability 1 - (1 - s³)^10: .91 for .6, .986 for .7, .999 for .8."""
_PREFILTER: Final = 0.2
"""Candidates whose signatures agree so much less than asked for are dropped without an exact look."""
_PAIRS: Final = 1_000
"""Pairs compared, and texts signed, at a time: few enough for their hashes to stay in the processor's cache."""
_SIGNED: Final = 1_000


def near_duplicates(texts: Sequence[str], similarity: float, least_chars: int) -> NDArray[np.int64]:
    """Return a group number for every text; texts of a group are linked by pairs at least so similar.

    Args:
        texts: folded texts, best without exact repeats.
        similarity: Jaccard similarity of the sets of character pairs, 0 to 1.
        least_chars: shorter texts stay alone: "太慢了" is no copy of "太慢了".

    Returns:
        (texts,) int64, from 0.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = len(texts)
    groups = np.arange(size, dtype=np.int64)
    eligible = np.flatnonzero(np.fromiter((len(text) >= least_chars for text in texts), dtype=bool, count=size))
    if len(eligible) < 2:  # noqa: PLR2004 - nothing to compare with
        return groups
    signatures = _signatures([texts[place] for place in eligible.tolist()])
    for band in range(BANDS):
        first, second = _candidates(signatures[:, band * ROWS : (band + 1) * ROWS])
        apart = groups[eligible[first]] != groups[eligible[second]]
        first, second = first[apart], second[apart]
        likely = _agreement(signatures, first, second) >= similarity - _PREFILTER
        first, second = eligible[first[likely]], eligible[second[likely]]
        linked = _similarities(texts, first, second) >= similarity
        if linked.any():
            rows = np.concatenate([np.arange(size), first[linked]])
            columns = np.concatenate([groups, groups[second[linked]]])
            # a group is a node too: that of its first member
            graph = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(size, size))
            labels = connected_components(graph, directed=False)[1]
            _, lowest, inverse = np.unique(labels, return_index=True, return_inverse=True)
            groups = lowest[inverse].astype(np.int64)
    numbers: NDArray[np.int64] = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    return numbers


def shingle_hashes(texts: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the hashed character pairs of all texts and where those of each text begin, one more than there are."""
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "replace"), dtype="<u4")
    row = np.repeat(np.arange(len(texts)), lengths)
    inside = row[: -(SHINGLE - 1)] == row[SHINGLE - 1 :]
    pairs = (codes[:-1].astype(np.uint64) << np.uint64(32)) | codes[1:]
    mixed = pairs * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (mixed >> np.uint64(32)).astype(np.uint32)[inside]
    starts = np.concatenate(([0], np.cumsum(np.maximum(lengths - SHINGLE + 1, 0))))
    return hashes, starts


def _signatures(texts: Sequence[str]) -> NDArray[np.uint32]:
    """Return (texts, BANDS * ROWS) smallest hashes of every text's shingles, each under another hash function."""
    generator = np.random.default_rng(20250101)
    factors = generator.integers(0, 1 << 32, size=BANDS * ROWS, dtype=np.uint32) | np.uint32(1)
    salts = generator.integers(0, 1 << 32, size=BANDS * ROWS, dtype=np.uint32)
    signatures = np.empty((len(texts), BANDS * ROWS), dtype=np.uint32)
    for start in range(0, len(texts), _SIGNED):
        hashes, starts = shingle_hashes(texts[start : start + _SIGNED])
        mixed, shifted = np.empty_like(hashes), np.empty_like(hashes)
        for column, (factor, salt) in enumerate(zip(factors, salts, strict=True)):
            np.bitwise_xor(hashes, salt, out=mixed)
            np.multiply(mixed, factor, out=mixed)
            np.right_shift(mixed, np.uint32(15), out=shifted)
            np.bitwise_xor(mixed, shifted, out=mixed)
            signatures[start : start + _SIGNED, column] = np.minimum.reduceat(mixed, starts[:-1])
    return signatures


def _candidates(band: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return every text with the first that has the same hashes in this band, and with the one before it."""
    wide = band.astype(np.uint64)
    key = (
        wide[:, 0] * np.uint64(0x9E3779B97F4A7C15)
        ^ wide[:, 1] * np.uint64(0xC2B2AE3D27D4EB4F)
        ^ wide[:, 2] * np.uint64(0x165667B19E3779F9)
    )
    # sorting hashes that end in the place of their text is much faster than sorting the places by the hashes; what the
    # shorter hashes put together by chance, the exact look takes apart
    bits = np.uint64(max(len(key) - 1, 1).bit_length())
    merged = np.sort((key >> bits << bits) | np.arange(len(key), dtype=np.uint64))
    order = (merged & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    ranked = merged >> bits
    same = np.concatenate(([False], ranked[1:] == ranked[:-1]))
    head = np.maximum.accumulate(np.where(same, 0, np.arange(len(order))))
    at = np.flatnonzero(same)
    first = np.concatenate([order[head[at]], order[at - 1]])
    second = np.concatenate([order[at], order[at]])
    return first, second


def _agreement(
    signatures: NDArray[np.uint32], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the share of equal hashes of pairs of signatures."""
    alike = np.zeros(len(first))
    for start in range(0, len(first), _PAIRS):
        part = slice(start, start + _PAIRS)
        alike[part] = (signatures[first[part]] == signatures[second[part]]).mean(axis=1)
    return alike


def _similarities(texts: Sequence[str], first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the exact Jaccard similarity of the shingle sets of pairs of texts."""
    found = np.zeros(len(first))
    for start in range(0, len(first), _PAIRS):
        left, right = first[start : start + _PAIRS], second[start : start + _PAIRS]
        used, place = np.unique(np.concatenate([left, right]), return_inverse=True)
        hashes, starts = shingle_hashes([texts[item] for item in used.tolist()])
        row = np.repeat(np.arange(len(used), dtype=np.uint64), np.diff(starts))
        keys = np.sort((row << np.uint64(32)) | hashes)
        # sets: a pair of characters counts once a text; numpy's unique hashes, which such keys make slow
        keys = keys[np.concatenate(([True], keys[1:] != keys[:-1]))]
        bounds = np.searchsorted(keys, np.arange(len(used) + 1, dtype=np.uint64) << np.uint64(32))
        sizes = np.diff(bounds)
        one, other = place[: len(left)], place[len(left) :]
        pair = np.repeat(np.arange(len(left)), sizes[one])
        within = np.arange(len(pair)) - np.repeat(np.cumsum(sizes[one]) - sizes[one], sizes[one])
        shingle = keys[bounds[one][pair] + within] & np.uint64(0xFFFFFFFF)
        wanted = (other[pair].astype(np.uint64) << np.uint64(32)) | shingle
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        both = np.bincount(pair, weights=keys[at] == wanted, minlength=len(left))
        found[start : start + _PAIRS] = both / (sizes[one] + sizes[other] - both)
    return found
