"""From scores to the answers of a report, and the urgency that safety rules ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.classify.evidence import find_spans
from complaint_nlp.classify.scores import PRIMARY_EMOTION
from complaint_nlp.labels import Category, Demand, Emotion, Intent, Need, Subcategory, Urgency
from complaint_nlp.report import Decision, LabelResult, LabelScores, Span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    name: str, messages: Sequence[NormalizedText], scores: Scores, decided: Decided
) -> list[LabelResult[Any]]:
    """Return the answers to the task ``name`` with their evidence, one per message."""
    members = _MEMBERS[name]
    head = PRIMARY_EMOTION if name == "emotion" else name
    evidence = find_spans(messages, scores.attribution.token_weights(head, decided.primary))
    table = scores.probabilities[name].tolist()
    confidences = decided.confidence.tolist()
    return [
        LabelResult(
            labels=tuple(members[index] for index in labels),
            scores=LabelScores(members, row),
            confidence=confidence,
            decision=decision,
            evidence=spans,
        )
        for labels, row, confidence, decision, spans in zip(
            decided.labels, table, confidences, decided.decisions, evidence, strict=True
        )
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
