"""The table that all figures are taken from: codes instead of words, so that counting is array work."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from complaint_nlp.errors import DataError
from complaint_nlp.insights.reading import find_columns, local_times, read_table, require_pandas
from complaint_nlp.insights.wordings import Note, columns_file
from complaint_nlp.labels import TASKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from complaint_nlp.insights.wordings import Role

SCALES: Final = ("urgency", "intensity", "weekday")
"""Dimensions whose values have an order of their own."""
OWN: Final = ("product", "place", "channel")
"""Dimensions that come from the user's own columns."""
DIMENSIONS: Final = (*TASKS, "department", *OWN, "weekday")
_SEPARATOR: Final = "|"
_LISTS: Final = (list, tuple, set, frozenset, np.ndarray)
_MISSING: Final = ("", "nan", "None", "<NA>", "NaN", "null")


@dataclass(frozen=True)
class Dimension:
    """One label or column of all messages; a message may have several values of it, or none.

    Attributes:
        name: its name.
        values: the values in order: those of a task in the order of the task, others as they sort.
        rows: for every value a message has, the position of the message, rising.
        codes: the value, as an index into ``values``.
        size: number of messages.
    """

    name: str
    values: tuple[str, ...]
    rows: NDArray[np.int64]
    codes: NDArray[np.int32]
    size: int

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Messages of every value."""
        found: NDArray[np.int64] = np.bincount(self.codes, minlength=len(self.values)).astype(np.int64)
        return found

    @cached_property
    def primary(self) -> NDArray[np.int32]:
        """For every message the code of its first value, -1 for none."""
        first = np.full(self.size, -1, dtype=np.int32)
        first[self.rows[::-1]] = self.codes[::-1]
        return first

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """For every message whether it has a value."""
        has = np.zeros(self.size, dtype=bool)
        has[self.rows] = True
        return has

    def of(self, value: str) -> NDArray[np.int64]:
        """Return the positions of the messages with this value."""
        found: NDArray[np.int64] = self.rows[self.codes == self.values.index(value)]
        return found


class LabelledTable:
    """The analysed messages of a labelled table.

    Args:
        source: as in :func:`complaint_nlp.insights.reading.read_table`.
        columns: column of every role, ``None`` to go by its name.
        timezone: IANA name.

    Attributes:
        columns: the column found for every role.
        notes: what was guessed, left out or could not be read.
        ids: row ids (the frame's index, row numbers where that is not unique) by position.
        rows_read: rows of the table, those that could not be analysed too.
        size: analysed messages.
    """

    def __init__(self, source: Any, columns: Mapping[Role, str | None], timezone: str) -> None:  # noqa: ANN401
        self._pd = require_pandas()
        frame = read_table(source, [name for name in columns.values() if name])
        self.timezone = timezone
        self.notes: list[Note] = []
        asked = {role: None if _is_default(role, name, frame) else name for role, name in columns.items()}
        self.columns = find_columns(list(frame.columns), asked)
        if "text" not in self.columns and not set(TASKS) & set(frame.columns):
            listed = ", ".join(map(str, frame.columns))
            msg = f"no labelled table: neither messages nor labels among its columns: {listed}"
            raise DataError(msg)
        self._note_columns(columns, frame)
        self.rows_read = len(frame)
        index = frame.index
        if not index.is_unique:
            self.notes.append(Note("row_numbers"))
            index = self._pd.RangeIndex(len(frame))
        if "status" in frame.columns:
            analysed = (frame["status"] == "ok").to_numpy(dtype=bool, na_value=False)
        else:
            analysed = np.ones(len(frame), dtype=bool)
        if not analysed.all():
            self.notes.append(Note("not_analysed", {"count": int((~analysed).sum())}))
            frame, index = frame[analysed], index[analysed]
        self.frame, self.ids, self.size = frame.reset_index(drop=True), index, len(frame)
        self._dimensions: dict[str, Dimension] = {}
        self._times: dict[str, Any] = {}

    def _note_columns(self, asked: Mapping[Role, str | None], frame: Any) -> None:  # noqa: ANN401
        for role, name in asked.items():
            if role not in self.columns:
                self.notes.append(Note("no_column", {"column": role, "argument": f"{role}_column"}))
            elif str(self.columns[role]) not in (name, columns_file().columns[role][0]):
                self.notes.append(Note("guessed", {"column": role, "name": str(self.columns[role])}))
        for name in ("category", "subcategory", "urgency", "emotion"):
            if name not in frame.columns:
                self.notes.append(Note("no_label", {"column": name}))

    def times(self, role: Role) -> Any | None:  # noqa: ANN401 - a series
        """Return the local times of a role by position, NaT where there is none; ``None`` without such a column."""
        if role not in self.columns:
            return None
        if role in self._times:
            return self._times[role]
        column = self.frame[self.columns[role]]
        made = self._times[role] = local_times(column, self.timezone)
        given = column.notna()
        if not self._pd.api.types.is_datetime64_any_dtype(column.dtype):
            given &= (column.astype("string").str.strip() != "").fillna(value=False)
        unread = int((given.astype(bool) & made.isna()).sum())
        if unread:
            self.notes.append(Note("unread_times", {"count": unread, "name": str(self.columns[role])}))
        return made

    @cached_property
    def received(self) -> Any | None:  # noqa: ANN401 - a series
        """Local times at which messages came in, by position; ``None`` where the table has none."""
        times = self.times("time")
        return None if times is None or times.isna().all() else times

    @cached_property
    def day_numbers(self) -> NDArray[np.int64]:
        """Days since 1970-01-01 by position, -1 without a time."""
        if self.received is None:
            return np.full(self.size, -1, dtype=np.int64)
        days = self.received.to_numpy().astype("datetime64[D]")
        numbers: NDArray[np.int64] = np.where(np.isnat(days), -1, days.astype(np.int64))
        return numbers

    def has(self, name: str) -> bool:
        """Return whether the table has a dimension and at least one value of it."""
        return bool(self.dimension(name).rows.size)

    def dimension(self, name: str) -> Dimension:
        """Return a dimension; one without values where the table has no such column.

        Raises:
            DataError: there is no dimension of this name.
        """
        if name not in DIMENSIONS:
            msg = f"no dimension {name!r}; use one of {', '.join(DIMENSIONS)}"
            raise DataError(msg)
        if name not in self._dimensions:
            self._dimensions[name] = self._made(name)
        return self._dimensions[name]

    def set_values(self, name: str, values: Sequence[str | None]) -> None:
        """Set one value for every message of a dimension that the table has no column for."""
        self._dimensions[name] = self._single(name, self._pd.Series(values, dtype="object"))

    def _made(self, name: str) -> Dimension:
        if name == "weekday":
            days = self.day_numbers
            rows = np.flatnonzero(days >= 0)
            # 1970-01-01 was a Thursday
            return Dimension(name, tuple("0123456"), rows, ((days[rows] + 3) % 7).astype(np.int32), self.size)
        column = self.columns.get(name, name) if name in OWN else name  # type: ignore[call-overload]
        if column not in self.frame.columns or (name in OWN and name not in self.columns):
            return Dimension(name, (), np.zeros(0, np.int64), np.zeros(0, np.int32), self.size)
        task = TASKS.get(name)
        if task is not None and task.is_multilabel:
            return self._several(name, self.frame[column])
        return self._single(name, self.frame[column])

    def _single(self, name: str, column: Any) -> Dimension:  # noqa: ANN401 - a series
        if name == "intensity":
            column = self._pd.to_numeric(column, errors="coerce").astype("Int64")
        codes, found = self._pd.factorize(column.astype("string").str.strip())
        return self._coded(name, np.arange(self.size, dtype=np.int64), codes, [str(item) for item in found])

    def _several(self, name: str, column: Any) -> Dimension:  # noqa: ANN401 - a series
        """Return the dimension of a column of lists, or of texts of values joined by ``|``."""
        # a few hundred combinations at most: what is done, is done to each of them once
        codes, found = self._pd.factorize(_joined(column))
        parts = [list(dict.fromkeys(part.strip() for part in str(item).split(_SEPARATOR))) for item in found]
        numbers = {value: number for number, value in enumerate(dict.fromkeys(chain.from_iterable(parts)))}
        flat = np.array([numbers[value] for part in parts for value in part], dtype=np.int64)
        lengths = np.array([*map(len, parts), 0], dtype=np.int64)  # the last entry is for code -1
        starts = np.cumsum(lengths) - lengths
        taken = lengths[codes]
        rows = np.repeat(np.arange(self.size, dtype=np.int64), taken)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(taken) - taken, taken)
        return self._coded(name, rows, flat[starts[codes][rows] + within], list(numbers))

    def _coded(self, name: str, rows: NDArray[np.int64], codes: NDArray[Any], found: Sequence[str]) -> Dimension:
        task = TASKS.get(name)
        values = tuple(map(str.__str__, task.values)) if task is not None else tuple(sorted(set(found) - set(_MISSING)))
        place = {value: number for number, value in enumerate(values)}
        wrong = [value for value in found if value not in place and value not in _MISSING]
        if wrong and task is not None:
            shown = wrong[0][:80]
            msg = f"column {name!r}: {shown!r} is not one of {', '.join(values)}"
            raise DataError(msg)
        # the last entry is for code -1
        lookup = np.array([*(place.get(value, -1) for value in found), -1], dtype=np.int32)
        new = lookup[codes]
        keep = new >= 0
        return Dimension(name, values, rows[keep], new[keep], self.size)

    def texts(self, positions: Iterable[int]) -> list[str]:
        """Return the messages at these positions; "" where there is none."""
        if "text" not in self.columns:
            return ["" for _ in positions]
        values = self._texts[np.fromiter(positions, dtype=np.int64)].tolist()
        return [value if isinstance(value, str) else _as_text(value) for value in values]

    @cached_property
    def _texts(self) -> NDArray[np.object_]:
        # taking a few from a column of Arrow, in many chunks, copies all of it each time
        made: NDArray[np.object_] = self.frame[self.columns["text"]].to_numpy(dtype=object)
        return made

    def row_ids(self, positions: Any) -> list[Any]:  # noqa: ANN401 - positions in any form
        """Return the row ids at these positions as plain values."""
        listed: list[Any] = self.ids[np.asarray(positions, dtype=np.int64)].tolist()
        return listed


def _as_text(value: Any) -> str:  # noqa: ANN401 - a value of a data frame
    """Return what is no text as one: "" for what is missing."""
    return "" if require_pandas().isna(value) is True else str(value)


def _joined(column: Any) -> Any:  # noqa: ANN401 - a series
    """Return a column of lists of any kind, or of texts of values joined by ``|``, as one of such texts."""
    pd = require_pandas()
    if isinstance(column.dtype, pd.StringDtype | pd.CategoricalDtype):
        return column
    values, known = column.astype(object), column[column.notna()]
    if len(known) and isinstance(known.iloc[0], str):
        return values
    texts = [
        _SEPARATOR.join(map(str, value)) if isinstance(value, _LISTS) else _as_text(value) or None for value in values
    ]
    return pd.Series(texts, dtype=object)


def _is_default(role: Role, name: str | None, frame: Any) -> bool:  # noqa: ANN401 - a data frame
    """Return whether the caller left a column to its usual name, and the table calls it otherwise."""
    return name is None or (name not in frame.columns and {"time": "received_at", "text": "text"}.get(role) == name)
