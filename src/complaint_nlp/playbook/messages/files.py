"""The files behind the messages, and how an organisation's own entries are laid over them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from complaint_nlp.playbook.layers import Layers
from complaint_nlp.playbook.messages.schema import MattersFile, MessageFile, OffersFile, WordsFile

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel


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
_LAYERS = Layers("playbook/messages", _SCHEMAS, "file of the messages")


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
    return _shipped_files() if directory is None else MessageFiles(**_LAYERS.load(directory)[0])


@cache
def _shipped_files() -> MessageFiles:
    return MessageFiles(**_LAYERS.load(None)[0])
