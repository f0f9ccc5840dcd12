"""The shipped encoder: it explains itself, knows what is no complaint, and answers alike in both scripts."""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from complaint_nlp import TASKS, Analyzer, Decision, Report, Status
from complaint_nlp.classify.bundle import open_bundle
from complaint_nlp.classify.cascade import SPEEDS, Cascade
from complaint_nlp.classify.scores import PRIMARY_EMOTION
from complaint_nlp.labelled import read_labelled
from complaint_nlp.labels import Intent
from complaint_nlp.text import Normalizer

ROOT: Final = Path(__file__).resolve().parent.parent.parent
OUT_OF_SCOPE: Final = [
    json.loads(line)
    for line in (ROOT / "tests" / "cases" / "out_of_scope.jsonl").read_text(encoding="utf-8").splitlines()
]
MAX_ENCODER_BYTES: Final = 25_000_000
MAX_BUNDLE_BYTES: Final = 35_000_000
OCCLUDED: Final = 120
RIGHT_SHARE: Final = 0.8

PAIRS: Final = (
    ("客服一直不接電話，等了三天還沒有人處理，我要退款！", "客服一直不接电话，等了三天还没有人处理，我要退款！"),
    ("樓下瓦斯味很重，有人頭暈了，請馬上派人來！", "楼下煤气味很重，有人头晕了，请马上派人来！"),
    ("餐點很好吃，店員也很親切，下次還會再來。", "餐点很好吃，店员也很亲切，下次还会再来。"),
)


@pytest.fixture(scope="module")
def accurate() -> Analyzer:
    return Analyzer.load(speed="accurate")


def test_the_bundle_is_as_small_as_promised() -> None:
    bundle = open_bundle("default")
    assert bundle.manifest.components[:2] == ("linear", "encoder")
    assert bundle.manifest.files["encoder.onnx"].bytes <= MAX_ENCODER_BYTES
    assert sum(entry.bytes for entry in bundle.manifest.files.values()) <= MAX_BUNDLE_BYTES


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("case", OUT_OF_SCOPE, ids=lambda case: f"{case['kind']}-{case['text'][:8]}")
def test_what_is_no_customer_message_is_no_confident_complaint(
    analyzers: dict[str, Analyzer], speed: str, case: dict[str, Any]
) -> None:
    report = analyzers[speed].analyze(case["text"])
    if case["kind"] == "language":
        assert report.status is Status.NOT_CHINESE
        return
    if report.status is not Status.OK:
        return
    assert report.intent is not None
    assert report.intent.primary is not Intent.COMPLAINT or report.intent.decision is not Decision.AUTO


@pytest.fixture(scope="module")
def analyzers() -> dict[str, Analyzer]:
    return {speed: Analyzer.load(speed=speed) for speed in SPEEDS}


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0][:6])
def test_both_scripts_get_the_same_labels_and_spans_of_their_own(accurate: Analyzer, pair: tuple[str, str]) -> None:
    traditional, simplified = accurate.analyze_batch(pair)
    assert traditional.intent is not None
    assert simplified.intent is not None
    assert traditional.intent.labels == simplified.intent.labels
    assert labels_of(traditional)["category"] == labels_of(simplified)["category"]
    for report in (traditional, simplified):
        for name in TASKS:
            for span in getattr(report, name).evidence:
                assert report.text[span.start : span.end] == span.text


def labels_of(report: Report) -> dict[str, tuple[str, ...]]:
    return {name: tuple(map(str, getattr(report, name).labels)) for name in TASKS}


def test_a_message_gets_the_same_answer_alone_and_in_a_batch(accurate: Analyzer) -> None:
    texts = [message.text for message in read_labelled(ROOT / "data" / "messages.jsonl", split="test")[:60]]
    together = accurate.analyze_batch(texts)
    alone = [accurate.analyze(text) for text in texts]
    differences = [
        abs(one.urgency.scores[level] - two.urgency.scores[level])
        for one, two in zip(together, alone, strict=True)
        if one.urgency is not None and two.urgency is not None
        for level in one.urgency.scores
    ]
    # integer products share one scale a pass, so probabilities move a little with the neighbours
    assert max(differences) < 0.05
    same = [labels_of(one)["intent"] == labels_of(two)["intent"] for one, two in zip(together, alone, strict=True)]
    assert sum(same) >= len(same) - 1


def test_balanced_gives_every_message_the_answer_of_one_of_the_others() -> None:
    messages = Normalizer().normalize_batch(
        [message.text for message in read_labelled(ROOT / "data" / "messages.jsonl", split="test")[:200]]
    )
    answers = Cascade(open_bundle("default"), "balanced").answer(messages)
    rows = np.concatenate([part.rows for part in answers])
    assert sorted(rows.tolist()) == list(range(len(messages)))


def test_removing_the_top_span_lowers_the_score_more_than_removing_another() -> None:
    """The words shown are the words that count: without them the score falls further than without others as long."""
    random = np.random.default_rng(0)
    analyzer, right, tried = Analyzer.load(speed="accurate"), 0, 0
    messages = read_labelled(ROOT / "data" / "messages.jsonl", split="test")
    texts = [message.text for message in messages if len(message.text) >= 25][: OCCLUDED * 2]
    for text, report in zip(texts, analyzer.analyze_batch(texts), strict=True):
        result = report.category
        if result is None or result.primary is None or not result.evidence or tried == OCCLUDED:
            continue
        top = result.evidence[0]
        length = top.end - top.start
        places = [at for at in range(len(text) - length) if at + length <= top.start or at >= top.end]
        if not places or length > len(text) // 2:
            continue
        at = int(random.choice(places))
        without, other = analyzer.analyze_batch([text[: top.start] + text[top.end :], text[:at] + text[at + length :]])
        if without.category is None or other.category is None:
            continue
        tried += 1
        right += without.category.scores[result.primary] < other.category.scores[result.primary]
    assert tried >= OCCLUDED * 3 // 4
    assert right / tried >= RIGHT_SHARE


def test_emotion_is_explained_by_the_primary_one(accurate: Analyzer) -> None:
    report = accurate.analyze("你們到底在搞什麼，氣死我了！東西壞了還叫我自己處理。")
    assert report.emotion is not None
    assert report.emotion.evidence
    assert PRIMARY_EMOTION not in TASKS
