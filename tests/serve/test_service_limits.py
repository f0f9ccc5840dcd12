"""Bodies that are malformed, huge, slow or wrongly encoded, and servers that are full or told to stop."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn

from complaint_nlp.serve.app import create_app
from complaint_nlp.serve.http import Protocol
from complaint_nlp.serve.run import server_options
from complaint_nlp.serve.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from complaint_nlp import Analyzer

TEXT = "客服電話打不通，東西壞了也沒人理"
_SERVE = "from complaint_nlp.serve.run import serve; from complaint_nlp.serve.settings import Settings; {}"


@pytest.fixture(scope="module")
def port(analyzer: Analyzer) -> Iterator[int]:
    settings = Settings(
        desk=False, max_body_bytes=20_000, max_batch_bytes=60_000, body_timeout=0.6, max_requests=8, send_timeout=2
    )
    options = {**server_options(settings), "log_config": None, "port": 0}
    before, Protocol.head_timeout = Protocol.head_timeout, settings.body_timeout
    server = uvicorn.Server(uvicorn.Config(create_app(settings, analyzer), **options))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(20)
    Protocol.head_timeout = before
    assert not thread.is_alive()


def talk(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Send pieces with pauses between, and return all that comes until the server closes, or is silent for 5 s."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server has heard enough
        received = b""
        try:
            while part := connection.recv(65_536):
                received += part
        except (ConnectionResetError, TimeoutError):
            pass
        return received


def head(length: int | str, *, path: str = "/v1/analyze", kind: str = "application/json", more: str = "") -> bytes:
    size = "Transfer-Encoding: chunked" if length == "chunked" else f"Content-Length: {length}"
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n{size}\r\n{more}\r\n".encode()


def problem_of(answer: bytes, status: int) -> dict[str, Any]:
    top, _, body = answer.partition(b"\r\n\r\n")
    assert top.startswith(f"HTTP/1.1 {status} ".encode()), answer[:300]
    assert b"application/problem+json" in top
    content: dict[str, Any] = json.loads(body)
    assert content["status"] == status
    return content


def test_a_body_that_says_it_is_huge_is_refused_before_it_is_sent(port: int) -> None:
    content = problem_of(talk(port, head(10**9)), 413)
    assert "20,000 bytes" in content["detail"]


def test_a_huge_body_of_unknown_length_is_refused_while_it_comes_in(port: int) -> None:
    chunk = b"1000\r\n" + b"a" * 4096 + b"\r\n"
    problem_of(talk(port, head("chunked"), *[chunk] * 6), 413)


def test_a_batch_may_be_larger_but_not_without_end(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        fine = client.post("/v1/analyze:batch", json=["字" * 2_000] * 3)
        assert fine.status_code == 200
    problem_of(talk(port, head(60_001, path="/v1/analyze:batch")), 413)


def test_a_slow_body_is_given_up(port: int) -> None:
    body = json.dumps({"text": TEXT}).encode()
    answer = talk(port, head(len(body)), *[bytes([byte]) for byte in body[:12]], pause=0.1)
    assert "in time" in problem_of(answer, 408)["detail"]


def test_a_head_that_drips_in_is_given_up(port: int) -> None:
    pieces = [b"POST /v1/analyze HTTP/1.1\r\nHost: x\r\n", *[f"X-{i}: y\r\n".encode() for i in range(12)]]
    answer = talk(port, *pieces, pause=0.1)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert talk(port).startswith(b"HTTP/1.1 408 "), "a connection on which nothing is said"


def test_a_second_head_that_drips_in_is_given_up_too(port: int) -> None:
    first = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = talk(port, first, *[bytes([byte]) for byte in first[:14]], pause=0.1)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in answer


def test_a_body_that_comes_in_pieces_but_in_time_is_taken(port: int) -> None:
    body = json.dumps({"text": TEXT, "plan": False}, ensure_ascii=False).encode()
    # cut within a character
    answer = talk(port, head(len(body), more="Connection: close\r\n"), body[:12], body[12:13], body[13:], pause=0.05)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert TEXT.encode() in answer


def test_many_who_are_slow_do_not_keep_out_the_others_for_long(port: int) -> None:
    slow = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(8)]
    for connection in slow:
        connection.sendall(head(100) + b"{")
    time.sleep(0.2)
    refused = talk(port, head(2, more="Connection: close\r\n"), b"{}")
    assert "8 requests" in problem_of(refused, 503)["detail"]
    assert b"retry-after: " in refused.lower()
    time.sleep(1.0)
    assert b" 422 " in talk(port, head(2, more="Connection: close\r\n"), b"{}")
    for connection in slow:
        assert connection.recv(65_536).startswith(b"HTTP/1.1 408 ")
        connection.close()


@pytest.mark.parametrize(
    ("kind", "more", "body", "status"),
    [
        ("text/plain", "", b'{"text": "x"}', 415),
        ("application/x-www-form-urlencoded", "", b"text=x", 415),
        ("application/json; charset=big5", "", f'{{"text": "{TEXT}"}}'.encode("big5"), 415),
        ("application/json", "Content-Encoding: gzip\r\n", b"\x1f\x8b\x08\x00", 415),
        ("application/json", "", f'{{"text": "{TEXT}"}}'.encode("big5"), 400),
        ("application/json", "", b'{"text": "\xff\xfe"}', 400),
        ("application/json", "", b"", 422),
        ("application/json", "", b"\x00" * 100, 400),
        ("application/json", "", b'{"text": "x"} {"text": "y"}', 400),
        ("application/json", "", b'{"a":' * 3_000, 400),
        ("application/json", "", b"1" * 5_000, 400),
        ("application/json", "", b'"\\ud800"', 422),
        ("application/json", "", b"NaN", 422),
    ],
)
def test_what_is_no_json_in_utf8_is_refused(port: int, kind: str, more: str, body: bytes, status: int) -> None:
    answer = talk(port, head(len(body), kind=kind, more=more + "Connection: close\r\n"), body)
    content = problem_of(answer, status)
    assert content["detail"]


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 5,  # somebody speaks TLS
        b"POST /v1/analyze HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/analyze HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n",
    ],
)
def test_what_is_no_http_is_refused(port: int, sent: bytes) -> None:
    answer = talk(port, sent)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    assert talk(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_the_queue_says_when_it_is_full(analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch) -> None:
    from starlette.testclient import TestClient

    from complaint_nlp.serve.engine import BusyError, Engine

    async def full(*_: object, **__: object) -> None:
        msg = "512 messages wait already"
        raise BusyError(msg, 7)

    monkeypatch.setattr(Engine, "run", full)
    with TestClient(create_app(Settings(desk=False), analyzer)) as client:
        answer = client.post("/v1/analyze", json={"text": TEXT})
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["content-type"] == "application/problem+json"
    assert "7 s" in answer.json()["detail"]


@contextmanager
def process(**settings: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a server of its own; yield it and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    call = _SERVE.format(f"serve(Settings(port={port}, desk=False, speed='fast', {options}))")
    server = subprocess.Popen([sys.executable, "-c", call], stderr=subprocess.PIPE, text=True)  # noqa: S603 - itself
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            assert server.poll() is None
            try:
                if httpx.get(f"{address}/readyz", trust_env=False).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield server, address
    finally:
        if server.poll() is None:
            server.kill()
        if server.stderr is not None:
            server.stderr.close()
        server.wait(10)


def test_a_server_that_is_told_to_stop_finishes_what_it_has_begun() -> None:
    items = [{"text": f"{TEXT}{i}"} for i in range(120)]
    with process() as (server, address):
        with httpx.stream("POST", f"{address}/v1/analyze:batch", json=items, trust_env=False, timeout=60) as answer:
            lines = answer.iter_lines()
            first = next(lines)
            server.send_signal(signal.SIGTERM)
            rest = list(lines)
        assert "report" in json.loads(first)
        assert [json.loads(line)["index"] for line in rest] == list(range(1, 120))
        assert "report" in json.loads(rest[-1])
        assert server.wait(20) in (0, -signal.SIGTERM)
        assert server.stderr is not None
        logged = [json.loads(line) for line in server.stderr.read().splitlines()]
    assert not [line for line in logged if line["level"] == "error"]


def test_several_processes_count_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with process(workers=2) as (server, address):
        for _ in range(12):  # every request on a connection of its own: whichever process takes it
            assert httpx.post(f"{address}/v1/analyze", json={"text": TEXT}, trust_env=False).status_code == 200
        for _ in range(3):
            counts = httpx.get(f"{address}/metrics", trust_env=False).text
            found = re.search(r'^complaint_nlp_messages_total\{status="ok".*\} (\S+)$', counts, re.MULTILINE)
            assert found
            assert float(found[1]) == 12
        assert list(tmp_path.iterdir())
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) in (0, -signal.SIGTERM)
    assert list(tmp_path.iterdir()) == [], "the folder with the counts is left behind"


def test_a_wrong_setting_ends_the_command_before_anything_listens(tmp_path: Path) -> None:
    rules = tmp_path / "routing.yaml"
    rules.write_text("version: 1\nnonsense: true\n", encoding="utf-8")
    for workers in ("1", "2"):
        call = _SERVE.format("serve(Settings.from_environment())")
        ended = subprocess.run(  # noqa: S603 - itself
            [sys.executable, "-c", call],
            env={**os.environ, "COMPLAINT_NLP_ROUTING": str(rules), "COMPLAINT_NLP_WORKERS": workers},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode != 0
        assert "ConfigError" in ended.stderr
        assert "routing.yaml:" in ended.stderr
