"""Points in time as a person says them: 今天下午3點前, 11月25日（週三）上午10點前."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from complaint_nlp.labels import Language
    from complaint_nlp.playbook.messages.schema import TimeWords

_NOON = 12
_HALF_HOUR = 30
# from how far away a time is rounded down to so many minutes: nobody promises 14:47 for the day after tomorrow
_ROUNDING = (
    (timedelta(hours=6), 60),
    (timedelta(hours=2), 30),
    (timedelta(minutes=30), 10),
    (timedelta(minutes=10), 5),
)
_FIRST_HOUR, _LAST_HOUR = 8, 21
# dates further away than this are named with their year
_FAR = timedelta(days=180)


def say_time(when: datetime, now: datetime, words: TimeWords, language: Language) -> str:
    """Return "before ``when``" in words, never later than ``when`` and, where possible, later than ``now``.

    Args:
        when: the deadline, aware.
        now: the moment from which it is seen, aware; its time zone is the one of the words.
        words: the wordings.
        language: ``zh-Hant`` or ``zh-Hans``.
    """
    when = _rounded(when.astimezone(now.tzinfo), now)
    # a day ends at twelve at night, not at the zeroth hour of the next
    midnight = when.hour == 0 and when.minute == 0 and when.date() > now.date()
    day = when - timedelta(minutes=1) if midnight else when
    hour = 24 if midnight else when.hour
    part = words.parts[max(start for start in words.parts if start <= min(hour, 23))].get(language)
    shown = hour - _NOON if hour > _NOON else hour
    form = words.exact if when.minute else words.hour
    if when.minute == _HALF_HOUR:
        form = words.half
    clock = form.get(language).replace("{hour}", str(shown)).replace("{minute}", f"{when.minute:02d}")
    return f"{_day(day, now, words, language)}{part}{clock}"


def next_word(start: datetime, hours: float, *, at_night: bool) -> datetime:
    """Return when the next word is due ``hours`` after ``start``; not at night unless asked for, and never later."""
    due = start + timedelta(hours=hours)
    if at_night or _FIRST_HOUR <= due.hour < _LAST_HOUR:
        return due
    evening = due.replace(hour=_LAST_HOUR, minute=0, second=0, microsecond=0)
    if evening > due:
        evening -= timedelta(days=1)
    return evening if evening > start else due


def _rounded(when: datetime, now: datetime) -> datetime:
    when = when.replace(second=0, microsecond=0)
    for least, minutes in _ROUNDING:
        if when - now >= least:
            earlier = when - timedelta(minutes=(when.hour * 60 + when.minute) % minutes)
            if earlier > now:
                return earlier
    return when


def _day(day: datetime, now: datetime, words: TimeWords, language: Language) -> str:
    days = (day.date() - now.date()).days
    if days == 0:
        return words.today.get(language)
    if days == 1:
        return words.tomorrow.get(language)
    form = words.date if abs(day - now) < _FAR else words.other_year
    text = form.get(language).replace("{year}", str(day.year)).replace("{month}", str(day.month))
    return text.replace("{day}", str(day.day)).replace("{weekday}", words.weekdays[day.weekday()])
