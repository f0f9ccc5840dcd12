"""Masking: nothing of the hidden is left, everything else is, and a second time changes nothing."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_nlp import ConfigError, Normalizer
from complaint_nlp.facts.identifiers import find_identifiers
from complaint_nlp.facts.masking import load_placeholders, mask
from complaint_nlp.resources import builtin

CASES: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "cases" / "facts_identifiers.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
TEXTS = [case["text"] for case in CASES]
POSITIVE = [case for case in CASES if case["facts"] and not case.get("known_failure")]
SHIPPED = builtin("facts/masking.yaml")


@pytest.mark.parametrize("case", POSITIVE, ids=[case["text"] for case in POSITIVE])
def test_nothing_of_the_hidden_is_left_and_the_rest_is(case: dict[str, Any]) -> None:
    text: str = case["text"]
    masked, same_length = mask(text), mask(text, keep_length=True)
    rest = text
    for _, words, _ in case["facts"]:
        assert words not in masked
        assert words not in same_length
        at = rest.index(words)
        rest = rest[:at] + "\0" * len(words) + rest[at + len(words) :]
    assert len(same_length) == len(text)
    assert same_length == rest.replace("\0", "*")
    kept = [piece for piece in re.split("\0+", rest) if piece]
    at = 0
    for piece in kept:
        at = masked.index(piece, at) + len(piece)
    assert masked.count("[") - text.count("[") == len(case["facts"])


@pytest.mark.parametrize("text", [case["text"] for case in CASES if not case["facts"]])
def test_a_text_without_personal_data_stays(text: str) -> None:
    assert mask(text) == text
    assert mask(text, keep_length=True) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("我的電話0900000123，訂單A0099887766沒到", "我的電話[電話]，訂單[訂單編號]沒到"),
        ("我的电话13800001234，订单号A0099887766没到", "我的电话[电话]，订单号[订单号]没到"),
        ("0900000123", "[phone]"),
        ("call me: 0900000123", "call me: [phone]"),
        ("信箱a.b@example.com，身分證A100000001", "信箱[電子郵件]，身分證[證件號碼]"),
        ("<b>电话</b>：1380000\u200b1234 !!", "<b>电话</b>：[电话] !!"),
        ("電話０９００－０００－１２３　謝謝", "電話[電話]　謝謝"),
        ("车牌京A00001，卡号4111110000000005", "车牌[车牌]，卡号[卡号]"),
        ("  原樣\r\n保留\t空白 &amp; 0900000123\ud800", "  原樣\r\n保留\t空白 &amp; [電話]\ud800"),
    ],
)
def test_placeholders_are_in_the_script_of_the_message(text: str, masked: str) -> None:
    assert mask(text) == masked


def test_a_placeholder_says_nothing_of_the_numbers_beside_it() -> None:
    assert mask("[電話] 20000001") == "[電話] 20000001"
    assert mask("電話 20000001") == "電話 [電話]"


PIECES = [
    *TEXTS,
    "[電話]",
    "[订单号]",
    "订单号",
    "电话",
    "尾号",
    "、",
    " ",
    "*",
    "-",
    "\ud800",
    "&#48;",
    "æˆ‘",
    "1234",
    "😀",
]
ANY = st.one_of(
    st.text(),
    st.text("0123456789*-()+@.xAB [電话]订单号尾是：、幺零九\ud800\u200b", max_size=60),
    st.lists(st.sampled_from(PIECES), max_size=6).map("".join),
)


@given(ANY, st.booleans())
@settings(max_examples=400, deadline=None)
def test_masking_twice_is_masking_once(text: str, keep_length: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
    masked = mask(text, keep_length=keep_length)
    assert mask(masked, keep_length=keep_length) == masked
    assert find_identifiers(Normalizer().normalize(masked)) == []
    if keep_length:
        assert len(masked) == len(text)
        assert all(new in (old, "*") for old, new in zip(text, masked, strict=True))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\ud800",
        "\ud800\udc00" * 100,
        "\x00",
        "1" * 100_000,
        "13812345678-" * 9_000,
        "订单号1234567890123，" * 7_500,
        "尾号12" * 25_000,
        "a@" * 50_000,
        "[" * 100_000,
        "我要退款。" * 30_000,
    ],
    ids=lambda text: f"{text[:6]!a}*{len(text)}",
)
@pytest.mark.timeout(60)
def test_odd_and_long_input(text: str) -> None:
    masked = mask(text, keep_length=True)
    assert len(masked) == len(text)
    assert "13812345678" not in masked


def test_a_number_in_a_very_long_text_is_hidden() -> None:
    text = "我要退款。" * 30_000 + "电话13800001234"
    assert mask(text) == "我要退款。" * 30_000 + "电话[电话]"


def test_only_text_is_masked() -> None:
    with pytest.raises(TypeError, match="must be a str, not int"):
        mask(13800001234)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda c: c["placeholders"].pop("phone"), "placeholders: .*'phone' is missing"),
        (
            lambda c: c["placeholders"]["phone"].update({"zh-Hant": "[電話1]"}),
            r"placeholders\.phone\.zh-Hant: .*'\[電話1\]'",
        ),
        (lambda c: c["placeholders"]["phone"].update({"zh-Hans": "电话"}), r"placeholders\.phone\.zh-Hans"),
        (lambda c: c.update(same_length="1"), "same_length"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, change: Any, problem: str) -> None:
    content = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    change(content)
    path = tmp_path / "masking.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    with pytest.raises(ConfigError, match=problem) as caught:
        load_placeholders(path)
    assert str(caught.value).startswith(f"{path}:")
