"""The words of this room's files and verdicts, in the language people choose."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal

from complaint_nlp.labels import TASKS, Language, display_name
from complaint_nlp.resources import Localized, Strict, builtin, load_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

Reason = Literal["uncertain", "disagree", "rare", "diverse", "label_error"]
REASONS: tuple[Reason, ...] = ("label_error", "disagree", "uncertain", "rare", "diverse")
Column = Literal["checked", "text", "why", "note"]
Verdict = Literal["stable", "watch", "drifted"]
VERDICTS: tuple[Verdict, ...] = ("stable", "watch", "drifted")


class Notes(Strict):
    """What the header cells explain."""

    checked: Localized
    one: Localized
    several: Localized
    emotion: Localized


class Why(Strict):
    """Why a message was picked: what is said once, and for every task with its figures filled in."""

    title: Localized
    item: Localized | None = None


class Wording(Strict):
    """The schema of ``resources/review/wording.yaml``."""

    columns: dict[Column, Localized]
    notes: Notes
    why: dict[Reason, Why]
    none: Localized
    guide: Localized
    drift: dict[Verdict, Localized]


@cache
def wording() -> Wording:
    """Return the shipped wording."""
    return load_yaml(builtin("review/wording.yaml"), Wording)


def reason_shown(reason: Reason, items: Sequence[str], language: Language) -> str:
    """Return why a message was picked."""
    title = wording().why[reason].title.get(language)
    if not items:
        return title
    return f"{title}: {', '.join(items)}" if language == "en" else f"{title}：{'，'.join(items)}"


def reason_item(reason: Reason, language: Language, **filled: str) -> str:
    """Return what is said about one task."""
    item = wording().why[reason].item
    return "" if item is None else item.get(language).format(**filled)


def values_shown(task: str, values: tuple[str, ...], language: Language) -> str:
    """Return labels for people to read, with "none" for an empty answer."""
    names = [display_name(task, value, language) for value in values]
    between = ", " if language == "en" else "、"
    return between.join(names) if names else wording().none.get(language)


def task_note(task: str, language: Language) -> str:
    """Return what may be written into the column of a task: how many values, and each with its name."""
    notes = wording().notes
    kind = notes.emotion if task == "emotion" else notes.several if TASKS[task].is_multilabel else notes.one
    lines = [f"{display_name(task, None, language)}：{kind.get(language)}"]
    lines += [f"{value} = {display_name(task, value, language)}" for value in TASKS[task].values]
    return "\n".join(lines)
