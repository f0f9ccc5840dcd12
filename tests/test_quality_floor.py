"""The shipped model must not get worse on the held-out trades of data/messages.jsonl.

``tests/cases/quality_floor.json`` holds a hash of these rows and the least macro-F1 of every task. To renew both
after retraining or after a change of the rows:

    python tests/test_quality_floor.py --renew

This measures models/default and sets every floor to the figure less 0.02, but never below what is required.
"""

import argparse
import hashlib
import json
import math
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from complaint_nlp import TASKS, Analyzer, Evaluation, evaluate
from complaint_nlp.labelled import read_labelled

MESSAGES: Final = Path(__file__).resolve().parent.parent / "data" / "messages.jsonl"
STORED: Final = Path(__file__).resolve().parent / "cases" / "quality_floor.json"
REQUIRED: Final = {"category": 0.65, "urgency": 0.50, "emotion_primary": 0.42}
MARGIN: Final = 0.02
RENEW: Final = "python tests/test_quality_floor.py --renew"


def held_out_rows() -> list[dict[str, Any]]:
    records = [json.loads(line) for line in MESSAGES.read_text(encoding="utf-8").splitlines()]
    return [record for record in records if record["split"] == "test"]


def hash_of(rows: list[dict[str, Any]]) -> str:
    """Return the SHA-256 of the canonical JSON of rows, one a line."""
    lines = (json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n" for row in rows)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def measure(analyzer: Analyzer) -> Evaluation:
    return evaluate(analyzer, read_labelled(MESSAGES, split="test"))


def floors_of(figures: dict[str, float]) -> dict[str, float]:
    """Return a floor per task: a little below the figure, not below what is required."""
    return {
        task: max(math.floor((figure - MARGIN) * 10_000) / 10_000, REQUIRED.get(task, 0.0))
        for task, figure in figures.items()
    }


def shortfalls(figures: dict[str, float], floors: dict[str, float]) -> list[str]:
    return [
        f"{task}: macro-F1 {figures[task]:.4f} is below the floor {floor:.4f}"
        for task, floor in floors.items()
        if figures[task] < floor
    ]


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(STORED.read_text(encoding="utf-8"))
    return content


def test_rows_are_those_the_floors_were_measured_on(stored: dict[str, Any]) -> None:
    rows = held_out_rows()
    assert (len(rows), hash_of(rows)) == (stored["messages"], stored["sha256"]), (
        f"the test rows of {MESSAGES.name} changed, so the floors say nothing about them any more; "
        f"if the change is meant, renew them: {RENEW}"
    )


def test_no_figure_is_below_its_floor(stored: dict[str, Any], analyzer: Analyzer) -> None:
    evaluation = measure(analyzer)
    assert evaluation.messages == stored["messages"]
    assert evaluation.not_analysed <= stored["not_analysed"]
    missed = shortfalls({task: score.macro_f1 for task, score in evaluation.tasks.items()}, stored["floors"])
    assert not missed, "the model got worse on trades it has not seen:\n" + "\n".join(missed)


def test_floors_cover_every_task_and_what_is_required(stored: dict[str, Any]) -> None:
    assert set(stored["floors"]) == {*TASKS, "emotion_primary"}
    assert all(stored["floors"][task] >= least for task, least in REQUIRED.items())
    assert all(0.2 < floor < 1 for floor in stored["floors"].values())


def test_floors_are_the_figures_less_the_margin_but_never_below_what_is_required() -> None:
    assert floors_of({"category": 0.66, "urgency": 0.6, "needs": 0.5}) == {
        "category": 0.65,
        "urgency": 0.58,
        "needs": 0.48,
    }


def test_a_worse_model_is_told_by_task_and_figure() -> None:
    assert shortfalls({"category": 0.6, "urgency": 0.6}, {"category": 0.65, "urgency": 0.5}) == [
        "category: macro-F1 0.6000 is below the floor 0.6500"
    ]


def test_hash_changes_with_any_label_and_not_with_the_order_of_keys() -> None:
    row = {"id": "a", "text": "壞了", "intent": "complaint"}
    assert hash_of([row]) == hash_of([dict(reversed(row.items()))])
    assert hash_of([row]) != hash_of([{**row, "intent": "other"}])
    assert hash_of([row]) != hash_of([row, row])


def renew() -> int:
    """Measure the shipped model, store the floors, and return the exit code."""
    evaluation = measure(Analyzer.load())
    figures = {task: score.macro_f1 for task, score in evaluation.tasks.items()}
    old = json.loads(STORED.read_text(encoding="utf-8"))["floors"] if STORED.exists() else {}
    new = floors_of(figures)
    for task, figure in figures.items():
        print(f"{task:16} {figure:.4f}  floor {old.get(task, 0):.4f} -> {new[task]:.4f}")  # noqa: T201
    missed = shortfalls(figures, new)
    if missed:
        print("not stored, the model does not reach what is required:", *missed, sep="\n")  # noqa: T201
        return 1
    rows = held_out_rows()
    content = {
        "data": "data/messages.jsonl, split test",
        "figure": "macro_f1",
        "messages": len(rows),
        "sha256": hash_of(rows),
        "not_analysed": evaluation.not_analysed,
        "floors": new,
    }
    STORED.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renew", action="store_true", required=True, help="measure and store the floors")
    parser.parse_args()
    sys.exit(renew())
