"""The figures are those of scipy and pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from complaint_nlp.insights import Insights
from complaint_nlp.insights.stats import adjusted, count_tail, fisher_greater, lifts, rate_ratio, survival_quantile
from complaint_nlp.labels import TASKS

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=60, deadline=None)
@given(both=st.integers(1, 40), first=st.integers(0, 60), second=st.integers(0, 60), rest=st.integers(0, 300))
def test_lift_p_is_fishers(both: int, first: int, second: int, rest: int) -> None:
    made = lifts(both, both + first, both + second, both + first + second + rest)
    exact = stats.fisher_exact([[both, first], [second, rest]], alternative="greater")
    assert made.p == pytest.approx(exact.pvalue, rel=1e-6, abs=1e-12)
    assert made.p.shape == ()
    observed = stats.contingency.expected_freq([[both, first], [second, rest + 1]])
    assert lifts(both, both + first, both + second, both + first + second + rest + 1).expected == pytest.approx(
        observed[0, 0]
    )
    assert made.low <= made.lift <= made.high


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, most=st.sampled_from([50, 5_000, 1_000_000]))
def test_many_tables_at_once_have_the_p_of_scipys_hypergeometric(seed: int, most: int) -> None:
    generator = np.random.default_rng(seed)
    total = generator.integers(2, most, 40)
    first, second = (1 + (generator.random(40) * total).astype(int) for _ in range(2))
    least, largest = np.maximum(0, first + second - total), np.minimum(first, second)
    usual = generator.hypergeometric(first, total - first, second)
    both = np.clip(usual + generator.integers(-30, 31, 40), least, largest)
    expected = stats.hypergeom.sf(both - 1, total, first, second)
    assert fisher_greater(both, first, second, total) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_lift_interval_holds_the_true_lift_in_95_of_100() -> None:
    generator = np.random.default_rng(1)
    cells = np.array([0.03, 0.07, 0.12, 0.78])
    true = 0.03 / (0.10 * 0.15)
    drawn = generator.multinomial(2_000, cells, size=4_000)
    made = lifts(drawn[:, 0], drawn[:, 0] + drawn[:, 1], drawn[:, 0] + drawn[:, 2], 2_000)
    assert 0.935 <= ((made.low <= true) & (true <= made.high)).mean() <= 0.965


@settings(max_examples=60, deadline=None)
@given(k=st.integers(0, 80), mean=st.floats(0.05, 60), factor=st.floats(1, 6))
def test_count_tail_is_that_of_a_count_with_this_mean_and_variance(k: int, mean: float, factor: float) -> None:
    variance = mean * factor
    found = count_tail(k, mean, variance)
    if factor <= 1 + 1e-9:
        assert found == pytest.approx(stats.poisson.sf(k - 1, mean))
    else:
        size = mean**2 / (variance - mean)
        law = stats.nbinom(size, mean / variance)
        assert law.mean() == pytest.approx(mean, rel=1e-4)
        assert law.var() == pytest.approx(variance, rel=1e-3)
        assert found == pytest.approx(law.sf(k - 1), rel=1e-4, abs=1e-9)


def test_rate_ratio_interval_covers_overdispersed_counts() -> None:
    generator = np.random.default_rng(2)
    mean, dispersion = 60.0, 2.0
    drawn = generator.negative_binomial(mean / (dispersion - 1), 1 / dispersion, 4_000)
    ratio, low, high = rate_ratio(drawn, 40.0, dispersion)
    assert ratio.mean() == pytest.approx(1.5, rel=0.02)
    assert 0.93 <= ((low <= 1.5) & (high >= 1.5)).mean() <= 0.975


def test_adjusted_is_benjamini_and_hochbergs() -> None:
    p = np.random.default_rng(3).uniform(size=200)
    order = np.argsort(p)
    by_hand = np.minimum.accumulate((p[order] * 200 / np.arange(1, 201))[::-1])[::-1]
    assert adjusted(p)[order] == pytest.approx(by_hand)
    assert adjusted([]).size == 0


@settings(max_examples=50, deadline=None)
@given(seed=SEEDS, size=st.integers(1, 200), share=st.sampled_from([0.25, 0.5, 0.9]))
def test_survival_quantile_is_scipys_kaplan_meier(seed: int, size: int, share: float) -> None:
    generator = np.random.default_rng(seed)
    durations = np.round(generator.exponential(20, size), 1)
    ended = generator.random(size) < 0.7
    found = survival_quantile(durations, ended, share)
    if not ended.any():
        assert np.isnan(found)
        return
    survival = stats.ecdf(stats.CensoredData.right_censored(durations, ~ended)).sf
    reached = survival.quantiles[survival.probabilities <= 1 - share + 1e-12]
    # scipy keeps the times at which somebody was only seen last; the share reached does not change there
    assert found == reached[0] if len(reached) else np.isnan(found)


def labelled(seed: int, size: int) -> pd.DataFrame:
    generator = np.random.default_rng(seed)

    def several(name: str) -> list[list[str]]:
        values = TASKS[name].values  # noqa: PD011 - no data frame
        return [list(generator.permutation(values)[:count]) for count in generator.integers(0, 3, size)]

    return pd.DataFrame(
        {
            "text": "訊息",
            "received_at": pd.Timestamp("2026-01-05")
            + pd.to_timedelta(generator.integers(0, 70 * 1440, size), unit="min"),
            "category": several("category"),
            "subcategory": several("subcategory"),
            "emotion": several("emotion"),
            "urgency": generator.choice(TASKS["urgency"].values, size),
            "產品": np.array(["手機", "手机", None], dtype=object)[generator.integers(0, 3, size)],
        }
    )


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, size=st.integers(1, 120))
def test_counts_are_pandas_counts(seed: int, size: int) -> None:
    frame = labelled(seed, size)
    insights = Insights(frame, timezone="Asia/Shanghai")
    exploded = frame["category"].explode().dropna().value_counts()
    found = insights.counts("category").set_index("category")
    assert found["count"][found["count"] > 0].to_dict() == exploded.to_dict()
    assert found["share"].to_numpy() == pytest.approx(found["count"].to_numpy() / size)
    weekly = insights.counts("urgency", "week").set_index(["period", "urgency"])["count"]
    monday = frame["received_at"].dt.to_period("W-SUN").dt.start_time
    expected = frame.groupby([monday, "urgency"]).size()
    assert weekly[weekly > 0].to_dict() == expected.to_dict()
    months = insights.counts("category", "month")
    assert months["count"].sum() == exploded.sum()
    assert months.drop_duplicates("period")["messages"].sum() == size
    days = insights.counts("weekday").set_index("weekday")["count"]
    assert {int(day): count for day, count in days.items() if count} == frame[
        "received_at"
    ].dt.day_of_week.value_counts().to_dict()


def test_over_time_gives_shares_and_the_mean_of_a_scale() -> None:
    frame = labelled(4, 400)
    wide = Insights(frame).over_time("urgency", "month")
    by_month = frame.groupby(frame["received_at"].dt.to_period("M").dt.start_time)["urgency"]
    for start, values in by_month:
        shares = values.value_counts(normalize=True)
        row = wide.loc[start]
        assert row["messages"] == len(values)
        assert row["critical"] == pytest.approx(shares["critical"])
        ranks = values.map({"low": 0, "medium": 1, "high": 2, "critical": 3})
        assert row["mean"] == pytest.approx(ranks.mean())
