"""What a case says to the conditions of the pieces, and what their variables are filled with."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from complaint_nlp.facts.types import FactKind
from complaint_nlp.labels import Category, Emotion, Intent, Urgency
from complaint_nlp.playbook.messages.clock import next_word, say_time
from complaint_nlp.playbook.messages.quoting import in_script
from complaint_nlp.playbook.messages.schema import CUSTOMER_WORDS, VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from complaint_nlp.labels import Language
    from complaint_nlp.playbook.messages.files import MessageFiles
    from complaint_nlp.playbook.messages.quoting import Quoter
    from complaint_nlp.playbook.messages.schema import Matter
    from complaint_nlp.playbook.messages.writer import Occasion
    from complaint_nlp.playbook.strategy.plan import Case, Remedy, StrategyPlan
    from complaint_nlp.playbook.strategy.when import When

T = TypeVar("T")

_REGIONS = ("TW", "HK", "CN")
_MOST_ASKS = 2
_ASKED_IN_DANGER = ("contact", "where", "who")
# how far before and after a duration the words that tell waiting may stand
_WAITING_REACH = 3
# NT$1,299,000: longer ones are more likely a number of something else
_MOST_DIGITS = 7


class View(NamedTuple):
    """A case as the conditions see it.

    Attributes:
        values: what the case has, by the names of the conditions.
        places: place of every label among its kind, the primary ones first.
        language: the script to write in.
    """

    values: Mapping[str, frozenset[object]]
    places: Mapping[str, Mapping[object, int]]
    language: Language

    def distance(self, when: When) -> tuple[int, ...]:
        """Return how far from the primary labels the ones that ``when`` asks for stand."""
        asked = dict(when.given)
        return tuple(
            min((place for label, place in places.items() if label in asked[name]), default=0) if name in asked else 0
            for name, places in self.places.items()
        )


class Fillings(NamedTuple):
    """What the variables are filled with: our own words, and the customer's, which are never changed."""

    own: Mapping[str, str]
    customer: Mapping[str, str]
    names: frozenset[str]
    hong_kong: bool


def choose(wordings: Sequence[T], seed: str) -> T:
    """Return one of ``wordings``, always the same for one ``seed``."""
    return wordings[zlib.crc32(seed.encode("utf-8", "replace")) % len(wordings)]


def view_of(case: Case, plan: StrategyPlan) -> View:
    """Return ``case``, planned as ``plan``, as the conditions see it."""
    emotions = case.emotions or (Emotion.NEUTRAL,)
    facts = case.facts
    values: dict[str, Iterable[object]] = {
        "intent": [case.intent],
        "category": case.all_categories,
        "subcategory": case.subcategories,
        "urgency": [case.urgency],
        "emotion": emotions,
        "intensity": [case.intensity],
        "needs": case.needs,
        "demands": case.demands,
        "fault": [plan.fault],
        "facts": {fact.kind for fact in facts.items},
        "threat": {fact.value for fact in facts.of(FactKind.THREAT)},
        "vulnerable": {fact.value for fact in facts.of(FactKind.VULNERABLE)},
        # whoever demands something has said what is wanted
        "missing": [thing for thing in case.missing if not (thing == "wanted" and case.demands)],
        "interest": [plan.impact.interest] if plan.impact else [],
        "amount": [],
        "grievance": [case.is_grievance],
        "repeat": [case.is_repeat],
        "consequence": [bool(plan.impact and plan.impact.consequences)],
    }
    ranked: dict[str, tuple[object, ...]] = {
        "subcategory": case.subcategories,
        "category": case.all_categories,
        "emotion": emotions,
    }
    places = {name: {label: place for place, label in enumerate(labels)} for name, labels in ranked.items()}
    return View({name: frozenset(each) for name, each in values.items()}, places, case.language)


