"""Reads a reply before it is sent: words that hurt, what is missing, and a better wording for each.

    >>> review = check_reply("不行，這是規定。")
    >>> [finding.text for finding in review.findings][:2]
    ['不行', '這是規定']

The score is 100 less what the findings cost, as ``resources/playbook/reply_check.yaml`` states it: for each rule its
``weight`` for every finding, ``most`` at most; never below 0.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from complaint_nlp.playbook.reply.elements import ElementCheck, feeling_of, matter_in
from complaint_nlp.playbook.reply.facts import FactCheck
from complaint_nlp.playbook.reply.phrases import Hit, PhraseFinder, without_overlaps
from complaint_nlp.playbook.reply.schema import ReplyCheckFile
from complaint_nlp.playbook.reply.script import (
    ScriptCheck,
    is_wrong_script,
    mixed_runs,
    region_of,
    rewritten,
    wanted_script,
)
from complaint_nlp.playbook.reply.text import Reply
from complaint_nlp.playbook.reply.types import ReplyFinding, ReplyReview, ReplyRule, Severity
from complaint_nlp.resources import Localized, builtin, load_yaml
from complaint_nlp.text import Normalizer, NormalizerConfig

if TYPE_CHECKING:
    from pathlib import Path

    from complaint_nlp.labels import Language
    from complaint_nlp.report import Report

__all__ = [
    "MAX_REPLY_CHARS",
    "ReplyChecker",
    "ReplyFinding",
    "ReplyReview",
    "ReplyRule",
    "Severity",
    "check_reply",
]

MAX_REPLY_CHARS = 20_000
"""Longer replies are refused."""

# of a message only so much is compared with the reply
_MAX_MESSAGE = 20_000
_MESSAGE = Normalizer(NormalizerConfig(regional=False))


def check_reply(reply: str, report: Report | None = None) -> ReplyReview:
    """Return what to change in ``reply`` before it is sent.

    Args:
        reply: the draft, at most 20,000 characters.
        report: what is known of the message; it decides what the reply needs (praise needs no apology), which script
            and words it should use and what has been answered already. Without it a complaint is assumed.

    Raises:
        TypeError: ``reply`` is no ``str``.
        ValueError: it is longer than :data:`MAX_REPLY_CHARS`.
    """
    return _shipped().check(reply, report)


@cache
def _shipped() -> ReplyChecker:
    return ReplyChecker()


class ReplyChecker:
    """Checks replies by a rule file.

    Args:
        path: a rule file; the one shipped with the package when ``None``.

    Raises:
        ConfigError: the file is wrong; the message names its line and key.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.file = load_yaml(path if path is not None else builtin("playbook/reply_check.yaml"), ReplyCheckFile)
        self._phrases = PhraseFinder(self.file)
        self._elements = ElementCheck(self.file)
        self._facts = FactCheck(self.file)
        self._scripts = ScriptCheck(self.file)

    def check(self, reply: str, report: Report | None = None) -> ReplyReview:
        """Return what to change in ``reply``; see :func:`check_reply`."""
        if not isinstance(reply, str):
            msg = f"reply must be a str, not {type(reply).__name__}"
            raise TypeError(msg)
        if len(reply) > MAX_REPLY_CHARS:
            msg = f"reply has {len(reply)} characters, more than {MAX_REPLY_CHARS}"
            raise ValueError(msg)
        read = Reply.read(reply)
        language = read.language(report)
        if not read.plain.strip():
            return self._review([self._missing(ReplyRule.EMPTY, None, language)], read)
        message = _MESSAGE.normalize(report.text[:_MAX_MESSAGE]) if report is not None else None
        wrong = is_wrong_script(read, report)
        hits = self._phrases.find(read, message.text if message is not None else "")
        more = self._facts.already_answered(read, message, language)
        if not wrong:
            more += self._scripts.regional(read, report)
        elements = self._elements.missing(read, report, hits)
        spoken = without_overlaps([*hits, *more])
        spoken += without_overlaps(self._facts.personal_data(read, message))
        findings = [self._said(hit, read, language) for hit in spoken]
        findings += self._script_findings(read, report, language, wrong=wrong)
        findings.sort(key=lambda finding: (finding.start or 0, finding.end or 0))
        findings += [self._missing(rule, report, language) for rule in elements]
        return self._review(findings, read)

    def _review(self, findings: list[ReplyFinding], read: Reply) -> ReplyReview:
        cost = 0
        for name, rule in self.file.rules.items():
            count = sum(finding.rule is name for finding in findings)
            cost += min(rule.most, rule.weight * count)
        return ReplyReview(max(0, 100 - cost), tuple(findings), read.script.value)

    def _said(self, hit: Hit, read: Reply, language: Language) -> ReplyFinding:
        start, end = read.message.to_original(hit.start, hit.end)
        return self._finding(hit.rule, (start, end), read, language, hit.suggestion, hit.fill)

    def _script_findings(
        self, read: Reply, report: Report | None, language: Language, *, wrong: bool
    ) -> list[ReplyFinding]:
        """Return the findings about characters of the wrong script."""
        text = read.message.original
        wanted = wanted_script(read, report)
        if wrong:
            start = len(text) - len(text.lstrip())
            end = len(text.rstrip())
            other = read.script.value == "other" or wanted is None
            fill = None if other or wanted is None else rewritten(text[start:end], wanted, region_of(report))
            return [self._finding(ReplyRule.WRONG_SCRIPT, (start, end), read, language, None, fill)]
        return [
            self._finding(
                ReplyRule.MIXED_SCRIPT,
                run,
                read,
                language,
                None,
                None if wanted is None else rewritten(text[run[0] : run[1]], wanted, region_of(report)),
            )
            for run in mixed_runs(read, report)
        ]

    def _finding(
        self,
        name: ReplyRule,
        span: tuple[int, int],
        read: Reply,
        language: Language,
        suggestion: Localized | None,
        fill: str | None,
    ) -> ReplyFinding:
        rule = self.file.rules[name]
        wording = (suggestion or rule.suggestion).get(language)
        if fill is not None and rule.filled is not None:
            wording = rule.filled.get(language).replace("{it}", fill)
        text = read.message.original[span[0] : span[1]]
        return ReplyFinding(name, span[0], span[1], text, rule.reason.get(language), wording, rule.severity)

    def _missing(self, name: ReplyRule, report: Report | None, language: Language) -> ReplyFinding:
        rule = self.file.rules[name]
        fill: str | None = None
        if name is ReplyRule.MISSING_FEELING:
            emotion = feeling_of(report)
            fill = None if emotion is None else self.file.feelings[emotion].get(language)
        elif name is ReplyRule.MISSING_MATTER:
            fill = matter_in(report, self._elements.words_of(report), language)
        elif name is ReplyRule.MISSING_TIME and report is not None and report.handling is not None:
            fill = report.handling.say_due(report)
        wording = rule.suggestion.get(language)
        if fill is not None and rule.filled is not None:
            wording = rule.filled.get(language).replace("{it}", fill)
        return ReplyFinding(name, None, None, None, rule.reason.get(language), wording, rule.severity)
