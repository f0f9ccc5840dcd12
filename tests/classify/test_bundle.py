"""A bundle is what its manifest says, or it is refused with the name of the file that is wrong."""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_nlp import Analyzer, ModelError
from complaint_nlp.classify.bundle import Bundle, default_path, map_npz, open_bundle, write_bundle
from complaint_nlp.classify.linear import HEADS, SIGNALS
from complaint_nlp.labels import TASKS

OUTPUTS = sum(len(values) for values in HEADS.values())


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def linear_arrays() -> dict[str, Any]:
    return {
        "keys": np.arange(3, dtype=np.uint64),
        "idf": np.ones(3, np.float32),
        "weights": np.ones((3, OUTPUTS), np.int8),
        "row_scale": np.ones(3, np.float32),
        "signal_weights": np.zeros((len(SIGNALS) + 1, OUTPUTS), np.float32),
        "bias": np.zeros(OUTPUTS, np.float32),
    }


def calibration() -> dict[str, Any]:
    tasks = {}
    for name, task in TASKS.items():
        halves = {part: dict.fromkeys(task.values, 0.5) for part in ("decide", "auto", "suggest")}
        tasks[name] = {**halves, "offsets": dict.fromkeys(task.values, 0.0)}
    return {"auto_precision": 0.9, "suggest_precision": 0.7, "tasks": tasks}


def files() -> dict[str, bytes]:
    return {"linear.npz": npz(**linear_arrays()), "calibration.json": json.dumps(calibration()).encode()}


