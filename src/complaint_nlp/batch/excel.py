"""Excel workbooks: rows in from the first sheet, labelled rows out with a filter row. Needs the extra ``excel``."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.batch.formats import Reject, Row
from complaint_nlp.batch.outputs import Encoder, Sink, TextSink, cell, encode_jsonl
from complaint_nlp.errors import DataError
from complaint_nlp.optional import load_optional

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MAX_SHEET_ROWS: Final = 1_048_576
MAX_CELL_CHARS: Final = 32_767
_EXACT: Final = 10**15
"""Excel rounds larger numbers, such as those of orders; they are written as text, and so is what is no number."""
_WIDTH: Final = 18
_WIDE: Final = 60


def _openpyxl() -> Any:  # noqa: ANN401 - openpyxl has no types
    return load_optional("openpyxl", "excel", "Excel files")


def check_installed() -> None:
    """Do nothing where Excel files can be read and written.

    Raises:
        ConfigError: openpyxl is not installed.
    """
    _openpyxl()


def excel_rows(path: Path) -> tuple[list[str], Iterator[Row | Reject]]:
    """Return the columns and rows of the first sheet; its first row holds the names.

    Raises:
        ConfigError: openpyxl is not installed.
        DataError: the file is no readable workbook, or its first row holds no names or one twice.
    """
    with _sheet_rows(path) as sheet:
        header = ["" if name is None else str(name) for name in next(sheet, ())]
    while header and not header[-1]:
        header.pop()
    if not any(header):
        msg = f"{path}: is empty; the first row should hold the column names"
        raise DataError(msg)
    if len(set(header)) != len(header):
        twice = next(name for name in header if header.count(name) > 1)
        msg = f"{path}: the column {twice!r} stands twice in the first row"
        raise DataError(msg)

    def rows() -> Iterator[Row | Reject]:
        with _sheet_rows(path) as sheet:
            next(sheet)
            for number, cells in enumerate(sheet, 1):
                if all(value is None for value in cells):
                    continue
                values = (*cells, *[None] * (len(header) - len(cells)))
                if any(value is not None for value in values[len(header) :]):
                    content = "\t".join("" if value is None else str(value) for value in values)
                    yield Reject(number, f"has cells beyond the {len(header)} columns of the first row", content)
                    continue
                yield Row(number, dict(zip(header, values, strict=False)))

    return header, rows()


@contextmanager
def _sheet_rows(path: Path) -> Iterator[Iterator[tuple[Any, ...]]]:
    """Yield the rows of the first sheet.

    Raises:
        DataError: the file is no readable workbook.
    """
    openpyxl = _openpyxl()
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # openpyxl, zipfile and the XML parser raise classes of their own
        raise _unreadable(path, error) from error
    try:
        yield _watched(path, book)
    finally:
        book.close()


def _watched(path: Path, book: Any) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - openpyxl has no types
    try:
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # some programs write wrong ones, and rows would be cut off there
        yield from sheet.iter_rows(values_only=True)
    except Exception as error:  # as above
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: not a readable Excel workbook: {error or type(error).__name__}")


@dataclass(frozen=True, slots=True)
class ExcelOutput:
    """A workbook with a filter in its first row, which stays in sight.

    Attributes:
        columns: all columns in order.
    """

    columns: tuple[str, ...]

    @property
    def encoder(self) -> Encoder:
        """What turns rows into lines of JSON, which the workbook is made of at the end."""
        return encode_checked

    def open_part(self, path: Path) -> Sink:
        """Create a part."""
        return TextSink(path, None)

    def assemble(self, parts: Sequence[Path], target: Path) -> None:
        """Write all parts to ``target``; what does not fit one sheet goes on in the next."""
        book = _openpyxl().Workbook(write_only=True)
        sheet, count = None, MAX_SHEET_ROWS
        for row in _rows(parts):
            if sheet is None or count == MAX_SHEET_ROWS:
                sheet, count = self._sheet(book), 1
            count += 1
            sheet.append([self._cell(sheet, row.get(name)) for name in self.columns])
            sheet.auto_filter.ref = f"A1:{_letters(len(self.columns))}{count}"
        if sheet is None:
            self._sheet(book)
        book.save(target)

    def _sheet(self, book: Any) -> Any:  # noqa: ANN401 - openpyxl has no types
        sheet = book.create_sheet("labelled" if not book.worksheets else f"labelled {len(book.worksheets) + 1}")
        sheet.freeze_panes = "A2"
        for place, name in enumerate(self.columns, 1):
            wide = name in ("text", "evidence", "urgency_reasons")
            sheet.column_dimensions[_letters(place)].width = _WIDE if wide else _WIDTH
        sheet.append([self._cell(sheet, name) for name in self.columns])
        sheet.auto_filter.ref = f"A1:{_letters(len(self.columns))}1"
        return sheet

    def _cell(self, sheet: Any, value: Any) -> Any:  # noqa: ANN401 - any cell
        from openpyxl.cell import WriteOnlyCell
        from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

        if value is None or isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < _EXACT):
            return value
        text = str(value if isinstance(value, int | float) else cell(value))
        made = WriteOnlyCell(sheet, value=ILLEGAL_CHARACTERS_RE.sub("", text))
        made.data_type = "s"  # a message that begins with = must not become a formula
        return made


def encode_checked(rows: Sequence[dict[str, Any]]) -> str:
    """Return one JSON object a line.

    Raises:
        DataError: a cell holds more than Excel can: now, not after all rows are labelled.
    """
    for row in rows:
        for name, value in row.items():
            text = cell(value) if isinstance(value, str | list | dict) else ""
            if 2 * len(text) <= MAX_CELL_CHARS:
                continue
            length = len(text.encode("utf-16-le", "replace")) // 2  # Excel counts as UTF-16 does
            if length > MAX_CELL_CHARS:
                msg = f"column {name!r}: {length:,} characters, and an Excel cell holds {MAX_CELL_CHARS:,}; write CSV"
                raise DataError(msg)
    return encode_jsonl(rows)


def _rows(parts: Sequence[Path]) -> Iterator[dict[str, Any]]:
    for part in parts:
        with part.open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)


def _letters(number: int) -> str:
    """Return the name of a column, from 1: A, B, ..., Z, AA."""
    letters: str = _openpyxl().utils.get_column_letter(number)
    return letters
