"""Files of up to millions of messages: rate, wall time and memory of the whole process tree, beside the bare analyzer.

    python benchmarks/scale.py [--rows 1000000] [--speeds fast balanced] [--formats csv parquet] [--json FILE]

Texts are made as for benchmarks/encoder.py: of the test part of data/messages.jsonl, half traditional and half
simplified, their lengths those of real complaints; every text occurs once. "bare" is a loop over Analyzer.analyze_batch
in one process on as many texts as it gets through in --seconds, times the cores; "of bare" is the rate of the file run
against it. Memory is the sum of the proportional set sizes of all processes (Linux only), looked at every half second.
For speeds other than fast only --slow-rows rows are taken. Nothing else should run meanwhile.
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
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
from encoder import synthetic  # type: ignore[import-not-found] # benchmarks/encoder.py

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = ("speed", "format", "rows", "seconds", "rows/s", "of bare", "peak MB")
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


def measure(folder: Path, speed: str, kind: str, rows: int, alone: float) -> dict[str, Any]:
    """Label a file of so many rows and return the figures."""
    from complaint_nlp.batch import label

    source = folder / f"in-{rows}.{kind}"
    if not source.is_file():
        write(source, rows)
    cores = len(os.sched_getaffinity(0))
    with Watch() as watch:
        summary = label(source, folder / f"out.{kind}", speed=speed, overwrite=True)
    rate = summary.rows / summary.seconds
    figures = (speed, kind, summary.rows, round(summary.seconds, 1), round(rate, 1), round(rate / (alone * cores), 3))
    return dict(zip(COLUMNS, (*figures, round(watch.peak)), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--slow-rows", type=int, default=10_000)
    parser.add_argument("--speeds", nargs="+", default=["fast", "balanced"])
    parser.add_argument("--formats", nargs="+", default=["csv", "parquet"])
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
    print(" | ".join(COLUMNS))
    found = []
    with tempfile.TemporaryDirectory() as name:
        for speed in arguments.speeds:
            alone = bare(speed, arguments.seconds)
            print(f"{speed}: {alone:,.0f} messages/s bare, one process", flush=True)
            most = arguments.rows if speed == "fast" else arguments.slow_rows
            for kind in arguments.formats:
                for rows in sorted({most // 10, most}):
                    found.append(measure(Path(name), speed, kind, rows, alone))
                    print(" | ".join(map(str, found[-1].values())), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
