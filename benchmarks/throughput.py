"""How many messages a second, and how much memory, from raw text to route.

    python benchmarks/throughput.py [--rows 20000]

Messages are our own, half traditional and half simplified, joined and cut to the length distribution of real complaints
(median 73, mean about 120 characters, at most 400). Printed side by side: a CSV file labelled with two processes, with
the peak memory of all processes together (proportional set size), the rooms and the analyzer in this process.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from complaint_nlp import Analyzer, Normalizer
from complaint_nlp.classify.bundle import open_bundle
from complaint_nlp.classify.linear import LinearClassifier

ROOT = Path(__file__).resolve().parent.parent
MEDIAN_CHARS, SPREAD, MAX_CHARS = 73.0, 1.0, 400  # log-normal fit to the lengths of real complaints


def messages(count: int, seed: int = 0) -> list[str]:
    normalizer = Normalizer()
    by_script: dict[str, list[str]] = {}
    for line in (ROOT / "data/messages.jsonl").open(encoding="utf-8"):
        text = json.loads(line)["text"]
        by_script.setdefault(normalizer.normalize(text).script.value, []).append(text)
    groups = [by_script["traditional"], by_script["simplified"]]
    random.seed(seed)
    made = []
    for i in range(count):
        wanted = int(min(MAX_CHARS, max(4, random.lognormvariate(0.0, SPREAD) * MEDIAN_CHARS)))
        group = groups[i % 2]
        text = random.choice(group)
        while len(text) < wanted:
            text += "，" + random.choice(group)
        made.append(text[:wanted])
    return made


def memory_of_tree(root: int) -> float:
    """Return the proportional set size of a process and its descendants in MB (Linux)."""
    total, waiting = 0, [root]
    while waiting:
        pid = waiting.pop()
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
            total += int(rollup.split("\nPss:")[1].split()[0])
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text(encoding="ascii").split()]
        except (OSError, IndexError):
            continue
    return total / 1024


def label_with_two_processes(source: Path, target: Path) -> tuple[float, float]:
    """Return the seconds that the command takes, start and end included, and the peak memory of all its processes."""
    command = [sys.executable, "-m", "complaint_nlp", "label", str(source), str(target), "--workers", "2"]
    began, peak = time.perf_counter(), 0.0
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:  # noqa: S603 - our own command
        while process.poll() is None:
            peak = max(peak, memory_of_tree(process.pid))
            time.sleep(0.2)
    if process.returncode:
        raise SystemExit("labelling failed")  # noqa: EM101, TRY003 - a script's last word
    return time.perf_counter() - began, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    rows = parser.parse_args().rows
    texts = messages(rows)
    print(f"{rows:,} messages, mean {sum(map(len, texts)) / rows:.0f} characters")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in.csv"
        with source.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["id", "text"])
            writer.writerows(enumerate(texts))
        seconds, peak = label_with_two_processes(source, Path(folder) / "out.csv")
        print(f"CSV to CSV, two processes   {rows / seconds:8,.0f} messages/s, peak {peak:.0f} MB")
    slice_ = texts[: rows // 4]
    began = time.perf_counter()
    normalized = Normalizer().normalize_batch(slice_)
    report("normalise", len(slice_), began)
    classifier = LinearClassifier(open_bundle("default"))
    began = time.perf_counter()
    for start in range(0, len(normalized), 512):
        classifier.predict(normalized[start : start + 512])
    report("classify", len(slice_), began)
    analyzer = Analyzer.load()
    analyzer.analyze_batch(slice_[:100])
    began = time.perf_counter()
    analyzer.analyze_batch(slice_)
    report("analyzer, one process", len(slice_), began)
    began = time.perf_counter()
    for text in slice_[:500]:
        analyzer.analyze(text)
    report("analyzer, one by one", 500, began)


def report(title: str, count: int, began: float) -> None:
    seconds = time.perf_counter() - began
    print(f"{title:27s} {count / seconds:8,.0f} messages/s, {seconds / count * 1e6:6.0f} us each")


if __name__ == "__main__":
    main()
