"""Where labelled rows go: files, folders, standard output, tables; and what must not be written over."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from complaint_nlp.batch.formats import format_of
from complaint_nlp.batch.journal import is_moving
from complaint_nlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from complaint_nlp.batch.options import LabelOptions
    from complaint_nlp.batch.sources import Source
    from complaint_nlp.batch.sql_output import SqlTarget

STANDARD: Final = "-"
"""Standard input or output, in place of a file."""
_BLOCK_BYTES: Final = 1 << 20


@contextmanager
def opened_target(target: str | Path) -> Iterator[str | Path]:
    """Yield where to write; what is meant for standard output goes there when all is done."""
    if str(target) != STANDARD:
        yield target
        return
    with tempfile.TemporaryDirectory(prefix="complaint-nlp-") as folder:
        path = Path(folder) / "stdout.jsonl"
        yield path
        if path.exists():  # a dry run writes nothing
            with path.open("rb") as stream:
                shutil.copyfileobj(stream, sys.stdout.buffer, _BLOCK_BYTES)
            sys.stdout.buffer.flush()


def check_target(source: Source, target: Path | SqlTarget, options: LabelOptions) -> None:
    """Refuse a target that must not be written, and a source that is not there.

    Raises:
        DataError: the target's format is unknown, it is or holds the source, or it is there already.
    """
    if isinstance(source, Path) and not source.exists():
        msg = f"{source}: no such file"
        raise DataError(msg)
    if isinstance(target, Path):
        _check_file(source, target, options)
        places, moving = [target, rejects_of(target)], is_moving(target)
    else:
        target.check(source, options)
        places, moving = [rejects_of(target.path)], is_moving(target.path)
    if options.overwrite or (options.resume and moving):
        return
    for path in places:
        if path.exists():
            msg = f"{path}: exists already; use --overwrite to replace it"
            raise DataError(msg)


def _check_file(source: Source, target: Path, options: LabelOptions) -> None:
    if not options.partition_by:
        format_of(target)
    here, there = (source.resolve() if isinstance(source, Path) else None), target.resolve()
    if here == there:
        msg = f"{target}: is the input itself; write to another file"
        raise DataError(msg)
    if isinstance(source, Path) and source.is_dir() and here in there.parents:
        msg = f"{target}: lies within the input; write to another place"
        raise DataError(msg)
    if target.is_dir():
        if here is not None and there in here.parents and options.partition_by:
            msg = f"{target}: holds the input; write to another folder"
            raise DataError(msg)
        _check_folder(target, options)
    elif options.partition_by and target.exists():
        msg = f"{target}: is a file; write to a folder"
        raise DataError(msg)


def _check_folder(target: Path, options: LabelOptions) -> None:
    if not options.partition_by:
        msg = f"{target}: is a directory; write to a file"
        raise DataError(msg)
    if options.overwrite and any(path.is_file() and path.suffix.lower() != ".parquet" for path in target.rglob("*")):
        msg = f"{target}: holds something else than Parquet files, so it is not replaced"
        raise DataError(msg)


def rejects_of(target: Path) -> Path:
    """Return the file that lists the rows of an output that could not be read."""
    return target.with_name(f"{target.name}.rejects.jsonl")


def manifest_of(target: Path) -> Path:
    """Return the file that says how an output came about."""
    return target.with_name(f"{target.name}.manifest.json")
