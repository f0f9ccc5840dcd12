"""All insights as one JSON-ready dict; its form is described in ``docs/insights.md``."""

from __future__ import annotations

from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from complaint_nlp.insights.counts import PeriodCounts, first_days, period_numbers
from complaint_nlp.insights.cube import cube
from complaint_nlp.insights.reading import require_pandas
from complaint_nlp.insights.rises import TOTAL, behind
from complaint_nlp.insights.table import DIMENSIONS, OWN, SCALES
from complaint_nlp.insights.wordings import wordings_file
from complaint_nlp.labels import TASKS, Intent, Urgency, display_name

if TYPE_CHECKING:
    from complaint_nlp.insights.counts import Period
    from complaint_nlp.insights.insights import Insights
    from complaint_nlp.labels import Language

SCHEMA_VERSION: Final = "1"
MAX_ROWS_LISTED: Final = 50
MAX_EXAMPLE_CHARS: Final = 200
MAX_PERIODS: Final = 120
MAX_NAME_CHARS: Final = 60
_IN_PERIODS: Final = ("category", "subcategory", "urgency", "emotion", *OWN)
_OWN_IN_PERIODS: Final = 8
_MASK_CHARS: Final = 2_000


class Summary:
    """Makes the dict of an :class:`Insights`.

    Args:
        insights: the figures.
        lang: language of names and sentences.
        top: most entries of a list.
        mask: hide personal data.
    """

    def __init__(self, insights: Insights, lang: Language, *, top: int, mask: bool) -> None:
        if top < 1:
            msg = f"top must be positive, got {top}"
            raise ValueError(msg)
        self._insights, self._table = insights, insights.table
        self._lang, self._top, self._mask = lang, top, mask

    def to_dict(self, **groups: Any) -> dict[str, Any]:  # noqa: ANN401 - arguments of Insights.groups
        """Return the dict; the arguments are those of :meth:`complaint_nlp.insights.Insights.groups`."""
        made: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "lang": self._lang,
            "masked": self._mask,
            "overview": self._overview(),
            "notes": [],
            "labels": self._labels(),
            "counts": {name: self._counts(name) for name in DIMENSIONS if self._table.has(name)},
            "periods": self._periods(),
            "cube": cube(self._table),
            "rises": self._rises(),
            "hotspots": self._hotspots(),
            "groups": self._groups(**groups),
            "repeaters": self._repeaters(),
            "answer_times": self._answer_times(),
            "causes": self._causes(),
        }
        made["notes"] = self._insights.notes_in(self._lang)  # the parts above may have added some
        return made

    def _overview(self) -> dict[str, Any]:
        table, days = self._table, self._table.day_numbers
        known = days[days >= 0]
        intent, urgency = table.dimension("intent"), table.dimension("urgency").primary
        complaints = len(intent.of(Intent.COMPLAINT)) if table.has("intent") else None
        urgent = int((urgency >= Urgency.HIGH.rank).sum()) if table.has("urgency") else None
        escalated = None
        if "escalate" in table.frame.columns:
            escalated = int((table.frame["escalate"].astype("string").str.lower() == "true").fillna(value=False).sum())
        return {
            "messages": table.rows_read,
            "analysed": table.size,
            "from": _day(known.min()) if len(known) else None,
            "to": _day(known.max()) if len(known) else None,
            "days": int(known.max() - known.min()) + 1 if len(known) else None,
            "as_of": None if self._insights.as_of is None else self._insights.as_of.isoformat(timespec="minutes"),
            "timezone": table.timezone,
            "complaints": complaints,
            "complaint_share": _share(complaints, table.size),
            "urgent": urgent,
            "urgent_share": _share(urgent, table.size),
            "escalated": escalated,
            "columns": {role: self._insights.columns.get(role) for role in wordings_file().columns},
        }

    def _labels(self) -> dict[str, Any]:
        tasks = {
            name: {value: display_name(name, value, self._lang) for value in task.values}
            for name, task in TASKS.items()
        }
        names = {name: wording.get(self._lang) for name, wording in wordings_file().dimensions.items()}
        return {**tasks, "dimension": {**{name: display_name(name, None, self._lang) for name in TASKS}, **names}}

    def _name(self, by: str, value: str) -> str:
        if by in TASKS:
            return display_name(by, value, self._lang)
        if by == "weekday":
            return wordings_file().weekdays[int(value)].get(self._lang)
        if by in (TOTAL, "all"):
            return wordings_file().dimensions[by].get(self._lang)
        return self._hidden(value)[:MAX_NAME_CHARS]

    def _counts(self, by: str) -> list[dict[str, Any]]:
        dimension = self._table.dimension(by)
        found = dimension.counts
        order = np.arange(len(found)) if by in SCALES else np.argsort(-found, kind="stable")
        if by not in SCALES:
            order = order[found[order] > 0][: max(self._top, len(TASKS[by].values) if by in TASKS else 0)]
        return [
            {
                "value": dimension.values[code],
                "name": self._name(by, dimension.values[code]),
                "count": int(found[code]),
                "share": _share(int(found[code]), self._table.size),
            }
            for code in order
        ]

    def _periods(self) -> dict[str, Any] | None:
        days = self._table.day_numbers
        known = days[days >= 0]
        if not len(known):
            return None
        unit: Period = "month"
        finest: tuple[Period, ...] = ("day", "week")
        for finer in finest:
            if int(known.max() - known.min()) // (1 if finer == "day" else 7) < MAX_PERIODS:
                unit = finer
                break
        whole = PeriodCounts(self._table, None, unit)
        numbers = period_numbers(np.array([known.min(), known.max()]), unit)
        begins, ends = first_days(numbers, unit), first_days(numbers + 1, unit)
        partial = [False] * len(whole.starts)
        partial[0] = bool(begins[0].astype(np.int64) < known.min())
        partial[-1] = partial[-1] or bool(ends[1].astype(np.int64) - 1 > known.max())
        return {
            "unit": unit,
            "starts": [str(day) for day in whole.starts],
            "partial": partial,
            "total": whole.totals.tolist(),
            "series": {name: self._series(name, unit) for name in _IN_PERIODS if self._table.has(name)},
        }

    def _series(self, by: str, unit: Period) -> dict[str, list[int]]:
        dimension = self._table.dimension(by)
        matrix = PeriodCounts(self._table, dimension, unit).matrix
        order = (
            np.argsort(-matrix.sum(axis=0), kind="stable")[:_OWN_IN_PERIODS] if by in OWN else range(matrix.shape[1])
        )
        return {dimension.values[code]: matrix[:, code].tolist() for code in order}

    def _rises(self) -> list[dict[str, Any]]:
        made = []
        for rise in self._insights.find_rises()[: self._top]:
            rows = behind(self._table, rise)
            described = self._insights.key_phrases.describe(rows)
            made.append(
                {
                    "by": rise.by,
                    "value": rise.value,
                    "name": self._name(rise.by, rise.value),
                    "start": _day(rise.start),
                    "end": _day(rise.end),
                    "observed": rise.observed,
                    "expected": _number(rise.expected),
                    "ratio": _number(rise.ratio),
                    "ratio_low": _number(rise.low),
                    "ratio_high": _number(rise.high),
                    "p": _number(rise.p),
                    "q": _number(rise.q),
                    "ongoing": rise.ongoing,
                    "phrases": [self._hidden(phrase) for phrase in described.phrases],
                    "example": self._example(described.example),
                    "rows": self._ids(rows),
                    "series": {
                        "starts": [_day(rise.days + step) for step in range(len(rise.daily))],
                        "observed": rise.daily.tolist(),
                        "expected": [_number(value) for value in rise.baseline],
                    },
                }
            )
        return made

    def _hotspots(self) -> list[dict[str, Any]]:
        frame = self._insights.hotspots(examples=self._top).head(self._top)
        names = ("count", "expected", "lift", "lift_low", "lift_high", "share", "p", "q")
        return [
            {
                "by": row["by"],
                "value": row["value"],
                "name": self._name(row["by"], row["value"]),
                "subcategory": row["subcategory"],
                "subcategory_name": self._name("subcategory", row["subcategory"]),
                **{name: _number(row[name]) for name in names},
                "example": self._example_of(row["example_row"]),
            }
            for row in frame.to_dict("records")
        ]

    def _groups(self, **groups: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - arguments of Insights.groups
        frame = self._insights.groups(**{"most": self._top, **groups}).head(self._top)
        return [
            {
                "group": int(row["group"]),
                "kind": row["kind"],
                "size": int(row["size"]),
                "share": _number(row["share"]),
                "first": _date(row["first"]),
                "last": _date(row["last"]),
                "phrases": [self._hidden(phrase) for phrase in row["phrases"]],
                **self._kind(row["subcategory"]),
                "example": self._example_of(row["example_row"]),
                "rows": _plain(row["rows"][:MAX_ROWS_LISTED]),
            }
            for row in frame.to_dict("records")
        ]

    def _repeaters(self) -> dict[str, Any] | None:
        frame = self._insights.repeaters(mask=self._mask, most=self._top)
        if not frame.attrs["customers"]:
            return None
        return {
            "customers": frame.attrs["customers"],
            "repeat_customers": frame.attrs["repeat_customers"],
            "repeat_messages": frame.attrs["repeat_messages"],
            "repeat_message_share": _share(frame.attrs["repeat_messages"], frame.attrs["messages"]),
            "top": [
                {
                    "customer": row["customer"],
                    "messages": int(row["messages"]),
                    "first": _date(row["first"]),
                    "last": _date(row["last"]),
                    **self._kind(row["subcategory"]),
                    "urgent": int(row["urgent"]),
                    "rows": _plain(row["rows"][:MAX_ROWS_LISTED]),
                }
                for row in frame.head(self._top).to_dict("records")
            ],
        }

    def _answer_times(self) -> dict[str, Any] | None:
        frame = self._insights.answer_times()
        if frame.empty:
            return None
        names = ("median_hours", "p90_hours", "within_deadline")
        parts: dict[str, Any] = {"first_answer": None, "close": None}
        for event, rows in frame.groupby("event"):
            parts[str(event)] = [
                {
                    "by": row["by"],
                    "value": row["value"],
                    "name": self._name(row["by"], row["value"]),
                    **{name: int(row[name]) for name in ("messages", "answered", "open")},
                    **{name: _number(row[name]) for name in names},
                }
                for row in rows.to_dict("records")
            ]
        return parts

    def _causes(self) -> list[dict[str, Any]]:
        frame = self._insights.causes(self._lang)
        names = ("share", "trend", "trend_low", "trend_high", "urgent_share", "mean_intensity", "severity")
        return [
            {
                "subcategory": row["subcategory"],
                "name": self._name("subcategory", row["subcategory"]),
                "category": row["category"],
                "category_name": self._name("category", row["category"]),
                "count": int(row["count"]),
                **{name: _number(row[name]) for name in names},
                "root_causes": row["root_causes"],
                "prevention": row["prevention"],
                "example": self._example_of(row["example_row"]),
            }
            for row in frame.to_dict("records")
        ]

    def _kind(self, subcategory: Any) -> dict[str, str | None]:  # noqa: ANN401 - a value of a data frame
        known = isinstance(subcategory, str)
        return {
            "subcategory": subcategory if known else None,
            "subcategory_name": self._name("subcategory", subcategory) if known else None,
        }

    def _example_of(self, row: Any) -> dict[str, Any] | None:  # noqa: ANN401 - a row id, or None
        if row is None or row != row:  # noqa: PLR0124 - NaN
            return None
        return self._example(int(self._table.ids.get_loc(row)))

    def _example(self, position: int | None) -> dict[str, Any] | None:
        if position is None:
            return None
        received = self._table.received
        at: Any = None if received is None else received.iloc[position]
        text = self._hidden(self._table.texts([position])[0])
        short = text if len(text) <= MAX_EXAMPLE_CHARS else f"{text[: MAX_EXAMPLE_CHARS - 1]}…"
        known = at is not None and not require_pandas().isna(at)
        return {
            "row": self._ids([position])[0],
            "text": short,
            "at": at.isoformat(timespec="minutes") if known else None,
        }

    def _hidden(self, text: str) -> str:
        return _masked(text[:_MASK_CHARS]) if self._mask else text

    def _ids(self, positions: Any) -> list[Any]:  # noqa: ANN401 - positions in any form
        return _plain(self._table.row_ids(positions[:MAX_ROWS_LISTED]))


@cache
def _masker() -> Any:  # noqa: ANN401 - a function
    from complaint_nlp.facts.masking import mask

    return mask


def _masked(text: str) -> str:
    hidden: str = _masker()(text)
    return hidden


def _share(count: int | None, size: int) -> float | None:
    return None if count is None else round(count / size, 6) if size else 0.0


def _number(value: Any) -> Any:  # noqa: ANN401 - a number of any kind
    """Return a plain number with six significant digits, ``None`` for NaN and infinity."""
    if isinstance(value, int | np.integer):
        return int(value)
    return float(f"{float(value):.6g}") if isfinite(value) else None


def _day(number: Any) -> str:  # noqa: ANN401 - an integer of any kind
    return str(np.datetime64(int(number), "D"))


def _date(moment: Any) -> str | None:  # noqa: ANN401 - a time stamp
    return None if moment is None or require_pandas().isna(moment) else str(moment)[:10]


def _plain(ids: list[Any]) -> list[Any]:
    return [item if isinstance(item, str | int | float | bool) else str(item) for item in ids]
