"""Who comes back, and how long people wait."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from complaint_nlp.insights.reading import local_times, require_pandas
from complaint_nlp.insights.stats import survival_quantile
from complaint_nlp.insights.wordings import Note
from complaint_nlp.labels import Urgency

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from complaint_nlp.insights.table import LabelledTable
    from complaint_nlp.insights.wordings import Role

_SHOWN: Final = 2
_HIDDEN: Final = "***"
EVENTS: Final[dict[str, Role]] = {"first_answer": "answered", "close": "closed"}
_HOUR: Final = 3_600_000_000.0
"""Microseconds."""
_LABELLING_DAYS: Final = 2
"""Deadlines that all lie within so many days, over a table of ten times that, count from when it was labelled."""
ANSWER_COLUMNS: Final = (
    "by",
    "value",
    "messages",
    "answered",
    "open",
    "median_hours",
    "p90_hours",
    "within_deadline",
)


def masked_customer(customer: str) -> str:
    """Return a customer's name or number with all but its last two characters hidden, all where there are few."""
    return _HIDDEN + (customer[-_SHOWN:] if len(customer) > 2 * _SHOWN else "")


def repeater_table(table: LabelledTable, customers: Any, *, least: int, most: int | None, mask: bool) -> Any:  # noqa: ANN401
    """Return repeat complainers, see :meth:`complaint_nlp.insights.Insights.repeaters`.

    Args:
        table: the messages.
        customers: by position who wrote them, a pandas series; missing where that is not known.
        least: messages that make a customer one who comes back.
        most: customers returned, all when ``None``; ``attrs`` are about all of them either way.
        mask: hide who they are.
    """
    pd = require_pandas()
    keys = customers.astype("string").str.strip()
    codes, names = pd.factorize(keys.mask(keys.isin(["", "nan", "None"])))
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    chosen = np.flatnonzero(sizes >= least)
    repeaters = {"repeat_customers": len(chosen), "repeat_messages": int(sizes[chosen].sum())}
    chosen = chosen[np.argsort(-sizes[chosen], kind="stable")][:most]
    subcategory, urgency = table.dimension("subcategory"), table.dimension("urgency").primary
    # the messages of the chosen, customer after customer in the order of ``chosen``
    place = np.full(len(names) + 1, -1, dtype=np.int64)
    place[chosen] = np.arange(len(chosen))
    rank = place[codes]
    rows = np.flatnonzero(rank >= 0)
    rows = rows[np.argsort(rank[rows], kind="stable")]
    ends = np.cumsum(sizes[chosen])
    first, last = _outer_days(table.day_numbers[rows], rank[rows], len(chosen))
    kind = _most_frequent(subcategory.primary[rows], rank[rows], len(chosen), len(subcategory.values))
    ids = table.row_ids(rows)
    shown = [str(name) for name in names[chosen]]
    frame = pd.DataFrame(
        {
            "customer": [masked_customer(name) for name in shown] if mask else shown,
            "messages": sizes[chosen],
            "first": first,
            "last": last,
            "subcategory": np.array([*subcategory.values, None], dtype=object)[kind],
            "urgent": np.bincount(rank[rows[urgency[rows] >= Urgency.HIGH.rank]], minlength=len(chosen)),
            "rows": pd.Series(
                [ids[end - size : end] for end, size in zip(ends, sizes[chosen], strict=True)], dtype=object
            ),
        }
    )
    frame.attrs = {"customers": len(names), "messages": int(sizes.sum()), **repeaters}
    return frame


def _outer_days(days: NDArray[np.int64], group: NDArray[np.int64], groups: int) -> tuple[Any, Any]:
    """Return the first and the last known day of every group as times, NaT where none is known."""
    first = np.full(groups, np.iinfo(np.int64).max)
    last = np.full(groups, -1)
    known = days >= 0
    np.minimum.at(first, group[known], days[known])
    np.maximum.at(last, group[known], days[known])
    unknown = last < 0
    made = []
    for found in (first, last):
        moments = np.where(unknown, 0, found).astype("datetime64[D]").astype("datetime64[s]")
        moments[unknown] = np.datetime64("NaT")
        made.append(moments)
    return made[0], made[1]


