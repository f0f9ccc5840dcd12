"""Identifiers that their form alone tells: e-mail, identity numbers, bank cards, plates, parcels of known carriers."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from complaint_nlp.facts import checksums
from complaint_nlp.facts.identifier_tables import Found, tables
from complaint_nlp.facts.phones import CLEAR, HIDDEN, LIKELY
from complaint_nlp.facts.types import FactKind

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["find_forms", "read_card", "read_id", "read_plate"]

ALWAYS = 0
_OUT = f"[{HIDDEN}xX]"
_BEFORE = rf"(?<![0-9A-Za-z{HIDDEN}])(?<![0-9A-Za-z][-_])"
_AFTER = rf"(?![0-9A-Za-z{HIDDEN}])(?!-[0-9])"

_EMAIL = re.compile(
    rf"(?<![A-Za-z0-9._%+{HIDDEN}-])[A-Za-z0-9_{HIDDEN}](?:[A-Za-z0-9._%+{HIDDEN}-]{{0,63}}+)"
    r"(?:@|[(\[]at[)\]])(?:[A-Za-z0-9*-]{1,63}\.){1,4}[A-Za-z]{2,18}(?![A-Za-z0-9])"
)
_MAINLAND_ID = re.compile(rf"{_BEFORE}[1-9][0-9]{{5}}[- ]?[0-9]{{4}}[- ]?[0-9]{{4}}[- ]?[0-9]{{3}}[0-9Xx]{_AFTER}")
_MAINLAND_MASKED = re.compile(rf"{_BEFORE}[1-9][0-9]{{0,13}}{_OUT}{{4,16}}[0-9]{{0,6}}[0-9Xx]?{_AFTER}")
_LETTER_ID = re.compile(rf"{_BEFORE}[A-Za-z](?:[1289]|[A-Da-d])[0-9]{{8}}{_AFTER}")
_LETTER_MASKED = re.compile(rf"{_BEFORE}[A-Za-z][1289{HIDDEN}][0-9{HIDDEN}]{{8}}{_AFTER}")
_HONG_KONG_ID = re.compile(rf"{_BEFORE}[A-Za-z]{{1,2}} ?[0-9]{{6}} ?[(（][0-9Aa][)）]")
_CARD = re.compile(rf"{_BEFORE}(?:[0-9]{{13,19}}|[0-9]{{4}}(?:[- ][0-9]{{4}}){{3}}(?:[- ]?[0-9]{{1,3}})?){_AFTER}")
_AMEX = re.compile(rf"{_BEFORE}3[47][0-9]{{2}}[- ][0-9]{{6}}[- ][0-9]{{5}}{_AFTER}")
_CARD_MASKED = re.compile(
    rf"{_BEFORE}(?:[0-9]{{4}}[- ]?[0-9{HIDDEN}xX]{{4}}[- ]?[{HIDDEN}xX]{{4}}"
    rf"(?:[- ]?[0-9{HIDDEN}xX]{{4}}){{1,2}}(?:[- ]?[0-9]{{1,3}})?"
    rf"|(?:[{HIDDEN}xX]{{4}}[- ]?){{2,3}}[0-9]{{4}}|[3-6][0-9]{{3,5}}[{HIDDEN}]{{2,12}}[0-9]{{4}}){_AFTER}"
)
_PARCEL = re.compile(rf"{_BEFORE}[A-Z]{{2}}[0-9]{{9}}[A-Z]{{2}}{_AFTER}")
# a court's case: （2018）楚01民初1029号
_COURT = re.compile(r"[(（](?:19|20)[0-9]{2}[)）][一-龥]{1,2}[0-9]{0,5}[一-龥]{1,4}[0-9]{1,6}号")
_TAIWAN_PLATE = re.compile(
    r"[A-Za-z]{3}[- ]?[0-9]{4}|[0-9]{4}[- ]?[A-Za-z]{2}|[A-Za-z]{2}[- ]?[0-9]{4}"
    r"|[0-9]{3}[- ]?[A-Za-z]{3}|[A-Za-z]{3}[- ]?[0-9]{3}"
    r"|[A-Za-z][0-9][- ]?[0-9]{4}|[0-9]{4}[- ]?[A-Za-z][0-9]"
    r"|[0-9]{2}[- ][A-Za-z][0-9]|[0-9]{3}-[A-Za-z]{2}|[A-Za-z]{2}-[0-9]{3}"
)
_HONG_KONG_PLATE = re.compile(r"[A-Za-z]{2} ?[0-9]{1,4}")
_MASKED_PLATE = re.compile(
    rf"(?=[A-Za-z0-9 -]{{0,7}}[{HIDDEN}])[A-Za-z0-9{HIDDEN}]{{1,4}}[- ]?[A-Za-z0-9{HIDDEN}]{{2,5}}"
)
_ANY_ID = re.compile(
    rf"(?=[A-Za-z]{{0,3}}[0-9{HIDDEN}]{{3}})[A-Za-z0-9{HIDDEN}]{{7,18}}(?:[(（][0-9A{HIDDEN}][)）])?{_AFTER}"
)
# the least that an identity, card or parcel number is made of
_ENOUGH = re.compile(rf"(?:[0-9xX{HIDDEN}][- ]?){{6}}")
_LEAST_DIGITS = 3
_MAINLAND_LENGTH, _OLD_LENGTH, _LETTER_LENGTH = 18, 15, 10


def find_forms(text: str) -> Iterator[Found]:
    """Yield the identifiers in ``text`` that need no word beside them."""
    for match in _EMAIL.finditer(text) if "@" in text or "at" in text else ():
        value = re.sub(r"[(\[]at[)\]]", "@", match.group().lower())
        yield Found(ALWAYS, *match.span(), FactKind.EMAIL, value, _masked(value))
    is_long = _ENOUGH.search(text) is not None
    if is_long:
        yield from _ids(text)
        yield from _cards(text)
    for match in _mainland_plate().finditer(text):
        found = _plate(match)
        if found is not None:
            yield found
    for match in _carrier().finditer(text):
        yield Found(CLEAR, *match.span(), FactKind.TRACKING, _plain(match.group()), {})
    for match in _COURT.finditer(text):
        yield Found(CLEAR, *match.span(), FactKind.CASE, match.group(), {})
    for match in _PARCEL.finditer(text) if is_long else ():
        if checksums.parcel(match.group()):
            yield Found(CLEAR, *match.span(), FactKind.TRACKING, match.group(), {"checksum": "right"})


def read_id(text: str, at: int, rank: int) -> Found | None:
    """Return the identity number at ``at``, behind a word for one: its check digit may be wrong."""
    for pattern in (_HONG_KONG_ID, _MAINLAND_ID, _MAINLAND_MASKED, _LETTER_MASKED, _LETTER_ID, _ANY_ID):
        match = pattern.match(text, at)
        if match is None:
            continue
        value = _plain(match.group()).upper()
        if not any(char.isdigit() for char in value):
            return None
        if "*" in value:
            return Found(rank, at, match.end(), FactKind.ID_NUMBER, value, {"masked": "yes"})
        return Found(rank, at, match.end(), FactKind.ID_NUMBER, value, _checked(value))
    return None


def _checked(value: str) -> dict[str, str]:
    """Return where the number is from and whether its check digit is right, where it has one."""
    if len(value) == _MAINLAND_LENGTH:
        return {"region": "CN", "checksum": _verdict(right=checksums.mainland_id(value))}
    if re.fullmatch("[A-Z](?:[1289]|[A-D])[0-9]{8}", value):
        return {"region": "TW", "checksum": _verdict(right=checksums.taiwan_id(value))}
    if re.fullmatch(r"[A-Z]{1,2}[0-9]{6}(?:\([0-9A]\)|[0-9A])", value):
        is_right = checksums.hong_kong_id(value)
        # without brackets it may as well be a passport
        return {"region": "HK", "checksum": _verdict(right=is_right)} if is_right or "(" in value else {}
    return {"region": "CN"} if re.fullmatch("[0-9]{15}", value) else {}


def _verdict(*, right: bool) -> str:
    return "right" if right else "wrong"


def _ids(text: str) -> Iterator[Found]:
    for match in _MAINLAND_ID.finditer(text):
        value = _plain(match.group()).upper()
        if value[:2] in tables().file.provinces_of_ids and checksums.mainland_id(value):
            yield Found(CLEAR - 1, *match.span(), FactKind.ID_NUMBER, value, _checked(value))
    for match in _LETTER_ID.finditer(text):
        if checksums.taiwan_id(match.group()):
            value = match.group().upper()
            yield Found(CLEAR, *match.span(), FactKind.ID_NUMBER, value, _checked(value))
    for match in _HONG_KONG_ID.finditer(text):
        value = _plain(match.group()).upper()
        if checksums.hong_kong_id(value):
            yield Found(CLEAR, *match.span(), FactKind.ID_NUMBER, value, _checked(value))
    for pattern, lengths, region in (
        (_MAINLAND_MASKED, (_MAINLAND_LENGTH, _OLD_LENGTH), "CN"),
        (_LETTER_MASKED, (_LETTER_LENGTH,), "TW"),
    ):
        for match in pattern.finditer(text):
            value = _plain(match.group()).upper()
            shown = len(value) - value.count("*")
            if len(value) in lengths and value.count("*") > 1 and shown > 1:
                yield Found(CLEAR, *match.span(), FactKind.ID_NUMBER, value, {"region": region, "masked": "yes"})


def _cards(text: str) -> Iterator[Found]:
    for pattern in (_CARD, _AMEX):
        for match in pattern.finditer(text):
            value = _plain(match.group())
            if _is_card(value):
                yield Found(LIKELY, *match.span(), FactKind.BANK_CARD, value, {"checksum": "right"})
    for match in _CARD_MASKED.finditer(text):
        value = _plain(match.group())
        if "*" in value:
            yield Found(LIKELY, *match.span(), FactKind.BANK_CARD, value, {"masked": "yes"})


def _is_card(digits: str) -> bool:
    known = any(digits.startswith(card.prefix) and len(digits) in card.digits for card in tables().file.cards)
    return known and checksums.luhn(digits)


def read_card(text: str, at: int, rank: int) -> Found | None:
    """Return the card number at ``at``, behind a word for one: its check digit may be wrong."""
    for pattern in (_CARD_MASKED, _CARD, _AMEX):
        match = pattern.match(text, at)
        if match is None:
            continue
        value = _plain(match.group())
        details = _masked(value) or {"checksum": _verdict(right=checksums.luhn(value))}
        return Found(rank, at, match.end(), FactKind.BANK_CARD, value, details)
    return None


@cache
def _mainland_plate() -> re.Pattern[str]:
    plates = tables().file.plates
    tail = f"[A-Z{plates.endings}0-9]"
    return re.compile(
        rf"(?P<head>[{plates.provinces}][A-Z])[·•. -]?"
        rf"(?P<tail>[A-HJ-NP-Z0-9{HIDDEN}]{{4,5}}{tail}|[0-9]{{4}}[{plates.endings}])"
        rf"(?![A-Za-z0-9{HIDDEN}])"
    )


def _plate(match: re.Match[str], rank: int = CLEAR) -> Found | None:
    value = match.group("head") + match.group("tail")
    value = re.sub(f"[{HIDDEN}]", "*", value)
    # letters are few: 苏A12345 is a plate, 新SERIES is none
    shown = len(re.findall("[0-9*]", value))
    if shown < _LEAST_DIGITS or value.endswith("***"):
        return None
    return Found(rank, *match.span(), FactKind.PLATE, value, {"region": "CN"} | _masked(value))


def read_plate(text: str, at: int, rank: int, *, is_name: bool) -> Found | None:
    """Return the plate at ``at``, behind a word for one (``is_name``) or for a car: then only a form with a dash."""
    match = re.compile(f"(?i:{_mainland_plate().pattern})").match(text, at)
    if match is not None:
        found = _plate(match, rank)
        return None if found is None else found._replace(value=found.value.upper())
    for pattern, region in ((_TAIWAN_PLATE, "TW"), (_HONG_KONG_PLATE, "HK"), (_MASKED_PLATE, "")):
        match = re.compile(rf"(?:{pattern.pattern})(?![A-Za-z0-9{HIDDEN}])").match(text, at)
        if match is None or not (is_name or (region == "TW" and "-" in match.group())):
            continue
        value = _plain(match.group()).upper()
        if not any(char.isdigit() for char in value):
            continue
        details = {"region": region} if region and ("-" in match.group() or region == "HK") else {}
        return Found(rank, at, match.end(), FactKind.PLATE, value, details | _masked(value))
    return None


@cache
def _carrier() -> re.Pattern[str]:
    forms = [
        f"{re.escape(carrier.prefix)}[- ]?[0-9]{{{digits}}}"
        for carrier in tables().file.carriers
        for digits in sorted(carrier.digits, reverse=True)
    ]
    return re.compile(f"(?i:{_BEFORE}(?:{'|'.join(forms)}){_AFTER})")


def _masked(value: str) -> dict[str, str]:
    return {"masked": "yes"} if "*" in value else {}


def _plain(text: str) -> str:
    """Return the number without what stands between its parts; hidden characters become stars."""
    text = re.sub("[- ·]", "", text).replace("（", "(").replace("）", ")")
    text = re.sub(f"[{HIDDEN}]", "*", text)
    # x hides digits only where several stand together
    return re.sub("[xX]{3,}", lambda run: "*" * len(run.group()), text)
