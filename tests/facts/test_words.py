"""Word lists as patterns and finders: what they find, whatever makes it quick."""

from __future__ import annotations

import re

import pytest

from complaint_nlp.facts.identifier_tables import tables
from complaint_nlp.facts.words import Lexicon, Search, either
from complaint_nlp.text.words import WordFinder


@pytest.mark.parametrize(
    ("words", "text", "found"),
    [
        (["电", "电话", "电话号码", "电邮"], "电话号码、电话号、电邮、电视", ["电话号码", "电话", "电邮", "电"]),
        (["a.b", "a+", "a"], "a.b axb a+", ["a.b", "a", "a+"]),
        (["次"], "三次", ["次"]),
    ],
)
def test_the_longest_word_is_found(words: list[str], text: str, found: list[str]) -> None:
    assert re.findall(either(words), text) == found


def test_a_shorter_word_is_tried_where_what_follows_does_not_fit() -> None:
    match = re.fullmatch(f"(?:{either(['退', '退款', '退款了'])})款了吗", "退款了吗")
    assert match is not None


def test_words_of_a_lexicon_do_not_stand_inside_of_others() -> None:
    lexicon = Lexicon({"手机": "phone", "机": "machine", "APP": "app", "12345": "hotline"}, ["司机"])
    assert list(lexicon.find("司机的手机和洗衣机，APPLE与APP，112345或12345")) == [
        (3, 5, "phone"),
        (8, 9, "machine"),
        (16, 19, "app"),
        (27, 32, "hotline"),
    ]


def test_overlapping_words_are_all_found() -> None:
    found = WordFinder(["订单", "单号", "订单号"], overlapping=True).find("订单号")
    assert sorted(found) == [(0, 0, 2), (1, 1, 3), (2, 0, 3)]


def test_half_a_character_is_part_of_no_word() -> None:
    assert WordFinder(["订单"], overlapping=True).find("\ud83d订单") == [(0, 1, 3)]


@pytest.mark.parametrize("written", ["Order No", "ORDERNO", "order no", "ORDER NO"])
def test_cues_are_found_in_any_case_with_and_without_spaces(written: str) -> None:
    found = [(start, end) for start, end, _ in tables().finder.find(f"我的{written} A123456")]
    assert found == [(2, 2 + len(written))]


def test_latin_cues_are_not_found_inside_of_words() -> None:
    assert list(tables().finder.find("recall and tickets")) == []


def test_a_pattern_finds_the_same_with_and_without_what_it_needs() -> None:
    search = Search(r"(?<!第)(\d+)次", "次")
    assert [match.group(1) for match in search.finditer("打了3次，第2次")] == ["3"]
    assert list(search.finditer("打了3通")) == []
