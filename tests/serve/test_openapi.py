"""The description of the service is true: whatever it allows is answered, and nothing is answered with a 5xx."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from starlette.testclient import TestClient

from complaint_nlp.serve.app import create_app
from complaint_nlp.serve.schemas import AnalyzeRequest, BatchItem, CheckReplyRequest, ReportBody, examples
from complaint_nlp.serve.settings import Settings

schemathesis = pytest.importorskip("schemathesis", reason="a development dependency")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from complaint_nlp import Analyzer


@pytest.fixture(scope="module")
def client(analyzer: Analyzer) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(desk=False), analyzer), raise_server_exceptions=False) as client:
        yield client


def test_the_description_has_everything_and_loads_nothing_from_elsewhere(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    assert set(schema["paths"]) == {
        "/v1/analyze", "/v1/analyze:batch", "/v1/check-reply", "/v1/labels", "/healthz", "/readyz", "/metrics",
    }  # fmt: skip
    assert set(schema["components"]["securitySchemes"]) == {"bearer", "key"}
    for path in ("/v1/analyze", "/v1/check-reply"):
        answers = schema["paths"][path]["post"]["responses"]
        assert {"200", "400", "413", "415", "422", "429", "503", "504"} <= set(answers)
        assert set(answers["422"]["content"]) == {"application/problem+json"}
    assert client.get("/docs").status_code == 404


def test_the_examples_are_in_both_scripts_and_work(client: TestClient, analyzer: Analyzer) -> None:
    scripts = set()
    for example in examples().analyze:
        AnalyzeRequest.model_validate(example.body)
        answer = client.post("/v1/analyze", json=example.body)
        assert answer.status_code == 200
        ReportBody.model_validate(answer.json())
        scripts.add(analyzer.analyze(example.body["text"]).script)
    assert {"traditional", "simplified"} <= scripts
    for example in examples().check_reply:
        CheckReplyRequest.model_validate(example.body)
        assert client.post("/v1/check-reply", json=example.body).json()["findings"]
    body = [BatchItem.model_dump(item, mode="json", exclude_unset=True) for item in examples().batch]
    assert client.post("/v1/analyze:batch", json=body).text.count('"report":{"schema_version"') == len(body)


def tried(client: TestClient, operation: Any, mode: Any) -> int:
    """Send what the description of an operation allows, or just does not; return how many requests that were."""
    count = 0

    def check(case: Any) -> None:
        nonlocal count
        kwargs = case.as_transport_kwargs(base_url="http://testserver")
        answer = client.request(**{name: value for name, value in kwargs.items() if value is not None})
        count += 1
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"]

    limits = settings(
        max_examples=25, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    given(operation.as_strategy(generation_mode=mode))(limits(check))()  # type: ignore[no-untyped-call]
    return count


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what schemathesis uses
def test_schemathesis_finds_no_error_of_the_server(client: TestClient) -> None:
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    counts: dict[str, int] = {}
    for found in schema.get_all_operations():
        operation = found.ok()
        modes = [schemathesis.GenerationMode.POSITIVE]
        if operation.body:  # about a GET that takes nothing, nothing can be wrong
            modes.append(schemathesis.GenerationMode.NEGATIVE)
        counts[operation.path] = sum(tried(client, operation, mode) for mode in modes)
    assert len(counts) == 7
    for path in ("/v1/analyze", "/v1/analyze:batch", "/v1/check-reply"):
        assert counts[path] >= 30
