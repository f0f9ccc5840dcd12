"""Compressed files, Excel, folders of Parquet, pipes; and what goes with a file: rejects, manifest, cache."""

from __future__ import annotations

import gzip
import json
import lzma
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openpyxl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import complaint_nlp
from complaint_nlp import Analyzer, ConfigError, DataError
from complaint_nlp.batch import LabelSummary, excel, files, journal, label, parts
from complaint_nlp.batch.files import read_rows
from complaint_nlp.report import SCHEMA_VERSION, arrow_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

TRADITIONAL = "手機才買一週就一直死機，客服還推三阻四，我要退款！"
SIMPLIFIED = "快递显示签收但我根本没收到，客服一直不回复"
MIXED = "這顆行動電源壞了，打客服没人接"
URGENT = "廚房瓦斯味很重，快派人來"
MESSAGES = [TRADITIONAL, SIMPLIFIED, MIXED, URGENT, "厨房煤气味很重，快来人"]
LABELS = arrow_schema().names
PROGRAM = str(Path(sys.executable).with_name("complaint-nlp"))
ENDINGS = [f"{kind}{packed}" for kind in ("csv", "tsv", "jsonl") for packed in (".gz", ".zst", ".xz")]


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def without_deadline(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "respond_by"} for row in rows]


def pack(ending: str, data: bytes) -> bytes:
    if ending == ".zst":
        return bytes(pa.compress(data, codec="zstd", asbytes=True))
    return gzip.compress(data) if ending == ".gz" else lzma.compress(data)


def unpack(path: Path) -> bytes:
    if path.suffix == ".zst":
        with pa.input_stream(path, compression="zstd") as stream:
            return bytes(stream.read())
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else lzma.decompress(path.read_bytes())


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_ROWS", 2)
    monkeypatch.setattr(files, "_CHUNK", 2)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return jsonl(tmp_path / "in.jsonl", [{"id": i, "text": text} for i, text in enumerate(MESSAGES)])


# --- compressed


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("ending", ENDINGS)
def test_compressed_files_go_in_and_out(tmp_path: Path, source: Path, ending: str) -> None:
    target = tmp_path / f"out.{ending}"
    assert label(source, target, workers=1).rows == 5
    label(source, tmp_path / f"plain.{ending.partition('.')[0]}", workers=1)
    content = unpack(target)  # joined parts are one file to others too
    plain = (tmp_path / f"plain.{ending.partition('.')[0]}").read_bytes()
    assert content.count(b"\n") == plain.count(b"\n")
    assert [row["text"] for row in read_rows(target, 10)] == MESSAGES
    # and in again: what was labelled, and what others compressed
    other = tmp_path / f"other.{ending}"
    other.write_bytes(pack(target.suffix, plain))
    for given in (target, other):
        summary = label(given, tmp_path / "again.jsonl", workers=1, columns=["id", "text"], overwrite=True)
        assert (summary.rows, summary.rejected) == (5, 0)
        assert [row["text"] for row in read(tmp_path / "again.jsonl")] == MESSAGES


