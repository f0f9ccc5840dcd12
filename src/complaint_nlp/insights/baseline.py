"""What was to be expected of daily counts: level and trend of the preceding weeks, the week's pattern, holidays.

The level is a quasi-Poisson line through the preceding eight weeks without the last one (so that a rise does not hide
itself), as in Farrington et al. 1996 and Noufaily et al. 2013, with days that stood out left out. The dispersion is
measured for every length of window, so that good and bad weeks, not only good and bad days, are allowed for. It starts
from a trimmed mean, without the fortnights that vary most: a rise would else be taken for the series' own unsteadiness,
and the rarer the series the more so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from complaint_nlp.insights.stats import count_tail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

LENGTHS: Final = (1, 3, 7, 14)
"""Days of the windows in which a rise is looked for."""
GUARD: Final = 7
WEEKS: Final = 8
MIN_HISTORY: Final = 42
"""Days that a table has to cover: six weeks."""
_WINDOW: Final = 7 * WEEKS
_LEAST_DAYS: Final = 21
_TREND_DAYS: Final = 42
"""With fewer usable days the level is flat: a slope through three weeks leads anywhere."""
_STEEP: Final = 0.01
"""How much a level usually changes in a day, as a share of it (standard deviation): by half in eight weeks."""
_PRIOR: Final = 200.0
"""So many messages of the whole table's weekly pattern are added to each series' own."""
_PASSES: Final = 3
_TRIM: Final = 0.2
"""Share of a series' fortnights left out of its first dispersion: four or five of a year, two rises or three."""
_STANDS_OUT: Final = 3e-4
_LOW_DAY: Final = 0.6
_REBOUND_DAYS: Final = 7
_LEAST_TRUST: Final = 0.2


@dataclass(frozen=True, slots=True)
class Baseline:
    """What to expect of every series on every day.

    Attributes:
        expected: (days, series); NaN where there is too little before it.
        level_variance: (days, series) variance of the level of a day through dispersion; the expectation is level times
            ``pattern``.
        pattern: (days, series) factor of the weekday and of holidays.
        dispersion: (lengths, series) variance through mean of the counts of windows of ``LENGTHS`` days, at least 1.
    """

    expected: Floats
    level_variance: Floats
    pattern: Floats
    dispersion: Floats


def fit(counts: Floats, first_day: int, holidays: NDArray[np.int64]) -> Baseline:
    """Return the baseline of daily counts.

    Args:
        counts: (days, series); the first series is the whole table.
        first_day: days since 1970-01-01 of the first row.
        holidays: further days, counted in the same way, on which the whole volume may differ.
    """
    weekday = (np.arange(len(counts)) + first_day + 3) % 7
    low, special = _special_days(counts[:, 0], weekday)
    given = holidays[(holidays >= first_day) & (holidays < first_day + len(counts))] - first_day
    special[given] = True
    factors = _weekday_factors(counts, weekday, low | special)
    usable = np.repeat(~special[:, None], counts.shape[1], axis=1)
    made = _expected(counts, factors, usable, special)
    for step in range(_PASSES):
        expected, variance, pattern = made
        # at first a rise is still in its own dispersion and in the level after it, and would hide itself there
        dispersion = _dispersion(counts, expected, variance, pattern, usable, trim=_TRIM if step == 0 else 0.0)
        stood_out = _standing_out(counts, Baseline(expected, variance, pattern, dispersion))
        usable = ~special[:, None] & ~stood_out
        made = _expected(counts, factors, usable, special)
    expected, variance, pattern = made
    return Baseline(expected, variance, pattern, _dispersion(counts, expected, variance, pattern, usable))


def rolling(values: Floats, length: int) -> Floats:
    """Return the sums of the ``length`` rows up to and with each; NaN where there are fewer or one of them is NaN."""
    sums = np.full(values.shape, np.nan)
    if len(values) >= length:
        total = np.cumsum(np.concatenate([np.zeros((1, values.shape[1])), np.nan_to_num(values)]), axis=0)
        bad = np.cumsum(np.concatenate([np.zeros((1, values.shape[1])), np.isnan(values)]), axis=0)
        sums[length - 1 :] = total[length:] - total[:-length]
        sums[length - 1 :][bad[length:] - bad[:-length] > 0] = np.nan
    return sums


