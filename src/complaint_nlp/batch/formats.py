"""Reading tables row by row: CSV, TSV and JSONL, compressed or not, Parquet files and folders, Excel."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import lzma
import zlib
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Literal, Self, cast

from complaint_nlp.errors import DataError
from complaint_nlp.text.chars import is_broken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pyarrow as pa

FORMATS: Final = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
}
COMPRESSIONS: Final = {".gz": "gzip", ".zst": "zstd", ".xz": "xz"}
"""Of CSV, TSV and JSONL, by a second ending."""
_TEXTS: Final = ("csv", "tsv", "jsonl")
MAX_CELL_CHARS: Final = 1_000_000
_SAMPLE_BYTES: Final = 200_000
_BLOCK_BYTES: Final = 1 << 20
_UNREADABLE: Final = (OSError, EOFError, lzma.LZMAError, zlib.error)
"""What reading a file raises, compressed or not."""
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
    """Return the format a file name stands for; a folder is one of Parquet files.

    Raises:
        DataError: the ending is unknown.
    """
    if path.is_dir():
        return "parquet"
    compressed = path.suffix.lower() in COMPRESSIONS
    suffix = Path(path.stem).suffix if compressed else path.suffix
    kind = FORMATS.get(suffix.lower())
    if kind is None or (compressed and kind not in _TEXTS):
        endings = (
            f"{', '.join(FORMATS)}; behind {', '.join(f'.{kind}' for kind in _TEXTS)} also {', '.join(COMPRESSIONS)}"
        )
        msg = f"{path}: unknown file ending {suffix + path.suffix if compressed else suffix!r}; use one of {endings}"
        raise DataError(msg)
    return kind


def compression_of(path: Path) -> str | None:
    """Return how a file is compressed: ``gzip``, ``zstd``, ``xz`` or not at all."""
    return COMPRESSIONS.get(path.suffix.lower())


def open_bytes(path: Path, mode: Literal["rb", "wb"] = "rb") -> IO[bytes]:
    """Open a file for reading or writing bytes, through its compression."""
    compression = compression_of(path)
    if compression == "gzip":
        return cast("IO[bytes]", gzip.open(path, mode))
    if compression == "xz":
        return cast("IO[bytes]", lzma.open(path, mode))
    if compression == "zstd":
        import pyarrow as pa

        opened: Any = pa.input_stream(path, compression="zstd") if mode == "rb" else pa.output_stream(path, "zstd")
        return cast("IO[bytes]", opened)
    return path.open(mode)


def detect_encoding(path: Path) -> str:
    """Return the encoding of a text file, judged by its byte order mark and its first 200 kB.

    A file that is UTF-8 but for a few broken bytes counts as UTF-8; its broken rows are set aside later.
    """
    with open_bytes(path) as stream:
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
        if kind == "xlsx":
            from complaint_nlp.batch.excel import excel_rows

            return excel_rows(path)
        chosen = encoding or detect_encoding(path)
        if not codecs.lookup(chosen)._is_text_encoding:  # noqa: SLF001 - as open() itself asks
            msg = f"{chosen} is no encoding of text"
            raise LookupError(msg)  # noqa: TRY301 - as an unknown one

        def opened() -> IO[str]:
            # broken bytes survive as lone surrogates, so that only their own row is set aside
            return io.TextIOWrapper(open_bytes(path), encoding=chosen, errors="complaint_nlp.keep_broken", newline="")

        if kind == "jsonl":
            columns, rows = _jsonl_rows(opened)
        else:
            columns, rows = _csv_rows(path, opened, "\t" if kind == "tsv" else ",")
        return columns, _watched(path, rows)
    except (csv.Error, UnicodeError) as error:
        msg = f"{path}: its first line cannot be read: {error}"
        raise DataError(msg) from error
    except (*_UNREADABLE, LookupError) as error:
        msg = f"{path}: cannot be read: {error}"
        raise DataError(msg) from error


def _watched(path: Path, rows: Iterator[Row | Reject]) -> Iterator[Row | Reject]:
    """Yield rows; say which file it is that cannot be read on, and from where."""
    number = 0
    try:
        for row in rows:
            number = row.number
            yield row
    except _UNREADABLE as error:
        msg = f"{path}: cannot be read after row {number:,}: {error}"
        raise DataError(msg) from error


def _csv_rows(path: Path, opened: Callable[[], IO[str]], delimiter: str) -> tuple[list[str], Iterator[Row | Reject]]:
    csv.field_size_limit(MAX_CELL_CHARS)

    def cells_of(lines: Iterable[str]) -> Any:  # noqa: ANN401 - the csv module's reader has no name
        return csv.reader(lines, delimiter=delimiter)

    with opened() as stream:
        header = _checked_header(path, next(cells_of(_Lines(stream)), []))

    def rows() -> Iterator[Row | Reject]:
        number = 0
        with opened() as stream:
            lines = _Lines(stream)
            reader = cells_of(lines)
            next(reader)
            while True:
                number += 1
                lines.begin()
                line = lines.number + 1
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield Reject(number, f"not readable as CSV: {error}", lines.again(), line)
                    reader = cells_of(lines)
                    continue
                if not cells:
                    number -= 1  # a blank line is no row
                    continue
                content = delimiter.join(cells)
                if lines.is_cut_off:
                    yield Reject(number, "a quotation mark is never closed", lines.again(), line)
                    reader = cells_of(lines)
                elif len(cells) != len(header):
                    yield Reject(number, f"{len(cells)} cells where the header has {len(header)}", content, line)
                elif is_broken(content):
                    yield Reject(number, "holds bytes that are not text in the file's encoding", content, line)
                else:
                    yield Row(number, dict(zip(header, cells, strict=True)), line)

    return header, rows()


class _Lines:
    """The lines of a CSV file, of which those of a row that turned out broken can be read again.

    Args:
        stream: an open file.

    Attributes:
        number: how many lines have been handed out.
        is_cut_off: whether the file ended within the row that is being read.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._waiting: deque[str] = deque()
        self._row: list[str] = []
        self.number = 0
        self.is_cut_off = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else next(self._stream, None)
        if line is None:
            self.is_cut_off = bool(self._row)
            raise StopIteration
        line = line.replace("\0", "")
        self._row.append(line)
        self.number += 1
        return line

    def begin(self) -> None:
        """Note that a row begins here."""
        self._row, self.is_cut_off = [], False

    def again(self) -> str:
        """Return the first line of the row that was read last; what follows it is read as rows of its own."""
        first, *rest = self._row or [""]
        self._waiting.extendleft(reversed(rest))
        self.number -= len(rest)
        return first.rstrip("\r\n")


