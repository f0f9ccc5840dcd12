"""Labelling a Ray Dataset: :func:`complaint_nlp.batch.label_batch` in a pool of actors."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

from complaint_nlp.batch.cluster import ROWS, Order, prepare, unpack
from complaint_nlp.batch.columns import labelled_schema

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa
    from ray.data import Dataset  # type: ignore[import-not-found,unused-ignore]

    from complaint_nlp.classify.cascade import Speed


def label(
    ds: Dataset,
    *,
    text_column: str = "text",
    model: str | Path = "default",
    speed: Speed | None = None,
    routing: str | Path | None = None,
    safety_rules: str | Path | None = None,
    received_at: datetime | None = None,
    mask: bool = False,
    concurrency: int | tuple[int, int] | None = None,
) -> Dataset:
    """Return a Dataset with the labels of its messages behind its own columns; nothing runs until it is asked for.

    The columns are those of :func:`complaint_nlp.batch.labelled_schema`, row by row as on a single machine. A message
    that cannot be analysed has a ``status`` that says why. A model or a rule file of your own is read here and sent to
    the workers once.

    Args:
        ds: rows with a text column.
        text_column: column that holds the message; null is an empty message.
        model: as in :meth:`complaint_nlp.Analyzer.load`.
        speed: as in :meth:`complaint_nlp.Analyzer.load`.
        routing: as in :meth:`complaint_nlp.Analyzer.load`.
        safety_rules: as in :meth:`complaint_nlp.Analyzer.load`.
        received_at: when all messages came in, with its time zone (without one: local time of the driver). The moment
            of this call, when ``None``, however late and however often the rows are computed.
        mask: hide personal data in the message and in the words taken from it.
        concurrency: how many actors, each on one core, or the fewest and the most; from one to as many as there is room
            for, when ``None``. Where they would take all cores there are, they ask for a little less each, so that one
            core's worth is left for reading.

    Raises:
        DataError: there is no such column, it stands there twice, or it holds no text; when the columns are not known
            before the data is read, this is said by the workers.
        ModelError: the model bundle is missing or damaged.
        ConfigError: a rule file is wrong.
        ValueError: there is no such ``speed``, or ``concurrency`` is not positive.
    """
    import ray.data  # type: ignore[import-not-found,unused-ignore]

    prepared = prepare(
        text_column=text_column,
        model=model,
        speed=speed,
        routing=routing,
        safety_rules=safety_rules,
        received_at=received_at,
        mask=mask,
    )
    known = _known_schema(ds)
    columns = None if known is None else labelled_schema(known, prepared.analyzer, text_column=text_column)
    # in the object store, from where every machine fetches it once
    parcel = None if prepared.parcel is None else ray.put(prepared.parcel.read_bytes())
    labelled = ds.map_batches(
        Labeler,
        fn_constructor_args=(prepared.order, [parcel]),
        batch_format="pyarrow",
        batch_size=ROWS,
        compute=_pool(concurrency),
        num_cpus=_share_of_a_core(concurrency, ray.cluster_resources().get("CPU", 1.0)),
    )
    # Ray calls nobody for a block without rows: a dataset without any would have no columns
    return labelled if columns is None else labelled.union(ray.data.from_arrow(columns.empty_table()))


class Labeler:
    """An actor: loads the analyzer once and labels batches.

    Args:
        order: what to do.
        parcel: reference to what the order's recipe needs; in a list, for a bare one is replaced by what it refers to.
    """

    def __init__(self, order: Order, parcel: list[Any]) -> None:
        import ray

        self._order = order
        self._folder = None
        if parcel[0] is not None:
            # goes with the actor: the analyzer maps the files into memory
            self._folder = tempfile.TemporaryDirectory(prefix="complaint-nlp-", ignore_cleanup_errors=True)
            unpack(ray.get(parcel[0]), self._folder.name)
        self._analyzer = order.recipe.analyzer(None if self._folder is None else self._folder.name)

    def __call__(self, table: pa.Table) -> pa.Table:
        """Return the labelled rows of a table."""
        import pyarrow as pa

        batches = table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
        labelled = [part for batch in batches for part in self._order.label(batch, self._analyzer)]
        return pa.Table.from_batches(labelled)


def _pool(concurrency: int | tuple[int, int] | None) -> Any:  # noqa: ANN401 - Ray may not be installed
    from ray.data import ActorPoolStrategy

    if concurrency is None:
        return ActorPoolStrategy(min_size=1)
    if isinstance(concurrency, int):
        return ActorPoolStrategy(size=concurrency)
    fewest, most = concurrency
    return ActorPoolStrategy(min_size=fewest, max_size=most)


def _share_of_a_core(concurrency: int | tuple[int, int] | None, cores: float) -> float:
    """Return how much of a core to ask for each actor: with all cores taken none is left to read the data, for ever."""
    fewest = 1 if concurrency is None else concurrency if isinstance(concurrency, int) else concurrency[0]
    return min(1.0, max(cores - 1.0, 0.0) / max(fewest, 1))


def _known_schema(ds: Dataset) -> pa.Schema | None:
    """Return the columns of a dataset where Ray knows them without reading data."""
    import pyarrow as pa

    schema = ds.schema(fetch_if_missing=False)
    base = getattr(schema, "base_schema", None)
    return base if isinstance(base, pa.Schema) else None
