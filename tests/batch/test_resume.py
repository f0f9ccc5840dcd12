"""Runs that are killed, stopped or fail go on where they were: no row twice, none missing, the same output."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from complaint_nlp import DataError
from complaint_nlp.batch import files, journal, label, outputs, parts
from complaint_nlp.batch.journal import Journal, work_folder
from complaint_nlp.resources import builtin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROWS = 1000
TEXTS = [
    "手機才買一週就死機，我要退款",
    "快递显示签收但我没收到",
    "廚房瓦斯味很重，快派人來",
    "這顆行動電源壞了，打客服没人接",
]
PROGRAM = str(Path(sys.executable).with_name("complaint-nlp"))
CHILD = """
import json, sys
if __name__ == "__main__":
    from complaint_nlp.batch import label, parts
    parts.PART_ROWS = 100
    for options in json.loads(sys.argv[1]):
        label(**options)
"""
ENDINGS = ["csv", "jsonl.gz", "parquet"]
_MOMENT = re.compile(rb"20\d\d-\d\d-\d\dT[0-9:.+]+")


def make_source(path: Path, rows: int, *, broken: int = 500) -> Path:
    """Write messages that all differ, and now and then a line that cannot be read."""
    lines = []
    for i in range(rows):
        lines.append(json.dumps({"id": i, "text": f"{TEXTS[i % 4]}，單號{i}"}, ensure_ascii=False))
        if i % broken == broken - 1:
            lines.append(f"broken {i}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def content(target: Path) -> Any:
    """Return what an output holds but for its deadlines, which count from when the run was begun."""
    if target.suffix == ".parquet":
        file = pq.ParquetFile(target)
        return file.num_row_groups, file.read().drop_columns(["respond_by"])
    raw = gzip.decompress(target.read_bytes()) if target.suffix == ".gz" else target.read_bytes()
    return _MOMENT.sub(b"", raw)


def rejects(target: Path) -> bytes:
    return target.with_name(f"{target.name}.rejects.jsonl").read_bytes()


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def child(*runs: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start a process of its own, with small parts."""
    given = json.dumps([{"speed": "fast", **{name: _plain(value) for name, value in run.items()}} for run in runs])
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", CHILD, given],
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def finish(process: subprocess.Popen[bytes]) -> str:
    try:
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    return errors.decode()


