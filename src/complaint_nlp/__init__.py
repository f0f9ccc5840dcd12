"""Read customer complaints in traditional and simplified Chinese.

    >>> from complaint_nlp import Analyzer
    >>> report = Analyzer.load().analyze("手機才買一週就一直死機，客服還推三阻四，我要退款！")
    >>> report.category.primary
    <Category.QUALITY: 'quality'>

Names are loaded when they are first used, so that importing the package is instant.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from complaint_nlp.analyzer import Analyzer
    from complaint_nlp.errors import ComplaintNlpError, ConfigError, DataError, ModelError
    from complaint_nlp.evaluation import Evaluation, evaluate
    from complaint_nlp.facts.masking import mask
    from complaint_nlp.labels import TASKS, display_name
    from complaint_nlp.playbook.reply.check import check_reply
    from complaint_nlp.report import Decision, Report, Status
    from complaint_nlp.text import Normalizer

__version__ = "0.1.0"

_HOMES = {
    "Analyzer": "analyzer",
    "ComplaintNlpError": "errors",
    "ConfigError": "errors",
    "DataError": "errors",
    "Decision": "report",
    "Evaluation": "evaluation",
    "ModelError": "errors",
    "Normalizer": "text",
    "Report": "report",
    "Status": "report",
    "TASKS": "labels",
    "check_reply": "playbook.reply.check",
    "display_name": "labels",
    "evaluate": "evaluation",
    "mask": "facts.masking",
}

__all__ = [
    "TASKS",
    "Analyzer",
    "ComplaintNlpError",
    "ConfigError",
    "DataError",
    "Decision",
    "Evaluation",
    "ModelError",
    "Normalizer",
    "Report",
    "Status",
    "check_reply",
    "display_name",
    "evaluate",
    "mask",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
