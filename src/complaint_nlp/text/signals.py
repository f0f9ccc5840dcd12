"""What carries feeling beside the words: found in the normalised text, which keeps all of it."""

import re
from functools import cache

from complaint_nlp.text.chars import EMOJI, HAN
from complaint_nlp.text.resources import word_list
from complaint_nlp.text.types import Mark, Signals
from complaint_nlp.text.words import WordFinder

__all__ = ["find_signals"]

_SHOUT = re.compile(r"[！？!?]+")
_ELLIPSIS = re.compile(r"…+|\.{3,}|。{2,}|．{2,}")
_REPEAT = re.compile(r"(.)\1\1+")
_CAPITALS = re.compile(r"(?<![A-Za-z0-9])[A-Z]{3,}(?:[ '][A-Z]{2,})*(?![A-Za-z0-9])")
_SKIN = "\U0001f3fb-\U0001f3ff"
_EMOJI = re.compile(
    "[\U0001f1e6-\U0001f1ff]{2}|[0-9#*]\ufe0f?\u20e3"
    f"|[{EMOJI}\xa9\xae\u2122](?:[{_SKIN}]|\ufe0f)*(?:\u200d[{EMOJI}](?:[{_SKIN}]|\ufe0f)*)*"
)
# A face: a bracketed stretch with at least two signs that prose does not have, or one of the short ASCII ones.
_FACE = re.compile(rf"[╮╭┐┌ヽ╰]?\(([^()\n{HAN}]{{1,16}}|[^()\n]{{1,10}})\)[╯╭╮┌┐ノﾉ︵┻━╰]*")
_FACE_SIGNS = frozenset("´`｀^ω∀・;Дд╯□°︵ಠ益◕‿_≧≦▽﹏╥◡¬•ˊˋˇ皿﹃﹀ε￣︶✧＞＜><*·~ノｏoOTｔ=－-′‵ ̄\u0304\u3064ｷ口⊙∩")
_FEWEST_SIGNS = 2
# One look each that spares most texts the patterns above.
_MAYBE_ELLIPSIS = re.compile(r"…|\.\.|。。|．．")
_MAYBE_EMOJI = re.compile(f"[{EMOJI}\xa9\xae\u2122\u20e3\U0001f1e6-\U0001f1ff]")
_MAYBE_SHORT_FACE = re.compile(r"[:;=<^(]|[TQxXo-][TQDr_.]|OT|Q\.Q")
_SHORT_FACE = re.compile(
    r"(?<![A-Za-z0-9])(?:[:;=][-'^o]?[)(|DPpO3/\\](?![A-Za-z0-9/])|[xX]D+(?![A-Za-z])|[TQ][_.]?[TQ](?![A-Za-z0-9])"
    r"|Q{2,}(?![A-Za-z0-9])|orz(?![A-Za-z])|OTZ(?![A-Za-z]))|>[_.﹏]?<(?!\w)|[-=][_.][-=]+|\^[_o.]?\^|=[ ]=|o\(╯□╰\)o"
)


def find_signals(text: str) -> Signals:
    """Return every signal of `text`; linear in its length."""
    shouts = _marks(_SHOUT, text)
    return Signals(
        exclamations=tuple(mark for mark in shouts if "！" in mark.text or "!" in mark.text),
        questions=tuple(mark for mark in shouts if "？" in mark.text or "?" in mark.text),
        ellipses=_marks(_ELLIPSIS, text) if _MAYBE_ELLIPSIS.search(text) else (),
        repeats=tuple(mark for mark in _marks(_REPEAT, text) if mark.text[0].isalpha()),
        capitals=_marks(_CAPITALS, text) if text.lower() != text else (),
        emoji=_marks(_EMOJI, text) if _MAYBE_EMOJI.search(text) else (),
        kaomoji=_kaomoji(text),
        intensifiers=_words("intensifier", text),
        cantonese=_words("cantonese", text),
    )


def _marks(pattern: re.Pattern[str], text: str) -> tuple[Mark, ...]:
    """Return every match of `pattern`."""
    return tuple(Mark(match.group(), match.start(), match.end()) for match in pattern.finditer(text))


def _kaomoji(text: str) -> tuple[Mark, ...]:
    """Return faces, in order."""
    found: list[Mark] = []
    for match in _FACE.finditer(text) if "(" in text else ():
        inside = match.group(1)
        signs = sum(char in _FACE_SIGNS for char in inside)
        if signs >= _FEWEST_SIGNS and not inside.isalnum() and signs * 2 >= len(inside.replace(" ", "")):
            found.append(Mark(match.group(), match.start(), match.end()))
    if not _MAYBE_SHORT_FACE.search(text):
        return tuple(found)
    inside_of = [(mark.start, mark.end) for mark in found]
    at = 0
    for match in _SHORT_FACE.finditer(text):
        while at < len(inside_of) and inside_of[at][1] <= match.start():
            at += 1
        if at == len(inside_of) or match.end() <= inside_of[at][0]:
            found.append(Mark(match.group(), match.start(), match.end()))
    return tuple(sorted(found, key=lambda mark: mark.start))


@cache
def _finder(kind: str) -> WordFinder:
    """Return the search for a word list."""
    return WordFinder(sorted(word_list(kind)))


def _words(kind: str, text: str) -> tuple[Mark, ...]:
    """Return the listed words of one kind."""
    return tuple(Mark(text[start:end], start, end) for _, start, end in _finder(kind).find(text))
