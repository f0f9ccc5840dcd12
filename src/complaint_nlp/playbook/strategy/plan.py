"""What a strategy is made from, and what it is."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from complaint_nlp.facts.types import FactKind, Facts
from complaint_nlp.labels import Category, Demand, Emotion, Intent, Language, Need, Subcategory, Urgency
from complaint_nlp.playbook.strategy.when import MISSING

if TYPE_CHECKING:
    from complaint_nlp.playbook.strategy.schema import Form, Phase, Stage
    from complaint_nlp.playbook.strategy.when import Fault, Interest

_HIGHEST_INTENSITY = 3


@dataclass(frozen=True, slots=True)
class Case:
    """What is known about a message: its labels, its facts and what it leaves open. No model is needed to make one.

    Attributes:
        intent: what the message is.
        categories: the primary one first; those of ``subcategories`` count as given.
        subcategories: the primary one first.
        urgency: how soon an answer is due.
        emotions: the stronger first; none counts as neutral.
        intensity: 0 (none) to 3 (extreme).
        needs: what the customer needs underneath.
        demands: what the customer asks for.
        language: ``zh-Hant`` or ``zh-Hans``: the script of the plan.
        text: the message in simplified characters; only the impact is read from it.
        facts: what was found in the message.
        missing: what the message leaves open, of ``when``, ``where``, ``who``, ``product``, ``order``, ``amount``,
            ``tried``, ``wanted`` and ``contact``.

    Raises:
        ValueError: the intensity is out of range, or something unknown is missing.
    """

    intent: Intent
    categories: tuple[Category, ...] = ()
    subcategories: tuple[Subcategory, ...] = ()
    urgency: Urgency = Urgency.MEDIUM
    emotions: tuple[Emotion, ...] = ()
    intensity: int = 0
    needs: tuple[Need, ...] = ()
    demands: tuple[Demand, ...] = ()
    language: Language = "zh-Hant"
    text: str = ""
    facts: Facts = field(default_factory=Facts)
    missing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.intensity <= _HIGHEST_INTENSITY:
            msg = f"intensity {self.intensity!r} is not between 0 and {_HIGHEST_INTENSITY}"
            raise ValueError(msg)
        for name in self.missing:
            if name not in MISSING:
                msg = f"unknown missing fact {name!r}; use some of {', '.join(MISSING)}"
                raise ValueError(msg)

    @property
    def all_categories(self) -> tuple[Category, ...]:
        """The categories, with those of the sub-kinds, the primary one first."""
        return tuple(dict.fromkeys([*self.categories, *(sub.category for sub in self.subcategories)]))

    @property
    def is_grievance(self) -> bool:
        """Whether something went wrong for the customer."""
        return bool(self.all_categories) or self.intent is Intent.COMPLAINT

    @property
    def matter(self) -> Category | Intent:
        """What questions are about: the primary category, or the intent where there is none.

        An incident leads an urgent case, however loud the other grievances are.
        """
        if Category.INCIDENT in self.all_categories and self.urgency.rank >= Urgency.HIGH.rank:
            return Category.INCIDENT
        return self.all_categories[0] if self.all_categories else self.intent

    @property
    def is_repeat(self) -> bool:
        """Whether the customer made contact at least twice before."""
        counts = (fact.value for fact in self.facts.of(FactKind.PRIOR_CONTACT))
        return any(count == "+" or (count is not None and count.isdecimal() and int(count) > 1) for count in counts)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, in its place.

    Attributes:
        id: identifier of the entry in ``steps.yaml``.
        name: name of the one of the seven steps it belongs to.
        stage: identifier of that step.
        phase: identifier of the phase of the value chain: where this brings the customer.
        phase_name: its name.
        action: what to do.
        why: why it helps.
    """

    id: str
    name: str
    stage: Stage
    phase: Phase
    phase_name: str
    action: str
    why: str


@dataclass(frozen=True, slots=True)
class Tactic:
    """How to speak with a feeling of this intensity: what to do, and what to avoid."""

    emotion: Emotion
    intensity: int
    do: str
    avoid: str


