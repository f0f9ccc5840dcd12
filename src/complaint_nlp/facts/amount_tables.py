"""The tables behind `find_amounts`, read from YAML, and the searches built of them."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field, StringConstraints, model_validator

from complaint_nlp.facts.numbers import NUMBER, NUMERALS
from complaint_nlp.facts.words import first_of
from complaint_nlp.resources import Strict, Text, WrongEntry, builtin, load_yaml
from complaint_nlp.text.types import Region

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["AmountFile", "AmountTables", "amount_tables", "load_amount_tables"]

Code = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Words = Annotated[tuple[Text, ...], Field(min_length=1)]


class Currency(Strict):
    """How a currency is written before and after a number."""

    before: Words
    after: Words


class RegionDefaults(Strict):
    """What a unit without a country means in a region."""

    plain: Code
    dollar: Code


class AmountFile(Strict):
    """The schema of the file."""

    version: Literal[1]
    currencies: Annotated[dict[Code, Currency], Field(min_length=1)]
    plain: Words
    dollar: Words
    regions: dict[Region, RegionDefaults]
    slang: tuple[Text, ...]
    tenths: Words
    hundredths: Words
    hair: Words
    money_before: Words
    fillers: Words
    money_after: Words
    counted: Words
    sale_days: tuple[Text, ...]
    pieces: Words
    into_pieces: Words
    no_amount: Words
    about_before: Words
    about_after: Words
    vague: Words

    @model_validator(mode="after")
    def _known(self) -> AmountFile:
        seen: dict[str, str] = {}
        for code, currency in self.currencies.items():
            for section in ("before", "after"):
                for place, word in enumerate(getattr(currency, section)):
                    key = f"{section} {word.lower()}"
                    if key in seen:
                        raise WrongEntry(("currencies", code, section, place), f"{word!r} is {seen[key]} already")
                    seen[key] = code
        for region in Region:
            if region not in self.regions:
                raise WrongEntry(("regions",), f"{region.value!r} is missing")
        for region, defaults in self.regions.items():
            for name in ("plain", "dollar"):
                if getattr(defaults, name) not in self.currencies:
                    message = f"{getattr(defaults, name)!r} is no currency of this file"
                    raise WrongEntry(("regions", region.value, name), message)
        return self


class AmountTables(NamedTuple):
    """The file and what is searched for with it.

    Attributes:
        number: a number with what may stand right before it: group ``sign`` for a currency, ``vague`` for 几.
        more: 多 and the like behind a number.
        upto: the rest of a range.
        unit: a currency or a plain unit; `sign_of` and `unit_of` tell which.
        coin: a tenth or a hundredth standing alone.
        change: tenths and hundredths behind a unit: 块八, 块五毛.
        verb: words after which a bare number is money.
        bought: words before which a bare number is money.
    """

    file: AmountFile
    sign_of: dict[str, str]
    unit_of: dict[str, str]
    number: re.Pattern[str]
    more: re.Pattern[str]
    upto: re.Pattern[str]
    unit: re.Pattern[str]
    coin: re.Pattern[str]
    change: re.Pattern[str]
    verb: re.Pattern[str]
    bought: re.Pattern[str]
    counted: re.Pattern[str]
    piece: re.Pattern[str]
    into_pieces: re.Pattern[str]
    no_amount: re.Pattern[str]
    about_before: re.Pattern[str]
    about_after: re.Pattern[str]
    some: re.Pattern[str]


_SCALE = "(?:[kKwW](?![A-Za-z0-9]))?"
_ONE = "[一二两三四五六七八九0-9]"
# the digit of 两块八 counts nothing (两块八个), begins no number (两块八百) and is no 一 of 三块一斤
_NOT_COUNTING = (
    "(?![0-9二三四五六七八九十百千万零.个次天件张份盒瓶袋斤块元年月号点小公名条只支杯位片]|包(?!邮)|(?<=一)[一-龥])"
)


def _any(words: tuple[str, ...] | list[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(set(words), key=lambda word: (-len(word), word)))


def _unit(word: str) -> str:
    """Return the pattern of a unit: a sign before the next number belongs to that, Latin letters end a word."""
    return re.escape(word) + ("(?![A-Za-z])(?! ?[0-9])" if word.isascii() or word in "¥€£₩" else "")


def load_amount_tables(path: str | Path) -> AmountTables:
    """Return the tables of a file.

    Raises:
        ConfigError: the file is wrong; the message names its line and key.
    """
    file = load_yaml(path, AmountFile)
    sign_of = {word.lower(): code for code, currency in file.currencies.items() for word in currency.before}
    sign_of |= {word.lower(): "dollar" for word in file.dollar}
    unit_of = {word.lower(): code for code, currency in file.currencies.items() for word in currency.after}
    unit_of |= {word.lower(): "plain" for word in file.plain}
    unit_of |= {word.lower(): "dollar" for word in file.dollar}
    units = "|".join(_unit(word) for word in sorted(unit_of, key=lambda word: (-len(word), word)))
    change = rf"零?(?P<tenth>{_ONE})(?:(?P<coin>毛|角)(?:钱|(?P<hundredth>{_ONE})分?{_NOT_COUNTING})?|{_NOT_COUNTING})"
    return AmountTables(
        file=file,
        sign_of=sign_of,
        unit_of=unit_of,
        number=re.compile(
            rf"(?=(?i:[{first_of([*sign_of, *file.vague])}0-9{NUMERALS}]))"
            rf"(?:(?<![A-Za-z])(?P<sign>(?i:{_any(list(sign_of))}))[ .:：]{{0,2}}"
            rf"|(?<![A-Za-z0-9.第双])(?:(?P<vague>{_any(file.vague)})(?=[十百千万亿]))?)"
            rf"(?P<number>{NUMBER}){_SCALE}"
        ),
        more=re.compile(f"[多余来几](?P<scale>[百千万亿]{{1,2}})|多|[余来几](?= ?(?i:{units}))"),
        upto=re.compile(rf" ?[到至~—-]{{1,2}} ?(?P<number>{NUMBER}{_SCALE})"),
        unit=re.compile(f" ?(?P<unit>(?i:{units}))"),
        coin=re.compile(
            f"(?:(?P<tenth>{_any(file.tenths)})(?:(?P<digit>{_ONE}){_NOT_COUNTING})?|(?P<hundredth>{_any(file.hundredths)}))"
            f"(?!{_any(file.hair)})"
        ),
        change=re.compile(rf"{change}|(?P<half>半)"),
        verb=re.compile(rf"(?:{_any(file.money_before)})(?:[ :：]|{_any(file.fillers)}){{0,3}}+"),
        bought=re.compile(f" ?(?:{_any(file.money_after)})"),
        counted=re.compile(f" ?(?:(?i:{_any(file.counted)})|[A-Za-z0-9])"),
        piece=re.compile(f"(?:[^，。！？,.!?的 ]{{0,2}}?)(?:{_any(file.pieces)})"),
        into_pieces=re.compile(f"(?:{_any(file.into_pieces)})$"),
        no_amount=re.compile(_any(file.no_amount)),
        about_before=re.compile(f"(?:{_any(file.about_before)})(?:花了|要|是|有)? ?$"),
        about_after=re.compile(f" ?(?:{_any(file.about_after)})"),
        some=re.compile(rf"(?<![第十百千万])(?:好几|几)(?:{_any(file.plain)})"),
    )


@cache
def amount_tables() -> AmountTables:
    """Return the tables that come with the package."""
    return load_amount_tables(builtin("facts/amounts.yaml"))
