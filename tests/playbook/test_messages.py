"""Messages to customers: whole, in the right script and words, and different for different cases."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from itertools import islice, product
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from complaint_nlp import Normalizer
from complaint_nlp.facts.amounts import find_amounts
from complaint_nlp.facts.identifiers import find_identifiers
from complaint_nlp.facts.mentions import find_mentions
from complaint_nlp.facts.missing import missing
from complaint_nlp.facts.times import find_times
from complaint_nlp.facts.types import Fact, FactKind, Facts
from complaint_nlp.labels import Category, Demand, Emotion, Intent, Language, Need, Subcategory, Urgency
from complaint_nlp.playbook.messages.writer import Messages, Occasion
from complaint_nlp.playbook.reply.check import ReplyChecker
from complaint_nlp.playbook.strategy.strategist import Case, plan
from complaint_nlp.playbook.strategy.when import FAULTS, Fault
from complaint_nlp.text.resources import script_chars

ROOT = Path(__file__).parents[2]
CASES = [
    json.loads(line)
    for line in (ROOT / "tests/cases/messages_to_customers.jsonl").read_text(encoding="utf-8").splitlines()
]
with (ROOT / "data/samples/mixed.csv").open(encoding="utf-8", newline="") as sample:
    TEXTS = {row["id"]: row["text"] for row in csv.DictReader(sample)}
MESSAGES = Messages()
NORMALIZER = Normalizer()
CHECKER = ReplyChecker()
KINDS = ("first_reply", "apology_letter", "progress_note", "follow_up_message")
NOW = datetime(2025, 11, 24, 10, 23, tzinfo=ZoneInfo("Asia/Taipei"))
HOURS = {Urgency.CRITICAL: 1, Urgency.HIGH: 4, Urgency.MEDIUM: 24, Urgency.LOW: 72}
PLACES: tuple[tuple[Language, str | None], ...] = (
    ("zh-Hant", "TW"),
    ("zh-Hant", "HK"),
    ("zh-Hant", None),
    ("zh-Hans", "CN"),
    ("zh-Hans", None),
)
WRONG_WORDS = ("儘快", "尽快", "第一時間", "第一时间", "一定退", "一定賠", "一定赔", "保證", "保证", "None", "  ")
SPOKEN = {
    "flat_negative", "blame", "defence", "canned", "jargon", "vague_time", "over_promise", "fault_admitted",
    "informal_you", "personal_data",
}  # fmt: skip
SERIOUS = tuple(sub for sub in Subcategory if sub.category is Category.INCIDENT and sub != "incident.outage")


def occasion(case: Case, *, fault: Fault = "unclear", region: str | None = None, **more: Any) -> Occasion:
    due = more.pop("due", NOW + timedelta(hours=HOURS[case.urgency]))
    return Occasion(case, plan(case, fault=fault), region, NOW, due, **more)


def grievance(*subs: Subcategory, language: Language = "zh-Hant", **more: Any) -> Case:
    given: dict[str, Any] = {"emotions": (Emotion.ANGRY,), "intensity": 2, **more}
    return Case(given.pop("intent", Intent.COMPLAINT), subcategories=subs, language=language, **given)


def fact(kind: FactKind, text: str, value: str | None = None) -> Fact:
    return Fact(kind, 0, len(text), text, value)


def of_sample(row: dict[str, Any], language: Language | None = None, fault: Fault = "unclear") -> Occasion:
    message = NORMALIZER.normalize(TEXTS[row["id"]])
    subs = tuple(Subcategory(name) for name in row["subcategory"])
    categories = tuple(dict.fromkeys(sub.category for sub in subs))
    found = [
        *find_identifiers(message),
        *find_amounts(message),
        *find_times(message, received_at=NOW),
        *find_mentions(message),
    ]
    facts = Facts(tuple(sorted(found, key=lambda each: each.start)))
    case = Case(
        Intent(row["intent"]),
        categories,
        subs,
        Urgency(row["urgency"]),
        tuple(Emotion(name) for name in row["emotion"]),
        row["intensity"],
        tuple(Need(name) for name in row["needs"]),
        tuple(Demand(name) for name in row["demands"]),
        language or row["language"],
        message.text,
        facts,
        tuple(thing.value for thing in missing(facts, message, categories, subs)),
    )
    region = message.region.value if message.region else None
    return occasion(case, fault=fault, region=region, key_words=tuple(row["key_words"]))


def walk(step: int) -> Iterator[Occasion]:
    """Every ``step``-th of all combinations of the labels that matter, with words and facts in turn."""
    matters: list[tuple[Category | Subcategory, ...]] = [
        (),
        *((sub,) for sub in Subcategory),
        *((c,) for c in Category),
    ]
    combinations = product(Intent, matters, Urgency, Emotion, range(4), FAULTS, PLACES)
    words: dict[str, list[tuple[str, ...]]] = {
        "zh-Hant": [(), ("一直死機",), ("了我", "客服說，"), ("沒人理", "漏水")],
        "zh-Hans": [(), ("一直死机",), ("了我", "客服说，"), ("没人理", "漏水")],
    }
    needs, demands = [(), *((need,) for need in Need)], [(), (Demand.REFUND,), (Demand.APOLOGY, Demand.EXPEDITE)]
    asked = [(), ("when", "order"), ("contact", "where", "who", "product", "amount", "tried", "wanted")]
    for at, (intent, matter, urgency, emotion, intensity, fault, (language, region)) in enumerate(
        islice(combinations, 0, None, step)
    ):
        case = Case(
            intent,
            tuple(each for each in matter if isinstance(each, Category)),
            tuple(each for each in matter if isinstance(each, Subcategory)),
            urgency,
            (emotion,) if at % 3 else (emotion, Emotion.ANXIOUS),
            intensity,
            needs[at % len(needs)],
            demands[at % len(demands)],
            language,
            f"已经等了三天，手机还是一直死机，没人理，漏水，{at}",
            Facts(FACTS[at % len(FACTS)]),
            asked[at % len(asked)],
        )
        yield occasion(case, fault=fault, region=region, key_words=words[language][at % 4])


FACTS: list[tuple[Fact, ...]] = [
    (),
    (fact(FactKind.DURATION, "三天", "P3D"), fact(FactKind.PRIOR_CONTACT, "打了四次", "4")),
    (fact(FactKind.DEADLINE, "明天早上", "2025-11-25"), fact(FactKind.VULNERABLE, "老人", "elderly")),
    (fact(FactKind.AMOUNT, "3,200元", "3200.00 ?"), fact(FactKind.PRODUCT, "手提包"), fact(FactKind.STAFF, "李店員")),
    (fact(FactKind.PHONE, "0912345678", "+886912345678"), fact(FactKind.VULNERABLE, "小孩", "child")),
]


def doubled(text: str) -> list[str]:
    """Six characters of a sentence that stand in it twice."""
    seen: set[str] = set()
    twice = []
    for clause in re.split(r"[，。？！：；、「」“”\n]", text):
        grams = {clause[at : at + 6] for at in range(len(clause) - 5)}
        twice += sorted(grams & seen)
        seen |= grams
    return twice


def faults_of(text: str, language: Language) -> list[str]:
    wrong = script_chars().simplified if language == "zh-Hant" else script_chars().traditional
    found = [f"script {char}" for char in sorted(wrong.intersection(text))]
    found += [f"word {word}" for word in WRONG_WORDS if word in text]
    found += [f"doubled {gram}" for gram in doubled(text)]
    found += [f"char {char}" for char in "{}<>你妳" if char in text]
    if re.search(r"[，。；：、？]{2}|「」|“”|^[，。]", text) or text != text.strip():
        found.append("punctuation")
    if not text.endswith(("。", "？")):
        found.append("end")
    return found


def spoken_wrong(text: str, each: Occasion) -> list[str]:
    """What the reply check would change, but for the words of the plan's own questions."""
    own = "".join(question.text for question in each.plan.questions)
    found = CHECKER.check(text).of(*SPOKEN, "mixed_script", "wrong_script")
    return [f"{each.rule}: {each.text}" for each in found if (each.text or "-") not in own]


