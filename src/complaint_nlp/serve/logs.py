"""The service's log: one JSON object a line, and nothing in it that a customer wrote."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

_OWN: Final = frozenset(
    {"request_id", "method", "route", "status", "duration_ms", "bytes_in", "bytes_out", "key", "messages", "error"}
)


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON.

    Of an exception it gives kind and places, not its message: that may quote what could not be read.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        content: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        content |= {name: value for name, value in vars(record).items() if name in _OWN}
        if record.exc_info and record.exc_info[1] is not None:
            content["error"] = described(record.exc_info[1])
        return json.dumps(content, ensure_ascii=False)


def log_error(logger: logging.Logger, what: str, error: BaseException, **own: object) -> None:
    """Log an error without its message, however the log is formatted."""
    about = described(error)
    logger.error("%s: %s at %s", what, about["kind"], (about["at"] or ["?"])[-1], extra={**own, "error": about})


def described(error: BaseException) -> dict[str, Any]:
    """Return the kind of an exception and the lines it came through, innermost last; without its message."""
    frames = traceback.extract_tb(error.__traceback__)
    kind = type(error)
    content: dict[str, Any] = {
        "kind": f"{kind.__module__}.{kind.__qualname__}",
        "at": [f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames],
    }
    cause = error.__cause__ or error.__context__
    if cause is not None:
        content["cause"] = described(cause)
    return content


def _short(filename: str) -> str:
    return "/".join(Path(filename).parts[-2:])


def log_config(level: str) -> dict[str, Any]:
    """Return the configuration for :func:`logging.config.dictConfig`: JSON on standard error."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": f"{__name__}.{JsonFormatter.__name__}"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "complaint_nlp": {"level": level.upper()},
            "uvicorn": {"level": level.upper(), "handlers": ["stderr"], "propagate": False},
            # every request is logged once, by this package, without its address
            "uvicorn.access": {"level": "CRITICAL", "propagate": False},
        },
    }
