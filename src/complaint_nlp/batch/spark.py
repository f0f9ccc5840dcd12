"""Labelling a Spark DataFrame: :func:`complaint_nlp.batch.label_batch` in every Python worker."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.batch.cluster import Order, Recipe, prepare
from complaint_nlp.batch.columns import labelled_schema
from complaint_nlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa
    from pyspark.sql import DataFrame  # type: ignore[import-not-found,unused-ignore]
    from pyspark.sql.types import DataType, StructType  # type: ignore[import-not-found,unused-ignore]

    from complaint_nlp.analyzer import Analyzer
    from complaint_nlp.classify.cascade import Speed

_KEPT: Final = 2
"""Analyzers that a Python worker keeps: Spark uses it again, for another query maybe."""


def label(
    df: DataFrame,
    *,
    text_column: str = "text",
    model: str | Path = "default",
    speed: Speed | None = None,
    routing: str | Path | None = None,
    safety_rules: str | Path | None = None,
    received_at: datetime | None = None,
    mask: bool = False,
) -> DataFrame:
    """Return a DataFrame with the labels of its messages behind its own columns; nothing runs until it is asked for.

    The columns are those of :func:`complaint_nlp.batch.labelled_schema`, row by row as on a single machine. As Spark
    does not tell upper from lower case in names, an own column ``Status`` becomes ``input_Status``. A message that
    cannot be analysed has a ``status`` that says why. A model or a rule file of your own is read here and sent to the
    workers once.

    Args:
        df: rows with a text column, batch or streaming, of a classic session or of Spark Connect.
        text_column: column that holds the message; null is an empty message.
        model: as in :meth:`complaint_nlp.Analyzer.load`.
        speed: as in :meth:`complaint_nlp.Analyzer.load`.
        routing: as in :meth:`complaint_nlp.Analyzer.load`.
        safety_rules: as in :meth:`complaint_nlp.Analyzer.load`.
        received_at: when all messages came in, with its time zone (without one: local time of the driver). The moment
            of this call, when ``None``, however late and however often the rows are computed.
        mask: hide personal data in the message and in the words taken from it.

    Raises:
        DataError: there is no such column, it stands there twice, or it holds no text.
        ModelError: the model bundle is missing or damaged.
        ConfigError: a rule file is wrong.
        ValueError: there is no such ``speed``.
    """
    prepared = prepare(
        text_column=text_column,
        model=model,
        speed=speed,
        routing=routing,
        safety_rules=safety_rules,
        received_at=received_at,
        mask=mask,
    )
    names, schema = _output(df.schema, text_column, prepared.analyzer)
    order = prepared.order.on(names[df.columns.index(text_column)])
    if prepared.parcel is not None:
        _ship(df, prepared.parcel)

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return label_batches(batches, order, names)

    # by place: mapInArrow cannot take columns whose names hold a dot or stand there twice
    return df.toDF(*[f"_{place}" for place in range(len(names))]).mapInArrow(run, schema)


def label_batches(batches: Iterator[pa.RecordBatch], order: Order, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the labelled rows of a partition, in a worker.

    Args:
        batches: what Spark hands over.
        order: what to do.
        names: of the columns.
    """
    import pyarrow as pa

    analyzer = None
    for batch in batches:
        analyzer = analyzer or _analyzer(order.recipe)
        named = pa.RecordBatch.from_arrays(batch.columns, names=list(names))
        for labelled in order.label(named, analyzer):
            yield _as_spark_takes_it(labelled)


@lru_cache(maxsize=_KEPT)
def _analyzer(recipe: Recipe) -> Analyzer:
    """Return this process's analyzer."""
    from pyspark import SparkFiles  # type: ignore[import-not-found,unused-ignore]

    return recipe.analyzer(SparkFiles.get(recipe.parcel) if recipe.parcel else None)


def _ship(df: DataFrame, parcel: Path) -> None:
    """Have Spark unpack the parcel beside every worker, under its own name."""
    session, archive = df.sparkSession, f"{parcel}#{parcel.stem}"
    if type(df).__module__.startswith("pyspark.sql.connect"):
        session.addArtifacts(archive, archive=True)
    elif not any(known.endswith(f"#{parcel.stem}") for known in session.sparkContext.listArchives):
        session.sparkContext.addArchive(archive)


def _output(schema: StructType, text_column: str, analyzer: Analyzer) -> tuple[list[str], StructType]:
    """Return the names of the input's columns in the output, and the schema of the output."""
    import pyarrow as pa
    from pyspark.sql import types  # type: ignore[import-not-found,unused-ignore]

    own = list(schema.fields)
    for field in own:
        if field.name == text_column and not isinstance(field.dataType, types.StringType | types.NullType):
            msg = f"column {text_column!r} holds {field.dataType.simpleString()}, not text"
            raise DataError(msg)
    arrow = labelled_schema(pa.schema([(field.name, pa.string()) for field in own]), analyzer, text_column=text_column)
    labels = [arrow.field(place) for place in range(len(own), len(arrow))]
    names = _renamed([field.name for field in own], [field.name for field in labels])
    fields = [
        types.StructField(name, field.dataType, field.nullable, field.metadata)
        for name, field in zip(names, own, strict=True)
    ]
    made = [types.StructField(field.name, _spark_type(field.type), field.nullable) for field in labels]
    return names, types.StructType([*fields, *made])


def _renamed(columns: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Return the names of the input's columns in the output; what Spark takes for a label's name is another then."""
    reserved = {name.lower() for name in labels}
    taken = {*reserved, *(name.lower() for name in columns)}
    names = []
    for name in columns:
        new = name
        while name.lower() in reserved and new.lower() in taken:
            new = f"input_{new}"
        taken.add(new.lower())
        names.append(new)
    return names


def _spark_type(kind: pa.DataType) -> DataType:
    import pyarrow as pa
    from pyspark.sql import types

    if pa.types.is_list(kind):
        return types.ArrayType(_spark_type(kind.value_type))
    if pa.types.is_struct(kind):
        return types.StructType([types.StructField(field.name, _spark_type(field.type)) for field in kind])
    if pa.types.is_timestamp(kind):
        return types.TimestampType()
    plain: dict[Any, DataType] = {
        pa.string(): types.StringType(),
        pa.int8(): types.ByteType(),
        pa.int32(): types.IntegerType(),
        pa.float32(): types.FloatType(),
        pa.bool_(): types.BooleanType(),
    }
    return plain[kind]


def _as_spark_takes_it(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with its deadlines in microseconds, the only unit that Spark knows."""
    import pyarrow as pa

    place = batch.schema.get_field_index("respond_by")
    kind = pa.timestamp("us", tz="UTC")
    return batch.set_column(place, pa.field("respond_by", kind), batch.column(place).cast(kind))
