"""From probabilities to labels and decisions: by hand, and for any probabilities."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from complaint_nlp import TASKS, Decision
from complaint_nlp.classify.decide import Calibration, Decider, parse_calibration
from complaint_nlp.classify.linear import HEADS, is_exclusive
from complaint_nlp.classify.scores import PRIMARY_CATEGORY, PRIMARY_EMOTION
from complaint_nlp.labels import Category, Emotion, Intent, Subcategory, Urgency

CATEGORIES, SUBS = list(Category), list(Subcategory)
PLAIN = ("category", "subcategory", "needs", "demands")
COMPLAINT = list(Intent).index(Intent.COMPLAINT)


def calibration(**change: dict[str, Any]) -> Calibration:
    """Return thresholds 0.5 to give, 0.6 to suggest, 0.9 for automatic use; ``change`` by task."""
    tasks: dict[str, Any] = {}
    for name, task in TASKS.items():
        levels = {part: dict.fromkeys(task.values, value) for part, value in (("auto", 0.9), ("suggest", 0.6))}
        tasks[name] = {
            **levels,
            "offsets": dict.fromkeys(task.values, 0.0),
            "decide": dict.fromkeys(task.values, 0.5),
            "none_auto": 0.9,
            "none_suggest": 0.6,
        }
        for part, value in change.get(name, {}).items():
            tasks[name][part] = {**tasks[name][part], **value} if isinstance(value, dict) else value
    return parse_calibration({"auto_precision": 0.9, "suggest_precision": 0.7, "tasks": tasks}, Path("x"))


def probabilities(**given: dict[str, float]) -> dict[str, NDArray[np.float32]]:
    """Return one message's probabilities; values that are not given share what is left, or get 0.01."""
    result = {}
    for head, values in HEADS.items():
        named = {str(key): value for key, value in given.get(head, {}).items()}
        rest = (1 - sum(named.values())) / max(len(values) - len(named), 1) if is_exclusive(head) else 0.01
        result[head] = np.array([[named.get(value, rest) for value in values]], dtype=np.float32)
    if PRIMARY_CATEGORY not in given:  # the likelier a category, the likelier it is the primary one
        result[PRIMARY_CATEGORY] = result["category"] / result["category"].sum()
    return result


def decide(task: str, change: dict[str, Any] | None = None, **given: dict[str, float]) -> tuple[list[str], Decision]:
    decided = Decider(calibration(**{task: change or {}})).decide(probabilities(**given))[task]
    return [TASKS[task].values[index] for index in decided.labels[0]], decided.decisions[0]


@pytest.mark.parametrize(
    ("score", "decision"),
    [(0.95, "auto"), (0.9001, "auto"), (0.8999, "suggest"), (0.6, "suggest"), (0.599, "review"), (0.3, "review")],
)
def test_a_single_value_is_decided_by_its_probability(score: float, decision: str) -> None:
    assert decide("intent", intent={"praise": score}) == (["praise"], decision)
    assert decide("urgency", urgency={"high": score}) == (["high"], decision)
    assert decide("emotion", emotion_primary={"angry": score}) == (["angry"], decision)


@pytest.mark.parametrize(
    ("score", "labels", "decision"),
    [
        (0.95, ["refund"], "auto"),
        (0.7, ["refund"], "suggest"),
        (0.5, ["refund"], "review"),
        (0.499, [], "review"),
        (0.3, [], "suggest"),
        (0.05, [], "auto"),
    ],
)
def test_several_values_are_given_from_their_threshold_on(score: float, labels: list[str], decision: str) -> None:
    assert decide("demands", demands={"refund": score}) == (labels, decision)


def test_an_answer_is_as_sure_as_its_least_sure_value() -> None:
    assert decide("needs", needs={"respect": 0.95, "venting": 0.92}) == (["respect", "venting"], "auto")
    assert decide("needs", needs={"respect": 0.95, "venting": 0.7}) == (["respect", "venting"], "suggest")
    assert decide("needs", needs={"respect": 0.95, "venting": 0.55}) == (["respect", "venting"], "review")


def test_a_threshold_above_one_is_never_reached() -> None:
    never = {"auto": {"refund": 1.01}}
    assert decide("demands", never, demands={"refund": 1.0}) == (["refund"], "suggest")
    assert decide("demands", {**never, "suggest": {"refund": 1.01}}, demands={"refund": 1.0}) == (["refund"], "review")
    assert decide("demands", {"none_auto": 1.01}, demands={"refund": 0.0}) == ([], "suggest")
    assert decide("intent", {"auto": {"other": 1.01}}, intent={"other": 1.0}) == (["other"], "suggest")


def test_offsets_help_a_rare_value_and_leave_the_confidence_alone() -> None:
    change = {"offsets": {Urgency.CRITICAL.value: 1.0}}
    given = probabilities(urgency={"medium": 0.5, "critical": 0.3})
    decided = Decider(calibration(urgency=change)).decide(given)["urgency"]
    assert TASKS["urgency"].values[decided.labels[0][0]] == "critical"
    assert decided.confidence[0] == pytest.approx(0.3)
    assert decide("urgency", urgency={"medium": 0.5, "critical": 0.3})[0] == ["medium"]


