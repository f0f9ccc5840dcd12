"""Same-case groups: messages that are copies of each other, and messages that mean the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np

from complaint_nlp.insights.duplicates import near_duplicates
from complaint_nlp.insights.fold import MAX_CHARS, fold
from complaint_nlp.insights.reading import require_pandas

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from complaint_nlp.analyzer import Analyzer
    from complaint_nlp.insights.table import LabelledTable

Kind = Literal["same_text", "same_meaning"]
MAX_NORMALIZED: Final = 20_000
"""Up to so many different messages are normalised in full, regional words too; beyond, characters alone are unified."""
COLUMNS: Final = (
    "group",
    "kind",
    "size",
    "share",
    "first",
    "last",
    "subcategory",
    "phrases",
    "example",
    "example_row",
    "rows",
)
_EMBED_BATCH: Final = 64
_ENOUGH_FOR_MEAN: Final = 20


@dataclass(frozen=True, slots=True)
class GroupOptions:
    """The arguments of :meth:`complaint_nlp.insights.Insights.groups`.

    Raises:
        ValueError: one is out of its range.
    """

    similarity: float
    min_size: int
    min_chars: int
    distance: float
    max_embedded: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        least = 2
        if not 0 < self.similarity <= 1 or not 0 < self.distance <= least:
            msg = f"similarity lies in (0, 1] and distance in (0, 2], got {self.similarity} and {self.distance}"
            raise ValueError(msg)
        if min(self.min_size, self.min_chars, self.max_embedded) < least:
            msg = "min_size, min_chars and max_embedded are at least 2"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Group:
    """Messages that belong together.

    Attributes:
        kind: copies of one text, or different words for the same.
        positions: of the messages, rising.
    """

    kind: Kind
    positions: NDArray[np.int64]


def find_groups(table: LabelledTable, options: GroupOptions, analyzer: Analyzer | None) -> tuple[list[Group], bool]:
    """Return all groups of both kinds, the largest first, and whether regional words were unified."""
    if "text" not in table.columns:
        return [], True
    positions, numbers, in_full = same_text(table, similarity=options.similarity, least_chars=options.min_chars)
    found = gathered(positions, numbers, "same_text", options.min_size)
    if analyzer is not None and len(positions):
        clustered = same_meaning(
            table, analyzer, positions, numbers, distance=options.distance, most=options.max_embedded
        )
        copies = {tuple(group.positions) for group in found}
        alike = gathered(*clustered, "same_meaning", options.min_size)
        found += [group for group in alike if tuple(group.positions) not in copies]
    return sorted(found, key=lambda group: -len(group.positions)), in_full


def same_text(
    table: LabelledTable, *, similarity: float, least_chars: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], bool]:
    """Return for every message the number of its group of near-duplicates.

    Returns:
        Positions of the messages that have enough text; their group numbers, from 0; whether regional words were
        unified.
    """
    texts = table.texts(range(table.size))
    codes, folded = require_pandas().factorize(np.array(fold(texts), dtype=object))
    distinct: list[str] = folded.tolist()
    in_full = len(distinct) <= MAX_NORMALIZED
    if in_full:
        _, first = np.unique(codes, return_index=True)
        distinct = fold(_normalized([texts[place] for place in first]))
    lengths = np.fromiter(map(len, distinct), dtype=np.int64, count=len(distinct))
    groups = near_duplicates(distinct, similarity, least_chars)
    positions = np.flatnonzero(lengths[codes] >= least_chars)
    return positions, groups[codes[positions]], in_full


def _normalized(texts: Sequence[str]) -> list[str]:
    from complaint_nlp.text import Normalizer, NormalizerConfig

    normalizer = Normalizer(NormalizerConfig(max_chars=MAX_CHARS))
    return [normalizer.normalize(text[:MAX_CHARS]).text for text in texts]


def gathered(positions: NDArray[np.int64], numbers: NDArray[np.int64], kind: Kind, least: int) -> list[Group]:
    """Return the groups of at least so many messages, the largest first."""
    order = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(np.concatenate(([True], np.diff(numbers[order]) > 0)))
    ends = np.concatenate((starts[1:], [len(order)]))
    large = [(start, end) for start, end in zip(starts, ends, strict=True) if end - start >= least]
    found = [Group(kind, np.sort(positions[order[start:end]])) for start, end in large] if len(order) else []
    return sorted(found, key=lambda group: (-len(group.positions), int(group.positions[0])))


def same_meaning(
    table: LabelledTable,
    analyzer: Analyzer,
    positions: NDArray[np.int64],
    numbers: NDArray[np.int64],
    *,
    distance: float,
    most: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for the messages of the largest groups of copies the number of their cluster of meaning.

    One message of every group is embedded, of the largest groups first and of the latest messages among equals, and the
    vectors are clustered by average linkage: so many are compared, however large the table is.

    Args:
        table: the messages.
        analyzer: makes the vectors.
        positions: as returned by :func:`same_text`.
        numbers: as returned by :func:`same_text`.
        distance: cosine distance of vectors, less the mean of all, up to which clusters are joined.
        most: texts embedded.

    Returns:
        Positions and cluster numbers.
    """
    from sklearn.cluster import AgglomerativeClustering

    _, first, sizes = np.unique(numbers, return_index=True, return_counts=True)
    chosen = np.lexsort((-positions[first], -sizes))[:most]
    if len(chosen) < 2:  # noqa: PLR2004 - nothing to compare with
        return positions[:0], numbers[:0]
    texts = table.texts(positions[first[chosen]])
    parts = [analyzer.embed(texts[start : start + _EMBED_BATCH]) for start in range(0, len(texts), _EMBED_BATCH)]
    vectors = np.concatenate(parts).astype(np.float64)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    if len(vectors) >= _ENOUGH_FOR_MEAN:
        # encoders put everything in a narrow cone; without what all share, distances tell more
        vectors -= vectors.mean(axis=0)
    clustering = AgglomerativeClustering(
        n_clusters=None, metric="cosine", linkage="average", distance_threshold=distance
    )
    clusters = np.full(int(numbers.max()) + 1, -1, dtype=np.int64)
    clusters[chosen] = clustering.fit_predict(vectors + 1e-9)
    inside = clusters[numbers] >= 0
    return positions[inside], clusters[numbers[inside]]


