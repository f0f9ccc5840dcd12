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
        overlapping: find every word, also inside of and across others, in the order of their ends.
    """

    def __init__(self, words: Iterable[str], *, overlapping: bool = False) -> None:
        """Build the automaton."""
        self.words = tuple(words)
        kinds, makes = ahocorasick_rs.MatchKind, ahocorasick_rs.Implementation
        self._overlapping = overlapping
        self._automaton = ahocorasick_rs.AhoCorasick(
            self.words,
            matchkind=kinds.Standard if overlapping else kinds.LeftmostLongest,
            # many lists share the processor's cache where words overlap: there the smaller automaton is the faster one
            implementation=makes.ContiguousNFA if overlapping else makes.DFA,
        )

    def find(self, text: str) -> list[tuple[int, int, int]]:
        """Return (index of the word, start, end) of every word in `text`."""
        try:
            return self._automaton.find_matches_as_indexes(text, overlapping=self._overlapping)
        except UnicodeEncodeError:  # half a surrogate pair is part of no word
            text = _SURROGATE.sub("\ufffd", text)
            return self._automaton.find_matches_as_indexes(text, overlapping=self._overlapping)
