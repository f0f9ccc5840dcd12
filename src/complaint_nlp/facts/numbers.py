"""Numbers as customers write them: 1,299.50, 三千五, 两万三, 3千, 1.5万.

Text is expected as the text room leaves it: simplified, digits and letters of ordinary width.
"""

from __future__ import annotations

import re
from decimal import Decimal

__all__ = ["NUMBER", "NUMERALS", "parse_number"]

# nothing longer is a number that somebody wrote: an identifier, or an attempt to keep us busy
MAX_CHARS = 40
MAX_DIGITS = 15

_DIGITS = {char: value for value, chars in enumerate(("零〇", "一壹", "二贰两", *"三四五六七八九")) for char in chars}
_DIGITS |= {"叁": 3, "肆": 4, "伍": 5, "陆": 6, "柒": 7, "捌": 8, "玖": 9}
_UNITS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000, "万": 10**4, "亿": 10**8}
_TWENTIES = {"廿": "二十", "卅": "三十"}
_TEN_THOUSAND = 10**4
_ZEROS = "零〇"
_A_GUESS = 2

_DIGIT_CLASS = "".join(_DIGITS)
_UNIT_CLASS = "".join(_UNITS)

_ARABIC = r"(?:[0-9]{1,3}(?:[,，][0-9]{3}){1,4}(?![0-9])|[0-9]{1,15})(?:\.[0-9]{1,6})?"
# 十一点五 is a number, but 十一点五十 and 十一点五分 are times
_DECIMAL = f"点[{_DIGIT_CLASS}]{{1,6}}(?![{_UNIT_CLASS}分刻半])"

NUMBER: str = (
    rf"(?:{_ARABIC}(?: ?[{_UNIT_CLASS}]{{1,2}}(?:{_ARABIC}|[{_DIGIT_CLASS}{_UNIT_CLASS}]{{1,8}})?){{0,3}}"
    rf"|[{_DIGIT_CLASS}{_UNIT_CLASS}廿卅]{{1,24}}(?:{_DECIMAL})?)"
)
"""Regular expression, without capturing groups, of anything that `parse_number` may read.

It also matches runs that turn out to be no number (百千) or no exact one (三五百): ask `parse_number`. What stands
before and after a number (第, 月, 点) is the caller's business.
"""

NUMERALS: str = f"{_DIGIT_CLASS}{_UNIT_CLASS}廿卅"
"""The Chinese characters that such a number may begin with."""

# the greater unit takes all before it
_SPLITTING = (("亿", 10**8), ("万", 10**4), ("千", 1000), ("百", 100), ("十", 10))
_FINANCIAL = str.maketrans("拾佰仟", "十百千")
_WORD = re.compile(rf"{_ARABIC}|[{_DIGIT_CLASS}]+|[{_UNIT_CLASS}]")
_CHINESE_DECIMAL = re.compile(rf"[{_DIGIT_CLASS}{_UNIT_CLASS}]+点[{_DIGIT_CLASS}]+")
_ALL_ARABIC = re.compile(r"[0-9]{1,3}(?:[,，][0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?")


def parse_number(text: str) -> Decimal | None:
    """Return the number that ``text`` as a whole writes, at least 0.

    Arabic (1299, 1,299.50), Chinese (三千五 = 3500, 一百二十, 两万三, 一万零三百, 二〇二六, 三点五, 壹仟) and mixed
    (3千, 1.5万, 2 亿, 1万2千5). Space around it does not matter.

    Returns:
        ``None`` for anything else and for what is no exact number: 几百, 百来, 三五百, 一两千, 数万, a unit alone (百,
        千万).
    """
    text = text.strip()
    if not text or len(text) > MAX_CHARS:
        return None
    if _ALL_ARABIC.fullmatch(text):
        return _arabic(text)
    for short, long in _TWENTIES.items():
        text = text.replace(short, long)
    text = text.translate(_FINANCIAL)
    fraction = Decimal(0)
    if _CHINESE_DECIMAL.fullmatch(text):
        text, _, digits = text.partition("点")
        fraction = Decimal("0." + "".join(str(_DIGITS[char]) for char in digits))
    words = _words(text)
    whole = _value(words) if words else None
    return None if whole is None else whole + fraction


def _arabic(text: str) -> Decimal | None:
    text = text.replace(",", "").replace("，", "")
    return Decimal(text) if len(text.replace(".", "")) <= MAX_DIGITS else None


def _words(text: str) -> list[str] | None:
    """Return the digits and units of ``text``; ``None`` where there is anything else in it."""
    words: list[str] = []
    at = 0
    while at < len(text):
        match = _WORD.match(text, at)
        if match is None:
            return None
        words.append(match.group())
        at = match.end()
        if text[at : at + 1] == " " and words[-1][0] not in _DIGITS:  # "2 亿"
            at += 1
    return words


def _value(words: list[str]) -> Decimal | None:
    """Return the value of digits and units in turn; ``None`` when they do not make one number."""
    for char, unit in _SPLITTING:
        if char not in words:
            continue
        at = len(words) - 1 - words[::-1].index(char)
        left, right = words[:at], words[at + 1 :]
        if not left:
            # 十 and 千五 are numbers, 百 and 千 alone are none
            times: Decimal | None = Decimal(1) if right or char == "十" else None
        else:
            times = _coefficient(left, unit)
        rest = _below(right, unit)
        return None if times is None or rest is None else times * unit + rest
    return _positional(words[0]) if len(words) == 1 else None


def _coefficient(words: list[str], unit: int) -> Decimal | None:
    """Return how many of ``unit`` there are."""
    if len(words) == 1 and words[0] not in _UNITS:
        return _digits(words[0].lstrip(_ZEROS))
    value = _value(words) if unit >= _TEN_THOUSAND else None
    return value if value is not None and value < unit else None


def _below(words: list[str], unit: int) -> Decimal | None:
    """Return the value of what follows ``unit``."""
    if not words:
        return Decimal(0)
    if len(words) > 1 or words[0] in _UNITS:
        value = _value(words)
    else:
        value = _digits(words[0].lstrip(_ZEROS))
        if value is not None and len(words[0]) == 1:
            value *= Decimal(unit) / 10  # 三千五
    return value if value is not None and 0 < value < unit else None


def _digits(word: str) -> Decimal | None:
    """Return the value of one Chinese digit or of Arabic digits."""
    if word[:1].isdigit() and word.isascii():
        return _arabic(word)
    return Decimal(_DIGITS[word]) if len(word) == 1 else None


def _positional(word: str) -> Decimal | None:
    """Return the value of digits read one by one: 二〇二六; two of them (三五) are a guess, no number."""
    if word[0] not in _DIGITS:
        return _arabic(word)
    if len(word) > 1 and "两" in word:
        return None
    if len(word) == _A_GUESS and not set(word) & set(_ZEROS):
        return None
    return Decimal("".join(str(_DIGITS[char]) for char in word)) if len(word) <= MAX_DIGITS else None
