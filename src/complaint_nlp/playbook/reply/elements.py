"""What a whole reply must have: regret, the feeling named, the matter, the next step, a time, thanks, a person."""

from __future__ import annotations

import re
from functools import cache, partial
from typing import TYPE_CHECKING

from complaint_nlp.labels import Emotion, Intent, Urgency
from complaint_nlp.playbook.key_words import key_words
from complaint_nlp.playbook.reply.text import compile_phrases
from complaint_nlp.playbook.reply.types import ReplyRule
from complaint_nlp.text import Normalizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from complaint_nlp.labels import Language
    from complaint_nlp.playbook.reply.phrases import Hit
    from complaint_nlp.playbook.reply.schema import Element, ElementWords, ReplyCheckFile
    from complaint_nlp.playbook.reply.text import Reply
    from complaint_nlp.report import Report

_HAN_WORD = re.compile(r"[㐀-鿿]{2,}")
_HAN = re.compile(r"[㐀-鿿]")
_LATIN_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]{2,}")
# the message is only looked through for words that a reply could say back
_MAX_MESSAGE = 5_000
# words of its own by which a reply is taken to speak of one case
_SPECIFIC = 3
# words of one character, in the message and in the reply, that name the matter together
_TELLING_CHARS = 2
_QUOTATION = re.compile(r"[「『“][^「」『』“”\n]{3,}")
# "我们会" before a canned phrase belongs to it: no next step follows
_CANNED_LEAD = re.compile(r"(?:(?:我们|我司|本公司|敝公司|公司)(?:一定)?|)(?:将会|会|将|也会)$")


class ElementCheck:
    """Tells which elements are missing from a reply."""

    def __init__(self, file: ReplyCheckFile) -> None:
        """Put the words of every element into one search."""
        self._file = file
        self._common = frozenset(file.common_words)
        self._common_chars = frozenset(file.common_chars)
        self._words = {name: compile_phrases(file.expanded(element.words)) for name, element in file.elements.items()}

    def missing(self, reply: Reply, report: Report | None, hits: Iterable[Hit]) -> list[ReplyRule]:
        """Return the rules about what is missing, in a fixed order.

        Args:
            reply: the reply.
            report: what is known of the message; a complaint is assumed without.
            hits: what was found; canned sentences are no substitute for some elements.
        """
        own = _blank(reply.plain, [_whole_canned(reply, hit) for hit in hits if hit.rule is ReplyRule.CANNED])
        special: dict[Element, Callable[[], bool]] = {
            "matter": lambda: self._names_matter(reply, own, report),
            "next_step": lambda: bool(reply.times) or self._has("next_step", own),
            "time": lambda: bool(reply.times) or self._has("time", reply.own),
            "answer": lambda: bool(reply.times) or self._has("answer", own),
        }
        missing = []
        for element in self._required(report):
            found = special.get(element) or partial(self._has_in, element, reply, own)
            if not found():
                missing.append(ReplyRule(f"missing_{element}"))
        return missing

    def words_of(self, report: Report | None) -> list[str]:
        """Return the words of the message that name its matter (simplified, mainland words), in order."""
        if report is None:
            return []
        return self._content(report.text[:_MAX_MESSAGE])

    def _content(self, written: str) -> list[str]:
        """Return the words of ``written`` that say what it is about."""
        text = _READER.normalize(written).text
        words = [word for word in _cut(text) if _HAN_WORD.fullmatch(word) and word not in self._common]
        return list(dict.fromkeys([*words, *_LATIN_WORD.findall(text)]))

    def _single_chars(self, written: str) -> set[str]:
        """Return the words of one character that say what ``written`` is about."""
        text = _READER.normalize(written[:_MAX_MESSAGE]).text
        return {word for word in _cut(text) if len(word) == 1 and _HAN.fullmatch(word)} - self._common_chars

    def _required(self, report: Report | None) -> list[Element]:
        intent = Intent.COMPLAINT
        if report is not None and report.intent.primary is not None:
            intent = report.intent.primary
        required = self._file.required[intent]
        dropped: set[Element] = set()
        if report is not None:
            emotion = report.emotion.primary
            if emotion is not None:
                dropped.update(self._file.not_required.emotion.get(emotion, ()))
            if report.urgency.primary is Urgency.LOW and not report.demands.labels:
                dropped.update(self._file.not_required.asks_nothing)
        return [element for element in required if element not in dropped]

    def _names_matter(self, reply: Reply, own: str, report: Report | None) -> bool:
        if report is None:
            # nothing to compare with: a quotation or a few words that do not fit every case
            return _QUOTATION.search(reply.plain) is not None or len(self._content(own)) >= _SPECIFIC
        words = self.words_of(report)
        said = _READER.normalize(reply.message.original).text.lower()
        if any(word.lower() in said for word in words):
            return True
        chars = self._single_chars(report.text)
        return (not words and not chars) or len(chars.intersection(said)) >= _TELLING_CHARS

    def _has_in(self, element: Element, reply: Reply, own: str) -> bool:
        return self._has(element, reply.plain if self._file.elements[element].canned_counts else own)

    def _has(self, element: Element, text: str) -> bool:
        return _found(self._file.elements[element], self._words[element], text)


def feeling_of(report: Report | None) -> Emotion | None:
    """Return the feeling that a reply should name."""
    return report.emotion.primary if report is not None else None


def matter_in(report: Report | None, words: list[str], language: Language) -> str | None:
    """Return words of the customer to say back, as they wrote them; ``None`` when there are none to be trusted."""
    if report is None:
        return None
    own = key_words(report)
    if own:
        return own[0]
    wanted = "traditional" if language == "zh-Hant" else "simplified"
    return next((word for word in words if word in report.text), None) if report.script == wanted else None


_READER = Normalizer()


@cache
def _cutter() -> Callable[[str, bool], list[str]]:
    import rjieba

    cut: Callable[[str, bool], list[str]] = rjieba.cut
    return cut


def _cut(text: str) -> list[str]:
    return _cutter()(text.encode("utf-8", "replace").decode(), False)  # noqa: FBT003 - no keyword there


def _found(element: ElementWords, search: re.Pattern[str], text: str) -> bool:
    return any(
        not text.endswith(element.unless_just_before, 0, match.start())
        and not text.startswith(element.unless_after, match.end())
        for match in search.finditer(text)
    )


def _whole_canned(reply: Reply, hit: Hit) -> tuple[int, int]:
    lead = _CANNED_LEAD.search(reply.own[max(0, hit.start - 8) : hit.start])
    return (hit.start - len(lead.group()) if lead else hit.start, hit.end)


def _blank(text: str, spans: list[tuple[int, int]]) -> str:
    """Return ``text`` with blanks at ``spans``, which are in order."""
    pieces, at = [], 0
    for start, end in spans:
        pieces += [text[at:start], " " * (end - start)]
        at = end
    return "".join([*pieces, text[at:]])
