"""One object for the whole way: statuses, batches, threads, processes, deadlines, scripts, urgency."""

import json
import math
import multiprocessing
import os
import pickle
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from csv import DictReader
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from opencc import OpenCC

from complaint_nlp import TASKS, Analyzer, Decision, ModelError, Report, Status
from complaint_nlp.classify.bundle import default_path
from complaint_nlp.labels import Intent, Urgency
from complaint_nlp.report import UrgencyReason

FOLDER = Path(__file__).resolve().parent


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / "cases" / name).read_text(encoding="utf-8").splitlines()]


def samples() -> list[str]:
    with (FOLDER.parent / "data" / "samples" / "mixed.csv").open(encoding="utf-8", newline="") as stream:
        return [row["text"] for row in DictReader(stream)]


MESSAGES = rows("messages.jsonl")
TEXTS: list[str | None] = [row["text"] for row in MESSAGES]
RECEIVED = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
TAIPEI = timezone(timedelta(hours=8))


def answers(analyzer: Analyzer, texts: list[str | None], batch_size: int = 512) -> list[dict[str, Any]]:
    """Return the reports as dicts; at module level, so that other processes can call it."""
    return [report.to_dict() for report in analyzer.analyze_batch(texts, batch_size=batch_size, received_at=RECEIVED)]


# --- statuses ---


@pytest.mark.parametrize("case", rows("status.jsonl"), ids=lambda case: case["why"])
def test_status_says_whether_there_was_something_to_analyse(analyzer: Analyzer, case: dict[str, Any]) -> None:
    report = analyzer.analyze(case["text"])
    assert report.status.value == case["status"]
    assert report.text == (case["text"] or "")
    assert report.error is None
    assert (report.route is None) is (report.status is not Status.OK)
    assert bool(report.intent.labels) is (report.status is Status.OK)


class Incomparable:
    """Something like an array: comparing it gives no truth value."""

    __hash__ = None  # type: ignore[assignment]

    def __ne__(self, other: object) -> bool:
        msg = "the truth value is ambiguous"
        raise ValueError(msg)