def _most_frequent(codes: NDArray[np.int32], group: NDArray[np.int64], groups: int, values: int) -> NDArray[np.int64]:
    """Return the most frequent code of every group, the lowest among equals, -1 where it has none."""
    found = np.full(groups, -1, dtype=np.int64)
    known = codes >= 0
    pairs, count = np.unique(group[known] * values + codes[known], return_counts=True)
    owner, code = np.divmod(pairs, max(values, 1))
    order = np.lexsort((code, -count, owner))
    leading = order[np.flatnonzero(np.diff(owner[order], prepend=-1))]
    found[owner[leading]] = code[leading]
    return found


def deadlines(table: LabelledTable) -> tuple[Any | None, list[Note]]:
    """Return the local times by which first answers are due, by position, and what is to be said of them.

    ``respond_by`` counts from when a message was labelled unless the labelling was told when it came in; where all
    deadlines lie close together although messages do not, they are computed anew from when messages came in.
    """
    received = table.received
    if received is None:
        return None, []
    if "respond_by" in table.frame.columns:
        due = local_times(table.frame["respond_by"], table.timezone, naive_is_utc=True)
        known = due.notna() & received.notna()
        if known.any():
            # long deadlines reach over weekends and holidays, so single ones may lie far off
            spread = due[known].quantile(0.9) - due[known].quantile(0.1)
            covered = received[known].quantile(0.9) - received[known].quantile(0.1)
            pd = require_pandas()
            if covered <= pd.Timedelta(days=10 * _LABELLING_DAYS) or spread > covered / 10:
                return due, []
            return _recomputed(table), [Note("deadlines_recomputed")]
    return None, []


