"""What a time expression means on the calendar, seen from the moment a message came."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from complaint_nlp.facts.time_words import Edge, Part

Tense = Literal["past", "future", "open"]
Level = Literal["year", "month", "week", "day", "minute"]

_NOON = 12
# "3点" without more is in the afternoon: nobody is at a counter at three in the night
_LAST_AFTERNOON_HOUR = 6
# after midnight still belongs to the evening before in speech: 昨晚两点
_LAST_LATE_HOUR = 4
# without any hint of the tense: a date nearly a year back is rather meant to come, when that is soon
_FAR_BACK = timedelta(days=270)
_SOON = timedelta(days=60)
_MIDDLE_OF_MONTH = 15
# a month's end is still this month's when it is told in its last days
_LAST_DAYS = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """What an expression says, piece by piece; ``None`` where it says nothing.

    ``*_shift`` counts from the year, month, week or day of the message. ``weekday`` is 1 (Monday) to 7.
    ``fixed`` holds the days of a named holiday that are to choose from, ``ago`` number and unit of "three days ago".
    """

    year: int | None = None
    year_shift: int | None = None
    month: int | None = None
    month_shift: int | None = None
    week_shift: int | None = None
    weekday: int | None = None
    weekend: bool = False
    day: int | None = None
    day_shift: int | None = None
    fixed: tuple[date, ...] | None = None
    edge: Edge | None = None
    edge_of_year: bool = False
    part: Part | None = None
    hour: int | None = None
    minute: int | None = None
    as_written: bool = False
    ago: tuple[int, str] | None = None
    now: bool = False
    vague: bool = False
    rough: bool = False

    @property
    def has_date(self) -> bool:
        """Whether it says more than a part of the day and an hour."""
        return any(
            piece is not None
            for piece in (
                self.year, self.year_shift, self.month, self.month_shift, self.week_shift, self.weekday,
                self.day, self.day_shift, self.fixed, self.edge, self.ago,
            )
        ) or self.now or self.vague  # fmt: skip

    @property
    def is_explicit(self) -> bool:
        """Whether it means the same whatever the tense."""
        shifted = (self.year, self.year_shift, self.month_shift, self.week_shift, self.day_shift, self.ago)
        return self.now or self.vague or any(piece is not None for piece in shifted)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as exact as it was said.

    Attributes:
        level: how exact.
        start: its first moment, local to the message.
        assumed: whether the half of the day or the date had to be guessed.
    """

    level: Level
    start: datetime
    assumed: bool = False

    @property
    def value(self) -> str:
        """The time in ISO 8601."""
        if self.level == "minute":
            return self.start.strftime("%Y-%m-%dT%H:%M").rjust(16, "0")
        if self.level == "week":
            year, week, _ = self.start.isocalendar()
            return f"{year:04d}-W{week:02d}"
        return self.start.date().isoformat()[: {"year": 4, "month": 7, "day": 10}[self.level]]

    @property
    def last_day(self) -> date:
        """The last day it covers."""
        day = self.start.date()
        if self.level == "year":
            return day.replace(month=12, day=31)
        if self.level == "month":
            return day.replace(day=monthrange(day.year, day.month)[1])
        return day + timedelta(days=6) if self.level == "week" else day


def resolve(when: When, now: datetime, tense: Tense, anchor: Moment | None = None) -> Moment | None:
    """Return the time that ``when`` means, ``None`` where nobody can tell.

    Args:
        when: what was said.
        now: when the message came, in local time without a zone.
        tense: whether the sentence looks back or ahead; ``open`` looks back unless that is far-fetched.
        anchor: the time named before in the message; an hour without a date belongs to its day.
    """
    try:
        return _resolve(when, now, tense, anchor)
    except (ValueError, OverflowError):  # before the year 1, the 31st of a named April...
        return None


def _resolve(when: When, now: datetime, tense: Tense, anchor: Moment | None) -> Moment | None:
    if when.vague:
        return None
    if when.now:
        return Moment("minute", now.replace(second=0, microsecond=0))
    if when.ago is not None:
        moment = _ago(when.ago, now)
    elif when.has_date:
        moment = _date(when, now, tense)
    else:
        return _hour_alone(when, now, tense, anchor)
    if when.hour is None or moment.level != "day":
        return moment
    start, assumed = _at(when, moment.start)
    return Moment("minute", start, assumed)


