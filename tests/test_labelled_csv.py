"""Labelled tables say the same as labelled JSONL, and what is wrong in them is named by file, line and column."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_nlp import DataError, labelled_table
from complaint_nlp.batch import label as label_file
from complaint_nlp.evaluation import evaluate
from complaint_nlp.labelled import LabelledMessage, read_labelled
from complaint_nlp.labels import TASKS

HEADER = ["id", "text", *TASKS, "source", "trade", "draw", "split"]


def write(path: Path, content: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(content.encode(encoding))
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(DataError) as caught:
        read_labelled(path)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.CSV", ","), ("a.tsv", "\t")])
def test_a_table_is_read_as_it_stands(tmp_path: Path, name: str, delimiter: str, newline: str, encoding: str) -> None:
    rows = [
        ["text", "urgency", "emotion", "intensity", "needs", "id", "trade"],
        ["手機壞了", "low", "angry|anxious", "2", "venting|respect", "m1", "bank"],
        ["东西很好", "", "", "", "", "", ""],
        ["", "", "", "", "", "", ""],
        ["服務 態度 差", "high", "frustrated", "3.0", "", "", "hotel"],
    ]
    content = newline.join([delimiter.join(row) for row in rows])
    assert read_labelled(write(tmp_path / name, content, encoding)) == [
        LabelledMessage(
            "m1",
            "手機壞了",
            {
                "urgency": ("low",),
                "emotion": ("angry", "anxious"),
                "intensity": ("2",),
                "needs": ("venting", "respect"),
            },
            trade="bank",
        ),
        LabelledMessage(f"{name}:3", "东西很好", {"needs": ()}),
        LabelledMessage(
            f"{name}:5",
            "服務 態度 差",
            {"urgency": ("high",), "emotion": ("frustrated",), "intensity": ("3",), "needs": ()},
            trade="hotel",
        ),
    ]


def test_a_column_that_is_not_there_labels_nothing_and_an_empty_cell_labels_none(tmp_path: Path) -> None:
    (message,) = read_labelled(write(tmp_path / "a.csv", "text,category,demands\n谢谢,,\n"))
    assert message.labels == {"category": (), "demands": ()}
    (message,) = read_labelled(write(tmp_path / "b.csv", ",".join(["text", *TASKS]) + "\n謝謝" + "," * len(TASKS)))
    assert message.labels == {"category": (), "subcategory": (), "needs": (), "demands": ()}


def test_line_breaks_quotes_and_delimiters_in_cells_are_kept(tmp_path: Path) -> None:
    content = 'text,urgency\n"第一行\n第二行,說""壞了""\r\n\r\n",low\n他说"坏了"。,high\n'
    first, second = read_labelled(write(tmp_path / "a.csv", content))
    assert first.text == '第一行\n第二行,說"壞了"\r\n\r\n'
    assert (second.text, second.id) == ('他说"坏了"。', "a.csv:6")


def test_blanks_around_names_and_values_do_not_matter_but_a_text_stays_as_it_is(tmp_path: Path) -> None:
    content = " text , category,intensity,split \n  壞了 , price | service, 1 , train \n"
    (message,) = read_labelled(write(tmp_path / "a.csv", content), split="train")
    assert message == LabelledMessage("a.csv:2", "  壞了 ", {"category": ("price", "service"), "intensity": ("1",)})


def test_only_the_wanted_split_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,split\na,train\nb,test\nc,\n")
    assert [m.text for m in read_labelled(path, split="train")] == ["a", "c"]
    assert [m.text for m in read_labelled(path, split="test")] == ["b", "c"]
    assert [m.text for m in read_labelled(path)] == ["a", "b", "c"]


def test_columns_of_other_names_are_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'text,note,,urgency,\n壞了,"x,y",1,low,2\n')
    assert read_labelled(path) == [LabelledMessage("a.csv:2", "壞了", {"urgency": ("low",)})]


def test_tables_and_lines_of_json_are_read_together(tmp_path: Path) -> None:
    table = write(tmp_path / "a.tsv", "text\turgency\n壞了\tlow\n")
    lines = write(tmp_path / "b.jsonl", json.dumps({"text": "坏了", "urgency": "high"}))
    assert [m.id for m in read_labelled([table, lines, table])] == ["a.tsv:2", "b.jsonl:1", "a.tsv:2"]


WRONG: list[tuple[str, str, str]] = [
    ("unknown value", "壞了,soon,,,", "urgency: 'soon' is not one of low, medium, high, critical"),
    ("two of one", "坏了,low|high,,,", "urgency: exactly one value is needed, got 2"),
    ("twice", "壞了,low,venting|venting,,", "needs: a value stands there twice"),
    ("empty part", "坏了,low,venting|,,", "needs: '' is not one of venting"),
    ("other separator", '壞了,low,"venting,respect",,', "needs: 'venting,respect' is not one of"),
    ("half a number", "坏了,low,,1.5,", "intensity: '1.5' is not one of 0, 1, 2, 3"),
    ("too high a number", "壞了,low,,4.0,", "intensity: '4' is not one of"),
    ("no number", "坏了,low,,nan,", "intensity: 'nan' is not one of"),
    ("no text", ",low,,,", "text: is empty"),
    ("blank text", '" \u3000\n",low,,,', "text: is empty"),
    ("too few cells", "壞了,low", "2 cells where the first line has 5"),
    ("too many cells", "坏了，,low,,,,", "6 cells where the first line has 5"),
    ("text after a quote", '"壞了"啦,low,,,', "not readable as CSV, check its quotes: "),
]


@pytest.mark.parametrize(("line", "problem"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_wrong_line_is_named_with_file_line_and_column(tmp_path: Path, line: str, problem: str) -> None:
    content = f'text,urgency,needs,intensity,id\n"很\n好",low,,,\n\n{line}\n好,low,,,\n好,late,,,\n'
    path = write(tmp_path / "a.csv", content)
    first, second = problems(path)
    assert first.startswith(f"{path}:5: {problem}")
    # and the lines after it are checked, with their own numbers
    assert second.startswith(f"{path}:{7 + line.count(chr(10))}: urgency: 'late'")


HEADERS: list[tuple[str, str, str]] = [
    ("empty", "", "1: the file is empty"),
    ("blank", "\n , ,\n\n", "1: the file is empty"),
    ("no text", "message,urgency\n壞,low\n", "1: text: there is no such column; the first line names message, urgency"),
    ("semicolons", "\n\ntext;urgency\n坏;low\n", "3: text: there is no such column; the first line names text;urgency"),
    ("twice", "text,urgency,urgency\n壞,low,high\n", "1: urgency: the column stands twice in the first line"),
    ("capitals", "text,Urgency\n坏,low\n", "1: Urgency: write the name of the column as urgency"),
    ("open quote", '"text,urgency\n壞,low\n', "1: not readable as CSV, check its quotes: "),
]


@pytest.mark.parametrize(("content", "problem"), [row[1:] for row in HEADERS], ids=[row[0] for row in HEADERS])
def test_a_wrong_header_is_told_once(tmp_path: Path, content: str, problem: str) -> None:
    path = write(tmp_path / "a.csv", content)
    (line,) = problems(path)
    assert line.startswith(f"{path}:{problem}")


def test_up_to_ten_wrong_lines_are_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,urgency\n" + "坏,soon\n" * 40)
    lines = problems(path)
    assert [line.split(": ")[0] for line in lines[:-1]] == [f"{path}:{number}" for number in range(2, 12)]
    assert lines[-1] == "(further lines were not checked)"


@pytest.mark.parametrize("data", ["壞了".encode("big5"), "坏了".encode("gb18030"), "text\n壞".encode("utf-16")])
def test_a_file_that_is_no_utf8_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"text\n" + data if not data.startswith(b"\xff") else data)
    (line,) = problems(path)
    assert line.startswith(f"{path}: cannot be read as UTF-8 text")


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    (line,) = problems(tmp_path / "none.csv")
    assert line.startswith(f"{tmp_path / 'none.csv'}: cannot be read")


@pytest.mark.parametrize("cell", ['"' + "好\n" * 700_000, "好" * 1_000_001, '"' + "好" * 1_200_000 + '"'])
def test_a_row_without_end_is_not_read_to_its_end(tmp_path: Path, cell: str) -> None:
    path = write(tmp_path / "a.csv", f"text,urgency\n好,soon\n{cell},low\n好,late\n")
    first, second = problems(path)
    assert first.startswith(f"{path}:2: urgency: 'soon'")
    assert second == f"{path}:3: a row of more than 1,000,000 characters; is a closing quote missing?"


def test_a_quote_that_is_never_closed_is_named_where_it_opens(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'text,urgency\n好,low\n"壞了,low\n坏了,low\n')
    (line,) = problems(path)
    assert line.startswith(f"{path}:3: not readable as CSV, check its quotes: ")


def test_long_cells_are_read_and_the_limit_of_others_is_not_lowered(tmp_path: Path) -> None:
    before = csv.field_size_limit(5_000_000)
    try:
        path = write(tmp_path / "a.csv", "text\n" + "壞" * 400_000 + "\n" + "坏" * 999_999 + "\n")
        assert [len(message.text) for message in read_labelled(path)] == [400_000, 999_999]
        assert csv.field_size_limit() == 5_000_000
    finally:
        csv.field_size_limit(before)


def test_a_file_that_was_labelled_can_be_evaluated_as_it_is(tmp_path: Path, analyzer: Any) -> None:
    texts = ["手機才買一週就一直死機，客服還推三阻四，我要退款！", "谢谢，服务很好", "什麼時候到貨？"]
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("\n".join(["text", *texts]), "utf-8")
    label_file(source, target, workers=1)
    messages = read_labelled(target)
    assert [message.text for message in messages] == texts
    for message, report in zip(messages, analyzer.analyze_batch(texts), strict=True):
        assert message.labels == {name: tuple(map(str, report.task(name).labels)) for name in TASKS}
    assert evaluate(analyzer, target)


def cells(name: str) -> st.SearchStrategy[Any]:
    values = st.sampled_from(TASKS[name].values)
    if not TASKS[name].is_multilabel:
        return st.none() | values
    return st.lists(values, unique=True, max_size=3, min_size=name == "emotion")


RECORDS = st.fixed_dictionaries(
    {
        "text": st.text("壞坏了,\"|\t'\n\r;好x \ufeff", min_size=1).filter(lambda text: bool(text.strip())),
        **{name: cells(name) for name in TASKS},
        "trade": st.sampled_from(["", "bank", "餐廳"]),
    }
)


@given(records=st.lists(RECORDS, min_size=1, max_size=4), suffix=st.sampled_from([".csv", ".tsv"]))
@settings(max_examples=60, deadline=None)
def test_a_table_says_the_same_as_lines_of_json(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]], suffix: str
) -> None:
    folder = tmp_path_factory.mktemp("same")
    lines, table = folder / "a.jsonl", folder / f"a{suffix}"
    records = [{"id": str(number), **record} for number, record in enumerate(records)]
    lines.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, HEADER, delimiter=labelled_table.DELIMITERS[suffix])
        writer.writeheader()
        for record in records:
            writer.writerow(
                {name: "|".join(value) if isinstance(value, list) else value for name, value in record.items()}
            )
    assert read_labelled(table) == read_labelled(lines)
