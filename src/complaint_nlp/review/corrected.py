"""Reading corrected files back: whatever format they have, one list of corrections and what had to be set aside."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.batch.formats import Reject, open_rows
from complaint_nlp.errors import DataError
from complaint_nlp.labels import LANGUAGES, TASKS, display_name
from complaint_nlp.review.formats import CHECKED, GUESS, TEXT_NAME, unescaped
from complaint_nlp.review.tables import NONE, cell_values, clean

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_FILE_BYTES: Final = 200_000_000
MAX_TEXT_CHARS: Final = 20_000
_YES: Final = frozenset({"yes", "y", "true", "1", "1.0", "x", "v", "✓", "✔", "是", "已核對", "已核对", "ok"})


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person says about one task of one message.

    Attributes:
        text: the message.
        task: name of the task.
        values: the labels the person gave, the primary one first.
        guess: what stood there before; ``None`` where nothing did.
        model: hash of the model that guessed, "" where nothing says so.
        at: when it was corrected, in UTC; ``None`` where the file does not say.
        reviewer: who did, "" where the file does not say.
        id: identifier of the message, "" where the file has none.
        note: what the person wrote beside it.
    """

    text: str
    task: str
    values: tuple[str, ...]
    guess: tuple[str, ...] | None
    model: str = ""
    at: datetime | None = None
    reviewer: str = ""
    id: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that could not be used.

    Attributes:
        row: its number in the file, from 1.
        reason: what is wrong with it.
        text: the beginning of the message.
    """

    row: int
    reason: str
    text: str = ""


@dataclass(slots=True)
class Corrected:
    """What a corrected file holds.

    Attributes:
        corrections: what people said, in the file's order.
        rejected: rows that could not be used.
        rows: how many rows the file has.
        untouched: how many of them nobody has looked at.
    """

    corrections: list[Correction]
    rejected: list[Rejected]
    rows: int = 0
    untouched: int = 0


def read_corrected(path: Path, *, all_checked: bool = False) -> Corrected:
    """Read a corrected file: Excel, CSV, JSONL of the desk page, Label Studio's export, Argilla's records.

    Args:
        path: the file.
        all_checked: every row counts as looked at, also where nothing says so.

    Raises:
        DataError: the file is none of these.
        ConfigError: it is an Excel file, and openpyxl is not installed.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            msg = f"{path}: larger than {MAX_FILE_BYTES:,} bytes; split it"
            raise DataError(msg)
        if path.suffix.lower() == ".json":
            return _collect(_json_rows(path), all_checked=all_checked)
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise DataError(msg) from error
    return _collect(_table_rows(path), all_checked=all_checked)


class _Unread(Exception):  # noqa: N818 - no error: a row that nobody has looked at
    pass


def _collect(rows: Iterator[tuple[int, Any]], *, all_checked: bool) -> Corrected:
    found = Corrected([], [])
    for number, row in rows:
        found.rows += 1
        try:
            if isinstance(row, Reject):
                raise ValueError(row.reason)  # noqa: TRY301, TRY004 - set aside below, with the others
            found.corrections += list(_corrections(row, all_checked=all_checked))
        except _Unread:
            found.untouched += 1
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            reason = str(error) if isinstance(error, ValueError) else f"has not the form of a correction: {error!r}"
            found.rejected.append(Rejected(number, reason, _beginning(row)))
    return found


def _beginning(row: Any) -> str:  # noqa: ANN401 - any row
    """Return the first characters of the row's message without personal data: the file of rejects is passed round."""
    from complaint_nlp.facts.masking import mask

    if isinstance(row, Reject):
        return mask(row.content[:40])
    text = row.get(TEXT_NAME) if isinstance(row, dict) else None
    return mask(text)[:40] if isinstance(text, str) else ""


def _corrections(row: Any, *, all_checked: bool) -> Iterator[Correction]:  # noqa: ANN401 - any row
    if not isinstance(row, dict):
        msg = "expected an object"
        raise ValueError(msg)  # noqa: TRY004 - what is wrong is the data
    text = row.get(TEXT_NAME)
    if not isinstance(text, str) or not clean(text):
        msg = "text: is empty"
        raise ValueError(msg)
    if len(text) > MAX_TEXT_CHARS:
        msg = f"text: {len(text):,} characters, at most {MAX_TEXT_CHARS:,} are accepted"
        raise ValueError(msg)
    if "task" in row:
        return iter([_desk(row, clean(text))])
    return _row(row, clean(text), all_checked=all_checked)


def _desk(row: dict[str, Any], text: str) -> Correction:
    """Return the correction in a line that the desk page wrote: one task of one message."""
    task = str(row["task"])
    if task not in TASKS:
        msg = f"task: {task!r} is not one of {', '.join(TASKS)}"
        raise ValueError(msg)
    values = _values(row.get("value"), task)
    if values is None:
        msg = "value: is missing"
        raise ValueError(msg)
    guess = None if row.get("guess") is None else _values(row["guess"], task)
    who = str(row.get("reviewer") or "")
    return Correction(text, task, values, guess, str(row.get("model") or ""), _time(row.get("at")), who)


def _row(row: dict[str, Any], text: str, *, all_checked: bool) -> Iterator[Correction]:
    """Yield the corrections of a row with a column per task; all of it counts, or nothing."""
    checked = all_checked or str(row.get(CHECKED) or "").strip().lower() in _YES
    made, problems = [], []
    for task in TASKS:
        if task not in row:
            continue
        try:
            guess = _values(row.get(f"{GUESS}{task}"), task)
            values = _values(row.get(task), task)
        except ValueError as error:
            problems.append(str(error))
            continue
        if values is None and guess and TASKS[task].is_multilabel and task != "emotion":
            values = ()  # somebody has emptied the cell
        if values is None and guess:
            problems.append(f"{task}: a value is needed")
        if values is not None and (checked or values != guess):
            made.append((task, values, guess))
    if problems:
        raise ValueError("; ".join(problems))
    if not made:
        raise _Unread
    about = (str(row.get("model") or ""), _time(row.get("at")), str(row.get("reviewer") or ""))
    for task, values, guess in made:
        yield Correction(text, task, values, guess, *about, str(row.get("id") or ""), str(row.get("note") or ""))


