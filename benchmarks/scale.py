"""Files of up to millions of messages: rate, wall time and memory of the whole process tree, beside the bare analyzer.

    python benchmarks/scale.py [--rows 1000000] [--speeds fast balanced] [--formats csv parquet] [--json FILE]
        [--plot docs/performance.svg]

Texts are made as for benchmarks/encoder.py: of the test part of data/messages.jsonl, half traditional and half
simplified, their lengths those of real complaints; every text occurs once. "bare" is a loop over Analyzer.analyze_batch
in one process on as many texts as it gets through in --seconds, times the cores; "of bare" is the rate of the file run
against it. Memory is the sum of the proportional set sizes of all processes (Linux only), looked at every half second.
For speeds other than fast only --slow-rows rows are taken. "pipeline" is transformers' with a BERT-base-sized model of
random weights, batches of 32, on --pipeline-rows texts. Then how the cost grows with the length of the messages (one
process, messages of one length) and with the number of worker processes. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import chain, islice
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
from encoder import BATCHED_PIPELINE, SYSTEMS, Place, prepare, synthetic  # type: ignore[import-not-found] # benchmarks/encoder.py

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COLUMNS = ("speed", "format", "workers", "rows", "seconds", "rows/s", "of bare", "peak MB")
LENGTHS = (10, 30, 100, 300, 1000, 3000)
_BLOCK = 10_000


def tree_memory(root: int) -> float:
    """Return the proportional set sizes of a process and all its descendants in MB."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            parents.setdefault(parent, []).append(int(folder.name))
    total, waiting = 0, [root]
    while waiting:
        process = waiting.pop()
        waiting += parents.get(process, [])
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
    return total / 1024


class Watch:
    """Looks at the memory of this process tree until it is left; ``peak`` is in MB."""

    def __init__(self) -> None:
        self.peak = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._done.wait(0.5):
            self.peak = max(self.peak, tree_memory(os.getpid()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def made_up(rows: int) -> Iterator[str]:
    """Yield so many texts, block by block, so that they need no memory; a number makes each of them different."""
    blocks = (synthetic(_BLOCK, seed) for seed in range(-(-rows // _BLOCK)))
    return (f"{text}{number}" for number, text in enumerate(islice(chain.from_iterable(blocks), rows)))


def write(path: Path, rows: int) -> None:
    """Write a table of ids and texts."""
    texts = made_up(rows)
    if path.suffix == ".parquet":
        schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
        with pq.ParquetWriter(path, schema) as writer:
            for start in range(0, rows, _BLOCK):
                block = list(islice(texts, _BLOCK))
                columns = [pa.array(range(start, start + len(block))), pa.array(block)]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))
        return
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "text"])
        writer.writerows(enumerate(texts))


def bare(speed: str, seconds: float) -> float:
    """Return messages per second of the analyzer alone, in this process."""
    from complaint_nlp import Analyzer

    analyzer = Analyzer.load(speed=speed, threads=1)  # type: ignore[arg-type]
    texts = list(made_up(50_000 if speed == "fast" else 5_000))
    analyzer.analyze_batch(texts[:500])
    began, done = time.perf_counter(), 500
    while time.perf_counter() - began < seconds and done < len(texts):
        done += len(analyzer.analyze_batch(texts[done : done + 512]))
    return (done - 500) / (time.perf_counter() - began)


def alone(function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 - what the function returns
    """Return what a function returns in a process of its own, so that its memory is not counted with that of a run."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def pipeline(rows: int) -> float:
    """Return messages per second of transformers' pipeline with a model of the size of BERT-base."""
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name))
        loaded = SYSTEMS[BATCHED_PIPELINE].load(Place(Path(name), "default", 0))
        texts = list(made_up(rows + 32))
        loaded.batch(texts[:32])
        began = time.perf_counter()
        loaded.batch(texts[32:])
        return rows / (time.perf_counter() - began)


def by_length(speed: str, seconds: float) -> list[dict[str, Any]]:
    """Return messages and characters per second of one process, for messages of one length."""
    from complaint_nlp import Analyzer

    analyzer = Analyzer.load(speed=speed, threads=1)  # type: ignore[arg-type]
    whole = "".join(made_up(4_000))
    found = []
    for length in LENGTHS:
        texts = [whole[start : start + length] for start in range(0, len(whole) - length, length)]
        analyzer.analyze_batch(texts[:64])
        began, done = time.perf_counter(), 0
        while time.perf_counter() - began < seconds and done < len(texts):
            done += len(analyzer.analyze_batch(texts[done : done + 512]))
        rate = done / (time.perf_counter() - began)
        found.append({"speed": speed, "characters": length, "rows/s": round(rate, 1)})
    return found