def _checked_header(path: Path, header: list[str]) -> list[str]:
    if not any(name.strip() for name in header):
        msg = f"{path}: is empty; the first line should hold the column names"
        raise DataError(msg)
    if len(set(header)) != len(header):
        twice = next(name for name in header if header.count(name) > 1)
        msg = f"{path}: the column {twice!r} stands twice in the first line"
        raise DataError(msg)
    return header


def _jsonl_rows(opened: Callable[[], IO[str]]) -> tuple[list[str], Iterator[Row | Reject]]:
    with opened() as stream:
        columns = _keys(stream)

    def rows() -> Iterator[Row | Reject]:
        with opened() as stream:
            for number, line in enumerate(stream, 1):
                if not line.strip():
                    continue
                if is_broken(line):
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
                elif "\\u" in line and is_broken(json.dumps(values, ensure_ascii=False)):
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
    """Return about how many rows a file has: exact for Parquet, lines for text (cells may hold line breaks).

    0 where it would take as long to find out as to read: compressed text and Excel.
    """
    if format_of(path) == "parquet":
        return int(_dataset(path).count_rows())
    if format_of(path) == "xlsx" or compression_of(path) is not None:
        return 0
    with path.open("rb") as stream:
        lines = sum(block.count(b"\n") for block in iter(lambda: stream.read(_BLOCK_BYTES), b""))
    return max(lines - (format_of(path) != "jsonl"), 1)


def column_types(path: Path) -> dict[str, pa.DataType]:
    """Return the types of a table's columns as far as the file itself tells them: Parquet does."""
    if format_of(path) != "parquet":
        return {}
    import pyarrow as pa

    # values arrive one by one, without what stood behind a dictionary or an extension
    types = {field.name: field.type for field in _dataset(path).schema}
    types = {name: kind.value_type if pa.types.is_dictionary(kind) else kind for name, kind in types.items()}
    return {name: kind for name, kind in types.items() if not isinstance(kind, pa.BaseExtensionType)}


def _source_files(path: Path) -> Sequence[Path]:
    """Return the files a source consists of, in the order of their names."""
    return sorted(path.rglob("*.parquet")) if path.is_dir() else [path]


def _dataset(path: Path) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return a Parquet file, or all files of a folder, as one table.

    Raises:
        DataError: there is no such file, or it is none of Parquet.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds

    files = list(map(str, _source_files(path)))
    if not files:
        msg = f"{path}: holds no .parquet files"
        raise DataError(msg)
    try:
        if not path.is_dir():
            return ds.dataset(files, format="parquet")
        return ds.dataset(files, format="parquet", partitioning="hive", partition_base_dir=str(path))
    except (pa.ArrowException, OSError) as error:
        msg = f"{path}: not a readable Parquet file: {error}"
        raise DataError(msg) from error


def _parquet_rows(path: Path) -> tuple[list[str], Iterator[Row | Reject]]:
    """Return the rows of a file, or of all files of a folder in the order of their names."""
    import pyarrow as pa

    table = _dataset(path)

    def rows() -> Iterator[Row | Reject]:
        number = 0
        try:
            # one batch ahead is enough, and keeps memory small whatever the files are like
            for batch in table.to_batches(batch_size=1024, batch_readahead=1, fragment_readahead=1):
                for found in _values(batch):
                    number += 1
                    if isinstance(found, str):
                        yield Reject(number, "holds bytes that are not text", found)
                    else:
                        yield Row(number, found)
        except (pa.ArrowException, OSError) as error:
            msg = f"{path}: cannot be read after row {number:,}: {error}"
            raise DataError(msg) from error

    return list(table.schema.names), rows()


def _values(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | str]:
    """Yield the rows of a batch; of one with a text that is none, what can be shown of it."""
    import pyarrow as pa

    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        for place in range(batch.num_rows):
            row = batch.slice(place, 1)
            try:
                yield row.to_pylist()[0]
            except UnicodeDecodeError:
                strings = (pa.string(), pa.large_string())
                texts = [column.cast(pa.large_binary()) for column in row.columns if column.type in strings]
                yield "\t".join((text[0].as_py() or b"").decode(errors="replace") for text in texts)
