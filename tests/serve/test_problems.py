"""Every error has a name that stays the same, so that programs and the desk page can tell one from another."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, get_args

import httpx
import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from complaint_nlp.serve.app import create_app
from complaint_nlp.serve.desk_queue import MAX_ROWS, QueueRows, TableError, read_table
from complaint_nlp.serve.engine import BusyError, Engine, StoppedError
from complaint_nlp.serve.problems import CODES, Code, Problem, problem_content
from complaint_nlp.serve.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from complaint_nlp import Analyzer


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BusyError("512 messages wait already", 7), 429, "busy"),
        (StoppedError("the service is being stopped"), 503, "stopping"),
        (TimeoutError(), 504, "timeout"),
        (RuntimeError("手機壞了"), 500, "server_error"),
        (HTTPException(404), 404, "not_found"),
        (HTTPException(418), 418, "invalid_value"),
        (HTTPException(507), 507, "server_error"),
        (Problem(413, "the body is larger"), 413, "body_too_large"),
        (Problem(413, "/text: too long", errors=[("/text", "too long")]), 413, "text_too_long"),
        (RequestValidationError([{"type": "json_invalid", "loc": ("body",), "msg": "x"}]), 400, "invalid_body"),
        (RequestValidationError([{"type": "missing", "loc": ("body", "text"), "msg": "x"}]), 422, "invalid_value"),
        (RequestValidationError([{"type": "x", "loc": ("body", "received_at"), "msg": "x"}]), 422, "wrong_time"),
    ],
)
def test_errors_have_names(error: Exception, status: int, code: str) -> None:
    content = problem_content(error)
    assert (content["status"], content["code"]) == (status, code)
    assert "手機" not in content["detail"]
    assert set(CODES.values()) <= set(get_args(Code))


def test_what_was_too_much_says_how_much_may_be() -> None:
    long = {"type": "string_too_long", "loc": ("body", "reply"), "msg": "x", "ctx": {"max_length": 20_000}}
    content = problem_content(RequestValidationError([long]))
    assert (content["code"], content["limit"]) == ("text_too_long", 20_000)
    assert "limit" not in problem_content(TimeoutError())


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"text\n", "a.xlsx", "table_kind"),
        (b"", "a.csv", "table_empty"),
        (b"\xef\xbb\xbf\r\n", "a.csv", "table_empty"),
        (b"\n \n", "a.jsonl", "table_empty"),
        (b"text,text\n1,2\n", "a.csv", "table_header"),
        ("內容,內容\n壞了,壞了\n".encode("utf-16"), "a.csv", "table_header"),
        # a workbook under another name, a table without a mark of its UTF-16
        (b"PK\x03\x04\x14\x00\x06\x00\x08\xff\xfe\x9c\x81\n\x80\x90\xff\n", "a.csv", "table_encoding"),
        ("編號,內容\n1,手機壞了\n".encode("utf-16-le"), "a.csv", "table_encoding"),
        (b"\xff\xff\x80\n\xfe\x81\xff\n", "a.jsonl", "table_encoding"),
        (b"text\nhello\n", "a.jsonl", "table_unreadable"),
        (b"text\n" + b"a\n" * (MAX_ROWS + 1), "a.csv", "table_too_many_rows"),
    ],
)
def test_what_is_no_table_has_a_name(content: bytes, name: str, code: str) -> None:
    with pytest.raises(TableError) as caught:
        read_table(content, name)
    assert caught.value.code == code
    assert (caught.value.limit == MAX_ROWS) == (code == "table_too_many_rows")
    assert name in str(caught.value)


def test_a_column_that_is_not_there_has_a_name() -> None:
    with pytest.raises(TableError) as caught:
        read_table("甲,乙\n壞了,1\n".encode(), "a.csv", "丙")
    assert caught.value.code == "table_column"


@pytest.mark.parametrize(
    ("content", "name", "codes"),
    [
        ("text,n\n好的,1\n多一格,2,3\n".encode() + b"\xff,1\n" + '"沒關閉,1\n'.encode(), "a.csv", 3),
        ('{"text": "壞了"}\n[]\n{"text": \n'.encode() + b'{"text": "\xff\xff"}\n', "a.jsonl", 3),
    ],
)
def test_rows_that_cannot_be_read_say_why_by_name(content: bytes, name: str, codes: int) -> None:
    rejects = QueueRows(read_table(content, name), {}).head()["rejects"]
    assert len(rejects) == codes
    broken = [reject["line"] for reject in rejects if reject["code"] == "row_encoding"]
    assert broken == [4]
    others = {reject["code"] for reject in rejects} - {"row_encoding"}
    assert others == ({"row_json"} if name.endswith("jsonl") else {"row_cells"})


def ask(app: Any, path: str, **given: Any) -> httpx.Response:
    async def send() -> httpx.Response:
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.example") as client,
        ):
            return await client.post(path, **given)

    return asyncio.run(send())


def test_a_refused_correction_says_why_by_name(analyzer: Analyzer, tmp_path: Path) -> None:
    given = {"text": "手機一直死機", "task": "urgency", "value": "low"}
    off = ask(create_app(Settings(), analyzer), "/desk/corrections", json=given)
    assert (off.status_code, off.json()["code"]) == (404, "corrections_off")
    (tmp_path / "taken").write_text("")
    app = create_app(Settings(corrections=tmp_path / "taken/corrections.jsonl"), analyzer)
    unwritten = ask(app, "/desk/corrections", json=given)
    assert (unwritten.status_code, unwritten.json()["code"]) == (503, "correction_not_written")
    long = ask(app, "/desk/corrections", json={**given, "text": "壞" * (analyzer.max_chars + 1)})
    assert (long.json()["code"], long.json()["limit"]) == ("text_too_long", analyzer.max_chars)


def test_a_queue_that_breaks_off_says_why_in_its_last_line(analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stream(_engine: Engine, jobs: list[Any]) -> Any:
        assert len(jobs) == 2
        yield b'{"number": 1}\n'
        raise TimeoutError

    monkeypatch.setattr(Engine, "stream", stream)
    headers = {"content-type": "application/octet-stream"}
    content = "text\n手機壞了\n手机坏了\n".encode()
    answer = ask(
        create_app(Settings(), analyzer), "/desk/queue", params={"name": "a.csv"}, content=content, headers=headers
    )
    head, row, end = map(json.loads, answer.text.splitlines())
    assert (head["rows"], row) == (2, {"number": 1})
    assert (end["error"]["code"], end["error"]["status"]) == ("timeout", 504)
