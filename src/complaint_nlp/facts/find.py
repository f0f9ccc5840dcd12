"""All facts of a message at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from complaint_nlp.facts.identifiers import IDENTIFIERS, find_identifiers
from complaint_nlp.facts.types import Fact, FactKind, Facts

if TYPE_CHECKING:
    from datetime import datetime

    from complaint_nlp.text import NormalizedText

__all__ = ["find_facts"]

# what a number is told by its form or by the word before it; what stands in it is no fact of its own
_INSIDE_OTHERS = frozenset({FactKind.AMOUNT, FactKind.TIME, FactKind.DURATION, FactKind.DEADLINE})
_BETWEEN = " :：是为為"


def find_facts(message: NormalizedText, *, received_at: datetime) -> Facts:
    """Return everything that a message tells beside its labels, in its order.

    Identifiers win over what could be read into their digits; facts of other kinds may overlap ("信义店店员" is a place
    and a person).

    Args:
        message: the message.
        received_at: when it came, with its time zone: 昨天 is the day before in that zone.
    """
    from complaint_nlp.facts.amounts import find_amounts
    from complaint_nlp.facts.mentions import find_mentions
    from complaint_nlp.facts.times import find_times

    identifiers = find_identifiers(message)
    others: list[Fact] = [
        *find_amounts(message),
        *find_times(message, received_at=received_at),
        *find_mentions(message),
    ]
    taken = [(fact.start, fact.end) for fact in identifiers]
    kept = [
        fact
        for fact in others
        if not (fact.kind in _INSIDE_OTHERS and _overlaps(fact, taken))
        and not (fact.kind is FactKind.CHANNEL and _announces(fact, taken, message.original))
    ]
    order = {kind: place for place, kind in enumerate(FactKind)}
    found = sorted([*identifiers, *kept], key=lambda fact: (fact.start, -fact.end, order[fact.kind]))
    return Facts(tuple(found))


def hidden(facts: Facts, masked: str) -> Facts:
    """Return facts that tell nothing personal any more.

    Args:
        facts: what was found.
        masked: the message with its personal data masked, of the same length.
    """
    return Facts(
        tuple(
            Fact(
                fact.kind,
                fact.start,
                fact.end,
                masked[fact.start : fact.end],
                None if fact.kind in IDENTIFIERS else fact.value,
                fact.details,
            )
            for fact in facts.items
        )
    )


def _overlaps(fact: Fact, spans: list[tuple[int, int]]) -> bool:
    return any(start < fact.end and fact.start < end for start, end in spans)


def _announces(fact: Fact, spans: list[tuple[int, int]], text: str) -> bool:
    """Return whether ``fact`` is only the word before a number, as in 电话：0912..."""
    return any(fact.end <= start and not text[fact.end : start].strip(_BETWEEN) for start, _ in spans)
