"""Runs the notebooks beside this file and keeps what they show: ``python notebooks/run.py [NAME...]``.

``jupyter execute --inplace`` would write the time of every cell and the version of Python into
them, so that each run changed every file; here a run that shows the same leaves the same bytes.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
TIMEOUT_SECONDS = 600


def run(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run all cells in ``folder``; the notebook then holds what they show.

    Args:
        notebook: what is run.
        folder: the working folder; ``../data`` is the project's data.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT_SECONDS,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        # kernels warn that their sockets are not encrypted; they are open to this machine only
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(folder)}},
    )
    # small matrices: threads that wait for one another would take most of the time
    client.execute(env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
    # the version of Python that happened to run them is nobody's business
    notebook.metadata["language_info"] = {"name": "python"}


def main(names: list[str]) -> None:
    """Run the notebooks whose names begin with one of these, or all."""
    for path in sorted(HERE.glob("*.ipynb")):
        if names and not path.name.startswith(tuple(names)):
            continue
        print(path.name, flush=True)
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        run(notebook, HERE)
        handle, part = tempfile.mkstemp(dir=HERE, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            nbformat.write(notebook, stream)  # type: ignore[no-untyped-call]
        Path(part).chmod(0o644)
        Path(part).replace(path)


if __name__ == "__main__":
    main(sys.argv[1:])
