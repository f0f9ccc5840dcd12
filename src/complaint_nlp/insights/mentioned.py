"""Products, places, channels and customers as the messages themselves mention them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from complaint_nlp.errors import DataError
from complaint_nlp.facts.types import FactKind
from complaint_nlp.insights.table import OWN
from complaint_nlp.insights.wordings import Note

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from complaint_nlp.insights.table import LabelledTable

CUSTOMER: Final = "customer"
_KINDS: Final = {"product": FactKind.PRODUCT, "place": FactKind.PLACE, "channel": FactKind.CHANNEL}
_OF_CUSTOMERS: Final = (FactKind.PHONE, FactKind.ACCOUNT, FactKind.ORDER)
"""What tells that two messages come from one customer, the surest first."""
_MAX_CHARS: Final = 2_000


def from_messages(table: LabelledTable, names: Sequence[str]) -> dict[str, list[str | None]]:
    """Return for every name (``product``, ``place``, ``channel``, ``customer``) what each message mentions first."""
    found: dict[str, list[str | None]] = {name: [] for name in names}
    if not names:
        return found
    from complaint_nlp.facts.identifiers import find_identifiers
    from complaint_nlp.facts.mentions import find_mentions
    from complaint_nlp.text import Normalizer, NormalizerConfig

    normalizer = Normalizer(NormalizerConfig(max_chars=_MAX_CHARS))
    mentions = any(name in _KINDS for name in names)
    for text in table.texts(range(table.size)):
        message = normalizer.normalize(text[:_MAX_CHARS])
        facts = find_mentions(message) if mentions else []
        for name in names:
            if name == CUSTOMER:
                # a number that the customer hid in part may be anybody's
                whole = [fact for fact in find_identifiers(message) if "*" not in (fact.value or fact.text)]
                numbers = {fact.kind: fact.value or fact.text for fact in reversed(whole)}
                found[name].append(next((numbers[kind] for kind in _OF_CUSTOMERS if kind in numbers), None))
            else:
                kind = _KINDS[name]
                found[name].append(next((fact.value or fact.text for fact in facts if fact.kind is kind), None))
    return found


def taken_from_messages(table: LabelledTable, wanted: bool | Collection[str]) -> dict[str, list[str | None]]:  # noqa: FBT001
    """Return what the messages mention where the table has no column for it, and put it into the table's dimensions.

    Args:
        table: the messages.
        wanted: names, or ``True`` for all.

    Raises:
        DataError: there is no such name.
    """
    names = {*OWN, CUSTOMER} if isinstance(wanted, bool) else set(wanted)
    if unknown := names - {*OWN, CUSTOMER}:
        msg = f"from_messages: {min(unknown)!r} is not one of {', '.join(OWN)}, {CUSTOMER}"
        raise DataError(msg)
    missing = sorted(names - set(table.columns)) if "text" in table.columns else []
    found = from_messages(table, missing)
    for name, values in found.items():
        if name != CUSTOMER:
            table.set_values(name, values)
        kept = [note for note in table.notes if (note.code, note.values.get("column")) != ("no_column", name)]
        table.notes = [*kept, Note("from_facts", {"column": name})]
    return found
