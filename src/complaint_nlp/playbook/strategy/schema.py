"""The form of the strategy files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from complaint_nlp.labels import Category, Demand, Emotion, Intent, Language, Need, Subcategory, Urgency
from complaint_nlp.playbook.strategy.when import (
    FAULTS,
    MISSING,
    Fault,
    Id,
    Interest,
    Missing,
    Plain,
    Rule,
    When,
    require,
    require_fallback,
    wording_with,
)
from complaint_nlp.resources import Localized, Strict, Text, WrongEntry

if TYPE_CHECKING:
    from collections.abc import Mapping

Stage = Literal["introduce", "listen", "apologise", "investigate", "act", "report", "follow_up"]
Phase = Literal["tune_in", "calm", "facts", "solution", "soften", "progress", "result", "win_back"]
Form = Literal["open", "closed", "clarifying"]
Level = Literal["0", "1", "2", "3"]
Matter = Subcategory | Category | Intent
Hours = Annotated[float, Field(ge=0, le=24 * 365)]
Words = Annotated[tuple[Text, ...], Field(min_length=1)]
WithHours = Annotated[Localized, AfterValidator(wording_with("hours"))]
Note = Annotated[Localized, AfterValidator(wording_with("amount", "limit", "level", "decider"))]
LadderText = Annotated[Localized, AfterValidator(wording_with("hours", "decider"))]
MOST_QUESTIONS = 5
MIN_REMEDIES = 2


class StepEntry(Rule):
    """One thing to do."""

    stage: Stage
    phase: Phase
    order: Annotated[int, Field(ge=0, le=99)]
    slot: Id | None = None
    unless: When | None = None
    action: Plain
    why: Plain


class StepsFile(Strict):
    """The schema of ``steps.yaml``."""

    version: Literal[1]
    phases: dict[Phase, Plain]
    stages: dict[Stage, Plain]
    steps: dict[Id, StepEntry]

    @model_validator(mode="after")
    def _complete(self) -> StepsFile:
        require("phases", self.phases, get_args(Phase))
        require("stages", self.stages, get_args(Stage))
        return self


class LevelTactic(Strict):
    """What to do at one intensity."""

    do: Plain


class EmotionTactics(Strict):
    """How to speak with one feeling."""

    avoid: Plain
    levels: dict[Level, LevelTactic]

    @model_validator(mode="after")
    def _complete(self) -> EmotionTactics:
        require("levels", self.levels, get_args(Level))
        return self


class TacticsFile(Strict):
    """The schema of ``tactics.yaml``."""

    version: Literal[1]
    emotions: dict[Emotion, EmotionTactics]

    @model_validator(mode="after")
    def _complete(self) -> TacticsFile:
        require("emotions", self.emotions, Emotion)
        return self


class Requirement(Strict):
    """Something the reply must hold."""

    when: When = When()
    text: Plain


class NeedsFile(Strict):
    """The schema of ``needs.yaml``."""

    version: Literal[1]
    general: dict[Id, Requirement]
    needs: dict[Need, Annotated[dict[Id, Requirement], Field(min_length=1)]]
    demands: dict[Demand, Annotated[dict[Id, Requirement], Field(min_length=1)]]

    @model_validator(mode="after")
    def _complete(self) -> NeedsFile:
        require("needs", self.needs, Need)
        require("demands", self.demands, Demand)
        return self


class RemedyOption(Strict):
    """Something that can be offered."""

    option: Plain
    authority: Id
    answers: tuple[Demand, ...] = ()
    fault: Annotated[tuple[Fault, ...], Field(min_length=1)] = FAULTS
    money: bool = False
    first: bool = False


class RemediesFile(Strict):
    """The schema of ``remedies.yaml``."""

    version: Literal[1]
    most: Annotated[int, Field(ge=3, le=12)]
    options: dict[Id, RemedyOption]
    matters: dict[Matter, dict[Id, Plain]]
    faults: dict[Fault, dict[Id, Plain]]

    @model_validator(mode="after")
    def _complete(self) -> RemediesFile:
        require("matters", self.matters, [*Subcategory, *Category, Intent.COMPLAINT])
        require("faults", self.faults, FAULTS)
        sections: tuple[tuple[str, Mapping[Any, dict[str, Localized]]], ...] = (
            ("matters", self.matters),
            ("faults", self.faults),
        )
        for section, entries in sections:
            for key, conditions in entries.items():
                for name in conditions:
                    if name not in self.options:
                        raise WrongEntry((section, str(key), name), f"{name!r} is not listed under options")
        for matter, conditions in self.matters.items():
            for fault in FAULTS:
                offered = [name for name in {**conditions, **self.faults[fault]} if fault in self.options[name].fault]
                if len(conditions) < MIN_REMEDIES or len(offered) < MIN_REMEDIES:
                    raise WrongEntry(
                        ("matters", str(matter)), f"fewer than two remedies to choose from (fault {fault})"
                    )
        return self


class QuestionForms(Strict):
    """The forms of one question, where a category or intent asks for words of its own."""

    open: Plain | None = None
    closed: Plain | None = None
    clarifying: Plain | None = None


class Question(Strict):
    """One thing to ask for."""

    open: Plain
    closed: Plain
    clarifying: Plain
    by_category: dict[Category | Intent, QuestionForms] = Field(default_factory=dict)


class FormRule(Rule):
    """How many questions are asked, and in which forms."""

    most: Annotated[int, Field(ge=0, le=MOST_QUESTIONS)]
    first: Form
    last: Form


class QuestionsFile(Strict):
    """The schema of ``questions.yaml``."""

    version: Literal[1]
    forms: dict[Id, FormRule]
    order: dict[Category | Intent, tuple[Missing, ...]]
    questions: dict[Missing, Question]

    @model_validator(mode="after")
    def _complete(self) -> QuestionsFile:
        require("order", self.order, [*Category, *Intent])
        require("questions", self.questions, MISSING)
        require_fallback("forms", self.forms)
        for matter, things in self.order.items():
            if sorted(things) != sorted(MISSING):
                raise WrongEntry(("order", str(matter)), f"name each of {', '.join(MISSING)} once")
        return self


class InterestEntry(Strict):
    """Whose interest was hurt."""

    name: Plain
    advice: Plain


class ConsequenceEntry(Strict):
    """What followed for the customer, and what softens it; words are written in simplified characters."""

    interest: Interest
    groups: Annotated[tuple[Words, ...], Field(min_length=1, max_length=3)]
    within: Annotated[int, Field(ge=0, le=60)] = 20
    unless: tuple[Text, ...] = ()
    name: Plain
    soften: Plain


class ImpactFile(Strict):
    """The schema of ``impact.yaml``."""

    version: Literal[1]
    negations: tuple[Text, ...]
    interests: dict[Interest, InterestEntry]
    organisation_words: tuple[Text, ...]
    not_organisation_words: tuple[Text, ...]
    consequences: dict[Id, ConsequenceEntry]

    @model_validator(mode="after")
    def _complete(self) -> ImpactFile:
        require("interests", self.interests, get_args(Interest))
        return self


class Contact(Rule):
    """When the customer hears from us."""

    hours: Hours | None = None
    text: WithHours

    @model_validator(mode="after")
    def _hours_known(self) -> Contact:
        if self.hours is None and any("{hours}" in text for text in (self.text.hant, self.text.hans)):
            raise WrongEntry(("text",), "{hours} is used but no hours are given")
        return self


class FollowUpFile(Strict):
    """The schema of ``follow_up.yaml``."""

    version: Literal[1]
    progress: dict[Id, Contact]
    call_back: dict[Id, Contact]
    ask: dict[Id, Requirement]
    record: dict[Id, Requirement]

    @model_validator(mode="after")
    def _complete(self) -> FollowUpFile:
        require_fallback("progress", self.progress)
        require_fallback("call_back", self.call_back)
        return self


class PreventionFile(Strict):
    """The schema of ``prevention.yaml``."""

    version: Literal[1]
    hints: dict[Matter, Plain]

    @model_validator(mode="after")
    def _complete(self) -> PreventionFile:
        require("hints", self.hints, [*Subcategory, *Category, *Intent])
        return self


class InformEntry(Strict):
    """Who else hears of the case."""

    when: When
    who: Plain
    about: Plain


class InformFile(Strict):
    """The schema of ``inform.yaml``."""

    version: Literal[1]
    inform: dict[Id, InformEntry]


class LevelEntry(Strict):
    """One level of authority."""

    name: Plain
    may: Plain


class LeastLevel(Strict):
    """The least level of authority for some cases."""

    when: When = When()
    level: Id


class NoteEntry(Strict):
    """What the handler must keep in mind."""

    when: When
    text: Note


class AuthorityFile(Strict):
    """The schema of ``authority.yaml``."""

    version: Literal[1]
    levels: Annotated[dict[Id, LevelEntry], Field(min_length=1)]
    limits: dict[Annotated[str, Field(pattern="^[A-Z]{3}$")], dict[Id, Annotated[float, Field(ge=0)]]]
    unknown_currency: dict[Language, str]
    other_currency: Id
    over_limit_above: Id
    at_least: dict[Id, LeastLevel]
    notes: dict[Id, NoteEntry]
    ladder: dict[Urgency, dict[Id, Hours]]
    ladder_now: LadderText
    ladder_text: LadderText

    @model_validator(mode="after")
    def _complete(self) -> AuthorityFile:
        require("ladder", self.ladder, Urgency)
        require("unknown_currency", self.unknown_currency, ["zh-Hant", "zh-Hans"])
        for where, level in self._used_levels():
            if level not in self.levels:
                raise WrongEntry(where, f"{level!r} is not listed under levels")
        for language, currency in self.unknown_currency.items():
            if currency not in self.limits:
                raise WrongEntry(("unknown_currency", language), f"{currency!r} is not listed under limits")
        ranks = list(self.levels)
        for currency, limits in self.limits.items():
            amounts = [limits[level] for level in ranks if level in limits]
            if amounts != sorted(amounts) or self.over_limit_above not in limits:
                raise WrongEntry(
                    ("limits", currency), f"limits must rise with the level and name {self.over_limit_above}"
                )
        return self

    def _used_levels(self) -> list[tuple[tuple[str, ...], str]]:
        used: list[tuple[tuple[str, ...], str]] = [
            (("other_currency",), self.other_currency),
            (("over_limit_above",), self.over_limit_above),
        ]
        used += [(("at_least", name, "level"), entry.level) for name, entry in self.at_least.items()]
        used += [(("limits", key, level), level) for key, limits in self.limits.items() for level in limits]
        used += [(("ladder", key.value, level), level) for key, steps in self.ladder.items() for level in steps]
        return used
