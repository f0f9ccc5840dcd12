"""The counts behind the page's filters: how many messages share the same day, product, urgency, labels, ...

Not the rows but the sparse cube of their counts travels with the page. A cell is one number, its coordinates written
in mixed radix; cells are sorted, so that differences are small, and the differences are packed and deflated. A million
messages of a year fit in about 2 MB this way; what would not fit is counted by week or month, then with fewer
products, places and channels.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from complaint_nlp.errors import DataError
from complaint_nlp.insights.page_text import shown_text
from complaint_nlp.labels import TASKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

MAX_BYTES: Final = 3_200_000
"""Of the packed cells, as the page holds them (base64)."""
MAX_PERIODS: Final = 4_000
"""Days (weeks, months) on the time axis; a longer table is counted by the next coarser unit."""
MAX_LABEL_SETS: Final = 4_096
"""Different combinations of sub-kinds; in a rarer one only the first sub-kind is counted."""
MAX_NAME_CHARS: Final = 60
NAMED: Final = ("product", "place", "channel")
UNITS: Final = ("day", "week", "month")
DEADLINES: Final = ("none", "within", "late", "open")
"""No deadline or no times known; answered in time; too late; not answered and not due yet."""
_TOPS: Final = ((20, 20, 12), (12, 12, 8), (6, 6, 6), (3, 3, 3))
"""Products, places and channels that are told apart, from the finest to the coarsest."""
_LIMIT: Final = 2**53
"""Beyond it JavaScript's numbers are not exact."""
_MONDAY: Final = 3
"""1970-01-01 was a Thursday: so many days after its Monday."""


@dataclass(frozen=True, slots=True)
class Messages:
    """What the cube counts, as one code per message (or per group of like messages); -1 stands for none.

    Attributes:
        categories: bit masks, bit *i* for the *i*-th category of :data:`complaint_nlp.labels.TASKS`.
        subcategories: the same for sub-kinds.
        first_subcategory: bit masks of the first sub-kind alone.
        urgency: places in the task's values.
        emotion: the same for the first emotion; ``None`` where the table has none.
        days: days since 1970-01-01; ``None`` without times.
        names: for product, place and channel, so far as there are any: codes and what they stand for.
        escalate: 1 where a manager has to be told; ``None`` where the table does not say.
        deadline: places in :data:`DEADLINES`; ``None`` where nothing is known of answers.
        weights: messages that each entry stands for; ``None`` for one each.
        unit: what a day stands for: ``day``, or the first day of a ``week`` or ``month``.
        last: the last day; ``None`` for the last of ``days``.
    """

    categories: NDArray[np.int64]
    subcategories: NDArray[np.int64]
    first_subcategory: NDArray[np.int64]
    urgency: NDArray[np.int64]
    emotion: NDArray[np.int64] | None = None
    days: NDArray[np.int64] | None = None
    names: Mapping[str, tuple[NDArray[np.int64], Sequence[str]]] = field(default_factory=dict)
    escalate: NDArray[np.int64] | None = None
    deadline: NDArray[np.int64] | None = None
    weights: NDArray[np.int64] | None = None
    unit: str = "day"
    last: str | None = None


@dataclass(frozen=True, slots=True)
class _Axis:
    """One axis of the cube: a code per entry, and what the page has to know about it."""

    name: str
    size: int
    codes: NDArray[np.int64]
    about: Mapping[str, Any]


