"""Packages of the extras, loaded when they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from complaint_nlp.errors import ConfigError


def load_optional(module: str, extra: str, what: str) -> Any:  # noqa: ANN401 - a module
    """Return a module that belongs to an extra.

    Args:
        module: its name.
        extra: the extra of this package that brings it.
        what: what needs it, in the plural, for the message.

    Raises:
        ConfigError: it is not installed; the message has the command that installs it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        msg = f"{what} need {module}: pip install 'complaint-nlp[{extra}]' ({error})"
        raise ConfigError(msg) from error
