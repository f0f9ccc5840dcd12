"""Whether the messages of one period differ from those of another: in labels, in confidence, in words."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.stats import gamma, ks_2samp

from complaint_nlp.errors import DataError
from complaint_nlp.labels import TASKS, display_name
from complaint_nlp.review.tables import MessageTable, TableRow, read_table
from complaint_nlp.review.vocabulary import WordShift, split_masks, vocabulary_shift
from complaint_nlp.review.wording import VERDICTS, Verdict, wording

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from complaint_nlp.labels import Language

MIN_ROWS: Final = 50
MAX_ROWS: Final = 20_000
"""Of each table; of more, so many are drawn."""
_PERMUTATIONS: Final = 500
_ALPHA: Final = 0.01
"""Level of the whole comparison: what is called a change happens by chance in so many of the pairs of like tables."""
_PSI_WATCH: Final = 0.1
_PSI_DRIFTED: Final = 0.25
"""Bounds of the population stability index that credit scoring uses (Siddiqi 2006, Credit Risk Scorecards)."""
_KS_WATCH: Final = 0.1
_KS_DRIFTED: Final = 0.2
_UNSEEN_WATCH: Final = 0.02
_UNSEEN_DRIFTED: Final = 0.06
_SMOOTHING: Final = 0.5
_NOTHING: Final = "-"


@dataclass(frozen=True, slots=True)
class MixShift:
    """How the labels of one task changed.

    Attributes:
        task: its name.
        psi: population stability index less what tables of this size have by chance, 0 or more.
        jensen_shannon: Jensen-Shannon divergence in bits, 0 to 1.
        chi_square: Pearson's statistic on the counts.
        p_value: by permutation of the rows, corrected for the number of comparisons (Holm 1979), 0 to 1.
        verdict: what that means.
        shares: by label its share of messages before and after, 0 to 1; ``-`` for none.
    """

    task: str
    psi: float
    jensen_shannon: float
    chi_square: float
    p_value: float
    verdict: Verdict
    shares: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class ConfidenceShift:
    """How the confidence of one task changed.

    Attributes:
        task: its name.
        statistic: Kolmogorov-Smirnov distance, 0 to 1.
        p_value: exact or asymptotic, corrected for the number of comparisons, 0 to 1.
        verdict: what that means.
        medians: before and after, 0 to 1.
        review: share of answers left to people, before and after, 0 to 1.
    """

    task: str
    statistic: float
    p_value: float
    verdict: Verdict
    medians: tuple[float, float]
    review: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Drift:
    """How two tables differ.

    Attributes:
        verdict: the worst of all parts: ``stable``, ``watch`` or ``drifted``.
        old: messages of the older table.
        new: messages of the newer one.
        labels: by task.
        confidence: by task.
        vocabulary: words that came up or went.
    """

    verdict: Verdict
    old: int
    new: int
    labels: tuple[MixShift, ...]
    confidence: tuple[ConfidenceShift, ...]
    vocabulary: WordShift

    def advice(self, language: Language = "zh-Hant") -> str:
        """Return what to do, in words."""
        return wording().drift[self.verdict].get(language)

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain dicts, lists and numbers."""
        return asdict(self)

    def to_json(self, *, indent: int | None = None) -> str:
        """Return :meth:`to_dict` as JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)

    def summary(self, language: Language = "zh-Hant") -> str:
        """Return what changed in a few lines, the largest changes first."""
        lines = [self.advice(language)]
        changed = sorted((one for one in self.labels if one.verdict != "stable"), key=lambda one: -one.psi)
        for one in changed:
            moved = sorted(one.shares.items(), key=lambda item: -abs(item[1][1] - item[1][0]))[:3]
            parts = []
            for value, (before, after) in moved:
                name = value if value == _NOTHING else display_name(one.task, value, language)
                parts.append(f"{name} {before:.1%}→{after:.1%}")
            lines.append(f"{display_name(one.task, None, language)} (PSI {one.psi:.2f}): {'、'.join(parts)}")
        for shift in self.confidence:
            if shift.verdict != "stable":
                before, after = shift.medians
                name = display_name(shift.task, None, language)
                lines.append(f"{name} confidence (KS {shift.statistic:.2f}): {before:.2f}→{after:.2f}")
        words = self.vocabulary
        if words.verdict != "stable":
            shown = [f"+{'、'.join(word.word for word in words.risen[:8])}" if words.risen else ""]
            shown += [f"-{'、'.join(word.word for word in words.fallen[:8])}" if words.fallen else ""]
            share = f"{words.unseen_expected:.1%}→{words.unseen:.1%}"
            lines.append(" ".join([f"vocabulary (unseen {share}):", *filter(None, shown)]))
        return "\n".join(lines)


def drift(
    old: str | Path | Any,  # noqa: ANN401 - a pandas data frame, which is no dependency
    new: str | Path | Any,  # noqa: ANN401
    *,
    text_column: str = "text",
    seed: int = 0,
) -> Drift:
    """Compare two labelled tables.

    Labels are compared by Pearson's chi-square with a permutation test, and sized by the population stability index
    and the Jensen-Shannon divergence; confidences by the Kolmogorov-Smirnov test; words by log-odds with an informative
    Dirichlet prior (Monroe et al. 2008, doi:10.1093/pan/mpn018) and by the share of words not seen before. A part is a
    change only where it is beyond chance, at 1 % for all parts together, and large enough to matter.

    Args:
        old: table of the older period: a file as ``complaint-nlp label`` writes it, or a data frame.
        new: table of the newer one.
        text_column: column that holds the message.
        seed: of permutations and samples.

    Raises:
        DataError: a table cannot be read, has no labels or fewer than 50 messages.
    """
    random = np.random.default_rng(seed)
    tables = [_rows(table, which, text_column, random) for table, which in ((old, "old"), (new, "new"))]
    labels = _label_shifts(tables[0], tables[1], random)
    confidence = _confidence_shifts(tables[0], tables[1])
    texts = [[row.text for row in rows] for rows in tables]
    parts = 1 + len(labels) + len(confidence)
    vocabulary = vocabulary_shift(
        texts[0], texts[1], random, alpha=_ALPHA / parts, bounds=(_UNSEEN_WATCH, _UNSEEN_DRIFTED)
    )
    labels, confidence = _corrected(labels, confidence)
    verdicts = [*(one.verdict for one in labels), *(one.verdict for one in confidence), vocabulary.verdict]
    worst = max(verdicts, key=VERDICTS.index)
    return Drift(worst, len(texts[0]), len(texts[1]), labels, confidence, vocabulary)


def _rows(table: Any, which: str, text_column: str, random: np.random.Generator) -> list[TableRow]:  # noqa: ANN401
    if isinstance(table, str | Path):
        read = read_table(Path(table), text_column=text_column)
        name = str(table)
    else:
        read, name = _from_frame(table, text_column), f"the {which} table"
    rows = [row for row in read.rows if row.guess or row.human]
    if not rows:
        msg = f"{name}: holds no labels; make them with 'complaint-nlp label'"
        raise DataError(msg)
    if len(rows) < MIN_ROWS:
        msg = f"{name}: {len(rows)} labelled messages are too few to compare; at least {MIN_ROWS} are needed"
        raise DataError(msg)
    kept = np.sort(random.permutation(len(rows))[:MAX_ROWS])
    return [rows[i] for i in kept.tolist()]


def _from_frame(frame: Any, text_column: str) -> MessageTable:  # noqa: ANN401 - a pandas data frame
    from complaint_nlp.batch.formats import Row
    from complaint_nlp.report import Status
    from complaint_nlp.review.tables import parse_row

    names = list(getattr(frame, "columns", ()))
    if text_column not in names:
        msg = f"expected a file or a data frame with a column {text_column!r}, got {type(frame).__name__}"
        raise DataError(msg)
    labelled = any(f"{task}_confidence" in names for task in TASKS)
    found = []
    for number, values in enumerate(frame.to_dict("records"), 1):
        plain = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in values.items()}
        text = plain.get(text_column)
        if isinstance(text, str) and text.strip() and plain.get("status", Status.OK) == Status.OK:
            try:
                found.append(parse_row(Row(number, plain), text, labelled=labelled))
            except ValueError as error:
                msg = f"row {number}: {error}"
                raise DataError(msg) from error
    return MessageTable(found, len(frame) - len(found), labelled)


def _labels(row: TableRow, task: str) -> tuple[str, ...] | None:
    return row.guess.get(task, row.human.get(task))


def _label_shifts(
    old: Sequence[TableRow], new: Sequence[TableRow], random: np.random.Generator
) -> tuple[MixShift, ...]:
    shifts = []
    for task, about in TASKS.items():
        given = [[labels for row in rows if (labels := _labels(row, task)) is not None] for rows in (old, new)]
        if min(map(len, given)) < MIN_ROWS:
            continue
        values = [*about.values, *([_NOTHING] if about.is_multilabel else [])]
        index = {value: place for place, value in enumerate(values)}
        tables = [np.zeros((len(part), len(values))) for part in given]
        for table, part in zip(tables, given, strict=True):
            for row, labels in enumerate(part):
                table[row, [index[value] for value in labels or (_NOTHING,)]] = 1.0
        shifts.append(_mix_shift(task, values, tables[0], tables[1], random))
    return tuple(shifts)


def _mix_shift(
    task: str, values: Sequence[str], old: NDArray[Any], new: NDArray[Any], random: np.random.Generator
) -> MixShift:
    pooled = np.vstack([old, new])
    counts = np.array([old.sum(axis=0), new.sum(axis=0)])
    # a permutation keeps labels that stand together together, which the chi-square distribution does not know
    firsts = split_masks(len(old), len(new), _PERMUTATIONS, random) @ pooled
    drawn = np.stack([firsts, counts.sum(axis=0) - firsts], axis=1)
    by_chance = np.array([(_chi_square(one), _psi(one)) for one in drawn])
    statistic, psi = _chi_square(counts), _psi(counts)
    # farther out than permutations reach: a gamma distribution with their mean and variance (Satterthwaite 1946)
    mean, variance = by_chance[:, 0].mean(), max(by_chance[:, 0].var(ddof=1), 1e-9)
    p_value = float(gamma.sf(statistic, mean**2 / variance, scale=variance / mean)) if mean > 0.0 else 1.0
    shares = counts / np.array([[len(old)], [len(new)]])
    return MixShift(
        task,
        max(0.0, psi - float(by_chance[:, 1].mean())),
        _jensen_shannon(counts),
        statistic,
        p_value,
        "stable",
        {
            value: (float(before), float(after))
            for value, before, after in zip(values, shares[0], shares[1], strict=True)
            if before or after
        },
    )


def _chi_square(counts: NDArray[Any]) -> float:
    kept = counts[:, counts.sum(axis=0) > 0]
    expected = kept.sum(axis=1, keepdims=True) * kept.sum(axis=0, keepdims=True) / max(kept.sum(), 1.0)
    return float(((kept - expected) ** 2 / np.maximum(expected, 1e-9)).sum())


def _shares(counts: NDArray[Any]) -> NDArray[np.float64]:
    smoothed = counts[:, counts.sum(axis=0) > 0] + _SMOOTHING
    return np.asarray(smoothed / smoothed.sum(axis=1, keepdims=True))


def _psi(counts: NDArray[Any]) -> float:
    old, new = _shares(counts)
    return float(((new - old) * np.log(new / old)).sum())


def _jensen_shannon(counts: NDArray[Any]) -> float:
    from scipy.spatial.distance import jensenshannon

    old, new = _shares(counts)
    return float(jensenshannon(old, new, base=2) ** 2)


def _confidence_shifts(old: Sequence[TableRow], new: Sequence[TableRow]) -> tuple[ConfidenceShift, ...]:
    shifts = []
    for task in TASKS:
        given = [np.array([row.confidence[task] for row in rows if task in row.confidence]) for rows in (old, new)]
        if min(map(len, given)) < MIN_ROWS:
            continue
        found = ks_2samp(given[0], given[1])
        medians = (float(np.median(given[0])), float(np.median(given[1])))
        review = (_review(old, task), _review(new, task))
        shifts.append(ConfidenceShift(task, float(found.statistic), float(found.pvalue), "stable", medians, review))
    return tuple(shifts)


def _review(rows: Sequence[TableRow], task: str) -> float:
    decisions = [row.decision[task] for row in rows if task in row.decision]
    return sum(decision == "review" for decision in decisions) / max(len(decisions), 1)


def _corrected(
    labels: tuple[MixShift, ...], confidence: tuple[ConfidenceShift, ...]
) -> tuple[tuple[MixShift, ...], tuple[ConfidenceShift, ...]]:
    """Return the shifts with p-values corrected for their number (Holm), the words counted in, and with verdicts."""
    given = np.array([*(one.p_value for one in labels), *(one.p_value for one in confidence)])
    order = np.argsort(given, kind="stable")
    factors = len(given) + 1 - np.arange(len(given))
    adjusted = np.empty(len(given))
    adjusted[order] = np.minimum(np.maximum.accumulate(given[order] * factors), 1.0)
    made = tuple(
        replace(one, p_value=float(p), verdict=_verdict(one.psi, p, _PSI_WATCH, _PSI_DRIFTED))
        for one, p in zip(labels, adjusted[: len(labels)], strict=True)
    )
    sure = tuple(
        replace(one, p_value=float(p), verdict=_verdict(one.statistic, p, _KS_WATCH, _KS_DRIFTED))
        for one, p in zip(confidence, adjusted[len(labels) :], strict=True)
    )
    return made, sure


def _verdict(size: float, p_value: float, watch: float, drifted: float) -> Verdict:
    if p_value > _ALPHA or size < watch:
        return "stable"
    return "drifted" if size >= drifted else "watch"
