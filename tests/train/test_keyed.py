"""Labels that are keyed by their texts, where the texts are somebody else's."""

import hashlib
import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from complaint_nlp import DataError
from complaint_nlp.labelled import LabelledMessage
from complaint_nlp.train.keyed import key_of, read_keyed_labels, text_lines

TEXTS = ["手機壞了，我要退款", "手机坏了，我要退款", "客服一直不回复", "謝謝，很滿意"]


def labels(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    return path


def texts(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(line + "\n" for line in lines), "utf-8")
    return path


def test_a_key_is_the_beginning_of_the_hash_of_the_text_as_written() -> None:
    assert key_of(TEXTS[0]) == hashlib.sha256(TEXTS[0].encode()).hexdigest()[:16]
    assert key_of(TEXTS[0]) != key_of(TEXTS[1])


def test_labels_find_their_texts_in_the_order_of_the_labels(tmp_path: Path) -> None:
    corpus = [
        texts(tmp_path / "a.txt", ["別的話", TEXTS[0], f"  {TEXTS[1]}\t", ""]),
        texts(tmp_path / "b.txt", [TEXTS[2], TEXTS[0]]),
    ]
    path = labels(
        tmp_path / "labels.jsonl",
        {"id": key_of(TEXTS[2]), "urgency": "low", "needs": [], "draw": "random", "source": "corpus"},
        {"id": key_of(TEXTS[0]), "category": ["quality", "price"]},
        {"id": key_of(TEXTS[1]), "intensity": 2},
    )
    assert read_keyed_labels(path, corpus) == [
        LabelledMessage(key_of(TEXTS[2]), TEXTS[2], {"urgency": ("low",), "needs": ()}, source="corpus", draw="random"),
        LabelledMessage(key_of(TEXTS[0]), TEXTS[0], {"category": ("quality", "price")}),
        LabelledMessage(key_of(TEXTS[1]), TEXTS[1], {"intensity": ("2",)}),
    ]


def test_an_xz_file_is_read_like_a_plain_one(tmp_path: Path) -> None:
    packed = tmp_path / "corpus.txt.xz"
    packed.write_bytes(lzma.compress("\n".join(TEXTS).encode()))
    assert list(text_lines(packed)) == TEXTS == list(text_lines(texts(tmp_path / "corpus.txt", TEXTS)))
    path = labels(tmp_path / "labels.jsonl", {"id": key_of(TEXTS[3]), "intent": "praise"})
    assert [message.text for message in read_keyed_labels(path, [packed])] == [TEXTS[3]]


def test_a_text_that_is_nowhere_is_named_by_its_key(tmp_path: Path) -> None:
    corpus = texts(tmp_path / "corpus.txt", TEXTS[:1])
    path = labels(tmp_path / "labels.jsonl", *({"id": key_of(text), "urgency": "low"} for text in TEXTS[:3]))
    with pytest.raises(DataError) as caught:
        read_keyed_labels(path, [corpus])
    assert str(caught.value) == (
        f"{path}: 2 labelled texts are in none of the given files, {key_of(TEXTS[1])} the first"
    )
    with pytest.raises(DataError, match=f"3 labelled texts .* {key_of(TEXTS[0])} the first"):
        read_keyed_labels(path, [])


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"urgency": "soon"}, "urgency: 'soon' is not one of low, medium"),
        ({"category": ["质量"]}, "category: '质量' is not one of quality"),
        ({"intent": []}, "intent: exactly one value is needed, got 0"),
    ],
)
def test_a_wrong_label_is_named_by_file_and_key(tmp_path: Path, wrong: dict[str, Any], problem: str) -> None:
    path = labels(tmp_path / "labels.jsonl", {"id": key_of(TEXTS[0]), **wrong})
    with pytest.raises(DataError) as caught:
        read_keyed_labels(path, [texts(tmp_path / "corpus.txt", TEXTS)])
    assert str(caught.value).startswith(f"{path}: {key_of(TEXTS[0])}: {problem}")


@pytest.mark.parametrize("content", [b'{"urgency": "low"}', b"[1]", b'"abc"', b'{"id": "1"', b'{"id": "\xff"}'])
def test_labels_that_are_no_lines_with_an_id_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_keyed_labels(path, [])
    assert str(caught.value).startswith(f"{path}: cannot be read as JSON lines with an id each: ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_keyed_labels(tmp_path / "none.jsonl", [])
    assert str(caught.value).startswith(f"{tmp_path / 'none.jsonl'}: ")
    path = labels(tmp_path / "labels.jsonl", {"id": key_of(TEXTS[0])})
    for name in ("none.txt", "none.txt.xz"):
        with pytest.raises(DataError) as caught:
            read_keyed_labels(path, [tmp_path / name])
        assert str(caught.value).startswith(f"{tmp_path / name}: cannot be read as lines of UTF-8 text: ")


@pytest.mark.parametrize(
    ("name", "content"),
    [("corpus.txt", "壞了".encode("big5")), ("corpus.txt.xz", "坏了".encode())],
    ids=["Big5", "no xz"],
)
def test_a_file_of_another_form_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        list(text_lines(tmp_path / name))
    assert str(caught.value).startswith(f"{tmp_path / name}: cannot be read as lines of UTF-8 text: ")
