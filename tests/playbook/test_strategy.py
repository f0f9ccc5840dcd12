"""Strategies: every case gets a whole plan in its own script, and different cases get different ones."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest

from complaint_nlp import Normalizer
from complaint_nlp.facts.types import Fact, FactKind, Facts
from complaint_nlp.labels import (
    Category,
    Demand,
    Emotion,
    Intent,
    Language,
    Need,
    Subcategory,
    Urgency,
)
from complaint_nlp.playbook.strategy.files import load_strategy_files
from complaint_nlp.playbook.strategy.impact import ImpactReader
from complaint_nlp.playbook.strategy.schema import Stage
from complaint_nlp.playbook.strategy.strategist import Case, StrategyPlan, plan
from complaint_nlp.playbook.strategy.when import FAULTS, MISSING, Fault
from complaint_nlp.text.resources import script_chars

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "cases" / "strategy.jsonl").read_text(encoding="utf-8").splitlines()
]
FILES = load_strategy_files()
SCRIPTS: tuple[Language, ...] = ("zh-Hant", "zh-Hans")


@pytest.fixture(scope="module")
def normalizer() -> Normalizer:
    return Normalizer()


def facts(*found: tuple[FactKind, str]) -> Facts:
    return Facts(tuple(Fact(kind, 0, 1, "…", value) for kind, value in found))


def case_of(row: dict[str, Any], normalizer: Normalizer) -> Case:
    return Case(
        intent=Intent(row["intent"]),
        categories=tuple(Category(name) for name in row.get("category", ())),
        subcategories=tuple(Subcategory(name) for name in row["subcategory"]),
        urgency=Urgency(row["urgency"]),
        emotions=tuple(Emotion(name) for name in row["emotion"]),
        intensity=row["intensity"],
        needs=tuple(Need(name) for name in row.get("needs", ())),
        demands=tuple(Demand(name) for name in row.get("demands", ())),
        language=row["language"],
        text=normalizer.normalize(row["text"]).text,
        facts=facts(*((FactKind(kind), value) for kind, value in row.get("facts", ()))),
        missing=tuple(row.get("missing", ())),
    )


def texts(value: Any) -> Iterator[str]:
    """Every wording of a plan's dict; identifiers are ASCII."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str) and not value.isascii():
        yield value


def ids(items: Iterable[Any]) -> list[str]:
    return [item.id for item in items]


def surprises(row: dict[str, Any], made: StrategyPlan) -> list[str]:
    """What in ``made`` is not as ``row`` expects."""
    expect = row["expect"]
    lists = {"steps": made.steps, "remedies": made.remedies, "inform": made.inform, "must": made.must_include}
    wrong = []
    for name, items in lists.items():
        # an empty list says that there is nothing
        if expect.get(name) == [] and items:
            wrong.append(f"{name}: {ids(items)}")
        wrong += [f"no {name} {each}" for each in expect.get(name, ()) if each not in ids(items)]
        wrong += [f"{name} {each}" for each in expect.get(f"not_{name}", ()) if each in ids(items)]
    exact: dict[str, Any] = {
        "questions": ids(made.questions),
        "first_remedy": ids(made.remedies)[:1],
        "consequences": sorted(ids(made.impact.consequences)) if made.impact else None,
        "interest": made.impact.interest if made.impact else None,
        "impact_none": made.impact is None,
        "level": made.authority.level,
        "progress_hours": made.follow_up.progress_every_hours,
        "ladder": len(made.authority.ladder),
    }
    for name, value in exact.items():
        if name in expect and value != (sorted(expect[name]) if name == "consequences" else expect[name]):
            wrong.append(f"{name} {value} instead of {expect[name]}")
    if expect.get("notes_contain", "") not in "".join(made.authority.notes):
        wrong.append(f"notes {made.authority.notes}")
    return wrong


@pytest.mark.parametrize("row", CASES, ids=[f"{at}:{row['text'][:14]}" for at, row in enumerate(CASES, 1)])
def test_case_gets_the_plan_it_needs(row: dict[str, Any], normalizer: Normalizer) -> None:
    made = plan(case_of(row, normalizer), fault=row.get("fault", "unclear"))
    wrong = surprises(row, made)
    if row.get("known_failure"):
        assert wrong, "this case works now: take known_failure away"
    else:
        assert not wrong