def _values(given: Any, task: str) -> tuple[str, ...] | None:  # noqa: ANN401 - any cell
    """Return labels; names that people read ("退款", "high") stand for the values as well."""
    if isinstance(given, str):
        cell = unescaped(given)
        given = (
            []
            if cell.strip() == NONE
            else cell.replace("｜", "|").replace("、", "|").split("|")
            if cell.strip()
            else None
        )
    if isinstance(given, list | tuple):
        given = [_NAMED.get((task, str(item).strip()), str(item)) for item in given]
    return cell_values(given, task)


_NAMED: Final = {
    (task, display_name(task, value, language)): value
    for task, about in TASKS.items()
    for value in about.values
    for language in LANGUAGES
}


def _time(given: Any) -> datetime | None:  # noqa: ANN401 - any value
    """Return a time in UTC.

    Raises:
        ValueError: it is none.
    """
    if given in (None, ""):
        return None
    try:
        found = given if isinstance(given, datetime) else datetime.fromisoformat(str(given))
    except ValueError:
        msg = f"at: {str(given)[:40]!r} is no time such as 2026-11-07T09:30:00Z"
        raise ValueError(msg) from None
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)


def _table_rows(path: Path) -> Iterator[tuple[int, Any]]:
    names, rows = open_rows(path, None)
    own = {name: name.rpartition("\n")[2].strip() for name in names}  # headers of a workbook: title, line break, name
    wanted = {"task", *TASKS} & set(own.values())
    if TEXT_NAME not in own.values() or not wanted:
        msg = f"{path}: has no column 'text', or none of a task ({', '.join(TASKS)}); was its first row changed?"
        raise DataError(msg)
    is_text = path.suffix.lower() in (".csv", ".tsv")
    for row in rows:
        if isinstance(row, Reject):
            yield row.number, row
            continue
        values = {own[name]: value for name, value in row.values.items()}
        if is_text and isinstance(values.get(TEXT_NAME), str):
            values[TEXT_NAME] = unescaped(values[TEXT_NAME])
        yield row.number, values


def _json_rows(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        msg = f"{path}: not readable as JSON: {error}"
        raise DataError(msg) from error
    if not isinstance(content, list):
        msg = f"{path}: expected a list of Label Studio tasks or Argilla records"
        raise DataError(msg)
    for number, item in enumerate(content, 1):
        try:
            if isinstance(item, dict) and "fields" in item:
                yield number, _argilla(item)
            elif isinstance(item, dict) and "data" in item:
                yield number, _label_studio(item)
            else:
                yield number, Reject(number, "neither a Label Studio task nor an Argilla record", str(item)[:80])
        except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            yield number, Reject(number, f"has not the form of the export: {error!r}", str(item)[:80])


def _label_studio(item: dict[str, Any]) -> dict[str, Any]:
    """Return a Label Studio task as a row; of several annotations the latest that was not skipped counts."""
    data = item["data"]
    guess = data.get("guess") or {}
    row = {TEXT_NAME: data.get(TEXT_NAME), "id": data.get("id"), "model": data.get("model")}
    row |= {f"{GUESS}{task}": values for task, values in guess.items()}
    given = [one for one in item.get("annotations") or [] if not one.get("was_cancelled")]
    if not given:
        return row | dict(guess)
    last = max(given, key=lambda one: str(one.get("updated_at") or one.get("created_at") or ""))
    chosen = {part["from_name"]: part["value"]["choices"] for part in last["result"] if part.get("type") == "choices"}
    for task in TASKS:
        if task in guess or task in chosen:
            row[task] = _in_order(task, chosen.get(task, []), guess.get(task, []))
    who = last.get("completed_by")
    row["reviewer"] = who.get("email") or who.get("id") if isinstance(who, dict) else who
    return row | {CHECKED: "yes", "at": last.get("updated_at") or last.get("created_at")}


def _in_order(task: str, chosen: list[str], guess: list[str]) -> list[str]:
    """Return values with those of the guess first: the tools return them in the order of their buttons."""
    named = [_NAMED.get((task, value), value) for value in chosen]
    return [*(value for value in guess if value in named), *(value for value in named if value not in guess)]


def _argilla(item: dict[str, Any]) -> dict[str, Any]:
    """Return an Argilla record as a row; of several responses the last that was submitted counts."""
    metadata = item.get("metadata") or {}
    guess = json.loads(metadata.get("guess") or "{}")
    row = {TEXT_NAME: item["fields"].get(TEXT_NAME), "id": metadata.get("row"), "model": metadata.get("model")}
    row |= {f"{GUESS}{task}": values for task, values in guess.items()}
    answered = False
    for task in TASKS:
        given = [
            one for one in (item.get("responses") or {}).get(task) or [] if one.get("status") in (None, "submitted")
        ]
        if given:
            value = given[-1]["value"]
            row[task] = _in_order(task, value if isinstance(value, list) else [value], guess.get(task, []))
            row["reviewer"] = given[-1].get("user_id")
            answered = True
    if answered:  # a task with several values that was left empty has no response: none applies
        several = [task for task in guess if TASKS[task].is_multilabel and task != "emotion"]
        row |= {task: [] for task in several if task not in row}
    return row | {CHECKED: "yes" if answered else ""}
