"""Which rows of a table are asked for, and which of their columns."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from complaint_nlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_CONDITION: Final = re.compile(r"(?P<column>.+?)(?P<operator>!=|<=|>=|==?|<|>|~)(?P<value>.*)", re.DOTALL)
_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,4})?")
_PARTS: Final = 1_000_003


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on one column.

    Attributes:
        column: its name.
        operator: ``=``, ``!=``, ``<``, ``<=``, ``>``, ``>=`` or ``~`` (holds the value).
        value: what the column is compared with: as numbers where both are, else as texts; a truth value is the text
            ``true`` or ``false``.
    """

    column: str
    operator: str
    value: str

    def holds(self, row: dict[str, Any]) -> bool:
        """Return whether it holds; a missing value meets ``!=`` alone."""
        given = row.get(self.column)
        if given is None:
            return self.operator == "!="
        if isinstance(given, bool):
            text = "true" if given else "false"
        else:
            text = given.isoformat() if hasattr(given, "isoformat") else str(given)
        if self.operator == "~":
            return self.value in text
        numbers = _number(text), _number(self.value)
        if numbers[0] is not None and numbers[1] is not None:
            return _OPERATORS[self.operator](*numbers)
        return _OPERATORS[self.operator](text, self.value)


def _number(text: str) -> Decimal | None:
    """Return the number a text is, exactly: the numbers of orders have more digits than a float."""
    text = text.strip()
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def parse_condition(text: str) -> Condition:
    """Return the condition that a text like ``brand=A``, ``date>=2024-01-01`` or ``text~退款`` states.

    Raises:
        DataError: it has no operator.
    """
    found = _CONDITION.fullmatch(text.strip())
    if found is None:
        msg = f"--where {text}: expected COLUMN and VALUE with one of {' '.join([*_OPERATORS, '~'])} between them"
        raise DataError(msg)
    return Condition(found["column"].strip(), found["operator"].replace("==", "="), found["value"].strip())


@dataclass(frozen=True, slots=True)
class Selection:
    """What is asked for.

    Attributes:
        conditions: all must hold.
        share: part of the rows to take, 0 to 1, spread evenly and the same in every run; all when 1.
        columns: own columns to keep, in their order; all when ``None``.
    """

    conditions: tuple[Condition, ...] = ()
    share: float = 1.0
    columns: tuple[str, ...] | None = None

    def takes(self, number: int, row: dict[str, Any]) -> bool:
        """Return whether the row with this number is asked for."""
        if self.share < 1.0 and crc32(str(number).encode()) % _PARTS >= self.share * _PARTS:
            return False
        return all(condition.holds(row) for condition in self.conditions)

    def kept(self, names: Sequence[str]) -> list[str]:
        """Return the columns of ``names`` that are kept."""
        return list(names) if self.columns is None else [name for name in self.columns if name in names]

    def check(self, names: Sequence[str], source: object) -> None:
        """Refuse columns that are not there.

        Raises:
            DataError: one is not among ``names``.
        """
        for name in (*(condition.column for condition in self.conditions), *(self.columns or ())):
            if name not in names:
                msg = f"{source}: has no column {name!r}; its columns are {', '.join(names)}"
                raise DataError(msg)