def window_variance(baseline: Baseline, place: int) -> Floats:
    """Return the variance of the counts of windows of ``LENGTHS[place]`` days around their expectation."""
    length = LENGTHS[place]
    mean = rolling(baseline.expected, length)
    weight = rolling(baseline.pattern, length)
    variance: Floats = baseline.dispersion[place] * (mean + weight**2 * baseline.level_variance)
    return variance


def _special_days(total: Floats, weekday: NDArray[np.int64]) -> tuple[Flags, Flags]:
    """Return the days on which the whole volume collapsed, and those with the days after on which it catches up."""
    usual = np.zeros(len(total))
    for day in range(7):
        at = np.flatnonzero(weekday == day)
        for place, position in enumerate(at):
            usual[position] = np.median(total[at[max(0, place - 4) : place + 5]])
    low = (total < _LOW_DAY * usual) & (total < usual - 4 * np.sqrt(usual))
    special = low.copy()
    for later in range(1, _REBOUND_DAYS + 1):
        special[later:] |= low[:-later]
    return low, special


def _weekday_factors(counts: Floats, weekday: NDArray[np.int64], leave_out: Flags) -> Floats:
    """Return (days, series) factors of mean 1 over a week: each series' own, drawn towards those of the whole."""
    keep = ~leave_out
    sums = np.stack([counts[keep & (weekday == day)].sum(axis=0) for day in range(7)])
    days = np.bincount(weekday[keep], minlength=7)[:, None]
    rate = sums / np.maximum(days, 1)
    whole = rate[:, :1] / max(rate[:, 0].sum(), 1e-9)
    prior = np.where(whole.sum() > 0, whole, 1 / 7)
    weight = sums.sum(axis=0)
    share = (rate / np.maximum(rate.sum(axis=0), 1e-9) * weight + prior * _PRIOR) / (weight + _PRIOR)
    factors: Floats = np.maximum(7 * share, 1e-3)[weekday]
    return factors


def _expected(counts: Floats, factors: Floats, usable: Flags, special: Flags) -> tuple[Floats, Floats, Floats]:
    """Return expectation, variance of the level and pattern, from the usable days of the preceding weeks."""
    level, variance = _levels(counts, factors, usable)
    pattern = factors.copy()
    if special.any():
        # compared with how the rest of the table did on that very day
        total = level[special, :1] * factors[special, :1]
        rest = np.maximum(total - level[special] * factors[special], 0.1 * total)
        got = np.maximum(counts[special, :1] - counts[special], 0.0)
        scale = np.divide(got, rest, out=np.ones_like(rest), where=rest > 0)
        scale[:, 0] = (counts[special, 0] / np.maximum(total[:, 0], 1e-9)) if len(total) else 1.0
        pattern[special] *= np.clip(np.nan_to_num(scale, nan=1.0), 0.02, 50.0)
    return level * pattern, variance, pattern


