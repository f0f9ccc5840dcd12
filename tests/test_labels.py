"""The taxonomy is complete, its names are in the right script, and wrong names are refused."""

import itertools
import re

import pytest
from opencc import OpenCC

from complaint_nlp.labels import (
    INTENSITIES,
    LANGUAGES,
    TASKS,
    Category,
    Demand,
    Emotion,
    Intent,
    Language,
    Need,
    Subcategory,
    Task,
    Urgency,
    display_name,
)

EVERY_VALUE = [(task.name, value) for task in TASKS.values() for value in task.values]


def test_tasks_are_the_contract_in_order() -> None:
    assert {name: task.kind for name, task in TASKS.items()} == {
        "intent": "single",
        "category": "multilabel",
        "subcategory": "multilabel",
        "urgency": "ordinal",
        "emotion": "primary_multilabel",
        "intensity": "ordinal",
        "needs": "multilabel",
        "demands": "multilabel",
    }
    assert list(TASKS) == ["intent", "category", "subcategory", "urgency", "emotion", "intensity", "needs", "demands"]
    assert [name for name, task in TASKS.items() if task.is_multilabel] == [
        "category",
        "subcategory",
        "emotion",
        "needs",
        "demands",
    ]


def test_values_of_every_task_are_those_of_its_enum() -> None:
    enums = {
        "intent": Intent,
        "category": Category,
        "subcategory": Subcategory,
        "urgency": Urgency,
        "emotion": Emotion,
        "needs": Need,
        "demands": Demand,
    }
    assert {name: TASKS[name].values for name in enums} == {name: tuple(members) for name, members in enums.items()}
    assert TASKS["intensity"].values == INTENSITIES == ("0", "1", "2", "3")


@pytest.mark.parametrize(("task", "value"), EVERY_VALUE)
def test_values_are_unique_lower_case_english(task: str, value: str) -> None:
    assert TASKS[task].values.count(value) == 1
    assert re.fullmatch(r"[0-3]|[a-z_]+(\.[a-z_]+)?", value)


def test_the_taxonomy_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TASKS["mood"] = Task("mood", "single", ("good",))  # type: ignore[index]
    with pytest.raises(AttributeError):
        TASKS["intent"].name = "aim"  # type: ignore[misc]


def test_every_subcategory_belongs_to_a_category_and_every_category_has_some() -> None:
    parents = [sub.category for sub in Subcategory]
    assert all(sub.value.startswith(f"{sub.category}.") for sub in Subcategory)
    # together, and in the order of the categories
    assert [category for category, _ in itertools.groupby(parents)] == list(Category)


def test_urgency_ranks_rise_with_urgency() -> None:
    assert [level.rank for level in (Urgency.LOW, Urgency.MEDIUM, Urgency.HIGH, Urgency.CRITICAL)] == [0, 1, 2, 3]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("task", TASKS)
def test_names_of_a_task_are_all_there_and_distinct(task: str, language: Language) -> None:
    names = [display_name(task, value, language) for value in TASKS[task].values]
    assert len(set(names)) == len(names)
    for name in (*names, display_name(task, language=language)):
        assert name
        assert name == name.strip()
        assert name.isascii() is (language == "en")


@pytest.mark.parametrize(("language", "conversion"), [("zh-Hans", "t2s"), ("zh-Hant", "s2t")])
def test_chinese_names_are_in_their_script(language: Language, conversion: str) -> None:
    convert = OpenCC(conversion).convert
    names = [display_name(task, value, language) for task, value in EVERY_VALUE]
    names += [display_name(task, language=language) for task in TASKS]
    assert [name for name in names if convert(name) != name] == []


def test_a_name_that_two_tasks_share_is_looked_up_by_task() -> None:
    assert display_name("needs", Need.COMPENSATION) == "求補償"
    assert display_name("demands", Demand.COMPENSATION) == "賠償"
    assert display_name("demands", "compensation", "zh-Hans") == "赔偿"


@pytest.mark.parametrize("value", [2, "2"])
def test_intensity_is_named_by_number_and_by_text(value: object) -> None:
    assert [display_name("intensity", value, language) for language in LANGUAGES] == ["明顯", "明显", "clear"]


@pytest.mark.parametrize(
    ("task", "value", "language", "message"),
    [
        ("mood", None, "en", "unknown task 'mood'; use one of intent, category"),
        ("needs", "refund", "en", "unknown needs 'refund'; use one of venting, respect, compensation"),
        ("intensity", 4, "zh-Hans", "unknown intensity 4; use one of 0, 1, 2, 3"),
        ("category", "品質", "zh-Hant", "unknown category '品質'; use one of quality"),
        ("category", "quality", "zh", "unknown language 'zh'; use one of zh-Hant, zh-Hans, en"),
    ],
)
def test_an_unknown_name_is_refused_with_the_choices(task: str, value: object, language: str, message: str) -> None:
    with pytest.raises(KeyError, match=re.escape(message)):
        display_name(task, value, language)  # type: ignore[arg-type]
