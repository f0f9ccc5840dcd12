"""Labels of texts that are not ours to hand on: keyed by a hash, joined with the texts where somebody has them."""

from __future__ import annotations

import hashlib
import json
import lzma
from pathlib import Path
from typing import TYPE_CHECKING

from complaint_nlp.errors import DataError
from complaint_nlp.labelled import LabelledMessage, parse_labelled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KEY_DIGITS = 16
"""Hexadecimal digits of the SHA-256 of a text that make its key."""


def key_of(text: str) -> str:
    """Return the key of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]


def text_lines(path: Path) -> Iterator[str]:
    """Return the texts of a plain or ``.xz`` file with one text a line, without the white space around them.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8") as lines:
            for line in lines:
                yield line.strip()
    except (OSError, EOFError, UnicodeDecodeError, lzma.LZMAError) as error:
        msg = f"{path}: cannot be read as lines of UTF-8 text: {error}"
        raise DataError(msg) from error


def read_keyed_labels(labels: str | Path, texts: Sequence[Path]) -> list[LabelledMessage]:
    """Return the labelled texts.

    Args:
        labels: JSON lines of labels whose ``id`` is the key of a text.
        texts: files with one text a line; those without labels are left out.

    Raises:
        DataError: a file cannot be read, a line is wrong, or a labelled text is in none of the files.
    """
    path = Path(labels)
    try:
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        wanted = {str(record["id"]): record for record in records}
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path}: cannot be read as JSON lines with an id each: {error}"
        raise DataError(msg) from error
    found: dict[str, LabelledMessage] = {}
    for file in texts:
        for text in text_lines(file):
            key = key_of(text)
            if key in wanted and key not in found:
                try:
                    found[key] = parse_labelled({**wanted[key], "text": text})
                except ValueError as error:
                    msg = f"{path}: {key}: {error}"
                    raise DataError(msg) from error
    if len(found) < len(wanted):
        lost = next(key for key in wanted if key not in found)
        msg = f"{path}: {len(wanted) - len(found)} labelled texts are in none of the given files, {lost} the first"
        raise DataError(msg)
    return [found[key] for key in wanted]
