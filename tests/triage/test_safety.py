"""Safety rules: what they fire on, what they leave alone, and the words they point at."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from complaint_nlp import ConfigError, Normalizer
from complaint_nlp.labels import Urgency
from complaint_nlp.resources import builtin
from complaint_nlp.text.resources import regional_words
from complaint_nlp.triage.safety import SafetyRules

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "cases" / "safety_rules.jsonl").read_text(encoding="utf-8").splitlines()
]
RULES = SafetyRules()
BY_ID = {rule.id: rule for rule in RULES.file.rules}
SHIPPED = builtin("triage/safety_rules.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def normalizer() -> Normalizer:
    return Normalizer()


def cases(kind: str) -> list[Any]:
    return [pytest.param(case, id=f"{case['rule']}:{case['text']}") for case in CASES if case["kind"] == kind]


@pytest.mark.parametrize("case", cases("fires"))
def test_rule_fires_and_points_at_the_customers_own_words(normalizer: Normalizer, case: dict[str, str]) -> None:
    message = normalizer.normalize(case["text"])
    assert message.script.value == case["script"]
    for language in ("zh-Hant", "zh-Hans"):
        hits = {reason.rule: reason for reason in RULES.find(message, language)}
        assert case["rule"] in hits
        hit = hits[case["rule"]]
        assert hit.text == case["words"] == case["text"][hit.start : hit.end]
        assert hit.level is BY_ID[case["rule"]].level
        assert hit.reason == BY_ID[case["rule"]].reason.get(language)


@pytest.mark.parametrize("case", cases("silent"))
def test_rule_is_silent_on_what_did_not_happen(normalizer: Normalizer, case: dict[str, str]) -> None:
    message = normalizer.normalize(case["text"])
    assert message.script.value == case["script"]
    assert case["rule"] not in {reason.rule for reason in RULES.find(message)}


def test_silent_cases_are_silent_because_of_negation_supposition_or_exception(
    tmp_path: Path, normalizer: Normalizer
) -> None:
    bare = yaml.safe_load(SHIPPED)
    bare |= {"negations": [], "suppositions": []}
    for rule in bare["rules"]:
        rule.pop("unless", None)
    path = tmp_path / "bare.yaml"
    path.write_text(yaml.safe_dump(bare, allow_unicode=True), encoding="utf-8")
    rules = SafetyRules(path)
    silent = [case for case in CASES if case["kind"] == "silent"]
    never = [
        case["text"]
        for case in silent
        if case["rule"] not in {reason.rule for reason in rules.find(normalizer.normalize(case["text"]))}
    ]
    assert never == []


@pytest.mark.parametrize("case", cases("known_failure"))
def test_known_failure_is_still_one(normalizer: Normalizer, case: dict[str, str]) -> None:
    # when one of these stays silent, make it a "silent" case
    assert case["rule"] in {reason.rule for reason in RULES.find(normalizer.normalize(case["text"]))}


def test_every_rule_has_cases_of_both_kinds_in_both_scripts() -> None:
    counted = Counter((case["rule"], case["kind"], case["script"]) for case in CASES)
    wanted = {
        (rule, kind, script)
        for rule in BY_ID
        for kind in ("fires", "silent")
        for script in ("traditional", "simplified")
    }
    assert wanted - set(counted) == set()
    assert {case["rule"] for case in CASES} == set(BY_ID)
    assert any(case["script"] == "mixed" for case in CASES)
    whys = {case["why"] for case in CASES if case["kind"] == "silent"}
    assert whys == {"negated", "supposed", "idiom", "past"}


def test_every_regional_word_of_a_rule_still_matches_after_normalisation() -> None:
    # messages are put into mainland words before they are matched: a rule's Taiwan word alone would never be seen
    table = sorted(regional_words().values(), key=lambda word: -len(word.term))

    def in_mainland_words(text: str) -> str:
        for word in table:
            text = text.replace(word.term, word.mainland)
        return text

    lost = [
        (rule.id, word, in_mainland_words(word))
        for rule in RULES.file.rules
        for group in rule.groups
        for word in group
        if not any(other in in_mainland_words(word) for other in group)
    ]
    assert lost == []


def test_most_urgent_reason_comes_first_and_each_rule_once(normalizer: Normalizer) -> None:
    text = "小孩跌倒了！小孩跌倒了！樓梯間瓦斯味很重，而且電梯夾到人。"
    reasons = RULES.find(normalizer.normalize(text))
    assert [reason.rule for reason in reasons] == ["gas_leak", "vulnerable_person_hurt", "lift_drop"]
    assert [reason.level for reason in reasons] == [Urgency.CRITICAL, Urgency.HIGH, Urgency.HIGH]


def test_words_of_different_sentences_make_no_hit(normalizer: Normalizer) -> None:
    near, apart = normalizer.normalize("瓦斯漏了"), normalizer.normalize("瓦斯。漏了")
    assert [reason.rule for reason in RULES.find(near)] == ["gas_leak"]
    assert RULES.find(apart) == ()


def test_within_is_the_greatest_distance(normalizer: Normalizer) -> None:
    reach = BY_ID["gas_leak"].within
    assert RULES.find(normalizer.normalize("煤气" + "啊哦" * (reach // 2) + "漏"))
    assert not RULES.find(normalizer.normalize("煤气" + "啊哦" * (reach // 2) + "嗯漏"))


def test_a_fear_counts_where_the_rule_says_so(normalizer: Normalizer) -> None:
    assert BY_ID["self_harm"].supposed_too
    assert [r.rule for r in RULES.find(normalizer.normalize("如果錢要不回來我就不想活了"))] == ["self_harm"]
    assert RULES.find(normalizer.normalize("如果瓦斯漏氣要打哪裡")) == ()


@pytest.mark.parametrize("text", ["", "謝謝店員", "谢谢店员", "😀", "hello"])
def test_harmless_messages_have_no_reason(normalizer: Normalizer, text: str) -> None:
    assert RULES.find(normalizer.normalize(text)) == ()


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ("    level: critical\n", "    level: panic\n", "rules.0.level", "Input should be 'low', 'medium'"),
        ("    within: 8\n", "    within: 61\n", "rules.0.within", "less than or equal to 60"),
        ("  - id: gas_leak\n", "  - id: Gas Leak\n", "rules.0.id", "should match pattern"),
        ("    groups: [[煤气", "    groups: [[], [煤气", "rules.0.groups.0", "a group needs at least one word"),
        ("    within: 8\n", "    withn: 8\n", "rules.0.withn", "Extra inputs"),
        ("    unless: [修好了", "    unless: ['', 修好了", "rules.0.unless.0", "at least 1 character"),
    ],
)
def test_wrong_rule_file_is_refused_with_line_and_key(tmp_path: Path, old: str, new: str, key: str, says: str) -> None:
    path = tmp_path / "rules.yaml"
    assert old in SHIPPED
    line = SHIPPED[: SHIPPED.index(old)].count("\n") + 1
    path.write_text(SHIPPED.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        SafetyRules(path)
    assert str(caught.value).startswith(f"{path}:{line}: {key}: ")
    assert says in str(caught.value)


def test_own_rule_file_replaces_the_shipped_one(tmp_path: Path, normalizer: Normalizer) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(
        "version: 1\nnegations: [没]\nsuppositions: [如果]\nrules:\n"
        "  - {id: own, level: high, reason: {zh-Hant: 自訂, zh-Hans: 自定}, groups: [[红包]]}\n",
        encoding="utf-8",
    )
    rules = SafetyRules(path)
    found = rules.find(normalizer.normalize("他跟我要紅包"))
    assert [(reason.rule, reason.reason, reason.text) for reason in found] == [("own", "自訂", "紅包")]
    assert rules.find(normalizer.normalize("没红包，瓦斯味很重")) == ()
