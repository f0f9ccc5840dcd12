"""The table an agent uploads: whatever it was saved with is read, bounded, and exported without formulas."""

from __future__ import annotations

import csv
import io
import json
from tempfile import gettempdir
from typing import TYPE_CHECKING

import pytest

from complaint_nlp import DataError
from complaint_nlp.report import column_names
from complaint_nlp.serve.desk_queue import MAX_BYTES, MAX_ROWS, QueueRows, TooLargeError, formula_safe, read_table

if TYPE_CHECKING:
    from complaint_nlp import Analyzer

TRADITIONAL = "編號,客訴內容,收到時間\r\n1,手機才買一週就一直死機，我要退款！,2026/03/02 09:30\r\n2,客服態度很差,\r\n"
SIMPLIFIED = (
    "编号,客诉内容,收到时间\n1,手机才买一周就一直死机，我要退款！,2026-03-02T09:30:00+08:00\n2,客服态度很差,昨天\n"
)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (TRADITIONAL, "utf-8"),
        (TRADITIONAL, "utf-8-sig"),
        (TRADITIONAL, "utf-16"),
        (TRADITIONAL, "big5"),
        (SIMPLIFIED, "gb18030"),
        (SIMPLIFIED, "utf-8"),
    ],
)
def test_tables_are_read_in_the_encodings_of_offices(text: str, encoding: str) -> None:
    table = read_table(text.encode(encoding), "客訴.csv")
    assert table.text_column in ("客訴內容", "客诉内容")
    assert table.time_column in ("收到時間", "收到时间")
    assert len(table.rows) == 2
    assert table.text_of(table.rows[0]).endswith("！")
    received = table.received_at(table.rows[0])
    assert received is not None
    assert (received.year, received.month, received.day, received.minute) == (2026, 3, 2, 30)
    assert received.tzinfo is not None
    assert table.received_at(table.rows[1]) is None


@pytest.mark.parametrize("time", ["0001-01-01", "9999-12-31T23:59:59+00:00", "1e9", "=NOW()", "2026-13-40"])
def test_times_that_cannot_be_meant_are_passed_over(time: str) -> None:
    table = read_table(f"text,time\n壞了,{time}\n".encode(), "a.csv")
    assert table.received_at(table.rows[0]) is None


def test_jsonl_and_tsv_are_taken_too() -> None:
    line = json.dumps({"message": "快遞三天沒到", "n": 1}, ensure_ascii=False)
    assert read_table(line.encode(), "a.JSONL").text_column == "message"
    assert read_table("留言\tx\n快递三天没到\t1\n".encode(), "a.tsv").text_column == "留言"


def test_the_message_column_is_guessed_only_where_its_name_says_so() -> None:
    content = "甲,乙\n手機壞了,1\n".encode()
    assert read_table(content, "a.csv").text_column is None
    assert read_table(content, "a.csv", "甲").text_column == "甲"
    assert read_table("甲\n手機壞了\n".encode(), "a.csv").text_column == "甲"
    with pytest.raises(DataError, match=r"a\.csv: has no column '丙'; its columns are 甲, 乙"):
        read_table(content, "a.csv", "丙")


def test_broken_rows_are_set_aside() -> None:
    table = read_table("text,n\n好的,1\n多一格,2,3\n沒關係,3\n".encode(), "a.csv")
    assert [row.number for row in table.rows] == [1, 3]
    assert [(reject.line, reject.reason) for reject in table.rejects] == [(3, "3 cells where the header has 2")]


@pytest.mark.parametrize(
    ("content", "name", "problem"),
    [
        (b"", "a.csv", "is empty"),
        (b"text\n", "a.exe", "the page takes .csv"),
        (b"PK", "a.xlsx", "the page takes .csv"),
        (b"text\n", "../../etc/passwd", "^passwd: the page takes"),
        (b"text\n", "C:\\Users\\me\\a.doc", r"^a\.doc: the page takes"),
        (b"text,text\n1,2\n", "a.csv", r"^a\.csv: the column 'text' stands twice"),
    ],
)
def test_what_is_no_table_is_refused_by_its_own_name(content: bytes, name: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        read_table(content, name)
    assert gettempdir() not in str(caught.value)


def test_large_tables_are_refused() -> None:
    with pytest.raises(TooLargeError, match="complaint-nlp label"):
        read_table(b"x" * (MAX_BYTES + 1), "a.csv")
    assert len(read_table(b"text\n" + b"a\n" * MAX_ROWS, "a.csv").rows) == MAX_ROWS
    with pytest.raises(TooLargeError, match="more than 2,000 rows"):
        read_table(b"text\n" + b"a\n" * (MAX_ROWS + 1), "a.csv")


@pytest.mark.parametrize(
    "cell", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "  =1", "\r=1", "＝1+1", "＠SUM(A1)", "\n-1+1"]
)
def test_formulas_are_made_text(cell: str) -> None:
    assert formula_safe(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "-12.5", "+886912345678", "手機=壞", "a@b.example", "3-2", "'=1"])
def test_other_cells_stay_as_they_are(cell: str) -> None:
    assert formula_safe(cell) == cell


def test_rows_hold_what_the_page_shows_and_what_is_exported(analyzer: Analyzer) -> None:
    text = '=HYPERLINK("http://x.example") 手機一直死機，我要退款！'
    out = io.StringIO()
    csv.writer(out).writerows([["-id", "text", "urgency"], ["@7", text, "老闆說很急"]])
    table = read_table(out.getvalue().encode(), "a.csv")
    rows = QueueRows(table, analyzer.extra_tasks)
    head = rows.head()
    assert head["columns"] == ["'-id", "text", "input_urgency", *column_names()]
    report = analyzer.analyze(text)
    row = rows.row(table.rows[0], report)
    cells = dict(zip(head["columns"], row["cells"], strict=True))
    assert cells["'-id"] == "'@7"
    assert cells["text"] == f"'{text}"
    assert cells["input_urgency"] == "老闆說很急"
    assert cells["urgency"] == report.urgency.labels[0]
    assert cells["category"] == "|".join(report.category.labels)
    assert all(isinstance(cell, str) for cell in row["cells"])
    assert row["text"] == text
    assert row["labels"]["intensity"] == [str(report.intensity.labels[0])]
    assert report.route is not None
    assert row["respond_by"] == report.route.respond_by.isoformat()
