"""The pieces that time expressions are made of: a date, a weekday, "昨天", "晚上", "八点半"...

One reader for each form; the patterns that call them are in :mod:`complaint_nlp.facts.time_patterns`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from complaint_nlp.facts.numbers import parse_number
from complaint_nlp.facts.time_calendar import When

if TYPE_CHECKING:
    from complaint_nlp.facts.time_words import Edge, Part, TimeWords

_ROC = 1911  # the year before the first of the republic
_ROC_YEARS = range(1, 150)
_ROC_YEARS_WITHOUT_CUE = range(100, 150)

# how fine a piece is: what comes later in an expression is finer
YEAR, MONTH, DAY, NOTE, PART, CLOCK, ALONE = range(7)
# how far back a word that changes the meaning is looked for
_REACH = 6
_FEW = 4
_NOON = 12


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a time expression, or all of one.

    Attributes:
        start: index of its first character in the text.
        end: index after its last one.
        when: what it says.
        rank: how fine its coarsest statement is, from ``YEAR`` to ``CLOCK``; ``ALONE`` joins with nothing.
        last: how fine its finest statement is.
    """

    start: int
    end: int
    when: When
    rank: int
    last: int


@dataclass(frozen=True, slots=True)
class Scan:
    """The text that is read and what is known around it.

    Attributes:
        text: simplified text.
        words: the tables.
        taiwan: whether 115.3.5 may be a year of the republic and 国庆 the tenth of October.
        today: the day the message came, for years written with two digits.
    """

    text: str
    words: TimeWords
    taiwan: bool
    today: date

    def before(self, at: int) -> str:
        """Return the few characters before ``at``, without the spaces between."""
        return self.text[max(0, at - _REACH) : at].rstrip()

    def after(self, at: int) -> str:
        """Return the few characters from ``at`` on, without leading spaces."""
        return self.text[at : at + _REACH].lstrip()


Match = re.Match[str]
Reader = Callable[[Match, Scan], Piece | None]


def to_int(text: str) -> int | None:
    """Return the whole number that ``text`` writes in digits or Chinese, ``None`` where it writes none."""
    text = text.replace("○", "〇").replace("廿", "二十")
    value = parse_number(text)
    return None if value is None else int(value)


def _group(match: Match, name: str) -> str | None:
    return match.groupdict().get(name)


def _piece(match: Match, when: When, rank: int, last: int | None = None) -> Piece:
    return Piece(match.start(), match.end(), when, rank, rank if last is None else last)


def _edge(match: Match, scan: Scan) -> Edge | None:
    edge = _group(match, "edge")
    return None if edge is None else scan.words.file.edges[edge]


def _year_of(written: str, *, republic: bool, scan: Scan) -> int | None:
    """Return the year of our calendar that two to four written digits mean."""
    digits = {char: str(value) for value, char in enumerate("零一二三四五六七八九")} | {"〇": "0", "○": "0"}
    if all(char in digits for char in written):
        written = "".join(digits[char] for char in written)
    year = to_int(written)
    if year is None:
        return None
    if republic:
        return year + _ROC if year in _ROC_YEARS else None
    if year >= 1900:  # noqa: PLR2004 - written in full
        return year if year < 2100 else None  # noqa: PLR2004
    if year in _ROC_YEARS_WITHOUT_CUE:
        return year + _ROC
    if year >= 100:  # noqa: PLR2004 - three digits that are no year of any calendar here
        return None
    century = scan.today.year - scan.today.year % 100
    return century + year if century + year <= scan.today.year + 1 else year + _ROC if scan.taiwan else None


def read_absolute(match: Match, scan: Scan) -> Piece | None:
    """Year with or without month and day."""
    written = _group(match, "ry") or match["y"]
    year = _year_of(written, republic=_group(match, "roc") is not None, scan=scan)
    if year is None:
        return None
    month, day = _group(match, "m"), _group(match, "d")
    when = When(
        year=year,
        month=to_int(month) if month else None,
        day=to_int(day) if day else None,
        edge_of_year=month is None and _group(match, "edge") is not None,
        edge=_edge(match, scan),
    )
    return _piece(match, when, YEAR, DAY if day else MONTH if month or when.edge else YEAR)


