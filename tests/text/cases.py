"""Reads the text room's cases; a module of its own so that test files can parametrise with it."""

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parent.parent / "cases"


class Case(NamedTuple):
    source: str
    expected: str
    kind: str
    note: str


class Repair(NamedTuple):
    kind: str
    source: str
    expected: str
    step: str


def conversion_cases() -> list[Case]:
    lines = (FOLDER / "text_conversion.tsv").read_text(encoding="utf-8").rstrip("\n").split("\n")
    assert lines[0] == "input\texpected\tkind\tnote"
    return [Case(*line.split("\t")) for line in lines[1:]]


def repair_cases(kind: str) -> list[Repair]:
    lines = (FOLDER / "text_repair.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [Repair(row["kind"], row["input"], row["expected"], row["step"]) for row in rows if row["kind"] == kind]


def pure_misses() -> dict[str, str]:
    lines = (FOLDER / "text_opencc_pure_misses.tsv").read_text(encoding="utf-8").rstrip("\n").split("\n")
    assert lines[0] == "input\twith the pure-Python OpenCC"
    return dict(line.split("\t") for line in lines[1:])


def is_pure() -> bool:
    """Return whether the pure-Python distribution provides `opencc` here."""
    try:
        version("opencc-python-reimplemented")
    except PackageNotFoundError:
        return False
    return True
