"""Which rows and columns of a table are asked for."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from complaint_nlp import DataError
from complaint_nlp.batch import files, label
from complaint_nlp.batch.select import Selection, parse_condition

if TYPE_CHECKING:
    from pathlib import Path

ROWS: list[dict[str, Any]] = [
    {"id": 1, "brand": "甲", "date": "2024-01-05", "text": "手機壞了，我要退款", "open": True},
    {"id": 2, "brand": "乙", "date": "2023-12-31", "text": "手机坏了，我要退款", "open": False},
    {"id": 10, "brand": "甲", "date": "2024-02-01", "text": "客服態度很差", "open": True},
    {"id": 11, "brand": "", "date": None, "text": "客服态度很差", "open": None},
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".csv":
        lines = [",".join("" if row[name] is None else str(row[name]) for name in rows[0]) for row in rows]
        path.write_text("\n".join([",".join(rows[0]), *lines]), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("brand=甲", "甲", True),
        ("brand = 甲 ", "甲", True),
        ("brand==甲", "甲", True),
        ("brand=甲", "甲乙", False),
        ("brand!=甲", "乙", True),
        ("brand!=甲", None, True),
        ("brand=", "", True),
        ("brand=", None, False),
        ("n<10", 9, True),
        ("n<10", "9", True),  # as numbers, not as texts
        ("n>=1e3", "1000.0", True),
        ("n=007", "7", True),
        ("n<10", "abc", False),
        ("n=nan", "nan", True),
        ("n=inf", "infinity", False),
        ("n=1_000", "1000", False),
        ("order=20261107000000001", 20261107000000002, False),  # a float would not tell them apart
        ("order>20261107000000001", "20261107000000002", True),
        ("date>=2024-01-01", "2024-01-05", True),
        ("date>=2024-01-01", "2023-12-31", False),
        ("date>=2024-01-01", date(2024, 1, 1), True),
        ("date>=2024-01-01", datetime(2023, 12, 31, 23, 59), False),  # noqa: DTZ001 - as Parquet gives them
        ("text~退款", "我要退款", True),
        ("text~退款", "我要换货", False),
        ("text~換貨", "我要换货", False),  # words as they are written
        ("text~a=b", "xa=by", True),
        ("open=true", True, True),
        ("open=true", False, False),
        ("share>0.12345", 0.123456, True),
    ],
)
def test_conditions(text: str, value: object, holds: bool) -> None:  # noqa: FBT001
    condition = parse_condition(text)
    assert condition.holds({condition.column: value}) is holds
    assert condition.holds({}) is (condition.operator == "!=")


@pytest.mark.parametrize("text", ["brand", "", "=甲", "   ", " " * 50_000, "a " * 50_000])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"--where .*: expected COLUMN and VALUE with one of = != < <= > >= ~"):
        parse_condition(text)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    ("where", "ids"),
    [
        (["brand=甲"], [1, 10]),
        (["brand=甲", "date>=2024-02-01"], [10]),
        (["id>=10"], [10, 11]),
        (["text~態度"], [10]),
        (["text~态度"], [11]),
        (["id=3"], []),
    ],
)
def test_only_rows_that_meet_all_conditions(tmp_path: Path, ending: str, where: list[str], ids: list[int]) -> None:
    source = write(tmp_path / f"in.{ending}", ROWS)
    summary = label(source, tmp_path / "out.jsonl", workers=1, where=where)
    assert [int(row["id"]) for row in read(tmp_path / "out.jsonl")] == ids
    assert (summary.rows, summary.rejected) == (len(ids), 0)


def test_rows_that_come_late_keep_their_types_in_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_CHUNK", 2)
    rows = [{"n": i, "x": None if i < 7 else 0.5, "text": f"手机坏了{i}"} for i in range(10)]
    for ending in ("jsonl", "parquet"):
        source = write(tmp_path / f"in.{ending}", rows)
        label(source, tmp_path / f"{ending}.parquet", workers=1, where=["n>=7"])
        found = pq.read_table(tmp_path / f"{ending}.parquet").select(["n", "x", "text"])
        assert found.to_pylist() == rows[7:]
    # what the source says about its types holds although the first rows are empty
    label(tmp_path / "in.parquet", tmp_path / "all.parquet", workers=1)
    assert pq.read_table(tmp_path / "all.parquet").select(["n", "x", "text"]).to_pylist() == rows


def test_a_sample_is_the_same_every_time_and_spread_evenly(tmp_path: Path) -> None:
    selection = Selection(share=0.1)
    taken = [number for number in range(1, 20_001) if selection.takes(number, {})]
    assert 1800 < len(taken) < 2200
    assert all(350 < sum(start < number <= start + 5000 for number in taken) < 650 for start in range(0, 20_000, 5000))
    larger = Selection(share=0.3)
    assert all(larger.takes(number, {}) for number in taken)
    source = write(tmp_path / "in.jsonl", [{"id": i, "text": "手機壞了"} for i in range(1, 301)])
    summary = label(source, tmp_path / "out.jsonl", workers=1, sample=0.1)
    expected = [number for number in taken if number <= 300]
    assert [row["id"] for row in read(tmp_path / "out.jsonl")] == expected
    assert summary.rows == len(expected) > 0


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("columns", [["id"], ["text", "brand"], []])
def test_only_the_columns_asked_for_in_their_order(tmp_path: Path, ending: str, columns: list[str]) -> None:
    source = write(tmp_path / f"in.{ending}", ROWS)
    label(source, tmp_path / "out.parquet", workers=1, columns=columns)
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.schema.names[: len(columns) + 1] == [*columns, "status"]
    assert found.column("status").to_pylist() == ["ok"] * 4


def test_a_condition_may_be_about_a_column_that_is_not_kept(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", ROWS)
    label(source, tmp_path / "out.jsonl", workers=1, columns=["id"], where=["open=true"])
    assert [row["id"] for row in read(tmp_path / "out.jsonl")] == [1, 10]
    assert "brand" not in read(tmp_path / "out.jsonl")[0]


@pytest.mark.parametrize("options", [{"where": ["品牌=甲"]}, {"columns": ["id", "品牌"]}])
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_columns_that_are_not_there_are_refused(tmp_path: Path, ending: str, options: dict[str, Any]) -> None:
    source = write(tmp_path / f"in.{ending}", ROWS)
    with pytest.raises(DataError, match="has no column '品牌'; its columns are id, brand, date, text, open"):
        label(source, tmp_path / "out.jsonl", workers=1, **options)
    assert [item.name for item in tmp_path.iterdir()] == [source.name]


@pytest.mark.parametrize(
    ("options", "error", "why"),
    [
        ({"sample": 0.0}, ValueError, "sample must be above 0 and at most 1"),
        ({"sample": 1.5}, ValueError, "sample must be above 0 and at most 1"),
        ({"sample": float("nan")}, ValueError, "sample must be above 0 and at most 1"),
        ({"where": "brand=甲"}, TypeError, "where must be a list of texts"),
        ({"columns": "id"}, TypeError, "columns must be a list of texts"),
        ({"max_rejects": -1}, ValueError, "must not be negative"),
        ({"workers": -1}, ValueError, "must not be negative"),
        ({"wher": []}, TypeError, "wher"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, options: dict[str, Any], error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        label(write(tmp_path / "in.jsonl", ROWS), tmp_path / "out.jsonl", **options)
