"""ONNX Runtime, with its telemetry off, and how many cores there are for it.

Since version 1.29 its official builds tell Microsoft, unless this is forbidden before they are loaded, which models are
run and on what machine (its ``Privacy.md``). This library works offline and reports to nobody.
"""

from __future__ import annotations

import os
from typing import Any


def load_onnxruntime() -> Any:  # noqa: ANN401 - the module has no types
    """Return the module ``onnxruntime``; ``ORT_DISABLE_TELEMETRY`` is set where the environment does not set it.

    Raises:
        ImportError: it is not installed.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


def cores() -> int:
    """Return how many cores this process may use, at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
