"""Writing tables: types, names, and that a table appears, or is replaced, whole or not at all."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from database import (  # noqa: F401 - fixtures
    HONG_KONG,
    SIMPLIFIED,
    TEXTS,
    TRADITIONAL,
    Base,
    any_base,
    beside,
    empty_directory,
    fast_analyzer,
    one_server,
    postgres_base,
)

from complaint_nlp import DataError
from complaint_nlp.batch import files, label
from complaint_nlp.batch.files import read_rows
from complaint_nlp.batch.sql_output import SqlOutput
from complaint_nlp.report import arrow_schema, column_names


def test_labels_are_the_same_from_a_table_as_from_a_file(base: Base) -> None:
    texts = [*TEXTS, None, "", "hello", TRADITIONAL]
    source = base.messages(texts)
    lines = [json.dumps({"id": i, "text": text}, ensure_ascii=False) for i, text in enumerate(texts, 1)]
    Path("in.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    label("in.jsonl", "file.jsonl")
    label(source, "table.jsonl")
    label(source, base.table("labelled"))
    wanted = [json.loads(line) for line in Path("file.jsonl").read_text(encoding="utf-8").splitlines()]
    found = [json.loads(line) for line in Path("table.jsonl").read_text(encoding="utf-8").splitlines()]
    written = read_rows(base.table("labelled"), 100)
    assert [list(row) for row in found] == [list(row) for row in written] == [list(row) for row in wanted]
    assert len(found) == len(written) == 8
    for row in (*wanted, *found, *written):
        del row["respond_by"]
    assert found == wanted
    assert [{**row, "escalate": row["escalate"] and bool(row["escalate"])} for row in written] == wanted
    assert [row["status"] for row in found] == ["ok"] * 4 + ["empty", "empty"] + [found[6]["status"], "ok"]
    assert [row["script"] for row in found[:2]] == ["traditional", "simplified"]


def test_several_workers_write_the_table_that_one_writes(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_CHUNK", 20)
    source = base.messages([f"第{i}件：{TEXTS[i % 4]}" for i in range(200)])
    for workers in (1, 2):
        label(source, base.table(f"by_{workers}"), workers=workers, speed="fast")
    columns = ", ".join(["id", "text", *(name for name in column_names() if name != "respond_by")])
    one, two = (base.all(f"SELECT {columns} FROM by_{workers} ORDER BY id") for workers in (1, 2))  # noqa: S608 - our own
    assert one == two
    assert [row[0] for row in two] == list(range(1, 201))


def test_label_names_and_odd_names_in_the_table_are_kept(base: Base) -> None:
    base.run(
        'CREATE TABLE "投訴.2026" (id INTEGER PRIMARY KEY, status TEXT, "Intent" TEXT, "折扣(%)\\:x" TEXT, text TEXT)'
    )
    base.run(f"INSERT INTO \"投訴.2026\" VALUES (1, '新', 'mine', '九折', '{HONG_KONG}')")  # noqa: S608 - our own
    label(base.table('"投訴.2026"'), base.table('"標 籤.%"'))
    assert "標 籤.%" in base.tables()
    (row,) = read_rows(base.table('"標 籤.%"'), 2)
    intent = "input_Intent" if base.kind == "sqlite" else "Intent"
    assert list(row)[:5] == ["id", "input_status", intent, "折扣(%):x", "text"]
    assert (row["input_status"], row[intent], row["折扣(%):x"], row["text"]) == ("新", "mine", "九折", HONG_KONG)
    assert row["status"] == "ok"
    assert beside() == ["標_籤.%.manifest.json"]


def test_labels_have_their_types_and_own_columns_those_of_their_values(postgres: Base) -> None:
    taipei = timezone(timedelta(hours=8))
    own: dict[str, tuple[str, Any]] = {
        "n": ("BIGINT", 1 << 40),
        "share": ("DOUBLE PRECISION", 0.25),
        "paid": ("NUMERIC(12, 2)", Decimal("1299.90")),
        "vip": ("BOOLEAN", True),
        "day": ("DATE", date(2026, 2, 28)),
        "at": ("TIMESTAMP", datetime(2026, 2, 28, 9, 30)),  # noqa: DTZ001 - without a zone
        "seen": ("TIMESTAMPTZ", datetime(2026, 2, 28, 9, 30, tzinfo=taipei)),
        "raw": ("BYTEA", b"\x00\xff"),
        "tags": ("TEXT[]", ["退貨", "二次"]),
        "ref": ("UUID", UUID(int=7)),
        "nothing": ("INTEGER", None),
    }
    postgres.run(
        f"CREATE TABLE m (id INTEGER PRIMARY KEY, text TEXT, {', '.join(f'{k} {v[0]}' for k, v in own.items())})"
    )
    marks = ", ".join(f":{name}" for name in own)
    row = {name: value for name, (_, value) in own.items()}
    postgres.run(f"INSERT INTO m VALUES (1, '{TRADITIONAL}', {marks})", rows=[row])  # noqa: S608 - our own
    label(postgres.table("m"), postgres.table("labelled"))
    types = dict(
        postgres.all("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'labelled'")
    )
    assert [types[name] for name in own] == [
        "bigint",
        "double precision",
        "numeric",
        "boolean",
        "date",
        "timestamp without time zone",
        "timestamp with time zone",
        "bytea",
        "text",
        "text",
        "text",
    ]
    kinds = {"int8": "bigint", "float": "double precision", "bool": "boolean"}
    for name, kind in zip(arrow_schema().names, map(str, arrow_schema().types), strict=True):
        wanted = "timestamp with time zone" if kind.startswith("timestamp") else kinds.get(kind, "text")
        assert types[name] == wanted, name
    (found,) = postgres.all(f"SELECT {', '.join(own)} FROM labelled")  # noqa: S608 - our own
    wanted_values = [value for _, value in own.values()]
    wanted_values[8:10] = ['["退貨", "二次"]', str(UUID(int=7))]
    assert list(found) == wanted_values
    ((many,),) = postgres.all(
        "SELECT count(*) FROM labelled WHERE jsonb_array_length(evidence::jsonb) > 0 AND respond_by > '2026-01-01'"
    )
    assert many == 1


def test_file_becomes_a_table_in_sqlite_that_appears_complete() -> None:
    rows = [{"id": i, "n": [1, 2.5, None][i % 3], "big": 1 << 70, "x": ["甲", 3, True][i % 3]} for i in range(6)]
    lines = [json.dumps({**row, "text": TEXTS[i % 4], "more": {"a": [i]}}) for i, row in enumerate(rows)]
    Path("in.jsonl").write_text("\n".join([*lines, "broken"]) + "\n", encoding="utf-8")
    seen: list[bool] = []
    target = "sqlite:///sub/out.db#labelled"
    summary = label("in.jsonl", target, progress=lambda *_: seen.append(Path("sub").exists()))
    assert seen
    assert not any(seen)
    assert (summary.rows, summary.rejected) == (6, 1)
    out = Base("sqlite", "sqlite:///sub/out.db")
    found = out.all("SELECT n, big, x, more, typeof(n), typeof(intent_confidence), escalate FROM labelled ORDER BY id")
    assert found[0][:5] == (1.0, str(1 << 70), "甲", '{"a": [0]}', "real")
    assert [row[2] for row in found[:3]] == ["甲", "3", "true"]
    assert {row[5] for row in found} == {"real"}
    assert {row[6] for row in found} <= {0, 1}
    (moment,) = out.all("SELECT respond_by FROM labelled LIMIT 1")[0]
    assert datetime.fromisoformat(moment).tzinfo is None
    assert beside() == ["in.jsonl", "labelled.manifest.json", "labelled.rejects.jsonl", "sub"]


def test_existing_table_is_kept_unless_overwriting_is_asked_for(base: Base) -> None:
    source = base.messages(list(TEXTS))
    base.run("CREATE TABLE labelled (mine TEXT)", "INSERT INTO labelled VALUES ('old')")
    with pytest.raises(DataError, match="#labelled: exists already; use --overwrite to replace it"):
        label(source, base.table("labelled"))
    label(source, base.table("labelled"), overwrite=True)
    assert base.all("SELECT id, text FROM labelled ORDER BY id") == list(enumerate(TEXTS, 1))
    assert base.tables() == ["labelled", "messages"]


def test_failed_overwriting_leaves_the_old_table_and_the_finished_parts(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = base.messages(list(TEXTS))
    base.run("CREATE TABLE labelled (mine TEXT)", "INSERT INTO labelled VALUES ('old')")
    place = SqlOutput._place

    def failing(self: SqlOutput, connection: Any, table: Any) -> None:
        place(self, connection, table)  # the old table is gone by now, but for all others it is not
        connection.exec_driver_sql("SELECT * FROM there_is_none")

    with monkeypatch.context() as patched:
        patched.setattr(SqlOutput, "_place", failing)
        with pytest.raises(DataError, match=r"cannot be written: .*there_is_none.*; 4 rows are finished and kept"):
            label(source, base.table("labelled"), overwrite=True)
    assert base.all("SELECT mine FROM labelled") == [("old",)]
    assert base.tables() == ["labelled", "messages"]
    summary = label(source, base.table("labelled"), overwrite=True, resume=True)
    assert (summary.rows, summary.resumed) == (4, 4)
    assert base.all("SELECT count(*) FROM labelled") == [(4,)]


def test_table_that_another_made_meanwhile_is_not_replaced(base: Base) -> None:
    source = base.messages(list(TEXTS))
    made: list[str] = []

    def meddle(*_: object) -> None:
        if not made:
            made.append("CREATE TABLE labelled (mine TEXT)")
            base.run(*made)

    with pytest.raises(DataError, match="#labelled: exists already"):
        label(source, base.table("labelled"), progress=meddle)
    assert base.all("SELECT * FROM labelled") == []
    assert ".labelled.work" in beside()


def test_table_that_a_view_shows_is_replaced_where_the_database_lets_it(base: Base) -> None:
    source = base.messages(list(TEXTS))
    label(source, base.table("labelled"))
    base.run("CREATE VIEW urgent AS SELECT id FROM labelled")
    if base.kind == "sqlite":
        label(source, base.table("labelled"), overwrite=True)
    else:
        with pytest.raises(DataError, match="cannot drop table labelled because other objects depend on it"):
            label(source, base.table("labelled"), overwrite=True)
    assert len(base.all("SELECT * FROM urgent")) == 4
    with pytest.raises(DataError, match="#urgent: is no plain table, so it is not replaced"):
        label(source, base.table("urgent"), overwrite=True)


def test_source_is_never_the_target_by_any_name(base: Base, tmp_path: Path) -> None:
    source = base.messages(list(TEXTS))
    others = [source]
    if base.kind == "sqlite":
        (tmp_path / "link.db").symlink_to(tmp_path / "base.db")
        others += [
            f"sqlite:///{tmp_path}/link.db#messages",
            base.table("main.MESSAGES"),
            "sqlite:///../base.db#messages",
        ]
    else:
        others.append(base.table("public.messages"))
    for target in others:
        with pytest.raises(DataError, match="is the input itself; write to another table"):
            label(source, target, overwrite=True)
    assert base.all("SELECT count(*) FROM messages") == [(4,)]


@pytest.mark.parametrize(
    ("target", "options", "error"),
    [
        ("mysql+pymysql://host/db#t", {}, "only sqlite and postgresql can be written to"),
        ("sqlite://#t", {}, "a database in memory would be gone at once"),
        ("sqlite:///out.db#t", {"partition_by": ("id",)}, "--partition-by is for folders of Parquet files"),
        ("sqlite:///out.db#nowhere.t", {}, "cannot be made: unknown database"),
    ],
)
def test_targets_that_cannot_be_are_refused_before_any_work(target: str, options: dict[str, Any], error: str) -> None:
    Path("in.jsonl").write_text(json.dumps({"id": 1, "text": SIMPLIFIED}) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=error):
        label("in.jsonl", target, **options)
    assert beside() == ["in.jsonl"]


def test_what_postgresql_cannot_hold_is_told_or_taken_out(postgres: Base) -> None:
    long = "客戶對這次維修服務的整體滿意程度與其他補充說明"
    Path("long.jsonl").write_text(json.dumps({"text": SIMPLIFIED, long: 1}) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"the name of the column '{long}' is longer than 63 bytes"):
        label("long.jsonl", postgres.table("labelled"))
    Path("in.jsonl").write_text(json.dumps({"text": f"{SIMPLIFIED}\0"}) + "\n", encoding="utf-8")
    label("in.jsonl", postgres.table("labelled"))
    assert postgres.all("SELECT text FROM labelled") == [(SIMPLIFIED,)]