def largest(groups: Sequence[Group], most: int) -> list[Group]:
    """Return at most so many groups of each kind, in the same order."""
    left = dict.fromkeys(get_args(Kind), most)
    kept = []
    for group in groups:
        left[group.kind] -= 1
        if left[group.kind] >= 0:
            kept.append(group)
    return kept


def group_table(
    table: LabelledTable, groups: Sequence[Group], about: Callable[[NDArray[np.int64]], dict[str, Any]]
) -> Any:  # noqa: ANN401
    """Return groups as a data frame, see :meth:`complaint_nlp.insights.Insights.groups`."""
    dimension = table.dimension("subcategory")
    primary, days = dimension.primary, table.day_numbers
    records = []
    for number, group in enumerate(groups, 1):
        kinds = primary[group.positions][primary[group.positions] >= 0]
        known = days[group.positions][days[group.positions] >= 0]
        records.append(
            {
                "group": number,
                "kind": group.kind,
                "size": len(group.positions),
                "share": len(group.positions) / max(table.size, 1),
                "first": np.datetime64(int(known.min()), "D") if len(known) else np.datetime64("NaT"),
                "last": np.datetime64(int(known.max()), "D") if len(known) else np.datetime64("NaT"),
                "subcategory": dimension.values[int(np.bincount(kinds).argmax())] if len(kinds) else None,
                **about(group.positions),
                "rows": table.row_ids(group.positions),
            }
        )
    frame = require_pandas().DataFrame(records, columns=list(COLUMNS))
    for name in ("first", "last"):
        frame[name] = frame[name].astype("datetime64[s]")
    return frame
