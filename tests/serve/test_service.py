"""The service on a real port: what it answers, who it lets in, what it writes down."""

from __future__ import annotations

import io
import json
import logging
import re
import threading
import time
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn

from complaint_nlp.labels import TASKS
from complaint_nlp.serve.app import create_app
from complaint_nlp.serve.keys import new_key
from complaint_nlp.serve.logs import JsonFormatter
from complaint_nlp.serve.run import server_options
from complaint_nlp.serve.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from complaint_nlp import Analyzer

HANT = "洗衣機修了三次還是漏水，樓下也淹了，訂單編號 W20261107，請打0912345678，明天前給我答覆"
HANS = "快递三天了还没到，打了两次电话都没人接，请打13800138000联系我，我要退款"
MIXED = "手機才買一週就一直死機，客服还推三阻四，要求退款"


@contextmanager
def running(settings: Settings, analyzer: Analyzer) -> Iterator[httpx.Client]:
    options = {**server_options(settings), "log_config": None, "port": 0}
    server = uvicorn.Server(uvicorn.Config(create_app(settings, analyzer), **options))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < until
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def client(analyzer: Analyzer) -> Iterator[httpx.Client]:
    with running(Settings(desk=False), analyzer) as client:
        yield client


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Return what the service logs from now on."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("complaint_nlp")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield written
    logger.removeHandler(handler)
    logger.setLevel(before)


def logged(log: io.StringIO, requests: int, *, since: str) -> list[dict[str, Any]]:
    """Return the lines from a request on; the last are written just after its answer was read."""
    until = time.monotonic() + 10
    while True:
        lines = [json.loads(line) for line in log.getvalue().splitlines()]
        lines = lines[next((i for i, line in enumerate(lines) if line.get("request_id") == since), len(lines)) :]
        if sum(line["message"] == "request" for line in lines) >= requests or time.monotonic() > until:
            return lines
        time.sleep(0.01)


def is_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    content: dict[str, Any] = answer.json()
    assert content["status"] == status
    assert content["title"]
    assert content["detail"]
    assert content["request_id"] == answer.headers["x-request-id"]
    return content


@pytest.mark.parametrize("text", [HANT, HANS, MIXED])
def test_a_message_is_answered_with_the_whole_report(client: httpx.Client, analyzer: Analyzer, text: str) -> None:
    moment = "2026-11-09T10:30:00+08:00"
    answer = client.post("/v1/analyze", json={"text": text, "received_at": moment})
    assert answer.status_code == 200
    expected = json.loads(analyzer.analyze(text, received_at=datetime.fromisoformat(moment)).to_json())
    given = answer.json()
    assert set(given) == set(expected)
    for name in ("text", "status", "script", "urgency_reasons", "route", "facts", "missing", "strategy"):
        assert given[name] == expected[name], name
    for name in TASKS:
        assert given[name]["labels"] == expected[name]["labels"]
        assert given[name]["confidence"] == pytest.approx(expected[name]["confidence"], abs=0.02)
    assert given["strategy"]["first_reply"]


@pytest.mark.parametrize(("text", "secrets"), [(HANT, ("0912345678", "W20261107")), (HANS, ("13800138000",))])
@pytest.mark.parametrize("plan", [True, False])
def test_personal_data_is_nowhere_in_a_masked_answer(
    client: httpx.Client, text: str, secrets: tuple[str, ...], *, plan: bool
) -> None:
    plain = client.post("/v1/analyze", json={"text": text, "plan": plan})
    masked = client.post("/v1/analyze", json={"text": text, "plan": plan, "mask": True})
    for secret in secrets:
        assert secret in plain.text
        assert secret not in masked.text
    assert len(masked.json()["text"]) == len(text)
    assert masked.json()["category"]["labels"] == plain.json()["category"]["labels"]


def test_the_plan_depends_on_the_fault_and_can_be_left_out(client: httpx.Client) -> None:
    ours, customer = (
        client.post("/v1/analyze", json={"text": HANT, "fault": fault}).json() for fault in ("ours", "customer")
    )
    assert ours["strategy"]["apology_letter"] != customer["strategy"]["apology_letter"]
    without = client.post("/v1/analyze", json={"text": HANT, "plan": False}).json()
    assert "strategy" not in without
    assert without["facts"] == ours["facts"]


@pytest.mark.parametrize(
    ("text", "status"), [("", "empty"), (" \n", "empty"), ("好", "too_short"), ("hello there", "not_chinese")]
)
def test_what_cannot_be_analysed_is_an_answer(client: httpx.Client, text: str, status: str) -> None:
    answer = client.post("/v1/analyze", json={"text": text})
    assert answer.status_code == 200
    assert answer.json()["status"] == status
    assert answer.json()["strategy"] is None


