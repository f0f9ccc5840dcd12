"""Rules that can raise the urgency of a message, never lower it, and name the words that made them fire.

A rule is a list of word groups: it fires where one word of every group stands close together in one sentence, unless
the words are negated, only supposed, or cancelled by an exception. Rules are plain words, no patterns: whoever runs the
complaint desk can read, check and change them, and no file can make matching slow.
"""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from complaint_nlp.labels import Subcategory, Urgency
from complaint_nlp.report import UrgencyReason
from complaint_nlp.resources import Localized, Strict, Text, builtin, load_yaml
from complaint_nlp.text.words import WordFinder

if TYPE_CHECKING:
    from pathlib import Path

    from complaint_nlp.labels import Language
    from complaint_nlp.text import NormalizedText

_SENTENCE_END = re.compile(r"[。！？!?；;\n]+")
# how many characters before a word are looked at for a negation or a supposition
_NEGATION_REACH = 4
_SUPPOSITION_REACH = 12


def _not_empty(group: tuple[Text, ...]) -> tuple[Text, ...]:
    if not group:
        msg = "a group needs at least one word"
        raise ValueError(msg)
    return group


Words = Annotated[tuple[Text, ...], AfterValidator(_not_empty)]


class SafetyRule(Strict):
    """One rule.

    Attributes:
        id: short name, shown with the result.
        level: the least urgency a message has when the rule fires.
        reason: why, for the person who handles the case.
        groups: word groups; one word of each must be there. Words are written in simplified characters.
        within: the greatest number of characters between the first and the last of these words.
        unless: words that cancel the rule when they stand in the same sentence.
        matter: the sub-kind that the words are about, if it is always the same: the case is routed and planned by it,
            also where the model saw another one or none.
        supposed_too: whether the rule also fires on something only feared or supposed ("如果", "万一").
    """

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    level: Urgency
    reason: Localized
    groups: Annotated[tuple[Words, ...], Field(min_length=1, max_length=4)]
    within: Annotated[int, Field(ge=0, le=60)] = 8
    unless: tuple[Text, ...] = ()
    matter: Subcategory | None = None
    supposed_too: bool = False


class SafetyRuleFile(Strict):
    """The schema of a rule file."""

    version: Literal[1]
    negations: tuple[Text, ...]
    suppositions: tuple[Text, ...]
    rules: tuple[SafetyRule, ...]


class SafetyRules:
    """Finds the rules that apply to a message.

    Args:
        path: a rule file; the one shipped with the package when ``None``.

    Raises:
        ConfigError: the file is wrong; the message names its line and key.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.file = load_yaml(path if path is not None else builtin("triage/safety_rules.yaml"), SafetyRuleFile)
        # one look for all first words: nearly every message is done after it
        first_words = {word for rule in self.file.rules for word in rule.groups[0]}
        self._any_first_word = WordFinder(sorted(first_words))
        self._finders = [[WordFinder(dict.fromkeys(group)) for group in rule.groups] for rule in self.file.rules]

    def find(self, message: NormalizedText, language: Language = "zh-Hant") -> tuple[UrgencyReason, ...]:
        """Return the reasons to raise the urgency of ``message``, the most urgent first."""
        text = message.text
        if not self._any_first_word.find(text):
            return ()
        reasons: list[UrgencyReason] = []
        for sentence_start, sentence in _sentences(text):
            if not self._any_first_word.find(sentence):
                continue
            for rule, finders in zip(self.file.rules, self._finders, strict=True):
                hit = self._fires(rule, finders, sentence)
                if hit is None or any(reason.rule == rule.id for reason in reasons):
                    continue
                start, end = message.to_original(sentence_start + hit[0], sentence_start + hit[1])
                words = message.original[start:end]
                reason = rule.reason.get(language)
                reasons.append(UrgencyReason(rule.id, rule.level, reason, start, end, words, rule.matter))
        return tuple(sorted(reasons, key=lambda reason: (-reason.level.rank, reason.start)))

    def _fires(self, rule: SafetyRule, finders: list[WordFinder], sentence: str) -> tuple[int, int] | None:
        """Return the range of ``sentence`` that makes ``rule`` fire."""
        found: list[list[tuple[int, int]]] = []
        for finder in finders:
            spans = [(start, end) for _, start, end in finder.find(sentence)[:20]]
            if not spans:
                return None
            found.append(spans)
        if any(word in sentence for word in rule.unless):
            return None
        for chosen in product(*found):
            start, end = min(span[0] for span in chosen), max(span[1] for span in chosen)
            covered = sum(span[1] - span[0] for span in chosen)
            if end - start - covered <= rule.within and not self._cancelled(rule, sentence, chosen):
                return start, end
        return None

    def _cancelled(self, rule: SafetyRule, sentence: str, spans: tuple[tuple[int, int], ...]) -> bool:
        """Return whether the words are negated, or only supposed: before the first, or right before any of them."""
        first = min(start for start, _ in spans)
        words = self.file.negations if rule.supposed_too else (*self.file.negations, *self.file.suppositions)
        if any(sentence.endswith(words, 0, start) for start, _ in spans):
            return True
        before = sentence[max(0, first - _NEGATION_REACH) : first]
        if any(word in before for word in self.file.negations):
            return True
        before = sentence[max(0, first - _SUPPOSITION_REACH) : first]
        return not rule.supposed_too and any(word in before for word in self.file.suppositions)


def _sentences(text: str) -> list[tuple[int, str]]:
    pieces, start = [], 0
    for match in _SENTENCE_END.finditer(text):
        pieces.append((start, text[start : match.start()]))
        start = match.end()
    pieces.append((start, text[start:]))
    return pieces
