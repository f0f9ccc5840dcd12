"""The tables behind :mod:`complaint_nlp.facts.times`: their schema and how they become patterns."""

from __future__ import annotations

import re
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from complaint_nlp.facts.words import either
from complaint_nlp.resources import Strict, Text, builtin, load_yaml

if TYPE_CHECKING:
    from pathlib import Path

Part = Literal["dawn", "morning", "noon", "afternoon", "evening", "night"]
Edge = Literal["early", "middle", "late"]
IsoUnit = Literal["Y", "M", "W", "D", "H", "MIN", "QUARTER", "S"]


def _calendar_day(text: str) -> str:
    date.fromisoformat(text)
    return text


def _day_of_year(text: str) -> str:
    date.fromisoformat(f"2024-{text}")
    return text


DayOfYear = Annotated[str, Field(pattern=r"^\d\d-\d\d$"), AfterValidator(_day_of_year)]
CalendarDay = Annotated[str, AfterValidator(_calendar_day)]
Shift = Annotated[int, Field(ge=-9, le=9)]
Words = Annotated[tuple[Text, ...], Field(min_length=1)]


class DayPart(Strict):
    """A word that names a day and a part of it, as 昨晚 does."""

    day: Shift
    part: Part


class Holiday(Strict):
    """A fixed day of the year.

    Attributes:
        date: month and day.
        tw: the day that Taiwan means by the word, where it is another one.
        followed: the word is this day only when one of these follows.
    """

    date: DayOfYear
    tw: DayOfYear | None = None
    followed: tuple[Text, ...] = ()


class Unit(Strict):
    """A unit of durations.

    Attributes:
        iso: the unit of ISO 8601 it is counted in.
        needs: a measure word without which the unit is something else (3月 is March, 3个月 are months).
        counted: whether words around must tell that days are counted (3日 is a day of the month).
        workdays: whether weekends do not count.
    """

    iso: IsoUnit
    needs: Text | None = None
    counted: bool = False
    workdays: bool = False


class TimesFile(Strict):
    """The schema of the file of time words; what each list does stands beside it in the file."""

    version: Literal[1]
    days: dict[Text, Shift]
    not_before_day: Words
    since_day: Words
    not_after_day: Words
    day_parts: dict[Text, DayPart]
    parts: dict[Text, Part]
    short_parts: dict[Text, Part]
    weeks: dict[Text, Shift]
    week_words: Words
    weekdays: dict[Text, Annotated[int, Field(ge=1, le=7)]]
    not_after_week: Words
    not_after_weekday: Words
    months: dict[Text, Shift]
    not_after_month: Words
    years: dict[Text, Shift]
    not_after_year: Words
    edges: dict[Text, Edge]
    not_after_edge: Words
    now_words: Words
    not_after_now: Words
    vague: Words
    other_day: Words
    holidays: dict[Text, Holiday]
    moon_holidays: dict[Text, tuple[CalendarDay, ...]]
    not_after_holiday: Words
    clock_before: Words
    clock_after: Words
    points_before: Words
    points_after: Words
    bit_after: Words
    ratio_around: Words
    share_before: Words
    share_after: Words
    day_not_before: Words
    day_not_after: Words
    habit: Words
    units: dict[Text, Unit]
    count_before: Words
    count_after: Words
    duration_not_after: Words
    duration_not_before: Words
    half_words: dict[Text, Annotated[str, Field(pattern=r"^P(\d+[YMWD])?(T(\d+H)?(\d+M)?)?$")]]
    rough_half: Words
    until_after: Words
    not_after_until: Words
    close_words: Words
    within_after: Words
    not_after_within: Words
    until_before: Words
    need: Words
    need_ahead: Words
    not_after_want: Words
    ask_before: Words
    strong: Words
    demand: Words
    told: Words
    grace_before: Words
    left_before: Words
    later_after: Words
    past: Words
    future: Words
    promise: Words
    within_past: Words


class TimeWords:
    """The tables, with the word lists that are looked for as a whole made into patterns.

    Args:
        path: a file of time words; the one shipped with the package when ``None``.

    Raises:
        ConfigError: the file is wrong; the message names its line and key.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.file = load_yaml(path if path is not None else builtin("facts/times.yaml"), TimesFile)
        file = self.file
        self.habit = re.compile(either(file.habit))
        self.demand = re.compile(either(file.demand))
        self.past = re.compile(either(file.past))
        self.future = re.compile(either(file.future))
        self.promise = re.compile(either(file.promise))
        self.within_past = re.compile(either(file.within_past))
        closing = rf"(?:{either(file.close_words)})?"
        not_until, not_within = either(file.not_after_until), either(file.not_after_within)
        self.until = re.compile(rf"\s?{closing}(?:之前|以前|(?:{either(file.until_after)})(?!{not_until}))")
        self.within = re.compile(rf"\s?(?:{either(file.within_after)})(?!{not_within})")
        self.until_prefix = re.compile(rf"(?:{either(file.until_before)})\s?(?:在|于|到|是)?\s?$")
        self.told = re.compile(either(file.told))
        self.strong = re.compile(either(file.strong))
        self.ask_before = re.compile(rf"(?:{either(file.ask_before)})\s?$")
        self.grace = re.compile(rf"(?:{either(file.grace_before)})\s?$")
        self.left = re.compile(rf"(?:{either(file.left_before)})\s?$")
        self.later = re.compile(rf"\s?(?:{either(file.later_after)})")
        self.need = re.compile(rf"\s?(?:{either(file.need)})")
        self.want = re.compile(rf"\s?就?要(?!{either(file.not_after_want)})")
        self.need_ahead = re.compile(rf"\s?(?:{either(file.need_ahead)})")


@cache
def default_words() -> TimeWords:
    """Return the tables shipped with the package, read once."""
    return TimeWords()
