"""Spark gives what a single machine gives, on a local one. Skipped where PySpark is not installed."""

from __future__ import annotations

import json
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from complaint_nlp import Analyzer, ConfigError, DataError, ModelError
from complaint_nlp.batch import label_batch
from complaint_nlp.batch.cluster import Order, Recipe
from complaint_nlp.classify.bundle import default_path
from complaint_nlp.report import column_names
from complaint_nlp.resources import builtin

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("pyspark")
# its own: a newer pandas than it knows, files of its servers
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

RECEIVED = datetime(2026, 11, 18, 2, 30, tzinfo=UTC)
CASES = Path(__file__).resolve().parent.parent / "cases" / "cluster.jsonl"
SCHEMA = "id long, text string, intent string, branch string"


@pytest.fixture(autouse=True)
def _loaded_once() -> None:
    """Load models here as the adapter does."""


@pytest.fixture(scope="module")
def analyzer() -> Analyzer:
    return Analyzer.load(speed="fast")


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from pyspark.sql import SparkSession  # type: ignore[import-not-found,unused-ignore]

    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[1]").appName("complaint-nlp").config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.memory", "1g").config("spark.sql.shuffle.partitions", "1")
    # deadlines must not depend on where the session believes to be
    session = builder.config("spark.sql.session.timeZone", "America/New_York").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


def rows() -> list[dict[str, Any]]:
    found = []
    for line in CASES.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        text = case["text"] if case["text"] is None else case["text"] * case.get("times", 1)
        found.append({"id": case["id"], "text": text, "intent": "mine", "branch": case["branch"]})
    return found


def single_machine(analyzer: Analyzer, given: list[dict[str, Any]], **options: Any) -> list[dict[str, Any]]:
    batch = pa.RecordBatch.from_pylist(given)
    labelled: list[dict[str, Any]] = label_batch(batch, analyzer=analyzer, received_at=RECEIVED, **options).to_pylist()
    return labelled


def collected(df: Any) -> list[dict[str, Any]]:
    found = []
    for row in df.collect():
        values = row.asDict(recursive=True)
        if values["respond_by"] is not None:  # Spark gives the local time of this process
            values["respond_by"] = values["respond_by"].astimezone(UTC)
        found.append(values)
    return found


def labelled(df: Any, **options: Any) -> Any:
    from complaint_nlp.batch.spark import label

    return label(df, **{"speed": "fast", "received_at": RECEIVED, **options})


@pytest.mark.parametrize(("partitions", "batch_rows"), [(1, 10_000), (4, 3)])
def test_results_are_those_of_a_single_machine(
    spark: Any, analyzer: Analyzer, partitions: int, batch_rows: int
) -> None:
    given = rows()
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", batch_rows)
    df = spark.createDataFrame([tuple(row.values()) for row in given], SCHEMA).repartition(partitions)
    found = labelled(df)
    assert found.rdd.getNumPartitions() == partitions
    assert found.columns == ["id", "text", "input_intent", "branch", *column_names()]
    expected = single_machine(analyzer, given)
    assert sorted(collected(found), key=lambda row: row["id"]) == expected
    assert {row["status"] for row in expected} == {"ok", "empty", "too_short", "too_long", "not_chinese"}


def test_masked_results_are_those_of_a_single_machine(spark: Any, analyzer: Analyzer) -> None:
    given = rows()[16:18]
    df = spark.createDataFrame([tuple(row.values()) for row in given], SCHEMA).coalesce(1)
    found = collected(labelled(df, mask=True))
    assert found == single_machine(analyzer, given, mask=True)
    assert "0912345678" not in str(found)


def test_nothing_is_read_before_it_is_asked_for(spark: Any) -> None:
    df = spark.sql("select cast(raise_error('was read') as string) as text")
    found = labelled(df)
    assert found.columns == ["text", *column_names()]
    with pytest.raises(Exception, match="was read"):
        found.collect()


def test_no_rows_give_the_columns(spark: Any) -> None:
    found = labelled(spark.createDataFrame([], SCHEMA))
    assert found.collect() == []
    assert found.columns == ["id", "text", "input_intent", "branch", *column_names()]
    kinds = dict(found.dtypes)
    assert (kinds["category"], kinds["intensity"], kinds["respond_by"]) == ("array<string>", "tinyint", "timestamp")


