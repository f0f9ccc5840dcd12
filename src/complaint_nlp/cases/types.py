"""What the case base takes and returns, and the checks that every case passes before it is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from complaint_nlp.errors import DataError
from complaint_nlp.labelled import parse_labelled
from complaint_nlp.labels import TASKS
from complaint_nlp.report import Decision, Report

if TYPE_CHECKING:
    from collections.abc import Callable

CASE_TASKS: Final = ("category", "subcategory", "urgency", "emotion", "needs", "demands")
"""The tasks whose labels a case keeps: those that tell which handling fits."""
MAX_TEXT_CHARS: Final = 20_000
"""Longest text of a message, a handling or an outcome: what :class:`complaint_nlp.Analyzer` accepts by default."""
MAX_NOTE_CHARS: Final = 2_000
MAX_NAME_CHARS: Final = 200

Labels = Mapping[str, tuple[str, ...]]


class CaseStatus(StrEnum):
    """How far a case can be relied on."""

    PROPOSED = "proposed"
    """Stored, not yet looked at by a second person."""
    REVIEWED = "reviewed"
    """A named person has confirmed that it was handled well."""
    RETIRED = "retired"
    """Out of date or wrong: kept as history, never found again."""


@dataclass(frozen=True, slots=True)
class Case:
    """A solved case.

    Attributes:
        text: the customer's message, 1 to 20,000 characters.
        labels: for every labelled task of ``CASE_TASKS`` its values, the primary one first; a task that is not a key
            is not labelled, an empty sequence says that none applies. Stored cases hold tuples.
        handling: what was done; at most 20,000 characters.
        outcome: how it ended, for the customer and for the organisation; at most 20,000 characters.
        source_id: the case's name elsewhere, such as a ticket number; at most 200 characters, unique in a case base.
        status: how far it can be relied on.
        created: when it was stored (UTC).
        reviewed: when it was last reviewed (UTC).
        retired: when it was retired (UTC).
        reviewer: who reviewed it last.
        note: what the reviewer had to say; at most 2,000 characters.
        reason: why it was retired; at most 2,000 characters.
        id: its number in the case base, never given to another case; ``None`` before it is stored.
    """

    text: str
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    handling: str = ""
    outcome: str = ""
    source_id: str | None = None
    status: CaseStatus = CaseStatus.PROPOSED
    created: datetime | None = None
    reviewed: datetime | None = None
    retired: datetime | None = None
    reviewer: str | None = None
    note: str | None = None
    reason: str | None = None
    id: int | None = None


@dataclass(frozen=True, slots=True)
class SimilarCase:
    """A case that resembles a message.

    Attributes:
        case: the case.
        similarity: how near the meanings are, 0 (unrelated or opposite) to 1 (the same): the cosine of the vectors,
            negative ones as 0.
        score: what the cases are ordered by, 0 to 1; equals ``similarity`` when no labels were given.
        shared_labels: for every task the given labels that the case carries too; only tasks with at least one.
    """

    case: Case
    similarity: float
    score: float
    shared_labels: Labels


class Rejected(NamedTuple):
    """A line that was set aside.

    Attributes:
        line: its number in the file, from 1.
        reason: what is wrong with it.
    """

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import did.

    Attributes:
        ids: the numbers that the cases got, in the order of the file.
        rejected: the lines that were set aside, in the order of the file.
    """

    ids: tuple[int, ...]
    rejected: tuple[Rejected, ...]


def labels_of(labels: Mapping[str, object] | Report, *, sure: bool = False) -> dict[str, tuple[str, ...]]:
    """Return the labels that a case keeps, checked, in the order of ``CASE_TASKS``.

    Args:
        labels: a report, or for every labelled task its value or values; ``intent`` and ``intensity``, which no case
            keeps, are left out.
        sure: leave out what a report leaves to a person (decision ``review``).

    Raises:
        DataError: there is no such task or value, or a value stands there twice.
    """
    if isinstance(labels, Report):
        results = {name: labels.task(name) for name in CASE_TASKS}
        given: dict[str, list[str]] = {
            name: [str(value) for value in result.labels]
            for name, result in results.items()
            # nothing found says "none" only where none is a possible answer
            if (result.labels or TASKS[name].kind == "multilabel") and not (sure and result.decision is Decision.REVIEW)
        }
    else:
        for name in labels:
            if name not in TASKS:
                msg = f"labels: there is no task {name!r}; use one of {', '.join(CASE_TASKS)}"
                raise DataError(msg)
        given = {name: _values(name, labels[name]) for name in CASE_TASKS if labels.get(name) is not None}
    try:
        return parse_labelled({"text": "", **given}).labels
    except ValueError as error:
        msg = f"labels: {error}"
        raise DataError(msg) from error


