"""Identifiers: what is found, what is left alone, and how the tables are checked."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_nlp import ConfigError, Normalizer
from complaint_nlp.facts import checksums
from complaint_nlp.facts.identifier_tables import Cues, load_tables, tables
from complaint_nlp.facts.identifiers import IDENTIFIERS, find_identifiers
from complaint_nlp.facts.types import FactKind
from complaint_nlp.resources import builtin
from complaint_nlp.text.resources import regional_words

CASES: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "cases" / "facts_identifiers.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
NORMALIZER = Normalizer()
SHIPPED = builtin("facts/identifiers.yaml")


def found(text: str) -> list[list[str | None]]:
    return [[fact.kind.value, fact.text, fact.value] for fact in find_identifiers(NORMALIZER.normalize(text))]


def cases(*, failing: bool) -> list[Any]:
    return [pytest.param(case, id=case["text"]) for case in CASES if case.get("known_failure", False) is failing]


@pytest.mark.parametrize("case", cases(failing=False))
def test_exactly_these_are_found(case: dict[str, Any]) -> None:
    assert found(case["text"]) == case["facts"]


@pytest.mark.parametrize("case", cases(failing=True))
def test_known_failure_is_still_one(case: dict[str, Any]) -> None:
    # when one of these is found, take its mark away
    assert found(case["text"]) != case["facts"]


def test_there_are_enough_cases_of_every_kind_and_script() -> None:
    assert len(CASES) >= 160
    assert sum(not case["facts"] for case in CASES) >= 40
    kinds = Counter(kind for case in CASES for kind, _, _ in case["facts"])
    assert set(kinds) == {kind.value for kind in IDENTIFIERS}
    assert min(kinds.values()) >= 5
    scripts = Counter(NORMALIZER.normalize(case["text"]).script.value for case in CASES)
    assert scripts["traditional"] >= 60
    assert scripts["simplified"] >= 60
    assert sum(bool(case.get("known_failure")) for case in CASES) <= len(CASES) * 0.05


@pytest.mark.parametrize(
    ("text", "details"),
    [
        ("身分證字號A100000001", {"region": "TW", "checksum": "right"}),
        ("身分證字號A100000002", {"region": "TW", "checksum": "wrong"}),
        ("身份证110101190001010014", {"region": "CN", "checksum": "right"}),
        ("身份證Z000001(A)", {"region": "HK", "checksum": "right"}),
        ("信用卡號4111110000000005", {"checksum": "right"}),
        ("信用卡號4111110000000006", {"checksum": "wrong"}),
        ("手機0900000123", {"region": "TW"}),
        ("手机138****1234", {"region": "CN", "masked": "yes"}),
        ("订单尾号8812", {"masked": "yes"}),
        ("订单号A12****789", {"masked": "yes"}),
        ("+853 6000 0001", {"region": "MO"}),
    ],
)
def test_details(text: str, details: dict[str, str]) -> None:
    (fact,) = find_identifiers(NORMALIZER.normalize(text))
    assert dict(fact.details) == details


def test_what_overlaps_is_settled() -> None:
    # one number, two readings: the word beside it decides
    assert found("订单号13800001234") == [["order", "13800001234", "13800001234"]]
    assert found("电话13800001234") == [["phone", "13800001234", "+8613800001234"]]
    assert found("订单13800001234") == [["phone", "13800001234", "+8613800001234"]]
    assert found("訂單號碼A100000001") == [["order", "A100000001", "A100000001"]]
    assert found("運單號4111110000000005") == [["tracking", "4111110000000005", "4111110000000005"]]


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (checksums.luhn, "4111110000000005", "4111110000000050"),
        (checksums.mainland_id, "65010019010101007X", "650100190101010071"),
        (checksums.taiwan_id, "A100000001", "A100000002"),
        (checksums.taiwan_id, "A800000014", "A800000114"),
        (checksums.taiwan_id, "AC00000003", "AC00000103"),
        (checksums.hong_kong_id, "WX000001(7)", "WX000010(7)"),
        (checksums.parcel, "RB100000003CN", "RB100000030CN"),
    ],
)
def test_check_digits(check: Any, right: str, wrong: str) -> None:
    assert check(right)
    assert not check(wrong)
    assert not check("")
    assert not check(right[:-1])
    assert not check("\ud800" + right[1:])


def test_a_birthday_must_exist_and_repeated_digits_are_no_card() -> None:
    assert not checksums.mainland_id("110101190002300019")
    assert not checksums.luhn("0000000000000000")


ALPHABET = "0123456789*-()（） .+@#xX：，AB订單号尾电話的是卡车牌京身份证零九幺\ud800\u200b\n"
TEXTS = st.one_of(
    st.text(ALPHABET, max_size=60),
    st.lists(
        st.sampled_from([case["text"] for case in CASES]) | st.text(ALPHABET, max_size=5), min_size=1, max_size=4
    ).map("".join),
)


@given(TEXTS)
@settings(max_examples=400, deadline=None)
def test_spans_are_the_text_in_order_and_apart(text: str) -> None:
    facts = find_identifiers(NORMALIZER.normalize(text))
    for fact in facts:
        assert 0 <= fact.start < fact.end <= len(text)
        assert text[fact.start : fact.end] == fact.text
        assert fact.kind in IDENTIFIERS
        assert fact.value
    assert [fact.start for fact in facts] == sorted(fact.start for fact in facts)


@pytest.mark.parametrize(
    "piece",
    [
        "1",
        "1 ",
        "1-",
        "*",
        "1*",
        "a",
        "a@",
        "a.",
        "订单号",
        "尾号12",
        "订单号1234，",
        "13812345678-",
        "、A123",
        "+886 1",
        *(
            "A12345678",
            "4111 ",
            "(02)",
            "a-",
            "订单的的的的的的的的",
            "京A1",
            "零",
            "(2018)楚",
            "09xx-",
            "12345678的订单",
        ),
    ],
)
@pytest.mark.timeout(60)  # a pattern that tries every way takes hours
def test_a_long_text_comes_to_an_end(piece: str) -> None:
    message = NORMALIZER.normalize(piece * (20_000 // len(piece)))
    facts = find_identifiers(message)
    assert all(message.original[fact.start : fact.end] == fact.text for fact in facts)


def test_words_are_simplified_and_survive_normalisation() -> None:
    # a Taiwan or Hong Kong word that the text room replaces needs its mainland word beside it
    table = sorted(regional_words().values(), key=lambda word: -len(word.term))
    known = set(tables().cues)
    lost = []
    for word in known:
        mapped = word
        for entry in table:
            mapped = mapped.replace(entry.term, entry.mainland)
        if mapped not in known:
            lost.append((word, mapped))
        assert not any(char in "訂單號電話車證帳會員編碼郵運" for char in word), word
    assert lost == []


def wrong(tmp_path: Path, change: Any) -> Path:
    content = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    change(content)
    path = tmp_path / "identifiers.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return path


def test_a_copy_of_the_file_gives_the_same_tables(tmp_path: Path) -> None:
    copy = load_tables(wrong(tmp_path, lambda _: None))
    assert copy.file == tables().file
    assert set(Cues.model_fields) - {"other"} == {kind.value for kind in IDENTIFIERS}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            lambda c: c["cues"]["case"]["names"].append("订单号"),
            r"cues\.case\.names\.\d+: .*'订单号' stands already in order",
        ),
        (lambda c: c["cues"].pop("plate"), r"cues\.plate: Field required"),
        (lambda c: c["cues"]["order"].update(words=["x"]), "words: Extra inputs"),
        (lambda c: c["phones"]["landlines"][0].update(code="2"), r"phones\.landlines\.0\.code"),
        (lambda c: c["phones"]["landlines"][0].update(region="US"), r"phones\.landlines\.0\.region"),
        (lambda c: c["cards"][0].update(digits=[]), r"cards\.0\.digits"),
        (lambda c: c["tail_owners"].update(nobody=["x"]), "tail_owners"),
        (lambda c: c.update(version=2), "version"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, change: Any, problem: str) -> None:
    path = wrong(tmp_path, change)
    with pytest.raises(ConfigError, match=problem) as caught:
        load_tables(path)
    assert str(caught.value).startswith(f"{path}:")


def test_a_message_without_digits_costs_nothing_but_a_look() -> None:
    assert find_identifiers(NORMALIZER.normalize("客服态度太差了，我要投诉")) == []
    assert found("账号：happytester登不上") == [[FactKind.ACCOUNT, "happytester", "happytester"]]
