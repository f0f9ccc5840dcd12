"""Hot-spots: where two things meet more often than chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from complaint_nlp.insights.reading import require_pandas
from complaint_nlp.insights.stats import adjusted, lifts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from complaint_nlp.insights.table import Dimension, LabelledTable


def crossed(first: Dimension, second: Dimension) -> Any:  # noqa: ANN401 - a sparse array
    """Return the (values of first, values of second) messages that have both."""
    from scipy import sparse

    def indicator(dimension: Dimension) -> Any:  # noqa: ANN401 - a sparse array
        ones = np.ones(len(dimension.rows), dtype=np.int64)
        shape = (dimension.size, max(len(dimension.values), 1))
        return sparse.csr_array((ones, (dimension.rows, dimension.codes)), shape=shape)

    return (indicator(first).T @ indicator(second)).tocoo()


def hotspot_table(
    table: LabelledTable, by: Sequence[str], of: str, *, alpha: float, min_lift: float, min_count: int
) -> Any:  # noqa: ANN401 - a data frame
    """Return hot-spots, see :meth:`complaint_nlp.insights.Insights.hotspots`."""
    pd = require_pandas()
    second = table.dimension(of)
    parts = []
    for name in by:
        first = table.dimension(name)
        if not first.rows.size or not second.rows.size:
            continue
        known = first.known
        total = int(known.sum())
        inside = known[second.rows]
        of_second = np.bincount(second.codes[inside], minlength=len(second.values))
        met = crossed(first, second)
        both = met.data
        # all pairs that could have met are tested, so those that never did count in the control too
        pairs = int((first.counts > 0).sum()) * int((of_second > 0).sum())
        made = lifts(both, first.counts[met.row], of_second[met.col], total)
        parts.append(
            pd.DataFrame(
                {
                    "by": name,
                    "value": np.array(first.values, dtype=object)[met.row],
                    of: np.array(second.values, dtype=object)[met.col],
                    "count": both,
                    "messages": first.counts[met.row],
                    "share": both / first.counts[met.row],
                    "expected": made.expected,
                    "lift": made.lift,
                    "lift_low": made.low,
                    "lift_high": made.high,
                    "p": made.p,
                    "_never": np.concatenate(([pairs - len(both)], np.zeros(len(both) - 1, dtype=int))),
                }
            )
        )
    columns = ["by", "value", of, "count", "messages", "share", "expected", "lift", "lift_low", "lift_high", "p", "q"]
    if not parts:
        return pd.DataFrame(columns=columns)
    frame = pd.concat(parts, ignore_index=True)
    never = np.ones(int(frame.pop("_never").sum()))
    frame["q"] = adjusted(np.concatenate([frame["p"].to_numpy(), never]))[: len(frame)]
    keep = (frame["q"] <= alpha) & (frame["count"] >= min_count) & (frame["lift"] >= min_lift) & (frame["lift_low"] > 1)
    found = frame[keep].assign(_excess=lambda made: made["count"] - made["expected"])
    found = found.sort_values(["_excess", "lift"], ascending=False, kind="stable")
    return found[columns].reset_index(drop=True)


def with_examples(frame: Any, abouts: Sequence[dict[str, Any]]) -> Any:  # noqa: ANN401 - data frames
    """Return the frame with the exemplary messages of its first rows; the further ones have none."""
    pd = require_pandas()
    for name in ("example", "example_row"):
        values = [about[name] for about in abouts] + [None] * (len(frame) - len(abouts))
        frame[name] = pd.Series(values, dtype="object", index=frame.index)
    return frame
