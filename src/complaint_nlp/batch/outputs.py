"""Writing labelled rows part by part, and putting the parts together: CSV, TSV, JSONL, Parquet, Excel."""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
import shutil
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final, Protocol, cast

from pydantic_core import to_json

from complaint_nlp.batch.formats import compression_of, format_of
from complaint_nlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

_BLOCK_BYTES: Final = 1 << 20
_GROUP_ROWS: Final = 20_000
"""Rows of a row group in Parquet; the same however the parts were cut."""


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
        for row in rows:
            values = map(row.get, self.columns)
            writer.writerow([value if value is None or type(value) is str else cell(value) for value in values])
        return stream.getvalue()


def cell(value: Any) -> Any:  # noqa: ANN401 - any cell
    """Return a value as a cell of a text table holds it."""
    formatter = _FORMATTERS.get(type(value))
    if formatter is not None:
        return formatter(value)
    return value.isoformat() if hasattr(value, "isoformat") else value


def _list_cell(value: list[Any]) -> str:
    if value and isinstance(value[0], dict):
        return to_json(value).decode()
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
    """A part that grows by encoded rows."""

    def write(self, encoded: Any) -> None:  # noqa: ANN401 - what the format's encoder returned
        """Append encoded rows."""

    def close(self) -> None:
        """Finish the file."""


class TextSink:
    """A part of a text file, without its head.

    Args:
        path: file to create.
        compression: ``gzip``, ``zstd``, ``xz`` or ``None``; parts that are joined can still be read as one file.
    """

    def __init__(self, path: Path, compression: str | None) -> None:
        self._stream: IO[bytes] = compressed(path, compression)

    def write(self, encoded: str) -> None:
        """Append encoded rows."""
        self._stream.write(encoded.encode())

    def close(self) -> None:
        """Finish the file."""
        self._stream.close()


class ParquetSink:
    """A Parquet file, or a part of one.

    Args:
        path: file to create.
        schema: of the first rows; tells the others what they are.
    """

    def __init__(self, path: Path, schema: Callable[[Sequence[dict[str, Any]]], pa.Schema]) -> None:
        self._path = path
        self._schema = schema
        self._writer: Any = None

    def write(self, encoded: Sequence[dict[str, Any]]) -> None:
        """Append rows.

        Raises:
            DataError: a value does not fit its column.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            if self._writer is None:
                self._writer = pq.ParquetWriter(self._path, self._schema(encoded), compression="zstd")
            self._writer.write_table(pa.Table.from_pylist(list(encoded), schema=self._writer.schema))
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            msg = f"a value does not fit the type of its column in Parquet: {error}; write JSONL instead"
            raise DataError(msg) from error

    def close(self) -> None:
        """Finish the file."""
        if self._writer is None:
            self.write([])
        self._writer.close()


class Output(Protocol):
    """A format to write: how rows are encoded, how parts are written, and how they become one file."""

    @property
    def encoder(self) -> Encoder:
        """What turns rows into what a part takes."""

    def open_part(self, path: Path) -> Sink:
        """Create a part."""

    def assemble(self, parts: Sequence[Path], target: Path) -> None:
        """Write all parts to ``target``."""


@dataclass(frozen=True, slots=True)
class TextOutput:
    """CSV, TSV or JSONL.

    Attributes:
        columns: all columns in order; JSONL needs none.
        kind: ``csv``, ``tsv`` or ``jsonl``.
        compression: ``gzip``, ``zstd``, ``xz`` or ``None``.
    """

    columns: tuple[str, ...]
    kind: str
    compression: str | None

    @property
    def encoder(self) -> Encoder:
        """What turns rows into text."""
        if self.kind == "jsonl":
            return encode_jsonl
        return CsvEncoder(self.columns, "\t" if self.kind == "tsv" else ",")

    def open_part(self, path: Path) -> Sink:
        """Create a part."""
        return TextSink(path, self.compression)

    def assemble(self, parts: Sequence[Path], target: Path) -> None:
        """Write the head and all parts to ``target``."""
        with target.open("wb"):
            pass
        if self.kind != "jsonl":
            with compressed(target, self.compression) as stream:
                # the byte order mark tells Excel that it is UTF-8
                head = self.encoder([{name: name for name in self.columns}])
                stream.write(head.encode("utf-8-sig"))
        with target.open("ab") as joined:
            for part in parts:
                with part.open("rb") as source:
                    shutil.copyfileobj(source, joined, _BLOCK_BYTES)


@dataclass(frozen=True, slots=True)
class ParquetOutput:
    """Parquet with typed columns: the labels by their schema, the input's own by what its first rows hold.

    Attributes:
        own: names of the input's own columns.
        extra: columns of the user's own tasks, and whether they hold lists.
        types: of those own columns whose types are known.
        partition_by: columns whose values become folders; a single file without any.
    """

    own: tuple[str, ...]
    extra: Mapping[str, bool]
    types: Mapping[str, pa.DataType]
    partition_by: tuple[str, ...] = ()

    @property
    def encoder(self) -> Encoder:
        """What leaves rows as they are."""
        return keep_rows

    def open_part(self, path: Path) -> Sink:
        """Create a part with the types of the first one that has rows."""
        before = sorted(part for part in path.parent.glob("part-??????") if part.name < path.name)
        typed = _typed_part(before)
        return ParquetSink(path, self._typed if typed is None else lambda _: _schema_of(typed))

    def _typed(self, rows: Sequence[dict[str, Any]]) -> pa.Schema:
        import pyarrow as pa

        fields = []
        for name in self.own:
            kind = self.types[name] if name in self.types else pa.array([row.get(name) for row in rows]).type
            fields.append(pa.field(name, pa.string() if pa.types.is_null(kind) else kind))
        return pa.schema([*fields, *_label_fields(self.extra)], metadata=_label_metadata())

    def assemble(self, parts: Sequence[Path], target: Path) -> None:
        """Write all parts to ``target``, a file or a folder.

        Raises:
            DataError: the columns to partition by have too many values.
        """
        import pyarrow as pa
        import pyarrow.dataset as ds
        import pyarrow.parquet as pq

        typed = _typed_part(parts)
        schema = self._typed([]) if typed is None else _schema_of(typed)
        if not self.partition_by:
            with pq.ParquetWriter(target, schema, compression="zstd") as writer:
                for group in _groups(parts):
                    writer.write_table(group)
            return
        batches = (batch for group in _groups(parts) for batch in group.combine_chunks().to_batches())
        reader = pa.RecordBatchReader.from_batches(schema, batches)
        kinds = pa.schema([schema.field(name) for name in self.partition_by])
        options = ds.ParquetFileFormat().make_write_options(compression="zstd")
        partitioning = ds.partitioning(kinds, flavor="hive")
        try:
            # one thread keeps the order of the rows
            ds.write_dataset(
                reader, target, format="parquet", partitioning=partitioning, file_options=options, use_threads=False
            )
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            msg = f"cannot be partitioned by {', '.join(self.partition_by)}: {error}"
            raise DataError(msg) from error


def _label_fields(extra: Mapping[str, bool]) -> list[pa.Field]:
    import pyarrow as pa

    from complaint_nlp.report import arrow_schema

    lists = pa.list_(pa.string())
    return [*arrow_schema(), *(pa.field(name, lists if several else pa.string()) for name, several in extra.items())]


def _label_metadata() -> Any:  # noqa: ANN401 - pyarrow has no types
    from complaint_nlp.report import arrow_schema

    return arrow_schema().metadata


def _typed_part(parts: Sequence[Path]) -> Path | None:
    """Return the first part that has rows; one without knows no types."""
    import pyarrow.parquet as pq

    return next((part for part in parts if pq.read_metadata(part).num_rows), None)


def _groups(parts: Sequence[Path]) -> Iterator[pa.Table]:
    """Yield the rows of all parts in groups of the same size."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    waiting: list[pa.Table] = []
    count = 0
    for part in parts:
        table = pq.read_table(part, partitioning=None)
        if not table.num_rows:
            continue
        waiting.append(table)
        count += table.num_rows
        while count >= _GROUP_ROWS:
            joined = pa.concat_tables(waiting)
            yield joined.slice(0, _GROUP_ROWS)
            waiting, count = [joined.slice(_GROUP_ROWS)], count - _GROUP_ROWS
    if count:
        yield pa.concat_tables(waiting)


