"""Check digits of cards, identity numbers and parcels. Every function takes digits and letters without separators."""

from __future__ import annotations

import re
from datetime import date
from itertools import pairwise

__all__ = ["hong_kong_id", "luhn", "mainland_id", "parcel", "taiwan_id"]

_MAINLAND_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_MAINLAND_CHECKS = "10X98765432"
# the two-digit number of a letter is its place here plus ten
_TAIWAN_LETTERS = "ABCDEFGHJKLMNPQRSTUVXYWZIO"
_TAIWAN_WEIGHTS = (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)
_PARCEL_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)


def luhn(digits: str) -> bool:
    """Return whether the last of ``digits`` is the Luhn check digit of the others; all the same digit is none."""
    if not re.fullmatch(r"[0-9]{2,32}", digits) or len(set(digits)) == 1:
        return False
    total = 0
    for place, char in enumerate(reversed(digits)):
        value = int(char) * (1 + place % 2)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 - the sum of two digits
    return total % 10 == 0


def mainland_id(number: str) -> bool:
    """Return whether ``number`` is a mainland identity number of 18 characters with a real birthday and check digit."""
    if not re.fullmatch(r"[1-9][0-9]{16}[0-9Xx]", number) or not _is_birthday(number[6:14]):
        return False
    total = sum(int(char) * weight for char, weight in zip(number, _MAINLAND_WEIGHTS, strict=False))
    return _MAINLAND_CHECKS[total % 11] == number[-1].upper()


def _is_birthday(digits: str) -> bool:
    try:
        born = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return 1890 <= born.year <= 2100  # noqa: PLR2004 - whoever writes to us lives


def taiwan_id(number: str) -> bool:
    """Return whether ``number`` is a Taiwanese identity or resident number, the old form (two letters) included."""
    if not re.fullmatch(r"[A-Z](?:[1289]|[A-D])[0-9]{8}", number.upper()):
        return False
    letters = [_TAIWAN_LETTERS.index(char) + 10 for char in number.upper() if char.isalpha()]
    # of the second letter of an old resident number only the last digit counts
    values = [*divmod(letters[0], 10), *(letter % 10 for letter in letters[1:]), *map(int, number[len(letters) :])]
    return sum(value * weight for value, weight in zip(values, _TAIWAN_WEIGHTS, strict=True)) % 10 == 0


def hong_kong_id(number: str) -> bool:
    """Return whether ``number``, brackets or not, is a Hong Kong identity number with its check digit."""
    match = re.fullmatch(r"([A-Z]{1,2})([0-9]{6})([0-9A]|\([0-9A]\))", number.upper())
    if match is None:
        return False
    letters, digits, check = match.groups()
    values = [36, *(ord(char) - 55 for char in letters)][-2:]  # a missing first letter counts as a space: 36
    values += [*map(int, digits), int(check.strip("()"), 16)]
    return sum(value * weight for value, weight in zip(values, range(9, 0, -1), strict=True)) % 11 == 0


def parcel(number: str) -> bool:
    """Return whether ``number`` is a postal parcel number (two letters, nine digits, two letters) with check digit."""
    if not re.fullmatch(r"[A-Z]{2}[0-9]{9}[A-Z]{2}", number):
        return False
    digits = [int(char) for char in number[2:11]]
    rest = 11 - sum(digit * weight for digit, weight in zip(digits, _PARCEL_WEIGHTS, strict=False)) % 11
    return digits[8] == {10: 0, 11: 5}.get(rest, rest) and any(a != b for a, b in pairwise(digits))
