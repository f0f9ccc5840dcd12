"""What an analysis returns: frozen, typed values and their forms as dict, JSON, Arrow columns and HTML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from complaint_nlp.errors import ConfigError
from complaint_nlp.labels import TASKS, Category, Demand, Emotion, Intent, Need, Subcategory, Urgency
from complaint_nlp.text.chars import is_broken

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    import pyarrow as pa

    from complaint_nlp.cases import SimilarCase
    from complaint_nlp.facts.types import Facts
    from complaint_nlp.playbook.handling import Handling, Reading
    from complaint_nlp.playbook.strategy.plan import Strategy
    from complaint_nlp.playbook.strategy.when import Fault

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


class LabelScores(Mapping[L, float]):
    """The scores of a task by value; a mapping that costs next to nothing to make.

    Args:
        values: the values of the task.
        scores: the score of each, in the same order.
    """

    __slots__ = ("_scores", "_values")

    def __init__(self, values: Sequence[L], scores: Sequence[float]) -> None:
        self._values = values
        self._scores = scores

    def __getitem__(self, value: L) -> float:
        try:
            return self._scores[self._values.index(value)]
        except ValueError:
            raise KeyError(value) from None

    def __iter__(self) -> Iterator[L]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(dict(self))


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
        matter: the sub-kind that the rule is about, if it is always the same; the case is routed by it.
    """

    rule: str
    level: Urgency
    reason: str
    start: int
    end: int
    text: str
    matter: Subcategory | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Who takes the case, and by when the customer hears the first word.

    Attributes:
        department: name of the department, in the customer's script.
        department_id: identifier of the department in the routing file.
        respond_by: time by which the first answer is due.
        respond_within_hours: hours from reception to then, closed ones included, to two digits.
        escalate: whether a manager has to be told at once.
        inform: names of further departments to inform.
    """

    department: str
    department_id: str
    respond_by: datetime
    respond_within_hours: float
    escalate: bool
    inform: tuple[str, ...] = ()


@dataclass(frozen=True)  # without slots: what is made later is kept in the instance's __dict__
class Report:
    """Everything known about one message.

    ``status`` says whether the message was analysed. Where it was not, every task is empty with decision
    ``review``, ``facts`` and ``missing`` are empty, and ``route`` and ``strategy`` are ``None``. ``extra`` holds the
    answers to your own tasks, where the model has any (see ``docs/own-labels.md``); they come without evidence.

    ``facts``, ``missing`` and ``strategy`` are made when they are first asked for: whoever needs the labels alone does
    not pay for them.
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
    error: str | None = None
    extra: Mapping[str, LabelResult[str]] = field(default_factory=dict)
    handling: Handling | None = field(default=None, repr=False, compare=False)

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

    @cached_property
    def _reading(self) -> Reading | None:
        return None if self.handling is None or self.status is not Status.OK else self.handling.read(self.text)

    @cached_property
    def facts(self) -> Facts:
        """What the message tells beside its labels: numbers, amounts, times, products, threats...; with spans."""
        from complaint_nlp.facts.types import Facts

        return Facts() if self._reading is None else self._reading.facts

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """What a handler has to know and the message does not tell, the most useful first.

        Of ``when``, ``where``, ``who``, ``product``, ``order``, ``amount``, ``tried``, ``wanted`` and ``contact`` those
        that a grievance of this category needs; empty without a grievance.
        """
        if self.handling is None or self._reading is None:
            return ()
        return self.handling.missing(self, self._reading)

    @cached_property
    def strategy(self) -> Strategy | None:
        """How to handle the case as long as nobody knows whose fault it is, and the first words to the customer."""
        return self.plan()

    def plan(self, fault: Fault = "unclear") -> Strategy | None:
        """Return how to handle the case; ``None`` where the message was not analysed.

        Args:
            fault: whose fault it is, as far as it is known: ``"ours"``, ``"unclear"`` or ``"customer"``. It changes
                apology, investigation and compensation.

        Raises:
            ValueError: ``fault`` is none of these.
        """
        if self.handling is None or self._reading is None:
            return None
        return self.handling.plan(self, self._reading, fault)

    def similar(self, k: int = 5, *, only_reviewed: bool = False) -> list[SimilarCase]:
        """Return the solved cases most like this one, the best first; see :meth:`complaint_nlp.cases.CaseBase.search`.

        Args:
            k: how many, 1 to 1,000.
            only_reviewed: leave out cases that nobody has reviewed.

        Raises:
            ConfigError: the analyzer was loaded without ``cases``, or the report comes from another process.
            ValueError: ``k`` is out of its range.
        """
        if self.status is not Status.OK:
            return []
        cases = None if self.handling is None else self.handling.cases
        if cases is None:
            msg = "this report knows of no solved cases; use Analyzer.load(cases='cases.db'), or CaseBase.search"
            raise ConfigError(msg)
        return cases.search(self.text, k, labels=self, only_reviewed=only_reviewed)

    def masked(self) -> Report:
        """Return the report without personal data, for logs and exports.

        In the message, the evidence and the facts every hidden character is a ``*``, so that all spans stay right; see
        :func:`complaint_nlp.mask` for what is hidden.
        """
        from complaint_nlp.facts.find import hidden

        copy = self._hidden()
        # the copy must not look for facts in asterisks
        made = {"facts": hidden(self.facts, copy.text), "missing": self.missing, "strategy": self.strategy}
        copy.__dict__.update(made, _reading=None)
        return copy

    def _hidden(self) -> Report:
        """Return a copy with personal data hidden in the message and the words taken from it."""
        from complaint_nlp.facts.masking import mask

        text = mask(self.text, keep_length=True)
        results: dict[str, Any] = {
            name: replace(result, evidence=tuple(_cut(span, text) for span in result.evidence))
            for name, result in ((name, self.task(name)) for name in TASKS)
        }
        reasons = tuple(_cut(reason, text) for reason in self.urgency_reasons)
        return replace(self, text=text, **results, urgency_reasons=reasons, handling=None)

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
            "facts": [fact.to_dict() for fact in self.facts.items],
            "missing": list(self.missing),
            "strategy": None if self.strategy is None else self.strategy.to_dict(),
            "error": self.error,
            **({"extra": extra} if extra else {}),
        }

    def to_json(self, *, indent: int | None = None) -> str:
        """Return :meth:`to_dict` as JSON; Chinese characters are unescaped unless the text holds broken ones."""
        content = self.to_dict()
        written = json.dumps(content, ensure_ascii=False, indent=indent)
        # half a surrogate pair is no character and could not be written as UTF-8
        broken = is_broken(self.text)
        return json.dumps(content, indent=indent) if broken else written

    def to_columns(self, *, mask: bool = False) -> dict[str, Any]:
        """Return the report as one flat table row; keys, order and types are those of :func:`arrow_schema`.

        Args:
            mask: hide personal data in the words taken from the message.
        """
        if mask:
            return self._hidden().to_columns()
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
        from complaint_nlp.report_html import to_html

        return to_html(self)


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


def _cut(span: Any, text: str) -> Any:  # noqa: ANN401 - a Span or an UrgencyReason
    """Return ``span`` with its words taken from ``text``."""
    words = text[span.start : span.end]
    return span._replace(text=words) if isinstance(span, Span) else replace(span, text=words)


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
