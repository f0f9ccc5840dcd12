"""Figures are those of scikit-learn, and what is not labelled is not counted."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, classification_report, cohen_kappa_score
from sklearn.preprocessing import MultiLabelBinarizer

from complaint_nlp import TASKS, Analyzer, DataError, Evaluation, evaluate
from complaint_nlp.evaluation import TaskScore, evaluate_labels
from complaint_nlp.train import LabelledMessage

Labels = tuple[str, ...]
Pairs = list[tuple[Labels, Labels]]
"""Reference and answer of every message."""

SINGLE = [name for name, task in TASKS.items() if not task.is_multilabel]
SEVERAL = [name for name, task in TASKS.items() if task.is_multilabel]


def score(task: str, pairs: Pairs, name: str | None = None) -> TaskScore:
    reference: list[dict[str, Labels]] = [{task: truth} for truth, _ in pairs]
    answers: list[dict[str, Labels]] = [{task: answer} for _, answer in pairs]
    return evaluate_labels(answers, reference).tasks[name or task]


@st.composite
def labelled(draw: st.DrawFn, tasks: list[str], least: int, most: int) -> tuple[str, Pairs]:
    task = draw(st.sampled_from(tasks))
    some = st.lists(st.sampled_from(TASKS[task].values), min_size=least, max_size=most, unique=True).map(tuple)
    return task, draw(st.lists(st.tuples(some, some), min_size=1, max_size=25))


def check(found: TaskScore, expected: dict[str, Any], values: Labels) -> None:
    assert list(found.values) == list(values)
    for value, figures in found.values.items():
        theirs = expected[value]
        assert (figures.precision, figures.recall, figures.f1) == pytest.approx(
            (theirs["precision"], theirs["recall"], theirs["f1-score"])
        )
        assert figures.support == theirs["support"]
    occurring = [expected[value]["f1-score"] for value in values if expected[value]["support"]]
    assert found.macro_f1 == pytest.approx(sum(occurring) / len(occurring) if occurring else 0.0)


@given(labelled(SEVERAL, 0, 4))
@example(("needs", [((), ())]))
@example(("demands", [((), ("refund",)), ((), ())]))
@settings(max_examples=60, deadline=None)
def test_several_values_are_scored_as_by_scikit_learn(drawn: tuple[str, Pairs]) -> None:
    task, pairs = drawn
    pairs = [(truth or ("angry",), answer) for truth, answer in pairs] if task == "emotion" else pairs
    values = TASKS[task].values
    found = score(task, pairs)
    binarizer = MultiLabelBinarizer(classes=values).fit([])
    truth, answer = (binarizer.transform(column) for column in zip(*pairs, strict=True))
    report = classification_report(truth, answer, target_names=values, output_dict=True, zero_division=0)
    check(found, report, values)
    assert found.micro_f1 == pytest.approx(report["micro avg"]["f1-score"])
    assert found.exact_match == pytest.approx(accuracy_score(truth, answer))
    assert found.kappa is None
    assert found.messages == len(pairs)


@given(labelled(SINGLE, 1, 1))
@example(("urgency", [(("low",), ("low",))]))
@example(("urgency", [(("low",), ("critical",)), (("critical",), ("low",))]))
@settings(max_examples=60, deadline=None)
def test_single_values_are_scored_as_by_scikit_learn(drawn: tuple[str, Pairs]) -> None:
    task, pairs = drawn
    values = TASKS[task].values
    found = score(task, pairs)
    truth, answer = [one for (one,), _ in pairs], [one for _, (one,) in pairs]
    report = classification_report(truth, answer, labels=list(values), output_dict=True, zero_division=0)
    check(found, report, values)
    assert found.exact_match == pytest.approx(accuracy_score(truth, answer))
    assert found.micro_f1 == pytest.approx(found.exact_match)
    if TASKS[task].kind != "ordinal":
        assert found.kappa is None
    elif len({*truth, *answer}) == 1:
        assert found.kappa is None  # no agreement beyond chance where there is no choice
    else:
        numbers = [[values.index(one) for one in column] for column in (truth, answer)]
        assert found.kappa == pytest.approx(cohen_kappa_score(*numbers, labels=range(len(values)), weights="quadratic"))


def test_primary_emotion_is_scored_beside_all_emotions() -> None:
    pairs: Pairs = [(("angry", "helpless"), ("helpless", "angry")), (("happy",), ("happy", "satisfied"))]
    assert score("emotion", pairs).exact_match == 0.5
    primary = score("emotion", pairs, "emotion_primary")
    assert primary.exact_match == 0.5
    assert primary.values["angry"].recall == 0.0
    assert primary.values["happy"].f1 == 1.0
    assert primary.values["helpless"].support == 0
    assert primary.macro_f1 == 0.5


def test_by_hand() -> None:
    pairs: Pairs = [
        (("refund",), ("refund", "apology")),
        (("refund", "repair"), ("refund",)),
        ((), ()),
        (("repair",), ()),
    ]
    found = score("demands", pairs)
    assert (found.values["refund"].precision, found.values["refund"].recall) == (1.0, 1.0)
    assert found.values["repair"].recall == 0.0
    assert found.values["apology"].precision == 0.0
    assert found.macro_f1 == 0.5  # of refund and repair: nobody asked for an apology
    assert found.micro_f1 == pytest.approx(2 * 2 / (3 + 4))
    assert found.exact_match == 0.25


def test_a_missing_answer_counts_as_wrong() -> None:
    found = score("urgency", [(("low",), ("low",)), (("high",), ())])
    assert found.exact_match == 0.5
    assert found.values["high"].recall == 0.0
    assert found.values["low"].precision == 1.0
    assert score("urgency", [(("low",), ())]).kappa is None


def test_a_task_that_is_not_labelled_is_not_counted() -> None:
    reference: list[dict[str, Labels]] = [{"needs": ("venting",)}, {"intent": ("praise",)}, {"needs": ()}]
    answers: list[dict[str, Labels]] = [{"needs": ("venting",), "intent": ("complaint",)}] * 3
    found = evaluate_labels(answers, reference)
    assert found.messages == 3
    assert list(found.tasks) == ["intent", "needs"]
    assert found.tasks["needs"].messages == 2
    assert found.tasks["needs"].exact_match == 0.5
    assert found.tasks["intent"].exact_match == 0.0


MESSAGES = [
    LabelledMessage("1", "手機一直死機，我要退款！", {"category": ("quality",), "urgency": ("medium",)}),
    LabelledMessage("2", "手机一直死机，我要退款！", {"category": ("quality",), "urgency": ("medium",)}),
    LabelledMessage("3", "", {"category": (), "intent": ("other",)}),
]


def plain(evaluation: Evaluation) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    return result


def test_analyzer_reports_and_files_give_the_same_figures(analyzer: Analyzer, tmp_path: Path) -> None:
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for path, part in zip(paths, (MESSAGES[:2], MESSAGES[2:]), strict=True):
        lines = [
            json.dumps({"id": m.id, "text": m.text} | {k: v if k == "category" else v[0] for k, v in m.labels.items()})
            for m in part
        ]
        path.write_text("\n".join(lines), "utf-8")
    reports = analyzer.analyze_batch([message.text for message in MESSAGES])
    results = [evaluate(analyzer, MESSAGES), evaluate(reports, MESSAGES), evaluate(analyzer, paths)]
    assert len({json.dumps(plain(result)) for result in results}) == 1
    assert results[0].messages == 3
    assert results[0].not_analysed == 1
    assert results[0].tasks["intent"].exact_match == 0.0
    answered = [
        set(map(str, report.category.labels)) == set(m.labels["category"])
        for report, m in zip(reports, MESSAGES, strict=True)
    ]
    assert results[0].tasks["category"].exact_match == pytest.approx(sum(answered) / 3)
    assert evaluate(analyzer, str(paths[0])).messages == 2


def test_one_report_per_message_is_needed(analyzer: Analyzer) -> None:
    with pytest.raises(DataError, match="1 reports for 3 messages; one each is needed"):
        evaluate([analyzer.analyze("手機壞了")], MESSAGES)


def test_nothing_to_evaluate_on_is_refused(analyzer: Analyzer, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    for data in ([], tmp_path / "empty.jsonl", [tmp_path / "empty.jsonl"]):
        with pytest.raises(DataError, match="there is no labelled message"):
            evaluate(analyzer, data)


def test_a_wrong_label_is_refused_with_its_place(analyzer: Analyzer, tmp_path: Path) -> None:
    path = tmp_path / "wrong.jsonl"
    path.write_text('{"text": "好", "urgency": "low"}\n{"text": "坏", "urgency": "soon"}\n', "utf-8")
    with pytest.raises(DataError) as caught:
        evaluate(analyzer, path)
    assert str(caught.value) == f"{path}:2: urgency: 'soon' is not one of low, medium, high, critical"


def test_figures_are_plain_numbers(analyzer: Analyzer) -> None:
    def check_numbers(value: object) -> None:
        if isinstance(value, dict):
            for item in value.values():
                check_numbers(item)
        else:
            assert value is None or type(value) in (int, float)
            assert value is None or math.isfinite(value)  # type: ignore[arg-type]

    check_numbers(evaluate(analyzer, MESSAGES).to_dict())