def test_cases_cover_both_scripts_every_sub_kind_and_every_feeling() -> None:
    assert len(CASES) >= 60
    assert min(sum(row["language"] == script for row in CASES) for script in SCRIPTS) >= 25
    for key, values in (("subcategory", Subcategory), ("emotion", Emotion)):
        assert {label for row in CASES for label in row[key]} == set(values)
    assert {row["intent"] for row in CASES} == set(Intent)
    assert {row["urgency"] for row in CASES} == set(Urgency)


def test_cases_name_only_what_exists() -> None:
    known = {
        "steps": set(FILES.steps.steps),
        "remedies": set(FILES.remedies.options),
        "first_remedy": set(FILES.remedies.options),
        "inform": set(FILES.inform.inform),
        "consequences": set(FILES.impact.consequences),
        "must": {
            *FILES.needs.general,
            *(name for section in (*FILES.needs.needs.values(), *FILES.needs.demands.values()) for name in section),
        },
    }
    for row in CASES:
        for key, expected in row["expect"].items():
            names = known.get(key.removeprefix("not_"))
            if names is not None:
                assert set(expected) <= names, row["text"]


def test_different_cases_get_different_plans(normalizer: Normalizer) -> None:
    seen: dict[str, str] = {}
    for row in CASES:
        made = plan(replace(case_of(row, normalizer), language="zh-Hant"), fault=row.get("fault", "unclear"))
        shown = json.dumps(made.to_dict(), ensure_ascii=False)
        assert shown not in seen, (row["text"], seen[shown])
        seen[shown] = row["text"]


@pytest.mark.parametrize("sub", [sub for sub in Subcategory if sub.category is Category.INCIDENT])
@pytest.mark.parametrize("fault", FAULTS)
def test_incident_puts_safety_first_whoever_is_at_fault(sub: Subcategory, fault: Fault) -> None:
    made = plan(Case(Intent.COMPLAINT, subcategories=(sub,), demands=(Demand.REFUND,)), fault=fault)
    first = FILES.remedies.options[made.remedies[0].id]
    assert first.first
    assert made.steps[0].id.startswith("safety_")
    assert made.authority.level in ("manager", "executive")
    assert "secure_evidence" in ids(made.steps)


# ---- branches


def test_fault_changes_apology_investigation_and_compensation() -> None:
    for category in Category:
        case = Case(Intent.COMPLAINT, (category,), emotions=(Emotion.ANGRY,), intensity=2)
        made = {fault: plan(case, fault=fault) for fault in FAULTS}
        for stage in ("apologise", "investigate", "act", "report"):
            chosen = {fault: tuple(step.id for step in made[fault].steps if step.stage == stage) for fault in FAULTS}
            assert len(set(chosen.values())) == 3, (category, stage, chosen)
        assert len({tuple(ids(each.remedies)) for each in made.values()}) == 3


def test_nothing_is_admitted_before_the_facts_are_known() -> None:
    for sub, emotion in product(Subcategory, Emotion):
        made = plan(Case(Intent.COMPLAINT, subcategories=(sub,), emotions=(emotion,), intensity=3))
        assert not {"apologise_for_our_fault", "apologise_by_manager", "compensate_now"} & set(ids(made.steps))
        assert not {"plain_admission"} & set(ids(made.must_include))
        assert not {"statutory_compensation", "refund_with_costs", "goodwill_gift"} & set(ids(made.remedies))


