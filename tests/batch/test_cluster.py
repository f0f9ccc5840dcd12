"""What the adapters to clusters share: what travels to the workers, and rows that cannot be read there."""

from __future__ import annotations

import pickle
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from complaint_nlp import Analyzer, ConfigError, ModelError
from complaint_nlp.batch import label_batch, labelled_schema
from complaint_nlp.batch.cluster import ROWS, Order, Prepared, Recipe, prepare, unpack
from complaint_nlp.classify.bundle import default_path, open_bundle
from complaint_nlp.resources import builtin

if TYPE_CHECKING:
    from pathlib import Path

RECEIVED = datetime(2026, 11, 18, 2, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _loaded_once() -> None:
    """Load models here as the adapters do."""


@pytest.fixture(scope="module")
def analyzer() -> Analyzer:
    return Analyzer.load(speed="fast")


@pytest.fixture
def order(analyzer: Analyzer) -> Order:
    return Order(Recipe(analyzer.bundle.hash, "fast", "", frozenset()), "text", RECEIVED, mask=False)


def prepared(
    *,
    model: str | Path = "default",
    routing: Path | None = None,
    safety_rules: Path | None = None,
    received_at: datetime | None = None,
) -> Prepared:
    return prepare(
        text_column="text",
        model=model,
        speed="fast",
        routing=routing,
        safety_rules=safety_rules,
        received_at=received_at,
        mask=False,
    )


def test_large_batches_are_cut_and_nothing_is_lost(order: Order, analyzer: Analyzer) -> None:
    texts = ["壞了", None, "快递三天了还没到"] * 400
    batch = pa.RecordBatch.from_pydict({"id": list(range(len(texts))), "text": texts})
    parts = list(order.label(batch, analyzer))
    assert [part.num_rows for part in parts] == [ROWS, ROWS, len(texts) - 2 * ROWS]
    whole = label_batch(batch, analyzer=analyzer, received_at=RECEIVED)
    assert pa.Table.from_batches(parts).to_pylist() == whole.to_pylist()


def test_an_empty_batch_gives_the_columns(order: Order, analyzer: Analyzer) -> None:
    batch = pa.RecordBatch.from_pydict({"text": pa.array([], pa.string())})
    (part,) = order.label(batch, analyzer)
    assert (part.num_rows, part.schema) == (0, labelled_schema(batch.schema, analyzer))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
@pytest.mark.parametrize("mask", [False, True])
def test_bytes_that_are_no_text_spoil_their_own_row_only(analyzer: Analyzer, kind: pa.DataType, *, mask: bool) -> None:
    raw = ["手機壞了，請回電0912345678".encode(), b"\xb3o\xac\xb0", None, "快递三天了还没到".encode()]
    column = _unchecked(raw, kind)
    order = Order(Recipe(analyzer.bundle.hash, "fast", "", frozenset()), "text", RECEIVED, mask=mask)
    batch = pa.RecordBatch.from_arrays([pa.array([1, 2, 3, 4]), column], names=["id", "text"])
    (part,) = order.label(batch, analyzer)
    assert part.schema == labelled_schema(batch.schema, analyzer)
    assert part.column("status").to_pylist() == ["ok", "error", "empty", "ok"]
    assert part.column("id").to_pylist() == [1, 2, 3, 4]
    good = pa.RecordBatch.from_arrays([pa.array([1, 3, 4]), column.take(pa.array([0, 2, 3]))], names=["id", "text"])
    expected = label_batch(good, analyzer=analyzer, received_at=RECEIVED, mask=mask)
    assert part.take(pa.array([0, 2, 3])).to_pylist() == expected.to_pylist()
    if mask:
        assert part.column("text").to_pylist()[1] is None
    else:
        assert part.column("text").equals(column)
    nothing = part.slice(1, 1).drop_columns(["id", "text", "status"]).to_pylist()[0]
    assert {name for name, value in nothing.items() if value not in (None, [], "review")} == set()


def _unchecked(raw: list[bytes | None], kind: pa.DataType) -> pa.Array:
    """Return an array of texts made from bytes as other programs make it, without a look at them."""
    if pa.types.is_dictionary(kind):
        words = [word for word in raw if word is not None]
        indices = pa.array([None if word is None else words.index(word) for word in raw], pa.int32())
        return pa.DictionaryArray.from_arrays(indices, _unchecked([*words], pa.string()))
    data = pa.array(raw, pa.large_binary() if pa.types.is_large_string(kind) else pa.binary())
    return pa.Array.from_buffers(kind, len(raw), data.buffers(), data.null_count)


def test_what_travels_is_small_and_the_shipped_model_does_not() -> None:
    made = prepared(received_at=RECEIVED)
    assert made.parcel is None
    assert len(pickle.dumps(made.order)) < 1000
    assert pickle.loads(pickle.dumps(made.order)) == made.order  # noqa: S301 - our own


def test_a_time_without_a_zone_is_the_drivers() -> None:
    naive = datetime(2026, 11, 18, 10, 30)  # noqa: DTZ001 - what is tested
    assert prepared(received_at=naive).order.received_at == naive.astimezone(UTC)
    before = datetime.now(UTC)
    assert before <= prepared().order.received_at <= datetime.now(UTC)


def test_a_parcel_holds_the_model_and_the_rules(tmp_path: Path) -> None:
    rules = {"routing": "triage/routing.yaml", "safety_rules": "triage/safety_rules.yaml"}
    paths = {}
    for name, source in rules.items():
        paths[name] = tmp_path / f"my-{name}.yaml"
        paths[name].write_bytes(builtin(source).read_bytes())
    made = prepared(model=default_path(), routing=paths["routing"], safety_rules=paths["safety_rules"])
    assert made.parcel is not None
    assert made.order.recipe.content == {"model", "routing.yaml", "safety_rules.yaml"}
    with zipfile.ZipFile(made.parcel) as archive:
        files = {f"model/{name}" for name in ("bundle.json", *open_bundle("default").manifest.files)}
        assert set(archive.namelist()) == {*files, "routing.yaml", "safety_rules.yaml"}
    unpack(made.parcel.read_bytes(), tmp_path / "there")
    there = made.order.recipe.analyzer(tmp_path / "there")
    assert there.bundle.path == tmp_path / "there" / "model"
    assert there.speed == "fast"


def test_the_same_content_is_the_same_parcel(tmp_path: Path) -> None:
    routing = tmp_path / "routing.yaml"
    shipped = builtin("triage/routing.yaml").read_text(encoding="utf-8")
    routing.write_text(shipped, encoding="utf-8")
    first, again = prepared(routing=routing), prepared(routing=routing)
    routing.write_text(shipped.replace("medium: 8", "medium: 7"), encoding="utf-8")
    changed = prepared(routing=routing)
    assert first.order.recipe == again.order.recipe
    assert first.order.recipe.content == {"routing.yaml"}
    assert changed.order.recipe.parcel != first.order.recipe.parcel


def test_a_worker_with_another_model_says_so() -> None:
    recipe = Recipe("0" * 64, "fast", "", frozenset())
    with pytest.raises(ModelError, match="another than the driver's; install the same version"):
        recipe.analyzer(None)


def test_what_is_wrong_is_said_on_the_driver(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model bundle here"):
        prepared(model=tmp_path / "none")
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        prepared(routing=tmp_path / "none.yaml")
