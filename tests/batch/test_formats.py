"""Formats: every encoding and format in and out, and what is set aside while the rest goes on."""

import csv
import json
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from complaint_nlp import DataError
from complaint_nlp.batch import LabelSummary
from complaint_nlp.batch import label as label_file
from complaint_nlp.batch.files import read_rows
from complaint_nlp.batch.formats import FORMATS, MAX_CELL_CHARS, Reject, Row, detect_encoding, format_of, open_rows
from complaint_nlp.labels import TASKS
from complaint_nlp.report import arrow_schema

TRADITIONAL = "手機才買一週就一直死機，客服還推三阻四，我要退款！"
SIMPLIFIED = "快递显示签收但我根本没收到，客服一直不回复"
MIXED = "這顆行動電源壞了，打客服没人接"
QUOTED = '他說："不退,\n就是不退"\t氣死我了'
MESSAGES = [TRADITIONAL, SIMPLIFIED, MIXED, QUOTED]
KINDS = ["csv", "tsv", "jsonl", "parquet"]
LABELS = arrow_schema().names


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows in the format of the ending, with nothing of the package."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return path


def read(path: Path) -> list[dict[str, Any]]:
    """Read a labelled file, with nothing of the package; lists of CSV and TSV stay joined."""
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t" if path.suffix == ".tsv" else ","))


def label(path: Path, out: str = "out.csv", **options: Any) -> tuple[LabelSummary, list[dict[str, Any]]]:
    target = path.with_name(out)
    summary = label_file(path, target, workers=1, **options)
    return summary, read(target)


def rejected(summary: LabelSummary) -> list[tuple[int, str]]:
    assert summary.rejects is not None
    lines = summary.rejects.read_text(encoding="utf-8").splitlines()
    assert len(lines) == summary.rejected
    return [(record["row"], record["reason"]) for record in map(json.loads, lines)]


@pytest.mark.parametrize("given", KINDS)
@pytest.mark.parametrize("wanted", KINDS)
def test_every_format_goes_into_every_format(tmp_path: Path, given: str, wanted: str) -> None:
    rows = [{"id": f"n{i}", "text": text} for i, text in enumerate(MESSAGES)]
    summary, found = label(write(tmp_path / f"in.{given}", rows), f"out.{wanted}")
    assert [(row["id"], row["text"]) for row in found] == [(row["id"], row["text"]) for row in rows]
    assert list(found[0]) == ["id", "text", *LABELS]
    assert [row["script"] for row in found] == ["traditional", "simplified", "mixed", "traditional"]
    assert {row["status"] for row in found} == {"ok"}
    assert summary.rows == len(rows)
    assert (summary.rejected, summary.rejects) == (0, None)
    demands = found[0]["demands"]
    assert "refund" in (demands.split("|") if wanted in ("csv", "tsv") else demands)


@pytest.mark.parametrize("wanted", KINDS)
def test_all_formats_hold_the_same_labels(tmp_path: Path, wanted: str) -> None:
    source = write(tmp_path / "in.csv", [{"text": text} for text in MESSAGES])
    _, reference = label(source, "reference.jsonl")
    label(source, f"out.{wanted}")
    again = read_rows(tmp_path / f"out.{wanted}", 10)
    for row, other in zip(reference, again, strict=True):
        for name in TASKS:
            assert str(row[name]) == str(other[name])


