"""Fixtures of file labelling."""

from typing import Any

import pytest

from complaint_nlp import Analyzer


@pytest.fixture(autouse=True)
def _loaded_once(analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every run in this process use the model that is loaded already; other processes load their own."""

    def load(*_: Any, **__: Any) -> Analyzer:
        return analyzer

    monkeypatch.setattr(Analyzer, "load", load)