def _levels(counts: Floats, factors: Floats, usable: Flags) -> tuple[Floats, Floats]:
    """Return every day's level and its variance through dispersion, by weighted least squares in moving windows."""
    length = len(counts)
    trusted = _enough(usable)
    x = (np.arange(length, dtype=float) - length / 2)[:, None]
    weight = np.where(trusted, factors, 0.0)
    kept = np.where(trusted, counts, 0.0)
    s0, s1, s2, q0, q1, days = (
        _window_sum(item) for item in (weight, weight * x, weight * x**2, kept, kept * x, trusted.astype(float))
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = s1 / s0
        spread = s2 - s1 * centre
        mean = q0 / s0
        least = 0.5 / s0
        sloped = days >= _TREND_DAYS
        # a steep line through few messages is chance: a normal prior of deviation _STEEP draws it towards flat
        told = np.where(sloped, spread / (spread + 1 / (_STEEP**2 * np.maximum(mean, least))), 0.0)
        slope = told * (q1 - centre * q0) / spread
        away = x - centre
        line = mean + slope * away
        # a line through few messages may lead anywhere: it stays within reach of what was seen
        level = np.clip(line, mean / 2, 2 * mean)
        level = np.maximum(level, least)
        variance = np.maximum(mean, least) * (1 / s0 + told * np.where(sloped, away**2 / spread, 0.0))
    unknown = (days < _LEAST_DAYS) | ~(spread > 0)
    return np.where(unknown, np.nan, level), np.where(unknown, np.nan, variance)


def _enough(usable: Flags) -> Flags:
    """Return the usable days, and all where too few are left: then what stood out has become the rule."""
    left = _window_sum(usable.astype(float))
    seen = _window_sum(np.ones_like(left))
    tired = (left < 0.5 * seen) & (seen >= _LEAST_DAYS)
    adapted = usable.copy()
    for column in np.flatnonzero(tired.any(axis=0)):
        day = int(np.flatnonzero(tired[:, column])[0])
        adapted[max(0, day - GUARD - _WINDOW) :, column] = True
    return adapted


def _window_sum(values: Floats) -> Floats:
    """Return for every day the sum over the preceding weeks without the last ``GUARD`` days."""
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    day = np.arange(len(values))
    sums: Floats = total[np.maximum(day - GUARD, 0)] - total[np.maximum(day - GUARD - _WINDOW, 0)]
    return sums


def _dispersion(
    counts: Floats, expected: Floats, variance: Floats, pattern: Floats, usable: Flags, trim: float = 0.0
) -> Floats:
    """Return (lengths, series) Pearson dispersions of windows without days that stood out.

    Of every series the fortnights that vary most, the share ``trim`` of all, are left out.
    """
    found = np.ones((len(LENGTHS), counts.shape[1]))
    clean = np.where(usable, expected, np.nan)
    for place, length in enumerate(LENGTHS):
        mean = rolling(clean, length)
        seen = rolling(counts, length)
        own = 1.0 + rolling(pattern, length) ** 2 * variance / mean
        squares = (seen - mean) ** 2 / (mean * own)
        known = np.isfinite(squares)
        total, number = _sums(np.where(known, squares, 0.0), known, trim)
        # windows overlap: so many tell as much as number / length that do not
        enough = number / length
        found[place] = np.where(number > 0, (total / length + 4.0) / (enough + 4.0), 1.0)
    return np.maximum.accumulate(np.maximum(found, 1.0), axis=0)


def _sums(squares: Floats, known: Flags, trim: float) -> tuple[Floats, Floats]:
    """Return the sums over days of both, without the share ``trim`` of the fortnights whose mean square is highest."""
    starts = np.arange(0, len(squares), LENGTHS[-1])
    sums, numbers = np.add.reduceat(squares, starts, axis=0), np.add.reduceat(known.astype(float), starts, axis=0)
    if trim > 0:
        means = np.divide(sums, numbers, out=np.full(sums.shape, -1.0), where=numbers > 0)
        rank = np.argsort(np.argsort(-means, axis=0), axis=0)
        kept = rank >= np.floor(trim * (numbers > 0).sum(axis=0))
        sums, numbers = sums * kept, numbers * kept
    return sums.sum(axis=0), numbers.sum(axis=0)


def _standing_out(counts: Floats, baseline: Baseline) -> Flags:
    """Return the days of windows with far more messages than expected."""
    flags = np.zeros(counts.shape, dtype=bool)
    for place, length in enumerate(LENGTHS[:3]):
        mean = rolling(baseline.expected, length)
        seen = rolling(counts, length)
        likely = np.isfinite(mean) & (seen > mean) & (seen >= 3)  # noqa: PLR2004 - fewer never stand out
        tail = np.ones(counts.shape)
        spread = window_variance(baseline, place)
        tail[likely] = count_tail(seen[likely], mean[likely], spread[likely])
        hit = tail < _STANDS_OUT
        for back in range(length):
            flags[: len(flags) - back] |= hit[back:]
    return flags
