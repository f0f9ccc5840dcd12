"""First replies: every combination of labels gives a whole text in the customer's script."""

import itertools
import re
from pathlib import Path

import pytest

from complaint_nlp import Analyzer, ConfigError, Normalizer
from complaint_nlp.labels import Category, Emotion, Intent, Language, Urgency
from complaint_nlp.playbook.first_reply import FirstReplies
from complaint_nlp.resources import builtin
from complaint_nlp.text.resources import script_chars

SHIPPED = builtin("playbook/first_replies.yaml").read_text(encoding="utf-8")
HOURS = {Urgency.CRITICAL: 1.0, Urgency.HIGH: 4.0, Urgency.MEDIUM: 24.0, Urgency.LOW: 72.0}
SCRIPTS: list[Language] = ["zh-Hant", "zh-Hans"]
REPLIES = FirstReplies()


def reply(
    language: Language,
    emotion: Emotion = Emotion.ANGRY,
    category: Category | None = Category.QUALITY,
    intent: Intent = Intent.COMPLAINT,
    urgency: Urgency = Urgency.MEDIUM,
) -> str:
    return REPLIES.compose(
        emotion=emotion, category=category, intent=intent, urgency=urgency, hours=HOURS[urgency], language=language
    )


def every_reply(language: Language) -> list[tuple[str, Intent, Urgency]]:
    combinations = itertools.product(Emotion, [*Category, None], Intent, Urgency)
    return [(reply(language, *labels), labels[2], labels[3]) for labels in combinations]


@pytest.mark.parametrize("language", SCRIPTS)
def test_no_combination_leaves_a_brace_or_an_empty_sentence(language: Language) -> None:
    texts = every_reply(language)
    assert len(texts) == 9 * 6 * 6 * 4
    for text, _, _ in texts:
        assert not set(text) & set("{}<>")
        assert text == text.strip()
        assert text.endswith("。")
        sentences = text.removesuffix("。").split("。")
        assert len(sentences) >= 2
        assert all(len(sentence) >= 8 for sentence in sentences)
        assert not re.search(r"[，。；、]{2}|\s{2}|None", text)


@pytest.mark.parametrize("language", SCRIPTS)
def test_hours_are_filled_in_except_in_thanks_for_praise(language: Language) -> None:
    unit = {"zh-Hant": "小時", "zh-Hans": "小时"}[language]
    for text, intent, urgency in every_reply(language):
        announced = f"{HOURS[urgency]:g} {unit}"
        assert (announced in text) == (intent is not Intent.PRAISE)


@pytest.mark.parametrize("language", SCRIPTS)
def test_every_reply_is_in_its_script(language: Language) -> None:
    other = script_chars().simplified if language == "zh-Hant" else script_chars().traditional
    for text in {text for text, _, _ in every_reply(language)}:
        assert not set(text) & other


@pytest.mark.parametrize(("language", "script"), [("zh-Hant", "traditional"), ("zh-Hans", "simplified")])
def test_every_wording_is_taken_for_its_own_script(language: Language, script: str) -> None:
    normalizer = Normalizer()
    file = REPLIES.file
    for wording in (*file.opening.values(), *file.matter.values(), *file.next.values()):
        message = normalizer.normalize(wording.get(language))
        assert message.script.value == script, message.original


def test_both_scripts_say_the_same_matter_in_their_own_words() -> None:
    for emotion, category in itertools.product(Emotion, Category):
        hant, hans = reply("zh-Hant", emotion, category), reply("zh-Hans", emotion, category)
        assert hant != hans
        assert hant.count("。") == hans.count("。")


@pytest.mark.parametrize("language", SCRIPTS)
def test_reply_differs_by_emotion_by_category_and_by_urgency(language: Language) -> None:
    for category in Category:
        assert len({reply(language, emotion, category) for emotion in Emotion}) == len(Emotion)
    for emotion in Emotion:
        assert len({reply(language, emotion, category) for category in [*Category, None]}) == len(Category) + 1
        assert len({reply(language, emotion, urgency=urgency) for urgency in Urgency}) == len(Urgency)


@pytest.mark.parametrize("language", SCRIPTS)
def test_without_a_category_the_intent_decides_the_matter(language: Language) -> None:
    texts = {reply(language, Emotion.NEUTRAL, None, intent) for intent in Intent}
    assert len(texts) == len(Intent)
    # with a category it does not, except that praise is thanked for
    for category in Category:
        graded = {
            reply(language, Emotion.NEUTRAL, category, intent) for intent in Intent if intent is not Intent.PRAISE
        }
        assert len(graded) == 1
        assert reply(language, Emotion.NEUTRAL, category, Intent.PRAISE) not in graded


