"""Invisible characters, white space and lost characters."""

import re
from itertools import pairwise

from complaint_nlp.text.chars import EMOJI, HAN
from complaint_nlp.text.offsets import Edit

__all__ = ["INVISIBLE", "SPACES", "drop_invisible", "find_lost", "has_invisible", "has_space_trouble", "unify_spaces"]

INVISIBLE = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\ud800-\udfff"
)
_INVISIBLE = re.compile(
    f"(?<=[{EMOJI}\ufe0f\U0001f3fb-\U0001f3ff])\u200d(?=[{EMOJI}])"  # joins an emoji: stays
    f"|(?<=[{EMOJI}0-9#*\xa9\xae\u2122])\ufe0f"  # makes an emoji of it: stays
    f"|[\ud800-\udfff]|([{INVISIBLE}]+?)"
)
_ANY_INVISIBLE = re.compile(f"[{INVISIBLE}]")
SPACES = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_SPACES = re.compile(f"[{SPACES}]+")
# One search that tells whether `unify_spaces` has anything to do inside the text.
_SPACE_TROUBLE = re.compile(f" (?=[{SPACES}])|\n(?= )|[{SPACES.replace(' ', '').replace(chr(10), '')}]")
_BREAK = re.compile("\r\n|[\n\x0b\x0c\r\x85\u2028\u2029]")

_QUESTION_RUN = re.compile(rf"(?<=[{HAN}])\?+(?=[{HAN}])")
_ASKING = re.compile(
    "吗|嗎|蛤|呢|么|麼|嘛|吧|啊|呀|咩|谁|誰|哪|几|幾|何|多少|是不是|难道|難道|怎|咋|啥|乜|點解|点解|凭|憑|请问|請問|什|甚|为啥"
)
_FLOOD = 6  # so many ?, a third of the text, are a text that was lost
_RUN = 2  # ? in a row between two Han
_NEAR, _MANY = 3, 3  # single ? no farther apart than this, at least so many
_CLAUSE_END = re.compile(r"[，。！；,!;\n\s]")


def has_invisible(text: str) -> bool:
    """Return whether `drop_invisible` has to look at `text`."""
    return _ANY_INVISIBLE.search(text) is not None


def drop_invisible(text: str) -> list[Edit]:
    """Return edits that drop invisible characters; a lone surrogate becomes U+FFFD."""
    edits: list[Edit] = []
    for match in _INVISIBLE.finditer(text):
        if match.group(1):
            edits.append((match.start(), match.end(), ""))
        elif "\ud800" <= match.group() <= "\udfff":
            edits.append((match.start(), match.end(), "\ufffd"))
    return edits


def has_space_trouble(text: str) -> bool:
    """Return whether `unify_spaces` has anything to do."""
    return bool(text) and (text[0] in SPACES or text[-1] in SPACES or _SPACE_TROUBLE.search(text) is not None)


def unify_spaces(text: str) -> list[Edit]:
    """Return edits that leave one space, or only the line breaks where there are any; none at the ends."""
    edits: list[Edit] = []
    for match in _SPACES.finditer(text):
        start, end = match.span()
        found = match.group()
        at_an_end = start == 0 or end == len(text)
        wanted = "" if at_an_end else "\n" * len(_BREAK.findall(found)) or " "
        if wanted != found:
            edits.append((start, end, wanted))
    return edits


def find_lost(text: str) -> list[tuple[str, int, int]]:
    """Return (kind, start, end) of every place where characters were lost.

    U+FFFD always is one. A run of two or more ASCII ? between two Han is one unless its clause asks
    something; so are single ? between Han when they come thick (three or more, at most three characters apart);
    and so is every run when ? make up a third of a text.
    """
    found = [("replacement", match.start(), match.end()) for match in re.finditer("\ufffd+", text)]
    total = text.count("?")
    if total:
        if total >= _FLOOD and total * 3 >= len(text):
            runs = [match.span() for match in re.finditer(r"\?+", text)]
            # "??????" after a word is a shout; groups apart are lost words
            lost = runs if len(runs) > 1 or total == len(text) else []
        else:
            lost = _lost_between_han(text)
        found.extend(("question_marks", start, end) for start, end in lost)
        found.sort(key=lambda item: item[1])
    return found


def _lost_between_han(text: str) -> list[tuple[int, int]]:
    """Return the runs of ? between two Han that stand for lost characters."""
    runs = [match.span() for match in _QUESTION_RUN.finditer(text)]
    gaps = [after[0] - before[1] for before, after in pairwise(runs)]
    thick = [
        (number > 0 and gaps[number - 1] <= _NEAR) or (number < len(gaps) and gaps[number] <= _NEAR)
        for number in range(len(runs))
    ]
    many = sum(thick) >= _MANY
    lost: list[tuple[int, int]] = []
    for (start, end), close in zip(runs, thick, strict=True):
        clause = _CLAUSE_END.split(text[max(0, start - 16) : start])[-1]
        if ((many and close) or end - start >= _RUN) and not _ASKING.search(clause):
            lost.append((start, end))
    return lost
