"""What goes in and out of the service: checked where it comes in, described in OpenAPI either way."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from complaint_nlp.labels import Urgency
from complaint_nlp.playbook.reply.check import MAX_REPLY_CHARS
from complaint_nlp.resources import Strict, builtin, load_yaml

_EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)


def _whole(text: object) -> object:
    """Return a text without halves of surrogate pairs, which programs leave that cut an emoji in two."""
    if isinstance(text, str) and any("\ud800" <= char <= "\udfff" for char in text):
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _plausible(moment: datetime) -> datetime:
    if not _EARLIEST <= moment < _LATEST:
        msg = "expected a time from 1990 to 2099"
        raise ValueError(msg)
    return moment


WholeText = Annotated[str, BeforeValidator(_whole)]
Moment = Annotated[
    AwareDatetime,
    # numbers would be read as seconds since 1970, and nobody means that by a time of reception
    BeforeValidator(lambda given: given if isinstance(given, str | datetime) else None, json_schema_input_type=str),
    AfterValidator(_plausible),
]


class AnalyzeRequest(BaseModel):
    """A message, and what to answer about it."""

    model_config = ConfigDict(extra="forbid")

    text: WholeText = Field(
        description="The message in traditional or simplified Chinese, or both.", examples=["快递三天了还没到"]
    )
    received_at: Moment | None = Field(
        default=None,
        description="When it came in (RFC 3339, with time zone); the deadline counts from here. Now, if left out.",
    )
    mask: bool = Field(default=False, strict=True, description="Hide personal data in the answer.")
    plan: bool = Field(default=True, strict=True, description="Make the plan (`strategy`) too; faster without.")
    fault: Literal["ours", "unclear", "customer"] = Field(
        default="unclear", description="Whose fault it is, as far as it is known; it changes the plan."
    )


class BatchItem(AnalyzeRequest):
    """One message of a batch."""

    id: Annotated[str, Field(max_length=200)] | int | None = Field(
        default=None, description="Comes back with the answer, so that it can be told whose it is."
    )


class CheckReplyRequest(BaseModel):
    """A reply to check before it is sent."""

    model_config = ConfigDict(extra="forbid")

    reply: WholeText = Field(max_length=MAX_REPLY_CHARS, description="The draft.")
    message: WholeText | None = Field(
        default=None,
        description="The customer's message: what the reply needs depends on it. Without it a complaint is assumed.",
    )


class SpanBody(BaseModel):
    """Words of the message that speak for a label; positions count characters (code points)."""

    start: int
    end: int
    text: str
    weight: float = Field(ge=0, le=1)


class ResultBody(BaseModel):
    """The answer to one task."""

    labels: list[str | int] = Field(description="The decided values, the primary one first.")
    primary: str | int | None
    scores: dict[str, float] = Field(description="Calibrated probability of every value.")
    confidence: float = Field(ge=0, le=1)
    decision: Literal["auto", "suggest", "review"]
    evidence: list[SpanBody]


class ReasonBody(BaseModel):
    """A safety rule that fired."""

    rule: str
    level: Urgency
    reason: str
    start: int
    end: int
    text: str


class RouteBody(BaseModel):
    """Who takes the case, and by when."""

    department: str
    department_id: str
    respond_by: datetime
    respond_within_hours: float
    escalate: bool
    inform: list[str]


class ReportBody(BaseModel):
    """Everything known about one message; the same as `Report.to_dict()` in Python."""

    schema_version: str
    text: str
    status: Literal["ok", "empty", "too_short", "too_long", "not_chinese", "error"]
    script: str | None
    region: str | None
    intent: ResultBody
    category: ResultBody
    subcategory: ResultBody
    urgency: ResultBody
    emotion: ResultBody
    intensity: ResultBody
    needs: ResultBody
    demands: ResultBody
    urgency_reasons: list[ReasonBody]
    route: RouteBody | None
    facts: list[dict[str, Any]]
    missing: list[str]
    strategy: dict[str, Any] | None = Field(default=None, description="The plan; not there when `plan` is false.")
    error: str | None
    extra: dict[str, ResultBody] | None = Field(default=None, description="Answers to your own tasks.")


class FindingBody(BaseModel):
    """One thing to change in a reply."""

    rule: str
    start: int | None
    end: int | None
    text: str | None
    reason: str
    suggestion: str
    severity: Literal["low", "medium", "high"]


class ReviewBody(BaseModel):
    """What is to be said about a reply."""

    score: int = Field(ge=0, le=100)
    script: str
    findings: list[FindingBody]


class ValueBody(BaseModel):
    """A value of a task with its names."""

    value: str | int
    names: dict[str, str] = Field(description="Display names by language: zh-Hant, zh-Hans, en.")


class TaskBody(BaseModel):
    """One question asked of every message."""

    name: str
    kind: Literal["single", "ordinal", "multilabel", "primary_multilabel"]
    names: dict[str, str] = Field(description="Display names by language: zh-Hant, zh-Hans, en.")
    values: list[ValueBody]


class LabelsBody(BaseModel):
    """The taxonomy."""

    version: str = Field(description="Version of the package.")
    model: str = Field(description="Hash of the model bundle.")
    speed: str
    tasks: list[TaskBody]
    extra_tasks: dict[str, bool] = Field(description="The model's own tasks, and whether several values can apply.")


class HealthBody(BaseModel):
    """Whether the service lives, or is ready."""

    status: Literal["ok"]


class Example(Strict):
    """An example of a request."""

    name: str
    summary: str
    body: dict[str, Any]


class Examples(Strict):
    """The file of examples."""

    analyze: list[Example]
    batch: list[BatchItem]
    check_reply: list[Example]


@cache
def examples() -> Examples:
    """Return the examples in the description of the service."""
    return load_yaml(builtin("serve/examples.yaml"), Examples)


def openapi_examples(listed: list[Example]) -> dict[str, Any]:
    """Return examples as OpenAPI names them."""
    return {example.name: {"summary": example.summary, "value": example.body} for example in listed}
