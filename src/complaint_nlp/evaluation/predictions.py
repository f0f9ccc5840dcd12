"""Reading what a model answered: from an analyzer, from reports, or from a labelled table."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from complaint_nlp.errors import DataError
from complaint_nlp.evaluation.answers import DECISIONS, Predictions
from complaint_nlp.evaluation.data import cell_values, is_missing, is_table, table_rows
from complaint_nlp.labels import TASKS
from complaint_nlp.report import Decision, Report, Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from complaint_nlp.analyzer import Analyzer
    from complaint_nlp.labelled import LabelledMessage

_CHUNK: Final = 2048
"""Reports that are held at once."""
_REVIEW: Final = DECISIONS.index(Decision.REVIEW)
_MASK: Final = "*"


def from_analyzer(analyzer: Analyzer, messages: Sequence[LabelledMessage]) -> Predictions:
    """Return the answers of an analyzer. Its reports are not kept: evidence is found again when it is asked for."""
    parts = []
    for start in range(0, len(messages), _CHUNK):
        reports = analyzer.analyze_batch([message.text for message in messages[start : start + _CHUNK]])
        parts.append(_from_reports(reports))

    def joined(tables: list[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
        return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}

    return Predictions(
        [labels for part in parts for labels in part.labels],
        np.concatenate([part.analysed for part in parts]),
        joined([part.confidence for part in parts]),
        joined([part.decision for part in parts]),
        joined([part.scores for part in parts]),
        evidence=_AnalyzerEvidence(analyzer, messages),
    )


def from_reports(reports: Sequence[Report], messages: Sequence[LabelledMessage]) -> Predictions:
    """Return the answers in reports.

    Raises:
        DataError: there is not one report per message, or something else than reports.
    """
    for report in reports:
        if not isinstance(report, Report):
            msg = f"expected an Analyzer, reports or a labelled table, got {type(report).__name__}"
            raise DataError(msg)
    if len(reports) != len(messages):
        msg = f"{len(reports)} reports for {len(messages)} messages; one each is needed, in the same order"
        raise DataError(msg)
    return replace(_from_reports(reports), evidence=_ReportEvidence(reports))


def _from_reports(reports: Sequence[Report]) -> Predictions:
    labels = [{name: tuple(map(str, report.task(name).labels)) for name in TASKS} for report in reports]
    confidence, decision, scores = {}, {}, {}
    for name, task in TASKS.items():
        results = [report.task(name) for report in reports]
        confidence[name] = np.array([result.confidence for result in results], dtype=np.float32)
        decision[name] = np.array([DECISIONS.index(result.decision) for result in results], dtype=np.int8)
        table = np.full((len(reports), len(task.values)), np.nan, dtype=np.float32)
        for row, result in enumerate(results):
            if result.scores:
                table[row] = list(result.scores.values())
        scores[name] = table
    analysed = np.array([report.status is Status.OK for report in reports], dtype=np.bool_)
    return Predictions(labels, analysed, confidence, decision, scores)


@dataclass(frozen=True, slots=True)
class _AnalyzerEvidence:
    analyzer: Analyzer
    messages: Sequence[LabelledMessage]

    def words(self, rows: Sequence[int], task: str) -> list[list[str]]:
        reports = self.analyzer.analyze_batch([self.messages[row].text for row in rows])
        return [[span.text for span in report.task(task).evidence] for report in reports]


@dataclass(frozen=True, slots=True)
class _ReportEvidence:
    reports: Sequence[Report]

    def words(self, rows: Sequence[int], task: str) -> list[list[str]]:
        return [[span.text for span in self.reports[row].task(task).evidence] for row in rows]


@dataclass(frozen=True, slots=True)
class _TableEvidence:
    cells: Sequence[object]

    def words(self, rows: Sequence[int], task: str) -> list[list[str]]:
        return [[str(span["text"]) for span in _spans(self.cells[row]) if span.get("task") == task] for row in rows]


def _spans(cell: object) -> list[Mapping[str, Any]]:
    """Return the spans in a cell; none where it holds something else."""
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return []
    if not isinstance(cell, Iterable):
        return []
    return [span for span in cell if isinstance(span, Mapping) and "text" in span]


def is_labelled_table(model: object) -> bool:
    """Return whether these are predictions in a table or a file of one."""
    return isinstance(model, str | Path) or is_table(model)


def from_table(table: Any, messages: Sequence[LabelledMessage]) -> Predictions:  # noqa: ANN401 - a table or a file
    """Return the answers in a labelled table: its flat columns, as ``complaint-nlp label`` writes them.

    Tasks without a column are not evaluated. Rows are put to messages by ``id`` where the table holds that of every
    message once, otherwise they must be in the same order.

    Raises:
        DataError: the file cannot be read, there is no task's column, a cell holds no label, or the rows are not those
            of the messages.
    """
    title = str(table) if isinstance(table, str | Path) else "predictions"
    rows = _in_order(_file_rows(Path(table)) if isinstance(table, str | Path) else table_rows(table), messages, title)
    tasks = [name for name in TASKS if name in rows[0]]
    if not tasks:
        msg = (
            f"{title}: has none of the columns {', '.join(TASKS)}; expected a table as 'complaint-nlp label' writes it"
        )
        raise DataError(msg)
    labels = [
        {name: _checked(cell_values(row.get(name), TASKS[name]), name, title, number) for name in tasks}
        for number, row in enumerate(rows, 1)
    ]
    confidence = {
        name: np.array([_number(row.get(f"{name}_confidence"), title, i) for i, row in enumerate(rows, 1)], np.float32)
        for name in tasks
        if f"{name}_confidence" in rows[0]
    }
    decision = {
        name: np.array([_decision(row.get(f"{name}_decision"), title, i) for i, row in enumerate(rows, 1)], np.int8)
        for name in tasks
        if f"{name}_decision" in rows[0]
    }
    analysed = np.array([row.get("status", "ok") == Status.OK.value for row in rows], dtype=np.bool_)
    evidence = _TableEvidence([row["evidence"] for row in rows]) if "evidence" in rows[0] else None
    return Predictions(labels, analysed, confidence, decision, evidence=evidence)


def _file_rows(path: Path) -> list[Mapping[str, Any]]:
    from complaint_nlp.batch.formats import Reject, open_rows

    rows: list[Mapping[str, Any]] = []
    for row in open_rows(path, None)[1]:
        if isinstance(row, Reject):
            msg = f"{path}: row {row.number} cannot be read: {row.reason}"
            raise DataError(msg)
        rows.append(row.values)
    return rows


def _in_order(
    rows: Sequence[Mapping[str, Any]], messages: Sequence[LabelledMessage], title: str
) -> list[Mapping[str, Any]]:
    by_id = {str(row["id"]): row for row in rows if not is_missing(row.get("id"))}
    wanted = [message.id for message in messages]
    if len(by_id) == len(rows) and len(set(wanted)) == len(wanted) and all(key in by_id for key in wanted):
        ordered = [by_id[key] for key in wanted]
    elif len(rows) == len(messages):
        ordered = list(rows)
    else:
        msg = (
            f"{title}: {len(rows)} rows for {len(messages)} messages; give one each in the same order, or keep "
            "a column 'id' with that of every message"
        )
        raise DataError(msg)
    for number, (row, message) in enumerate(zip(ordered, messages, strict=True), 1):
        text = row.get("text")
        if isinstance(text, str) and not _same(text, message.text):
            msg = (
                f"{title}: row {number} holds another text than message {message.id!r}; are the rows in the same order?"
            )
            raise DataError(msg)
    return ordered


def _same(written: str, original: str) -> bool:
    """Return whether a text is that of a message, white space at its ends and masked characters aside."""
    one, two = written.strip(), original.strip()
    return one == two or (len(one) == len(two) and all(x in (y, _MASK) for x, y in zip(one, two, strict=True)))


def _checked(values: tuple[str, ...], name: str, title: str, number: int) -> tuple[str, ...]:
    for value in values:
        if value not in TASKS[name].values:
            msg = f"{title}: row {number}: {name}: {value[:80]!r} is not one of {', '.join(TASKS[name].values)}"
            raise DataError(msg)
    return values


def _number(cell: Any, title: str, number: int) -> float:  # noqa: ANN401 - any cell
    if is_missing(cell) or cell == "":
        return math.nan
    try:
        value = float(cell)
    except (TypeError, ValueError):
        value = math.nan
    if not 0.0 <= value <= 1.0:
        msg = f"{title}: row {number}: a confidence is a number from 0 to 1, got {str(cell)[:80]!r}"
        raise DataError(msg)
    return value


def _decision(cell: object, title: str, number: int) -> int:
    if is_missing(cell) or cell == "":
        return _REVIEW
    for place, decision in enumerate(DECISIONS):
        if cell == decision.value:
            return place
    msg = f"{title}: row {number}: {str(cell)[:80]!r} is not one of {', '.join(map(str, DECISIONS))}"
    raise DataError(msg)


def of_tasks(predicted: Predictions) -> set[str]:
    """Return the tasks that the predictions answer."""
    answered: Iterable[str] = predicted.labels[0] if predicted.labels else ()
    return set(answered)
