"""Files that people edit, and how an organisation's own entries are laid over the shipped ones.

Mappings are merged by key, any other value replaces the shipped one, and ``null`` takes an entry away. What results is
checked as a whole, so that no change can leave a case without an answer.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, RootModel, ValidationError

from complaint_nlp.errors import ConfigError
from complaint_nlp.resources import WrongEntry, builtin, load_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class RawMapping(RootModel[dict[str, Any]]):
    """Any mapping: an override is checked after it has been merged."""


class Layers:
    """A folder of shipped files that a directory can change piece by piece.

    Args:
        folder: the folder among the resources.
        schemas: schema of each file by its name without ending.
        what: what such a file is called in messages.
    """

    def __init__(self, folder: str, schemas: Mapping[str, type[BaseModel]], what: str) -> None:
        self.folder = folder
        self.schemas = schemas
        self.what = what

    def load(self, directory: str | Path | None) -> tuple[dict[str, Any], dict[str, Path]]:
        """Return the checked files by name, and which of them ``directory`` has changed.

        Raises:
            ConfigError: the directory does not exist or holds a YAML file of another name, or a merged file is wrong.
                The message names the file, the line, the key and the reason.
        """
        own = {} if directory is None else self._own(Path(directory))
        checked: dict[str, Any] = {}
        for name, schema in self.schemas.items():
            content, path = _shipped(self.folder, name), builtin(f"{self.folder}/{name}.yaml")
            if name in own:
                content, path = merge(content, load_yaml(own[name], RawMapping).root), own[name]
            checked[name] = check_merged(content, schema, path)
        return checked, own

    def _own(self, directory: Path) -> dict[str, Path]:
        if not directory.is_dir():
            msg = f"{directory}: not a directory"
            raise ConfigError(msg)
        found = {path.stem: path for path in sorted(directory.iterdir()) if path.suffix in (".yaml", ".yml")}
        for name, path in found.items():
            if name not in self.schemas:
                known = ", ".join(f"{each}.yaml" for each in self.schemas)
                msg = f"{path}: no {self.what} has this name; use one of {known}"
                raise ConfigError(msg)
        return found


@cache
def _shipped(folder: str, name: str) -> dict[str, Any]:
    """Return the content of a shipped file, read by the fast parser where PyYAML has it."""
    source = builtin(f"{folder}/{name}.yaml").read_text(encoding="utf-8")
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    content: dict[str, Any] = yaml.load(source, Loader=loader)  # noqa: S506 - either of them is a safe loader
    # an override's keys come as text; a number here would stand beside its replacement
    return _text_keys(content)


def _text_keys(content: dict[Any, Any]) -> dict[str, Any]:
    return {str(key): _text_keys(value) if isinstance(value, dict) else value for key, value in content.items()}


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
    return f"{path}:{line_of(path, keys)}: {'.'.join(map(str, keys)) or 'file'}: {problem['msg']}{value}"


def _below(content: Any, step: str | int) -> Any:  # noqa: ANN401 - what YAML holds
    if isinstance(content, dict):
        return content.get(step)
    return content[step] if isinstance(content, list) and isinstance(step, int) and step < len(content) else None


def line_of(path: Path, keys: Sequence[str | int]) -> int:
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
