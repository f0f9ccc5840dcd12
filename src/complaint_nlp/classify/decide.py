"""From probabilities to labels: which values apply, and how far the answer can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from complaint_nlp.classify.scores import PRIMARY_CATEGORY, PRIMARY_EMOTION
from complaint_nlp.errors import ModelError, validation_problems
from complaint_nlp.labels import TASKS, Category, Intent, Subcategory
from complaint_nlp.report import Decision

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

CALIBRATION: Final = "calibration.json"

Threshold = Annotated[float, Field(ge=0.0)]
"""A probability; above 1 the decision is never reached, because the stated precision was never measured."""


class TaskCalibration(BaseModel):
    """How one task is decided.

    Attributes:
        offsets: where one value applies, added to the log-probability of every value before the highest is taken.
        decide: where several apply, the least probability at which a value is given.
        auto: the least probability of a given value at which its precision reached ``auto_precision``.
        suggest: the same for ``suggest_precision``.
        none_auto: where several apply, the least probability that none does for an automatic "none".
        none_suggest: the same for a suggested "none".
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    offsets: dict[str, float] = {}
    decide: dict[str, Threshold] = {}
    auto: dict[str, Threshold]
    suggest: dict[str, Threshold]
    none_auto: Threshold = 1.01
    none_suggest: Threshold = 1.01


class Calibration(BaseModel):
    """The schema of ``calibration.json``.

    Attributes:
        auto_precision: precision measured on held-out messages for answers decided as ``auto``, 0 to 1.
        suggest_precision: the same for ``suggest`` and above.
        tasks: by task name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    auto_precision: Annotated[float, Field(gt=0, le=1)]
    suggest_precision: Annotated[float, Field(gt=0, le=1)]
    tasks: dict[str, TaskCalibration]


def parse_calibration(
    content: Any,  # noqa: ANN401 - whatever the file held
    path: Path,
    name: str = CALIBRATION,
) -> Calibration:
    """Check the content of a calibration file.

    Args:
        content: what the file held.
        path: the directory it lies in.
        name: its name.

    Raises:
        ModelError: it does not have the documented form or misses a value.
    """
    try:
        calibration = Calibration.model_validate(content)
    except ValidationError as error:
        msg = f"{path / name}: {validation_problems(error)}"
        raise ModelError(msg) from error
    for key, task in TASKS.items():
        given = calibration.tasks.get(key)
        needed = (
            (
                given.auto,
                given.suggest,
                *([given.decide] if task.is_multilabel else []),
                *([given.offsets] if task.kind != "multilabel" else []),
            )
            if given
            else ()
        )
        if given is None or any(set(part) != set(task.values) for part in needed):
            msg = f"{path / name}: {key}: thresholds for {', '.join(task.values)} are needed, one each"
            raise ModelError(msg)
    return calibration


@dataclass(frozen=True, slots=True)
class Decided:
    """The answers of one task for a batch.

    Attributes:
        labels: for every message the indices of the decided values, the primary one first.
        primary: (messages,) index of the primary value, -1 where no value applies.
        confidence: (messages,) probability of the answer.
        decisions: how far every answer can be trusted.
    """

    labels: list[tuple[int, ...]]
    primary: NDArray[np.int64]
    confidence: NDArray[np.float32]
    decisions: list[Decision]


_COMPLAINT: Final = list(Intent).index(Intent.COMPLAINT)
_LEVELS: Final = (Decision.REVIEW, Decision.SUGGEST, Decision.AUTO)
_PARENTS: Final = np.array([list(Category).index(sub.category) for sub in Subcategory])


class Decider:
    """Applies the thresholds of a bundle.

    Args:
        calibration: the thresholds.
    """

    def __init__(self, calibration: Calibration) -> None:
        self.calibration = calibration
        self._auto = {name: self._row(calibration.tasks[name].auto, name) for name in TASKS}
        self._suggest = {name: self._row(calibration.tasks[name].suggest, name) for name in TASKS}
        self._least = {
            name: self._row(calibration.tasks[name].decide, name) for name, task in TASKS.items() if task.is_multilabel
        }
        self._offsets = {
            name: self._row(calibration.tasks[name].offsets, name)
            for name, task in TASKS.items()
            if task.kind != "multilabel"
        }

    @staticmethod
    def _row(by_value: dict[str, float], task: str) -> NDArray[np.float64]:
        return np.array([by_value[value] for value in TASKS[task].values])

    def decide(self, probabilities: Mapping[str, NDArray[np.float32]]) -> dict[str, Decided]:
        """Return the answers of every task; sub-kinds always belong to the decided categories.

        Args:
            probabilities: (messages, values) by head, as in :class:`complaint_nlp.classify.scores.Scores`.
        """
        result: dict[str, Decided] = {}
        chosen: dict[str, NDArray[np.bool_]] = {}
        for name in ("category", "subcategory", "needs", "demands"):
            chosen[name] = probabilities[name] >= self._least[name]
        result["intent"] = self._exclusive("intent", probabilities["intent"])
        self._give_complaints_a_category(result["intent"], chosen["category"], probabilities["category"])
        chosen["subcategory"] = self._consistent(
            chosen["category"], chosen["subcategory"], probabilities["subcategory"]
        )
        for name, task in TASKS.items():
            if name == "intent":
                continue
            if task.kind in ("single", "ordinal"):
                result[name] = self._exclusive(name, probabilities[name])
            elif name == "emotion":
                result[name] = self._emotion(probabilities)
            else:
                rank = probabilities[PRIMARY_CATEGORY if name == "category" else name]
                if name == "subcategory":  # category by category, in the order in which those are reported
                    ranked = np.where(chosen["category"], probabilities[PRIMARY_CATEGORY], -1.0)
                    place = np.argsort(np.argsort(-ranked, axis=1, kind="stable"), axis=1)
                    rank = rank + 2 * (len(Category) - place)[:, _PARENTS]
                result[name] = self._several(name, probabilities[name], chosen[name], rank)
        return result

    @staticmethod
    def _give_complaints_a_category(
        intent: Decided, chosen: NDArray[np.bool_], probabilities: NDArray[np.float32]
    ) -> None:
        """Choose the likeliest category of complaints that reached none: a complaint is about something."""
        lacking = np.flatnonzero((intent.primary == _COMPLAINT) & ~chosen.any(axis=1))
        chosen[lacking, probabilities[lacking].argmax(axis=1)] = True

    @staticmethod
    def _consistent(
        categories: NDArray[np.bool_], subs: NDArray[np.bool_], probabilities: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Drop sub-kinds of undecided categories; give every decided category its likeliest sub-kind."""
        subs = subs & categories[:, _PARENTS]
        for category in range(categories.shape[1]):
            members = np.flatnonzero(category == _PARENTS)
            lacking = np.flatnonzero(categories[:, category] & ~subs[:, members].any(axis=1))
            subs[lacking, members[probabilities[np.ix_(lacking, members)].argmax(axis=1)]] = True
        return subs

    def _exclusive(self, name: str, probabilities: NDArray[np.float32]) -> Decided:
        return decide_exclusive(probabilities, self._offsets[name], self._auto[name], self._suggest[name])

    def _emotion(self, probabilities: Mapping[str, NDArray[np.float32]]) -> Decided:
        first = self._exclusive("emotion", probabilities[PRIMARY_EMOTION])
        present_scores = probabilities["emotion"]
        others = present_scores * (present_scores >= self._least["emotion"])
        rows = np.arange(len(first.primary))
        others[rows, first.primary] = 0.0
        second = others.argmax(axis=1)
        present = others[rows, second] > 0.0
        labels: list[tuple[int, ...]] = [
            (one, two) if both else (one,)
            for one, two, both in zip(first.primary.tolist(), second.tolist(), present.tolist(), strict=True)
        ]
        return Decided(labels, first.primary, first.confidence, first.decisions)

    def _several(
        self, name: str, probabilities: NDArray[np.float32], chosen: NDArray[np.bool_], rank: NDArray[Any]
    ) -> Decided:
        thresholds = self.calibration.tasks[name]
        nothing = (thresholds.none_auto, thresholds.none_suggest)
        return decide_several(probabilities, chosen, rank, (self._auto[name], self._suggest[name]), nothing)