@pytest.mark.parametrize(
    ("value", "language", "level", "asks_manager"),
    [
        ("3000 TWD", "zh-Hant", "supervisor", False),
        ("3000.01 TWD", "zh-Hant", "manager", True),
        ("50001 TWD", "zh-Hans", "executive", True),
        ("200 CNY", "zh-Hans", "agent", False),
        ("801 CNY", "zh-Hant", "manager", True),
        ("1000 ?", "zh-Hant", "agent", False),
        ("1000 ?", "zh-Hans", "manager", True),
        ("1 KRW", "zh-Hant", "manager", True),
        ("1e9 TWD", "zh-Hant", "executive", True),
        ("NaN TWD", "zh-Hant", "agent", False),
        ("-5000 TWD", "zh-Hant", "agent", False),
        ("很多 TWD", "zh-Hant", "agent", False),
        ("", "zh-Hant", "agent", False),
        ("9 {limit}", "zh-Hant", "agent", False),
    ],
)
def test_amount_above_the_limit_asks_who_may_decide(
    value: str, language: Language, level: str, *, asks_manager: bool
) -> None:
    case = Case(
        Intent.COMPLAINT,
        subcategories=(Subcategory.PRICE_REFUND,),
        language=language,
        facts=facts((FactKind.AMOUNT, value)),
    )
    made = plan(case)
    assert made.authority.level == level
    assert ("ask_manager" in ids(made.steps)) == asks_manager
    assert ("deciding_manager" in ids(made.inform)) == asks_manager
    assert not set("".join(made.authority.notes)) & set("{}")


def test_the_amount_that_needs_the_most_authority_counts_and_is_named() -> None:
    found = facts((FactKind.AMOUNT, "900 TWD"), (FactKind.AMOUNT, "12800.50 TWD"), (FactKind.AMOUNT, "90 USD"))
    made = plan(Case(Intent.COMPLAINT, subcategories=(Subcategory.PRICE_REFUND,), facts=found))
    assert made.authority.notes[0].startswith("來訊中的金額為 12,800.5 TWD，超過組長可決定的 3,000 TWD，須由部門主管")
    remedy = next(remedy for remedy in made.remedies if remedy.id == "refund")
    assert (remedy.authority, remedy.authority_name) == ("manager", "部門主管")


@pytest.mark.parametrize("threat", ["regulator", "lawyer", "media", "public_post", "police"])
def test_threat_changes_steps_and_who_is_informed(threat: str) -> None:
    calm = Case(Intent.COMPLAINT, subcategories=(Subcategory.PRICE_REFUND,))
    threatened = replace(calm, facts=facts((FactKind.THREAT, threat)))
    before, after = plan(calm), plan(threatened)
    assert set(ids(after.steps)) - set(ids(before.steps)) == {f"threat_{threat}"}
    assert len(set(ids(after.inform)) - set(ids(before.inform))) == 1
    assert (before.authority.level, after.authority.level) == ("agent", "manager")
    assert "no_counter_threat" in ids(after.must_include)


@pytest.mark.parametrize("who", ["child", "elderly", "pregnant", "disabled", "patient"])
def test_vulnerable_person_is_cared_for_before_introductions(who: str) -> None:
    made = plan(Case(Intent.COMPLAINT, (Category.SERVICE,), facts=facts((FactKind.VULNERABLE, who))))
    assert made.steps[0].id == f"care_{who}"
    assert "care_officer" in ids(made.inform)


@pytest.mark.parametrize(("value", "repeat"), [("1", False), ("2", True), ("4", True), ("+", True), ("?", False)])
def test_repeated_contact_gets_one_person(value: str, *, repeat: bool) -> None:
    made = plan(Case(Intent.COMPLAINT, (Category.SERVICE,), facts=facts((FactKind.PRIOR_CONTACT, value))))
    assert ("introduce_one_contact" in ids(made.steps)) == repeat
    assert ("read_history" in ids(made.steps)) == repeat
    assert ("earlier_contacts" in ids(made.must_include)) == repeat


def test_every_grievance_of_a_message_is_examined() -> None:
    subs = (Subcategory.SERVICE_ATTITUDE, Subcategory.PRICE_OVERCHARGE, Subcategory.QUALITY_DEFECT)
    made = plan(Case(Intent.COMPLAINT, subcategories=subs))
    examined = [step.id for step in made.steps if step.id.startswith("examine_")]
    assert examined == ["examine_attitude", "examine_overcharge", "examine_defect"]
    assert len(made.prevention) == 3


