"""Tables that the tests of the correction loop share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from complaint_nlp import Analyzer

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent.parent
MESSAGES = ROOT / "data" / "messages.jsonl"


@pytest.fixture(scope="session")
def messages() -> list[dict[str, Any]]:
    """Return the own messages of trades that the shipped model was not trained on."""
    lines = MESSAGES.read_text(encoding="utf-8").splitlines()
    return [record for record in map(json.loads, lines) if record["split"] == "test"]


@pytest.fixture(scope="session")
def fast() -> Analyzer:
    """Return the shipped model without its encoder."""
    return Analyzer.load(speed="fast")


@pytest.fixture(scope="session")
def labelled(fast: Analyzer, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the flat columns of all messages."""
    reports = fast.analyze_batch([record["text"] for record in messages])
    return [
        {"id": record["id"], "text": record["text"], **report.to_columns()}
        for record, report in zip(messages, reports, strict=True)
    ]


@pytest.fixture
def write_jsonl(tmp_path: Path) -> Callable[[str, list[dict[str, Any]]], Path]:
    """Return a function that writes rows to a file."""

    def write(name: str, rows: list[dict[str, Any]]) -> Path:
        path = tmp_path / name
        lines = (json.dumps(row, ensure_ascii=False, default=str) for row in rows)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write
