"""One width for letters, digits and symbols, one form for punctuation; runs keep their length.

Chinese punctuation stays full-width (，。！？；：): it is what clean simplified text has, so such text
passes unchanged, and the e5 tokenizer folds it by itself. Brackets, letters, digits and symbols become ASCII.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from itertools import chain

from complaint_nlp.text.chars import BOPOMOFO, HAN

__all__ = ["fold_width", "unify_punctuation", "width_class", "width_pattern"]

_KEPT = "！，？：；＜＞"  # ＜ and ＞ stay: folded they could become a tag
_BEYOND_BMP = 0x10000
_SINGLE = dict(
    zip(
        "〜∼⋯｡､｢｣﹗﹐﹖﹔﹕﹑﹒﹙﹚〝〞〟￥￠￡﹪﹠﹡﹢﹣﹦﹩﹫﹟﹁﹂﹃﹄‐‑‒−―",
        "~~…。、「」！，？；：、。()“””¥¢£%&*+-=$@#「」『』----—",
        strict=True,
    )
)


@cache
def _width_table() -> dict[int, str]:
    """Return the one-to-one replacements."""
    table = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F) if chr(code) not in _KEPT}
    table.update((ord(old), new) for old, new in _SINGLE.items())
    # radicals and compatibility ideographs that PDF readers copy out for the ordinary character
    for code in chain(range(0x2E80, 0x2FD6), range(0xF900, 0xFB00), range(0x2F800, 0x2FA20)):
        folded = unicodedata.normalize("NFKC", chr(code))
        if len(folded) == 1 and ord(folded) != code:
            table[code] = folded
    return table


@cache
def width_class() -> str:
    """Return the characters that `fold_width` may change, as the inside of a character class."""
    # beyond the BMP as one range: `re` would try single characters there one by one
    return "".join(re.escape(chr(code)) for code in _width_table() if code < _BEYOND_BMP) + "ㄧ\U0002f800-\U0002fa1f"


@cache
def width_pattern() -> re.Pattern[str]:
    """Return the search for a character that `fold_width` may change."""
    return re.compile(f"[{width_class()}]")


# ㄧ (the zhuyin letter) typed for 一: only beside Han and away from other zhuyin.
_ZHUYIN_ONE = re.compile(rf"(?<![{BOPOMOFO}ˉˊˇˋ˙])ㄧ(?![{BOPOMOFO}ˉˊˇˋ˙])")

_FULL = {",": "，", ";": "；", ":": "：", "!": "！", "?": "？"}
_AFTER_HAN = re.compile(
    rf"(?<=[{HAN}])[，；：！？。]*[,;:!?.][,;:!?.，；：！？。]*|(?<=[{HAN}])[)\"”’」』》】]+[,;!?]+|,(?=[{HAN}])|[!?]+"
)
_ASCII_WORD = re.compile(r"[\x21-\x7e]")
_EMOTICON_MOUTH = re.compile(r"[-^'o]?(?:[)(|*\]\[}{]|[DPpO3/\\](?![A-Za-z0-9]))")


def fold_width(text: str) -> str:
    """Return `text` with full-width and compatibility characters folded one to one."""
    folded = text.translate(_width_table())
    if "ㄧ" in text:
        folded = _ZHUYIN_ONE.sub("一", folded)
    return folded


def unify_punctuation(text: str, lost: Iterable[tuple[int, int]] = ()) -> str:
    """Return `text`, of the same length, with ASCII , ; : ! ? . beside Han made full-width.

    Args:
        text: the text; one without Han is returned as it is.
        lost: spans of ? that stand for lost characters: they stay.
    """
    kept = {position for start, end in lost for position in range(start, end)}

    def replace(match: re.Match[str]) -> str:
        """Return the run in its one form."""
        run = match.group()
        if run == ",":  # by far the most frequent
            return "，"
        start, end = match.span()
        following = text[end : end + 1]
        before = text[start - 1 : start]
        if run[0] in "!?" and _ASCII_WORD.match(before or " ") and _ASCII_WORD.match(following or " "):
            return run  # inside an address or a face: "?a=1", "(!_!)"
        out: list[str] = []
        for at, char in enumerate(run):
            if start + at in kept:
                out.append(char)
            elif char == ".":
                alone = run == "." or (len(run) > 1 and "." not in (run[at - 1 : at], run[at + 1 : at + 2]))
                last = at == len(run) - 1
                is_stop = alone and not (last and following and following.isascii() and following.isalnum())
                out.append("。" if is_stop else char)
            elif char in ":;" and at == len(run) - 1 and _EMOTICON_MOUTH.match(text, end):
                out.append(char)
            else:
                out.append(_FULL.get(char, char))
        return "".join(out)

    return _AFTER_HAN.sub(replace, text)
