"""The files behind the messages: times, words said back, an organisation's own entries, wrong entries."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from complaint_nlp import ConfigError, Normalizer
from complaint_nlp.facts.types import Fact, FactKind, Facts
from complaint_nlp.labels import Emotion, Intent, Language, Subcategory, Urgency
from complaint_nlp.playbook.messages.clock import next_word, say_time
from complaint_nlp.playbook.messages.files import load_message_files
from complaint_nlp.playbook.messages.quoting import Quoter
from complaint_nlp.playbook.messages.writer import Messages, Occasion
from complaint_nlp.playbook.strategy.strategist import Case, plan

FOLDER = Path(__file__).parents[1] / "cases"
TAIPEI = ZoneInfo("Asia/Taipei")
NORMALIZER = Normalizer()
FILES = load_message_files()


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


def occasion(now: datetime, due: datetime, region: str | None, language: Language, **labels: Any) -> Occasion:
    given: dict[str, Any] = {"subcategories": (Subcategory.SERVICE_SLOW,), "emotions": (Emotion.ANGRY,), **labels}
    case = Case(Intent.COMPLAINT, language=language, intensity=2, **given)
    return Occasion(case, plan(case), region, now, due)


# ---- times


@pytest.mark.parametrize("row", rows("messages_times.jsonl"), ids=lambda row: f"{row['now']} {row['due']}")
def test_time_is_said_as_people_say_it(row: dict[str, str]) -> None:
    now = datetime.fromisoformat(row["now"]).replace(tzinfo=TAIPEI)
    due = datetime.fromisoformat(row["due"])
    due = due if due.tzinfo else due.replace(tzinfo=TAIPEI)
    languages: tuple[tuple[str, Language], ...] = (("TW", "zh-Hant"), ("HK", "zh-Hant"), ("CN", "zh-Hans"))
    for region, language in languages:
        assert row[region] in Messages().first_reply(occasion(now, due, region, language))


def test_promised_time_is_never_later_than_the_deadline_and_never_past() -> None:
    start = datetime(2025, 11, 24, 0, 7, tzinfo=TAIPEI)
    words = FILES.words.times
    spoken = re.compile(r"(今天|明天|\d+月(\d+)日（週.）)(凌晨|早上|上午|中午|下午|晚上)(\d+)點(半|\d+分)?前")
    for minutes in range(0, 24 * 60, 37):
        now = start + timedelta(minutes=minutes)
        for length in (1, 7, 29, 60, 61, 119, 240, 1440, 4320):
            due = now + timedelta(minutes=length)
            found = spoken.fullmatch(say_time(due, now, words, "zh-Hant"))
            assert found
            day = {"今天": now.date(), "明天": (now + timedelta(days=1)).date()}.get(found[1])
            day = day or now.replace(day=int(found[2])).date()
            hour = int(found[4]) + (12 if found[3] in ("下午", "晚上") else 0)
            minute = 30 if found[5] == "半" else int((found[5] or "0分")[:-1])
            said = datetime(day.year, day.month, day.day, tzinfo=TAIPEI) + timedelta(hours=hour, minutes=minute)
            assert now < said <= due, (now, due, found[0])


@pytest.mark.parametrize(
    ("start", "hours", "at_night", "due"),
    [
        ("2025-11-24T10:00", 8, False, "2025-11-24T18:00"),
        ("2025-11-24T17:00", 8, False, "2025-11-24T21:00"),
        ("2025-11-24T15:00", 8, False, "2025-11-24T21:00"),
        ("2025-11-24T20:00", 24, False, "2025-11-25T20:00"),
        ("2025-11-24T23:00", 2, True, "2025-11-25T01:00"),
        # the evening before is over: better at night than not at all
        ("2025-11-24T22:00", 8, False, "2025-11-25T06:00"),
    ],
)
def test_next_word_comes_by_day_and_never_later(start: str, hours: float, due: str, *, at_night: bool) -> None:
    assert next_word(datetime.fromisoformat(start), hours, at_night=at_night) == datetime.fromisoformat(due)


# ---- the customer's words


@pytest.mark.parametrize("row", rows("messages_quotes.jsonl"), ids=lambda row: "/".join(row["key_words"]))
def test_only_what_reads_well_is_said_back(row: dict[str, Any]) -> None:
    facts = tuple(Fact(FactKind(kind), 0, 1, text, value) for kind, text, value in row.get("facts", ()))
    case = Case(
        Intent(row.get("intent", "complaint")),
        language=row["language"],
        text=NORMALIZER.normalize(row["text"]).text,
        facts=Facts(facts),
    )
    quote = Quoter(FILES.words.quotes).choose(case, tuple(row["key_words"]))
    if row.get("known_failure"):
        assert quote != row["quote"], "this case works now: take known_failure away"
    else:
        assert quote == row["quote"]


@pytest.mark.parametrize(("language", "marks"), [("zh-Hant", "「」"), ("zh-Hans", "“”")])
def test_words_said_back_stand_in_the_marks_of_the_script(language: Language, marks: str) -> None:
    now = datetime(2025, 11, 24, 10, tzinfo=TAIPEI)
    case = Case(Intent.COMPLAINT, subcategories=(Subcategory.INCIDENT_DANGER,), language=language, text="漏水")
    each = Occasion(case, plan(case), None, now, now, ("漏水",))
    assert f"{marks[0]}漏水{marks[1]}" in Messages().first_reply(each)


# ---- own files


def own(tmp_path: Path, name: str, content: str) -> Path:
    (tmp_path / name).write_text(content, encoding="utf-8")
    return tmp_path


def test_own_entries_are_laid_over_the_shipped_ones(tmp_path: Path) -> None:
    content = """