def _ago(ago: tuple[int, str], now: datetime) -> Moment:
    count, unit = ago
    if unit == "Y":
        return Moment("year", _midnight(date(now.year - count, 1, 1)))
    if unit == "M":
        return Moment("month", _midnight(shift_months(now.date(), -count).replace(day=1)))
    if unit in ("D", "W"):
        return Moment("day", _midnight(now.date() - timedelta(days=count * (7 if unit == "W" else 1))))
    minutes = {"H": 60, "MIN": 1, "QUARTER": 15, "S": 0}[unit]
    return Moment("minute", (now - timedelta(minutes=count * minutes)).replace(second=0, microsecond=0))


def _date(when: When, now: datetime, tense: Tense) -> Moment:
    today = now.date()
    if when.fixed is not None:
        return Moment("day", _midnight(_holiday(when, today, tense)))
    if when.day_shift is not None:
        return Moment("day", _midnight(today + timedelta(days=when.day_shift)))
    if when.week_shift is not None or when.weekday is not None:
        return _week(when, today, tense)
    year = when.year if when.year is not None else None
    if when.year_shift is not None:
        year = today.year + when.year_shift
    month = when.month
    if when.month_shift is not None:
        shifted = shift_months(today.replace(day=1), when.month_shift)
        year, month = shifted.year, shifted.month
    if month is None and when.day is None:
        return _edge_alone(when, today, year, tense)
    if when.day is None:
        return Moment("month", _midnight(_choose_month(year, month or 1, today, tense)))
    return Moment("day", _midnight(_choose_day(year, month, when.day, today, tense)))


def _week(when: When, today: date, tense: Tense) -> Moment:
    monday = today - timedelta(days=today.weekday())
    if when.week_shift is not None:
        monday += timedelta(weeks=when.week_shift)
        if when.weekday is None:
            return Moment("week", _midnight(monday))
        return Moment("day", _midnight(monday + timedelta(days=when.weekday - 1)))
    ahead = ((when.weekday or 1) - today.isoweekday()) % 7
    if tense == "future":
        return Moment("day", _midnight(today + timedelta(days=ahead or 7)))
    return Moment("day", _midnight(today + timedelta(days=ahead - 7)))


def _edge_alone(when: When, today: date, year: int | None, tense: Tense) -> Moment:
    """Return the year, or the month that 月底 or 年初 mean."""
    if when.edge is None:
        return Moment("year", _midnight(date(year or today.year, 1, 1)))
    if when.edge_of_year:
        month = {"early": 1, "middle": 6, "late": 12}[when.edge]
        return Moment("month", _midnight(_choose_month(year, month, today, tense)))
    month_start = today.replace(day=1)
    behind = {"early": 1, "middle": 11, "late": _LAST_DAYS}[when.edge] > today.day
    if tense != "future" and behind:
        month_start = shift_months(month_start, -1)
    return Moment("month", _midnight(month_start))


def _choose_month(year: int | None, month: int, today: date, tense: Tense) -> date:
    if year is not None:
        return date(year, month, 1)
    this = today.replace(day=1)
    return _choose([date(today.year + shift, month, 1) for shift in (-1, 0, 1)], this, tense)


def _choose_day(year: int | None, month: int | None, day: int, today: date, tense: Tense) -> date:
    if year is not None and month is not None:
        return date(year, month, day)
    if month is not None:
        # eight years hold a 29th of February whatever the century
        starts = [
            date(today.year + shift, month, 1) for shift in range(-8, 9) if 0 < today.year + shift <= date.max.year
        ]
    else:
        starts = [shift_months(today.replace(day=1), shift) for shift in range(-2, 3)]
    days = [start.replace(day=day) for start in starts if day <= monthrange(start.year, start.month)[1]]
    if month is None and tense == "open":
        tense = "past"
    return _choose(days, today, tense)


def _choose(days: list[date], today: date, tense: Tense) -> date:
    """Return the day of ``days`` that the tense asks for; raises ValueError when there is none."""
    past = max((day for day in days if day <= today), default=None)
    coming = min((day for day in days if day >= today), default=None)
    near = past and coming and today - past > _FAR_BACK and coming - today <= _SOON
    chosen = coming if tense == "future" or (tense == "open" and near) else past
    if chosen is None:
        msg = "no such day"
        raise ValueError(msg)
    return chosen