@dataclass(frozen=True, slots=True)
class MustInclude:
    """Something the reply must hold."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Remedy:
    """Something that can be offered.

    Attributes:
        id: identifier of the option in ``remedies.yaml``.
        option: what is offered.
        condition: when it is the right one.
        authority: identifier of the least level of authority it needs, a key of ``levels`` in ``authority.yaml``.
        authority_name: its name.
    """

    id: str
    option: str
    condition: str
    authority: str
    authority_name: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question to the customer; ``id`` is what it asks for and its kind, as in ``order_closed``."""

    id: str
    asks_for: str
    kind: Form
    text: str


@dataclass(frozen=True, slots=True)
class Consequence:
    """What followed for the customer.

    Attributes:
        id: identifier of the entry in ``impact.yaml``.
        name: what happened.
        soften: how to soften it.
        spans: start and end, in ``Case.text``, of the words that tell.
    """

    id: str
    name: str
    soften: str
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Impact:
    """Whose interest was hurt (``own`` or ``organisation``), how to meet that, and what followed."""

    interest: Interest
    interest_name: str
    advice: str
    consequences: tuple[Consequence, ...]


@dataclass(frozen=True, slots=True)
class FollowUp:
    """When the customer hears from us.

    Attributes:
        progress: when to tell how it goes.
        progress_every_hours: hours between two words to the customer; ``None`` where nothing is reported.
        call_back: when to ask whether it is solved.
        call_back_within_hours: hours after solving; ``None`` where nobody calls.
        ask: what to ask then.
        record: what to write down.
    """

    progress: str
    progress_every_hours: float | None
    call_back: str
    call_back_within_hours: float | None
    ask: tuple[str, ...]
    record: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Inform:
    """A co-worker who hears of the case, and about what."""

    id: str
    who: str
    about: str


@dataclass(frozen=True, slots=True)
class Authority:
    """Who decides.

    Attributes:
        level: identifier of the level that decides, a key of ``levels`` in ``authority.yaml``.
        who: its name.
        may: what it may decide.
        notes: what the handler must keep in mind.
        ladder: whom to go to next and when, in order; empty without a grievance.
    """

    level: str
    who: str
    may: str
    notes: tuple[str, ...]
    ladder: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StrategyPlan:
    """How to handle a case, in the customer's script.

    Attributes:
        fault: the branch that was taken.
        steps: what to do, in order.
        tactics: how to speak, the stronger feeling first.
        must_include: what the reply must hold.
        remedies: what can be offered, what the customer asked for first; at least two for a complaint.
        questions: what to ask, the most useful first; at most five.
        impact: what was hurt; ``None`` without a grievance.
        follow_up: progress, call-back and record.
        prevention: hints for the organisation, the primary matter first.
        inform: co-workers who hear of it.
        authority: who decides.
    """

    fault: Fault
    steps: tuple[Step, ...]
    tactics: tuple[Tactic, ...]
    must_include: tuple[MustInclude, ...]
    remedies: tuple[Remedy, ...]
    questions: tuple[Question, ...]
    impact: Impact | None
    follow_up: FollowUp
    prevention: tuple[str, ...]
    inform: tuple[Inform, ...]
    authority: Authority

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain dicts, lists, strings and numbers."""
        plain: dict[str, Any] = _plain(self)
        return plain


@dataclass(frozen=True, slots=True)
class Strategy(StrategyPlan):
    """How to handle the case of a report, and what to write to the customer, in the customer's script and words.

    Spans of consequences point into the original message.

    Attributes:
        first_reply: the first answer.
        apology_letter: a letter, for a person to complete and sign; thanks where there is nothing to apologise for.
        progress_note: what to write while the case is open.
        follow_up_message: what to ask once it is solved.
    """

    first_reply: str
    apology_letter: str
    progress_note: str
    follow_up_message: str


def _plain(value: Any) -> Any:  # noqa: ANN401 - walks every field of a plan
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value
