"""Reading tables of databases, and whole runs: SQLite, and a PostgreSQL server that the tests start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import UUID

import pytest
from database import (  # noqa: F401 - fixtures
    PASSWORD,
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

from complaint_nlp import ConfigError, DataError
from complaint_nlp.batch import files, label, parts, sql
from complaint_nlp.batch.files import read_rows
from complaint_nlp.batch.formats import Reject, Row
from complaint_nlp.batch.sql import SqlSource, is_sql, sql_rows
from complaint_nlp.batch.sql_location import parse_location
from complaint_nlp.report import column_names

if TYPE_CHECKING:
    from collections.abc import Iterator


def ids(rows: Iterator[Row | Reject]) -> list[Any]:
    return [row.values["id"] for row in rows if isinstance(row, Row)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sqlite:///complaints.db#messages", True),
        ("postgresql+psycopg://user@host/db#schema.messages", True),
        ("https://example.org/a.csv", True),
        ("in.csv", False),
        ("-", False),
        (r"C:\data\in.csv", False),
        ("投訴#1.csv", False),
    ],
)
def test_tables_are_told_from_files_by_their_url(text: str, expected: bool) -> None:  # noqa: FBT001
    assert is_sql(text) is expected


@pytest.mark.parametrize(
    ("name", "schema", "table"),
    [
        ("messages", None, "messages"),
        ("service.messages", "service", "messages"),
        ('"a.b"', None, "a.b"),
        ('客服."a.""b"', "客服", 'a."b'),
    ],
)
def test_table_and_schema_are_read_off_the_name(name: str, schema: str | None, table: str) -> None:
    location = parse_location(f"sqlite:///no#1.db#{name}")
    assert (location.schema, location.table, location.url.database) == (schema, table, "no#1.db")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("sqlite:///base.db", r"sqlite:///base\.db: names no table; write sqlite:///base\.db#table"),
        ("sqlite:///base.db#", "names no table"),
        ("sqlite:///base.db#a.b.c", "names no table"),
        ("sqlite://#t", "a database in memory holds nothing"),
        ("sqlite:///nowhere.db#t", r"sqlite:///nowhere\.db#t: no such file as nowhere\.db"),
        ("https://example.org/a.csv#t", "'https' is no database that SQLAlchemy knows here"),
        ("sqlite+aiosqlite:///here.db#t", "driver|asyncio"),
        ("postgresql://a:geheim@host:port/db#t", "is no URL of a database"),
    ],
)
def test_wrong_names_are_refused_before_any_work(text: str, error: str) -> None:
    Path("here.db").touch()
    with pytest.raises((DataError, ConfigError), match=error) as caught:
        label(text, "out.jsonl")
    assert "geheim" not in str(caught.value)
    assert beside() == ["here.db"]


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy.engine", None)
    with pytest.raises(ConfigError, match=r"databases need SQLAlchemy: pip install 'complaint-nlp\[sql\]'"):
        label("sqlite:///base.db#t", "out.jsonl")


def test_file_that_is_no_database_is_refused() -> None:
    Path("base.db").write_text("id,text\n1,壞了\n" * 100, encoding="utf-8")
    with pytest.raises(DataError, match=r"base\.db#t: cannot be read: file is not a database"):
        label("sqlite:///base.db#t", "out.jsonl")


def test_wrong_table_and_column_are_refused_with_what_there_is(base: Base) -> None:
    source = base.messages([TRADITIONAL])
    with pytest.raises(DataError, match="#nothing: has no table 'nothing'; its tables are messages"):
        label(base.table("nothing"), "out.jsonl")
    with pytest.raises(DataError, match=r"#messages: has no column 'body'; its columns are id, text \(use --text-col"):
        label(source, "out.jsonl", text_column="body")
    with pytest.raises(DataError, match="#messages: has no column 'number' to go by; its columns are id, text"):
        label(source, "out.jsonl", key="number")
    assert beside() == []


def test_five_thousand_rows_come_in_order_and_none_twice(base: Base) -> None:
    source = base.messages([f"第{i}件：{TEXTS[i % 4]}" for i in range(5000)])
    columns, rows = sql_rows(source)
    found = [row for row in rows if isinstance(row, Row)]
    assert columns == ["id", "text"]
    assert [row.values["id"] for row in found] == [row.number for row in found] == list(range(1, 5001))
    assert SqlSource(source).count() == 5000


def test_pages_by_several_columns(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "PAGE_ROWS", 7)
    base.run("CREATE TABLE m (shop VARCHAR(9), n INTEGER, id INTEGER, text TEXT, PRIMARY KEY (shop, n))")
    pairs = [(shop, n) for shop in ("B店", "a店", "中") for n in range(20)]
    values = [{"s": shop, "n": n, "i": i} for i, (shop, n) in enumerate(pairs)]
    base.run("INSERT INTO m VALUES (:s, :n, :i, 'x')", rows=values[::-1])
    found = list(SqlSource(base.table("m")).rows())
    assert [(row.values["shop"], row.values["n"]) for row in found if isinstance(row, Row)] == pairs


def test_key_with_equal_values_goes_on_by_the_primary_key(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "PAGE_ROWS", 3)
    base.run("CREATE TABLE m (id INTEGER PRIMARY KEY, day INTEGER, mood INTEGER)")
    base.run("INSERT INTO m VALUES (:i, :d, NULL)", rows=[{"i": i, "d": i % 4} for i in range(40)])
    source = SqlSource(base.table("m"), "day")
    assert source.key == ["day", "id"]
    assert ids(source.rows()) == sorted(range(40), key=lambda i: (i % 4, i))
    with pytest.raises(DataError, match="the column 'mood' is empty in some rows, which would be left out"):
        SqlSource(base.table("m"), "mood")


def test_tables_without_a_key_need_one_named(base: Base) -> None:
    base.run("CREATE TABLE m (id INTEGER, text TEXT)")
    base.run("INSERT INTO m VALUES (:i, 'x')", rows=[{"i": i} for i in (3, 1, 2)])
    base.run("CREATE VIEW v AS SELECT * FROM m")
    assert ids(sql_rows(base.table("m"), "id")[1]) == ids(sql_rows(base.table("v"), "id")[1]) == [1, 2, 3]
    with pytest.raises(DataError, match="#v: has no primary key; name a column that tells its rows apart with --key"):
        sql_rows(base.table("v"))
    with pytest.raises(DataError, match="the column 'text' does not tell its rows apart, and there is no primary key"):
        sql_rows(base.table("m"), "text")
    if base.kind == "sqlite":  # numbers its rows itself
        assert ids(sql_rows(base.table("m"))[1]) == [3, 1, 2]
    else:
        with pytest.raises(DataError, match="#m: has no primary key"):
            sql_rows(base.table("m"))


def test_rows_that_come_in_behind_are_read_too(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "PAGE_ROWS", 2)
    _, rows = sql_rows(base.messages(list(TEXTS)))
    found = [next(rows), next(rows)]
    base.run("INSERT INTO messages VALUES (99, 'x')")
    assert ids(iter([*found, *rows])) == [1, 2, 3, 4, 99]


@pytest.mark.parametrize("kind", ["UUID", "NUMERIC(30, 10)", "TIMESTAMPTZ", "TEXT", "BYTEA", "DOUBLE PRECISION"])
def test_keys_of_any_type_find_their_way_back(
    postgres: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(sql, "PAGE_ROWS", 4)
    keys: dict[str, list[Any]] = {
        "UUID": [UUID(int=i << 70) for i in range(30)],
        "NUMERIC(30, 10)": [Decimal(i) / 7 for i in range(30)],
        "TIMESTAMPTZ": [datetime(2026, 3, 1, tzinfo=UTC) + timedelta(microseconds=i) for i in range(30)],
        "TEXT": [f"客{i:02}'%:x" for i in range(30)],
        "BYTEA": [bytes([i, 0, 255]) for i in range(30)],
        "DOUBLE PRECISION": [i / 7 for i in range(30)],
    }
    postgres.run(f"CREATE TABLE m (k {kind} PRIMARY KEY, id INTEGER)")
    postgres.run("INSERT INTO m VALUES (:k, :i)", rows=[{"k": key, "i": i} for i, key in enumerate(keys[kind])])
    source = SqlSource(postgres.table("m"))
    assert ids(source.rows(0, tmp_path)) == list(range(30))
    postgres.run("DELETE FROM m WHERE id < 10")
    assert ids(SqlSource(postgres.table("m")).rows(18, tmp_path)) == list(range(18, 30))


def test_key_that_comes_back_as_another_value_does_not_go_on_for_ever(
    postgres: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "PAGE_ROWS", 1)
    postgres.run("CREATE TABLE m (k REAL PRIMARY KEY)", "INSERT INTO m VALUES (0.7), (1.1), (2.3)")
    with pytest.raises(DataError, match=r"the key \(k = .*\) comes back from the database as another value"):
        list(sql_rows(postgres.table("m"))[1])


def test_unreadable_rows_are_set_aside(base: Base) -> None:
    if base.kind == "sqlite":
        base.messages(list(TEXTS))
        base.run("UPDATE messages SET text = CAST(x'e5a3' AS TEXT) WHERE id = 2")
        reason = "holds bytes that are not text in UTF-8"
    else:
        base.run("CREATE TABLE messages (id INTEGER PRIMARY KEY, text TEXT, at DATE)")
        base.run("INSERT INTO messages VALUES (1, 'x', now()), (2, 'x', 'infinity'), (3, 'x', now()), (4, 'x', NULL)")
        reason = "cannot be read: date too large"
    summary = label(base.table("messages"), base.table("labelled"))
    assert (summary.rows, summary.rejected) == (3, 1)
    assert base.all("SELECT id FROM labelled ORDER BY id") == [(1,), (3,), (4,)]
    (rejected,) = [json.loads(line) for line in Path("labelled.rejects.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rejected["row"] == 2
    assert rejected["reason"].startswith(reason)


def test_passwords_are_shown_nowhere(postgres: Base) -> None:
    source = postgres.messages(list(TEXTS))
    secret = quote(PASSWORD)
    in_query = source.replace(f":{secret}@", "@").replace("?", f"?password={secret}&")
    wrong = source.replace(secret, "falsches-wort")
    said = []
    for text in (in_query, source):
        label(text, f"{text.partition('#')[0]}#labelled", overwrite=True)
        said.append(Path("labelled.manifest.json").read_text(encoding="utf-8"))
        shown = str(SqlSource(text))
        assert "***" in shown
        said += [shown, repr(parse_location(text)), json.dumps(SqlSource(text).settings)]
        for broken in (f"{text}x", text.replace("#", "&nonsense=1#"), text.partition("#")[0]):
            with pytest.raises(DataError) as caught:
                label(broken, "out.jsonl")
            said.append(str(caught.value))
    with pytest.raises(DataError, match=r"cannot be read: .*password authentication failed") as caught:
        label(wrong, "out.jsonl")
    said.append(str(caught.value))
    for words in said:
        assert PASSWORD not in words
        assert secret not in words
        assert "falsches-wort" not in words
    assert "***" in said[0]


def test_vanished_database_is_told_and_gone_on_with(postgres: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in ((sql, "PAGE_ROWS", 16), (files, "_CHUNK", 16), (parts, "PART_ROWS", 32)):
        monkeypatch.setattr(module, name, value)
    source = postgres.messages([f"第{i}件：{TEXTS[i % 4]}" for i in range(300)])
    gone: list[int] = []

    def cut(_: str, done: int, __: int) -> None:
        if done >= 100 and not gone:
            gone.append(done)
            postgres.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )

    with pytest.raises(
        DataError, match=r"#messages: cannot be read after row 1\d\d \(id = 1\d\d\): .* rows are finished"
    ):
        label(source, "out.jsonl", progress=cut, workers=1)
    postgres.run("DELETE FROM messages WHERE id <= 40")  # labelled already
    summary = label(source, "out.jsonl", resume=True, workers=1)
    assert summary.resumed >= 64
    rows = [json.loads(line) for line in Path("out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["id"] for row in rows] == list(range(1, 301))
    with pytest.raises(DataError, match=r"out\.jsonl: exists already"):
        label(source, "out.jsonl", resume=True, key="text")


def test_killed_run_goes_on_where_it_was(base: Base) -> None:
    """Kill -9 in the midst of it, twice; meanwhile a labelled row goes, one comes in before and one behind."""
    source, target = base.messages([f"第{i}件：{TEXTS[i % 4]}" for i in range(3000)]), base.table("labelled")
    code = "from complaint_nlp.batch import parts; parts.PART_ROWS = 150; from complaint_nlp.cli import main; main()"
    command = [sys.executable, "-c", code, "label", source, target, "--speed", "fast", "--workers", "1", "--resume"]
    journal = Path(".labelled.work/parts.jsonl")
    for finished in (2, 6):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603
        deadline = time.monotonic() + 120
        while not journal.is_file() or journal.read_bytes().count(b"\n") < finished:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert base.tables() == ["messages"]
        if finished == 2:
            base.run("DELETE FROM messages WHERE id = 5", "INSERT INTO messages VALUES (-1, 'x'), (9999, 'x')")
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stderr
    assert base.all("SELECT id FROM labelled ORDER BY id") == [*((i,) for i in range(1, 3001)), (9999,)]
    assert beside() == ["labelled.manifest.json"]
    manifest = json.loads(Path("labelled.manifest.json").read_text(encoding="utf-8"))
    assert manifest["rows"] == 3001
    assert manifest["source"].endswith("#messages")


def test_command_takes_tables_and_a_key(base: Base) -> None:
    base.run("CREATE TABLE m (no_ INTEGER, text TEXT)")
    base.run("INSERT INTO m VALUES (2, :b), (1, :a)", rows=[{"a": TRADITIONAL, "b": SIMPLIFIED}])
    code = "from complaint_nlp.cli import main; main()"
    command = [sys.executable, "-c", code, "label", base.table("m"), base.table("labelled"), "--key", "no_"]
    done = subprocess.run(  # noqa: S603 - our own command
        [*command, "--speed", "fast", "--preview", "2"], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    assert "2 rows labelled" in done.stderr
    assert "冷氣" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr
    assert [row["no_"] for row in read_rows(base.table("labelled"), 5)] == [1, 2]
    assert set(column_names()) <= set(read_rows(base.table("labelled"), 1)[0])