def _holiday(when: When, today: date, tense: Tense) -> date:
    days = list(when.fixed or ())
    wanted = when.year if when.year is not None else None
    if when.year_shift is not None:
        wanted = today.year + when.year_shift
    if wanted is not None:
        days = [day for day in days if day.year == wanted]
        return days[0] if days else _choose([], today, tense)
    return _choose(days, today, tense)


def _hour_alone(when: When, now: datetime, tense: Tense, anchor: Moment | None) -> Moment | None:
    if when.hour is None:
        return None
    if anchor is not None and anchor.level in ("day", "minute"):
        day = _midnight(anchor.start.date())
        if when.part is None and not when.as_written and anchor.level == "minute":
            # the same half of the day as the hour named before, or the next time the clock shows it; not in the future
            shown = _shown(when, day)
            told = [start for start in shown if start <= now] or shown
            return Moment("minute", min(told, key=lambda start: (start < anchor.start, start)), assumed=True)
        start, _ = _at(when, day)
        return Moment("minute", start, assumed=True)
    today = _midnight(now.date())
    days = [today + timedelta(days=shift) for shift in (-2, -1, 0, 1)]
    if when.part is not None or when.as_written:
        shown = [_at(when, day)[0] for day in days]
    else:
        shown = [start for day in days for start in _shown(when, day)]
    if tense == "future":
        return Moment("minute", min(start for start in shown if start >= now), assumed=True)
    return Moment("minute", max(start for start in shown if start <= now), assumed=True)


def _shown(when: When, day: datetime) -> list[datetime]:
    """Return the moments of ``day`` at which a clock with twelve hours shows this."""
    hour, minute = when.hour or 0, when.minute or 0
    if hour > _NOON or when.as_written:
        hours = {hour % 24}
    elif 0 < hour <= _LAST_AFTERNOON_HOUR:
        hours = {hour + _NOON}
    else:
        hours = {hour % _NOON, hour % _NOON + _NOON}
    return [day.replace(hour=each, minute=minute) for each in sorted(hours)]


def _at(when: When, day: datetime) -> tuple[datetime, bool]:
    """Return the moment of ``day`` and whether the half of the day is a guess."""
    hour, minute, part = when.hour or 0, when.minute or 0, when.part
    days = 0
    assumed = False
    if part is None:
        if hour and hour <= _LAST_AFTERNOON_HOUR and not when.as_written:
            hour, assumed = hour + _NOON, True
    elif hour < _NOON and (part == "afternoon" or (part == "noon" and hour <= _LAST_LATE_HOUR)):
        hour += _NOON
    elif part in ("evening", "night") and hour == _NOON:
        hour, days = 0, 1
    elif part == "evening" and 0 < hour <= _LAST_LATE_HOUR:
        days = 1
    elif (part == "evening" and hour < _NOON) or (part == "night" and _LAST_AFTERNOON_HOUR < hour < _NOON):
        hour += _NOON if hour else 0
    elif part == "dawn" and hour == _NOON:
        hour = 0
    return day + timedelta(days=days, hours=hour, minutes=minute), assumed


def deadline(when: When, moment: Moment, *, before: bool, within: bool) -> Moment:
    """Return the last moment that a deadline leaves.

    Args:
        when: what was said.
        moment: what it means on the calendar.
        before: the time itself is too late ("before next week").
        within: the whole period is still in time ("this month").
    """
    if moment.level == "minute":
        return moment
    if when.edge is not None and moment.level == "month":
        day = {"early": 1, "middle": _MIDDLE_OF_MONTH, "late": monthrange(moment.start.year, moment.start.month)[1]}
        return Moment("day", moment.start.replace(day=day[when.edge]))
    if within:
        return Moment("day", _midnight(moment.last_day))
    return replace(moment, level="day") if before else moment


def add_workdays(day: date, count: int) -> date:
    """Return the day ``count`` working days after ``day``; Saturdays and Sundays do not count, holidays do."""
    weeks, rest = divmod(count, 5)
    day += timedelta(weeks=weeks)
    while rest:
        day += timedelta(days=1)
        rest -= day.isoweekday() <= 5  # noqa: PLR2004 - Friday
    while day.isoweekday() > 5:  # noqa: PLR2004
        day -= timedelta(days=1)
    return day


def shift_months(day: date, months: int) -> date:
    """Return the same day ``months`` later, or the last one of that month where it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - local to the message all along
