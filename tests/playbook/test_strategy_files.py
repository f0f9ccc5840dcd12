"""The strategy files: complete, in both scripts, and overridden piece by piece."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from complaint_nlp import ConfigError
from complaint_nlp.facts.types import Fact, FactKind, Facts
from complaint_nlp.labels import TASKS, Category, Emotion, Intent, Subcategory
from complaint_nlp.playbook.strategy.files import load_strategy_files
from complaint_nlp.playbook.strategy.schema import Phase, Stage
from complaint_nlp.playbook.strategy.strategist import Case, Strategist, plan
from complaint_nlp.resources import Localized, builtin, load_yaml
from complaint_nlp.text.resources import script_chars

FILES = load_strategy_files()
NAMES = [path.stem for path in sorted(builtin("playbook/strategy").glob("*.yaml"))]


@pytest.mark.parametrize("name", NAMES)
def test_shipped_file_passes_the_strict_reader_too(name: str) -> None:
    # the shipped files are read by a faster parser, which does not look for repeated keys and aliases
    file = getattr(FILES, name)
    assert load_yaml(builtin(f"playbook/strategy/{name}.yaml"), type(file)) == file


def test_every_identifier_is_snake_case() -> None:
    names = [
        *FILES.steps.steps,
        *FILES.remedies.options,
        *FILES.impact.consequences,
        *FILES.inform.inform,
        *FILES.authority.levels,
        *FILES.follow_up.ask,
        *FILES.follow_up.record,
    ]
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)


def test_files_name_every_label_stage_and_phase() -> None:
    assert set(FILES.steps.stages) == set(get_args(Stage))
    assert set(FILES.steps.phases) == set(get_args(Phase))
    assert {step.stage for step in FILES.steps.steps.values()} == set(get_args(Stage))
    assert {step.phase for step in FILES.steps.steps.values()} == set(get_args(Phase))
    assert set(FILES.tactics.emotions) == set(Emotion)
    assert all(len(tactics.levels) == len(TASKS["intensity"].values) for tactics in FILES.tactics.emotions.values())
    assert set(FILES.prevention.hints) == {*Subcategory, *Category, *Intent}
    informed = {sub for entry in FILES.inform.inform.values() for sub in entry.when.subcategory or ()}
    informed_categories = {name for entry in FILES.inform.inform.values() for name in entry.when.category or ()}
    assert informed_categories == set(Category)
    assert informed >= {sub for sub in Subcategory if sub.category is Category.INCIDENT}


@pytest.mark.parametrize("sub", Subcategory)
def test_every_sub_kind_has_its_own_examination_hint_and_choice(sub: Subcategory) -> None:
    examined = [name for name, step in FILES.steps.steps.items() if step.when.subcategory == (sub,)]
    assert any(name.startswith("examine_") for name in examined)
    # what is right when is said for this sub-kind, not for all of its category
    own = {wording.hant for wording in FILES.remedies.matters[sub].values()}
    assert len(own) >= 3
    for other in set(Subcategory) - {sub}:
        assert own != {wording.hant for wording in FILES.remedies.matters[other].values()}
    assert len({wording.hant for wording in FILES.prevention.hints.values()}) == len(FILES.prevention.hints)


def test_every_wording_is_unique_in_its_section() -> None:
    steps = FILES.steps.steps.values()
    tactics = [level.do.hant for tactics in FILES.tactics.emotions.values() for level in tactics.levels.values()]
    for wordings in (
        [step.action.hant for step in steps],
        [step.why.hant for step in steps],
        tactics,
        [option.option.hant for option in FILES.remedies.options.values()],
        [entry.soften.hant for entry in FILES.impact.consequences.values()],
    ):
        assert len(set(wordings)) == len(wordings)


def test_impact_words_are_simplified() -> None:
    file = FILES.impact
    words = [*file.organisation_words, *file.not_organisation_words, *file.negations]
    for entry in file.consequences.values():
        words += [*entry.unless, *(word for group in entry.groups for word in group)]
    traditional = script_chars().traditional
    # Cantonese keeps its own characters when it is simplified
    assert [word for word in words if set(word) & traditional] == []


def wordings(value: Any) -> Iterator[Localized]:
    if isinstance(value, Localized):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from wordings(item)
    elif hasattr(value, "model_fields_set"):
        for name in type(value).model_fields:
            yield from wordings(getattr(value, name))


def test_no_shipped_wording_is_in_the_wrong_script() -> None:
    chars = script_chars()
    found = [wording for name in NAMES for wording in wordings(getattr(FILES, name))]
    assert len(found) > 600
    for wording in found:
        assert not set(wording.hant) & chars.simplified, wording.hant
        assert not set(wording.hans) & chars.traditional, wording.hans


def test_simplified_wordings_use_mainland_words() -> None:
    taiwan = re.compile(
        "訊|资讯|讯息|简讯|网路|软体|硬体|萤幕|客诉|同仁|联络|纪录|品质|门市|监视器|保固|回覆|帐|透过|登入|连结"
    )
    for name in NAMES:
        for wording in wordings(getattr(FILES, name)):
            assert not taiwan.search(wording.hans), wording.hans


def own(directory: Path, name: str, content: str) -> Path:
    (directory / f"{name}.yaml").write_text(content, encoding="utf-8")
    return directory


def test_own_entries_are_merged_by_key(tmp_path: Path) -> None:
    own(
        tmp_path,
        "remedies",
        """