def test_no_combination_of_labels_gives_a_broken_text() -> None:
    broken: Counter[str] = Counter()
    count = 0
    for each in walk(307):
        for kind in KINDS:
            text = getattr(MESSAGES, kind)(each)
            broken.update(f"{kind}: {what}" for what in faults_of(text, each.case.language))
            count += 1
    assert count > 5_000
    assert not broken, broken.most_common(20)


def test_walk_meets_every_label() -> None:
    seen: set[str] = set()
    for each in walk(307):
        case = each.case
        seen.update([case.intent, case.urgency, *case.emotions, *case.subcategories, each.plan.fault, *case.needs])
        seen.update([f"{case.language} {each.region}", f"intensity {case.intensity}"])
    assert seen >= {*Intent, *Urgency, *Emotion, *Subcategory, *FAULTS, *Need}
    assert len(seen) == 6 + 4 + 9 + len(Subcategory) + 3 + 3 + len(PLACES) + 4


def test_checker_finds_nothing_to_change_in_a_sample_of_the_walk() -> None:
    found: Counter[str] = Counter()
    for each in walk(2_699):
        for kind in KINDS:
            found.update(f"{kind} {what}" for what in spoken_wrong(getattr(MESSAGES, kind)(each), each))
    assert not found, found.most_common(20)


