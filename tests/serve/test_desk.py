"""What the page asks the server for: headers, files, cases, corrections, queues."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from complaint_nlp import TASKS
from complaint_nlp.serve.app import create_app
from complaint_nlp.serve.desk_queue import MAX_BYTES
from complaint_nlp.serve.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from complaint_nlp import Analyzer

TRADITIONAL = "手機才買一週就一直死機，我要退款！"


@pytest.fixture
def corrections(tmp_path: Path) -> Path:
    return tmp_path / "corrections.jsonl"


@pytest.fixture
def ask(analyzer: Analyzer, corrections: Path) -> Callable[..., httpx.Response]:
    """Return a function that sends one request to a service with corrections, as `httpx.Client.request` does."""
    return asker(analyzer, Settings.from_environment({}, corrections=corrections))


def asker(analyzer: Analyzer, settings: Settings) -> Callable[..., httpx.Response]:
    async def send(method: str, path: str, given: dict[str, Any]) -> httpx.Response:
        app = create_app(settings, analyzer)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.example") as client,
        ):
            return await client.request(method, path, **given)

    return lambda method, path, **given: asyncio.run(send(method, path, given))


def lines(response: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in response.text.splitlines()]


def upload(ask: Callable[..., httpx.Response], content: bytes, **query: str) -> httpx.Response:
    headers = {"content-type": "application/octet-stream"}
    return ask("POST", "/desk/queue", content=content, headers=headers, params={"name": "a.csv", **query})


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/static/app.js", "text/javascript"),
        ("/static/desk.css", "text/css"),
        ("/static/icon.svg", "image/svg+xml"),
        ("/desk/setup", "application/json"),
    ],
)
def test_everything_comes_with_strict_headers(ask: Callable[..., httpx.Response], path: str, kind: str) -> None:
    response = ask("GET", path)
    assert response.status_code == 200
    assert response.headers["content-type"].partition(";")[0] == kind
    policy = dict(part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
    }
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"


def test_files_are_sent_again_only_when_they_changed(ask: Callable[..., httpx.Response]) -> None:
    etag = ask("GET", "/static/app.js").headers["etag"]
    again = ask("GET", "/static/app.js", headers={"if-none-match": etag})
    assert (again.status_code, again.content) == (304, b"")
    assert ask("GET", "/static/app.js", headers={"if-none-match": '"old"'}).status_code == 200


@pytest.mark.parametrize("name", ["desk.py", "..%2fdesk.py", "%2e%2e/desk.py", "index.html", "x.js", "app.js%00"])
def test_there_are_no_other_files(ask: Callable[..., httpx.Response], name: str) -> None:
    response = ask("GET", f"/static/{name}")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


def test_the_page_can_be_left_out(analyzer: Analyzer) -> None:
    assert asker(analyzer, Settings.from_environment({}, desk=False))("GET", "/").status_code == 404


def test_setup_follows_the_browser_and_says_what_the_server_can(analyzer: Analyzer) -> None:
    bare = asker(analyzer, Settings.from_environment({}))(
        "GET", "/desk/setup", headers={"accept-language": "zh-CN,zh;q=0.9"}
    ).json()
    assert bare["language"] == "zh-Hans"
    assert bare["corrections"] is False
    assert bare["tasks"]["subcategory"] == {"values": list(TASKS["subcategory"].values), "several": True}
    assert len(bare["samples"]) == 6
    assert analyzer.bundle.hash.startswith(bare["model"])


def test_a_case_holds_the_report_and_the_plan_of_the_fault(
    ask: Callable[..., httpx.Response], analyzer: Analyzer
) -> None:
    received = "2026-03-02T09:00:00+08:00"
    content = {"text": TRADITIONAL, "received_at": received}
    unclear = ask("POST", "/desk/case", json=content).json()
    ours = ask("POST", "/desk/case", json={**content, "fault": "ours"}).json()
    expected = analyzer.analyze(TRADITIONAL)
    assert unclear["report"]["category"]["labels"] == list(expected.category.labels)
    assert unclear["report"]["route"]["respond_by"].startswith("2026-03-0")
    assert unclear["report"]["strategy"]["fault"] == "unclear"
    assert ours["report"]["strategy"]["fault"] == "ours"
    assert ours["report"]["strategy"]["steps"] != unclear["report"]["strategy"]["steps"]
    assert unclear["similar"] is None


@pytest.mark.parametrize(
    ("text", "status"), [("", "empty"), ("hello there, where is my parcel", "not_chinese"), ("壞", "too_short")]
)
def test_a_message_that_cannot_be_read_says_so(ask: Callable[..., httpx.Response], text: str, status: str) -> None:
    content = ask("POST", "/desk/case", json={"text": text, "fault": "ours"}).json()
    assert content["report"]["status"] == status
    assert content["report"]["strategy"] is None


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"text": 1},
        {"text": "好", "fault": "mine"},
        {"text": "好", "received_at": "yesterday"},
        {"text": "好", "received_at": "9999-12-31T00:00:00Z"},
        {"text": "好", "more": 1},
    ],
)
def test_other_questions_are_refused(ask: Callable[..., httpx.Response], content: dict[str, Any]) -> None:
    assert ask("POST", "/desk/case", json=content).status_code == 422


def test_similar_cases_come_from_the_case_base(tmp_path: Path) -> None:
    from complaint_nlp import Analyzer
    from complaint_nlp.cases import Case

    path = tmp_path / "cases.db"
    analyzer = Analyzer.load(cases=path)
    with analyzer.open_cases(path) as cases:
        cases.add(Case("手機買來三天一直自動關機，要求退款", handling="當天換新機", outcome="客戶滿意"))
        cases.add(Case("冷氣師傅很準時，謝謝", handling="轉達", outcome="表揚"))
    found = asker(analyzer, Settings.from_environment({}))("POST", "/desk/case", json={"text": TRADITIONAL}).json()[
        "similar"
    ]
    assert [case["handling"] for case in found] == ["當天換新機"]
    assert 0.3 <= found[0]["similarity"] <= 1
    assert found[0]["reviewed"] is False


def test_a_correction_is_kept_with_the_guess_of_this_model(
    ask: Callable[..., httpx.Response], analyzer: Analyzer, corrections: Path
) -> None:
    text = "客服讓我等了两个小时，太差勁了！\n=1+1 “引號”"
    for task, value in (
        ("category", ["quality", "service"]),
        ("urgency", "critical"),
        ("intensity", "3"),
        ("needs", []),
    ):
        content = {"text": text, "task": task, "value": value, "reviewer": " 小林 "}
        assert ask("POST", "/desk/corrections", json=content).status_code == 200
    records = [json.loads(line) for line in corrections.read_text(encoding="utf-8").splitlines()]
    report = analyzer.analyze(text)
    assert [record["task"] for record in records] == ["category", "urgency", "intensity", "needs"]
    assert [record["value"] for record in records] == [["quality", "service"], "critical", "3", []]
    assert records[0]["guess"] == list(report.category.labels)
    assert records[2]["guess"] == str(report.intensity.labels[0])
    assert {record["model"] for record in records} == {analyzer.bundle.hash}
    assert {record["text"] for record in records} == {text}
    assert {record["reviewer"] for record in records} == {"小林"}
    assert all(record["at"].endswith("+00:00") for record in records)


@pytest.mark.parametrize(
    ("task", "value", "problem"),
    [
        ("colour", "red", "there is no task 'colour'"),
        ("category", "quality", "a list of values is needed"),
        ("category", ["qualities"], "'qualities' is not one of"),
        ("category", ["quality", "quality"], "stands there twice"),
        ("urgency", ["high"], "one value is needed"),
        ("emotion", [], "at least one value"),
    ],
)
def test_what_is_no_correction_is_refused(
    ask: Callable[..., httpx.Response], corrections: Path, task: str, value: object, problem: str
) -> None:
    response = ask("POST", "/desk/corrections", json={"text": TRADITIONAL, "task": task, "value": value})
    assert response.status_code == 422
    assert problem in response.json()["detail"]
    assert not corrections.exists()


def test_corrections_are_off_without_a_file(analyzer: Analyzer) -> None:
    content = {"text": TRADITIONAL, "task": "urgency", "value": "low"}
    response = asker(analyzer, Settings.from_environment({}))("POST", "/desk/corrections", json=content)
    assert response.status_code == 404
    assert "--corrections" in response.json()["detail"]


def test_a_file_that_cannot_be_written_is_the_operators_secret(analyzer: Analyzer, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    ask = asker(analyzer, Settings.from_environment({}, corrections=tmp_path / "taken/corrections.jsonl"))
    response = ask("POST", "/desk/corrections", json={"text": TRADITIONAL, "task": "urgency", "value": "low"})
    assert response.status_code == 503
    assert "taken" not in response.text


def test_a_table_comes_back_labelled_row_by_row(ask: Callable[..., httpx.Response]) -> None:
    content = (
        "id,內容,收到時間\n1,手機一直死機、要退款,2026-03-02 09:00\n2,,\n3,家里有很浓的煤气味、孩子头晕,\n4,多,一,格\n"
    )
    head, *rows, end = lines(upload(ask, content.encode("utf-8-sig")))
    assert (head["rows"], head["rejected"], head["text_column"]) == (3, 1, "內容")
    assert end == {"done": True}
    assert [row["number"] for row in rows] == [1, 2, 3]
    assert [row["status"] for row in rows] == ["ok", "empty", "ok"]
    assert rows[0]["received_at"].startswith("2026-03-02T09:00")
    assert rows[0]["respond_by"] < rows[2]["respond_by"]
    assert rows[2]["labels"]["urgency"] == ["critical"]
    assert rows[2]["escalate"] is True
    assert all(len(row["cells"]) == len(head["columns"]) for row in rows)


def test_a_table_without_a_usual_column_asks_for_it(ask: Callable[..., httpx.Response]) -> None:
    content = "甲,乙\n手機壞了,1\n".encode()
    (head,) = lines(upload(ask, content))
    assert head["text_column"] is None
    assert head["own_columns"] == ["甲", "乙"]
    head, row, end = lines(upload(ask, content, text_column="甲"))
    assert (head["text_column"], row["text"], end) == ("甲", "手機壞了", {"done": True})


def test_what_is_no_table_is_refused(ask: Callable[..., httpx.Response]) -> None:
    assert upload(ask, b"").status_code == 422
    assert upload(ask, b"a\n", name="a.exe").status_code == 422
    assert upload(ask, b"x" * (MAX_BYTES + 1)).status_code == 413
    # what a form of another site could send
    form = ask("POST", "/desk/queue", content=b"a\n", headers={"content-type": "text/plain"}, params={"name": "a.csv"})
    assert form.status_code == 415
