"""Identifiers that a word beside them tells: 订单号 A1234, 尾号8812, 12345678这个订单."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from complaint_nlp.facts.forms import read_card, read_id, read_plate
from complaint_nlp.facts.identifier_tables import Cue, Found, tables
from complaint_nlp.facts.phones import HIDDEN, read_local
from complaint_nlp.facts.types import FactKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from complaint_nlp.text.types import Region

__all__ = ["find_cued"]

NAMED, OWNED, AROUND, LISTED = 1, 3, 5, 5
"""Ranks of finds: right after a word for the number, after a word for its owner, near one, beside another number."""

# how far back a word may stand that says what 编号 or 尾号 is of
_REACH, _TAIL_REACH = 40, 16
_MOST = 40

_PIECE = f"[A-Za-z0-9{HIDDEN}]"
_TOKEN = re.compile(
    rf"(?<![A-Za-z0-9{HIDDEN}])"
    r"(?:(?P<spaced>[0-9]{3,5}(?: [0-9]{3,5}){1,5}(?: [0-9]{1,5})?)(?![0-9A-Za-z])"
    r"|(?P<lettered>[A-Za-z]{1,4} [0-9]{8,20})(?![0-9A-Za-z])"
    rf"|{_PIECE}{{1,40}}(?:[-_/.]{_PIECE}{{1,40}}){{0,8}}(?:\([0-9A-Za-z]\))?)"
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{3,31}(?![A-Za-z0-9@])")
_DATE = re.compile(r"(?:19|20)[0-9]{2}[-/.](?:0?[1-9]|1[0-2])(?:[-/.][0-3]?[0-9])?|[0-3]?[0-9]/[0-3]?[0-9]")
_SHOWN = re.compile(f"[0-9{HIDDEN}]")
_YEAR = re.compile("(?:19|20)[0-9]{2}")
_COMPACT_DATE = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")
_DECIMAL = re.compile(r"[0-9]+\.[0-9]+|[0-9]+/[0-9]+")
_JOINED = re.compile(r" ?(?:[、,，;；/&]|以及|还有|和|跟|与|及|或) ?")
_SENTENCE = re.compile(r"[。！？!?\n]")
_SAYS = re.compile(r"[:：=是为叫]")
_CARD_AFTER = re.compile(r" ?的?(?:储蓄|信用|银行|金融|借记)?卡")
_MOBILE = re.compile(r"(?:09[0-9]{8}|1[3-9][0-9]{9})")
_IDS = (FactKind.ORDER, FactKind.CASE, FactKind.TRACKING, FactKind.ACCOUNT)
_LEAST_TAIL, _MOST_TAIL = 2, 8
_ENOUGH = 8


class _Place(NamedTuple):
    """A number's place and what is known of it."""

    text: str
    at: int
    link: str
    region: Region | None


class _Spoken(NamedTuple):
    """A word that was met, and where."""

    start: int
    end: int
    cue: Cue


def find_cued(text: str, region: Region | None) -> Iterator[Found]:
    """Yield the identifiers in ``text`` that a word beside them tells, and ranges that such a word rules out."""
    known = tables()
    spoken = [_Spoken(start, end, cue) for start, end, cue in known.finder.find(text)]
    starts = {word.start: word.cue.kind for word in spoken}
    last: _Spoken | None = None
    for word in spoken:
        match = known.link.match(text, word.end)
        place = _Place(text, match.end() if match else word.end, match.group() if match else "", region)
        found = None
        if word.cue.is_generic or word.cue.is_tail:
            found = _read_generic(place, word, last, starts)
        else:
            if not (word.cue.kind is None and last is not None and last.end == word.start):
                last = word
            if word.cue.is_topic:
                continue
            found = _read(place, word.cue, NAMED if word.cue.is_name else OWNED)
        if found is not None:
            yield found
            yield from _listed(text, found)
    yield from _before(text, spoken)


