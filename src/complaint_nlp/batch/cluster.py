"""What the adapters to clusters share: an order that travels to the workers, and the model with it."""

from __future__ import annotations

import atexit
import hashlib
import io
import shutil
import tempfile
import zipfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from complaint_nlp.batch.columns import label_batch, label_row
from complaint_nlp.errors import ModelError
from complaint_nlp.report import Report, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa

    from complaint_nlp.analyzer import Analyzer
    from complaint_nlp.classify.bundle import Bundle
    from complaint_nlp.classify.cascade import Speed

ROWS: Final = 512
"""How many rows are labelled at once; what comes in larger batches is cut, so that memory stays the same."""

_MODEL: Final = "model"
_ROUTING: Final = "routing.yaml"
_SAFETY: Final = "safety_rules.yaml"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a worker makes its analyzer.

    Attributes:
        model_hash: hash of the bundle that the driver has.
        speed: as in :meth:`Analyzer.load`.
        parcel: name of what is shipped, the same for the same content; empty when the package holds all that is needed.
        content: what the parcel holds: ``model``, ``routing.yaml``, ``safety_rules.yaml``.
    """

    model_hash: str
    speed: Speed | None
    parcel: str
    content: frozenset[str]

    def analyzer(self, folder: str | Path | None) -> Analyzer:
        """Return the analyzer that the driver meant.

        Args:
            folder: where the parcel was unpacked.

        Raises:
            ModelError: the model that is here is another than that of the driver.
        """
        from complaint_nlp.analyzer import Analyzer

        def place(name: str) -> Path | None:
            return Path(folder) / name if folder is not None and name in self.content else None

        analyzer = Analyzer.load(
            place(_MODEL) or "default",
            routing=place(_ROUTING),
            safety_rules=place(_SAFETY),
            speed=self.speed,
            threads=1,  # there is a process for every core already
        )
        if analyzer.bundle.hash != self.model_hash:
            msg = (
                f"{analyzer.bundle.path}: this worker's model is another than the driver's; "
                "install the same version of complaint-nlp on all of them"
            )
            raise ModelError(msg)
        return analyzer


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is to do, in values that travel.

    Attributes:
        recipe: of the analyzer.
        text_column: as in :func:`label_batch`.
        received_at: the same moment for all workers, in UTC.
        mask: as in :func:`label_batch`.
    """

    recipe: Recipe
    text_column: str
    received_at: datetime
    mask: bool

    def on(self, text_column: str) -> Order:
        """Return the same order for a column of another name."""
        return replace(self, text_column=text_column)

    def label(self, batch: pa.RecordBatch, analyzer: Analyzer) -> Iterator[pa.RecordBatch]:
        """Yield the labelled rows of a batch, at most :data:`ROWS` at once; of an empty batch an empty one.

        A text whose bytes are no text gets the status ``error``.
        """
        for start in range(0, max(batch.num_rows, 1), ROWS):
            part = batch.slice(start, ROWS)
            try:
                yield self._labelled(part, analyzer)
            except UnicodeDecodeError:  # Arrow's strings are not checked when they are made
                yield self._with_broken_texts(part, analyzer)

    def _labelled(self, batch: pa.RecordBatch, analyzer: Analyzer) -> pa.RecordBatch:
        return label_batch(
            batch, analyzer=analyzer, text_column=self.text_column, received_at=self.received_at, mask=self.mask
        )

    def _with_broken_texts(self, batch: pa.RecordBatch, analyzer: Analyzer) -> pa.RecordBatch:
        """Label the texts that are texts; the others come back as they are, and with ``mask`` as null."""
        import pyarrow as pa

        place = batch.schema.get_field_index(self.text_column)
        column, field = batch.column(place), batch.schema.field(place)
        texts = [_decoded(item) for item in _as_bytes(column)]
        broken = [text is None and there for text, there in zip(texts, column.is_valid().to_pylist(), strict=True)]
        labelled = self._labelled(batch.set_column(place, field, pa.array(texts, field.type)), analyzer)
        failed = label_row(Report("", Status.ERROR), analyzer.extra_tasks, mask=False)
        names = labelled.schema.names
        for i in range(len(batch.schema), len(names)):
            field = labelled.schema.field(i)
            values = zip(labelled.column(i).to_pylist(), broken, strict=True)
            made = [failed[names[i]] if bad else value for value, bad in values]
            labelled = labelled.set_column(i, field, pa.array(made, field.type))
        return labelled if self.mask else labelled.set_column(place, labelled.schema.field(place), column)


