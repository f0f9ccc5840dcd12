"""Fixtures of the text room."""

import pytest

from complaint_nlp.text import Normalizer


@pytest.fixture(scope="session")
def normalizer() -> Normalizer:
    return Normalizer()