def finished_parts(target: Path) -> int:
    try:
        return (work_folder(target) / "parts.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def wait_for(process: subprocess.Popen[bytes], reached: Callable[[], bool]) -> bool:
    """Wait until something is reached; return whether the process still ran."""
    deadline = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < deadline
        if process.poll() is not None:
            return False
        time.sleep(0.002)
    return process.poll() is None


def running(session: int) -> list[int]:
    """Return the processes of a session that live."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see other processes")


# --- killed


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the source and what undisturbed runs make of it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    source = make_source(folder / "in.jsonl", ROWS)
    errors = finish(
        child(*({"source": source, "target": folder / f"out.{ending}", "workers": 1} for ending in ENDINGS))
    )
    assert errors == ""
    return folder


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("ending", ENDINGS)
def test_killed_at_random_places_the_output_is_that_of_an_undisturbed_run(
    tmp_path: Path, undisturbed: Path, ending: str, workers: int
) -> None:
    target = tmp_path / f"out.{ending}"
    run = {"source": undisturbed / "in.jsonl", "target": target, "workers": workers, "resume": True}
    chance = random.Random()  # noqa: S311 - no secret
    places = sorted(chance.randrange(8) for _ in range(2 if workers == 1 or ending == "csv" else 1))
    for place in places:
        process = child(run)
        seen = max(place, finished_parts(target))
        try:
            alive = wait_for(process, lambda seen=seen: finished_parts(target) > seen)  # type: ignore[misc]
            if alive:
                time.sleep(chance.random() / 20)
        finally:
            process.kill()
            finish(process)
        if target.exists():
            break
    if not target.exists() or finished_parts(target) > 0:
        assert finished_parts(target) > 0, places
        assert finish(child(run)) == "", places
    else:  # all was done but for clearing up
        shutil.rmtree(work_folder(target), ignore_errors=True)
    assert content(target) == content(undisturbed / target.name), places
    assert rejects(target) == rejects(undisturbed / target.name), places
    assert names(tmp_path) == [target.name, f"{target.name}.manifest.json", f"{target.name}.rejects.jsonl"]
    made = json.loads((tmp_path / f"{target.name}.manifest.json").read_text(encoding="utf-8"))
    reference = json.loads((undisturbed / f"{target.name}.manifest.json").read_text(encoding="utf-8"))
    assert {made[name] == reference[name] for name in ("rows", "rejected", "counts")} == {True}


@needs_proc
def test_workers_end_with_the_killed_main_process(tmp_path: Path) -> None:
    source, target = make_source(tmp_path / "in.jsonl", 20_000), tmp_path / "out.csv"
    process = child({"source": source, "target": target, "workers": 2})
    try:
        assert wait_for(process, lambda: finished_parts(target) > 0)
        assert len(running(process.pid)) >= 4  # beside it two workers and the server they are forked from
    finally:
        process.kill()
        finish(process)
    deadline = time.monotonic() + 60
    while left := running(process.pid):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@needs_proc
def test_a_killed_worker_ends_the_run_with_one_line_and_what_is_finished_stays(tmp_path: Path) -> None:
    source, target = make_source(tmp_path / "in.jsonl", 20_000), tmp_path / "out.csv"
    process = child({"source": source, "target": target, "workers": 2})
    assert wait_for(process, lambda: finished_parts(target) > 0)
    workers = [pid for pid in running(process.pid) if _parent(pid) not in (process.pid, os.getpid())]
    os.kill(workers[0], signal.SIGKILL)
    errors = finish(process)
    assert process.returncode == 1
    assert re.search(
        r"DataError: a worker process was ended from outside .*; [\d,]+ rows are finished and kept, go on with --res",
        errors,
    )
    assert finished_parts(target) > 0


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let child processes hear SIGINT, which a shell's background jobs are started deaf to."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_installed_program_stops_politely_and_goes_on(tmp_path: Path, stop: signal.Signals) -> None:
    make_source(tmp_path / "in.jsonl", 2000)
    command = [PROGRAM, "label", "in.jsonl", "out.jsonl", "--speed", "fast", "--workers", "1"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE)  # noqa: S603 - our own program
    part = tmp_path / ".out.jsonl.work" / "part-000000"
    try:
        assert wait_for(process, lambda: part.is_file() and part.stat().st_size > 0)
        process.send_signal(stop)
    finally:
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    said = errors.decode().splitlines()
    assert re.fullmatch(r"complaint-nlp: [\d,]+ rows are finished and kept, go on with --resume", said[0])
    assert said[1:] == ["complaint-nlp: stopped"]
    assert names(tmp_path) == [".out.jsonl.work", "in.jsonl"]
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=120)  # noqa: S603
    assert again.returncode == 2
    assert b".out.jsonl.work: holds finished parts of an interrupted run; use --resume" in again.stderr
    done = subprocess.run([*command, "--resume"], cwd=tmp_path, capture_output=True, check=False, timeout=120)  # noqa: S603
    assert done.returncode == 0
    assert f"{said[0].split()[1]} of them were finished before" in done.stderr.decode()
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["id"] for row in rows] == list(range(2000))
    assert len({row["respond_by"] for row in rows if row["urgency"] == "critical"}) == 1
    assert names(tmp_path) == ["in.jsonl", "out.jsonl", "out.jsonl.manifest.json", "out.jsonl.rejects.jsonl"]


# --- stopped, in this process


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a source of 20 rows and 4 broken lines, which are labelled in parts of 4."""
    monkeypatch.setattr(parts, "PART_ROWS", 4)
    monkeypatch.setattr(files, "_CHUNK", 2)
    return make_source(tmp_path / "in.jsonl", 20, broken=5)


def stopped(source: Path, target: Path, after: int = 12, error: type[BaseException] = KeyboardInterrupt) -> None:
    """Stop a run when so many rows are read."""

    def stop(_stage: str, done: int, _total: int) -> None:
        if done >= after:
            raise error

    with pytest.raises(error):
        label(source, target, workers=1, progress=stop)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("after", [6, 13, 24])
def test_a_stopped_run_goes_on(
    tmp_path: Path, source: Path, ending: str, error: type[BaseException], after: int
) -> None:
    label(source, tmp_path / f"whole.{ending}", workers=1)
    target = tmp_path / f"out.{ending}"
    stopped(source, target, after, error)
    assert not target.exists()
    stages: list[tuple[int, int]] = []
    summary = label(source, target, workers=1, resume=True, progress=lambda _, *stage: stages.append(stage))
    assert (summary.rows, summary.rejected) == (20, 4)
    assert 0 < summary.resumed <= 20
    assert stages[0][0] >= summary.resumed  # a bar begins where the run was
    assert content(target) == content(tmp_path / f"whole.{ending}")
    assert rejects(target) == rejects(tmp_path / f"whole.{ending}")
    assert not work_folder(target).exists()


def test_resume_with_nothing_to_resume_begins(tmp_path: Path, source: Path) -> None:
    summary = label(source, tmp_path / "out.csv", workers=1, resume=True)
    assert (summary.rows, summary.resumed) == (20, 0)


@pytest.mark.parametrize(
    ("options", "differs"),
    [
        ({"mask": True}, "mask"),
        ({"where": ["id>3"]}, "where"),
        ({"sample": 0.5}, "sample"),
        ({"columns": ["id"]}, "columns"),
        ({"speed": "fast"}, "speed"),
        ({"encoding": "utf-8", "mask": True}, "encoding, mask"),
    ],
)
def test_other_settings_are_refused_by_name(
    tmp_path: Path, source: Path, options: dict[str, Any], differs: str
) -> None:
    target = tmp_path / "out.csv"
    stopped(source, target)
    before = finished_parts(target)
    with pytest.raises(DataError, match=rf"begun with other settings or another source \({differs} differ\)"):
        label(source, target, workers=1, resume=True, **options)
    assert finished_parts(target) == before > 0
    assert label(source, target, workers=1, resume=True).rows == 20


def test_another_source_and_other_rules_are_refused(tmp_path: Path, source: Path) -> None:
    target, routing = tmp_path / "out.csv", tmp_path / "routing.yaml"
    shipped = builtin("triage/routing.yaml").read_text(encoding="utf-8")
    routing.write_text(shipped, encoding="utf-8")

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        label(source, target, workers=1, routing=routing, progress=stop)
    routing.write_text(shipped.replace("critical: 1\n", "critical: 2\n"), encoding="utf-8")
    with pytest.raises(DataError, match=r"\(routing differ\)"):
        label(source, target, workers=1, routing=routing, resume=True)
    routing.write_text(shipped, encoding="utf-8")
    with source.open("a", encoding="utf-8") as stream:
        stream.write('{"id": 20, "text": "壞了"}\n')
    with pytest.raises(DataError, match=r"\(source differ\)"):
        label(source, target, workers=1, routing=routing, resume=True)
    assert finished_parts(target) > 0


def test_what_the_output_does_not_depend_on_may_change(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "out.csv"
    stopped(source, target)
    cache = tmp_path / "cache.db"
    assert label(source, target, workers=1, resume=True, max_rejects=9, cache=cache).rows == 20


@pytest.mark.parametrize("overwrite", [False, True])
def test_finished_parts_are_not_thrown_away_silently(tmp_path: Path, source: Path, overwrite: bool) -> None:  # noqa: FBT001
    target = tmp_path / "out.csv"
    stopped(source, target)
    before = {path: path.read_bytes() for path in work_folder(target).iterdir()}
    with pytest.raises(DataError, match="holds finished parts of an interrupted run; use --resume to go on with it"):
        label(source, target, workers=1, overwrite=overwrite)
    assert {path: path.read_bytes() for path in work_folder(target).iterdir()} == before


@pytest.mark.parametrize("half", ['{"part": "part-000007", "re', '{"part": "投訴'.encode()[:-1], b'{"part": 1}'])
def test_a_half_written_journal_line_does_not_count(tmp_path: Path, source: Path, half: str | bytes) -> None:
    label(source, tmp_path / "whole.csv", workers=1)
    target = tmp_path / "out.csv"
    stopped(source, target)
    with (work_folder(target) / "parts.jsonl").open("ab") as stream:
        stream.write(half.encode() if isinstance(half, str) else half)
    (work_folder(target) / "part-000009").write_text("left behind", encoding="utf-8")
    (work_folder(target) / "whole").mkdir()
    (work_folder(target) / "whole" / "half.parquet").touch()
    stopped(source, target.with_name("other.csv"))  # its folder is its own
    assert label(source, target, workers=1, resume=True).rows == 20
    assert content(target) == content(tmp_path / "whole.csv")


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda folder: (folder / "parts.jsonl").write_text("{}\n", encoding="utf-8"), "is damaged"),
        (lambda folder: (folder / "parts.jsonl").write_text("nonsense\n", encoding="utf-8"), "is damaged"),
        (lambda folder: (folder / "run.json").write_text("[", encoding="utf-8"), "is damaged"),
        (lambda folder: (folder / "part-000000").unlink(), r"part-000000: is not there any more"),
    ],
)
def test_a_damaged_work_folder_is_refused(
    tmp_path: Path, source: Path, damage: Callable[[Path], object], why: str
) -> None:
    target = tmp_path / "out.csv"
    stopped(source, target)
    damage(work_folder(target))
    with pytest.raises(DataError, match=f"{why}.*delete the folder to begin again"):
        label(source, target, workers=1, resume=True)
    assert work_folder(target).exists()