@pytest.mark.parametrize("row", CASES, ids=[row["id"] for row in CASES])
def test_sample_message_gets_whole_texts_of_a_fitting_length(row: dict[str, Any]) -> None:
    each = of_sample(row)
    for kind in KINDS:
        text = getattr(MESSAGES, kind)(each)
        assert not faults_of(text, each.case.language), text
        assert not spoken_wrong(text, each), text
    assert 50 <= len(MESSAGES.first_reply(each)) <= 170
    assert (140 if each.case.intent is Intent.COMPLAINT else 75) <= len(MESSAGES.apology_letter(each)) <= 350


@pytest.mark.parametrize("kind", ["first_reply", "apology_letter", "progress_note"])
@pytest.mark.parametrize("language", ["zh-Hant", "zh-Hans", None])
def test_no_two_sample_messages_get_the_same_text(kind: str, language: Language | None) -> None:
    assert len(CASES) >= 60
    seen: dict[str, str] = {}
    for row in CASES:
        each = of_sample(row, language)
        if kind == "progress_note" and not each.case.is_grievance:
            continue  # "your question is being looked into" may be said twice
        text = getattr(MESSAGES, kind)(each)
        assert text not in seen, (row["id"], seen[text], text)
        seen[text] = row["id"]


@cache
def every_first_reply(language: Language) -> tuple[str, ...]:
    return tuple(MESSAGES.first_reply(occasion(grievance(sub, language=language))) for sub in Subcategory)


@pytest.mark.parametrize("language", ["zh-Hant", "zh-Hans"])
def test_every_sub_kind_is_answered_in_its_own_words(language: Language) -> None:
    assert len(set(every_first_reply(language))) == len(Subcategory)
    matters = MESSAGES.files.matters.matters
    for field in ("name", "open"):
        assert len({getattr(matters[sub], field).get(language) for sub in Subcategory}) >= len(Subcategory) - 2
    assert len({act.get(language) for sub in Subcategory for act in matters[sub].acts}) == 2 * len(Subcategory)


def test_same_occasion_always_gives_the_same_text_and_other_words_another_one() -> None:
    case = grievance(Subcategory.QUALITY_DEFECT, text="手机一直死机")
    again = Messages()
    for kind in KINDS:
        assert getattr(MESSAGES, kind)(occasion(case)) == getattr(again, kind)(occasion(case))
    texts = {MESSAGES.first_reply(occasion(replace(case, text=f"手机坏了{at}"))) for at in range(20)}
    assert len(texts) >= 8


@pytest.mark.parametrize("emotion", [each for each in Emotion if each not in ("neutral", "satisfied", "happy")])
def test_feeling_is_named_by_kind_and_by_strength(emotion: Emotion) -> None:
    pieces = MESSAGES.files.first_reply.pieces["opening"]
    said = {}
    for intensity in (1, 2, 3):
        case = grievance(Subcategory.SERVICE_SLOW, emotions=(emotion,), intensity=intensity)
        reply = MESSAGES.first_reply(occasion(case))
        names = [name for name, piece in pieces.items() if any(wording.hant in reply for wording in piece.say)]
        assert names, reply
        assert names[0].startswith(emotion.value)
        said[intensity] = names[0]
    assert len(set(said.values())) == 3


@pytest.mark.parametrize("sub", SERIOUS)
@pytest.mark.parametrize(("language", "region"), PLACES)
def test_critical_incident_begins_with_safety(sub: Subcategory, language: Language, region: str | None) -> None:
    case = grievance(sub, language=language, urgency=Urgency.CRITICAL)
    reply = MESSAGES.first_reply(occasion(case, region=region))
    safety = [w.get(language) for p in MESSAGES.files.first_reply.pieces["safety"].values() for w in p.say]
    assert any(reply.startswith(text[:5].split("{")[0]) for text in safety), reply