def test_bytes_that_are_no_text_spoil_their_own_row_only(spark: Any) -> None:
    df = spark.sql("select 1 as id, cast(X'FFE5' as string) as text union all select 2, '快递三天了还没到'").coalesce(1)
    found = labelled(df).select("id", "status", "department").collect()
    assert [(row["id"], row["status"]) for row in found] == [(1, "error"), (2, "ok")]
    assert found[1]["department"] is not None


def test_own_columns_may_have_any_name(spark: Any) -> None:
    df = spark.sql("select 1 as `order.no`, '手机坏了' as Category, 'open' as Status, 2 as input_status")
    found = labelled(df, text_column="Category")
    assert found.columns[:4] == ["order.no", "input_Category", "input_input_Status", "input_status"]
    row = found.select("`order.no`", "input_Category", "input_input_Status", "input_status", "status").collect()[0]
    assert tuple(row) == (1, "手机坏了", "open", 2, "ok")


def test_an_own_model_and_own_rules_travel_to_the_workers(spark: Any, tmp_path: Path) -> None:
    from complaint_nlp.batch.spark import label

    model, routing = tmp_path / "model", tmp_path / "routing.yaml"
    shutil.copytree(default_path(), model)
    shipped = builtin("triage/routing.yaml").read_text(encoding="utf-8")
    routing.write_text(shipped.replace("critical: 1\n", "critical: 2\n"), encoding="utf-8")
    df = spark.createDataFrame([("廚房瓦斯味很重，快派人來",)], "text string")
    found = label(df, model=model, routing=routing, speed="fast", received_at=RECEIVED)
    again = label(df, model=model, routing=routing, speed="fast", received_at=RECEIVED)
    shutil.rmtree(model)  # workers elsewhere have never seen it
    routing.unlink()
    (row,) = collected(found)
    assert row["urgency"] == "critical"
    assert row["respond_by"] == RECEIVED.replace(hour=4)
    assert collected(again) == [row]
    archives = spark.sparkContext.listArchives
    assert len(archives) == len(set(archives)) == 1


def test_all_rows_count_from_one_moment(spark: Any) -> None:
    df = spark.createDataFrame([("廚房瓦斯味很重，快派人來",)] * 4, "text string").repartition(2)
    found = labelled(df, received_at=None)
    first = {row["respond_by"] for row in collected(found)}
    assert len(first) == 1
    assert {row["respond_by"] for row in collected(found)} == first


@pytest.mark.parametrize(
    ("options", "error", "why"),
    [
        ({"text_column": "words"}, DataError, "'words' is not there; the columns are id, text"),
        ({"text_column": "id"}, DataError, "'id' holds bigint, not text"),
        ({"model": Path("no-such-model")}, ModelError, "no model bundle here"),
        ({"routing": "no-such.yaml"}, ConfigError, "no-such"),
        ({"speed": "slow"}, ValueError, "speed must be one of"),
    ],
)
def test_what_is_wrong_is_said_at_once(spark: Any, options: dict[str, Any], error: type[Exception], why: str) -> None:
    df = spark.createDataFrame([], SCHEMA)
    with pytest.raises(error, match=why):
        labelled(df, **options)


def test_a_worker_loads_the_analyzer_once(analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch) -> None:
    from complaint_nlp.batch import spark as adapter

    loads = []

    def load(_: Recipe, folder: object) -> Analyzer:
        loads.append(folder)
        return analyzer

    monkeypatch.setattr(Recipe, "analyzer", load)
    adapter._analyzer.cache_clear()
    batch = pa.RecordBatch.from_pydict({"_0": ["手机坏了"]})
    for _ in range(3):  # one partition after the other, each with an order of its own
        order = Order(Recipe(analyzer.bundle.hash, "fast", "", frozenset()), "text", RECEIVED, mask=False)
        found = list(adapter.label_batches(iter([batch, batch]), order, ["text"]))
        assert [part.column("status").to_pylist() for part in found] == [["ok"], ["ok"]]
    assert loads == [None]
    adapter._analyzer.cache_clear()
