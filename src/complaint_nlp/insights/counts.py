"""How many, and how that changes with time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np

from complaint_nlp.errors import DataError
from complaint_nlp.insights.reading import require_pandas

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from complaint_nlp.insights.table import Dimension, LabelledTable

Period = Literal["day", "week", "month"]
PERIODS: Final[tuple[Period, ...]] = get_args(Period)
_MONDAY: Final = 3
"""1970-01-01 was a Thursday: so many days later than its Monday."""


def period_numbers(days: NDArray[np.int64], period: Period) -> NDArray[np.int64]:
    """Return the number of the day, week (from Monday) or month of days since 1970-01-01; negative days stay -1.

    Raises:
        DataError: there is no such period.
    """
    if period not in PERIODS:
        msg = f"no period {period!r}; use one of {', '.join(PERIODS)}"
        raise DataError(msg)
    if period == "day":
        numbers = days
    elif period == "week":
        numbers = (days + _MONDAY) // 7
    else:
        numbers = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return np.where(days < 0, -1, numbers)


def first_days(numbers: NDArray[np.int64], period: Period) -> NDArray[np.datetime64]:
    """Return the first day of periods by their numbers."""
    if period == "month":
        return numbers.astype("datetime64[M]").astype("datetime64[D]")
    return (numbers if period == "day" else numbers * 7 - _MONDAY).astype("datetime64[D]")


class PeriodCounts:
    """Counts of a dimension by period, without gaps.

    Attributes:
        starts: first days of all periods between the first and the last message.
        totals: messages in each, (periods,).
        matrix: messages of each value, (periods, values).
    """

    def __init__(self, table: LabelledTable, dimension: Dimension | None, period: Period) -> None:
        numbers = period_numbers(table.day_numbers, period)
        timed = numbers >= 0
        if not timed.any():
            self.starts = np.zeros(0, "datetime64[D]")
            self.totals = np.zeros(0, np.int64)
            self.matrix = np.zeros((0, 0 if dimension is None else len(dimension.values)), np.int64)
            return
        first, last = int(numbers[timed].min()), int(numbers[timed].max())
        length = last - first + 1
        self.starts = first_days(np.arange(first, last + 1), period)
        self.totals = np.bincount(numbers[timed] - first, minlength=length)
        if dimension is None:
            self.matrix = self.totals[:, None]
            return
        width = len(dimension.values)
        at = numbers[dimension.rows]
        keep = at >= 0
        cells = (at[keep] - first) * width + dimension.codes[keep]
        self.matrix = np.bincount(cells, minlength=length * width).reshape(length, width)


def counts(table: LabelledTable, by: str, period: Period | None) -> Any:  # noqa: ANN401 - a data frame
    """Return counts and shares of a dimension, see :meth:`complaint_nlp.insights.Insights.counts`."""
    pd = require_pandas()
    dimension = table.dimension(by)
    if period is None:
        found = dimension.counts
        return pd.DataFrame({by: dimension.values, "count": found, "share": found / max(table.size, 1)})
    made = PeriodCounts(table, dimension, period)
    length, width = made.matrix.shape
    totals = np.repeat(made.totals, width)
    flat = made.matrix.reshape(-1)
    return pd.DataFrame(
        {
            "period": np.repeat(made.starts, width).astype("datetime64[s]"),
            by: np.tile(np.array(dimension.values, dtype=object), length),
            "count": flat,
            "messages": totals,
            "share": np.divide(flat, totals, out=np.zeros(len(flat)), where=totals > 0),
        }
    )


def wide_counts(table: LabelledTable, task: str, period: Period) -> Any:  # noqa: ANN401 - a data frame
    """Return shares by period, see :meth:`complaint_nlp.insights.Insights.over_time`."""
    frame = counts(table, task, period)
    values = list(table.dimension(task).values)
    wide = frame.pivot_table(index="period", columns=task, values="share", observed=False).reindex(columns=values)
    wide.columns.name = None
    made = frame.groupby("period")["messages"].first().to_frame().join(wide)
    if task in ("urgency", "intensity"):
        total = made[values].sum(axis=1)
        made["mean"] = (made[values].to_numpy() @ np.arange(len(values))) / total.where(total > 0)
    return made