def _recomputed(table: LabelledTable) -> Any:  # noqa: ANN401 - a series
    """Return the deadlines of the shipped routing rules, to the minute."""
    from complaint_nlp.triage.routing import Router

    pd = require_pandas()
    router, zone = Router(None), ZoneInfo(table.timezone)
    received: Any = table.received
    urgency = table.dimension("urgency").primary
    minutes = received.dt.floor("15min")
    known = minutes.notna().to_numpy() & (urgency >= 0)
    keys = minutes.to_numpy().astype("datetime64[m]").astype(np.int64) * len(Urgency) + urgency
    used, place = np.unique(keys[known], return_inverse=True)
    levels = list(Urgency)
    due = []
    for key in used.tolist():
        moment = np.datetime64(key // len(Urgency), "m").astype("datetime64[s]").item().replace(tzinfo=zone)
        answer = router.respond_by(levels[key % len(Urgency)], moment).astimezone(UTC)
        due.append(np.datetime64(answer.replace(tzinfo=None), "us"))
    made = pd.Series(pd.NaT, index=received.index, dtype="datetime64[us]")
    found = np.array(due, dtype="datetime64[us]")[place] if due else np.zeros(0, "datetime64[us]")
    made[known] = pd.Series(found).dt.tz_localize("UTC").dt.tz_convert(table.timezone).dt.tz_localize(None).to_numpy()
    late = (received - minutes).fillna(pd.Timedelta(0))
    return made + late


class Waiting:
    """How long messages waited for an event; open ones until the table ends.

    Attributes:
        used: by position whether the message counts: received before the event and before the end.
        hours: how long it has waited, in hours.
        ended: whether the event has come.
        in_time: 1 within the deadline, 0 not, NaN where there is none or it has not come yet.
        notes: what was left out.
    """

    def __init__(self, table: LabelledTable, role: Role, as_of: Any, due: Any | None) -> None:  # noqa: ANN401
        times = table.times(role)
        received = table.received
        if times is None or received is None:
            msg = f"the table has no {role} times"
            raise ValueError(msg)
        event, start = _micro(times), _micro(received)
        end = np.datetime64(as_of, "us").astype(np.int64)
        known = ~np.isnat(received.to_numpy())
        happened = ~np.isnat(times.to_numpy())
        early = known & happened & (event < start)
        self.notes = [Note("negative_times", {"count": int(early.sum()), "column": role})] if early.any() else []
        self.ended = happened & (event <= end)
        self.used = known & ~early & (start <= end)
        self.hours = np.where(self.ended, event - start, end - start) / _HOUR
        self.in_time = np.full(table.size, np.nan)
        if due is not None:
            limit, has_limit = _micro(due), ~np.isnat(due.to_numpy())
            answered = has_limit & self.ended
            self.in_time[answered] = event[answered] <= limit[answered]
            self.in_time[has_limit & ~self.ended & (limit < end)] = 0.0

    def summary(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        """Return the measures of the messages at these positions."""
        rows = rows[self.used[rows]]
        hours, ended, in_time = self.hours[rows], self.ended[rows], self.in_time[rows]
        judged = in_time[~np.isnan(in_time)]
        return {
            "messages": len(rows),
            "answered": int(ended.sum()),
            "open": int((~ended).sum()),
            "median_hours": survival_quantile(hours, ended, 0.5),
            "p90_hours": survival_quantile(hours, ended, 0.9),
            "within_deadline": float(judged.mean()) if len(judged) else float("nan"),
        }


def _micro(times: Any) -> NDArray[np.int64]:  # noqa: ANN401 - a series
    made: NDArray[np.int64] = times.to_numpy().astype("datetime64[us]").astype(np.int64)
    return made


def waiting_table(table: LabelledTable, waiting: Waiting, by: tuple[str, ...], event: str) -> Any:  # noqa: ANN401
    """Return the measures of a waiting by the values of dimensions, as a data frame."""
    pd = require_pandas()
    records = [{"event": event, "by": "all", "value": "", **waiting.summary(np.arange(table.size))}]
    for name in by:
        dimension = table.dimension(name)
        for value in dimension.values:
            summary = waiting.summary(dimension.of(value))
            if summary["messages"]:
                records.append({"event": event, "by": name, "value": value, **summary})
    return pd.DataFrame(records, columns=["event", *ANSWER_COLUMNS])


def answer_table(
    table: LabelledTable,
    by: tuple[str, ...],
    as_of: Any | None,  # noqa: ANN401 - a time stamp
    due: Any | None,  # noqa: ANN401 - a series
) -> tuple[Any, list[Note]]:
    """Return the measures of both events, see :meth:`complaint_nlp.insights.Insights.answer_times`, and notes."""
    pd = require_pandas()
    parts, notes = [], []
    for event, role in EVENTS.items():
        if role not in table.columns or table.received is None:
            continue
        waiting = Waiting(table, role, as_of, due if event == "first_answer" else None)
        parts.append(waiting_table(table, waiting, by, event))
        notes += waiting.notes
        if (waiting.used & ~waiting.ended).any():
            notes.append(Note("open_cases", {"as_of": str(as_of)[:16]}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["event", *ANSWER_COLUMNS]), notes


def last_moment(table: LabelledTable, given: Any | None) -> Any | None:  # noqa: ANN401 - time stamps
    """Return until when the table reaches, in its time zone: what was given, else its latest time."""
    pd = require_pandas()
    if given is not None:
        moment = pd.Timestamp(given)
        zoned = moment.tz_convert(table.timezone) if moment.tzinfo else moment
        return zoned.tz_localize(None)
    found = [table.received, *(table.times(role) for role in EVENTS.values())]
    latest = [times.max() for times in found if times is not None and times.notna().any()]
    return max(latest) if latest else None
