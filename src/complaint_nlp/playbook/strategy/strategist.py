"""From a labelled case to what to do, what to offer, what to ask and whom to tell."""

from __future__ import annotations

from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple, TypeVar, get_args

from complaint_nlp.facts.types import FactKind
from complaint_nlp.labels import Emotion, Intent
from complaint_nlp.playbook.strategy.amounts import AmountCheck, check_amounts
from complaint_nlp.playbook.strategy.files import load_strategy_files
from complaint_nlp.playbook.strategy.impact import ImpactReader
from complaint_nlp.playbook.strategy.plan import (
    Authority,
    Case,
    FollowUp,
    Impact,
    Inform,
    MustInclude,
    Question,
    Remedy,
    Step,
    StrategyPlan,
    Tactic,
)
from complaint_nlp.playbook.strategy.schema import MIN_REMEDIES, Level
from complaint_nlp.playbook.strategy.when import FAULTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from complaint_nlp.playbook.strategy.schema import Form, Matter, RemedyOption, Requirement
    from complaint_nlp.playbook.strategy.when import Fault, Rule, When
    from complaint_nlp.resources import Localized

__all__ = ["Case", "Strategist", "StrategyPlan", "plan"]

_ENOUGH_HINTS = 3
_FIRST_OF_SEVERAL = 3

_LEVELS: tuple[Level, ...] = get_args(Level)

R = TypeVar("R", bound="Rule")


class _View(NamedTuple):
    """A case as its conditions see it."""

    case: Case
    fault: Fault
    impact: Impact | None
    amount: AmountCheck | None
    values: Mapping[str, frozenset[object]]
    # place of every label among its kind, the primary ones first
    places: Mapping[str, Mapping[object, int]]

    def holds(self, when: When) -> bool:
        return when.holds(self.values)

    def distance(self, when: When) -> tuple[int, ...]:
        """Return how far from the primary labels the ones that ``when`` asks for stand."""
        asked = dict(when.given)
        return tuple(
            min((place for label, place in places.items() if label in asked[name]), default=0) if name in asked else 0
            for name, places in self.places.items()
        )

    def best(self, rules: Mapping[str, R]) -> R:
        """Return the rule with the highest priority of those that hold; the files have one that always does."""
        return max((rule for rule in rules.values() if self.holds(rule.when)), key=lambda rule: rule.priority)

    def say(self, wording: Localized) -> str:
        return wording.get(self.case.language)


