"""Readings in brackets after a character, as some web pages add them: 進(jìn)行."""

import re
from functools import cache

from complaint_nlp.text.chars import HAN
from complaint_nlp.text.offsets import Edit

__all__ = ["GLOSS", "drop_glosses"]

_TONED = "āáǎàēéěèīíǐìōóǒòūúǔùǖǘǚǜńňǹḿ"
_ZHUYIN = "\u3105-\u3129ˉˊˇˋ˙"
GLOSS = re.compile(rf"(?<=[{HAN}])[(（] ?([a-zü{_TONED}1-5 '’]{{1,56}}|[{_ZHUYIN} ]{{1,40}}?) ?[)）]")
# 一 and 不 change their tone before others; the table has their dictionary tone only.
_SANDHI = {"一": frozenset({"yí", "yì", "yi2", "yi4"}), "不": frozenset({"bú", "bu2"})}


@cache
def _readings(char: str) -> frozenset[str]:
    """Return every reading of `char`: with tone marks, with tone digits, in zhuyin.

    The table is pypinyin's; its import takes a quarter of a second, so it waits for a bracket that needs it.
    """
    from pypinyin import Style, pinyin

    styles = (Style.TONE, Style.TONE3, Style.BOPOMOFO)
    found = {reading for style in styles for reading in pinyin(char, style=style, heteronym=True)[0]}
    found.discard(char)  # a character that the table does not have comes back as itself
    return frozenset(found) | _SANDHI.get(char, frozenset())


def drop_glosses(text: str) -> list[Edit]:
    """Return edits that drop brackets which hold the reading of the characters before them.

    A reading must carry its tone (or be neutral): 会(kuai) is a writer explaining a word, and stays.
    """
    edits: list[Edit] = []
    for match in GLOSS.finditer(text):
        syllables = re.split("[ '’]+", match.group(1).strip())
        chars = text[max(0, match.start() - len(syllables)) : match.start()]
        if len(chars) == len(syllables) and all(
            syllable in _readings(char) for char, syllable in zip(chars, syllables, strict=True)
        ):
            edits.append((match.start(), match.end(), ""))
    return edits
