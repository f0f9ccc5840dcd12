"""Ray gives what a single machine gives, on a local one. Skipped where Ray is not installed."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from complaint_nlp import Analyzer, DataError, ModelError
from complaint_nlp.batch import label_batch
from complaint_nlp.batch.cluster import Order, Recipe
from complaint_nlp.classify.bundle import default_path
from complaint_nlp.report import column_names
from complaint_nlp.resources import builtin

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("ray.data")
# its own: sockets and files that it leaves to the garbage collector
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

RECEIVED = datetime(2026, 11, 18, 2, 30, tzinfo=UTC)
CASES = Path(__file__).resolve().parent.parent / "cases" / "cluster.jsonl"
SCHEMA = pa.schema([("id", pa.int64()), ("text", pa.string()), ("intent", pa.string()), ("branch", pa.string())])


@pytest.fixture(autouse=True)
def _loaded_once() -> None:
    """Load models here as the adapter does."""


@pytest.fixture(scope="module")
def analyzer() -> Analyzer:
    return Analyzer.load(speed="fast")


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    import ray  # type: ignore[import-not-found,unused-ignore]

    ray.init(num_cpus=1, object_store_memory=100_000_000, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


def table() -> pa.Table:
    found = []
    for line in CASES.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        text = case["text"] if case["text"] is None else case["text"] * case.get("times", 1)
        found.append({"id": case["id"], "text": text, "intent": "mine", "branch": case["branch"]})
    return pa.Table.from_pylist(found, schema=SCHEMA)


def labelled(ds: Any, **options: Any) -> Any:
    from complaint_nlp.batch.ray import label

    return label(ds, **{"speed": "fast", "received_at": RECEIVED, "concurrency": 1, **options})


def single_machine(analyzer: Analyzer, given: pa.Table, **options: Any) -> list[dict[str, Any]]:
    (batch,) = given.combine_chunks().to_batches()
    rows: list[dict[str, Any]] = label_batch(batch, analyzer=analyzer, received_at=RECEIVED, **options).to_pylist()
    return rows


def by_id(ds: Any) -> list[dict[str, Any]]:
    return sorted(ds.take_all(), key=lambda row: int(row["id"]))


def test_results_are_those_of_a_single_machine(ray: Any, analyzer: Analyzer) -> None:
    given = table()
    # blocks of all kinds: nulls only, nothing, several chunks in one
    blocks = [given.slice(0, 6), given.slice(6, 1), given.slice(7, 0), given.slice(7)]
    found = by_id(labelled(ray.data.from_arrow(blocks)))
    assert found == single_machine(analyzer, given)
    assert list(found[0]) == ["id", "text", "input_intent", "branch", *column_names()]
    assert {row["status"] for row in found} == {"ok", "empty", "too_short", "too_long", "not_chinese"}


def test_an_actor_takes_tables_in_any_pieces(analyzer: Analyzer, ray: Any) -> None:
    from complaint_nlp.batch.ray import Labeler

    assert ray.is_initialized()
    given = table()
    pieces = pa.concat_tables([given.slice(0, 5), given.slice(5)])
    for mask in (False, True):
        order = Order(Recipe(analyzer.bundle.hash, "fast", "", frozenset()), "text", RECEIVED, mask=mask)
        actor = Labeler(order, [None])
        assert actor(pieces).to_pylist() == single_machine(analyzer, given, mask=mask)
        nothing = actor(given.slice(0, 0))
        assert (nothing.num_rows, nothing.schema) == (0, actor(pieces).schema)


def test_files_without_rows_give_the_columns_all_the_same(ray: Any, tmp_path: Path) -> None:
    pq.write_table(table().slice(0, 0), tmp_path / "empty.parquet")
    found = labelled(ray.data.read_parquet(str(tmp_path)))
    assert found.count() == 0
    assert found.schema().names == ["id", "text", "input_intent", "branch", *column_names()]


def test_files_are_read_even_where_the_actors_could_take_every_core(
    ray: Any, analyzer: Analyzer, tmp_path: Path
) -> None:
    given = table()
    for i in range(0, given.num_rows, 4):
        pq.write_table(given.slice(i, 4), tmp_path / f"{i:03}.parquet")
    assert ray.cluster_resources()["CPU"] == 1
    found = by_id(labelled(ray.data.read_parquet(str(tmp_path)), concurrency=1))
    assert found == single_machine(analyzer, given)


def test_an_own_model_and_own_rules_travel_to_the_workers(ray: Any, tmp_path: Path) -> None:
    model, routing = tmp_path / "model", tmp_path / "routing.yaml"
    shutil.copytree(default_path(), model)
    shipped = builtin("triage/routing.yaml").read_text(encoding="utf-8")
    routing.write_text(shipped.replace("critical: 1\n", "critical: 2\n"), encoding="utf-8")
    ds = ray.data.from_arrow(pa.table({"text": ["廚房瓦斯味很重，快派人來"]}))
    found = labelled(ds, model=model, routing=routing)
    shutil.rmtree(model)  # workers elsewhere have never seen it
    routing.unlink()
    (row,) = found.take_all()
    assert row["urgency"] == "critical"
    assert row["respond_by"] == RECEIVED.replace(hour=4)


def test_all_rows_count_from_one_moment_and_actors_may_come_and_go(ray: Any) -> None:
    blocks = [pa.table({"text": ["廚房瓦斯味很重，快派人來"]})] * 2
    found = labelled(ray.data.from_arrow(blocks), received_at=None, concurrency=None)
    first = {row["respond_by"] for row in found.take_all()}
    assert len(first) == 1
    assert {row["respond_by"] for row in found.take_all()} == first


@pytest.mark.parametrize(
    ("options", "error", "why"),
    [
        ({"text_column": "words"}, DataError, "'words' is not there; the columns are id, text"),
        ({"text_column": "id"}, DataError, "'id' holds int64, not text"),
        ({"model": Path("no-such-model")}, ModelError, "no model bundle here"),
        ({"speed": "slow"}, ValueError, "speed must be one of"),
        ({"concurrency": 0}, ValueError, "size must be"),
        ({"concurrency": (3, 2)}, ValueError, "min_size must be"),
    ],
)
def test_what_is_wrong_is_said_at_once(ray: Any, options: dict[str, Any], error: type[Exception], why: str) -> None:
    ds = ray.data.from_arrow(table())
    with pytest.raises(error, match=why):
        labelled(ds, **options)


def test_columns_that_are_not_known_yet_are_not_asked_for(ray: Any) -> None:
    def fail(_: dict[str, Any]) -> dict[str, Any]:
        raise AssertionError

    found = labelled(ray.data.range(3).map(fail), text_column="words")
    assert "MapBatches(Labeler)" in str(found)
