"""The two classifiers of a bundle as one: how much work a message gets depends on the speed asked for.

``fast`` asks the linear model only, ``accurate`` the encoder as well and blends the two, and ``balanced`` asks the
encoder only where the linear model is not sure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final, Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from complaint_nlp.classify.decide import CALIBRATION, Decider, parse_calibration
from complaint_nlp.classify.encoder import Encoder, EncoderAttribution
from complaint_nlp.classify.heads import SETTINGS as HEADS_SETTINGS
from complaint_nlp.classify.heads import OwnAnswers, OwnHeads
from complaint_nlp.classify.linear import HEADS, LinearClassifier, probabilities_from_margins
from complaint_nlp.classify.scores import PRIMARY_EMOTION, Scores, TokenWeights
from complaint_nlp.errors import ModelError, validation_problems

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from complaint_nlp.classify.bundle import Bundle
    from complaint_nlp.classify.decide import Decided
    from complaint_nlp.classify.scores import Attribution
    from complaint_nlp.text import NormalizedText

Speed = Literal["fast", "balanced", "accurate"]
SPEEDS: Final[tuple[Speed, ...]] = get_args(Speed)

BLEND: Final = "blend.npz"
BLEND_CALIBRATION: Final = "calibration.accurate.json"
CASCADE: Final = "cascade.json"


class CascadeSettings(BaseModel):
    """The schema of ``cascade.json``.

    Attributes:
        sure: from which :func:`sureness` of the linear model on its answer stands in ``balanced``, 0 to 1; above 1 it
            never does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sure: Annotated[float, Field(ge=0.0)]


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to some messages of a batch, all by the same classifier.

    Attributes:
        rows: (some,) which messages.
        scores: their probabilities and evidence.
        decided: their labels by task.
        extra: the same for the user's own tasks, where the bundle has heads for them.
    """

    rows: NDArray[np.int64]
    scores: Scores
    decided: dict[str, Decided]
    extra: Mapping[str, OwnAnswers] = field(default_factory=dict)


def sureness(probabilities: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float64]:
    """Return (messages,) how sure probabilities are of intent, categories, urgency and emotion together, 0 to 1.

    The geometric mean over the four of the probability of the likeliest answer.
    """
    logs = np.zeros(len(probabilities["intent"]))
    for head in ("intent", "urgency", PRIMARY_EMOTION):
        logs += np.log(np.maximum(probabilities[head].max(axis=1), 1e-9))
    several = probabilities["category"]
    logs += np.log(np.maximum(np.maximum(several, 1.0 - several), 1e-9)).sum(axis=1)
    return np.asarray(np.exp(logs / 4.0))


class Cascade:
    """Answers messages with the classifiers of a bundle.

    Args:
        bundle: an opened bundle.
        speed: ``"fast"``, ``"balanced"`` or ``"accurate"``; ``None`` for ``balanced``, or for ``fast`` where the bundle
            has no encoder.
        threads: threads of one pass of the encoder; 0 leaves it to the runtime.

    Raises:
        ModelError: the bundle lacks what ``speed`` needs, or is damaged.
        ValueError: there is no such speed.
    """

    def __init__(self, bundle: Bundle, speed: Speed | None = None, *, threads: int = 0) -> None:
        has_encoder = "encoder" in bundle.manifest.components
        if speed is not None and speed not in SPEEDS:
            msg = f"speed must be one of {', '.join(SPEEDS)}, got {speed!r}"
            raise ValueError(msg)
        if speed in ("balanced", "accurate") and not has_encoder:
            msg = f"{bundle.path}: the bundle has no encoder, which speed={speed!r} needs; use speed='fast'"
            raise ModelError(msg)
        self.speed: Speed = speed or ("balanced" if has_encoder else "fast")
        self._linear = LinearClassifier(bundle)
        self._heads = OwnHeads(bundle) if "heads" in bundle.manifest.components else None
        self._width = self._heads.settings.width if self._heads is not None else 0
        if self._width and not has_encoder:
            msg = f"{bundle.path / HEADS_SETTINGS}: the heads need the vectors of an encoder, and the bundle has none"
            raise ModelError(msg)
        self._fast = Decider(parse_calibration(bundle.json(CALIBRATION), bundle.path, CALIBRATION))
        self.encoder: Encoder | None = None
        if self.speed != "fast" or self._width:
            self._encoder = self.encoder = Encoder(bundle, threads=threads)
            if self._width not in (0, self._encoder.width):
                msg = (
                    f"{bundle.path / HEADS_SETTINGS}: the heads need vectors of width {self._width}, and those of the "
                    f"encoder have {self._encoder.width}"
                )
                raise ModelError(msg)
        if self.speed != "fast":
            self._accurate = Decider(parse_calibration(bundle.json(BLEND_CALIBRATION), bundle.path, BLEND_CALIBRATION))
            self._matrix, self._bias = _blend(bundle, self._encoder.settings.outputs)
            self._sure = _settings(bundle).sure if self.speed == "balanced" else np.inf

    @property
    def extra_tasks(self) -> dict[str, bool]:
        """Names of the user's own tasks, and whether several values can apply."""
        tasks = {} if self._heads is None else self._heads.settings.tasks
        return {name: task.kind == "several" for name, task in tasks.items()}

    def answer(self, messages: Sequence[NormalizedText]) -> list[Answers]:
        """Return the answers to all messages, grouped by the classifier that gave them."""
        margins, attribution = self._linear.margins(messages)
        scores = Scores(probabilities_from_margins(margins), attribution)
        if self.speed == "fast":
            decided = self._fast.decide(scores.probabilities)
            return [Answers(np.arange(len(messages)), scores, decided, self._extra(messages, margins))]
        sure = sureness(scores.probabilities) >= self._sure
        kept, asked = np.flatnonzero(sure), np.flatnonzero(~sure)
        answers = []
        if len(kept):
            part = Scores(
                {head: table[kept] for head, table in scores.probabilities.items()}, _Rows(attribution, kept, len(sure))
            )
            extra = self._extra([messages[i] for i in kept.tolist()], margins[kept])
            answers.append(Answers(kept, part, self._fast.decide(part.probabilities), extra))
        if len(asked):
            batch = self._encoder.run([messages[i] for i in asked.tolist()])
            blended = np.concatenate([batch.logits, margins[asked]], axis=1) @ self._matrix + self._bias
            part = Scores(probabilities_from_margins(blended), EncoderAttribution(batch))
            extra = self._extra([messages[i] for i in asked.tolist()], margins[asked], batch.vectors)
            answers.append(Answers(asked, part, self._accurate.decide(part.probabilities), extra))
        return answers

    def _extra(
        self,
        messages: Sequence[NormalizedText],
        margins: NDArray[np.float32],
        vectors: NDArray[np.float32] | None = None,
    ) -> Mapping[str, OwnAnswers]:
        """Return the answers to the own tasks; the encoder is run for its vectors unless they are at hand."""
        if self._heads is None:
            return {}
        if not self._width:
            return self._heads.answer(margins)
        return self._heads.answer(margins, self._encoder.run(messages).vectors if vectors is None else vectors)


