"""Amounts: what is money, whose money, and what is none."""

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_nlp import ConfigError, Normalizer
from complaint_nlp.facts.amount_tables import load_amount_tables
from complaint_nlp.facts.amounts import find_amounts
from complaint_nlp.facts.types import FactKind
from complaint_nlp.resources import builtin

CASES: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "cases" / "facts_amounts.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
NORMALIZER = Normalizer()
SHIPPED = builtin("facts/amounts.yaml")


def found(text: str) -> list[list[str | None]]:
    return [[fact.kind.value, fact.text, fact.value] for fact in find_amounts(NORMALIZER.normalize(text))]


def cases(*, failing: bool) -> list[Any]:
    return [pytest.param(case, id=case["text"]) for case in CASES if case.get("known_failure", False) is failing]


@pytest.mark.parametrize("case", cases(failing=False))
def test_exactly_these_are_found(case: dict[str, Any]) -> None:
    assert found(case["text"]) == case["facts"]


@pytest.mark.parametrize("case", cases(failing=True))
def test_known_failure_is_still_one(case: dict[str, Any]) -> None:
    # when one of these is found, take its mark away
    assert found(case["text"]) != case["facts"]


def test_there_are_enough_cases_of_every_region_and_script() -> None:
    assert len(CASES) >= 90
    assert sum(not case["facts"] for case in CASES) >= 25
    currencies = Counter((value or "?").split()[-1] for case in CASES for _, _, value in case["facts"])
    assert {"TWD", "CNY", "HKD", "USD", "EUR", "JPY", "?"} <= set(currencies)
    scripts = Counter(NORMALIZER.normalize(case["text"]).script.value for case in CASES)
    assert scripts["traditional"] >= 20
    assert scripts["simplified"] >= 60
    assert sum(bool(case.get("known_failure")) for case in CASES) <= len(CASES) * 0.05


@pytest.mark.parametrize(
    ("text", "details"),
    [
        ("修一次1000到2000块", {"upper": "2000.00 CNY"}),
        ("报价三到五千元", {"upper": "5000.00 CNY"}),
        ("1-2万元的定金", {"upper": "20000.00 CNY"}),
        ("花了3000多块", {"approximate": "yes"}),
        ("大约三千块", {"approximate": "yes"}),
        ("三千块左右", {"approximate": "yes"}),
        ("几百块", {"approximate": "yes"}),
        ("正好三千块", {}),
    ],
)
def test_details(text: str, details: dict[str, str]) -> None:
    (fact,) = find_amounts(NORMALIZER.normalize(text))
    assert dict(fact.details) == details


def test_the_writers_region_decides_whose_yuan_it_is() -> None:
    assert found("這支軟體花了500元") == [["amount", "500元", "500.00 TWD"]]
    assert found("呢部嘢收咗我500元") == [["amount", "500元", "500.00 HKD"]]
    assert found("这个软件花了500元") == [["amount", "500元", "500.00 CNY"]]
    assert found("花了$500買這個，店員很兇") == [["amount", "$500", "500.00 ?"]]
    # a currency that the message names stands for the others
    assert found("收我500元，說好NT$300") == [["amount", "500元", "500.00 TWD"], ["amount", "NT$300", "300.00 TWD"]]


ALPHABET = "0123456789,.~- $¥元块塊毛角分钱多几十百千万一两三五半NTHKkw花了扣退到，的蛋糕个次\ud800\u200b"
TEXTS = st.one_of(
    st.text(ALPHABET, max_size=50),
    st.lists(
        st.sampled_from([case["text"] for case in CASES]) | st.text(ALPHABET, max_size=5), min_size=1, max_size=4
    ).map("".join),
)


@given(TEXTS)
@settings(max_examples=400, deadline=None)
def test_spans_are_the_text_in_order_and_apart(text: str) -> None:
    facts = find_amounts(NORMALIZER.normalize(text))
    for fact in facts:
        assert text[fact.start : fact.end] == fact.text
        assert fact.kind is FactKind.AMOUNT
        if fact.value is not None:
            value, _, currency = fact.value.partition(" ")
            assert Decimal(value) >= 0
            assert currency == "?" or (len(currency) == 3 and currency.isupper())
            if "upper" in fact.details:
                assert Decimal(fact.details["upper"].split()[0]) > Decimal(value)
    assert [fact.start for fact in facts] == sorted(fact.start for fact in facts)


@pytest.mark.parametrize(
    "piece",
    [
        "1",
        "1 ",
        "一百",
        "元",
        "1元",
        "块",
        "花了",
        "花了1 ",
        "$",
        "NT$",
        "1-",
        "几",
        "1千",
        "三块五毛",
        "0.1",
        "一块儿5",
    ],
)
@pytest.mark.timeout(60)  # a pattern that tries every way takes hours
def test_a_long_text_comes_to_an_end(piece: str) -> None:
    message = NORMALIZER.normalize(piece * (20_000 // len(piece)))
    facts = find_amounts(message)
    assert all(message.original[fact.start : fact.end] == fact.text for fact in facts)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            lambda c: c["currencies"]["USD"]["after"].append("人民币"),
            r"currencies\.USD\.after\.\d+: .*'人民币' is CNY already",
        ),
        (lambda c: c["regions"].pop("HK"), "regions: .*'HK' is missing"),
        (lambda c: c["regions"]["TW"].update(plain="XXX"), r"regions\.TW\.plain: .*'XXX' is no currency"),
        (lambda c: c["currencies"].update(usd={"before": ["x"], "after": ["y"]}), "currencies"),
        (lambda c: c.update(pieces=[]), "pieces"),
        (lambda c: c.update(extra=[]), "extra: Extra inputs"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, change: Any, problem: str) -> None:
    content = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    change(content)
    path = tmp_path / "amounts.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    with pytest.raises(ConfigError, match=problem) as caught:
        load_amount_tables(path)
    assert str(caught.value).startswith(f"{path}:")
