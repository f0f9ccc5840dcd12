"""Corrected files come back: what counts, what is set aside, and that nothing is lost or added twice."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from complaint_nlp.errors import DataError
from complaint_nlp.labelled import read_labelled
from complaint_nlp.review import apply, suggest

Write = Callable[[str, list[dict[str, Any]]], Path]

TEXTS = [
    "=1+1 帳單多扣了兩百元，我要退款",
    "快递丢了三天没人管，@客服 出来说话",
    "第一行冰箱漏水\n第二行請派人來修",
    "店員很親切，謝謝你們",
]


@pytest.fixture
def suggested(write_jsonl: Write, tmp_path: Path) -> Callable[[str, str | None], Path]:
    """Return a function that writes the four messages as a file to correct."""

    def make(name: str, kind: str | None = None) -> Path:
        source = write_jsonl("raw.jsonl", [{"id": f"r{n}", "text": text} for n, text in enumerate(TEXTS)])
        options: dict[str, Any] = {"format": kind}
        suggest(source, tmp_path / name, n=9, speed="fast", **options)
        return tmp_path / name

    return make


def lines(path: Path) -> dict[str, dict[str, Any]]:
    return {row["text"]: row for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())}


def edit_workbook(path: Path, changes: dict[str, dict[str, str | None]]) -> None:
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    names = [str(cell.value).rpartition("\n")[2] for cell in sheet[1]]
    for row in range(2, sheet.max_row + 1):
        for column, value in changes.get(str(sheet.cell(row, names.index("text") + 1).value), {}).items():
            sheet.cell(row, names.index(column) + 1).value = value
    book.save(path)


def edit_csv(path: Path, changes: dict[str, dict[str, str | None]]) -> None:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        row.update({k: str(v) for k, v in changes.get(row["text"].removeprefix("'"), {}).items()})
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize(("name", "edit"), [("c.xlsx", edit_workbook), ("c.csv", edit_csv)])
def test_a_corrected_table_becomes_training_data_once(
    name: str, edit: Any, suggested: Callable[..., Path], tmp_path: Path
) -> None:
    path = suggested(name)
    edit(
        path,
        {
            TEXTS[0]: {"checked": "yes", "urgency": "high", "demands": "退款|apology", "intensity": 2},
            TEXTS[1]: {"category": "service、communication", "note": "弄丟"},
            TEXTS[2]: {"urgency": "soon"},
        },
    )
    summary = apply(path, tmp_path / "train.jsonl", reviewer="王組長")
    found = lines(tmp_path / "train.jsonl")
    assert set(found) == {TEXTS[0], TEXTS[1]}  # formula signs and quotes are what the customer wrote
    first = found[TEXTS[0]]
    assert (first["urgency"], first["demands"], first["intensity"]) == ("high", ["refund", "apology"], 2)
    assert {entry["task"] for entry in first["history"]} >= {"intent", "category", "needs"}  # confirmed by the mark
    assert {entry["by"] for entry in first["history"]} == {"王組長"}
    assert all(len(entry["model"]) == 64 and entry["guess"] is not None for entry in first["history"])
    second = found[TEXTS[1]]
    assert second["category"] == ["service", "communication"]
    assert "urgency" not in second  # not marked as checked: only what was changed
    assert second["history"][0]["note"] == "弄丟"
    assert (len(summary.rejected), summary.untouched, summary.added) == (1, 1, 2)
    assert summary.rejects is not None
    (reject,) = map(json.loads, summary.rejects.read_text(encoding="utf-8").splitlines())
    assert "'soon' is not one of low, medium, high, critical" in reject["reason"]
    assert summary.tasks["demands"].changed + summary.tasks["demands"].kept == 1
    assert sum(summary.tasks["category"].moves.values()) == summary.tasks["category"].changed
    assert len(read_labelled(tmp_path / "train.jsonl")) == 2

    before = (tmp_path / "train.jsonl").read_bytes()
    again = apply(path, tmp_path / "train.jsonl", reviewer="王組長")
    assert (again.applied, again.added, again.updated) == (0, 0, 0)
    assert again.repeated == summary.applied
    assert (tmp_path / "train.jsonl").read_bytes() == before


def test_all_checked_confirms_what_was_left_alone(suggested: Callable[..., Path], tmp_path: Path) -> None:
    path = suggested("c.csv")
    assert apply(path, tmp_path / "t.jsonl").untouched == len(TEXTS)
    assert not (tmp_path / "t.jsonl").exists()
    summary = apply(path, tmp_path / "t.jsonl", all_checked=True)
    assert summary.total == len(TEXTS)
    assert all(task.changed == 0 and task.kept == len(TEXTS) for task in summary.tasks.values())


def test_an_emptied_cell_says_that_none_applies_but_one_value_is_needed(
    suggested: Callable[..., Path], tmp_path: Path
) -> None:
    path = suggested("c.xlsx")
    edit_workbook(path, {TEXTS[0]: {"demands": None}, TEXTS[1]: {"urgency": None}, TEXTS[2]: {"category": "-"}})
    summary = apply(path, tmp_path / "t.jsonl")
    found = lines(tmp_path / "t.jsonl")
    assert found[TEXTS[0]]["demands"] == []
    assert found[TEXTS[2]]["category"] == []
    assert [one.reason for one in summary.rejected] == ["urgency: a value is needed"]


def desk(text: str, task: str, value: object, at: str, **more: object) -> dict[str, Any]:
    return {"text": text, "task": task, "value": value, "guess": ["low"], "model": "f" * 64, "at": at, **more}


def test_the_later_correction_wins_and_both_are_kept(write_jsonl: Write) -> None:
    target = write_jsonl("t.jsonl", [{"id": "a", "text": "冷气坏了", "urgency": "low", "trade": "hotel"}])
    corrections = write_jsonl(
        "desk.jsonl",
        [
            desk("冷气坏了", "urgency", "high", "2026-11-08T10:00:00+08:00", reviewer="李"),
            desk("冷气坏了", "urgency", ["medium"], "2026-11-07T10:00:00Z"),  # written later, but earlier in time
            desk("冷气坏了", "emotion", ["angry", "helpless"], "2026-11-08T03:00:00Z") | {"guess": ["neutral"]},
            desk("冷气坏了", "mood", "bad", "2026-11-08T03:00:00Z"),
            desk("", "urgency", "low", "2026-11-08T03:00:00Z"),
            desk("冷气坏了", "urgency", "low", "yesterday"),
        ],
    )
    summary = apply(corrections, target, reviewer="desk")
    (row,) = lines(target).values()
    assert row["urgency"] == "high"
    assert row["trade"] == "hotel"
    assert "intent" not in row
    assert [(entry["by"], entry["value"]) for entry in row["history"]] == [
        ("before", ["low"]),
        ("李", ["high"]),
        ("desk", ["medium"]),
        ("desk", ["angry", "helpless"]),
    ]
    assert (summary.added, summary.updated, summary.applied, len(summary.rejected)) == (0, 1, 3, 3)
    assert apply(corrections, target, reviewer="desk").applied == 0
    once_more = write_jsonl("desk2.jsonl", [desk("冷气坏了", "urgency", "critical", "2026-11-09T00:00:00Z")])
    assert apply(once_more, target).applied == 1
    (row,) = lines(target).values()
    assert row["urgency"] == "critical"
    assert len(row["history"]) == 5


def test_a_damaged_training_set_is_left_alone(write_jsonl: Write, tmp_path: Path) -> None:
    corrections = write_jsonl("desk.jsonl", [desk("冷气坏了", "urgency", "high", "2026-11-08T10:00:00Z")])
    target = tmp_path / "t.jsonl"
    target.write_text('{"text": "好", "urgency": "low"}\n{"text": "坏", "urgency": "soon"}\n', encoding="utf-8")
    before = target.read_bytes()
    with pytest.raises(DataError, match=r"t\.jsonl:2: urgency: 'soon'"):
        apply(corrections, target)
    assert target.read_bytes() == before
    with pytest.raises(DataError, match="is the corrected file itself"):
        apply(corrections, corrections)


def test_label_studio_annotations_come_back(suggested: Callable[..., Path], tmp_path: Path) -> None:
    path = suggested("tasks.json", "label-studio")
    export = json.loads(path.read_text(encoding="utf-8"))

    def annotation(at: str, cancelled: bool = False, **choices: list[str]) -> dict[str, Any]:  # noqa: FBT001, FBT002
        result = [
            {"from_name": task, "to_name": "text", "type": "choices", "value": {"choices": values}}
            for task, values in choices.items()
        ]
        return {
            "created_at": at,
            "completed_by": {"id": 7, "email": "wang@example.invalid"},
            "was_cancelled": cancelled,
            "result": result,
        }

    task = next(one for one in export if one["data"]["text"] == TEXTS[1])
    rest = {name: values for name, values in task["data"]["guess"].items() if values}
    task["annotations"] = [
        annotation("2026-11-08T02:00:00Z", **(rest | {"urgency": ["高"], "category": ["incident", "服務"]})),
        annotation("2026-11-08T01:00:00Z", **(rest | {"urgency": ["low"]})),
        annotation("2026-11-09T01:00:00Z", cancelled=True),
    ]
    path.write_text(json.dumps(export), encoding="utf-8")
    summary = apply(path, tmp_path / "t.jsonl", reviewer="nobody")
    (row,) = lines(tmp_path / "t.jsonl").values()
    assert row["urgency"] == "high"  # the later annotation, by the name people see
    assert sorted(row["category"]) == ["incident", "service"]
    assert row["history"][0]["by"] == "wang@example.invalid"
    assert row["history"][0]["at"] == "2026-11-08T02:00:00+00:00"
    assert summary.untouched == len(TEXTS) - 1


def test_argilla_responses_come_back(suggested: Callable[..., Path], tmp_path: Path) -> None:
    path = suggested("records.json", "argilla")
    records = json.loads(path.read_text(encoding="utf-8"))
    record = next(one for one in records if one["fields"]["text"] == TEXTS[0])
    record["responses"] = {
        "urgency": [{"value": "high", "user_id": "u1", "status": "submitted"}],
        "demands": [{"value": ["refund"], "user_id": "u1", "status": "submitted"}],
        "emotion": [{"value": ["angry"], "user_id": "u1", "status": "draft"}],
    }
    path.write_text(json.dumps(records), encoding="utf-8")
    summary = apply(path, tmp_path / "t.jsonl", at=datetime(2026, 11, 8, tzinfo=UTC))
    (row,) = lines(tmp_path / "t.jsonl").values()
    assert (row["urgency"], row["demands"], row["needs"]) == ("high", ["refund"], [])
    assert "emotion" not in row  # a draft is no answer
    assert row["history"][0]["by"] == "u1"
    assert summary.untouched == len(TEXTS) - 1


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.json", "{}", "expected a list"),
        ("x.json", "[1, 2", "not readable as JSON"),
        ("x.csv", "a,b\n1,2\n", "no column 'text'"),
        ("x.pdf", "%PDF", "unknown file ending"),
    ],
)
def test_what_is_no_corrected_file_is_refused(name: str, content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=words):
        apply(tmp_path / name, tmp_path / "t.jsonl")
    assert not (tmp_path / "t.jsonl").exists()


def test_strange_entries_of_an_export_are_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps([1, {"data": 5}, {"fields": {}, "metadata": {"guess": "{"}}, {"data": {"text": 3}}]))
    summary = apply(path, tmp_path / "t.jsonl")
    assert len(summary.rejected) == summary.rows == 4
    assert summary.applied == 0