class Filler:
    """Fills the variables.

    Args:
        files: the wordings.
        quoter: chooses the customer's words.
    """

    def __init__(self, files: MessageFiles, quoter: Quoter) -> None:
        self._files, self._words, self._quoter = files, files.words, quoter
        # 同仁們 before 同仁
        self._hong_kong = sorted(files.words.hong_kong.items(), key=lambda item: -len(item[0]))

    def fill(self, occasion: Occasion, seed: str) -> Fillings:
        """Return what every variable is filled with; those that cannot be are left out."""
        case = occasion.case
        own = {**self._matter(occasion, seed), **self._times(occasion), **self._offers(occasion)}
        own.update(self._emergency(occasion))
        questions = occasion.plan.questions
        if case.urgency is Urgency.CRITICAL:  # whoever is in danger is asked how to be found, and nothing else
            questions = tuple(question for question in questions if question.asks_for in _ASKED_IN_DANGER)
        for name, question in zip(("question", "question_2"), questions, strict=False):
            own[name] = question.text
        own["contacts"] = self._contacts(case)
        own["asks"] = "".join(occasion.plan.follow_up.ask[:_MOST_ASKS])
        own = {name: text for name, text in own.items() if text}
        customer = {name: text for name, text in self._customers_words(occasion).items() if text}
        return Fillings(
            own, customer, frozenset([*own, *customer]), occasion.region == "HK" and case.language == "zh-Hant"
        )

    def filled(self, text: str, fillings: Fillings) -> str:
        """Return ``text`` with its variables filled, in Hong Kong's words where it goes there."""
        text = VARIABLE.sub(lambda found: fillings.own.get(found[1], found[0]), text)
        if fillings.hong_kong:
            text = self.in_hong_kong(text)
        # the customer's words come last: nothing is replaced in them, and braces of theirs stay what they are
        return VARIABLE.sub(lambda found: fillings.customer[found[1]] if found[1] in CUSTOMER_WORDS else found[0], text)

    def in_hong_kong(self, text: str) -> str:
        """Return a text of Taiwan in Hong Kong's words."""
        for word, instead in self._hong_kong:
            text = text.replace(word, instead)
        return text

    def _matter(self, occasion: Occasion, seed: str) -> dict[str, str]:
        case = occasion.case
        grievance = _grievance(case)
        matter: Matter = case.intent if grievance is None or case.intent is Intent.PRAISE else grievance
        entry = self._files.matters.matters[matter]
        act = choose(entry.acts, f"{seed}act").get(case.language)
        filled = {"name": entry.name.get(case.language), "act": act, "open": entry.open.get(case.language)}
        if grievance is not None:
            filled["grievance_name"] = self._files.matters.matters[grievance].name.get(case.language)
        return filled

    def _times(self, occasion: Occasion) -> dict[str, str]:
        words, language = self._words.times, occasion.case.language
        filled = {"time": say_time(occasion.respond_by, occasion.received_at, words, language)}
        hours = occasion.plan.follow_up.progress_every_hours
        if hours is not None:
            start = occasion.respond_by.astimezone(occasion.received_at.tzinfo)
            due = next_word(start, hours, at_night=occasion.case.urgency is Urgency.CRITICAL)
            filled["next_time"] = say_time(due, occasion.received_at, words, language)
        return filled

    def _offers(self, occasion: Occasion) -> dict[str, str]:
        file, language, plan = self._files.offers, occasion.case.language, occasion.plan
        known = [remedy for remedy in plan.remedies if remedy.id in file.offers]
        ours = [remedy for remedy in known if remedy.authority in file.own_authority]
        above = [remedy for remedy in known if remedy.authority not in file.own_authority]

        def say(remedies: list[Remedy], at: int) -> str:
            return file.offers[remedies[at].id].get(language) if at < len(remedies) else ""

        filled = {"offer": say(ours, 0), "offer_2": say(ours, 1), "offer_above": say(above, 0)}
        filled["decider"] = above[0].authority_name if above else ""
        consequences = plan.impact.consequences if plan.impact else ()
        told = (file.consequences[each.id].get(language) for each in consequences if each.id in file.consequences)
        filled["consequence"] = next(told, "")
        return filled

    def _emergency(self, occasion: Occasion) -> dict[str, str]:
        calls = self._words.emergency
        if occasion.region in _REGIONS:
            return {name: getattr(call, occasion.region.lower()) for name, call in calls.items()}
        return {name: call.any.get(occasion.case.language) for name, call in calls.items()}

    def _contacts(self, case: Case) -> str:
        """Return how often the customer turned to us, in words."""
        words, counts = self._words.contacts, [fact.value for fact in case.facts.of(FactKind.PRIOR_CONTACT)]
        numbers = [int(count) for count in counts if count is not None and count.isdecimal()]
        if "+" in counts:
            return words.several.get(case.language)
        if max(numbers, default=0) <= 1:  # once is no history
            return ""
        numerals, most = words.numerals.get(case.language), max(numbers)
        return words.counted.get(case.language).replace(
            "{times}", numerals[most] if most < len(numerals) else str(most)
        )

    def _customers_words(self, occasion: Occasion) -> dict[str, str]:
        case = occasion.case
        left, right = tuple(self._words.quotation.get(case.language))
        quote = self._quoter.choose(case, occasion.key_words) or ""
        deadlines = [fact.text for fact in case.facts.of(FactKind.DEADLINE)]
        amounts = list(dict.fromkeys(fact.text for fact in case.facts.of(FactKind.AMOUNT)))
        products = [fact.text for fact in case.facts.of(FactKind.PRODUCT)]
        deadline = next((text for text in deadlines if self._quoter.fits(text, case.language)), "")
        # with two amounts nobody knows which of them is meant
        amount = amounts[0] if len(amounts) == 1 and self._safe_amount(amounts[0], case) else ""
        marked = {"quote": quote, "deadline": deadline, "amount": amount}
        return {
            **{name: f"{left}{text}{right}" if text else "" for name, text in marked.items()},
            "product": next((text for text in products if self._quoter.fits(text, case.language)), ""),
            "waited": self._waited(case),
        }

    def _safe_amount(self, text: str, case: Case) -> bool:
        digits = sum(char.isdigit() for char in text)
        short = len(text) <= self._words.quotes.most and digits <= _MOST_DIGITS
        return Category.PRICE in case.all_categories and short and in_script(text, case.language)

    def _waited(self, case: Case) -> str:
        """Return a duration that the customer says to have waited."""
        words = self._words.waiting
        table = str.maketrans(words.simplified)
        for fact in case.facts.of(FactKind.DURATION):
            simple = fact.text.translate(table)
            at = case.text.find(simple)
            if at < 0 or not self._quoter.fits(fact.text, case.language):
                continue
            after = case.text[at + len(simple) : at + len(simple) + _WAITING_REACH]
            if case.text.endswith(words.unless, 0, at):
                continue
            if case.text.endswith(words.before, 0, at) or any(word in after for word in words.after):
                return fact.text
        return ""


def _grievance(case: Case) -> Matter | None:
    """Return what went wrong, the sub-kind where it is known; an incident leads an urgent case."""
    if not case.is_grievance:
        return None
    matter = case.matter
    if not isinstance(matter, Category):
        return matter
    return next((sub for sub in case.subcategories if sub.category is matter), matter)
