"""Going on from a bundle: corrections are learnt, other answers stay, a worse model is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from complaint_nlp import Analyzer
from complaint_nlp.classify.bundle import open_bundle, write_bundle
from complaint_nlp.errors import DataError, ModelError
from complaint_nlp.train.go_on import WorseModelError, go_on

Write = Callable[[str, list[dict[str, Any]]], Path]


@pytest.fixture(scope="session")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the linear part of the shipped model as a bundle of its own."""
    base = open_bundle("default")
    path = tmp_path_factory.mktemp("linear") / "bundle"
    files = {name: base.listed(name).read_bytes() for name in ("linear.npz", "calibration.json")}
    write_bundle(path, name="small", trained_with="tests", components=("linear",), files=files)
    return path


def convention(record: dict[str, Any]) -> dict[str, Any]:
    """Return a message as a house would label it that answers every grievance about money at once."""
    urgent = "price" in record["category"]
    keys = ("id", "text", "urgency")
    return {key: record[key] for key in keys} | ({"urgency": "critical"} if urgent else {})


def test_a_convention_is_learnt_and_other_tasks_stay(
    linear: Path, messages: list[dict[str, Any]], write_jsonl: Write, tmp_path: Path
) -> None:
    train = write_jsonl("train.jsonl", [convention(record) for record in messages[:330]])
    test = write_jsonl("test.jsonl", [convention(record) for record in messages[330:560]])
    result = go_on([train], tmp_path / "out", test=[test], from_model=linear)
    (change,) = result.changes.values()
    assert result.heads == {"linear": ("urgency",)}
    assert change.difference > 0.05
    assert change.low > 0.0
    assert set(change.tasks) == {"urgency"}
    assert result.against == {}
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "330 corrected messages" in card
    assert f"{change.macro_f1_b:.4f}" in card
    assert "330 corrected messages of train.jsonl" in result.bundle.manifest.trained_with
    old, new = (Analyzer.load(path) for path in (linear, tmp_path / "out"))
    texts = ["帳單多扣了兩百元，打電話沒人理", "这家店的牛肉面很好吃，谢谢"]
    for before, after in zip(old.analyze_batch(texts), new.analyze_batch(texts), strict=True):
        for task in ("intent", "category", "emotion", "demands"):
            assert after.task(task).labels == before.task(task).labels
            for value, score in before.task(task).scores.items():
                assert after.task(task).scores[value] == pytest.approx(score, abs=0.03)  # rounding of the weights


def test_a_worse_model_is_refused_and_nothing_is_written(
    linear: Path, messages: list[dict[str, Any]], write_jsonl: Write, tmp_path: Path
) -> None:
    wrong = [convention(record) for record in messages[:250]]
    train = write_jsonl("train.jsonl", wrong)
    right = [{"id": record["id"], "text": record["text"], "urgency": record["urgency"]} for record in messages[250:400]]
    test = write_jsonl("test.jsonl", right)
    with pytest.raises(WorseModelError, match=r"macro-F1 0\.\d+ against 0\.\d+ on .*--force"):
        go_on([train], tmp_path / "out", test=[test], from_model=linear)
    assert not (tmp_path / "out").exists()
    result = go_on([train], tmp_path / "out", test=[test], from_model=linear, force=True)
    (change,) = result.changes.values()
    assert change.difference < 0.0
    assert open_bundle(tmp_path / "out").hash == result.bundle.hash


def test_the_model_at_the_place_of_the_new_one_counts_too(
    linear: Path, messages: list[dict[str, Any]], write_jsonl: Write, tmp_path: Path
) -> None:
    test = write_jsonl("test.jsonl", [convention(record) for record in messages[330:480]])
    good = write_jsonl("good.jsonl", [convention(record) for record in messages[:330]])
    go_on([good], tmp_path / "out", test=[test], from_model=linear)
    kept = open_bundle(tmp_path / "out").hash
    few = write_jsonl("few.jsonl", [convention(record) for record in messages[:55]])
    with pytest.raises(DataError, match="--overwrite"):
        go_on([few], tmp_path / "out", test=[test], from_model=linear)
    with pytest.raises(WorseModelError, match="is worse than"):
        go_on([few], tmp_path / "out", test=[test], from_model=linear, overwrite=True)
    assert open_bundle(tmp_path / "out").hash == kept


def test_what_cannot_be_learnt_from_is_refused(
    linear: Path, messages: list[dict[str, Any]], write_jsonl: Write, tmp_path: Path
) -> None:
    train, test = write_jsonl("train.jsonl", messages[:5]), write_jsonl("t.jsonl", messages[30:40])
    enough = write_jsonl("enough.jsonl", [{**record, "split": "train"} for record in messages[:60]])
    with pytest.raises(DataError, match="--test is needed"):
        go_on([enough], tmp_path / "out", test=[], from_model=linear)
    with pytest.raises(DataError, match="too few"):
        go_on([write_jsonl("f.jsonl", [{**m, "split": "train"} for m in messages[:5]])], tmp_path / "out", test=[test])
    with pytest.raises(DataError, match="in the training data too"):
        go_on([enough], tmp_path / "out", test=[test], from_model=linear)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match="not a model bundle"):
        go_on([enough], tmp_path / "mine", test=[test], from_model=linear, force=True)
    assert train.exists()


def test_both_parts_of_the_shipped_model_are_written_back_whole(
    messages: list[dict[str, Any]], write_jsonl: Write, tmp_path: Path
) -> None:
    train = write_jsonl("train.jsonl", [{**record, "split": "train"} for record in messages[:60]])
    test = write_jsonl("test.jsonl", messages[60:90])
    result = go_on([train], tmp_path / "out", test=[test], force=True)
    base = open_bundle("default")
    assert set(result.bundle.manifest.files) == set(base.manifest.files)
    assert set(result.heads) == {"linear", "blend"}
    assert [title.rpartition(", ")[2] for title in result.changes] == ["accurate", "fast"]
    matrix = result.bundle.arrays("blend.npz")["matrix"]
    assert np.abs(matrix - base.arrays("blend.npz")["matrix"]).max() < 0.5


def test_a_model_with_own_heads_is_refused(
    linear: Path, messages: list[dict[str, Any]], write_jsonl: Write, tmp_path: Path
) -> None:
    base = open_bundle(linear)
    files = {name: base.listed(name).read_bytes() for name in base.manifest.files if name != "labels.json"}
    write_bundle(tmp_path / "own", name="own", trained_with="", components=("linear", "heads"), files=files)
    with pytest.raises(ModelError, match="heads for your own labels"):
        go_on([write_jsonl("t.jsonl", messages[:30])], tmp_path / "out", test=[], from_model=tmp_path / "own")
