"""Finding many words in a text at once."""

import re
from collections.abc import Iterable

import ahocorasick_rs

__all__ = ["WordFinder"]

_SURROGATE = re.compile("[\ud800-\udfff]")


class WordFinder:
    """Finds the words of a list: at each place the longest, from left to right, none inside another.

    One pass over the text whatever the length of the list (Aho and Corasick 1975). Instances may be shared between
    threads.

    Args:
        words: the words, none of them empty and none twice.
    """

    def __init__(self, words: Iterable[str]) -> None:
        """Build the automaton."""
        self.words = tuple(words)
        self._automaton = ahocorasick_rs.AhoCorasick(
            self.words,
            matchkind=ahocorasick_rs.MatchKind.LeftmostLongest,
            implementation=ahocorasick_rs.Implementation.DFA,
        )

    def find(self, text: str) -> list[tuple[int, int, int]]:
        """Return (index of the word, start, end) of every word in `text`."""
        try:
            return self._automaton.find_matches_as_indexes(text)
        except UnicodeEncodeError:  # half a surrogate pair is part of no word
            return self._automaton.find_matches_as_indexes(_SURROGATE.sub("\ufffd", text))
