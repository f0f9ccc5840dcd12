"""From scores to the answers of a report, and the urgency that safety rules ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.classify.evidence import find_spans, stacked
from complaint_nlp.classify.scores import PRIMARY_EMOTION
from complaint_nlp.labels import Category, Demand, Emotion, Intent, Need, Subcategory, Urgency
from complaint_nlp.report import Decision, LabelResult, LabelScores, Span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from complaint_nlp.classify.decide import Decided
    from complaint_nlp.classify.heads import OwnAnswers
    from complaint_nlp.classify.scores import Scores
    from complaint_nlp.report import UrgencyReason
    from complaint_nlp.text import NormalizedText

_MEMBERS: Final[dict[str, tuple[Any, ...]]] = {
    "intent": tuple(Intent),
    "category": tuple(Category),
    "subcategory": tuple(Subcategory),
    "urgency": tuple(Urgency),
    "emotion": tuple(Emotion),
    "intensity": (0, 1, 2, 3),
    "needs": tuple(Need),
    "demands": tuple(Demand),
}


def label_results(
    messages: Sequence[NormalizedText], scores: Scores, decided: Mapping[str, Decided]
) -> dict[str, list[LabelResult[Any]]]:
    """Return the answers to every task with their evidence, one per message."""
    heads = {name: PRIMARY_EMOTION if name == "emotion" else name for name in decided}
    tokens = scores.attribution.token_weights({heads[name]: one.primary for name, one in decided.items()})
    # all tasks at once: for a single message the calls cost more than the work
    spans = find_spans([*messages] * len(tokens), stacked(list(tokens.values()), len(messages)))
    return {
        name: _results(
            _MEMBERS[name], one, scores.probabilities[name], spans[place * len(messages) : (place + 1) * len(messages)]
        )
        for place, (name, one) in enumerate(decided.items())
    }


def _results(
    members: tuple[Any, ...], decided: Decided, table: NDArray[np.float32], evidence: Sequence[tuple[Span, ...]]
) -> list[LabelResult[Any]]:
    columns = (decided.labels, table.tolist(), decided.confidence.tolist(), decided.decisions, evidence)
    return [
        LabelResult(tuple([members[index] for index in labels]), LabelScores(members, row), confidence, decision, spans)
        for labels, row, confidence, decision, spans in zip(*columns, strict=True)
    ]


def extra_results(answers: Mapping[str, OwnAnswers]) -> list[dict[str, LabelResult[str]]]:
    """Return the results of the user's own tasks by name, for every message."""
    columns = {}
    for name, own in answers.items():
        decided = own.decided
        columns[name] = [
            LabelResult(
                labels=tuple(own.values[index] for index in labels),
                scores=LabelScores(own.values, row),
                confidence=confidence,
                decision=decision,
            )
            for labels, row, confidence, decision in zip(
                decided.labels, own.probabilities.tolist(), decided.confidence.tolist(), decided.decisions, strict=True
            )
        ]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def raised(result: LabelResult[Urgency], reasons: Sequence[UrgencyReason]) -> LabelResult[Urgency]:
    """Return the urgency raised to what the rules ask for; the model's probabilities stay as they are."""
    current = result.labels[0]
    level = max((reason.level for reason in reasons), key=lambda urgency: urgency.rank, default=current)
    if level.rank <= current.rank:
        return result
    deciding = [reason for reason in reasons if reason.level is level]
    evidence = tuple(Span(reason.start, reason.end, reason.text, 1.0 / len(deciding)) for reason in deciding)
    # a rule's answer is a proposal: how often the words mean it is not measured for every desk
    return LabelResult((level,), result.scores, result.scores[level], Decision.SUGGEST, evidence)
