"""The command that measures a model, with everything that can be asked of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner

from complaint_nlp import Analyzer, DataError
from complaint_nlp.cli.evaluate import evaluate
from complaint_nlp.labelled import read_labelled

if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGES = Path(__file__).resolve().parent.parent.parent / "data" / "messages.jsonl"
COUNT = 90

app = typer.Typer()
app.command()(evaluate)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the first messages of the test part, with one that holds a phone number and a wrong label."""
    path = tmp_path_factory.mktemp("evaluate") / "part.jsonl"
    records = [json.loads(line) for line in MESSAGES.read_text(encoding="utf-8").splitlines()]
    kept = [record for record in records if record["split"] == "test"][:COUNT]
    kept[0] |= {"text": "洗衣機漏水，請打0912345678，我要投訴", "intent": "praise"}
    for row, record in enumerate(kept):
        record["channel"] = "app" if row % 2 else "電話"
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in kept), encoding="utf-8")
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, analyzer: Analyzer) -> Callable[..., str]:
    """Return a function that runs the command with the model that is loaded already and returns its output."""
    monkeypatch.setattr(Analyzer, "load", lambda *_, **__: analyzer)
    monkeypatch.setenv("COLUMNS", "220")

    def call(*arguments: object) -> str:
        result = CliRunner().invoke(app, list(map(str, arguments)))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    return call


def test_intervals_slices_and_mistakes_are_printed_on_request(run: Callable[..., str], data: Path) -> None:
    plain = run(data, "--by-task")
    assert f"({COUNT} messages)" in " ".join(plain.split())
    assert "ECE" in plain
    assert "95 %" not in plain
    out = run(data, "--by-task", "--intervals", "--by", "channel", "--by", "script", "--errors", "intent", "--top", "3")
    assert "95 %" in out
    for shown in ("by channel", "by script", "電話", "traditional", "intent: mistakes", "praise"):
        assert shown in out
    assert "worse than the rest" in out or "no slice is worse" in out
    assert "請打0912345678" in out
    assert "0912345678" not in run(data, "--by-task", "--errors", "intent", "--mask")


def test_json_holds_what_was_asked_for(run: Callable[..., str], data: Path) -> None:
    bare = json.loads(run(data, "--json"))
    assert set(bare) == {"messages", "not_analysed", "tasks"}
    found = json.loads(
        run(data, "--json", "--by-task", "--intervals", "--by", "all", "--errors", "urgency", "--top", 2)
    )
    assert {one["figure"] for one in found["intervals"]} == {
        "macro_f1",
        "micro_f1",
        "weighted_f1",
        "exact_match",
        "kappa",
    }
    exact: dict[str, Any] = next(one for one in found["intervals"] if one["figure"] == "exact_match")
    assert exact["low"] <= found["tasks"][exact["task"]]["exact_match"] <= exact["high"]
    assert {one["by"] for one in found["slices"]} >= {"script", "length"}
    assert len(found["errors"]["urgency"]) == 2
    assert isinstance(found["worst_slices"], list)


def test_a_labelled_table_stands_for_the_model(
    run: Callable[..., str], data: Path, analyzer: Analyzer, tmp_path: Path
) -> None:
    table = tmp_path / "predictions.jsonl"
    rows = [
        {"id": message.id, **analyzer.analyze(message.text).to_columns()} for message in read_labelled(data)[:COUNT]
    ]
    lines = [json.dumps(row, ensure_ascii=False, default=str) for row in rows]
    table.write_text("\n".join(lines), encoding="utf-8")
    theirs, ours = (json.loads(run(data, "--json", *more)) for more in ((), ("--predictions", table)))
    assert ours == theirs


def test_the_page_is_written_and_hides_personal_data(run: Callable[..., str], data: Path, tmp_path: Path) -> None:
    few, target = tmp_path / "few.jsonl", tmp_path / "page.html"
    records = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()]
    kept = [{key: record[key] for key in ("text", "intent", "needs")} for record in records]
    few.write_text("\n".join(json.dumps(record) for record in kept), encoding="utf-8")
    assert "macro-F1" in run(few, "--html", target)
    page = target.read_text(encoding="utf-8")
    assert "意圖" in page
    assert "data:image/png;base64," in page
    assert "0912345678" not in page


def test_a_wrong_column_or_task_is_named(run: Callable[..., str], data: Path) -> None:
    with pytest.raises(DataError, match="no column 'chanel' in the data; there are id, trade"):
        run(data, "--by", "chanel")
    with pytest.raises(DataError, match="task 'mood' was not evaluated"):
        run(data, "--errors", "mood")
