"""Whose interest was hurt and what followed, read from the words of the message."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING

from complaint_nlp.playbook.strategy.plan import Consequence, Impact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from complaint_nlp.labels import Language
    from complaint_nlp.playbook.strategy.schema import ConsequenceEntry, ImpactFile
    from complaint_nlp.playbook.strategy.when import Interest

_SENTENCE = re.compile(r"[^。！？!?；;\n]+")
# a message is a few hundred characters; what lies behind these is not read
_MAX_CHARS = 20_000
_MAX_HITS = 20

_Spans = tuple[tuple[int, int], ...]


class ImpactReader:
    """Finds what a message tells about the consequences.

    Args:
        file: the words and wordings.
    """

    def __init__(self, file: ImpactFile) -> None:
        self.file = file

    def read(self, text: str, language: Language) -> Impact:
        """Return the impact told by ``text`` (simplified characters); the person's own where nothing else is said."""
        text = text[:_MAX_CHARS]
        sentences = [match.span() for match in _SENTENCE.finditer(text)]
        found: list[tuple[str, ConsequenceEntry, _Spans]] = []
        for name, entry in self.file.consequences.items():
            if not all(any(word in text for word in group) for group in entry.groups):
                continue
            spans = next(filter(None, (self._spans(entry, text, *sentence) for sentence in sentences)), None)
            if spans:
                found.append((name, entry, spans))
        stands_for_others = any(entry.interest == "organisation" for _, entry, _ in found)
        interest: Interest = "organisation" if stands_for_others or self._for_organisation(text) else "own"
        return Impact(
            interest,
            self.file.interests[interest].name.get(language),
            self.file.interests[interest].advice.get(language),
            tuple(
                Consequence(name, entry.name.get(language), entry.soften.get(language), spans)
                for name, entry, spans in found
            ),
        )

    def _for_organisation(self, text: str) -> bool:
        for words in self.file.not_organisation_words:
            text = text.replace(words, "\n")
        return any(word in text for word in self.file.organisation_words)

    def _spans(self, entry: ConsequenceEntry, text: str, start: int, end: int) -> _Spans:
        """Return one word of every group in the sentence from ``start`` to ``end``, close together; else nothing."""
        groups = [self._hits(group, text, start, end) for group in entry.groups]
        if not all(groups) or any(text.find(word, start, end) >= 0 for word in entry.unless):
            return ()
        for chosen in product(*groups):
            covered = sum(right - left for left, right in chosen)
            if max(right for _, right in chosen) - min(left for left, _ in chosen) - covered <= entry.within:
                return tuple(sorted(chosen))
        return ()

    def _hits(self, words: Sequence[str], text: str, start: int, end: int) -> list[tuple[int, int]]:
        """Return where the words stand, those right behind a negation left out."""
        found: list[tuple[int, int]] = []
        for word in words:
            at = text.find(word, start, end)
            while at >= 0 and len(found) < _MAX_HITS:
                if not text.endswith(self.file.negations, start, at):
                    found.append((at, at + len(word)))
                at = text.find(word, at + len(word), end)
        return found
