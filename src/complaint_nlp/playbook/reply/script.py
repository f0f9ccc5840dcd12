"""A reply in another script than the customer's, or in words of another region."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from complaint_nlp.playbook.reply.phrases import Hit, without_overlaps
from complaint_nlp.playbook.reply.text import customer_script
from complaint_nlp.playbook.reply.types import ReplyRule
from complaint_nlp.text import Region, Script
from complaint_nlp.text.chars import is_broken
from complaint_nlp.text.regional import find_words
from complaint_nlp.text.resources import script_chars
from complaint_nlp.text.script import has_simplified, leans_traditional

if TYPE_CHECKING:
    from complaint_nlp.playbook.reply.schema import RegionalWord, ReplyCheckFile
    from complaint_nlp.playbook.reply.text import Reply
    from complaint_nlp.report import Report

_SHOWN = 200
_OPENCC = {Region.TW: "s2twp", Region.HK: "s2hk", None: "s2tw"}


class ScriptCheck:
    """Finds characters and words that are not the customer's."""

    def __init__(self, file: ReplyCheckFile) -> None:
        """Put the regional words into one search."""
        self._words = {entry.word: entry for entry in file.regional}
        self._understood = frozenset(file.understood)
        ordered = sorted({*self._words, *file.regional_keep}, key=lambda word: (-len(word), word))
        self._search = re.compile("|".join(map(re.escape, ordered)))

    def regional(self, reply: Reply, report: Report | None) -> list[Hit]:
        """Return the words of ``reply`` that people do not use where the customer is."""
        script = wanted_script(reply, report)
        if script is None:
            return []
        region = _region(reply, report, script)
        hits = []
        for match in self._search.finditer(reply.own):
            entry = self._words.get(match.group())
            better = _better(entry, region) if entry is not None else None
            if better is not None:
                hits.append(Hit(ReplyRule.WRONG_REGION, *match.span(), fill=better))
        if region is Region.CN:
            hits += [
                Hit(ReplyRule.WRONG_REGION, found.start, found.end, fill=found.mainland)
                for found in find_words(reply.own)
                if found.mainland and not self._is_understood(reply.own[found.start : found.end])
            ]
        return without_overlaps(hits)

    def _is_understood(self, word: str) -> bool:
        return word in self._understood or word in self._words


def wanted_script(reply: Reply, report: Report | None) -> Script | None:
    """Return the script the reply should be in: the customer's, else its own leaning; ``None`` for other writing."""
    wanted = customer_script(report)
    if wanted is not None:
        return wanted
    if reply.script is Script.MIXED:
        return Script.TRADITIONAL if leans_traditional(reply.original_own) else Script.SIMPLIFIED
    if reply.script is Script.SIMPLIFIED and not has_simplified(reply.original_own):
        return None
    return None if reply.script is Script.OTHER else reply.script


def is_wrong_script(reply: Reply, report: Report | None) -> bool:
    """Return whether the whole reply is in another script than the message, or not in Chinese at all."""
    if reply.script is Script.OTHER:
        return report is None or report.script != Script.OTHER
    wanted = customer_script(report)
    if wanted is None or reply.script is Script.MIXED:
        return False
    if reply.script is Script.SIMPLIFIED and not has_simplified(reply.original_own):
        return False
    return reply.script is not wanted


def mixed_runs(reply: Reply, report: Report | None) -> list[tuple[int, int]]:
    """Return the (start, end) in the original of runs of characters of the script that the reply should not use."""
    wanted = wanted_script(reply, report)
    if wanted is None or reply.script is not Script.MIXED:
        return []
    known = script_chars()
    foreign = known.simplified if wanted is Script.TRADITIONAL else known.traditional
    runs: list[tuple[int, int]] = []
    for at, char in enumerate(reply.original_own):
        if char not in foreign:
            continue
        if runs and runs[-1][1] == at:
            runs[-1] = (runs[-1][0], at + 1)
        else:
            runs.append((at, at + 1))
    return runs


def rewritten(text: str, script: Script, region: Region | None) -> str | None:
    """Return ``text``, cut after 200 characters, in another script; ``None`` where the converter cannot."""
    text = text[:_SHOWN] + ("…" if len(text) > _SHOWN else "")
    if is_broken(text) or "\x00" in text:
        return None
    config = "t2s" if script is Script.SIMPLIFIED else _OPENCC.get(region, "s2tw")
    return _convert(text, config)


@cache
def _converter(config: str) -> object:
    import opencc

    return opencc.OpenCC(config)


def _convert(text: str, config: str) -> str:
    converted: str = _converter(config).convert(text)  # type: ignore[attr-defined]
    return converted


def region_of(report: Report | None) -> Region | None:
    """Return the customer's region where it is known."""
    if report is None or report.region not in tuple(Region):
        return None
    return Region(report.region)


def _region(reply: Reply, report: Report | None, script: Script) -> Region | None:
    """Return the region whose words the reply should use; ``None`` for traditional writing of either place."""
    region = region_of(report)
    if region is None and report is None and reply.script is Script.TRADITIONAL:
        region = reply.message.region
    if script is Script.SIMPLIFIED:
        return Region.CN
    return None if region is Region.CN else region


def _better(entry: RegionalWord, region: Region | None) -> str | None:
    """Return what is said instead of ``entry`` in ``region``; ``None`` where its word is in use."""
    if region is Region.TW:
        return entry.tw
    if region is Region.HK:
        return entry.hk
    if region is Region.CN:
        return entry.cn
    return entry.tw if entry.tw is not None and entry.hk is not None else None
