"""Where rows come from: files, standard input, tables of databases."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.batch.formats import estimate_rows
from complaint_nlp.batch.sql import SqlSource, is_sql

if TYPE_CHECKING:
    from collections.abc import Iterator

_SMALL_BYTES: Final = 1_000_000
_SMALL_ROWS: Final = 3000

Source = Path | SqlSource


@contextmanager
def opened(source: str | Path, key: str | None) -> Iterator[tuple[Source, str]]:
    """Yield a source, and what to call it: standard input is read into a temporary file first.

    Args:
        source: file, ``-``, or table of a database.
        key: column by which a table is read.
    """
    if is_sql(source):
        table = SqlSource(str(source), key)
        yield table, str(table)
        return
    if str(source) != "-":
        yield Path(source), str(source)
        return
    with tempfile.TemporaryDirectory(prefix="complaint-nlp-") as folder:
        path = Path(folder) / "stdin.jsonl"
        with path.open("wb") as stream:
            shutil.copyfileobj(sys.stdin.buffer, stream)
        yield path, "-"


def state_of(source: Source) -> list[Any]:
    """Return what a resumed run must find unchanged."""
    if isinstance(source, SqlSource):
        return source.settings
    files = [source] if source.is_file() else sorted(source.rglob("*.parquet"))
    return [[str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns] for file in files]


def row_count(source: Source) -> int:
    """Return about how many rows there are: exact for tables, otherwise as :func:`estimate_rows` says."""
    return source.count() if isinstance(source, SqlSource) else estimate_rows(source)


def is_small(source: Source) -> bool:
    """Return whether a source is labelled before other processes would have started."""
    if isinstance(source, SqlSource):
        return source.count() <= _SMALL_ROWS
    return source.is_file() and source.stat().st_size <= _SMALL_BYTES