options:
  refund: {option: {zh-Hant: 退購物金}, authority: supervisor}
  ceo_call: {option: {zh-Hant: 總經理致電, zh-Hans: 总经理致电}, authority: executive}
matters:
  quality.defect:
    ceo_call: {zh-Hant: 媒體關注。, zh-Hans: 媒体关注。}
    repair: null
""",
    )
    own(tmp_path, "authority", "limits: {TWD: {supervisor: 4000}}\n")
    own(tmp_path, "tactics", "emotions: {angry: {levels: {2: {do: {zh-Hans: 先倒杯水。}}}}}\n")
    case = Case(
        Intent.COMPLAINT,
        subcategories=(Subcategory.QUALITY_DEFECT,),
        emotions=(Emotion.ANGRY,),
        intensity=2,
        facts=Facts((Fact(FactKind.AMOUNT, 0, 4, "3500", "3500 TWD"),)),
    )
    strategist = Strategist(tmp_path)
    made, shipped = strategist.plan(case), plan(case)
    remedies = {remedy.id: remedy for remedy in made.remedies}
    assert remedies["refund"].option == "退購物金"
    assert remedies["refund"].authority == "supervisor"
    assert remedies["ceo_call"].condition == "媒體關注。"
    assert "repair" not in remedies
    assert remedies["exchange"] == next(each for each in shipped.remedies if each.id == "exchange")
    assert (made.authority.level, shipped.authority.level) == ("supervisor", "manager")
    assert made.tactics == shipped.tactics
    assert strategist.plan(replace(case, language="zh-Hans")).tactics[0].do == "先倒杯水。"
    # the shipped entries are not touched by it
    assert plan(case) == shipped


def test_own_step_joins_the_shipped_ones_and_can_take_a_slot(tmp_path: Path) -> None:
    own(
        tmp_path,
        "steps",
        """
steps:
  introduce_bank:
    stage: introduce
    phase: tune_in
    slot: introduce
    order: 10
    priority: 9
    when: {category: [price]}
    action: {zh-Hant: 報上行員編號。, zh-Hans: 报上行员编号。}
    why: {zh-Hant: 可以查證。, zh-Hans: 可以查证。}
  record_and_learn: null
