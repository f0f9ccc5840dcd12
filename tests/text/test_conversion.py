"""Our own conversion cases with the default OpenCC."""

from collections import Counter

import pytest

from cases import Case, conversion_cases, is_pure
from complaint_nlp.text import Normalizer, NormalizerConfig, Region, Script

pytestmark = pytest.mark.conversion

CASES = conversion_cases()


def test_there_are_enough_cases_of_each_kind() -> None:
    kinds = Counter(case.kind for case in CASES)
    assert len(CASES) >= 300
    assert len({case.source for case in CASES}) == len(CASES)
    assert set(kinds) == {"one_to_many", "regional_tw", "regional_hk", "name", "unchanged", "mixed", "cantonese"}
    assert min(kinds.values()) >= 25


@pytest.mark.skipif(is_pure(), reason="test_opencc_pure.py checks these")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.source)
def test_case_holds(normalizer: Normalizer, case: Case) -> None:
    result = normalizer.normalize(case.source)
    assert result.text == case.expected
    assert normalizer.normalize(result.text).text == result.text
    if case.kind == "unchanged":
        assert case.source == case.expected
        assert result.steps == ()


@pytest.mark.parametrize(
    ("text", "script", "region"),
    [
        ("軟體的品質很差", Script.TRADITIONAL, Region.TW),
        ("佢哋嘅態度好差", Script.TRADITIONAL, Region.HK),
        ("這個不好", Script.TRADITIONAL, None),
        ("这个不好", Script.SIMPLIFIED, Region.CN),
        ("不好", Script.SIMPLIFIED, None),
        ("这个手機不好", Script.MIXED, None),
        ("ㄏㄏ不好", Script.TRADITIONAL, Region.TW),
        ("他「不好」", Script.TRADITIONAL, None),
        ("瓦斯味好大", Script.TRADITIONAL, Region.TW),
        ("very bad service", Script.OTHER, None),
        ("とても悪いです", Script.OTHER, None),
        ("", Script.OTHER, None),
        ("!!!", Script.OTHER, None),
    ],
)
def test_script_and_region(normalizer: Normalizer, text: str, script: Script, region: Region | None) -> None:
    result = normalizer.normalize(text)
    assert (result.script, result.region) == (script, region)


def test_regional_words_stay_in_mainland_text(normalizer: Normalizer) -> None:
    for text in ("这个品质很好，影片也好看", "我在淘寶買的，用微信付錢，視頻打不開，品質差"):
        assert "品质" in normalizer.normalize(text).text


def test_switches_of_script_and_region() -> None:
    text = "軟體的品質很差"
    assert Normalizer(NormalizerConfig(regional=False)).normalize(text).text == "软体的品质很差"
    unconverted = Normalizer(NormalizerConfig(script=False)).normalize(text)
    assert unconverted.text == text
    assert unconverted.script is Script.TRADITIONAL


def test_a_regional_word_maps_as_a_whole(normalizer: Normalizer) -> None:
    result = normalizer.normalize("搭計程車")
    assert result.text == "搭出租车"
    assert result.spans == ((0, 1), (1, 4), (1, 4), (1, 4))
    assert result.to_original(1, 2) == (1, 4)


def test_what_chooses_in_mixed_text_is_the_nearest_character(normalizer: Normalizer) -> None:
    assert normalizer.normalize("这本著作，還看著").text == "这本著作，还看着"
