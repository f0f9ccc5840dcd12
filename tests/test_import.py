"""Importing the package is instant, and its public names are few and there."""

import json
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import complaint_nlp

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {
    "numpy",
    "scipy",
    "sklearn",
    "torch",
    "transformers",
    "pandas",
    "pyarrow",
    "opencc",
    "jieba",
    "rjieba",
    "pypinyin",
    "pydantic",
    "yaml",
    "rich",
    "typer",
    "huggingface_hub",
}
# prints what the statement loaded and which files it opened
PROBE = """
import json, sys
before, opened = set(sys.modules), []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
{statement}
files = list(opened)
print(json.dumps([sorted(set(sys.modules) - before), files]))
"""


def probe(statement: str) -> tuple[set[str], list[str]]:
    result = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", PROBE.format(statement=statement)], capture_output=True, text=True, check=True
    )
    modules, files = json.loads(result.stdout)
    return set(modules), files


def test_import_loads_no_library_and_no_dictionary() -> None:
    modules, files = probe("import complaint_nlp")
    assert "complaint_nlp" in modules
    assert {name.partition(".")[0] for name in modules} & HEAVY == set()
    assert [name for name in files if not name.endswith((".py", ".pyc")) and ".pyc." not in name] == []


def test_light_names_stay_light() -> None:
    modules, _ = probe("from complaint_nlp import TASKS, DataError, Decision, Report, Status, display_name")
    assert "complaint_nlp.labels" in modules
    assert {name.partition(".")[0] for name in modules} & HEAVY == set()


def test_the_probe_sees_what_it_looks_for() -> None:
    modules, files = probe("from complaint_nlp import Normalizer; Normalizer().normalize('軟體壞了')")
    assert "opencc" in modules
    assert any(name.endswith(".tsv") for name in files)


@pytest.mark.parametrize("name", complaint_nlp.__all__)
def test_every_public_name_resolves_to_its_home(name: str) -> None:
    found = getattr(complaint_nlp, name)
    assert found is getattr(import_module(f"complaint_nlp.{complaint_nlp._HOMES[name]}"), name)
    assert name in dir(complaint_nlp)


def test_public_names_are_few_and_listed_once() -> None:
    assert len(complaint_nlp.__all__) <= 15
    assert sorted(complaint_nlp.__all__) == sorted(complaint_nlp._HOMES)
    assert len(set(complaint_nlp.__all__)) == len(complaint_nlp.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'complaint_nlp' has no attribute 'Analyser'"):
        _ = complaint_nlp.Analyser
    with pytest.raises(ImportError, match="Analyser"):
        from complaint_nlp import Analyser  # noqa: F401


def test_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert complaint_nlp.__version__ == project["version"]


def test_errors_share_one_base() -> None:
    for kind in (complaint_nlp.ConfigError, complaint_nlp.DataError, complaint_nlp.ModelError):
        assert issubclass(kind, complaint_nlp.ComplaintNlpError)
    assert issubclass(complaint_nlp.DataError, ValueError)
    assert issubclass(complaint_nlp.ConfigError, ValueError)
