"""Amounts of money: NT$1,299, 三千多块, 两块八, 1000到2000元, 花了3万."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from complaint_nlp.facts.amount_tables import AmountTables, amount_tables
from complaint_nlp.facts.numbers import parse_number
from complaint_nlp.facts.types import Fact, FactKind
from complaint_nlp.text.types import Region, Script

if TYPE_CHECKING:
    from complaint_nlp.text import NormalizedText

__all__ = ["find_amounts"]

UNKNOWN = "?"

_SCALES = {"k": 1000, "w": 10_000}
_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "亿": 100_000_000}
_ANY_DIGIT = re.compile("[0-9一二两三四五六七八九十百千万几壹贰叁肆伍陆柒捌玖]")
# below, 块 may count pieces; bare numbers below are too small to be meant as money
_PIECES_BELOW, _LEAST_BARE, _MOST_BARE_DIGITS = 100, 10, 8
# 5万8, 两万三: who counts things says it in full
_SAID_SHORT = re.compile("[0-9一两二三四五六七八九十]{1,3}万[1-9一二三四五六七八九]")
_YEAR = re.compile("(?:19|20)[0-9]{2}")


class _Money(NamedTuple):
    """An amount in the searched text; `currency` is a code, ``plain`` or ``dollar``; `value` None: some."""

    start: int
    end: int
    value: Decimal | None
    upper: Decimal | None
    currency: str
    is_about: bool


class _Number(NamedTuple):
    """A number as read: where it stands, its value or that of the range it begins, and how exact it is."""

    start: int
    end: int
    value: Decimal | None
    upper: Decimal | None
    sign: str | None
    words: str
    is_about: bool


def find_amounts(message: NormalizedText) -> list[Fact]:
    """Return the amounts of money in a message, in the order of their first characters.

    ``value`` is the amount with two decimals and the currency's ISO code, ``1299.00 TWD``: of a range its lower end,
    ``None`` where no number is told (几百块). The currency of 元, 块 and $ is that of the writer's region, else the
    only local one that the message names, else ``?``. ``details`` may hold ``upper``, the upper end of a range in the
    form of ``value``, and ``approximate`` (``yes``: 3000多块, 大约三千).
    """
    if _ANY_DIGIT.search(message.text) is None:
        return []
    found = _Search(message.text, amount_tables()).run()
    plain, dollar = _defaults(message, found)
    facts: list[Fact] = []
    for money in found:
        currency = {"plain": plain, "dollar": dollar}.get(money.currency, money.currency)
        start, end = message.to_original(money.start, money.end)
        details = {"approximate": "yes"} if money.is_about else {}
        if money.upper is not None:
            details["upper"] = f"{money.upper:.2f} {currency}"
        value = None if money.value is None else f"{money.value:.2f} {currency}"
        facts.append(Fact(FactKind.AMOUNT, start, end, message.original[start:end], value, details))
    return facts


def _defaults(message: NormalizedText, found: list[_Money]) -> tuple[str, str]:
    """Return the currencies that 元 and $ stand for."""
    regions = amount_tables().file.regions
    region = message.region
    if region is None and message.script is Script.SIMPLIFIED:
        region = Region.CN
    if region is not None:
        return regions[region].plain, regions[region].dollar
    local = {defaults.plain for defaults in regions.values()}
    named = {money.currency for money in found} & local
    only = named.pop() if len(named) == 1 else UNKNOWN
    return only, only if only != "CNY" else UNKNOWN


class _Search:
    """One pass over a text."""

    def __init__(self, text: str, tables: AmountTables) -> None:
        self.text = text
        self.tables = tables
        self.after_verb = {match.end() for match in tables.verb.finditer(text)}
        self.ruled_out = [match.span() for match in tables.no_amount.finditer(text)]

    def run(self) -> list[_Money]:
        """Return the amounts in the order of the text."""
        found = [money for match in self.tables.some.finditer(self.text) if (money := self._some(match)) is not None]
        at = 0
        while (match := self.tables.number.search(self.text, at)) is not None:
            at = match.end()
            for number in self._numbers(match):
                money = self._money(number)
                if money is not None and not self._is_ruled_out(money):
                    found.append(money)
                    at = max(at, money.end)
                    break
        return sorted(found)

    def _is_ruled_out(self, money: _Money) -> bool:
        return any(start < money.end and money.start < end for start, end in self.ruled_out)

    def _some(self, match: re.Match[str]) -> _Money | None:
        """Return 几块 as an amount, unless it counts pieces."""
        if not match.group().endswith("钱") and self.tables.piece.match(self.text, match.end()):
            return None
        return _Money(*match.span(), None, None, "plain", is_about=True)

    def _numbers(self, match: re.Match[str]) -> list[_Number]:
        """Return the range that begins with this number, if one does, and the number alone."""
        text, tables = self.text, self.tables
        words = match.group("number")
        value = None if match.group("vague") else _value(match.group()[match.start("number") - match.start() :])
        end = match.end()
        more = tables.more.match(text, end)
        value = _with_more(value, more)
        end = more.end() if more else end
        numbers = [_Number(match.start(), end, value, None, match.group("sign"), words, more is not None)]
        upto = tables.upto.match(text, match.end())
        upper = _value(upto.group("number")) if upto else None
        if upto is None or upper is None or value is None:
            return numbers
        lower = _lower(words, value, upto.group("number"))
        if lower >= upper:
            return numbers
        more = tables.more.match(text, upto.end())
        upper = _with_more(upper, more)
        end = more.end() if more else upto.end()
        return [_Number(match.start(), end, lower, upper, match.group("sign"), words, more is not None), *numbers]

    def _money(self, number: _Number) -> _Money | None:
        """Return the amount that the number is by what stands around it."""
        text, tables = self.text, self.tables
        if number.value == 0:
            return None
        unit = tables.unit.match(text, number.end)
        word = unit.group("unit") if unit else ""
        currency = tables.unit_of.get(word.lower())
        if word in tables.file.slang and not re.search("[0-9]{2}", number.words):
            unit = currency = None
        sign = tables.sign_of.get(number.sign.lower()) if number.sign else None
        value, end = number.value, number.end
        if unit is not None and currency is not None:
            change = None if number.upper is not None else tables.change.match(text, unit.end())
            if change is not None and value is not None and _may_change(word, change, value):
                value, end = value + _change(change), change.end()
            else:
                end = self._after_unit(unit.end())
                if sign is None and self._counts_pieces(number, word, end):
                    return None
            currency = currency if sign is None or currency not in ("plain", "dollar") else sign
        elif sign is not None:
            currency = sign
        else:
            return self._coin(number) or self._bare(number)
        return _Money(number.start, end, value, number.upper, currency, self._is_about(number, end))

    def _after_unit(self, end: int) -> int:
        """Return the end with the 多 of 三块多, if nothing is counted by it."""
        return end + 1 if re.compile("多(?![一-龥])").match(self.text, end) else end

    def _counts_pieces(self, number: _Number, word: str, end: int) -> bool:
        """Return whether 块 counts pieces: 三块蛋糕, 裂成两块, or means together: 一块."""
        if word != "块" or (number.value is not None and number.value >= _PIECES_BELOW):
            return False
        if number.words == "一" and number.start not in self.after_verb:
            return True
        before = self.text[max(0, number.start - 4) : number.start]
        return bool(self.tables.piece.match(self.text, end) or self.tables.into_pieces.search(before))

    def _coin(self, number: _Number) -> _Money | None:
        """Return 五毛钱, 3分钱."""
        coin = self.tables.coin.match(self.text, number.end)
        # 一毛钱都不退 names no amount, 三角 alone is mostly a shape
        if coin is None or number.value is None or number.words == "一":
            return None
        if coin.group("tenth") == "角" and not number.words.isascii():
            return None
        value = number.value / (10 if coin.group("tenth") else 100)
        value += (parse_number(coin.group("digit") or "零") or 0) / Decimal(100)
        return _Money(number.start, coin.end(), value, None, "plain", self._is_about(number, coin.end()))

    def _bare(self, number: _Number) -> _Money | None:
        """Return a number without a unit that the words around it make money: 花了3万, 299买的."""
        text, tables = self.text, self.tables
        value, words = number.value, number.words
        is_plain = re.fullmatch("[0-9.,，]+", words) is not None
        if value is None or value < _LEAST_BARE or len(re.sub("[^0-9]", "", words)) > _MOST_BARE_DIGITS:
            return None
        if not is_plain and re.search("[百千万亿]", text[number.start : number.end]) is None:
            return None
        bought = tables.bought.match(text, number.end)
        if bought is not None:
            if words in tables.file.sale_days or _YEAR.fullmatch(words):
                return None
        elif tables.counted.match(text, number.end) or (
            number.start not in self.after_verb and _SAID_SHORT.fullmatch(words) is None
        ):
            return None
        return _Money(number.start, number.end, value, number.upper, "plain", self._is_about(number, number.end))

    def _is_about(self, number: _Number, end: int) -> bool:
        if number.is_about or number.value is None or self.text[end - 1] == "多":
            return True
        before = self.text[max(0, number.start - 6) : number.start]
        return bool(self.tables.about_before.search(before) or self.tables.about_after.match(self.text, end))


def _value(words: str) -> Decimal | None:
    """Return the value of a number with the k or w that may follow it."""
    scale = _SCALES.get(words[-1:].lower(), 1)
    value = parse_number(words[:-1] if scale > 1 else words)
    return None if value is None else value * scale


def _with_more(value: Decimal | None, more: re.Match[str] | None) -> Decimal | None:
    """Return the value with what stands behind it: 三十多万 is 三十万 and more, 十几块 no number at all."""
    if more is None or value is None:
        return value
    if more.group().startswith("几"):
        return None
    for unit in more.group("scale") or "":
        value *= _UNITS[unit]
    return value


def _lower(words: str, value: Decimal, upper: str) -> Decimal:
    """Return the lower end of a range whose unit is said once: 三到五千."""
    scale = _SCALES.get(upper[-1:].lower()) or _UNITS.get(upper[-1:])
    has_unit = any(unit in words for unit in _UNITS)
    return value * scale if scale is not None and not has_unit and value < scale else value


def _may_change(unit: str, change: re.Match[str], value: Decimal) -> bool:
    """Return whether tenths may follow: 两块八 and 12元5角, but not 807元一晚."""
    return value == int(value) and (unit == "块" or (unit in ("元", "蚊") and change.group("coin") is not None))


def _change(match: re.Match[str]) -> Decimal:
    """Return what follows the unit in 两块八, 五块八毛八, 两块半."""
    if match.group("half"):
        return Decimal("0.5")
    tenth = parse_number(match.group("tenth")) or Decimal(0)
    hundredth = parse_number(match.group("hundredth") or "零") or Decimal(0)
    return tenth / 10 + hundredth / 100
