"""Messages in a form in which copies look alike: one script, no blanks and marks, any number as one digit."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MAX_CHARS: Final = 600
"""What stands behind does not count for whether two messages are alike."""
CHUNK: Final = 1_000
"""Messages folded at a time: few enough for their characters to stay in the processor's cache."""
_HAN_FIRST, _HAN_LAST = 0x3400, 0x9FFF
_TABLE_SIZE: Final = 0x10000
_DROPPED: Final = 0
_DIGIT: Final = ord("0")


@cache
def _lookup() -> NDArray[np.uint16]:
    """Return for every character of the basic plane what it becomes, 0 for nothing.

    The script goes character by character: 後 and 后 both become 后. That is coarser than the normaliser and a
    thousand times faster; for telling copies it does not matter which meaning of 后 it was.
    """
    from complaint_nlp.text.script import convert
    from complaint_nlp.text.types import Script

    table = np.zeros(_TABLE_SIZE, dtype=np.uint16)
    for code in range(_TABLE_SIZE):
        char = chr(code)
        if char.isalnum():
            folded = char.lower()
            table[code] = _DIGIT if char.isdecimal() else ord(folded) if len(folded) == 1 else code
    for code in range(0xFF21, 0xFF5B):  # full-width letters
        if table[code]:
            table[code] = ord(chr(code - 0xFEE0).lower())
    chars = [chr(code) for code in range(_HAN_FIRST, _HAN_LAST + 1)]
    # one character a line: words are not converted as words
    simplified = convert("\n".join(chars), "t2s", Script.TRADITIONAL).split("\n")
    for char, simple in zip(chars, simplified, strict=True):
        table[ord(char)] = ord(simple) if len(simple) == 1 and ord(simple) < _TABLE_SIZE else ord(char)
    return table


def fold(texts: Sequence[str]) -> list[str]:
    """Return every text folded; at most 600 characters of it are kept."""
    folded: list[str] = []
    for start in range(0, len(texts), CHUNK):
        part = [text[:MAX_CHARS] for text in texts[start : start + CHUNK]]
        lengths = np.fromiter(map(len, part), dtype=np.int64, count=len(part))
        codes = np.frombuffer("".join(part).encode("utf-32-le", "replace"), dtype="<u4")
        new = _lookup()[np.minimum(codes, _TABLE_SIZE - 1)]
        row = np.repeat(np.arange(len(part)), lengths)
        keep = new != _DROPPED
        # a number is one digit, however long it is
        again = (new[1:] == _DIGIT) & (new[:-1] == _DIGIT) & (row[1:] == row[:-1])
        keep[1:] &= ~again
        kept = np.bincount(row[keep], minlength=len(part))
        whole = new[keep].astype("<u2").tobytes().decode("utf-16-le", "replace")
        ends = np.cumsum(kept)
        folded += [whole[end - count : end] for end, count in zip(ends.tolist(), kept.tolist(), strict=True)]
    return folded
