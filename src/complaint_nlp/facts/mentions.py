"""What a message mentions beside numbers and times: things, places, people, earlier contacts, threats, channels."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from complaint_nlp.facts.mention_names import (
    Mention,
    OrganisationFinder,
    PlaceFinder,
    ProductFinder,
    StaffFinder,
    without_overlaps,
)
from complaint_nlp.facts.mention_words import MentionsFile, default_mentions
from complaint_nlp.facts.numbers import parse_number
from complaint_nlp.facts.types import Fact, FactKind
from complaint_nlp.facts.words import Lexicon, Search, by_word, either

if TYPE_CHECKING:
    from collections.abc import Iterator

    from complaint_nlp.text import NormalizedText

_CLAUSE_END = re.compile(r"[。！？!?；;，,\n…]")
_COUNT = r"[\d零一二两三四五六七八九十百]{1,5}"
# how far from a word that is a threat only when something is going to be done the words that say so may stand
_WILL_REACH = 12
_AFTER_REACH = 6


def find_mentions(message: NormalizedText) -> list[Fact]:
    """Return what ``message`` mentions, in its order.

    Facts of one kind do not overlap; facts of two kinds may ("信义店店员" is a place and a person). Values: products,
    places and organisations in simplified characters; staff by role, or by number with ``details["badge"]``; prior
    contacts as a number or ``+``; the kinds of threats, vulnerable persons and channels as
    :mod:`complaint_nlp.facts.types` and the tables name them.
    """
    text = message.text
    facts: list[Fact] = []
    ends: dict[FactKind, int] = {}
    for mention in sorted(_default_finder().find(text), key=lambda one: (one.start, -one.end, one.kind)):
        start, end = message.to_original(mention.start, mention.end)
        if start < ends.get(mention.kind, 0):  # a regional word that stands for two
            continue
        ends[mention.kind] = end
        facts.append(Fact(mention.kind, start, end, message.original[start:end], mention.value, mention.details))
    return facts


@cache
def _default_finder() -> _Finder:
    return _Finder(default_mentions())


class _Finder:
    """Finds all kinds of mentions.

    Args:
        file: the tables.
    """

    def __init__(self, file: MentionsFile) -> None:
        self._products, self._places = ProductFinder(file), PlaceFinder(file)
        self._organisations, self._staff = OrganisationFinder(file), StaffFinder(file)
        self._contacts = _ContactFinder(file)
        self._threats = _ThreatFinder(file)
        self._persons = _PersonFinder(file)
        self._channels = Lexicon(by_word(file.channels), file.not_channels)

    def find(self, text: str) -> Iterator[Mention]:
        organisations = self._organisations.find(text)
        brands = [mention for mention in organisations if "brand" in mention.details]
        yield from organisations
        for mention in [*self._products.find(text), *self._places.find(text)]:
            # 台北富邦 is no place, 苹果公司 no fruit
            if not any(brand.start <= mention.start and mention.end <= brand.end for brand in brands):
                yield mention
        yield from self._staff.find(text)
        yield from self._contacts.find(text)
        yield from self._threats.find(text)
        yield from self._persons.find(text)
        for start, end, channel in self._channels.find(text):
            yield Mention(FactKind.CHANNEL, start, end, channel, {})


class _ContactFinder:
    """Finds how often the customer turned to the organisation before."""

    def __init__(self, file: MentionsFile) -> None:
        verb, measure = either(file.contact_verbs), either(file.contact_measures)
        several, thing = either(file.several), either(file.contact_objects)
        self._others = re.compile(either(file.not_contacts))
        who = r"(?:你们|贵公司|客服|店家|商家|物业|卖家|厂家|他们)?"
        number = rf"(?:(?P<n>{_COUNT})(?P<more>几|多)?|(?P<some>{several}))"
        after = either(file.not_after_contact)
        times = "[次度番通]"
        self._patterns = [
            Search(
                rf"第\s?(?P<n>{_COUNT})\s?(?:次|遍|回|通)(?:了)?(?:来|去|跟|向|给|再|为此|因此)?{who}(?:进行)?(?P<verb>{verb})",
                "第",
            ),
            Search(
                rf"(?P<verb>{verb})(?:过|了|咗|左|过了|已经)?{who}\s?(?:都|有|不下)?{number}\s?(?P<m>{measure})(?P<thing>{thing})?(?!{after})",
                measure,
            ),
            Search(
                rf"(?P<verb>{verb})(?:你们的?|贵公司的?)?(?:{thing})(?:都|已经)?(?:打|联系)?(?:过|了|咗|左)?\s?{number}\s?(?:{measure})(?!{after})",
                measure,
            ),
            Search(
                rf"(?<!第){number}\s?{times}(?:的)?(?:来|去|跟|向|给|打)?{who}(?P<verb>{verb})(?P<thing>{thing})?(?!{after})",
                times,
            ),
            Search(either(file.contacted), ""),
        ]
        self._needs_thing = frozenset(file.measures_with_object)
        self._weak = frozenset(file.weak_verbs)

    def find(self, text: str) -> list[Mention]:
        others = [match.span() for match in self._others.finditer(text)]
        found = []
        for pattern in self._patterns:
            for match in pattern.finditer(text):
                inside = any(start < match.end() and match.start() < end for start, end in others)
                value = None if inside else self._count(match)
                if value is not None:
                    found.append(Mention(FactKind.PRIOR_CONTACT, *match.span(), value, {}))
        return without_overlaps(found)

    def _count(self, match: re.Match[str]) -> str | None:
        groups = match.groupdict()
        if "verb" not in groups:
            return "1"
        counted = "m" in groups
        if groups.get("m") in self._needs_thing and not groups.get("thing"):
            return None
        weak = match["verb"] in self._weak
        if weak and not counted and not groups.get("thing") and not match.group().startswith("第"):
            return None
        if groups.get("some") or groups.get("more"):
            return "+"
        number = parse_number(groups.get("n") or "")
        if number is None and len(groups.get("n") or "") > 1:  # 七八次
            return "+"
        if not number or (number == 1 and (weak or match.group().startswith("第"))):
            return None
        return str(int(number))


class _ThreatFinder:
    """Finds whom the customer is going to turn to."""

    def __init__(self, file: MentionsFile) -> None:
        self._words = Lexicon(by_word(file.threats), file.not_threats)
        self._needs_will = frozenset(file.threat_needs_will)
        self._acts = frozenset(file.threat_acts)
        self._will, self._will_to_act = re.compile(either(file.will)), re.compile(either(file.will_to_act))
        self._denied = tuple(file.will_not)

    def find(self, text: str) -> list[Mention]:
        found = []
        for start, end, threat in self._words.find(text):
            before = _CLAUSE_END.split(text[max(0, start - _WILL_REACH) : start])[-1]
            after = _CLAUSE_END.split(text[end : end + _AFTER_REACH], maxsplit=1)[0]
            if before.endswith(self._denied) or (text[end : end + 1] == "年" and text[start:end].isdigit()):
                continue
            word = text[start:end]
            if self._is_meant(word, before, after):
                found.append(Mention(FactKind.THREAT, start, end, threat, {}))
        return found

    def _is_meant(self, word: str, before: str, after: str) -> bool:
        if word in self._acts:
            return self._will_to_act.search(before) is not None
        return word not in self._needs_will or self._will.search(f"{before}|{after}") is not None


class _PersonFinder:
    """Finds persons who need protection."""

    def __init__(self, file: MentionsFile) -> None:
        self._file = file
        self._words = Lexicon(by_word(file.vulnerable), file.not_vulnerable)
        self._age = Search(
            rf"(?<![\d第])(?P<n>{_COUNT})(?P<more>几|多)?\s?岁(?:多|半)?(?!{either(file.not_age_after)})", "岁"
        )

    def find(self, text: str) -> list[Mention]:
        found = [Mention(FactKind.VULNERABLE, start, end, kind, {}) for start, end, kind in self._words.find(text)]
        for match in self._age.finditer(text):
            age = parse_number(match["n"])
            if age is None or (match["n"] == "三" and text.startswith("小孩", match.end())):  # 骗三岁小孩
                continue
            kind = "child" if age <= self._file.child_until else "elderly" if age >= self._file.elderly_from else None
            if kind is not None:
                found.append(Mention(FactKind.VULNERABLE, *match.span(), kind, {"age": str(int(age))}))
        return without_overlaps(found)
