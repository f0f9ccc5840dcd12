"""The values of a case that entries of the strategy files can ask for, and the conditions made of them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, Field

from complaint_nlp.facts.types import FactKind
from complaint_nlp.labels import Category, Demand, Emotion, Intent, Need, Subcategory, Urgency
from complaint_nlp.resources import Localized, Strict, WrongEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Fault = Literal["ours", "unclear", "customer"]
Interest = Literal["own", "organisation"]
Threat = Literal["regulator", "lawyer", "media", "public_post", "police"]
Vulnerable = Literal["child", "elderly", "pregnant", "disabled", "patient"]
Missing = Literal["when", "where", "who", "product", "order", "amount", "tried", "wanted", "contact"]
AmountState = Literal["within", "over", "no_limit"]

FAULTS: tuple[Fault, ...] = get_args(Fault)
MISSING: tuple[Missing, ...] = get_args(Missing)

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]


def wording_with(*variables: str) -> Callable[[Localized], Localized]:
    """Return a check that a wording has no braces but those of ``variables``."""

    def check(wording: Localized) -> Localized:
        for text in (wording.hant, wording.hans, wording.en or ""):
            rest = text
            for name in variables:
                rest = rest.replace(f"{{{name}}}", "")
            if "{" in rest or "}" in rest:
                allowed = ", ".join(f"{{{name}}}" for name in variables)
                msg = f"the only variables here are {allowed}" if variables else "no variables here"
                raise ValueError(msg)
        return wording

    return check


Plain = Annotated[Localized, AfterValidator(wording_with())]


Value = TypeVar("Value")
AnyOf = Annotated[tuple[Value, ...] | None, Field(min_length=1)]


class When(Strict):
    """Conditions: every one that is given must hold, and it holds where the case has any of its values."""

    intent: AnyOf[Intent] = None
    category: AnyOf[Category] = None
    subcategory: AnyOf[Subcategory] = None
    urgency: AnyOf[Urgency] = None
    emotion: AnyOf[Emotion] = None
    intensity: AnyOf[Annotated[int, Field(ge=0, le=3)]] = None
    needs: AnyOf[Need] = None
    demands: AnyOf[Demand] = None
    fault: AnyOf[Fault] = None
    facts: AnyOf[FactKind] = None
    threat: AnyOf[Threat] = None
    vulnerable: AnyOf[Vulnerable] = None
    missing: AnyOf[Missing] = None
    interest: AnyOf[Interest] = None
    amount: AnyOf[AmountState] = None
    grievance: bool | None = None
    repeat: bool | None = None
    consequence: bool | None = None

    @cached_property
    def given(self) -> tuple[tuple[str, frozenset[object]], ...]:
        """The conditions that are given, by name."""
        found = ((name, getattr(self, name)) for name in type(self).model_fields)
        return tuple(
            (name, frozenset(value if isinstance(value, tuple) else (value,)))
            for name, value in found
            if value is not None
        )

    def holds(self, case: Mapping[str, frozenset[object]]) -> bool:
        """Return whether the case, given as its values by name, meets every condition."""
        for name, wanted in self.given:  # noqa: SIM110 - a plan asks this a few hundred times, and a loop is faster
            if case[name].isdisjoint(wanted):
                return False
        return True


class Rule(Strict):
    """An entry that applies to some cases only; of several the highest priority can count."""

    when: When = When()
    priority: Annotated[int, Field(ge=-9, le=9)] = 0


def require(section: str, given: Mapping[Any, object], values: Iterable[str]) -> None:
    """Refuse a section in which one of ``values`` has no entry.

    Raises:
        WrongEntry: one is missing.
    """
    for value in values:
        if value not in given:
            raise WrongEntry((section,), f"{str(value)!r} is missing")


def require_fallback(section: str, rules: Mapping[str, Rule]) -> None:
    """Refuse a section of rules of which none applies to every case.

    Raises:
        WrongEntry: every rule has conditions.
    """
    if all(rule.when.given for rule in rules.values()):
        raise WrongEntry((section,), "one entry without conditions is needed, for the cases that no other fits")
