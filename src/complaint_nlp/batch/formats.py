"""Reading and writing tables row by row: CSV, TSV, JSONL and Parquet."""

from __future__ import annotations

import codecs
import csv
import io
import json
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

from complaint_nlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

FORMATS: Final = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
MAX_CELL_CHARS: Final = 1_000_000
_SAMPLE_BYTES: Final = 200_000
_BLOCK_BYTES: Final = 1 << 20
_LEAD_BYTE: Final = 0xC0  # from here on a byte begins a character of several bytes in UTF-8


@dataclass(frozen=True, slots=True)
class Row:
    """One readable row: its number in the file (the first data row is 1), its columns and the line it begins in.

    Parquet has no lines; there it is 0.
    """

    number: int
    values: dict[str, Any]
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Reject:
    """One row that could not be read: its number, why, what stood there, and the line it begins in."""

    number: int
    reason: str
    content: str
    line: int = field(default=0, compare=False)


def _keep_broken(error: UnicodeError) -> tuple[str, int]:
    """Return every broken byte as a lone surrogate: ``surrogateescape``, but for bytes below 128 in UTF-16 too."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error("complaint_nlp.keep_broken", _keep_broken)


def format_of(path: Path) -> str:
    """Return the format a file name stands for.

    Raises:
        DataError: the ending is unknown.
    """
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        msg = f"{path}: unknown file ending {path.suffix!r}; use one of {', '.join(FORMATS)}"
        raise DataError(msg) from None


def detect_encoding(path: Path) -> str:
    """Return the encoding of a text file, judged by its byte order mark and its first 200 kB.

    A file that is UTF-8 but for a few broken bytes counts as UTF-8; its broken rows are set aside later.
    """
    with path.open("rb") as stream:
        sample = stream.read(_SAMPLE_BYTES)
    if sample.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    broken = sample.decode("utf-8", errors="replace").count("�")
    multibyte = sum(byte >= _LEAD_BYTE for byte in sample)
    if broken <= max(1, multibyte // 20):
        return "utf-8"
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=["big5", "gb18030"]).best()
    if best is not None:
        return best.encoding

    def strangers(encoding: str) -> int:
        """Return how many characters are none or for private use, as in text read with the wrong encoding."""
        text = sample.decode(encoding, errors="replace")
        return sum(char == "\ufffd" or "\ue000" <= char <= "\uf8ff" for char in text)

    return min("gb18030", "big5", key=strangers)


def open_rows(path: Path, encoding: str | None) -> tuple[list[str], Iterator[Row | Reject]]:
    """Return the column names of a file (all keys that occur, for JSONL) and its rows.

    Raises:
        DataError: the file cannot be read or has no header.
    """
    kind = format_of(path)
    try:
        if kind == "parquet":
            return _parquet_rows(path)
        chosen = encoding or detect_encoding(path)

        def opened() -> IO[str]:
            # broken bytes survive as lone surrogates, so that only their own row is set aside
            return path.open(encoding=chosen, errors="complaint_nlp.keep_broken", newline="")

        if kind == "jsonl":
            return _jsonl_rows(opened)
        return _csv_rows(path, opened, "\t" if kind == "tsv" else ",")
    except (csv.Error, UnicodeError) as error:
        msg = f"{path}: its first line cannot be read: {error}"
        raise DataError(msg) from error
    except (OSError, LookupError) as error:
        msg = f"{path}: cannot be read: {error}"
        raise DataError(msg) from error


def _csv_rows(path: Path, opened: Callable[[], IO[str]], delimiter: str) -> tuple[list[str], Iterator[Row | Reject]]:
    csv.field_size_limit(MAX_CELL_CHARS)

    def cells_of(stream: IO[str]) -> Any:  # noqa: ANN401 - the csv module's reader has no name
        return csv.reader((line.replace("\0", "") for line in stream), delimiter=delimiter)

    with opened() as stream:
        header = _checked_header(path, next(cells_of(stream), []))

    def rows() -> Iterator[Row | Reject]:
        number = 0
        with opened() as stream:
            reader = cells_of(stream)
            next(reader)
            while True:
                number += 1
                line = reader.line_num + 1
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield Reject(number, f"not readable as CSV: {error}", "", line)
                    continue
                if not cells:
                    number -= 1  # a blank line is no row
                    continue
                content = delimiter.join(cells)
                if len(cells) != len(header):
                    yield Reject(number, f"{len(cells)} cells where the header has {len(header)}", content, line)
                elif _is_broken(content):
                    yield Reject(number, "holds bytes that are not text in the file's encoding", content, line)
                else:
                    yield Row(number, dict(zip(header, cells, strict=True)), line)

    return header, rows()


def _checked_header(path: Path, header: list[str]) -> list[str]:
    if not any(name.strip() for name in header):
        msg = f"{path}: is empty; the first line should hold the column names"
        raise DataError(msg)
    if len(set(header)) != len(header):
        twice = next(name for name in header if header.count(name) > 1)
        msg = f"{path}: the column {twice!r} stands twice in the first line"
        raise DataError(msg)
    return header


def _is_broken(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


def _jsonl_rows(opened: Callable[[], IO[str]]) -> tuple[list[str], Iterator[Row | Reject]]:
    with opened() as stream:
        columns = _keys(stream)

    def rows() -> Iterator[Row | Reject]:
        with opened() as stream:
            for number, line in enumerate(stream, 1):
                if not line.strip():
                    continue
                if _is_broken(line):
                    yield Reject(
                        number, "holds bytes that are not text in the file's encoding", line.rstrip("\n"), number
                    )
                    continue
                try:
                    values = json.loads(line)
                except (ValueError, RecursionError) as error:
                    yield Reject(number, f"not valid JSON: {error}", line.rstrip("\n"), number)
                    continue
                if not isinstance(values, dict):
                    yield Reject(number, "not a JSON object", line.rstrip("\n"), number)
                elif "\\u" in line and _is_broken(json.dumps(values, ensure_ascii=False)):
                    yield Reject(number, "holds half a character (a lone surrogate)", line.rstrip("\n"), number)
                else:
                    yield Row(number, values, number)

    return columns, rows()


def _keys(stream: IO[str]) -> list[str]:
    """Return the keys of all lines, in the order in which they first occur; broken lines are set aside later."""
    keys: dict[str, None] = {}
    for line in stream:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            keys.update(dict.fromkeys(record))
    return list(keys)


def estimate_rows(path: Path) -> int:
    """Return about how many rows a file has: exact for Parquet, lines for text (cells may hold line breaks)."""
    if format_of(path) == "parquet":
        import pyarrow.parquet as pq

        return int(pq.read_metadata(path).num_rows)
    with path.open("rb") as stream:
        lines = sum(block.count(b"\n") for block in iter(lambda: stream.read(_BLOCK_BYTES), b""))
    return max(lines - (format_of(path) != "jsonl"), 1)


def _parquet_rows(path: Path) -> tuple[list[str], Iterator[Row | Reject]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        msg = f"{path}: not a readable Parquet file: {error}"
        raise DataError(msg) from error

    def rows() -> Iterator[Row | Reject]:
        number = 0
        with file:
            for batch in file.iter_batches(batch_size=1024):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(number, values)

    return list(file.schema_arrow.names), rows()


class Encoder(Protocol):
    """Turns rows of columns into what its :class:`Sink` appends; picklable, for it runs where the labelling is done."""

    def __call__(self, rows: Sequence[dict[str, Any]]) -> Any:  # noqa: ANN401 - str, or rows for Parquet
        """Return the encoded rows."""


@dataclass(frozen=True, slots=True)
class CsvEncoder:
    """Lists are joined by ``|``, evidence is JSON."""

    columns: tuple[str, ...]
    delimiter: str

    def __call__(self, rows: Sequence[dict[str, Any]]) -> str:
        """Return CSV lines."""
        stream = io.StringIO()
        writer = csv.writer(stream, delimiter=self.delimiter)
        writer.writerows([_cell(row.get(name)) for name in self.columns] for row in rows)
        return stream.getvalue()


def _cell(value: Any) -> Any:  # noqa: ANN401 - any cell
    formatter = _FORMATTERS.get(type(value))
    if formatter is not None:
        return formatter(value)
    return value.isoformat() if hasattr(value, "isoformat") else value


def _list_cell(value: list[Any]) -> str:
    if value and isinstance(value[0], dict):
        return json.dumps(value, ensure_ascii=False)
    return "|".join(map(str, value))


_FORMATTERS: Final[dict[type, Callable[[Any], Any]]] = {
    str: lambda value: value,
    type(None): lambda value: value,
    bool: lambda value: "true" if value else "false",
    float: lambda value: f"{value:.4g}",
    list: _list_cell,
    dict: lambda value: json.dumps(value, ensure_ascii=False, default=str),
}


def encode_jsonl(rows: Sequence[dict[str, Any]]) -> str:
    """Return one JSON object a line, lists as lists."""
    return "".join(json.dumps(row, ensure_ascii=False, default=_plain) + "\n" for row in rows)


def _plain(value: Any) -> str:  # noqa: ANN401 - whatever JSON does not know
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def keep_rows(rows: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """Return the rows as they are: Parquet gets its types from all of them together."""
    return rows


class Sink(Protocol):
    """A file that grows by encoded rows."""

    def write(self, encoded: Any) -> None:  # noqa: ANN401 - what the format's encoder returned
        """Append encoded rows."""

    def close(self) -> None:
        """Finish the file."""


class TextSink:
    """A text file.

    Args:
        path: file to create.
        encoding: UTF-8, for CSV with the byte order mark that Excel needs.
        head: what stands before the first row.
    """

    def __init__(self, path: Path, encoding: str, head: str) -> None:
        self._stream = path.open("w", encoding=encoding, newline="")
        self._stream.write(head)

    def write(self, encoded: str) -> None:
        """Append encoded rows."""
        self._stream.write(encoded)

    def close(self) -> None:
        """Finish the file."""
        self._stream.close()


class ParquetSink:
    """Typed columns: the labels by their schema, the input's own by what its first rows hold.

    Args:
        path: file to create.
        own: names of the input's own columns.
        extra: columns of the user's own tasks, and whether they hold lists.
    """

    def __init__(self, path: Path, own: Sequence[str], extra: Mapping[str, bool]) -> None:
        self._path = path
        self._own = list(own)
        self._extra = extra
        self._writer: Any = None
        self._schema: Any = None

    def write(self, encoded: Sequence[dict[str, Any]]) -> None:
        """Append rows.

        Raises:
            DataError: a value does not fit its column.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        from complaint_nlp.report import arrow_schema

        try:
            if self._writer is None:
                fields = []
                for name in self._own:
                    kind = pa.array([row.get(name) for row in encoded]).type
                    fields.append(pa.field(name, pa.string() if pa.types.is_null(kind) else kind))
                labels = arrow_schema()
                lists = pa.list_(pa.string())
                extra = [pa.field(name, lists if several else pa.string()) for name, several in self._extra.items()]
                self._schema = pa.schema([*fields, *labels, *extra], metadata=labels.metadata)
                self._writer = pq.ParquetWriter(self._path, self._schema, compression="zstd")
            self._writer.write_table(pa.Table.from_pylist(list(encoded), schema=self._schema))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            msg = f"a value does not fit the type of its column in Parquet: {error}; write JSONL instead"
            raise DataError(msg) from error

    def close(self) -> None:
        """Finish the file."""
        if self._writer is None:
            self.write([])
        self._writer.close()


def open_output(
    path: Path, kind: str, own: Sequence[str], labels: Sequence[str], extra: Mapping[str, bool] | None = None
) -> tuple[Encoder, Sink]:
    """Return how rows are encoded and where they go.

    Args:
        path: file to create.
        kind: its format.
        own: the input's own columns.
        labels: those of the standard tasks.
        extra: those of the user's own tasks, and whether they hold lists.
    """
    extra = extra or {}
    if kind == "parquet":
        return keep_rows, ParquetSink(path, own, extra)
    if kind == "jsonl":
        return encode_jsonl, TextSink(path, "utf-8", "")
    encoder = CsvEncoder((*own, *labels, *extra), "\t" if kind == "tsv" else ",")
    return encoder, TextSink(path, "utf-8-sig", encoder([{name: name for name in encoder.columns}]))
