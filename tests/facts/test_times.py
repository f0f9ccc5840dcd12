"""Times, durations and deadlines: what is found, what it means, and what is no time at all."""

import json
import string
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_nlp import ConfigError, Normalizer
from complaint_nlp.facts.time_words import TimeWords
from complaint_nlp.facts.times import find_times
from complaint_nlp.facts.types import Fact, FactKind
from complaint_nlp.resources import builtin
from complaint_nlp.text import Script

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "cases" / "facts_times.jsonl").read_text(encoding="utf-8").splitlines()
]
NOW = datetime(2026, 3, 11, 14, 20, tzinfo=ZoneInfo("Asia/Taipei"))  # a Wednesday
NORMALIZER = Normalizer()
SHIPPED = builtin("facts/times.yaml").read_text(encoding="utf-8")
# what times are made of, so that chance puts expressions together
WORDS = [
    *"今昨前明后天上下周月年日号点半分三五十两内 \n，。/:-~多几个第每",
    *[
        "星期",
        "小时",
        "晚上",
        "之前",
        "最晚",
        "民国",
        "月底",
        "工作天",
        "双11",
        "9999",
        "0",
        "29",
        "2月",
        "12",
        "要用",
        "限你们",
    ],
    *["上个月", "三天后", "31"],
]


def found(text: str, received_at: datetime = NOW) -> list[Fact]:
    return find_times(NORMALIZER.normalize(text), received_at=received_at)


def only(text: str, received_at: datetime = NOW) -> Fact:
    facts = found(text, received_at)
    assert len(facts) == 1, facts
    return facts[0]


def cases(*, known_failure: bool = False) -> list[Any]:
    return [pytest.param(case, id=case["text"]) for case in CASES if case.get("known_failure", False) is known_failure]


def as_listed(case: dict[str, Any]) -> list[list[str | None]]:
    facts = found(case["text"], datetime.fromisoformat(case["received_at"]))
    return [[fact.kind.value, fact.text, fact.value] for fact in facts]


@pytest.mark.parametrize("case", cases())
def test_times_are_found_exactly(case: dict[str, Any]) -> None:
    assert as_listed(case) == case["facts"]


@pytest.mark.parametrize("case", cases(known_failure=True))
def test_known_failure_is_still_one(case: dict[str, Any]) -> None:
    assert as_listed(case) != case["facts"]


def test_the_table_is_large_and_mixed() -> None:
    assert len(CASES) >= 130
    assert sum(not case["facts"] for case in CASES) >= 25
    kinds = Counter(kind for case in CASES for kind, _, _ in case["facts"])
    assert set(kinds) == {"time", "duration", "deadline"}
    assert min(kinds.values()) >= 25
    scripts = Counter(NORMALIZER.normalize(case["text"]).script for case in CASES)
    assert scripts[Script.TRADITIONAL] >= 40
    assert scripts[Script.SIMPLIFIED] >= 40


def test_words_point_into_the_original_through_html_and_full_width() -> None:
    text = "<b>訂單</b>&nbsp;於２０２６年３月６日晚上１０點&hellip;取消"
    fact = only(text)
    assert text[fact.start : fact.end] == fact.text == "２０２６年３月６日晚上１０點"
    assert fact.value == "2026-03-06T22:00"


@pytest.mark.parametrize("zone", ["Asia/Taipei", "UTC", "America/Los_Angeles"])
def test_results_are_in_the_zone_of_the_message(zone: str) -> None:
    midnight = datetime(2026, 3, 11, 16, 30, tzinfo=UTC)  # half past midnight in Taipei
    local = midnight.astimezone(ZoneInfo(zone))
    assert only("昨天就没水了", local).value == (local.date() - timedelta(days=1)).isoformat()


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        find_times(NORMALIZER.normalize("昨天"), received_at=datetime(2026, 3, 11))  # noqa: DTZ001 - on purpose


@pytest.mark.parametrize(
    ("text", "details"),
    [
        ("昨天晚上停電", {"part": "evening"}),
        ("晚上九点多还在吵", {"approximate": "yes", "assumed": "yes"}),
        ("昨天3點打的電話", {"assumed": "yes"}),
        ("上周末去的", {"until": "2026-03-08"}),
        ("2月底送修", {"part": "late"}),
        ("等了2個工作天", {"workdays": "yes"}),
        ("3-5天才到", {"max": "P5D"}),
        ("2026-03-05 20:30 下单", {}),
    ],
)
def test_details_tell_what_the_value_cannot(text: str, details: dict[str, str]) -> None:
    assert only(text).details == details