def measure(folder: Path, speed: str, kind: str, rows: int, one: float, workers: int) -> dict[str, Any]:
    """Label a file of so many rows and return the figures."""
    from complaint_nlp.batch import label

    source = folder / f"in-{rows}.{kind}"
    if not source.is_file():
        write(source, rows)
    with Watch() as watch:
        summary = label(source, folder / f"out.{kind}", speed=speed, workers=workers, overwrite=True)
    rate = summary.rows / summary.seconds
    shown = (round(summary.seconds, 1), round(rate, 1), round(rate / (one * workers), 3), round(watch.peak))
    return dict(zip(COLUMNS, (speed, kind, workers, summary.rows, *shown), strict=True))


def plot(path: Path, files: list[dict[str, Any]], lengths: list[dict[str, Any]]) -> None:
    """Draw seconds over rows, and milliseconds a message over its length."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "complaint-nlp"  # the same picture for the same figures
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    most = max(one["workers"] for one in files)
    for speed, kind in sorted({(one["speed"], one["format"]) for one in files}):
        mine = [one for one in files if (one["speed"], one["format"], one["workers"]) == (speed, kind, most)]
        left.plot([one["rows"] for one in mine], [one["seconds"] for one in mine], marker="o", label=f"{speed}, {kind}")
    for speed in dict.fromkeys(one["speed"] for one in lengths):
        mine = [one for one in lengths if one["speed"] == speed]
        times = [1e3 / one["rows/s"] for one in mine]
        right.plot([one["characters"] for one in mine], times, marker="o", label=speed)
    left.set(xscale="log", yscale="log", xlabel="rows", ylabel="seconds", title=f"a file, {most} processes")
    right.set(xscale="log", yscale="log", xlabel="characters", ylabel="ms a message", title="one process")
    for axes in (left, right):
        axes.legend()
        axes.grid(visible=True, alpha=0.3)
    figure.savefig(path, metadata={"Date": None})


def runs(arguments: argparse.Namespace, speed: str) -> list[tuple[str, int, int]]:
    """Return format, rows and workers of every file run."""
    cores = len(os.sched_getaffinity(0))
    most = arguments.rows if speed == "fast" else arguments.slow_rows
    found = [(kind, rows, cores) for kind in arguments.formats for rows in sorted({most // 10, most})]
    return found + [(arguments.formats[0], most // 10, workers) for workers in range(1, cores)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--slow-rows", type=int, default=10_000)
    parser.add_argument("--pipeline-rows", type=int, default=256)
    parser.add_argument("--speeds", nargs="+", default=["fast", "balanced"])
    parser.add_argument("--formats", nargs="+", default=["csv", "parquet"])
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
    files: list[dict[str, Any]] = []
    lengths: list[dict[str, Any]] = []
    if arguments.pipeline_rows:
        print(
            f"BERT-base in transformers' pipeline: {alone(pipeline, arguments.pipeline_rows):,.1f} messages/s",
            flush=True,
        )
    print(" | ".join(COLUMNS))
    with tempfile.TemporaryDirectory() as name:
        for speed in arguments.speeds:
            one = alone(bare, speed, arguments.seconds)
            print(f"{speed}: {one:,.0f} messages/s bare, one process", flush=True)
            for kind, rows, workers in runs(arguments, speed):
                files.append(measure(Path(name), speed, kind, rows, one, workers))
                print(" | ".join(map(str, files[-1].values())), flush=True)
            lengths += alone(by_length, speed, arguments.seconds / 5)
            for shown in lengths[-len(LENGTHS) :]:
                print(" | ".join(map(str, shown.values())), flush=True)
    if arguments.json:
        content = json.dumps({"files": files, "lengths": lengths}, indent=1) + "\n"
        arguments.json.write_text(content, encoding="utf-8")
    if arguments.plot:
        plot(arguments.plot, files, lengths)


if __name__ == "__main__":
    main()
