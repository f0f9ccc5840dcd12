"""The data that ships with the package: labelled messages and samples."""

import csv
import json
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from complaint_nlp import TASKS, Normalizer
from complaint_nlp.labelled import LabelledMessage, read_labelled
from complaint_nlp.labels import Subcategory

ROOT = Path(__file__).resolve().parent.parent
MESSAGES = ROOT / "data" / "messages.jsonl"
SAMPLES = ROOT / "data" / "samples" / "mixed.csv"

# digits may be grouped by blanks and hyphens, but stand alone otherwise
_GROUPED = re.compile(r"(?<![\dXx])\d(?:[ \-]?[\dXx]){9,17}(?![\dXx])")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS = "10X98765432"


def real_numbers(text: str) -> list[str]:
    """Return the mainland and Taiwan mobile numbers and mainland identity numbers in a text that could be real."""
    found = []
    plain = unicodedata.normalize("NFKC", text)
    for match in _GROUPED.finditer(plain):
        digits = re.sub(r"[ \-]", "", match.group()).upper()
        if re.fullmatch(r"1[3-9]\d{9}|09\d{8}", digits) or is_identity_number(digits):
            found.append(match.group())
    return found


def is_identity_number(digits: str) -> bool:
    if not re.fullmatch(r"\d{17}[\dX]", digits):
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, digits[:17], strict=True))
    return _CHECK_DIGITS[total % 11] == digits[17]


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in MESSAGES.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def messages() -> list[LabelledMessage]:
    return read_labelled(MESSAGES)


@pytest.fixture(scope="module")
def samples() -> list[dict[str, str]]:
    with SAMPLES.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_messages_are_read_and_labelled_for_every_task(messages: list[LabelledMessage]) -> None:
    assert len(messages) >= 3000
    assert all(set(message.labels) == set(TASKS) for message in messages)
    assert all(message.text.strip() for message in messages)


def test_every_value_of_every_task_occurs_in_both_splits() -> None:
    for split in ("train", "test"):
        seen = {
            (name, value)
            for item in read_labelled(MESSAGES, split=split)
            for name in TASKS
            for value in item.labels[name]
        }
        assert {(name, value) for name, task in TASKS.items() for value in task.values} - seen == set(), split


def test_trades_are_many_and_none_stands_in_both_splits(records: list[dict[str, Any]]) -> None:
    assert {record["split"] for record in records} == {"train", "test"}
    splits = {split: {r["trade"] for r in records if r["split"] == split} for split in ("train", "test")}
    assert len(splits["train"] | splits["test"]) >= 40
    assert splits["train"] & splits["test"] == set()
    assert "" not in splits["train"] | splits["test"]


def test_ids_are_unique(records: list[dict[str, Any]]) -> None:
    counted = Counter(record["id"] for record in records)
    assert [identifier for identifier, count in counted.items() if count > 1] == []


def test_texts_are_unique(records: list[dict[str, Any]]) -> None:
    by_text: dict[str, list[str]] = {}
    for record in records:
        by_text.setdefault(record["text"], []).append(record["id"])
    assert [ids for ids in by_text.values() if len(ids) > 1] == []


def test_categories_are_the_ordered_parents_of_the_sub_kinds(records: list[dict[str, Any]]) -> None:
    wrong = [
        record["id"]
        for record in records
        if record["category"] != list(dict.fromkeys(Subcategory(sub).category.value for sub in record["subcategory"]))
    ]
    assert wrong == []


def test_about_half_of_the_messages_are_traditional(records: list[dict[str, Any]]) -> None:
    normalizer = Normalizer()
    for split in ("train", "test"):
        texts = [record["text"] for record in records if record["split"] == split]
        scripts = Counter(normalizer.normalize(text).script.value for text in texts)
        for script in ("traditional", "simplified"):
            assert 0.4 <= scripts[script] / len(texts) <= 0.6, (split, scripts)
        assert scripts["mixed"] > 0


def test_samples_are_many_in_both_scripts_and_none_is_a_labelled_message(
    samples: list[dict[str, str]], records: list[dict[str, Any]]
) -> None:
    assert len(samples) >= 60
    assert {sample["text"].strip() for sample in samples} & {record["text"].strip() for record in records} == set()
    assert len({sample["id"] for sample in samples}) == len({sample["text"] for sample in samples}) == len(samples)
    normalizer = Normalizer()
    scripts = Counter(normalizer.normalize(sample["text"]).script.value for sample in samples)
    assert scripts["traditional"] >= 20
    assert scripts["simplified"] >= 20
    assert scripts["mixed"] >= 1


def test_no_number_could_be_somebodys(samples: list[dict[str, str]], records: list[dict[str, Any]]) -> None:
    texts = {item["id"]: item["text"] for item in (*records, *samples)}
    assert {identifier: real_numbers(text) for identifier, text in texts.items() if real_numbers(text)} == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("請打 0912-345-678", ["0912-345-678"]),
        ("打13800138000找我", ["13800138000"]),
        ("打 138 0013 8000 找我", ["138 0013 8000"]),
        ("身份证11010519491231002X", ["11010519491231002X"]),
        ("身份证１１０１０５１９４９１２３１００２ｘ", ["11010519491231002x"]),
        ("身份证110105194912310021", []),
        ("訂單 20241109-5528", []),
        ("单号138001380001234", []),
        ("12800138000", []),
    ],
)
def test_numbers_that_could_be_real_are_recognised(text: str, found: list[str]) -> None:
    assert real_numbers(text) == found
