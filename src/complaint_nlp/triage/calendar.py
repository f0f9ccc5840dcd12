"""Opening hours, holidays and time zone of an organisation, and deadlines counted in the hours it is open.

Open is what the clock on the wall says: at an instant the organisation is open if its local date and time lie in a
window. Hours are elapsed ones. So a window over the night in which the clocks go forward holds an hour less, over the
one in which they go back an hour more, and a time of day that comes twice counts twice.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from complaint_nlp.labels import Urgency
from complaint_nlp.resources import Strict, Text, WrongEntry

if TYPE_CHECKING:
    from collections.abc import Iterator

HORIZON_DAYS: Final = 366
"""A routing file is refused if a deadline could come to lie more than this many days after the day of reception."""

# counting gives up only later: the horizon is checked in times of day, of which a change of the clocks takes some away
_SEARCH_DAYS: Final = 2 * HORIZON_DAYS
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_EPOCH_WEEKDAY: Final = date(1970, 1, 1).weekday()
# instants are whole microseconds since 1970, as exact as datetime itself; floats are not
_SECOND: Final = 1_000_000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR

_ZONE_NAME = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")
# Windows brings no time zone data, and the shipped file must load there; these clocks have not changed since 1979
_WITHOUT_DATA: Final = {
    "UTC": UTC,
    "Asia/Taipei": timezone(timedelta(hours=8), "CST"),
    "Asia/Shanghai": timezone(timedelta(hours=8), "CST"),
    "Asia/Hong_Kong": timezone(timedelta(hours=8), "HKT"),
    "Asia/Macau": timezone(timedelta(hours=8), "CST"),
}
_WINDOW = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])\s*-\s*(?:([01][0-9]|2[0-3]):([0-5][0-9])|24:00)", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIRST_DATE, _LAST_DATE = date(2000, 1, 1), date(2199, 12, 31)


class Weekday(StrEnum):
    """A day of the week, Monday first."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


def find_zone(name: str) -> tzinfo:
    """Return the time zone of an IANA name like ``"Asia/Taipei"``.

    Raises:
        ValueError: there is none of this name, or no time zone data on this machine.
    """
    # ZoneInfo looks for a file of that name: what is no name must not get there
    if _ZONE_NAME.fullmatch(name):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, OSError, ValueError):
            if name in _WITHOUT_DATA:
                return _WITHOUT_DATA[name]
    msg = f"{name!r} is no time zone known here, use a name like 'Asia/Taipei'"
    try:
        ZoneInfo("UTC")
    except ZoneInfoNotFoundError:
        msg += "; this machine has no time zone data: pip install tzdata"
    raise ValueError(msg)


def _zone_name(name: str) -> str:
    find_zone(name)
    return name


def _read_window(value: object) -> tuple[int, int]:
    """Return the beginning and the end in minutes after midnight."""
    match = _WINDOW.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        msg = "a window is written like '09:00-18:00', with two digits each; the end may be 24:00"
        raise ValueError(msg)
    hour, minute, end_hour, end_minute = match.groups()
    start = int(hour) * 60 + int(minute)
    end = 24 * 60 if end_hour is None else int(end_hour) * 60 + int(end_minute)
    if end <= start:
        msg = "a window ends after it begins; split one over midnight: '22:00-24:00', and '00:00-06:00' on the next day"
        raise ValueError(msg)
    return start, end


