"""Fixtures of all rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from complaint_nlp import Analyzer


@pytest.fixture(scope="session")
def analyzer() -> Analyzer:
    """Return the shipped model, loaded once."""
    # not at the top: `make test-pure` runs the conversion tests where scipy and others are not installed
    from complaint_nlp import Analyzer

    return Analyzer.load()
