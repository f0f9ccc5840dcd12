"""Word lists as patterns and finders."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from complaint_nlp.text.words import WordFinder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


LabelT = TypeVar("LabelT", bound=str)


def either(words: Iterable[str]) -> str:
    """Return a pattern for one of ``words``, the longest first.

    Words that begin alike share their beginning (电(?:话|邮)), so that a long list is no slower than a short one.
    """
    tree: dict[str, Any] = {}
    for word in sorted(set(words)):
        branch = tree
        for char in word:
            branch = branch.setdefault(char, {})
        branch[""] = {}
    return "|".join(re.escape(char) + _rest(branch) for char, branch in tree.items())


def _rest(tree: dict[str, Any]) -> str:
    """Return the pattern of what follows a beginning; where that is a word itself, what makes it longer comes first."""
    ends = [re.escape(char) + _rest(branch) for char, branch in tree.items() if char]
    if "" not in tree and len(ends) == 1:
        return ends[0]
    return f"(?:{'|'.join([*ends, ''] if '' in tree else ends)})" if ends else ""


def first_of(words: Iterable[str]) -> str:
    """Return the first characters of ``words``, as they stand in a character class."""
    return re.escape("".join(sorted({word[0] for word in words})))


class Search:
    """A slow pattern, tried only on texts that hold what is quickly looked for.

    Args:
        pattern: the pattern.
        needs: a pattern that is found in every match of it, better without a look behind.
        flags: those of both.
    """

    def __init__(self, pattern: str, needs: str, flags: int = 0) -> None:
        self._pattern, self._needs = re.compile(pattern, flags), re.compile(needs, flags)

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        """Return all matches in ``text``, from left to right."""
        return self._pattern.finditer(text) if self._needs.search(text) is not None else iter(())


class Lexicon:
    """Words with a label each, and longer words around them that mean something else.

    Args:
        words: label by word.
        others: words that are read over, so that nothing inside of them is found.
    """

    def __init__(self, words: Mapping[str, str], others: Iterable[str] = ()) -> None:
        labels: dict[str, str | None] = {**dict.fromkeys(others), **words}
        self._finder = WordFinder(sorted(labels, key=lambda word: (-len(word), word)), overlapping=True)
        self._labels = [labels[word] for word in self._finder.words]

    def find(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield start, end and label of every word of ``text``; at each place the longest one counts."""
        for index, start, end in leftmost(self._finder.find(text), text, _stands_alone):
            label = self._labels[index]
            if label is not None:
                yield start, end, label


def leftmost(
    found: list[tuple[int, int, int]], text: str, fits: Callable[[str, int, int], bool]
) -> Iterator[tuple[int, int, int]]:
    """Yield those of (index, start, end) that are read from left to right, none inside another.

    Args:
        found: what stands in the text; of what begins at the same place the lowest index comes first.
        text: the text.
        fits: whether a word may stand at (text, start, end).
    """
    last = 0
    for index, start, end in sorted(found, key=_by_start) if len(found) > 1 else found:
        if start >= last and fits(text, start, end):
            last = end
            yield index, start, end


def _by_start(found: tuple[int, int, int]) -> tuple[int, int]:
    return found[1], found[0]


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether a word in Latin letters or digits is not part of a longer one."""
    if text[start].isascii() and start and text[start - 1].isascii() and text[start - 1].isalnum():
        return False
    last = text[end - 1]
    if not last.isascii() or end == len(text) or not text[end].isascii():
        return True
    return not (last.isalpha() and text[end].isalpha()) and not (last.isdigit() and text[end].isdigit())


def by_word(groups: Mapping[LabelT, Iterable[str]]) -> dict[str, str]:
    """Return the label of every word of labelled lists."""
    return {word: label for label, words in groups.items() for word in words}
