"""Batches of columns: the one function at scale."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from complaint_nlp import Analyzer, DataError
from complaint_nlp.batch import label_batch, labelled_schema
from complaint_nlp.report import arrow_schema, column_names

RECEIVED = datetime(2026, 11, 18, 2, 30, tzinfo=UTC)
TEXTS = [
    "手機才買一週就死機，客服不理，我要退款！",
    "快递三天了还没到",
    "厨房瓦斯味很重，快來人",
    None,
    "",
    "hello there",
    "壞",
]


def rows(**columns: list[object]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


def test_labels_are_those_of_the_analyzer(analyzer: Analyzer) -> None:
    batch = rows(id=list(range(len(TEXTS))), text=list(TEXTS))
    found = label_batch(batch, analyzer=analyzer, received_at=RECEIVED)
    assert found.schema == labelled_schema(batch.schema, analyzer)
    assert found.schema.names == ["id", "text", *column_names()]
    assert found.column("id").to_pylist() == list(range(len(TEXTS)))
    assert found.column("text").to_pylist() == TEXTS
    reports = analyzer.analyze_batch(TEXTS, received_at=RECEIVED)
    expected = pa.RecordBatch.from_pylist([report.to_columns() for report in reports], schema=arrow_schema())
    assert found.select(column_names()).to_pylist() == expected.to_pylist()
    assert found.column("status").to_pylist() == ["ok", "ok", "ok", "empty", "empty", "not_chinese", "too_short"]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.null()])
def test_text_may_be_stored_in_any_way(analyzer: Analyzer, kind: pa.DataType) -> None:
    texts = [None, None] if pa.types.is_null(kind) else ["服務態度很差", None]
    array = pa.array(texts, pa.string()).cast(kind) if not pa.types.is_null(kind) else pa.nulls(2)
    batch = pa.RecordBatch.from_arrays([array], names=["message"])
    found = label_batch(batch, analyzer=analyzer, text_column="message")
    assert found.column("message").equals(array)
    assert found.column("status").to_pylist()[-1] == "empty"


def test_an_empty_batch_gives_an_empty_one_with_all_columns(analyzer: Analyzer) -> None:
    found = label_batch(rows(text=["壞了"]).slice(0, 0), analyzer=analyzer)
    assert (found.num_rows, found.schema.names) == (0, ["text", *column_names()])


def test_a_column_named_like_a_label_is_kept(analyzer: Analyzer) -> None:
    batch = rows(text=["手机坏了"], intent=["mine"], status=[3])
    found = label_batch(batch, analyzer=analyzer)
    assert found.column("input_intent").to_pylist() == ["mine"]
    assert found.column("input_status").to_pylist() == [3]
    assert found.column("status").to_pylist() == ["ok"]


def test_the_schema_says_its_version_and_keeps_what_the_input_said(analyzer: Analyzer) -> None:
    schema = pa.schema([pa.field("text", pa.string())], metadata={"from": "crm"})
    found = labelled_schema(schema, analyzer)
    assert found.metadata is not None
    assert found.metadata[b"from"] == b"crm"
    assert found.metadata[b"complaint_nlp_schema"] == b"1"


def test_personal_data_is_masked_on_request(analyzer: Analyzer) -> None:
    batch = rows(text=["手機壞了，請回電0912345678", "手机坏了，请打13812345678", None])
    found = label_batch(batch, analyzer=analyzer, mask=True)
    assert found.column("text").to_pylist() == ["手機壞了，請回電**********", "手机坏了，请打***********", None]
    assert "0912345678" not in str(found.to_pylist())
    plain = label_batch(batch, analyzer=analyzer)
    assert found.column("category").equals(plain.column("category"))


@pytest.mark.parametrize(
    ("batch", "why"),
    [
        (rows(words=["壞了"]), r"'text' is not there; the columns are words"),
        (
            pa.RecordBatch.from_arrays([pa.array(["壞"]), pa.array(["了"])], names=["text", "text"]),
            "stands there twice",
        ),
        (rows(text=[1, 2]), "holds int64, not text"),
    ],
)
def test_a_wrong_column_is_refused(analyzer: Analyzer, batch: pa.RecordBatch, why: str) -> None:
    with pytest.raises(DataError, match=why):
        label_batch(batch, analyzer=analyzer)
