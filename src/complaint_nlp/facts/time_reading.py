"""Joins the pieces of time expressions that belong together."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from complaint_nlp.facts.time_calendar import When
from complaint_nlp.facts.time_pieces import ALONE, DAY, NOTE, PART, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable

_GAP = re.compile(r"[的 ]{0,2}")
_GAP_BEFORE_HOUR = re.compile(r"[的 ,，]{0,2}")
_NOON = 12


def without_overlaps(pieces: Iterable[Piece]) -> list[Piece]:
    """Return the pieces from left to right, of two that overlap the one that begins first, then the longer one."""
    kept: list[Piece] = []
    end = 0
    for piece in sorted(pieces, key=lambda piece: (piece.start, -piece.end)):
        if piece.start >= end:
            kept.append(piece)
            end = piece.end
    return kept


def join(pieces: Iterable[Piece], text: str) -> list[Piece]:
    """Return whole expressions: pieces that follow each other from coarse to fine are one."""
    joined: list[Piece] = []
    for piece in pieces:
        whole = _one(joined[-1], piece, text) if joined else None
        if whole is not None:
            joined[-1] = whole
        else:
            joined.append(piece)
    return [piece for piece in joined if piece.rank != NOTE and (piece.when.has_date or piece.when.hour is not None)]


def _one(before: Piece, after: Piece, text: str) -> Piece | None:
    """Return the two as one expression, ``None`` when they are two."""
    gap = _GAP_BEFORE_HOUR if after.rank >= PART else _GAP
    if not gap.fullmatch(text, before.end, after.start) or ALONE in (before.last, after.rank):
        return None
    note = _is_note(before, after)
    if after.rank <= before.last and not note:
        return None
    said: dict[str, Any] = {}
    for field in fields(When):
        first, second = getattr(before.when, field.name), getattr(after.when, field.name)
        said[field.name] = second if first is None or first is False else first
    if note:
        said["weekday"] = before.when.weekday
    return Piece(before.start, after.end, When(**said), before.rank, max(before.last, after.last))


def _is_note(before: Piece, after: Piece) -> bool:
    """Whether ``after`` is the weekday of the date ``before`` and adds nothing."""
    dated = before.when.day is not None or before.when.day_shift is not None
    return dated and after.when.weekday is not None and after.when.week_shift is None and before.last == DAY


def inherit(before: When, after: When) -> When:
    """Return the end of a range with the year, month, week or half of the day that only its start names."""
    if after.is_explicit or after.fixed is not None:
        return after
    if after.day is not None and after.month is None:
        year, shift = before.year, before.year_shift
        return replace(after, year=year, year_shift=shift, month=before.month, month_shift=before.month_shift)
    if after.day is not None or after.month is not None:
        return replace(after, year=before.year, year_shift=before.year_shift)
    if after.weekday is not None:
        return replace(after, week_shift=before.week_shift)
    if after.hour is None or after.has_date or after.part is not None or before.part is None:
        return after
    ahead = after.hour > (before.hour or 0) or before.part == "noon" or before.hour == _NOON
    return replace(after, part=before.part) if ahead and after.hour <= _NOON else after
