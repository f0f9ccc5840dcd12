"""Mentions: what is found, what it stands for, and what only looks like one."""

import json
import re
import string
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_nlp import ConfigError, Normalizer
from complaint_nlp.facts.mention_words import MentionsFile, default_mentions
from complaint_nlp.facts.mentions import find_mentions
from complaint_nlp.facts.types import Fact, FactKind
from complaint_nlp.resources import builtin, load_yaml
from complaint_nlp.text import Script

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "cases" / "facts_mentions.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
NORMALIZER = Normalizer()
SHIPPED = builtin("facts/mentions.yaml").read_text(encoding="utf-8")
KINDS = {"product", "place", "organisation", "staff", "prior_contact", "threat", "vulnerable", "channel"}
WORDS = [
    *"的在到店路街公司银行第三次打了过投诉小王李姓工号岁，。 \n一两会",
    *[
        "iPhone",
        " 15",
        "Pro",
        "XC-200",
        "S24",
        "型号:",
        "手机",
        "屏幕",
        "台北",
        "信义",
        "旺角",
        "中山路",
        "12号",
        "有限公司",
    ],
    *[
        "医院",
        "客服",
        "经理",
        "經理",
        "反映",
        "很多次",
        "电话",
        "12315",
        "律师",
        "报警",
        "我要",
        "不会",
        "发到网上",
        "小孩",
        "80",
    ],
    *["轮椅", "APP", "官网", "門市"],
]


def found(text: str) -> list[Fact]:
    return find_mentions(NORMALIZER.normalize(text))


def values(text: str, kind: FactKind) -> list[str | None]:
    return [fact.value for fact in found(text) if fact.kind is kind]


def cases(*, known_failure: bool = False) -> list[Any]:
    return [pytest.param(case, id=case["text"]) for case in CASES if case.get("known_failure", False) is known_failure]


def as_listed(case: dict[str, Any]) -> list[list[str | None]]:
    return sorted(([fact.kind.value, fact.text, fact.value] for fact in found(case["text"])), key=str)


@pytest.mark.parametrize("case", cases())
def test_mentions_are_found_exactly(case: dict[str, Any]) -> None:
    assert as_listed(case) == sorted(case["facts"], key=str)


@pytest.mark.parametrize("case", cases(known_failure=True))
def test_known_failure_is_still_one(case: dict[str, Any]) -> None:
    assert as_listed(case) != sorted(case["facts"], key=str)


def test_the_table_is_large_and_mixed() -> None:
    assert len(CASES) >= 130
    assert sum(not case["facts"] for case in CASES) >= 30
    kinds = Counter(kind for case in CASES for kind, _, _ in case["facts"])
    assert set(kinds) == KINDS
    assert min(kinds.values()) >= 10
    scripts = Counter(NORMALIZER.normalize(case["text"]).script for case in CASES)
    assert scripts[Script.TRADITIONAL] >= 40
    assert scripts[Script.SIMPLIFIED] >= 40


def test_every_kind_of_threat_person_and_channel_has_a_case() -> None:
    seen = {(kind, value) for case in CASES for kind, _, value in case["facts"]}
    file = default_mentions()
    wanted = {
        *(("threat", value) for value in file.threats),
        *(("vulnerable", value) for value in file.vulnerable),
        *(("channel", value) for value in file.channels),
    }
    assert wanted - seen == set()


def test_facts_come_in_the_order_of_the_message() -> None:
    facts = found("台北信義店的店員說沒辦法，我要找消保官，iPhone 15 是在你們官網買的")
    assert [fact.start for fact in facts] == sorted(fact.start for fact in facts)
    assert {fact.kind for fact in facts} >= {FactKind.PLACE, FactKind.STAFF, FactKind.THREAT, FactKind.PRODUCT}


def test_the_longest_word_wins() -> None:
    assert values("电热水器坏了", FactKind.PRODUCT) == ["电热水器"]
    assert values("出租车司机骂人", FactKind.STAFF) == ["出租车司机"]


def test_a_regional_word_has_the_customers_span_and_the_common_value() -> None:
    text = "印表機卡紙，工讀生不會修"
    product, staff = found(text)
    assert (product.text, product.value) == ("印表機", "打印机")
    assert (staff.text, staff.value) == ("工讀生", "兼职学生")
    assert text[staff.start : staff.end] == staff.text