def _as_bytes(column: pa.Array) -> list[bytes | None]:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = pa.large_binary() if pa.types.is_large_string(column.type) else pa.binary()
    values: list[bytes | None] = column.cast(kind).to_pylist()
    return values


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


@dataclass(frozen=True, slots=True)
class Prepared:
    """An order that is ready to go out.

    Attributes:
        order: for the workers.
        analyzer: the driver's own, to know the columns by.
        parcel: zip file for the workers; ``None`` when the package holds all they need.
    """

    order: Order
    analyzer: Analyzer
    parcel: Path | None


def prepare(
    *,
    text_column: str,
    model: str | Path,
    speed: Speed | None,
    routing: str | Path | None,
    safety_rules: str | Path | None,
    received_at: datetime | None,
    mask: bool,
) -> Prepared:
    """Return what workers need, after loading it here: what is wrong with it is said before anything runs.

    Raises:
        ModelError: the model bundle is missing or damaged.
        ConfigError: a rule file is wrong.
        ValueError: there is no such ``speed``.
    """
    from complaint_nlp.analyzer import Analyzer

    rules = {_ROUTING: routing, _SAFETY: safety_rules}
    own = {name: Path(path).read_bytes() for name, path in rules.items() if path is not None and Path(path).is_file()}
    analyzer = Analyzer.load(model, routing=routing, safety_rules=safety_rules, speed=speed, threads=1)
    bundle = None if str(model) == "default" else analyzer.bundle
    parcel = _parcel(bundle, own)
    recipe = Recipe(
        model_hash=analyzer.bundle.hash,
        speed=speed,
        parcel="" if parcel is None else parcel.stem,
        content=frozenset([*own, *([] if bundle is None else [_MODEL])]),
    )
    # a time without a zone is the driver's local time, and not that of a worker elsewhere
    moment = (received_at or datetime.now(UTC)).astimezone(UTC)
    return Prepared(Order(recipe, text_column, moment, mask), analyzer, parcel)


def _parcel(bundle: Bundle | None, rules: Mapping[str, bytes]) -> Path | None:
    """Return a zip file of a model and rule files that stays until this process ends."""
    if bundle is None and not rules:
        return None
    from complaint_nlp.classify.bundle import MANIFEST

    digest = hashlib.sha256(b"" if bundle is None else bundle.hash.encode())
    for name, content in sorted(rules.items()):
        digest.update(f"{name}:{hashlib.sha256(content).hexdigest()}".encode())
    target = _folder() / f"complaint-nlp-{digest.hexdigest()[:32]}.zip"
    if not target.exists():
        # not compressed: the files hardly get smaller, and the arrays are mapped into memory as they are
        with zipfile.ZipFile(target.with_suffix(".part"), "w") as archive:
            if bundle is not None:
                for name in (MANIFEST, *bundle.manifest.files):
                    archive.write(bundle.path / name, f"{_MODEL}/{name}")
            for name, content in rules.items():
                archive.writestr(name, content)
        target.with_suffix(".part").replace(target)
    return target


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="complaint-nlp-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def unpack(parcel: bytes, folder: str | Path) -> None:
    """Unpack a parcel that came as bytes."""
    with zipfile.ZipFile(io.BytesIO(parcel)) as archive:
        archive.extractall(folder)  # ours: made by _parcel, of plain names
