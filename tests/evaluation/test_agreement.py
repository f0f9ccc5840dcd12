"""Agreement between annotators: worked examples of the literature, and scikit-learn."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import messages_of, random_labels
from sklearn.metrics import cohen_kappa_score

from complaint_nlp import TASKS, DataError
from complaint_nlp.evaluation import agreement, krippendorff_alpha
from complaint_nlp.labelled import LabelledMessage

if TYPE_CHECKING:
    from pathlib import Path

    from complaint_nlp.evaluation.agreement import Distance

# Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section C: four observers, twelve units
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


@pytest.mark.parametrize(("distance", "alpha"), [("nominal", 0.743), ("ordinal", 0.815)])
def test_alpha_is_that_of_krippendorffs_own_example(distance: Distance, alpha: float) -> None:
    assert krippendorff_alpha(OBSERVERS, distance) == pytest.approx(alpha, abs=0.0005)


def test_alpha_of_two_observers_is_that_of_krippendorffs_first_example() -> None:
    # the same, section A: two observers, ten units, two values
    first, second = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert krippendorff_alpha([first, second]) == pytest.approx(0.095, abs=0.0005)


def test_alpha_of_sets_by_hand() -> None:
    one, both, other = frozenset("a"), frozenset("ab"), frozenset("c")
    # distances: {a} and {a,b}: jaccard 1/2, masi 1 - 2/3 * 1/2 = 2/3; to {c} 1
    ratings = [[one, other], [both, other]]
    for distance, apart in (("jaccard", 1 / 2), ("masi", 2 / 3)):
        observed = 2 * apart / 4
        expected = 2 * (apart + 2 + 2) / 12
        found = krippendorff_alpha(ratings, distance)  # type: ignore[arg-type]
        assert found == pytest.approx(1 - observed / expected)
    empty: frozenset[str] = frozenset()
    assert krippendorff_alpha([[empty, one], [empty, one]], "masi") == 1.0


def test_alpha_is_undefined_without_choice_or_pairs() -> None:
    assert krippendorff_alpha([["a", "a"], ["a", "a"]]) is None
    assert krippendorff_alpha([["a", None], [None, "b"]]) is None
    with pytest.raises(DataError, match="2, 1 units"):
        krippendorff_alpha([["a", "b"], ["a"]])
    with pytest.raises(ValueError, match="use one of nominal"):
        krippendorff_alpha([["a"], ["b"]], "interval")  # type: ignore[arg-type]


@given(st.integers(0, 10_000))
@settings(max_examples=4, deadline=None)
def test_kappa_is_that_of_scikit_learn_and_order_does_not_matter(seed: int) -> None:
    first = messages_of(random_labels(seed, 60))
    second = messages_of(random_labels(seed + 1, 60, like=[message.labels for message in first]))
    found = agreement(first, second[::-1])
    assert (found.messages, found.annotators) == (60, 2)
    for name, task in TASKS.items():
        if task.is_multilabel:
            continue
        columns = [[task.values.index(message.labels[name][0]) for message in one] for one in (first, second)]
        weights = "quadratic" if task.kind == "ordinal" else None
        assert found.tasks[name].kappa == pytest.approx(cohen_kappa_score(*columns, weights=weights))
        assert found.tasks[name].exact_match == pytest.approx(
            np.mean([one == two for one, two in zip(*columns, strict=True)])
        )
    turned = agreement(second, first)
    for name, one in found.tasks.items():
        assert one.alpha == pytest.approx(turned.tasks[name].alpha)
        assert one.alpha is not None
        assert 0.2 < one.alpha < 0.95


def test_three_annotators_in_different_forms_who_labelled_different_messages(tmp_path: Path) -> None:
    labels = random_labels(9, 30)
    messages = messages_of(labels)
    path = tmp_path / "second.jsonl"
    lines = [{"id": m.id, "text": m.text, "urgency": m.labels["urgency"][0]} for m in messages[10:]]
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), "utf-8")
    third = [LabelledMessage(m.id, m.text, {"urgency": m.labels["urgency"]}) for m in messages[:20]]
    found = agreement(messages, path, third)
    assert list(found.tasks) == ["urgency"]
    one = found.tasks["urgency"]
    assert (one.messages, one.annotators, one.exact_match, one.kappa, one.alpha) == (30, 3, 1.0, 1.0, 1.0)
    assert found.to_frame().loc["urgency", "distance"] == "ordinal"


def test_what_cannot_be_put_together_is_refused() -> None:
    messages = messages_of(random_labels(3, 4))
    with pytest.raises(DataError, match="no message has labels of two annotators"):
        agreement(messages)
    with pytest.raises(DataError, match="the id 'm0' stands there twice"):
        agreement(messages, [messages[0], messages[0]])
    with pytest.raises(ValueError, match="use 'masi' or 'jaccard'"):
        agreement(messages, messages, sets="dice")  # type: ignore[arg-type]