def test_what_is_known_beside_the_value_is_in_the_details() -> None:
    details = {fact.text: dict(fact.details) for fact in found("信义店工号1234的店员，戴森XC-200，80岁老人")}
    assert details["信义店"] == {"type": "store"}
    assert details["工号1234"] == {"badge": "yes"}
    assert details["XC-200"] == {"model": "yes"}
    assert details["戴森"] == {"trade": "makers", "brand": "yes"}
    assert details["80岁"] == {"age": "80"}


@pytest.mark.parametrize(
    ("age", "kind"), [("3岁", "child"), ("十二岁", "child"), ("40岁", None), ("七十岁", "elderly")]
)
def test_an_age_makes_a_person_one_to_protect(age: str, kind: str | None) -> None:
    assert values(f"我家{age}的那位摔倒了", FactKind.VULNERABLE) == ([kind] if kind else [])


@pytest.mark.parametrize("word", ["律师", "报警", "曝光", "媒体"])
def test_an_act_is_a_threat_only_when_it_is_announced(word: str) -> None:
    assert len(values(f"再不处理我就找{word}", FactKind.THREAT)) == 1
    assert values(f"{word}，这个词挺常见", FactKind.THREAT) == []


@pytest.mark.parametrize("code", ["ABC-1234", "G1234", "CA1234"])
def test_plates_trains_and_flights_are_no_models(code: str) -> None:
    assert values(f"昨天坐的{code}", FactKind.PRODUCT) == []
    assert values(f"型号{code}", FactKind.PRODUCT) == [code]


@given(
    st.text(
        st.sampled_from(string.printable + "店路街公司銀行医院第三次打過了姓李经理小孩岁律師报警門市客服的"),
        max_size=60,
    )
)
@settings(max_examples=150, deadline=None)
def test_spans_match_the_text_whatever_it_is(text: str) -> None:
    check(text)


@given(st.lists(st.sampled_from(WORDS), max_size=30).map("".join))
@settings(max_examples=300, deadline=None)
def test_spans_match_the_text_made_of_mentions(text: str) -> None:
    check(text)


def check(text: str) -> None:
    ends: dict[FactKind, int] = {}
    for fact in found(text):
        assert fact.end > fact.start >= ends.get(fact.kind, 0)
        assert text[fact.start : fact.end] == fact.text
        assert fact.value
        ends[fact.kind] = fact.end


@pytest.mark.parametrize(
    "piece",
    [
        "店",
        "信义",
        "打了",
        "第三",
        "iPhone ",
        "Pro ",
        "XC-2",
        "A",
        "小",
        "公司",
        "银行",
        "我要",
        "三岁",
        "中山路1号",
        "型号",
    ],
)
@pytest.mark.timeout(60)  # a pattern that tries every way takes hours
def test_nasty_input_comes_to_an_end(piece: str) -> None:
    message = NORMALIZER.normalize((piece * 20_000)[:20_000])
    facts = find_mentions(message)
    assert all(message.original[fact.start : fact.end] == fact.text for fact in facts)


def test_every_word_of_the_tables_is_simplified() -> None:
    # messages are simplified before they are read: a traditional word would never be seen
    words = {
        word
        for groups in (default_mentions().products, default_mentions().places)
        for w in groups.values()
        for word in w
    }
    wrong = [word for word in sorted(words) if NORMALIZER.normalize(word).script is Script.TRADITIONAL]
    assert wrong == []


@pytest.mark.parametrize(
    ("pattern", "new", "key", "says"),
    [
        (r"child_until: 12\n", "child_until: 0\n", "child_until", "greater than or equal to 1"),
        (r"  regulator: \[", "  regulators: [", "threats.regulators", "Input should be"),
        (r"threat_acts: \[", "threat_acts: [喊叫, ", "threat_acts.0", "'喊叫' is no word of threats"),
        (r"  elderly: \[", "  elderly: [小孩, ", "vulnerable.elderly.0", "'小孩' stands already under 'child'"),
        (r"version: 1\n", "version: 1\nnonsense: [x]\n", "nonsense", "Extra inputs"),
    ],
)
def test_wrong_file_is_refused_with_place_and_reason(
    tmp_path: Path, pattern: str, new: str, key: str, says: str
) -> None:
    path = tmp_path / "mentions.yaml"
    content, count = re.subn(pattern, lambda _: new, SHIPPED, count=1)
    assert count == 1
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_yaml(path, MentionsFile)
    assert key in str(caught.value)
    assert says in str(caught.value)
