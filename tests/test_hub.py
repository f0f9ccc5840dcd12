"""Models come from a hub by their id and go there, and what is opened is still exactly what the hashes say."""

import io
import json
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import errors
from huggingface_hub.utils._paths import filter_repo_objects

from complaint_nlp import Analyzer, ComplaintNlpError, DataError, ModelError
from complaint_nlp.batch import label as label_file
from complaint_nlp.classify.bundle import default_path, open_bundle, write_bundle
from complaint_nlp.classify.linear import HEADS, SIGNALS
from complaint_nlp.hub import resolve_model
from complaint_nlp.labels import TASKS

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = ["README.md", "bundle.json", "calibration.json", "labels.json", "linear.npz"]


def write(target: Path, name: str = "test") -> Path:
    """Write the smallest bundle that can be loaded."""
    outputs = sum(len(values) for values in HEADS.values())
    stream = io.BytesIO()
    np.savez(
        stream,
        keys=np.arange(3, dtype=np.uint64),
        idf=np.ones(3, np.float32),
        weights=np.ones((3, outputs), np.int8),
        row_scale=np.ones(3, np.float32),
        signal_weights=np.zeros((len(SIGNALS) + 1, outputs), np.float32),
        bias=np.zeros(outputs, np.float32),
    )
    tasks = {
        task: {
            **{part: dict.fromkeys(TASKS[task].values, 0.5) for part in ("decide", "auto", "suggest")},
            "offsets": dict.fromkeys(TASKS[task].values, 0.0),
        }
        for task in TASKS
    }
    calibration = {"auto_precision": 0.9, "suggest_precision": 0.7, "tasks": tasks}
    files = {
        "linear.npz": stream.getvalue(),
        "calibration.json": json.dumps(calibration).encode(),
        "README.md": "# 模型卡\n".encode(),
    }
    return write_bundle(target, name=name, trained_with="nothing", components=("linear",), files=files).path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "model")


