"""From the table of labelled messages, or from the summary of one, to the codes that the page's cube counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from complaint_nlp.insights.page_cube import DEADLINES, NAMED, UNITS, Messages
from complaint_nlp.insights.people import Waiting
from complaint_nlp.labels import TASKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from complaint_nlp.insights import Insights
    from complaint_nlp.insights.table import Dimension


def messages_of(insights: Insights) -> Messages:
    """Return the codes of all analysed messages of a table."""
    table = insights.table
    kinds = table.dimension("subcategory")
    first = kinds.primary.astype(np.int64)
    return Messages(
        categories=_masks(table.dimension("category")),
        subcategories=_masks(kinds),
        first_subcategory=np.where(first < 0, 0, 1 << np.maximum(first, 0)),
        urgency=table.dimension("urgency").primary.astype(np.int64),
        emotion=table.dimension("emotion").primary.astype(np.int64) if table.has("emotion") else None,
        days=None if table.received is None else table.day_numbers,
        names={
            name: (table.dimension(name).primary.astype(np.int64), table.dimension(name).values)
            for name in NAMED
            if table.has(name)
        },
        escalate=_truths(table.frame["escalate"]) if "escalate" in table.frame.columns else None,
        deadline=_deadlines(insights),
    )


def _deadlines(insights: Insights) -> NDArray[np.int64] | None:
    """Return per message whether its first answer came in time; ``None`` where answers or deadlines are not known."""
    if "answered" not in insights.columns or "respond_by" not in insights.messages.columns:
        return None
    due = insights.messages["respond_by"].reset_index(drop=True)
    waiting = Waiting(insights.table, "answered", insights.as_of, due)
    states = [waiting.in_time == 1, waiting.in_time == 0, ~waiting.ended & due.notna().to_numpy()]
    found = np.select(states, [DEADLINES.index(name) for name in ("within", "late", "open")], 0)
    return np.where(waiting.used, found, 0)


def _masks(dimension: Dimension) -> NDArray[np.int64]:
    """Return one bit mask per message: bit *i* for the *i*-th value; a value stands in a dimension once at most."""
    masks = np.bincount(dimension.rows, weights=(1 << dimension.codes.astype(np.int64)), minlength=dimension.size)
    return masks.astype(np.int64)


def _truths(column: Any) -> NDArray[np.int64]:  # noqa: ANN401 - a series of truth values, or of their names
    truths: NDArray[np.int64] = (column.astype("string").str.lower() == "true").to_numpy(np.int64, na_value=0)
    return truths


def messages_of_summary(cube: Mapping[str, Any], last_day: str | None) -> Messages | None:
    """Return the codes of the cells of ``Insights.to_dict()["cube"]``; ``None`` where it has no cells.

    Args:
        cube: ``dimensions``, ``values``, ``unit`` and ``cells``, see ``docs/insights.md``.
        last_day: the last day of the table as ``YYYY-MM-DD``.
    """
    cells, values = cube["cells"], cube["values"]
    weights = np.asarray(cells["count"], np.int64)
    if not len(weights):
        return None
    none = np.full(len(weights), -1, np.int64)

    def codes(name: str, wanted: Sequence[str]) -> NDArray[np.int64]:
        """Return the places in ``wanted``; -1 where there is none."""
        if name not in cells:
            return none
        places = {value: place for place, value in enumerate(wanted)}
        return np.array([places.get(value, -1) for value in values[name]], np.int64)[np.asarray(cells[name], np.int64)]

    kinds = TASKS["subcategory"].values
    categories = TASKS["category"].values
    kind = codes("subcategory", kinds)
    own = np.array([categories.index(value.partition(".")[0]) for value in kinds] + [0], np.int64)
    days = None
    if cube.get("unit") in UNITS and "period" in cells:
        starts = np.array(values["period"], "datetime64[D]").astype(np.int64)
        days = np.where(np.isnat(starts.astype("datetime64[D]")), -1, starts)[np.asarray(cells["period"], np.int64)]
    bits = np.where(kind < 0, 0, 1 << np.maximum(kind, 0))
    return Messages(
        categories=np.where(kind < 0, 0, 1 << own[kind]),
        subcategories=bits,
        first_subcategory=bits,
        urgency=codes("urgency", TASKS["urgency"].values),
        days=days,
        names={
            name: (codes(name, kept), kept)
            for name in NAMED
            if name in cells and (kept := [value for value in values[name] if value])
        },
        weights=weights,
        unit=cube.get("unit") or "day",
        last=last_day,
    )
