"""The forms of a report - dict, JSON, Arrow row, HTML - say the same, and a report does not change."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from complaint_nlp import TASKS, Analyzer, Decision, Report, Status
from complaint_nlp.labels import Category, Emotion, Intent, Subcategory, Urgency
from complaint_nlp.report import LabelResult, Route, Span, UrgencyReason, arrow_schema

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases" / "messages.jsonl").read_text(encoding="utf-8").splitlines()
]
TEXTS: list[Any] = [case["text"] for case in CASES] + [
    "廚房一直有瓦斯味，頭很暈，快派人來",
    "厨房一直有煤气味，头很晕，快派人来",
    "",
    None,
    "退",
    "not Chinese at all",
    42,
    "這則太長" * 6000,
]
RECEIVED = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
MEMBERS: dict[str, Any] = {"intent": Intent, "category": Category, "subcategory": Subcategory, "urgency": Urgency}
HOSTILE = "<script>alert('壞')</script>\"><img src=x onerror=alert(1)>&amp;手機"


@pytest.fixture(scope="module")
def reports(analyzer: Analyzer) -> list[Report]:
    return analyzer.analyze_batch(TEXTS, received_at=RECEIVED)


def test_the_examples_cover_every_status(reports: list[Report]) -> None:
    assert {report.status for report in reports} == set(Status)


def test_json_and_dict_are_the_same_plain_values(reports: list[Report]) -> None:
    for report in reports:
        assert json.loads(report.to_json()) == report.to_dict()
        assert json.loads(report.to_json(indent=2)) == report.to_dict()
        if not report.text.isascii():
            assert "\\u" not in report.to_json().replace("\\u200b", "")


def plain_types(value: object) -> set[type]:
    if isinstance(value, dict):
        return set().union({type(key) for key in value}, *(plain_types(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(plain_types(item) for item in value))
    return {type(value)}


def test_dict_holds_nothing_but_plain_types(reports: list[Report]) -> None:
    for report in reports:
        assert plain_types(report.to_dict()) <= {str, int, float, bool, type(None)}


def test_dict_leads_back_to_the_typed_values(reports: list[Report]) -> None:
    for report in reports:
        given = report.to_dict()
        assert Status(given["status"]) is report.status
        assert given["text"] == report.text
        for name in TASKS:
            result, plain = report.task(name), given[name]
            kind = MEMBERS.get(name, lambda label: label)
            assert tuple(kind(label) for label in plain["labels"]) == result.labels
            assert plain["primary"] == result.primary
            assert plain["confidence"] == result.confidence
            assert Decision(plain["decision"]) is result.decision
            assert tuple(Span(**span) for span in plain["evidence"]) == result.evidence
            assert list(plain["scores"]) == (list(TASKS[name].values) if report.status is Status.OK else [])
        assert [Urgency(reason["level"]) for reason in given["urgency_reasons"]] == [
            reason.level for reason in report.urgency_reasons
        ]
        if report.route is not None:
            assert datetime.fromisoformat(given["route"]["respond_by"]) == report.route.respond_by


def test_intensity_is_a_number(reports: list[Report]) -> None:
    assert all(type(label) is int for report in reports for label in report.to_dict()["intensity"]["labels"])
    assert any(report.intensity.labels for report in reports)


def test_arrow_schema_has_the_columns_of_every_report_in_order(reports: list[Report]) -> None:
    names = arrow_schema().names
    for report in reports:
        assert list(report.to_columns()) == names


def test_arrow_rows_come_back_as_they_went_in(reports: list[Report]) -> None:
    rows = [report.to_columns() for report in reports]
    table = pa.Table.from_pylist(rows, schema=arrow_schema())
    table.validate(full=True)
    assert table.schema.metadata == {b"complaint_nlp_schema": b"1"}
    for row, back in zip(rows, table.to_pylist(), strict=True):
        for name, value in row.items():
            if name.endswith("_confidence"):
                assert back[name] == (None if value is None else pytest.approx(value, abs=1e-6))
            elif name == "evidence":
                assert back[name] == [{**span, "weight": pytest.approx(span["weight"], abs=1e-6)} for span in value]
            else:
                assert back[name] == value


def test_arrow_keeps_the_second_of_a_deadline_with_fractions(analyzer: Analyzer) -> None:
    report = analyzer.analyze("手機壞了，我要退款", received_at=RECEIVED.replace(microsecond=999_999))
    table = pa.Table.from_pylist([report.to_columns()], schema=arrow_schema())
    assert report.route is not None
    assert table["respond_by"][0].as_py() == report.route.respond_by.replace(microsecond=0)


def test_columns_say_what_the_report_says(reports: list[Report]) -> None:
    for report in reports:
        row = report.to_columns()
        assert row["status"] == report.status.value
        for name, task in TASKS.items():
            labels = list(map(str, report.task(name).labels))
            shown = row[name] if task.is_multilabel else [] if row[name] is None else [str(row[name])]
            assert shown == labels
            assert row[f"{name}_decision"] == report.task(name).decision.value
        assert len(row["evidence"]) == sum(len(report.task(name).evidence) for name in TASKS)
        assert len(row["urgency_reasons"]) == len(report.urgency_reasons)


def test_a_message_without_analysis_has_no_answers(reports: list[Report]) -> None:
    for report in reports:
        if report.status is Status.OK:
            continue
        assert all(report.task(name) == LabelResult() for name in TASKS)
        assert (report.route, report.strategy, report.urgency_reasons) == (None, None, ())
        row = report.to_columns()
        assert {row[f"{name}_decision"] for name in TASKS} == {"review"}
        empty: tuple[object, ...] = (None, [], "review", report.status.value, report.script)
        assert all(value in empty for value in row.values())


def test_evidence_gives_the_words_of_the_message(reports: list[Report]) -> None:
    seen = 0
    for report in reports:
        for name in TASKS:
            for span in report.task(name).evidence:
                seen += 1
                assert 0 <= span.start < span.end <= len(report.text)
                assert report.text[span.start : span.end] == span.text
        for reason in report.urgency_reasons:
            assert report.text[reason.start : reason.end] == reason.text
    assert seen > 50


def test_a_report_is_frozen(reports: list[Report]) -> None:
    report = next(report for report in reports if report.urgency_reasons)
    parts: list[tuple[Any, str]] = [
        (report, "text"),
        (report.category, "labels"),
        (report.category.evidence[0], "text"),
        (report.urgency_reasons[0], "level"),
        (report.route, "escalate"),
        (report.strategy, "first_reply"),
    ]
    for part, name in parts:
        before = getattr(part, name)
        with pytest.raises(AttributeError):
            setattr(part, name, None)
        assert getattr(part, name) == before


def test_an_unknown_task_is_refused(reports: list[Report]) -> None:
    with pytest.raises(KeyError, match="unknown task 'mood'; use one of intent, category"):
        reports[0].task("mood")


class Page(HTMLParser):
    """Collects the tags of a fragment, the text of its first paragraph, and which characters of that are marked."""

    def __init__(self, fragment: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.message = ""
        self.marked: set[int] = set()
        self._open: list[str] = []
        self.attributes: set[str] = set()
        self._paragraphs = 0
        self.feed(fragment)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self._open.append(tag)
        self._paragraphs += tag == "p"

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "p" in self._open and self._paragraphs == 1:
            if "mark" in self._open:
                self.marked |= set(range(len(self.message), len(self.message) + len(data)))
            self.message += data


HARMLESS = {"div", "p", "mark", "span", "table", "tr", "th", "td", "blockquote"}


def test_html_shows_the_message_and_marks_exactly_the_evidence(reports: list[Report]) -> None:
    for report in reports:
        page = Page(report._repr_html_())
        evidence = {
            position
            for name in ("category", "urgency", "emotion", "demands")
            for span in report.task(name).evidence
            for position in range(span.start, span.end)
        }
        assert set(page.tags) <= HARMLESS
        # a parser folds line breaks, nothing else
        assert page.message == report.text
        assert page.marked == evidence


def test_html_escapes_what_others_wrote(analyzer: Analyzer) -> None:
    span = Span(1, len(HOSTILE) - 3, HOSTILE[1:-3], 0.9)
    report = Report(
        HOSTILE,
        Status.OK,
        category=LabelResult((Category.QUALITY,), {Category.QUALITY: 0.9}, 0.9, Decision.AUTO, (span,)),
        emotion=LabelResult((Emotion.ANGRY,), evidence=(Span(0, 4, HOSTILE[:4], 0.2),)),
        route=Route(HOSTILE, "x", RECEIVED, 1.0, escalate=False),
        urgency_reasons=(UrgencyReason("x", Urgency.HIGH, HOSTILE, 0, 1, HOSTILE[:1]),),
    )
    plan = analyzer.analyze("手機壞了，請退款").strategy
    assert plan is not None
    report.__dict__["strategy"] = replace(plan, first_reply=HOSTILE)
    for page in (Page(report._repr_html_()), Page(analyzer.analyze(HOSTILE + "壞了" * 5)._repr_html_())):
        assert set(page.tags) <= HARMLESS
        assert page.attributes <= {"class", "style", "title"}
        assert page.message.startswith(HOSTILE)
    assert Page(report._repr_html_()).marked == set(range(len(HOSTILE) - 3))


@pytest.mark.parametrize(("index", "words"), [(0, ["類別", "退款", "緊急程度"]), (2, ["类别", "退款", "紧急程度"])])
def test_html_names_labels_in_the_script_of_the_message(reports: list[Report], index: int, words: list[str]) -> None:
    fragment = reports[index]._repr_html_()
    assert [word for word in words if word not in fragment] == []