class Hub:
    """A hub with repositories in directories, and its cache of links, laid out as the real one's."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.repositories: dict[tuple[str, str | None], Path] = {}
        self.asked: list[dict[str, Any]] = []
        self.failure: Exception | None = None

    def snapshot_download(self, repo_id: str, **options: Any) -> str:
        self.asked.append({"repo_id": repo_id, **options})
        if self.failure is not None:
            raise self.failure
        source = self.repositories[repo_id, options["revision"]]
        cache = self.root / f"models--{repo_id.replace('/', '--')}"
        snapshot = cache / "snapshots" / COMMIT
        (cache / "blobs").mkdir(parents=True, exist_ok=True)
        snapshot.mkdir(parents=True, exist_ok=True)
        wanted = filter_repo_objects(
            [path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()],
            allow_patterns=options["allow_patterns"],
            ignore_patterns=options["ignore_patterns"],
        )
        for number, name in enumerate(wanted):
            blob = cache / "blobs" / str(number)
            shutil.copyfile(source / name, blob)
            (snapshot / name).unlink(missing_ok=True)
            (snapshot / name).symlink_to(Path("../../blobs") / blob.name)
        return str(snapshot)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    fake = Hub(tmp_path / "cache")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake.snapshot_download)
    # relative paths of the directory the tests run in must not decide what is a hub id
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return fake


# --- fetching ---


@pytest.mark.parametrize(
    ("model", "repo", "revision"),
    [
        ("org/complaints-zh", "org/complaints-zh", None),
        ("org/complaints-zh@v1.2", "org/complaints-zh", "v1.2"),
        ("Org_1/a.b@refs/pr/3", "Org_1/a.b", "refs/pr/3"),
        (f"org/model@{COMMIT}", "org/model", COMMIT),
    ],
)
def test_a_hub_id_is_fetched_and_checked(hub: Hub, folder: Path, model: str, repo: str, revision: str | None) -> None:
    hub.repositories[repo, revision] = folder
    analyzer = Analyzer.load(model)
    assert analyzer.bundle.hash == open_bundle(folder).hash
    assert analyzer.bundle.path.name == COMMIT
    assert [report.status for report in analyzer.analyze_batch(["手機壞了，要退款", "手机坏了，要退款"])] == ["ok"] * 2
    assert hub.asked == [
        {
            "repo_id": repo,
            "revision": revision,
            "allow_patterns": ["bundle.json", "*.json", "*.npz", "*.onnx", "README.md"],
            "ignore_patterns": ["*/*"],
        }
    ]


def test_only_what_a_bundle_may_hold_is_fetched(hub: Hub, folder: Path) -> None:
    (folder / ".gitattributes").write_text("*.npz filter=lfs")
    (folder / "run.py").write_text("raise SystemExit")
    (folder / "model.pkl").write_bytes(b"x")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "state.json").write_text("{}")
    hub.repositories["org/model", None] = folder
    path = Analyzer.load("org/model").bundle.path
    assert sorted(file.name for file in path.iterdir()) == FILES


def test_what_the_hub_adds_does_not_break_opening(folder: Path) -> None:
    before = open_bundle(folder).hash
    (folder / ".gitattributes").write_text("*.npz filter=lfs")
    (folder / ".cache" / "huggingface").mkdir(parents=True)
    assert open_bundle(folder).hash == before


@pytest.mark.parametrize("name", ["linear.npz", "README.md"])
def test_a_file_that_was_changed_on_the_hub_is_refused(hub: Hub, folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[3] ^= 1
    (folder / name).write_bytes(content)
    hub.repositories["org/model", None] = folder
    with pytest.raises(ModelError, match="SHA-256 differs") as caught:
        Analyzer.load("org/model")
    assert f"{COMMIT}/{name}: " in str(caught.value)


def test_a_repository_without_a_bundle_is_named(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text("{}")
    hub.repositories["google-bert/bert", None] = tmp_path / "other"
    with pytest.raises(ModelError, match=r"^google-bert/bert: the repository on the hub holds no model bundle"):
        Analyzer.load("google-bert/bert")


def test_a_directory_of_that_name_comes_first(hub: Hub, folder: Path) -> None:
    shutil.copytree(folder, "org/model")
    assert Analyzer.load("org/model").bundle.path == Path("org/model")
    assert hub.asked == []


@pytest.mark.parametrize(
    "model",
    [
        "nowhere",
        "/abs/olute",
        "./org/model",
        "../model",
        "a/b/c",
        "org/",
        "org/a..b",
        "org/a--b",
        ".org/model",
        "org/model@",
        "org/model@-x",
        "模型/default",
        "org/mod el",
        "org\\model",
        f"org/{'x' * 97}",
        "",
        Path("org/model"),
    ],
)
def test_what_is_no_hub_id_is_never_looked_up(hub: Hub, model: str | Path) -> None:
    assert resolve_model(model) == model
    with pytest.raises(ModelError, match="no model bundle here"):
        Analyzer.load(model)
    assert hub.asked == []


def test_default_is_never_looked_up(hub: Hub, analyzer: Analyzer) -> None:
    assert resolve_model("default") == "default"
    assert open_bundle("default").path == analyzer.bundle.path == default_path()
    assert hub.asked == []


def http(kind: type[errors.HfHubHTTPError], message: str = "x\ny") -> Exception:
    # a stand-in: which HTTP library the response is of depends on the version of the client
    response: Any = SimpleNamespace(headers={}, request=None)
    return kind(message, response=response)


class ProxyError(Exception):
    """Like the HTTP libraries' own: not an OSError."""


