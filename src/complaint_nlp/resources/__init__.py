"""The files that people edit - rules, routes, wordings - and the one way to read them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from complaint_nlp.errors import ConfigError

if TYPE_CHECKING:
    from complaint_nlp.labels import Language

MAX_FILE_BYTES = 1_000_000
_MAX_DEPTH = 40
# the C parser is ten times faster, and both refuse tags that build objects
_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Strict(BaseModel):
    """Base of all file schemas: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


Text = Annotated[str, Field(min_length=1)]


class Localized(Strict):
    """A text in both Chinese scripts, and in English where an analyst reads it."""

    hant: Text = Field(alias="zh-Hant")
    hans: Text = Field(alias="zh-Hans")
    en: Text | None = None

    def get(self, language: Language) -> str:
        """Return the wording in ``language``; English falls back to simplified Chinese."""
        if language == "zh-Hant":
            return self.hant
        return self.hans if language == "zh-Hans" or self.en is None else self.en


class WrongEntry(ValueError):  # noqa: N818 - pydantic wants a ValueError, readers want what it marks
    """Raised by a schema's own checks to point at the entry that is wrong.

    Args:
        where: the keys that lead to the entry.
        message: what is wrong with it.
    """

    def __init__(self, where: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.where = where


Schema = TypeVar("Schema", bound=BaseModel)


def builtin(relative: str) -> Path:
    """Return the path of a file shipped with the package."""
    return Path(str(files(__name__).joinpath(relative)))


def load_yaml(path: str | Path, schema: type[Schema]) -> Schema:
    """Read a YAML file and check it.

    Only plain YAML is read: no tags that build objects, no aliases that could blow a small file up.

    Raises:
        ConfigError: the file cannot be read, is no YAML, repeats a key or does not have the form of ``schema``. The
            message names the file, the line and the key.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            msg = f"{path}: larger than {MAX_FILE_BYTES:,} bytes, which no rule file should be"
            raise ConfigError(msg)
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read as UTF-8 text: {error}"
        raise ConfigError(msg) from error
    try:
        _refuse_aliases(source, path)
        node: yaml.Node | None = yaml.compose(source, Loader=_LOADER)
        _refuse_repeated_keys(node, path)
        content = None if node is None else yaml.constructor.SafeConstructor().construct_document(node)
    except ConfigError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date or number that is none
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        msg = f"{where}: not valid YAML: {getattr(error, 'problem', None) or error}"
        raise ConfigError(msg) from error
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise ConfigError("\n".join(_describe(problem, node, path) for problem in error.errors())) from error


def _refuse_aliases(source: str, path: Path) -> None:
    depth = 0
    for event in yaml.parse(source, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else 1
            msg = f"{path}:{line}: nested more than {_MAX_DEPTH} levels deep"
            raise ConfigError(msg)
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else 1
            msg = f"{path}:{line}: YAML aliases (*{event.anchor}) are not allowed; write it out"
            raise ConfigError(msg)


def _refuse_repeated_keys(node: yaml.Node | None, path: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                msg = f"{path}:{line}: a key must be a plain word"
                raise ConfigError(msg)
            if key.value in seen:
                msg = f"{path}:{line}: key {key.value!r} stands already in line {seen[key.value]}"
                raise ConfigError(msg)
            seen[key.value] = line
            _refuse_repeated_keys(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(item, path)


def _describe(problem: Any, node: yaml.Node | None, path: Path) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    """Return one line ``file:line: key: what is wrong`` for a pydantic error."""
    line = node.start_mark.line + 1 if node is not None else 1
    shown: list[str] = []
    cause = problem.get("ctx", {}).get("error")
    for step in (*problem["loc"], *(cause.where if isinstance(cause, WrongEntry) else ())):
        key_node, child = _child(node, step)
        if child is None:
            if problem["type"] == "missing":
                shown.append(str(step))
            continue  # pydantic also names schema branches that are no keys of the file
        shown.append(str(step))
        line = (key_node or child).start_mark.line + 1
        node = child
    given = problem.get("input")
    value = f" (got {given!r})" if isinstance(given, str | int | float | bool) else ""
    return f"{path}:{line}: {'.'.join(shown) or 'file'}: {problem['msg']}{value}"


def _child(node: yaml.Node | None, step: int | str) -> tuple[yaml.Node | None, yaml.Node | None]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    return None, None