@pytest.mark.parametrize(
    ("region", "language", "number"),
    [("TW", "zh-Hant", "119"), ("HK", "zh-Hant", "999"), ("CN", "zh-Hans", "120"), (None, "zh-Hant", "緊急救護電話")],
)
def test_injured_are_told_the_number_of_their_place(region: str | None, language: Language, number: str) -> None:
    case = grievance(Subcategory.INCIDENT_INJURY, language=language, urgency=Urgency.CRITICAL)
    assert number in MESSAGES.first_reply(occasion(case, region=region))


@pytest.mark.parametrize("who", ["child", "elderly", "pregnant", "disabled", "patient"])
def test_vulnerable_person_comes_before_the_feeling(who: str) -> None:
    facts = Facts((fact(FactKind.VULNERABLE, "…", who),))
    urgent = grievance(Subcategory.INCIDENT_DANGER, urgency=Urgency.CRITICAL, facts=facts)
    care = [wording.hant for wording in MESSAGES.files.first_reply.pieces["care"][who].say]
    reply = MESSAGES.first_reply(occasion(urgent))
    [place] = [reply.find(text) for text in care if text in reply]
    assert place < reply.find("生氣")
    price = grievance(Subcategory.PRICE_OVERCHARGE, urgency=Urgency.MEDIUM, facts=facts)
    assert not any(text in MESSAGES.first_reply(occasion(price)) for text in care)


@pytest.mark.parametrize("sub", list(Subcategory))
@pytest.mark.parametrize("language", ["zh-Hant", "zh-Hans"])
def test_fault_is_admitted_only_where_it_is_ours(sub: Subcategory, language: Language) -> None:
    ours = re.compile("責任在我們|责任在我们|我們沒做好|我们没做好|我們沒有做好|我们没有做好|錯在我們|错在我们")
    for kind in ("first_reply", "apology_letter"):
        for fault in FAULTS:
            text = getattr(MESSAGES, kind)(occasion(grievance(sub, language=language), fault=fault))
            assert (ours.search(text) is not None) == (fault == "ours"), text
            assert re.search("歉|對不起|对不起|過意不去|过意不去", text), text


def test_letter_offers_what_the_handler_may_decide_and_asks_for_the_rest() -> None:
    case = grievance(Subcategory.QUALITY_DEFECT, demands=(Demand.REPLACEMENT,))
    letters = {fault: MESSAGES.apology_letter(occasion(case, fault=fault)) for fault in FAULTS}
    assert "換一件新的" in letters["ours"]
    assert "查明之後" in letters["unclear"] or "等事實清楚" in letters["unclear"]
    assert "說明" in letters["customer"]
    assert "換一件新的" not in letters["customer"]
    # nothing of what only a manager may give is promised
    lost = grievance(Subcategory.PRICE_REFUND, facts=Facts((fact(FactKind.AMOUNT, "九萬元", "90000.00 TWD"),)))
    letter = MESSAGES.apology_letter(occasion(lost, fault="ours"))
    assert "退款並補上手續費" not in letter or "決定" in letter


@pytest.mark.parametrize("intent", [Intent.PRAISE, Intent.INQUIRY, Intent.REQUEST, Intent.SUGGESTION, Intent.OTHER])
@pytest.mark.parametrize("language", ["zh-Hant", "zh-Hans"])
def test_nobody_is_apologised_to_for_nothing(intent: Intent, language: Language) -> None:
    for emotion, intensity in product(Emotion, range(4)):
        case = Case(intent, emotions=(emotion,), intensity=intensity, language=language, urgency=Urgency.LOW)
        for kind in KINDS:
            text = getattr(MESSAGES, kind)(occasion(case))
            assert not re.search("歉|對不起|对不起", text), text
            assert len(text) >= 35
        thanked = "謝謝|谢谢|跟著高興|好話|跟着高兴|好话|好的，|需求|著急|着急|急著|急着|答案"
        assert re.search(thanked, MESSAGES.first_reply(case_reply := occasion(case))), MESSAGES.first_reply(case_reply)