def test_half_an_emoji_does_not_lose_a_complaint(client: httpx.Client) -> None:
    body = b'{"text": "' + "东西坏了，气死我了".encode() + b'\\ud83d"}'
    answer = client.post("/v1/analyze", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200
    assert answer.json()["text"] == "东西坏了，气死我了\ufffd"
    assert answer.json()["intent"]["labels"] == ["complaint"]


def test_a_batch_comes_back_line_by_line_in_order(client: httpx.Client) -> None:
    lines = [
        json.dumps({"id": "甲-1", "text": HANT, "plan": False}, ensure_ascii=False),
        json.dumps(HANS),
        "",
        "{這不是 JSON",
        json.dumps({"id": 7, "text": MIXED, "urgent": True}),
        json.dumps({"id": 8, "text": MIXED, "mask": "yes"}),
        json.dumps({"text": "字" * 20_001}),
        json.dumps([HANT]),
        json.dumps({"id": 9, "text": "分隔\u2028符號也是內容，東西壞了"}, ensure_ascii=False),
    ]
    answer = client.post(
        "/v1/analyze:batch", content="\r\n".join(lines).encode(), headers={"content-type": "application/x-ndjson"}
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    given = [json.loads(line) for line in answer.text.split("\n") if line]
    assert [one["index"] for one in given] == list(range(8))
    assert [one.get("id") for one in given] == ["甲-1", None, None, 7, 8, None, None, 9]
    assert [one["problem"]["status"] if "problem" in one else 200 for one in given] == [
        200, 200, 400, 422, 422, 413, 422, 200,
    ]  # fmt: skip
    assert "strategy" not in given[0]["report"]
    assert given[1]["report"]["strategy"]["first_reply"]
    assert given[7]["report"]["text"].startswith("分隔\u2028")


def test_a_large_batch_keeps_its_order(client: httpx.Client) -> None:
    items = [{"id": i, "text": f"第{i}次打電話都沒人接", "plan": False} for i in range(150)]
    answer = client.post("/v1/analyze:batch", json=items)
    given = [json.loads(line) for line in answer.text.splitlines()]
    assert [(one["id"], one["report"]["text"]) for one in given] == [(one["id"], one["text"]) for one in items]


@pytest.mark.parametrize(
    ("content", "status", "detail"),
    [
        (b"[1, 2", 400, "not valid JSON"),
        (b'{"text": "x"}', 422, "array"),
        (b"[" * 50_000, 400, "nested"),
        ('["退款"]'.encode("gb18030"), 400, "not UTF-8"),
        (json.dumps(["坏"] * 1001).encode(), 413, "1,001 messages"),
    ],
)
def test_a_wrong_batch_is_refused_as_a_whole(client: httpx.Client, content: bytes, status: int, detail: str) -> None:
    answer = client.post("/v1/analyze:batch", content=content, headers={"content-type": "application/json"})
    assert detail in is_problem(answer, status)["detail"]


def test_an_empty_batch_has_an_empty_answer(client: httpx.Client) -> None:
    assert client.post("/v1/analyze:batch", json=[]).text == ""


def test_a_reply_is_checked_with_and_without_its_message(client: httpx.Client) -> None:
    alone = client.post("/v1/check-reply", json={"reply": "不行，这是规定"}).json()
    assert {"flat_negative", "missing_apology"} <= {finding["rule"] for finding in alone["findings"]}
    script = client.post("/v1/check-reply", json={"reply": "不行，这是规定", "message": HANT}).json()
    assert "wrong_script" in {finding["rule"] for finding in script["findings"]}
    problem = is_problem(client.post("/v1/check-reply", json={"reply": "好" * 20_001}), 422)
    assert problem["errors"][0]["pointer"] == "/reply"


def test_labels_are_listed_with_names_in_three_languages(client: httpx.Client) -> None:
    given = client.get("/v1/labels").json()
    assert [task["name"] for task in given["tasks"]] == list(TASKS)
    quality = next(task for task in given["tasks"] if task["name"] == "category")["values"][0]
    assert quality["value"] == "quality"
    assert set(quality["names"]) == {"zh-Hant", "zh-Hans", "en"}
    intensity = next(task for task in given["tasks"] if task["name"] == "intensity")["values"]
    assert [one["value"] for one in intensity] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/text"),
        ({"text": None}, "/text"),
        ({"text": ["退款"]}, "/text"),
        ({"text": "退款", "fault": "nobody"}, "/fault"),
        ({"text": "退款", "mask": 1}, "/mask"),
        ({"text": "退款", "received_at": "2026-11-09T10:30:00"}, "/received_at"),
        ({"text": "退款", "received_at": "0001-01-01T00:00:00Z"}, "/received_at"),
        ({"text": "退款", "received_at": 1700000000}, "/received_at"),
        ({"text": "退款", "max_chars": 1}, "/max_chars"),
    ],
)
def test_what_is_wrong_with_a_body_is_pointed_at(client: httpx.Client, body: dict[str, Any], pointer: str) -> None:
    problem = is_problem(client.post("/v1/analyze", json=body), 422)
    assert pointer in [error["pointer"] for error in problem["errors"]]


