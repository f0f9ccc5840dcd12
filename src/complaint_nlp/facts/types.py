"""What is found in a message beside its labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class FactKind(StrEnum):
    """What a fact is about."""

    ORDER = "order"
    CASE = "case"
    ACCOUNT = "account"
    TRACKING = "tracking"
    PHONE = "phone"
    EMAIL = "email"
    ID_NUMBER = "id_number"
    BANK_CARD = "bank_card"
    PLATE = "plate"
    AMOUNT = "amount"
    TIME = "time"
    DURATION = "duration"
    DEADLINE = "deadline"
    PRODUCT = "product"
    PLACE = "place"
    ORGANISATION = "organisation"
    STAFF = "staff"
    PRIOR_CONTACT = "prior_contact"
    THREAT = "threat"
    VULNERABLE = "vulnerable"
    CHANNEL = "channel"


@dataclass(frozen=True, slots=True)
class Fact:
    """Words of the original message and what they say.

    Attributes:
        kind: what the fact is about.
        start: index of the first character in the original message.
        end: index after the last character.
        text: the words, as the customer wrote them.
        value: their normalised form; ``None`` where there is none beyond the words.
        details: what else is known, by name: ``"region"``, ``"masked"``, ``"checksum"``...
    """

    kind: FactKind
    start: int
    end: int
    text: str
    value: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the fact as plain values."""
        return {
            "kind": self.kind.value,
            "start": self.start,
            "end": self.end,
            "text": self.text,
            "value": self.value,
            "details": dict(self.details),
        }


@dataclass(frozen=True, slots=True)
class Facts:
    """All facts of a message, in the order of their first characters."""

    items: tuple[Fact, ...] = ()

    def of(self, *kinds: FactKind) -> tuple[Fact, ...]:
        """Return the facts of these kinds, in the order of the message."""
        return tuple(fact for fact in self.items if fact.kind in kinds)
