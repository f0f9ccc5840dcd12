"""Words that came up or went between two periods."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import rjieba
from scipy import sparse

from complaint_nlp.review.wording import Verdict  # noqa: TC001 - dataclasses read annotations
from complaint_nlp.text import Normalizer
from complaint_nlp.text.chars import HAN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_HAN: Final = re.compile(f"[{HAN}]+")
_PRIOR_WORDS: Final = 500.0
"""Weight of the prior, in words: what both tables together say a word's share is."""
_LISTED: Final = 20
_MIN_MESSAGES: Final = 5
"""A word that fewer messages hold says more about them than about a period."""
_SURE: Final = 3.0
"""Standard errors from which on a listed word has changed."""
_SPLITS: Final = 60


@dataclass(frozen=True, slots=True)
class ChangedWord:
    """A word that came up or went.

    Attributes:
        word: in simplified characters.
        z: log-odds of its share of messages, new against old, in standard errors.
        before: share of messages that hold it, old, 0 to 1.
        after: the same, new.
    """

    word: str
    z: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class WordShift:
    """How the words of two tables differ.

    Attributes:
        verdict: what that means.
        unseen: share of the words of new messages that no old message holds, 0 to 1.
        unseen_expected: the same for two tables of one distribution, the mean over random splits.
        p_value: how often a random split has as large a share, by the normal distribution of splits, 0 to 1.
        risen: words that came up, the surest first.
        fallen: words that went.
    """

    verdict: Verdict
    unseen: float
    unseen_expected: float
    p_value: float
    risen: tuple[ChangedWord, ...]
    fallen: tuple[ChangedWord, ...]


def vocabulary_shift(
    old: Sequence[str],
    new: Sequence[str],
    random: np.random.Generator,
    *,
    alpha: float,
    bounds: tuple[float, float],
) -> WordShift:
    """Compare the words of two lists of messages; a message counts once for a word.

    Args:
        old: the older messages.
        new: the newer ones.
        random: draws the splits.
        alpha: level of the test.
        bounds: by how much the unseen share must exceed the expected one for ``watch``, and for ``drifted``.
    """
    from scipy.stats import norm

    words = [_words(texts) for texts in (old, new)]
    table = _table([*words[0], *words[1]])
    unseen = float(_unseen(np.arange(len(old) + len(new))[None] < len(old), table)[0])
    by_chance = _unseen(split_masks(len(old), len(new), _SPLITS, random), table)
    expected, spread = float(np.mean(by_chance)), max(float(np.std(by_chance, ddof=1)), 1e-6)
    p_value = float(norm.sf((unseen - expected) / spread))
    excess = unseen - expected
    verdict: Verdict = "stable"
    if p_value <= alpha and excess >= bounds[0]:
        verdict = "drifted" if excess >= bounds[1] else "watch"
    risen, fallen = _changed(words[0], words[1])
    return WordShift(verdict, unseen, expected, p_value, risen, fallen)


def _words(texts: Sequence[str]) -> list[frozenset[str]]:
    """Return the words of two or more Chinese characters of every message, in one script."""
    cut = rjieba.cut
    return [
        frozenset(word for word in cut(message.text, False) if len(word) > 1 and _HAN.fullmatch(word))  # noqa: FBT003
        for message in Normalizer().normalize_batch(list(texts))
    ]


def split_masks(old: int, new: int, splits: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Return (splits, old + new) 1 where a random split of both puts a message among the first ``old``."""
    one = (np.arange(old + new) < old).astype(np.float32)
    return np.array([random.permutation(one) for _ in range(splits)])


def _table(words: Sequence[frozenset[str]]) -> sparse.csr_array:
    """Return (messages, words) 1 where a message holds a word."""
    index: dict[str, int] = {}
    columns = [index.setdefault(word, len(index)) for part in words for word in sorted(part)]
    ends = np.concatenate([[0], np.cumsum([len(part) for part in words])])
    return sparse.csr_array((np.ones(len(columns), np.float32), columns, ends), shape=(len(words), len(index)))


def _unseen(first: NDArray[Any], table: sparse.csr_array) -> NDArray[np.float64]:
    """Return (splits,) the share of the words of the second messages that none of the first holds.

    Args:
        first: (splits, messages) which messages are the first.
        table: (messages, words).
    """
    total = table.sum(axis=0)
    counts = first.astype(np.float32) @ table
    return np.asarray((total * (counts == 0)).sum(axis=1) / np.maximum((total - counts).sum(axis=1), 1.0))


def _changed(
    old: Sequence[frozenset[str]], new: Sequence[frozenset[str]]
) -> tuple[tuple[ChangedWord, ...], tuple[ChangedWord, ...]]:
    """Return words whose share of messages changed for sure, by log-odds with an informative Dirichlet prior."""
    before, after = (Counter(word for words in part for word in words) for part in (old, new))
    both = before + after
    total = max(both.total(), 1)
    sizes = max(before.total(), 1), max(after.total(), 1)
    found = []
    for word, count in both.items():
        if count < _MIN_MESSAGES:
            continue
        prior = _PRIOR_WORDS * count / total
        odds = []
        for given, size in ((before[word], sizes[0]), (after[word], sizes[1])):
            odds.append(np.log((given + prior) / (size + _PRIOR_WORDS - given - prior)))
        error = np.sqrt(1.0 / (before[word] + prior) + 1.0 / (after[word] + prior))
        z = float((odds[1] - odds[0]) / error)
        if abs(z) >= _SURE:
            found.append(ChangedWord(word, z, before[word] / max(len(old), 1), after[word] / max(len(new), 1)))
    found.sort(key=lambda one: (-abs(one.z), one.word))
    return (
        tuple(one for one in found if one.z > 0)[:_LISTED],
        tuple(one for one in found if one.z < 0)[:_LISTED],
    )
