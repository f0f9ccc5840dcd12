"""The words of the desk page and the names of labels in the three languages of its interface."""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import Field, model_validator

from complaint_nlp.facts.missing import Missing
from complaint_nlp.facts.types import FactKind
from complaint_nlp.labels import LANGUAGES, TASKS, Language, display_name
from complaint_nlp.playbook.reply.types import Severity
from complaint_nlp.playbook.strategy.when import Fault, Id
from complaint_nlp.report import Decision, Status
from complaint_nlp.resources import Localized, Strict, Text, WrongEntry, builtin, load_yaml
from complaint_nlp.serve.problems import Code, RejectCode

_VARIABLE: Final = re.compile(r"\{[a-z]+\}")
_TRADITIONAL: Final = ("zh-tw", "zh-hk", "zh-mo", "zh-hant")
_MAX_HEADER: Final = 1_000


class Wording(Localized):
    """A text in all three languages; ``{name}`` stands for something the page fills in."""

    en: Text

    @model_validator(mode="after")
    def _same_variables(self) -> Self:
        found = {language: sorted(_VARIABLE.findall(self.get(language))) for language in LANGUAGES}
        if len({tuple(names) for names in found.values()}) > 1:
            msg = f"the languages use different variables: {found}"
            raise ValueError(msg)
        return self


class Sample(Strict):
    """A message to try the page with."""

    title: Wording
    text: Text


class Columns(Strict):
    """Names under which tables hold the message and the time it came in, the likeliest first, in lower case."""

    text: Annotated[tuple[Text, ...], Field(min_length=1)]
    received_at: tuple[Text, ...]


class DeskFile(Strict):
    """The schema of ``desk.yaml``."""

    version: Literal[1]
    interface: dict[Id, Wording]
    decisions: dict[Decision, Wording]
    statuses: dict[Status, Wording]
    facts: dict[FactKind, Wording]
    missing: dict[Missing, Wording]
    faults: dict[Fault, Wording]
    severities: dict[Severity, Wording]
    problems: dict[Code, Wording]
    rejects: dict[RejectCode, Wording]
    columns: Columns
    samples: tuple[Sample, ...]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        wanted: dict[str, tuple[str, ...]] = {
            "decisions": tuple(Decision),
            "statuses": tuple(Status),
            "facts": tuple(FactKind),
            "missing": tuple(Missing),
            "faults": get_args(Fault),
            "severities": get_args(Severity),
            "problems": get_args(Code),
            "rejects": get_args(RejectCode),
        }
        for group, names in wanted.items():
            lacking = [str(name) for name in names if name not in getattr(self, group)]
            if lacking:
                raise WrongEntry((group,), f"there is no wording for {', '.join(lacking)}")
        return self


@cache
def desk_file() -> DeskFile:
    """Return the shipped texts of the page, checked."""
    return load_yaml(builtin("serve/desk.yaml"), DeskFile)


def texts(language: Language) -> dict[str, dict[str, str]]:
    """Return every text of the page by group and name, and under ``tasks`` those of tasks and ``task.value``."""
    file = desk_file()
    groups: dict[str, dict[Any, Wording]] = {
        "interface": dict(file.interface),
        "decisions": dict(file.decisions),
        "statuses": dict(file.statuses),
        "facts": dict(file.facts),
        "missing": dict(file.missing),
        "faults": dict(file.faults),
        "severities": dict(file.severities),
        "problems": dict(file.problems),
        "rejects": dict(file.rejects),
    }
    named = {
        group: {str(name): wording.get(language) for name, wording in entries.items()}
        for group, entries in groups.items()
    }
    tasks = {name: display_name(name, None, language) for name in TASKS}
    for name, task in TASKS.items():
        tasks |= {f"{name}.{value}": display_name(name, value, language) for value in task.values}
    return {**named, "tasks": tasks}


def accepted_language(header: str) -> Language:
    """Return the interface language for an ``Accept-Language`` header.

    Chinese without a script or region is taken as simplified; nothing that fits gives traditional Chinese.
    """
    ranked: list[tuple[float, str]] = []
    for entry in header[:_MAX_HEADER].split(","):
        tag, _, parameter = entry.strip().partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            continue
        if weight > 0:
            ranked.append((weight, tag.strip().lower()))
    for _, tag in sorted(ranked, key=lambda item: -item[0]):
        if tag.startswith("zh"):
            traditional = any(tag == region or tag.startswith(f"{region}-") for region in _TRADITIONAL)
            return "zh-Hant" if traditional else "zh-Hans"
        if tag == "en" or tag.startswith("en-"):
            return "en"
    return "zh-Hant"
