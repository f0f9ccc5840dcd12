"""The files behind a strategy, and how an organisation's own entries are laid over them.

Everything that is said or decided stands in ``resources/playbook/strategy/*.yaml``. A directory with files of the same
names changes them piece by piece: mappings are merged by key, any other value replaces the shipped one, and ``null``
takes an entry away. What results is checked as a whole, so that no change can leave a case without an answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, RootModel, ValidationError

from complaint_nlp.errors import ConfigError
from complaint_nlp.playbook.strategy.schema import (
    AuthorityFile,
    FollowUpFile,
    ImpactFile,
    InformFile,
    NeedsFile,
    PreventionFile,
    QuestionsFile,
    RemediesFile,
    StepsFile,
    TacticsFile,
)
from complaint_nlp.resources import WrongEntry, builtin, load_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

_FOLDER = "playbook/strategy"


class RawMapping(RootModel[dict[str, Any]]):
    """Any mapping: an override is checked after it has been merged."""


@dataclass(frozen=True, slots=True)
class StrategyFiles:
    """All files of a strategy, checked."""

    steps: StepsFile
    tactics: TacticsFile
    needs: NeedsFile
    remedies: RemediesFile
    questions: QuestionsFile
    impact: ImpactFile
    follow_up: FollowUpFile
    prevention: PreventionFile
    inform: InformFile
    authority: AuthorityFile


_SCHEMAS: dict[str, type[BaseModel]] = {
    "steps": StepsFile,
    "tactics": TacticsFile,
    "needs": NeedsFile,
    "remedies": RemediesFile,
    "questions": QuestionsFile,
    "impact": ImpactFile,
    "follow_up": FollowUpFile,
    "prevention": PreventionFile,
    "inform": InformFile,
    "authority": AuthorityFile,
}


def load_strategy_files(directory: str | Path | None = None) -> StrategyFiles:
    """Return the strategy files, with the entries of ``directory`` laid over the shipped ones.

    Args:
        directory: holds any of ``steps.yaml``, ``tactics.yaml``, ``needs.yaml``, ``remedies.yaml``, ``questions.yaml``,
            ``impact.yaml``, ``follow_up.yaml``, ``prevention.yaml``, ``inform.yaml`` and ``authority.yaml``, each with
            only the entries to change; ``null`` takes an entry away. The shipped files alone when ``None``.

    Raises:
        ConfigError: the directory does not exist or holds a YAML file of another name, or a merged file is wrong. The
            message names the file, the line, the key and the reason.
    """
    if directory is None:
        return _shipped_files()
    own = _own_files(Path(directory))
    checked: dict[str, Any] = {}
    for name, schema in _SCHEMAS.items():
        if name not in own:
            checked[name] = getattr(_shipped_files(), name)
            continue
        merged = merge(_shipped(name), load_yaml(own[name], RawMapping).root)
        checked[name] = check_merged(merged, schema, own[name])
    files = StrategyFiles(**checked)
    _check_levels(files, own)
    return files


@cache
def _shipped_files() -> StrategyFiles:
    checked: dict[str, Any] = {
        name: check_merged(_shipped(name), schema, builtin(f"{_FOLDER}/{name}.yaml"))
        for name, schema in _SCHEMAS.items()
    }
    files = StrategyFiles(**checked)
    _check_levels(files, {})
    return files


@cache
def _shipped(name: str) -> dict[str, Any]:
    """Return the content of a shipped file, read by the fast parser where PyYAML has it."""
    source = builtin(f"{_FOLDER}/{name}.yaml").read_text(encoding="utf-8")
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    content: dict[str, Any] = yaml.load(source, Loader=loader)  # noqa: S506 - either of them is a safe loader
    return content


def _own_files(directory: Path) -> dict[str, Path]:
    if not directory.is_dir():
        msg = f"{directory}: not a directory"
        raise ConfigError(msg)
    found = {path.stem: path for path in sorted(directory.iterdir()) if path.suffix in (".yaml", ".yml")}
    for name, path in found.items():
        if name not in _SCHEMAS:
            msg = (
                f"{path}: no strategy file has this name; use one of {', '.join(f'{known}.yaml' for known in _SCHEMAS)}"
            )
            raise ConfigError(msg)
    return found


def merge(base: dict[str, Any], own: dict[Any, Any]) -> dict[str, Any]:
    """Return ``base`` with the entries of ``own`` laid over it; neither is changed."""
    merged = dict(base)
    for given, value in own.items():
        key = str(given)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            below = merged.get(key)
            merged[key] = merge(below if isinstance(below, dict) else {}, value)
        else:
            merged[key] = value
    return merged


def check_merged(content: dict[str, Any], schema: type[BaseModel], path: Path) -> BaseModel:
    """Return a merged file, checked.

    Raises:
        ConfigError: it is wrong; the message names ``path``, the line, the key and the reason.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise ConfigError("\n".join(_describe(problem, content, path) for problem in error.errors())) from error


def _describe(problem: Any, content: Any, path: Path) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    """Return one line ``file:line: key: what is wrong`` for a pydantic error in merged ``content``."""
    cause = problem.get("ctx", {}).get("error")
    keys: list[str | int] = []
    for step in (*problem["loc"], *(cause.where if isinstance(cause, WrongEntry) else ())):
        below = _below(content, step)
        if below is not None:
            content = below
        elif problem["type"] != "missing":
            continue  # pydantic also names schema branches that are no keys of the file
        keys.append(step)
    given = problem.get("input")
    value = f" (got {given!r})" if isinstance(given, str | int | float | bool) else ""
    return f"{path}:{_line(path, keys)}: {'.'.join(map(str, keys)) or 'file'}: {problem['msg']}{value}"


def _below(content: Any, step: str | int) -> Any:  # noqa: ANN401 - what YAML holds
    if isinstance(content, dict):
        return content.get(step)
    return content[step] if isinstance(content, list) and isinstance(step, int) and step < len(content) else None


def _line(path: Path, keys: Sequence[str | int]) -> int:
    """Return the line of ``path`` in which the deepest of ``keys`` that the file has stands."""
    node, line = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader), 1
    for step in keys:
        below: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(step):
                    below, line = value, key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            below = node.value[step]
        if below is None:
            break
        node = below
    return line


def _check_levels(files: StrategyFiles, own: dict[str, Path]) -> None:
    for name, option in files.remedies.options.items():
        if option.authority not in files.authority.levels:
            path = own.get("remedies") or own.get("authority") or builtin(f"{_FOLDER}/remedies.yaml")
            keys = ("options", name, "authority")
            msg = f"{path}:{_line(path, keys)}: {'.'.join(keys)}: {option.authority!r} is no level of authority.yaml"
            raise ConfigError(msg)
