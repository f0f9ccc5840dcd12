"""What goes wrong is answered as RFC 9457 says: ``application/problem+json``, and never with the customer's words."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response

from complaint_nlp.serve.engine import BusyError, StoppedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fastapi import FastAPI
    from starlette.requests import Request

MEDIA_TYPE: Final = "application/problem+json"
_MOST_ERRORS: Final = 10
_FASTAPI_UNREADABLE: Final = "There was an error parsing the body"
_RETRY_LATER: Final = 5
_MOST_POINTER_CHARS: Final = 100

Code = Literal[
    "invalid_body",
    "key_needed",
    "forbidden",
    "not_found",
    "wrong_method",
    "too_slow",
    "body_too_large",
    "text_too_long",
    "wrong_type",
    "invalid_value",
    "wrong_time",
    "busy",
    "stopping",
    "timeout",
    "server_error",
    "corrections_off",
    "correction_not_written",
    "table_kind",
    "table_empty",
    "table_header",
    "table_column",
    "table_encoding",
    "table_unreadable",
    "table_too_large",
    "table_too_many_rows",
]
"""What went wrong, for programs, and for the desk page, which words it in the language of its interface."""
RejectCode = Literal["row_encoding", "row_cells", "row_json"]
"""Why a row of an uploaded table could not be read."""
CODES: Final[dict[int, Code]] = {
    400: "invalid_body",
    401: "key_needed",
    403: "forbidden",
    404: "not_found",
    405: "wrong_method",
    408: "too_slow",
    413: "body_too_large",
    415: "wrong_type",
    422: "invalid_value",
    429: "busy",
    500: "server_error",
    502: "server_error",
    503: "busy",
    504: "timeout",
}
"""What a status means that says no more, as those of proxies do."""


class FieldProblem(BaseModel):
    """One thing that is wrong with a body."""

    pointer: str = Field(description="JSON pointer to the value, or 'query/name' for a parameter.")
    detail: str = Field(description="What is wrong with it.")


class ProblemBody(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(default="about:blank", description="Always about:blank: the status says which kind it is.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status.")
    code: Code = Field(description="What was wrong, as a name that stays the same.")
    detail: str = Field(description="What was wrong, and what to do.")
    limit: int | None = Field(default=None, description="What may be at most: characters, bytes or rows.")
    request_id: str | None = Field(default=None, description="Names this request in the server's log.")
    errors: list[FieldProblem] | None = Field(default=None, description="What is wrong with the body, value by value.")


class Problem(HTTPException):
    """An answer that is an error.

    Args:
        status: HTTP status.
        detail: what was wrong and what to do; nothing of what a customer wrote.
        headers: further headers of the answer.
        errors: JSON pointer and problem of every wrong value.
        code: what went wrong; what the status means in general when ``None``.
        limit: how many characters, bytes or rows may be at most, where there were more.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[tuple[str, str]] = (),
        code: Code | None = None,
        limit: int | None = None,
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.errors = errors
        self.code = code or _code_of(status, is_value=bool(errors))
        self.limit = limit


def _code_of(status: int, *, is_value: bool) -> Code:
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and is_value:
        return "text_too_long"
    return CODES.get(status, "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_value")


def problem_content(error: Exception, request_id: str | None = None) -> dict[str, Any]:
    """Return what is said about an error, as ``ProblemBody`` describes it."""
    problem = as_problem(error)
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status_code).phrase,
        "status": problem.status_code,
        "code": problem.code,
        "detail": problem.detail,
    }
    if problem.limit is not None:
        content["limit"] = problem.limit
    if request_id is not None:
        content["request_id"] = request_id
    if problem.errors:
        content["errors"] = [{"pointer": pointer, "detail": detail} for pointer, detail in problem.errors]
    return content


def as_problem(error: Exception) -> Problem:
    """Return the answer to an error; 500, without a word about it, where it is none that was foreseen."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, BusyError):
        detail = f"{error}; try again in {error.retry_after} s"
        return Problem(429, detail, headers={"Retry-After": str(error.retry_after)})
    if isinstance(error, StoppedError):
        return Problem(503, str(error), headers={"Retry-After": str(_RETRY_LATER)}, code="stopping")
    if isinstance(error, TimeoutError):
        return Problem(504, "not analysed in time; the server is overloaded, or the message is very long")
    if isinstance(error, RequestValidationError):
        return invalid(error.errors())
    if isinstance(error, HTTPException):
        return Problem(error.status_code, _detail_of(error), headers=error.headers)
    return Problem(500, "an error of the server; its log says more under this request id")


def _detail_of(error: HTTPException) -> str:
    if error.status_code == HTTPStatus.NOT_FOUND and error.detail == HTTPStatus.NOT_FOUND.phrase:
        return "there is nothing at this address; /openapi.json lists what there is"
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return f"this address takes {(error.headers or {}).get('Allow', 'another method')}"
    if error.detail == _FASTAPI_UNREADABLE:
        return "the body is not valid JSON: it is not in UTF-8, or nested too deeply"
    return str(error.detail)


def invalid(errors: Iterable[Mapping[str, Any]]) -> Problem:
    """Return the answer to a body that does not fit its schema: 400 where it is no JSON at all, else 422."""
    found = list(errors)
    if any(error["type"] == "json_invalid" for error in found):
        reason = str(found[0].get("ctx", {}).get("error", found[0]["msg"]))
        return Problem(400, f"the body is not valid JSON: {reason}")
    listed = [(_pointer(error["loc"]), str(error["msg"])) for error in found[:_MOST_ERRORS]]
    more = f" and {len(found) - _MOST_ERRORS} more" if len(found) > _MOST_ERRORS else ""
    code, limit = _code_of_value(found[0])
    return Problem(422, f"{listed[0][0] or 'the body'}: {listed[0][1]}{more}", errors=listed, code=code, limit=limit)


def _code_of_value(error: Mapping[str, Any]) -> tuple[Code, int | None]:
    if error["type"] == "string_too_long":
        return "text_too_long", error["ctx"]["max_length"]
    return ("wrong_time" if "received_at" in error["loc"] else "invalid_value"), None


def _pointer(where: Sequence[int | str]) -> str:
    if where and where[0] in ("query", "path", "header"):
        return "/".join(map(str, where))
    keys = where[1:] if where and where[0] == "body" else where
    return "".join(f"/{str(key).replace('~', '~0').replace('/', '~1')[:_MOST_POINTER_CHARS]}" for key in keys)


def problem_response(error: Exception, request_id: str | None = None) -> Response:
    """Return the answer to an error."""
    problem = as_problem(error)
    return Response(
        to_json(problem_content(problem, request_id)), problem.status_code, dict(problem.headers or {}), MEDIA_TYPE
    )


def add_problem_handlers(app: FastAPI) -> None:
    """Let the application answer its errors in this form, those of its frameworks too."""

    async def handler(request: Request, error: Exception) -> Response:
        return problem_response(error, request.scope.get("state", {}).get("request_id"))

    for kind in (HTTPException, RequestValidationError, BusyError, StoppedError, TimeoutError):
        app.add_exception_handler(kind, handler)
