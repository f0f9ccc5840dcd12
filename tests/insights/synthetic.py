"""A year of labelled messages with a weekly pattern, a trend, holidays, good and bad days, and what is planted."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from complaint_nlp.labels import TASKS, Subcategory

MESSAGES = Path(__file__).parents[2] / "data" / "messages.jsonl"
FIRST_DAY = np.datetime64("2025-01-01")
DAYS = 365
KINDS = tuple(kind.value for kind in Subcategory)
PRODUCTS = ("冷氣", "洗衣機", "手機", "路由器", "電視", "冰箱", "吸塵器", "耳機", "手錶", "平板", "充電器", "鍵盤")
PLACES = (
    "台北",
    "新北",
    "桃園",
    "台中",
    "台南",
    "高雄",
    "北京",
    "上海",
    "广州",
    "深圳",
    "成都",
    "杭州",
    "香港",
    "新竹",
    "嘉義",
)
CHANNELS = ("phone", "app", "email", "line")
WEEK = np.array([1.35, 1.15, 1.05, 1.0, 1.1, 0.75, 0.6])
HOLIDAYS = range(27, 34)


@dataclass(frozen=True)
class PlantedRise:
    by: str
    value: str
    start: int
    length: int
    factor: float

    @property
    def days(self) -> set[np.datetime64]:
        return {FIRST_DAY + self.start + step for step in range(self.length)}


@dataclass(frozen=True)
class PlantedBurst:
    """A rare sub-kind, with ``extra`` messages more, spread at random over ``length`` days from ``start``."""

    value: str
    per_day: float
    start: int = 0
    length: int = 0
    extra: int = 0
    by: str = "subcategory"

    @property
    def days(self) -> set[np.datetime64]:
        return {FIRST_DAY + self.start + step for step in range(self.length)}


@dataclass(frozen=True)
class PlantedHotspot:
    by: str
    value: str
    kind: str
    share: float
    """Of the messages of the value that are moved to this kind."""


@dataclass(frozen=True)
class Year:
    frame: pd.DataFrame
    rises: tuple[PlantedRise, ...] = ()
    hotspots: tuple[PlantedHotspot, ...] = ()
    groups: tuple[tuple[int, ...], ...] = field(default=())


def day_rates(generator: np.random.Generator, per_day: float, trend: float) -> Any:
    """Return the rate of messages of every day: week, trend, a yearly wave, holidays and days that are good or bad."""
    day = np.arange(DAYS)
    weekday = ((FIRST_DAY + day).astype("datetime64[D]").astype(np.int64) + 3) % 7
    rate = per_day * WEEK[weekday] * (1 + trend * day / DAYS) * (1 + 0.15 * np.sin(2 * np.pi * day / DAYS))
    rate[list(HOLIDAYS)] *= 0.1
    rate[HOLIDAYS.stop : HOLIDAYS.stop + 3] *= 1.8
    return rate * generator.gamma(100, 1 / 100, DAYS)


def make_year(
    seed: int,
    *,
    per_day: float = 120.0,
    trend: float = 0.4,
    rises: tuple[PlantedRise, ...] = (),
    bursts: tuple[PlantedBurst, ...] = (),
    hotspots: tuple[PlantedHotspot, ...] = (),
    steadiness: float = 30.0,
) -> Year:
    """Return a year; every sub-kind's rate varies from day to day by 1 / sqrt(steadiness) of its own."""
    generator = np.random.default_rng(seed)
    rates = day_rates(generator, per_day, trend)
    weights = 1 / np.arange(1, len(KINDS) + 1) ** 0.7
    weights = generator.permutation(weights) / weights.sum()
    own = generator.gamma(steadiness, 1 / steadiness, (DAYS, len(KINDS)))
    counts = generator.poisson(rates[:, None] * weights * own)
    for burst in bursts:
        code = KINDS.index(burst.value)
        counts[:, code] = generator.poisson(burst.per_day * rates / rates.mean() * own[:, code])
        if burst.extra:
            np.add.at(counts[:, code], burst.start + generator.integers(0, burst.length, burst.extra), 1)
    day, kind = (np.repeat(item, counts.ravel()) for item in np.indices(counts.shape).reshape(2, -1))
    product = generator.choice(len(PRODUCTS), len(day), p=_falling(len(PRODUCTS)))
    place = generator.choice(len(PLACES), len(day), p=_falling(len(PLACES)))
    for spot in hotspots:
        values, codes = (PRODUCTS, product) if spot.by == "product" else (PLACES, place)
        moved = (codes == values.index(spot.value)) & (generator.random(len(codes)) < spot.share)
        kind[moved] = KINDS.index(spot.kind)
    for rise in rises:
        codes = {"subcategory": kind, "product": product, "place": place}[rise.by]
        named: dict[str, tuple[str, ...]] = {"subcategory": KINDS, "product": PRODUCTS, "place": PLACES}
        inside = (codes == named[rise.by].index(rise.value)) & (day >= rise.start) & (day < rise.start + rise.length)
        extra = np.repeat(np.flatnonzero(inside), generator.poisson(rise.factor - 1, inside.sum()))
        if rise.by != "subcategory":
            kind = np.concatenate([kind, generator.choice(len(KINDS), len(extra), p=weights)])
        else:
            kind = np.concatenate([kind, kind[extra]])
        fresh_product = generator.choice(len(PRODUCTS), len(extra), p=_falling(len(PRODUCTS)))
        fresh_place = generator.choice(len(PLACES), len(extra), p=_falling(len(PLACES)))
        product = np.concatenate([product, product[extra] if rise.by == "product" else fresh_product])
        place = np.concatenate([place, place[extra] if rise.by == "place" else fresh_place])
        day = np.concatenate([day, day[extra]])
    order = np.argsort(day, kind="stable")
    rare = {burst.value for burst in bursts}
    seconds = np.array([code for code, name in enumerate(KINDS) if name not in rare])
    frame = _frame(generator, day[order], kind[order], product[order], place[order], seconds)
    return Year(frame, rises, hotspots)


def _falling(count: int) -> Any:
    weights = 1 / np.arange(1, count + 1) ** 0.5
    return weights / weights.sum()


def _frame(generator: np.random.Generator, day: Any, kind: Any, product: Any, place: Any, seconds: Any) -> pd.DataFrame:
    size = len(day)
    minutes = generator.integers(8 * 60, 22 * 60, size)
    second = np.where(generator.random(size) < 0.15, seconds[generator.integers(0, len(seconds), size)], kind)
    kinds = [KINDS[one] if one == two else f"{KINDS[one]}|{KINDS[two]}" for one, two in zip(kind, second, strict=True)]
    categories = ["|".join(dict.fromkeys(item.partition(".")[0] for item in pair.split("|"))) for pair in kinds]
    return pd.DataFrame(
        {
            "received_at": (FIRST_DAY + day).astype("datetime64[m]") + minutes.astype("timedelta64[m]"),
            "text": [f"第{number}號" for number in range(size)],
            "product": np.array(PRODUCTS)[product],
            "place": np.array(PLACES)[place],
            "channel": generator.choice(CHANNELS, size),
            "status": "ok",
            "intent": generator.choice(["complaint", "request"], size, p=[0.8, 0.2]),
            "category": categories,
            "subcategory": kinds,
            "urgency": generator.choice(TASKS["urgency"].values, size, p=[0.3, 0.4, 0.25, 0.05]),
            "emotion": generator.choice(TASKS["emotion"].values, size),
            "intensity": generator.integers(0, 4, size),
        }
    )


def own_messages() -> list[dict[str, Any]]:
    """Return the project's own labelled messages."""
    with MESSAGES.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