def test_confidence_of_none_is_that_none_applies() -> None:
    decided = Decider(calibration()).decide(probabilities(needs={"venting": 0.2, "respect": 0.1}))["needs"]
    assert decided.labels == [()]
    assert decided.primary.tolist() == [-1]
    assert decided.confidence.tolist() == pytest.approx([0.8])


def test_a_category_without_a_sure_sub_kind_gets_its_likeliest() -> None:
    given = {"category": {"quality": 0.8, "price": 0.7}, "subcategory": {"quality.hygiene": 0.3, "price.refund": 0.6}}
    assert decide("subcategory", **given) == (["quality.hygiene", "price.refund"], "review")


def test_a_sub_kind_of_another_category_is_dropped() -> None:
    given = {"category": {"quality": 0.8}, "subcategory": {"quality.defect": 0.7, "price.refund": 0.99}}
    assert decide("subcategory", **given) == (["quality.defect"], "suggest")
    inquiry = {"inquiry": 0.95}
    assert decide("subcategory", intent=inquiry, subcategory={"price.refund": 0.8}) == ([], "review")


def test_a_complaint_is_about_something() -> None:
    given = {"category": {"price": 0.4, "service": 0.3}, "subcategory": {"service.slow": 0.9, "price.refund": 0.2}}
    assert decide("category", intent={"complaint": 0.9}, **given) == (["price"], "review")
    assert decide("subcategory", intent={"complaint": 0.9}, **given) == (["price.refund"], "review")
    for other in ("praise", "inquiry", "other"):
        assert decide("category", intent={other: 0.9}, **given) == ([], "suggest")
        assert decide("subcategory", intent={other: 0.9}, **given)[0] == []


def test_the_primary_category_is_the_one_most_likely_to_be_it() -> None:
    given = {"category": {"service": 0.9, "quality": 0.6}, "category_primary": {"service": 0.3, "quality": 0.6}}
    assert decide("category", **given)[0] == ["quality", "service"]


def test_sub_kinds_come_category_by_category_in_the_order_of_those() -> None:
    # a sure sub-kind of the second category does not push before the primary category's
    given = {
        "category": {"service": 0.6, "quality": 0.55},
        "subcategory": {"service.slow": 0.51, "quality.defect": 0.99, "quality.hygiene": 0.97, "service.process": 0.6},
    }
    assert decide("category", **given)[0] == ["service", "quality"]
    assert decide("subcategory", **given)[0] == [
        "service.process",
        "service.slow",
        "quality.defect",
        "quality.hygiene",
    ]


def test_a_second_emotion_is_given_when_it_is_present() -> None:
    first = {"angry": 0.7}
    assert decide("emotion", emotion_primary=first)[0] == ["angry"]
    assert decide("emotion", emotion_primary=first, emotion={"angry": 0.9, "helpless": 0.49})[0] == ["angry"]
    both = {"angry": 0.9, "helpless": 0.6, "anxious": 0.55}
    assert decide("emotion", emotion_primary=first, emotion=both)[0] == ["angry", "helpless"]


def test_deciding_changes_no_probability() -> None:
    given = random_probabilities(7, 30)
    before = {head: table.copy() for head, table in given.items()}
    Decider(calibration()).decide(given)
    for head, table in before.items():
        np.testing.assert_array_equal(given[head], table)


def test_an_empty_batch_is_decided_as_one() -> None:
    decided = Decider(calibration()).decide(random_probabilities(1, 0))
    assert {name: (answer.labels, answer.decisions) for name, answer in decided.items()} == dict.fromkeys(
        TASKS, ([], [])
    )


def random_probabilities(seed: int, messages: int, *, coarse: bool = False) -> dict[str, NDArray[np.float32]]:
    """Return probabilities of every head; ``coarse`` ones are full of ties, zeros and ones."""
    random = np.random.default_rng(seed)
    result = {}
    for head, values in HEADS.items():
        if is_exclusive(head):
            table = random.dirichlet(np.full(len(values), 0.5), messages)
        else:
            table = random.beta(0.4, 0.8, (messages, len(values)))
        result[head] = (np.round(table, 1) if coarse else table).astype(np.float32)
    return result


def random_calibration(seed: int) -> Calibration:
    random = np.random.default_rng(seed)
    change: dict[str, Any] = {}
    for name, task in TASKS.items():
        auto, suggest = random.uniform(0.5, 1.05, len(task.values)), random.uniform(0.2, 0.6, len(task.values))
        parts = {
            "auto": auto,
            "suggest": suggest,
            "decide": random.uniform(0.1, 0.6, len(task.values)),
            "offsets": random.uniform(-1.5, 3, len(task.values)),
        }
        change[name] = {part: dict(zip(task.values, map(float, row), strict=True)) for part, row in parts.items()} | {
            "none_auto": float(random.uniform(0.8, 1.01)),
            "none_suggest": float(random.uniform(0.5, 0.8)),
        }
    return calibration(**change)


SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, SEEDS, st.integers(1, 12), st.booleans())
@settings(max_examples=80, deadline=None)
def test_any_probabilities_lead_to_consistent_answers(seed: int, other: int, messages: int, coarse: bool) -> None:  # noqa: FBT001 - drawn
    thresholds = random_calibration(other)
    given_scores = random_probabilities(seed, messages, coarse=coarse)
    decided = Decider(thresholds).decide(given_scores)
    for name, task in TASKS.items():
        answer = decided[name]
        assert len(answer.labels) == len(answer.primary) == len(answer.confidence) == len(answer.decisions) == messages
        for row, labels in enumerate(answer.labels):
            assert len(set(labels)) == len(labels)
            assert int(answer.primary[row]) == (labels[0] if labels else -1)
            assert 0.0 <= answer.confidence[row] <= 1.0
            if not task.is_multilabel:
                assert len(labels) == 1
            if name in ("category", "needs", "demands"):
                scores, least = given_scores[name][row], thresholds.tasks[name].decide
                wanted = {i for i, value in enumerate(task.values) if scores[i] >= least[value]}
                if name == "category" and not wanted and decided["intent"].primary[row] == COMPLAINT:
                    wanted = {int(scores.argmax())}  # a complaint is about something
                assert set(labels) == wanted
                rank = given_scores[PRIMARY_CATEGORY if name == "category" else name][row]
                assert [rank[i] for i in labels] == sorted((rank[i] for i in labels), reverse=True)
    check_subcategories(decided["category"].labels, decided["subcategory"].labels, given_scores["subcategory"])
    check_emotions(decided["emotion"].labels, given_scores, thresholds)


def check_subcategories(
    categories: list[tuple[int, ...]], subcategories: list[tuple[int, ...]], scores: NDArray[np.float32]
) -> None:
    for row, (mains, subs) in enumerate(zip(categories, subcategories, strict=True)):
        parents = [CATEGORIES.index(SUBS[sub].category) for sub in subs]
        # at least one each, none of another category, in the order of the categories
        assert list(dict.fromkeys(parents)) == list(mains)
        assert parents == sorted(parents, key=mains.index)
        for main in mains:
            own = [scores[row, sub] for sub, parent in zip(subs, parents, strict=True) if parent == main]
            assert own == sorted(own, reverse=True)


def check_emotions(
    labels: list[tuple[int, ...]], scores: dict[str, NDArray[np.float32]], thresholds: Calibration
) -> None:
    rules = thresholds.tasks["emotion"]
    offsets = np.array([rules.offsets[value] for value in Emotion])
    least = np.array([rules.decide[value] for value in Emotion])
    for row, given_labels in enumerate(labels):
        first = np.log(np.maximum(scores[PRIMARY_EMOTION][row], 1e-9)) + offsets
        assert first[given_labels[0]] == first.max()
        present = np.where(scores["emotion"][row] >= least, scores["emotion"][row], -1.0)
        present[given_labels[0]] = -1.0
        assert len(given_labels) == 1 + bool(present.max() > 0)
        if len(given_labels) == 2:
            assert present[given_labels[1]] == present.max()


@given(SEEDS, SEEDS)
@settings(max_examples=60, deadline=None)
def test_decisions_follow_the_thresholds(seed: int, other: int) -> None:
    thresholds = random_calibration(other)
    given_scores = random_probabilities(seed, 6)
    decided = Decider(thresholds).decide(given_scores)
    for name, task in TASKS.items():
        rules = thresholds.tasks[name]
        table = given_scores[PRIMARY_EMOTION if name == "emotion" else name]
        for row, labels in enumerate(decided[name].labels):
            shown = labels if name in PLAIN else labels[:1]
            if shown:
                pairs = [(table[row, i], task.values[i]) for i in shown]
                is_auto = all(score >= max(rules.auto[value], 0) for score, value in pairs)
                is_suggested = all(score >= rules.suggest[value] for score, value in pairs)
                if name not in PLAIN:
                    is_auto = is_auto and is_suggested
                assert decided[name].confidence[row] == pairs[0][0]
            else:
                none = 1.0 - table[row].max()
                is_auto, is_suggested = none >= rules.none_auto, none >= rules.none_suggest
                assert decided[name].confidence[row] == none
            expected = Decision.AUTO if is_auto else Decision.SUGGEST if is_suggested else Decision.REVIEW
            assert decided[name].decisions[row] is expected


def test_indices_are_those_of_the_enums() -> None:
    given_scores = probabilities(intent={"suggestion": 0.9}, category={"incident": 0.9}, urgency={"critical": 0.9})
    decided = Decider(calibration()).decide(given_scores)
    assert list(Intent)[decided["intent"].primary[0]] is Intent.SUGGESTION
    assert CATEGORIES[decided["category"].primary[0]] is Category.INCIDENT
    assert list(Urgency)[decided["urgency"].primary[0]] is Urgency.CRITICAL
    assert SUBS[decided["subcategory"].primary[0]].category is Category.INCIDENT