def test_what_the_customer_asks_for_is_offered_first() -> None:
    for demand, first in ((Demand.REFUND, "refund"), (Demand.REPLACEMENT, "exchange"), (Demand.REPAIR, "repair")):
        made = plan(Case(Intent.COMPLAINT, subcategories=(Subcategory.QUALITY_DEFECT,), demands=(demand,)))
        assert made.remedies[0].id == first
        assert f"{demand}_answer" in ids(made.must_include)


# ---- questions


@pytest.mark.parametrize("matter", [*Category, Intent.COMPLAINT])
def test_questions_go_from_open_to_closed_to_clarifying(matter: Category | Intent) -> None:
    categories = (matter,) if isinstance(matter, Category) else ()
    made = plan(Case(Intent.COMPLAINT, categories, missing=MISSING))
    assert [question.kind for question in made.questions] == ["open", "closed", "closed", "closed", "clarifying"]
    assert [question.asks_for for question in made.questions] == list(FILES.questions.order[matter][:5])
    assert ids(made.questions) == [f"{each.asks_for}_{each.kind}" for each in made.questions]


def test_only_what_is_missing_is_asked() -> None:
    for category, thing in product(Category, MISSING):
        made = plan(Case(Intent.COMPLAINT, (category,), missing=(thing,)))
        assert [question.asks_for for question in made.questions] == [thing]
    assert plan(Case(Intent.COMPLAINT, (Category.QUALITY,))).questions == ()
    assert plan(Case(Intent.COMPLAINT, missing=("wanted",), demands=(Demand.REFUND,))).questions == ()


def test_questions_are_worded_for_the_category() -> None:
    asked = {plan(Case(Intent.COMPLAINT, (category,), missing=("when",))).questions[0].text for category in Category}
    assert len(asked) == len(Category)


# ---- impact


def test_impact_survives_nasty_input() -> None:
    reader = ImpactReader(FILES.impact)
    for text in ("生日" * 10_000, "没" * 20_000, "生日没" * 7_000, "客户。" * 7_000, "我们公司\n" * 4_000, ""):
        assert reader.read(text, "zh-Hant").interest in ("own", "organisation")


def test_consequences_name_the_words_that_tell() -> None:
    for entry in FILES.impact.consequences.values():
        joined = "，".join(group[0] for group in entry.groups)
        impact = ImpactReader(FILES.impact).read(joined, "zh-Hans")
        found = {each.name: [joined[start:end] for start, end in each.spans] for each in impact.consequences}
        assert found[entry.name.hans] == [group[0] for group in entry.groups]


# ---- the walk over all combinations

_PUNCTUATION = re.compile(r"[，。；、！？]{2}|\s{2}|None|nan")
_DOUBLED = re.compile(r"(.{3,})\1")
_CHECKED: set[tuple[Language, str]] = set()


def check_wordings(made: StrategyPlan, language: Language) -> None:
    chars = script_chars()
    other = chars.simplified if language == "zh-Hant" else chars.traditional
    for text in texts(made.to_dict()):
        if (language, text) in _CHECKED:
            continue
        assert not set(text) & set("{}<>"), text
        assert not set(text) & other, text
        assert not _PUNCTUATION.search(text), text
        assert not _DOUBLED.search(text), text
        _CHECKED.add((language, text))
    sentences = [step.action for step in made.steps] + [step.why for step in made.steps]
    sentences += [tactic.do for tactic in made.tactics] + [tactic.avoid for tactic in made.tactics]
    sentences += [each.text for each in made.must_include] + [question.text for question in made.questions]
    sentences += [each.soften for each in made.impact.consequences] if made.impact else []
    sentences += [*made.follow_up.ask, *made.follow_up.record, made.follow_up.progress, made.follow_up.call_back]
    sentences += [*made.prevention, *made.authority.notes, *made.authority.ladder]
    assert len(set(sentences)) == len(sentences)
    for named in (made.steps, made.remedies, made.questions, made.inform, made.must_include):
        assert len(set(ids(named))) == len(named)


