"""Copies of a message in either script are one group; different messages are not."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import opencc
import pandas as pd
import pytest
from synthetic import own_messages

from complaint_nlp.insights import Insights
from complaint_nlp.insights.duplicates import near_duplicates, shingle_hashes
from complaint_nlp.insights.fold import fold

if TYPE_CHECKING:
    from complaint_nlp import Analyzer

COPIES = 4
PLANTED = 40


TO_SIMPLIFIED, TO_TRADITIONAL = (opencc.OpenCC(name) for name in ("tw2s", "s2tw"))


def copies(text: str, generator: np.random.Generator) -> list[str]:
    """Return a message as it is sent again: in the other script, with a greeting, with a new number."""
    middle = int(generator.integers(3, len(text) - 3))
    return [
        TO_SIMPLIFIED.convert(text),
        TO_TRADITIONAL.convert(text) + "！！",
        "您好，" + text,
        text[:middle] + "，" + text[middle + 1 :] + f" 訂單{generator.integers(10**8)}",
    ]


def test_planted_copies_are_found_and_nothing_else() -> None:
    generator = np.random.default_rng(5)
    texts = list(dict.fromkeys(item["text"] for item in own_messages() if 30 <= len(item["text"]) <= 200))[:2_000]
    rows = [(text, number) for number, text in enumerate(texts)]
    rows += [(copy, number) for number in range(PLANTED) for copy in copies(texts[number], generator)]
    order = generator.permutation(len(rows))
    frame = pd.DataFrame([rows[place] for place in order], columns=["text", "case"]).assign(category="service")
    found = Insights(frame).groups()
    pairs = {(one, two) for rows in found["rows"] for one in rows for two in rows if one < two}
    case = frame["case"].to_numpy()
    true = {(one, two) for one, two in pairs if case[one] == case[two]}
    planted = PLANTED * (COPIES + 1) * COPIES / 2
    assert len(true) / planted >= 0.95
    assert len(true) / len(pairs) >= 0.98
    assert found["kind"].unique().tolist() == ["same_text"]
    assert found["size"].tolist() == sorted(found["size"], reverse=True)


def test_both_scripts_and_regional_words_are_one_group() -> None:
    texts = [
        "冷氣又故障了，報修三次都沒有人來，品質真的很差",
        "冷气又故障了，报修三次都没有人来，质量真的很差",
        "冷氣又故障了，報修3次都沒有人來，品質真的很差！",
        "外送遲到一個小時，湯都灑出來了",
    ]
    frame = pd.DataFrame({"text": texts * 2, "category": "quality", "received_at": "2026-03-01"})
    found = Insights(frame).groups()
    assert found["size"].tolist() == [6]
    assert found["rows"][0] == [0, 1, 2, 4, 5, 6]
    assert any("故障" in phrase for phrase in found["phrases"][0])
    assert found["example"][0] in texts[:3]


def test_fold_is_the_same_for_both_scripts_numbers_and_marks() -> None:
    assert fold(["軟體壞了，單號 A-12345！", "软体坏了。单号a９８", "", "😀"]) == [
        "软体坏了单号a0",
        "软体坏了单号a0",
        "",
        "",
    ]


def test_short_messages_and_empty_tables_have_no_groups() -> None:
    frame = pd.DataFrame({"text": ["太慢了", "太慢了", "太慢了", None], "category": "service"})
    assert Insights(frame).groups().empty
    assert Insights(frame.head(0)).groups().empty
    assert Insights(frame.drop(columns="text")).groups().empty


def test_similarity_is_jaccards() -> None:
    texts = ["一二三四五六七八九十", "一二三四五六七八甲乙", "子丑寅卯辰巳午未申酉"]
    hashes, starts = shingle_hashes(texts)
    sets = [set(hashes[start:end].tolist()) for start, end in pairwise(starts)]
    jaccard = len(sets[0] & sets[1]) / len(sets[0] | sets[1])
    assert jaccard == pytest.approx(7 / 11)
    assert near_duplicates(texts, jaccard - 0.01, 2).tolist() == [0, 0, 1]
    assert near_duplicates(texts, jaccard + 0.01, 2).tolist() == [0, 1, 2]


def test_messages_that_mean_the_same_are_one_cluster(analyzer: Analyzer) -> None:
    cases = [
        ["外送等了兩個小時還沒到", "外卖送了俩小时都没送到，饿死了", "點餐到現在超過兩小時，外送還沒來"],
        ["櫃檯小姐口氣很差，愛理不理", "柜台那个女的态度恶劣，问什么都不耐烦", "前台服务员爱答不理的，态度太差"],
        ["退款申請半個月了還沒收到錢", "申请退款十几天了钱还没到账", "說好七天退款，兩個禮拜了沒入帳"],
    ]
    others = [item["text"] for item in own_messages() if item["intent"] == "praise"][:20]
    frame = pd.DataFrame({"text": [*sum(cases, []), *others], "category": "service"})  # noqa: RUF017 - three lists
    insights = Insights(frame)
    found = insights.groups(analyzer=analyzer)
    assert insights.groups().empty
    clusters = [set(rows) for rows in found["rows"]]
    assert {0, 1, 2} in clusters
    assert {3, 4, 5} in clusters
    assert {6, 7, 8} in clusters
