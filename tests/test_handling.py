"""What a report gives beside its labels: facts, what is missing, the plan, similar cases, the masked form."""

from __future__ import annotations

import csv
import io
import json
import pickle
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from complaint_nlp import Analyzer, ConfigError, DataError, Report, Status, mask
from complaint_nlp.cases import Case
from complaint_nlp.classify.bundle import write_bundle
from complaint_nlp.classify.decide import CALIBRATION
from complaint_nlp.classify.encoder import VECTORS
from complaint_nlp.classify.linear import ARRAYS
from complaint_nlp.errors import ModelError
from complaint_nlp.facts.types import FactKind, Facts
from complaint_nlp.text.resources import script_chars

RECEIVED = datetime(2026, 11, 18, 2, 30, tzinfo=UTC)  # a Wednesday, 10:30 in Taipei and Shanghai
PERSONAL = {
    "traditional": "手機才買一週就死機，打三次電話都沒人處理，訂單編號 AB20261108，手機0912345678，明天要用，要退款！",
    "simplified": "手机才买一周就死机，打三次电话都没人处理，订单号 AB20261108，手机13812345678，明天要用，要退款！",
    "mixed": "手机才買一週就死機，打三次电话都沒人處理，订单号 AB20261108，手機0912345678，明天要用，要退款！",
}
SECRETS = ("AB20261108", "0912345678", "13812345678")


@pytest.fixture(scope="module")
def reports(analyzer: Analyzer) -> dict[str, Report]:
    found = analyzer.analyze_batch(PERSONAL.values(), received_at=RECEIVED)
    return dict(zip(PERSONAL, found, strict=True))


@pytest.mark.parametrize("script", PERSONAL)
def test_facts_point_into_the_message(reports: dict[str, Report], script: str) -> None:
    report = reports[script]
    kinds = {fact.kind for fact in report.facts.items}
    assert kinds >= {FactKind.ORDER, FactKind.PHONE, FactKind.PRIOR_CONTACT, FactKind.DURATION, FactKind.DEADLINE}
    assert all(report.text[fact.start : fact.end] == fact.text for fact in report.facts.items)
    (deadline,) = report.facts.of(FactKind.DEADLINE)
    assert deadline.value == "2026-11-19"
    # the word before a number says what the number is, not how the customer got in touch
    assert not [fact for fact in report.facts.of(FactKind.CHANNEL) if report.text[fact.end :].startswith("0912")]


@pytest.mark.parametrize("script", PERSONAL)
def test_what_was_told_is_not_missing(reports: dict[str, Report], script: str) -> None:
    report = reports[script]
    assert not {"order", "contact", "product", "wanted"} & set(report.missing)
    assert report.strategy is not None
    assert not {"order", "contact", "product"} & {question.asks_for for question in report.strategy.questions}


@pytest.mark.parametrize("script", PERSONAL)
def test_the_plan_is_in_the_customers_script(reports: dict[str, Report], script: str) -> None:
    plan = reports[script].strategy
    assert plan is not None
    known = script_chars()
    written = "".join(_texts(plan.to_dict()))
    assert len(written) > 500
    simplified = {char for char in written if char in known.simplified}
    traditional = {char for char in written if char in known.traditional}
    assert bool(traditional) is not bool(simplified)
    if script != "mixed":
        assert bool(simplified) is (script == "simplified")
    assert plan.steps
    assert len(plan.remedies) >= 2
    assert len(plan.questions) <= 5
    letters = {plan.first_reply, plan.apology_letter, plan.progress_note, plan.follow_up_message}
    assert len(letters) == 4
    assert not any(secret in letter for secret in SECRETS for letter in letters)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for key, item in value.items() if key not in {"id", "stage", "phase"} for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []


def test_whose_fault_it_is_changes_the_plan(reports: dict[str, Report]) -> None:
    report = reports["traditional"]
    unclear, ours, customer = report.plan(), report.plan("ours"), report.plan("customer")
    assert unclear == report.strategy
    assert unclear is not None
    assert ours is not None
    assert customer is not None
    assert [plan.fault for plan in (unclear, ours, customer)] == ["unclear", "ours", "customer"]
    assert len({tuple(step.id for step in plan.steps) for plan in (unclear, ours, customer)}) == 3
    assert len({plan.apology_letter for plan in (unclear, ours, customer)}) == 3
    with pytest.raises(ValueError, match="unknown fault 'theirs'"):
        report.plan("theirs")  # type: ignore[arg-type]


def test_consequences_point_into_the_original(analyzer: Analyzer) -> None:
    text = "這台😀咖啡機壞了，店裡停業兩天，損失慘重"
    plan = analyzer.analyze(text).strategy
    assert plan is not None
    assert plan.impact is not None
    assert plan.impact.consequences
    words = [text[start:end] for each in plan.impact.consequences for start, end in each.spans]
    assert any("停業" in found for found in words)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("麵包夾了三片火腿，打開一看，沒有肉鬆，退錢吧", "「沒有肉鬆」"),
        ("面包夹了三片火腿，打开一看，没有肉松，退钱吧", "“没有肉松”"),
    ],
)
def test_the_reply_says_a_whole_clause_of_the_customer_back(analyzer: Analyzer, text: str, said: str) -> None:
    plan = analyzer.analyze(text).strategy
    assert plan is not None
    assert any(mark in plan.first_reply for mark in "「“")
    quoted = plan.first_reply[re.search("[「“]", plan.first_reply).end() :]  # type: ignore[union-attr]
    assert re.split("[」”]", quoted)[0] in text.split("，")
    assert said[0] in plan.first_reply


