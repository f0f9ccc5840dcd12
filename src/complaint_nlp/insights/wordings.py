"""The files of this room: names of columns, what is said in words, likely root causes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from complaint_nlp.labels import LANGUAGES, Subcategory
from complaint_nlp.resources import Localized, Strict, Text, WrongEntry, builtin, load_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from complaint_nlp.labels import Language

Role = Literal["time", "text", "product", "place", "channel", "customer", "answered", "closed"]
DAYS_A_WEEK = 7


class ColumnsFile(Strict):
    """The schema of ``columns.yaml``."""

    version: Literal[1]
    columns: dict[Role, tuple[Text, ...]]


class WordingsFile(Strict):
    """The schema of ``wordings.yaml``."""

    version: Literal[1]
    dimensions: dict[str, Localized]
    columns: dict[Role, Localized]
    weekdays: Annotated[tuple[Localized, ...], Field(min_length=DAYS_A_WEEK, max_length=DAYS_A_WEEK)]
    notes: dict[str, Localized]


class CausesFile(Strict):
    """The schema of ``causes.yaml``: for every sub-kind, what it most often comes from."""

    version: Literal[1]
    causes: dict[Subcategory, Annotated[tuple[Localized, ...], Field(min_length=2, max_length=5)]]

    @model_validator(mode="after")
    def _complete(self) -> CausesFile:
        for kind in Subcategory:
            if kind not in self.causes:
                raise WrongEntry(("causes",), f"{kind.value!r} is missing")
        return self


class WordsFile(Strict):
    """The schema of ``words.yaml``: simplified words that are no key phrases."""

    version: Literal[1]
    stop_words: tuple[Text, ...]


@cache
def columns_file() -> ColumnsFile:
    """Return the shipped names of columns."""
    return load_yaml(builtin("insights/columns.yaml"), ColumnsFile)


@cache
def wordings_file() -> WordingsFile:
    """Return the shipped wordings."""
    return load_yaml(builtin("insights/wordings.yaml"), WordingsFile)


@cache
def causes_file() -> CausesFile:
    """Return the shipped root causes."""
    return load_yaml(builtin("insights/causes.yaml"), CausesFile)


@cache
def stop_words() -> frozenset[str]:
    """Return the shipped stop words."""
    return frozenset(load_yaml(builtin("insights/words.yaml"), WordsFile).stop_words)


@dataclass(frozen=True, slots=True)
class Note:
    """Something a reader of the figures has to know.

    Attributes:
        code: key of its wording in ``wordings.yaml``.
        values: what is filled in; ``column`` is the role of a column.
    """

    code: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def get(self, language: Language) -> str:
        """Return the sentence."""
        file = wordings_file()
        text = file.notes[self.code].get(language)
        for name, value in self.values.items():
            if name == "column" and value in file.columns:
                shown = file.columns[value].get(language)
            else:
                shown = f"{value:,}" if isinstance(value, int) else str(value)
            text = text.replace(f"{{{name}}}", shown)
        return text


def checked_language(lang: Language) -> Language:
    """Return the language.

    Raises:
        ValueError: there is no such language.
    """
    if lang not in LANGUAGES:
        msg = f"unknown language {lang!r}; use one of {', '.join(LANGUAGES)}"
        raise ValueError(msg)
    return lang
