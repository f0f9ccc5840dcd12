"""Exact offsets: a list of pieces, everything between two pieces is a plain shift."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import chain

__all__ = ["Edit", "OffsetMap", "apply_edits", "compose"]

# (start, end, replacement) in the text before the step; sorted, not overlapping, end > start.
Edit = tuple[int, int, str]
# (out_start, out_end, src_start, src_end); sorted by both; out_start == out_end for a deletion.
_Piece = tuple[int, int, int, int]


class OffsetMap:
    """Maps positions of a changed text to spans of the original. Immutable."""

    __slots__ = ("_pieces", "_starts")

    def __init__(self, pieces: Sequence[_Piece]) -> None:
        """Keep `pieces`; the caller has sorted them."""
        self._pieces = tuple(pieces)
        self._starts = [piece[0] for piece in pieces]

    @property
    def pieces(self) -> tuple[_Piece, ...]:
        """Return the pieces that are not a plain shift."""
        return self._pieces

    def __reduce__(self) -> tuple[type["OffsetMap"], tuple[tuple[_Piece, ...]]]:
        """Pickle the pieces alone."""
        return (OffsetMap, (self._pieces,))

    def __eq__(self, other: object) -> bool:
        """Return whether both map every position alike piece by piece."""
        return isinstance(other, OffsetMap) and self._pieces == other._pieces

    def __hash__(self) -> int:
        """Return a hash of the pieces."""
        return hash(self._pieces)

    def char_span(self, index: int) -> tuple[int, int]:
        """Return the original span of the character at `index` (not checked against the length)."""
        at = bisect_right(self._starts, index) - 1
        if at < 0:
            return (index, index + 1)
        _, out_end, src_start, src_end = self._pieces[at]
        if index < out_end:
            return (src_start, src_end)
        position = index - out_end + src_end
        return (position, position + 1)

    def spans(self, length: int) -> tuple[tuple[int, int], ...]:
        """Return the span of each of the `length` characters, in linear time."""
        parts: list[Sequence[tuple[int, int]]] = []
        out = source = 0
        for out_start, out_end, src_start, src_end in self._pieces:
            if out_start > out:
                gap = range(source, source + out_start - out)
                parts.append([(i, i + 1) for i in gap])
            parts.append(((src_start, src_end),) * (out_end - out_start))
            out, source = out_end, src_end
        parts.append([(i, i + 1) for i in range(source, source + length - out)])
        return tuple(chain.from_iterable(parts))


def apply_edits(text: str, edits: Sequence[Edit]) -> str:
    """Return `text` with every edit carried out."""
    parts: list[str] = []
    at = 0
    for start, end, replacement in edits:
        parts.append(text[at:start])
        parts.append(replacement)
        at = end
    parts.append(text[at:])
    return "".join(parts)


def compose(before: OffsetMap | None, edits: Sequence[Edit], *, whole: bool = False) -> OffsetMap | None:
    """Return the map after `edits`, which are positions of the text that `before` maps.

    An edit that keeps its length maps character by character, so it leaves the map alone, unless
    `whole` says that its characters stand for the replaced piece as a whole (a word for a word).
    None is the identity.
    """
    shifting = [(start, end, len(text)) for start, end, text in edits if whole or len(text) != end - start]
    if not shifting:
        return before
    old = list(before.pieces) if before else []
    pieces: list[_Piece] = []
    shift = 0  # new position minus old position, for what follows the last edit
    out_end = src_end = 0  # end of the last old piece that was passed, as the base of plain shifts
    at = 0

    for start, end, size in shifting:
        # pieces that end before the edit, or at its start, are only moved
        while at < len(old) and old[at][1] <= start:
            piece = old[at]
            pieces.append((piece[0] + shift, piece[1] + shift, piece[2], piece[3]))
            out_end, src_end = piece[1], piece[3]
            at += 1
        new_start = start + shift
        source_start = start - out_end + src_end
        if at < len(old) and old[at][0] < start:  # the edit cuts a piece: its left part stays
            piece = old[at]
            pieces.append((piece[0] + shift, new_start, piece[2], piece[3]))
            source_start = piece[2]
        elif at < len(old) and old[at][0] == start and old[at][1] > start:
            source_start = old[at][2]
        source_end = -1
        while at < len(old) and old[at][0] < end:
            piece = old[at]
            out_end, src_end = piece[1], piece[3]
            if piece[1] > end:  # its right part stays; handled as an old piece of the next round
                source_end = piece[3]
                old[at] = (end, piece[1], piece[2], piece[3])
                out_end, src_end = end, piece[3]
                break
            at += 1
        if source_end < 0:
            source_end = end - out_end + src_end
        pieces.append((new_start, new_start + size, source_start, source_end))
        shift += size - (end - start)
        out_end, src_end = end, source_end
    pieces.extend((piece[0] + shift, piece[1] + shift, piece[2], piece[3]) for piece in old[at:])
    return OffsetMap(pieces)
