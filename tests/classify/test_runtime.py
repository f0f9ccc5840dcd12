"""ONNX Runtime is loaded in one place, and told to report to nobody before."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent.parent / "src" / "complaint_nlp"
CODE = """
import os
from complaint_nlp import Analyzer
assert {before!r} == os.environ.get("ORT_DISABLE_TELEMETRY")
print(Analyzer.load(speed="accurate").analyze("客服說會回電，等了一個禮拜連個影子都沒有").category.labels)
print(os.environ["ORT_DISABLE_TELEMETRY"])
"""


@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("0", "0")])
def test_telemetry_is_off_unless_somebody_wants_it(before: str | None, after: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {} if before is None else {"ORT_DISABLE_TELEMETRY": before}
    # nothing is sent from here: this switches it off as well
    environment |= {"ORT_RUNNING_UNIT_TESTS": "1"}
    call = [sys.executable, "-c", CODE.format(before=before)]
    done = subprocess.run(call, env=environment, capture_output=True, text=True, check=True)  # noqa: S603 - itself
    labels, told = done.stdout.splitlines()
    assert "service" in labels
    assert told == after


def test_only_one_module_loads_it() -> None:
    loaders = [
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if re.search(r"^\s*(?:import|from) onnxruntime", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert loaders == ["classify/runtime.py"]
