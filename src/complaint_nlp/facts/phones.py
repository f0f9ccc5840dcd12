"""Phone numbers of Taiwan, the mainland and Hong Kong, as people write them."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from complaint_nlp.facts.identifier_tables import Found, Landline, alternation, tables
from complaint_nlp.facts.types import FactKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from complaint_nlp.text.types import Region

__all__ = ["HIDDEN", "find_phones", "read_local"]

HIDDEN = "*•●○█"
"""Characters that stand for hidden ones."""

CLEAR, LIKELY, GUESS = 2, 4, 6
"""Ranks of finds: by their form alone, by their form if nothing speaks against it, by the region."""

# right after a letter it is part of a longer code, unless the letters say what it is
_BEFORE = (
    rf"(?:(?<![0-9A-Za-z{HIDDEN}+])|(?<=(?i:tel))|(?<=(?i:phone))|(?<=(?i:mobile))|(?<=(?i:line))|(?<=(?i:app)))"
    r"(?<![A-Za-z][-_])(?<![0-9]\.)"
)
_AFTER = rf"(?![0-9{HIDDEN}])(?![A-Za-z](?![A-Za-z]))"
_SEP = "[- .]?"
_TAIWAN_MOBILE = (
    rf"09(?:[0-9]{{2}}{_SEP}[0-9]{{3}}{_SEP}[0-9]{{3}}|[0-9]{{2}}{_SEP}[0-9]{{2}}{_SEP}[0-9]{{4}}"
    rf"|[- ][0-9]{{4}}{_SEP}[0-9]{{4}}|[0-9]{_SEP}[0-9]{{3}}{_SEP}[0-9]{{4}})"
)
_MAINLAND_MOBILE = (
    rf"1[3-9](?:[0-9]{_SEP}[0-9]{{4}}{_SEP}[0-9]{{4}}|[0-9]{{2}}{_SEP}[0-9]{{3}}{_SEP}[0-9]{{4}}"
    rf"|[0-9]{_SEP}[0-9]{{3}}{_SEP}[0-9]{{5}}|[0-9]{{3}}{_SEP}[0-9]{{3}}{_SEP}[0-9]{{3}})"
    r"|1 [3-9](?: [0-9]){9}"
)
_MOBILE = re.compile(rf"{_BEFORE}(?:(?P<TW>{_TAIWAN_MOBILE})|(?P<CN>{_MAINLAND_MOBILE})){_AFTER}")
_ABROAD = re.compile(
    rf"{_BEFORE}(?P<plus>[(（]?\+ ?|00)?(?P<code>886|86|852|853)[)）]?[- ]{{0,2}}(?:\(0\) ?)?"
    rf"(?P<rest>\(?[0-9](?:[-() .]{{0,2}}[0-9]){{6,11}})(?![0-9{HIDDEN}])"
)
_ELSEWHERE = re.compile(rf"{_BEFORE}\+[1-9](?:[- ]?[0-9]){{7,14}}{_AFTER}")
_LANDLINE = re.compile(
    rf"{_BEFORE}(?:[(（](?P<bracketed>0[1-9][0-9]{{0,2}})[)）][- ]?|(?P<code>0[1-9][0-9]{{0,2}})[- ]{{1,2}})"
    rf"(?P<body>[2-9][0-9]{{2,3}}[- ]?[0-9]{{2,4}}){_AFTER}"
)
_TOGETHER = re.compile(rf"{_BEFORE}0[1-9][0-9]{{8,9}}{_AFTER}")
_HOTLINE = re.compile(
    rf"{_BEFORE}(?:[48]00[- ]?[0-9]{{3}}[- ]?[0-9]{{4}}|[48]00[- ]?[0-9]-?[0-9]{{3}}[- ]?[0-9]{{3}}"
    rf"|080[09][- ]?[0-9]{{3}}[- ]?[0-9]{{3}}|080[09][- ]?[0-9]{{2}}[- ]?[0-9]{{4}}){_AFTER}"
)
_ANY = f"[0-9xX{HIDDEN}]"
_OUT = f"[xX{HIDDEN}]"
_MASKED = re.compile(
    rf"{_BEFORE}(?:(?P<CN>1[3-9][0-9][- ]?(?:{_OUT}[- ]?){{2,8}}[0-9]{{2,4}}|1[3-9][0-9]{{5}}[- ]?{_OUT}{{3,4}})"
    rf"|(?P<TW>09{_ANY}{{2}}[- ]?{_ANY}{{2,4}}[- ]?{_ANY}{{2,4}}))(?![0-9A-Za-z{HIDDEN}])"
)
_HONG_KONG = re.compile(rf"{_BEFORE}[2-35-9][0-9]{{3}}[- ]?[0-9]{{4}}(?:{_AFTER})(?! ?[-/年元蚊])")
_LOCAL = re.compile(r"[2-9][0-9]{2,3}[- ]?[0-9]{4}|[2-9][0-9]{6,7}")
_TAIWAN_CODE, _BIG_CITY = ("02", "042", "043"), ("010", "02")
_TEN = 10


class _Number(NamedTuple):
    value: str
    region: str
    is_landline: bool


# the least that any of these patterns matches: seven digits, shown or hidden, with no more than this between them
_ENOUGH = re.compile(rf"(?:{_ANY}[-() .（）]*+){{7}}")


def find_phones(text: str, region: Region | None) -> Iterator[Found]:
    """Yield the phone numbers in ``text`` that their form tells."""
    if _ENOUGH.search(text) is None:
        return
    for match in _MOBILE.finditer(text):
        code = match.lastgroup or ""
        yield _found(CLEAR, *match.span(), _Number(_mobile(_digits(match.group()), code), code, is_landline=False))
    for match in _ABROAD.finditer(text):
        yield from _from_abroad(match)
    for match in _ELSEWHERE.finditer(text):
        yield _found(CLEAR, *match.span(), _Number(f"+{_digits(match.group())}", "", is_landline=False))
    yield from _landlines(text)
    for match in _HOTLINE.finditer(text):
        yield from _hotline(text, match)
    for match in _MASKED.finditer(text):
        yield from _masked(match)
    if region == "HK":
        for match in _HONG_KONG.finditer(text):
            yield _found(GUESS, *match.span(), _Number(f"+852{_digits(match.group())}", "HK", is_landline=False))


def _landlines(text: str) -> Iterator[Found]:
    for match in _LANDLINE.finditer(text):
        digits = _digits(match.group("body"))
        code = match.group("bracketed") or match.group("code")
        line = _line(code, digits)
        if line is not None:
            number = _Number(_national(code + digits, line.region), line.region, is_landline=True)
            yield _found(CLEAR, match.start(), *_extended(text, match.end(), number))
    for match in _TOGETHER.finditer(text):
        together = _together(match.group())
        if together is not None:
            yield _found(LIKELY, match.start(), *_extended(text, match.end(), together))


def read_local(text: str, at: int, region: Region | None, rank: int) -> Found | None:
    """Return the number at ``at``, behind a word for a phone: one without area code, or a landline in one piece."""
    whole = re.compile(r"0[1-9][0-9]{7,10}(?![0-9])").match(text, at)
    if whole is not None:
        number = _any_line(whole.group())
        return None if number is None else _found(rank, at, *_extended(text, whole.end(), number))
    match = re.compile(rf"(?:{_LOCAL.pattern}){_AFTER}").match(text, at)
    if match is None or re.match(r"\.[0-9]|-[0-9]", text[match.end() : match.end() + 2]):
        return _masked_local(text, at, rank)
    digits = _digits(match.group())
    is_hong_kong = region == "HK" and len(digits) == 8  # noqa: PLR2004 - digits of a number there
    number = _Number(f"+852{digits}" if is_hong_kong else digits, "HK" if is_hong_kong else "", is_landline=True)
    return _found(rank, at, *_extended(text, match.end(), number))


def _masked_local(text: str, at: int, rank: int) -> Found | None:
    if _MASKED.match(text, at) is not None:
        return None  # its form tells
    match = re.compile(rf"{_ANY}{{3,4}}[- ]?{_ANY}{{3,8}}(?![0-9A-Za-z{HIDDEN}])").match(text, at)
    if match is None or len(re.findall(_OUT, match.group())) < 2 or not re.search("[0-9]", match.group()):  # noqa: PLR2004
        return None
    value = re.sub(_OUT, "*", re.sub("[- ]", "", match.group()))
    return Found(rank, at, match.end(), FactKind.PHONE, value, {"masked": "yes"})


def _found(rank: int, start: int, end: int, number: _Number) -> Found:
    details = {"region": number.region} if number.region else {}
    return Found(rank, start, end, FactKind.PHONE, number.value, details)


def _digits(text: str) -> str:
    return re.sub("[^0-9]", "", text)


def _mobile(digits: str, region: str) -> str:
    return f"+886{digits[1:]}" if region == "TW" else f"+86{digits}"


def _national(digits: str, region: str) -> str:
    return f"{'+886' if region == 'TW' else '+86'}{digits[1:]}"


def _line(code: str, body: str) -> Landline | None:
    """Return the landline that has this area code and as many digits after it."""
    for pattern, line in tables().landlines:
        if pattern.fullmatch(code) and len(body) in line.digits and (line.region == "TW" or body[0] != "9"):
            return line
    return None


def _any_line(digits: str) -> _Number | None:
    """Return the landline that has these digits, wherever its area code ends."""
    for length in (4, 3, 2):
        line = _line(digits[:length], digits[length:]) if digits[length : length + 1] not in ("", "0", "1") else None
        if line is not None:
            return _Number(_national(digits, line.region), line.region, is_landline=True)
    return None


def _together(digits: str) -> _Number | None:
    """Return the landline in one piece, if it is one of those too long to be mistaken for anything else."""
    if digits.startswith(_TAIWAN_CODE if len(digits) == _TEN else _BIG_CITY):
        return _any_line(digits)
    return None


def _from_abroad(match: re.Match[str]) -> Iterator[Found]:
    """Yield the number with its country code; digits that follow after a space may belong to something else."""
    rest, code = match.group("rest"), match.group("code")
    for cut in (len(rest), *(gap.start() for gap in reversed(list(re.finditer("[-() .]+", rest))))):
        digits = _digits(rest[:cut])
        if not _fits(code, digits.removeprefix("0"), has_plus=match.group("plus") is not None, spaced=match):
            continue
        region = {"886": "TW", "86": "CN", "852": "HK", "853": "MO"}[code]
        number = _Number(f"+{code}{digits.removeprefix('0')}", region, is_landline=True)
        end = match.start("rest") + cut
        yield _found(CLEAR, match.start(), *_extended(match.string, end, number))
        return


def _fits(code: str, digits: str, *, has_plus: bool, spaced: re.Match[str]) -> bool:
    is_apart = spaced.start("rest") > spaced.end("code")
    if code in ("852", "853"):
        return bool(re.fullmatch("[2-9][0-9]{7}", digits)) and (has_plus or is_apart)
    mobile = "9[0-9]{8}" if code == "886" else "1[3-9][0-9]{9}"
    if re.fullmatch(mobile, digits):
        return True
    line = _any_line(f"0{digits}")
    return line is not None and line.region == ("TW" if code == "886" else "CN") and (has_plus or is_apart)


def _hotline(text: str, match: re.Match[str]) -> Iterator[Found]:
    digits = _digits(match.group())
    for line in tables().file.phones.hotlines:
        # 800 and seven digits in one piece may be any number
        is_plain = match.group() == digits and line.prefix == "800"
        if digits.startswith(line.prefix) and len(digits) == line.digits and not is_plain:
            number = _Number(digits, line.region, is_landline=True)
            yield _found(CLEAR, match.start(), *_extended(text, match.end(), number))
            return


def _masked(match: re.Match[str]) -> Iterator[Found]:
    value = re.sub(_OUT, "*", re.sub("[- ]", "", match.group()))
    region = match.lastgroup or ""
    fits = len(value) == 10 if region == "TW" else 9 <= len(value) <= 12  # noqa: PLR2004 - hidden ones are miscounted
    if fits and value.count("*") >= 2:  # noqa: PLR2004
        found = _found(CLEAR, *match.span(), _Number(value, region, is_landline=False))
        yield found._replace(details=found.details | {"masked": "yes"})


@cache
def _extension() -> re.Pattern[str]:
    words = alternation(tables().file.phones.extensions)
    return re.compile(rf" ?[,，(（]? ?(?i:{words})[:：是 ]?(?P<ext>[0-9]{{1,6}})(?![0-9])[)）]?")


def _extended(text: str, end: int, number: _Number) -> tuple[int, _Number]:
    """Return the end and the number with the extension that follows, if one does."""
    match = _extension().match(text, end)
    if match is None and number.region == "CN" and number.is_landline:
        match = re.compile("-(?P<ext>[0-9]{2,5})(?![0-9])").match(text, end)
    if match is None:
        return end, number
    closing = match.group()[-1] in ")）" and not re.search("[(（]", match.group())
    return match.end() - closing, number._replace(value=f"{number.value};ext={match.group('ext')}")
