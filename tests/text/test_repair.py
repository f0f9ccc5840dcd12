"""Repair, width, punctuation, damage."""

import pytest

from cases import Repair, repair_cases
from complaint_nlp.text import Damage, Normalizer, NormalizerConfig


@pytest.mark.parametrize("case", repair_cases("wild"), ids=lambda case: repr(case.source))
def test_in_the_wild(normalizer: Normalizer, case: Repair) -> None:
    result = normalizer.normalize(case.source)
    assert result.text == case.expected
    assert case.step in {step.name for step in result.steps}
    assert normalizer.normalize(result.text).text == result.text


@pytest.mark.parametrize("case", repair_cases("negative"), ids=lambda case: repr(case.source))
def test_negative(normalizer: Normalizer, case: Repair) -> None:
    result = normalizer.normalize(case.source)
    assert result.text == case.expected
    assert not {"encoding", "html", "glosses"} & {step.name for step in result.steps}


@pytest.mark.parametrize("case", repair_cases("known_failure"), ids=lambda case: repr(case.source))
def test_known_failure_is_still_one(normalizer: Normalizer, case: Repair) -> None:
    # when one of these begins to work, move it to "wild"
    assert normalizer.normalize(case.source).text != case.expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("客服????很差", [Damage("question_marks", 2, 6)]),
        (
            "手?才?一?就一直死",
            [Damage("question_marks", 1, 2), Damage("question_marks", 3, 4), Damage("question_marks", 5, 6)],
        ),
        (
            "???? ?? ?????",
            [Damage("question_marks", 0, 4), Damage("question_marks", 5, 7), Damage("question_marks", 8, 13)],
        ),
        ("我的\ufffd\ufffd坏了", [Damage("replacement", 2, 4)]),
        ("我的\ud83d坏了", [Damage("replacement", 2, 3)]),
        ("真的吗??我不信", []),
        ("什么态度???", []),
        ("怎么办?谁负责?", []),
        ("好的？？？我", []),
    ],
)
def test_damage_is_flagged_and_nothing_invented(normalizer: Normalizer, text: str, expected: list[Damage]) -> None:
    result = normalizer.normalize(text)
    assert list(result.damage) == expected
    assert len(result.text) == len(text)
    for _, start, end in expected:
        assert set(result.text[start:end]) <= {"?", "\ufffd"}


def test_each_step_can_be_switched_off() -> None:
    samples = {
        "encoding": "浣犲ソ",
        "html": "<b>好</b>",
        "controls": "好\u200b的",
        "whitespace": " 好  的",
        "glosses": "进(jìn)行",
        "width": "ＡＢ好",
        "punctuation": "好,的",
    }
    for name, text in samples.items():
        assert Normalizer().normalize(text).text != text
        assert Normalizer(NormalizerConfig(**{name: False})).normalize(text).text == text
    assert Normalizer(NormalizerConfig(damage=False)).normalize("好\ufffd").damage == ()


def test_a_gloss_needs_the_reading_of_its_character(normalizer: Normalizer) -> None:
    assert normalizer.normalize("进(háng)行").text == "进(háng)行"
    assert normalizer.normalize("会(huì)计").text == "会计"


def test_mojibake_spans_are_per_character_where_bytes_tell(normalizer: Normalizer) -> None:
    result = normalizer.normalize("a" + "我要".encode().decode("latin-1"))
    assert result.text == "a我要"
    assert result.spans == ((0, 1), (1, 4), (4, 7))


def test_what_is_refused(normalizer: Normalizer) -> None:
    with pytest.raises(TypeError, match="must be a str, not bytes"):
        normalizer.normalize(b"x")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not one str"):
        normalizer.normalize_batch("x")
    small = Normalizer(NormalizerConfig(max_chars=3))
    assert small.normalize("好好好").text == "好好好"
    with pytest.raises(ValueError, match="4 characters, more than the 3 that max_chars allows"):
        small.normalize("好好好好")
    with pytest.raises(ValueError, match="max_chars must be a positive integer"):
        NormalizerConfig(max_chars=0)


def test_batch_is_each_in_order(normalizer: Normalizer) -> None:
    texts = ["軟體", "", "软件"]
    assert normalizer.normalize_batch(iter(texts)) == [normalizer.normalize(text) for text in texts]
