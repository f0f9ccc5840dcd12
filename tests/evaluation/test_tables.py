"""Pandas in, pandas out: tables as data, labelled tables as predictions, and what an evaluation gives back."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from made import messages_of, random_labels, reports_of

from complaint_nlp import TASKS, Analyzer, ConfigError, DataError, Evaluation, evaluate
from complaint_nlp.batch.files import label
from complaint_nlp.evaluation import evaluate_labels
from complaint_nlp.report import arrow_schema

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = (
    "手機才買一週就一直死機，打0912345678也沒人接，我要退款！",
    "快递显示签收但我根本没收到，客服一直不回复，投诉无门",
    "這顆行動電源壞了，打客服没人接",
    "謝謝店員幫忙，非常滿意！",
    "营业时间到几点？",
    "電梯突然下墜，我媽受傷送醫，你們要負責",
)
ROWS: list[dict[str, Any]] = [
    {
        "id": f"r{row}",
        "text": text,
        "channel": "app" if row % 2 else "電話",
        "intent": "praise" if row == 3 else "complaint",
        "category": [["quality"], ["incident", "service"], ["quality"], [], ["service"], ["incident"]][row],
        "urgency": "medium",
        "intensity": row % 4,
    }
    for row, text in enumerate(TEXTS)
]


def figures(evaluation: Evaluation) -> str:
    return json.dumps(evaluation.to_dict())


@pytest.fixture(scope="module")
def jsonl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "ours.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS), "utf-8")
    return path


def test_data_frames_of_lists_and_of_joined_texts_are_the_file(analyzer: Analyzer, jsonl: Path) -> None:
    expected = figures(evaluate(analyzer, jsonl))
    lists = pd.DataFrame(ROWS)
    cells: list[Any] = ["|".join(row["category"]) or None for row in ROWS]
    joined = lists.assign(category=cells, intensity=lists["intensity"] * 1.0)
    assert figures(evaluate(analyzer, lists)) == expected
    assert figures(evaluate(analyzer, joined)) == expected
    splits: list[Any] = ["test", "train", "test", None, "train", "test"]
    part = lists.assign(split=splits)
    assert evaluate(analyzer, part, split="test").messages == 4


def test_a_missing_list_is_not_labelled_and_an_empty_one_is_labelled_as_none(analyzer: Analyzer) -> None:
    frame = pd.DataFrame({"text": TEXTS[:3], "needs": [["venting"], [], None]})
    assert evaluate(analyzer, frame).tasks["needs"].messages == 2
    with pytest.raises(DataError, match="row 2: urgency: 'soon' is not one of low"):
        evaluate(analyzer, pd.DataFrame({"text": TEXTS[:2], "urgency": ["low", "soon"]}))


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_labelled_file_counts_as_the_model_that_wrote_it(
    analyzer: Analyzer, jsonl: Path, tmp_path: Path, ending: str
) -> None:
    bare = tmp_path / "bare.jsonl"
    bare.write_text("".join(json.dumps({"id": r["id"], "text": r["text"]}) + "\n" for r in ROWS[::-1]), "utf-8")
    target = tmp_path / f"labelled.{ending}"
    label(bare, target)
    expected = evaluate(analyzer, jsonl)
    found = evaluate(target, jsonl)  # in another order: put together by id
    assert figures(found) == figures(expected)
    assert found.calibration("intent").brier == pytest.approx(expected.calibration("intent").brier, abs=1e-3)
    wrong, theirs = found.errors("intensity"), expected.errors("intensity")
    assert len(wrong) > 1
    columns = ["id", "text", "true", "predicted", "decision", "evidence"]
    assert sorted(wrong[columns].to_numpy().tolist()) == sorted(theirs[columns].to_numpy().tolist())


def test_frames_and_arrow_tables_and_masked_ones_are_predictions_too(analyzer: Analyzer, jsonl: Path) -> None:
    import pyarrow as pa

    expected = figures(evaluate(analyzer, jsonl))
    reports = analyzer.analyze_batch(TEXTS)
    rows = [report.to_columns(mask=True) for report in reports]
    table = pa.Table.from_pylist(rows, schema=arrow_schema())
    assert figures(evaluate(table, jsonl)) == expected
    masked = pd.DataFrame(rows).assign(text=[report.masked().text for report in reports])
    assert "0912345678" not in masked["text"][0]
    assert figures(evaluate(masked, jsonl)) == expected


def test_predictions_of_other_messages_are_refused(analyzer: Analyzer, jsonl: Path) -> None:
    rows = pd.DataFrame([report.to_columns() for report in analyzer.analyze_batch(TEXTS)]).assign(text=TEXTS)
    with pytest.raises(DataError, match="5 rows for 6 messages"):
        evaluate(rows[:5], jsonl)
    with pytest.raises(DataError, match="row 1 holds another text than message 'r0'") as caught:
        evaluate(rows[::-1], jsonl)
    assert "手機" not in str(caught.value)
    with pytest.raises(DataError, match="has none of the columns intent"):
        evaluate(rows[["text"]], jsonl)
    with pytest.raises(DataError, match="row 3: intent: 'rant' is not one of"):
        evaluate(rows.assign(intent=["other", "other", "rant", "other", "other", "other"]), jsonl)
    with pytest.raises(DataError, match="row 1: a confidence is a number from 0 to 1, got '7'"):
        evaluate(rows.assign(intent_confidence=7), jsonl)
    with pytest.raises(DataError, match="expected an Analyzer, reports or a labelled table, got str"):
        evaluate(["praise"], jsonl)


def test_a_table_without_confidences_says_so(jsonl: Path) -> None:
    evaluation = evaluate(pd.DataFrame({"intent": [row["intent"] for row in ROWS]}), jsonl)
    assert list(evaluation.tasks) == ["intent"]
    assert evaluation.tasks["intent"].exact_match == 1.0
    with pytest.raises(DataError, match="the predictions hold no intent_confidence"):
        evaluation.calibration("intent")


def test_any_column_of_a_file_or_frame_divides_the_messages(analyzer: Analyzer, jsonl: Path, tmp_path: Path) -> None:
    other = tmp_path / "more.csv"
    other.write_text("text,urgency,channel\n燈壞了請來修,medium,電話\n灯又坏了,low,app\n", "utf-8")
    evaluation = evaluate(analyzer, [jsonl, other])
    for by in (evaluation, evaluate(analyzer, pd.DataFrame(ROWS))):
        table = by.slices("channel", "urgency", min_messages=2, n_resamples=10).set_index("value")
        half = by.messages // 2
        assert table["messages"].to_dict() == {"電話": half, "app": half}
    assert evaluation.task_answers("urgency").labels(7, truth=True) == ["low"]


# --- out


def test_frames_hold_the_figures() -> None:
    truth = random_labels(1, 50)
    evaluation = evaluate_labels(random_labels(2, 50, like=truth), truth)
    summary = evaluation.summary()
    assert list(summary.index) == list(evaluation.tasks)
    for name, score in evaluation.tasks.items():
        assert summary.loc[name, "macro_f1"] == score.macro_f1
        assert summary.loc[name, "weighted_f1"] == score.averages["weighted"].f1
        table = evaluation.to_frame(name)
        assert table["f1"].to_list() == [one.f1 for one in dict(score.values).values()]
        assert table["support"].sum() == score.averages["micro"].support
    assert summary["kappa"].notna().sum() == 2
    assert len(evaluation.to_frame()) == sum(len(score.values) for score in evaluation.tasks.values())
    assert set(TASKS) < set(evaluation.to_frame()["task"])


def test_the_worst_confident_mistakes_come_first() -> None:
    labels = random_labels(3, 6)
    labels = [{**one, "urgency": ("high",), "category": ("quality",)} for one in labels]
    answers = [{**one, "urgency": ("low",) if row % 2 else ("high",)} for row, one in enumerate(labels)]
    answers[0]["category"] = ("quality", "price")
    answers[4]["category"] = ("price",)
    messages = messages_of(labels)
    sure = [0.9, 0.2, 0.8, 0.95, 0.6, 0.7]
    evaluation = evaluate(reports_of(messages, answers, {"urgency": sure, "category": sure}), messages)
    errors = evaluation.errors("urgency", 2)
    assert errors["id"].to_list() == ["m3", "m5"]
    assert errors.loc[0].to_dict() == {
        "id": "m3",
        "text": messages[3].text,
        "true": "high",
        "predicted": "low",
        "confidence": pytest.approx(0.95),
        "decision": "auto",
        "evidence": messages[3].text[4:8],
    }
    # the primary value wrong, though less sure, before one that is right but not alone
    assert evaluation.errors("category")["id"].to_list() == ["m4", "m0"]
    with pytest.raises(ValueError, match="n must not be negative"):
        evaluation.errors("urgency", -1)


def test_mistakes_are_masked_on_request(analyzer: Analyzer) -> None:
    frame = pd.DataFrame({"text": [TEXTS[0]], "intent": ["praise"]})
    evaluation = evaluate(analyzer, frame)
    assert "0912345678" in evaluation.errors("intent")["text"][0]
    assert "打**********也" in evaluation.errors("intent", mask=True)["text"][0]


@pytest.mark.parametrize(("module", "ask"), [("pandas", "summary"), ("matplotlib", "to_html")])
def test_without_the_extra_the_command_to_install_it_is_named(
    monkeypatch: pytest.MonkeyPatch, module: str, ask: str
) -> None:
    truth = random_labels(1, 5)
    evaluation = evaluate_labels(truth, truth)
    monkeypatch.setitem(sys.modules, module, None)
    assert evaluation.to_dict()["messages"] == 5
    with pytest.raises(ConfigError, match=r"pip install 'complaint-nlp\[viz\]'"):
        getattr(evaluation, ask)()


def test_an_evaluation_is_shown_in_a_line(analyzer: Analyzer, jsonl: Path) -> None:
    evaluation = evaluate(analyzer, jsonl)
    shown = repr(evaluation)
    assert f"{evaluation.messages:,} messages" in shown
    assert f"urgency: {evaluation.tasks['urgency'].macro_f1:.3f}" in shown
    assert len(shown) < 400
