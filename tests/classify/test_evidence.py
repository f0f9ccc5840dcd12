"""Evidence is exact: what the words add up to is the score, and without the top words it falls."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from complaint_nlp import TASKS, Analyzer, Normalizer, Report, Status
from complaint_nlp.classify.evidence import MAX_SPANS, find_spans
from complaint_nlp.classify.linear import HEADS, LinearClassifier, head_slices, is_exclusive, signal_matrix
from complaint_nlp.classify.scores import TokenWeights
from complaint_nlp.text import NormalizedText

SAMPLES = Path(__file__).resolve().parent.parent.parent / "data" / "samples" / "mixed.csv"


@pytest.fixture(scope="module")
def reports(analyzer: Analyzer) -> list[Report]:
    with SAMPLES.open(encoding="utf-8", newline="") as stream:
        texts = [row["text"] for row in csv.DictReader(stream)]
    return [report for report in analyzer.analyze_batch(texts) if report.status is Status.OK]


@pytest.fixture(scope="module")
def messages(reports: list[Report]) -> list[NormalizedText]:
    return Normalizer().normalize_batch([report.text for report in reports])


@pytest.fixture(scope="module")
def classifier(analyzer: Analyzer) -> LinearClassifier:
    return LinearClassifier(analyzer.bundle)


def rest_of_margins(analyzer: Analyzer, messages: list[NormalizedText]) -> NDArray[np.float64]:
    """Return what of the margins is not from words: (messages, outputs)."""
    arrays = analyzer.bundle.arrays("linear.npz")
    result: NDArray[np.float64] = np.asarray(
        signal_matrix(messages).astype(float) @ arrays["signal_weights"] + arrays["bias"]
    )
    return result


def from_words(
    classifier: LinearClassifier, messages: list[NormalizedText], head: str, value: int
) -> NDArray[np.float64]:
    attribution = classifier.predict(messages).attribution
    tokens = attribution.token_weights({head: np.full(len(messages), value)})[head]
    return np.bincount(tokens.rows, weights=tokens.weights, minlength=len(messages)).astype(float)


@pytest.mark.parametrize("head", HEADS)
def test_words_signals_and_bias_sum_to_the_log_odds(
    analyzer: Analyzer, classifier: LinearClassifier, messages: list[NormalizedText], head: str
) -> None:
    rest = rest_of_margins(analyzer, messages)
    first = head_slices()[head].start
    scores = classifier.predict(messages).probabilities[head].astype(float)
    margins = np.stack(
        [from_words(classifier, messages, head, i) + rest[:, first + i] for i in range(len(HEADS[head]))], axis=1
    )
    if is_exclusive(head):
        # log-odds between two values are the difference of their margins
        logs = np.log(scores)
        likely = scores.min(axis=1) > 1e-30
        assert likely.any()
        np.testing.assert_allclose(
            (logs - logs[:, :1])[likely], (margins - margins[:, :1])[likely], rtol=1e-3, atol=2e-3
        )
    else:
        sure = (scores > 1e-4) & (scores < 1 - 1e-3)  # beyond, 32 bits do not hold the log-odds
        assert sure.any()
        logits = np.log(scores[sure]) - np.log1p(-scores[sure])
        np.testing.assert_allclose(logits, margins[sure], rtol=1e-3, atol=2e-3)


def test_tokens_cover_every_message_and_nothing_else(
    classifier: LinearClassifier, messages: list[NormalizedText]
) -> None:
    tokens = classifier.predict(messages).attribution.token_weights({"category": np.zeros(len(messages), np.int64)})[
        "category"
    ]
    for row, message in enumerate(messages):
        mine = tokens.rows == row
        starts, ends = tokens.starts[mine], tokens.ends[mine]
        assert starts[0] == 0
        assert ends[-1] == len(message.text)
        assert starts[1:].tolist() == ends[:-1].tolist()


def test_a_message_without_a_value_has_no_weights(classifier: LinearClassifier, messages: list[NormalizedText]) -> None:
    chosen = np.where(np.arange(len(messages)) % 2 == 0, 0, -1)
    attribution = classifier.predict(messages).attribution
    tokens = attribution.token_weights({"needs": chosen})["needs"]
    assert not tokens.weights[tokens.rows % 2 == 1].any()
    full = attribution.token_weights({"needs": np.zeros(len(messages), np.int64)})["needs"]
    even = tokens.rows % 2 == 0
    np.testing.assert_allclose(tokens.weights[even], full.weights[even], atol=1e-9)
    assert [len(spans) for spans in find_spans(messages, tokens)][1::2] == [0] * (len(messages) // 2)


def test_spans_are_few_strongest_first_and_within_the_text(reports: list[Report]) -> None:
    counts = set()
    for report in reports:
        for name in TASKS:
            spans = report.task(name).evidence
            counts.add(len(spans))
            if report.urgency_reasons and name == "urgency":
                continue  # from rules, not from the model
            weights = [span.weight for span in spans]
            assert weights == sorted(weights, reverse=True)
            assert sum(weights) <= 1.001
            for span in spans:
                assert 0.0 < span.weight <= 1.0
                assert 0 <= span.start < span.end <= len(report.text)
                assert report.text[span.start : span.end] == span.text
    assert counts == set(range(MAX_SPANS + 1))


def weights_of(message: NormalizedText, pieces: list[tuple[int, int, float]]) -> TokenWeights:
    assert pieces[-1][1] == len(message.text)
    starts, ends, weights = (np.array(column) for column in zip(*pieces, strict=True))
    return TokenWeights(weights.astype(float), np.zeros(len(pieces), np.int64), starts, ends)


@pytest.mark.parametrize("text", ["手機一直死機，我要退款！", "手机一直死机，我要退款！"])
def test_neighbouring_strong_words_are_joined_and_weak_ones_left_out(text: str) -> None:
    message = Normalizer().normalize(text)
    tokens = weights_of(
        message,
        [(0, 2, 0.1), (2, 4, 2.0), (4, 6, 3.0), (6, 7, -1.0), (7, 8, 0.0), (8, 9, 0.2), (9, 11, 1.5), (11, 12, 0.0)],
    )
    (spans,) = find_spans([message], tokens)
    assert [(span.start, span.end, span.text) for span in spans] == [(2, 6, text[2:6]), (9, 11, text[9:11])]
    assert [span.weight for span in spans] == pytest.approx([5.0 / 6.8, 1.5 / 6.8], abs=1e-4)


def test_punctuation_at_the_ends_is_left_out_unless_it_is_all() -> None:
    message = Normalizer().normalize("手機，死機！！！好")
    (spans,) = find_spans(
        [message], weights_of(message, [(0, 2, 0.0), (2, 3, 1.0), (3, 5, 2.0), (5, 8, 0.9), (8, 9, 0.0)])
    )
    assert [span.text for span in spans] == ["死機"]
    (spans,) = find_spans([message], weights_of(message, [(0, 5, 0.0), (5, 8, 0.9), (8, 9, 0.0)]))
    assert [(span.text, span.weight) for span in spans] == [("！！！", 1.0)]


@pytest.mark.parametrize("weight", [0.0, -1.0])
def test_without_a_word_that_speaks_for_it_there_is_no_evidence(weight: float) -> None:
    message = Normalizer().normalize("手機壞了")
    assert find_spans([message], weights_of(message, [(0, 2, weight), (2, 4, 0.0)])) == [()]


def test_no_more_than_three_spans_are_shown() -> None:
    message = Normalizer().normalize("一二三四五六七八九")
    tokens = weights_of(message, [(i, i + 1, [2.0 + i / 10, -1.0][i % 2]) for i in range(9)])
    (spans,) = find_spans([message], tokens)
    assert [span.text for span in spans] == ["九", "七", "五"]


@pytest.mark.parametrize("task", ["category", "intent"])
def test_without_its_top_words_a_score_falls_more_than_without_others(
    analyzer: Analyzer, reports: list[Report], task: str
) -> None:
    def log_odds(report: Report, value: object) -> float:
        score = min(max(report.task(task).scores[value], 1e-6), 1 - 1e-6)
        return math.log(score / (1 - score))

    won = tried = 0
    for report in reports:
        result = report.task(task)
        if not result.evidence or len(report.text) > 400:
            continue
        top = result.evidence[0]
        size = top.end - top.start
        places = [
            start
            for start in range(0, len(report.text) - size + 1, size)
            if start + size <= top.start or start >= top.end
        ][:20]
        if not places:
            continue
        shorter = [report.text[:start] + report.text[start + size :] for start in (top.start, *places)]
        scores = [
            log_odds(changed, result.primary)
            for changed in analyzer.analyze_batch(shorter)
            if changed.status is Status.OK
        ]
        tried += 1
        # than without another piece of the same length, whichever: the middle one of them all
        won += scores[0] < float(np.median(scores[1:]))
    assert tried >= 40
    assert won / tried >= 0.8, f"{won} of {tried}"


def test_even_a_long_letter_shows_its_strongest_words(analyzer: Analyzer) -> None:
    letter = "我在貴公司買的冷氣從去年七月開始一直有問題，師傅來修了三次，隔天又滴水。" * 60
    for text in (letter, Normalizer().normalize(letter).text):
        report = analyzer.analyze(text)
        for name in ("intent", "category", "urgency"):
            assert len(report.task(name).evidence) >= 1, name