@pytest.mark.parametrize("encoding", ["big5", "utf-16"])
def test_encoding_is_found_out_behind_compression(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "in.csv.gz"
    path.write_bytes(gzip.compress(f"text\n{TRADITIONAL}\n".encode(encoding)))
    label(path, tmp_path / "out.jsonl", workers=1)
    assert [row["text"] for row in read(tmp_path / "out.jsonl")] == [TRADITIONAL]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("ending", [".gz", ".zst", ".xz"])
def test_damaged_compression_is_one_clear_error(tmp_path: Path, kind: str, ending: str) -> None:
    lines = "".join(json.dumps({"text": f"手機壞了{i}"}) + "\n" for i in range(20_000))
    data = pack(ending, lines.encode() if kind == "jsonl" else f"text\n{lines}".replace(",", ";").encode())
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 0xFF
    # Zstandard has no checksum of its own: not every changed byte can be seen
    changed = [] if ending == ".zst" else [bytes(damaged)]
    for content in (data[: len(data) // 2], *changed, b"no such thing"):
        path = tmp_path / f"in.{kind}{ending}"
        path.write_bytes(content)
        with pytest.raises(DataError, match=rf"in\.{kind}\{ending}: cannot be read"):
            # reads on without labelling
            label(path, tmp_path / "out.jsonl", workers=1, where=["text=nothing"])
    assert not (tmp_path / "out.jsonl").exists()


def test_an_empty_compressed_table(tmp_path: Path) -> None:
    path = tmp_path / "in.csv.xz"
    path.write_bytes(lzma.compress(b"id,text\n"))
    for ending in ENDINGS:
        assert label(path, tmp_path / f"out.{ending}", workers=1).rows == 0
        assert unpack(tmp_path / f"out.{ending}").count(b"\n") == (not ending.startswith("jsonl"))


# --- Excel


def workbook(path: Path, rows: list[list[Any]]) -> Path:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    book.create_sheet("second").append(["not read"])
    book.save(path)
    return path


def sheet_of(path: Path) -> Any:
    return openpyxl.load_workbook(path).worksheets[0]


@pytest.mark.usefixtures("small_parts")
def test_excel_goes_in_and_out(tmp_path: Path) -> None:
    moment = datetime(2026, 11, 18, 10, 30)  # noqa: DTZ001 - Excel knows no zones
    rows: list[list[Any]] = [
        ["編號", "时间", "內容", "n"],
        [1, moment, TRADITIONAL, 2.5],
        [],
        [2, None, SIMPLIFIED],
        ["", None, None, None],
    ]
    source = workbook(tmp_path / "in.xlsx", [*rows, [3, None, MIXED, None]])
    summary = label(source, tmp_path / "out.xlsx", workers=1, text_column="內容")
    assert (summary.rows, summary.rejected) == (3, 0)
    sheet = sheet_of(tmp_path / "out.xlsx")
    found = list(sheet.iter_rows(values_only=True))
    assert list(found[0]) == ["編號", "时间", "內容", "n", *LABELS]
    assert [row[2] for row in found[1:]] == [TRADITIONAL, SIMPLIFIED, MIXED]
    assert (found[1][0], found[1][1], found[1][3]) == (1, "2026-11-18T10:30:00", 2.5)
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", f"A1:{sheet.cell(4, len(found[0])).coordinate}")
    assert "refund" in str(found[1][found[0].index("demands")]).split("|")
    assert found[1][found[0].index("escalate")] in (True, False)
    assert isinstance(found[1][found[0].index("intent_confidence")], float)
    label(tmp_path / "out.xlsx", tmp_path / "again.jsonl", workers=1, text_column="內容")
    assert [row["內容"] for row in read(tmp_path / "again.jsonl")] == [TRADITIONAL, SIMPLIFIED, MIXED]


def test_formula_like_and_illegal_text_stays_text_in_excel(tmp_path: Path) -> None:
    texts = [
        "=1+1 手機壞了",
        "+886912 打不通電話",
        '@SUM(A1) 手机坏了"',
        "-手機壞了",
        "手機\x01壞\x0b了",
        " 客服\n態度很差 ",
        "=cmd|' /C calc'!A0",
    ]
    numbers = [20261107000000001, 10**15 - 1, 0.5, True, None, -3, 1.5e300]
    rows = [{"text": text, "n": number} for text, number in zip(texts, numbers, strict=True)]
    label(jsonl(tmp_path / "in.jsonl", rows), tmp_path / "out.xlsx", workers=1)
    cells = list(sheet_of(tmp_path / "out.xlsx").iter_rows(min_row=2, max_col=2))
    assert {row[0].data_type for row in cells} == {"s"}
    assert [row[0].value for row in cells] == [text.replace("\x01", "").replace("\x0b", "") for text in texts]
    # Excel rounds numbers of more than 15 digits: an order's number would be another
    assert [row[1].value for row in cells] == ["20261107000000001", 10**15 - 1, 0.5, True, None, -3, "1.5e+300"]


@pytest.mark.parametrize(("text", "fits"), [("好" * 32_767, True), ("好" * 32_768, False), ("😡" * 16_384, False)])
def test_a_cell_that_is_too_long_for_excel_is_said_at_once(tmp_path: Path, text: str, fits: bool) -> None:  # noqa: FBT001
    source = jsonl(tmp_path / "in.jsonl", [{"text": MIXED}, {"text": text}])
    target = tmp_path / "out.xlsx"
    if fits:
        assert label(source, target, workers=1).rows == 2
        assert sheet_of(target).cell(3, 1).value == text
        return
    with pytest.raises(DataError, match=r"column 'text': 32,768 characters, and an Excel cell holds 32,767; write CSV"):
        label(source, target, workers=1)
    assert [item.name for item in tmp_path.iterdir()] == ["in.jsonl"]


def test_more_rows_than_a_sheet_holds_go_on_in_the_next(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(excel, "MAX_SHEET_ROWS", 3)
    label(source, tmp_path / "out.xlsx", workers=1)
    book = openpyxl.load_workbook(tmp_path / "out.xlsx")
    assert book.sheetnames == ["labelled", "labelled 2", "labelled 3"]
    found = [[row[1] for row in sheet.iter_rows(values_only=True)] for sheet in book.worksheets]
    assert found == [["text", *MESSAGES[:2]], ["text", *MESSAGES[2:4]], ["text", MESSAGES[4]]]
    assert {sheet.freeze_panes for sheet in book.worksheets} == {"A2"}


def test_wrong_rows_of_a_sheet_are_set_aside_and_wrong_sheets_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "in.xlsx", [["id", "text"], [1, MIXED], [2, MIXED, None, "beyond"], [3], [4, MIXED]])
    summary = label(path, tmp_path / "out.jsonl", workers=1)
    assert [row["id"] for row in read(tmp_path / "out.jsonl")] == [1, 3, 4]
    assert summary.rejects is not None
    assert [(item["row"], item["reason"]) for item in read(summary.rejects)] == [
        (2, "has cells beyond the 2 columns of the first row")
    ]
    for rows, why in (
        ([["id", "text", "id"]], "'id' stands twice in the first row"),
        ([[None, None]], "is empty"),
        ([], "is empty"),
        ([["id", "內容"]], "has no column 'text'; its columns are id, 內容"),
    ):
        with pytest.raises(DataError, match=rf"in\.xlsx: .*{why}"):
            label(workbook(path, rows), tmp_path / "never.csv", workers=1)
    for content in (b"", b"PK\x03\x04 no workbook", path.read_bytes()[:2000]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"in\.xlsx: not a readable Excel workbook"):
            label(path, tmp_path / "never.csv", workers=1)


def test_without_openpyxl_it_is_said_before_any_work(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ConfigError, match=r"Excel files need openpyxl: pip install 'complaint-nlp\[excel\]'"):
        label(source, tmp_path / "out.xlsx", workers=1, progress=lambda *_: pytest.fail("has begun"))


# --- Parquet folders


@pytest.mark.usefixtures("small_parts")
def test_parquet_folders_go_in_and_out(tmp_path: Path) -> None:
    rows = [{"id": i, "area": ("北", "a/b=c", None)[i % 3], "text": MESSAGES[i % 5]} for i in range(12)]
    given = tmp_path / "given"
    for name, some in (("year=2025/b", rows[:5]), ("year=2025/c", rows[5:6]), ("year=2026/a", rows[6:])):
        path = given / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(some), path)
    (given / "_SUCCESS").touch()
    summary = label(given, tmp_path / "by", workers=1, partition_by=["year", "area"], progress=lambda *_: None)
    assert (summary.rows, summary.target) == (12, tmp_path / "by")
    folders = {str(path.parent.relative_to(tmp_path / "by")) for path in (tmp_path / "by").rglob("*.parquet")}
    assert len(folders) == 6
    assert "year=2025/area=北" in {folder.replace("%E5%8C%97", "北") for folder in folders}
    found = ds.dataset(tmp_path / "by", partitioning="hive").to_table().to_pylist()
    assert sorted((row["id"], row["year"], row["area"]) for row in found if row["area"]) == [
        (row["id"], 2025 if i < 6 else 2026, row["area"]) for i, row in enumerate(rows) if row["area"]
    ]
    assert {row["id"] for row in found} == set(range(12))
    # a folder that was written is read again, and only replaced when asked for
    assert label(tmp_path / "by", tmp_path / "again.csv", workers=1, columns=["id", "text"]).rows == 12
    with pytest.raises(DataError, match="by: exists already; use --overwrite"):
        label(given, tmp_path / "by", workers=1, partition_by=["area"])
    label(given, tmp_path / "by", workers=1, partition_by=["urgency"], overwrite=True)
    assert {path.name.partition("=")[0] for path in (tmp_path / "by").iterdir()} == {"urgency"}


@pytest.mark.parametrize(
    ("partition_by", "why"),
    [
        (["brand"], "there is no column 'brand' to partition by; the columns are id, text, status"),
        (["category"], "column 'category' holds several values a row"),
        (["evidence"], "column 'evidence' holds several values a row"),
    ],
)
def test_wrong_partitions_are_refused_before_any_work(
    tmp_path: Path, source: Path, partition_by: list[str], why: str
) -> None:
    with pytest.raises(DataError, match=why):
        label(source, tmp_path / "by", workers=1, partition_by=partition_by)
    assert [item.name for item in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_folder_is_replaced_only_where_nothing_else_is_lost(tmp_path: Path, source: Path) -> None:
    folder = tmp_path / "by"
    folder.mkdir()
    inside = folder / "in.parquet"
    pq.write_table(pa.table({"text": MESSAGES}), inside)
    with pytest.raises(DataError, match="by: holds the input"):
        label(inside, folder, workers=1, partition_by=["urgency"], overwrite=True)
    with pytest.raises(DataError, match="by/out: lies within the input"):
        label(folder, folder / "out", workers=1, partition_by=["urgency"])
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match="by: holds something else than Parquet files"):
        label(source, folder, workers=1, partition_by=["urgency"], overwrite=True)
    with pytest.raises(DataError, match=r"in\.jsonl: is the input itself"):
        label(source, source, workers=1, partition_by=["urgency"], overwrite=True)
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match="file: is a file; write to a folder"):
        label(source, tmp_path / "file", workers=1, partition_by=["urgency"], overwrite=True)
    assert sorted(item.name for item in folder.iterdir()) == ["in.parquet", "notes.txt"]


def test_bytes_that_are_no_text_spoil_their_own_row_of_parquet(tmp_path: Path) -> None:
    raw = pa.array([TRADITIONAL.encode(), b"\xb3o\xac\xb0", SIMPLIFIED.encode()], pa.binary())
    texts = pa.Array.from_buffers(pa.string(), 3, raw.buffers())  # as other programs write it, without a look
    pq.write_table(pa.table({"id": [1, 2, 3], "text": texts}), tmp_path / "in.parquet")
    summary = label(tmp_path / "in.parquet", tmp_path / "out.parquet", workers=1)
    assert pq.read_table(tmp_path / "out.parquet").column("id").to_pylist() == [1, 3]
    assert summary.rejects is not None
    assert [(item["row"], item["reason"]) for item in read(summary.rejects)] == [(2, "holds bytes that are not text")]


@pytest.mark.usefixtures("small_parts")
def test_row_groups_do_not_depend_on_the_parts(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "in.jsonl", [{"n": 2**40 + i, "text": "手機壞了"} for i in range(50)])
    label(source, tmp_path / "out.parquet", workers=1)
    assert pq.ParquetFile(tmp_path / "out.parquet").num_row_groups == 1
    jsonl(source, [{"n": 2**80, "text": "手機壞了"}])
    with pytest.raises(DataError, match="does not fit the type of its column in Parquet"):
        label(source, tmp_path / "big.parquet", workers=1)


# --- pipes


def pipe(*arguments: str, given: bytes) -> subprocess.CompletedProcess[bytes]:
    command = [PROGRAM, "label", *arguments, "--speed", "fast"]
    return subprocess.run(command, input=given, capture_output=True, check=False, timeout=120)  # noqa: S603


def test_standard_input_and_output(tmp_path: Path, source: Path) -> None:
    broken = source.read_bytes() + b"broken\n"
    done = pipe("-", "-", "--columns", "id", given=broken)
    assert done.returncode == 0
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["id"], row["status"]) for row in found] == [(i, "ok") for i in range(5)]
    assert "1 rows set aside" in done.stderr.decode()
    assert [item.name for item in tmp_path.iterdir()] == ["in.jsonl"]
    # and each alone
    other = pipe("-", str(tmp_path / "out.csv"), "--dry-run", given=broken)
    assert (other.returncode, other.stdout) == (0, b"")
    assert [item.name for item in tmp_path.iterdir()] == ["in.jsonl"]
    wrong = pipe("-", "-", "--max-rejects", "0", given=broken)
    assert (wrong.returncode, wrong.stdout) == (2, b"")
    (line,) = wrong.stderr.decode().splitlines()
    assert line.startswith("complaint-nlp: -: more than 0 rows cannot be read; row 6: not valid JSON: Expecting value")


