"""From a report to its facts, its plan and the words to the customer, made when somebody asks for them.

Labelling years of messages needs none of this, so a report carries only what it takes to make it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from complaint_nlp.errors import ConfigError
from complaint_nlp.facts.find import find_facts
from complaint_nlp.facts.missing import Missing, missing
from complaint_nlp.playbook.key_words import key_words
from complaint_nlp.playbook.messages.writer import Messages, Occasion
from complaint_nlp.playbook.strategy.plan import Case, Impact, Strategy, StrategyPlan
from complaint_nlp.playbook.strategy.strategist import Strategist
from complaint_nlp.text import Normalizer, NormalizerConfig

if TYPE_CHECKING:
    from datetime import datetime

    from complaint_nlp.cases import CaseBase
    from complaint_nlp.facts.types import Facts
    from complaint_nlp.labels import Language
    from complaint_nlp.playbook.strategy.when import Fault
    from complaint_nlp.report import Report
    from complaint_nlp.text import NormalizedText

_FOLDERS = ("strategy", "messages")
_CHANGED = ("questions", "impact")


class Playbook:
    """The plans and wordings of an organisation.

    Args:
        directory: your own files in its folders ``strategy`` and ``messages``, each with only the entries to change,
            laid over the shipped ones; the shipped ones alone when ``None``.

    Raises:
        ConfigError: there is no such directory, it holds none of these folders, or a file in them is wrong.
    """

    def __init__(self, directory: str | Path | None = None) -> None:
        folders: dict[str, Path | None] = dict.fromkeys(_FOLDERS)
        if directory is not None:
            given = Path(directory)
            folders = {name: given / name if (given / name).is_dir() else None for name in _FOLDERS}
            if not any(folders.values()):
                what = "holds neither of the folders" if given.is_dir() else "no such directory; it would hold"
                msg = f"{given}: {what} {' and '.join(_FOLDERS)}"
                raise ConfigError(msg)
        self.strategist = Strategist(folders["strategy"])
        self.messages = Messages(folders["messages"])


@cache
def playbook(directory: str | None) -> Playbook:
    """Return the playbook of a directory, read once."""
    return Playbook(directory)


class Reading(NamedTuple):
    """A message as the facts room sees it, and what it found."""

    message: NormalizedText
    facts: Facts


@dataclass(frozen=True, slots=True)
class Handling:
    """What a report needs to make its facts and its plan.

    Attributes:
        received_at: when the message came in, in the time zone of the office.
        language: the script to answer in.
        playbook: directory of the organisation's own playbook.
        cases: solved cases, where the analyzer has any; not kept when a report is pickled.
    """

    received_at: datetime
    language: Language
    playbook: str | None = None
    cases: CaseBase | None = None

    def __getstate__(self) -> tuple[object, ...]:
        # an open database does not travel
        return (self.received_at, self.language, self.playbook)

    def __setstate__(self, state: tuple[object, ...]) -> None:
        for name, value in zip(("received_at", "language", "playbook", "cases"), (*state, None), strict=True):
            object.__setattr__(self, name, value)

    def read(self, text: str) -> Reading:
        """Return the message with its facts."""
        message = Normalizer(NormalizerConfig(max_chars=max(1, len(text)))).normalize(text)
        return Reading(message, find_facts(message, received_at=self.received_at))

    def missing(self, report: Report, reading: Reading) -> tuple[str, ...]:
        """Return what the message leaves open; see :attr:`Report.missing`."""
        lacking = missing(reading.facts, reading.message, report.category.labels, report.subcategory.labels)
        # a demand that the model reads may be said in words that no list has
        known = {Missing.WANTED} if report.demands.labels else set()
        return tuple(thing.value for thing in lacking if thing not in known)

    def plan(self, report: Report, reading: Reading, fault: Fault) -> Strategy:
        """Return how to handle the case; see :meth:`Report.plan`."""
        book = playbook(self.playbook)
        case = self._case(report, reading)
        plan = book.strategist.plan(case, fault=fault)
        due = self.received_at if report.route is None else report.route.respond_by
        occasion = Occasion(
            case=case,
            plan=plan,
            region=report.region,
            received_at=self.received_at,
            respond_by=due.astimezone(self.received_at.tzinfo),
            key_words=key_words(report),
        )
        messages = book.messages
        return Strategy(
            **{name: getattr(plan, name) for name in StrategyPlan.__dataclass_fields__ if name not in _CHANGED},
            questions=tuple(
                replace(question, text=messages.in_words_of(question.text, report.region, self.language))
                for question in plan.questions
            ),
            impact=_in_original(plan.impact, reading.message),
            first_reply=messages.first_reply(occasion),
            apology_letter=messages.apology_letter(occasion),
            progress_note=messages.progress_note(occasion),
            follow_up_message=messages.follow_up_message(occasion),
        )

    def say_due(self, report: Report) -> str | None:
        """Return by when the first answer is due as a person says it: 今天下午3點前; ``None`` without a route."""
        if report.route is None:
            return None
        return playbook(self.playbook).messages.say_time(report.route.respond_by, self.received_at, self.language)

    def _case(self, report: Report, reading: Reading) -> Case:
        # what a safety rule knows comes before what the model saw: a polite note about a gas smell is no small request
        told = [reason.matter for reason in report.urgency_reasons if reason.matter is not None]
        return Case(
            intent=report.intent.labels[0],
            categories=tuple(dict.fromkeys([*(matter.category for matter in told), *report.category.labels])),
            subcategories=tuple(dict.fromkeys([*told, *report.subcategory.labels])),
            urgency=report.urgency.labels[0],
            emotions=report.emotion.labels,
            intensity=report.intensity.labels[0],
            needs=report.needs.labels,
            demands=report.demands.labels,
            language=self.language,
            text=reading.message.text,
            facts=reading.facts,
            missing=self.missing(report, reading),
        )


def _in_original(impact: Impact | None, message: NormalizedText) -> Impact | None:
    """Return the impact with spans that point into the original message."""
    if impact is None:
        return None
    consequences = tuple(
        replace(each, spans=tuple(message.to_original(start, end) for start, end in each.spans))
        for each in impact.consequences
    )
    return replace(impact, consequences=consequences)
