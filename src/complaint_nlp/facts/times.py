"""Times, durations and deadlines, seen from the moment a message came.

No kept library fits (Time-NLP is abandoned and prefers the future, JioNLP brings a tokenizer model and knows neither
民國 nor deadlines, dateparser reads no 晚上八点): this is a small grammar, its words are in
``resources/facts/times.yaml``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from complaint_nlp.facts.time_calendar import deadline, resolve
from complaint_nlp.facts.time_lengths import LengthFinder
from complaint_nlp.facts.time_patterns import PieceFinder
from complaint_nlp.facts.time_pieces import Scan
from complaint_nlp.facts.time_reading import inherit, join, without_overlaps
from complaint_nlp.facts.time_words import default_words
from complaint_nlp.facts.types import Fact, FactKind
from complaint_nlp.text.types import Region, Script

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from complaint_nlp.facts.time_calendar import Moment, Tense, When
    from complaint_nlp.facts.time_lengths import Length
    from complaint_nlp.facts.time_pieces import Piece
    from complaint_nlp.facts.time_words import TimeWords
    from complaint_nlp.text import NormalizedText

_CLAUSE_END = re.compile(r"[。！？!?；;，,、\n…]")
_SENTENCE_END = re.compile(r"[。！？!?；;\n…]")
_RANGE = re.compile(r"\s?(?:到|至|~|-|—|–|直到|一直到)\s?")
# how far from a time the words that tell its tense may stand, and those that need something by then
_CLAUSE_REACH = 30
_NEED_REACH = 12
# an hour without a date is of the day named before, when that is not too far away
_ANCHOR_REACH = 40
_HABIT_REACH = 8


def find_times(message: NormalizedText, *, received_at: datetime) -> list[Fact]:
    """Return the times, durations and deadlines of ``message`` in its order; they do not overlap.

    Values are ISO 8601 as exact as was said, in the zone of ``received_at`` and without it ("2026-11-21T20:00"). What
    nobody can date ("最近") has no value. ``details`` may hold ``part`` (of the day, month or year), ``approximate``,
    ``assumed`` (the half of the day or the date is a guess), ``range`` (``from`` or ``to``), ``until`` (the last day of
    a weekend), ``max`` and ``workdays``.

    Args:
        message: the message.
        received_at: when it came.

    Raises:
        ValueError: ``received_at`` has no time zone.
    """
    if received_at.tzinfo is None or received_at.utcoffset() is None:
        msg = "received_at needs a time zone"
        raise ValueError(msg)
    return _default_grammar().find(message, received_at.replace(tzinfo=None))


@cache
def _default_grammar() -> _Grammar:
    return _Grammar(default_words())


@dataclass(frozen=True, slots=True)
class _Found:
    """A fact with its place in the normalised text."""

    kind: FactKind
    start: int
    end: int
    value: str | None
    details: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Place:
    """A stretch of the text and its surroundings."""

    text: str
    start: int
    end: int

    @property
    def before(self) -> str:
        """What stands before it in its clause."""
        near = self.text[max(0, self.start - _CLAUSE_REACH) : self.start]
        return _CLAUSE_END.split(near)[-1]

    @property
    def after(self) -> str:
        """What stands after it in its clause."""
        return _CLAUSE_END.split(self.text[self.end : self.end + _CLAUSE_REACH], maxsplit=1)[0]

    @property
    def so_far(self) -> str:
        """What stands before it in its sentence."""
        near = self.text[max(0, self.start - _CLAUSE_REACH) : self.start]
        return _SENTENCE_END.split(near)[-1]

    @property
    def rest(self) -> str:
        """What stands after it in its sentence."""
        return _SENTENCE_END.split(self.text[self.end : self.end + _CLAUSE_REACH], maxsplit=1)[0]


@dataclass(frozen=True, slots=True)
class _Until:
    """What makes a time a deadline: its bounds, and whether the time itself is in time."""

    start: int
    end: int
    before: bool = False
    within: bool = False


class _Grammar:
    """Reads the times of a message.

    Args:
        words: the tables.
    """

    def __init__(self, words: TimeWords) -> None:
        self.words = words
        self.pieces = PieceFinder(words)
        self.lengths = LengthFinder(words)

    def find(self, message: NormalizedText, now: datetime) -> list[Fact]:
        """Return the facts of ``message``, which came at ``now``, a local time without zone."""
        text = message.text
        taiwan = message.region is Region.TW or (message.region is None and message.script is Script.TRADITIONAL)
        scan = Scan(text, self.words, taiwan, now.date())
        times = join(without_overlaps(self.pieces.find(scan)), text)
        found = [*self._times(times, text, now)]
        taken = {at for piece in times for at in range(piece.start, piece.end)}
        lengths = [each for each in self.lengths.find(text) if taken.isdisjoint(range(each.start, each.end))]
        found += [self._of_length(length, text, now) for length in lengths]
        facts: list[Fact] = []
        end = 0
        for each in sorted(found, key=lambda one: (one.start, -one.end)):
            if each.start < end:
                continue
            end = each.end
            start, stop = message.to_original(each.start, each.end)
            facts.append(Fact(each.kind, start, stop, message.original[start:stop], each.value, each.details))
        return facts

    def _times(self, pieces: list[Piece], text: str, now: datetime) -> Iterator[_Found]:
        before: Piece | None = None
        anchor: tuple[int, Moment] | None = None
        skipped = False
        for at, piece in enumerate(pieces):
            ends_range = before is not None and _RANGE.fullmatch(text, before.end, piece.start) is not None
            skipped = (skipped and ends_range) or self._is_habit(_Place(text, piece.start, piece.end))
            when = inherit(before.when, piece.when) if ends_range and before is not None else piece.when
            piece = replace(piece, when=when)  # noqa: PLW2901 - the end of a range as it was meant
            before = piece
            if skipped:
                continue
            near = anchor[1] if anchor is not None and piece.start - anchor[0] <= _ANCHOR_REACH else None
            found, moment = self._of_time(piece, text, now, near)
            begins = at + 1 < len(pieces) and _RANGE.fullmatch(text, piece.end, pieces[at + 1].start) is not None
            if begins or ends_range:
                found.details["range"] = "to" if ends_range else "from"
            if moment is not None and found.kind is FactKind.TIME:
                anchor = (piece.end, moment)
            yield found

    def _is_habit(self, place: _Place) -> bool:
        return self.words.habit.search(place.before[-_HABIT_REACH:]) is not None

    def _of_time(self, piece: Piece, text: str, now: datetime, anchor: Moment | None) -> tuple[_Found, Moment | None]:
        place = _Place(text, piece.start, piece.end)
        until = self._until(piece, place, now)
        when = piece.when
        if until is not None:
            moment = resolve(when, now, "future")
            if moment is not None and not self._is_over(moment, now):
                moment = deadline(when, _later_half(when, moment, now), before=until.before, within=until.within)
                details = _details(when, moment)
                return _Found(FactKind.DEADLINE, until.start, until.end, moment.value, details), moment
        if not when.has_date and place.before.endswith(self.words.file.other_day) and anchor is None:
            return _Found(FactKind.TIME, piece.start, piece.end, None, _details(when, None)), None
        moment = resolve(when, now, self._tense(place), anchor)
        value = None if moment is None else moment.value
        return _Found(FactKind.TIME, piece.start, piece.end, value, _details(when, moment)), moment

    def _is_over(self, moment: Moment, now: datetime) -> bool:
        return moment.last_day < now.date()

    def _tense(self, place: _Place) -> Tense:
        clause = f"{place.before}|{place.after}"
        past, future = self.words.past.search(clause), self.words.future.search(clause)
        if past is None and future is not None:
            return "future"
        return "open" if past is None or future is not None else "past"

    def _until(self, piece: Piece, place: _Place, now: datetime) -> _Until | None:
        """Return what makes ``piece`` a deadline, ``None`` where nothing does."""
        words, when, text = self.words, piece.when, place.text
        other_day = place.before.endswith(words.file.other_day)
        if when.ago is not None or when.now or when.vague or other_day:
            return None
        moment = resolve(when, now, "open")
        ahead = when.is_explicit and moment is not None and moment.start.date() > now.date()
        prefix = words.until_prefix.search(place.before)
        start = piece.start - len(prefix.group()) if prefix else piece.start
        before, within = words.until.match(text, piece.end), words.within.match(text, piece.end)
        ending = before or within
        if ending is None and prefix is None:
            return self._needed(piece, place, ahead=ahead)
        end = ending.end() if ending else piece.end
        bounds = _Until(start, end, before=before is not None, within=before is None and within is not None)
        around = _Place(text, start, end)
        if self._is_asked(around):
            return bounds
        if self._is_told(around) or words.promise.search(around.before if prefix else around.so_far):
            return None
        # an hour without a day is mostly part of a story; a date with nothing after it is a request
        sure = ahead or (when.has_date and (prefix is not None or not around.after.strip()))
        return bounds if sure or words.demand.search(around.after[:_NEED_REACH]) else None

    def _is_asked(self, place: _Place) -> bool:
        asked = self.words.ask_before.search(place.before) or self.words.strong.search(place.rest[:_NEED_REACH])
        return asked is not None

    def _is_told(self, place: _Place) -> bool:
        clause = f"{place.before}|{place.after}"
        return self.words.past.search(clause) is not None or self.words.told.search(clause) is not None

    def _needed(self, piece: Piece, place: _Place, *, ahead: bool) -> _Until | None:
        """Return the bounds of a time at which something is needed or has to be done."""
        words = self.words
        needed = self._needed_end(place.text, piece.end, ahead=ahead)
        if needed is not None and not self._is_told(_Place(place.text, piece.start, needed)):
            return _Until(piece.start, needed)
        told, promised = words.told.search(place.so_far), words.promise.search(place.so_far)
        if told or promised:
            return None
        asked = words.strong.search(place.after[:_NEED_REACH]) is not None and not words.past.search(place.before)
        if ahead and (words.demand.search(place.rest[:_NEED_REACH]) or words.ask_before.search(place.before)):
            asked = True
        return _Until(piece.start, piece.end) if asked else None

    def _needed_end(self, text: str, at: int, *, ahead: bool) -> int | None:
        """Return the end of the words at ``at`` that say what is needed, ``None`` where there are none."""
        need = self.words.need.match(text, at) or (self.words.need_ahead.match(text, at) if ahead else None)
        if need is not None:
            return need.end()
        return at if ahead and self.words.want.match(text, at) else None

    def _of_length(self, length: Length, text: str, now: datetime) -> _Found:
        """Return a length of time as the deadline it sets, or as what it is."""
        place = _Place(text, length.start, length.end)
        bounds = self._until_length(length, place)
        if bounds is not None and (moment := length.after(now)) is not None:
            return _Found(FactKind.DEADLINE, bounds[0], bounds[1], moment.value, dict(length.details))
        return _Found(FactKind.DURATION, length.start, length.end, length.value, dict(length.details))

    def _until_length(self, length: Length, place: _Place) -> tuple[int, int] | None:
        words, text = self.words, place.text
        within, prefix = words.within.match(text, length.end), words.until_prefix.search(place.before)
        grace, left = words.grace.search(place.before), words.left.search(place.before)
        later = words.later.match(text, length.end)
        end = within.end() if within else length.end
        if grace is not None:
            return length.start - len(grace.group()), end
        needed = self._needed_end(text, later.end() if later else length.end, ahead=True)
        if needed is not None and (left or later) and not words.told.search(place.before):
            return length.start - (len(left.group()) if left else 0), needed
        if within is None and prefix is None:
            return None
        after = _Place(text, length.start, end)
        asked = words.ask_before.search(place.before) or prefix
        if not asked and (words.promise.search(place.so_far) or words.within_past.search(after.after)):
            return None
        if asked or words.strong.search(after.rest[:_NEED_REACH]) or words.demand.search(after.after[:_NEED_REACH]):
            return length.start - (len(prefix.group()) if prefix else 0), end
        return None


def _later_half(when: When, moment: Moment, now: datetime) -> Moment:
    """Return the evening hour where a deadline's hour of today would be over: 今天八点前, said at noon."""
    later = moment.start + timedelta(hours=12)
    open_half = moment.level == "minute" and when.part is None and not when.as_written
    same_day = later.date() == moment.start.date()
    return replace(moment, start=later) if open_half and moment.start < now <= later and same_day else moment


def _details(when: When, moment: Moment | None) -> dict[str, str]:
    details: dict[str, str] = {}
    if when.part is not None and (moment is None or moment.level != "minute"):
        details["part"] = when.part
    if when.edge is not None and moment is not None and moment.level == "month":
        details["part"] = when.edge
    if when.rough:
        details["approximate"] = "yes"
    if moment is not None and moment.assumed:
        details["assumed"] = "yes"
    if when.weekend and moment is not None and moment.level == "day":
        details["until"] = (moment.last_day + timedelta(days=1)).isoformat()
    return details
