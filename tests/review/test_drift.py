"""Like tables are stable, planted changes are found and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, ks_2samp

from complaint_nlp.errors import DataError
from complaint_nlp.review import drift

Write = Callable[[str, list[dict[str, Any]]], Path]
Rows = list[dict[str, Any]]


def halves(rows: Rows, seed: int) -> tuple[Rows, Rows]:
    order = np.random.default_rng(seed).permutation(len(rows)).tolist()
    return [rows[i] for i in order[: len(rows) // 2]], [rows[i] for i in order[len(rows) // 2 :]]


@pytest.fixture(scope="session")
def usable(labelled: Rows) -> Rows:
    return [row for row in labelled if row["status"] == "ok"]


@pytest.mark.parametrize("seed", range(6))
def test_a_table_split_at_random_is_stable(seed: int, usable: Rows, write_jsonl: Write) -> None:
    old, new = halves(usable, seed)
    found = drift(write_jsonl("old.jsonl", old), write_jsonl("new.jsonl", new), seed=seed)
    assert found.verdict == "stable", found.summary("en")
    assert len(found.labels) == len(found.confidence) == 8
    assert "穩定" in found.summary()


def test_a_planted_change_of_mix_is_found_and_named(usable: Rows, write_jsonl: Write) -> None:
    old, new = halves(usable, 1)
    outages = [row for row in new if "price" in row["category"]]
    new = [*(row for row in new if "quality" not in row["category"]), *outages, *outages]
    found = drift(write_jsonl("old.jsonl", old), write_jsonl("new.jsonl", new))
    assert found.verdict != "stable"
    category = next(one for one in found.labels if one.task == "category")
    assert category.verdict != "stable"
    assert category.shares["price"][1] > category.shares["price"][0] + 0.1
    assert "價格" in found.summary("zh-Hant")
    assert "价格" in found.summary("zh-Hans")


def test_lower_confidence_alone_is_found(usable: Rows, write_jsonl: Write) -> None:
    old, new = halves(usable, 2)
    new = [row | {"urgency_confidence": row["urgency_confidence"] * 0.6} for row in new]
    found = drift(write_jsonl("old.jsonl", old), write_jsonl("new.jsonl", new))
    (shift,) = [one for one in found.confidence if one.verdict != "stable"]
    assert (shift.task, shift.verdict) == ("urgency", "drifted")
    assert {one.verdict for one in found.labels} == {"stable"}
    old_values, new_values = ([row["urgency_confidence"] for row in rows] for rows in (old, new))
    assert shift.statistic == pytest.approx(ks_2samp(old_values, new_values).statistic)


def test_new_words_are_found_in_both_scripts(usable: Rows, write_jsonl: Write) -> None:
    old, new = halves(usable, 3)
    news = ["，蟑螂孳生、白蚁、鼠患到处都是，消毒公司不来", "，蟑螂孳生、白蟻、鼠患到處都是，消毒公司不來"]
    new = [row | {"text": row["text"] + news[n % 2]} if n % 3 else row for n, row in enumerate(new)]
    found = drift(write_jsonl("old.jsonl", old), write_jsonl("new.jsonl", new))
    risen = [one.word for one in found.vocabulary.risen]
    assert {"白蚁", "鼠患"} & set(risen[:8])
    assert found.vocabulary.verdict != "stable"
    assert found.vocabulary.unseen > found.vocabulary.unseen_expected
    assert all(one.after > one.before for one in found.vocabulary.risen)
    assert "vocabulary" in found.summary("en")


def test_other_trades_are_a_drift(usable: Rows, messages: Rows, write_jsonl: Write) -> None:
    trade = {record["id"]: record["trade"] for record in messages}
    games = ("mobile game", "map app", "laptop", "smart-home device", "broadband")
    old = [row for row in usable if trade[row["id"]] not in games]
    new = [row for row in usable if trade[row["id"]] in games]
    found = drift(write_jsonl("old.jsonl", old), write_jsonl("new.jsonl", new))
    assert found.verdict != "stable"
    assert "complaint-nlp review suggest" in found.advice("en")


def test_figures_are_those_of_scipy(usable: Rows, write_jsonl: Write) -> None:
    old, new = halves(usable, 4)
    new = [row for row in new if row["urgency"] != "low"]
    found = drift(write_jsonl("old.jsonl", old), write_jsonl("new.jsonl", new))
    urgency = next(one for one in found.labels if one.task == "urgency")
    values = ["low", "medium", "high", "critical"]
    counts = np.array([[sum(row["urgency"] == value for row in rows) for value in values] for rows in (old, new)])
    assert urgency.chi_square == pytest.approx(chi2_contingency(counts, correction=False)[0])
    smoothed = (counts + 0.5) / (counts + 0.5).sum(axis=1, keepdims=True)
    assert urgency.jensen_shannon == pytest.approx(jensenshannon(*smoothed, base=2) ** 2)
    assert urgency.shares["low"][1] == 0.0
    assert json.loads(found.to_json())["labels"][3]["task"] == "urgency"


def test_data_frames_and_hand_labelled_tables_are_compared_too(usable: Rows, messages: Rows) -> None:
    pandas = pytest.importorskip("pandas")
    old, new = halves(usable, 5)
    assert drift(pandas.DataFrame(old), pandas.DataFrame(new)).verdict == "stable"
    old, new = halves(messages, 5)
    found = drift(pandas.DataFrame(old), pandas.DataFrame(new))
    assert found.verdict == "stable"
    assert found.confidence == ()


def test_what_cannot_be_compared_is_refused(usable: Rows, write_jsonl: Write) -> None:
    good = write_jsonl("good.jsonl", usable[:60])
    with pytest.raises(DataError, match="at least 50"):
        drift(good, write_jsonl("few.jsonl", usable[:20]))
    with pytest.raises(DataError, match="complaint-nlp label"):
        drift(write_jsonl("raw.jsonl", [{"text": "壞了"}] * 60), good)
    with pytest.raises(DataError, match="data frame"):
        drift(good, 5)