def _read_generic(
    place: _Place, word: _Spoken, last: _Spoken | None, starts: dict[int, FactKind | None]
) -> Found | None:
    """Return the number behind 编号 or 尾号, whose kind another word tells."""
    kind: FactKind | None = None
    text = place.text
    reach = _TAIL_REACH if word.cue.is_tail else _REACH
    if last is not None and word.start - last.end <= reach and not _SENTENCE.search(text[last.end : word.start]):
        kind = last.cue.kind
        if kind is None:
            return None
    is_direct = last is not None and tables().link.fullmatch(text, last.end, word.start) is not None
    token = _TOKEN.match(text, place.at)
    if token is None:
        return None
    if word.cue.is_tail:
        if not is_direct:
            kind = _owner(text[max(0, word.start - 8) : word.start]) or _after(text, token.end(), starts) or kind
        return _tail(token, kind or FactKind.ACCOUNT)
    if kind is None and text.startswith("单号", word.start):
        kind = FactKind.ORDER
    return None if kind is None else _read(place, Cue(kind), AROUND if not is_direct else NAMED)


def _owner(before: str) -> FactKind | None:
    """Return the kind of what the end of ``before`` says the last characters are of."""
    owners = tables().file.tail_owners
    return next((kind for kind, words in owners.items() if before.removesuffix("的").endswith(words)), None)


def _after(text: str, end: int, starts: dict[int, FactKind | None]) -> FactKind | None:
    """Return the kind of the word right after ``end``."""
    if _CARD_AFTER.match(text, end):
        return FactKind.BANK_CARD
    match = tables().back_link.match(text, end)
    at = match.end() if match else end
    return starts.get(at)


def _tail(token: re.Match[str], kind: FactKind) -> Found | None:
    value = re.sub(f"[{HIDDEN}]", "", token.group())
    if not (
        _LEAST_TAIL <= len(value) <= _MOST_TAIL and value.isalnum() and sum(map(str.isdigit, value)) >= _LEAST_TAIL
    ):
        return None
    return Found(NAMED, *token.span(), kind, value, {"masked": "yes"})


def _read(place: _Place, cue: Cue, rank: int) -> Found | None:
    """Return the number at this place, if it looks like one of the cue's kind."""
    text, at = place.text, place.at
    match cue.kind:
        case FactKind.EMAIL:
            return None  # its form tells
        case FactKind.PHONE:
            return read_local(text, at, place.region, rank if cue.is_name else AROUND)
        case FactKind.PLATE:
            return read_plate(text, at, rank, is_name=cue.is_name)
        case FactKind.ID_NUMBER:
            return read_id(text, at, rank)
        case FactKind.BANK_CARD if (card := read_card(text, at, rank)) is not None:
            return card
    return _read_code(place, cue, rank) or _user_name(place, cue)


def _read_code(place: _Place, cue: Cue, rank: int) -> Found | None:
    """Return the number of letters and digits at this place, if it can be one of the cue's kind."""
    text, at, kind = place.text, place.at, cue.kind
    token = _TOKEN.match(text, at)
    raw = None if token is None else _trimmed(token)
    if raw is None or not _looks_like_one(raw, text[at + len(raw) :][:8], cue):
        return None
    value = _value(raw)
    if kind is FactKind.ACCOUNT and _MOBILE.fullmatch(value):
        return None  # a phone number that serves as an account is still one to call
    if kind is FactKind.BANK_CARD and not re.fullmatch(r"[0-9*]{10,19}|\*+[0-9]{4}", value):
        return None
    return Found(rank, at, at + len(raw), kind, value, {"masked": "yes"} if "*" in value else {})


def _trimmed(token: re.Match[str]) -> str | None:
    """Return what of the token is one number: groups of digits belong together when they are of one length."""
    raw = token.group()
    if token.group("spaced"):
        groups = raw.split(" ")
        length = len(groups[0])
        count = next((place for place, group in enumerate(groups) if len(group) != length), len(groups))
        if 1 < count < len(groups) and len(groups[count]) < length and count + 1 == len(groups):
            count += 1
        raw = " ".join(groups[:count])
    if raw.startswith(("http", "www")):
        return None
    return raw.rstrip("-_/.")


