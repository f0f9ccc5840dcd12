"""The commands of the correction loop on the command line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import typer
from typer.testing import CliRunner

from complaint_nlp.cli.review import drift, review
from complaint_nlp.errors import DataError

ROOT = Path(__file__).resolve().parent.parent.parent
MIXED = ROOT / "data" / "samples" / "mixed.csv"


class Result(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the commands as the program has them."""
    monkeypatch.setenv("COLUMNS", "160")
    app = typer.Typer()
    app.add_typer(review)
    app.command()(drift)

    def call(*arguments: object) -> Result:
        given = CliRunner().invoke(app, list(map(str, arguments)))
        if isinstance(given.exception, DataError):
            return Result(2, given.stdout, str(given.exception))
        return Result(given.exit_code, given.stdout, given.stderr)

    return call


def test_messages_go_out_and_corrections_come_back(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    given = run("review", "suggest", MIXED, path, "--n", 8, "--speed", "fast", "--mask", "--task", "urgency")
    assert given.code == 0, given.err
    assert "8 of 69 messages written" in given.out or "8 of 7" in given.out
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 8
    for row in rows:
        row["urgency"] = "critical"
    rows[0]["urgency"] = "at once"
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    target = tmp_path / "training.jsonl"
    given = run("review", "apply", path, "--to", target, "--reviewer", "王", "--all-checked")
    assert given.code == 0, given.err
    assert "→ critical" in given.out
    assert "7 corrections applied: 7 messages added, 0 updated, 7 in" in given.out
    assert "row 1: urgency: 'at once' is not one of" in given.err
    assert "out.csv.rejects.jsonl" in given.err
    again = run("review", "apply", path, "--to", target, "--reviewer", "王", "--all-checked")
    assert "0 corrections applied, 7 were there already" in again.out
    written = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert {row["urgency"] for row in written} == {"critical"}


def test_wrong_options_end_with_code_2(run: Run, tmp_path: Path) -> None:
    for arguments in (
        ("review", "suggest", MIXED, tmp_path / "o.csv", "--format", "pdf"),
        ("review", "suggest", MIXED, tmp_path / "o.csv", "--language", "fr"),
        ("review", "suggest", MIXED, tmp_path / "o.csv", "--task", "mood"),
        ("review", "apply", tmp_path / "none.csv", "--to", tmp_path / "t.jsonl"),
        ("drift", MIXED, MIXED, "--fail-on", "stable"),
        ("drift", MIXED, MIXED),
    ):
        assert run(*arguments).code == 2, arguments
    assert list(tmp_path.iterdir()) == []


def labelled(path: Path, urgencies: list[str]) -> Path:
    words = ["冰箱漏水", "快递太慢", "客服態度差", "多收錢", "東西壞了"]
    rows = [
        {
            "text": words[n % 5],
            "urgency": urgency,
            "urgency_confidence": 0.5 + n % 7 / 20,
            "urgency_decision": "suggest",
        }
        for n, urgency in enumerate(urgencies)
    ]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n", encoding="utf-8")
    return path


def test_drift_ends_with_code_1_where_it_was_asked_to(run: Run, tmp_path: Path) -> None:
    old = labelled(tmp_path / "old.jsonl", ["low", "medium"] * 100)
    new = labelled(tmp_path / "new.jsonl", ["high", "medium"] * 100)
    same = run("drift", old, old, "--fail-on", "watch")
    assert same.code == 0, same.err
    assert "穩定" in same.out
    found = run("drift", old, new, "--fail-on", "drifted", "--language", "en")
    assert found.code == 1
    assert "drifted: messages clearly differ" in found.out
    assert "high 0.0%→50.0%" in found.out
    content = run("drift", old, new, "--json")
    assert content.code == 0
    assert json.loads(content.out)["verdict"] == "drifted"
