"""What is installed, and does it work."""

from __future__ import annotations

import platform
from importlib import metadata

from rich.console import Console
from rich.table import Table

from complaint_nlp import __version__
from complaint_nlp.errors import ComplaintNlpError

_PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "rjieba",
    "pypinyin",
    "pydantic",
    "PyYAML",
    "pyarrow",
    "onnxruntime",
    "tokenizers",
)
_OPTIONAL = ("torch", "transformers")
_SELF_TEST = (
    ("家裡瓦斯味很重，打了兩次電話都沒人來", "urgency", "critical"),
    ("快递显示签收但我根本没收到，客服一直不回复", "category", "service"),
    ("謝謝店員幫忙，非常滿意！", "intent", "praise"),
)


def run_doctor() -> bool:
    """Print the findings and return whether everything needed works."""
    table = Table(title=f"complaint-nlp {__version__}", show_header=False)
    table.add_row("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in (*_PACKAGES, *_OPTIONAL):
        table.add_row(
            package, _installed(package) or ("not installed (optional)" if package in _OPTIONAL else "MISSING")
        )
    table.add_row("OpenCC", _opencc())
    healthy = True
    try:
        from complaint_nlp.analyzer import Analyzer

        analyzer = Analyzer.load()
        manifest = analyzer.bundle.manifest
        table.add_row("model", f"{manifest.name} ({', '.join(manifest.components)}), {analyzer.bundle.path}")
        table.add_row("speed", f"{analyzer.speed} unless another is asked for")
        table.add_row("model hash", analyzer.bundle.hash[:16])
        table.add_row("trained with", manifest.trained_with)
        for text, task, wanted in _SELF_TEST:
            labels = tuple(map(str, analyzer.analyze(text).task(task).labels))
            right = wanted in labels
            healthy &= right
            table.add_row(
                "self-test", f"{'ok' if right else 'FAILED'}: {task} of 「{text}」 is {', '.join(labels) or 'none'}"
            )
    except (ComplaintNlpError, ImportError) as error:
        table.add_row("model", f"FAILED: {error}")
        healthy = False
    Console().print(table)
    return healthy


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _opencc() -> str:
    for package, kind in (("opencc", "C++"), ("opencc-python-reimplemented", "pure Python, slower, known misses")):
        version = _installed(package)
        if version:
            return f"{package} {version} ({kind})"
    return "MISSING: pip install opencc"
