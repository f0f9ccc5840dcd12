"""What a classifier gives for a batch of messages, and the protocol all classifiers follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from complaint_nlp.text import NormalizedText

PRIMARY_EMOTION = "emotion_primary"
PRIMARY_CATEGORY = "category_primary"
PRIMARY_OF = {PRIMARY_EMOTION: "emotion", PRIMARY_CATEGORY: "category"}
"""Heads beside the tasks: which value of a task is the primary one (exactly one), while the task's own head says which
are present."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Calibrated probabilities of a batch.

    Attributes:
        probabilities: for every head (each task, and those of :data:`PRIMARY_OF`) an array (messages, values) of
            probabilities 0 to 1 in the order of the task's values.
        attribution: where the evidence comes from.
    """

    probabilities: Mapping[str, NDArray[np.float32]]
    attribution: Attribution


class Attribution(Protocol):
    """Traces a score back to the words of the messages."""

    def token_weights(self, chosen: Mapping[str, NDArray[np.int64]]) -> dict[str, TokenWeights]:
        """Return, for every head asked about, how much each token speaks for the value chosen for its message.

        Args:
            chosen: by head, a key of :attr:`Scores.probabilities`, (messages,) index of a value of it, -1 for messages
                without one.
        """
        ...


@dataclass(frozen=True, slots=True)
class TokenWeights:
    """Tokens of a batch and what each contributes to a score, in log-odds.

    Attributes:
        weights: contribution of every token.
        rows: index of the message of every token.
        starts: first character of every token, counted within its message.
        ends: end of every token, counted within its message.
    """

    weights: NDArray[np.float64]
    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]


class Classifier(Protocol):
    """Scores messages on every task."""

    def predict(self, messages: Sequence[NormalizedText]) -> Scores:
        """Return calibrated probabilities and their attribution for a batch of normalised messages."""
        ...