def test_both_ends_of_a_range_are_marked_and_complete() -> None:
    first, last = found("3月5日至8日住的")
    assert (first.value, first.details["range"]) == ("2026-03-05", "from")
    assert (last.value, last.details["range"]) == ("2026-03-08", "to")
    first, last = found("昨天下午两点到四点")
    assert (first.value, last.value) == ("2026-03-10T14:00", "2026-03-10T16:00")


@pytest.mark.parametrize(
    ("text", "past", "future"),
    [
        ("周五{}", "2026-03-06", "2026-03-13"),
        ("5号{}", "2026-03-05", "2026-04-05"),
        ("3/20{}", "2025-03-20", "2026-03-20"),
    ],
)
def test_complaints_tell_of_the_past_and_deadlines_of_the_future(text: str, past: str, future: str) -> None:
    told, needed = only(text.format("买的就坏了")), only(text.format("要用"))
    assert (told.kind, told.value) == (FactKind.TIME, past)
    assert (needed.kind, needed.value) == (FactKind.DEADLINE, future)


def test_workdays_skip_the_weekend() -> None:
    friday = datetime(2026, 3, 13, 9, 0, tzinfo=timezone(timedelta(hours=8)))
    assert only("请在1个工作日内答复", friday).value == "2026-03-16"
    assert only("请在6个工作日内答复", friday).value == "2026-03-23"
    assert only("请在3天内答复", friday).value == "2026-03-16"


def test_a_date_that_does_not_exist_has_no_value() -> None:
    assert [(fact.text, fact.value) for fact in found("2月30日買的")] == [("2月30日", None)]


def test_a_named_day_beyond_the_table_has_no_value() -> None:
    late = datetime(2041, 6, 1, tzinfo=UTC)
    assert only("今年中秋节买的月饼坏了", late).value is None


@pytest.mark.parametrize("moment", [datetime.min, datetime.max])  # noqa: DTZ901 - the zone follows
def test_the_ends_of_the_calendar_raise_nothing(moment: datetime) -> None:
    text = "九千年前 三天前 明天前处理 5号 2/29 12/31 上上周五 去年 限你们9999年 双11 中秋节 九点 9999个工作日内答复"
    for fact in found(text, moment.replace(tzinfo=UTC)):
        assert text[fact.start : fact.end] == fact.text


@given(
    st.text(st.sampled_from(string.printable + "年月日号點点时分前后內内天周星期三五十半上下午晚民國国"), max_size=60)
)
@settings(max_examples=150, deadline=None)
def test_spans_match_the_text_whatever_it_is(text: str) -> None:
    check(text)


@given(st.lists(st.sampled_from(WORDS), max_size=30).map("".join), st.datetimes(timezones=st.just(UTC)))
@settings(max_examples=300, deadline=None)
def test_spans_match_the_text_made_of_time_words(text: str, received_at: datetime) -> None:
    check(text, received_at)


def check(text: str, received_at: datetime = NOW) -> None:
    end = 0
    for fact in found(text, received_at):
        assert fact.start >= end
        assert fact.end > fact.start
        assert text[fact.start : fact.end] == fact.text
        end = fact.end


@pytest.mark.parametrize(
    "piece",
    ["三", "1", "1/", "半", "十点", "一两三", "3-", "上", "个", " ", "12:", "每天", "2026-", "三天内", "最晚", "几"],
)
@pytest.mark.timeout(60)  # a pattern that tries every way takes hours
def test_nasty_input_comes_to_an_end(piece: str) -> None:
    message = NORMALIZER.normalize((piece * 20_000)[:20_000])
    facts = find_times(message, received_at=NOW)
    assert all(message.original[fact.start : fact.end] == fact.text for fact in facts)


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ("  大前天: -3\n", "  大前天: -30\n", "days.大前天", "greater than or equal to -9"),
        ("  大清早: morning\n", "  大清早: breakfast\n", "parts.大清早", "Input should be"),
        ('  元旦: {date: "01-01"}\n', '  元旦: {date: "02-30"}\n', "holidays.元旦.date", "day is out of range"),
        ('  除夕: ["2024-02-09"', '  除夕: ["2024-02-39"', "moon_holidays.除夕.0", "day"),
        ("  年: {iso: Y}\n", "  年: {iso: Q}\n", "units.年.iso", "Input should be"),
        ("version: 1\n", "version: 2\n", "version", "Input should be 1"),
    ],
)
def test_wrong_file_is_refused_with_line_and_key(tmp_path: Path, old: str, new: str, key: str, says: str) -> None:
    path = tmp_path / "times.yaml"
    assert old in SHIPPED
    line = SHIPPED[: SHIPPED.index(old)].count("\n") + 1
    path.write_text(SHIPPED.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        TimeWords(path)
    assert f"times.yaml:{line}: {key}: " in str(caught.value)
    assert says in str(caught.value)