def test_no_two_samples_get_the_same_first_reply(analyzer: Analyzer) -> None:
    with (Path(__file__).resolve().parent.parent / "data/samples/mixed.csv").open(encoding="utf-8-sig") as stream:
        texts = [row["text"] for row in csv.DictReader(stream)]
    plans = [report.strategy for report in analyzer.analyze_batch(texts, received_at=RECEIVED)]
    replies = [plan.first_reply for plan in plans if plan is not None]
    assert len(replies) >= 60
    assert len(set(replies)) == len(replies)


def test_questions_come_in_the_words_of_the_region(analyzer: Analyzer) -> None:
    text = "等咗成個鐘先嚟一架，司機望咗我一眼就閂門走人，態度好差，要投訴"
    report = analyzer.analyze(text)
    assert report.region == "HK"
    assert report.strategy is not None
    asked = "".join(question.text for question in report.strategy.questions)
    assert asked
    assert not [word for word in ("門市", "電子郵件", "同仁", "帳單", "線上") if word in asked]


def test_a_report_gives_everything_as_json(reports: dict[str, Report]) -> None:
    for report in reports.values():
        content = json.loads(report.to_json())
        assert content == json.loads(json.dumps(report.to_dict()))
        assert [fact["text"] for fact in content["facts"]] == [fact.text for fact in report.facts.items]
        assert content["missing"] == list(report.missing)
        assert report.strategy is not None
        assert content["strategy"]["first_reply"] == report.strategy.first_reply
        assert content["strategy"]["steps"][0]["action"] == report.strategy.steps[0].action


def test_a_message_that_was_not_analysed_has_no_plan(analyzer: Analyzer) -> None:
    for text, status in ((None, Status.EMPTY), ("hello there", Status.NOT_CHINESE), ("壞", Status.TOO_SHORT)):
        report = analyzer.analyze(text)
        assert report.status is status
        assert (report.facts, report.missing, report.strategy, report.plan("ours")) == (Facts(), (), None, None)
        assert report.masked().to_dict() == report.to_dict()


@pytest.mark.parametrize("script", PERSONAL)
def test_a_masked_report_tells_nothing_personal(reports: dict[str, Report], script: str) -> None:
    report = reports[script]
    masked = report.masked()
    for form in (masked.to_json(), masked._repr_html_(), repr(masked), str(report.to_columns(mask=True))):
        assert [secret for secret in SECRETS if secret in form] == []
    assert any(secret in report.to_json() for secret in SECRETS)
    assert len(masked.text) == len(report.text)
    assert [(fact.kind, fact.start, fact.end) for fact in masked.facts.items] == [
        (fact.kind, fact.start, fact.end) for fact in report.facts.items
    ]
    assert masked.missing == report.missing
    assert masked.strategy == report.strategy
    assert masked.category.labels == report.category.labels
    spans = [span for name in ("intent", "category", "urgency") for span in masked.task(name).evidence]
    assert all(masked.text[span.start : span.end] == span.text for span in spans)


def test_mask_keeps_everything_else() -> None:
    text = "訂單編號 AB20261108，手機0912345678，謝謝"
    assert mask(text) == "訂單編號 [訂單編號]，手機[電話]，謝謝"
    assert mask(text, keep_length=True) == "訂單編號 **********，手機**********，謝謝"


def test_a_report_survives_pickling(reports: dict[str, Report]) -> None:
    report = replace(reports["traditional"])  # nothing made yet
    loaded = pickle.loads(pickle.dumps(report))  # noqa: S301 - our own
    assert loaded == report
    assert loaded.facts == report.facts
    assert loaded.strategy == report.strategy


def test_an_own_playbook_is_laid_over_the_shipped_one(tmp_path: Path) -> None:
    folder = tmp_path / "strategy"
    folder.mkdir()
    (folder / "prevention.yaml").write_text(
        "hints:\n  quality.defect:\n    zh-Hant: 我們自己的提示。\n    zh-Hans: 我们自己的提示。\n", encoding="utf-8"
    )
    own = Analyzer.load(speed="fast", playbook=tmp_path)
    text = "手機才買一週就一直死機"
    plan = own.analyze(text).strategy
    assert plan is not None
    assert "我們自己的提示。" in plan.prevention
    again = pickle.loads(pickle.dumps(own)).analyze(text).strategy  # noqa: S301 - our own
    assert again is not None
    assert again.prevention == plan.prevention