def read_republic(match: Match, scan: Scan) -> Piece | None:
    """115.3.5 and 115/3/5: a year of the republic where something says so."""
    year = to_int(match["y"])
    marked = match["roc"] is not None
    if year is None or year not in (_ROC_YEARS if marked else _ROC_YEARS_WITHOUT_CUE):
        return None
    if not marked and match["sep"] != "/" and not scan.taiwan and "民国" not in scan.text:
        return None
    return _piece(match, When(year=year + _ROC, month=int(match["m"]), day=int(match["d"])), YEAR, DAY)


def read_republic_year(match: Match, scan: Scan) -> Piece | None:
    """98年, in Taiwan: nobody counts so many years."""
    return _piece(match, When(year=int(match["y"]) + _ROC), YEAR) if scan.taiwan else None


def read_month_and_day(match: Match, scan: Scan) -> Piece | None:
    """3月5日, 3月, 3月底."""
    day = _group(match, "d")
    when = When(month=to_int(match["m"]), day=to_int(day) if day else None, edge=_edge(match, scan))
    return _piece(match, when, MONTH, DAY if day else MONTH)


def read_day_of_month(match: Match, scan: Scan) -> Piece | None:
    """5号: a day of this or another month."""
    file = scan.words.file
    before, after = scan.before(match.start()), scan.after(match.end())
    if before.endswith(file.day_not_before):
        return None
    if match.group().endswith("日") and (before.endswith(file.count_before) or after.startswith(file.count_after)):
        return None
    return _piece(match, When(day=to_int(match["d"])), DAY)


def read_slashed(match: Match, scan: Scan) -> Piece | None:
    """3/5: a date, or a share where the first number is the smaller one and the words around say so."""
    month, day = int(match["m"]), int(match["d"])
    file = scan.words.file
    around = scan.before(match.start()).endswith(file.share_before) or scan.after(match.end()).startswith(
        file.share_after
    )
    if month <= day and day <= 10 and around:  # noqa: PLR2004 - shares are written with small numbers
        return None
    return _piece(match, When(month=month, day=day), MONTH, DAY)


def read_shifted_month(match: Match, scan: Scan) -> Piece | None:
    """上个月, 下月初."""
    shift = scan.words.file.months[match["shift"]]
    return _piece(match, When(month_shift=shift, edge=_edge(match, scan)), MONTH)


def read_shifted_year(match: Match, scan: Scan) -> Piece | None:
    """去年, 今年底."""
    edge = _edge(match, scan)
    when = When(year_shift=scan.words.file.years[match["shift"]], edge_of_year=edge is not None, edge=edge)
    return _piece(match, when, YEAR, MONTH if edge else YEAR)


def read_edge_alone(match: Match, scan: Scan) -> Piece | None:
    """月底, 年初."""
    return _piece(match, When(edge_of_year=match["unit"] == "年", edge=_edge(match, scan)), MONTH)


def read_week(match: Match, scan: Scan) -> Piece | None:
    """上周, 上周二, or a weekday alone."""
    file = scan.words.file
    shift, weekday = _group(match, "shift"), match["wd"]
    when = When(
        week_shift=file.weeks[shift] if shift else None,
        weekday=file.weekdays[weekday] if weekday else None,
        weekend=weekday == "末",
    )
    return _piece(match, when, MONTH if shift else DAY, DAY if weekday else MONTH)


def read_note(match: Match, scan: Scan) -> Piece | None:
    """The weekday in brackets behind a date."""
    return _piece(match, When(weekday=scan.words.file.weekdays[match["wd"]]), NOTE)


def read_holiday(match: Match, scan: Scan) -> Piece | None:
    """双十一, 中秋节."""
    file, name = scan.words.file, match["name"]
    moon = file.moon_holidays.get(name)
    if moon is not None:
        return _piece(match, When(fixed=tuple(map(date.fromisoformat, moon))), MONTH, DAY)
    holiday = file.holidays[name]
    if holiday.followed and not scan.after(match.end()).startswith(holiday.followed):
        return None
    month, day = (holiday.tw if scan.taiwan and holiday.tw else holiday.date).split("-")
    years = range(max(1, scan.today.year - 3), min(date.max.year, scan.today.year + 2) + 1)
    return _piece(match, When(fixed=tuple(date(year, int(month), int(day)) for year in years)), MONTH, DAY)


