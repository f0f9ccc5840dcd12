"""For managers: every sub-kind with how much it weighs, where it comes from and what prevents it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.insights.reading import require_pandas
from complaint_nlp.insights.stats import rate_ratio
from complaint_nlp.insights.wordings import causes_file
from complaint_nlp.labels import Subcategory, Urgency

if TYPE_CHECKING:
    from complaint_nlp.insights.table import LabelledTable
    from complaint_nlp.labels import Language

TREND_DAYS: Final = 28
_LEAST_FOR_TREND: Final = 10
_MOST_INTENSE: Final = 3
COLUMNS: Final = (
    "subcategory",
    "category",
    "count",
    "share",
    "trend",
    "trend_low",
    "trend_high",
    "urgent_share",
    "mean_intensity",
    "severity",
    "root_causes",
    "prevention",
)


def cause_table(table: LabelledTable, lang: Language) -> Any:  # noqa: ANN401 - a data frame
    """Return the table, see :meth:`complaint_nlp.insights.Insights.causes`; without examples."""
    from complaint_nlp.playbook.handling import playbook

    pd = require_pandas()
    hints = playbook(None).strategist.files.prevention.hints
    dimension = table.dimension("subcategory")
    urgency, intensity = table.dimension("urgency").primary, table.dimension("intensity").primary
    days = table.day_numbers
    last = int(days.max()) if table.size else -1
    records = []
    for value, count in zip(dimension.values, dimension.counts, strict=True):
        if not count:
            continue
        rows = dimension.of(value)
        urgent = urgency[rows][urgency[rows] >= 0]
        felt = intensity[rows][intensity[rows] >= 0]
        urgent_share = float((urgent >= Urgency.HIGH.rank).mean()) if len(urgent) else float("nan")
        mean_intensity = float(felt.mean()) if len(felt) else float("nan")
        level = float(urgent.mean()) / Urgency.CRITICAL.rank if len(urgent) else float("nan")
        parts = [part for part in (level, mean_intensity / _MOST_INTENSE) if part == part]  # noqa: PLR0124 - NaN
        kind = Subcategory(value)
        records.append(
            {
                "subcategory": value,
                "category": kind.category.value,
                "count": int(count),
                "share": count / max(table.size, 1),
                **_trend(days[rows], days, last),
                "urgent_share": urgent_share,
                "mean_intensity": mean_intensity,
                "severity": 100 * sum(parts) / len(parts) if parts else float("nan"),
                "root_causes": [cause.get(lang) for cause in causes_file().causes[kind]],
                "prevention": hints[kind].get(lang),
            }
        )
    frame = pd.DataFrame(records, columns=list(COLUMNS))
    return frame.sort_values(["count", "severity"], ascending=False, kind="stable").reset_index(drop=True)


def _trend(rows: Any, days: Any, last: int) -> dict[str, float]:  # noqa: ANN401 - arrays
    """Return the ratio of the last four weeks to the four before, NaN where there is too little of either."""
    if last < 0 or days[days >= 0].min() > last - 2 * TREND_DAYS + 1:
        return {"trend": float("nan"), "trend_low": float("nan"), "trend_high": float("nan")}
    now = int((rows > last - TREND_DAYS).sum())
    before = int(((rows > last - 2 * TREND_DAYS) & (rows <= last - TREND_DAYS)).sum())
    if now + before < _LEAST_FOR_TREND or not before:
        return {"trend": float("nan"), "trend_low": float("nan"), "trend_high": float("nan")}
    # both are counts: the variance of the earlier one is its own size
    ratio, low, high = (float(item) for item in rate_ratio(now, before, 1.0, before))
    return {"trend": ratio, "trend_low": low, "trend_high": high}


__all__ = ["COLUMNS", "TREND_DAYS", "cause_table"]
