"""The statistics behind the tables: tails of overdispersed counts, lifts, intervals, survival, multiple tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Z95: Final = 1.959963984540054
"""Half the width of a 95 % interval in standard deviations."""
_NO_MORE: Final = 1e-15
"""Terms so small beside their sum no longer count."""


def adjusted(p: ArrayLike) -> NDArray[np.float64]:
    """Return the q-values of p-values (Benjamini and Hochberg 1995), 0 to 1, in the same order."""
    from scipy.stats import false_discovery_control

    values = np.asarray(p, dtype=float)
    if not values.size:
        return values
    q: NDArray[np.float64] = false_discovery_control(np.clip(values, 0.0, 1.0))
    return q


def count_tail(observed: ArrayLike, mean: ArrayLike, variance: ArrayLike) -> NDArray[np.float64]:
    """Return the probability of at least so many, for counts of this mean and variance.

    The counts are taken as negative binomial, as Poisson where the variance is no larger than the mean.
    """
    # the functions behind scipy.stats.poisson.sf and nbinom.sf, which check and copy their arguments many times over
    from scipy.special import betainc, gammainc

    k, mu, var = (np.asarray(item, dtype=float) for item in (observed, mean, variance))
    k, mu, var = np.broadcast_arrays(k, np.maximum(mu, 1e-9), var)
    tail = np.ones(k.shape)
    excess = var - mu
    over, some = excess > 1e-9 * mu, k > 0
    near = some & ~over
    tail[near] = gammainc(k[near], mu[near])
    far = some & over
    tail[far] = betainc(k[far], mu[far] ** 2 / excess[far], excess[far] / var[far])
    return tail


class Lift(NamedTuple):
    """How much more often two things meet than they would by chance.

    Attributes:
        expected: messages in which both were met if they had nothing to do with each other.
        lift: observed through expected.
        low, high: 95 % interval of the lift (delta method on its logarithm, multinomial counts).
        p: one-sided p-value, that of Fisher's exact test.
    """

    expected: NDArray[np.float64]
    lift: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    p: NDArray[np.float64]


def lifts(both: ArrayLike, first: ArrayLike, second: ArrayLike, total: ArrayLike) -> Lift:
    """Return the lift of pairs.

    Args:
        both: messages with both, at least 1.
        first: messages with the first.
        second: messages with the second.
        total: all messages.
    """
    a, r, c, n = np.broadcast_arrays(*(np.asarray(item, dtype=float) for item in (both, first, second, total)))
    expected = r * c / n
    lift = a / expected
    # gradient of log(lift) = log p11 - log p1. - log p.1 in the probabilities of the four cells; its mean is -1
    squared = a * (1 / a - 1 / r - 1 / c) ** 2 + (r - a) / r**2 + (c - a) / c**2
    deviation = np.sqrt(np.maximum(squared - 1 / n, 0.0))
    spread = np.exp(Z95 * deviation)
    return Lift(expected, lift, lift / spread, lift * spread, fisher_greater(a, r, c, n))


def fisher_greater(both: ArrayLike, first: ArrayLike, second: ArrayLike, total: ArrayLike) -> NDArray[np.float64]:
    """Return the one-sided p-values of Fisher's exact test: of at least so many with both, given the margins.

    The hypergeometric tail is summed for all tables at once, from ``both`` outwards until the terms no longer count
    (scipy's goes table by table). Arguments as those of :func:`lifts`, all of one shape.
    """
    a, r, c, n = (np.asarray(item, dtype=float).ravel() for item in (both, first, second, total))
    # on the side of the mode that ``both`` lies on the terms only fall
    upper = a > np.floor((r + 1) * (c + 1) / (n + 2))
    k = np.where(upper, a, a - 1)
    possible = (k >= np.maximum(0, r + c - n)) & (k <= np.minimum(r, c))
    k = np.where(possible, k, np.maximum(0, r + c - n))
    log_first = _log_choose(r, k) + _log_choose(n - r, c - k) - _log_choose(n, c)
    term = np.where(possible, np.exp(log_first), 0.0)
    tail = term.copy()
    left = np.flatnonzero(term > 0)
    while left.size:
        at, x, y, z = k[left], r[left], c[left], (n - r - c)[left]
        up = (x - at) * (y - at) / ((at + 1) * (z + at + 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            down = at * (z + at) / ((x - at + 1) * (y - at + 1))
        term[left] *= np.where(upper[left], up, down)
        k[left] += np.where(upper[left], 1, -1)
        tail[left] += term[left]
        left = left[term[left] > _NO_MORE * tail[left]]
    found = np.clip(np.where(upper, tail, 1.0 - tail), 0.0, 1.0)
    made: NDArray[np.float64] = found.reshape(np.shape(both))
    return made


def _log_choose(n: NDArray[np.float64], k: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of the number of ways to choose ``k`` of ``n``."""
    from scipy.special import betaln

    made: NDArray[np.float64] = -betaln(n - k + 1, k + 1) - np.log(n + 1)
    return made


def rate_ratio(
    observed: ArrayLike, expected: ArrayLike, dispersion: ArrayLike, expected_variance: ArrayLike = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return observed through expected with its 95 % interval.

    Log-normal: Var(log ratio) = dispersion / observed + Var(expected) / expected².

    Args:
        observed: counts; half a message stands for none in the interval.
        expected: what they are compared with, above 0.
        dispersion: variance through mean of the counts, at least 1.
        expected_variance: how unsure the expectation itself is.
    """
    k, mu = np.asarray(observed, dtype=float), np.maximum(np.asarray(expected, dtype=float), 1e-9)
    deviation = np.sqrt(np.asarray(dispersion) / np.maximum(k, 0.5) + np.asarray(expected_variance) / mu**2)
    spread = np.exp(Z95 * deviation)
    ratio = k / mu
    return ratio, np.maximum(k, 0.5) / mu / spread, np.maximum(k, 0.5) / mu * spread


def survival_quantile(durations: ArrayLike, ended: ArrayLike, share: float) -> float:
    """Return the time by which ``share`` of all cases have ended, by the estimate of Kaplan and Meier (1958).

    Args:
        durations: until the end, or until the case was last seen open; of any unit, not negative.
        ended: whether it has ended.
        share: 0 to 1, without 0.

    Returns:
        The time, NaN where fewer than ``share`` have ended as far as the cases tell.
    """
    times, done = np.asarray(durations, dtype=float), np.asarray(ended, dtype=bool)
    if not done.any():
        return float("nan")
    moments, place = np.unique(times, return_inverse=True)
    ends = np.bincount(place, weights=done, minlength=len(moments))
    leaving = np.bincount(place, minlength=len(moments))
    at_risk = len(times) - np.concatenate(([0], np.cumsum(leaving)[:-1]))
    surviving = np.cumprod(1.0 - ends / at_risk)
    reached = np.flatnonzero(surviving <= 1.0 - share + 1e-12)
    return float(moments[reached[0]]) if len(reached) else float("nan")
