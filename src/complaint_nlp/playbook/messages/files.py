"""The files behind the messages, and how an organisation's own entries are laid over them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from complaint_nlp.errors import ConfigError
from complaint_nlp.playbook.messages.schema import MattersFile, MessageFile, OffersFile, WordsFile

# an override is merged and described in the same way as one of the strategy files
from complaint_nlp.playbook.strategy.files import RawMapping, check_merged, merge
from complaint_nlp.resources import builtin, load_yaml

if TYPE_CHECKING:
    from pydantic import BaseModel

_FOLDER = "playbook/messages"


@dataclass(frozen=True, slots=True)
class MessageFiles:
    """All files of the messages, checked."""

    first_reply: MessageFile
    apology_letter: MessageFile
    progress_note: MessageFile
    follow_up_message: MessageFile
    matters: MattersFile
    offers: OffersFile
    words: WordsFile


_SCHEMAS: dict[str, type[BaseModel]] = {
    "first_reply": MessageFile,
    "apology_letter": MessageFile,
    "progress_note": MessageFile,
    "follow_up_message": MessageFile,
    "matters": MattersFile,
    "offers": OffersFile,
    "words": WordsFile,
}


def load_message_files(directory: str | Path | None = None) -> MessageFiles:
    """Return the files of the messages, with the entries of ``directory`` laid over the shipped ones.

    Args:
        directory: holds any of ``first_reply.yaml``, ``apology_letter.yaml``, ``progress_note.yaml``,
            ``follow_up_message.yaml``, ``matters.yaml``, ``offers.yaml`` and ``words.yaml``, each with only the entries
            to change; mappings are merged by key, any other value replaces the shipped one, and ``null`` takes an entry
            away. The shipped files alone when ``None``.

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
        checked[name] = check_merged(merge(_shipped(name), load_yaml(own[name], RawMapping).root), schema, own[name])
    return MessageFiles(**checked)


@cache
def _shipped_files() -> MessageFiles:
    checked: dict[str, Any] = {
        name: check_merged(_shipped(name), schema, builtin(f"{_FOLDER}/{name}.yaml"))
        for name, schema in _SCHEMAS.items()
    }
    return MessageFiles(**checked)


@cache
def _shipped(name: str) -> dict[str, Any]:
    """Return the content of a shipped file, read by the fast parser where PyYAML has it."""
    source = builtin(f"{_FOLDER}/{name}.yaml").read_text(encoding="utf-8")
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    content: dict[str, Any] = yaml.load(source, Loader=loader)  # noqa: S506 - either of them is a safe loader
    # an override's keys come as text; a number here would stand beside its replacement
    return _text_keys(content)


def _text_keys(content: dict[Any, Any]) -> dict[str, Any]:
    return {str(key): _text_keys(value) if isinstance(value, dict) else value for key, value in content.items()}


def _own_files(directory: Path) -> dict[str, Path]:
    if not directory.is_dir():
        msg = f"{directory}: not a directory"
        raise ConfigError(msg)
    found = {path.stem: path for path in sorted(directory.iterdir()) if path.suffix in (".yaml", ".yml")}
    for name, path in found.items():
        if name not in _SCHEMAS:
            known = ", ".join(f"{each}.yaml" for each in _SCHEMAS)
            msg = f"{path}: no file of the messages has this name; use one of {known}"
            raise ConfigError(msg)
    return found
