"""The errors this package raises on purpose. All derive from :class:`ComplaintNlpError`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class ComplaintNlpError(Exception):
    """Base of all errors raised by this package. The message says what was wrong, where, and what to do."""


class DataError(ComplaintNlpError, ValueError):
    """Input data does not have the documented form."""


class ConfigError(ComplaintNlpError, ValueError):
    """A rule, routing or resource file is wrong. The message names the file, the line and the key."""


class ModelError(ComplaintNlpError):
    """A model bundle is missing, damaged, of an unknown version, or not what its hashes say."""


def validation_problems(error: ValidationError) -> str:
    """Return what a schema found wrong, in one line: ``key.key: problem; ...``."""
    return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
