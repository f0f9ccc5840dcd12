"""What Spark and Ray cost: the same rows through either and through the bare ``label_batch`` loop, in one run.

    python benchmarks/cluster.py [--rows 10000] [--workers 1] [--speed fast] [--repeats 2]

Needs the extras ``spark`` and ``ray`` and Java. Messages are those of ``benchmarks/throughput.py``, in Parquet
files; all read them on as many worker processes and throw the labels away. Ray gets one core more for reading. A
run over a message per file comes first: it is what starting costs (Ray starts its actors anew every time), and is
taken off before the rates are compared. The median of the repeats counts, with the order bare, Spark, Ray in each
of them. Ten thousand messages and more: over a few hundred the start is all there is to see.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from throughput import messages  # type: ignore[import-not-found,unused-ignore]

from complaint_nlp import Analyzer
from complaint_nlp.batch import label_batch
from complaint_nlp.batch.cluster import ROWS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession  # type: ignore[import-not-found,unused-ignore]

    from complaint_nlp.classify.cascade import Speed

FILES_PER_WORKER = 4
_analyzers: list[Analyzer] = []


def write_files(folder: Path, texts: list[str], files: int) -> None:
    folder.mkdir()
    for i in range(files):
        part = texts[i::files]
        pq.write_table(pa.table({"id": pa.array(range(len(part))), "text": part}), folder / f"{i:03}.parquet")


def load(speed: Speed) -> None:
    _analyzers.append(Analyzer.load(speed=speed, threads=1))


def label_one(path: Path) -> int:
    done = 0
    for batch in pq.ParquetFile(path).iter_batches(batch_size=ROWS):
        done += label_batch(batch, analyzer=_analyzers[0]).num_rows
    return done


def with_spark(session: SparkSession, speed: Speed) -> Callable[[Path], None]:
    from complaint_nlp.batch.spark import label

    def run(folder: Path) -> None:
        labelled = label(session.read.parquet(str(folder)), speed=speed)
        labelled.write.format("noop").mode("overwrite").save()

    return run


def with_ray(workers: int, speed: Speed) -> Callable[[Path], None]:
    import ray  # type: ignore[import-not-found,unused-ignore]

    from complaint_nlp.batch.ray import label

    def run(folder: Path) -> None:
        files = workers * FILES_PER_WORKER
        # Ray reads small files into one block, which would be one actor's alone
        dataset = ray.data.read_parquet(str(folder)).repartition(files)
        label(dataset, speed=speed, concurrency=workers).materialize()

    return run


def started_spark(workers: int) -> SparkSession:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(f"local[{workers}]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.memory", "1g")
    # a file is a task
    session = builder.config("spark.sql.files.openCostInBytes", str(2**27)).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def timed(run: Callable[[Path], None], folder: Path) -> float:
    began = time.perf_counter()
    run(folder)
    return time.perf_counter() - began


def report(rows: int, starts: dict[str, list[float]], fulls: dict[str, list[float]]) -> None:
    bare = 0.0
    print(f"{'':6s} {'all':>8s} {'starting':>9s} {'messages/s':>11s} {'× bare':>7s}")
    for name, full in fulls.items():
        whole, start = statistics.median(full), statistics.median(starts[name])
        rate = rows / max(whole - start, 1e-9)
        bare = bare or rate
        print(f"{name:6s} {whole:7.1f}s {start:8.1f}s {rate:11,.0f} {rate / bare:7.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--speed", choices=["fast", "balanced", "accurate"], default="fast")
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # for the processes that are started below
    import ray

    files = given.workers * FILES_PER_WORKER
    texts = messages(given.rows)
    starts: dict[str, list[float]] = {}
    fulls: dict[str, list[float]] = {}
    pools = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as place, pools.Pool(given.workers, load, (given.speed,)) as pool:
        few, all_of_them = Path(place) / "few", Path(place) / "all"
        write_files(few, texts[:files], files)
        write_files(all_of_them, texts, files)
        ray.init(num_cpus=given.workers + 1, object_store_memory=2**29, include_dashboard=False, log_to_driver=False)
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        session = started_spark(given.workers)
        ways: dict[str, Callable[[Path], Any]] = {
            "bare": lambda folder: pool.map(label_one, sorted(folder.iterdir()), chunksize=1),
            "Spark": with_spark(session, given.speed),
            "Ray": with_ray(given.workers, given.speed),
        }
        for run in ways.values():
            run(few)  # loads models and starts Java's compiler
        for _ in range(given.repeats):
            for name, run in ways.items():
                starts.setdefault(name, []).append(timed(run, few))
                fulls.setdefault(name, []).append(timed(run, all_of_them))
        session.stop()
        ray.shutdown()
    print(f"{given.rows:,} messages, {given.workers} worker processes, speed={given.speed}")
    report(given.rows, starts, fulls)


if __name__ == "__main__":
    main()
