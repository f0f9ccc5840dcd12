"""Reading tables, who comes back, how long people wait, causes, and all of it as one dict."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from synthetic import make_year

from complaint_nlp.errors import DataError
from complaint_nlp.insights import Insights
from complaint_nlp.insights.reading import local_times
from complaint_nlp.labels import LANGUAGES, Subcategory

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cases() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "受理時間": ["2026/1/5 上午 09:00", "2026-01-05T02:00:00Z", "2026年1月6日", "壞掉", "2026-01-07 08:00"],
            "訊息內容": "x",
            "内容": [
                "冷氣故障，請打0912345678",
                "空调故障，态度还差",
                "洗衣機漏水",
                "洗衣机漏水",
                "hello",
            ],
            "品名": ["冷氣", "冷氣", "洗衣機", "洗衣機", "冷氣"],
            "會員編號": ["A100234", "A100234", "B200", None, "C3"],
            "回覆時間": ["2026-01-05 11:00", "2026-01-05 22:00", None, None, None],
            "status": ["ok", "ok", "ok", "ok", "not_chinese"],
            "category": ["quality", "quality|service", "quality", "quality", None],
            "subcategory": ["quality.defect", "quality.defect|service.attitude", "quality.defect", "", None],
            "urgency": ["high", "low", "low", "medium", None],
            "intensity": ["2", "3.0", "1", "0", None],
            "respond_by": ["2026-01-05T04:00:00+00:00"] * 5,
        }
    )


def test_columns_are_found_by_their_names_and_said(cases: pd.DataFrame) -> None:
    insights = Insights(cases)
    assert insights.columns == {
        "time": "受理時間",
        "text": "内容",
        "product": "品名",
        "customer": "會員編號",
        "answered": "回覆時間",
    }
    notes = " ".join(insights.notes)
    assert "「產品」採用欄位「品名」" in notes
    assert "「地點」" in notes
    assert "place_column" in notes
    assert "1 則訊息未能分析" in notes
    assert "「受理時間」有 1 個時間讀不出來" in notes
    for lang in LANGUAGES:
        assert len(insights.notes_in(lang)) == len(insights.notes)
        assert not any("{" in note for note in insights.notes_in(lang))


def test_files_arrow_and_frames_give_the_same(cases: pd.DataFrame, tmp_path: Path) -> None:
    cases.to_csv(tmp_path / "a.csv", index=False, encoding="utf-8-sig")
    lists = cases.assign(**{name: cases[name].str.split("|") for name in ("category", "subcategory")})
    table = pa.Table.from_pandas(lists)
    parquet.write_table(table, tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist()), encoding="utf-8"
    )
    expected = Insights(cases).to_dict()
    for source in (tmp_path / "a.csv", str(tmp_path / "a.parquet"), tmp_path / "a.jsonl", table, lists):
        found = Insights(source).to_dict()
        assert found["counts"] == expected["counts"], source
        assert found["overview"]["analysed"] == 4
    assert {item["value"]: item["count"] for item in expected["counts"]["category"]} == {"quality": 4, "service": 1}


def test_wrong_tables_are_refused(cases: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'nope'.*受理時間"):
        Insights(cases, product_column="nope")
    with pytest.raises(DataError, match="'loud' is not one of low, medium"):
        Insights(cases.assign(urgency="loud")).counts("urgency")
    with pytest.raises(DataError, match="neither messages nor labels"):
        Insights(pd.DataFrame({"a": [1]}))
    with pytest.raises(DataError, match="no such file"):
        Insights(tmp_path / "none.csv")
    with pytest.raises(DataError, match="no time zone"):
        _ = Insights(cases, timezone="Taipei/Asia").notes
    with pytest.raises(DataError, match="no period 'hour'"):
        Insights(cases).counts("category", "hour")  # type: ignore[arg-type]


def test_times_of_all_kinds_become_local() -> None:
    made = local_times(
        pd.Series(
            ["2026-01-05T02:00:00Z", "2026/1/5 下午 03:20:00", "2026年1月5日", "2026-01-05 10:00", "", "0001-01-01"]
        ),
        "Asia/Taipei",
    )
    shown = ["" if pd.isna(item) else str(item) for item in made]
    assert shown == ["2026-01-05 10:00:00", "2026-01-05 15:20:00", "2026-01-05 00:00:00", "2026-01-05 10:00:00", "", ""]


def test_customers_who_come_back_are_masked_unless_asked(cases: pd.DataFrame) -> None:
    found = Insights(cases).repeaters()
    assert found[["customer", "messages", "urgent", "rows"]].to_numpy().tolist() == [["***34", 2, 1, [0, 1]]]
    assert Insights(cases).repeaters(mask=False)["customer"].tolist() == ["A100234"]
    assert found.attrs == {"customers": 2, "messages": 3, "repeat_customers": 1, "repeat_messages": 2}
    texts = ["電話0912345678，冷氣壞了", "冷气又坏了，电话0912-345-678", "沒有電話"]
    taken = Insights(pd.DataFrame({"text": texts, "category": "quality"}), from_messages=["customer", "product"])
    assert taken.repeaters()["rows"].tolist() == [[0, 1]]
    assert "912345678" not in json.dumps(taken.to_dict(), ensure_ascii=False)
    assert "912345678" in json.dumps(taken.to_dict(mask=False), ensure_ascii=False)


def test_repeaters_are_pandas_groups_and_can_be_cut() -> None:
    frame = make_year(2, per_day=5).frame
    generator = np.random.default_rng(2)
    frame["customer_id"] = generator.integers(0, len(frame) // 3, len(frame)).astype(str)
    frame.loc[::7, "customer_id"] = None
    frame.loc[::5, "received_at"] = pd.NaT
    frame.loc[::3, "subcategory"] = None
    insights = Insights(frame)
    found = insights.repeaters(mask=False, min_messages=3)
    groups = {name: rows for name, rows in frame.groupby("customer_id") if len(rows) >= 3}
    assert set(found["customer"]) == set(groups)
    assert found["messages"].is_monotonic_decreasing
    for row in found.itertuples():
        own = groups[row.customer]
        assert row.rows == own.index.tolist()
        assert row.messages == len(own)
        days = own["received_at"].dt.floor("D")
        assert (row.first, row.last) == (days.min(), days.max()) or (pd.isna(row.first) and days.isna().all())
        primary = own["subcategory"].dropna().str.split("|").str[0].value_counts()
        assert pd.isna(row.subcategory) if primary.empty else primary[row.subcategory] == primary.max()
        assert row.urgent == own["urgency"].isin(["high", "critical"]).sum()
    few = insights.repeaters(mask=False, min_messages=3, most=4)
    assert few["customer"].tolist() == found["customer"].tolist()[:4]
    assert few.attrs == found.attrs


def test_labels_come_as_lists_and_texts_of_all_kinds() -> None:
    values = [["quality", "price", "quality"], [], None, ["price"]]
    forms = [
        values,
        [None if item is None else "| ".join(item) for item in values],
        [None if item is None else np.array(item, dtype=object) for item in values],
        [None if item is None else tuple(item) for item in values],
        pd.array(pa.array(values, pa.list_(pa.string())), dtype=pd.ArrowDtype(pa.list_(pa.string()))),
    ]
    for form in forms:
        made = Insights(pd.DataFrame({"category": form, "text": "x"})).table.dimension("category")
        names = made.values  # noqa: PD011 - no data frame
        found = [(int(row), names[code]) for row, code in zip(made.rows, made.codes, strict=True)]
        assert found == [(0, "quality"), (0, "price"), (3, "price")]
    with pytest.raises(DataError, match="'3' is not one of"):
        Insights(pd.DataFrame({"category": [3, 3], "text": "x"})).counts("category")


def test_well_formed_times_are_read_as_odd_ones_are() -> None:
    texts = ["2026-01-05T02:00:00Z", "2026-01-05 23:59:59.5+08:00", "2026-01-05T02:00:00-05:30"]
    naive = ["2026-01-05", "2026-01-05 10:00", "2026-01-05T23:59:59.123456"]
    for plain in (texts, naive):
        mixed = local_times(pd.Series([*plain, "2026/1/5 下午 03:20"]), "Asia/Taipei")
        assert local_times(pd.Series(plain), "Asia/Taipei").tolist() == mixed.tolist()[:-1]
        utc = local_times(pd.Series(plain), "Asia/Taipei", naive_is_utc=True)
        assert utc.dtype == "datetime64[us]"
    assert local_times(pd.Series(texts), "Asia/Taipei").iloc[1] == pd.Timestamp("2026-01-05 23:59:59.5")


def test_open_cases_count_as_waiting(cases: pd.DataFrame) -> None:
    insights = Insights(cases, as_of="2026-01-06T12:00:00+08:00")
    found = insights.answer_times().set_index(["by", "value"])
    row = found.loc[("all", "")]
    assert (row["messages"], row["answered"], row["open"]) == (3, 2, 1)
    # waited 2 h, 12 h, and 12 h so far
    assert row["median_hours"] == pytest.approx(12)
    # due at noon: answered at 11, answered at 22; the third came after it
    assert row["within_deadline"] == pytest.approx(1 / 3)
    assert found.loc[("category", "service"), "median_hours"] == pytest.approx(12)
    assert any("設限" in note for note in insights.notes)


def test_deadlines_from_the_time_of_labelling_are_computed_anew() -> None:
    frame = make_year(3, per_day=3).frame
    frame = frame.assign(
        answered_at=frame["received_at"] + pd.Timedelta(minutes=1), respond_by="2026-02-02T09:00:00+00:00"
    )
    insights = Insights(frame)
    assert insights.answer_times("urgency")["within_deadline"].iloc[0] == 1.0
    assert any("從標註當時起算" in note for note in insights.notes)
    assert (insights.messages["respond_by"] < insights.messages["received_at"] + pd.Timedelta(days=14)).all()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_causes_name_root_and_prevention_of_every_sub_kind(lang: str) -> None:
    kinds = [kind.value for kind in Subcategory]
    frame = pd.DataFrame({"subcategory": kinds, "urgency": "critical", "intensity": 3})
    found = Insights(frame).causes(lang)  # type: ignore[arg-type]
    assert set(found["subcategory"]) == set(kinds)
    assert (found["severity"] == 100).all()
    assert found["root_causes"].map(len).min() >= 2
    assert found["prevention"].str.len().min() >= 8


def test_to_dict_is_json_bounded_and_complete() -> None:
    frame = make_year(1, per_day=20).frame
    made = Insights(frame).to_dict(lang="zh-Hans", top=5)
    text = json.dumps(made, ensure_ascii=False, allow_nan=False)
    assert len(text) < 1_500_000
    assert made["periods"]["unit"] == "week"
    assert sum(made["periods"]["total"]) == made["overview"]["analysed"] == len(frame)
    assert made["periods"]["partial"][0]
    assert made["cube"] is not None
    assert sum(made["cube"]["cells"]["count"]) == len(frame)
    assert len(made["cube"]["cells"]["count"]) <= 20_000
    assert len(made["counts"]["product"]) == 5
    assert [item["value"] for item in made["counts"]["urgency"]] == ["low", "medium", "high", "critical"]
    assert made["labels"]["dimension"]["product"] == "产品"
    assert made["answer_times"] is None
    assert made["repeaters"] is None


def test_a_table_without_rows_or_times_still_answers() -> None:
    empty = make_year(1, per_day=3).frame.head(0)
    made = Insights(empty).to_dict()
    assert made["overview"]["analysed"] == 0
    assert made["periods"] is None
    frame = pd.DataFrame({"category": ["quality", "price"], "text": ["壞了", "太貴"]})
    made = Insights(frame).to_dict(lang="en")
    assert made["rises"] == []
    assert made["overview"]["from"] is None
    assert any("time_column" in note for note in made["notes"])
