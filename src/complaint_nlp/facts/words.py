"""Word lists as patterns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


LabelT = TypeVar("LabelT", bound=str)


def either(words: Iterable[str]) -> str:
    """Return a pattern for one of ``words``, the longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))


class Lexicon:
    """Words with a label each, and longer words around them that mean something else.

    Args:
        words: label by word.
        others: words that are read over, so that nothing inside of them is found.
    """

    def __init__(self, words: Mapping[str, str], others: Iterable[str] = ()) -> None:
        self._labels: dict[str, str | None] = {**dict.fromkeys(others), **words}
        lengths: dict[str, set[int]] = {}
        for word in self._labels:
            lengths.setdefault(word[0], set()).add(len(word))
        # a dictionary is ten times faster here than a pattern of a thousand alternatives
        self._lengths = {first: sorted(found, reverse=True) for first, found in lengths.items()}

    def find(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield start, end and label of every word of ``text``; at each place the longest one counts."""
        end = 0
        for start, first in enumerate(text):
            if start < end or first not in self._lengths:
                continue
            for length in self._lengths[first]:
                word = text[start : start + length]
                if word in self._labels and _stands_alone(word, text, start):
                    end = start + len(word)
                    label = self._labels[word]
                    if label is not None:
                        yield start, end, label
                    break


def _stands_alone(word: str, text: str, start: int) -> bool:
    """Whether a word in Latin letters or digits is not part of a longer one."""
    end = start + len(word)
    if word[0].isascii() and start and text[start - 1].isascii() and text[start - 1].isalnum():
        return False
    if not word[-1].isascii() or end == len(text) or not text[end].isascii():
        return True
    return not (word[-1].isalpha() and text[end].isalpha()) and not (word[-1].isdigit() and text[end].isdigit())


def by_word(groups: Mapping[LabelT, Iterable[str]]) -> dict[str, str]:
    """Return the label of every word of labelled lists."""
    return {word: label for label, words in groups.items() for word in words}