@pytest.mark.parametrize(("hours", "shown"), [(0.5, "0.5"), (1.0, "1"), (24, "24"), (72.0, "72"), (100.25, "100.25")])
def test_hours_are_shown_without_needless_decimals(hours: float, shown: str) -> None:
    text = REPLIES.compose(
        emotion=Emotion.ANXIOUS,
        category=Category.SERVICE,
        intent=Intent.COMPLAINT,
        urgency=Urgency.HIGH,
        hours=hours,
        language="zh-Hant",
    )
    assert f"專人會在 {shown} 小時內" in text


@pytest.mark.parametrize(
    ("text", "unit", "script"),
    [
        ("手機才買一週就一直死機，客服還推三阻四，我要退款！", "小時", "traditional"),
        ("手机才买一周就一直死机，客服还推三阻四，我要退款！", "小时", "simplified"),
        ("這顆行動電源的螢幕壞了，我要退款，打客服没人接", "小時", "mixed"),
    ],
)
def test_analyzer_answers_in_the_customers_script(analyzer: Analyzer, text: str, unit: str, script: str) -> None:
    report = analyzer.analyze(text)
    assert report.script == script
    assert report.strategy is not None
    assert unit in report.strategy.first_reply


def test_danger_comes_before_anything_else_in_an_incident() -> None:
    assert "請立即離開現場" in reply("zh-Hant", category=Category.INCIDENT, urgency=Urgency.CRITICAL)
    assert "请立即离开现场" in reply("zh-Hans", category=Category.INCIDENT, urgency=Urgency.CRITICAL)


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        (
            "    zh-Hant: 您生氣是有道理的",
            "    zh-Hant: '{name}，您生氣'  # ",
            "opening.angry.zh-Hant",
            "no variables here",
        ),
        (
            "    zh-Hans: 关于您提到的质量问题",
            "    zh-Hans: '{hours}'  # ",
            "matter.quality.zh-Hans",
            "no variables here",
        ),
        ("在 {hours} 小時內親自", "在 {hour} 小時內親自", "next.critical.zh-Hant", "only variable here is {hours}"),
        ("在 {hours} 小时内亲自", "在 {hours 小时内亲自", "next.critical.zh-Hans", "only variable here is {hours}"),
        ("在 {hours} 小时内亲自", "在 hours} 小时内亲自", "next.critical.zh-Hans", "only variable here is {hours}"),
        ("  quality:\n", "  qualty:\n", "matter.qualty", "Input should be"),
        ("  angry:\n", "  furious:\n", "opening.furious", "Input should be"),
        ("    zh-Hant: 您生氣是有道理的", "    zh-TW: 您生氣是有道理的", "opening.angry.zh-TW", "Extra inputs"),
        ("    zh-Hant: 您生氣是有道理的", "    zh-Hant: ''  # ", "opening.angry.zh-Hant", "at least 1 character"),
        ("version: 1\n", "version: one\n", "version", "Input should be 1"),
    ],
)
def test_wrong_file_is_refused_with_line_and_key(tmp_path: Path, old: str, new: str, key: str, says: str) -> None:
    path = tmp_path / "replies.yaml"
    assert old in SHIPPED
    path.write_text(SHIPPED.replace(old, new, 1), encoding="utf-8")
    line = SHIPPED[: SHIPPED.index(old)].count("\n") + 1
    with pytest.raises(ConfigError) as caught:
        FirstReplies(path)
    problem = next(line for line in str(caught.value).splitlines() if f" {key}: " in line)
    assert problem.startswith(f"{path}:{line}: {key}: ")
    assert says in problem


@pytest.mark.parametrize(
    ("section", "value"), [("opening", "confused"), ("matter", "praise"), ("matter", "incident"), ("next", "low")]
)
def test_missing_wording_is_refused_by_name(tmp_path: Path, section: str, value: str) -> None:
    path = tmp_path / "replies.yaml"
    content, removed = re.subn(rf"(?m)^  {value}:\n    zh-Hant: .*\n    zh-Hans: .*\n", "", SHIPPED)
    assert removed == 1
    path.write_text(content, encoding="utf-8")
    line = content[: content.index(f"\n{section}:")].count("\n") + 2
    with pytest.raises(ConfigError) as caught:
        FirstReplies(path)
    assert str(caught.value) == f"{path}:{line}: {section}: Value error, {value!r} is missing"


def test_own_file_replaces_the_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "replies.yaml"
    path.write_text(SHIPPED.replace("您生氣是有道理的", "您氣得有理"), encoding="utf-8")
    own = FirstReplies(path).compose(
        emotion=Emotion.ANGRY,
        category=Category.PRICE,
        intent=Intent.COMPLAINT,
        urgency=Urgency.LOW,
        hours=72,
        language="zh-Hant",
    )
    assert own.startswith("您氣得有理")