def test_a_reader_that_has_seen_enough_causes_no_traceback(source: Path) -> None:
    process = subprocess.Popen(  # noqa: S603 - our own program
        [PROGRAM, "label", str(source), "-", "--speed", "fast"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()  # as head does, but before anything is written
    _, errors = process.communicate(timeout=120)
    assert b"Traceback" not in errors


# --- rejects, dry run, manifest


@pytest.mark.parametrize(("limit", "fits"), [(0, False), (1, False), (2, True), (None, True)])
def test_max_rejects(tmp_path: Path, source: Path, limit: int | None, fits: bool) -> None:  # noqa: FBT001
    with source.open("a", encoding="utf-8") as stream:
        stream.write("broken\n[]\n")
    if fits:
        assert label(source, tmp_path / "out.csv", workers=1, max_rejects=limit).rejected == 2
        return
    with pytest.raises(
        DataError, match=rf"in\.jsonl: more than {limit} rows cannot be read; row {6 + (limit or 0)}: not"
    ):
        label(source, tmp_path / "out.csv", workers=1, max_rejects=limit)
    assert [item.name for item in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.usefixtures("small_parts")
def test_too_many_rejects_keep_what_is_finished(tmp_path: Path, source: Path) -> None:
    with source.open("a", encoding="utf-8") as stream:
        stream.write("broken\n" * 3 + json.dumps({"id": 9, "text": MIXED}) + "\n")
    with pytest.raises(DataError, match=r"more than 2 rows cannot be read; row 8.*rows are finished and kept"):
        label(source, tmp_path / "out.jsonl", workers=1, max_rejects=2)
    summary = label(source, tmp_path / "out.jsonl", workers=1, max_rejects=3, resume=True)
    assert (summary.rows, summary.rejected) == (6, 3)
    assert [row["id"] for row in read(tmp_path / "out.jsonl")] == [0, 1, 2, 3, 4, 9]


def test_a_dry_run_checks_all_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_CHUNK", 4)
    rows = [{"id": i, "text": MESSAGES[i % 5]} for i in range(10)]
    source = jsonl(tmp_path / "in.jsonl", rows)
    summary = label(source, tmp_path / "new" / "out.csv", dry_run=True, cache=tmp_path / "cache.db")
    assert (summary.rows, summary.target, summary.manifest) == (4, None, None)
    assert summary.counts["status"] == {"ok": 4}
    assert [item.name for item in tmp_path.iterdir()] == ["in.jsonl"]
    with pytest.raises(DataError, match="has no column 'body'"):
        label(source, tmp_path / "out.csv", dry_run=True, text_column="body")
    with pytest.raises(DataError, match="unknown file ending"):
        label(source, tmp_path / "out.doc", dry_run=True)


def test_the_manifest_says_how_the_labels_came_about(tmp_path: Path, source: Path, analyzer: Analyzer) -> None:
    with source.open("a", encoding="utf-8") as stream:
        stream.write("broken\n")
    before = datetime.now(UTC).replace(microsecond=0)
    summary = label(source, tmp_path / "out.csv", workers=1, where=["id>0"], mask=True)
    assert summary.manifest == tmp_path / "out.csv.manifest.json"
    manifest = json.loads(summary.manifest.read_text(encoding="utf-8"))
    assert (manifest["rows"], manifest["rejected"], manifest["source"]) == (4, 1, str(source))
    assert manifest["counts"] == {name: dict(counts) for name, counts in summary.counts.items()}
    settings = manifest["settings"]
    assert settings["model_hash"] == analyzer.bundle.hash
    assert (settings["version"], settings["schema"]) == (complaint_nlp.__version__, SCHEMA_VERSION)
    assert (settings["where"], settings["mask"], settings["sample"], settings["columns"]) == (["id>0"], True, 1.0, None)
    assert before <= datetime.fromisoformat(manifest["received_at"]) <= datetime.fromisoformat(manifest["finished"])
    assert manifest["python"] == sys.version.split()[0]


# --- result cache


class Asked:
    """How many messages the model was asked about."""

    def __init__(self, analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        stream = Analyzer.analyze_stream

        def counting(given: Analyzer, texts: Any, **options: Any) -> Iterator[Any]:
            listed = list(texts)
            self.count += len(listed)
            return stream(given, listed, **options)

        monkeypatch.setattr(Analyzer, "analyze_stream", counting)
        self.analyzer = analyzer

    def by(self, source: Path, target: Path, **options: Any) -> tuple[int, LabelSummary]:
        self.count = 0
        summary = label(source, target, workers=1, overwrite=True, **options)
        return self.count, summary


@pytest.fixture
def asked(analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(analyzer, monkeypatch)


def test_the_same_text_is_asked_once(tmp_path: Path, asked: Asked) -> None:
    source = jsonl(tmp_path / "in.jsonl", [{"id": i, "text": MESSAGES[i % 2]} for i in range(300)])
    count, summary = asked.by(source, tmp_path / "out.jsonl")
    assert (count, summary.rows) == (2, 300)
    rows = read(tmp_path / "out.jsonl")
    assert [row["id"] for row in rows] == list(range(300))
    assert [row["script"] for row in rows] == ["traditional", "simplified"] * 150


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_second_run_does_not_ask_the_model(tmp_path: Path, asked: Asked, ending: str) -> None:
    texts = [*MESSAGES, "", "hello there", "好", None]
    source = jsonl(tmp_path / "in.jsonl", [{"text": text} for text in texts])
    first, second, cache = tmp_path / f"first.{ending}", tmp_path / f"second.{ending}", tmp_path / "cache.db"
    assert asked.by(source, first, cache=cache)[0] == len(texts)
    count, summary = asked.by(source, second, cache=cache)
    assert (count, summary.rows) == (0, len(texts))
    assert without_deadline(read_rows(first, 99)) == without_deadline(read_rows(second, 99))
    with source.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"text": "新的訊息，手機壞了"}) + "\n")
    assert asked.by(source, second, cache=cache)[0] == 1
    assert MESSAGES[0].encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("cache.db*"))


def test_other_settings_do_not_share(
    tmp_path: Path, source: Path, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, target = tmp_path / "cache.db", tmp_path / "out.jsonl"
    assert asked.by(source, target, cache=cache)[0] == 5
    assert asked.by(source, target, cache=cache, mask=True)[0] == 5
    with monkeypatch.context() as patch:
        patch.setattr(Analyzer, "speed", "accurate")
        assert asked.by(source, target, cache=cache)[0] == 5
    with monkeypatch.context() as patch:
        patch.setattr(asked.analyzer, "bundle", replace(asked.analyzer.bundle, hash="0" * 64))
        assert asked.by(source, target, cache=cache)[0] == 5
    rules = tmp_path / "rules.yaml"
    rules.write_text("a: 1\n", encoding="utf-8")
    assert asked.by(source, target, cache=cache, routing=rules)[0] == 5
    rules.write_text("a: 2\n", encoding="utf-8")
    assert asked.by(source, target, cache=cache, routing=rules)[0] == 5
    assert asked.by(source, target, cache=cache, routing=rules)[0] == 0
    assert asked.by(source, target, cache=cache)[0] == 0


def test_deadlines_count_from_the_new_run(
    tmp_path: Path, asked: Asked, monkeypatch: pytest.MonkeyPatch, analyzer: Analyzer
) -> None:
    source = jsonl(tmp_path / "in.jsonl", [{"text": text} for text in MESSAGES])
    cache, target = tmp_path / "cache.db", tmp_path / "out.jsonl"
    first = datetime(2026, 11, 18, 2, 30, tzinfo=UTC)
    found, counts = [], []
    for moment in (first, first + timedelta(days=40)):
        monkeypatch.setattr(journal.Journal, "received_at", lambda _, moment=moment: moment)
        counts.append(asked.by(source, target, cache=cache)[0])
        found.append([row["respond_by"] for row in read(target)])
        fresh = analyzer.analyze_batch(MESSAGES, received_at=moment)
        assert [report.route.respond_by.isoformat() for report in fresh if report.route is not None] == found[-1]
    assert counts == [5, 0]
    assert not set(found[0]) & set(found[1])


@pytest.mark.parametrize("damage", ["text", "other table", "rows", "header"])
def test_a_damaged_cache_is_refused(tmp_path: Path, source: Path, damage: str) -> None:
    cache, target = tmp_path / "cache.db", tmp_path / "out.jsonl"
    label(source, target, workers=1, cache=cache)
    if damage == "text":
        cache.write_text("no database at all, " * 100, encoding="utf-8")
    elif damage == "header":
        cache.write_bytes(b"\0" * 100 + cache.read_bytes()[100:])
    else:
        connection = sqlite3.connect(cache)
        if damage == "rows":
            connection.execute("UPDATE labels SET labels = '[]'")
        else:
            connection.execute("DROP TABLE labels")
            connection.execute("CREATE TABLE labels (mine TEXT)")
        connection.commit()
        connection.close()
    before = target.read_bytes()
    with pytest.raises(
        DataError, match=r"cache\.db: the result cache cannot be used: .*; delete it, or leave --cache out"
    ):
        label(source, target, workers=1, cache=cache, overwrite=True)
    assert target.read_bytes() == before
    with pytest.raises(DataError, match="the result cache cannot be used"):
        label(source, target, workers=1, cache=tmp_path / "no" / "folder.db", overwrite=True)


def test_several_processes_share_a_cache(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "in.jsonl", [{"id": i, "text": f"{MESSAGES[i % 5]}{i}"} for i in range(600)])
    cache = tmp_path / "cache.db"
    for name in ("first", "second"):
        label(source, tmp_path / f"{name}.jsonl", workers=2, speed="fast", cache=cache)
    first, second = (without_deadline(read(tmp_path / f"{name}.jsonl")) for name in ("first", "second"))
    assert first == second
    connection = sqlite3.connect(cache)
    assert connection.execute("SELECT count(*), count(DISTINCT space) FROM labels").fetchone() == (600, 1)
    connection.close()


def test_wrong_rules_are_said_by_other_processes_too(tmp_path: Path, source: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("version: 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"rules\.yaml:1: routes: Field required"):
        label(source, tmp_path / "out.csv", workers=2, routing=rules)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["in.jsonl", "rules.yaml"]
