"""Which of the customer's own words can be said back."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from complaint_nlp.facts.identifiers import IDENTIFIERS
from complaint_nlp.facts.mention_words import default_mentions
from complaint_nlp.facts.types import FactKind
from complaint_nlp.labels import Intent
from complaint_nlp.text import Normalizer, NormalizerConfig
from complaint_nlp.text.resources import script_chars

if TYPE_CHECKING:
    from collections.abc import Callable

    from complaint_nlp.facts.types import Fact
    from complaint_nlp.labels import Language
    from complaint_nlp.playbook.messages.schema import QuoteWords
    from complaint_nlp.playbook.strategy.plan import Case

_HAN = re.compile("[㐀-鿿]")
_PARTS = re.compile(r"[㐀-鿿A-Za-z0-9.%+\- ]+")
# whoever is meant by three digits in a row, it is a number of somebody or something
_NUMBER = re.compile(r"\d{3}|@")
_ONLY_NUMBER = re.compile(r"[零〇一二两三四五六七八九十百千万几第\d.]+[个次天年月日号点块元钱岁毛家张位份件]?")
# parts of speech that say something: nouns, verbs, adjectives, set phrases, English words
_TELLING = ("n", "v", "a", "i", "l", "z", "j", "e", "x", "t")
_CLAUSE_ENDS = '，。！？；、：,!?;:… \n「」『』“”"<>（）()'
# names of people, of whom nothing is said back
_PERSON = "nr"
_LONGEST = 60
_CUT_AT_MOST = 2_000
_SIMPLIFIED = Normalizer(NormalizerConfig(regional=False))


class Quoter:
    """Chooses words to say back.

    Args:
        words: the lengths and the words that are not said.
    """

    def __init__(self, words: QuoteWords) -> None:
        self._words = words
        self._starts, self._ends = frozenset(words.starts), frozenset(words.ends)
        self._empty = frozenset(words.empty)

    def choose(self, case: Case, key_words: tuple[str, ...]) -> str | None:
        """Return the first fragment that reads well, in the customer's script; ``None`` where there is none."""
        for given in key_words:
            for part in sorted(_PARTS.findall(given[:_LONGEST]), key=len, reverse=True):
                fragment = self._clean(part.strip(" .-+"), case)
                if fragment is not None:
                    return fragment
        return None

    def fits(self, text: str, language: Language) -> bool:
        """Return whether ``text`` is short, in the right script and holds no digits of a longer number."""
        return 1 < len(text) <= self._words.most and in_script(text, language) and _NUMBER.search(text) is None

    def _clean(self, fragment: str, case: Case) -> str | None:
        if len(fragment) < self._words.least or _HAN.search(fragment) is None:
            return None
        simple = _SIMPLIFIED.normalize(fragment).text
        if len(simple) != len(fragment):
            return None
        start, end = self._trimmed(simple, case.text)
        fragment, simple = fragment[start:end].strip(), simple[start:end].strip()
        if len(fragment) < self._words.least or not self.fits(fragment, case.language):
            return None
        if (
            case.is_grievance
            and case.intent is not Intent.PRAISE
            and any(word in simple for word in self._words.sarcasm)
        ):
            return None
        if any(word in simple for word in self._words.never) or _private(fragment, case.facts.items):
            return None
        return fragment if self._tells(simple) else None

    def _trimmed(self, simple: str, text: str) -> tuple[int, int]:
        """Return where the whole words of ``simple`` begin and end, words that only lead on or off left out."""
        tokens, begins_clause, ends_clause = _tokens(simple, text)
        if begins_clause and ends_clause and len(simple) <= self._words.most:
            return 0, len(simple)  # a whole clause reads as it was meant
        # behind a word that was cut through a single character hangs in the air: 站|内轮椅
        while tokens and tokens[0][0] > 0 and tokens[0][1] - tokens[0][0] == 1:
            tokens.pop(0)
        while tokens and simple[slice(*tokens[0])] in self._starts:
            tokens.pop(0)
        while tokens and tokens[-1][1] - tokens[0][0] > self._words.most:
            tokens.pop()
        # 全部變成空的 is whole where the clause ends, 空的 before another word is not
        whole = ends_clause and bool(tokens) and tokens[-1][1] == len(simple)
        while not whole and tokens and simple[slice(*tokens[-1])] in self._ends:
            tokens.pop()
        return (tokens[0][0], tokens[-1][1]) if tokens else (0, 0)

    def _tells(self, simple: str) -> bool:
        if _ONLY_NUMBER.fullmatch(simple) or simple in self._empty:
            return False
        tagged = [(word, tag) for word, tag in _cutter().tag(simple, True) if word not in self._empty]  # noqa: FBT003
        surnames = default_mentions().surnames
        if any(tag.startswith(_PERSON) and len(word) > 1 and word[0] in surnames for word, tag in tagged):
            return False
        # a noun or verb of two characters, or two words that belong together: 没电, 太贵
        telling = [word for word, tag in tagged if tag.startswith(_TELLING)]
        return any(len(word) > 1 for word in telling) or (len(telling) > 0 and len(simple) > self._words.least)


def in_script(text: str, language: Language) -> bool:
    """Return whether ``text`` has no character of the other script."""
    wrong = script_chars().simplified if language == "zh-Hant" else script_chars().traditional
    return wrong.isdisjoint(text)


def _tokens(simple: str, text: str) -> tuple[list[tuple[int, int]], bool, bool]:
    """Return the words of ``simple`` that are whole in ``text``, and whether a clause begins and ends with them."""
    text = text[:_CUT_AT_MOST]
    at = text.find(simple)
    if at < 0:
        text, at = simple, 0
    # cutting only the clause keeps it short
    left = max(text.rfind(mark, 0, at) for mark in _CLAUSE_ENDS) + 1
    right = at + len(simple)
    start = left - at
    tokens: list[tuple[int, int]] = []
    for word in _cutter().cut(text[left : right + 8], False):  # noqa: FBT003 - no keyword there
        end = start + len(word)
        if start >= 0 and end <= len(simple):
            tokens.append((start, end))
        start = end
    if text is simple:
        return tokens, False, False
    return tokens, left == at, right == len(text) or text[right] in _CLAUSE_ENDS


def _private(fragment: str, facts: tuple[Fact, ...]) -> bool:
    """Return whether the words are, or hold, something that is not repeated: numbers of somebody, who is blamed."""
    for fact in facts:
        if fact.kind in IDENTIFIERS and (fact.text in fragment or fragment in fact.text):
            return True
        # a role (师傅) may be named, a surname or number beside it not
        named = fact.kind is FactKind.STAFF and ("badge" in fact.details or len(fact.text) != len(fact.value or ""))
        if named and (fact.text in fragment or fragment in fact.text):
            return True
    return False


@cache
def _cutter() -> _Cutter:
    import rjieba

    return _Cutter(rjieba.cut, rjieba.tag)


class _Cutter:
    def __init__(
        self, cut: Callable[[str, bool], list[str]], tag: Callable[[str, bool], list[tuple[str, str]]]
    ) -> None:
        self._cut, self._tag = cut, tag

    def cut(self, text: str, hmm: bool) -> list[str]:  # noqa: FBT001 - as rjieba has it
        return self._cut(text.encode("utf-8", "replace").decode(), hmm)

    def tag(self, text: str, hmm: bool) -> list[tuple[str, str]]:  # noqa: FBT001 - as rjieba has it
        return self._tag(text.encode("utf-8", "replace").decode(), hmm)