""",
    )
    strategist = Strategist(tmp_path)
    made = [step.id for step in strategist.plan(Case(Intent.COMPLAINT, (Category.PRICE,))).steps]
    assert "introduce_bank" in made
    assert not {"introduce_self", "record_and_learn"} & set(made)
    others = strategist.plan(Case(Intent.COMPLAINT, (Category.QUALITY,)))
    assert "introduce_self" in [step.id for step in others.steps]


def test_empty_directory_changes_nothing(tmp_path: Path) -> None:
    assert load_strategy_files(tmp_path) == FILES


@pytest.mark.parametrize(
    ("name", "content", "line", "key", "says"),
    [
        ("steps", "steps:\n  call_back:\n    phase: joy\n", 3, "steps.call_back.phase", "Input should be 'tune_in'"),
        ("steps", "steps:\n  call_back:\n    colour: red\n", 3, "steps.call_back.colour", "Extra inputs"),
        ("steps", "steps:\n  Call Back: {order: 3}\n", 2, "steps.Call Back", "String should match pattern"),
        ("steps", "steps:\n  mine: {stage: act}\n", 2, "steps.mine.action", "Field required"),
        ("steps", "steps:\n  mine:\n    when: {}\n", 2, "steps.mine.stage", "Field required"),
        ("steps", "stages:\n  act: null\n", 1, "stages", "'act' is missing"),
        (
            "steps",
            "steps:\n  call_back:\n    when: {urgency: [soon]}\n",
            3,
            "steps.call_back.when.urgency.0",
            "Input should be 'low'",
        ),
        ("steps", "steps:\n  call_back:\n    when: {emotion: []}\n", 3, "steps.call_back.when.emotion", "at least 1"),
        (
            "steps",
            "steps:\n  call_back:\n    why: {zh-Hant: '{name}先生'}\n",
            3,
            "steps.call_back.why",
            "no variables here",
        ),
        ("tactics", "emotions: {angry: {levels: {'3': null}}}\n", 1, "emotions.angry.levels", "'3' is missing"),
        ("tactics", "emotions: {furious: {avoid: {zh-Hant: 一}}}\n", 1, "emotions.furious", "Input should be 'angry'"),
        ("needs", "needs: {respect: null}\n", 1, "needs", "'respect' is missing"),
        (
            "remedies",
            "matters:\n  quality.defect:\n    magic: {zh-Hant: 一, zh-Hans: 一}\n",
            3,
            "matters.quality.defect.magic",
            "'magic' is not listed under options",
        ),
        (
            "remedies",
            "matters: {price.promotion: {honour_promotion: null, reissue_coupon: null, refund_difference: null}}\n",
            1,
            "matters.price.promotion",
            "fewer than two remedies",
        ),
        (
            "remedies",
            "options:\n  repair:\n    authority: boss\n",
            3,
            "options.repair.authority",
            "'boss' is no level of authority.yaml",
        ),
        ("questions", "order: {quality: [when, where]}\n", 1, "order.quality", "name each of when"),
        ("questions", "forms: {usual: null}\n", 1, "forms", "one entry without conditions is needed"),
        ("questions", "forms: {usual: {most: 9}}\n", 1, "forms.usual.most", "less than or equal to 5"),
        ("impact", "consequences:\n  pet:\n    groups: []\n", 3, "consequences.pet.groups", "at least 1 item"),
        ("impact", "consequences: {pet: {within: 900}}\n", 1, "consequences.pet.within", "less than or equal to 60"),
        (
            "follow_up",
            "progress:\n  low:\n    hours: null\n",
            2,
            "progress.low.text",
            "{hours} is used but no hours are given",
        ),
        (
            "follow_up",
            "progress: {low: {text: {zh-Hant: '{days} 天', zh-Hans: 三天}}}\n",
            1,
            "progress.low.text",
            "the only variables here are {hours}",
        ),
        ("prevention", "hints:\n  quality.defect: null\n", 1, "hints", "'quality.defect' is missing"),
        ("inform", "inform: {legal: {when: {threat: [curse]}}}\n", 1, "inform.legal.when.threat.0", "Input should be"),
        ("authority", "limits: {TWD: {boss: 5}}\n", 1, "limits.TWD.boss", "'boss' is not listed under levels"),
        ("authority", "limits: {TWD: {agent: 9999999}}\n", 1, "limits.TWD", "limits must rise with the level"),
        ("authority", "limits: {twd: {agent: 1}}\n", 1, "limits.twd", "String should match pattern"),
        ("authority", "unknown_currency: {zh-Hant: XXX}\n", 1, "unknown_currency.zh-Hant", "'XXX' is not listed"),
        ("authority", "version: 2\n", 1, "version", "Input should be 1"),
    ],
)
def test_wrong_override_is_refused_with_file_line_key_and_reason(
    tmp_path: Path, name: str, content: str, line: int, key: str, says: str
) -> None:
    own(tmp_path, name, content)
    with pytest.raises(ConfigError) as caught:
        load_strategy_files(tmp_path)
    problems = str(caught.value).splitlines()
    path = tmp_path / f"{name}.yaml"
    assert any(problem.startswith(f"{path}:{line}: {key}: ") and says in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("stepz.yaml", "version: 1\n", "no strategy file has this name"),
        ("steps.yaml", "- a list\n", "Input should be a valid dictionary"),
        ("steps.yaml", "", "Input should be a valid dictionary"),
        ("steps.yaml", "steps: {a: 1, a: 2}\n", "key 'a' stands already"),
        ("steps.yaml", "a: &x 1\nb: *x\n", "YAML aliases"),
        ("steps.yaml", "a: [\n", "not valid YAML"),
        ("steps.yaml", "a: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
        ("needs.yaml", "general: 5\n", "Input should be a valid dictionary"),
    ],
)
def test_file_that_is_no_override_is_refused(tmp_path: Path, file: str, content: str, says: str) -> None:
    (tmp_path / file).write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(says)) as caught:
        load_strategy_files(tmp_path)
    assert str(tmp_path / file) in str(caught.value)


def test_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a directory"):
        Strategist(tmp_path / "nowhere")
