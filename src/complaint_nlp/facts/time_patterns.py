"""The patterns of the pieces that time expressions are made of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from complaint_nlp.facts import time_pieces as pieces
from complaint_nlp.facts.words import Search, either

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from complaint_nlp.facts.time_pieces import Piece, Reader, Scan
    from complaint_nlp.facts.time_words import TimesFile, TimeWords

_BELOW_HUNDRED = "零〇○一二两三四五六七八九十"
NUMERALS = _BELOW_HUNDRED + "百"
_MONTH = r"(?:1[0-2]|0?[1-9]|十[一二]?|[一二三四五六七八九])"
_DAY = r"(?:3[01]|[12]\d|0?[1-9]|三十一?|二?十[一二三四五六七八九]?|廿[一二三四五六七八九]?|[一二三四五六七八九])"
_HOUR = r"(?:2[0-4]|1\d|0?\d|二十[一二三四]?|十[一二三四五六七八九]?|[零一二两三四五六七八九])"
_MINUTE = r"(?:[1-5]\d|0\d|[二三四五]?十[一二三四五六七八九]?|[零〇][一二三四五六七八九])"
COUNT = rf"(?:\d{{1,4}}|[{NUMERALS}]{{1,5}})"
_YEAR = r"(?:20\d\d|19[89]\d|二[零〇○][零〇○一二三四五六七八九]{2})"
_ROC_YEAR = rf"(?:\d{{2,3}}|[{NUMERALS}]{{2,5}})"
_ISO_MONTH_DAY = r"(?P<m>1[0-2]|0?[1-9])\s?(?P=sep)\s?(?P<d>3[01]|[12]\d|0?[1-9])(?!\d)"


def _not_after(words: Iterable[str]) -> str:
    return f"(?!{either(words)})"


def _not_before(words: Iterable[str]) -> str:
    return "".join(f"(?<!{re.escape(word)})" for word in words)


def _whole_day(file: TimesFile) -> str:
    """Return what stands where a day or a year begins: 前 and 后 may be the end of 之前, 以后 or 从前."""
    since = rf"(?<=从)(?=前[天日年](?:{either(file.since_day)}|\s?{_MONTH}月))"
    return rf"(?:(?![前后])|{_not_before(file.not_before_day)}|{since})"


# what the slower patterns need: a number before or behind a word of the calendar
_NUMBER = rf"[\d{NUMERALS}]"
_YEAR_NUMBER, _MONTH_NUMBER, _DAY_NUMBER = rf"{_NUMBER}\s?年", rf"{_NUMBER}\s?月", rf"{_NUMBER}\s?[日号]"
_DIGITS_APART, _ALWAYS = r"\d\s?[-/.]\s?\d", ""

_Row = tuple[str, str, "Reader"]
"""What a text needs for the pattern to be tried, the pattern, and who reads its matches."""


def _date_patterns(file: TimesFile) -> Iterator[_Row]:
    """Years, months and days that are named."""
    edge = rf"(?P<edge>{either(file.edges)}){_not_after(file.not_after_edge)}"
    numeral = rf"\d{_BELOW_HUNDRED}几半多"
    no_day, no_month = _not_after(file.day_not_after), _not_after(file.not_after_month)
    yield (
        _DIGITS_APART,
        rf"(?<![a-zA-Z\d./-])(?P<y>20\d\d|19[89]\d)\s?(?P<sep>[-/.])\s?{_ISO_MONTH_DAY}",
        pieces.read_absolute,
    )
    yield (
        _YEAR_NUMBER,
        (
            rf"(?:(?P<roc>民国)\s?)?(?<![\d{_BELOW_HUNDRED}])(?P<y>\d{{2,4}}|[{NUMERALS}]{{2,5}})\s?年\s?"
            rf"(?P<m>{_MONTH})\s?月(?:份?{edge}|\s?(?P<d>{_DAY})\s?[日号]|份?)"
        ),
        pieces.read_absolute,
    )
    yield (
        _YEAR_NUMBER,
        rf"(?:(?P<roc>民国)\s?(?P<ry>{_ROC_YEAR})|(?<!\d)(?P<y>{_YEAR}))\s?年(?:{edge})?{_not_after(file.not_after_year)}",
        pieces.read_absolute,
    )
    yield (
        _DIGITS_APART,
        rf"(?:(?P<roc>民国)\s?|(?<![a-zA-Z\d./-]))(?P<y>\d{{2,3}})(?P<sep>[./-]){_ISO_MONTH_DAY}(?![./-]\d)",
        pieces.read_republic,
    )
    yield _YEAR_NUMBER, rf"(?<![\d./-])(?P<y>0\d)\s?年(?:{edge})?", pieces.read_absolute
    yield _YEAR_NUMBER, rf"(?<![\d./-])(?P<y>[12]\d)\s?年(?:{edge})", pieces.read_absolute
    yield (
        _YEAR_NUMBER,
        r"(?<![a-zA-Z\d./-])(?P<y>[89]\d|1[0-4]\d)\s?年(?![前后内以之多半])",
        pieces.read_republic_year,
    )
    yield (
        _MONTH_NUMBER,
        rf"(?<![{numeral}第个])(?P<m>{_MONTH})\s?月份?\s?(?P<d>{_DAY})\s?[日号](?!码|线)",
        pieces.read_month_and_day,
    )
    yield (
        _MONTH_NUMBER,
        rf"(?<![{numeral}个.])(?P<m>{_MONTH})\s?月(?:份?{edge}|份|{no_month})",
        pieces.read_month_and_day,
    )
    yield (
        _DAY_NUMBER,
        rf"(?<![{numeral}.])(?P<d>{_DAY})\s?(?:号{no_day}|(?<=\d)日(?![元游内语式常])|(?<=\d )日(?!本))",
        pieces.read_day_of_month,
    )
    yield (
        _DIGITS_APART,
        r"(?<![a-zA-Z\d./-])(?P<m>1[0-2]|0?[1-9])/(?P<d>3[01]|[12]\d|0?[1-9])(?![a-zA-Z\d/%％]|\.\d)",
        pieces.read_slashed,
    )
    yield "月", rf"(?P<shift>{either(file.months)})一?个?月份?(?:{edge})?{no_month}", pieces.read_shifted_month
    years = either(file.years)
    yield years, rf"{_whole_day(file)}(?P<shift>{years})(?:{edge})?", pieces.read_shifted_year
    yield rf"[年月]{edge}", rf"(?<![{numeral}个])(?P<unit>[年月]){edge}", pieces.read_edge_alone


def _week_and_day_patterns(file: TimesFile) -> Iterator[_Row]:
    """Weeks, weekdays, holidays and days counted from today."""
    week = either(file.week_words)
    weekday = rf"(?P<wd>[{''.join(file.weekdays)}]){_not_after(file.not_after_weekday)}"
    yield (
        week,
        rf"(?P<shift>{either(file.weeks)})一?个?(?:{week})(?:{weekday}|(?P<no>){_not_after(file.not_after_week)})",
        pieces.read_week,
    )
    yield week, rf"(?<![\d一两二三四五六七八九十几每半双整个])(?:{week}){weekday}", pieces.read_week
    yield r"[(（\[]", rf"\s?[(（\[](?:{week})?{weekday}[)）\]]", pieces.read_note
    names = either([*file.holidays, *file.moon_holidays])
    yield _ALWAYS, rf"(?P<name>{names}){_not_after(file.not_after_holiday)}", pieces.read_holiday
    days = either(file.days)
    yield days, rf"{_whole_day(file)}(?P<name>{days}){_not_after(file.not_after_day)}", pieces.read_shifted_day
    yield _ALWAYS, rf"(?P<name>{either(file.day_parts)})", pieces.read_day_part
    yield (
        "前",
        (
            rf"(?<![\d.第])(?P<n>{COUNT}|半)(?P<rough>[多几来])?\s?个?(?P<half>半)?(?:多)?\s?(?P<u>{either(file.units)})"
            rf"(?P<more>[多半])?\s?(?:之前|以前|前)(?![台天面边后])"
        ),
        pieces.read_ago,
    )
    yield _ALWAYS, either(file.vague), pieces.read_vague
    yield _ALWAYS, rf"(?:{either(file.now_words)}){_not_after(file.not_after_now)}", pieces.read_now


def _clock_patterns(file: TimesFile) -> Iterator[_Row]:
    """Parts of the day and hours."""
    short = rf"(?:(?P<p>{either(file.short_parts)})\s?)?"
    rough = r"(?P<rough>多|许|左右|上下)?"
    yield _ALWAYS, rf"(?P<name>{either(file.parts)})", pieces.read_part
    yield (
        rf"{_NUMBER}\s?[点时]",
        (
            rf"{short}(?<!\d[:：])(?<![\d.{_BELOW_HUNDRED}])(?P<h>{_HOUR})\s?(?:点(?:钟|整|(?P<half>半)|(?P<q>[一三])刻|"
            rf"(?P<min>{_MINUTE})(?:\s?分|(?![\d{_BELOW_HUNDRED}个人元块只天份%年月号点]))|(?P<one>[1-9一二三四五六七八九])分)?"
            rf"|时(?P<min2>[0-5]?\d|{_MINUTE})分){rough}"
        ),
        pieces.read_clock,
    )
    yield (
        r"\d[:：]\d",
        (
            rf"(?<![a-zA-Z]){short}(?<!\d[:：])(?<![\d.])(?P<h>[01]?\d|2[0-4])[:：](?P<min>[0-5]\d)(?:[:：][0-5]\d)?(?![\d:：])"
            rf"(?:\s?(?P<ap>am|pm)(?![a-zA-Z]))?{rough}"
        ),
        pieces.read_clock,
    )
    yield r"\d\s?[ap]m", r"(?<![a-zA-Z\d.])(?P<h>1[0-2]|[1-9])\s?(?P<ap>am|pm)(?![a-zA-Z])", pieces.read_clock


class PieceFinder:
    """All patterns, made of the tables.

    Args:
        words: the tables.
    """

    def __init__(self, words: TimeWords) -> None:
        made = (*_date_patterns(words.file), *_week_and_day_patterns(words.file), *_clock_patterns(words.file))
        self._readers = [(Search(pattern, needs, re.IGNORECASE), reader) for needs, pattern, reader in made]

    def find(self, scan: Scan) -> Iterator[Piece]:
        """Yield every piece, also those that overlap."""
        for search, reader in self._readers:
            for match in search.finditer(scan.text):
                piece = reader(match, scan)
                if piece is not None:
                    yield piece
