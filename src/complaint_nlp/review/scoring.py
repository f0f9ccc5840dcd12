"""The model's answers to the messages of a table, as far as choosing among them needs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from complaint_nlp.labels import TASKS
from complaint_nlp.report import Decision, Status
from complaint_nlp.review.tables import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from complaint_nlp.analyzer import Analyzer
    from complaint_nlp.classify.cascade import Speed
    from complaint_nlp.report import Report
    from complaint_nlp.review.tables import MessageTable, TableRow

POOL: Final = 2_000
"""Messages that are looked at closely: half of them those the model is least sure about, half drawn at random."""
SCREENED: Final = 20_000
"""Messages without labels that the linear model looks at to find those."""
_MAX_CHARS: Final = 16_000
"""Longer messages are not offered: a cell of a spreadsheet could not hold each of them."""
_CHUNK: Final = 64
_COMPONENTS: Final = 64


class Progress(Protocol):
    """Told what is going on."""

    def __call__(self, stage: str, done: int, total: int, /) -> None:
        """Take note that ``done`` of ``total`` steps of ``stage`` are finished."""


def silent(stage: str, done: int, total: int) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Messages to choose from.

    Attributes:
        rows: the messages with the model's answers.
        linear: by row the answers of the linear model alone, where they were asked for.
        probabilities: by task (rows, values), where the model was asked for them.
        vectors: (rows, width) unit vectors, near where messages are alike; zeros for none.
        label_counts: by task how many messages of the whole table carry each label.
        counted: how many messages that counts.
        model_hash: of the model that gave the answers, "" where nothing says so.
        notes: what was not done and why.
    """

    rows: list[TableRow]
    linear: dict[int, dict[str, tuple[str, ...]]]
    probabilities: Mapping[str, NDArray[np.float64]]
    vectors: NDArray[np.float32]
    label_counts: dict[str, Counter[str]]
    counted: int
    model_hash: str
    notes: tuple[str, ...] = ()


def with_guesses(
    table: MessageTable,
    tasks: Sequence[str],
    *,
    model: str | Path,
    speed: Speed | None,
    seed: int,
    progress: Progress = silent,
) -> Scored:
    """Return messages to choose from, with answers: the table's own, where it has any, or the model's.

    Args:
        table: what was read.
        tasks: which tasks count.
        model: answers what is not answered.
        speed: at which speed; the best it has when ``None``.
        seed: of what is drawn at random.
        progress: told what is going on.
    """
    from complaint_nlp.analyzer import Analyzer

    random = np.random.default_rng(seed)
    fast = Analyzer.load(model, speed="fast")
    has_encoder = "encoder" in fast.bundle.manifest.components
    best: Speed = speed or ("accurate" if has_encoder else "fast")
    rows = [row for row in table.rows if len(row.text) <= _MAX_CHARS]
    # labels by people are compared with probabilities, which no table holds
    ask = not table.labelled or any(row.human for row in rows)
    screened = rows
    if not table.labelled:
        kept = np.sort(random.permutation(len(rows))[:SCREENED])
        screened = _answered(fast, [rows[i] for i in kept.tolist()], progress)[0]
    pool = _drawn(screened, tasks, random)
    probabilities: dict[str, NDArray[np.float64]] = {}
    analyzer = fast if best == "fast" else Analyzer.load(model, speed=best)
    model_hash = table.model_hash
    if ask:
        pool, probabilities = _answered(analyzer, pool, progress)
        model_hash = analyzer.bundle.hash
    linear: dict[int, dict[str, tuple[str, ...]]] = {}
    notes: list[str] = []
    if best == "fast" or (table.speed == "fast" and not ask):
        notes.append("both classifiers were not compared: the labels are those of the linear model alone")
    else:
        again, _ = _answered(fast, pool, progress)
        linear = {i: row.guess for i, row in enumerate(again)}
    counted = pool if ask and not table.labelled else screened
    counts = {task: Counter(value for row in counted for value in row.guess.get(task, ())) for task in tasks}
    vectors = _vectors(analyzer, [row.text for row in pool], encoder=best != "fast", progress=progress)
    return Scored(pool, linear, probabilities, vectors, counts, len(counted), model_hash, tuple(notes))


def _drawn(rows: list[TableRow], tasks: Sequence[str], random: np.random.Generator) -> list[TableRow]:
    """Return at most :data:`POOL` rows in their order."""
    if len(rows) <= POOL:
        return rows

    def doubt(row: TableRow) -> float:
        return sum(
            1.0 - row.confidence[task] for task in tasks if row.decision.get(task, Decision.AUTO) is Decision.REVIEW
        )

    order = np.argsort([-doubt(row) for row in rows], kind="stable")
    # what people have labelled comes first: only there can labels be wrong
    order = np.array(sorted(order.tolist(), key=lambda i: not rows[i].human))
    sure = order[: POOL // 2]
    rest = random.permutation(order[POOL // 2 :])[: POOL - POOL // 2]
    return [rows[i] for i in np.sort(np.concatenate([sure, rest])).tolist()]


def _answered(
    analyzer: Analyzer, rows: Sequence[TableRow], progress: Progress
) -> tuple[list[TableRow], dict[str, NDArray[np.float64]]]:
    """Return the rows that can be analysed with the analyzer's answers, and its probabilities by task."""
    answered: list[TableRow] = []
    scores: dict[str, list[list[float]]] = {task: [] for task in TASKS}
    stage = "labelling" if analyzer.speed != "fast" else "screening"
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        for row, report in zip(chunk, analyzer.analyze_batch([row.text for row in chunk]), strict=True):
            if report.status is not Status.OK:
                continue
            answered.append(_with(row, report))
            for task, table in scores.items():
                table.append(list(report.task(task).scores.values()))
        progress(stage, min(start + _CHUNK, len(rows)), len(rows))
    return answered, {task: np.array(table, dtype=np.float64) for task, table in scores.items()}


def _with(row: TableRow, report: Report) -> TableRow:
    results: dict[str, Any] = {task: report.task(task) for task in TASKS}
    return replace(
        row,
        guess={task: tuple(map(str, result.labels)) for task, result in results.items()},
        confidence={task: result.confidence for task, result in results.items()},
        decision={task: result.decision for task, result in results.items()},
    )


def _vectors(analyzer: Analyzer, texts: Sequence[str], *, encoder: bool, progress: Progress) -> NDArray[np.float32]:
    """Return unit vectors: the encoder's, or of character n-grams where it is not asked."""
    if encoder:
        parts = []
        for start in range(0, len(texts), _CHUNK):
            parts.append(analyzer.embed(texts[start : start + _CHUNK]))
            progress("comparing", min(start + _CHUNK, len(texts)), len(texts))
        found = np.concatenate(parts)
    else:
        found = _ngram_vectors([clean(text) for text in texts])
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    vectors: NDArray[np.float32] = (found / np.maximum(lengths, 1e-9)).astype(np.float32)
    return vectors


def _ngram_vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    from complaint_nlp.text import Normalizer

    normalizer = Normalizer()  # both scripts give the same n-grams
    table = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), max_features=50_000).fit_transform(
        [message.text for message in normalizer.normalize_batch(list(texts))]
    )
    if min(table.shape) <= _COMPONENTS:
        return np.asarray(table.toarray(), dtype=np.float32)
    return np.asarray(TruncatedSVD(_COMPONENTS, random_state=0).fit_transform(table), dtype=np.float32)
