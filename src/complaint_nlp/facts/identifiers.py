"""Numbers that name somebody or something: orders, accounts, parcels, phones, e-mail, identity, cards, plates."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING

from complaint_nlp.facts.types import Fact, FactKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from complaint_nlp.facts.identifier_tables import Found
    from complaint_nlp.text import NormalizedText

__all__ = ["IDENTIFIERS", "find_identifiers"]

IDENTIFIERS: frozenset[FactKind] = frozenset(
    {
        FactKind.ORDER,
        FactKind.CASE,
        FactKind.ACCOUNT,
        FactKind.TRACKING,
        FactKind.PHONE,
        FactKind.EMAIL,
        FactKind.ID_NUMBER,
        FactKind.BANK_CARD,
        FactKind.PLATE,
    }
)
"""The kinds that `find_identifiers` finds: all of them point at a person or a single case."""

# digits said one by one, as speech recognition writes them: 零九一二三四五六七八
_SPOKEN = re.compile("[零〇一二三四五六七八九幺]{2,}(?:[- ][零〇一二三四五六七八九幺]{2,})*")
_AS_DIGITS = str.maketrans("零〇一二三四五六七八九幺", "001234567891")
_LEAST_SPOKEN = 7
# what `mask` has put there says nothing of the numbers beside it
_PLACEHOLDER = re.compile(r"\[[^\[\]\s0-9]{2,10}\]")
_DIGIT_OR_AT = re.compile("[0-9@]")


def find_identifiers(message: NormalizedText) -> list[Fact]:
    """Return the identifiers of a message, in the order of their first characters.

    Words beside a number decide what it is (订单号, 电话), then its form and check digit, then what was spoken of
    before. No two facts share a character. ``value`` is the number without spaces and dashes, hidden characters as
    ``*``; complete phone numbers are in E.164, an extension behind ``;ext=``. ``details`` may hold ``region`` (TW, CN,
    HK, MO), ``masked`` (``yes``: the customer hid or left out a part) and ``checksum`` (``right``, ``wrong``).
    """
    text = _readable(message.text)
    if _DIGIT_OR_AT.search(text) is None and "(at)" not in text:
        return _facts(message, _user_names(text, message))
    from complaint_nlp.facts.cued import find_cued
    from complaint_nlp.facts.forms import find_forms
    from complaint_nlp.facts.phones import find_phones

    finds = chain(find_cued(text, message.region), find_forms(text), find_phones(text, message.region))
    return _facts(message, _resolved(finds, len(text)))


def _user_names(text: str, message: NormalizedText) -> list[Found]:
    """Return what a message without a digit can hold: the name of an account."""
    if not re.search("[A-Za-z]{4}", text):
        return []
    from complaint_nlp.facts.cued import find_cued

    return _resolved(find_cued(text, message.region), len(text))


def _readable(text: str) -> str:
    """Return the text to search, position by position the same: spoken digits as digits, placeholders gone."""

    def as_digits(match: re.Match[str]) -> str:
        run = match.group()
        return run.translate(_AS_DIGITS) if sum(char not in "- " for char in run) >= _LEAST_SPOKEN else run

    text = _SPOKEN.sub(as_digits, text)
    return _PLACEHOLDER.sub(lambda match: "|" * len(match.group()), text) if "[" in text else text


def _resolved(finds: Iterable[Found], length: int) -> list[Found]:
    """Return the finds that stay where several claim the same characters, in the order of the text."""
    taken = bytearray(length)
    kept: list[Found] = []
    for found in sorted(finds, key=lambda found: (found.rank, found.start - found.end, found.start)):
        if not any(taken[found.start : found.end]):
            taken[found.start : found.end] = b"\x01" * (found.end - found.start)
            kept.append(found)
    return sorted((found for found in kept if found.kind is not None), key=lambda found: found.start)


def _facts(message: NormalizedText, finds: list[Found]) -> list[Fact]:
    facts: list[Fact] = []
    for found in finds:
        if found.kind is None:
            continue
        start, end = message.to_original(found.start, found.end)
        facts.append(Fact(found.kind, start, end, message.original[start:end], found.value, found.details))
    return facts
