"""The desk page: what an agent sees. Files of the page, and under ``/desk/`` what only the page asks for."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator  # noqa: TC003 - FastAPI reads annotations
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, Self

from fastapi import APIRouter, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import to_json

from complaint_nlp.errors import DataError
from complaint_nlp.labelled import check_values
from complaint_nlp.labels import LANGUAGES, TASKS
from complaint_nlp.playbook.strategy.when import FAULTS, Fault
from complaint_nlp.serve.desk_corrections import Correction, CorrectionsFile
from complaint_nlp.serve.desk_queue import MAX_BYTES, QueueRows, QueueTable, TableError, TooLargeError, read_table
from complaint_nlp.serve.desk_texts import accepted_language, desk_file, texts
from complaint_nlp.serve.problems import CODES, Problem, problem_content
from complaint_nlp.serve.schemas import Moment, WholeText

if TYPE_CHECKING:
    from pathlib import Path

    from complaint_nlp.batch.formats import Row
    from complaint_nlp.report import Report
    from complaint_nlp.serve.engine import Engine
    from complaint_nlp.serve.settings import Settings

_LOG = logging.getLogger(__name__)

_SIMILAR: Final = 5
_LEAST_SIMILARITY: Final = 0.3
"""Cases below it have little more in common with a message than being a complaint."""
_TYPES: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class CaseQuestion(BaseModel):
    """A message to show, and whose fault it is as far as the agent knows."""

    model_config = ConfigDict(extra="forbid")

    text: WholeText
    received_at: Moment | None = None
    fault: Fault = "unclear"


class CorrectionGiven(BaseModel):
    """What the right label of a message is: one value, or several for a task that allows several."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[WholeText, Field(min_length=1)]
    task: str
    value: str | list[str]
    reviewer: Annotated[str, Field(max_length=200)] | None = None

    @model_validator(mode="after")
    def _fits_the_task(self) -> Self:
        task = TASKS.get(self.task)
        if task is None:
            msg = f"there is no task {self.task!r}; use one of {', '.join(TASKS)}"
            raise ValueError(msg)
        if task.is_multilabel != isinstance(self.value, list):
            msg = f"{self.task}: {'a list of values' if task.is_multilabel else 'one value'} is needed"
            raise ValueError(msg)
        check_values(self.value if isinstance(self.value, list) else [self.value], task)
        if self.task == "emotion" and not self.value:
            msg = "emotion: at least one value is needed"
            raise ValueError(msg)
        return self


class _Asset(NamedTuple):
    content: bytes
    media_type: str
    etag: str


def add_desk(app: FastAPI, settings: Settings, engine: Engine) -> None:
    """Mount the desk page at ``/``, its files under ``/static/`` and what it asks for under ``/desk/``.

    Args:
        app: the service.
        settings: ``corrections`` names the file that corrected labels are appended to; without, none are taken.
        engine: analyses the messages.

    Raises:
        ConfigError: the texts of the page are wrong.
    """
    desk = _Desk(settings.corrections, engine)
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/", desk.page, methods=["GET", "HEAD"])
    router.add_api_route("/static/{name}", desk.static, methods=["GET", "HEAD"])
    router.add_api_route("/desk/setup", desk.setup, methods=["GET"])
    router.add_api_route("/desk/case", desk.case, methods=["POST"])
    router.add_api_route("/desk/corrections", desk.correct, methods=["POST"])
    router.add_api_route("/desk/queue", desk.queue, methods=["POST"])
    app.include_router(router)


def is_page(path: str) -> bool:
    """Return whether a path is part of the page itself: it holds no data, and has to load to ask for an API key."""
    return path in ("/", "/desk/setup") or path.startswith("/static/")