def _in_order(windows: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    windows = tuple(sorted(windows))
    for (_, end), (start, _) in pairwise(windows):
        if start < end:
            msg = f"two windows overlap at {start // 60:02}:{start % 60:02}"
            raise ValueError(msg)
    return windows


def _read_date(value: object) -> date:
    # not pydantic's own reading: it takes a number for seconds since 1970
    if isinstance(value, str) and _DATE.fullmatch(value):
        value = date.fromisoformat(value)
    if not isinstance(value, date) or isinstance(value, datetime):
        msg = "a date is written like 2026-10-01"
        raise ValueError(msg)  # noqa: TRY004 - pydantic reports values, not types
    if not _FIRST_DATE <= value <= _LAST_DATE:
        msg = f"dates from {_FIRST_DATE.year} to {_LAST_DATE.year} are expected, got {value}"
        raise ValueError(msg)
    return value


Window = Annotated[tuple[int, int], BeforeValidator(_read_window)]
Windows = Annotated[tuple[Window, ...], AfterValidator(_in_order)]
Day = Annotated[date, BeforeValidator(_read_date)]


class Holiday(Strict):
    """A date on which nobody works; in the file also as the bare date.

    Attributes:
        date: in the organisation's time zone.
        name: for whoever reads the file.
    """

    date: Day
    name: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare_date(cls, value: Any) -> Any:  # noqa: ANN401 - whatever stands in the file
        return value if isinstance(value, dict) else {"date": value}


class OpenDate(Strict):
    """A date with hours of its own: a make-up working day (補班 / 补班), an evening on which the office closes early.

    Attributes:
        date: in the organisation's time zone.
        like: the weekday whose windows hold.
        open: the windows, in minutes after midnight; exactly one of ``like`` and ``open`` is given.
        name: for whoever reads the file.
    """

    date: Day
    like: Weekday | None = None
    open: Annotated[Windows, Field(min_length=1)] | None = None
    name: Text | None = None

    @model_validator(mode="after")
    def _hours_given_once(self) -> OpenDate:
        if (self.like is None) == (self.open is None):
            msg = "say either like (a weekday whose hours hold) or open (the hours of that day)"
            raise ValueError(msg)
        return self


class CalendarTable(Strict):
    """The schema of the section ``calendar`` of a routing file.

    Attributes:
        time_zone: IANA name of the zone in which all dates and times of the section are meant.
        open: windows of each weekday, in minutes after midnight; a weekday that is left out is closed.
        holidays: dates on which nobody works.
        open_dates: dates with hours of their own.
        around_the_clock: the urgencies whose hours go by the clock, open or not.
    """

    time_zone: Annotated[str, AfterValidator(_zone_name)]
    open: dict[Weekday, Windows]
    holidays: tuple[Holiday, ...] = ()
    open_dates: tuple[OpenDate, ...] = ()
    # no default: whether a gas leak waits until Monday is for the organisation to say
    around_the_clock: frozenset[Urgency]

    @field_validator("open")
    @classmethod
    def _opens_at_all(cls, value: dict[Weekday, Windows]) -> dict[Weekday, Windows]:
        if not any(value.values()):
            msg = "at least one weekday needs a window"
            raise ValueError(msg)
        return value

    @field_validator("around_the_clock")
    @classmethod
    def _most_urgent_first(cls, value: frozenset[Urgency]) -> frozenset[Urgency]:
        for given in value:
            for urgency in Urgency:
                if urgency.rank > given.rank and urgency not in value:
                    msg = f"with {given.value!r}, the more urgent {urgency.value!r} must go by the clock, too"
                    raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> CalendarTable:
        seen: dict[date, str] = {}
        sections: tuple[tuple[str, tuple[Holiday | OpenDate, ...]], ...] = (
            ("holidays", self.holidays),
            ("open_dates", self.open_dates),
        )
        for section, entries in sections:
            for i, entry in enumerate(entries):
                if entry.date in seen:
                    raise WrongEntry((section, i), f"{entry.date} stands already under {seen[entry.date]}")
                seen[entry.date] = section
        for i, entry in enumerate(self.open_dates):
            if entry.like is not None and not self.open.get(entry.like):
                raise WrongEntry(("open_dates", i, "like"), f"{entry.like.value} has no window itself")
        return self


class WorkCalendar:
    """Counts open hours.

    Args:
        table: the section of the routing file.

    Attributes:
        zone: the organisation's time zone.
    """

    def __init__(self, table: CalendarTable) -> None:
        self.zone: tzinfo = find_zone(table.time_zone)
        weekly = {weekday: _microseconds(table.open.get(weekday, ())) for weekday in Weekday}
        self._weekly = tuple(weekly.values())
        self._dates: dict[int, tuple[tuple[int, int], ...]] = {_number(day.date): () for day in table.holidays}
        for day in table.open_dates:
            own = weekly[day.like] if day.like is not None else _microseconds(day.open or ())
            self._dates[_number(day.date)] = own
        # two years of days: enough for every message that comes in, and for the longest count
        self._day = lru_cache(maxsize=1024)(self._day_afresh)

    def deadline(self, received_at: datetime, hours: float) -> datetime:
        """Return when ``hours`` open hours have passed since ``received_at``, in UTC.

        Hours that fill a window exactly end when it closes, not when the next one opens.

        Args:
            received_at: with its time zone, which may be another one than the organisation's.
            hours: more than 0.

        Raises:
            ValueError: ``received_at`` has no time zone, or two years do not hold that many open hours.
        """
        if received_at.tzinfo is None or received_at.utcoffset() is None:
            msg = "received_at needs a time zone"
            raise ValueError(msg)
        try:
            instant = self._count((received_at - _EPOCH) // timedelta(microseconds=1), round(hours * _HOUR))
            if instant is not None:
                return _datetime(instant)
        except OverflowError:  # the year 1 or 9999
            pass
        msg = f"no deadline {hours:g} open hours after {received_at.isoformat()} within {_SEARCH_DAYS} days"
        raise ValueError(msg)

    def least_open(self) -> tuple[float, date]:
        """Return the fewest open hours in any :data:`HORIZON_DAYS` days on end, and the first of these days.

        The hours are those of the clock on the wall; a change of the clocks may take one or two of them away.
        """
        # any day will do where no date is special: the weeks are all alike
        first = min(self._dates, default=0) - HORIZON_DAYS
        last = max(self._dates, default=0)
        total = sum(self._open_on(day) for day in range(first, first + HORIZON_DAYS))
        least, since = total, first
        for day in range(first, last):
            total += self._open_on(day + HORIZON_DAYS) - self._open_on(day)
            if total < least:
                least, since = total, day + 1
        return least / _HOUR, date.fromordinal(since + _EPOCH_ORDINAL)

    def _count(self, received: int, needed: int) -> int | None:
        """Return the instant at which ``needed`` open microseconds have passed since ``received``."""
        first = received // _DAY
        for day in range(first, first + _SEARCH_DAYS):
            total, windows = self._day(day)
            if day > first and total < needed:
                needed -= total
                continue
            for opens, closes in windows:
                start = max(opens, received)
                if start >= closes:
                    continue
                if needed <= closes - start:
                    return start + needed
                needed -= closes - start
        return None

    def _day_afresh(self, day: int) -> tuple[int, tuple[tuple[int, int], ...]]:
        """Return how long a day is open, and from when to when: a day of UTC, where none is longer or comes twice."""
        found: list[tuple[int, int]] = []
        for start, end, offset in self._same_offset(day * _DAY, (day + 1) * _DAY):
            for local_day in range((start + offset) // _DAY, (end + offset - 1) // _DAY + 1):
                midnight = local_day * _DAY - offset
                for opens, closes in self._windows(local_day):
                    piece = max(start, midnight + opens), min(end, midnight + closes)
                    if piece[0] < piece[1]:
                        found.append(piece)
        return sum(closes - opens for opens, closes in found), tuple(found)

    def _same_offset(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield the stretches of time between ``start`` and ``end`` with one offset from UTC each, and the offset."""
        before, after = self._offset(start), self._offset(end)
        if before == after:
            yield start, end, before
            return
        low, high = start, end  # clocks change on a full second
        while high - low > _SECOND:
            middle = (low + high) // 2 // _SECOND * _SECOND
            if self._offset(middle) == before:
                low = middle
            else:
                high = middle
        yield start, high, before
        if high < end:
            yield high, end, after

    def _offset(self, instant: int) -> int:
        offset = _datetime(instant).astimezone(self.zone).utcoffset() or timedelta()
        return offset // timedelta(microseconds=1)

    def _windows(self, local_day: int) -> tuple[tuple[int, int], ...]:
        own = self._dates.get(local_day)
        return self._weekly[(local_day + _EPOCH_WEEKDAY) % 7] if own is None else own

    def _open_on(self, local_day: int) -> int:
        return sum(closes - opens for opens, closes in self._windows(local_day))


def _datetime(instant: int) -> datetime:
    return _EPOCH + timedelta(microseconds=instant)


def _number(day: date) -> int:
    """Return the number of days since 1970-01-01."""
    return day.toordinal() - _EPOCH_ORDINAL


def _microseconds(windows: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    return tuple((start * _MINUTE, end * _MINUTE) for start, end in windows)
