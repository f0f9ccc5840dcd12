"""The form of the files with the wordings."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from complaint_nlp.labels import Category, Intent, Subcategory
from complaint_nlp.playbook.strategy.when import Id, Plain, Rule, require, wording_with
from complaint_nlp.resources import Localized, Strict, Text, WrongEntry

Matter = Subcategory | Category | Intent
RegionCode = Literal["TW", "HK", "CN"]
Emergency = Literal["ambulance", "fire", "police", "fraud"]

CUSTOMER_WORDS: frozenset[str] = frozenset({"quote", "product", "deadline", "waited", "amount"})
"""Variables that are filled with the customer's own words."""

VARIABLES: frozenset[str] = CUSTOMER_WORDS | {
    "name", "grievance_name", "act", "open", "contacts", "question", "question_2", "time", "next_time", "ambulance",
    "fire", "police", "fraud", "offer", "offer_2", "offer_above", "decider", "consequence", "asks",
}  # fmt: skip
"""All variables of a wording. One that cannot be filled takes its wording away."""

VARIABLE = re.compile(r"\{([^{}]*)\}")


def _known_variables(wording: Localized) -> Localized:
    for text in (wording.hant, wording.hans, wording.en or ""):
        for name in VARIABLE.findall(text):
            if name not in VARIABLES:
                known = ", ".join(f"{{{each}}}" for each in sorted(VARIABLES))
                msg = f"unknown variable {{{name}}}; use some of {known}"
                raise ValueError(msg)
        if set(VARIABLE.sub("", text)) & set("{}"):
            msg = "a brace without its counterpart"
            raise ValueError(msg)
    if set(VARIABLE.findall(wording.hant)) != set(VARIABLE.findall(wording.hans)):
        msg = "zh-Hant and zh-Hans use different variables"
        raise ValueError(msg)
    return wording


Wording = Annotated[Localized, AfterValidator(_known_variables)]


class Piece(Rule):
    """A sentence or two, in one or more wordings that mean the same."""

    say: Annotated[tuple[Wording, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _can_be_told(self) -> Piece:
        # whether an amount is within the limits is known while planning only
        if self.when.amount is not None:
            raise WrongEntry(
                ("when", "amount"), "no message depends on the limits of an amount; ask for facts: [amount]"
            )
        return self


class MessageFile(Strict):
    """The schema of the file of one message: its parts, and the pieces that each can be."""

    version: Literal[1]
    paragraphs: Annotated[tuple[Annotated[tuple[Id, ...], Field(min_length=1)], ...], Field(min_length=1)]
    most: Annotated[int, Field(ge=40, le=2000)]
    drop: tuple[Id, ...]
    pieces: dict[Id, Annotated[dict[Id, Piece], Field(min_length=1)]]

    @model_validator(mode="after")
    def _parts_fit(self) -> MessageFile:
        parts = [part for paragraph in self.paragraphs for part in paragraph]
        for at, paragraph in enumerate(self.paragraphs):
            for place, part in enumerate(paragraph):
                if part not in self.pieces:
                    raise WrongEntry(("paragraphs", at, place), f"{part!r} has no pieces")
                if parts.count(part) > 1:
                    raise WrongEntry(("paragraphs", at, place), f"{part!r} is said twice")
        for part in self.pieces:
            if part not in parts:
                raise WrongEntry(("pieces", part), "in none of the paragraphs")
        for place, part in enumerate(self.drop):
            if part not in parts:
                raise WrongEntry(("drop", place), f"{part!r} is in none of the paragraphs")
        return self


class MatterEntry(Strict):
    """What a matter is called, what is done about it, and what stays open."""

    name: Plain
    acts: Annotated[tuple[Plain, ...], Field(min_length=1)]
    open: Plain


class MattersFile(Strict):
    """The schema of ``matters.yaml``."""

    version: Literal[1]
    matters: dict[Matter, MatterEntry]

    @model_validator(mode="after")
    def _complete(self) -> MattersFile:
        require("matters", self.matters, [*Subcategory, *Category, *Intent])
        return self


class OffersFile(Strict):
    """The schema of ``offers.yaml``."""

    version: Literal[1]
    own_authority: tuple[Id, ...]
    offers: dict[Id, Plain]
    consequences: dict[Id, Plain]


def _with(*names: str) -> AfterValidator:
    return AfterValidator(wording_with(*names))


class TimeWords(Strict):
    """How a point in time is said."""

    today: Plain
    tomorrow: Plain
    date: Annotated[Localized, _with("month", "day", "weekday")]
    other_year: Annotated[Localized, _with("year", "month", "day", "weekday")]
    weekdays: Annotated[str, Field(min_length=7, max_length=7)]
    parts: dict[Annotated[int, Field(ge=0, le=23)], Plain]
    hour: Annotated[Localized, _with("hour")]
    half: Annotated[Localized, _with("hour")]
    exact: Annotated[Localized, _with("hour", "minute")]

    @model_validator(mode="after")
    def _whole_day(self) -> TimeWords:
        if 0 not in self.parts:
            raise WrongEntry(("parts",), "0 is missing: every hour needs a part of the day")
        return self


class ContactWords(Strict):
    """How often somebody turned to us."""

    counted: Annotated[Localized, _with("times")]
    several: Plain
    numerals: Plain


class EmergencyCall(Strict):
    """Whom to call; ``any`` where the region is not known."""

    tw: Annotated[Text, Field(alias="TW")]
    hk: Annotated[Text, Field(alias="HK")]
    cn: Annotated[Text, Field(alias="CN")]
    any: Plain


class QuoteWords(Strict):
    """What may be said back; words in simplified characters."""

    least: Annotated[int, Field(ge=2, le=10)]
    most: Annotated[int, Field(ge=4, le=40)]
    never: tuple[Text, ...]
    sarcasm: tuple[Text, ...]
    starts: tuple[Text, ...]
    ends: tuple[Text, ...]
    empty: tuple[Text, ...]


class WaitingWords(Strict):
    """Words that tell waiting from other durations."""

    before: Annotated[tuple[Text, ...], Field(min_length=1)]
    unless: tuple[Text, ...]
    after: tuple[Text, ...]
    simplified: dict[Annotated[str, Field(min_length=1, max_length=1)], Annotated[str, Field(max_length=1)]]


class WordsFile(Strict):
    """The schema of ``words.yaml``."""

    version: Literal[1]
    times: TimeWords
    contacts: ContactWords
    quotation: Localized
    emergency: dict[Emergency, EmergencyCall]
    hong_kong: dict[Text, Text]
    quotes: QuoteWords
    waiting: WaitingWords

    @model_validator(mode="after")
    def _complete(self) -> WordsFile:
        require("emergency", self.emergency, ["ambulance", "fire", "police", "fraud"])
        for key, marks in (("zh-Hant", self.quotation.hant), ("zh-Hans", self.quotation.hans)):
            if len(marks) != 2:  # noqa: PLR2004 - an opening and a closing one
                raise WrongEntry(("quotation", key), "an opening and a closing mark are needed")
        for word, instead in self.hong_kong.items():
            if any(other in instead for other in self.hong_kong if other != word):
                raise WrongEntry(("hong_kong", word), f"{instead!r} holds a word of this table itself")
        return self
