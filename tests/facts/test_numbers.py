"""Numbers: what is read, what is no exact number, and that the pattern finds the same."""

import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_nlp.facts.numbers import NUMBER, parse_number

READ = {
    "0": "0",
    "1299": "1299",
    "1,299.50": "1299.50",
    "1，299": "1299",
    "12,345,678": "12345678",
    "零": "0",
    "两": "2",
    "十": "10",
    "十五": "15",
    "二十": "20",
    "廿五": "25",
    "卅": "30",
    "一百二": "120",
    "百二": "120",
    "一百零五": "105",
    "一百二十": "120",
    "两百五": "250",
    "三千五": "3500",
    "千五": "1500",
    "三千零五十": "3050",
    "两千零二": "2002",
    "一千二百三十四": "1234",
    "两万三": "23000",
    "一万零五": "10005",
    "一万零三百": "10300",
    "十二万": "120000",
    "两百万": "2000000",
    "五千万": "50000000",
    "一亿两千万": "120000000",
    "一万亿": "1000000000000",
    "二〇二六": "2026",
    "二零二六": "2026",
    "五零": "50",
    "三点五": "3.5",
    "十一点二五": "11.25",
    "壹仟贰佰": "1200",
    "叁万伍": "35000",
    "3千": "3000",
    "3千5": "3500",
    "1.5万": "15000",
    "3万5": "35000",
    "1万2千5": "12500",
    "1万2000": "12000",
    "3百万": "3000000",
    "2亿": "200000000",
    "2 亿": "200000000",
}
NOT_EXACT = [
    "几百",
    "几",
    "百来",
    "数万",
    "三五百",
    "三五",
    "一两千",
    "两三",
    "百",
    "千",
    "万",
    "千万",
    "百万",
    "三千多",
]
NO_NUMBER = [
    "",
    " ",
    "abc",
    "百千",
    "三百百",
    "三万五万",
    "两两",
    "三千零",
    "十一点半",
    "十一点五十",
    "三点",
    "1.2.3",
    "1,29",
    "1,2345",
    "-5",
    "+5",
    "３",
    "²",
    "½",
    "٣",
    "\ud800",
    "1" * 16,
    "一" * 41,
    "三 千",
    "1e5",
    "nan",
    "inf",
]


@pytest.mark.parametrize(("text", "value"), READ.items())
def test_number_is_read(text: str, value: str) -> None:
    assert parse_number(text) == Decimal(value)
    assert parse_number(f" {text} ") == Decimal(value)
    assert re.fullmatch(NUMBER, text) is not None


@pytest.mark.parametrize("text", NOT_EXACT)
def test_what_is_not_exact_is_no_number(text: str) -> None:
    assert parse_number(text) is None


@pytest.mark.parametrize("text", NO_NUMBER)
def test_what_is_no_number(text: str) -> None:
    assert parse_number(text) is None


def test_the_pattern_has_no_groups_and_can_stand_inside_others() -> None:
    assert re.compile(NUMBER).groups == 0
    assert re.findall(f"{NUMBER}元", "退我三千五百元，不是1,299.50元也不是1.5万元") == [
        "三千五百元",
        "1,299.50元",
        "1.5万元",
    ]
    # a time is left to whoever reads times
    assert re.findall(NUMBER, "十一点五十分") == ["十一", "五十"]


@given(st.integers(0, 99_999_999))
@settings(max_examples=300, deadline=None)
def test_a_number_written_out_is_read_back(number: int) -> None:
    assert parse_number(written(number)) == number
    assert parse_number(f"{number:,}") == number
    assert re.fullmatch(NUMBER, f"{number:,}")


@given(st.text("0123456789,. 零一二两三十百千万亿点几来廿壹拾\ud800a", max_size=45))
@settings(max_examples=300, deadline=None)
def test_nothing_raises_and_no_number_is_negative(text: str) -> None:
    value = parse_number(text)
    assert value is None or value >= 0


@pytest.mark.parametrize("piece", ["1", "1,111", "一百", "1万", "1 万", "一点", "1.1", "千", "1千 ", "零"])
@pytest.mark.timeout(60)  # a pattern that tries every way takes hours
def test_a_long_text_comes_to_an_end(piece: str) -> None:
    text = piece * (20_000 // len(piece))
    found = sum(1 for _ in re.finditer(f"{NUMBER}元", text))
    assert found == 0


def written(number: int) -> str:
    """Return the number in Chinese, the full way."""
    if number == 0:
        return "零"
    high, low = divmod(number, 10_000)
    parts = []
    if high:
        parts.append(f"{section(high)}万")
    if low:
        parts.append(("零" if high and low < 1000 else "") + section(low))
    return "".join(parts)


def section(number: int) -> str:
    out, gap = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, unit)
        if digit:
            out += ("零" if gap and out else "") + "零一二三四五六七八九"[digit] + name
            gap = False
        else:
            gap = True
    return out
