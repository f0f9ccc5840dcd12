"""What a set of messages is about, in a few words of its own, and the message that says it best."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import log
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from complaint_nlp.insights.wordings import stop_words
from complaint_nlp.text import Normalizer, NormalizerConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from complaint_nlp.insights.table import LabelledTable

MAX_SAMPLE: Final = 50
"""So many messages of a set are read, drawn evenly."""
MAX_BACKGROUND: Final = 1_000
MAX_CHARS: Final = 1_000
_PHRASE_CHARS: Final = 8
_LEAST_SHARE: Final = 0.08
_GOOD_CHARS: Final = range(12, 120)


class Described(NamedTuple):
    """What a set of messages is about.

    Attributes:
        phrases: key words and phrases as the customers wrote them, the most telling first.
        example: position of the message that holds most of them in few words; ``None`` where no message has any text.
    """

    phrases: list[str]
    example: int | None


@dataclass(frozen=True, slots=True)
class _Read:
    """The words of a message: simplified, each with how it was written."""

    words: dict[str, str]
    length: int


class KeyPhrases:
    """Finds key phrases by c-TF-IDF (Grootendorst 2022) over jieba words and pairs of them.

    The class is the set, everything else a sample of the whole table. Words are compared simplified, so both scripts
    count together, and shown as most of the customers in the set wrote them.

    Args:
        table: the messages.
    """

    def __init__(self, table: LabelledTable) -> None:
        self._table = table
        self._cache: dict[int, _Read] = {}
        self._normalizer = Normalizer(NormalizerConfig(max_chars=MAX_CHARS))

    def describe(self, positions: NDArray[np.int64], most: int = 5) -> Described:
        """Return key phrases and an exemplary message of the messages at these positions."""
        sample = _evenly(positions, MAX_SAMPLE)
        read = self._read(sample)
        seen = Counter(word for item in read for word in item.words)
        usual, size = self._background
        least = max(2 if len(read) > 2 else 1, _LEAST_SHARE * len(read))  # noqa: PLR2004 - one message is not "most"
        scores = {
            word: count / len(read) * log(1 + size / (1 + usual[word])) * (1.0 + 0.3 * (len(word) > 2))  # noqa: PLR2004
            for word, count in seen.items()
            if count >= least
        }
        chosen: list[str] = []
        for word in sorted(scores, key=lambda item: (-scores[item], item)):
            inside = any(word in longer or longer in word for longer in chosen)
            if not inside:
                chosen.append(word)
            if len(chosen) == most:
                break
        written = [Counter(item.words[word] for item in read if word in item.words) for word in chosen]
        return Described([forms.most_common(1)[0][0] for forms in written], _best(sample, read, scores))

    @cached_property
    def _background(self) -> tuple[Counter[str], int]:
        read = self._read(_evenly(np.arange(self._table.size), MAX_BACKGROUND))
        return Counter(word for item in read for word in item.words), len(read)

    def _read(self, positions: Sequence[int]) -> list[_Read]:
        new = [position for position in positions if position not in self._cache]
        for position, text in zip(new, self._table.texts(new), strict=True):
            self._cache[position] = self._words(text[:MAX_CHARS])
        return [self._cache[position] for position in positions]

    def _words(self, text: str) -> _Read:
        import rjieba

        message = self._normalizer.normalize(text)
        words: dict[str, str] = {}
        spans: list[tuple[int, int]] = []
        start = 0
        for word in rjieba.cut(message.text, False):  # noqa: FBT003 - without guessed words, as in classify
            spans.append((start, start + len(word)))
            start += len(word)
        telling = [_is_telling(message.text[left:right]) for left, right in spans]
        for (left, right), tells in zip(spans, telling, strict=True):
            if tells:
                _add(words, message.text[left:right], message.original, message.to_original(left, right))
        for (one, next_), both in zip(pairwise(spans), pairwise(telling), strict=True):
            if all(both) and next_[1] - one[0] <= _PHRASE_CHARS:
                span = message.to_original(one[0], next_[1])
                _add(words, message.text[one[0] : next_[1]], message.original, span)
        return _Read(words, len(message.text))


def _add(words: dict[str, str], word: str, original: str, span: tuple[int, int]) -> None:
    written = original[span[0] : span[1]]
    words.setdefault(word, written if len(written) <= 2 * len(word) else word)


def _is_telling(word: str) -> bool:
    return len(word) > 1 and word not in stop_words() and all("\u4e00" <= char <= "\u9fff" for char in word)


def _evenly(positions: NDArray[np.int64], most: int) -> list[int]:
    """Return at most so many of the positions, evenly drawn, in order."""
    if len(positions) > most:
        positions = positions[np.linspace(0, len(positions) - 1, most).astype(np.int64)]
    return [int(position) for position in positions]


def _best(sample: Sequence[int], read: Sequence[_Read], scores: dict[str, float]) -> int | None:
    if not any(item.length for item in read):
        return None

    def telling(place: int) -> tuple[float, int]:
        item = read[place]
        said = sum(scores.get(word, 0.0) for word in item.words)
        readable = 1.0 if item.length in _GOOD_CHARS else 0.5
        return (readable * said / (20 + item.length) ** 0.5, -place)

    return sample[max(range(len(read)), key=telling)]
