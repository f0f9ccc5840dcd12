"""Auxiliary heads: what public sets of other questions teach the encoder on the side."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from complaint_nlp.errors import DataError
from complaint_nlp.resources import Strict, WrongEntry, builtin, load_yaml
from complaint_nlp.train.encoder.network import Head

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class AuxiliaryFile(Strict):
    """One file of a public set."""

    path: str
    text: str = "text"
    label: str | None = None
    flags: tuple[str, ...] = ()
    map: dict[str, tuple[str, ...]] | None = None
    limit: Annotated[int, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> AuxiliaryFile:
        if (self.label is None) == (not self.flags):
            raise WrongEntry((), "either 'label' or 'flags' is needed")
        return self

    def values_of(self, record: Mapping[str, object]) -> tuple[str, ...] | None:
        """Return the values of a record; ``None`` when it has no label this file knows."""
        if self.flags:
            return tuple(flag for flag in self.flags if str(record.get(flag, "0")) not in ("0", "", "None"))
        found = str(record.get(str(self.label)))
        return (found,) if self.map is None else self.map.get(found)


class AuxiliaryHead(Strict):
    """One question of public sets."""

    kind: Literal["one", "several"]
    values: tuple[str, ...]
    weight: Annotated[float, Field(gt=0)]
    files: tuple[AuxiliaryFile, ...]


class AuxiliarySets(Strict):
    """The schema of the file of auxiliary sets."""

    version: Literal[1]
    heads: dict[str, AuxiliaryHead]


@dataclass(frozen=True, slots=True)
class AuxiliaryText:
    """One text with the answer to one auxiliary question."""

    text: str
    head: str
    values: tuple[str, ...]


def load_auxiliary(path: str | Path | None = None) -> AuxiliarySets:
    """Read the definition of auxiliary sets, the shipped one by default.

    Raises:
        ConfigError: the file is wrong.
    """
    return load_yaml(path or builtin("train/auxiliary.yaml"), AuxiliarySets)


def auxiliary_heads(sets: AuxiliarySets) -> list[Head]:
    """Return the heads of the network for ``sets``."""
    return [Head(name, len(head.values), head.kind == "one", head.weight) for name, head in sets.heads.items()]


def read_auxiliary(sets: AuxiliarySets, folder: Path, *, scale: float = 1.0, seed: int = 0) -> list[AuxiliaryText]:
    """Read the texts of all sets.

    Args:
        sets: what to read.
        folder: where the files lie.
        scale: factor to the limits of the files, and to the whole of those without one.
        seed: of the choice.

    Raises:
        DataError: a file is missing or a line is wrong.
    """
    random = np.random.default_rng(seed)
    texts: list[AuxiliaryText] = []
    for name, head in sets.heads.items():
        for file in head.files:
            found = [
                AuxiliaryText(text, name, values)
                for text, values in _records(folder / file.path, file)
                if all(value in head.values for value in values) and (values or head.kind == "several")
            ]
            count = round(min(file.limit or len(found), len(found)) * min(scale, 1.0))
            texts += [found[i] for i in random.permutation(len(found))[:count].tolist()]
    return texts


def _records(path: Path, file: AuxiliaryFile) -> list[tuple[str, tuple[str, ...]]]:
    result = []
    try:
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            for line in stream:
                record = json.loads(line)
                values = file.values_of(record)
                text = record.get(file.text)
                if values is not None and isinstance(text, str) and text.strip():
                    result.append((text, values))
    except (OSError, EOFError, zlib.error, ValueError, AttributeError) as error:
        msg = f"{path}: cannot be read as gzipped JSON lines: {error}"
        raise DataError(msg) from error
    return result
