"""What rises: windows of days with more messages than their baseline allows for, over all values of all dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from complaint_nlp.errors import DataError
from complaint_nlp.insights.baseline import LENGTHS, MIN_HISTORY, Baseline, fit, rolling, window_variance
from complaint_nlp.insights.counts import PeriodCounts
from complaint_nlp.insights.reading import require_pandas
from complaint_nlp.insights.stats import adjusted, count_tail, rate_ratio
from complaint_nlp.insights.table import DIMENSIONS
from complaint_nlp.insights.wordings import Note

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from complaint_nlp.insights.table import LabelledTable

TOTAL: Final = "total"
MAX_SERIES: Final = 400
"""So many values of one dimension, the most frequent, are watched."""
COLUMNS: Final = (
    "by",
    "value",
    "start",
    "end",
    "observed",
    "expected",
    "ratio",
    "ratio_low",
    "ratio_high",
    "p",
    "q",
    "ongoing",
    "phrases",
    "example",
    "example_row",
    "rows",
)
_LEAST_TOTAL: Final = 10
BLOCK: Final = LENGTHS[-1]
_JOIN_DAYS: Final = 3
_AROUND: Final = 14
_SERIES_BEFORE, _SERIES_AFTER = 28, 7


@dataclass(frozen=True, slots=True)
class Rise:
    """More messages than expected.

    Attributes:
        by: dimension, ``total`` for the whole table.
        value: its value; "" for the whole table.
        start, end: first and last day since 1970-01-01.
        observed: messages.
        expected: messages expected.
        ratio, low, high: observed through expected with its 95 % interval.
        p, q: of the window that stood out most, and of its fortnight after Benjamini and Hochberg.
        ongoing: whether it lasts to the end of the table.
        days: first day of the two series below.
        daily: messages by day, from four weeks before to one week after.
        baseline: expected messages by day.
    """

    by: str
    value: str
    start: int
    end: int
    observed: int
    expected: float
    ratio: float
    low: float
    high: float
    p: float
    q: float
    ongoing: bool
    days: int
    daily: NDArray[np.int64]
    baseline: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Watched:
    names: list[tuple[str, str]]
    counts: NDArray[np.float64]
    first_day: int


def find_rises(
    table: LabelledTable,
    by: Sequence[str],
    *,
    alpha: float,
    min_ratio: float,
    min_count: int,
    holidays: NDArray[np.int64],
) -> list[Rise]:
    """Return what rises, the surest first; the arguments are those of :meth:`complaint_nlp.insights.Insights.rises`.

    In a table of fewer than 42 days nothing rises, and its notes say so.

    Raises:
        DataError: there is no such dimension.
    """
    for name in by:
        if name not in (*DIMENSIONS, TOTAL):
            msg = f"no dimension {name!r}; use one of {', '.join((*DIMENSIONS, TOTAL))}"
            raise DataError(msg)
    known = table.day_numbers[table.day_numbers >= 0]
    covered = int(known.max() - known.min()) + 1 if len(known) else 0
    if covered < MIN_HISTORY:
        if covered:
            table.notes.append(Note("short_history", {"days": covered, "needed": MIN_HISTORY}))
        return []
    watched = _series(table, by)
    baseline = fit(watched.counts, watched.first_day, holidays)
    tails = _tails(watched.counts, baseline)
    q, limit = _controlled(tails, alpha)
    found = []
    for column in np.flatnonzero((q <= alpha).any(axis=0)):
        for start, end, p, best in _windows(watched.counts[:, column], baseline, int(column), tails, q, limit):
            if best > alpha or (watched.names[column][0] == TOTAL and TOTAL not in by):
                continue
            rise = _described(watched, baseline, int(column), start, end, p, best)
            if rise.ratio >= min_ratio and rise.observed >= min_count and rise.low > 1:
                found.append(rise)
    return sorted(found, key=lambda rise: (rise.q, rise.p, -rise.ratio))


def _series(table: LabelledTable, by: Sequence[str]) -> _Watched:
    """Return the daily counts of the whole table, always the first series, and of every value watched."""
    whole = PeriodCounts(table, None, "day")
    names, columns = [(TOTAL, "")], [whole.matrix.astype(float)]
    for name in by:
        if name == TOTAL:
            continue
        dimension = table.dimension(name)
        made = PeriodCounts(table, dimension, "day").matrix
        totals = made.sum(axis=0)
        order = np.argsort(-totals, kind="stable")[:MAX_SERIES]
        chosen = np.sort(order[totals[order] >= _LEAST_TOTAL])
        names += [(name, dimension.values[code]) for code in chosen]
        columns.append(made[:, chosen].astype(float))
    first = int(whole.starts[0].astype("datetime64[D]").astype(np.int64))
    return _Watched(names, np.concatenate(columns, axis=1), first)


def _tails(counts: NDArray[np.float64], baseline: Baseline) -> NDArray[np.float64]:
    """Return (lengths, days, series) probabilities of at least so many, NaN where nothing can be said."""
    tails = np.full((len(LENGTHS), *counts.shape), np.nan)
    for place, length in enumerate(LENGTHS):
        mean, seen = rolling(baseline.expected, length), rolling(counts, length)
        spread = window_variance(baseline, place)
        known = np.isfinite(mean) & np.isfinite(spread)
        more = known & (seen > mean)
        tails[place][known] = 1.0  # what lies below its expectation needs no exact figure
        tails[place][more] = count_tail(seen[more], mean[more], spread[more])
    return tails


def _controlled(tails: NDArray[np.float64], alpha: float) -> tuple[NDArray[np.float64], float]:
    """Return the q-value of every day and series, and the p-value up to which windows count.

    Windows overlap, so a rise is found in many of them; were each a discovery of its own, the few false ones would hide
    behind them. What is controlled is therefore the fortnight of a series: its windows are put together by Simes' test
    (1986), and the fortnights of all series to the control of Benjamini and Hochberg.
    """
    _, days, series = tails.shape
    blocks = -(-days // BLOCK)
    q, limit = np.ones((days, series)), 0.0
    together = np.full((blocks, series), np.nan)
    sizes = np.ones((blocks, series))
    for block in range(blocks):
        part = tails[:, block * BLOCK : (block + 1) * BLOCK].reshape(-1, series)
        ranked = np.sort(part, axis=0)  # what is not known comes last
        sizes[block] = known = np.isfinite(ranked).sum(axis=0)
        simes = ranked * known / np.arange(1, len(ranked) + 1)[:, None]
        together[block] = np.fmin.reduce(simes, axis=0)
    tested = np.isfinite(together)
    if tested.any():
        adjusted_blocks = np.ones((blocks, series))
        adjusted_blocks[tested] = adjusted(together[tested])
        q = np.repeat(adjusted_blocks, BLOCK, axis=0)[:days]
        passed = tested & (adjusted_blocks <= alpha)
        limit = float((together[passed] / sizes[passed]).max()) if passed.any() else 0.0
    return q, limit


def _windows(
    counts: NDArray[np.float64],
    baseline: Baseline,
    column: int,
    tails: NDArray[np.float64],
    q: NDArray[np.float64],
    limit: float,
) -> list[tuple[int, int, float, float]]:
    """Return start, end, p and q of the rises of a series: the windows that stand out most, joined where they touch."""
    surest = np.nanmin(tails[:, :, column])
    places, ends = np.nonzero(tails[:, :, column] <= max(limit, surest))
    p = tails[places, ends, column]
    taken = np.zeros(len(counts), dtype=bool)
    picked: list[tuple[int, int, float, float]] = []
    for at in np.lexsort((places, p)):
        end, length = int(ends[at]), LENGTHS[places[at]]
        start = end - length + 1
        if taken[start : end + 1].any():
            continue
        taken[start : end + 1] = True
        picked.append((start, end, float(p[at]), float(q[end, column])))
    expected = baseline.expected[:, column]
    joined: list[tuple[int, int, float, float]] = []
    for start, end, lowest, best in sorted(picked):
        gap = slice(joined[-1][1] + 1, start) if joined else slice(0, 0)
        near = bool(joined) and start - joined[-1][1] <= _JOIN_DAYS + 1
        if near and np.nansum(counts[gap]) >= np.nansum(expected[gap]):
            last = joined.pop()
            joined.append((last[0], end, min(last[2], lowest), min(last[3], best)))
        else:
            joined.append((start, end, lowest, best))
    fitted: list[tuple[int, int, float, float]] = []
    for start, end, lowest, best in joined:
        left = max(fitted[-1][1] + 1 if fitted else 0, start - _AROUND)
        if left > end:
            continue  # the one before has grown over it
        start, end = _edges(counts, expected, max(start, left), end, left)  # noqa: PLW2901 - fitted to the days
        fitted.append((start, end, lowest, best))
    return fitted


def _edges(
    counts: NDArray[np.float64], expected: NDArray[np.float64], start: int, end: int, left: int
) -> tuple[int, int]:
    """Return the days near ``start`` and ``end`` between which a rise is likeliest (scan statistic, Kulldorff 1997)."""
    right = min(len(counts) - 1, end + _AROUND)
    while left < start and not np.isfinite(expected[left]):
        left += 1
    seen = np.concatenate(([0.0], np.cumsum(counts[left : right + 1])))
    mean = np.concatenate(([0.0], np.cumsum(expected[left : right + 1])))
    middle_from, middle_to = start - left, end - left
    first, last = np.meshgrid(np.arange(middle_to + 1), np.arange(middle_from, right - left + 1), indexing="ij")
    valid = last >= first
    k = np.where(valid, seen[last + 1] - seen[first], 0.0)
    mu = np.where(valid, np.maximum(mean[last + 1] - mean[first], 1e-9), 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.where(valid & (k > mu), k * np.log(k / mu) - (k - mu), -np.inf)
    best = np.unravel_index(int(np.nanargmax(score)), score.shape)
    return left + int(first[best]), left + int(last[best])


def _described(watched: _Watched, baseline: Baseline, column: int, start: int, end: int, p: float, q: float) -> Rise:
    days = slice(start, end + 1)
    observed = int(watched.counts[days, column].sum())
    expected = float(np.nansum(baseline.expected[days, column]))
    place = int(np.searchsorted(LENGTHS, min(end - start + 1, LENGTHS[-1])))
    dispersion = baseline.dispersion[place, column]
    unsure = dispersion * float(
        np.nansum(baseline.pattern[days, column]) ** 2 * np.nanmax(baseline.level_variance[days, column])
    )
    ratio, low, high = (float(item) for item in rate_ratio(observed, expected, dispersion, unsure))
    by, value = watched.names[column]
    last = len(watched.counts) - 1
    around = slice(max(0, start - _SERIES_BEFORE), min(last, end + _SERIES_AFTER) + 1)
    return Rise(
        by,
        value,
        watched.first_day + start,
        watched.first_day + end,
        observed,
        expected,
        ratio,
        low,
        high,
        p,
        q,
        end >= last - 1,
        watched.first_day + around.start,
        watched.counts[around, column].astype(np.int64),
        baseline.expected[around, column],
    )


def behind(table: LabelledTable, rise: Rise) -> NDArray[np.int64]:
    """Return the positions of the messages behind a rise."""
    days = table.day_numbers
    within = (days >= rise.start) & (days <= rise.end)
    if rise.by == TOTAL:
        return np.flatnonzero(within)
    rows = table.dimension(rise.by).of(rise.value)
    return rows[within[rows]]


def rise_table(
    table: LabelledTable, rises: Sequence[Rise], about: Callable[[NDArray[np.int64]], dict[str, Any]]
) -> Any:  # noqa: ANN401
    """Return rises as a data frame, see :meth:`complaint_nlp.insights.Insights.rises`."""
    records = []
    for rise in rises:
        rows = behind(table, rise)
        start, end = (np.datetime64(day, "D").astype("datetime64[s]") for day in (rise.start, rise.end))
        figures = (rise.observed, rise.expected, rise.ratio, rise.low, rise.high, rise.p, rise.q, rise.ongoing)
        records.append(
            {
                **dict(zip(COLUMNS, (rise.by, rise.value, start, end, *figures), strict=False)),
                **about(rows),
                "rows": table.row_ids(rows),
            }
        )
    return require_pandas().DataFrame(records, columns=list(COLUMNS))