@pytest.mark.parametrize(
    ("encoding", "messages"),
    [
        ("utf-8", MESSAGES),
        ("utf-8-sig", MESSAGES),
        ("utf-16", MESSAGES),
        ("utf-16-le-bom", MESSAGES),
        ("utf-16-be-bom", MESSAGES),
        ("big5", [TRADITIONAL, "快遞沒有送到，客服都不接電話"]),
        ("cp950", [TRADITIONAL, "快遞沒有送到，客服都不接電話"]),
        ("gb18030", [SIMPLIFIED, "刚买的手机就死机，要求退款"]),
        ("gbk", [SIMPLIFIED, "刚买的手机就死机，要求退款"]),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_encoding_is_found_out(tmp_path: Path, encoding: str, messages: list[str], suffix: str) -> None:
    rows = [{"id": str(i), "text": text} for i, text in enumerate(messages)]
    path = write(tmp_path / f"in.{suffix}", rows)
    text = path.read_bytes().decode("utf-8")
    if encoding.endswith("-bom"):
        path.write_bytes(("\ufeff" + text).encode(encoding.removesuffix("-bom")))
    else:
        path.write_bytes(text.encode(encoding))
    summary, found = label(path)
    assert [row["text"] for row in found] == messages
    assert next(iter(found[0])) == "id"
    assert summary.rejected == 0


@pytest.mark.parametrize(("encoding", "text"), [("big5", TRADITIONAL), ("gb18030", SIMPLIFIED), ("utf-16", MIXED)])
def test_encoding_can_be_told(tmp_path: Path, encoding: str, text: str) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(f"text\n{text}\n".encode(encoding))
    _, found = label(path, encoding=encoding)
    assert [row["text"] for row in found] == [text]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_detected_encoding_reads_the_file(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "in.txt"
    path.write_bytes((MIXED * 20_000).encode(encoding))  # longer than the sample, which ends within a character
    assert path.read_text(encoding=detect_encoding(path)) == MIXED * 20_000


@pytest.mark.parametrize("encoding", ["no-such", "rot13"])
def test_unknown_encoding_is_refused(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "in.csv", [{"text": TRADITIONAL}])
    with pytest.raises(DataError, match=rf"in\.csv: cannot be read: .*{encoding}"):
        label(path, encoding=encoding)


def test_wrong_encoding_sets_the_rows_aside(tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", [{"text": SIMPLIFIED}])
    summary, found = label(path, encoding="ascii")
    assert found == []
    assert rejected(summary) == [(1, "holds bytes that are not text in the file's encoding")]


def test_utf_16_without_its_mark_is_refused_when_told_so(tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", [{"text": SIMPLIFIED}])
    with pytest.raises(DataError, match=r"in\.csv: its first line cannot be read"):
        label(path, encoding="utf-16")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_newlines_within_quotes_are_part_of_the_message(tmp_path: Path, newline: str) -> None:
    path = tmp_path / "in.csv"
    text = f"第一行坏了{newline}第二行也壞了"
    path.write_bytes(f'id,text{newline}1,"{text}"{newline}2,"{TRADITIONAL}"{newline}'.encode())
    summary, found = label(path)
    assert [row["text"] for row in found] == [text, TRADITIONAL]
    assert summary.rejected == 0


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_quotation_mark_that_is_never_closed_costs_only_its_own_line(tmp_path: Path, newline: str) -> None:
    path = tmp_path / "in.csv"
    lines = [
        "id,text",
        f"1,{SIMPLIFIED}",
        f'2,"{TRADITIONAL}',
        f"3,{MIXED}",
        "4,壞了,多一格",
        f'5,"{MIXED}{newline}又來"',
    ]
    path.write_bytes((newline.join(lines[:5]) + newline).encode())
    summary, found = label(path)
    assert [row["id"] for row in found] == ["1", "3"]
    assert rejected(summary) == [
        (2, "a quotation mark is never closed"),
        (4, "3 cells where the header has 2"),
    ]
    path.write_bytes((newline.join(lines[:3]) + newline).encode())  # nothing stands behind it
    summary, found = label(path, out="again.csv")
    assert [row["id"] for row in found] == ["1"]
    assert rejected(summary) == [(2, "a quotation mark is never closed")]


def test_an_open_quotation_mark_in_a_long_file_costs_one_line(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    rows = [f"{i},手機壞了{i}" for i in range(MAX_CELL_CHARS // 4)]
    path.write_text("\n".join(["id,text", '0,"開頭的引號', *rows]), encoding="utf-8")
    _, read_again = open_rows(path, None)
    first = next(read_again)
    assert isinstance(first, Reject)
    assert "field limit" in first.reason
    assert first.content == '0,"開頭的引號'
    assert [row.values["id"] for row in islice(read_again, 3) if isinstance(row, Row)] == ["0", "1", "2"]
    assert sum(isinstance(row, Row) for row in read_again) == len(rows) - 3


def test_nul_bytes_are_dropped_and_the_row_kept(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes("id,text\n1,手機\0壞了\n2,\0手机坏了\0\n".encode())
    summary, found = label(path)
    assert [row["text"] for row in found] == ["手機壞了", "手机坏了"]
    assert summary.rejected == 0


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_ragged_rows_are_set_aside_with_number_and_reason(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"in.{suffix}"
    lines = ["id,text", "1,手機壞了", "2", "3,手机坏了,多", "", "4,手机坏了"]
    path.write_text("\n".join(lines).replace(",", "\t" if suffix == "tsv" else ","), encoding="utf-8")
    summary, found = label(path)
    assert [row["id"] for row in found] == ["1", "4"]
    assert rejected(summary) == [(2, "1 cells where the header has 2"), (3, "3 cells where the header has 2")]
    assert summary.rejects == tmp_path / "out.csv.rejects.jsonl"


@pytest.mark.parametrize(
    ("encoding", "text", "broken"),
    [
        ("utf-8", TRADITIONAL, b"\xff\xfe\xfa"),
        ("utf-8", SIMPLIFIED, "手".encode()[:2]),
        ("big5", TRADITIONAL, b"\xff\xff"),
        ("gb18030", SIMPLIFIED, b"\xff\xff"),
        ("utf-16-le", MIXED, b"\x3d\xd8"),
    ],
)
def test_undecodable_bytes_set_only_their_row_aside(tmp_path: Path, encoding: str, text: str, broken: bytes) -> None:
    path = tmp_path / "in.csv"
    head = b"\xff\xfe" if encoding == "utf-16-le" else b""
    rows = [f"{i},{text}\n".encode(encoding) for i in range(1, 31)]
    rows[1] = "2,".encode(encoding) + broken + "\n".encode(encoding)
    path.write_bytes(head + "id,text\n".encode(encoding) + b"".join(rows))
    summary, found = label(path)
    assert rejected(summary) == [(2, "holds bytes that are not text in the file's encoding")]
    assert [row["id"] for row in found] == ["1", *map(str, range(3, 31))]
    assert {row["text"] for row in found} == {text}


def test_cut_off_utf_16_file_loses_only_its_last_row(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(f"id,text\n1,{TRADITIONAL}\n2,{SIMPLIFIED}\n".encode("utf-16")[:-1])
    summary, found = label(path)
    assert [row["text"] for row in found] == [TRADITIONAL]
    assert rejected(summary) == [(2, "holds bytes that are not text in the file's encoding")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "手機壞了"', "not valid JSON: "),
        ("手机坏了", "not valid JSON: "),
        ('["手机坏了"]', "not a JSON object"),
        ("null", "not a JSON object"),
        ('{"text": "\\ud83d手机坏了"}', "holds half a character"),
        ('{"text": "手机坏了", "tags": [{"\\udc00": 1}]}', "holds half a character"),
        ('{"text": ' + "[" * 100_000, "not valid JSON: "),
    ],
    ids=["cut off", "no JSON", "list", "null", "half a character", "half a character in a key", "deep"],
)
@pytest.mark.parametrize("wanted", ["csv", "jsonl", "parquet"])
def test_broken_json_lines_are_set_aside_with_number_and_reason(
    tmp_path: Path, line: str, reason: str, wanted: str
) -> None:
    path = tmp_path / "in.jsonl"
    good = [json.dumps({"id": i, "text": text}, ensure_ascii=False) for i, text in enumerate(MESSAGES)]
    path.write_text("\n".join([good[0], line, "", *good[1:], line]), encoding="utf-8")
    summary, found = label(path, f"out.{wanted}")
    assert [row["text"] for row in found] == MESSAGES
    assert [number for number, _ in rejected(summary)] == [2, 7]
    assert all(why.startswith(reason) for _, why in rejected(summary))


@pytest.mark.parametrize("wanted", KINDS)
def test_broken_first_json_line_costs_no_column(tmp_path: Path, wanted: str) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(f'{{"id": "a", "te\n[1]\n\n{{"id": "b", "text": "{TRADITIONAL}"}}\n', encoding="utf-8")
    summary, found = label(path, f"out.{wanted}")
    assert [(row["id"], row["text"]) for row in found] == [("b", TRADITIONAL)]
    assert [number for number, _ in rejected(summary)] == [1, 2]


def test_escaped_character_beyond_the_first_plane_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "手機壞了\\ud83d\\ude21"}\n{"text": "\\u624b\\u673a\\u574f\\u4e86"}\n', encoding="utf-8")
    summary, found = label(path)
    assert [row["text"] for row in found] == ["手機壞了😡", "手机坏了"]
    assert summary.rejected == 0


def test_cell_beyond_the_limit_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text(f"id,text\n1,{'手' * (MAX_CELL_CHARS + 1)}\n2,{SIMPLIFIED}\n", encoding="utf-8")
    summary, found = label(path)
    assert [row["id"] for row in found] == ["2"]
    assert rejected(summary) == [(1, "not readable as CSV: field larger than field limit (1000000)")]


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
@pytest.mark.parametrize("content", ["", "\n\n", " , \n", "\ufeff"])
def test_empty_table_is_refused(tmp_path: Path, suffix: str, content: str) -> None:
    path = tmp_path / f"in.{suffix}"
    path.write_text(content.replace(",", "\t" if suffix == "tsv" else ","), encoding="utf-8")
    with pytest.raises(DataError, match=rf"in\.{suffix}: is empty; the first line should hold the column names"):
        label(path)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("wanted", KINDS)
def test_header_only_gives_an_empty_table(tmp_path: Path, wanted: str) -> None:
    path = tmp_path / "in.csv"
    path.write_text("id,text\n", encoding="utf-8")
    summary, found = label(path, f"out.{wanted}")
    assert (summary.rows, found) == (0, [])
    if wanted == "parquet":
        assert pq.read_schema(tmp_path / "out.parquet").names == ["id", "text", *LABELS]
    elif wanted != "jsonl":
        head = (tmp_path / f"out.{wanted}").read_text(encoding="utf-8-sig").splitlines()
        assert [name for line in head for name in line.replace("\t", ",").split(",")] == ["id", "text", *LABELS]


@pytest.mark.parametrize("given", ["jsonl", "parquet"])
def test_file_without_rows_gives_an_empty_table(tmp_path: Path, given: str) -> None:
    path = tmp_path / f"in.{given}"
    if given == "parquet":
        pq.write_table(pa.table({"text": pa.array([], pa.string())}), path)
    else:
        path.write_text("\n", encoding="utf-8")
    for wanted in KINDS:
        summary, found = label(path, f"out.{wanted}")
        assert (summary.rows, found) == (0, [])


@pytest.mark.parametrize("given", KINDS)
def test_missing_column_is_refused_with_the_columns_there_are(tmp_path: Path, given: str) -> None:
    path = write(tmp_path / f"in.{given}", [{"編號": "1", "内容": SIMPLIFIED}])
    with pytest.raises(DataError) as caught:
        label(path)
    assert str(caught.value) == f"{path}: has no column 'text'; its columns are 編號, 内容 (use --text-column)"
    _, found = label(path, text_column="内容")
    assert found[0]["script"] == "simplified"


def test_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("id,内容,text,内容\n1,a,b,c\n", encoding="utf-8")
    with pytest.raises(DataError, match="the column '内容' stands twice in the first line"):
        label(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"PAR1" * 10])
def test_damaged_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "in.parquet"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"in\.parquet: not a readable Parquet file"):
        label(path)


def test_oversized_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("手" * (MAX_CELL_CHARS + 1) + ",text\n1,手机坏了\n", encoding="utf-8")
    with pytest.raises(DataError, match="its first line cannot be read: field larger than field limit"):
        label(path)


@pytest.mark.parametrize("name", ["a.xls", "a", "a.csv.zip", "a.parquet.gz", "a.xlsx.xz", "a.gz", ".csv"])
def test_unknown_ending_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(
        DataError, match=r"unknown file ending .*; use one of \.csv, \.tsv, \.jsonl, \.ndjson, \.parquet, \.xlsx; "
    ):
        format_of(Path(name))


@pytest.mark.parametrize("ending", [".gz", ".zst", ".xz", ".GZ"])
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_text_may_be_compressed(kind: str, ending: str) -> None:
    assert format_of(Path(f"a.b.{kind}{ending}")) == kind


def test_ending_counts_in_any_case() -> None:
    assert [format_of(Path(f"A{ending.upper()}")) for ending in FORMATS] == list(FORMATS.values())


@pytest.mark.parametrize("given", KINDS)
def test_parquet_has_the_published_schema(tmp_path: Path, given: str) -> None:
    rows = [{"id": str(i), "text": text} for i, text in enumerate([*MESSAGES, "", "hello"])]
    label(write(tmp_path / f"in.{given}", rows), "out.parquet")
    schema = pq.read_schema(tmp_path / "out.parquet")
    published = arrow_schema()
    assert schema.names == ["id", "text", *published.names]
    for item in published:
        if item.name != "respond_by":  # Parquet knows no whole seconds, it keeps milliseconds
            assert schema.field(item.name) == item
    assert schema.field("respond_by").type == pa.timestamp("ms", tz="UTC")
    assert schema.metadata[b"complaint_nlp_schema"] == published.metadata[b"complaint_nlp_schema"]


def test_parquet_keeps_the_types_of_the_inputs_own_columns(tmp_path: Path) -> None:
    rows = [{"n": 1, "x": 0.5, "ok": True, "tags": ["a", "甲"], "none": None, "text": TRADITIONAL}]
    _, found = label(write(tmp_path / "in.parquet", rows), "out.parquet")
    assert {name: found[0][name] for name in rows[0]} == rows[0]


def test_value_that_fits_no_parquet_column_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(f'{{"n": 1, "text": "{SIMPLIFIED}"}}\n{{"n": "x", "text": "{TRADITIONAL}"}}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"does not fit the type of its column in Parquet.*write JSONL instead"):
        label(path, "out.parquet")
    assert [item.name for item in tmp_path.iterdir()] == ["in.jsonl"]
    _, found = label(path, "out.jsonl")
    assert [row["n"] for row in found] == [1, "x"]


def test_csv_output_opens_in_excel_and_has_no_blank_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", [{"text": text} for text in MESSAGES[:3]])
    label(path)
    raw = (tmp_path / "out.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    assert raw.count(b"\n") == 4
    assert b"\r\r" not in raw
