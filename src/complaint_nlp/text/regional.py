"""Taiwanese and Hong Kong words, and what they and others tell about the region."""

import re
from functools import cache
from typing import NamedTuple

from complaint_nlp.text.offsets import Edit
from complaint_nlp.text.resources import regional_words, script_chars, word_list
from complaint_nlp.text.types import Region
from complaint_nlp.text.words import WordFinder

__all__ = ["Hit", "find_words", "map_words", "settle_region"]

_CLAUSE = re.compile(r"[^\s，。！？；：、,!?;:]+")


class Hit(NamedTuple):
    """A word of the lists at [start, end): its mainland word ("" when it is a hint only) and region."""

    start: int
    end: int
    mainland: str
    region: str


@cache
def _finder() -> tuple[WordFinder, list[tuple[str, str]]]:
    """Return the search for regional words and hints, and mainland word and region of each; built at the first use."""
    words = {
        word: ("", region)
        for kind, region in (("hint_tw", "TW"), ("hint_hk", "HK"), ("hint_cn", "CN"), ("keep", "none"))
        for word in word_list(kind)
    }
    words.update({word.term: (word.mainland, word.region) for word in regional_words().values()})
    return WordFinder(words), list(words.values())


def find_words(text: str) -> list[Hit]:
    """Return the listed words of `text`, the longest at each place, in order."""
    finder, meanings = _finder()
    return [Hit(start, end, *meanings[word]) for word, start, end in finder.find(text)]


def settle_region(taiwan: int, hong_kong: int, hits: list[Hit]) -> Region | None:
    """Return the region that characters and words speak for; None when they do not agree or say nothing."""
    mainland = 0
    for hit in hits:
        if hit.region == "TW":
            taiwan += 2
        elif hit.region == "HK":
            hong_kong += 2
        elif hit.region == "CN":
            mainland += 2
    most = max(taiwan, hong_kong, mainland)
    if not most or (taiwan, hong_kong, mainland).count(most) > 1:
        return None
    return Region.TW if taiwan == most else Region.HK if hong_kong == most else Region.CN


def map_words(source: str, hits: list[Hit], region: Region | None, *, mixed: bool) -> list[Edit]:
    """Return the edits that put mainland words for regional ones.

    Args:
        source: the text before conversion, position by position the same.
        hits: the listed words of the converted text.
        region: the region of the text; with None only words that Taiwan and Hong Kong share are mapped,
            with CN none.
        mixed: leave words alone that stand in a simplified clause.
    """
    if region is Region.CN:
        return []
    wanted = {"both"} if region is None else {"both", region.value}
    chosen = [hit for hit in hits if hit.mainland and hit.region in wanted]
    if mixed and chosen:
        chosen = _in_traditional(source, chosen)
    return [(hit.start, hit.end, hit.mainland) for hit in chosen]


def _in_traditional(source: str, hits: list[Hit]) -> list[Hit]:
    """Return the hits that hold a traditional character, or stand in a clause with such and no simplified one."""
    known = script_chars()
    kept: list[Hit] = []
    clauses = _CLAUSE.finditer(source)
    clause_end, is_traditional = 0, False
    for hit in hits:
        while clause_end < hit.end:
            clause = next(clauses, None)
            if clause is None:
                break
            clause_end = clause.end()
            if clause_end >= hit.end:
                chars = set(clause.group())
                is_traditional = not chars.isdisjoint(known.traditional) and chars.isdisjoint(known.simplified)
        word = set(source[hit.start : hit.end])
        if word.isdisjoint(known.simplified) and (is_traditional or not word.isdisjoint(known.traditional)):
            kept.append(hit)
    return kept
