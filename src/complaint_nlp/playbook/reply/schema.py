"""The schema of the file that says what a reply is checked for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from complaint_nlp.labels import Emotion, Intent
from complaint_nlp.playbook.reply.types import ReplyRule, Severity
from complaint_nlp.resources import Localized, Strict, Text, WrongEntry
from complaint_nlp.text.resources import script_chars

if TYPE_CHECKING:
    from collections.abc import Iterable

Element = Literal["apology", "feeling", "matter", "next_step", "time", "thanks", "contact", "answer"]
ELEMENTS: tuple[Element, ...] = ("apology", "feeling", "matter", "next_step", "time", "thanks", "contact", "answer")
# the matter is found by comparing words, not by a list
WORDED: tuple[Element, ...] = tuple(element for element in ELEMENTS if element != "matter")
Slot = Literal["order", "date", "place", "amount", "phone"]
SLOTS: tuple[Slot, ...] = ("order", "date", "place", "amount", "phone")
PHRASE_RULES: tuple[ReplyRule, ...] = (
    ReplyRule.FLAT_NEGATIVE,
    ReplyRule.BLAME,
    ReplyRule.DEFENCE,
    ReplyRule.CANNED,
    ReplyRule.JARGON,
    ReplyRule.VAGUE_TIME,
    ReplyRule.OVER_PROMISE,
    ReplyRule.FAULT_ADMITTED,
    ReplyRule.INFORMAL_YOU,
)

GAP = "…"
# left alone by the conversion
_STAY = frozenset("妳")
_CHOICE = re.compile(r"\(([^()]*)\)")
_CLASS = re.compile(r"<([a-z_]+)(\??)>")
_PIECE = r"(?:[^()|…<>]|<[a-z_]+\??>|\((?:[^()|…<>]*\|)+[^()|…<>]*\))+"
_PHRASE = re.compile(rf"{_PIECE}(?:…{{1,2}}{_PIECE})*")


def _simplified(word: str) -> str:
    # replies are simplified before they are matched: such a word would never be found
    foreign = script_chars().traditional.intersection(word) - _STAY
    if foreign:
        msg = f"{word!r}: words are written in simplified characters, {', '.join(sorted(foreign))} is not one"
        raise ValueError(msg)
    return word


def _well_formed(phrase: str) -> str:
    if not _PHRASE.fullmatch(phrase):
        msg = f"{phrase!r}: a gap (…) needs words on both sides, alternatives are written (a|b), classes <name>"
        raise ValueError(msg)
    if not alternatives(_CLASS.sub(lambda match: "" if match[2] else match[1], phrase))[0].replace(GAP, ""):
        msg = f"{phrase!r}: no word is left when every alternative is empty"
        raise ValueError(msg)
    return phrase


def alternatives(phrase: str) -> tuple[str, str]:
    """Return the shortest and the longest wording of ``phrase``, gaps left in."""

    def shortest(match: re.Match[str]) -> str:
        return min(match.group(1).split("|"), key=len)

    def longest(match: re.Match[str]) -> str:
        return max(match.group(1).split("|"), key=len)

    return _CHOICE.sub(shortest, phrase), _CHOICE.sub(longest, phrase)


def _plain(word: str) -> str:
    if re.search(r"[()|…<>]", word):
        msg = f"{word!r}: a class holds plain words, without gaps, alternatives or other classes"
        raise ValueError(msg)
    return word


Word = Annotated[Text, AfterValidator(_simplified)]
Phrase = Annotated[Word, AfterValidator(_well_formed)]
Phrases = Annotated[tuple[Phrase, ...], Field(min_length=1)]
ClassName = Annotated[str, Field(pattern=r"^[a-z_]+$")]
ClassWords = Annotated[tuple[Annotated[Word, AfterValidator(_plain)], ...], Field(min_length=1)]


class Rule(Strict):
    """What a finding of one rule means and costs.

    Attributes:
        severity: how much it matters to the customer.
        weight: points that one finding takes from the score.
        most: points that all findings of this rule take at most.
        reason: why it is a finding.
        suggestion: a better wording; groups of words may have their own.
        filled: a better wording with ``{it}``, used where the checker knows what to put there.
    """

    severity: Severity
    weight: Annotated[int, Field(ge=0, le=100)]
    most: Annotated[int, Field(ge=0, le=100)]
    reason: Localized
    suggestion: Localized
    filled: Localized | None = None


class Context(Strict):
    """Words around a match that cancel it; what each means stands in the file."""

    unless_before: tuple[Word, ...] = ()
    unless_just_before: tuple[Word, ...] = ()
    unless_after: tuple[Word, ...] = ()
    unless: tuple[Word, ...] = ()
    unless_earlier: tuple[Phrase, ...] = ()
    unless_inside: tuple[Word, ...] = ()


class Group(Context):
    """Words that are findings for one reason, and what to say instead."""

    words: Phrases
    suggestion: Localized | None = None


class PhraseRule(Context):
    """The words of one rule; its own context holds for every group."""

    groups: Annotated[tuple[Group, ...], Field(min_length=1)]


class ElementWords(Strict):
    """Words that show that an element is there."""

    canned_counts: bool
    unless_just_before: tuple[Word, ...] = ()
    unless_after: tuple[Word, ...] = ()
    words: Phrases


class NotRequired(Strict):
    """Elements that are not asked for in certain cases."""

    emotion: dict[Emotion, tuple[Element, ...]]
    asks_nothing: tuple[Element, ...]


class RegionalWord(Strict):
    """A word (simplified) and what is said instead in the regions where it is not used, in their script."""

    word: Annotated[str, Field(min_length=2), AfterValidator(_simplified)]
    tw: Text | None = Field(default=None, alias="TW")
    hk: Text | None = Field(default=None, alias="HK")
    cn: Text | None = Field(default=None, alias="CN")

    @model_validator(mode="after")
    def _somewhere(self) -> RegionalWord:
        if self.tw is None and self.hk is None and self.cn is None:
            raise WrongEntry(("word",), "no region (TW, HK, CN) is given in which another word is used")
        return self


class ReplyCheckFile(Strict):
    """The schema of the whole file."""

    version: Literal[1]
    rules: dict[ReplyRule, Rule]
    classes: dict[ClassName, ClassWords]
    phrases: dict[ReplyRule, PhraseRule]
    known_abbreviations: tuple[Annotated[str, Field(pattern=r"^[A-Z]{2,6}$")], ...]
    elements: dict[Element, ElementWords]
    required: dict[Intent, tuple[Element, ...]]
    not_required: NotRequired
    feelings: dict[Emotion, Localized]
    common_words: tuple[Word, ...]
    common_chars: Word
    asks: Phrases
    asks_not: tuple[Word, ...]
    slots: dict[Slot, tuple[Word, ...]]
    slot_names: dict[Slot, Localized]
    regional: tuple[RegionalWord, ...]
    regional_keep: tuple[Word, ...]
    understood: tuple[Word, ...]

    @model_validator(mode="after")
    def _complete(self) -> ReplyCheckFile:
        sections: tuple[tuple[str, dict[Any, Any], Iterable[str]], ...] = (
            ("rules", self.rules, ReplyRule),
            ("phrases", self.phrases, PHRASE_RULES),
            ("elements", self.elements, WORDED),
            ("required", self.required, Intent),
            ("feelings", self.feelings, Emotion),
            ("slots", self.slots, SLOTS),
            ("slot_names", self.slot_names, SLOTS),
        )
        for name, section, values in sections:
            for value in values:
                if value not in section:
                    raise WrongEntry((name,), f"{str(value)!r} is missing")
        for rule in self.phrases:
            if rule not in PHRASE_RULES:
                raise WrongEntry(("phrases", rule), "is no rule that is found by words")
        if "matter" in self.elements:
            raise WrongEntry(("elements", "matter"), "is found by comparing words, not by a list")
        self._check_variables()
        self._check_classes()
        self._check_regional()
        return self

    def expanded(self, phrases: Iterable[str]) -> tuple[str, ...]:
        """Return ``phrases`` with the words of every class they name written out as alternatives."""
        return tuple(
            _CLASS.sub(lambda match: f"({'|'.join(self.classes[match[1]])}{'|' if match[2] else ''})", phrase)
            for phrase in phrases
        )

    def _check_classes(self) -> None:
        places: list[tuple[tuple[str | int, ...], tuple[str, ...]]] = [(("asks",), self.asks)]
        for element, words in self.elements.items():
            places.append((("elements", element, "words"), words.words))
        for name, rule in self.phrases.items():
            places.append((("phrases", name, "unless_earlier"), rule.unless_earlier))
            for index, group in enumerate(rule.groups):
                places.append((("phrases", name, "groups", index, "words"), group.words))
                places.append((("phrases", name, "groups", index, "unless_earlier"), group.unless_earlier))
        for place, phrases in places:
            for phrase in phrases:
                for match in _CLASS.finditer(phrase):
                    if match[1] not in self.classes:
                        raise WrongEntry(place, f"{phrase!r}: there is no class {match[1]!r}")

    def _check_variables(self) -> None:
        for name, rule in self.rules.items():
            wordings = [("suggestion", rule.suggestion, 0), ("reason", rule.reason, 0)]
            if rule.filled is not None:
                wordings.append(("filled", rule.filled, 1))
            for key, wording, wanted in wordings:
                for language, text in (("zh-Hant", wording.hant), ("zh-Hans", wording.hans)):
                    rest = text.replace("{it}", "")
                    if text.count("{it}") != wanted or "{" in rest or "}" in rest:
                        what = "exactly one {it} belongs here" if wanted else "no variables here"
                        raise WrongEntry(("rules", name, key, language), what)

    def _check_regional(self) -> None:
        seen: set[str] = set()
        for index, entry in enumerate(self.regional):
            if entry.word in seen:
                raise WrongEntry(("regional", index, "word"), f"{entry.word!r} stands here a second time")
            seen.add(entry.word)