class AccurateClassifier:
    """The blend of both classifiers of a bundle behind the protocol of one.

    Args:
        bundle: an opened bundle with an encoder.

    Raises:
        ModelError: the bundle has no encoder or is damaged.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._cascade = Cascade(bundle, "accurate")

    def predict(self, messages: Sequence[NormalizedText]) -> Scores:
        """Return calibrated probabilities of a batch and where they come from."""
        (answers,) = self._cascade.answer(messages)
        return answers.scores


class _Rows:
    """The attribution of some messages of a batch."""

    def __init__(self, whole: Attribution, rows: NDArray[np.int64], messages: int) -> None:
        self._whole = whole
        self._rows = rows
        self._messages = messages

    def token_weights(self, chosen: Mapping[str, NDArray[np.int64]]) -> dict[str, TokenWeights]:
        everywhere = {head: np.full(self._messages, -1, dtype=np.int64) for head in chosen}
        for head, values in chosen.items():
            everywhere[head][self._rows] = values
        place = np.full(self._messages, -1, dtype=np.int64)
        place[self._rows] = np.arange(len(self._rows))
        return {
            head: _of_rows(tokens, place[tokens.rows]) for head, tokens in self._whole.token_weights(everywhere).items()
        }


def _of_rows(tokens: TokenWeights, rows: NDArray[np.int64]) -> TokenWeights:
    """Return the tokens whose message has a new number, with it."""
    mine = rows >= 0
    return TokenWeights(tokens.weights[mine], rows[mine], tokens.starts[mine], tokens.ends[mine])


def _blend(bundle: Bundle, logits: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the map from the encoder's logits and the linear margins to calibrated margins."""
    arrays = bundle.arrays(BLEND)
    outputs = sum(len(values) for values in HEADS.values())
    for name, shape in (("matrix", (logits + outputs, outputs)), ("bias", (outputs,))):
        if name not in arrays or arrays[name].shape != shape:
            found = arrays[name].shape if name in arrays else "nothing"
            msg = f"{bundle.path / BLEND}: {name} should have the shape {shape}, found {found}"
            raise ModelError(msg)
    return np.asarray(arrays["matrix"], dtype=np.float32), np.asarray(arrays["bias"], dtype=np.float32)


def _settings(bundle: Bundle) -> CascadeSettings:
    try:
        return CascadeSettings.model_validate(bundle.json(CASCADE))
    except ValidationError as error:
        msg = f"{bundle.path / CASCADE}: {validation_problems(error)}"
        raise ModelError(msg) from error
