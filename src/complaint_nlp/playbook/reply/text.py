"""A reply as the checks see it: simplified, cut into sentences, quotations taken out, with the way back."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING

from complaint_nlp.playbook.reply.schema import GAP, alternatives
from complaint_nlp.playbook.reply.time import times
from complaint_nlp.text import Normalizer, NormalizerConfig, Script
from complaint_nlp.text.script import detect_script, has_simplified, leans_traditional

if TYPE_CHECKING:
    from collections.abc import Iterable

    from complaint_nlp.labels import Language
    from complaint_nlp.report import Report
    from complaint_nlp.text import NormalizedText

# the words of a region have to be seen as they were written
_AS_WRITTEN = Normalizer(NormalizerConfig(regional=False))
_SENTENCE_END = re.compile(r"[。！？!?；;\n]")
_CLAUSE_END = re.compile(r"[，,：:。！？!?；;\n]")
_QUOTED = re.compile(r"「[^「」\n]*」|『[^『』\n]*』|“[^“”\n]*”|\"[^\"\n]*\"")
_LATIN = re.compile(r"[A-Za-z0-9]")
_IN_CLAUSE = r"[^，,：:。！？!?；;\n]{0,8}?"
_IN_SENTENCE = r"[^。！？!?；;\n]{0,8}?"


@dataclass(frozen=True)
class Reply:
    """A reply and what all checks need to know of it.

    Attributes:
        message: the reply normalised, its regional words left alone.
        plain: its simplified text.
        own: the same, with blanks for what stands between quotation marks: the customer's words, not the writer's.
        original_own: the reply as written, with the same blanks.
    """

    message: NormalizedText
    plain: str
    own: str
    original_own: str

    @classmethod
    def read(cls, text: str) -> Reply:
        """Return ``text`` prepared."""
        message = _AS_WRITTEN.normalize(text)
        return cls(message, message.text, _without_quotes(message.text), _without_quotes(text))

    @cached_property
    def script(self) -> Script:
        """The script of the writer's own words; with no character that tells, the whole reply decides."""
        own = detect_script(self.original_own)
        if own is Script.OTHER or (own is Script.SIMPLIFIED and not has_simplified(self.original_own)):
            return self.message.script
        return own

    @cached_property
    def _sentence_starts(self) -> list[int]:
        return [0, *(match.end() for match in _SENTENCE_END.finditer(self.own))]

    @cached_property
    def _clause_starts(self) -> list[int]:
        return [0, *(match.end() for match in _CLAUSE_END.finditer(self.own))]

    @cached_property
    def sentences(self) -> tuple[tuple[int, int], ...]:
        """The (start, end) of every sentence of ``own``, its closing mark included."""
        starts = self._sentence_starts
        return tuple(zip(starts, [*starts[1:], len(self.own)], strict=True))

    def sentence_at(self, place: int) -> tuple[int, int]:
        """Return the (start, end) of the sentence that holds ``place``."""
        return self.sentences[bisect_right(self._sentence_starts, place) - 1]

    def clause_start(self, place: int) -> int:
        """Return where the clause begins that holds ``place``."""
        return self._clause_starts[bisect_right(self._clause_starts, place) - 1]

    @cached_property
    def times(self) -> tuple[tuple[int, int], ...]:
        """The (start, end) in ``own`` of the times by which or at which something will be done."""
        return tuple(
            (first + start, first + end) for first, last in self.sentences for start, end in times(self.own[first:last])
        )

    def in_plain(self, start: int, end: int) -> tuple[int, int]:
        """Return where the characters [start, end) of the reply as written stand in ``plain``."""
        spans = self.message.spans
        return bisect_left(spans, start, key=itemgetter(0)), bisect_right(spans, end, key=itemgetter(1))

    def language(self, report: Report | None) -> Language:
        """Return the language of the reply's script; the message's where the reply shows none."""
        if self.script is Script.TRADITIONAL:
            return "zh-Hant"
        if self.script is Script.MIXED:
            return "zh-Hant" if leans_traditional(self.original_own) else "zh-Hans"
        if self.script is Script.SIMPLIFIED and has_simplified(self.original_own):
            return "zh-Hans"
        wanted = customer_script(report)
        if wanted is None:
            return "zh-Hans" if self.script is Script.SIMPLIFIED else "zh-Hant"
        return "zh-Hant" if wanted is Script.TRADITIONAL else "zh-Hans"


def customer_script(report: Report | None) -> Script | None:
    """Return the one script the customer wrote in; ``None`` when there is no telling."""
    if report is None or report.script not in (Script.TRADITIONAL, Script.SIMPLIFIED):
        return None
    # "simplified" is also said of texts whose characters both scripts share
    if report.script == Script.SIMPLIFIED and not has_simplified(report.text):
        return None
    return Script(report.script)


def compile_phrases(words: Iterable[str]) -> re.Pattern[str]:
    """Return the search for any of ``words``, the longest first, their gaps filled by a few characters."""
    ordered = sorted(set(words), key=lambda word: (-len(alternatives(word)[1]), word))
    return re.compile("|".join(_phrase(word) for word in ordered), re.IGNORECASE)


def _phrase(word: str) -> str:
    pieces = [_IN_CLAUSE.join(map(_choices, part.split(GAP))) for part in word.split(GAP * 2)]
    pattern = _IN_SENTENCE.join(pieces)
    # Latin words stand alone: no QA inside QA-1207, no log inside blog
    if _LATIN.match(word):
        pattern = r"(?<![A-Za-z0-9_@.\-/])" + pattern
    if _LATIN.match(word[-1]):
        pattern += r"(?![A-Za-z0-9_@\-/]|\.[A-Za-z0-9])"
    return pattern


def _choices(part: str) -> str:
    """Return the pattern of words with alternatives, the longest first."""
    pieces = []
    for index, piece in enumerate(re.split(r"[()]", part)):
        options = sorted(piece.split("|"), key=len, reverse=True) if index % 2 else [piece]
        pattern = "|".join(map(re.escape, options))
        pieces.append(f"(?:{pattern})" if index % 2 else pattern)
    return "".join(pieces)


def _without_quotes(text: str) -> str:
    return _QUOTED.sub(lambda match: match.group()[0] + " " * (len(match.group()) - 2) + match.group()[-1], text)
