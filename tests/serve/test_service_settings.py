"""Settings come from the environment and from options, and the command has an option for every one."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from complaint_nlp.cli.serve import serve
from complaint_nlp.errors import ConfigError
from complaint_nlp.serve.settings import Settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "serve.md"
_NOT_OPTIONS = {"api_key_hashes"}  # a secret's hash has no place in a list of processes


def test_settings_go_through_the_environment_of_other_processes_unchanged() -> None:
    settings = Settings(
        port=9000,
        speed="fast",
        cases=Path("案例 庫.db"),
        cors_origins=("https://a.example", "https://b.example"),
        batch_wait_ms=0.5,
        desk=False,
    )
    assert Settings.from_environment(settings.to_environment()) == settings


def test_options_go_before_the_environment() -> None:
    environment = {"COMPLAINT_NLP_PORT": "1", "COMPLAINT_NLP_MAX_CHARS": "500", "COMPLAINT_NLP_SHARED": "/x"}
    settings = Settings.from_environment(environment, port=2, workers=None)
    assert (settings.port, settings.max_chars, settings.workers) == (2, 500, 1)


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "eighty"), ("SPEED", "quick"), ("QUEUE_SIZE", "0"), ("DESK", "perhaps")]
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"COMPLAINT_NLP_{name}"):
        Settings.from_environment({f"COMPLAINT_NLP_{name}": value})


def test_the_command_has_an_option_for_every_setting() -> None:
    assert set(inspect.signature(serve).parameters) - {"new_key"} == set(Settings.model_fields) - _NOT_OPTIONS


def test_the_defaults_that_the_help_shows_are_true() -> None:
    shown = {
        name: re.search(r"\[(.+?)\]", str(parameter.annotation).partition("help=")[2])
        for name, parameter in inspect.signature(serve, eval_str=False).parameters.items()
    }
    numbers = {
        name: int(match[1])
        for name, match in shown.items()
        if match and match[1].isdecimal() and name in Settings.model_fields
    }
    assert len(numbers) > 10
    assert numbers == {name: Settings.model_fields[name].default for name in numbers}


def test_the_page_lists_every_setting_with_its_default() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name, field in Settings.model_fields.items():
        row = re.search(rf"^\| `{name}` \| ([^|]*) \|", page, re.MULTILINE)
        assert row, name
        assert row[1].strip() == shown(field.default), name


def shown(default: object) -> str:
    if default in (None, ()):
        return "none"
    if isinstance(default, bool):
        return "yes" if default else "no"
    return f"{default:,}" if isinstance(default, int) else str(default)