@pytest.mark.parametrize(
    ("given", "status", "error"),
    [
        (None, Status.EMPTY, None),
        (math.nan, Status.EMPTY, None),
        (3.5, Status.ERROR, "a message is text, got float"),
        (42, Status.ERROR, "a message is text, got int"),
        ("手機壞了".encode(), Status.ERROR, "a message is text, got bytes"),
        (["手機壞了"], Status.ERROR, "a message is text, got list"),
        (Incomparable(), Status.ERROR, "a message is text, got Incomparable"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_text_in_a_batch_is_told_and_stops_nothing(
    analyzer: Analyzer, given: Any, status: Status, error: str | None
) -> None:
    first, odd, last = analyzer.analyze_batch(["手機壞了，要退款", given, "手机坏了，要退款"])
    assert (odd.status, odd.error, odd.text) == (status, error, "")
    assert (first.status, last.status) == (Status.OK, Status.OK)


@pytest.mark.parametrize("text", ["手機壞了退款", "手机坏了退款", "手機坏了退款", "a" * 6])
def test_a_message_is_too_long_from_one_character_more_than_accepted(text: str) -> None:
    strict, exact = Analyzer.load(max_chars=5), Analyzer.load(max_chars=6)
    report = strict.analyze(text)
    assert report.status is Status.TOO_LONG
    assert report.text == text
    assert report.error == "6 characters, at most 5 are accepted"
    assert exact.analyze(text).status is not Status.TOO_LONG


def test_max_chars_may_be_raised_beyond_the_normalizers_own_limit() -> None:
    text = "手機壞了，客服不理。" * 10_001
    assert Analyzer.load().analyze(text).status is Status.TOO_LONG
    assert Analyzer.load(max_chars=len(text)).analyze(text).status is Status.OK


# --- batches ---


def refuse(wanted: str) -> Callable[..., Any]:
    def check(message: Any) -> None:
        if wanted in getattr(message, "original", message):
            msg = f"cannot take {wanted}"
            raise RuntimeError(msg)

    return check


@pytest.mark.parametrize("bad", ["這一則壞掉了", "这一则坏掉了", "這一則坏掉了"])
@pytest.mark.parametrize("room", ["text", "classify", "triage"])
def test_a_message_that_breaks_a_room_takes_no_other_along(
    analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch, room: str, bad: str
) -> None:
    expected = answers(analyzer, TEXTS)
    check = refuse(bad)
    normalize, answer, find = analyzer._normalizer.normalize, analyzer._cascade.answer, analyzer._rules.find
    if room == "text":
        monkeypatch.setattr(analyzer._normalizer, "normalize", lambda text: (check(text), normalize(text))[1])
    elif room == "classify":
        monkeypatch.setattr(
            analyzer._cascade, "answer", lambda messages: (list(map(check, messages)), answer(messages))[1]
        )
    else:
        monkeypatch.setattr(analyzer._rules, "find", lambda message, *rest: (check(message), find(message, *rest))[1])
    found = analyzer.analyze_batch([*TEXTS[:3], bad, *TEXTS[3:]], received_at=RECEIVED)
    broken = found.pop(3)
    assert broken.status is Status.ERROR
    assert broken.text == bad
    stage = "normalisation" if room == "text" else "analysis"
    assert broken.error == f"{stage} failed: RuntimeError: cannot take {bad}"
    # one by one or together: the numbers may differ in their last digits, nothing else
    assert_same([report.to_dict() for report in found], expected)


def test_a_room_that_always_fails_still_gives_one_report_each(
    analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> str:
        msg = "no route"
        raise KeyError(msg)

    monkeypatch.setattr(analyzer._router, "route", fail)
    found = analyzer.analyze_batch([*TEXTS, "", None])
    assert [report.text for report in found] == [*TEXTS, "", ""]
    assert {report.error for report in found[: len(TEXTS)]} == {"analysis failed: KeyError: 'no route'"}
    assert [report.status for report in found[-2:]] == [Status.EMPTY, Status.EMPTY]


def assert_same(found: Any, expected: Any) -> None:
    """Check that two reports as dicts are equal, numbers to five digits."""
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            assert_same(found[key], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=2e-4)
    else:
        assert found == expected


@pytest.mark.parametrize("batch_size", [1, 7, 512])
def test_a_batch_gives_what_its_messages_give_one_by_one_in_order(analyzer: Analyzer, batch_size: int) -> None:
    texts: list[str | None] = [*samples(), *TEXTS, None, ""]
    alone = [analyzer.analyze(text, received_at=RECEIVED).to_dict() for text in texts]
    together = answers(analyzer, texts, batch_size)
    assert [report["text"] for report in together] == [text or "" for text in texts]
    assert_same(together, alone)


def test_an_empty_batch_gives_no_reports(analyzer: Analyzer) -> None:
    assert analyzer.analyze_batch([]) == []
    assert list(analyzer.analyze_stream(iter(()))) == []


def test_a_stream_reads_no_more_than_a_batch_ahead(analyzer: Analyzer) -> None:
    read: list[str] = []

    def source() -> Iterator[str]:
        for row in MESSAGES:
            read.append(row["kind"])
            yield row["text"]

    stream = analyzer.analyze_stream(source(), batch_size=3, received_at=RECEIVED)
    assert read == []
    first = next(stream)
    assert first.text == TEXTS[0]
    assert len(read) == 3
    assert [report.text for report in (next(stream), next(stream))] == TEXTS[1:3]
    assert len(read) == 3
    assert next(stream).text == TEXTS[3]
    assert len(read) == 6
    assert [report.text for report in stream] == TEXTS[4:]
    assert len(read) == len(MESSAGES)


def test_a_stream_may_be_endless(analyzer: Analyzer) -> None:
    def endless() -> Iterator[str]:
        while True:
            yield "客服態度很差"
            yield "客服态度很差"

    stream = analyzer.analyze_stream(endless(), batch_size=2)
    assert [next(stream).script for _ in range(5)] == [
        "traditional",
        "simplified",
        "traditional",
        "simplified",
        "traditional",
    ]


# --- threads and processes ---


def test_eight_threads_give_what_one_gives(analyzer: Analyzer) -> None:
    texts: list[str | None] = [*TEXTS, *samples()[:30]]
    expected = answers(analyzer, texts)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: answers(analyzer, texts), range(16)))
    assert all(result == expected for result in found)


def test_an_analyzer_survives_pickling(analyzer: Analyzer) -> None:
    again = pickle.loads(pickle.dumps(analyzer))  # noqa: S301 - our own object
    assert again.bundle.hash == analyzer.bundle.hash
    assert again.max_chars == analyzer.max_chars
    assert answers(again, TEXTS) == answers(analyzer, TEXTS)


def test_pickling_keeps_files_given_by_relative_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, analyzer: Analyzer
) -> None:
    source = FOLDER.parent / "src" / "complaint_nlp" / "resources" / "triage" / "routing.yaml"
    (tmp_path / "own.yaml").write_text(source.read_text(encoding="utf-8").replace("客服中心", "客服總部"), "utf-8")
    monkeypatch.chdir(tmp_path)
    relative = os.path.relpath(default_path(), tmp_path)
    own = Analyzer.load(relative, routing="own.yaml", max_chars=77)
    data = pickle.dumps(own)
    monkeypatch.chdir(FOLDER)
    again = pickle.loads(data)  # noqa: S301 - our own object
    assert again.max_chars == 77
    assert again._router.table == own._router.table != analyzer._router.table
    assert again.bundle.hash == analyzer.bundle.hash


@pytest.mark.parametrize("method", ["spawn", "fork"])
# newer Pythons warn of forking beside the threads of numerical libraries; that it works is what is shown here
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_another_process_gives_the_same(analyzer: Analyzer, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"{method} does not exist here")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        found = pool.submit(answers, analyzer, TEXTS).result(timeout=120)
    assert found == answers(analyzer, TEXTS)


# --- the way back to the customer's words ---


@pytest.mark.parametrize("case", MESSAGES, ids=lambda case: case["kind"])
def test_evidence_points_into_the_original(analyzer: Analyzer, case: dict[str, Any]) -> None:
    report = analyzer.analyze(case["text"])
    assert report.text == case["text"]
    assert report.script == case["script"]
    spans = [span for name in TASKS for span in report.task(name).evidence]
    assert all(report.text[span.start : span.end] == span.text for span in spans)
    where = case["text"].index(case["word"])
    assert any(span.start <= where and where + len(case["word"]) <= span.end for span in spans)


@pytest.mark.parametrize("case", MESSAGES, ids=lambda case: case["kind"])
def test_reply_and_department_come_in_the_customers_script(analyzer: Analyzer, case: dict[str, Any]) -> None:
    report = analyzer.analyze(case["text"])
    assert report.strategy is not None
    assert report.route is not None
    to_simplified = OpenCC("t2s").convert
    words = report.strategy.first_reply
    assert (to_simplified(words) == words) is (case["reply"] == "zh-Hans")
    table = analyzer._router.table
    assert report.route.department == table.departments[report.route.department_id].get(case["reply"])


@pytest.mark.parametrize(
    ("texts", "attribute"),
    [
        (("手機一直死機，我要退款！", "手机一直死机，我要退款！"), "category"),
        (("客服態度很差，對我大吼", "客服态度很差，对我大吼"), "subcategory"),
        (("現在家裡一直停電，快派人來", "现在家里一直停电，快派人来"), "urgency"),
    ],
)
def test_both_scripts_get_the_same_answers(analyzer: Analyzer, texts: tuple[str, str], attribute: str) -> None:
    traditional, simplified = analyzer.analyze_batch(texts)
    assert (traditional.script, simplified.script) == ("traditional", "simplified")
    assert traditional.task(attribute).labels == simplified.task(attribute).labels != ()
    assert traditional.task(attribute).scores == pytest.approx(simplified.task(attribute).scores, abs=1e-5)


# --- deadlines ---


@pytest.mark.parametrize(
    "received",
    [
        RECEIVED,
        RECEIVED.astimezone(TAIPEI),
        datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=-11))),
    ],
)
@pytest.mark.parametrize("text", ["手機壞了，要退款", "手机坏了，要退款", "廚房有煤气味，很重", "謝謝你們，服務很好"])
def test_deadline_is_the_hours_of_the_urgency_after_reception(
    analyzer: Analyzer, text: str, received: datetime
) -> None:
    report = analyzer.analyze(text, received_at=received)
    assert report.route is not None
    level = report.urgency.labels[0]
    hours = analyzer._router.table.respond_within_hours[level]
    waited = (report.route.respond_by - received) / timedelta(hours=1)
    # the shipped table counts these by the clock, the others in opening hours
    assert waited == hours if level in (Urgency.CRITICAL, Urgency.HIGH) else waited > hours
    assert report.route.respond_within_hours == round(waited, 2)
    assert report.route.respond_by.utcoffset() == timedelta(0)