def write(target: Path, content: dict[str, bytes] | None = None, name: str = "test") -> Bundle:
    content = files() if content is None else content
    return write_bundle(target, name=name, trained_with="nothing", components=("linear",), files=content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "model").path


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "bundle.json"
    manifest = json.loads(path.read_text("utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), "utf-8")


def replace_file(folder: Path, name: str, data: bytes) -> None:
    """Put other content into the bundle, with a manifest that agrees."""
    (folder / name).write_bytes(data)
    entry = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    edit_manifest(folder, lambda manifest: manifest["files"].update({name: entry}))


def test_what_is_written_is_what_is_opened(tmp_path: Path) -> None:
    written = write(tmp_path / "a" / "b" / "模型", name="測試")
    bundle = open_bundle(str(written.path))
    assert bundle == written
    assert bundle.manifest.name == "測試"
    assert sorted(bundle.manifest.files) == ["calibration.json", "labels.json", "linear.npz"]
    assert sorted(path.name for path in bundle.path.iterdir()) == [
        "bundle.json",
        "calibration.json",
        "labels.json",
        "linear.npz",
    ]
    assert bundle.json("calibration.json") == calibration()
    assert bundle.json("labels.json") == {name: list(task.values) for name, task in TASKS.items()}
    assert bundle.hash == hashlib.sha256((bundle.path / "bundle.json").read_bytes()).hexdigest()
    arrays = bundle.arrays("linear.npz")
    for name, expected in linear_arrays().items():
        np.testing.assert_array_equal(arrays[name], expected)
        assert arrays[name].dtype == expected.dtype


def test_the_same_content_gives_the_same_hash_and_other_content_another(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a"), write(tmp_path / "b")
    other = write(tmp_path / "c", {**files(), "README.md": b"x"})
    assert first.hash == second.hash != other.hash


def test_the_default_bundle_is_the_shipped_one(analyzer: Analyzer) -> None:
    assert open_bundle("default") == analyzer.bundle
    assert analyzer.bundle.path == default_path()
    assert analyzer.bundle.manifest.components == ("linear", "encoder")


@pytest.mark.parametrize("name", ["weights", "keys", "bias"])
def test_arrays_are_mapped_and_cannot_be_written(folder: Path, name: str) -> None:
    array = open_bundle(folder).arrays("linear.npz")[name]
    assert isinstance(array, np.memmap)
    assert not array.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
    open_bundle(folder)  # and the file is what it was


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.int8).reshape(2, 3)),
        np.zeros((0, 4), np.float64),
        np.zeros(0, np.uint64),
        np.array(3.5),
        np.array([True, False]),
        np.arange(4, dtype=">u4"),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_mapped_arrays_equal_what_numpy_loads(tmp_path: Path, array: Any) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(npz(before=np.arange(5), x=array, after=np.ones(3)))
    with np.load(path) as loaded:
        for name, found in map_npz(path).items():
            np.testing.assert_array_equal(found, loaded[name])
            assert found.dtype == loaded[name].dtype


def entry(**change: Any) -> Callable[[Path], None]:
    return lambda folder: edit_manifest(folder, lambda m: m["files"]["linear.npz"].update(change))


def manifest(**change: Any) -> Callable[[Path], None]:
    return lambda folder: edit_manifest(folder, lambda m: m.update(change))


def listed(name: str) -> Callable[[Path], None]:
    entry = {"bytes": 1, "sha256": hashlib.sha256(b"x").hexdigest()}
    return lambda folder: edit_manifest(folder, lambda m: m["files"].update({name: entry}))


def flip_a_byte(folder: Path) -> None:
    data = bytearray((folder / "linear.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "linear.npz").write_bytes(data)


def make_folder(folder: Path) -> None:
    (folder / "linear.npz").unlink()
    (folder / "linear.npz").mkdir()
    entry(bytes=(folder / "linear.npz").stat().st_size)(folder)


def other_labels(folder: Path) -> None:
    labels = json.loads((folder / "labels.json").read_text("utf-8"))
    labels["urgency"].reverse()
    replace_file(folder, "labels.json", json.dumps(labels).encode())


# what was done, which file the message names, and what it says
DAMAGE: list[tuple[str, Callable[[Path], object], str, str]] = [
    ("no manifest", lambda f: (f / "bundle.json").unlink(), "", "no model bundle here: bundle.json cannot be read"),
    ("manifest is no JSON", lambda f: (f / "bundle.json").write_text("{"), "bundle.json", "Invalid JSON"),
    ("manifest is empty", lambda f: (f / "bundle.json").write_bytes(b""), "bundle.json", "Invalid JSON"),
    ("manifest is a list", lambda f: (f / "bundle.json").write_text("[]"), "bundle.json", "not a bundle manifest"),
    ("other format", manifest(format="zip"), "bundle.json", "format: "),
    ("later version", manifest(version=2), "bundle.json", "version: "),
    ("unknown component", manifest(components=["magic"]), "bundle.json", "components.0: "),
    ("unknown key", manifest(pickle="x"), "bundle.json", "pickle: "),
    ("no files listed", manifest(files={}), "", "the bundle has no file 'labels.json'"),
    ("wrong hash", entry(sha256="0" * 64), "linear.npz", "SHA-256 differs"),
    ("no hash", entry(sha256="?"), "bundle.json", "files.linear.npz.sha256: "),
    ("wrong size", entry(bytes=5), "linear.npz", "bytes where the manifest says 5"),
    ("huge size", entry(bytes=10**12), "bundle.json", "files.linear.npz.bytes: "),
    ("missing file", lambda f: (f / "linear.npz").unlink(), "linear.npz", "cannot be read"),
    ("truncated file", lambda f: (f / "linear.npz").write_bytes(b"PK"), "linear.npz", "has 2 bytes where"),
    ("one bit flipped", flip_a_byte, "linear.npz", "SHA-256 differs"),
    ("a directory for a file", make_folder, "linear.npz", "cannot be read"),
    ("path upwards", listed("../secret"), "bundle.json", "files.../secret"),
    ("path inside", listed("a/b"), "bundle.json", "files.a/b"),
    ("absolute path", listed("/etc/passwd"), "bundle.json", "files./etc/passwd"),
    ("backslashes", listed("..\\secret"), "bundle.json", "files...\\secret"),
    ("hidden file", listed(".bashrc"), "bundle.json", "files..bashrc"),
    ("dots", listed(".."), "bundle.json", "files..."),
    ("newline", listed("labels.json\n"), "bundle.json", "files.labels.json\n"),
    ("empty name", listed(""), "bundle.json", "files."),
    ("labels differ", other_labels, "labels.json", "the labels differ"),
    ("labels are no JSON", lambda f: replace_file(f, "labels.json", b"{"), "labels.json", "not valid JSON"),
    ("labels are no UTF-8", lambda f: replace_file(f, "labels.json", b"\xff"), "labels.json", "not valid JSON"),
]


@pytest.mark.parametrize(("damage", "file", "message"), [row[1:] for row in DAMAGE], ids=[row[0] for row in DAMAGE])
def test_a_damaged_bundle_is_refused_by_name(
    folder: Path, damage: Callable[[Path], object], file: str, message: str
) -> None:
    damage(folder)
    with pytest.raises(ModelError) as caught:
        open_bundle(folder)
    assert str(caught.value).startswith(f"{folder / file}: ")
    assert message in str(caught.value)
    with pytest.raises(ModelError):
        Analyzer.load(folder)


def test_a_path_upwards_is_not_followed_even_where_a_file_is(folder: Path) -> None:
    (folder.parent / "secret").write_bytes(b"x")
    listed("../secret")(folder)
    with pytest.raises(ModelError, match=re.escape("../secret")):
        open_bundle(folder)


def without(name: str) -> bytes:
    return npz(**{key: array for key, array in linear_arrays().items() if key != name})


def compressed() -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **linear_arrays())
    return stream.getvalue()


def late_format() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive, archive.open("keys.npy", "w") as member:
        np.lib.format.write_array(member, np.arange(3), version=(2, 0))
    return stream.getvalue()


CONTENT: list[tuple[str, str, bytes, str]] = [
    ("objects", "linear.npz", npz(**{**linear_arrays(), "bias": np.array([{"a": 1}])}), "not plain numbers"),
    ("texts", "linear.npz", npz(keys=np.array(["手機", "手机"])), "not plain numbers"),
    ("dates", "linear.npz", npz(keys=np.array(["2026-01-01"], "M8[D]")), "not plain numbers"),
    ("records", "linear.npz", npz(keys=np.zeros(2, "i4,f4")), "not plain numbers"),
    ("compressed", "linear.npz", compressed(), "is compressed and cannot be mapped"),
    ("later array format", "linear.npz", late_format(), "array format (2, 0) is not supported"),
    ("no archive", "linear.npz", b"something else", "not an archive of plain arrays"),
    ("empty", "linear.npz", b"", "not an archive of plain arrays"),
    ("half an archive", "linear.npz", npz(**linear_arrays())[:400], "not an archive of plain arrays"),
    ("no bias", "linear.npz", without("bias"), f"bias should have the shape ({OUTPUTS},), found nothing"),
    ("no keys", "linear.npz", without("keys"), "should have the shape (0,), found"),
    (
        "weights of another taxonomy",
        "linear.npz",
        npz(**{**linear_arrays(), "weights": np.ones((3, 7), np.int8)}),
        f"weights should have the shape (3, {OUTPUTS}), found (3, 7)",
    ),
    ("calibration is no JSON", "calibration.json", b"{", "not valid JSON"),
    ("calibration is a list", "calibration.json", b"[]", "valid dictionary"),
    ("calibration of no task", "calibration.json", b'{"auto_precision": 0.9, "suggest_precision": 0.7}', "tasks: "),
]


@pytest.mark.parametrize(("file", "data", "message"), [row[1:] for row in CONTENT], ids=[row[0] for row in CONTENT])
def test_content_that_is_no_model_is_refused_by_name(folder: Path, file: str, data: bytes, message: str) -> None:
    replace_file(folder, file, data)
    open_bundle(folder)  # the manifest agrees: only the content is wrong
    with pytest.raises(ModelError) as caught:
        Analyzer.load(folder)
    assert str(caught.value).startswith(f"{folder / file}: ")
    assert message in str(caught.value)


def changed_calibration(change: Callable[[dict[str, Any]], object]) -> bytes:
    content = calibration()
    change(content["tasks"])
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tasks: tasks.pop("needs"), "needs: thresholds for venting, respect, compensation"),
        (lambda tasks: tasks["urgency"].pop("offsets"), "urgency: thresholds for low, medium, high, critical"),
        (lambda tasks: tasks["demands"].pop("decide"), "demands: thresholds for refund"),
        (lambda tasks: tasks["emotion"].pop("decide"), "emotion: thresholds for angry"),
        (lambda tasks: tasks["emotion"].pop("offsets"), "emotion: thresholds for angry"),
        (lambda tasks: tasks["category"]["auto"].pop("price"), "category: thresholds for quality, service"),
        (lambda tasks: tasks["category"]["auto"].update(mood=0.5), "category: thresholds for quality, service"),
        (lambda tasks: tasks["category"]["auto"].update(price=-0.5), "tasks.category.auto.price: "),
        (lambda tasks: tasks["category"].update(none_auto="high"), "tasks.category.none_auto: "),
        (lambda tasks: tasks["category"].update(colour=1), "tasks.category.colour: "),
    ],
)
def test_a_calibration_that_misses_a_value_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    replace_file(folder, "calibration.json", changed_calibration(change))
    with pytest.raises(ModelError) as caught:
        Analyzer.load(folder)
    assert str(caught.value).startswith(f"{folder / 'calibration.json'}: {message}")


