"""From labels to a department, a deadline and an escalation, by a routing file."""

from __future__ import annotations

from datetime import UTC, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from complaint_nlp.labels import Category, Intent, Subcategory, Urgency
from complaint_nlp.report import Route
from complaint_nlp.resources import Localized, Strict, WrongEntry, builtin, load_yaml
from complaint_nlp.triage.calendar import HORIZON_DAYS, CalendarTable, WorkCalendar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, tzinfo
    from pathlib import Path

    from complaint_nlp.labels import Language


class Target(Strict):
    """Where a kind of message goes."""

    department: str
    inform: tuple[str, ...] = ()
    escalate_from: Urgency | None = None


def _known_matter(name: str) -> str:
    if name not in set(Category) | set(Subcategory):
        msg = f"{name!r} is neither a category nor a sub-kind; use one of {', '.join([*Category, *Subcategory])}"
        raise ValueError(msg)
    return name


class RoutingTable(Strict):
    """The schema of a routing file."""

    version: Literal[1]
    respond_within_hours: dict[Urgency, Annotated[float, Field(gt=0, le=24 * 365)]]
    calendar: CalendarTable | None = None
    escalate_from: Urgency
    departments: dict[str, Localized]
    routes: dict[Annotated[str, AfterValidator(_known_matter)], Target]
    intents: dict[Intent, Target]

    @model_validator(mode="after")
    def _complete(self) -> RoutingTable:
        required = (
            ("respond_within_hours", self.respond_within_hours, Urgency),
            ("intents", self.intents, Intent),
            ("routes", self.routes, Category),
        )
        for section, given, values in required:
            for value in values:
                if value not in given:
                    raise WrongEntry((section,), f"{value.value!r} is missing")
        for section, targets in (("routes", self.routes), ("intents", self.intents)):
            for key, target in targets.items():
                for name in (target.department, *target.inform):
                    if name not in self.departments:
                        raise WrongEntry((section, str(key)), f"{name!r} is not listed under departments")
        return self

    @model_validator(mode="after")
    def _deadlines_come(self) -> RoutingTable:
        if self.calendar is not None:
            least, since = WorkCalendar(self.calendar).least_open()
            for urgency, hours in self.respond_within_hours.items():
                if hours > least and urgency not in self.calendar.around_the_clock:
                    found = f"the calendar has only {least:g} open hours in the {HORIZON_DAYS} days from {since}"
                    raise WrongEntry(("respond_within_hours", urgency.value), f"{hours:g} hours, but {found}")
        return self


class Router:
    """Applies a routing table.

    Args:
        path: a routing file; the one shipped with the package when ``None``.

    Attributes:
        table: what stands in the file.
        time_zone: the organisation's, to tell its people and customers a deadline in; UTC without a calendar.

    Raises:
        ConfigError: the file is wrong; the message names its line and key.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.table = load_yaml(path if path is not None else builtin("triage/routing.yaml"), RoutingTable)
        calendar = self.table.calendar
        self._calendar = None if calendar is None else WorkCalendar(calendar)
        self._by_the_clock = frozenset(Urgency) if calendar is None else calendar.around_the_clock
        self.time_zone: tzinfo = UTC if self._calendar is None else self._calendar.zone
        # the same few answers come again and again
        self._decide = lru_cache(maxsize=4096)(self._decide_afresh)
        # a batch has one time of reception for all its messages
        self._due = lru_cache(maxsize=4096)(self._due_afresh)

    def route(
        self,
        *,
        intent: Intent,
        categories: Sequence[Category],
        subcategories: Sequence[Subcategory],
        urgency: Urgency,
        received_at: datetime,
        language: Language = "zh-Hant",
    ) -> Route:
        """Return who takes the case.

        Args:
            intent: decides where there is no grievance.
            categories: the decided categories, primary first.
            subcategories: the decided sub-kinds, primary first; an incident among them leads the route of an urgent
                case, however loud the other grievances are.
            urgency: sets the deadline and, with the table, the escalation.
            received_at: when the message came in, with its time zone; the deadline counts from here.
            language: of the department names.

        Raises:
            ValueError: ``received_at`` has no time zone, or lies at the end of time.
        """
        if received_at.tzinfo is None or received_at.utcoffset() is None:
            msg = "received_at needs a time zone"
            raise ValueError(msg)
        target, inform, escalate = self._decide(intent, tuple(categories), tuple(subcategories), urgency)
        departments = self.table.departments
        try:
            # in UTC before it is looked up: elsewhere both half past one of an autumn night are the same key
            due, hours = self._due(received_at.astimezone(UTC), urgency)
        except OverflowError as error:
            msg = f"no deadline can be counted from {received_at.isoformat()}"
            raise ValueError(msg) from error
        return Route(
            department=departments[target].get(language),
            department_id=target,
            respond_by=due,
            respond_within_hours=hours,
            escalate=escalate,
            inform=tuple(departments[name].get(language) for name in inform),
        )

    def respond_by(self, urgency: Urgency, received_at: datetime) -> datetime:
        """Return when the first answer to a message of this urgency is due, in UTC; ``received_at`` has a zone."""
        return self._due(received_at.astimezone(UTC), urgency)[0]

    def _due_afresh(self, received_at: datetime, urgency: Urgency) -> tuple[datetime, float]:
        """Return when the first answer is due, and how many hours that is after reception."""
        hours = self.table.respond_within_hours[urgency]
        if self._calendar is None or urgency in self._by_the_clock:
            return received_at + timedelta(hours=hours), round(hours, 2)
        due = self._calendar.deadline(received_at, hours)
        return due, round((due - received_at) / timedelta(hours=1), 2)

    def _decide_afresh(
        self,
        intent: Intent,
        categories: tuple[Category, ...],
        subcategories: tuple[Subcategory, ...],
        urgency: Urgency,
    ) -> tuple[str, tuple[str, ...], bool]:
        """Return the department, those to inform, and whether to escalate."""
        if urgency.rank >= Urgency.HIGH.rank:
            subcategories = _incident_first(subcategories)
        target = self._target(intent, categories, subcategories)
        threshold = target.escalate_from or self.table.escalate_from
        # every further matter's own department hears of the case as well
        others = [self._target(intent, [sub.category], [sub]).department for sub in subcategories[1:]]
        inform = tuple(name for name in dict.fromkeys([*target.inform, *others]) if name != target.department)
        return target.department, inform, urgency.rank >= threshold.rank

    def _target(self, intent: Intent, categories: Sequence[Category], subcategories: Sequence[Subcategory]) -> Target:
        routes = self.table.routes
        if subcategories and subcategories[0].value in routes:
            return routes[subcategories[0].value]
        if categories:
            return routes[categories[0].value]
        return self.table.intents[intent]


def _incident_first(subcategories: tuple[Subcategory, ...]) -> tuple[Subcategory, ...]:
    return tuple(sorted(subcategories, key=lambda sub: sub.category is not Category.INCIDENT))
