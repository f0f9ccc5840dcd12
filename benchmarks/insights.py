"""Time of the insights of a large table: ``python benchmarks/insights.py --rows 1000000``."""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from complaint_nlp.insights import Insights

MESSAGES = Path(__file__).parents[1] / "data" / "messages.jsonl"
CLAUSES = 5
HOTSPOTS = RISES = 20


def table(rows: int, seed: int = 0) -> pd.DataFrame:
    """Return labelled messages of two years: clauses of our own messages in new mixtures, a tenth of them copies.

    Hot-spots of places and rises of places are planted, so that finding and describing them is timed too.
    """
    with MESSAGES.open(encoding="utf-8") as lines:
        own = [json.loads(line) for line in lines]
    clauses = [clause for item in own for clause in item["text"].replace("。", "，").split("，") if len(clause) > 4]
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, len(clauses), (rows, CLAUSES))
    texts = ["，".join(clauses[place] for place in places) for places in drawn.tolist()]
    copies = generator.choice(rows, rows // 10, replace=False)
    for place in copies.tolist():
        texts[place] = f"{texts[place % 1000]}，訂單{place:09d}"
    labels = [own[place] for place in generator.integers(0, len(own), rows).tolist()]
    received = np.datetime64("2024-01-01") + generator.integers(0, 2 * 365 * 1440, rows).astype("timedelta64[m]")
    received.sort()
    hours = generator.exponential(30, rows)
    kinds = [item.get("subcategory") for item in labels]
    places = generator.integers(0, 120, rows)
    days = (received - received[0]).astype("timedelta64[D]").astype(np.int64)
    for spot in range(HOTSPOTS):
        for place in np.flatnonzero((places == spot) & (generator.random(rows) < 0.2)).tolist():
            kinds[place] = kinds[rows // 2 - spot]
    for rise in range(RISES):
        places[(days // 7 == 20 + 3 * rise) & (generator.random(rows) < 0.05)] = 100 + rise
    columns: dict[str, Any] = {
        name: [item.get(name) for item in labels] for name in ("intent", "urgency", "intensity", "category", "emotion")
    }
    return pd.DataFrame(
        {
            "received_at": received,
            "text": texts,
            "product": [f"P{place:03d}" for place in (generator.pareto(1, rows) * 10).astype(int) % 200],
            "place": [f"分店{place:03d}" for place in places],
            "channel": generator.choice(["phone", "app", "line", "email"], rows),
            "customer_id": generator.integers(0, rows, rows).astype(str),
            "answered_at": received + (hours * 60).astype("timedelta64[m]"),
            "status": "ok",
            **columns,
            "subcategory": kinds,
            "department": generator.choice(["客服部", "品保部", "帳務部"], rows),
            "respond_by": received + np.timedelta64(24, "h"),
            "escalate": generator.random(rows) < 0.05,
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    frame = table(rows)
    started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    # what every process pays once, loading libraries and dictionaries, is in to_dict, which therefore comes first
    start, used = time.perf_counter(), time.process_time()
    made = Insights(frame).to_dict()
    shown = f"{time.perf_counter() - start:7.2f} s, {time.process_time() - used:7.2f} s of a core"
    print(f"{'to_dict':14} {shown} for {rows:,} rows, {len(json.dumps(made)) / 1e6:.2f} MB of JSON", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory    {peak:,.0f} MB, of which {started:,.0f} MB to make the table")
    insights = Insights(frame)
    for name in ("find_rises", "hotspots", "groups", "repeaters", "answer_times", "causes"):
        start, used = time.perf_counter(), time.process_time()
        getattr(insights, name)()
        shown = f"{time.perf_counter() - start:7.2f} s, {time.process_time() - used:7.2f} s of a core"
        print(f"{name:14} {shown}", flush=True)


if __name__ == "__main__":
    main()
