"""The first line to the customer: a feeling named, the matter taken up, the next word announced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from complaint_nlp.labels import Category, Emotion, Intent, Language, Urgency
from complaint_nlp.resources import Localized, Strict, WrongEntry, builtin, load_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

from pydantic import model_validator


class FirstReplyFile(Strict):
    """The schema of the file with the first lines."""

    version: Literal[1]
    opening: dict[Emotion, Localized]
    matter: dict[Category | Intent, Localized]
    next: dict[Urgency, Localized]

    @model_validator(mode="after")
    def _complete(self) -> FirstReplyFile:
        sections: tuple[tuple[str, Mapping[Any, Localized], Iterable[str]], ...] = (
            ("opening", self.opening, Emotion),
            ("matter", self.matter, [*Category, *Intent]),
            ("next", self.next, Urgency),
        )
        for name, section, values in sections:
            for value in values:
                if value not in section:
                    raise WrongEntry((name,), f"{str(value)!r} is missing")
            for label, wording in section.items():
                for key, text in (("zh-Hant", wording.hant), ("zh-Hans", wording.hans)):
                    rest = text.replace("{hours}", "") if name == "next" else text
                    if "{" in rest or "}" in rest:
                        variables = "the only variable here is {hours}" if name == "next" else "no variables here"
                        raise WrongEntry((name, str(label), key), variables)
        return self


class FirstReplies:
    """Puts a first line together.

    Args:
        path: a file of wordings; the one shipped with the package when ``None``.

    Raises:
        ConfigError: the file is wrong; the message names its line and key.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.file = load_yaml(path if path is not None else builtin("playbook/first_replies.yaml"), FirstReplyFile)

    def compose(  # noqa: D417 - the labels explain themselves
        self,
        *,
        emotion: Emotion,
        category: Category | None,
        intent: Intent,
        urgency: Urgency,
        hours: float,
        language: Language,
    ) -> str:
        """Return the first line.

        Args:
            category: the primary category, ``None`` when there is no grievance; then the intent decides the matter.
            hours: hours until the first answer is due.
            language: ``zh-Hant`` or ``zh-Hans``.
        """
        # praise with a small grievance is thanked first, not apologised to
        matter = intent if category is None or intent is Intent.PRAISE else category
        announced = self.file.next[urgency].get(language).replace("{hours}", f"{hours:g}")
        parts = [self.file.opening[emotion].get(language), self.file.matter[matter].get(language)]
        if intent is not Intent.PRAISE:
            parts.append(announced)
        return "".join(parts)