pieces:
  opening:
    angry:
      say: [{zh-Hant: 您的氣我們收下了。, zh-Hans: 您的气我们收下了。}]
    calm: null
    fallback: {priority: -9, say: [{zh-Hant: 您好。, zh-Hans: 您好。}]}
"""
    own(tmp_path, "matters.yaml", "matters: {service.slow: {name: {zh-Hant: 久等的事, zh-Hans: 久等的事}}}")
    messages = Messages(own(tmp_path, "first_reply.yaml", content))
    now = datetime(2025, 11, 24, 10, tzinfo=TAIPEI)
    reply = messages.first_reply(occasion(now, now + timedelta(hours=24), "TW", "zh-Hant"))
    assert reply.startswith("您的氣我們收下了。")
    assert "久等的事" in reply
    neutral = occasion(now, now, "TW", "zh-Hant", emotions=(Emotion.NEUTRAL,))
    assert messages.first_reply(neutral).startswith("您好。")
    # what was not named stays, and the shipped files are as they were
    assert messages.progress_note(neutral) == Messages().progress_note(neutral).replace("等候太久", "久等")
    assert "您的氣我們收下了" not in Messages().first_reply(occasion(now, now, "TW", "zh-Hant"))


def test_longer_replies_lose_their_less_needed_parts_first(tmp_path: Path) -> None:
    now = datetime(2025, 11, 24, 10, tzinfo=TAIPEI)
    each = occasion(now, now, "TW", "zh-Hant", missing=("when", "where"), urgency=Urgency.HIGH)
    assert "？" in Messages().first_reply(each)
    short = Messages(own(tmp_path, "first_reply.yaml", "most: 40")).first_reply(each)
    assert "？" not in short
    assert "今天上午10點前" in short


@pytest.mark.parametrize(
    ("name", "content", "line", "key", "says"),
    [
        (
            "first_reply.yaml",
            "pieces:\n  opening:\n    angry:\n      say: [{zh-Hant: '{nmae}。', zh-Hans: 好。}]\n",
            4,
            "pieces.opening.angry.say.0",
            "unknown variable {nmae}",
        ),
        (
            "first_reply.yaml",
            "pieces:\n  opening:\n    angry:\n      say: [{zh-Hant: '{quote}。', zh-Hans: 好。}]\n",
            4,
            "pieces.opening.angry.say.0",
            "different variables",
        ),
        (
            "progress_note.yaml",
            "pieces:\n  open:\n    mine:\n      say: [{zh-Hant: '{。', zh-Hans: 好。}]\n",
            4,
            "pieces.open.mine.say.0",
            "a brace without its counterpart",
        ),
        (
            "apology_letter.yaml",
            "pieces:\n  offer:\n    mine:\n      when: {amount: [over]}\n      say: [{zh-Hant: 好。, zh-Hans: 好。}]\n",
            4,
            "pieces.offer.mine.when.amount",
            "ask for facts",
        ),
        ("first_reply.yaml", "paragraphs:\n  - [safety, thanks]\n", 1, "paragraphs.0.1", "'thanks' has no pieces"),
        ("first_reply.yaml", "drop: [thanks]\n", 1, "drop.0", "in none of the paragraphs"),
        ("first_reply.yaml", "most: many\n", 1, "most", "valid integer"),
        (
            "first_reply.yaml",
            "pieces:\n  extra:\n    a: {say: [{zh-Hant: 好, zh-Hans: 好}]}\n",
            2,
            "pieces.extra",
            "none",
        ),
        ("matters.yaml", "matters:\n  quality.defect: null\n", 1, "matters", "'quality.defect' is missing"),
        (
            "matters.yaml",
            "matters:\n  quality: {name: {zh-Hant: '{quote}', zh-Hans: 好}}\n",
            2,
            "matters.quality.name",
            "no variables here",
        ),
        ("offers.yaml", "offers:\n  refund: {zh-Hant: '{time}'}\n", 2, "offers.refund", "no variables here"),
        (
            "words.yaml",
            "times:\n  hour: {zh-Hant: '{our}點', zh-Hans: '{hour}点'}\n",
            2,
            "times.hour",
            "only variables here are {hour}",
        ),
        ("words.yaml", "times:\n  parts: {'0': null}\n", 2, "times.parts", "0 is missing"),
        ("words.yaml", "quotation: {zh-Hant: 「}\n", 1, "quotation.zh-Hant", "opening and a closing"),
        ("words.yaml", "hong_kong:\n  同學: 同仁\n", 2, "hong_kong.同學", "holds a word of this table"),
        ("words.yaml", "emergency:\n  fire: null\n", 1, "emergency", "'fire' is missing"),
    ],
)
def test_wrong_entry_is_refused_with_place_and_reason(
    tmp_path: Path, name: str, content: str, line: int, key: str, says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_message_files(own(tmp_path, name, content))
    assert f"{tmp_path / name}:{line}: {key}: " in str(caught.value)
    assert says in str(caught.value)


def test_file_of_another_name_and_missing_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"letter\.yaml: no file of the messages has this name"):
        Messages(own(tmp_path, "letter.yaml", "most: 50"))
    with pytest.raises(ConfigError, match="not a directory"):
        Messages(tmp_path / "nowhere")
