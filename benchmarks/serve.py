"""Rate and latency of the HTTP service beside the bare analyzer.

    python benchmarks/serve.py [--speed balanced] [--seconds 10] [--plan] [--workers 1]

Needs wrk (Debian: ``apt-get install wrk``), the cheapest client there is: client and server share the cores of this
machine. Messages are those of ``benchmarks/throughput.py``. Printed are, from one run:

- the bare analyzer: ``analyze_batch`` on 256 messages at a time in this process;
- the service at 1, 8 and 64 connections that each send the next message when the last is answered;
- the service under messages that come at random moments (Poisson), half as many as the bare analyzer takes.

``CPU ms`` is what a message costs all threads of analyzer or server, and behind it the analyzer's share of that.
When others load the machine it moves less than the rates do. Every line is compared with the bare analyzer just before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import psutil  # type: ignore[import-untyped,unused-ignore]
from throughput import messages  # type: ignore[import-not-found,unused-ignore]

from complaint_nlp import Analyzer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from complaint_nlp.classify.cascade import Speed

_SERVER = "from complaint_nlp.serve.run import serve; from complaint_nlp.serve.settings import Settings as S; {}"
_LUA = """
local bodies, i = {}, 0
for line in io.lines("%s") do bodies[#bodies + 1] = line end
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
function request()
  i = i %% #bodies + 1
  return wrk.format(nil, nil, nil, bodies[i])
end
"""


class Figures(NamedTuple):
    """What was measured: messages a second, CPU seconds a message, and latencies in milliseconds."""

    rate: float
    cpu: float
    p50: float = float("nan")
    p99: float = float("nan")
    failed: int = 0


def bare(analyzer: Analyzer, texts: list[str], *, whole: bool) -> Figures:
    start, used = time.perf_counter(), time.process_time()
    reports = analyzer.analyze_batch(texts)
    if whole:
        for report in reports:
            report.to_dict()
    return Figures(len(texts) / (time.perf_counter() - start), (time.process_time() - used) / len(texts))


@contextmanager
def server(speed: Speed, workers: int) -> Iterator[tuple[int, psutil.Process]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    call = f"serve(S(port={port}, speed={speed!r}, workers={workers}, desk=False))"
    process = subprocess.Popen([sys.executable, "-c", _SERVER.format(call)], stderr=subprocess.DEVNULL)  # noqa: S603 - itself
    try:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1):
                    break
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        else:
            sys.exit("the server did not start")
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


def cpu_of(process: psutil.Process) -> float:
    """Return the CPU seconds that a process and those it started have used."""
    return sum(sum(one.cpu_times()[:2]) for one in (process, *process.children(recursive=True)))


def closed(port: int, process: psutil.Process, script: Path, connections: int, seconds: float) -> Figures:
    before = cpu_of(process)
    call = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "60s", "--latency", "-s", str(script)]
    out = subprocess.run(  # noqa: S603 - the options above
        [*call, f"http://127.0.0.1:{port}/v1/analyze"], check=True, capture_output=True, text=True
    ).stdout
    used = cpu_of(process) - before
    requests, passed = re.search(r"(\d+) requests in ([\d.]+)s", out), re.search(r"Non-2xx.*: (\d+)", out)
    if requests is None:
        sys.exit(out)
    count = int(requests[1])
    return Figures(
        count / float(requests[2]),
        used / max(count, 1),
        _latency(out, 50),
        _latency(out, 99),
        int(passed[1]) if passed else 0,
    )


def _latency(out: str, percent: int) -> float:
    found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m)$", out, re.MULTILINE)
    return float(found[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}[found[2]] if found else float("nan")


async def open_loop(port: int, process: psutil.Process, bodies: list[bytes], rate: float, seconds: float) -> Figures:
    """Send messages at random moments, whether earlier ones are answered or not."""
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    took: list[float] = []
    failed = 0

    async def one(body: bytes) -> None:
        nonlocal failed
        start = time.perf_counter()
        reader, writer = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", port)
        head = (
            "POST /v1/analyze HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", answer)
        await reader.readexactly(int(length[1]) if length else 0)
        took.append((time.perf_counter() - start) * 1000)
        failed += not answer.startswith(b"HTTP/1.1 200")
        idle.append((reader, writer))

    before, start = cpu_of(process), time.perf_counter()
    tasks = []
    due = start
    while due < start + seconds:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(random.choice(bodies))))
        due += random.expovariate(rate)
    await asyncio.gather(*tasks)
    passed = time.perf_counter() - start
    for _, writer in idle:
        writer.close()
    used = (cpu_of(process) - before) / len(took)
    return Figures(len(took) / passed, used, float(np.percentile(took, 50)), float(np.percentile(took, 99)), failed)


def show(name: str, figures: Figures, reference: Figures) -> None:
    print(
        f"{name:34} {figures.rate:8.1f}/s {figures.rate / reference.rate:6.0%} {figures.cpu * 1000:8.2f} CPU ms "
        f"{reference.cpu / figures.cpu:6.0%} {figures.p50:8.0f} {figures.p99:8.0f} ms {figures.failed:4}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", choices=["fast", "balanced", "accurate"], default="balanced")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--plan", action="store_true", help="whole reports, with facts and plan")
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: apt-get install wrk")
    random.seed(0)
    texts = messages(1024)
    bodies = [json.dumps({"text": text, "plan": given.plan}, ensure_ascii=False) for text in texts]
    analyzer = Analyzer.load(speed=given.speed)
    analyzer.analyze_batch(texts[:64])
    print(f"{'':34} {'rate':>10} {'of bare':>6} {'':>15} {'':>6} {'p50':>8} {'p99':>8}     failed")
    print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")

    def beside(seconds: float) -> Figures:
        count = 0
        parts: list[Figures] = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            parts.append(bare(analyzer, texts[count % 1024 :][:256], whole=given.plan))
            count += 256
        return Figures(float(np.mean([part.rate for part in parts])), float(np.mean([part.cpu for part in parts])))

    reference = beside(given.seconds)
    show("bare" + (" with to_dict()" if given.plan else ""), reference, reference)
    with tempfile.TemporaryDirectory() as folder, server(given.speed, given.workers) as (port, process):
        lines, script = Path(folder) / "bodies.txt", Path(folder) / "load.lua"
        lines.write_text("\n".join(bodies) + "\n", encoding="utf-8")
        script.write_text(_LUA % lines, encoding="utf-8")
        closed(port, process, script, 8, 2)
        for connections in (1, 8, 64):
            reference = beside(given.seconds / 2)
            figures = closed(port, process, script, connections, given.seconds)
            show(f"service, {connections} connections", figures, reference)
        encoded = [body.encode() for body in bodies]
        reference = beside(given.seconds / 2)
        half = asyncio.run(open_loop(port, process, encoded, reference.rate / 2, given.seconds))
        show(f"service, {reference.rate / 2:.0f}/s at random", half, reference)
    show("bare again", beside(given.seconds / 2), reference)
    print(f"load of the machine after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
