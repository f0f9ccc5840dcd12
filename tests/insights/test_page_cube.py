"""The counts behind the page's filters: nothing is lost, names are folded, and large tables are counted coarsely."""

from __future__ import annotations

import base64
import itertools
import zlib
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_nlp import DataError
from complaint_nlp.insights.page_cube import DEADLINES, Messages, build_cube
from complaint_nlp.labels import TASKS

CATEGORIES = list(TASKS["category"].values)
KINDS = list(TASKS["subcategory"].values)


def numbers(packed: str) -> list[int]:
    """Read LEB128 numbers as the page does."""
    found, value, shift = [], 0, 0
    for byte in zlib.decompress(base64.b64decode(packed), -15):
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            found.append(value)
            value, shift = 0, 0
    return found


def cells(cube: dict[str, Any]) -> Counter[tuple[tuple[str, int], ...]]:
    """Return the messages of every cell by its codes."""
    found: Counter[tuple[tuple[str, int], ...]] = Counter()
    keys = itertools.accumulate(numbers(cube["keys"]))
    for key, count in zip(keys, numbers(cube["counts"]), strict=True):
        codes, rest = [], key
        for axis in reversed(cube["axes"]):
            rest, code = divmod(rest, axis["size"])
            codes.append((axis["name"], code))
        assert rest == 0
        found[tuple(codes)] += count
    return found


def axis(cube: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in cube["axes"] if item["name"] == name)
    return found


def messages(size: int, seed: int = 0, *, products: int = 5, span: int = 60, **more: Any) -> Messages:
    """Return messages of which everything is drawn."""
    draw = np.random.default_rng(seed)
    kind = draw.integers(-1, len(KINDS), size)
    bits = np.where(kind < 0, 0, 1 << np.maximum(kind, 0))
    category = np.array([CATEGORIES.index(value.partition(".")[0]) for value in KINDS])[kind]
    return Messages(
        **{
            "categories": np.where(kind < 0, 0, 1 << category),
            "subcategories": bits,
            "first_subcategory": bits,
            "urgency": draw.integers(-1, 4, size),
            "emotion": draw.integers(0, 9, size),
            "days": draw.integers(20_000, 20_000 + span, size),
            "names": {
                "product": (draw.integers(-1, products, size), [f"產品{i}" for i in range(products)]),
                "place": (draw.integers(0, 3, size), ["台北", "上海", "臺中"]),
            },
            "escalate": draw.integers(0, 2, size),
            "deadline": draw.integers(0, 4, size),
            **more,
        }
    )


@settings(max_examples=25, deadline=None)
@given(size=st.integers(1, 300), seed=st.integers(0, 1000), names=st.integers(1, 40))
def test_every_message_is_counted_in_its_own_cell(size: int, seed: int, names: int) -> None:
    given_messages = messages(size, seed, products=names)
    cube = build_cube(given_messages)
    found = cells(cube)
    assert sum(found.values()) == size == cube["rows"]
    assert len(found) == cube["cells"]
    assert given_messages.days is not None
    first = np.datetime64(axis(cube, "day")["first"]).astype(int)
    product = axis(cube, "product")
    expected: Counter[tuple[int, int, int]] = Counter()
    codes, values = given_messages.names["product"]
    for day, code, urgency in zip(given_messages.days, codes, given_messages.urgency, strict=True):
        name = values[code] if code >= 0 else None
        if name is None:
            place = product["unknown"]
        else:
            place = product["values"].index(name) if name in product["values"] else product["other"]
        expected[int(day - first), place, 4 if urgency < 0 else int(urgency)] += 1
    counted: Counter[tuple[int, int, int]] = Counter()
    for cell, count in found.items():
        by = dict(cell)
        counted[by["day"], by["product"], by["urgency"]] += count
    assert counted == expected


