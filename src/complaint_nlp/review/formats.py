"""Files with messages to correct: Excel, CSV, Label Studio tasks, Argilla records."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args
from xml.sax.saxutils import quoteattr

from complaint_nlp.errors import DataError
from complaint_nlp.labels import LANGUAGES, TASKS, display_name
from complaint_nlp.review.tables import NONE, SEPARATOR
from complaint_nlp.review.wording import task_note, wording

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from complaint_nlp.labels import Language
    from complaint_nlp.review.suggest import Picked

Format = Literal["xlsx", "csv", "label-studio", "argilla"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
_ENDINGS: Final[dict[Format, str]] = {"xlsx": ".xlsx", "csv": ".csv", "label-studio": ".json", "argilla": ".json"}
GUESS: Final = "guess_"
"""Before the names of the columns that keep what stood in a cell before anybody edited it."""
CHECKED: Final = "checked"
YES: Final = "yes"
TEXT_NAME: Final = "text"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # Excel reads full-width ones as well
_QUOTE: Final = "'"


def checked(target: Path, given: str | None, *, overwrite: bool) -> Format:
    """Return the format to write, before anything long begins.

    Raises:
        DataError: the format is unknown or does not fit the ending, or a file exists.
        ConfigError: what it needs is not installed.
    """
    by_ending: dict[str, Format] = {".xlsx": "xlsx", ".csv": "csv"}
    kind = by_ending.get(target.suffix.lower()) if given is None else next((f for f in FORMATS if f == given), None)
    if kind is None:
        what = f"{target}: the format cannot be told from its ending" if given is None else f"--format {given}: unknown"
        msg = f"{what}; use --format with one of {', '.join(FORMATS)}"
        raise DataError(msg)
    if target.suffix.lower() != _ENDINGS[kind]:
        msg = f"{target}: a file of the format {kind} should end in {_ENDINGS[kind]}"
        raise DataError(msg)
    for path in (target, *_beside(target, kind)):
        if path.exists() and not overwrite:
            msg = f"{path}: exists already; use --overwrite to replace it"
            raise DataError(msg)
    if kind == "xlsx":
        from complaint_nlp.batch.excel import check_installed

        check_installed()
    return kind


def _beside(target: Path, kind: Format) -> tuple[Path, ...]:
    if kind == "label-studio":
        return (target.with_suffix(".config.xml"),)
    return (target.with_suffix(".settings.json"),) if kind == "argilla" else ()


def write(
    picked: Sequence[Picked], target: Path, kind: Format, tasks: Sequence[str], language: Language
) -> tuple[Path, ...]:
    """Write messages to correct, each file whole or not at all, and return the files."""
    contents: dict[Path, bytes]
    if kind == "xlsx":
        contents = {target: _workbook(picked, tasks, language)}
    elif kind == "csv":
        contents = {target: _csv(picked, tasks, language)}
    elif kind == "label-studio":
        tasks_file = _json([_label_studio_task(one, tasks) for one in picked])
        contents = {target: tasks_file, _beside(target, kind)[0]: _label_studio_config(tasks, language)}
    else:
        records = _json([_argilla_record(number, one, tasks) for number, one in enumerate(picked, 1)])
        contents = {target: records, _beside(target, kind)[0]: _json(_argilla_settings(tasks, language))}
    for path, content in contents.items():
        write_whole(path, content)
    return tuple(contents)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader finds the old content or the new one, whatever happens.

    Raises:
        DataError: it cannot be written.
    """
    try:
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        staging = Path(name)
        try:
            with os.fdopen(number, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            staging.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
            staging.replace(path)
        except BaseException:
            staging.unlink(missing_ok=True)
            raise
    except OSError as error:
        msg = f"{path}: cannot be written: {error.strerror}"
        raise DataError(msg) from error


def escaped(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula; :func:`unescaped` gives it back."""
    return f"{_QUOTE}{text}" if text.startswith((*_FORMULA, _QUOTE)) and text != NONE else text


def unescaped(text: str) -> str:
    """Return what :func:`escaped` was given."""
    return text[1:] if text.startswith(_QUOTE) and text[1:].startswith((*_FORMULA, _QUOTE)) else text


def _columns(tasks: Sequence[str]) -> list[str]:
    return [CHECKED, TEXT_NAME, "why", *tasks, "note", "id", "model", *(f"{GUESS}{task}" for task in tasks)]


def _cells(one: Picked, tasks: Sequence[str]) -> list[str]:
    labels = [_cell(one.guess.get(task)) for task in tasks]
    return ["", one.text, _why(one), *labels, "", one.id, one.model, *labels]


def _why(one: Picked) -> str:
    return " | ".join(one.why.values())


def _cell(values: tuple[str, ...] | None) -> str:
    return "" if values is None else SEPARATOR.join(values) or NONE


def _csv(picked: Sequence[Picked], tasks: Sequence[str], _language: Language) -> bytes:
    stream = io.StringIO()
    rows = csv.writer(stream)
    rows.writerow(_columns(tasks))
    rows.writerows([escaped(cell) for cell in _cells(one, tasks)] for one in picked)
    return stream.getvalue().encode("utf-8-sig")  # Excel takes it for the local encoding without the mark


def _workbook(picked: Sequence[Picked], tasks: Sequence[str], language: Language) -> bytes:
    import openpyxl
    from openpyxl.comments import Comment
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter

    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.title = "review"
    columns = _columns(tasks)
    shown = [_header(name, language) for name in columns]
    top = Alignment(wrap_text=True, vertical="top")
    for number, cells in enumerate([shown, *(_cells(one, tasks) for one in picked)], 1):
        for place, text in enumerate(cells, 1):
            made = sheet.cell(number, place)
            made.value, made.data_type, made.alignment = text or None, "s", top  # never a formula
            if text and text.startswith(_FORMULA):
                made.quotePrefix = True  # also when somebody edits the cell and leaves it
    widths = {CHECKED: 9, TEXT_NAME: 70, "why": 36, "note": 24}
    for place, name in enumerate(columns, 1):
        head, about = sheet.cell(1, place), sheet.column_dimensions[get_column_letter(place)]
        head.font, head.fill = Font(bold=True), PatternFill("solid", fgColor="DDE7F3" if name in tasks else "EEEEEE")
        about.width = widths.get(name, 22 if name in tasks else 12)
        about.hidden = name.startswith(GUESS) or name in ("id", "model")
        note = wording().notes.checked.get(language) if name == CHECKED else ""
        note = task_note(name, language) if name in TASKS else note
        if note:
            head.comment = Comment(note, "complaint-nlp", width=420, height=min(80 + 19 * note.count("\n"), 640))
    _drop_downs(sheet, columns, len(picked), get_column_letter)
    sheet.freeze_panes = "C2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{len(picked) + 1}"
    _guide(book.create_sheet(wording().guide.get(language)), tasks, language)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _header(name: str, language: Language) -> str:
    """Return a header for people with the column's own name in its last line, by which it is read back."""
    if name in TASKS:
        return f"{display_name(name, None, language)}\n{name}"
    title = next((words.get(language) for key, words in wording().columns.items() if key == name), name)
    return f"{title}\n{name}" if title != name else name


def _drop_downs(sheet: Any, columns: Sequence[str], rows: int, letter: Callable[[int], str]) -> None:  # noqa: ANN401
    from openpyxl.worksheet.datavalidation import DataValidation

    for place, name in enumerate(columns, 1):
        values = [YES] if name == CHECKED else []
        if name in TASKS and not TASKS[name].is_multilabel:
            values = list(TASKS[name].values)
        if values and rows:
            rule = DataValidation(
                type="list", formula1=f'"{",".join(values)}"', allow_blank=True, showErrorMessage=True
            )
            rule.add(f"{letter(place)}2:{letter(place)}{rows + 1}")
            sheet.add_data_validation(rule)


def _guide(sheet: Any, tasks: Sequence[str], language: Language) -> None:  # noqa: ANN401 - an openpyxl sheet
    from openpyxl.styles import Alignment, Font

    sheet.append([wording().notes.checked.get(language)])
    sheet.append(["", *LANGUAGES])
    for task in tasks:
        sheet.append([task, *(display_name(task, None, name) for name in LANGUAGES)])
        for cell in sheet[sheet.max_row]:
            cell.font = Font(bold=True)
        for value in TASKS[task].values:
            sheet.append([value, *(display_name(task, value, name) for name in LANGUAGES)])
    for column, width in zip("ABCD", (34, 16, 16, 26), strict=True):
        sheet.column_dimensions[column].width = width
    sheet.merge_cells("A1:D1")
    sheet["A1"].alignment = Alignment(wrap_text=True, vertical="top")
    sheet.row_dimensions[1].height = 66


def _json(content: Any) -> bytes:  # noqa: ANN401 - any JSON value
    return json.dumps(content, ensure_ascii=False, indent=1).encode() + b"\n"


def _known(one: Picked, tasks: Sequence[str]) -> dict[str, list[str]]:
    return {task: list(one.guess[task]) for task in tasks if task in one.guess}


def _label_studio_task(one: Picked, tasks: Sequence[str]) -> dict[str, Any]:
    guess = _known(one, tasks)
    results = [
        {"from_name": task, "to_name": TEXT_NAME, "type": "choices", "value": {"choices": values}}
        for task, values in guess.items()
        if values
    ]
    data = {TEXT_NAME: one.text, "why": _why(one), "id": one.id, "model": one.model, "guess": guess}
    return {"data": data, "predictions": [{"model_version": one.model[:12], "result": results}]}


def _label_studio_config(tasks: Sequence[str], language: Language) -> bytes:
    lines = ["<View>", '  <Text name="text" value="$text"/>', '  <Header value="$why" size="6"/>']
    for task in tasks:
        several = TASKS[task].is_multilabel
        # the answer "none" must be possible, and every other task needs one
        required = "" if several and task != "emotion" else ' required="true"'
        lines.append(f'  <Header value={quoteattr(display_name(task, None, language))} size="5"/>')
        choice = "multiple" if several else "single"
        lines.append(f'  <Choices name="{task}" toName="text" choice="{choice}" showInline="true"{required}>')
        for value in TASKS[task].values:
            shown = quoteattr(display_name(task, value, language))
            lines.append(f"    <Choice value={shown} alias={quoteattr(value)}/>")
        lines.append("  </Choices>")
    return ("\n".join([*lines, "</View>"]) + "\n").encode()


def _argilla_record(number: int, one: Picked, tasks: Sequence[str]) -> dict[str, Any]:
    guess = _known(one, tasks)
    suggestions = {
        task: {"value": values if TASKS[task].is_multilabel else values[0], "score": None, "agent": one.model[:12]}
        for task, values in guess.items()
        if values
    }
    metadata = {"row": one.id, "model": one.model, "guess": json.dumps(guess)}
    return {
        "id": str(number),
        "fields": {TEXT_NAME: one.text, "why": _why(one)},
        "metadata": metadata,
        "suggestions": suggestions,
        "responses": {},
        "vectors": {},
        "status": "pending",
    }


def _argilla_settings(tasks: Sequence[str], language: Language) -> dict[str, Any]:
    columns = wording().columns
    fields = [
        {"name": name, "title": columns[name].get(language), "required": True, "settings": {"type": "text"}}
        for name in ("text", "why")
    ]
    questions = []
    for task in tasks:
        several = TASKS[task].is_multilabel
        options = [
            {"value": value, "text": display_name(task, value, language), "description": None}
            for value in TASKS[task].values
        ]
        about = {"type": "multi_label_selection" if several else "label_selection", "options": options}
        questions.append(
            {
                "name": task,
                "title": display_name(task, None, language),
                "description": task_note(task, language).partition("\n")[0],
                "required": not several or task == "emotion",
                "settings": about,
            }
        )
    return {
        "guidelines": None,
        "allow_extra_metadata": True,
        "fields": fields,
        "questions": questions,
        "metadata": [],
        "vectors": [],
    }
