"""The tables behind `find_identifiers`, read from YAML, and the searches built of them."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field, StringConstraints, model_validator

from complaint_nlp.facts.types import FactKind
from complaint_nlp.resources import Strict, Text, WrongEntry, builtin, load_yaml

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Cue", "Found", "IdentifierFile", "Tables", "alternation", "load_tables", "tables"]

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
    cue: re.Pattern[str]
    link: str
    back_link: str
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
        re.compile(f"(?i:{alternation(spoken)})"),
        # possessive: a link is never looked at in a second way
        rf"(?i:[ .\n:：=#()（【\[「『\"“'，,。]|{alternation(file.links)}){{0,8}}+",
        rf"(?:[ )）」』】\"”'，,]|{alternation(file.back_links)}){{0,4}}+",
        re.compile(rf" ?(?:{'|'.join(re.escape(unit) for unit in file.units)})(?!号码)"),
        tuple((re.compile(line.code.replace("x", "[0-9]")), line) for line in file.phones.landlines),
    )


def _key(word: str) -> str:
    return word.lower().replace(" ", "")


@cache
def tables() -> Tables:
    """Return the tables that come with the package."""
    return load_tables(builtin("facts/identifiers.yaml"))