def test_a_small_model_answers_in_both_scripts(folder: Path) -> None:
    reports = Analyzer.load(folder).analyze_batch(["手機壞了，要退款", "手机坏了，要退款"])
    assert [report.status for report in reports] == ["ok", "ok"]


def test_a_file_that_is_not_listed_is_refused_with_those_that_are(folder: Path) -> None:
    (folder / "extra.json").write_text("{}")
    with pytest.raises(ModelError, match=r"the bundle has no file 'extra.json'; it holds linear.npz, calibration"):
        open_bundle(folder).json("extra.json")


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_archives_give_arrays_or_a_model_error(tmp_path_factory: Any, data: st.DataObject) -> None:
    content = bytearray(npz(a=np.arange(4, dtype=np.int8), b=np.ones((2, 2), np.float32)))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    path.write_bytes(content)
    try:
        arrays = map_npz(path)
    except ModelError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017 - raising is one of two right outcomes
    else:
        assert all(array.dtype.kind in "biuf" for array in arrays.values())


# --- writing ---


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.parent.iterdir() if path != folder)


def test_an_older_bundle_is_replaced_whole(folder: Path) -> None:
    before = open_bundle(folder)
    after = write(folder, {**files(), "README.md": "新".encode()}, name="second")
    assert after.hash != before.hash
    assert open_bundle(folder).manifest.name == "second"
    assert leftovers(folder) == []
    last = write(folder, name="third")
    assert "README.md" not in last.manifest.files
    assert not (folder / "README.md").exists()


@pytest.mark.parametrize("failing", ["calibration.json", "labels.json"])
def test_the_old_bundle_stays_when_writing_a_file_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    before = open_bundle(folder)
    write_bytes = Path.write_bytes

    def full_disk(path: Path, data: bytes) -> int:
        if path.name == failing:
            raise OSError(28, "No space left on device")
        return write_bytes(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full_disk)
        with pytest.raises(OSError, match="No space left"):
            write(folder, name="second")
    assert open_bundle(folder) == before
    assert leftovers(folder) == []


def test_the_old_bundle_stays_when_the_last_step_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = open_bundle(folder)
    replace = Path.replace

    def refuse_the_new_one(path: Path, target: Path) -> Path:
        if target == folder and not path.name.endswith(".old"):
            raise PermissionError(13, "Permission denied")
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse_the_new_one)
        with pytest.raises(PermissionError):
            write(folder, name="second")
    assert open_bundle(folder) == before
    assert leftovers(folder) == []


def test_nothing_is_left_when_a_first_bundle_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../x", "a/b", "/x", ".hidden", ""])
def test_unsafe_file_names_are_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="files"):
        write(tmp_path / "model", {name: b"x"})
    assert list(tmp_path.iterdir()) == []
