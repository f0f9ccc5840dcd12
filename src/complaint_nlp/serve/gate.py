"""What every request passes: its id, the log, the counts, the key, and the limits of its body."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

from starlette.datastructures import Headers, MutableHeaders

from complaint_nlp.serve.desk import is_page
from complaint_nlp.serve.keys import key_in
from complaint_nlp.serve.logs import log_error
from complaint_nlp.serve.problems import Problem, as_problem, problem_response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from complaint_nlp.serve.keys import ApiKeys
    from complaint_nlp.serve.metrics import Metrics
    from complaint_nlp.serve.settings import Settings

BATCH_PATH: Final = "/v1/analyze:batch"
OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
_JSON: Final = ("application/json",)
_TYPES: Final = {
    "/v1/analyze": _JSON,
    "/v1/check-reply": _JSON,
    BATCH_PATH: ("application/json", "application/x-ndjson", "application/jsonl"),
}
_SANE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_CLOSE: Final = {"Connection": "close"}  # the rest of the body is not read, so nothing can follow on the connection
_LEAST_RATE: Final = 50_000
"""Bytes a second that a large body must come at, once the time for a small one is over."""

_LOG = logging.getLogger("complaint_nlp.serve.access")
_ERRORS = logging.getLogger("complaint_nlp.serve")


class Gate:
    """Names, counts and logs every request, and answers whatever error nobody else did.

    Args:
        app: the rest of the application.
        settings: limits and times.
        metrics: where requests are counted.
    """

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; its log line is written when the answer has been sent."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id, self._settings.send_timeout)
        started = time.perf_counter()
        self._running += 1
        self._metrics.in_progress.inc()
        try:
            if self._running > self._settings.max_requests:
                detail = f"{self._settings.max_requests} requests are being answered already; try again later"
                headers = {"Retry-After": "1", **_CLOSE}
                raise Problem(503, detail, headers=headers)  # noqa: TRY301 - answered like every other error
            await self._app(scope, receive, answer.send)
        except Exception as error:  # noqa: BLE001 - the last place that can answer
            if as_problem(error).status_code == 500:  # noqa: PLR2004
                log_error(_ERRORS, "an error of the server", error, request_id=request_id)
            if not answer.status:
                await problem_response(error, request_id)(scope, receive, answer.send)
        finally:
            self._running -= 1
            self._metrics.in_progress.dec()
            self._report(scope, answer, time.perf_counter() - started)

    def _report(self, scope: Scope, answer: _Answer, seconds: float) -> None:
        # an address that is not ours may hold anything, and there are endless ones
        known = scope["path"] if scope["path"] in _TYPES else "(none)"
        route = getattr(scope.get("route"), "path", known)
        method = scope["method"] if scope["method"] in _METHODS else "(other)"
        self._metrics.requests.labels(method, route, str(answer.status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        if route in OPEN_PATHS and answer.status == 200:  # noqa: PLR2004 - asked every few seconds
            return
        if _LOG.isEnabledFor(logging.INFO):
            own = {
                "method": method,
                "route": route,
                "status": answer.status,
                "duration_ms": round(seconds * 1000, 1),
                "bytes_in": scope["state"].get("bytes_in", 0),
                "bytes_out": answer.bytes_out,
            }
            _LOG.info("request", extra={**own, **_picked(scope["state"], "request_id", "key", "messages")})


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _picked(state: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: state[name] for name in names if name in state}


class _Answer:
    """An answer on its way: its status and size, and a client that does not read it is given up."""

    def __init__(self, send: Send, request_id: str, timeout: float) -> None:
        self._send = send
        self._request_id = request_id
        self._timeout = timeout
        self.status = 0
        self.bytes_out = 0

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._request_id
            headers.setdefault("X-Content-Type-Options", "nosniff")
            headers.setdefault("Cache-Control", "no-store")
        else:
            self.bytes_out += len(message.get("body", b""))
        async with asyncio.timeout(self._timeout):
            await self._send(message)


class Entrance:
    """Lets in who has a key, and a body only of the right kind and size, and in time.

    Args:
        app: the rest of the application.
        settings: limits and times.
        keys: the keys that open it.
    """

    def __init__(self, app: ASGIApp, settings: Settings, keys: ApiKeys) -> None:
        self._app = app
        self._settings = settings
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on that may pass."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check_key(scope)
            self._check_site(scope)
            limited = self._limited(scope, receive)
        except Problem as problem:
            await problem_response(problem, scope["state"]["request_id"])(scope, receive, send)
            return
        await self._app(scope, limited, send)

    def _check_key(self, scope: Scope) -> None:
        path = scope["path"]
        if not self._keys or path in OPEN_PATHS or (self._settings.desk and is_page(path)):
            return  # the page holds no data and asks for a key itself
        given = key_in(scope["headers"])
        name = None if given is None else self._keys.name_of(given)
        if name is None:
            headers = {"WWW-Authenticate": 'Bearer realm="complaint-nlp"', **_CLOSE}
            what = "no API key was given" if given is None else "this API key is not known"
            raise Problem(401, f"{what}; send 'Authorization: Bearer KEY' or 'X-API-Key: KEY'", headers=headers)
        scope["state"]["key"] = name

    def _check_site(self, scope: Scope) -> None:
        """Refuse what a browser sends for the page of another site, which may know neither keys nor answers."""
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return
        headers = Headers(scope=scope)
        if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            allowed = self._settings.cors_origins
            if headers.get("origin") not in allowed and "*" not in allowed:
                raise Problem(403, "pages of this origin may not call the service; see --cors-origins", headers=_CLOSE)

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """Return how the body is received: what is too large or too slow ends with an error while it comes in."""
        headers = Headers(scope=scope)
        path = scope["path"]
        large = path == BATCH_PATH or path.startswith("/desk/")
        limit = self._settings.max_batch_bytes if large else self._settings.max_body_bytes
        if scope["method"] == "POST" and path in _TYPES:
            _check_type(headers, _TYPES[path])
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > limit:
            raise _too_large(limit)
        return _Body(receive, limit, self._settings.body_timeout, scope["state"]).receive


def _check_type(headers: Headers, accepted: tuple[str, ...]) -> None:
    """Refuse what is not JSON in UTF-8.

    Raises:
        Problem: it is something else (415).
    """
    kind, *parameters = [part.strip().lower() for part in headers.get("content-type", "").split(";")]
    if kind not in accepted:
        raise Problem(
            415, f"send the body as {' or '.join(accepted)}", headers={**_CLOSE, "Accept": ", ".join(accepted)}
        )
    charset = next((part.partition("=")[2].strip('"') for part in parameters if part.startswith("charset=")), "utf-8")
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise Problem(415, "JSON is sent in UTF-8; convert the body before", headers=_CLOSE)
    if headers.get("content-encoding", "identity").lower() != "identity":
        detail = "compressed bodies are not read; send it as it is"
        raise Problem(415, detail, headers={**_CLOSE, "Accept-Encoding": "identity"})


def _too_large(limit: int) -> Problem:
    return Problem(413, f"the body is larger than {limit:,} bytes; send less at a time", headers=_CLOSE)


class _Body:
    """Receives a body within its limits."""

    def __init__(self, receive: Receive, limit: int, timeout: float, state: dict[str, Any]) -> None:
        self._receive = receive
        self._limit = limit
        self._state = state
        self._received = 0
        self._complete = False
        self._timeout = timeout
        self._started = asyncio.get_running_loop().time()

    async def receive(self) -> Message:
        """Return the next part of the body."""
        if self._complete:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._started + self._timeout + self._received / _LEAST_RATE):
                message = await self._receive()
        except TimeoutError:
            raise Problem(
                408, "the body did not arrive in time; send it faster, or less of it", headers=_CLOSE
            ) from None
        self._received += len(message.get("body", b""))
        self._state["bytes_in"] = self._received
        if self._received > self._limit:
            raise _too_large(self._limit)
        self._complete = not message.get("more_body", False)
        return message
