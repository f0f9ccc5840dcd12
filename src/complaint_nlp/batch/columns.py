"""The one function that everything at scale is an adapter of: a batch of rows in, the same rows with labels out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.errors import DataError
from complaint_nlp.report import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa

    from complaint_nlp.analyzer import Analyzer
    from complaint_nlp.report import Report

EXTRA: Final = "extra_"
"""Before the names of columns of the user's own tasks."""


def label_batch(
    batch: pa.RecordBatch,
    *,
    analyzer: Analyzer,
    text_column: str = "text",
    received_at: datetime | None = None,
    mask: bool = False,
) -> pa.RecordBatch:
    """Return a batch with the labels of its messages behind its own columns, row by row in the same order.

    The columns are those of :func:`labelled_schema`. A message that cannot be analysed has a ``status`` that says why.

    Args:
        batch: rows with a text column; null is an empty message.
        analyzer: labels them.
        text_column: column that holds the message.
        received_at: as in :meth:`Analyzer.analyze`.
        mask: hide personal data in the message and in the words taken from it.

    Raises:
        DataError: there is no such column, or it holds no text.
    """
    import pyarrow as pa

    schema = labelled_schema(batch.schema, analyzer, text_column=text_column)
    place = batch.schema.get_field_index(text_column)
    texts = batch.column(place).to_pylist()
    rows = [
        label_row(report, analyzer.extra_tasks, mask=mask)
        for report in analyzer.analyze_stream(texts, batch_size=max(len(texts), 1), received_at=received_at)
    ]
    labels = schema.names[len(batch.schema) :]
    own = list(batch.columns)
    if mask:
        own[place] = pa.array([masked(text) for text in texts], batch.schema.field(place).type)
    made = [pa.array([row[name] for row in rows], schema.field(name).type) for name in labels]
    return pa.RecordBatch.from_arrays([*own, *made], schema=schema)


def labelled_schema(schema: pa.Schema, analyzer: Analyzer, *, text_column: str = "text") -> pa.Schema:
    """Return the schema of a labelled table.

    It holds the input's own columns, then those of :func:`complaint_nlp.report.arrow_schema`, then ``extra_<task>`` for
    every own task of the model. An own column that bears the name of a label is called ``input_<name>``.

    Args:
        schema: of the input.
        analyzer: what it will be labelled with.
        text_column: column that holds the message.

    Raises:
        DataError: there is no such column, it stands there twice, or it holds no text.
    """
    import pyarrow as pa

    if schema.names.count(text_column) != 1:
        how_often = "stands there twice" if text_column in schema.names else "is not there"
        msg = f"column {text_column!r} {how_often}; the columns are {', '.join(schema.names)}"
        raise DataError(msg)
    kind = schema.field(text_column).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)):
        msg = f"column {text_column!r} holds {kind}, not text"
        raise DataError(msg)
    labels = arrow_schema()
    lists = pa.list_(pa.string())
    extra = [
        pa.field(f"{EXTRA}{name}", lists if several else pa.string()) for name, several in analyzer.extra_tasks.items()
    ]
    names = renamed(schema.names, [*labels.names, *(field.name for field in extra)])
    own = [schema.field(place).with_name(names[name]) for place, name in enumerate(schema.names)]
    return pa.schema([*own, *labels, *extra], metadata={**(schema.metadata or {}), **labels.metadata})


def label_row(report: Report, extra_tasks: Mapping[str, bool], *, mask: bool) -> dict[str, Any]:
    """Return the labels of one message by column."""
    row = report.to_columns(mask=mask)
    for name, several in extra_tasks.items():
        result = report.extra.get(name)
        values = list(result.labels) if result is not None else []
        row[f"{EXTRA}{name}"] = values if several else values[0] if values else None
    return row


def masked(value: object) -> object:
    """Return a text with its personal data hidden character by character; anything else as it is."""
    from complaint_nlp.facts.masking import mask

    return mask(value, keep_length=True) if isinstance(value, str) else value


def renamed(columns: Sequence[str], labels: Sequence[str]) -> dict[str, str]:
    """Return the name of every input column in the output; no two of them are the same."""
    taken = {*labels, *columns}
    names = {}
    for name in columns:
        new = name
        while name in labels and new in taken:
            new = f"input_{new}"
        taken.add(new)
        names[name] = new
    return names
