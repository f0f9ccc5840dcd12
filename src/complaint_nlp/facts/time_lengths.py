"""Lengths of time: 三天, 一个半小时, 两三个工作日, 半年."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from complaint_nlp.facts.time_calendar import Moment, add_workdays, shift_months
from complaint_nlp.facts.time_patterns import COUNT, NUMERALS
from complaint_nlp.facts.time_pieces import to_int
from complaint_nlp.facts.words import either, first_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from complaint_nlp.facts.time_words import IsoUnit, TimeWords, Unit

_DIGITS = "一二三四五六七八九"
# how far back and ahead a word that changes the meaning is looked for
_REACH = 6
# a unit, and how many of the next finer one half of it is
_HALVES: dict[str, tuple[IsoUnit, int]] = {
    "Y": ("M", 6),
    "M": ("D", 15),
    "W": ("D", 3),
    "D": ("H", 12),
    "H": ("MIN", 30),
    "MIN": ("S", 30),
}
# 98年 and 2026年 are years of a calendar
_MOST_YEARS = 79
_ORDER: tuple[str, ...] = ("Y", "M", "W", "D", "H", "MIN", "S")
_BETWEEN = re.compile(r"[又零加]?")


@dataclass(frozen=True, slots=True)
class Length:
    """A length of time in a text.

    Attributes:
        start: index of its first character.
        end: index after the last one.
        amounts: how many of each unit of ISO 8601; empty when nobody can tell.
        details: what else was said: ``approximate``, ``max``, ``workdays``.
    """

    start: int
    end: int
    amounts: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def value(self) -> str | None:
        """The length in ISO 8601."""
        return _iso(self.amounts)

    def after(self, now: datetime) -> Moment | None:
        """Return the time this long after ``now``, ``None`` where it is not known or beyond the calendar."""
        if not self.amounts:
            return None
        counted = dict(self.amounts)
        try:
            if "workdays" in self.details:
                day = add_workdays(now.date(), counted.get("D", 0))
            else:
                day = shift_months(now.date(), counted.get("Y", 0) * 12 + counted.get("M", 0))
                day += timedelta(days=counted.get("D", 0) + counted.get("W", 0) * 7)
            seconds = counted.get("H", 0) * 3600 + counted.get("MIN", 0) * 60 + counted.get("S", 0)
            moment = datetime.combine(day, now.time()) + timedelta(seconds=seconds)
        except (ValueError, OverflowError):
            return None
        return Moment("minute" if seconds else "day", moment.replace(second=0, microsecond=0))


def _iso(amounts: Mapping[str, int]) -> str | None:
    if not amounts:
        return None
    dates = "".join(f"{amounts[unit]}{unit}" for unit in ("Y", "M", "W", "D") if unit in amounts)
    times = "".join(f"{amounts[unit]}{unit[0]}" for unit in ("H", "MIN", "S") if unit in amounts)
    return f"P{dates}T{times}" if times else f"P{dates}"


def _amounts(iso: str) -> dict[str, int]:
    """Return the amounts of a duration in ISO 8601 as the tables write them."""
    dates, _, times = iso.removeprefix("P").partition("T")
    found = {unit: int(number) for number, unit in re.findall(r"(\d+)([YMWD])", dates)}
    return found | {"MIN" if unit == "M" else unit: int(number) for number, unit in re.findall(r"(\d+)([HM])", times)}


class LengthFinder:
    """Finds lengths of time.

    Args:
        words: the tables.
    """

    def __init__(self, words: TimeWords) -> None:
        file = words.file
        self.file = file
        units = either(file.units)
        self._counted = re.compile(
            rf"(?=[好几数多来余个半\s\d{NUMERALS}{first_of(file.units)}])"
            rf"(?P<some>(?:好)?几|好多|数|多)?(?<![\d.])"
            rf"(?:(?P<n>{COUNT})(?:\s?[-~到至、]\s?(?P<to>{COUNT}))?)?(?P<rough>[多几来余])?\s?(?P<ge>个)?(?P<half>半|多)?\s?"
            rf"(?P<u>{units})(?!(?<=周)年)(?P<more>半|多)?"  # 五周年 is an anniversary
        )
        self._half = re.compile(either(file.half_words))
        self._fixed_after = re.compile(either(file.duration_not_after))

    def find(self, text: str) -> list[Length]:
        """Return the lengths of time in ``text``, in its order; they do not overlap."""
        found = [length for match in self._counted.finditer(text) if (length := self._length(match, text)) is not None]
        for match in self._half.finditer(text):
            if self._stands_free(match.start(), match.end(), text):
                rough = {"approximate": "yes"} if match.group() in self.file.rough_half else {}
                found.append(Length(match.start(), match.end(), _amounts(self.file.half_words[match.group()]), rough))
        kept: list[Length] = []
        for length in sorted(found, key=lambda length: (length.start, -length.end)):
            if not kept or length.start >= kept[-1].end:
                whole = _joined(kept[-1], length, text) if kept else None
                if whole is not None:
                    kept.pop()
                kept.append(whole or length)
        return kept

    def _stands_free(self, start: int, end: int, text: str) -> bool:
        before = text[max(0, start - _REACH) : start]
        # 有一天 is some day, 还有一天 is one day more
        barred = before.endswith(self.file.duration_not_before) and not before.endswith(self.file.left_before)
        return not barred and self._fixed_after.match(text, end) is None

    def _length(self, match: re.Match[str], text: str) -> Length | None:
        unit = self.file.units[match["u"]]
        start, end = match.span()
        if not self._stands_free(start, end, text) or not self._counts(match, unit, text):
            return None
        details = {"workdays": "yes"} if unit.workdays else {}
        if match["n"] is None:
            return Length(start, end, {}, details | {"approximate": "yes"}) if match["some"] else None
        if match["some"]:
            return None
        low, high = _numbers(match)
        if low is None or (unit.iso == "Y" and low > _MOST_YEARS):
            return None
        if match["rough"] or "多" in (match["half"], match["more"]):
            details["approximate"] = "yes"
        half = "半" in (match["half"], match["more"])
        if match["ge"] and match["half"] == "半" and unit.iso == "D":  # 两个半天: two times half a day
            return Length(start, end, {"H": 12 * low}, details)
        if high is not None:
            details["max"] = _iso(_measured(high, unit.iso, half=half)) or ""
        return Length(start, end, _measured(low, unit.iso, half=half), details)

    def _counts(self, match: re.Match[str], unit: Unit, text: str) -> bool:
        """Whether the unit is counted here: 3个月, not 3月."""
        if unit.needs and match["ge"] != unit.needs:
            return False
        if not unit.counted:
            return True
        before, after = text[max(0, match.start() - _REACH) : match.start()], text[match.end() : match.end() + _REACH]
        return before.endswith(self.file.count_before) or after.startswith(self.file.count_after)


def _numbers(match: re.Match[str]) -> tuple[int | None, int | None]:
    """Return the number, or the lesser and the greater one of 两三天 and 2-3天."""
    written = match["n"]
    if match["to"]:
        return to_int(written), to_int(match["to"])
    pair = written.replace("两", "二")
    if len(pair) >= 2 and pair[-1] in _DIGITS and pair[-2] in _DIGITS:  # noqa: PLR2004 - two digits side by side
        low, high = _DIGITS.index(pair[-2]) + 1, _DIGITS.index(pair[-1]) + 1
        tens = to_int(pair[:-2]) if pair[:-2] else 0
        if high == low + 1 and tens is not None:
            return tens + low, tens + high
    return to_int(written), None


def _measured(count: int, unit: IsoUnit, *, half: bool) -> dict[str, int]:
    if unit == "QUARTER":
        return {"MIN": count * 15}
    amounts: dict[str, int] = {unit: count} if count or not half else {}
    if half and unit in _HALVES:
        finer, number = _HALVES[unit]
        amounts[finer] = number
    return amounts


def _joined(before: Length, after: Length, text: str) -> Length | None:
    """Return 1小时 and 20分钟 as one length, ``None`` when they are two."""
    if not before.amounts or not after.amounts or not _BETWEEN.fullmatch(text, before.end, after.start):
        return None
    last, first = (_ORDER.index(unit) for unit in (list(before.amounts)[-1], next(iter(after.amounts))))
    if last >= first:
        return None
    return Length(before.start, after.end, {**before.amounts, **after.amounts}, {**before.details, **after.details})