class Strategist:
    """Makes plans.

    Args:
        directory: strategy files of your own, each with only the entries to change, merged by key over the shipped
            ones; see :func:`complaint_nlp.playbook.strategy.files.load_strategy_files`.

    Raises:
        ConfigError: a file is wrong; the message names the file, the key and the reason.
    """

    def __init__(self, directory: str | Path | None = None) -> None:
        self.files = load_strategy_files(directory)
        self._impact = ImpactReader(self.files.impact)

    def plan(self, case: Case, *, fault: Fault = "unclear") -> StrategyPlan:
        """Return how to handle ``case``.

        Args:
            case: the labels, the facts and what is missing.
            fault: who is at fault, as far as it is known; it changes apology, investigation and compensation.

        Raises:
            ValueError: ``fault`` is none of ``ours``, ``unclear`` and ``customer``.
        """
        if fault not in FAULTS:
            msg = f"unknown fault {fault!r}; use one of {', '.join(FAULTS)}"
            raise ValueError(msg)
        view = self._view(case, fault)
        return StrategyPlan(
            fault=fault,
            steps=self._steps(view),
            tactics=self._tactics(view),
            must_include=self._must_include(view),
            remedies=self._remedies(view),
            questions=self._questions(view),
            impact=view.impact,
            follow_up=self._follow_up(view),
            prevention=self._prevention(view),
            inform=tuple(
                Inform(name, view.say(entry.who), view.say(entry.about))
                for name, entry in self.files.inform.inform.items()
                if view.holds(entry.when)
            ),
            authority=self._authority(view),
        )

    def _view(self, case: Case, fault: Fault) -> _View:
        impact = self._impact.read(case.text, case.language) if case.is_grievance else None
        # a price somebody only asks about needs nobody's approval
        amount = check_amounts(case, self.files.authority) if case.is_grievance or case.demands else None
        emotions = case.emotions or (Emotion.NEUTRAL,)
        facts = case.facts
        values: dict[str, Iterable[object]] = {
            "intent": [case.intent],
            "category": case.all_categories,
            "subcategory": case.subcategories,
            "urgency": [case.urgency],
            "emotion": emotions,
            "intensity": [case.intensity],
            "needs": case.needs,
            "demands": case.demands,
            "fault": [fault],
            "facts": {fact.kind for fact in facts.items},
            "threat": {fact.value for fact in facts.of(FactKind.THREAT)},
            "vulnerable": {fact.value for fact in facts.of(FactKind.VULNERABLE)},
            "missing": _asked_for(case),
            "interest": [impact.interest] if impact else [],
            "amount": [amount.state] if amount else [],
            "grievance": [case.is_grievance],
            "repeat": [case.is_repeat],
            "consequence": [bool(impact and impact.consequences)],
        }
        ranked: dict[str, tuple[object, ...]] = {
            "subcategory": case.subcategories,
            "category": case.all_categories,
            "emotion": emotions,
        }
        places = {name: {label: place for place, label in enumerate(labels)} for name, labels in ranked.items()}
        return _View(case, fault, impact, amount, {name: frozenset(each) for name, each in values.items()}, places)

    def _steps(self, view: _View) -> tuple[Step, ...]:
        file = self.files.steps
        holding = [
            (name, entry)
            for name, entry in file.steps.items()
            if view.holds(entry.when) and not (entry.unless and view.holds(entry.unless))
        ]
        # of the entries that share a slot the last one written stays: the best
        holding.sort(key=lambda item: (-item[1].priority, view.distance(item[1].when)), reverse=True)
        chosen = {entry.slot or name: (name, entry) for name, entry in holding}
        return tuple(
            Step(
                name,
                view.say(file.stages[entry.stage]),
                entry.stage,
                entry.phase,
                view.say(file.phases[entry.phase]),
                view.say(entry.action),
                view.say(entry.why),
            )
            for name, entry in sorted(
                chosen.values(), key=lambda item: (item[1].order, view.distance(item[1].when), item[0])
            )
        )

    def _tactics(self, view: _View) -> tuple[Tactic, ...]:
        emotions, level = self.files.tactics.emotions, view.case.intensity
        return tuple(
            Tactic(
                emotion, level, view.say(emotions[emotion].levels[_LEVELS[level]].do), view.say(emotions[emotion].avoid)
            )
            for emotion in dict.fromkeys(view.case.emotions or (Emotion.NEUTRAL,))
        )

    def _must_include(self, view: _View) -> tuple[MustInclude, ...]:
        file, case = self.files.needs, view.case
        sections = [
            file.general,
            *(file.needs[need] for need in case.needs),
            *(file.demands[it] for it in case.demands),
        ]
        found: dict[str, str] = {}
        for section in sections:
            found.update(_texts(section, view))
        return tuple(MustInclude(name, text) for name, text in found.items())

    def _remedies(self, view: _View) -> tuple[Remedy, ...]:
        file, case = self.files.remedies, view.case
        if not case.is_grievance and case.intent not in file.matters:
            return ()  # nobody is offered a remedy for praise
        conditions: dict[str, Localized] = {}
        # the matters take turns, so that the first one does not push the others out
        for turn in zip_longest(*(file.matters[matter].items() for matter in _matters(case))):
            for name, condition in filter(None, turn):
                conditions.setdefault(name, condition)
        fitting = [name for name in conditions if self._fits(name, view)]
        fitting.sort(key=lambda name: _usefulness(file.options[name], case))
        # praise with a small regret needs no goodwill on top
        enough = not case.is_grievance or (case.intent is Intent.PRAISE and len(fitting) >= MIN_REMEDIES)
        extra = {} if enough else file.faults[view.fault]
        added = [name for name in extra if name not in conditions and self._fits(name, view)]
        conditions.update({name: extra[name] for name in added})
        return tuple(
            self._remedy(name, conditions[name], view) for name in [*fitting[: file.most - len(added)], *added]
        )

    def _fits(self, name: str, view: _View) -> bool:
        return view.fault in self.files.remedies.options[name].fault

    def _remedy(self, name: str, condition: Localized, view: _View) -> Remedy:
        option = self.files.remedies.options[name]
        level = option.authority
        if option.money and view.amount is not None:
            level = self._higher(level, view.amount.decider)
        who = view.say(self.files.authority.levels[level].name)
        return Remedy(name, view.say(option.option), view.say(condition), level, who)

    def _questions(self, view: _View) -> tuple[Question, ...]:
        file, matter = self.files.questions, view.case.matter
        rule = view.best(file.forms)
        missing = [thing for thing in file.order[matter] if thing in view.values["missing"]][: rule.most]
        asked: list[Question] = []
        for place, thing in enumerate(missing):
            kind: Form = "closed"
            if place == 0:
                kind = rule.first
            elif place == len(missing) - 1 and len(missing) >= _FIRST_OF_SEVERAL:
                kind = rule.last
            question = file.questions[thing]
            own = question.by_category.get(matter)
            wording = (getattr(own, kind) if own else None) or getattr(question, kind)
            asked.append(Question(f"{thing}_{kind}", thing, kind, view.say(wording)))
        return tuple(asked)

    def _follow_up(self, view: _View) -> FollowUp:
        file = self.files.follow_up
        progress, call_back = view.best(file.progress), view.best(file.call_back)
        return FollowUp(
            progress=_fill(view.say(progress.text), hours=progress.hours),
            progress_every_hours=progress.hours,
            call_back=_fill(view.say(call_back.text), hours=call_back.hours),
            call_back_within_hours=call_back.hours,
            ask=tuple(_texts(file.ask, view).values()) if call_back.hours is not None else (),
            record=tuple(_texts(file.record, view).values()),
        )

    def _prevention(self, view: _View) -> tuple[str, ...]:
        hints = self.files.prevention.hints
        return tuple(view.say(hints[matter]) for matter in _matters(view.case)[:_ENOUGH_HINTS])

    def _authority(self, view: _View) -> Authority:
        file, amount = self.files.authority, view.amount
        level = next(iter(file.levels))
        for least in file.at_least.values():
            if view.holds(least.when):
                level = self._higher(level, least.level)
        filled: dict[str, str | None] = {}
        if amount is not None:
            level = self._higher(level, amount.decider)
            names = {name: view.say(entry.name) for name, entry in file.levels.items()}
            filled = {
                "level": names[file.over_limit_above],
                "decider": names[amount.decider],
                "amount": amount.shown,
                "limit": amount.limit_shown or None,
            }
        notes = (_fill(view.say(note.text), **filled) for note in file.notes.values() if view.holds(note.when))
        ladder = file.ladder[view.case.urgency] if view.case.is_grievance else {}
        return Authority(
            level=level,
            who=view.say(file.levels[level].name),
            may=view.say(file.levels[level].may),
            notes=tuple(note for note in notes if "{" not in note),
            ladder=tuple(
                _fill(
                    view.say(file.ladder_text if hours else file.ladder_now),
                    hours=hours,
                    decider=view.say(file.levels[next_level].name),
                )
                for next_level, hours in sorted(ladder.items(), key=lambda item: item[1])
            ),
        )

    def _higher(self, first: str, second: str) -> str:
        return max(first, second, key=list(self.files.authority.levels).index)


