"""Confidence: figures are scikit-learn's, and where it is not known, that is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import Labels, messages_of, random_labels, reports_of
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, brier_score_loss, confusion_matrix, multilabel_confusion_matrix

from complaint_nlp import TASKS, DataError, Evaluation, evaluate
from complaint_nlp.evaluation import evaluate_labels
from complaint_nlp.report import Report, Status

if TYPE_CHECKING:
    from complaint_nlp.evaluation.calibration import Strategy


def made(seed: int, count: int = 80) -> Evaluation:
    generator = np.random.default_rng(seed)
    truth = random_labels(seed, count)
    messages = messages_of(truth)
    answers = random_labels(seed + 1, count, like=truth)
    # coarse, so that equal confidences occur
    confidence = {name: np.round(generator.random(count), 2).tolist() for name in TASKS}
    return evaluate(reports_of(messages, answers, confidence), messages)


@given(
    st.integers(0, 10_000), st.sampled_from(list(TASKS)), st.sampled_from(["uniform", "quantile"]), st.integers(1, 20)
)
@settings(max_examples=10, deadline=None)
def test_calibration_is_that_of_scikit_learn(seed: int, task: str, strategy: Strategy, n_bins: int) -> None:
    evaluation = made(seed)
    answers = evaluation.task_answers(task)
    assert answers.confidence is not None
    found = evaluation.calibration(task, n_bins=n_bins, strategy=strategy)
    right, sure = answers.right, answers.confidence.astype(float)
    true, mean = calibration_curve(right, sure, n_bins=n_bins, strategy=strategy, pos_label=True)
    assert [one.accuracy for one in found.bins] == pytest.approx(true)
    assert [one.confidence for one in found.bins] == pytest.approx(mean)
    assert found.brier == pytest.approx(brier_score_loss(right, sure, pos_label=True))
    assert sum(one.messages for one in found.bins) == found.messages == 80
    weights = np.array([one.messages for one in found.bins]) / 80
    assert found.ece == pytest.approx((weights * np.abs(true - mean)).sum())
    value = TASKS[task].values[0]
    assert answers.scores is not None
    single = evaluation.calibration(task, value)
    expected = brier_score_loss(answers.truth[:, 0], answers.scores[:, 0].astype(float), pos_label=True)
    assert single.brier == pytest.approx(expected)


def test_ece_by_hand() -> None:
    messages = messages_of([{**random_labels(0, 1)[0], "intent": ("praise",)}] * 4)
    answers = [{**message.labels, "intent": (one,)} for message, one in zip(messages, "pppo", strict=True) if one]
    answers = [{**one, "intent": ("praise" if one["intent"] == ("p",) else "other",)} for one in answers]
    reports = reports_of(messages, answers, {"intent": [0.95, 0.85, 0.05, 0.15]})
    found = evaluate(reports, messages).calibration("intent", n_bins=2)
    # up to 0.5: said 0.1, came true 0.5; above: said 0.9, came true 1
    assert [(one.messages, one.accuracy) for one in found.bins] == [(2, 0.5), (2, 1.0)]
    assert found.ece == pytest.approx((0.4 + 0.1) / 2)


def test_coverage_goes_from_the_surest_answer_to_all() -> None:
    evaluation = made(4)
    answers = evaluation.task_answers("category")
    assert answers.confidence is not None
    curve = evaluation.coverage("category")
    assert curve["coverage"].is_monotonic_increasing
    assert curve["confidence"].is_monotonic_decreasing
    assert curve["confidence"].is_unique
    assert curve["coverage"].iloc[-1] == 1.0
    assert curve["accuracy"].iloc[-1] == pytest.approx(answers.right.mean())
    middle = curve.iloc[len(curve) // 2]
    kept = answers.confidence >= middle["confidence"]
    assert middle["coverage"] == pytest.approx(kept.mean())
    assert middle["accuracy"] == pytest.approx(answers.right[kept].mean())


def test_decisions_stand_where_their_answers_are() -> None:
    evaluation = made(5)
    answers = evaluation.task_answers("urgency")
    assert answers.confidence is not None
    table = evaluation.decisions("urgency")
    assert list(table.index) == ["auto", "suggest", "review"]
    auto = answers.confidence > 0.8
    assert table.loc["auto", "messages"] == auto.sum()
    assert table.loc["auto", "accuracy"] == pytest.approx(answers.exact[auto].mean())
    assert table.loc["review", "coverage"] == 1.0
    assert table.loc["review", "accuracy_so_far"] == pytest.approx(evaluation.tasks["urgency"].exact_match)
    summary = evaluation.summary()
    assert summary.loc["urgency", "auto_share"] == pytest.approx(auto.mean())
    assert summary.loc["urgency", "ece"] == pytest.approx(evaluation.calibration("urgency").ece)


def test_a_message_without_an_answer_is_the_last_to_rely_on_and_says_nothing_about_calibration() -> None:
    messages = messages_of(random_labels(6, 5))
    reports = reports_of(messages, [message.labels for message in messages], {})
    reports[2] = Report("", Status.EMPTY)
    evaluation = evaluate(reports, messages)
    assert evaluation.not_analysed == 1
    assert evaluation.calibration("intent").messages == 4
    curve = evaluation.coverage("intent")
    assert curve[["confidence", "coverage"]].to_numpy().tolist() == [[0.5, 0.8], [0.0, 1.0]]
    assert curve["accuracy"].tolist() == [1.0, 0.8]
    assert evaluation.confusion("intent").loc[:, "(none)"].sum() == 1


def test_labels_alone_have_no_calibration_and_say_so() -> None:
    truth = random_labels(7, 10)
    evaluation = evaluate_labels(truth, truth)
    for ask in (evaluation.calibration, evaluation.coverage, evaluation.decisions):
        with pytest.raises(DataError, match=r"intent: there .* to look at: the evaluation was made from labels alone"):
            ask("intent")
    assert "ece" not in evaluation.summary().columns
    with pytest.raises(DataError, match="messages themselves are not known"):
        evaluation.errors("intent")


def test_wrong_questions_are_refused() -> None:
    evaluation = made(8)
    with pytest.raises(ValueError, match="urgency: 'soon' is not one of low, medium"):
        evaluation.calibration("urgency", "soon")
    with pytest.raises(ValueError, match="n_bins must be 1 to 1,000"):
        evaluation.calibration("urgency", n_bins=0)
    with pytest.raises(DataError, match="single values are not known"):
        evaluation.calibration("emotion_primary", "angry")


# --- confusion


@given(st.integers(0, 10_000), st.sampled_from(list(TASKS)))
@settings(max_examples=8, deadline=None)
def test_confusion_is_that_of_scikit_learn(seed: int, task: str) -> None:
    truth = random_labels(seed, 40)
    evaluation = evaluate_labels(random_labels(seed + 1, 40, like=truth), truth)
    answers = evaluation.task_answers(task)
    table = evaluation.confusion_by_value(task)
    theirs = multilabel_confusion_matrix(answers.truth.astype(int), answers.answer.astype(int))
    assert table.to_numpy().tolist() == theirs.reshape(-1, 4).tolist()
    if not TASKS[task].is_multilabel:
        matrix = confusion_matrix(answers.true_first, answers.first, labels=range(len(TASKS[task].values)))
        assert evaluation.confusion(task).to_numpy().tolist() == matrix.tolist()
        assert accuracy_score(answers.true_first, answers.first) == pytest.approx(np.trace(matrix) / 40)


def test_confusion_of_label_sets_by_hand() -> None:
    truth: list[dict[str, Labels]] = [
        {"needs": ("venting", "respect")},
        {"needs": ("venting",)},
        {"needs": ("respect",)},
        {"needs": ()},
    ]
    answers: list[dict[str, Labels]] = [
        {"needs": ("venting", "compensation")},
        {"needs": ()},
        {"needs": ("respect", "venting")},
        {"needs": ()},
    ]
    table = evaluate_labels(answers, truth).confusion("needs")
    assert table.loc["venting"].to_dict() == {"venting": 1, "respect": 0, "compensation": 0, "(none)": 1}
    assert table.loc["respect"].to_dict() == {"venting": 0, "respect": 1, "compensation": 1, "(none)": 0}
    assert table.loc["(none)"].to_dict() == {"venting": 1, "respect": 0, "compensation": 0, "(none)": 0}
