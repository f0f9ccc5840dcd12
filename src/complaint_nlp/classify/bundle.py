"""Model bundles: a directory of plain data files with a manifest that names, sizes and hashes them.

Nothing in a bundle is executed or unpickled: it holds JSON and ``.npz`` arrays of plain numbers, and every file is
checked against the manifest before it is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from complaint_nlp.errors import ModelError, validation_problems
from complaint_nlp.labels import TASKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

MANIFEST: Final = "bundle.json"
Component = Literal["linear", "encoder", "heads"]
MAX_FILE_BYTES: Final = 500_000_000
_LOCAL_HEADER_BYTES: Final = 30


class FileEntry(BaseModel):
    """Size and hash of one file of a bundle."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bytes: Annotated[int, Field(ge=0, le=MAX_FILE_BYTES)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Manifest(BaseModel):
    """The schema of ``bundle.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["complaint-nlp-bundle"] = "complaint-nlp-bundle"
    version: Literal[1] = 1
    name: str
    components: tuple[Component, ...]
    trained_with: str
    files: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")], FileEntry]


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle whose files are all what the manifest says.

    Attributes:
        path: its directory.
        manifest: the content of ``bundle.json``.
        hash: SHA-256 of ``bundle.json``, and so of everything the bundle holds.
    """

    path: Path
    manifest: Manifest
    hash: str

    def json(self, name: str) -> Any:  # noqa: ANN401 - whatever the file holds; callers check it
        """Return the content of a JSON file of the bundle.

        Raises:
            ModelError: the file is not listed in the manifest or is no JSON.
        """
        try:
            return json.loads(self.listed(name).read_text(encoding="utf-8"))
        except ValueError as error:
            msg = f"{self.path / name}: not valid JSON: {error}"
            raise ModelError(msg) from error

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Return the arrays of an uncompressed ``.npz`` file, mapped into memory read-only.

        Raises:
            ModelError: the file is not listed in the manifest or does not hold plain arrays.
        """
        return map_npz(self.listed(name))

    def listed(self, name: str) -> Path:
        """Return the path of a file of the bundle.

        Raises:
            ModelError: the manifest does not list it.
        """
        if name not in self.manifest.files:
            msg = f"{self.path}: the bundle has no file {name!r}; it holds {', '.join(self.manifest.files)}"
            raise ModelError(msg)
        return self.path / name


def default_path() -> Path:
    """Return the directory of the bundle that ships with the package."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "models" / "default"
    return installed if installed.is_dir() else package.parent.parent / "models" / "default"


def open_bundle(path: str | Path) -> Bundle:
    """Open and check the bundle in the directory ``path`` (``"default"``: the one that ships with the package).

    Raises:
        ModelError: there is no bundle, it is of an unknown version, its labels are not this package's, or a file is
            missing, damaged or not listed.
    """
    directory = default_path() if str(path) == "default" else Path(path)
    manifest_path = directory / MANIFEST
    try:
        source = manifest_path.read_bytes()
    except OSError as error:
        msg = f"{directory}: no model bundle here: {MANIFEST} cannot be read ({error.strerror})"
        raise ModelError(msg) from error
    try:
        manifest = Manifest.model_validate_json(source)
    except ValidationError as error:
        msg = f"{manifest_path}: not a bundle manifest this version can read: {validation_problems(error)}"
        raise ModelError(msg) from error
    for name, entry in manifest.files.items():
        _check_file(directory / name, entry)
    bundle = Bundle(directory, manifest, hashlib.sha256(source).hexdigest())
    wanted = {name: list(task.values) for name, task in TASKS.items()}
    if bundle.json("labels.json") != wanted:
        msg = f"{directory / 'labels.json'}: the labels differ from those of this version of complaint_nlp"
        raise ModelError(msg)
    return bundle


def _check_file(path: Path, entry: FileEntry) -> None:
    try:
        size = path.stat().st_size
        if size != entry.bytes:
            msg = f"{path}: has {size:,} bytes where the manifest says {entry.bytes:,}; fetch the bundle again"
            raise ModelError(msg)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        msg = f"{path}: listed in the manifest but cannot be read: {error.strerror}"
        raise ModelError(msg) from error
    if digest != entry.sha256:
        msg = f"{path}: its content is not what the manifest says (SHA-256 differs); fetch the bundle again"
        raise ModelError(msg)


def write_bundle(
    target: str | Path,
    *,
    name: str,
    trained_with: str,
    components: tuple[Component, ...],
    files: Mapping[str, bytes],
) -> Bundle:
    """Write a bundle directory; an older one of the same path is replaced only when the new one is complete.

    Args:
        target: the directory to write.
        name: name of the model.
        trained_with: the training data and versions, for people.
        components: which classifiers it holds.
        files: content by file name; ``labels.json`` and the manifest are added.
    """
    target = Path(target)
    labels = {task: list(TASKS[task].values) for task in TASKS}
    content = {**files, "labels.json": json.dumps(labels, ensure_ascii=False, indent=1).encode() + b"\n"}
    entries = {
        file: FileEntry(bytes=len(data), sha256=hashlib.sha256(data).hexdigest()) for file, data in content.items()
    }
    manifest = Manifest(name=name, components=components, trained_with=trained_with, files=entries)
    with staged_directory(target) as staging:
        for file, data in content.items():
            (staging / file).write_bytes(data)
        (staging / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return open_bundle(target)


@contextmanager
def staged_directory(target: Path) -> Iterator[Path]:
    """Give an empty directory to fill; it takes the place of ``target`` when that is done without an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield staging
        staging.chmod(0o755)
        if target.exists():
            old = staging.with_name(staging.name + ".old")
            target.replace(old)
            try:
                staging.replace(target)
            except BaseException:
                old.replace(target)
                raise
            shutil.rmtree(old)
        else:
            staging.replace(target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def map_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Map every array of an uncompressed ``.npz`` file into memory, read-only.

    NumPy's own ``mmap_mode`` covers ``.npy`` files only; in an uncompressed archive each member is such a file in one
    piece, so it can be mapped from where it begins.

    Raises:
        ModelError: the file is no such archive, or holds anything but plain numbers.
    """
    arrays: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as stream:
            for info in archive.infolist():
                if info.compress_type != zipfile.ZIP_STORED:
                    msg = f"{path}: {info.filename} is compressed and cannot be mapped"
                    raise ModelError(msg)  # noqa: TRY301 - passed on below
                stream.seek(info.header_offset + _LOCAL_HEADER_BYTES - 4)
                lengths = stream.read(4)
                stream.seek(int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little"), os.SEEK_CUR)
                array = _map_npy(path, stream, info.filename)
                arrays[info.filename.removesuffix(".npy")] = array
    except ModelError:
        raise
    except Exception as error:  # damage shows as many kinds of errors in zipfile and NumPy
        msg = f"{path}: not an archive of plain arrays: {error}"
        raise ModelError(msg) from error
    return arrays


def _map_npy(path: Path, stream: Any, member: str) -> NDArray[Any]:  # noqa: ANN401 - any binary stream
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        msg = f"{member}: array format {version} is not supported"
        raise ValueError(msg)
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.hasobject or dtype.kind not in "biuf":
        msg = f"{member}: holds {dtype}, not plain numbers"
        raise ValueError(msg)
    return np.memmap(path, dtype=dtype, mode="r", offset=stream.tell(), shape=shape, order="F" if fortran else "C")