def plan(case: Case, *, fault: Fault = "unclear") -> StrategyPlan:
    """Return how to handle ``case`` by the shipped strategy files; see :meth:`Strategist.plan`.

    Args:
        case: the labels, the facts and what is missing.
        fault: who is at fault, as far as it is known: ``ours``, ``unclear`` or ``customer``.

    Raises:
        ValueError: ``fault`` is none of these.
    """
    return _shipped().plan(case, fault=fault)


@cache
def _shipped() -> Strategist:
    return Strategist()


def _asked_for(case: Case) -> list[str]:
    """Return what is missing; whoever demands something has said what is wanted."""
    return [thing for thing in case.missing if not (thing == "wanted" and case.demands)]


def _matters(case: Case) -> list[Matter]:
    """Return what the case is about, the primary matter first: sub-kinds, categories without one, else the intent."""
    known = {sub.category for sub in case.subcategories}
    matters: list[Matter] = list(dict.fromkeys(case.subcategories))
    matters += [category for category in case.all_categories if category not in known]
    return matters or [case.intent]


def _usefulness(option: RemedyOption, case: Case) -> tuple[bool, bool]:
    """Return a sort key: safety first, then what the customer asks for."""
    return not option.first, not any(demand in option.answers for demand in case.demands)


def _texts(section: Mapping[str, Requirement], view: _View) -> dict[str, str]:
    return {name: view.say(entry.text) for name, entry in section.items() if view.holds(entry.when)}


def _fill(text: str, **values: str | float | None) -> str:
    for name, value in values.items():
        if value is not None:
            text = text.replace(f"{{{name}}}", value if isinstance(value, str) else f"{value:g}")
    return text
