"""What a message does not say although its kind of case needs it."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from complaint_nlp.facts.types import FactKind
from complaint_nlp.facts.words import either
from complaint_nlp.labels import Category, Subcategory
from complaint_nlp.resources import Strict, Text, WrongEntry, builtin, load_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from complaint_nlp.facts.types import Facts
    from complaint_nlp.text import NormalizedText


class Missing(StrEnum):
    """A thing that a handler has to know and the message does not tell."""

    WHEN = "when"
    WHERE = "where"
    WHO = "who"
    PRODUCT = "product"
    ORDER = "order"
    AMOUNT = "amount"
    TRIED = "tried"
    WANTED = "wanted"
    CONTACT = "contact"


Needs = Annotated[tuple[Missing, ...], Field(min_length=1)]


class Cue(Strict):
    """Words that answer a question.

    Attributes:
        words: any of them answers it.
        negations: not where one of these stands right before the word.
        unless: not where the word is part of one of these.
    """

    words: Annotated[tuple[Text, ...], Field(min_length=1)]
    negations: tuple[Text, ...]
    unless: tuple[Text, ...]


class MissingFile(Strict):
    """The schema of the file of needs."""

    version: Literal[1]
    answered_by: dict[Missing, tuple[FactKind, ...]]
    categories: dict[Category, Needs]
    subcategories: dict[Subcategory, Needs]
    cues: dict[Missing, Cue]

    @model_validator(mode="after")
    def _complete(self) -> MissingFile:
        for category in Category:
            if category not in self.categories:
                raise WrongEntry(("categories",), f"{category.value!r} is missing")
        for thing in Missing:
            if thing not in self.answered_by and thing not in self.cues:
                raise WrongEntry(("answered_by",), f"nothing answers {thing.value!r}")
        sections: tuple[tuple[str, dict[Category, Needs] | dict[Subcategory, Needs]], ...] = (
            ("categories", self.categories),
            ("subcategories", self.subcategories),
        )
        for section, lists in sections:
            for label, needs in lists.items():
                for at, thing in enumerate(needs):
                    if thing in needs[:at]:
                        raise WrongEntry((section, str(label), at), f"{thing.value!r} stands already in this list")
        return self


def missing(
    facts: Facts,
    message: NormalizedText,
    categories: Sequence[Category],
    subcategories: Sequence[Subcategory] = (),
) -> tuple[Missing, ...]:
    """Return what ``message`` lacks of what its kind of case needs, the most useful first.

    Args:
        facts: what was found in the message.
        message: the message itself, for the words that tell what was tried and what is wanted.
        categories: what the grievance is about, the primary one first; without any nothing is missing.
        subcategories: its sub-kinds; where one has needs of its own they stand for those of its category.
    """
    return _default_needs().missing(facts, message.text, categories, subcategories)


@cache
def _default_needs() -> _Needs:
    return _Needs(load_yaml(builtin("facts/missing.yaml"), MissingFile))


class _Needs:
    """Tells what is missing.

    Args:
        file: the tables.
    """

    def __init__(self, file: MissingFile) -> None:
        self._file = file
        self._finders = {thing: _CueFinder(cue) for thing, cue in file.cues.items()}

    def missing(
        self, facts: Facts, text: str, categories: Iterable[Category], subcategories: Sequence[Subcategory]
    ) -> tuple[Missing, ...]:
        """Return what is missing; see the function of this name."""
        wanted: list[Missing] = []
        for category in categories:
            own = [sub for sub in subcategories if sub.category is category and sub in self._file.subcategories]
            lists = [self._file.subcategories[sub] for sub in own] or [self._file.categories[category]]
            for needs in lists:
                wanted += [thing for thing in needs if thing not in wanted]
        return tuple(thing for thing in wanted if not self._is_answered(thing, facts, text))

    def _is_answered(self, thing: Missing, facts: Facts, text: str) -> bool:
        if facts.of(*self._file.answered_by.get(thing, ())):
            return True
        finder = self._finders.get(thing)
        return finder is not None and finder.finds(text)


class _CueFinder:
    """Looks for the words of one cue."""

    def __init__(self, cue: Cue) -> None:
        self._words = frozenset(cue.words)
        # longer words that hold a cue are read over
        self._pattern = re.compile(either({*cue.words, *cue.unless}))
        self._negations = cue.negations

    def finds(self, text: str) -> bool:
        """Return whether ``text`` holds a word that is not negated."""
        return any(
            match.group() in self._words and not text.endswith(self._negations, 0, match.start())
            for match in self._pattern.finditer(text)
        )