def test_another_process_at_work_is_not_disturbed(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "out.csv"
    other = Journal(target, {})
    other.begin()
    for resume in (False, True):
        with pytest.raises(DataError, match=r"\.out\.csv\.work: another process is writing this output"):
            label(source, target, workers=1, resume=resume)
    assert (other.folder / "run.json").is_file()
    other.release()
    assert label(source, target, workers=1).rows == 20


# --- failures


@pytest.mark.parametrize("ending", ENDINGS)
def test_disk_full_while_labelling_keeps_the_finished_parts(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    label(source, tmp_path / f"whole.{ending}", workers=1)
    target = tmp_path / f"out.{ending}"
    sink = outputs.ParquetSink if ending == "parquet" else outputs.TextSink
    write, count = sink.write, 0

    def failing(self: Any, encoded: Any) -> None:
        nonlocal count
        count += 1
        if count == 6:
            raise OSError(28, "No space left on device")
        write(self, encoded)

    with monkeypatch.context() as patch:
        patch.setattr(sink, "write", failing)
        with pytest.raises(
            DataError, match=r"cannot be written: No space left on device; \d rows are .* --resume"
        ) as full:
            label(source, target, workers=1)
    assert finished_parts(target) == 2
    kept = label(source, target, workers=1, resume=True).resumed
    assert 8 <= kept < 10
    assert f"; {kept} rows are finished and kept" in str(full.value)
    assert content(target) == content(tmp_path / f"whole.{ending}")


def test_disk_full_at_the_end_keeps_the_finished_parts(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out.csv"

    def failing(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(outputs.TextOutput, "assemble", failing)
        with pytest.raises(DataError, match=r"No space left on device; 20 rows are finished and kept"):
            label(source, target, workers=1)
    with monkeypatch.context() as patch:
        patch.setattr(journal, "_sync", failing)
        with pytest.raises(DataError, match=r"cannot be written: No space left on device"):
            label(source, target, workers=1, resume=True)
    assert names(tmp_path) == [".out.csv.work", "in.jsonl"]
    assert label(source, target, workers=1, resume=True).resumed == 20
    assert content(target).count(b"\n") == 21


@pytest.mark.parametrize("place", ["begin_moving", "_write_manifest", "discard"])
def test_stopped_while_the_output_is_put_in_place(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    label(source, tmp_path / "whole.csv", workers=1)
    target = tmp_path / "out.csv"

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files._Run if place == "_write_manifest" else Journal, place, stop)
        with pytest.raises(KeyboardInterrupt):
            label(source, target, workers=1)
    assert target.exists() == (place != "begin_moving")
    # what is there by now is this run's own
    assert label(source, target, workers=1, resume=True).resumed == 20
    assert content(target) == content(tmp_path / "whole.csv")
    assert rejects(target) == rejects(tmp_path / "whole.csv")
    assert not work_folder(target).exists()
    with pytest.raises(DataError, match="exists already"):
        label(source, target, workers=1, resume=True)


def test_unwritable_place_is_one_clear_error(tmp_path: Path, source: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=r"file/out\.csv: cannot be written: (File exists|Not a directory)"):
        label(source, tmp_path / "file" / "out.csv", workers=1)
