"""Values on their way into a table: how parts keep them, and which types of columns hold them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LONG: Final = 1 << 63


@dataclass(frozen=True, slots=True)
class SqlEncoder:
    """One JSON list a row; what JSON does not know, and what is a list itself, becomes ``{kind: text}``.

    Attributes:
        columns: all columns in order.
    """

    columns: tuple[str, ...]

    def __call__(self, rows: Sequence[dict[str, Any]]) -> str:
        """Return lines of JSON."""
        lists = ([_tagged(row.get(name)) for name in self.columns] for row in rows)
        return "".join(json.dumps(values, ensure_ascii=False) + "\n" for values in lists)


def _tagged(value: Any) -> Any:  # noqa: ANN401 - any cell
    if value is None or isinstance(value, str | bool | float):
        return value
    if isinstance(value, int):
        return value if -_LONG <= value < _LONG else {"number": str(value)}
    if isinstance(value, datetime):
        return {"moment" if value.tzinfo is not None else "datetime": value.isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, Decimal):
        return {"number": str(value)}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, list | tuple | dict):
        return {"json": json.dumps(value, ensure_ascii=False, default=_plain)}
    return str(value)


def _plain(value: Any) -> str:  # noqa: ANN401 - whatever JSON does not know
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def kind_of(value: Any) -> str:  # noqa: ANN401 - as JSON gives it
    """Return the kind of an encoded value."""
    if isinstance(value, dict):
        return str(next(iter(value)))
    return {str: "text", bool: "bool", int: "int", float: "float"}[type(value)]


def common_kind(kinds: set[str]) -> str:
    """Return the kind of column that holds values of all these kinds."""
    if kinds <= {"int", "float"} and "float" in kinds:
        return "float"
    if kinds <= {"int", "number"} and "number" in kinds:
        return "number"
    return kinds.pop() if len(kinds) == 1 else "text"


def fitter(kind: str, *, sqlite: bool) -> Callable[[Any], Any]:
    """Return what turns an encoded value (never ``None``) into what a column of this kind takes."""
    if kind in ("text", "json"):
        return _text if sqlite else _text_without_null
    if kind == "number":
        return (lambda value: str(_content(value))) if sqlite else (lambda value: Decimal(_content(value)))
    if kind == "moment":
        return _utc if sqlite else _moment
    return _FITTERS[kind]


def _content(value: Any) -> Any:  # noqa: ANN401 - any cell
    return next(iter(value.values())) if isinstance(value, dict) else value


def _text(value: Any) -> str:  # noqa: ANN401 - any cell
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(_content(value))


def _text_without_null(value: Any) -> str:  # noqa: ANN401 - any cell
    return _text(value).replace("\0", "")  # PostgreSQL has no text with a null in it


def _moment(value: Any) -> datetime:  # noqa: ANN401 - any cell
    return datetime.fromisoformat(_content(value))


def _utc(value: Any) -> datetime:  # noqa: ANN401 - any cell
    return _moment(value).astimezone(UTC).replace(tzinfo=None)


_FITTERS: Final[dict[str, Callable[[Any], Any]]] = {
    "bool": bool,
    "int": int,
    "float": float,
    "datetime": _moment,
    "date": lambda value: date.fromisoformat(_content(value)),
    "bytes": lambda value: bytes.fromhex(_content(value)),
}


def column_types() -> dict[str, Any]:
    """Return the type of a column by its kind."""
    import sqlalchemy as sa

    text = sa.Text()
    return {
        "text": text,
        "json": text,
        "bool": sa.Boolean(),
        "int": sa.BigInteger(),
        "float": sa.Double(),
        "number": sa.Numeric().with_variant(text, "sqlite"),  # which would round it
        "moment": sa.DateTime(timezone=True),
        "datetime": sa.DateTime(),
        "date": sa.Date(),
        "bytes": sa.LargeBinary(),
    }
