"""Case bases as JSONL: one case a line, its labels in the form of ``docs/labels.md``."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import AwareDatetime, ConfigDict, ValidationError

from complaint_nlp.cases.embedding import BATCH, Embedder, taken
from complaint_nlp.cases.types import CASE_TASKS, Case, CaseStatus, ImportSummary, Rejected, checked
from complaint_nlp.errors import DataError, validation_problems
from complaint_nlp.labelled import MAX_LINE_CHARS
from complaint_nlp.labels import TASKS
from complaint_nlp.resources import Strict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from typing import BinaryIO

    from complaint_nlp.batch.options import Progress
    from complaint_nlp.cases.file import CaseFile

_MAX_LINE_BYTES: Final = 4 * MAX_LINE_CHARS
_MAX_REASON_CHARS: Final = 500


class CaseRow(Strict):
    """The schema of one line. ``id`` is the number in the case base it came from; importing gives a new one."""

    model_config = ConfigDict(strict=True)

    id: int | None = None
    text: str
    category: list[str] | None = None
    subcategory: list[str] | None = None
    urgency: str | None = None
    emotion: list[str] | None = None
    needs: list[str] | None = None
    demands: list[str] | None = None
    handling: str = ""
    outcome: str = ""
    source_id: str | None = None
    status: CaseStatus = CaseStatus.PROPOSED
    created: AwareDatetime | None = None
    reviewed: AwareDatetime | None = None
    retired: AwareDatetime | None = None
    reviewer: str | None = None
    note: str | None = None
    reason: str | None = None

    def to_case(self) -> Case:
        """Return the case, unchecked and without its number."""
        values = {name: getattr(self, name) for name in CaseRow.model_fields if name != "id"}
        labels = {name: values.pop(name) for name in CASE_TASKS}
        return Case(labels=labels, **values)


def write_cases(path: Path, cases: Iterable[Case]) -> int:
    """Write cases to a file that appears only when it is complete, readable by its owner only.

    Returns:
        How many were written.

    Raises:
        DataError: the file cannot be written.
    """
    count = 0
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        unfinished = Path(name)
        try:
            with open(handle, "w", encoding="utf-8", newline="\n") as stream:  # noqa: PTH123 - what mkstemp opened
                for count, case in enumerate(cases, 1):  # noqa: B007 - the last one is returned
                    stream.write(json.dumps(_row(case), ensure_ascii=False) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        msg = f"{path}: cannot be written: {error}"
        raise DataError(msg) from error
    return count


def _row(case: Case) -> dict[str, Any]:
    row: dict[str, Any] = {"id": case.id, "text": case.text}
    for name, values in case.labels.items():
        row[name] = list(values) if TASKS[name].is_multilabel else values[0]
    times: dict[str, datetime | None] = {"created": case.created, "reviewed": case.reviewed, "retired": case.retired}
    row |= {"handling": case.handling, "outcome": case.outcome, "source_id": case.source_id, "status": str(case.status)}
    row |= {name: time.isoformat() for name, time in times.items() if time is not None}
    row |= {"reviewer": case.reviewer, "note": case.note, "reason": case.reason}
    return {name: value for name, value in row.items() if value is not None}


def read_cases(path: Path, mask: Callable[[str], str] | None) -> Iterator[tuple[int, Case | Rejected]]:
    """Yield every line's number with its checked case, or with what is wrong; blank lines are passed over.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            for number, line in _lines(stream):
                if line is None:
                    yield number, Rejected(number, f"longer than {_MAX_LINE_BYTES:,} bytes")
                elif line.strip():
                    yield number, _read(number, line, mask)
    except OSError as error:
        msg = f"{path}: cannot be read: {error}"
        raise DataError(msg) from error


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Yield the lines with their numbers, ``None`` for one that is too long to be held."""
    number = 0
    while line := stream.readline(_MAX_LINE_BYTES):
        number += 1
        whole = line.endswith(b"\n") or len(line) < _MAX_LINE_BYTES
        rest = line
        while not rest.endswith(b"\n") and (rest := stream.readline(_MAX_LINE_BYTES)):
            whole = False
        yield number, (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line) if whole else None


def _read(number: int, line: bytes, mask: Callable[[str], str] | None) -> Case | Rejected:
    try:
        return checked(CaseRow.model_validate_json(line).to_case(), mask)
    except ValidationError as error:
        reason = validation_problems(error)
    except DataError as error:
        reason = str(error)
    return Rejected(number, reason if len(reason) <= _MAX_REASON_CHARS else reason[: _MAX_REASON_CHARS - 1] + "…")


def import_rows(
    file: CaseFile,
    embedder: Embedder,
    path: Path,
    mask: Callable[[str], str] | None,
    progress: Progress | None,
) -> ImportSummary:
    """Store the cases of a file in one transaction; see :meth:`complaint_nlp.cases.CaseBase.import_cases`."""
    rejected: list[Rejected] = []
    good: list[tuple[int, Case]] = []
    with file.snapshot():
        embedder.check(file)
    for number, read in read_cases(path, mask):
        if isinstance(read, Rejected):
            rejected.append(read)
        else:
            good.append((number, read))
    with file.snapshot():
        good = _with_free_ids(file, good, rejected)  # the others are not worth a vector
    vectors: list[bytes | None] = []
    size = 0
    for start in range(0, len(good), BATCH):
        made, found = embedder.vectors([case for _, case in good[start : start + BATCH]])
        vectors += made
        size = size or found
        if progress is not None:
            progress("importing", len(vectors), len(good))
    with file.transaction():
        vector_of = {number: vector for (number, _), vector in zip(good, vectors, strict=True)}
        good = _with_free_ids(file, good, rejected)  # another process may have added some meanwhile
        numbers = embedder.store(file, [case for _, case in good], [vector_of[number] for number, _ in good], size)
    return ImportSummary(tuple(numbers), tuple(sorted(rejected)))


def _with_free_ids(file: CaseFile, cases: list[tuple[int, Case]], rejected: list[Rejected]) -> list[tuple[int, Case]]:
    """Return the cases whose source ids neither the file nor a line before has, and set aside the others."""
    kept = []
    lines: dict[str, int] = {}
    for number, case in cases:
        problem = taken(file, case)
        if problem is None and case.source_id is not None:
            earlier = lines.setdefault(case.source_id, number)
            problem = None if earlier == number else f"source_id: {case.source_id!r} is that of line {earlier} already"
        if problem is None:
            kept.append((number, case))
        else:
            rejected.append(Rejected(number, problem))
    return kept
