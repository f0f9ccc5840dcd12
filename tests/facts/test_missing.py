"""What a message lacks, by the kind of its case."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from complaint_nlp import ConfigError, Normalizer
from complaint_nlp.facts.mentions import find_mentions
from complaint_nlp.facts.missing import Missing, MissingFile, missing
from complaint_nlp.facts.times import find_times
from complaint_nlp.facts.types import Fact, FactKind, Facts
from complaint_nlp.labels import Category, Subcategory
from complaint_nlp.resources import builtin, load_yaml

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "cases" / "facts_missing.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
NORMALIZER = Normalizer()
SHIPPED = builtin("facts/missing.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", [pytest.param(case, id=case["text"]) for case in CASES])
def test_what_is_missing(case: dict[str, Any]) -> None:
    message = NORMALIZER.normalize(case["text"])
    times = find_times(message, received_at=datetime.fromisoformat(case["received_at"]))
    # numbers are found by other rooms' finders: the case says which there are
    given = [Fact(FactKind(kind), 0, 0, "", value) for kind, value in case["given"]]
    result = missing(
        Facts((*times, *find_mentions(message), *given)),
        message,
        [Category(value) for value in case["categories"]],
        [Subcategory(value) for value in case["subcategories"]],
    )
    assert [thing.value for thing in result] == case["missing"]


def test_the_table_holds_every_category_every_sub_kind_with_needs_of_its_own_and_everything_missing() -> None:
    file = load_yaml(builtin("facts/missing.yaml"), MissingFile)
    assert len(CASES) >= 40
    assert {value for case in CASES for value in case["categories"]} == set(Category)
    assert set(file.subcategories) - {value for case in CASES for value in case["subcategories"]} == {
        "communication.misunderstanding"
    }
    assert {value for case in CASES for value in case["missing"]} == set(Missing)


def test_nothing_is_missing_without_a_grievance() -> None:
    assert missing(Facts(), NORMALIZER.normalize("謝謝"), []) == ()


def test_the_sub_kind_replaces_its_category_only() -> None:
    message = NORMALIZER.normalize("不好")
    both = missing(Facts(), message, [Category.QUALITY, Category.PRICE], [Subcategory.PRICE_EXPENSIVE])
    quality = missing(Facts(), message, [Category.QUALITY])
    assert both == (*quality, Missing.AMOUNT)
    other = missing(Facts(), message, [Category.QUALITY], [Subcategory.PRICE_EXPENSIVE])
    assert other == quality


@pytest.mark.parametrize(
    ("kind", "answered"),
    [
        (FactKind.TIME, Missing.WHEN),
        (FactKind.DURATION, Missing.WHEN),
        (FactKind.TRACKING, Missing.ORDER),
        (FactKind.PHONE, Missing.CONTACT),
        (FactKind.EMAIL, Missing.CONTACT),
        (FactKind.PRODUCT, Missing.PRODUCT),
        (FactKind.PRIOR_CONTACT, Missing.TRIED),
        (FactKind.PLACE, Missing.WHERE),
        (FactKind.ORGANISATION, Missing.WHERE),
    ],
)
def test_a_fact_answers_its_question(kind: FactKind, answered: Missing) -> None:
    message = NORMALIZER.normalize("不好")
    before = missing(Facts(), message, [Category.QUALITY])
    after = missing(Facts((Fact(kind, 0, 1, "不"),)), message, [Category.QUALITY])
    assert [thing for thing in before if thing not in after] == [answered]


@pytest.mark.parametrize("text", ["我要退款", "請換一台新的給我，希望盡快", "麻煩派人來看", "给个说法"])
def test_a_wish_is_heard_in_both_scripts(text: str) -> None:
    assert Missing.WANTED not in missing(Facts(), NORMALIZER.normalize(text), [Category.SERVICE])


@pytest.mark.parametrize("text", ["不退款", "店員拒絕退款", "要求我先付錢", "退换货很麻烦", "連道歉都沒有"])
def test_what_the_other_side_refuses_or_asks_is_no_wish(text: str) -> None:
    assert Missing.WANTED in missing(Facts(), NORMALIZER.normalize(text), [Category.SERVICE])


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        (
            "  price: [amount,",
            "  price: [amount, amount,",
            "categories.price.1",
            "'amount' stands already in this list",
        ),
        ("  incident: [where,", "  incident: [place,", "categories.incident.0", "Input should be 'when'"),
        ("  service: [where, when, who, wanted, contact]\n", "", "categories", "'service' is missing"),
        ("  contact: [phone, email]\n", "", "answered_by", "nothing answers 'contact'"),
        ("  order: [order,", "  order: [orders,", "answered_by.order.0", "Input should be 'order'"),
    ],
)
def test_wrong_file_is_refused_with_place_and_reason(tmp_path: Path, old: str, new: str, key: str, says: str) -> None:
    path = tmp_path / "missing.yaml"
    assert old in SHIPPED
    path.write_text(SHIPPED.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_yaml(path, MissingFile)
    assert f": {key}: " in str(caught.value)
    assert says in str(caught.value)
