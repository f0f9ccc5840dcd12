"""What a reply check returns."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from complaint_nlp.text.chars import is_broken

Severity = Literal["low", "medium", "high"]


class ReplyRule(StrEnum):
    """What a reply is checked for. The rules that begin with ``missing_`` are about the reply as a whole."""

    FLAT_NEGATIVE = "flat_negative"
    BLAME = "blame"
    DEFENCE = "defence"
    CANNED = "canned"
    JARGON = "jargon"
    VAGUE_TIME = "vague_time"
    OVER_PROMISE = "over_promise"
    FAULT_ADMITTED = "fault_admitted"
    INFORMAL_YOU = "informal_you"
    WRONG_SCRIPT = "wrong_script"
    MIXED_SCRIPT = "mixed_script"
    WRONG_REGION = "wrong_region"
    PERSONAL_DATA = "personal_data"
    ALREADY_ANSWERED = "already_answered"
    MISSING_APOLOGY = "missing_apology"
    MISSING_FEELING = "missing_feeling"
    MISSING_MATTER = "missing_matter"
    MISSING_NEXT_STEP = "missing_next_step"
    MISSING_TIME = "missing_time"
    MISSING_THANKS = "missing_thanks"
    MISSING_CONTACT = "missing_contact"
    MISSING_ANSWER = "missing_answer"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class ReplyFinding:
    """One thing to change in a reply.

    Attributes:
        rule: what was checked.
        start: index of the first character in the reply; ``None`` where something is missing.
        end: index after the last character; ``None`` where something is missing.
        text: the words, as they stand in the reply; ``None`` where something is missing.
        reason: why to change them, in the script of the reply.
        suggestion: a better wording, in the script of the reply.
        severity: ``low``, ``medium`` or ``high``.
    """

    rule: ReplyRule
    start: int | None
    end: int | None
    text: str | None
    reason: str
    suggestion: str
    severity: Severity

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain values."""
        return {
            "rule": self.rule.value,
            "start": self.start,
            "end": self.end,
            "text": self.text,
            "reason": self.reason,
            "suggestion": self.suggestion,
            "severity": self.severity,
        }


@dataclass(frozen=True, slots=True)
class ReplyReview:
    """What is to be said about a reply.

    Attributes:
        score: 0 (start again) to 100 (nothing found): 100 less the weights of the findings, as the rule file states
            them, never below 0. It ranks drafts; it does not measure how a customer will take them.
        findings: the words to change in the order of the reply, then what is missing.
        script: the script of the reply, customer's words between quotation marks left out: ``traditional``,
            ``simplified``, ``mixed`` or ``other``.
    """

    score: int
    findings: tuple[ReplyFinding, ...]
    script: str

    def of(self, *rules: str) -> tuple[ReplyFinding, ...]:
        """Return the findings of these rules."""
        return tuple(finding for finding in self.findings if finding.rule in rules)

    def to_dict(self) -> dict[str, Any]:
        """Return the review as plain dicts, lists, strings and numbers."""
        return {
            "score": self.score,
            "script": self.script,
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def to_json(self, *, indent: int | None = None) -> str:
        """Return :meth:`to_dict` as JSON; Chinese characters are unescaped unless the reply holds broken ones."""
        content = self.to_dict()
        written = json.dumps(content, ensure_ascii=False, indent=indent)
        # half a surrogate pair is no character and could not be written as UTF-8
        broken = is_broken(written)
        return json.dumps(content, indent=indent) if broken else written
