"""The customer's own words that speak for the matter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from complaint_nlp.report import Span

if TYPE_CHECKING:
    from complaint_nlp.report import Report

_MOST_KEY_WORDS = 8
_CLAUSE = re.compile(r"(?:[^，。！？；：、,!?;:…~～\n\t\"'「」『』“”‘’<>《》【】（）()\[\]]|(?<=\d)[:：,](?=\d))+")
# what follows such a word stands in the next clause
_LEADS_ON = ("說", "说", "話", "寫", "写", "寫著", "写着", "問", "问", "答", "道", "稱", "称", "是", "只有", "在")
# shorter ones say little by themselves, longer ones are no quotation
_CLAUSE_CHARS = range(4, 15)


def key_words(report: Report) -> tuple[str, ...]:
    """Return the customer's own clauses that speak for the matter, strongest first.

    The words that speak most are often fragments; a whole short clause reads as the customer meant it.
    """
    spans = [*report.subcategory.evidence, *report.category.evidence, *report.intent.evidence]
    # where a safety rule says what it is about, nothing else is
    told = [Span(each.start, each.end, each.text, 1.0) for each in report.urgency_reasons if each.matter is not None]
    spans = told or spans
    weights: dict[str, float] = {}
    for clause in _CLAUSE.finditer(report.text):
        words = clause.group().strip()
        weight = sum(span.weight for span in spans if clause.start() <= span.start and span.end <= clause.end())
        if weight and len(words) in _CLAUSE_CHARS and not words.endswith(_LEADS_ON):
            weights[words] = max(weight, weights.get(words, 0.0))
    return tuple(sorted(weights, key=lambda words: -weights[words])[:_MOST_KEY_WORDS])
