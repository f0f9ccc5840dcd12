"""The page's words: all there, none unused, each language in its own script."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from complaint_nlp import TASKS, ConfigError
from complaint_nlp.labels import LANGUAGES
from complaint_nlp.resources import builtin, load_yaml
from complaint_nlp.serve.desk_texts import DeskFile, accepted_language, desk_file, texts
from complaint_nlp.text.resources import script_chars

STATIC = Path(str(files("complaint_nlp.serve"))) / "static"
SHIPPED = builtin("serve/desk.yaml")


def test_the_page_uses_every_wording_and_no_other() -> None:
    page = "\n".join(path.read_text(encoding="utf-8") for path in sorted(STATIC.glob("*.[hj]*")))
    known = set(desk_file().interface)
    asked = set(re.findall(r"\bt\(\"([a-z_]+)\"", page)) | set(
        re.findall(r'data-t(?:-label|-placeholder)?="([a-z_]+)"', page)
    )
    assert asked <= known
    # the rest is named in tables of the scripts, such as that of the keys
    named = set(re.findall(r'"([a-z_]+)"', page)) | {f"column_{name}" for name in re.findall(r'"([a-z_]+)"', page)}
    assert known - named == set()


def test_the_page_is_light() -> None:
    assert sum(path.stat().st_size for path in STATIC.iterdir()) < 70_000


def test_files_ask_for_nothing_outside_and_hold_no_inline_script_or_style() -> None:
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page)
    for path in STATIC.iterdir():
        found = set(re.findall(r"(?:https?:)?//[a-z][\w.-]*\.[a-z]+", path.read_text(encoding="utf-8")))
        assert found <= {"http://www.w3.org"}, path.name
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", path.read_text("utf-8")
        )


@pytest.mark.parametrize("group", ["interface", "decisions", "statuses", "facts", "missing", "faults", "severities"])
def test_each_chinese_is_written_in_its_own_script(group: str) -> None:
    chars = script_chars()
    for name, wording in getattr(desk_file(), group).items():
        assert not set(wording.hant) & chars.simplified, f"{group}.{name}: {wording.hant}"
        assert not set(wording.hans) & chars.traditional, f"{group}.{name}: {wording.hans}"


def test_texts_name_all_tasks_and_values() -> None:
    for language in LANGUAGES:
        names = texts(language)["tasks"]
        assert set(names) == set(TASKS) | {f"{name}.{value}" for name, task in TASKS.items() for value in task.values}
    assert texts("en")["tasks"]["category.price"] == "price"
    assert texts("zh-Hans")["tasks"]["category.quality"] == "质量"


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ('en: "{n} rows exported"', 'en: "{m} rows exported"', "different variables"),
        ("  too_short: {", "  too_shirt: {", "statuses"),
        ("version: 1", "version: 2", "version"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, before: str, after: str, problem: str) -> None:
    source = SHIPPED.read_text(encoding="utf-8")
    assert before in source
    path = tmp_path / "desk.yaml"
    path.write_text(source.replace(before, after), encoding="utf-8")
    with pytest.raises(ConfigError, match=problem):
        load_yaml(path, DeskFile)


def test_a_missing_wording_is_named(tmp_path: Path) -> None:
    path = tmp_path / "desk.yaml"
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line for line in lines if not line.startswith("  vulnerable:")), encoding="utf-8")
    with pytest.raises(ConfigError, match="there is no wording for vulnerable"):
        load_yaml(path, DeskFile)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-TW,zh;q=0.9,en;q=0.8", "zh-Hant"),
        ("zh-HK", "zh-Hant"),
        ("zh-Hant-CN", "zh-Hant"),
        ("zh-CN,zh;q=0.9", "zh-Hans"),
        ("zh", "zh-Hans"),
        ("en-US,en;q=0.9,zh-TW;q=0.8", "en"),
        ("zh-TW;q=0.2, en;q=0.7", "en"),
        ("fr-FR, zh-MO;q=0.1", "zh-Hant"),
        ("en;q=0, zh-CN", "zh-Hans"),
        ("de", "zh-Hant"),
        ("", "zh-Hant"),
        ("zh-CN;q=x, en", "en"),
        (";;;,,q=1", "zh-Hant"),
    ],
)
def test_the_browser_says_which_language_comes_first(header: str, language: str) -> None:
    assert accepted_language(header) == language
