"""Bundles on a Hugging Face hub: fetch one by its id, copy one, push one."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from complaint_nlp.classify.bundle import MANIFEST, Bundle, Manifest, open_bundle, staged_directory
from complaint_nlp.errors import DataError, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

BUNDLE_FILES: Final = (MANIFEST, "*.json", "*.npz", "*.onnx", "README.md")
"""What a bundle may hold, as patterns; nothing else of a repository is fetched."""
COMMIT_MESSAGE: Final = "Upload complaint_nlp model bundle"

_NAME = r"[A-Za-z0-9_](?:(?!--|\.\.)[A-Za-z0-9_.-]){0,95}"
_HUB_ID: Final = re.compile(rf"(?P<repo>{_NAME}/{_NAME})(?:@(?P<revision>[A-Za-z0-9_][A-Za-z0-9_./-]{{0,250}}))?")
# tools of the hub leave these in a directory; they are not the user's and can go when the bundle is replaced
_HUB_LEFTOVERS: Final = frozenset({".gitattributes", ".cache"})


def resolve_model(model: str | Path) -> str | Path:
    """Return the directory of a model that is given by its hub id; anything else is returned as it is.

    Args:
        model: ``"default"``, a directory, or ``"org/name"`` or ``"org/name@revision"`` where no such directory exists.
            A ``Path`` is always a directory.

    Raises:
        ModelError: the model cannot be fetched and is not in the hub's cache.
    """
    if isinstance(model, Path):
        return model
    match = _HUB_ID.fullmatch(model)
    if match is None or Path(model).exists():
        return model
    return _fetch(model, match["repo"], match["revision"])


def _fetch(model: str, repo: str, revision: str | None) -> Path:
    """Return the directory in the hub's cache; without a network whatever the cache holds of it."""
    with _explained(f"{model}: no such directory, and as a hub id it cannot be fetched"):
        from huggingface_hub import snapshot_download

        # a bundle is flat: what other files a repository keeps in folders is no part of it
        folder = Path(
            snapshot_download(repo, revision=revision, allow_patterns=list(BUNDLE_FILES), ignore_patterns=["*/*"])
        )
    if not (folder / MANIFEST).is_file():
        msg = f"{model}: the repository on the hub holds no model bundle: it has no {MANIFEST}; check the id"
        raise ModelError(msg)
    return folder


def save_bundle(bundle: Bundle, directory: str | Path) -> Path:
    """Copy a bundle; an older one in ``directory`` is replaced only when the copy is complete.

    Raises:
        DataError: ``directory`` is something else than a bundle.
        ModelError: the files of ``bundle`` have changed since it was opened.
    """
    # a link would be replaced itself, not what it points to
    target = Path(directory).resolve()
    if target == bundle.path.resolve():
        _check_unchanged(bundle, bundle.path)
        return target
    _check_replaceable(target)
    with staged_directory(target) as staging:
        for name in (MANIFEST, *bundle.manifest.files):
            # the hub's cache keeps links to files; the copy holds the files themselves
            shutil.copyfile(bundle.path / name, staging / name)
        _check_unchanged(bundle, staging)
    return target


def _check_unchanged(bundle: Bundle, directory: Path) -> None:
    if open_bundle(directory).hash != bundle.hash:
        msg = f"{bundle.path}: the bundle was replaced after it was loaded; load it again"
        raise ModelError(msg)


def _check_replaceable(target: Path) -> None:
    """Refuse to replace what is not a bundle, or a bundle that somebody keeps other files with."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    try:
        manifest = Manifest.model_validate_json((target / MANIFEST).read_bytes())
    except (OSError, ValidationError) as error:
        msg = f"{target}: is not a model bundle, so it is not replaced; give another directory"
        raise DataError(msg) from error
    known = {MANIFEST, *manifest.files, *_HUB_LEFTOVERS}
    others = sorted({path.name for path in target.iterdir()} - known)
    if others:
        listed = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")  # noqa: PLR2004 - enough to recognise it
        msg = f"{target}: holds other files than a model bundle ({listed}), so it is not replaced; give another one"
        raise DataError(msg)


def push_bundle(
    bundle: Bundle,
    repo_id: str,
    *,
    private: bool = False,
    commit_message: str = COMMIT_MESSAGE,
    token: str | None = None,
) -> str:
    """Upload a bundle in one commit, into a repository that is created when it does not exist.

    Returns:
        The address of the commit.

    Raises:
        ModelError: the hub cannot be reached or refuses, a private upload would become public, or the files of
            ``bundle`` have changed since it was opened.
    """
    match = _HUB_ID.fullmatch(repo_id)
    if match is None or match["revision"]:
        msg = f"{repo_id}: not the id of a repository on the hub; give it as org/name"
        raise ModelError(msg)
    _check_unchanged(bundle, bundle.path)
    with _explained(f"{repo_id}: the bundle cannot be pushed to the hub"):
        from huggingface_hub import HfApi

        api = HfApi(token=token)
        api.create_repo(repo_id, private=private, exist_ok=True)
        # for a repository that exists, the hub ignores the wish for privacy
        public = private and not api.model_info(repo_id).private
        commit: Any = None
        if not public:
            commit = api.upload_folder(
                repo_id=repo_id,
                folder_path=bundle.path,
                commit_message=commit_message,
                # names in a manifest hold no wildcards; whatever else lies in the directory stays here
                allow_patterns=[MANIFEST, *bundle.manifest.files],
            )
    if public:
        msg = f"{repo_id}: the repository exists and is public; nothing was pushed. Make it private on the hub first"
        raise ModelError(msg)
    return str(commit.commit_url)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn whatever the hub's client raises into a :class:`ModelError` that says what to do."""
    try:
        yield
    except ImportError as error:
        msg = f"{what}: huggingface_hub is not installed ({error}); run 'pip install huggingface_hub'"
        raise ModelError(msg) from error
    except Exception as error:  # the client passes on errors of several HTTP libraries and of the file system
        msg = f"{what}: {_advice(error)}"
        raise ModelError(msg) from error


def _advice(error: Exception) -> str:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):  # a kind of RepositoryNotFoundError, so it is asked first
        return "access to the repository is restricted; ask for it on its page and log in with 'hf auth login'"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "the hub has no such repository, or it is private; check the id, log in with 'hf auth login'"
    if isinstance(error, errors.RevisionNotFoundError):
        return "the repository has no such revision; check what stands after the @"
    if isinstance(error, errors.LocalEntryNotFoundError):
        return "the hub cannot be reached and its cache lacks some or all of the model; go online, or give a directory"
    # the client's messages are several lines long; the first says what happened
    first = next((line for line in str(error).splitlines() if line.strip()), "")
    problem = f"{type(error).__name__}: {first}" if first else type(error).__name__
    if isinstance(error, errors.HfHubHTTPError):
        return f"the hub refused ({problem}); check the id and your rights, log in with 'hf auth login'"
    return f"{problem}; check the network and the id, and try again"