def read_shifted_day(match: Match, scan: Scan) -> Piece | None:
    """昨天, 后天."""
    return _piece(match, When(day_shift=scan.words.file.days[match["name"]]), DAY)


def read_day_part(match: Match, scan: Scan) -> Piece | None:
    """昨晚, 今早."""
    both = scan.words.file.day_parts[match["name"]]
    return _piece(match, When(day_shift=both.day, part=both.part), DAY, PART)


def read_ago(match: Match, scan: Scan) -> Piece | None:
    """三天前, 半小时前."""
    unit = scan.words.file.units[match["u"]]
    if (unit.needs and unit.needs not in match.group()) or (unit.counted and match["n"].isdigit()) or unit.workdays:
        return None
    iso, count = unit.iso, 0 if match["n"] == "半" else to_int(match["n"])
    if count is None:
        return None
    if "半" in (match["n"], match["half"], match["more"]):
        finer = {"Y": ("M", 12, 6), "M": ("D", 30, 15), "W": ("D", 7, 3), "D": ("H", 24, 12), "H": ("MIN", 60, 30)}
        if iso not in finer:
            return None
        iso, whole, half = finer[iso]  # type: ignore[assignment]
        count = count * whole + half
    rough = match["rough"] is not None or match["more"] == "多"
    return _piece(match, When(ago=(count, iso), rough=rough), ALONE)


def read_vague(match: Match, scan: Scan) -> Piece | None:  # noqa: ARG001 - all readers are called alike
    """最近, 前几天."""
    return _piece(match, When(vague=True), ALONE)


def read_now(match: Match, scan: Scan) -> Piece | None:  # noqa: ARG001
    """刚刚."""
    return _piece(match, When(now=True, rough=True), ALONE)


def read_part(match: Match, scan: Scan) -> Piece | None:
    """早上, 晚上."""
    return _piece(match, When(part=scan.words.file.parts[match["name"]]), PART)


def read_clock(match: Match, scan: Scan) -> Piece | None:
    """八点半, 20:30, 8pm, with a short word for the half of the day."""
    groups = match.groupdict()
    hour = to_int(match["h"])
    if hour is None:
        return None
    minute = 0
    if groups.get("half"):
        minute = 30
    elif groups.get("q"):
        minute = 15 if match["q"] == "一" else 45
    else:
        written = groups.get("min") or groups.get("min2") or groups.get("one")
        minute = (to_int(written) or 0) if written else 0
    short = groups.get("p")
    # the 午 of 下午 and the 晚 of 今晚 belong to those words
    file = scan.words.file
    borrowed = short is not None and scan.text.endswith(
        (*file.parts, *file.day_parts, *file.other_day), 0, match.end("p")
    )
    day_half = (groups.get("ap") or ("" if borrowed else short) or "").lower()
    part: Part | None = file.short_parts[day_half] if day_half else None
    # 15:30 and 03:30 say which half of the day they mean, 3:30 does not
    written_out = ":" in match.group() or "：" in match.group()
    when = When(
        hour=hour,
        minute=minute,
        part=part,
        as_written=written_out and part is None and (hour > _NOON or match["h"].startswith("0")),
        rough=bool(groups.get("rough")),
    )
    if _is_no_hour(match, scan):
        return None
    start = match.start("h") if borrowed else match.start()
    return Piece(start, match.end(), when, PART if part else CLOCK, CLOCK)


def _is_no_hour(match: Match, scan: Scan) -> bool:
    """Whether "三点" are points, "3:2" a ratio, "一点" a bit."""
    file = scan.words.file
    before, after = scan.before(match.start("h")), scan.after(match.end())
    if "点" not in match.group():
        return before.endswith(file.ratio_around) or after.startswith(file.ratio_around)
    if not match.group().endswith("点"):
        return False
    if match["h"] == "一" and after.startswith(file.bit_after):
        return True
    if before.endswith((*file.parts, *file.day_parts)):
        return False
    # 晚一点, 早一点
    if match["h"] == "一" or before.endswith(file.points_before) or after.startswith(file.points_after):
        return True
    # up to four is how many reasons people list
    few = (to_int(match["h"]) or 0) <= _FEW
    told = before.endswith((*file.days, "日", "号", ")", *file.clock_before)) or after.startswith(file.clock_after)
    return few and not (told or before.endswith(tuple(file.short_parts)))
