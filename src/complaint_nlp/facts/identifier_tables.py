"""The tables behind `find_identifiers`, read from YAML, and the searches built of them."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field, StringConstraints, model_validator

from complaint_nlp.facts.types import FactKind
from complaint_nlp.facts.words import leftmost
from complaint_nlp.resources import Strict, Text, WrongEntry, builtin, load_yaml
from complaint_nlp.text.words import WordFinder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["Cue", "CueFinder", "Found", "IdentifierFile", "Tables", "alternation", "load_tables", "tables"]

Digits = Annotated[str, StringConstraints(pattern=r"^[0-9]+$")]
Prefix = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]+$")]
Words = Annotated[tuple[Text, ...], Field(min_length=1)]
Lengths = Annotated[tuple[Annotated[int, Field(ge=1, le=30)], ...], Field(min_length=1)]


class CueWords(Strict):
    """Words for a number itself, for the thing it belongs to, and for what is spoken of where it matters."""

    names: Words
    things: tuple[Text, ...] = ()
    topics: tuple[Text, ...] = ()


class Cues(Strict):
    """The words of every kind; ``other`` are numbers that are none of ours."""

    order: CueWords
    case: CueWords
    tracking: CueWords
    account: CueWords
    phone: CueWords
    email: CueWords
    id_number: CueWords
    bank_card: CueWords
    plate: CueWords
    other: CueWords

    @model_validator(mode="after")
    def _once(self) -> Cues:
        seen: dict[str, str] = {}
        for kind in type(self).model_fields:
            words: CueWords = getattr(self, kind)
            for section in ("names", "things", "topics"):
                for place, word in enumerate(getattr(words, section)):
                    if word.lower() in seen:
                        raise WrongEntry((kind, section, place), f"{word!r} stands already in {seen[word.lower()]}")
                    seen[word.lower()] = f"{kind}.{section}"
        return self


class Landline(Strict):
    """An area code (x: any digit) and how many digits follow it."""

    region: Literal["TW", "CN"]
    code: Annotated[str, StringConstraints(pattern=r"^0[0-9x]{1,3}$")]
    digits: Lengths


class Hotline(Strict):
    """The first digits of a hotline and its length as a whole."""

    region: Literal["TW", "CN"]
    prefix: Digits
    digits: Annotated[int, Field(ge=7, le=12)]


class Phones(Strict):
    """What phone numbers are made of."""

    landlines: Annotated[tuple[Landline, ...], Field(min_length=1)]
    hotlines: tuple[Hotline, ...]
    extensions: Words


class Plates(Strict):
    """What mainland plates begin and may end with."""

    provinces: Text
    endings: Text


class Prefixed(Strict):
    """First characters of a number and how many digits it may have: as a whole for cards, after them for parcels."""

    prefix: Prefix
    digits: Lengths


class IdentifierFile(Strict):
    """The schema of the file."""

    version: Literal[1]
    cues: Cues
    generic: Words
    tails: Words
    tail_owners: dict[FactKind, Words]
    links: Words
    back_links: Words
    units: Words
    phones: Phones
    plates: Plates
    cards: Annotated[tuple[Prefixed, ...], Field(min_length=1)]
    carriers: tuple[Prefixed, ...]
    provinces_of_ids: Annotated[tuple[Digits, ...], Field(min_length=1)]


class Cue(NamedTuple):
    """What a word tells of the number beside it: `kind` None is a number of none of our kinds."""

    kind: FactKind | None
    is_name: bool = True
    is_topic: bool = False
    is_generic: bool = False
    is_tail: bool = False


class CueFinder:
    """Finds the words of cues in any case, with or without the spaces in them; Latin ones not inside others.

    Args:
        words: the words.
        cues: what each tells, by the word in small letters without spaces.
    """

    def __init__(self, words: Iterable[str], cues: dict[str, Cue]) -> None:
        ordered = sorted(set(words), key=lambda word: (-len(word), word))
        forms = dict.fromkeys(_folded(form) for word in ordered for form in _spaced(word))
        self._finder = WordFinder(forms, overlapping=True)
        self._cues = [cues[_key(form)] for form in forms]

    def find(self, text: str) -> Iterator[tuple[int, int, Cue]]:
        """Yield start, end and cue of every word of ``text``, from left to right; at each place the longest one."""
        folded = _folded(text)
        for index, start, end in leftmost(self._finder.find(folded), folded, _is_bounded):
            yield start, end, self._cues[index]


def _folded(text: str) -> str:
    """Return ``text`` in small letters, position by position: also those that regular expressions take for i and s."""
    return text.replace("İ", "i").lower().replace("ı", "i").replace("ſ", "s")


def _spaced(word: str) -> list[str]:
    """Return the forms of a word of which any space may be left out."""
    first, *rest = word.split(" ")
    forms = [first]
    for part in rest:
        forms = [form + space + part for form in forms for space in (" ", "")]
    return forms


def _is_bounded(text: str, start: int, end: int) -> bool:
    """Whether a Latin word is not part of a longer one."""
    return not (_is_letters(text[start - 1 : start + 1]) or _is_letters(text[end - 1 : end + 1]))


def _is_letters(two: str) -> bool:
    """Whether these are two Latin letters; at the ends of a text there is but one character."""
    return len(two) > 1 and "a" <= two[0] <= "z" and "a" <= two[1] <= "z"


class Found(NamedTuple):
    """A range of the searched text and what it is; of two that overlap the one of lower `rank` stays.

    `kind` None keeps the range from being anything.
    """

    rank: int
    start: int
    end: int
    kind: FactKind | None
    value: str
    details: dict[str, str]


class Tables(NamedTuple):
    """The file and what is searched for with it."""

    file: IdentifierFile
    cues: dict[str, Cue]
    finder: CueFinder
    link: re.Pattern[str]
    back_link: re.Pattern[str]
    unit: re.Pattern[str]
    landlines: tuple[tuple[re.Pattern[str], Landline], ...]


def alternation(words: tuple[str, ...] | list[str]) -> str:
    """Return a pattern of these words, the longest first; Latin words are not found inside others."""
    return "|".join(_bounded(word) for word in sorted(set(words), key=lambda word: (-len(word), word)))


def _bounded(word: str) -> str:
    before = "(?<![A-Za-z])" if re.match("[A-Za-z]", word) else ""
    after = "(?![A-Za-z])" if re.search("[A-Za-z]$", word) else ""
    return before + re.escape(word).replace("\\ ", " ?") + after


def load_tables(path: str | Path) -> Tables:
    """Return the tables of a file.

    Raises:
        ConfigError: the file is wrong; the message names its line and key.
    """
    file = load_yaml(path, IdentifierFile)
    cues = {_key(word): Cue(None, is_generic=True) for word in file.generic}
    cues |= {_key(word): Cue(None, is_tail=True) for word in file.tails}
    spoken = [*file.generic, *file.tails]
    for name in Cues.model_fields:
        kind = None if name == "other" else FactKind(name)
        words: CueWords = getattr(file.cues, name)
        cues |= {_key(word): Cue(kind) for word in words.names}
        cues |= {_key(word): Cue(kind, is_name=False) for word in words.things}
        cues |= {_key(word): Cue(kind, is_name=False, is_topic=True) for word in words.topics}
        spoken += [*words.names, *words.things, *words.topics]
    return Tables(
        file,
        cues,
        CueFinder(spoken, cues),
        # possessive: a link is never looked at in a second way
        re.compile(rf"(?i:[ .\n:：=#()（【\[「『\"“'，,。]|{alternation(file.links)}){{0,8}}+"),
        re.compile(rf"(?:[ )）」』】\"”'，,]|{alternation(file.back_links)}){{0,4}}+"),
        re.compile(rf" ?(?:{'|'.join(re.escape(unit) for unit in file.units)})(?!号码)"),
        tuple((re.compile(line.code.replace("x", "[0-9]")), line) for line in file.phones.landlines),
    )


def _key(word: str) -> str:
    return word.lower().replace(" ", "")


@cache
def tables() -> Tables:
    """Return the tables that come with the package."""
    return load_tables(builtin("facts/identifiers.yaml"))
