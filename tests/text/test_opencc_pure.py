"""The pure-Python distribution: exactly the listed misses, and no simplified text among them."""

import pytest

from cases import conversion_cases, is_pure, pure_misses
from complaint_nlp.text import Normalizer

pytestmark = pytest.mark.conversion


def test_no_listed_miss_is_a_changed_simplified_text() -> None:
    unchanged = {case.source for case in conversion_cases() if case.kind == "unchanged"}
    assert not unchanged & set(pure_misses())


def test_each_listed_miss_is_a_case_and_a_miss() -> None:
    expected = {case.source: case.expected for case in conversion_cases()}
    for source, got in pure_misses().items():
        assert expected[source] != got


@pytest.mark.skipif(not is_pure(), reason="needs an environment with opencc-python-reimplemented")
def test_exactly_the_listed_misses(normalizer: Normalizer) -> None:
    got = {case: normalizer.normalize(case.source).text for case in conversion_cases()}
    assert {case.source: text for case, text in got.items() if text != case.expected} == pure_misses()


def test_its_known_damage_is_guarded(normalizer: Normalizer) -> None:
    for text in ("什么都没有", "怎么这么慢", "什么時候退錢，怎么回事"):
        assert "幺" not in normalizer.normalize(text).text
        assert "么" in normalizer.normalize(text).text
