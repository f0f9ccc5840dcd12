"""Labelling files: what is kept, what is refused, and that a file appears whole or not at all."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from complaint_nlp import Analyzer, ConfigError, DataError, ModelError
from complaint_nlp.batch import files, outputs
from complaint_nlp.batch import label as label_file
from complaint_nlp.batch.files import read_rows
from complaint_nlp.report import arrow_schema

TRADITIONAL = "手機才買一週就一直死機，客服還推三阻四，我要退款！"
SIMPLIFIED = "快递显示签收但我根本没收到，客服一直不回复"
MIXED = "這顆行動電源壞了，打客服没人接"
LABELS = arrow_schema().names


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return jsonl(tmp_path / "in.jsonl", [{"text": text} for text in (TRADITIONAL, SIMPLIFIED, MIXED)])


@pytest.fixture
def frozen_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Frozen(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override] # plain, for other processes
            return datetime(2026, 1, 2, 3, 4, 5, tzinfo=tz)

    monkeypatch.setattr(files, "datetime", Frozen)


def test_existing_target_is_kept_unless_overwriting_is_asked_for(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match=r"out\.jsonl: exists already; use --overwrite to replace it"):
        label_file(source, target, workers=1)
    assert target.read_text(encoding="utf-8") == "mine"
    label_file(source, target, workers=1, overwrite=True)
    assert len(read(target)) == 3
    assert names(tmp_path) == ["in.jsonl", "out.jsonl", "out.jsonl.manifest.json"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_source_is_never_overwritten_by_any_name(tmp_path: Path, source: Path, overwrite: bool) -> None:  # noqa: FBT001
    before = source.read_bytes()
    link = tmp_path / "link.jsonl"
    link.symlink_to(source)
    (tmp_path / "folder").mkdir()
    for target in (source, link, tmp_path / "folder" / ".." / "in.jsonl"):
        with pytest.raises(DataError, match="is the input itself; write to another file"):
            label_file(source, target, workers=1, overwrite=overwrite)
    assert source.read_bytes() == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_directory_is_no_target(tmp_path: Path, source: Path, overwrite: bool) -> None:  # noqa: FBT001
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(DataError, match=r"out\.csv: is a directory; write to a file"):
        label_file(source, tmp_path / "out.csv", workers=1, overwrite=overwrite)


def test_missing_source_and_unknown_target_are_refused_before_any_work(tmp_path: Path, source: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.csv: no such file"):
        label_file(tmp_path / "nowhere.csv", tmp_path / "out.csv")
    with pytest.raises(DataError, match=r"out\.xls: unknown file ending"):
        label_file(source, tmp_path / "out.xls")
    with pytest.raises(DataError, match="lies within the input"):
        label_file(tmp_path, tmp_path / "out.csv")
    assert names(tmp_path) == ["in.jsonl"]
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=r"folder: holds no \.parquet files"):
        label_file(tmp_path / "folder", tmp_path / "out.csv")
    assert names(tmp_path) == ["folder", "in.jsonl"]


def test_missing_folders_of_the_target_are_made(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "報告" / "2026" / "out.jsonl"
    assert label_file(source, target, workers=1).target == target
    assert names(target.parent) == ["out.jsonl", "out.jsonl.manifest.json"]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("failing_write", [1, 2])
def test_failure_while_writing_leaves_neither_target_nor_staging(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, failing_write: int
) -> None:
    monkeypatch.setattr(files, "_CHUNK", 2)
    source = jsonl(tmp_path / "in.jsonl", [{"text": text} for text in [TRADITIONAL, SIMPLIFIED, MIXED] * 3])
    sink = outputs.ParquetSink if suffix == "parquet" else outputs.TextSink
    write = sink.write
    seen: list[list[str]] = []

    def failing(self: Any, encoded: Any) -> None:
        seen.append([item.name for folder in tmp_path.glob(".out*") for item in folder.iterdir()])
        if len(seen) == failing_write:
            msg = "disk full"
            raise OSError(28, msg)
        write(self, encoded)

    monkeypatch.setattr(sink, "write", failing)
    with pytest.raises(DataError, match=rf"out\.{suffix}: cannot be written: disk full$"):
        label_file(source, tmp_path / f"out.{suffix}", workers=1)
    assert "run.json" in seen[0]
    assert names(tmp_path) == ["in.jsonl"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, SystemExit])
def test_interrupt_while_labelling_keeps_the_old_target(
    tmp_path: Path, source: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "out.csv"
    target.write_text("mine", encoding="utf-8")

    def stop(*_: Any, **__: Any) -> None:
        raise error

    with pytest.raises(error):
        label_file(source, target, workers=1, overwrite=True, progress=stop)
    assert target.read_text(encoding="utf-8") == "mine"
    if error is not KeyboardInterrupt:
        assert names(tmp_path) == ["in.jsonl", "out.csv"]
        return
    # what is labelled is kept, and only asked for it goes on
    assert names(tmp_path) == [".out.csv.work", "in.jsonl", "out.csv"]
    with pytest.raises(DataError, match=r"\.out\.csv\.work: holds finished parts .* use --resume"):
        label_file(source, target, workers=1, overwrite=True)
    assert target.read_text(encoding="utf-8") == "mine"
    assert label_file(source, target, workers=1, overwrite=True, resume=True).resumed == 3
    assert names(tmp_path) == ["in.jsonl", "out.csv", "out.csv.manifest.json"]
    assert len(read_rows(target, 10)) == 3


def test_wrong_model_and_wrong_rules_leave_nothing_behind(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the real loader
    rules = tmp_path / "rules.yaml"
    rules.write_text("version: 1\n", encoding="utf-8")
    with pytest.raises(ModelError, match="no model bundle here"):
        label_file(source, tmp_path / "out.csv", workers=1, model=tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"rules\.yaml:1: routes: Field required"):
        label_file(source, tmp_path / "out.csv", workers=1, routing=rules)
    with pytest.raises(ConfigError, match=r"rules\.yaml:1: negations: Field required"):
        label_file(source, tmp_path / "out.csv", workers=1, safety_rules=rules)
    assert names(tmp_path) == ["in.jsonl", "rules.yaml"]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let child processes hear SIGINT, which a shell's background jobs are started deaf to."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_leaves_no_target_and_no_traceback_but_what_is_finished(tmp_path: Path, workers: int) -> None:
    texts = (TRADITIONAL, SIMPLIFIED, MIXED)
    lines = [f"{i},{texts[i % 3]}，單號{i}" for i in range(40_000)]  # the same text would be labelled once
    source = tmp_path / "in.csv"
    source.write_text("\n".join(["id,text", *lines]), encoding="utf-8")
    command = [sys.executable, "-c", "from complaint_nlp.cli import main; main()", "label", str(source)]
    process = subprocess.Popen(  # noqa: S603 - our own command
        [*command, str(tmp_path / "out.csv"), "--workers", str(workers), "--speed", "fast"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not any(item.stat().st_size > 100_000 for item in tmp_path.glob(".out.csv.work/part-000000")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers too
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert "Traceback" not in errors
    kept = re.match(r"complaint-nlp: ([\d,]+) rows are finished and kept, go on with --resume\n", errors)
    assert kept is not None, errors
    assert errors.endswith("\ncomplaint-nlp: stopped\n")
    assert names(tmp_path) == [".out.csv.work", "in.csv"]
    journal = (tmp_path / ".out.csv.work" / "parts.jsonl").read_text(encoding="utf-8").splitlines()
    assert 0 < json.loads(journal[-1])["rows"] == int(kept[1].replace(",", "")) < 40_000


@pytest.mark.usefixtures("frozen_time")
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_one_and_two_processes_write_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    texts = [TRADITIONAL, SIMPLIFIED, MIXED, "", "hello", "謝謝店員"]
    rows = [{"id": i, "text": f"{texts[i % len(texts)]}"} for i in range(1100)]
    source = jsonl(tmp_path / "in.jsonl", rows)
    with source.open("a", encoding="utf-8") as stream:
        stream.write("broken\n")
    one = label_file(source, tmp_path / f"one.{suffix}", workers=1)
    two = label_file(source, tmp_path / f"two.{suffix}", workers=2)
    assert one.target is not None
    assert two.target is not None
    assert one.target.read_bytes() == two.target.read_bytes()
    assert one.rejects is not None
    assert two.rejects is not None
    assert one.rejects.read_bytes() == two.rejects.read_bytes()
    assert one.counts == two.counts
    assert (one.rows, one.rejected) == (two.rows, two.rejected) == (1100, 1)
    assert [row["id"] for row in read_rows(two.target, 2000)] == [str(i) if suffix == "csv" else i for i in range(1100)]


def test_order_is_kept_across_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_CHUNK", 3)
    texts = [TRADITIONAL, SIMPLIFIED, "", MIXED]
    source = jsonl(tmp_path / "in.jsonl", [{"id": i, "text": texts[i % 4]} for i in range(100)])
    label_file(source, tmp_path / "out.jsonl", workers=1)
    found = read(tmp_path / "out.jsonl")
    assert [row["id"] for row in found] == list(range(100))
    scripts = ["traditional", "simplified", None, "mixed"]
    assert [row["script"] for row in found] == [scripts[i % 4] for i in range(100)]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_column_named_like_a_label_is_kept_as_input(tmp_path: Path, suffix: str) -> None:
    source = jsonl(
        tmp_path / "in.jsonl", [{"status": "新", "text": SIMPLIFIED, "category": "x", "urgency_decision": "y"}]
    )
    label_file(source, tmp_path / f"out.{suffix}", workers=1)
    row = read_rows(tmp_path / f"out.{suffix}", 1)[0]
    assert list(row) == ["input_status", "text", "input_category", "input_urgency_decision", *LABELS]
    assert (row["input_status"], row["input_category"], row["input_urgency_decision"]) == ("新", "x", "y")
    assert row["status"] == "ok"


def test_text_column_may_be_named_like_a_label(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "in.jsonl", [{"evidence": TRADITIONAL}])
    label_file(source, tmp_path / "out.jsonl", workers=1, text_column="evidence")
    row = read(tmp_path / "out.jsonl")[0]
    assert row["input_evidence"] == TRADITIONAL
    assert row["script"] == "traditional"


def test_labelling_a_labelled_file_again_and_again_loses_no_column(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "0.jsonl", [{"status": "mine", "text": TRADITIONAL}])
    for i in range(3):
        label_file(source, tmp_path / f"{i + 1}.csv", workers=1)
        source = tmp_path / f"{i + 1}.csv"
    row = read_rows(source, 1)[0]
    assert len(row) == 2 + 3 * len(LABELS)
    assert "mine" in [value for name, value in row.items() if name.endswith("input_status")]


def test_summary_counts_what_the_file_holds(tmp_path: Path) -> None:
    source = jsonl(
        tmp_path / "in.jsonl",
        [{"text": text} for text in [TRADITIONAL, SIMPLIFIED, MIXED, "", "x", "hello world", "好", "字" * 30_000]],
    )
    with source.open("a", encoding="utf-8") as stream:
        stream.write("broken\n[]\n")
    stages: list[tuple[str, int, int]] = []
    summary = label_file(
        source,
        tmp_path / "out.jsonl",
        workers=1,
        progress=lambda stage, done, total: stages.append((stage, done, total)),
    )
    found = read(tmp_path / "out.jsonl")
    assert (summary.rows, summary.rejected) == (len(found), 2) == (8, 2)
    assert summary.counts["status"] == Counter(row["status"] for row in found)
    assert summary.counts["intent"] == Counter(row["intent"] for row in found if row["intent"])
    assert summary.counts["category"] == Counter(value for row in found for value in row["category"])
    assert summary.counts["emotion"] == Counter(row["emotion"][0] for row in found if row["emotion"])
    assert summary.counts["urgency"] == Counter(row["urgency"] for row in found if row["urgency"])
    assert summary.counts["department"] == Counter(row["department"] for row in found if row["department"])
    assert stages[-1] == ("labelling", 10, 10)
    assert summary.seconds > 0


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_empty_cells_have_the_status_empty_and_no_labels(tmp_path: Path, suffix: str) -> None:
    source = jsonl(tmp_path / "in.jsonl", [{"id": 1, "text": text} for text in ["", "  ", "\u200b", None]])
    summary = label_file(source, tmp_path / f"out.{suffix}", workers=1)
    assert summary.counts["status"] == {"empty": 4}
    for row in read_rows(tmp_path / f"out.{suffix}", 10):
        assert row["status"] == "empty"
        assert row["category"] == row["emotion"] == []
        assert not row["intent"]
        assert not row["respond_by"]


def test_row_without_the_text_key_is_an_empty_message(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "in.jsonl", [{"id": 1, "text": TRADITIONAL}, {"id": 2}, {"id": 3, "text": 5}])
    label_file(source, tmp_path / "out.jsonl", workers=1)
    assert [row["status"] for row in read(tmp_path / "out.jsonl")] == ["ok", "empty", "error"]


def test_labels_are_those_of_the_analyzer(tmp_path: Path, source: Path, analyzer: Analyzer) -> None:
    label_file(source, tmp_path / "out.parquet", workers=1)
    found = pq.read_table(tmp_path / "out.parquet").to_pylist()
    for row, text in zip(found, (TRADITIONAL, SIMPLIFIED, MIXED), strict=True):
        columns = analyzer.analyze(text).to_columns()
        for name, value in columns.items():
            if name == "evidence":
                assert [item["text"] for item in row[name]] == [item["text"] for item in value]
            elif name.endswith("_confidence"):
                assert row[name] == pytest.approx(value)
            elif name != "respond_by":
                assert row[name] == value


def test_deadline_counts_from_one_moment_for_the_whole_file(tmp_path: Path) -> None:
    urgent = [{"text": text} for text in ("廚房瓦斯味很重，快來人", "厨房煤气味很重，快来人") * 400]
    source = jsonl(tmp_path / "in.jsonl", urgent)
    before = datetime.now(UTC)
    label_file(source, tmp_path / "out.jsonl", workers=1)
    after = datetime.now(UTC)
    rows = read(tmp_path / "out.jsonl")
    assert {row["urgency"] for row in rows} == {"critical"}
    (deadline,) = {row["respond_by"] for row in rows}
    # these wait for no opening hours
    assert before <= datetime.fromisoformat(deadline) - timedelta(hours=1) <= after