def _looks_like_one(raw: str, following: str, cue: Cue) -> bool:
    """Return whether a token can be a number of the cue's kind: no date, no count, no word."""
    if _DATE.fullmatch(raw) or _DECIMAL.fullmatch(raw) or _YEAR.fullmatch(raw):
        return False
    value = _value(raw)
    digits = sum(map(str.isdigit, value))
    hidden = value.count("*")
    if not digits or len(value) > _MOST or (value.isdigit() and len(value) < _ENOUGH and _counts(following)):
        return False
    if value.isdigit() and re.match(" ?(?:元|块|圆|蚊|美元|美金)", following):
        return False
    if hidden >= _LEAST_TAIL:
        return len(value) >= 4 and digits >= _LEAST_TAIL  # noqa: PLR2004
    if cue.kind is None:
        return True
    if not cue.is_name:
        return len(value) >= 6 and digits >= 4 and _COMPACT_DATE.fullmatch(value) is None  # noqa: PLR2004
    return len(value) >= 4 and digits >= (3 if len(value) < 6 else 2)  # noqa: PLR2004


def _counts(following: str) -> bool:
    return tables().unit.match(following) is not None


def _user_name(place: _Place, cue: Cue) -> Found | None:
    """Return the name an account goes by, where it says 账号是 or 账号：."""
    if cue.kind is not FactKind.ACCOUNT or not _SAYS.search(place.link):
        return None
    match = _NAME.match(place.text, place.at)
    if match is None or match.group().startswith(("http", "www")):
        return None
    name = match.group().rstrip(".-")
    if not cue.is_name and not re.search("[0-9_]", name):
        return None
    return Found(NAMED, place.at, place.at + len(name), FactKind.ACCOUNT, name, {})


def _value(raw: str) -> str:
    return re.sub(f"[{HIDDEN}]", "*", re.sub("[- ]", "", raw))


def _listed(text: str, found: Found) -> Iterator[Found]:
    """Yield the numbers of the same make that follow: 订单A1234、A1235和A1236."""
    if found.kind not in _IDS:
        return
    while (joint := _JOINED.match(text, found.end)) is not None:
        token = _TOKEN.match(text, joint.end())
        raw = None if token is None else _trimmed(token)
        if token is None or raw is None or _make(_value(raw)) != _make(found.value):
            return
        if not _looks_like_one(raw, text[token.start() + len(raw) :][:8], Cue(found.kind)):
            return
        start = token.start()
        found = Found(LISTED, start, start + len(raw), found.kind, _value(raw), found.details)
        yield found


def _make(value: str) -> tuple[str, int]:
    return re.sub("[0-9].*", "", value), len(value)


@cache
def _backwards() -> re.Pattern[str]:
    return re.compile(
        rf"(?<![A-Za-z0-9{HIDDEN}_.-])(?P<raw>{_PIECE}(?:-?{_PIECE}){{3,39}}){tables().back_link.pattern}$"
    )


def _before(text: str, spoken: list[_Spoken]) -> Iterator[Found]:
    """Yield the numbers that stand before the word: 12345678这个订单, ABC-1234的车."""
    for word in spoken:
        kind = word.cue.kind
        if word.cue.is_topic or (kind not in _IDS and kind is not FactKind.PLATE):
            continue
        window = max(0, word.start - 60)
        if _SHOWN.search(text, window, word.start) is None:
            continue
        match = _backwards().search(text[window : word.start])
        if match is None:
            continue
        start, raw = window + match.start(), match.group("raw")
        if kind is FactKind.PLATE:
            found = read_plate(text, start, AROUND, is_name=False)
            if found is not None:
                yield found
        elif _looks_like_one(raw, text[start + len(raw) :][:8], Cue(kind, is_name=False)):
            details = {"masked": "yes"} if "*" in _value(raw) else {}
            yield Found(AROUND, start, start + len(raw), kind, _value(raw), details)
