"""What `Normalizer.normalize` returns."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from complaint_nlp.text.offsets import Edit, OffsetMap
from complaint_nlp.text.types import Damage, Region, Script, Signals, Step

__all__ = ["NormalizedText", "Stage"]


class Stage(NamedTuple):
    """One step as it ran: the text it got, the map of that text, and what it did.

    `edits` None means that every position stayed and `after` is the whole new text.
    """

    name: str
    text: str
    offsets: OffsetMap | None
    edits: tuple[Edit, ...] | None
    after: str


@dataclass(frozen=True)
class NormalizedText:
    """A normalised message with the way back to the original.

    Attributes:
        text: the clean simplified text that the models read.
        original: the text as it came.
        script: the script of the original.
        region: where its Chinese comes from; None when that cannot be told.
        damage: places of the original where characters were lost; nothing was invented there.
    """

    text: str
    original: str
    script: Script
    region: Region | None
    damage: tuple[Damage, ...] = ()
    _offsets: OffsetMap | None = field(default=None, repr=False)
    _stages: tuple[Stage, ...] = field(default=(), repr=False, compare=False)

    @cached_property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """One (start, end) of the original for every character of `text`, starts and ends never falling.

        Characters that stand for a piece as a whole (an entity, a regional word) share its span.
        """
        if self._offsets is None:
            length = len(self.text)
            return tuple(zip(range(length), range(1, length + 1), strict=True))
        return self._offsets.spans(len(self.text))

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Every change in the order it was made; start and end are in the original."""
        found: list[Step] = []
        for stage in self._stages:
            edits = _differences(stage.text, stage.after) if stage.edits is None else stage.edits
            for start, end, after in edits:
                left, right = _map_range(stage.offsets, start, end)
                found.append(Step(stage.name, stage.text[start:end], after, left, right))
        return tuple(found)

    @cached_property
    def signals(self) -> Signals:
        """What carries feeling beside the words, as spans of `text`."""
        from complaint_nlp.text.signals import find_signals

        return find_signals(self.text)

    @property
    def is_aligned(self) -> bool:
        """Whether every character of `text` stands at the same place in `original`."""
        return self._offsets is None

    def to_original(self, start: int, end: int) -> tuple[int, int]:
        """Return the half-open range of `original` that [start, end) of `text` came from.

        An empty range gives an empty range.

        Raises:
            ValueError: unless 0 <= start <= end <= len(text).
        """
        length = len(self.text)
        if not 0 <= start <= end <= length:
            msg = f"range [{start}, {end}) is not inside the text of {length} characters"
            raise ValueError(msg)
        if start < end:
            return _map_range(self._offsets, start, end)
        if start == length:
            point = _map_range(self._offsets, length - 1, length)[1] if length else 0
        else:
            point = _map_range(self._offsets, start, start + 1)[0]
        return (point, point)


def _map_range(offsets: OffsetMap | None, start: int, end: int) -> tuple[int, int]:
    """Return the original range of a range that is not empty."""
    if offsets is None:
        return (start, end)
    return (offsets.char_span(start)[0], offsets.char_span(end - 1)[1])


def _differences(before: str, after: str) -> list[Edit]:
    """Return the runs in which two texts of the same length differ."""
    found: list[Edit] = []
    start = -1
    for at, (old, new) in enumerate(zip(before, after, strict=True)):
        if old != new:
            if start < 0:
                start = at
        elif start >= 0:
            found.append((start, at, after[start:at]))
            start = -1
    if start >= 0:
        found.append((start, len(before), after[start:]))
    return found