def test_facts_are_said_back() -> None:
    def reply(*facts: Fact, subs: tuple[Subcategory, ...] = (Subcategory.SERVICE_SLOW,), **more: Any) -> str:
        case = grievance(*subs, text="我等了三天，打了四次电话，明天早上要用", facts=Facts(facts), **more)
        return MESSAGES.first_reply(occasion(case))

    assert "三天" in reply(fact(FactKind.DURATION, "三天", "P3D"))
    assert "四次" in reply(fact(FactKind.PRIOR_CONTACT, "打了四次", "4"))
    assert "好幾次" in reply(fact(FactKind.PRIOR_CONTACT, "打了好幾次", "+"))
    assert "12次" in reply(fact(FactKind.PRIOR_CONTACT, "打了12次", "12"))
    assert "「明天早上」" in reply(fact(FactKind.DEADLINE, "明天早上", "2025-11-25"), urgency=Urgency.HIGH)
    overcharged = (Subcategory.PRICE_OVERCHARGE,)
    assert "「兩百元」" in reply(fact(FactKind.AMOUNT, "兩百元", "200.00 TWD"), subs=overcharged)
    # not said back: a length that is none of waiting, one contact, an amount that is not the matter, or one of two
    assert "兩年" not in reply(fact(FactKind.DURATION, "兩年", "P2Y"))
    assert "一次" not in reply(fact(FactKind.PRIOR_CONTACT, "打過電話", "1"))
    assert "兩百元" not in reply(fact(FactKind.AMOUNT, "兩百元", "200.00 TWD"))
    two = (fact(FactKind.AMOUNT, "兩百元", "200.00 TWD"), fact(FactKind.AMOUNT, "五元", "5.00 TWD"))
    assert "百元" not in reply(*two, subs=overcharged)
    assert "百块" not in reply(fact(FactKind.AMOUNT, "两百块", "200.00 CNY"), subs=overcharged)


def test_at_most_two_questions_and_only_for_what_is_missing() -> None:
    case = grievance(Subcategory.QUALITY_DEFECT)
    for missing_things in ((), ("order",), ("order", "product", "when", "contact")):
        reply = MESSAGES.first_reply(occasion(replace(case, missing=missing_things)))
        assert reply.count("？") <= min(2, len(missing_things))
        assert ("？" in reply) == bool(missing_things)
    # in danger only how to find the customer is asked
    danger = grievance(Subcategory.INCIDENT_DANGER, urgency=Urgency.CRITICAL, missing=("product", "amount", "tried"))
    assert "？" not in MESSAGES.first_reply(occasion(danger))


@pytest.mark.parametrize("urgency", list(Urgency))
def test_next_word_is_announced_once_and_not_for_the_night(urgency: Urgency) -> None:
    case = grievance(Subcategory.SERVICE_SLOW, urgency=urgency)
    for hour in range(24):
        received = NOW.replace(hour=hour)
        each = replace(occasion(case), received_at=received, respond_by=received + timedelta(hours=HOURS[urgency]))
        for kind in ("first_reply", "apology_letter", "progress_note"):
            text = getattr(MESSAGES, kind)(each)
            assert len(re.findall("點(?:半|\\d+分)?前", text)) == 1, text
        if urgency in (Urgency.MEDIUM, Urgency.HIGH) and 9 <= each.respond_by.hour <= 18:
            assert "凌晨" not in MESSAGES.progress_note(each)


def test_follow_up_asks_whether_it_is_solved_and_how_the_handling_was() -> None:
    for sub, urgency in product(Subcategory, Urgency):
        text = MESSAGES.follow_up_message(occasion(grievance(sub, urgency=urgency)))
        assert "解決了嗎？" in text
        assert "處理得" in text
    assert "都還好嗎" in MESSAGES.follow_up_message(occasion(grievance(Subcategory.INCIDENT_INJURY)))


def test_hong_kong_reads_its_own_words() -> None:
    table = MESSAGES.files.words.hong_kong
    texts = {"TW": "", "HK": ""}
    for row, region in product(CASES, texts):
        each = replace(of_sample(row, "zh-Hant"), region=region, key_words=())
        texts[region] += "".join(getattr(MESSAGES, kind)(each) for kind in KINDS)
    used = [word for word in table if word in texts["TW"]]
    assert {"同仁", "紀錄", "帳目", "門市"} <= set(used)
    assert [word for word in table if word in texts["HK"]] == []
    assert {table[word] for word in used if table[word] not in texts["HK"]} == set()
    # the customer's own words stay as they are
    case = grievance(Subcategory.QUALITY_DEFECT)
    assert "「螢幕閃爍」" in MESSAGES.first_reply(occasion(case, region="HK", key_words=("螢幕閃爍",)))


@pytest.mark.parametrize(
    ("received", "due", "says"),
    [(NOW.replace(tzinfo=None), NOW, "received_at needs a time zone"), (NOW, NOW - timedelta(hours=1), "lies before")],
)
def test_times_that_cannot_be_are_refused(received: datetime, due: datetime, says: str) -> None:
    case = grievance(Subcategory.SERVICE_SLOW)
    with pytest.raises(ValueError, match=says):
        Occasion(case, plan(case), "TW", received, due)