def build_cube(messages: Messages, *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Return the counts of messages as JSON-ready data.

    Returns:
        ``rows``: messages counted; ``axes``: the axes, the most significant one first, each with ``name``, ``size`` and
        what its codes mean (``values``, then perhaps ``other`` and ``unknown``, the codes of all other names and of
        none; for ``labels`` pairs of bit masks over categories and sub-kinds; for ``day`` ``first``, ``last``, ``unit``
        and ``unknown``); ``cells``: their number; ``keys``: differences of the sorted cell numbers, and ``counts``: the
        messages of each, both as unsigned LEB128 numbers, deflated, in base64; ``label_sets_cut``: messages of which
        only the first sub-kind is counted, for their combination is rare.

    Raises:
        DataError: there are no messages, or their counts do not fit in ``max_bytes`` however coarsely they are counted.
    """
    if len(messages.urgency) == 0:
        msg = "the table has no analysed messages, so there is nothing to report"
        raise DataError(msg)
    weights = messages.weights
    rows = len(messages.urgency) if weights is None else int(weights.sum())
    label_axis, cut = _label_axis(messages)
    fixed = [label_axis, _task_axis("urgency", messages.urgency), *_optional_axes(messages)]
    for unit, tops in _grains(messages):
        time = None if messages.days is None else _time_axis(messages.days, unit, messages.last)
        if time is not None and time.size > MAX_PERIODS and unit != UNITS[-1]:
            continue
        named = (_named_axis(name, *messages.names[name], top) for name, top in tops if name in messages.names)
        packed = _pack([axis for axis in (time, *named, *fixed) if axis is not None], weights)
        if packed is not None and len(packed["keys"]) + len(packed["counts"]) <= max_bytes:
            return {"rows": rows, **packed, "label_sets_cut": cut}
    msg = f"the counts of this table do not fit in {max_bytes:,} bytes; report a shorter period of it"
    raise DataError(msg)


def _grains(messages: Messages) -> list[tuple[str, tuple[tuple[str, int], ...]]]:
    """Return time units and numbers of names to try, from the finest to the coarsest."""
    finest, *coarser = (tuple(zip(NAMED, tops, strict=True)) for tops in _TOPS)
    units = UNITS[UNITS.index(messages.unit) :] if messages.days is not None else UNITS[-1:]
    return [*((unit, finest) for unit in units), *((UNITS[-1], tops) for tops in coarser)]


def _label_axis(messages: Messages) -> tuple[_Axis, int]:
    """Return the axis of combinations of categories and sub-kinds, the most frequent first, and how many were cut."""
    categories, kinds = _values("category"), _values("subcategory")
    shifted = messages.categories << len(kinds)
    whole = shifted | messages.subcategories
    sets, counts = np.unique(whole, return_counts=True)
    cut = 0
    if len(sets) > MAX_LABEL_SETS:
        frequent = sets[np.argsort(-counts, kind="stable")[:MAX_LABEL_SETS]]
        rare = ~np.isin(whole, frequent)
        cut = int(rare.sum() if messages.weights is None else messages.weights[rare].sum())
        whole = np.where(rare, shifted | messages.first_subcategory, whole)
        sets, counts = np.unique(whole, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    place = np.empty(len(sets), np.int64)
    place[order] = np.arange(len(sets))
    bits = (1 << len(kinds)) - 1
    about = {
        "values": [[int(value) >> len(kinds), int(value) & bits] for value in sets[order]],
        "categories": categories,
        "subcategories": kinds,
    }
    return _Axis("labels", len(sets), place[np.searchsorted(sets, whole)], about), cut


def _values(task: str) -> list[str]:
    return [str(value) for value in TASKS[task].values]


def _task_axis(name: str, codes: NDArray[np.int64]) -> _Axis:
    """Return the axis of a task with one value; the last code stands for none, where there is such a message."""
    values = _values(name)
    missing = codes < 0
    unknown = len(values) if missing.any() else None
    size = len(values) + (unknown is not None)
    return _Axis(name, size, np.where(missing, len(values), codes), {"values": values, "unknown": unknown})


def _optional_axes(messages: Messages) -> list[_Axis]:
    axes = []
    if messages.emotion is not None:
        axes.append(_task_axis("emotion", messages.emotion))
    if messages.escalate is not None:
        axes.append(_Axis("escalate", 2, messages.escalate, {"values": ["no", "yes"]}))
    if messages.deadline is not None:
        axes.append(_Axis("deadline", len(DEADLINES), messages.deadline, {"values": list(DEADLINES)}))
    return axes


def _time_axis(numbers: NDArray[np.int64], unit: str, last: str | None) -> _Axis | None:
    """Return the axis of days, weeks (from Monday) or months; the last code stands for no date."""
    missing = numbers < 0
    if missing.all():
        return None
    days = numbers.astype("datetime64[D]")
    if unit == "month":
        periods = days.astype("datetime64[M]")
    elif unit == "week":
        periods = days - ((numbers + _MONDAY) % 7).astype("timedelta64[D]")
    else:
        periods = days
    first = periods[~missing].min()
    codes = (periods - first).astype(np.int64) // (7 if unit == "week" else 1)
    size = int(codes[~missing].max()) + 1
    unknown = size if missing.any() else None
    about = {
        "unit": unit,
        "first": str(first.astype("datetime64[D]")),
        "last": last or str(days[~missing].max()),
        "unknown": unknown,
    }
    return _Axis("day", size + (unknown is not None), np.where(missing, size, codes), about)


def _named_axis(name: str, codes: NDArray[np.int64], values: Sequence[str], top: int) -> _Axis | None:
    """Return the axis of the most frequent names, then all others, then none."""
    missing = codes < 0
    counts = np.bincount(codes[~missing], minlength=len(values))
    order = np.argsort(-counts, kind="stable")
    kept = order if len(order) <= top + 1 else order[:top]
    if not len(kept):
        return None
    other = len(kept) if len(kept) < len(order) else None
    unknown = len(kept) + (other is not None) if missing.any() else None
    place = np.full(len(values) + 1, len(kept), np.int64)
    place[kept] = np.arange(len(kept))
    place[-1] = unknown or 0
    shown = [shown_text(values[i], MAX_NAME_CHARS) for i in kept]
    about = {"values": shown, "other": other, "others": len(order) - len(kept), "unknown": unknown}
    return _Axis(name, len(kept) + (other is not None) + (unknown is not None), place[codes], about)


def _pack(axes: Sequence[_Axis], weights: NDArray[np.int64] | None) -> dict[str, Any] | None:
    """Return the cells of all axes together; ``None`` where their number would not be exact in a browser."""
    total = 1
    for axis in axes:
        total *= axis.size
    if total >= _LIMIT:
        return None
    keys = np.zeros(len(axes[0].codes), np.int64)
    for axis in axes:
        keys = keys * axis.size + axis.codes
    if weights is None:
        cells, counts = np.unique(keys, return_counts=True)
    else:
        cells, places = np.unique(keys, return_inverse=True)
        counts = np.bincount(places, weights=weights).astype(np.int64)
    return {
        "axes": [{"name": axis.name, "size": axis.size, **axis.about} for axis in axes],
        "cells": len(cells),
        "keys": _packed(np.diff(cells, prepend=0)),
        "counts": _packed(counts),
    }


def _packed(numbers: NDArray[Any]) -> str:
    """Return unsigned numbers as LEB128 (seven bits a byte, the lowest first), deflated, in base64."""
    rest = numbers.astype(np.uint64)
    lengths = np.ones(len(rest), np.int64)
    for length in range(1, 10):
        lengths += (rest >> np.uint64(7 * length)) > 0
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    stream = np.zeros(int(lengths.sum()), np.uint8)
    for place in range(int(lengths.max())):
        there = lengths > place
        low = (rest[there] >> np.uint64(7 * place)) & np.uint64(0x7F)
        more = (lengths[there] > place + 1).astype(np.uint64) << np.uint64(7)
        stream[starts[there] + place] = (low | more).astype(np.uint8)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return base64.b64encode(deflate.compress(stream.tobytes()) + deflate.flush()).decode("ascii")