def decide_exclusive(
    probabilities: NDArray[np.float32],
    offsets: NDArray[np.float64],
    auto: NDArray[np.float64],
    suggest: NDArray[np.float64],
) -> Decided:
    """Return the answers of a task of which exactly one value applies.

    Args:
        probabilities: (messages, values).
        offsets: (values,) added to the log-probabilities before the highest is taken.
        auto: (values,) least probability for an automatic answer.
        suggest: (values,) the same for a suggestion.
    """
    adjusted = np.log(np.maximum(probabilities, 1e-9)) + offsets
    primary = adjusted.argmax(axis=1)
    confidence = probabilities[np.arange(len(primary)), primary]
    least = suggest[primary]
    level = (confidence >= least).astype(int) + (confidence >= np.maximum(auto[primary], least))
    decisions = [_LEVELS[value] for value in level.tolist()]
    return Decided([(value,) for value in primary.tolist()], primary, confidence, decisions)


def decide_several(
    probabilities: NDArray[np.float32],
    chosen: NDArray[np.bool_],
    rank: NDArray[Any],
    least: tuple[NDArray[np.float64], NDArray[np.float64]],
    least_of_none: tuple[float, float],
) -> Decided:
    """Return the answers of a task of which any number of values applies.

    Args:
        probabilities: (messages, values).
        chosen: (messages, values) which are given.
        rank: (messages, values) what the given ones are sorted by, the highest first.
        least: (values,) least probability for an automatic answer, and for a suggestion.
        least_of_none: the same for the answer that none applies.
    """
    ranked = np.where(chosen, rank, -1.0)
    order = np.argsort(-ranked, axis=1, kind="stable").tolist()
    counts = chosen.sum(axis=1)
    labels = [tuple(row[:count]) for row, count in zip(order, counts.tolist(), strict=True)]
    primary = np.where(counts > 0, ranked.argmax(axis=1), -1)
    none = 1.0 - probabilities.max(axis=1)
    confidence = np.where(counts > 0, probabilities[np.arange(len(primary)), primary], none)
    # an answer is as trustworthy as its least trustworthy value
    auto, suggest = (
        np.where(counts > 0, (~chosen | (probabilities >= by_value)).all(axis=1), none >= of_none)
        for by_value, of_none in zip(least, least_of_none, strict=True)
    )
    decisions = [_LEVELS[2 if a else 1 if s else 0] for a, s in zip(auto.tolist(), suggest.tolist(), strict=True)]
    return Decided(labels, primary, confidence, decisions)
