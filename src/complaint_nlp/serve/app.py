"""The application: the endpoints, what every request passes on its way to them, and how it begins and ends."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI

from complaint_nlp import __version__
from complaint_nlp.analyzer import Analyzer
from complaint_nlp.classify.runtime import cores
from complaint_nlp.playbook.reply.check import check_reply
from complaint_nlp.serve.api import add_api
from complaint_nlp.serve.engine import Engine
from complaint_nlp.serve.gate import Entrance, Gate
from complaint_nlp.serve.keys import ApiKeys
from complaint_nlp.serve.metrics import Metrics
from complaint_nlp.serve.problems import add_problem_handlers
from complaint_nlp.serve.schemas import examples
from complaint_nlp.serve.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_ABOUT = """Reads customer complaints in traditional and simplified Chinese: what a message is about, how urgent it is,
how the customer feels and what they want, with the words that say so, a route, a deadline, a plan and a first reply."""


def create_app(settings: Settings | None = None, analyzer: Analyzer | None = None) -> FastAPI:
    """Return the service as an ASGI application.

    Its lifespan starts and stops the threads that analyse, so a server has to run it (all do).

    Args:
        settings: all settings; the defaults when ``None``.
        analyzer: what analyses; loaded as the settings say when ``None``.

    Raises:
        ConfigError: a rule file, the playbook or the file of API keys is wrong.
        ModelError: the model cannot be loaded.
        DataError: the case base cannot be opened.
    """
    settings = settings or Settings()
    keys = ApiKeys.load(settings.api_keys, settings.api_key_hashes)
    analyzer = analyzer or load_analyzer(settings)
    metrics = Metrics(__version__, analyzer.bundle.hash[:12])
    engine = Engine(analyzer, settings, metrics)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await engine.start()
        try:
            yield
        finally:
            await engine.stop()
            metrics.close()

    app = FastAPI(
        title="complaint-nlp",
        version=__version__,
        description=_ABOUT,
        lifespan=lifespan,
        # these pages load scripts from elsewhere
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    router = APIRouter()
    add_api(router, engine, settings, metrics, __version__)
    app.include_router(router)
    add_problem_handlers(app)
    if settings.desk:
        from complaint_nlp.serve.desk import add_desk

        add_desk(app, settings, engine)
    _add_middleware(app, settings, metrics, keys)
    _describe_keys(app)
    return app


def load_analyzer(settings: Settings) -> Analyzer:
    """Return the analyzer that the settings describe, ready: facts and plans load their files when first asked for."""
    analyzer = Analyzer.load(
        settings.model,
        routing=settings.routing,
        safety_rules=settings.safety_rules,
        playbook=settings.playbook,
        cases=settings.cases,
        max_chars=settings.max_chars,
        speed=settings.speed,
        # more passes at a time than there are cores hinder each other
        threads=settings.threads or max(1, cores() // (settings.concurrency * settings.workers)),
    )
    for example in examples().analyze:
        report = analyzer.analyze(example.body["text"]).masked()
        check_reply("", report)
    return analyzer


def _add_middleware(app: FastAPI, settings: Settings, metrics: Metrics, keys: ApiKeys) -> None:
    # the last one added is the first to see a request
    app.add_middleware(Entrance, settings=settings, keys=keys)
    if settings.cors_origins:
        from starlette.middleware.cors import CORSMiddleware

        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key", "X-Request-ID"],
            expose_headers=["X-Request-ID", "Retry-After"],
        )
    app.add_middleware(Gate, settings=settings, metrics=metrics)


def _describe_keys(app: FastAPI) -> None:
    """Let the description of the service say how a key is sent."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = made()
            schema.setdefault("components", {})["securitySchemes"] = {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            }
            schema["security"] = [{}, {"bearer": []}, {"key": []}]
            # answered in another form: see the responses of every operation
            for name in ("HTTPValidationError", "ValidationError"):
                schema["components"].get("schemas", {}).pop(name, None)
        described: dict[str, Any] = app.openapi_schema or {}
        return described

    app.openapi = openapi  # type: ignore[method-assign]
