"""The face of this room: one object over a labelled table, whose methods return data frames."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from complaint_nlp.insights.causes import cause_table
from complaint_nlp.insights.counts import Period, counts, wide_counts
from complaint_nlp.insights.groups import MAX_NORMALIZED, GroupOptions, find_groups, group_table, largest
from complaint_nlp.insights.hotspots import hotspot_table, with_examples
from complaint_nlp.insights.mentioned import CUSTOMER, taken_from_messages
from complaint_nlp.insights.people import answer_table, deadlines, last_moment, repeater_table
from complaint_nlp.insights.phrases import KeyPhrases
from complaint_nlp.insights.reading import day_numbers, require_pandas
from complaint_nlp.insights.rises import Rise, find_rises, rise_table
from complaint_nlp.insights.table import DIMENSIONS, OWN, LabelledTable
from complaint_nlp.insights.wordings import Note, checked_language

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import date, datetime

    from numpy.typing import NDArray

    from complaint_nlp.analyzer import Analyzer
    from complaint_nlp.insights.wordings import Role
    from complaint_nlp.labels import Language

WATCHED: Final = ("subcategory", "product", "place", "channel", "total")
_WAITING_BY: Final = ("category", "department", "urgency")


class Insights:
    """What the messages of a labelled table say together.

    All figures are about the messages with ``status`` ok. A message with two categories counts in both, and shares are
    shares of messages, so they may add up to more than 1. Rows are named by the index of the data frame, by their
    numbers from 0 in a file. Nothing is masked but what says so.

    Args:
        table: a pandas data frame, a pyarrow table, or the path of a CSV, TSV, JSONL or Parquet file, with the columns
            of :func:`complaint_nlp.report.column_names`.
        time_column: when the message came in. Left as it is, and not in the table, it is found by a common name in
            either script or English, and so are all others; :attr:`notes` says so.
        text_column: the message.
        product_column: product or service.
        place_column: branch, town...
        channel_column: how it came in.
        customer_column: who wrote it.
        answered_column: when it was first answered; empty while it is open.
        closed_column: when it was closed; empty while it is open.
        timezone: IANA name; times with an offset are turned into it, times without one are taken as its own.
        as_of: until when the table reaches: open cases have waited until then. Its latest time, when ``None``.
        holidays: days on which the volume may differ, such as typhoon days. Days on which nearly all messages stay away
            are found without.
        from_messages: which of ``product``, ``place``, ``channel`` and ``customer`` are taken from the words of the
            messages where the table has no such column (the customer: by phone, account and order numbers); ``True``
            for all. Some 200 messages a second.
        lang: language of :attr:`notes`, :meth:`causes`.

    Raises:
        ConfigError: pandas is not installed (extra ``viz``).
        DataError: the table cannot be read, a column is not there, or labels are not those of this package.
    """

    def __init__(  # noqa: PLR0913 - a column for every role
        self,
        table: Any,  # noqa: ANN401 - pandas and pyarrow have no types here
        *,
        time_column: str | None = "received_at",
        text_column: str | None = "text",
        product_column: str | None = None,
        place_column: str | None = None,
        channel_column: str | None = None,
        customer_column: str | None = None,
        answered_column: str | None = None,
        closed_column: str | None = None,
        timezone: str = "Asia/Taipei",
        as_of: str | datetime | None = None,
        holidays: Iterable[str | date] = (),
        from_messages: bool | Collection[str] = False,
        lang: Language = "zh-Hant",
    ) -> None:
        self.lang = checked_language(lang)
        columns: dict[Role, str | None] = {
            "time": time_column,
            "text": text_column,
            "product": product_column,
            "place": place_column,
            "channel": channel_column,
            "customer": customer_column,
            "answered": answered_column,
            "closed": closed_column,
        }
        self.table = LabelledTable(table, columns, timezone)
        self._as_of = as_of
        self._holidays = day_numbers(holidays)
        self._customers: Any | None = None
        self._made: dict[Any, Any] = {}
        if from_messages:
            self._take_from_messages(from_messages)

    def _take_from_messages(self, wanted: bool | Collection[str]) -> None:  # noqa: FBT001 - as in the constructor
        found = taken_from_messages(self.table, wanted)
        if CUSTOMER in found:
            self._customers = require_pandas().Series(found[CUSTOMER], dtype="object")

    def _once(self, key: Any, make: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever is made
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    @property
    def notes(self) -> list[str]:
        """What was guessed, left out or could not be read, in sentences."""
        return self.notes_in(self.lang)

    def notes_in(self, lang: Language) -> list[str]:
        """Return :attr:`notes` in another language."""
        found: dict[str, None] = {}
        _ = self.table.received
        for note in self.table.notes:
            found.setdefault(note.get(checked_language(lang)))
        return list(found)

    @property
    def columns(self) -> dict[str, str]:
        """The column used for every role: ``time``, ``text``, ``product``... Roles without a column are left out."""
        return {role: str(name) for role, name in self.table.columns.items()}

    @cached_property
    def messages(self) -> Any:  # noqa: ANN401 - a data frame
        """The analysed messages by row id: labels and columns found, under the names of ``docs/insights.md``."""
        names = {"time": "received_at", "answered": "answered_at", "closed": "closed_at"}
        table = self.table
        labels = [name for name in (*DIMENSIONS, "escalate") if name in table.frame.columns and name not in OWN]
        frame = table.frame[labels].copy()
        for role, column in table.columns.items():
            if role == "time":
                frame["received_at"] = table.received
            else:
                frame[names.get(role, role)] = table.times(role) if role in names else table.frame[column]
        due, _ = self._deadlines
        if due is not None:
            frame["respond_by"] = due
        return frame.set_axis(table.ids, axis=0)

    @cached_property
    def as_of(self) -> Any | None:  # noqa: ANN401 - a pandas time stamp
        """The moment the table speaks of, in its time zone: what was given, else its latest time."""
        return last_moment(self.table, self._as_of)

    @cached_property
    def key_phrases(self) -> KeyPhrases:
        """What names sets of messages."""
        return KeyPhrases(self.table)

    @cached_property
    def _deadlines(self) -> tuple[Any | None, list[Note]]:
        due, notes = deadlines(self.table)
        self.table.notes += notes
        return due, notes

    def counts(self, by: str, period: Period | None = None) -> Any:  # noqa: ANN401 - a data frame
        """Return how many messages there are of every value of a dimension.

        Args:
            by: ``intent``, ``category``, ``subcategory``, ``urgency``, ``emotion``, ``intensity``, ``needs``,
                ``demands``, ``department``, ``product``, ``place``, ``channel`` or ``weekday`` ("0" is Monday).
            period: ``day``, ``week`` (from Monday) or ``month``; all of the table when ``None``.

        Returns:
            Columns ``by``'s own name, ``count``, ``share`` (0 to 1, of all messages). With a period also ``period``
            (its first day) and ``messages`` (of the period, of which ``share`` is one); without gaps.

        Raises:
            DataError: there is no such dimension or period.
        """
        return counts(self.table, by, period)

    def over_time(self, task: str, period: Period = "week") -> Any:  # noqa: ANN401 - a data frame
        """Return how a task's answers change: :meth:`counts` by period, wide.

        Returns:
            One row a period, indexed by its first day: ``messages``, for every value its share of them (0 to 1), and
            for ``urgency`` and ``intensity`` also ``mean`` (of the scale from 0 to 3).
        """
        return wide_counts(self.table, task, period)

    def rises(
        self,
        by: str | Collection[str] = WATCHED,
        *,
        alpha: float = 0.01,
        min_ratio: float = 1.5,
        min_count: int = 5,
    ) -> Any:  # noqa: ANN401 - a data frame
        """Return what rises, the surest first.

        Every value of every dimension is compared, in windows of 1, 3, 7 and 14 days, with a baseline: a quasi-Poisson
        line through the eight weeks before (without the last one), times the weekday's factor, times what became of the
        whole table on holidays. Counts are taken as negative binomial with a dispersion measured for each length of
        window, and all windows together are put to Benjamini and Hochberg's control. Windows that touch are joined and
        their edges fitted to the days. See ``docs/insights.md``.

        Args:
            by: dimensions to watch; ``total`` is the whole table.
            alpha: expected share of false windows among those found.
            min_ratio: least ratio of observed to expected.
            min_count: least messages of a rise.

        Returns:
            Columns ``by``, ``value``, ``start``, ``end`` (last day), ``observed``, ``expected``, ``ratio``,
            ``ratio_low``, ``ratio_high`` (95 %), ``p``, ``q``, ``ongoing``, ``phrases`` (list), ``example`` (text),
            ``example_row`` and ``rows`` (list of row ids).

        Raises:
            DataError: there is no such dimension.
        """
        found = self.find_rises(by, alpha=alpha, min_ratio=min_ratio, min_count=min_count)
        return rise_table(self.table, found, self.about)

    def find_rises(
        self, by: str | Collection[str] = WATCHED, *, alpha: float = 0.01, min_ratio: float = 1.5, min_count: int = 5
    ) -> list[Rise]:
        """Return :meth:`rises` as :class:`complaint_nlp.insights.rises.Rise` objects, with their daily baseline."""
        names = (by,) if isinstance(by, str) else tuple(by)
        key = ("rises", names, alpha, min_ratio, min_count)
        found: list[Rise] = self._once(
            key,
            lambda: find_rises(
                self.table, names, alpha=alpha, min_ratio=min_ratio, min_count=min_count, holidays=self._holidays
            ),
        )
        return list(found)

    def hotspots(
        self,
        by: str | Collection[str] = ("product", "place"),
        *,
        of: str = "subcategory",
        alpha: float = 0.01,
        min_lift: float = 1.5,
        min_count: int = 5,
        examples: int = 100,
    ) -> Any:  # noqa: ANN401 - a data frame
        """Return where things meet more often than chance, those with most messages too many first.

        Compared are the messages with a known product (place...). The p-value is that of Fisher's exact test,
        one-sided; all pairs that could have met are controlled together (Benjamini and Hochberg).

        Args:
            by: dimensions, each crossed with ``of``.
            of: dimension that they are crossed with.
            alpha: expected share of false hot-spots among those found.
            min_lift: least lift.
            min_count: least messages.
            examples: so many, the first, get an exemplary message.

        Returns:
            Columns ``by``, ``value``, ``of``'s own name, ``count``, ``messages`` (of the value), ``share`` (of those),
            ``expected``, ``lift``, ``lift_low``, ``lift_high`` (95 %), ``p``, ``q``, ``example`` and ``example_row``.
        """
        names = [by] if isinstance(by, str) else list(by)
        frame = hotspot_table(self.table, names, of, alpha=alpha, min_lift=min_lift, min_count=min_count)
        abouts = []
        for row in frame.head(examples).to_dict("records"):
            first = self.table.dimension(row["by"]).of(row["value"])
            abouts.append(self.about(np.intersect1d(first, self.table.dimension(of).of(row[of]))))
        return with_examples(frame, abouts)

    def groups(
        self,
        *,
        similarity: float = 0.6,
        min_size: int = 3,
        min_chars: int = 8,
        analyzer: Analyzer | None = None,
        distance: float = 0.35,
        max_embedded: int = 2_000,
        most: int = 100,
    ) -> Any:  # noqa: ANN401 - a data frame
        """Return groups of messages about the same case, the largest first.

        ``same_text`` are near-duplicates in either script: forwarded, copied, sent again. ``same_meaning`` are
        different words for the same thing, by the vectors of an analyzer.

        Args:
            similarity: of the sets of character pairs of two messages (Jaccard, 0 to 1), digits aside, from which they
                count as copies.
            min_size: least messages of a group.
            min_chars: shorter messages are left out: many say "太慢了" about different cases.
            analyzer: makes the vectors; without one only near-duplicates are looked for.
            distance: cosine distance (0 to 2) up to which messages mean the same; see ``docs/insights.md``.
            max_embedded: texts that get a vector: one per group of copies, the largest and latest first.
            most: groups of each kind that are returned.

        Returns:
            Columns ``group`` (from 1), ``kind``, ``size``, ``share``, ``first``, ``last`` (days), ``subcategory`` (the
            most frequent), ``phrases``, ``example``, ``example_row`` and ``rows``.
        """
        options = GroupOptions(similarity, min_size, min_chars, distance, max_embedded)
        found, in_full = self._once(("groups", options, analyzer), lambda: find_groups(self.table, options, analyzer))
        if not in_full:
            self.table.notes.append(Note("folded_only", {"most": MAX_NORMALIZED}))
        return group_table(self.table, largest(found, most), self.about)

    def repeaters(self, *, min_messages: int = 2, mask: bool = True, most: int | None = None) -> Any:  # noqa: ANN401
        """Return customers who wrote several times, the most messages first.

        Args:
            min_messages: least messages of a customer.
            mask: hide all but the last two characters of who it is.
            most: customers returned, all of them when ``None``.

        Returns:
            A data frame with columns ``customer``, ``messages``, ``first``, ``last`` (days), ``subcategory`` (the most
            frequent), ``urgent`` (messages of urgency high and critical) and ``rows``; none where customers are not
            known. ``.attrs`` holds ``customers``, ``messages`` (of known customers), ``repeat_customers`` and
            ``repeat_messages``.
        """
        customers = self._customers
        if "customer" in self.table.columns:
            customers = self.table.frame[self.table.columns["customer"]]
        if customers is None:
            customers = require_pandas().Series([None] * self.table.size, dtype="object")
        return repeater_table(self.table, customers, least=min_messages, most=most, mask=mask)

    def answer_times(self, by: str | Collection[str] = _WAITING_BY) -> Any:  # noqa: ANN401 - a data frame
        """Return how long customers wait for the first answer and for the end of the case.

        Open cases are censored: they count as still waiting at :attr:`as_of`, and median and 90th percentile are those
        of the Kaplan-Meier estimate, so they are not made better by leaving the slowest out.

        Returns:
            Columns ``event`` (``first_answer``, ``close``), ``by``, ``value`` (``all`` and "" for all), ``messages``,
            ``answered``, ``open``, ``median_hours``, ``p90_hours`` (NaN: not reached), and ``within_deadline``: the
            share (0 to 1) that was answered by ``respond_by``; open cases count once it has passed. No rows without
            times.
        """
        names = (by,) if isinstance(by, str) else tuple(by)
        frame, notes = answer_table(self.table, names, self.as_of, self._deadlines[0])
        self.table.notes += notes
        return frame

    def causes(self, lang: Language | None = None) -> Any:  # noqa: ANN401 - a data frame
        """Return for every sub-kind that occurs what it weighs, where it comes from and what prevents it.

        Returns:
            Columns ``subcategory``, ``category``, ``count``, ``share``, ``trend`` (messages of the last four weeks
            through those of the four before; NaN where there are fewer than ten), ``trend_low``, ``trend_high`` (95 %),
            ``urgent_share``, ``mean_intensity`` (0 to 3), ``severity`` (0 to 100: mean of urgency and intensity, each
            as a share of its scale), ``root_causes`` (list, the likeliest first), ``prevention``, ``example`` and
            ``example_row``. The most frequent first. Root causes are where to look, not what was found.
        """
        frame = cause_table(self.table, checked_language(lang or self.lang))
        subcategory = self.table.dimension("subcategory")
        abouts = [self.about(subcategory.of(value)) for value in frame["subcategory"]]
        return with_examples(frame, abouts)

    def to_dict(
        self,
        mask: bool = True,  # noqa: FBT001, FBT002 - the page calls it with keywords, people may not
        lang: Language | None = None,
        *,
        top: int = 20,
        **groups: Any,  # noqa: ANN401 - arguments of groups()
    ) -> dict[str, Any]:
        """Return everything for a page or a slide, JSON-ready and bounded; see ``docs/insights.md`` for its form.

        Args:
            mask: hide personal data in messages and who customers are.
            lang: language of names and sentences; that of the insights when ``None``.
            top: most entries of a list.
            **groups: arguments of :meth:`groups`, such as ``analyzer``.
        """
        from complaint_nlp.insights.summary import Summary

        return Summary(self, checked_language(lang or self.lang), top=top, mask=mask).to_dict(**groups)

    def about(self, positions: NDArray[np.int64]) -> dict[str, Any]:
        """Return ``phrases``, ``example`` and ``example_row`` of the messages at these positions."""
        described = self.key_phrases.describe(positions)
        if described.example is None:
            return {"phrases": described.phrases, "example": None, "example_row": None}
        return {
            "phrases": described.phrases,
            "example": self.table.texts([described.example])[0],
            "example_row": self.table.row_ids([described.example])[0],
        }
