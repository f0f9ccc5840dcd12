"""The worst confident mistakes: where to look first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from complaint_nlp.errors import DataError
from complaint_nlp.evaluation.answers import DECISIONS, PRIMARY_EMOTION

if TYPE_CHECKING:
    from complaint_nlp.evaluation.answers import Answers, TaskAnswers

MISTAKE_COLUMNS: Final = ("id", "text", "true", "predicted", "confidence", "decision", "evidence")
_SEPARATOR: Final = "|"


def mistakes(answers: Answers, task: TaskAnswers, n: int, *, mask: bool) -> list[dict[str, Any]]:
    """Return the worst confident mistakes as plain rows; see :meth:`Evaluation.errors`."""
    if n < 0:
        msg = f"n must not be negative, got {n}"
        raise ValueError(msg)
    if answers.messages is None:
        msg = "the messages themselves are not known: the evaluation was made from labels alone; use evaluate()"
        raise DataError(msg)
    confidence = np.zeros(len(task.rows)) if task.confidence is None else np.nan_to_num(task.confidence, nan=-1.0)
    wrong = np.flatnonzero(~task.exact)
    order = np.lexsort((-confidence[wrong], task.right[wrong], ~task.analysed[wrong]))
    chosen = wrong[order][:n].tolist()
    messages = [int(task.rows[row]) for row in chosen]
    name = "emotion" if task.task.name == PRIMARY_EMOTION else task.task.name
    words = answers.evidence.words(messages, name) if answers.evidence is not None and messages else [[]] * len(chosen)
    rows = []
    for row, place, spans in zip(chosen, messages, words, strict=True):
        message = answers.messages[place]
        known = task.confidence is not None and not np.isnan(task.confidence[row])
        rows.append(
            {
                "id": message.id,
                "text": _hidden(message.text) if mask else message.text,
                "true": _SEPARATOR.join(task.labels(row, truth=True)),
                "predicted": _SEPARATOR.join(task.labels(row, truth=False)),
                "confidence": float(task.confidence[row]) if task.confidence is not None and known else None,
                "decision": None if task.decision is None else DECISIONS[task.decision[row]].value,
                "evidence": _SEPARATOR.join(_shown_in(message.text, spans) if mask else spans),
            }
        )
    return rows


def _hidden(text: str) -> str:
    from complaint_nlp.facts.masking import mask

    return mask(text, keep_length=True)


def _shown_in(text: str, spans: list[str]) -> list[str]:
    """Return the words as they stand in the masked message: part of a number alone would not be known for one."""
    masked = _hidden(text)
    places = [(text.find(span), len(span)) for span in spans]
    return [masked[start : start + size] for start, size in places if start >= 0]
