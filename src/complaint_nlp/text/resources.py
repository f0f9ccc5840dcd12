"""The tables that people edit, checked when they are read; nothing is read at import."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from complaint_nlp.errors import ConfigError

__all__ = [
    "ResourceError",
    "ScriptChars",
    "Word",
    "frequent_chars",
    "read_table",
    "regional_words",
    "script_chars",
    "word_list",
]

_FOLDER = Path(__file__).resolve().parent.parent / "resources" / "text"
_SHORTEST = 2  # a single character is no word: 呔 or 遮 stands inside too many others
_REGIONS = frozenset({"TW", "HK", "both"})
_WORD_KINDS = ("intensifier", "cantonese", "hint_tw", "hint_hk", "hint_cn", "keep", "evidence")


class ResourceError(ConfigError):
    """A resource file does not have the form it must have; the message names file and line."""

    def __init__(self, path: Path, line: int, problem: str) -> None:
        """Build the message "file:line: problem"."""
        super().__init__(f"{path}:{line}: {problem}")
        self.path, self.line, self.problem = path, line, problem

    def __reduce__(self) -> tuple[type["ResourceError"], tuple[Path, int, str]]:
        """Pickle the three parts."""
        return (ResourceError, (self.path, self.line, self.problem))


class ScriptChars(NamedTuple):
    """Characters by what they tell about the script."""

    traditional: frozenset[str]
    simplified: frozenset[str]
    ambiguous: frozenset[str]


class Word(NamedTuple):
    """A regional word (in simplified characters), its mainland word and where it is used."""

    term: str
    mainland: str
    region: str


def read_table(path: Path, columns: int) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells) of a TSV file; lines that are empty or start with # are comments.

    Raises:
        ResourceError: the file cannot be read as UTF-8, or a line has another number of cells,
            an empty cell, or space around one.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ResourceError(path, 0, f"cannot be read: {error}") from error
    for number, line in enumerate(content.split("\n"), 1):
        if not line or line.startswith("#"):
            continue
        cells = line.split("\t")
        if len(cells) != columns:
            raise ResourceError(path, number, f"{columns} columns expected, {len(cells)} found")
        for cell in cells:
            if not cell or cell != cell.strip():
                raise ResourceError(path, number, f"cell {cell!r} is empty or has space around it")
        yield number, cells


def _char_classes(path: Path, names: frozenset[str]) -> dict[str, set[str]]:
    """Return class → characters; every class must occur, no character in two."""
    classes: dict[str, set[str]] = {name: set() for name in names}
    seen: set[str] = set()
    for number, (name, chars) in read_table(path, 2):
        if name not in classes:
            raise ResourceError(path, number, f"class {name!r} is none of {', '.join(sorted(names))}")
        for char in chars:
            if char in seen:
                raise ResourceError(path, number, f"{char!r} stands here a second time")
            seen.add(char)
            classes[name].add(char)
    for name, found in classes.items():
        if not found:
            raise ResourceError(path, 0, f"class {name!r} is missing")
    return classes


@cache
def script_chars(path: Path = _FOLDER / "script_chars.tsv") -> ScriptChars:
    """Return the characters that tell traditional from simplified text."""
    classes = _char_classes(path, frozenset({"traditional", "simplified", "ambiguous"}))
    return ScriptChars(**{name: frozenset(chars) for name, chars in classes.items()})


@cache
def frequent_chars(path: Path = _FOLDER / "frequent_chars.tsv") -> frozenset[str]:
    """Return the most frequent Han characters of both scripts."""
    return frozenset(_char_classes(path, frozenset({"frequent"}))["frequent"])


@cache
def regional_words(path: Path = _FOLDER / "regional_words.tsv") -> dict[str, Word]:
    """Return regional term → word.

    Raises:
        ResourceError: beside `read_table`'s reasons, a term of fewer than two characters, one that
            stands twice, a mapping to itself, or a region other than TW, HK and both.
    """
    words: dict[str, Word] = {}
    for number, (term, mainland, region) in read_table(path, 3):
        if region not in _REGIONS:
            raise ResourceError(path, number, f"region {region!r} is none of TW, HK, both")
        if len(term) < _SHORTEST:
            raise ResourceError(path, number, f"term {term!r} is shorter than two characters")
        if term in words:
            raise ResourceError(path, number, f"term {term!r} stands here a second time")
        if term == mainland:
            raise ResourceError(path, number, f"term {term!r} is mapped to itself")
        words[term] = Word(term, mainland, region)
    return words


@cache
def word_list(kind: str, path: Path = _FOLDER / "words.tsv") -> frozenset[str]:
    """Return the words of one kind: intensifier, cantonese, hint_tw, hint_hk, hint_cn, keep, evidence."""
    kinds: dict[str, set[str]] = {name: set() for name in _WORD_KINDS}
    for number, (name, word) in read_table(path, 2):
        if name not in kinds:
            raise ResourceError(path, number, f"kind {name!r} is none of {', '.join(kinds)}")
        if word in kinds[name]:
            raise ResourceError(path, number, f"{word!r} stands here a second time")
        kinds[name].add(word)
    if kind not in kinds or not kinds[kind]:
        raise ResourceError(path, 0, f"kind {kind!r} is missing")
    return frozenset(kinds[kind])
