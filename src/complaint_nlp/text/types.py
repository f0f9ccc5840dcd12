"""The small types that the text room takes and gives."""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import NamedTuple

__all__ = ["Damage", "Mark", "NormalizerConfig", "Region", "Script", "Signals", "Step"]


class Script(StrEnum):
    """The script a message is written in, before any conversion."""

    TRADITIONAL = "traditional"
    SIMPLIFIED = "simplified"
    MIXED = "mixed"
    OTHER = "other"


class Region(StrEnum):
    """Where the writer's Chinese comes from, when the text tells."""

    TW = "TW"
    HK = "HK"
    CN = "CN"


class Step(NamedTuple):
    """One change: `before` at [start, end) of the original became `after`."""

    name: str
    before: str
    after: str
    start: int
    end: int


class Damage(NamedTuple):
    """A place where characters were lost before the text came to us.

    `kind` is "replacement" (U+FFFD or a lone surrogate) or "question_marks";
    [start, end) is in the original.
    """

    kind: str
    start: int
    end: int


class Mark(NamedTuple):
    """A signal: what stands at [start, end) of the normalised text."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Signals:
    """What carries feeling beside the words; every mark is a span of `NormalizedText.text`.

    Attributes:
        exclamations: runs of ！ (a run may hold ？ too).
        questions: runs of ？.
        ellipses: …, ..., 。。。.
        repeats: one character three times or more (哈哈哈, 啊啊啊啊), digits left out.
        capitals: shouted Latin words of three capitals or more.
        emoji: pictographs, joined sequences as one.
        kaomoji: faces drawn with characters.
        intensifiers: words such as 非常, 太, 超级, 极度.
        cantonese: Cantonese function words such as 唔, 嘅, 咗.
    """

    exclamations: tuple[Mark, ...] = ()
    questions: tuple[Mark, ...] = ()
    ellipses: tuple[Mark, ...] = ()
    repeats: tuple[Mark, ...] = ()
    capitals: tuple[Mark, ...] = ()
    emoji: tuple[Mark, ...] = ()
    kaomoji: tuple[Mark, ...] = ()
    intensifiers: tuple[Mark, ...] = ()
    cantonese: tuple[Mark, ...] = ()

    def counts(self) -> dict[str, int]:
        """Return how many marks of each kind there are; for ！ and ？ how many characters."""
        found = {field.name: len(getattr(self, field.name)) for field in fields(self)}
        found["exclamations"] = sum(mark.text.count("！") + mark.text.count("!") for mark in self.exclamations)
        found["questions"] = sum(mark.text.count("？") + mark.text.count("?") for mark in self.questions)
        return found


@dataclass(frozen=True, slots=True)
class NormalizerConfig:
    """Which steps run; each can be switched off on its own.

    Attributes:
        encoding: repair text that was decoded with the wrong encoding.
        html: unescape entities, drop tags.
        controls: drop control, zero-width and other invisible characters.
        whitespace: one space, a newline for line breaks, ends stripped.
        glosses: drop readings such as (jìn) after 進.
        damage: flag U+FFFD and lost characters (nothing is changed).
        width: full-width Latin letters, digits and symbols, compatibility ideographs.
        punctuation: one form for , ! ? ; : and . beside Chinese.
        script: traditional to simplified.
        regional: Taiwanese and Hong Kong words to mainland words (needs `script`).
        max_chars: longer input is a ValueError; at least 1.
    """

    encoding: bool = True
    html: bool = True
    controls: bool = True
    whitespace: bool = True
    glosses: bool = True
    damage: bool = True
    width: bool = True
    punctuation: bool = True
    script: bool = True
    regional: bool = True
    max_chars: int = 100_000

    def __post_init__(self) -> None:
        """Raise ValueError unless `max_chars` is a positive integer."""
        if not isinstance(self.max_chars, int) or self.max_chars < 1:
            msg = f"max_chars must be a positive integer, not {self.max_chars!r}"
            raise ValueError(msg)