def _schema_of(part: Path) -> pa.Schema:
    import pyarrow.parquet as pq

    return pq.read_schema(part)


def compressed(path: Path, compression: str | None) -> IO[bytes]:
    """Create a file that is written through a compression, whatever its name ends with."""
    if compression == "gzip":
        return cast("IO[bytes]", gzip.open(path, "wb"))
    if compression == "xz":
        return cast("IO[bytes]", lzma.open(path, "wb"))
    if compression == "zstd":
        import pyarrow as pa

        return cast("IO[bytes]", pa.output_stream(path, compression="zstd"))
    return path.open("wb")


def open_output(
    target: Path,
    own: Sequence[str],
    labels: Sequence[str],
    extra: Mapping[str, bool],
    partition_by: Sequence[str] = (),
    types: Mapping[str, pa.DataType] | None = None,
) -> Output:
    """Return how a file is written.

    Args:
        target: the file; its ending tells the format.
        own: the input's own columns.
        labels: those of the standard tasks.
        extra: those of the user's own tasks, and whether they hold lists.
        partition_by: columns whose values become folders of a Parquet folder.
        types: of those own columns whose types are known; only Parquet asks.

    Raises:
        DataError: there is no such column, one to partition by holds lists, or nothing else is left.
        ConfigError: a package for the format is missing.
    """
    columns = (*own, *labels, *extra)
    if partition_by:
        _check_partitions(partition_by, columns, extra)
        return ParquetOutput(tuple(own), dict(extra), dict(types or {}), tuple(partition_by))
    kind = format_of(target)
    if kind == "parquet":
        return ParquetOutput(tuple(own), dict(extra), dict(types or {}))
    if kind == "xlsx":
        from complaint_nlp.batch.excel import ExcelOutput, check_installed

        check_installed()  # now, not after all rows are labelled
        return ExcelOutput(columns)
    return TextOutput(columns, kind, compression_of(target))


def _check_partitions(names: Sequence[str], columns: Sequence[str], extra: Mapping[str, bool]) -> None:
    import pyarrow as pa

    kinds = {field.name: field.type for field in _label_fields(extra)}
    for name in names:
        if name not in columns:
            msg = f"there is no column {name!r} to partition by; the columns are {', '.join(columns)}"
            raise DataError(msg)
        if name in kinds and pa.types.is_nested(kinds[name]):
            msg = f"column {name!r} holds several values a row, so it cannot be partitioned by"
            raise DataError(msg)
