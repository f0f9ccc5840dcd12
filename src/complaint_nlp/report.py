"""What an analysis returns: frozen, typed values and their forms as dict, JSON, Arrow columns and HTML."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from complaint_nlp.labels import TASKS, Category, Demand, Emotion, Intent, Language, Need, Subcategory, Urgency
from complaint_nlp.labels import display_name as name_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import pyarrow as pa

L = TypeVar("L", bound="str | int")

SCHEMA_VERSION: Final = "1"
"""Version of the dict, JSON and column forms. It changes when a field changes its name or meaning."""


class Status(StrEnum):
    """Whether and why a message was analysed."""

    OK = "ok"
    EMPTY = "empty"
    """``None``, an empty text, or nothing but blanks and invisible characters."""
    TOO_SHORT = "too_short"
    """A single character is left after cleaning."""
    TOO_LONG = "too_long"
    """More characters than the analyzer accepts."""
    NOT_CHINESE = "not_chinese"
    """Too few Chinese characters to judge."""
    ERROR = "error"
    """The input is no text, or its analysis failed; ``Report.error`` says why."""


class Decision(StrEnum):
    """How far an answer can be trusted without a person looking at it."""

    AUTO = "auto"
    """Reached the probability at which the stated precision for automatic use was measured."""
    SUGGEST = "suggest"
    """Good enough to propose to a person."""
    REVIEW = "review"
    """The model does not know: a person decides."""


class Span(NamedTuple):
    """Words of the original message that speak for a label.

    Attributes:
        start: index of the first character in the original message.
        end: index after the last character.
        text: the words, as the customer wrote them.
        weight: share of the label's positive evidence, 0 to 1.
    """

    start: int
    end: int
    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class LabelResult(Generic[L]):
    """The answer to one task.

    Attributes:
        labels: the decided values, the primary one first; empty when none applies or the message was not analysed.
        scores: calibrated probability (0 to 1) of every value of the task. They sum to 1 where exactly one applies.
        confidence: calibrated probability (0 to 1) of the answer: of the primary value, or that none applies.
        decision: whether the answer can be used as it is.
        evidence: the words that speak most for the primary value, strongest first.
    """

    labels: tuple[L, ...] = ()
    scores: Mapping[L, float] = field(default_factory=dict)
    confidence: float = 0.0
    decision: Decision = Decision.REVIEW
    evidence: tuple[Span, ...] = ()

    @property
    def primary(self) -> L | None:
        """The first label, ``None`` when there is none."""
        return self.labels[0] if self.labels else None


@dataclass(frozen=True, slots=True)
class UrgencyReason:
    """Why a message is as urgent as it is: a safety rule that fired.

    Attributes:
        rule: identifier of the rule in the rule file.
        level: the urgency the rule asks for.
        reason: the explanation in the customer's script.
        start: index of the first character of the words that fired, in the original message.
        end: index after the last character.
        text: the words that fired.
    """

    rule: str
    level: Urgency
    reason: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Route:
    """Who takes the case, and by when the customer hears the first word.

    Attributes:
        department: name of the department, in the customer's script.
        department_id: identifier of the department in the routing file.
        respond_by: time by which the first answer is due.
        respond_within_hours: the same as a number of hours from reception.
        escalate: whether a manager has to be told at once.
        inform: names of further departments to inform.
    """

    department: str
    department_id: str
    respond_by: datetime
    respond_within_hours: float
    escalate: bool
    inform: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Strategy:
    """How to handle the case.

    Attributes:
        first_reply: a first line to the customer, in the customer's script.
    """

    first_reply: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything known about one message.

    ``status`` says whether the message was analysed. Where it was not, every task is empty with decision
    ``review``, and ``route`` and ``strategy`` are ``None``. ``extra`` holds the answers to your own tasks, where the
    model has any (see ``docs/own-labels.md``); they come without evidence.
    """

    text: str
    status: Status
    script: str | None = None
    region: str | None = None
    intent: LabelResult[Intent] = field(default_factory=LabelResult)
    category: LabelResult[Category] = field(default_factory=LabelResult)
    subcategory: LabelResult[Subcategory] = field(default_factory=LabelResult)
    urgency: LabelResult[Urgency] = field(default_factory=LabelResult)
    emotion: LabelResult[Emotion] = field(default_factory=LabelResult)
    intensity: LabelResult[int] = field(default_factory=LabelResult)
    needs: LabelResult[Need] = field(default_factory=LabelResult)
    demands: LabelResult[Demand] = field(default_factory=LabelResult)
    urgency_reasons: tuple[UrgencyReason, ...] = ()
    route: Route | None = None
    strategy: Strategy | None = None
    error: str | None = None
    extra: Mapping[str, LabelResult[str]] = field(default_factory=dict)

    def task(self, name: str) -> LabelResult[Any]:
        """Return the result of the task called ``name``.

        Raises:
            KeyError: there is no such task.
        """
        if name not in TASKS:
            msg = f"unknown task {name!r}; use one of {', '.join(TASKS)}"
            raise KeyError(msg)
        result: LabelResult[Any] = getattr(self, name)
        return result

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain dicts, lists, strings and numbers; the inverse loses nothing but types."""
        tasks = {name: _result_to_dict(self.task(name)) for name in TASKS}
        extra = {name: _result_to_dict(result) for name, result in self.extra.items()}
        return {
            "schema_version": SCHEMA_VERSION,
            "text": self.text,
            "status": self.status.value,
            "script": self.script,
            "region": self.region,
            **tasks,
            "urgency_reasons": [
                {
                    "rule": reason.rule,
                    "level": reason.level.value,
                    "reason": reason.reason,
                    "start": reason.start,
                    "end": reason.end,
                    "text": reason.text,
                }
                for reason in self.urgency_reasons
            ],
            "route": None
            if self.route is None
            else {
                "department": self.route.department,
                "department_id": self.route.department_id,
                "respond_by": self.route.respond_by.isoformat(),
                "respond_within_hours": self.route.respond_within_hours,
                "escalate": self.route.escalate,
                "inform": list(self.route.inform),
            },
            "strategy": None if self.strategy is None else {"first_reply": self.strategy.first_reply},
            "error": self.error,
            **({"extra": extra} if extra else {}),
        }

    def to_json(self, *, indent: int | None = None) -> str:
        """Return :meth:`to_dict` as JSON; Chinese characters are unescaped unless the text holds broken ones."""
        content = self.to_dict()
        written = json.dumps(content, ensure_ascii=False, indent=indent)
        # half a surrogate pair is no character and could not be written as UTF-8
        broken = any("\ud800" <= char <= "\udfff" for char in self.text)
        return json.dumps(content, indent=indent) if broken else written

    def to_columns(self) -> dict[str, Any]:
        """Return the report as one flat table row; keys, order and types are those of :func:`arrow_schema`."""
        results: dict[str, LabelResult[Any]] = {name: getattr(self, name) for name in TASKS}
        row: dict[str, Any] = {"status": str(self.status), "script": self.script}
        for name, result in results.items():
            if name in _LISTS:
                row[name] = [str(label) for label in result.labels]
            elif not result.labels:
                row[name] = None
            else:
                row[name] = result.labels[0] if name == "intensity" else str(result.labels[0])
        analysed = self.status is Status.OK
        for name, result in results.items():
            row[f"{name}_confidence"] = result.confidence if analysed else None
            row[f"{name}_decision"] = str(result.decision)
        row["urgency_reasons"] = [f"{reason.reason}：{reason.text}" for reason in self.urgency_reasons]
        row["department"] = self.route.department if self.route else None
        row["respond_by"] = self.route.respond_by if self.route else None
        row["escalate"] = self.route.escalate if self.route else None
        row["evidence"] = [
            {"task": name, "label": str(result.primary), "start": start, "end": end, "text": text, "weight": weight}
            for name, result in results.items()
            for start, end, text, weight in result.evidence
        ]
        return row

    def _repr_html_(self) -> str:
        """Return an HTML fragment for notebooks: the message with its evidence in colour, and the labels."""
        return _to_html(self)


def _result_to_dict(result: LabelResult[Any]) -> dict[str, Any]:
    return {
        "labels": [_plain(label) for label in result.labels],
        "primary": _plain(result.primary),
        "scores": {str(label): score for label, score in result.scores.items()},
        "confidence": result.confidence,
        "decision": result.decision.value,
        "evidence": [
            {"start": span.start, "end": span.end, "text": span.text, "weight": span.weight} for span in result.evidence
        ],
    }


def _plain(label: object) -> object:
    return label.value if isinstance(label, StrEnum) else label


_LISTS: Final = frozenset(name for name, task in TASKS.items() if task.is_multilabel)


def column_names() -> list[str]:
    """Return the names of the flat columns of a labelled table, in their order."""
    per_task = [f"{name}_{part}" for name in TASKS for part in ("confidence", "decision")]
    rest = ["urgency_reasons", "department", "respond_by", "escalate", "evidence"]
    return ["status", "script", *TASKS, *per_task, *rest]


def arrow_schema() -> pa.Schema:
    """Return the Arrow schema of the flat columns of a labelled table, in their order."""
    import pyarrow as pa

    strings = pa.list_(pa.string())
    fields = [pa.field("status", pa.string(), nullable=False), pa.field("script", pa.string())]
    for name, task in TASKS.items():
        kind = strings if task.is_multilabel else pa.int8() if name == "intensity" else pa.string()
        fields.append(pa.field(name, kind))
    for name in TASKS:
        fields += [pa.field(f"{name}_confidence", pa.float32()), pa.field(f"{name}_decision", pa.string())]
    span = pa.struct(
        [
            ("task", pa.string()),
            ("label", pa.string()),
            ("start", pa.int32()),
            ("end", pa.int32()),
            ("text", pa.string()),
            ("weight", pa.float32()),
        ]
    )
    fields += [
        pa.field("urgency_reasons", strings),
        pa.field("department", pa.string()),
        pa.field("respond_by", pa.timestamp("s", tz="UTC")),
        pa.field("escalate", pa.bool_()),
        pa.field("evidence", pa.list_(span)),
    ]
    return pa.schema(fields, metadata={"complaint_nlp_schema": SCHEMA_VERSION})


# one hue per task, from Okabe and Ito's palette, which colour-blind readers can tell apart
_COLOURS: Final = {
    "category": "230,159,0",
    "urgency": "213,94,0",
    "emotion": "204,121,167",
    "demands": "0,114,178",
}


def _to_html(report: Report) -> str:
    language: Language = "zh-Hans" if report.script == "simplified" else "zh-Hant"
    rows = []
    for name in TASKS:
        result = report.task(name)
        labels = "、".join(name_of(name, label, language) for label in result.labels) or "—"
        rows.append(
            f"<tr><th style='text-align:left'>{name_of(name, None, language)}</th><td>{html.escape(labels)}</td>"
            f"<td>{result.confidence:.0%}</td><td>{result.decision.value}</td></tr>"
        )
    for name, own in report.extra.items():
        rows.append(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td>{html.escape('、'.join(own.labels)) or '—'}</td>"
            f"<td>{own.confidence:.0%}</td><td>{own.decision.value}</td></tr>"
        )
    legend = " ".join(
        f"<span style='background:rgba({colour},.45);padding:0 .3em'>{name_of(name, None, language)}</span>"
        for name, colour in _COLOURS.items()
        if report.task(name).evidence
    )
    extra = ""
    if report.route is not None:
        extra += f"<p>→ {html.escape(report.route.department)} · {report.route.respond_by:%Y-%m-%d %H:%M}</p>"
    if report.strategy is not None:
        extra += f"<blockquote>{html.escape(report.strategy.first_reply)}</blockquote>"
    return (
        f"<div class='complaint-nlp-report'><p style='font-size:1.1em;white-space:pre-wrap'>{_marked(report)}</p>"
        f"<p>{legend}</p><table>{''.join(rows)}</table>{extra}</div>"
    )


def _marked(report: Report) -> str:
    """Return the escaped message with the strongest task's colour behind every evidence character."""
    owner: list[tuple[float, str] | None] = [None] * len(report.text)
    for name in _COLOURS:
        for span in report.task(name).evidence:
            for i in range(span.start, span.end):
                current = owner[i]
                if current is None or current[0] < span.weight:
                    owner[i] = (span.weight, name)
    pieces: list[str] = []
    start = 0
    for i in range(1, len(report.text) + 1):
        if i < len(report.text) and owner[i] == owner[start]:
            continue
        piece, mark = html.escape(report.text[start:i]), owner[start]
        if mark is None:
            pieces.append(piece)
        else:
            shade = 0.25 + 0.5 * min(mark[0], 1.0)
            pieces.append(
                f"<mark title='{mark[1]}' style='background:rgba({_COLOURS[mark[1]]},{shade:.2f})'>{piece}</mark>"
            )
        start = i
    return "".join(pieces)
