"""The case base: what goes in comes out again, found by meaning and labels, whatever happens in between."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from complaint_nlp import DataError, Decision, ModelError, Normalizer, Report, Status
from complaint_nlp.analyzer import DEFAULT_MAX_CHARS
from complaint_nlp.cases import Case, CaseBase, CaseStatus, labels_of
from complaint_nlp.cases.index import LABEL_WEIGHT, MEANING_WEIGHT, TASK_WEIGHTS
from complaint_nlp.cases.types import CASE_TASKS, MAX_TEXT_CHARS
from complaint_nlp.labelled import read_labelled
from complaint_nlp.labels import Category, Demand, Urgency
from complaint_nlp.report import LabelResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

TESTS = Path(__file__).resolve().parent
SOLVED = TESTS / "cases/solved_cases.jsonl"
SIZE = 256
LONG_AGO = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """Count character pairs, hashed to 256 numbers."""
    vectors = np.zeros((len(texts), SIZE), dtype=np.float32)
    for row, text in enumerate(texts):
        for pair in pairwise(text):
            vectors[row, zlib.crc32("".join(pair).encode()) % SIZE] += 1
    return vectors


def other_embed(texts: Sequence[str]) -> NDArray[np.float32]:
    return np.roll(embed(texts), 1, axis=1)[:, : SIZE - 6]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cases.db"


@pytest.fixture
def cases(path: Path) -> Iterator[CaseBase]:
    with opened(path) as base:
        yield base


def opened(path: Path, function: Callable[[Sequence[str]], Any] = embed, model: str = "bigrams-1") -> CaseBase:
    return CaseBase(path, function, model_hash=model)


def solved() -> list[Case]:
    rows = [json.loads(line) for line in SOLVED.read_text(encoding="utf-8").splitlines()]
    return [
        Case(labels={name: row.pop(name) for name in CASE_TASKS}, **row)  # lists and plain strings are accepted too
        for row in rows
    ]


def many(count: int) -> Iterator[Case]:
    return (Case(f"第{number}件：訂單{number * 7919}還沒有出貨", source_id=f"n{number}") for number in range(count))


def in_other_process(script: str, *arguments: object) -> subprocess.Popen[str]:
    code = "from test_case_base import *\n" + textwrap.dedent(script)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this file


def finished(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return output


def test_case_comes_back_as_it_was_stored(cases: CaseBase) -> None:
    before = datetime.now(UTC)
    given = replace(solved()[0], note="'); DROP TABLE cases;--", outcome="零\x00字元與 emoji 😡")
    stored = cases.get(cases.add(given))
    assert (stored.text, stored.handling, stored.outcome) == (given.text, given.handling, given.outcome)
    assert (stored.source_id, stored.note, stored.status) == ("tw-01", given.note, CaseStatus.PROPOSED)
    assert stored.labels == {
        "category": ("quality",),
        "subcategory": ("quality.defect",),
        "urgency": ("high",),
        "emotion": ("angry",),
        "needs": ("compensation",),
        "demands": ("refund",),
    }
    assert stored.created is not None
    assert before <= stored.created <= datetime.now(UTC)
    assert stored.created.utcoffset() == timedelta(0)


def test_search_finds_the_likest_first_with_values_in_range(cases: CaseBase) -> None:
    cases.add_many(solved())
    found = cases.search("手機一直死機，維修三次了，我要退貨", k=4)
    assert found[0].case.source_id == "tw-01"
    assert [item.score for item in found] == sorted((item.score for item in found), reverse=True)
    assert all(0 <= item.similarity <= 1 and item.score == item.similarity for item in found)
    assert all(item.shared_labels == {} for item in found)
    itself = cases.search(solved()[4].text, k=1)[0]
    assert itself.case.source_id == "tw-03"
    assert itself.similarity == pytest.approx(1.0, abs=1e-5)


def test_both_scripts_find_each_other_when_normalised(path: Path) -> None:
    normalizer = Normalizer()
    with opened(path, lambda texts: embed([normalizer.normalize(text).text for text in texts])) as base:
        base.add_many(solved())
        for case in solved():
            found = base.search(case.text, k=2)
            assert {str(item.case.source_id)[3:] for item in found} == {str(case.source_id)[3:]}, case.text
            assert {str(item.case.source_id)[:2] for item in found} == {"tw", "cn"}


def test_empty_base_and_more_asked_than_there_are(cases: CaseBase) -> None:
    assert len(cases) == 0
    assert cases.search("冷氣壞了") == []
    cases.add(Case("冷氣壞了"))
    cases.add(Case("嗯"))  # one character has no pairs: its vector is 0
    assert [item.similarity for item in cases.search("冷氣壞了", k=1000)] == [pytest.approx(1.0), 0.0]
    assert cases.search("嗯", k=1)[0].similarity == 0.0


def test_equal_scores_come_oldest_first(cases: CaseBase) -> None:
    numbers = cases.add_many([Case("訂單還沒有出貨")] * 50)
    assert [item.case.id for item in cases.search("訂單還沒有出貨", k=3)] == numbers[:3]


def test_reviewing_and_retiring(cases: CaseBase) -> None:
    first, second, third = cases.add_many(replace(case, source_id=None) for case in [solved()[0]] * 3)
    cases.review(second, "林主任", "處理得當")
    text = solved()[0].text
    assert [item.case.id for item in cases.search(text)] == [first, second, third]
    assert [item.case.id for item in cases.search(text, only_reviewed=True)] == [second]
    reviewed = cases.get(second)
    assert (reviewed.status, reviewed.reviewer, reviewed.note) == (CaseStatus.REVIEWED, "林主任", "處理得當")
    assert reviewed.created is not None
    assert reviewed.reviewed is not None
    assert reviewed.created <= reviewed.reviewed
    cases.review(second, "王組長")
    assert (cases.get(second).reviewer, cases.get(second).note) == ("王組長", "")
    cases.retire(second, "退貨規定已改")
    retired = cases.get(second)
    assert (retired.status, retired.reviewer, retired.reason) == (CaseStatus.RETIRED, "王組長", "退貨規定已改")
    assert retired.retired is not None
    assert [item.case.id for item in cases.search(text)] == [first, third]
    assert cases.search(text, only_reviewed=True) == []
    assert len(cases) == 2
    assert cases.counts() == {CaseStatus.PROPOSED: 2, CaseStatus.REVIEWED: 0, CaseStatus.RETIRED: 1}
    acts: list[Callable[[], object]] = [lambda: cases.retire(second, "再一次"), lambda: cases.review(second, "林主任")]
    for act in acts:
        with pytest.raises(DataError, match=f"case {second} was retired on"):
            act()


def test_everything_is_there_after_reopening(path: Path) -> None:
    with opened(path) as base:
        numbers = base.add_many(solved())
        base.review(numbers[1], "林主任")
        base.retire(numbers[0], "重複")
        before = [base.get(number) for number in numbers]
        found = base.search("打電話都沒人接", k=9, labels={"urgency": "critical"})
    with opened(path) as base:
        assert [base.get(number) for number in numbers] == before
        assert base.search("打電話都沒人接", k=9, labels={"urgency": "critical"}) == found
        assert len(base) == len(numbers) - 1
    assert sorted(file.name for file in path.parent.iterdir()) == ["cases.db"]


def test_vectors_are_loaded_at_the_first_search_and_kept_up_to_date(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("complaint_nlp.cases.index._SPARE", 64)
    with opened(path) as base:
        base.add_many(many(400))
        assert base.nbytes == 0
        assert base.search("訂單還沒有出貨", k=1)
        assert 400 * SIZE * 4 < base.nbytes < 400 * (SIZE * 4 + 90)
        added = base.add(Case("電梯卡住，老人家困在裡面"))
        assert base.search("電梯卡住，老人家困在裡面", k=1)[0].case.id == added
        for number in range(1, 201):
            base.retire(number, "已過期")
        assert {item.case.id for item in base.search("訂單還沒有出貨", k=1000)} == {*range(201, 402)}
        base.add(Case("又一件"))
        assert base.search("又一件", k=1)[0].case.text == "又一件"
        assert base.nbytes < 300 * (SIZE * 4 + 90)  # the places of retired cases have been given up
    assert base.nbytes == 0


def test_another_processs_work_is_seen_at_once(path: Path, cases: CaseBase) -> None:
    first = cases.add(Case("冷氣滴水滴到床上"))
    assert len(cases.search("冷氣滴水")) == 1
    script = """
        with opened(Path(sys.argv[1])) as base:
            base.add(Case("冷氣滴水滴到地板"))
            base.retire(int(sys.argv[2]), "由另一個程序停用")
    """
    finished(in_other_process(script, path, first))
    assert [item.case.text for item in cases.search("冷氣滴水滴到床上")] == ["冷氣滴水滴到地板"]
    assert cases.get(first).reason == "由另一個程序停用"


def test_two_processes_make_and_fill_one_file(path: Path) -> None:
    script = """
        with opened(Path(sys.argv[1])) as base:
            for number in range(60):
                base.add(Case(f"第{number}件", source_id=f"{sys.argv[2]}-{number}"))
    """
    for process in [in_other_process(script, path, name) for name in "ab"]:
        finished(process)
    with opened(path) as base:
        assert len(base) == 120
        assert len(base.search("第5件", k=200)) == 120


def test_killed_while_adding_leaves_whole_cases(path: Path) -> None:
    script = """
        with opened(Path(sys.argv[1])) as base:
            base.add_many(many(10**6), lambda stage, done, total: print(done, flush=True))
    """
    process = in_other_process(script, path)
    assert process.stdout is not None
    reported = [int(process.stdout.readline()) for _ in range(3)][-1]
    time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    with opened(path) as base:
        count = len(base)
        assert count >= reported == 768
        assert count % 256 == 0
        found = base.search("訂單還沒有出貨", k=1000)
        assert len(found) == min(count, 1000)
        assert base.add(Case("之後還能寫入")) == count + 1


@pytest.mark.parametrize("step", [1, 300])
def test_error_while_adding_many_keeps_what_was_stored_and_says_so(cases: CaseBase, step: int) -> None:
    def broken() -> Iterator[Case]:
        yield from many(step - 1)
        yield Case("  ")

    kept = (step - 1) // 256 * 256
    with pytest.raises(DataError, match=rf"case {step}: text: must not be empty \(the first {kept} cases are stored"):
        cases.add_many(broken())
    assert len(cases) == kept


def test_progress_ends_with_all(cases: CaseBase) -> None:
    told: list[tuple[str, int, int]] = []
    cases.add_many(list(many(300)), lambda *news: told.append(news))
    assert told == [("adding", 256, 300), ("adding", 300, 300)]


def test_labels_are_blended_in_as_documented(cases: CaseBase) -> None:
    text = "機器壞了要退錢"
    labels = {"category": ["quality"], "subcategory": ["quality.defect"], "demands": ["refund"]}
    bare = cases.add(Case(text))
    other = cases.add(Case(text, {"category": ["price"], "subcategory": ["price.refund"], "demands": ["refund"]}))
    same = cases.add(Case(text, labels))
    found = cases.search(text, labels={"category": [Category.QUALITY], "demands": ["refund", "repair"], "needs": []})
    assert [item.case.id for item in found] == [same, other, bare]
    total = TASK_WEIGHTS["category"] + TASK_WEIGHTS["demands"]
    expected = [
        (TASK_WEIGHTS["category"] + TASK_WEIGHTS["demands"] / 2) / total,
        TASK_WEIGHTS["demands"] / 2 / total,
        0,
    ]
    for item, overlap in zip(found, expected, strict=True):
        assert item.similarity == pytest.approx(1.0, abs=1e-5)
        assert item.score == pytest.approx(MEANING_WEIGHT * item.similarity + LABEL_WEIGHT * overlap, abs=1e-5)
    shared = [item.shared_labels for item in found]
    assert shared == [{"category": ("quality",), "demands": ("refund",)}, {"demands": ("refund",)}, {}]
    assert MEANING_WEIGHT + LABEL_WEIGHT == 1.0
    assert set(TASK_WEIGHTS) == set(CASE_TASKS)


def test_a_need_and_a_demand_of_one_name_are_told_apart(cases: CaseBase) -> None:
    cases.add(Case("同一段話", {"needs": ["compensation"]}))
    demanded = cases.add(Case("同一段話", {"demands": ["compensation"]}))
    assert cases.search("同一段話", k=1, labels={"demands": [Demand.COMPENSATION]})[0].case.id == demanded


def test_report_gives_the_labels_it_is_sure_of(cases: CaseBase) -> None:
    report = Report(
        "機器壞了",
        Status.OK,
        category=LabelResult((Category.QUALITY,), decision=Decision.AUTO),
        urgency=LabelResult((Urgency.HIGH,), decision=Decision.REVIEW),
    )
    everything = labels_of(report)
    assert everything == {"category": ("quality",), "subcategory": (), "urgency": ("high",), "needs": (), "demands": ()}
    assert labels_of(Report("", Status.EMPTY), sure=True) == {}
    cases.add(Case(report.text, everything))
    assert cases.search(report.text, labels=report)[0].shared_labels == {"category": ("quality",)}


def test_personal_data_is_hidden_before_anything_is_stored(path: Path, cases: CaseBase) -> None:
    def mask(text: str) -> str:
        return text.replace("0900-000-000", "[電話]")

    number = cases.add(Case("請打 0900-000-000 給我", handling="已致電 0900-000-000", note="0900-000-000"), mask=mask)
    stored = cases.get(number)
    assert (stored.text, stored.handling, stored.note) == ("請打 [電話] 給我", "已致電 [電話]", "[電話]")
    assert cases.search("請打 [電話] 給我")[0].similarity == pytest.approx(1.0)  # the vector is the masked text's
    cases.add_many([Case("電話 0900-000-000")], mask=mask)
    cases.close()
    assert b"0900" not in path.read_bytes()


@pytest.mark.parametrize(
    ("case", "says"),
    [
        (Case(""), "text: must not be empty"),
        (Case("　\n"), "text: must not be empty"),
        (Case("長" * (MAX_TEXT_CHARS + 1)), "text: 20,001 characters, at most 20,000"),
        (Case("好", handling="長" * (MAX_TEXT_CHARS + 1)), "handling: 20,001 characters"),
        (Case("壞字\ud83d"), "text: holds half a character .* position 2"),
        (Case("好", source_id=" "), "source_id: must not be empty"),
        (Case("好", {"category": ["qualty"]}), "labels: category: 'qualty' is not one of"),
        (Case("好", {"mood": ("angry",)}), "labels: there is no task 'mood'"),
        (Case("好", {"urgency": ("low", "high")}), "labels: urgency: exactly one value"),
        (Case("好", {"needs": 3}), "labels: needs: expected one value or several"),  # type: ignore[dict-item]
        (Case("好", id=3), "id: this case is stored already, as case 3"),
        (Case("好", created=LONG_AGO.replace(tzinfo=None)), "created: expected a time with its time zone"),
        (Case("好", status=CaseStatus.REVIEWED), "reviewed: a reviewed case needs"),
        (Case("好", reviewed=LONG_AGO), "reviewed: the time of a review and the reviewer go together"),
        (Case("好", reviewed=LONG_AGO, reviewer="林"), "status: a case with a review is reviewed"),
        (Case("好", status=CaseStatus.RETIRED), "retired: a retired case"),
        (Case("好", status="done"), "status: 'done' is not one of"),  # type: ignore[arg-type]
        (Case(None), "text: expected a text, got NoneType"),  # type: ignore[arg-type]
    ],
)
def test_wrong_cases_are_refused_with_the_field(cases: CaseBase, case: Case, says: str) -> None:
    with pytest.raises(DataError, match=says):
        cases.add(case)
    assert len(cases) == 0


def test_wrong_questions_are_refused(cases: CaseBase) -> None:
    cases.add(Case("好"))
    for text in ("", " ", "長" * (MAX_TEXT_CHARS + 1), "\ud83d"):
        with pytest.raises(DataError, match="text: "):
            cases.search(text)
    for k in (0, -1, 1001):
        with pytest.raises(ValueError, match="k must be 1 to 1,000"):
            cases.search("好", k=k)
    with pytest.raises(DataError, match="labels: urgency: 'soon'"):
        cases.search("好", labels={"urgency": "soon"})
    for number in (0, 2, -1, 2**70):
        with pytest.raises(DataError, match=f"there is no case {number}"):
            cases.get(number)
    assert MAX_TEXT_CHARS == DEFAULT_MAX_CHARS


def test_source_ids_are_unique_and_empty_ones_are_not_compared(cases: CaseBase) -> None:
    cases.add_many([Case("一件"), Case("兩件"), Case("三件", source_id="T-1")])
    with pytest.raises(DataError, match=r"source_id: 'T-1' is that of case 3 \(proposed\) already"):
        cases.add(Case("四件", source_id="T-1"))
    assert len(cases) == 3


def test_closed_base_says_so_and_can_be_opened_again(path: Path) -> None:
    base = opened(path)
    with pytest.raises(DataError, match="the case base is closed"):
        base.add(Case("好"))
    with base:
        base.add(Case("好"))
        assert base.open() is base
    base.close()
    with pytest.raises(DataError, match="the case base is closed"):
        base.search("好")
    with base:
        assert len(base) == 1


def test_times_of_other_zones_are_kept_in_utc(cases: CaseBase) -> None:
    taipei = LONG_AGO.astimezone(timezone(timedelta(hours=8)))
    stored = cases.get(cases.add(Case("好", created=taipei)))
    assert stored.created == LONG_AGO
    assert stored.created.utcoffset() == timedelta(0)


def test_damaged_vector_or_label_is_named(path: Path) -> None:
    for statement, says in (
        ("UPDATE vectors SET vector = x'00ff' WHERE case_id = 2", "the vector of case 2 is missing or damaged"),
        (
            "UPDATE vectors SET vector = CAST(zeroblob(510) || x'007c' AS BLOB) WHERE case_id = 3",
            "the vector of case 3 is damaged",
        ),
        ("UPDATE vectors SET vector = 'text' WHERE case_id = 4", "the vector of case 4 is missing or damaged"),
        ("DELETE FROM vectors WHERE case_id = 1", "the vector of case 1 is missing or damaged"),
        ("UPDATE cases SET labels = '{' WHERE id = 1", "the labels of case 1 are damaged"),
    ):
        path.unlink(missing_ok=True)
        with opened(path) as base:
            base.add_many(solved()[:4])
        connection = sqlite3.connect(path)
        connection.execute(statement)
        connection.commit()
        connection.close()
        with opened(path) as base:
            for _ in range(2):  # not only the first time
                with pytest.raises(DataError, match=f"{says}.*restore the file from a backup"):
                    base.search("手機一直死機")


@pytest.mark.parametrize("kind", ["garbage", "cut", "overwritten", "other database", "newer", "directory", "nowhere"])
def test_file_that_is_no_sound_case_base_is_refused(path: Path, kind: str) -> None:
    with opened(path) as base:
        base.add_many(many(600))
    content, says = bytearray(path.read_bytes()), "damaged"
    if kind == "garbage":
        path.write_bytes(b"id,text\n" * 1000)
    elif kind == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "overwritten":
        content[8192:] = b"\xa5" * (len(content) - 8192)
        path.write_bytes(content)
    elif kind in ("other database", "newer"):
        path = path.with_name("else.db") if kind == "other database" else path
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE prices (amount)" if kind == "other database" else "PRAGMA user_version = 9")
        connection.commit()
        connection.close()
        says = "no case base" if kind == "other database" else "a case base of version 9"
    else:
        path = path.parent if kind == "directory" else path.parent / "no/where.db"
        says = "unable to open"

    def use() -> None:
        with opened(path) as base:
            base.search("訂單還沒有出貨")

    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(DataError, match=says) as caught:
        use()
    assert str(path) in str(caught.value)
    assert before == (path.read_bytes() if path.is_file() else b"")


@pytest.mark.parametrize(
    "answer", [np.ones(4), np.ones((2, 4)), np.ones((1, 0)), np.full((1, 4), np.nan), np.full((1, 4), np.inf)]
)
def test_useless_vectors_are_refused(path: Path, answer: NDArray[np.float64]) -> None:
    with opened(path, lambda _: answer) as base:
        with pytest.raises(ModelError, match="the embed function returned"):
            base.add(Case("好"))
        assert len(base) == 0


def test_vectors_of_another_size_are_refused(path: Path) -> None:
    with opened(path) as base:
        base.add(Case("好的"))
    with opened(path, other_embed) as base:
        for act in (lambda: base.add(Case("好")), lambda: base.search("好")):
            with pytest.raises(ModelError, match="vectors of 250 numbers; the case base holds vectors of 256"):
                act()


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_length_of_vectors_does_not_matter(path: Path, scale: float) -> None:
    with opened(path, lambda texts: embed(texts) * np.float32(scale)) as base:
        base.add_many(solved())
        assert base.search(solved()[3].text, k=1)[0].similarity == pytest.approx(1.0, abs=1e-5)


def test_file_of_another_model_is_refused_until_it_is_reindexed(path: Path) -> None:
    with opened(path) as old:
        old.add_many(solved())
        old.retire(1, "過期")
        before = path.read_bytes()
        new = opened(path, other_embed, "bigrams-2")
        with pytest.raises(ModelError, match=r"made with the model bigrams-1, not with bigrams-2.*reindex\(progress"):
            new.open()
        assert path.read_bytes() == before
        told: list[tuple[str, int, int]] = []
        assert new.reindex(progress=lambda *news: told.append(news)) == 23
        assert told == [("reindexing", 23, 23)]
        with new:
            assert new.search(solved()[2].text, k=1)[0].similarity == pytest.approx(1.0, abs=1e-5)
            assert new.nbytes > 0
            assert new.reindex() == 0
            assert new.search(solved()[2].text, k=1)[0].case.source_id == "tw-02"
        # whoever had it open with the old model cannot mix vectors
        for act in (lambda: old.search("好的"), lambda: old.add(Case("好的")), lambda: old.add_many([Case("好的")])):
            with pytest.raises(ModelError, match="made with the model bigrams-2"):
                act()
        assert len(old) == 23


def test_interrupted_reindexing_goes_on_where_it_stopped(path: Path) -> None:
    seen: list[int] = []

    def failing(texts: Sequence[str]) -> NDArray[np.float32]:
        seen.append(len(texts))
        if len(seen) == 3:
            msg = "no more memory"
            raise MemoryError(msg)
        return other_embed(texts)

    with opened(path) as old:
        old.add_many(many(1000))
        found = old.search("第7件", k=5)
        with pytest.raises(MemoryError):
            opened(path, failing, "bigrams-2").reindex()
        assert old.search("第7件", k=5) == found  # the old vectors are in force until all new ones are there
        old.add(Case("中途新增", source_id="late"))
    told: list[tuple[str, int, int]] = []
    assert opened(path, failing, "bigrams-2").reindex(progress=lambda *news: told.append(news)) == 1001 - 512
    assert seen == [256, 256, 256, 256, 233]
    assert told == [("reindexing", 768, 1001), ("reindexing", 1001, 1001)]
    with opened(path, other_embed, "bigrams-2") as new:
        assert len(new.search("第7件", k=1000)) == 1000
        assert new.search("中途新增", k=1)[0].case.source_id == "late"
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM vectors").fetchone() == (1001,)
    assert connection.execute("SELECT hash FROM models").fetchall() == [("bigrams-2",)]
    connection.close()


def test_cases_added_while_reindexing_get_their_vector_too(path: Path) -> None:
    with opened(path) as old:
        old.add_many(many(10))

        def slow(texts: Sequence[str]) -> NDArray[np.float32]:
            if len(texts) == 10:
                old.add(Case("同時新增"))
                old.retire(1, "同時停用")
            return other_embed(texts)

        assert opened(path, slow, "bigrams-2").reindex() == 11
    with opened(path, other_embed, "bigrams-2") as new:
        assert new.search("同時新增", k=1)[0].similarity == pytest.approx(1.0, abs=1e-5)
        assert len(new.search("第", k=100)) == 10


def test_reindexing_a_file_that_is_not_there(path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        opened(path).reindex()
    assert not path.exists()


def test_export_and_import_lose_nothing(tmp_path: Path, path: Path, cases: CaseBase) -> None:
    numbers = cases.add_many(
        [*solved(), Case("沒有標籤、沒有結果\n第二行 😡"), Case("沒有需求", {"needs": [], "demands": []})]
    )
    cases.review(numbers[1], "林主任", "可供參考")
    cases.review(numbers[2], "林主任")
    cases.retire(numbers[2], "規定已改")
    target = tmp_path / "export.jsonl"
    assert cases.export(target) == len(numbers)
    assert [message.text for message in read_labelled(target)] == [cases.get(number).text for number in numbers]
    with opened(tmp_path / "copy.db", other_embed, "bigrams-2") as copy:
        summary = copy.import_cases(target)
        assert summary.rejected == ()
        assert [copy.get(number) for number in summary.ids] == [cases.get(number) for number in numbers]
        assert len(copy) == len(cases)
        assert copy.search(solved()[0].text, k=1)[0].case.source_id == "tw-01"
        again = copy.import_cases(target)
        assert len(again.ids) == 2  # the two without a source id
        assert again.rejected[0].reason == "source_id: 'tw-01' is that of case 1 (proposed) already"
    with pytest.raises(DataError, match="exists already"):
        cases.export(target)
    with pytest.raises(DataError, match="exists already"):
        cases.export(path, overwrite=True)
    assert cases.export(target, overwrite=True) == len(numbers)
    with pytest.raises(DataError, match="cannot be written"):
        cases.export(tmp_path / "no/where.jsonl")


def test_export_that_fails_leaves_the_old_file(tmp_path: Path, path: Path, cases: CaseBase) -> None:
    cases.add_many(solved())
    target = tmp_path / "export.jsonl"
    cases.export(target)
    before = target.read_bytes()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE cases SET labels = '{' WHERE id = 20")
    connection.commit()
    connection.close()
    with pytest.raises(DataError, match="case 20 is damaged"):
        cases.export(target, overwrite=True)
    assert target.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir() if file.suffix in (".jsonl", "")] == ["export.jsonl"]


BAD_LINES = [
    (b'{"text": ', "Invalid JSON"),
    (b"[1, 2]", "Input should be an object"),
    (b'{"handling": "x"}', "text: Field required"),
    (b'{"text": "\xe5\xa5", "handling": "x"}', "Invalid JSON"),
    (b'{"text": "\\ud83d"}', "Invalid JSON"),
    ('{"text": "好", "urgency": "soon"}'.encode(), "labels: urgency: 'soon' is not one of"),
    ('{"text": "好", "lables": []}'.encode(), "lables: Extra inputs are not permitted"),
    ('{"text": "好", "category": "quality"}'.encode(), "category: Input should be a valid"),
    ('{"text": "好", "created": "2026-01-02T03:04:05"}'.encode(), "created: Input should have timezone info"),
    ('{"text": "好", "status": "reviewed"}'.encode(), "reviewed: a reviewed case needs"),
    (b'{"text": " "}', "text: must not be empty"),
    ('{"text": "好", "source_id": "A"}'.encode(), "source_id: 'A' is that of line 2 already"),
    (b'{"text": "' + b"a" * 20_001 + b'"}', "text: 20,001 characters"),
    (b'{"text": "' + b"a" * 4_000_000 + b'"}', "longer than 4,000,000 bytes"),
    (b"[" * 100_000, "Invalid JSON"),
]


def test_bad_lines_are_set_aside_with_number_and_reason(tmp_path: Path, cases: CaseBase) -> None:
    source = tmp_path / "in.jsonl"
    good = ['\ufeff{"text": "第一件"}'.encode(), '{"text": "第二件", "source_id": "A"}'.encode(), b"", b"  "]
    source.write_bytes(b"\r\n".join([*good, *(line for line, _ in BAD_LINES), '{"text": "最後"}'.encode()]))
    told: list[tuple[str, int, int]] = []
    summary = cases.import_cases(source, progress=lambda *news: told.append(news), mask=lambda text: text + "。")
    assert [cases.get(number).text for number in summary.ids] == ["第一件。", "第二件。", "最後。"]
    assert told == [("importing", 3, 3)]
    assert [item.line for item in summary.rejected] == [*range(5, 5 + len(BAD_LINES))]
    for (line, says), item in zip(BAD_LINES, summary.rejected, strict=True):
        assert says in item.reason, line[:60]
        assert len(item.reason) <= 500
    with pytest.raises(DataError, match="cannot be read"):
        cases.import_cases(tmp_path / "none.jsonl")


def test_interrupted_import_leaves_nothing(tmp_path: Path) -> None:
    def failing(texts: Sequence[str]) -> NDArray[np.float32]:
        if len(texts) < 256:
            raise KeyboardInterrupt
        return embed(texts)

    source = tmp_path / "in.jsonl"
    source.write_text("".join(f'{{"text": "第{number}件"}}\n' for number in range(300)), encoding="utf-8")
    with opened(tmp_path / "cases.db", failing) as base:
        with pytest.raises(KeyboardInterrupt):
            base.import_cases(source)
        assert base.counts() == dict.fromkeys(CaseStatus, 0)


def test_many_threads_search_while_one_changes(path: Path) -> None:
    problems: list[str] = []
    stop = threading.Event()

    def search(base: CaseBase) -> None:
        while not stop.is_set():
            try:
                found = base.search("訂單還沒有出貨", k=20, labels={"urgency": "low"})
                if any(item.case.status is CaseStatus.RETIRED or not 0 <= item.score <= 1 for item in found):
                    problems.append("a wrong case came back")
                if len({item.case.id for item in found}) != len(found) or not found:
                    problems.append("a case came twice, or none at all")
            except Exception as error:  # noqa: BLE001 - whatever a thread meets is a failure
                problems.append(repr(error))

    with opened(path) as base:
        base.add_many(many(50))
        threads = [threading.Thread(target=search, args=(base,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(40):
            base.add(Case(f"另{number}件：訂單還沒有出貨"))
            base.retire(number + 1, "過期")
            base.review(number + 51, "林主任")
        base.add_many(Case(f"又{number}件") for number in range(1500))  # the matrix has to grow
        stop.set()
        for thread in threads:
            thread.join()
        assert problems == []
        assert len(base.search("訂單還沒有出貨", k=1000, only_reviewed=True)) == 40
        assert len(base) == 1550


def test_search_goes_on_while_another_process_holds_the_file_for_writing(path: Path, cases: CaseBase) -> None:
    cases.add_many(solved())
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE cases SET outcome = ''")
    assert cases.search(solved()[0].text, k=1)[0].case.outcome == solved()[0].outcome
    connection.execute("ROLLBACK")
    connection.close()


def test_writer_that_waits_too_long_is_told_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("complaint_nlp.cases.file.BUSY_SECONDS", 0.05)
    with opened(path) as base:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(DataError, match=r"another process has been writing for more than 0\.05 seconds"):
            base.add(Case("好的"))
        connection.execute("ROLLBACK")
        connection.close()
        assert base.add(Case("好的")) == 1