@pytest.mark.parametrize("language", SCRIPTS)
@pytest.mark.parametrize("category", [*Category, None])
def test_every_combination_gives_a_whole_plan_in_its_script(language: Language, category: Category | None) -> None:
    shown = set()
    for urgency, emotion, intensity, fault in product(Urgency, Emotion, range(4), FAULTS):
        case = Case(
            Intent.COMPLAINT,
            (category,) if category else (),
            urgency=urgency,
            emotions=(emotion,),
            intensity=intensity,
            needs=tuple(Need),
            demands=tuple(Demand),
            language=language,
            text="我们公司的客户在等，生日礼物来不及，资料没了，航班赶不上，考试",
            missing=MISSING,
        )
        made = plan(case, fault=fault)
        check_wordings(made, language)
        assert len(made.remedies) >= 2
        assert len(made.questions) <= 5
        assert {step.stage for step in made.steps} == set(get_args(Stage))
        assert made.impact is not None
        shown.add((made.steps, made.tactics, made.questions, made.remedies, made.follow_up, made.authority))
    assert len(shown) == 4 * 9 * 4 * 3


@pytest.mark.parametrize("language", SCRIPTS)
@pytest.mark.parametrize("intent", Intent)
def test_every_sub_kind_gives_a_whole_plan_with_every_intent(language: Language, intent: Intent) -> None:
    for sub, fault, urgency in product([*Subcategory, None], FAULTS, Urgency):
        case = Case(
            intent,
            subcategories=(sub,) if sub else (),
            urgency=urgency,
            emotions=(Emotion.ANXIOUS, Emotion.ANGRY),
            intensity=2,
            language=language,
            facts=facts(
                *((FactKind.THREAT, name) for name in ("regulator", "lawyer", "media", "public_post", "police")),
                *((FactKind.VULNERABLE, name) for name in ("child", "elderly", "pregnant", "disabled", "patient")),
                (FactKind.AMOUNT, "70000 TWD"),
                (FactKind.PRIOR_CONTACT, "+"),
                (FactKind.DEADLINE, "2026-11-24"),
            ),
            missing=MISSING,
        )
        made = plan(case, fault=fault)
        check_wordings(made, language)
        assert len(made.questions) <= 5
        assert made.steps
        assert made.tactics
        assert made.prevention
        if sub or intent is Intent.COMPLAINT:
            assert len(made.remedies) >= 2
        json.dumps(made.to_dict(), ensure_ascii=False)


# ---- the case itself


def test_case_refuses_what_does_not_exist() -> None:
    with pytest.raises(ValueError, match="intensity 4"):
        Case(Intent.COMPLAINT, intensity=4)
    with pytest.raises(ValueError, match="unknown missing fact 'colour'"):
        Case(Intent.COMPLAINT, missing=("colour",))
    with pytest.raises(ValueError, match="unknown fault 'nobody'"):
        plan(Case(Intent.COMPLAINT), fault="nobody")  # type: ignore[arg-type]


def test_plan_as_dict_is_plain_json_and_complete() -> None:
    case = Case(Intent.COMPLAINT, subcategories=(Subcategory.QUALITY_DEFECT,), missing=("when",), text="航班赶不上")
    made = plan(case, fault="ours")
    plain = made.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["fault"] == "ours"
    assert plain["steps"][0] == {
        "id": "introduce_self",
        "name": "表明身分",
        "stage": "introduce",
        "phase": "tune_in",
        "phase_name": "貼近客戶",
        "action": made.steps[0].action,
        "why": made.steps[0].why,
    }
    assert plain["impact"]["consequences"][0]["spans"] == [[0, 2], [2, 5]]
    assert plain["questions"][0]["kind"] == "open"
    assert type(plain["tactics"][0]["emotion"]) is str


def test_call_back_comes_one_to_two_days_after_solving() -> None:
    for category, urgency, emotion in product(Category, [Urgency.MEDIUM, Urgency.HIGH, Urgency.CRITICAL], Emotion):
        made = plan(Case(Intent.COMPLAINT, (category,), urgency=urgency, emotions=(emotion,), intensity=2))
        assert made.follow_up.call_back_within_hours in (24, 48)
        assert made.follow_up.ask
        assert made.follow_up.record
    hours = [plan(Case(Intent.COMPLAINT, urgency=urgency)).follow_up.progress_every_hours for urgency in Urgency]
    assert hours == sorted((each for each in hours if each is not None), reverse=True)
