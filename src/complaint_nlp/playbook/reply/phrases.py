"""Words of a reply that hurt, and the words around them that make them harmless."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from complaint_nlp.playbook.reply.text import compile_phrases
from complaint_nlp.playbook.reply.types import ReplyRule
from complaint_nlp.text import Script

if TYPE_CHECKING:
    from complaint_nlp.playbook.reply.schema import Group, PhraseRule, ReplyCheckFile
    from complaint_nlp.playbook.reply.text import Reply
    from complaint_nlp.resources import Localized

# how many characters before a word are looked at for one that cancels it
_REACH = 6
_CAPITALS = re.compile(r"(?<![A-Za-z0-9_@.\-/])[A-Z]{2,6}(?![A-Za-z0-9_@\-/]|\.[A-Za-z0-9])")


class Hit(NamedTuple):
    """Words of ``Reply.plain`` that are a finding of a rule, and a better wording for just these."""

    rule: ReplyRule
    start: int
    end: int
    suggestion: Localized | None = None
    fill: str | None = None


class _Finder(NamedTuple):
    """One group ready to be looked for: its own and its rule's context put together."""

    rule: ReplyRule
    search: re.Pattern[str]
    suggestion: Localized | None
    before: tuple[str, ...]
    just_before: tuple[str, ...]
    after: tuple[str, ...]
    anywhere: tuple[str, ...]
    inside: tuple[str, ...]
    earlier: re.Pattern[str] | None


class PhraseFinder:
    """Finds the words of a rule file in replies."""

    def __init__(self, file: ReplyCheckFile) -> None:
        """Put the words of every group into one search."""
        self._known = frozenset(file.known_abbreviations)
        self._finders = [
            _finder(file, name, rule, group) for name, rule in file.phrases.items() for group in rule.groups
        ]

    def find(self, reply: Reply, customer_words: str) -> list[Hit]:
        """Return the hits in ``reply``; of two that overlap the longer one.

        Args:
            reply: the reply.
            customer_words: the simplified message: a word that the customer used is no jargon to them.
        """
        hits: list[Hit] = []
        for finder in self._finders:
            around = _Surroundings(finder, reply)
            hits += [
                Hit(finder.rule, match.start(), match.end(), finder.suggestion)
                for match in finder.search.finditer(reply.own)
                if not around.cancel(match.start(), match.end())
            ]
        if reply.script is not Script.OTHER:
            hits += [
                Hit(ReplyRule.JARGON, *match.span())
                for match in _CAPITALS.finditer(reply.own)
                if match.group() not in self._known
            ]
        known = customer_words.lower()
        kept = [
            hit
            for hit in hits
            if hit.rule is not ReplyRule.JARGON or reply.own[hit.start : hit.end].lower() not in known
        ]
        return without_overlaps(kept)


def without_overlaps(hits: list[Hit]) -> list[Hit]:
    """Return ``hits`` in order, of those that overlap the longer one."""
    taken: list[Hit] = []
    end = 0
    longest_first = sorted(hits, key=lambda hit: (hit.start, hit.start - hit.end))
    for hit in longest_first:
        if hit.start >= end:
            taken.append(hit)
            end = hit.end
        elif hit.end - hit.start > taken[-1].end - taken[-1].start:
            taken[-1] = hit
            end = max(end, hit.end)
    return taken


def _finder(file: ReplyCheckFile, name: ReplyRule, rule: PhraseRule, group: Group) -> _Finder:
    earlier = (*rule.unless_earlier, *group.unless_earlier)
    return _Finder(
        name,
        compile_phrases(file.expanded(group.words)),
        group.suggestion,
        (*rule.unless_before, *group.unless_before),
        (*rule.unless_just_before, *group.unless_just_before),
        (*rule.unless_after, *group.unless_after),
        (*rule.unless, *group.unless),
        (*rule.unless_inside, *group.unless_inside),
        compile_phrases(file.expanded(earlier)) if earlier else None,
    )


class _Surroundings:
    """Decides whether the words around a match make it harmless; what is asked twice is looked for once."""

    def __init__(self, finder: _Finder, reply: Reply) -> None:
        self._finder, self._reply = finder, reply
        self._sentences: dict[tuple[int, int], bool] = {}
        self._first_earlier: int | None = None

    def cancel(self, start: int, end: int) -> bool:
        """Return whether the match at [start, end) is harmless."""
        finder, text = self._finder, self._reply.own
        if text.startswith(finder.after, end) or any(text.find(word, start, end) >= 0 for word in finder.inside):
            return True
        left = self._reply.clause_start(start)
        if text.endswith(finder.just_before, left, start):
            return True
        before = text[max(left, start - _REACH) : start]
        if any(word in before for word in finder.before):
            return True
        if finder.earlier is not None:
            if self._first_earlier is None:
                match = finder.earlier.search(text)
                self._first_earlier = match.start() if match else len(text)
            if self._first_earlier < start:
                return True
        sentence = self._reply.sentence_at(start)
        if sentence not in self._sentences:
            self._sentences[sentence] = self._sentence_cancels(*sentence)
        return self._sentences[sentence]

    def _sentence_cancels(self, first: int, last: int) -> bool:
        sentence = self._reply.own[first:last]
        if any(word in sentence for word in self._finder.anywhere):
            return True
        is_vague = self._finder.rule is ReplyRule.VAGUE_TIME
        return is_vague and any(first <= start < last for start, _ in self._reply.times)
