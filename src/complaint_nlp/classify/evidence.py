"""From token weights to the few words worth showing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from complaint_nlp.classify.scores import TokenWeights
from complaint_nlp.report import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from complaint_nlp.text import NormalizedText

MAX_SPANS: Final = 3
_TOKEN_FLOOR: Final = 0.3
"""A word counts as evidence from this part of its message's strongest word on."""
_SPAN_FLOOR: Final = 0.12
"""Beside the strongest, a span is shown from this part of its message's positive evidence on."""
_TRIM: Final = " \n，。！？、；：,.!?;:~～…「」『』“”\"'（）()【】"


def find_spans(messages: Sequence[NormalizedText], tokens: TokenWeights) -> list[tuple[Span, ...]]:
    """Return for every message its strongest evidence, strongest first, as spans of the original.

    Neighbouring strong words are joined. A span's weight is its share of all positive evidence in the message, 0 to 1.
    """
    if not len(tokens.weights):
        return [()] * len(messages)
    positive = np.maximum(tokens.weights, 0.0)
    begins = np.flatnonzero(np.diff(tokens.rows, prepend=-1))
    strongest = np.maximum.reduceat(positive, begins)
    floor = np.where(strongest > 0, _TOKEN_FLOOR * strongest, np.inf)
    chosen = np.flatnonzero(positive >= np.repeat(floor, np.diff(np.append(begins, len(positive)))))
    if not len(chosen):
        return [()] * len(messages)
    everything = np.zeros(len(messages))
    everything[tokens.rows[begins]] = np.add.reduceat(positive, begins)
    # a run goes on while the next strong token is the next token of the same message
    chosen_rows = tokens.rows[chosen]
    begins = np.flatnonzero(np.concatenate(([True], (np.diff(chosen) != 1) | (np.diff(chosen_rows) != 0))))
    sums = np.add.reduceat(positive[chosen], begins)
    rows = chosen_rows[begins]
    starts = tokens.starts[chosen[begins]]
    ends = tokens.ends[chosen[np.append(begins[1:], len(chosen)) - 1]]
    share = sums / everything[rows]
    order = np.lexsort((-share, rows))
    # in a long letter no words may reach the floor; the strongest are shown all the same
    is_first = np.diff(rows[order], prepend=-1) != 0
    order = order[(share[order] >= _SPAN_FLOOR) | is_first]
    return _best_of_each(messages, rows[order], starts[order], ends[order], share[order])


def stacked(parts: Sequence[TokenWeights], messages: int) -> TokenWeights:
    """Return the tokens of several heads as if each were about messages of its own, one head after the other."""
    return TokenWeights(
        np.concatenate([part.weights for part in parts]),
        np.concatenate([part.rows + place * messages for place, part in enumerate(parts)]),
        np.concatenate([part.starts for part in parts]),
        np.concatenate([part.ends for part in parts]),
    )


def _best_of_each(
    messages: Sequence[NormalizedText],
    rows: NDArray[np.int64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    share: NDArray[np.float64],
) -> list[tuple[Span, ...]]:
    # rows are sorted: a message's spans stand together, and only the first few of them are taken
    begins = np.flatnonzero(np.diff(rows, prepend=-1))
    few = np.arange(len(rows)) - np.repeat(begins, np.diff(np.append(begins, len(rows)))) < MAX_SPANS
    found: list[tuple[Span, ...]] = [()] * len(messages)
    columns = (rows[few], starts[few], ends[few], np.round(share[few], 4))
    for row, start, end, weight in zip(*(column.tolist() for column in columns), strict=True):
        message = messages[row]
        text = message.text
        if text[start] in _TRIM or text[end - 1] in _TRIM:
            start, end = _trimmed(text, start, end)  # noqa: PLW2901 - the same place, drawn tighter
        if not message.is_aligned:
            start, end = message.to_original(start, end)  # noqa: PLW2901 - the same place in the original
        found[row] += (Span(start, end, message.original[start:end], weight),)
    return found


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the range without punctuation at its ends, unless it holds nothing else: 「！！！」 speaks too."""
    piece = text[start:end]
    left = start + len(piece) - len(piece.lstrip(_TRIM))
    right = end - (len(piece) - len(piece.rstrip(_TRIM)))
    return (left, right) if left < right else (start, end)
