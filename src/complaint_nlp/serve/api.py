"""The endpoints under ``/v1/``, and those for whoever watches the service."""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Body, Request
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import ValidationError
from pydantic_core import to_json
from starlette.responses import Response, StreamingResponse

from complaint_nlp.facts.find import hidden
from complaint_nlp.facts.identifiers import IDENTIFIERS
from complaint_nlp.labels import LANGUAGES, TASKS, display_name
from complaint_nlp.playbook.reply.check import check_reply
from complaint_nlp.report import Report, Status
from complaint_nlp.serve.gate import BATCH_PATH
from complaint_nlp.serve.problems import MEDIA_TYPE, Problem, ProblemBody, as_problem, invalid, problem_content
from complaint_nlp.serve.schemas import (
    AnalyzeRequest,
    BatchItem,
    CheckReplyRequest,
    HealthBody,
    LabelsBody,
    ReportBody,
    ReviewBody,
    examples,
    openapi_examples,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

    from complaint_nlp.serve.engine import Engine
    from complaint_nlp.serve.metrics import Metrics
    from complaint_nlp.serve.settings import Settings

NDJSON: Final = "application/x-ndjson"
_STUCK_SECONDS: Final = 120.0

_WHAT: Final = {
    400: "The body is not valid JSON in UTF-8.",
    401: "An API key is needed.",
    403: "A page of this origin may not call the service.",
    408: "The body did not arrive in time.",
    413: "The body, or the batch, is too large.",
    415: "The body is of another type, character set or encoding.",
    422: "The body does not fit the schema.",
    429: "Too many messages wait; Retry-After says when to come back.",
    500: "An error of the server.",
    503: "Too many requests, or the service is being stopped; Retry-After says when to come back.",
    504: "Not analysed in time.",
}


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    schema = ProblemBody.model_json_schema()
    definitions = schema.pop("$defs", {})
    schema["properties"]["errors"]["anyOf"][0]["items"] = definitions["FieldProblem"]
    return {status: {"description": _WHAT[status], "content": {MEDIA_TYPE: {"schema": schema}}} for status in statuses}


_OF_BODIES: Final = (400, 401, 403, 408, 413, 415, 422, 429, 500, 503, 504)
_OF_READS: Final = (401, 500, 503)


def add_api(app_router: APIRouter, engine: Engine, settings: Settings, metrics: Metrics, version: str) -> None:
    """Add all endpoints to a router."""
    api = _Api(engine, settings, metrics, version)
    add = app_router.add_api_route
    body: dict[str, Any] = {"responses": _problems(*_OF_BODIES), "tags": ["messages"]}
    read: dict[str, Any] = {"responses": _problems(*_OF_READS)}
    add("/v1/analyze", api.analyze, methods=["POST"], response_model=ReportBody, summary="Analyse a message", **body)
    add(
        BATCH_PATH,
        api.batch,
        methods=["POST"],
        summary="Analyse many messages, answered one a line as they become ready",
        openapi_extra=_batch_body(settings),
        response_class=StreamingResponse,
        tags=["messages"],
        responses={200: _BATCH_ANSWER, **_problems(*_OF_BODIES)},
    )
    add(
        "/v1/check-reply",
        api.check_reply,
        methods=["POST"],
        response_model=ReviewBody,
        summary="Check a reply before it is sent",
        **body,
    )
    add(
        "/v1/labels",
        api.labels,
        methods=["GET"],
        response_model=LabelsBody,
        summary="All tasks and their values, with display names",
        tags=["taxonomy"],
        **read,
    )
    watch: dict[str, Any] = {"methods": ["GET"], "tags": ["operation"]}
    unready: dict[str, Any] = {"responses": _problems(500, 503)}
    add("/healthz", api.health, response_model=HealthBody, summary="Whether the process lives", **watch, **unready)
    add("/readyz", api.ready, response_model=HealthBody, summary="Whether it takes messages", **watch, **unready)
    text: dict[int | str, dict[str, Any]] = {
        200: {"description": "Prometheus' text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
    }
    add(
        "/metrics",
        api.metrics,
        summary="Counts for Prometheus",
        response_class=Response,
        **watch,
        responses={**text, **_problems(*_OF_READS)},
    )


class _Api:
    """The endpoints."""

    def __init__(self, engine: Engine, settings: Settings, metrics: Metrics, version: str) -> None:
        self._engine = engine
        self._settings = settings
        self._metrics = metrics
        self._batches = 0
        self._labels = to_json(_labels(engine, version))

    async def analyze(
        self,
        request: Request,
        asked: Annotated[AnalyzeRequest, Body(openapi_examples=openapi_examples(examples().analyze))],
    ) -> Response:
        """Return the report on one message: labels with confidence and evidence, facts, route, deadline and plan.

        A message that cannot be analysed (empty, no Chinese, ...) is answered too: `status` says why.
        """
        self._check_length(asked.text, "/text")
        request.state.messages = 1
        content = await self._engine.run(
            lambda report: _encoded(_content(report, asked)), asked.text, asked.received_at
        )
        return Response(content, media_type="application/json")

    async def check_reply(
        self,
        asked: Annotated[CheckReplyRequest, Body(openapi_examples=openapi_examples(examples().check_reply))],
    ) -> Response:
        """Return what to change in a reply: words that hurt, what is missing, and a better wording for each."""
        if asked.message is not None:
            self._check_length(asked.message, "/message")
        content = await self._engine.run(
            lambda report: _encoded(check_reply(asked.reply, report).to_dict()), asked.message
        )
        return Response(content, media_type="application/json")

    async def batch(self, request: Request) -> Response:
        """Answer many messages as NDJSON, in their order: a line is `{"index", "id", "report"}`, or `{"index", "id",
        "problem"}` where an item is wrong; `index` counts items from 0. Blank lines count as no item.

        Messages of `/v1/analyze` go first. A stream that ends with fewer lines than items was cut off.
        """  # noqa: D205 - read in OpenAPI
        if self._batches >= self._settings.max_batches:
            detail = f"{self._batches} batches are being answered already; try again in {self._engine.retry_after} s"
            raise Problem(429, detail, headers={"Retry-After": str(self._engine.retry_after), "Connection": "close"})
        if not self._engine.is_running:
            raise Problem(503, "the service is being stopped", headers={"Retry-After": "5", "Connection": "close"})
        self._batches += 1
        try:
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            items = _items(await request.body(), is_array=kind == "application/json", most=self._settings.max_batch)
        except BaseException:
            self._batches -= 1
            raise
        request.state.messages = len(items)
        return _Stream(self._answers(items), self._finish_batch)

    def _finish_batch(self) -> None:
        self._batches -= 1

    async def _answers(self, items: Sequence[object]) -> AsyncGenerator[bytes]:
        answers: list[bytes | None] = []
        asked: list[tuple[int, BatchItem]] = []
        for index, item in enumerate(items):
            try:
                one = _item(item)
                self._check_length(one.text, "/text")
            except Problem as problem:
                answers.append(_line(index, _id_of(item), problem=problem_content(problem)))
            else:
                answers.append(None)
                asked.append((index, one))
        made = self._engine.stream([(one.text, one.received_at, _render(index, one)) for index, one in asked])
        try:
            async with aclosing(made):
                for answer in answers:
                    yield answer if answer is not None else await anext(made)
        except Exception as error:
            # the status has been sent: the last line says it
            yield to_json({"problem": problem_content(error)}) + b"\n"
            if as_problem(error).status_code == 500:  # noqa: PLR2004
                raise

    def _check_length(self, text: str, pointer: str) -> None:
        if len(text) > self._settings.max_chars:
            detail = f"{len(text):,} characters, at most {self._settings.max_chars:,} are accepted"
            raise Problem(413, f"{pointer}: {detail}", errors=[(pointer, detail)])

    async def labels(self) -> Response:
        """Return the taxonomy, and which model answers."""
        return Response(self._labels, media_type="application/json")

    async def health(self) -> Response:
        """Return 200 as long as the process answers at all."""
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def ready(self) -> Response:
        """Return 200 where messages are taken; 503 while it stops, or where a batch has been running for minutes."""
        if not self._engine.is_running or self._engine.stuck_for > _STUCK_SECONDS:
            raise Problem(503, "no messages are taken", headers={"Retry-After": "5"})
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def metrics(self) -> Response:
        """Return the counts."""
        self._metrics.waiting.set(self._engine.waiting)
        return Response(self._metrics.render(), headers={"Content-Type": CONTENT_TYPE_LATEST})


class _Stream(StreamingResponse):
    """An NDJSON answer that says when it has come to an end, however that was."""

    def __init__(self, lines: AsyncGenerator[bytes], at_end: Callable[[], None]) -> None:
        super().__init__(lines, media_type=NDJSON)
        self._lines = lines
        self._at_end = at_end

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - as Starlette has it
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._at_end()
            await self._lines.aclose()


def _content(report: Report | None, asked: AnalyzeRequest) -> dict[str, Any]:
    """Return the report as it was asked for. Without the plan it takes half the time."""
    assert report is not None  # noqa: S101 - there is a text
    bare = replace(report, handling=None)  # has neither facts nor plan, which would be made anew
    facts, missing = report.facts, report.missing
    # what has been read and names nobody hides nothing; only what was not read is looked at here
    if asked.mask and (report.status is not Status.OK or facts.of(*IDENTIFIERS)):
        bare = bare.masked()
        facts = hidden(facts, bare.text)
    content = bare.to_dict()
    content["facts"] = [fact.to_dict() for fact in facts.items]
    content["missing"] = list(missing)
    if not asked.plan:
        del content["strategy"]
    elif report.status is Status.OK:
        plan = report.plan(asked.fault)
        content["strategy"] = None if plan is None else plan.to_dict()
    return content


def _encoded(content: dict[str, Any]) -> bytes:
    try:
        return to_json(content)
    except ValueError:  # half a surrogate pair, which has an escape but no UTF-8
        return json.dumps(content).encode()


def _render(index: int, asked: BatchItem) -> Callable[[Report | None], bytes]:
    def render(report: Report | None) -> bytes:
        try:
            return _line(index, asked.id, report=_content(report, asked))
        except Exception as error:  # noqa: BLE001 - the other messages go on
            return _line(index, asked.id, problem=problem_content(error))

    return render


def _line(index: int, given: object, **content: dict[str, Any]) -> bytes:
    return _encoded({"index": index, **({} if given is None else {"id": given}), **content}) + b"\n"


def _items(content: bytes, *, is_array: bool, most: int) -> list[object]:
    """Return the items of a batch, those of NDJSON still as they came.

    Raises:
        Problem: it is no array, not UTF-8, or has too many items.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Problem(400, f"the body is not UTF-8: byte {error.start:,} cannot be read") from None
    items: list[object] = []
    if is_array:
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Problem(400, f"the body is not valid JSON: {_reason(error)}") from None
        if not isinstance(parsed, list):
            raise Problem(422, "expected an array of messages", errors=[("", "expected an array")])
        items = parsed
    else:
        items.extend(_lines(text))
    if len(items) > most:
        raise Problem(413, f"{len(items):,} messages, at most {most:,} are accepted; send them in parts")
    return items


def _lines(text: str) -> Iterator[bytes]:
    # not splitlines(): that also cuts at characters which may stand inside of JSON
    return (line.encode() for line in text.split("\n") if line.strip())


def _reason(error: Exception) -> str:
    # the exception's own message holds nothing of the body
    return f"{error.msg}, line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "nested too deeply"


def _item(item: object) -> BatchItem:
    """Return one item, checked.

    Raises:
        Problem: it is wrong.
    """
    if isinstance(item, bytes):
        try:
            item = json.loads(item)
        except (ValueError, RecursionError) as error:
            raise Problem(400, f"the line is not valid JSON: {_reason(error)}") from None
    try:
        return BatchItem.model_validate({"text": item} if isinstance(item, str) else item)
    except ValidationError as error:
        raise invalid(error.errors()) from None


def _id_of(item: object) -> str | int | None:
    """Return the id of an item that is otherwise wrong, where it has one."""
    try:
        found = json.loads(item) if isinstance(item, bytes) else item
    except (ValueError, RecursionError):
        return None
    given = found.get("id") if isinstance(found, dict) else None
    return given if isinstance(given, int) or (isinstance(given, str) and len(given) <= 200) else None  # noqa: PLR2004


def _labels(engine: Engine, version: str) -> dict[str, Any]:
    def names(task: str, value: str | None = None) -> dict[str, str]:
        return {language: display_name(task, value, language) for language in LANGUAGES}

    return {
        "version": version,
        "model": engine.analyzer.bundle.hash,
        "speed": engine.analyzer.speed,
        "tasks": [
            {
                "name": name,
                "kind": task.kind,
                "names": names(name),
                "values": [
                    {"value": int(value) if name == "intensity" else value, "names": names(name, value)}
                    for value in task.values
                ],
            }
            for name, task in TASKS.items()
        ],
        "extra_tasks": engine.analyzer.extra_tasks,
    }


_BATCH_ANSWER: Final[dict[str, Any]] = {
    "description": "One JSON object a line, in the order of the items.",
    "content": {NDJSON: {"schema": {"type": "string"}}},
}


def _batch_body(settings: Settings) -> dict[str, Any]:
    """Return how OpenAPI describes the body of a batch."""
    item = BatchItem.model_json_schema()
    shown = [one.model_dump(mode="json", exclude_unset=True) for one in examples().batch]
    array = {"type": "array", "maxItems": settings.max_batch, "items": {"anyOf": [{"type": "string"}, item]}}
    lines = "\n".join(json.dumps(one, ensure_ascii=False) for one in shown) + "\n"
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": array, "examples": {"both_scripts": {"value": shown}}},
                NDJSON: {"schema": {"type": "string"}, "examples": {"both_scripts": {"value": lines}}},
            },
        }
    }
