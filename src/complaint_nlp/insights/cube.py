"""For filters: how many messages there are of every combination of period, sub-kind, urgency and own columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from complaint_nlp.insights.counts import first_days, period_numbers
from complaint_nlp.insights.table import OWN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from complaint_nlp.insights.counts import Period
    from complaint_nlp.insights.table import Dimension, LabelledTable

MAX_CELLS: Final = 20_000
_CUBE: Final = ("subcategory", "urgency", *OWN)
_CUBE_STEPS: Final[tuple[tuple[Period, int], ...]] = (
    ("week", 12),
    ("month", 12),
    ("month", 6),
    ("month", 3),
    ("month", 0),
)


def cube(table: LabelledTable) -> dict[str, Any] | None:
    """Return the cells of a table, in the form of ``docs/insights.md``; ``None`` without messages."""
    if not table.size:
        return None
    for unit, most in _CUBE_STEPS:
        made = _cells(table, unit, most)
        if len(made["cells"]["count"]) <= MAX_CELLS:
            return made
    return _cells(table, None, 0)


def _cells(table: LabelledTable, unit: Period | None, most: int) -> dict[str, Any]:
    """Return the cube; without own dimensions where ``most`` is 0, without time where there is no unit."""
    codes, values = [], {}
    if unit is not None and (table.day_numbers >= 0).any():
        used, place = np.unique(period_numbers(table.day_numbers, unit), return_inverse=True)
        starts = first_days(used, unit)
        values["period"] = ["" if number < 0 else str(day) for number, day in zip(used, starts, strict=True)]
        codes.append(place)
    for name in _CUBE:
        if table.has(name) and (most or name not in OWN):
            kept, place = _top_codes(table.dimension(name), most if name in OWN else None)
            values[name] = kept
            codes.append(place)
    shape = [len(values[name]) for name in values]
    flat = np.ravel_multi_index(codes, shape) if codes else np.zeros(table.size, dtype=np.int64)
    cells, count = np.unique(flat, return_counts=True)
    columns = np.unravel_index(cells, shape) if codes else ()
    return {
        "dimensions": list(values),
        "values": values,
        "unit": unit if "period" in values else None,
        "cells": {**{name: at.tolist() for name, at in zip(values, columns, strict=True)}, "count": count.tolist()},
    }


def _top_codes(dimension: Dimension, most: int | None) -> tuple[list[str], NDArray[np.int64]]:
    """Return the most frequent values, "" the last for all others, and by message its place among them."""
    primary = dimension.primary
    counts = np.bincount(primary[primary >= 0], minlength=len(dimension.values))
    kept = np.flatnonzero(counts) if most is None else np.argsort(-counts, kind="stable")[:most]
    kept = kept[counts[kept] > 0]
    lookup = np.full(len(dimension.values) + 1, len(kept), dtype=np.int64)
    lookup[kept] = np.arange(len(kept))
    codes = lookup[primary]  # -1, none, is the last entry
    values = [dimension.values[code] for code in kept]
    return ([*values, ""] if (codes == len(kept)).any() else values), codes
