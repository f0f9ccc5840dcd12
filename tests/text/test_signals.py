"""Signals are kept in the text and counted."""

import pytest

from complaint_nlp.text import Normalizer


def test_counts_of_an_angry_message(normalizer: Normalizer) -> None:
    signals = normalizer.normalize("太差了!!!真的假的??無言。。。哈哈哈哈 WORST EVER 😡😡 T_T").signals
    counts = signals.counts()
    assert counts["exclamations"] == 3
    assert counts["questions"] == 2
    assert [mark.text for mark in signals.ellipses] == ["。。。"]
    assert [mark.text for mark in signals.repeats] == ["哈哈哈哈"]
    assert [mark.text for mark in signals.capitals] == ["WORST EVER"]
    assert [mark.text for mark in signals.emoji] == ["😡", "😡"]
    assert [mark.text for mark in signals.kaomoji] == ["T_T"]
    assert "太" in {mark.text for mark in signals.intensifiers}


@pytest.mark.parametrize("face", ["(╯°□°)╯", "(´;ω;`)", "(>_<)", "^_^", ">_<", "QQ", "XD", ":)", "(T_T)", "orz"])
def test_faces_are_found_and_stay(normalizer: Normalizer, face: str) -> None:
    result = normalizer.normalize(f"好氣 {face}")
    assert face in result.text
    assert [mark.text for mark in result.signals.kaomoji] == [face]


@pytest.mark.parametrize("text", ["(手机)", "(12)", "(iPhone 15)", "12:30", "a=b", "(100%)", "订单(A-123)"])
def test_what_is_no_face(normalizer: Normalizer, text: str) -> None:
    assert normalizer.normalize(f"买了{text}后").signals.kaomoji == ()


@pytest.mark.parametrize("emoji", ["👩\u200d👧", "👍🏻", "☹\ufe0f", "1\ufe0f\u20e3", "🇹🇼", "🤷🏻\u200d♂\ufe0f"])
def test_an_emoji_sequence_is_one(normalizer: Normalizer, emoji: str) -> None:
    result = normalizer.normalize(f"好{emoji}的")
    assert emoji in result.text
    assert [mark.text for mark in result.signals.emoji] == [emoji]


def test_cantonese_words(normalizer: Normalizer) -> None:
    assert [mark.text for mark in normalizer.normalize("佢嘅嘢").signals.cantonese] == ["佢", "嘅", "嘢"]
    assert normalizer.normalize("他的东西").signals.cantonese == ()
