"""Intervals, slices and comparisons: what is chance is not taken for more, and what is more is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import Labels, messages_of, random_labels, reports_of
from scipy.stats import binom
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score, precision_recall_fscore_support

from complaint_nlp import TASKS, DataError, Evaluation, evaluate
from complaint_nlp.evaluation import compare, evaluate_labels
from complaint_nlp.evaluation.bootstrap import Counted, draws

COUNT = 240
TRUTH = random_labels(1, COUNT)
ANSWERS = random_labels(2, COUNT, like=TRUTH)


def evaluated(answers: list[dict[str, Labels]] = ANSWERS, **notes: list[str]) -> Evaluation:
    messages = messages_of(TRUTH, **notes)
    return evaluate(reports_of(messages, answers, {}), messages)


@given(st.integers(0, 10_000), st.sampled_from(list(TASKS)))
@settings(max_examples=10, deadline=None)
def test_figures_of_a_draw_are_those_of_scikit_learn_with_weights(seed: int, task: str) -> None:
    truth = random_labels(seed, 30)
    answers = evaluate_labels(random_labels(seed + 1, 30, like=truth), truth).task_answers(task)
    weights = next(draws(30, 1, seed))
    counted = Counted(answers)
    found = counted.figures(counted.sums(weights))
    wanted, given_ = answers.truth.astype(int), answers.answer.astype(int)
    weight = weights[0]
    for average in ("micro", "weighted"):
        expected = f1_score(wanted, given_, average=average, sample_weight=weight, zero_division=0)
        assert found[f"{average}_f1"][0] == pytest.approx(expected)
    _, _, f1, support = precision_recall_fscore_support(wanted, given_, sample_weight=weight, zero_division=0)
    assert found["macro_f1"][0] == pytest.approx(f1[support > 0].mean())
    assert found["exact_match"][0] == pytest.approx(accuracy_score(wanted, given_, sample_weight=weight))
    if TASKS[task].kind == "ordinal":
        kappa = cohen_kappa_score(answers.true_first, answers.first, weights="quadratic", sample_weight=weight)
        assert found["kappa"][0] == pytest.approx(kappa)
    else:
        assert "kappa" not in found


def test_an_interval_holds_the_figure_and_is_as_wide_as_the_binomial_one() -> None:
    evaluation = evaluated()
    rows = {(one.task, one.figure): one for one in evaluation.interval_rows(n_resamples=2000)}
    assert {one.task for one in rows.values()} == set(evaluation.tasks)
    for one in rows.values():
        assert one.low <= one.estimate <= one.high
        assert one.estimate == pytest.approx(getattr(evaluation.tasks[one.task], one.figure))
    exact = rows["intent", "exact_match"]
    low, high = binom.interval(0.95, COUNT, exact.estimate)
    assert (exact.low, exact.high) == pytest.approx((low / COUNT, high / COUNT), abs=0.012)


def test_the_same_seed_gives_the_same_intervals_and_values_have_their_own() -> None:
    evaluation = evaluated()
    first = evaluation.intervals(n_resamples=50, seed=3, by_value=True)
    assert first.equals(evaluation.intervals(n_resamples=50, seed=3, by_value=True))
    assert not first.equals(evaluation.intervals(n_resamples=50, seed=4, by_value=True))
    own = first[(first["task"] == "urgency") & (first["value"] == "high")].set_index("figure")
    assert list(own.index) == ["precision", "recall", "f1"]
    assert own.loc["recall", "estimate"] == pytest.approx(evaluation.tasks["urgency"].values["high"].recall)


@pytest.mark.parametrize("options", [{"n_resamples": 0}, {"n_resamples": 10**7}, {"level": 1.0}])
def test_what_cannot_be_drawn_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        evaluated().interval_rows(**options)


# --- slices


def test_a_planted_weak_slice_is_named_and_figures_are_those_of_its_messages() -> None:
    trades = ["bank" if row // 2 % 6 == 0 else "餐廳" if row % 3 else "快递" for row in range(COUNT)]
    spoilt = random_labels(5, COUNT)
    answers = [
        {**answer, "urgency": other["urgency"]} if trade == "bank" else answer
        for answer, other, trade in zip(ANSWERS, spoilt, trades, strict=True)
    ]
    evaluation = evaluated(answers, trade=trades)
    worst = evaluation.worst_slices(n_resamples=500)
    assert worst[["task", "by", "value"]].to_numpy().tolist()[0] == ["urgency", "trade", "bank"]
    assert len(worst) <= 2  # of those named one in twenty may be chance
    rows = [row for row, trade in enumerate(trades) if trade == "bank"]
    alone = evaluate_labels([answers[row] for row in rows], [TRUTH[row] for row in rows])
    table = evaluation.slices("trade", "urgency", figure="macro_f1", n_resamples=20).set_index("value")
    assert table.loc["bank", "estimate"] == pytest.approx(alone.tasks["urgency"].macro_f1)
    assert table.loc["bank", "messages"] == len(rows) == 40
    rest = [row for row in range(COUNT) if row not in rows]
    others = evaluate_labels([answers[row] for row in rest], [TRUTH[row] for row in rest])
    assert table.loc["bank", "rest"] == pytest.approx(others.tasks["urgency"].macro_f1)


def test_noise_is_hardly_ever_named() -> None:
    evaluation = evaluated()
    named = 0
    for seed in range(12):
        values = np.random.default_rng(seed).integers(0, 6, COUNT).tolist()
        named += bool(evaluation.worst_rows(values, n_resamples=100, min_messages=25))
    # 54 slices each time; at 5 % one of 12 would be no surprise
    assert named <= 2


def test_small_slices_are_left_out_and_slices_come_from_anywhere() -> None:
    evaluation = evaluated(source=["a" if row < 20 else "b" for row in range(COUNT)])
    assert set(evaluation.slices("source", "intent", n_resamples=10)["value"]) == {"b"}
    small = evaluation.slices("source", "intent", n_resamples=10, min_messages=20)
    assert dict(zip(small["value"], small["messages"], strict=True)) == {"a": 20, "b": 220}

    def written(text: str) -> str:
        return "繁" if "壞" in text else "简"

    by_function = evaluation.slices(written, "intent", n_resamples=10)
    by_script = evaluation.slices("script", "intent", n_resamples=10)
    assert set(by_function["value"]) == {"繁", "简"}
    assert sorted(by_function["estimate"]) == sorted(by_script["estimate"])
    assert set(by_script["value"]) == {"traditional", "simplified"}
    assert set(evaluation.slices("length", "intent", n_resamples=5)["value"]) <= {"1-20"}
    assert evaluation.standard_slices() == ["script", "region", "source", "length"]


def test_wrong_divisions_are_refused() -> None:
    evaluation = evaluated()
    with pytest.raises(DataError, match="no column 'channel' in the data; there are id"):
        evaluation.slice_rows("channel")
    with pytest.raises(DataError, match="2 values for 240 messages"):
        evaluation.slice_rows(["a", "b"])
    with pytest.raises(DataError, match="made from labels alone"):
        evaluate_labels(ANSWERS, TRUTH).slice_rows("script")
    with pytest.raises(ValueError, match="use one of micro_f1"):
        evaluation.slice_rows("script", figure="f1")
    with pytest.raises(DataError, match="task 'mood' was not evaluated; there are intent"):
        evaluation.slice_rows("script", "mood")


# --- comparing


def test_comparing_counts_pairs_as_by_hand() -> None:
    reference: list[dict[str, Labels]] = [{"intent": ("complaint",)}] * 12
    good: list[dict[str, Labels]] = [{"intent": ("complaint",)}] * 12
    bad: list[dict[str, Labels]] = [{"intent": ("praise",)}] * 9 + good[:3]
    found = compare(evaluate_labels(bad, reference), evaluate_labels(good, reference), n_resamples=200)
    one = found.tasks["intent"]
    assert (one.only_a_right, one.only_b_right) == (0, 9)
    assert one.p_mcnemar == pytest.approx(2 * 0.5**9)
    assert (one.macro_f1_a, one.macro_f1_b) == pytest.approx((0.4, 1.0))
    assert one.difference == pytest.approx(0.6)
    assert 0 < one.low <= one.difference <= one.high
    assert one.p_bootstrap == pytest.approx(2 / 201)
    backwards = compare(evaluate_labels(good, reference), evaluate_labels(bad, reference), n_resamples=200)
    assert backwards.tasks["intent"].difference == pytest.approx(-0.6)
    assert found.to_frame().loc["intent", "only_b_right"] == 9
    assert "<b>+0.600</b>" in found._repr_html_()


def test_equals_do_not_differ_and_a_better_model_is_found() -> None:
    first, same = evaluated(), evaluated()
    for one in compare(first, same, n_resamples=100).tasks.values():
        assert (one.difference, one.low, one.high, one.p_bootstrap, one.p_mcnemar) == (0, 0, 0, 1, 1)
    better = evaluated(random_labels(3, COUNT, like=TRUTH, keep=0.95))
    for one in compare(first, better, n_resamples=200).tasks.values():
        assert one.low > 0
        assert one.p_mcnemar < 0.01


def test_only_the_same_messages_can_be_compared() -> None:
    evaluation = evaluated()
    with pytest.raises(DataError, match="of 240 and 100 messages"):
        compare(evaluation, evaluate_labels(ANSWERS[:100], TRUTH[:100]))
    with pytest.raises(DataError, match="intent: the reference labels of the two evaluations differ"):
        compare(evaluation, evaluate_labels(TRUTH, ANSWERS))
    messages = messages_of(TRUTH)
    messages[3] = replace(messages[3], text="換了一則訊息")
    other = evaluate(reports_of(messages, ANSWERS, {}), messages)
    with pytest.raises(DataError, match=r"message 4 \('m3', 'm3'\) is not the same"):
        compare(evaluation, other)
