"""Rises and hot-spots that were planted in a year are found, and none in a year without."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from synthetic import DAYS, FIRST_DAY, PlantedBurst, PlantedHotspot, PlantedRise, Year, make_year

from complaint_nlp.errors import DataError
from complaint_nlp.insights import Insights

RISES = (
    PlantedRise("subcategory", "quality.defect", 120, 10, 3.0),
    PlantedRise("subcategory", "price.refund", 200, 7, 3.0),
    PlantedRise("subcategory", "incident.outage", 260, 3, 6.0),
    PlantedRise("place", "成都", 90, 5, 3.5),
    PlantedRise("product", "耳機", 300, 14, 2.2),
    PlantedRise("subcategory", "service.slow", DAYS - 14, 14, 2.5),
)
BURSTS = (
    PlantedBurst("incident.outage", 0.2, 251, 10, 44),
    PlantedBurst("incident.injury", 0.1, 100, 3, 10),
    PlantedBurst("price.refund", 0.3, 180, 7, 20),
    PlantedBurst("service.slow", 0.5, 320, 14, 50),
    PlantedBurst("service.attitude", 0.15, 140, 5, 15),
    PlantedBurst("price.overcharge", 0.4, 220, 4, 25),
)
RARE = tuple(PlantedBurst(burst.value, burst.per_day) for burst in BURSTS)
HOTSPOTS = (
    PlantedHotspot("product", "路由器", "incident.outage", 0.15),
    PlantedHotspot("product", "冰箱", "service.after_sales", 0.15),
    PlantedHotspot("place", "广州", "service.attitude", 0.12),
    PlantedHotspot("place", "香港", "price.overcharge", 0.15),
)
SEEDS = range(6)


def days_of(row: Any) -> set[np.datetime64]:
    return set(np.arange(np.datetime64(row.start, "D"), np.datetime64(row.end, "D") + 1))


def hits(found: Any, planted: PlantedRise | PlantedBurst) -> list[Any]:
    return [
        row
        for row in found.itertuples()
        if (row.by, row.value) == (planted.by, planted.value) and days_of(row) & planted.days
    ]


@pytest.fixture(scope="module")
def years() -> list[tuple[Year, Any]]:
    made = [make_year(seed, rises=RISES) for seed in SEEDS]
    return [(year, Insights(year.frame).rises()) for year in made]


def test_planted_rises_are_found_and_little_else(years: list[tuple[Year, Any]]) -> None:
    # of a rare kind some 20 to 60 messages more are planted, which good and bad days of their own may hide
    missed = [
        (seed, rise.value)
        for seed, (_, found) in zip(SEEDS, years, strict=True)
        for rise in RISES
        if not hits(found, rise)
    ]
    recall = 1 - len(missed) / (len(RISES) * len(years))
    assert recall >= 0.8, missed
    true = sum(len(hits(found, rise)) for _, found in years for rise in RISES)
    assert true / sum(len(found) for _, found in years) >= 0.95


def test_days_figures_and_messages_of_a_rise(years: list[tuple[Year, Any]]) -> None:
    off = []
    for year, found in years:
        for rise in RISES:
            for row in hits(found, rise):
                shared = days_of(row) & rise.days
                off.append(len(shared) / len(days_of(row) | rise.days))
                behind = year.frame.loc[row.rows]
                assert len(behind) == row.observed
                assert set(behind["received_at"].to_numpy().astype("datetime64[D]")) <= days_of(row)
                assert behind[rise.by].str.contains(rise.value, regex=False).all()
                assert row.ratio == pytest.approx(row.observed / row.expected)
                assert row.ratio_low <= row.ratio <= row.ratio_high
                assert row.p <= row.q <= 0.01
                assert row.example == year.frame["text"][row.example_row]
                assert row.ongoing == (row.end >= pd.Timestamp(FIRST_DAY + DAYS - 2))
    assert np.mean(off) >= 0.7


def test_bursts_of_rare_kinds_do_not_hide_themselves() -> None:
    missed, true, reported = [], 0, 0
    for seed in SEEDS:
        found = Insights(make_year(seed, per_day=40, bursts=BURSTS).frame).rises()
        missed += [(seed, burst) for burst in BURSTS if not hits(found, burst)]
        true += sum(len(hits(found, burst)) for burst in BURSTS)
        reported += len(found)
    assert BURSTS[0] not in {burst for _, burst in missed}, missed
    recall = 1 - len(missed) / (len(BURSTS) * len(SEEDS))
    assert recall >= 0.8, missed  # 10 to 15 messages too many are often no more than chance allows for
    assert true / reported >= 0.95


def test_two_bursts_of_one_kind_do_not_hide_each_other() -> None:
    kind = RARE[0].value
    frame = make_year(12, per_day=40, bursts=RARE).frame
    pool = frame[frame["subcategory"] == kind]
    assert len(pool) < 100
    bursts: list[pd.DataFrame] = []
    for start in ("2025-06-01", "2025-09-01"):
        more = pool.sample(30, random_state=len(bursts))
        bursts.append(more.assign(received_at=pd.Timestamp(start) + pd.to_timedelta(np.arange(30) * 6, unit="h")))
    found = Insights(pd.concat([frame, *bursts], ignore_index=True)).rises("subcategory")
    assert found["value"].tolist() == [kind, kind]
    assert sorted(found["start"].dt.month) == [6, 9]
    assert (found["observed"] >= 25).all()


@pytest.mark.parametrize("seed", range(300, 303))
@pytest.mark.parametrize(("trend", "steadiness"), [(0.8, 30.0), (-0.5, 2.0)])
def test_rare_and_unsteady_kinds_do_not_rise_in_a_flat_year(seed: int, trend: float, steadiness: float) -> None:
    found = Insights(make_year(seed, per_day=40, trend=trend, bursts=RARE, steadiness=steadiness).frame).rises()
    assert found.empty, found[["by", "value", "start", "end", "observed", "expected", "q"]]


@pytest.mark.parametrize("seed", range(100, 103))
@pytest.mark.parametrize(("trend", "per_day"), [(0.4, 120.0), (-0.4, 40.0)])
def test_nothing_rises_in_a_flat_year(seed: int, trend: float, per_day: float) -> None:
    found = Insights(make_year(seed, trend=trend, per_day=per_day).frame).rises()
    assert found.empty, found[["by", "value", "start", "end", "observed", "expected", "q"]]


def test_a_new_kind_rises_and_the_whole_table_can() -> None:
    frame = make_year(7, per_day=30).frame
    more = frame[frame["received_at"].between("2025-06-02", "2025-06-05")]
    found = Insights(pd.concat([frame, more, more, more], ignore_index=True)).rises("total")
    assert len(found) == 1
    assert found["by"][0] == "total"
    assert found["start"][0] >= pd.Timestamp("2025-06-01")
    assert found["end"][0] <= pd.Timestamp("2025-06-06")
    new = more.assign(product="新款")
    fresh = Insights(pd.concat([frame, new], ignore_index=True)).rises("product")
    assert fresh["value"].tolist() == ["新款"]


def test_holidays_given_are_tolerated() -> None:
    frame = make_year(8, per_day=60).frame
    typhoon = frame[frame["received_at"].dt.date == pd.Timestamp("2025-08-13").date()]
    busy = pd.concat([frame, *[typhoon] * 3], ignore_index=True)
    assert not Insights(busy).rises("total").empty
    assert Insights(busy, holidays=["2025-08-13"]).rises("total").empty


def test_short_tables_say_so() -> None:
    frame = make_year(9).frame
    insights = Insights(frame[frame["received_at"] < "2025-02-01"])
    assert insights.rises().empty
    assert any("31 天" in note for note in insights.notes)
    with pytest.raises(DataError, match="no dimension 'colour'"):
        insights.rises("colour")


def test_planted_hotspots_are_found_and_little_else() -> None:
    true = all_found = 0
    for seed in SEEDS:
        year = make_year(seed, per_day=60, hotspots=HOTSPOTS)
        found = Insights(year.frame).hotspots()
        pairs = set(zip(found["by"], found["value"], found["subcategory"], strict=True))
        planted = {(spot.by, spot.value, spot.kind) for spot in HOTSPOTS}
        true += len(planted & pairs)
        all_found += len(pairs)
        for row in found.itertuples():
            table = year.frame[row.by] == row.value
            has = year.frame["subcategory"].str.contains(row.subcategory, regex=False)
            assert row.count == (table & has).sum()
            assert row.lift == pytest.approx((table & has).mean() / (table.mean() * has.mean()))
            assert row.lift_low > 1
    assert true / (len(HOTSPOTS) * len(SEEDS)) >= 0.9
    assert true / all_found >= 0.95


@pytest.mark.parametrize("seed", range(200, 203))
def test_no_hotspots_where_nothing_meets_more_often(seed: int) -> None:
    assert Insights(make_year(seed, per_day=60).frame).hotspots(min_lift=1.0).empty