def test_unknown_addresses_and_methods_are_problems_too(client: httpx.Client) -> None:
    is_problem(client.get("/v1/nothing"), 404)
    is_problem(client.post("/v1/analyze/", json={"text": "好的"}), 404)
    answer = client.put("/v1/analyze", json={"text": "好的"})
    is_problem(answer, 405)
    assert answer.headers["allow"] == "POST"


def test_request_ids_are_taken_where_they_are_sane(client: httpx.Client) -> None:
    for given in ("ticket-1:42", "a" * 64):
        assert client.get("/healthz", headers={"X-Request-ID": given}).headers["x-request-id"] == given
    for given in ("", "a b", "a" * 65, "<script>", "-x", 'x"y'):
        made = client.get("/healthz", headers={"X-Request-ID": given}).headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{32}", made)


def test_metrics_count_requests_and_messages(client: httpx.Client) -> None:
    def count(line: str) -> float:
        found = re.search(rf"^{re.escape(line)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    requests = 'complaint_nlp_requests_total{method="POST",route="/v1/analyze",status="200"}'
    messages = 'complaint_nlp_messages_total{status="ok",urgency="critical"}'
    unknown = 'complaint_nlp_requests_total{method="GET",route="(none)",status="404"}'
    before = [count(line) for line in (requests, messages, unknown)]
    client.post("/v1/analyze", json={"text": "家裡瓦斯味很重，打了兩次電話都沒人來"})
    client.get("/v1/0912345678")
    assert [count(line) for line in (requests, messages, unknown)] == [one + 1 for one in before]
    assert "0912345678" not in client.get("/metrics").text


def test_nothing_that_a_customer_wrote_gets_into_the_log(
    client: httpx.Client, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.post("/v1/analyze", json={"text": HANT}, headers={"X-Request-ID": "see-me"})
    client.post("/v1/analyze", json={"text": HANS, "電話0912345678": 1})
    client.post("/v1/analyze:batch", content=HANT.encode(), headers={"content-type": "application/x-ndjson"})
    client.get("/v1/0912345678", params={"q": HANS})

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(HANT)

    monkeypatch.setattr("complaint_nlp.serve.api._content", broken)
    is_problem(client.post("/v1/analyze", json={"text": HANT}), 500)
    lines = logged(log, 5, since="see-me")
    requests = [line for line in lines if line["message"] == "request"]
    assert [line["status"] for line in requests] == [200, 422, 200, 404, 500]
    first = requests[0]
    assert first["route"] == "/v1/analyze"
    assert first["bytes_in"] > 100
    assert first["bytes_out"] > 5_000
    error = next(line for line in lines if line["level"] == "error")
    assert error["error"]["kind"] == "builtins.RuntimeError"
    assert any("test_service.py" in place for place in error["error"]["at"])
    for secret in ("0912345678", "13800138000", "W20261107", "洗衣機", "快递", "127.0.0.1"):
        assert secret not in log.getvalue()


def test_only_who_has_a_key_gets_in(analyzer: Analyzer, log: io.StringIO) -> None:
    key, known = new_key()
    with running(Settings(desk=False, api_key_hashes=(f"{known} crm",)), analyzer) as client:
        for path in ("/healthz", "/readyz"):
            assert client.get(path).status_code == 200
        for path in ("/v1/labels", "/metrics", "/openapi.json", "/", "/nothing"):
            is_problem(client.get(path), 401)
        refused = client.post("/v1/analyze", json={"text": HANT}, headers={"X-API-Key": key[:-1] + "?"})
        is_problem(refused, 401)
        assert refused.headers["www-authenticate"].startswith("Bearer")
        for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}):
            assert client.post("/v1/analyze", json={"text": HANT}, headers=headers).status_code == 200
        assert client.get("/v1/labels", auth=("anybody", key)).status_code == 200
    named = [json.loads(line).get("key") for line in log.getvalue().splitlines()]  # the server has ended: all is there
    assert named.count("crm") == 3
    assert key not in log.getvalue()


def test_pages_of_other_sites_may_call_only_where_their_origin_is_named(
    analyzer: Analyzer, client: httpx.Client
) -> None:
    ask = {"Origin": "https://crm.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in client.options("/v1/analyze", headers=ask).headers
    other = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    is_problem(client.post("/v1/analyze", json={"text": HANT}, headers=other), 403)
    with running(Settings(desk=False, cors_origins=("https://crm.example",)), analyzer) as open_client:
        allowed = open_client.options("/v1/analyze", headers=ask)
        assert allowed.headers["access-control-allow-origin"] == "https://crm.example"
        own = {"Origin": "https://crm.example", "Sec-Fetch-Site": "cross-site"}
        assert open_client.post("/v1/analyze", json={"text": HANT}, headers=own).status_code == 200
        is_problem(open_client.post("/v1/analyze", json={"text": HANT}, headers=other), 403)
