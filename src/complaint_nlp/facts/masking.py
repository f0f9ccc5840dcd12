"""Hiding personal data in a message: what logs and exports use when asked."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import StringConstraints, model_validator

from complaint_nlp.facts.identifiers import IDENTIFIERS, find_identifiers
from complaint_nlp.facts.types import FactKind
from complaint_nlp.resources import Localized, Strict, WrongEntry, builtin, load_yaml

if TYPE_CHECKING:
    from pathlib import Path

    from complaint_nlp.labels import Language
    from complaint_nlp.text import NormalizedText

__all__ = ["MaskingFile", "load_placeholders", "mask"]

# what one mask uncovers (a number that stood in the shadow of another) the next round hides
_MAX_ROUNDS = 8
_PLACEHOLDER = re.compile(r"\[[^\[\]\s0-9]{2,10}\]")
_ANY_DIGIT = re.compile("[0-9０-９]|[零〇一二三四五六七八九幺](?=[零〇一二三四五六七八九幺])")


class MaskingFile(Strict):
    """The schema of the file."""

    version: Literal[1]
    placeholders: dict[FactKind, Localized]
    same_length: Annotated[str, StringConstraints(pattern=r"^[*●•○█＊]$")]

    @model_validator(mode="after")
    def _complete(self) -> MaskingFile:
        for kind in sorted(IDENTIFIERS):
            if kind not in self.placeholders:
                raise WrongEntry(("placeholders",), f"{kind.value!r} is missing")
        for kind, wording in self.placeholders.items():
            for key, text in (("zh-Hant", wording.hant), ("zh-Hans", wording.hans), ("en", wording.en)):
                if text is not None and not _PLACEHOLDER.fullmatch(text):
                    message = f"{text!r} is not 2 to 10 characters in [ ] without digits and spaces"
                    raise WrongEntry(("placeholders", kind.value, key), message)
        return self


def load_placeholders(path: str | Path) -> MaskingFile:
    """Return the placeholders of a file.

    Raises:
        ConfigError: the file is wrong; the message names its line and key.
    """
    return load_yaml(path, MaskingFile)


@cache
def _builtin() -> MaskingFile:
    return load_placeholders(builtin("facts/masking.yaml"))


def mask(text: str, *, keep_length: bool = False) -> str:
    """Return ``text`` without personal data; everything else stays as it is, character by character.

    Hidden are the numbers that `find_identifiers` finds: phones, e-mail addresses, identity numbers, bank cards,
    plates, accounts, orders, cases, parcels, those that the customer masked in part too. Masking a second time changes
    nothing. Names and addresses are not looked for.

    Args:
        text: any string, of any length, damaged or not.
        keep_length: put as many ``*`` as there were characters, so that offsets stay; else a placeholder such as
            ``[電話]`` in the script of the message (``[phone]`` where it is not Chinese).

    Raises:
        TypeError: ``text`` is not a str.
    """
    if not isinstance(text, str):
        msg = f"text must be a str, not {type(text).__name__}"
        raise TypeError(msg)
    from complaint_nlp.text import Normalizer, NormalizerConfig

    language: Language | None = None
    for _ in range(_MAX_ROUNDS):
        # the normaliser's limit protects models; hiding must not depend on length
        message = Normalizer(NormalizerConfig(max_chars=max(1, len(text)))).normalize(text)
        language = language or _language(message)
        masked = _masked(message, language, keep_length=keep_length)
        if masked == text:
            return text
        text = masked
    # nobody writes such a text: then rather too much is hidden
    return _ANY_DIGIT.sub(_builtin().same_length, text).replace("@", _builtin().same_length)


def _masked(message: NormalizedText, language: Language, *, keep_length: bool) -> str:
    file = _builtin()
    parts: list[str] = []
    done = 0
    for fact in find_identifiers(message):
        # two facts may share a piece of the original, such as an HTML entity between them
        start = max(fact.start, done)
        if start >= fact.end:
            continue
        parts.append(message.original[done:start])
        if keep_length:
            parts.append(file.same_length * (fact.end - start))
        else:
            parts.append(file.placeholders[fact.kind].get(language))
        done = fact.end
    parts.append(message.original[done:])
    return "".join(parts)


def _language(message: NormalizedText) -> Language:
    """Return the script that the placeholders are written in."""
    from complaint_nlp.text.script import answers_traditional
    from complaint_nlp.text.types import Script

    if message.script is Script.OTHER:
        return "en"
    return "zh-Hant" if answers_traditional(message) else "zh-Hans"
