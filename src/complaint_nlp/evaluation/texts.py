"""The words on charts and pages, in the reader's language."""

from __future__ import annotations

from functools import cache
from typing import Literal

from complaint_nlp.evaluation.answers import PRIMARY_EMOTION
from complaint_nlp.evaluation.confusion import NONE
from complaint_nlp.labels import LANGUAGES, TASKS, Language, display_name
from complaint_nlp.resources import Localized, Strict, builtin, load_yaml

_SLICES = ("script", "region", "source", "trade", "draw", "length")


class _TextFile(Strict):
    version: Literal[1]
    texts: dict[str, Localized]


@cache
def _texts() -> dict[str, Localized]:
    return load_yaml(builtin("evaluation/texts.yaml"), _TextFile).texts


def word(key: str, language: Language) -> str:
    """Return a word of ``resources/evaluation/texts.yaml``.

    Raises:
        ValueError: the language does not exist.
        KeyError: there is no such word.
    """
    if language not in LANGUAGES:
        msg = f"unknown language {language!r}; use one of {', '.join(LANGUAGES)}"
        raise ValueError(msg)
    return _texts()[key].get(language)


def task_name(task: str, language: Language) -> str:
    """Return the name of a task for people; own tasks keep theirs."""
    if task == PRIMARY_EMOTION:
        return word(PRIMARY_EMOTION, language)
    return display_name(task, None, language) if task in TASKS else task


def value_name(task: str, value: str, language: Language) -> str:
    """Return the name of a value for people; those of own tasks keep theirs."""
    if value == NONE:
        return word("none", language)
    known = "emotion" if task == PRIMARY_EMOTION else task
    return display_name(known, value, language) if known in TASKS and value in TASKS[known].values else value


def slice_names(by: str, value: str, language: Language) -> tuple[str, str]:
    """Return the name of a division and of one of its parts for people; what is no word of ours stays as it is."""
    texts = _texts()
    name = word(by, language) if by in _SLICES else by
    return name, word(value, language) if by == "script" and value in texts else value
