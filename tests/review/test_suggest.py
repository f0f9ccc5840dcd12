"""Which messages are picked, why, and the files people get."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import openpyxl
import pytest

from complaint_nlp.errors import DataError
from complaint_nlp.labels import TASKS
from complaint_nlp.review import suggest
from complaint_nlp.review.formats import FORMATS, escaped, unescaped

Write = Callable[[str, list[dict[str, Any]]], Path]

TRICKY = [
    '=HYPERLINK("http://example.invalid","退款")我要退款，等了三天都沒人理',
    "+886 這支電話一直沒人接，客服在幹嘛",
    "-10 分，服务态度太差了，再也不来了",
    "@客服 帳單多扣兩百元，請退回來",
    "＝SUM(1) 冰箱又壞了，修三次還是漏水",
    "'=1+1 外卖洒了一半，骑手还骂人",
    "第一行說退款\r\n第二行說道歉，快點處理\x07",
]


def read_csv(path: Path) -> list[dict[str, str]]:
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def test_a_labelled_table_gives_unsure_rare_and_unlike_messages(
    labelled: list[dict[str, Any]], write_jsonl: Write, tmp_path: Path
) -> None:
    labelled = [row for row in labelled if row["status"] == "ok"][:300]
    table = write_jsonl("labelled.jsonl", labelled)
    found = suggest(table, tmp_path / "out.csv", n=60, speed="fast")
    assert len(found.picked) == len({one.text for one in found.picked}) == 60
    assert {"uncertain", "rare", "diverse"} <= set(found.reasons)
    assert found.looked_at == len(labelled)
    chosen = {one.id for one in found.picked if "uncertain" in one.why}
    mean = {
        kind: sum(row["urgency_confidence"] + row["subcategory_confidence"] for row in rows) / len(rows)
        for kind, rows in (
            ("picked", [row for row in labelled if row["id"] in chosen]),
            ("all", labelled),
        )
    }
    assert mean["picked"] < mean["all"] - 0.1
    assert any("linear" in note for note in found.notes)  # the table is the linear model's: nothing to compare
    assert found.picked == suggest(table, tmp_path / "again.csv", n=60, speed="fast").picked


@pytest.mark.parametrize(("language", "words"), [("zh-Hant", "沒把握"), ("zh-Hans", "没把握"), ("en", "uncertain")])
def test_every_message_says_why_it_was_picked(
    language: Any, words: str, labelled: list[dict[str, Any]], write_jsonl: Write, tmp_path: Path
) -> None:
    table = write_jsonl("labelled.jsonl", labelled[:80])
    found = suggest(table, tmp_path / "out.csv", n=12, language=language, speed="fast")
    assert all(one.why and all(one.why.values()) for one in found.picked)
    assert any(words in one.why.get("uncertain", "") for one in found.picked)
    assert [row["why"].strip() for row in read_csv(tmp_path / "out.csv")].count("") == 0


def test_raw_messages_are_labelled_and_both_classifiers_compared(
    messages: list[dict[str, Any]], write_jsonl: Write, tmp_path: Path
) -> None:
    rows = [{"text": record["text"]} for record in messages[:40]] + [{"text": "ok fine thanks"}, {"text": None}]
    found = suggest(write_jsonl("raw.jsonl", rows), tmp_path / "out.csv", n=15)
    assert found.left_out == 1
    assert found.looked_at == 40  # the English one cannot be analysed
    disagreeing = [one for one in found.picked if "disagree" in one.why]
    assert disagreeing
    assert all("↔" in one.why["disagree"] for one in disagreeing)
    assert all(set(one.guess) == set(TASKS) and len(one.model) == 64 for one in found.picked)


def test_wrong_labels_by_people_are_found(messages: list[dict[str, Any]], write_jsonl: Write, tmp_path: Path) -> None:
    pytest.importorskip("cleanlab")
    rows = [dict(record) for record in messages[:250]]
    clear = [place for place, row in enumerate(rows) if row["intent"] == "praise" and row["emotion"][0] == "happy"]
    wrong = {rows[place]["id"] for place in clear[:8]}
    for place in clear[:8]:
        rows[place] |= {"intent": "complaint", "emotion": ["angry"]}
    assert len(wrong) >= 4
    found = suggest(
        write_jsonl("human.jsonl", rows), tmp_path / "out.csv", n=60, speed="fast", tasks=["intent", "emotion"]
    )
    doubted = {one.id for one in found.picked if "label_error" in one.why}
    assert len(doubted & wrong) >= len(wrong) * 0.75
    (one,) = [one for one in found.picked if one.id in wrong and "label_error" in one.why][:1]
    assert one.guess["intent"] == ("complaint",) or "emotion" in one.guess  # what people said is what stands there


def test_without_cleanlab_the_rest_goes_on(
    messages: list[dict[str, Any]], write_jsonl: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    found = suggest(write_jsonl("human.jsonl", messages[:60]), tmp_path / "out.csv", n=10, speed="fast")
    assert len(found.picked) == 10
    assert any("pip install 'complaint-nlp[review]'" in note for note in found.notes)


def test_the_workbook_can_be_edited_and_holds_no_formula(write_jsonl: Write, tmp_path: Path) -> None:
    source = write_jsonl("raw.jsonl", [{"text": text} for text in TRICKY])
    found = suggest(source, tmp_path / "out.xlsx", n=20, speed="fast", language="zh-Hans")
    assert len(found.picked) == len(TRICKY)
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").worksheets[0]
    cells = [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s"}
    names = [str(cell.value).rpartition("\n")[2] for cell in sheet[1]]
    place = {name: openpyxl.utils.get_column_letter(i) for i, name in enumerate(names, 1)}
    assert "类别" in str(sheet[f"{place['category']}1"].value)
    assert "投诉" in sheet[f"{place['intent']}1"].comment.text
    rules = {str(rule.sqref): rule.formula1 for rule in sheet.data_validations.dataValidation}
    assert rules[f"{place['urgency']}2:{place['urgency']}8"] == '"low,medium,high,critical"'
    assert f"{place['category']}2:{place['category']}8" not in rules  # several values would be refused
    assert sheet.auto_filter.ref.startswith("A1:")
    assert sheet.column_dimensions[place["guess_intent"]].hidden


def test_no_cell_of_a_csv_begins_a_formula(write_jsonl: Write, tmp_path: Path) -> None:
    source = write_jsonl("raw.jsonl", [{"text": text, "id": f"=cmd{n}"} for n, text in enumerate(TRICKY)])
    suggest(source, tmp_path / "out.csv", n=20, speed="fast")
    rows = read_csv(tmp_path / "out.csv")
    assert len(rows) == len(TRICKY)
    for row in rows:
        assert not any(cell[:1] in "=+@＝\t\r" for cell in row.values() if cell)
        assert not any(cell.startswith("-") and cell != "-" for cell in row.values())
    assert {unescaped(row["text"]) for row in rows} >= set(TRICKY[:5])


@pytest.mark.parametrize("text", [*TRICKY, "-", "'", "''=", "'-", "普通", ""])
def test_escaping_is_undone_exactly(text: str) -> None:
    assert unescaped(escaped(text)) == text


def test_label_studio_gets_a_configuration_that_fits_its_tasks(
    labelled: list[dict[str, Any]], write_jsonl: Write, tmp_path: Path
) -> None:
    table = write_jsonl("labelled.jsonl", labelled[:30])
    found = suggest(table, tmp_path / "out.json", n=5, format="label-studio", speed="fast")
    assert [path.name for path in found.files] == ["out.json", "out.config.xml"]
    view = ET.fromstring((tmp_path / "out.config.xml").read_text(encoding="utf-8"))  # noqa: S314 - our own file
    choices = {node.get("name"): [one.get("alias") for one in node] for node in view.iter("Choices")}
    assert choices == {name: list(task.values) for name, task in TASKS.items()}
    for task in json.loads((tmp_path / "out.json").read_text(encoding="utf-8")):
        for part in task["predictions"][0]["result"]:
            assert set(part["value"]["choices"]) <= set(choices[part["from_name"]])


def test_argilla_gets_records_and_settings_that_fit(
    labelled: list[dict[str, Any]], write_jsonl: Write, tmp_path: Path
) -> None:
    table = write_jsonl("labelled.jsonl", labelled[:30])
    suggest(table, tmp_path / "out.json", n=5, format="argilla", tasks=["urgency", "demands"], speed="fast")
    settings = json.loads((tmp_path / "out.settings.json").read_text(encoding="utf-8"))
    kinds = {one["name"]: one["settings"]["type"] for one in settings["questions"]}
    assert kinds == {"urgency": "label_selection", "demands": "multi_label_selection"}
    records = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert len(records) == 5
    assert all(set(record["fields"]) == {one["name"] for one in settings["fields"]} for record in records)
    assert all(isinstance(record["suggestions"]["urgency"]["value"], str) for record in records)


def test_personal_data_is_hidden_on_request(write_jsonl: Write, tmp_path: Path) -> None:
    texts = ["請打0912345678給王小明，冰箱又壞了", "打我电话13800138000，快递丢了没人管"]
    source = write_jsonl("raw.jsonl", [{"text": text} for text in texts])
    suggest(source, tmp_path / "out.csv", n=5, mask=True, speed="fast")
    written = (tmp_path / "out.csv").read_text(encoding="utf-8")
    assert "0912345678" not in written
    assert "13800138000" not in written
    assert "冰箱又壞了" in written


def test_wrong_options_are_refused_before_anything_is_written(write_jsonl: Write, tmp_path: Path) -> None:
    source = write_jsonl("raw.jsonl", [{"text": "壞了，我要退款"}])
    refused: list[tuple[str, dict[str, Any], str]] = [
        ("out.txt", {}, "--format"),
        ("out.csv", {"format": "xlsx"}, ".xlsx"),
        ("out.csv", {"n": 0}, "between 1 and"),
        ("out.csv", {"tasks": ["mood"]}, "unknown task 'mood'"),
        ("out.csv", {"text_column": "body"}, "no column 'body'"),
    ]
    for name, options, words in refused:
        with pytest.raises(DataError, match=words):
            suggest(source, tmp_path / name, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["raw.jsonl"]
    (tmp_path / "out.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match="exists already"):
        suggest(source, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "mine"
    assert len(FORMATS) == 4