@pytest.fixture
def taipei_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run as on a machine in Taipei."""
    if not hasattr(time, "tzset"):
        pytest.skip("the time zone of a process cannot be set here")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Taipei")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("taipei_time")
def test_a_time_without_zone_is_local_time(analyzer: Analyzer) -> None:
    text = "手機壞了，要退款"
    naive = analyzer.analyze(text, received_at=datetime(2026, 3, 4, 13, 6, 7))  # noqa: DTZ001 - what is tested
    assert naive.to_dict() == analyzer.analyze(text, received_at=RECEIVED).to_dict()


def test_without_a_time_the_deadline_counts_from_now(analyzer: Analyzer) -> None:
    before = datetime.now(UTC)
    route = analyzer.analyze("手机坏了，要退款").route
    after = datetime.now(UTC)
    assert route is not None
    assert route.respond_by > after
    rounding = timedelta(hours=0.01)
    assert before - rounding <= route.respond_by - timedelta(hours=route.respond_within_hours) <= after + rounding


# --- urgency ---


def plain_and_raised(
    analyzer: Analyzer, patch: pytest.MonkeyPatch, texts: list[str], level: Urgency
) -> tuple[list[Report], list[Report]]:
    """Return the reports without any rule, and with one of ``level`` that fires on every first character."""
    patch.setattr(analyzer._rules, "find", lambda *_: ())
    plain = analyzer.analyze_batch(texts, received_at=RECEIVED)

    def find(message: Any, *_: object) -> tuple[UrgencyReason, ...]:
        low = UrgencyReason("other", Urgency.LOW, "low", 1, 2, message.original[1:2])
        return (UrgencyReason("always", level, "always", 0, 1, message.original[:1]), low)

    patch.setattr(analyzer._rules, "find", find)
    return plain, analyzer.analyze_batch(texts, received_at=RECEIVED)


def is_sure_praise(report: Report) -> bool:
    return report.intent.primary is Intent.PRAISE and report.intent.decision is Decision.AUTO


@pytest.mark.parametrize("level", Urgency)
def test_a_safety_rule_raises_urgency_and_never_lowers_it(
    analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch, level: Urgency
) -> None:
    texts = [text for text in samples() if analyzer.analyze(text).status is Status.OK]
    plain, ruled = plain_and_raised(analyzer, monkeypatch, texts, level)
    assert len({report.urgency.primary for report in plain}) >= 3
    for before, after in zip(plain, ruled, strict=True):
        old, new = before.urgency.labels[0], after.urgency.labels[0]
        assert after.urgency.scores == before.urgency.scores
        if is_sure_praise(before) or level.rank <= old.rank:
            assert after.urgency == before.urgency
            continue
        assert new is level
        assert after.urgency.decision is Decision.SUGGEST
        assert after.urgency.confidence == before.urgency.scores[level]
        assert [span.text for span in after.urgency.evidence] == [after.text[0]]
        assert after.route is not None
        assert after.route.respond_within_hours >= analyzer._router.table.respond_within_hours[level]


@pytest.mark.parametrize("text", ["謝謝你們，服務非常好，很滿意，大推！", "谢谢你们，服务非常好，很满意，强烈推荐！"])
def test_sure_praise_is_no_emergency(analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    plain, ruled = plain_and_raised(analyzer, monkeypatch, [text], Urgency.CRITICAL)
    assert is_sure_praise(plain[0])
    assert ruled[0].urgency_reasons == ()
    assert ruled[0].urgency == plain[0].urgency


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("你好，廚房這兩天一直有瓦斯味，有空再來看", "瓦斯味"),
        ("你好，厨房这两天一直有煤气味，有空再来看", "煤气味"),
        ("你好，厨房這兩天一直有瓦斯味，有空再来看", "瓦斯味"),
    ],
)
def test_a_calm_gas_smell_is_critical_and_names_its_words(analyzer: Analyzer, text: str, words: str) -> None:
    report = analyzer.analyze(text)
    assert report.urgency.primary is Urgency.CRITICAL
    assert report.urgency_reasons[0].text == words
    assert report.urgency_reasons[0].start == text.index(words)
    assert report.route is not None
    assert report.route.escalate


# --- wrong arguments ---


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_size_that_is_not_positive_is_refused(analyzer: Analyzer, batch_size: int) -> None:
    message = re.escape(f"batch_size must be positive, got {batch_size}")
    with pytest.raises(ValueError, match=message):
        analyzer.analyze_batch(TEXTS, batch_size=batch_size)
    with pytest.raises(ValueError, match=message):
        next(analyzer.analyze_stream(TEXTS, batch_size=batch_size))


@pytest.mark.parametrize("max_chars", [0, -5])
def test_max_chars_that_is_not_positive_is_refused(max_chars: int) -> None:
    with pytest.raises(ValueError, match=f"max_chars must be positive, got {max_chars}"):
        Analyzer.load(max_chars=max_chars)


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=re.escape(f"{tmp_path / 'none'}: no model bundle here")):
        Analyzer.load(tmp_path / "none")


def test_one_text_is_no_batch(analyzer: Analyzer) -> None:
    with pytest.raises(TypeError, match="analyze"):
        analyzer.analyze_batch("退款")
    with pytest.raises(TypeError, match="analyze"):
        analyzer.analyze_stream("退款")


def test_a_broken_character_does_not_break_the_json(analyzer: Analyzer) -> None:
    report = analyzer.analyze("快遞三天了還沒到\ud83d，我要退款")
    assert json.loads(report.to_json().encode("utf-8"))["text"] == report.text


@pytest.mark.parametrize(
    ("text", "traditional"),
    [("訂單還沒處理，客服說会回覆，結果沒有", True), ("订单还没处理，客服說会回复，结果没有", False)],
)
def test_mixed_text_is_answered_in_the_script_of_most_of_it(analyzer: Analyzer, text: str, traditional: bool) -> None:  # noqa: FBT001 - a case
    report = analyzer.analyze(text)
    assert report.script == "mixed"
    assert report.strategy is not None
    written = "".join(step.action for step in report.strategy.steps)
    assert ("客戶" in written) is traditional
    assert ("客户" in written) is not traditional