FAILURES: list[tuple[str, Exception, str]] = [
    ("no repository", http(errors.RepositoryNotFoundError), "the hub has no such repository, or it is private"),
    ("gated", http(errors.GatedRepoError), "access to the repository is restricted"),
    ("no revision", http(errors.RevisionNotFoundError), "has no such revision; check what stands after the @"),
    ("offline, not cached", errors.LocalEntryNotFoundError("Cannot find an\nappropriate"), "the hub cannot be reached"),
    ("server error", http(errors.HfHubHTTPError, "\n500 oops\nmore"), "refused (HfHubHTTPError: 500 oops); check"),
    ("proxy", ProxyError("no proxy\nat all"), "ProxyError: no proxy; check the network"),
    ("disk full", OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device; check"),
    ("no message", TimeoutError(), "TimeoutError; check the network"),
]


@pytest.mark.parametrize(("failure", "message"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES])
def test_a_failure_says_what_was_wrong_where_and_what_to_do(hub: Hub, failure: Exception, message: str) -> None:
    hub.failure = failure
    with pytest.raises(ModelError) as caught:
        Analyzer.load("org/model@v1")
    text = str(caught.value)
    assert text.startswith("org/model@v1: no such directory, and as a hub id it cannot be fetched: ")
    assert message in text
    assert "\n" not in text
    assert caught.value.__cause__ is failure


def test_without_a_network_the_clients_own_cache_is_used(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "hub"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"^org/model: .*the hub cannot be reached and its cache lacks"):
        Analyzer.load("org/model")
    repository = cache / "models--org--model"
    shutil.copytree(folder, repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    for model in ("org/model", "org/model@main", f"org/model@{COMMIT}"):
        assert Analyzer.load(model).bundle.hash == open_bundle(folder).hash
    with pytest.raises(ModelError, match=r"^org/model@v2: "):
        Analyzer.load("org/model@v2")


def test_without_huggingface_hub_directories_still_load(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    analyzer = Analyzer.load(folder)
    analyzer.save_pretrained(tmp_path / "copy")
    for use in (lambda: Analyzer.load("org/model"), lambda: analyzer.push_to_hub("org/model")):
        with pytest.raises(ModelError, match=r"^org/model: .*run 'pip install huggingface_hub'"):
            use()


def test_interrupts_are_passed_on(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(huggingface_hub, "snapshot_download", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Analyzer.load("org/model")
    assert hub.asked == []


def test_a_pickled_analyzer_reloads_the_very_same_files(hub: Hub, folder: Path, tmp_path: Path) -> None:
    hub.repositories["org/model", None] = folder
    analyzer = Analyzer.load("org/model", max_chars=100)
    hub.repositories["org/model", None] = write(tmp_path / "newer", name="newer")
    hub.failure = OSError("no network")
    again = pickle.loads(pickle.dumps(analyzer))  # noqa: S301 - our own object
    assert again.bundle == analyzer.bundle
    assert again.max_chars == 100
    assert len(hub.asked) == 1


def test_labelling_a_file_looks_the_model_up_before_it_begins(hub: Hub, folder: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("text\n手機壞了\n手机坏了\n", "utf-8")
    hub.failure = http(errors.RepositoryNotFoundError)
    with pytest.raises(ModelError, match=r"^org/model: "):
        label_file(source, target, model="org/model")
    assert not target.exists()
    hub.failure = None
    hub.repositories["org/model", None] = folder
    assert label_file(source, target, model="org/model").rows == 2
    assert len(hub.asked) == 2


def test_from_pretrained_is_load(folder: Path) -> None:
    analyzer = Analyzer.from_pretrained(str(folder), max_chars=50)
    assert isinstance(analyzer, Analyzer)
    assert (analyzer.bundle, analyzer.max_chars) == (open_bundle(folder), 50)


# --- saving ---


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_saved_model_is_a_copy_of_files_not_of_links(hub: Hub, folder: Path, tmp_path: Path) -> None:
    hub.repositories["org/model", None] = folder
    analyzer = Analyzer.load("org/model")
    target = tmp_path / "a" / "模型"
    analyzer.save_pretrained(str(target))
    assert names(target) == FILES
    assert not any(path.is_symlink() for path in target.iterdir())
    shutil.rmtree(hub.root)
    assert Analyzer.load(target).bundle.hash == analyzer.bundle.hash
    assert names(tmp_path / "a") == ["模型"]


def test_an_older_bundle_and_an_empty_directory_are_filled(folder: Path, tmp_path: Path) -> None:
    old = write(tmp_path / "old", name="older")
    (old / ".gitattributes").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(old)
    for target in (old, tmp_path / "empty", tmp_path / "link"):
        Analyzer.load(folder).save_pretrained(target)
        assert open_bundle(target).hash == open_bundle(folder).hash
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path) == ["empty", "link", "model", "old"]


def test_saving_where_it_came_from_changes_nothing(folder: Path) -> None:
    (folder / "notes.txt").write_text("x")
    Analyzer.load(folder).save_pretrained(folder)
    assert names(folder) == sorted([*FILES, "notes.txt"])


def with_file(path: Path, name: str, content: str = "mine") -> None:
    path.mkdir(exist_ok=True)
    (path / name).write_text(content)


def with_files(path: Path, count: int) -> None:
    for number in range(count):
        with_file(path, f"{number}.txt")


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda path: with_file(path, "thesis.tex"), "is not a model bundle"),
        (lambda path: with_file(path, "bundle.json", '{"format": "other"}'), "is not a model bundle"),
        (lambda path: path.write_text("mine"), "is not a model bundle"),
        (lambda path: with_file(write(path), "thesis.tex"), "holds other files than a model bundle (thesis.tex)"),
        (lambda path: (write(path) / ".git").mkdir(), "holds other files than a model bundle (.git)"),
        (lambda path: with_files(write(path), 4), "(0.txt, 1.txt, 2.txt, ...)"),
    ],
)
def test_what_is_not_a_bundle_is_not_overwritten(
    folder: Path, tmp_path: Path, prepare: Callable[[Path], object], message: str
) -> None:
    target = tmp_path / "target"
    prepare(target)
    before = target.read_bytes() if target.is_file() else names(target)
    with pytest.raises(DataError) as caught:
        Analyzer.load(folder).save_pretrained(target)
    assert str(caught.value).startswith(f"{target}: ")
    assert message in str(caught.value)
    assert (target.read_bytes() if target.is_file() else names(target)) == before
    assert names(tmp_path) == ["model", "target"]


def test_a_bundle_that_changed_since_it_was_loaded_is_not_saved(
    folder: Path, tmp_path: Path, uploads: list[dict[str, Any]]
) -> None:
    analyzer = Analyzer.load(folder)
    write(folder, name="retrained")
    for use in (
        lambda: analyzer.save_pretrained(tmp_path / "copy"),
        lambda: analyzer.save_pretrained(folder),
        lambda: analyzer.push_to_hub("org/model"),
    ):
        with pytest.raises(ModelError, match="replaced after it was loaded; load it again"):
            use()
    assert names(tmp_path) == ["model"]
    assert uploads == []


# --- pushing ---


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return what is asked of the hub; a repository ``org/public`` exists there."""
    asked: list[dict[str, Any]] = []
    private: dict[str, bool] = {"org/public": False}

    class FakeApi:
        def __init__(self, token: str | None = None) -> None:
            self.token = token

        def create_repo(self, repo_id: str, **options: Any) -> None:
            if repo_id == "org/forbidden":
                raise http(errors.HfHubHTTPError, "403 Forbidden: not your organisation")
            asked.append({"call": "create_repo", "repo_id": repo_id, "token": self.token, **options})
            private.setdefault(repo_id, options["private"])

        def model_info(self, repo_id: str) -> SimpleNamespace:
            return SimpleNamespace(private=private[repo_id])

        def upload_folder(self, **options: Any) -> SimpleNamespace:
            asked.append({"call": "upload_folder", **options})
            return SimpleNamespace(commit_url=f"https://hub/{options['repo_id']}/commit/1")

    monkeypatch.setattr(huggingface_hub, "HfApi", FakeApi)
    return asked


def test_a_push_is_one_commit_of_the_bundles_files(folder: Path, uploads: list[dict[str, Any]]) -> None:
    (folder / "notes.txt").write_text("not for others")
    url = Analyzer.load(folder).push_to_hub("org/new", private=True, commit_message="第一版", token="hf_x")  # noqa: S106
    assert url == "https://hub/org/new/commit/1"
    created, uploaded = uploads
    assert created == {
        "call": "create_repo",
        "repo_id": "org/new",
        "token": "hf_x",
        "private": True,
        "exist_ok": True,
    }
    assert sorted(uploaded.pop("allow_patterns")) == FILES
    assert uploaded == {
        "call": "upload_folder",
        "repo_id": "org/new",
        "folder_path": folder,
        "commit_message": "第一版",
    }


def test_a_push_is_public_under_a_plain_message_when_nothing_is_said(
    folder: Path, uploads: list[dict[str, Any]]
) -> None:
    Analyzer.load(folder).push_to_hub("org/public")
    created, uploaded = uploads
    assert (created["private"], created["token"]) == (False, None)
    assert uploaded["commit_message"] == "Upload complaint_nlp model bundle"


def test_a_private_push_never_ends_in_a_public_repository(folder: Path, uploads: list[dict[str, Any]]) -> None:
    with pytest.raises(ModelError, match=r"^org/public: the repository exists and is public; nothing was pushed"):
        Analyzer.load(folder).push_to_hub("org/public", private=True)
    assert [item["call"] for item in uploads] == ["create_repo"]


@pytest.mark.parametrize("repo_id", ["model", "org/model@v1", "a/b/c", "", "模型/一"])
def test_what_is_no_repository_id_is_not_pushed_to(folder: Path, uploads: list[dict[str, Any]], repo_id: str) -> None:
    with pytest.raises(ModelError, match="not the id of a repository on the hub; give it as org/name"):
        Analyzer.load(folder).push_to_hub(repo_id)
    assert uploads == []


def test_a_refused_push_says_what_to_do(folder: Path, uploads: list[dict[str, Any]]) -> None:
    with pytest.raises(ComplaintNlpError) as caught:
        Analyzer.load(folder).push_to_hub("org/forbidden")
    assert str(caught.value) == (
        "org/forbidden: the bundle cannot be pushed to the hub: the hub refused (HfHubHTTPError: 403 Forbidden: not "
        "your organisation); check the id and your rights, log in with 'hf auth login'"
    )
    assert uploads == []