class _Desk:
    """The endpoints of the page."""

    def __init__(self, corrections: Path | None, engine: Engine) -> None:
        self._engine = engine
        self._corrections = None if corrections is None else CorrectionsFile(corrections)
        self._assets = _assets()
        self._setup = _fixed_setup()

    async def page(self, request: Request) -> Response:
        return self._asset("index.html", request)

    async def static(self, name: str, request: Request) -> Response:
        if name == "index.html":
            raise HTTPException(404, "the page is at /")
        return self._asset(name, request)

    def _asset(self, name: str, request: Request) -> Response:
        asset = self._assets.get(name)
        if asset is None:
            raise HTTPException(404, "the desk page has no such file")
        headers = {**_HEADERS, "Cache-Control": "no-cache", "ETag": asset.etag}
        if request.headers.get("if-none-match") == asset.etag:
            return Response(status_code=304, headers=headers)
        return Response(asset.content, media_type=asset.media_type, headers=headers)

    async def setup(self, accept_language: Annotated[str, Header()] = "") -> Response:
        """Return the texts of the page, and what this server can do."""
        analyzer = self._engine.analyzer
        content = {
            **self._setup,
            "language": accepted_language(accept_language),
            "corrections": self._corrections is not None,
            "model": analyzer.bundle.hash[:12],
            "max_chars": analyzer.max_chars,
        }
        return _json(content, {"Vary": "Accept-Language"})

    async def case(self, question: CaseQuestion) -> Response:
        """Return the report with the plan for this fault, and similar cases where the server knows any."""
        render = partial(_case, fault=question.fault)
        return _json(await self._engine.run(render, question.text, question.received_at))

    async def correct(self, given: CorrectionGiven) -> Response:
        """Append a correction to the file."""
        if self._corrections is None:
            detail = "this server keeps no corrections; start it with --corrections FILE"
            raise Problem(404, detail, code="corrections_off")
        analyzer = self._engine.analyzer
        if len(given.text) > analyzer.max_chars:
            detail = f"the message is longer than {analyzer.max_chars:,} characters"
            raise Problem(413, detail, code="text_too_long", limit=analyzer.max_chars)
        # asked again rather than taken from the page, so that guess and model surely belong together
        result = (await self._engine.analyze(given.text)).task(given.task)
        labels = [str(label) for label in result.labels]
        correction = Correction(
            text=given.text,
            task=given.task,
            value=given.value,
            guess=labels if TASKS[given.task].is_multilabel else labels[0] if labels else None,
            model=analyzer.bundle.hash,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            reviewer=(given.reviewer or "").strip() or None,
        )
        try:
            await asyncio.to_thread(self._corrections.append, correction)
        except DataError as error:
            # the path is the operator's business
            _LOG.error("%s", error)
            detail = "the correction could not be written; the server's log says why"
            raise Problem(503, detail, code="correction_not_written") from error
        return _json({"task": correction.task, "value": correction.value, "guess": correction.guess})

    async def queue(
        self,
        request: Request,
        name: Annotated[str, Query(max_length=1_000)],
        text_column: Annotated[str | None, Query(max_length=1_000)] = None,
    ) -> Response:
        """Return an uploaded table labelled, as NDJSON: what it is, one row a line, and ``{"done": true}``."""
        # a type that no form of another site can send
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/octet-stream":
            raise HTTPException(415, "send the file itself, as application/octet-stream")
        try:
            table = await asyncio.to_thread(read_table, await _body(request), name, text_column)
        except TableError as error:
            status = 413 if isinstance(error, TooLargeError) else 422
            raise Problem(status, str(error), code=error.code, limit=error.limit) from error
        return StreamingResponse(
            self._labelled(table), media_type="application/x-ndjson", headers={**_HEADERS, "Cache-Control": "no-store"}
        )

    async def _labelled(self, table: QueueTable) -> AsyncIterator[bytes]:
        rows = QueueRows(table, self._engine.analyzer.extra_tasks)
        yield to_json(rows.head()) + b"\n"
        if table.text_column is None:  # the agent names it, and the page sends the table again
            return

        def render(row: Row, report: Report | None) -> bytes:
            return to_json(rows.row(row, report)) + b"\n"

        jobs = [(table.text_of(row), table.received_at(row), partial(render, row)) for row in table.rows]
        try:
            async for line in self._engine.stream(jobs):
                yield line
        except Exception as error:  # noqa: BLE001 - the status has been sent: the page must learn it from the stream
            _LOG.warning("a table was given up after an error: %s", type(error).__name__)
            yield to_json({"error": problem_content(error)}) + b"\n"
            return
        yield b'{"done":true}\n'


def _case(report: Report | None, fault: Fault) -> bytes:
    assert report is not None  # noqa: S101 - the engine gives one for every text
    content = report.to_dict()
    if fault != "unclear":
        plan = report.plan(fault)
        content["strategy"] = None if plan is None else plan.to_dict()
    known = report.handling is not None and report.handling.cases is not None
    similar = [
        {
            "text": found.case.text,
            "handling": found.case.handling,
            "outcome": found.case.outcome,
            "reviewed": found.case.reviewed is not None,
            "source_id": found.case.source_id,
            "similarity": found.similarity,
        }
        for found in (report.similar(_SIMILAR) if known else ())
        if found.similarity >= _LEAST_SIMILARITY
    ]
    return to_json({"report": content, "similar": similar if known else None})


def _fixed_setup() -> dict[str, Any]:
    """Return the part of the setup that never changes."""
    file = desk_file()
    return {
        "texts": {language: texts(language) for language in LANGUAGES},
        "tasks": {name: {"values": list(task.values), "several": task.is_multilabel} for name, task in TASKS.items()},
        "faults": list(FAULTS),
        "codes": CODES,
        "samples": [
            {"title": {language: sample.title.get(language) for language in LANGUAGES}, "text": sample.text}
            for sample in file.samples
        ],
    }


def _assets() -> dict[str, _Asset]:
    """Return the files of the page by name; they are few and small, and no path is ever built from a request."""
    found = {}
    for file in files("complaint_nlp.serve").joinpath("static").iterdir():
        media_type = _TYPES.get(f".{file.name.rpartition('.')[2]}")
        if media_type is not None:
            content = file.read_bytes()
            etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            found[file.name] = _Asset(content, f"{media_type}; charset=utf-8", etag)
    return found


async def _body(request: Request) -> bytes:
    """Return the body of a request.

    Raises:
        TooLargeError: it is larger than a table may be; the rest is not read.
    """
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_BYTES:
            msg = f"the table is larger than {MAX_BYTES:,} bytes; label it with complaint-nlp label"
            raise TooLargeError(msg, "table_too_large", MAX_BYTES)
    return bytes(content)


def _json(content: dict[str, Any] | bytes, headers: dict[str, str] | None = None) -> Response:
    return Response(
        content if isinstance(content, bytes) else to_json(content),
        media_type="application/json",
        headers={**_HEADERS, "Cache-Control": "no-store", **(headers or {})},
    )