def test_a_wrong_playbook_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such directory"):
        Analyzer.load(speed="fast", playbook=tmp_path / "none")
    with pytest.raises(ConfigError, match="strategy and messages"):
        Analyzer.load(speed="fast", playbook=tmp_path)
    (tmp_path / "strategy").mkdir()
    (tmp_path / "strategy" / "steps.yaml").write_text("steps: {x: {stage: nowhere}}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"steps\.yaml"):
        Analyzer.load(speed="fast", playbook=tmp_path)


# --- solved cases


def test_vectors_are_the_same_for_both_scripts(analyzer: Analyzer) -> None:
    vectors = analyzer.embed(["手機壞了", "手机坏了", "空調很吵"])
    assert vectors.shape[0] == 3
    assert vectors.dtype == np.float32
    assert np.allclose(vectors[0], vectors[1], atol=1e-5)
    assert not np.allclose(vectors[0], vectors[2], atol=1e-2)


def test_a_damaged_scale_of_the_vectors_is_refused(tmp_path: Path, analyzer: Analyzer) -> None:
    shipped = analyzer.bundle
    files = {name: (shipped.path / name).read_bytes() for name in shipped.manifest.files if name != "labels.json"}
    content = io.BytesIO()
    np.savez(content, mean=np.zeros(3), scale=np.ones(3))
    for name, scale in (("wrong", {VECTORS: content.getvalue()}), ("none", {})):
        kept = {**{file: data for file, data in files.items() if file != VECTORS}, **scale}
        write_bundle(
            tmp_path / name, name=name, trained_with="tests", components=shipped.manifest.components, files=kept
        )
    with pytest.raises(ModelError, match=r"vectors\.npz"):
        Analyzer.load(tmp_path / "wrong").embed(["手機壞了"])
    plain = Analyzer.load(tmp_path / "none")
    assert plain.embed(["手機壞了", ""]).shape == analyzer.embed(["手機壞了", ""]).shape
    assert plain.embedding_hash != analyzer.embedding_hash
    assert not analyzer.embed([""]).any()


SOLVED = [
    Case("手机用了两天就死机，要求退款", {"category": ["quality"], "demands": ["refund"]}, "换新机并致歉", "客户满意"),
    Case("餐廳服務生態度惡劣", {"category": ["service"]}, "店長致電道歉", "客戶接受"),
    Case("帳單多收了兩百元", {"category": ["price"]}, "退還差額", "結案"),
]


def test_similar_cases_are_found_in_both_scripts(tmp_path: Path) -> None:
    analyzer = Analyzer.load(cases=tmp_path / "cases.db")
    with analyzer.open_cases(tmp_path / "cases.db") as base:
        numbers = base.add_many(SOLVED)
        base.review(numbers[0], "王組長")
    for text in ("手機買來三天一直死機，我要退錢", "手机买来三天一直死机，我要退钱"):
        report = analyzer.analyze(text)
        found = report.similar(2)
        assert found[0].case.id == numbers[0]
        assert len(found) == 2
        assert [item.case.id for item in report.similar(3, only_reviewed=True)] == [numbers[0]]
    assert analyzer.analyze("").similar(2) == []
    away = pickle.loads(pickle.dumps(report))  # noqa: S301 - our own
    with pytest.raises(ConfigError, match=r"Analyzer\.load\(cases="):
        away.similar()


def test_without_a_case_base_the_report_says_how_to_get_one(reports: dict[str, Report]) -> None:
    with pytest.raises(ConfigError, match=r"Analyzer\.load\(cases='cases\.db'\)"):
        reports["traditional"].similar()


def test_a_file_that_is_no_case_base_is_refused(tmp_path: Path, analyzer: Analyzer) -> None:
    path = tmp_path / "cases.db"
    path.write_text("no database", encoding="utf-8")
    with pytest.raises(DataError, match=r"cases\.db"):
        analyzer.open_cases(path)


def test_a_case_base_needs_an_encoder(tmp_path: Path, analyzer: Analyzer) -> None:
    linear = tmp_path / "linear"
    shipped = analyzer.bundle
    files = {name: (shipped.path / name).read_bytes() for name in (ARRAYS, CALIBRATION)}
    write_bundle(linear, name="linear", trained_with="tests", components=("linear",), files=files)
    with pytest.raises(ModelError, match="no encoder"):
        Analyzer.load(linear, cases=tmp_path / "cases.db")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("你好，想登記一下，樓梯間這兩天都聞得到瓦斯味，我不急，師傅有空再過來看就好，謝謝。", "119"),
        ("你好，想登记一下，楼梯间这两天都闻得到煤气味，我不急，师傅有空再过来看就好，谢谢。", "119"),
        ("充电宝鼓包了，想问下怎么换货", "119"),
    ],
)
def test_a_calm_note_about_a_danger_is_routed_and_answered_as_one(analyzer: Analyzer, text: str, words: str) -> None:
    report = analyzer.analyze(text, received_at=RECEIVED)
    assert report.urgency.primary == "critical"
    assert [reason.matter for reason in report.urgency_reasons] == ["incident.danger"]
    assert report.route is not None
    assert (report.route.department_id, report.route.escalate) == ("safety", True)
    assert report.strategy is not None
    first = report.strategy.first_reply
    assert words in first[:40]
    assert ("請" in first) == (report.script == "traditional")
