"""How fast the case base stores, opens and answers, and what it needs.

    python benchmarks/cases.py [--sizes 1000 10000 100000] [--numbers 384] [--queries 300] [--json FILE]

Texts are made up, 73 characters long as the median complaint; vectors and labels are random: the time of a model
is not in the figures. Half of the searches have labels. The time to load is that of the first search after opening.
Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from complaint_nlp.cases import Case, CaseBase
from complaint_nlp.labels import Category, Demand, Emotion, Need, Subcategory, Urgency

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

CHARS = "的一是了我不在有機客服務退款手壞貨單訂電話網路價錢說三天沒人接等很久請處理品質問題維修員態度差"
COLUMNS = ("cases", "build s", "MB on disk", "load s", "MB in memory", "p50 ms", "p99 ms", "with labels p50", "p99")


def random_vectors(numbers: int) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    source = np.random.default_rng(0)
    return lambda texts: source.standard_normal((len(texts), numbers), dtype=np.float32)


def random_labels(source: random.Random) -> dict[str, tuple[str, ...]]:
    sub = source.choice(list(Subcategory))
    return {
        "category": (Category(sub.category),),
        "subcategory": (sub,),
        "urgency": (source.choice(list(Urgency)),),
        "emotion": tuple(source.sample(list(Emotion), 2)),
        "needs": tuple(source.sample(list(Need), source.randint(0, 2))),
        "demands": tuple(source.sample(list(Demand), source.randint(0, 3))),
    }


def made_up(count: int) -> Iterator[Case]:
    source = random.Random(0)
    for number in range(count):
        text, handling = ("".join(source.choices(CHARS, k=length)) for length in (73, 40))
        yield Case(text, random_labels(source), handling, "客戶接受", source_id=f"T-{number}")


def percentiles(times: list[float]) -> list[float]:
    return [round(float(np.percentile(times, part)) * 1000, 2) for part in (50, 99)]


def measure(count: int, numbers: int, queries: int, folder: Path) -> list[float]:
    path = folder / f"{count}.db"
    embed = random_vectors(numbers)
    cases = list(made_up(count))
    began = time.perf_counter()
    with CaseBase(path, embed, model_hash="random") as base:
        base.add_many(cases)
    build = time.perf_counter() - began
    source = random.Random(1)
    with CaseBase(path, embed, model_hash="random") as base:
        began = time.perf_counter()
        base.search("第一次搜尋")
        load = time.perf_counter() - began
        times: dict[bool, list[float]] = {False: [], True: []}
        for query in range(queries):
            labels = random_labels(source) if query % 2 else None
            began = time.perf_counter()
            found = base.search("手機一直死機", k=5, labels=labels)
            times[labels is not None].append(time.perf_counter() - began)
            if len(found) != min(5, count):
                msg = "a search came back with too few cases"
                raise RuntimeError(msg)
        memory = base.nbytes
    sizes = [round(path.stat().st_size / 1e6, 1), round(load, 3), round(memory / 1e6, 1)]
    return [count, round(build, 2), *sizes, *percentiles(times[False]), *percentiles(times[True])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--numbers", type=int, default=384)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(f"{options.numbers} numbers a vector, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(" | ".join(COLUMNS))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            rows.append(measure(size, options.numbers, options.queries, Path(folder)))
            print(" | ".join(f"{value:,}" for value in rows[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps([dict(zip(COLUMNS, row, strict=True)) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