def test_label_sets_keep_all_sub_kinds_of_a_message() -> None:
    both = (1 << KINDS.index("quality.defect")) | (1 << KINDS.index("price.refund"))
    given_messages = messages(
        2,
        categories=np.array([0b101, 0]),
        subcategories=np.array([both, 0]),
        first_subcategory=np.array([1, 0]),
    )
    labels = axis(build_cube(given_messages), "labels")
    assert sorted(labels["values"]) == [[0, 0], [0b101, both]]
    assert labels["categories"] == CATEGORIES
    assert labels["subcategories"] == KINDS


def test_rare_combinations_count_with_their_first_sub_kind() -> None:
    draw = np.random.default_rng(1)
    sets = draw.integers(1, 1 << 26, 6_000)
    given_messages = messages(6_000, subcategories=sets, first_subcategory=sets & -sets)
    cube = build_cube(given_messages)
    assert cube["label_sets_cut"] == 6_000 - 4_096
    assert axis(cube, "labels")["size"] <= 4_096 + 26 * 32
    assert sum(cells(cube).values()) == 6_000


def test_the_most_frequent_names_stay_and_the_others_are_told_as_others() -> None:
    codes = np.repeat(np.arange(50), np.arange(50, 0, -1))
    given_messages = messages(len(codes), names={"product": (codes, [f"型號{i}" for i in range(50)])})
    product = axis(build_cube(given_messages), "product")
    assert product["values"] == [f"型號{i}" for i in range(20)]
    assert product["others"] == 30
    assert product["other"] == 20
    assert product["unknown"] is None


@pytest.mark.parametrize(("unit", "periods"), [("week", 10), ("month", 3)])
def test_what_does_not_fit_is_counted_by_week_then_by_month(unit: str, periods: int) -> None:
    # 2024-10-04 to 2024-12-02: ten weeks from Monday, 2024-09-30
    given_messages = messages(20_000, span=60)
    full = build_cube(given_messages)
    assert axis(full, "day")["unit"] == "day"
    sizes = {
        wanted: len(packed["keys"]) + len(packed["counts"])
        for wanted in ("week", "month")
        if (packed := build_cube(messages(20_000, span=60, unit=wanted)))
    }
    coarse = build_cube(given_messages, max_bytes=sizes[unit])
    day = axis(coarse, "day")
    assert day["unit"] == unit
    assert day["size"] == periods
    assert day["first"] == {"week": "2024-09-30", "month": "2024-10-01"}[unit]
    assert sum(cells(coarse).values()) == 20_000


def test_messages_without_a_date_have_a_place_of_their_own() -> None:
    given_messages = messages(3, days=np.array([20_000, -1, 20_001]))
    day = axis(build_cube(given_messages), "day")
    assert (day["size"], day["unknown"], day["first"]) == (3, 2, "2024-10-04")
    nowhere = build_cube(messages(3, days=np.array([-1, -1, -1])))
    assert "day" not in [item["name"] for item in nowhere["axes"]]


def test_weights_stand_for_as_many_messages() -> None:
    given_messages = messages(3, weights=np.array([5, 1, 4]))
    cube = build_cube(given_messages)
    assert cube["rows"] == 10
    assert sum(cells(cube).values()) == 10


def test_a_century_of_single_days_is_counted_by_week() -> None:
    given_messages = messages(200, days=np.linspace(7_300, 30_000, 200).astype(np.int64))
    assert axis(build_cube(given_messages), "day")["unit"] == "week"


def test_refusals_say_what_to_do() -> None:
    with pytest.raises(DataError, match="no analysed messages"):
        build_cube(messages(0))
    with pytest.raises(DataError, match="report a shorter period"):
        build_cube(messages(500), max_bytes=10)


def test_states_of_deadlines_keep_their_order() -> None:
    # the page reads them by place
    assert DEADLINES == ("none", "within", "late", "open")
    assert axis(build_cube(messages(10)), "deadline")["values"] == list(DEADLINES)
