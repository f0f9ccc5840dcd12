"""Which script and region, and traditional to simplified."""

import re
from bisect import bisect_left
from functools import cache
from typing import TYPE_CHECKING, Protocol

from complaint_nlp.text.chars import HAN, KANA_HANGUL
from complaint_nlp.text.resources import script_chars, word_list
from complaint_nlp.text.types import Region, Script
from complaint_nlp.text.words import WordFinder

if TYPE_CHECKING:
    from complaint_nlp.text.result import NormalizedText

__all__ = ["OTHER_SHARE", "convert", "detect_script", "guess_region", "has_simplified", "is_settled"]

# Below this share of Han (four Latin letters count as one character) a text is not Chinese.
OTHER_SHARE = 0.2

_HAN_RUN = re.compile(f"[{HAN}]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_BEYOND_BMP = re.compile("[\U00020000-\U0003ffff]")
_KANA_HANGUL = re.compile(f"[{KANA_HANGUL}]")
_ZHUYIN = frozenset(chr(code) for code in range(0x3105, 0x312A))
# Han that only written Cantonese uses, and forms that Hong Kong's standard has and Taiwan's has not.
_CANTONESE = frozenset("嘅咗喺冇嚟嗰啲哋佢咁睇嘢乜攞畀噉嘥㗎揾搵諗谂瞓冚嗌啱冧閪孭嗮㩒嚿咩")
_HK_FORMS = frozenset("裏綫啓説衞峯羣牀麪着鋭悦閲蜕鈎")
_TW_FORMS = frozenset("裡啟衛峰妳祂蠻喔欸齁")
_QUOTES = frozenset("「『")
_EVIDENCE = re.compile(f"[{''.join((_ZHUYIN - {'ㄧ'}) | _QUOTES | _CANTONESE)}]")
_REGION_CHARS = re.compile(f"[{''.join(_ZHUYIN | _CANTONESE | _HK_FORMS | _TW_FORMS)}]")


class _Converter(Protocol):
    """What both distributions of OpenCC offer."""

    def convert(self, text: str) -> str:
        """Return the converted text."""


@cache
def _opencc(config: str) -> tuple[_Converter, bool]:
    """Return OpenCC for `config`, and whether it is the C++ distribution.

    Raises:
        ImportError: neither `opencc` nor `opencc-python-reimplemented` is installed.
    """
    import opencc

    return opencc.OpenCC(config), hasattr(opencc, "CONFIGS")


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return the searches for characters that only traditional, only simplified text has."""
    known = script_chars()
    return re.compile(f"[{''.join(known.traditional)}]"), re.compile(f"[{''.join(known.simplified)}]")


def detect_script(text: str) -> Script:
    """Return the script of `text`.

    Characters that one script alone has decide. Where there are none, written Cantonese, zhuyin, 「」 quotes
    or regional words that the mainland has not tell traditional text; else it counts as simplified, which
    nothing changes.
    """
    if text.isascii():
        return Script.OTHER
    han = sum(map(len, _HAN_RUN.findall(text)))
    if han * 2 < len(text) and _is_other(text, han):
        return Script.OTHER
    search_traditional, search_simplified = _patterns()
    traditional = search_traditional.search(text)
    if search_simplified.search(text):
        return Script.MIXED if traditional else Script.SIMPLIFIED
    return Script.TRADITIONAL if traditional or _has_evidence(text) else Script.SIMPLIFIED


def _is_other(text: str, han: int) -> bool:
    """Return whether letters of other scripts outweigh the Han of `text`."""
    if not han:
        return True
    foreign = len(_KANA_HANGUL.findall(text))
    if foreign >= han:
        return True
    latin = sum(char.isascii() and char.isalpha() for char in text)
    letters = sum(map(str.isalpha, text)) - latin
    return han < OTHER_SHARE * (letters + latin / 4)


def is_settled(text: str) -> bool:
    """Return whether nothing of `text` can be converted: no traditional character, no sign of such writing."""
    search_traditional, search_simplified = _patterns()
    if search_traditional.search(text):
        return False
    return search_simplified.search(text) is not None or not _has_evidence(text)


@cache
def _evidence_words() -> WordFinder:
    """Return the search for words in common characters that the mainland does not use."""
    return WordFinder(sorted(word_list("evidence")))


def _has_evidence(text: str) -> bool:
    """Return whether signs other than the script's own characters tell of traditional writing."""
    return _EVIDENCE.search(text) is not None or bool(_evidence_words().find(text))


def has_simplified(text: str) -> bool:
    """Return whether a character of `text` belongs to simplified writing alone."""
    return _patterns()[1].search(text) is not None


def leans_traditional(text: str) -> bool:
    """Return whether more characters of `text` belong to traditional writing alone than to simplified writing alone."""
    known = script_chars()
    traditional = sum(char in known.traditional for char in text)
    return traditional > sum(char in known.simplified for char in text)


def answers_traditional(message: "NormalizedText") -> bool:
    """Return whether to answer in traditional characters.

    That is the customer's own script, and for mixed text the one of the region or of most of it.
    """
    if message.script is not Script.MIXED:
        return message.script is Script.TRADITIONAL
    if message.region is None:
        return leans_traditional(message.original)
    return message.region in (Region.TW, Region.HK)


def guess_region(text: str) -> tuple[int, int]:
    """Return how strongly single characters speak for Taiwan and for Hong Kong."""
    found = set(_REGION_CHARS.findall(text))
    if not found:
        return 0, 0
    taiwan = len(found & _TW_FORMS) + (2 if found & _ZHUYIN else 0)
    hong_kong = 2 * len(found & _CANTONESE) + len(found & _HK_FORMS)
    return taiwan, hong_kong


def convert(text: str, config: str, script: Script) -> str:
    """Return `text` in simplified characters, of the same length.

    Only characters that are traditional change. In mixed text one that both scripts use (著, 乾) follows
    the nearest character that belongs to one script.
    """
    converter, is_native = _opencc(config)
    # neither distribution takes everything that may stand in a str; what is replaced here comes back below
    text_safe = _SURROGATE.sub("\ufffd", text) if is_native else text.replace("\x00", " ")
    converted = converter.convert(text_safe)
    if len(converted) != len(text):
        converted = _by_line(text_safe, converter)
    # 么 is 幺 to the Taiwanese tables, 嗰 is 𠮶, which no font and no tokenizer knows, and the pure-Python
    # distribution has more such damage
    untouched = is_native and text_safe == text
    if script is not Script.MIXED and untouched and "么" not in text and not _BEYOND_BMP.search(converted):
        return converted
    return _guarded(text, converted, mixed=script is Script.MIXED)


def _by_line(text: str, converter: _Converter) -> str:
    """Return the conversion in pieces, leaving alone what a conversion would lengthen or shorten."""
    parts: list[str] = []
    for line in text.splitlines(keepends=True):
        converted = converter.convert(line)
        if len(converted) != len(line):
            single = [converter.convert(char) for char in line]
            converted = "".join(new if len(new) == 1 else old for old, new in zip(line, single, strict=True))
        parts.append(converted)
    return "".join(parts)


def _guarded(text: str, converted: str, *, mixed: bool) -> str:
    """Return `text` with only those changes that touch a traditional character."""
    known = script_chars()
    out = list(text)
    doubtful: list[tuple[int, str]] = []
    for at, (old, new) in enumerate(zip(text, converted, strict=True)):
        if old == new or new > "\uffff":
            continue
        if old in known.traditional:
            out[at] = new
        elif old in known.ambiguous:
            if mixed:
                doubtful.append((at, new))
            else:
                out[at] = new
    if doubtful:
        deciding = [at for at, char in enumerate(text) if char in known.traditional or char in known.simplified]
        for at, new in doubtful:
            right = bisect_left(deciding, at)
            near = [deciding[i] for i in (right - 1, right) if 0 <= i < len(deciding)]
            # at the same distance the simplified neighbour wins: nothing simplified may change
            near.sort(key=lambda position: (abs(position - at), text[position] in known.traditional))
            if near and text[near[0]] in known.traditional:
                out[at] = new
    return "".join(out)
