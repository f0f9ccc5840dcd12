"""Names in a message: products and models, places, organisations, staff."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from complaint_nlp.facts.types import FactKind
from complaint_nlp.facts.words import Lexicon, Search, by_word, either, first_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from complaint_nlp.facts.mention_words import MentionsFile

_NUMBER = r"[\d一二三四五六七八九十百]{1,5}"
_ADDRESS = re.compile(rf"(?:{_NUMBER}(?:段|巷|弄|号|楼|室|栋|层)){{1,6}}")
_CODE = Search(r"(?<![a-zA-Z0-9#-])[A-Z]{1,5}-?\d{1,4}[A-Z]{0,3}(?:-\d{1,3})?(?![a-zA-Z0-9-])", r"[A-Z]-?\d")
_MODEL_TAIL = (
    r"(?: ?(?:\d{1,4}[a-zA-Z]{0,2}|[XSZ]\d{0,2}|\d{2,4} ?(?:GB|TB|G|T)|Pro|Max|Plus|Ultra|mini|SE|XR|XS|Air|Lite"
    r"|Fold|Flip|FE|GT|Turbo|Note|RS|OLED|Series|[A-Z]{1,2}\d{1,4})(?![a-zA-Z0-9]))"
)
# plates of Taiwan, trains and flights look like models
_PLATE_OR_TRIP = re.compile(r"[A-Z]{2,3}-\d{4}|[GDKZTC]\d{3,4}|[A-Z]{2}\d{3,4}")
_CUED_MODEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9/-]| (?=[A-Z0-9])){1,20}"
# 华为Mate is also written 华为 Mate
_SPACED = re.compile(r"(?<=[^\x00-\x7f])(?=[a-zA-Z])")
_LEAST_DIGITS = 2
_NEAR = 8


class Mention(NamedTuple):
    """What is mentioned, with its place in the normalised text."""

    kind: FactKind
    start: int
    end: int
    value: str | None
    details: dict[str, str]


def without_overlaps(mentions: Iterable[Mention]) -> list[Mention]:
    """Return the mentions from left to right, of two that overlap the one that begins first, then the longer one."""
    kept: list[Mention] = []
    for mention in sorted(mentions, key=lambda one: (one.start, -one.end)):
        if not kept or mention.start >= kept[-1].end:
            kept.append(mention)
    return kept


def _begin(match: re.Match[str], breaks: re.Pattern[str]) -> int:
    """Return where the name of ``match`` begins: after the last word in it that is part of no name."""
    start, end = match.span("name")
    start = max((broken.end() for broken in breaks.finditer(match.string, start, end)), default=start)
    # 你们家信义店
    return start + match.string.startswith("家", start)


def _name_character(file: MentionsFile) -> str:
    """Return the pattern of a character that may be part of a Chinese name."""
    return rf"[^\W\d_a-zA-Z{file.not_in_names}]"


class ProductFinder:
    """Finds products and models.

    Args:
        file: the tables.
    """

    def __init__(self, file: MentionsFile) -> None:
        self._file = file
        self._words = Lexicon(by_word(file.products), file.not_products)
        names = sorted(file.model_families, key=lambda name: (-len(name), name))
        families = "|".join(rf"(?<![a-zA-Z0-9]){_SPACED.sub(' ?', re.escape(name))}" for name in names)
        first = re.escape("".join(sorted({name[0] for name in names})))
        self._family = re.compile(rf"(?=[{first}])(?P<name>{families})(?P<tail>{_MODEL_TAIL}{{1,4}})?", re.IGNORECASE)
        self._cued = re.compile(rf"(?:{either(file.model_cues)})(?:是|为)?\s?[:：]?\s?(?P<code>{_CUED_MODEL})")
        self._alone = frozenset(name.lower() for name in file.families_alone)

    def find(self, text: str) -> list[Mention]:
        """Return what is found in ``text``, in its order."""
        models = without_overlaps([*self._models(text), *self._codes(text)])
        words: list[Mention] = []
        for start, end, trade in self._words.find(text):
            if words and words[-1].end == start:
                # 手机屏幕, 电视遥控器: one thing
                start = words.pop().start  # noqa: PLW2901
            words.append(Mention(FactKind.PRODUCT, start, end, text[start:end], {"trade": trade}))
        return without_overlaps([*models, *words])

    def _models(self, text: str) -> Iterator[Mention]:
        for match in self._family.finditer(text):
            after = text[match.end() : match.end() + 1]
            if match["tail"] is None and (
                match["name"].lower() not in self._alone or (after.isascii() and after.isalpha())
            ):
                continue
            yield self._model(text, match.start(), match.end())
        for match in self._cued.finditer(text):
            if any(char.isdigit() for char in match["code"]):
                yield self._model(text, *match.span("code"))

    def _model(self, text: str, start: int, end: int) -> Mention:
        return Mention(FactKind.PRODUCT, start, end, " ".join(text[start:end].split()), {"model": "yes"})

    def _codes(self, text: str) -> Iterator[Mention]:
        file = self._file
        for match in _CODE.finditer(text):
            code = match.group()
            before = text[max(0, match.start() - _NEAR) : match.start()].rstrip(" :：#")
            after = text[match.end() : match.end() + _NEAR].lstrip()
            if (
                code in file.not_models
                or code.startswith(file.not_model_starts)
                or before.endswith(file.code_before)
                or after.startswith(file.code_after)
            ):
                continue
            named = self._ends_with_product(before) or self._starts_with_product(after)
            doubtful = _PLATE_OR_TRIP.fullmatch(code) or sum(map(str.isdigit, code)) < _LEAST_DIGITS
            if named or not doubtful:
                yield self._model(text, *match.span())

    def _ends_with_product(self, before: str) -> bool:
        return any(end == len(before) for _, end, _ in self._words.find(before))

    def _starts_with_product(self, after: str) -> bool:
        return any(start == 0 for start, _, _ in self._words.find(after)) or after.startswith(("这款", "型", "款"))


class PlaceFinder:
    """Finds cities, districts, streets, stations and stores.

    Args:
        file: the tables.
    """

    def __init__(self, file: MentionsFile) -> None:
        self._file = file
        self._known = Lexicon(by_word(file.places), (*file.not_places, *file.not_brands))
        name = _name_character(file)
        endings = either({*file.store_endings, *file.street_endings})
        self._store = re.compile(rf"(?:{either(file.store_endings)})$")
        ending = rf"(?P<ending>{endings})(?!{either(file.not_after_ending)})"
        self._named = Search(rf"(?<!{name})[区县市镇]?(?P<name>{name}{{2,7}}?){ending}", endings)
        self._rest = re.compile(rf"(?P<name>{name}{{0,4}}?){ending}")
        self._breaks = re.compile(either(file.name_breaks))

    def find(self, text: str) -> list[Mention]:
        """Return what is found in ``text``, in its order; parts of one address are one place."""
        found = [self._place(text, start, self._extended(text, end)) for start, end, _ in self._known.find(text)]
        for match in self._named.finditer(text):
            start = _begin(match, self._breaks)
            name = text[start : match.end("name")]
            trade = match["ending"] == "店" and name.endswith(self._file.trade_ends)
            if len(name) > 1 and not trade and not self._is_common(name):
                found.append(self._place(text, start, match.end()))
        joined: list[Mention] = []
        for place in without_overlaps(found):
            if joined and joined[-1].end == place.start:
                joined[-1] = self._place(text, joined[-1].start, place.end)
            else:
                joined.append(place)
        return [self._with_number(place, text) for place in joined]

    def _is_common(self, name: str) -> bool:
        return (
            name in self._file.no_name or name.endswith(self._file.no_name) or name.startswith(self._file.no_name_start)
        )

    def _extended(self, text: str, end: int) -> int:
        """Return the end of a known place with the store or street that follows: 台北信义店."""
        rest = self._rest.match(text, end)
        if rest is None or (rest["name"] and self._is_common(rest["name"])):
            return end
        # 台北店 and 台北站 are names, 台北小区 is none
        return rest.end() if rest["name"] or rest["ending"] in self._file.bare_endings else end

    def _place(self, text: str, start: int, end: int) -> Mention:
        store = {"type": "store"} if self._store.search(text[start:end]) else {}
        return Mention(FactKind.PLACE, start, end, text[start:end], store)

    def _with_number(self, place: Mention, text: str) -> Mention:
        number = _ADDRESS.match(text, place.end) if text[place.end - 1] in "路街道巷区镇村" else None
        return place if number is None else self._place(text, place.start, number.end())


class OrganisationFinder:
    """Finds companies, public bodies and brands.

    Args:
        file: the tables.
    """

    def __init__(self, file: MentionsFile) -> None:
        self._file = file
        name, ending = _name_character(file), either(file.organisation_endings)
        self._brands = Lexicon(by_word(file.brands), file.not_brands)
        self._ending = re.compile(ending)
        # 物业公司, 第三方平台: no name
        self._generic = re.compile(rf"(?:{either(file.no_organisation)}){{1,6}}")
        self._named = Search(
            rf"(?<!{name})(?P<name>{name}{{2,12}}?|(?<![a-zA-Z])[a-zA-Z]{{2,15}} ?)(?P<ending>(?:{ending}){{1,2}})",
            ending,
        )
        self._breaks = re.compile(either(file.name_breaks))

    def find(self, text: str) -> list[Mention]:
        """Return what is found in ``text``, in its order."""
        found = []
        for start, end, trade in self._brands.find(text):
            ending = self._ending.match(text, end)
            end = ending.end() if ending else end  # noqa: PLW2901 - 平安银行信用卡中心
            found.append(Mention(FactKind.ORGANISATION, start, end, text[start:end], {"trade": trade, "brand": "yes"}))
        for match in self._named.finditer(text):
            start = _begin(match, self._breaks)
            name = text[start : match.end("name")].strip()
            if len(name) > 1 and self._generic.fullmatch(name) is None:
                found.append(Mention(FactKind.ORGANISATION, start, match.end(), text[start : match.end()], {}))
        # 深圳平安银行 and 平安银行 begin at different places
        brands = [mention for mention in found if "brand" in mention.details]
        others = [mention for mention in found if "brand" not in mention.details]
        apart = [one for one in others if not any(one.start < brand.end and brand.start < one.end for brand in brands)]
        return without_overlaps([*brands, *apart])


class StaffFinder:
    """Finds the people of the organisation.

    Args:
        file: the tables.
    """

    def __init__(self, file: MentionsFile) -> None:
        self._file = file
        surname, titles, roles = f"[{file.surnames}]", either(file.titles), either({*file.staff, *file.titles})
        called = [*file.staff, *file.not_staff]
        self._people = re.compile(
            rf"(?=[姓小老{file.surnames}{first_of(called)}])"
            rf"(?:姓{surname}的?(?:那?[位个])?(?P<surnamed>{roles})"
            rf"|[小老]?{surname}(?P<titled>{titles})"
            rf"|(?P<role>{either(called)})(?P<called>[:：]?\s?[小阿]{surname})?)"
        )
        self._badge = re.compile(
            rf"(?:{either(file.badge_cues)})(?:是|为)?\s?[:：#]?\s?(?P<number>[a-zA-Z]{{0,3}}\d{{2,8}})(?!\d)"
        )

    def find(self, text: str) -> list[Mention]:
        """Return what is found in ``text``, in its order."""
        found = [
            Mention(FactKind.STAFF, *match.span(), match["number"], {"badge": "yes"})
            for match in self._badge.finditer(text)
        ]
        for match in self._people.finditer(text):
            role = match["surnamed"] or match["titled"] or match["role"]
            before = text[max(0, match.start() - _NEAR) : match.start()]
            if role in self._file.not_staff or before.endswith(self._file.not_staff_before):
                continue
            if match["titled"] and before.endswith(self._file.not_surname_before):
                if role in self._file.staff:
                    found.append(Mention(FactKind.STAFF, *match.span("titled"), role, {}))
                continue
            if match["called"] is None and text.startswith(self._file.not_staff_after, match.end()):
                continue
            found.append(Mention(FactKind.STAFF, *match.span(), role, {}))
        return without_overlaps(found)
