"""Heads for a user's own labels: logistic regressions on what a bundle's classifiers make of a message.

Their features are the margins of the linear model and, where the bundle has an encoder, its vector of the message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from complaint_nlp.classify.decide import Decided, TaskCalibration, decide_exclusive, decide_several
from complaint_nlp.classify.linear import HEADS
from complaint_nlp.errors import ModelError, validation_problems
from complaint_nlp.labels import TASKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from complaint_nlp.classify.bundle import Bundle

ARRAYS: Final = "heads.npz"
SETTINGS: Final = "heads.json"

OwnKind = Literal["one", "several"]


class OwnTask(TaskCalibration):
    """One task of a user's own: its values and how it is decided.

    Attributes:
        kind: ``one`` value per message, or ``several`` (any number).
        values: in the order of their outputs.
    """

    kind: OwnKind
    values: Annotated[tuple[str, ...], Field(min_length=1)]


class HeadsSettings(BaseModel):
    """The schema of ``heads.json``.

    Attributes:
        version: of this form.
        width: of the encoder's vectors, which are the first features; 0 when they are none.
        auto_precision: precision measured out of fold for answers decided as ``auto``, 0 to 1.
        suggest_precision: the same for ``suggest`` and above.
        tasks: by name, in the order of their outputs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1]
    width: Annotated[int, Field(ge=0)]
    auto_precision: Annotated[float, Field(gt=0, le=1)]
    suggest_precision: Annotated[float, Field(gt=0, le=1)]
    tasks: Annotated[dict[str, OwnTask], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class OwnAnswers:
    """The answers of one own task for a batch.

    Attributes:
        values: of the task.
        probabilities: (messages, values).
        decided: the labels.
    """

    values: tuple[str, ...]
    probabilities: NDArray[np.float32]
    decided: Decided


def own_probabilities(margins: NDArray[Any], kind: OwnKind) -> NDArray[np.float32]:
    """Return softmax (one value applies) or logistic (several may) of a task's calibrated margins."""
    if kind == "one":
        part = np.exp(margins - margins.max(axis=1, keepdims=True))
        return np.asarray(part / part.sum(axis=1, keepdims=True), dtype=np.float32)
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(margins, -30.0, 30.0))), dtype=np.float32)


def decide_own(task: OwnTask, probabilities: NDArray[np.float32]) -> Decided:
    """Return the answers of one own task for (messages, values) probabilities."""
    auto, suggest = _row(task.auto, task.values), _row(task.suggest, task.values)
    if task.kind == "one":
        return decide_exclusive(probabilities, _row(task.offsets, task.values), auto, suggest)
    chosen = probabilities >= _row(task.decide, task.values)
    nothing = (task.none_auto, task.none_suggest)
    return decide_several(probabilities, chosen, probabilities, (auto, suggest), nothing)


def _row(by_value: dict[str, float], values: Sequence[str]) -> NDArray[np.float64]:
    return np.array([by_value[value] for value in values])


class OwnHeads:
    """The own tasks of a bundle.

    Args:
        bundle: an opened bundle with heads.

    Raises:
        ModelError: ``heads.json`` or ``heads.npz`` is missing, damaged, or they do not fit together.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.settings = _settings(bundle)
        arrays = bundle.arrays(ARRAYS)
        features = self.settings.width + sum(len(values) for values in HEADS.values())
        outputs = sum(len(task.values) for task in self.settings.tasks.values())
        for name, shape in (("weights", (features, outputs)), ("bias", (outputs,))):
            if name not in arrays or arrays[name].shape != shape:
                found = arrays[name].shape if name in arrays else "nothing"
                msg = f"{bundle.path / ARRAYS}: {name} should have the shape {shape}, found {found}"
                raise ModelError(msg)
            if not np.isfinite(arrays[name]).all():
                msg = f"{bundle.path / ARRAYS}: {name} holds values that are no numbers"
                raise ModelError(msg)
        self._weights = np.asarray(arrays["weights"], dtype=np.float32)
        self._bias = np.asarray(arrays["bias"], dtype=np.float32)

    def answer(self, margins: NDArray[np.float32], vectors: NDArray[np.float32] | None = None) -> dict[str, OwnAnswers]:
        """Return the answers to every own task for a batch.

        Args:
            margins: (messages, outputs) of the linear model.
            vectors: (messages, width) of the encoder, where the heads look at them.
        """
        features = margins if vectors is None else np.concatenate([vectors, margins], axis=1)
        outputs = features @ self._weights + self._bias
        answers, start = {}, 0
        for name, task in self.settings.tasks.items():
            part = outputs[:, start : start + len(task.values)]
            start += len(task.values)
            probabilities = own_probabilities(part, task.kind)
            answers[name] = OwnAnswers(task.values, probabilities, decide_own(task, probabilities))
        return answers


def _settings(bundle: Bundle) -> HeadsSettings:
    path = bundle.path / SETTINGS
    try:
        settings = HeadsSettings.model_validate(bundle.json(SETTINGS))
    except ValidationError as error:
        msg = f"{path}: {validation_problems(error)}"
        raise ModelError(msg) from error
    for name, task in settings.tasks.items():
        if name in TASKS:
            msg = f"{path}: {name}: is the name of a standard task"
            raise ModelError(msg)
        needed = (task.auto, task.suggest, task.offsets if task.kind == "one" else task.decide)
        if any(set(part) != set(task.values) for part in needed) or len(set(task.values)) != len(task.values):
            msg = f"{path}: {name}: thresholds for {', '.join(task.values)} are needed, one each"
            raise ModelError(msg)
    return settings