def _values(name: str, given: object) -> list[str]:
    values = [given] if isinstance(given, str) else list(given) if isinstance(given, Iterable) else None
    if values is None or not all(isinstance(value, str) for value in values):
        msg = f"labels: {name}: expected one value or several, got {given!r}"
        raise DataError(msg)
    return [str(value) for value in values]


def checked(case: Case, mask: Callable[[str], str] | None = None) -> Case:
    """Return ``case`` as it will be stored: masked, labels in order, times in UTC, ``created`` filled in.

    Raises:
        DataError: a field does not have the documented form; the message names it.
    """
    if case.id is not None:
        msg = f"id: this case is stored already, as case {case.id}"
        raise DataError(msg)
    masked = (lambda text: text) if mask is None else mask
    times = {name: _utc(name, getattr(case, name)) for name in ("created", "reviewed", "retired")}
    case = replace(
        case,
        text=filled("text", masked(filled("text", case.text, MAX_TEXT_CHARS)), MAX_TEXT_CHARS),
        labels=labels_of(case.labels),
        handling=_masked("handling", case.handling, masked),
        outcome=_masked("outcome", case.outcome, masked),
        source_id=None if case.source_id is None else filled("source_id", case.source_id, MAX_NAME_CHARS),
        status=_status(case.status),
        reviewer=None if case.reviewer is None else filled("reviewer", case.reviewer, MAX_NAME_CHARS),
        note=None if case.note is None else _masked("note", case.note, masked, MAX_NOTE_CHARS),
        reason=None if case.reason is None else _masked("reason", case.reason, masked, MAX_NOTE_CHARS),
        created=times["created"] or datetime.now(UTC),
        reviewed=times["reviewed"],
        retired=times["retired"],
    )
    _check_history(case)
    return case


def _check_history(case: Case) -> None:
    if (case.status is CaseStatus.RETIRED) != (case.retired is not None):
        msg = "retired: a retired case, and no other, has a time at which it was retired"
        raise DataError(msg)
    if (case.reviewed is None) != (case.reviewer is None):
        msg = "reviewed: the time of a review and the reviewer go together"
        raise DataError(msg)
    if case.status is CaseStatus.REVIEWED and case.reviewed is None:
        msg = "reviewed: a reviewed case needs the time of its review and the reviewer"
        raise DataError(msg)
    if case.status is CaseStatus.PROPOSED and case.reviewed is not None:
        msg = "status: a case with a review is reviewed or retired, not proposed"
        raise DataError(msg)


def bounded(name: str, text: object, limit: int) -> str:
    """Return ``text`` if it is a text that can be stored, of at most ``limit`` characters.

    Raises:
        DataError: it is not.
    """
    if not isinstance(text, str):
        msg = f"{name}: expected a text, got {type(text).__name__}"
        raise DataError(msg)
    if len(text) > limit:
        msg = f"{name}: {len(text):,} characters, at most {limit:,} are accepted"
        raise DataError(msg)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        msg = f"{name}: holds half a character (a lone surrogate) at position {error.start}; repair the text first"
        raise DataError(msg) from error
    return text


def filled(name: str, text: object, limit: int) -> str:
    """Return ``text`` as :func:`bounded` does, if it holds anything but blanks.

    Raises:
        DataError: it does not.
    """
    text = bounded(name, text, limit)
    if not text.strip():
        msg = f"{name}: must not be empty"
        raise DataError(msg)
    return text


def _masked(name: str, text: object, mask: Callable[[str], str], limit: int = MAX_TEXT_CHARS) -> str:
    text = bounded(name, text, limit)
    return bounded(name, mask(text), limit) if text else text


def _status(given: object) -> CaseStatus:
    try:
        return CaseStatus(str(given))
    except ValueError as error:
        msg = f"status: {given!r} is not one of {', '.join(CaseStatus)}"
        raise DataError(msg) from error


def _utc(name: str, time: object) -> datetime | None:
    if time is None:
        return None
    if not isinstance(time, datetime) or time.tzinfo is None:
        msg = f"{name}: expected a time with its time zone, got {time!r}"
        raise DataError(msg)
    try:
        return time.astimezone(UTC)
    except OverflowError as error:  # within hours of the year 1 or 9999
        msg = f"{name}: {time.isoformat()} cannot be given in UTC"
        raise DataError(msg) from error
