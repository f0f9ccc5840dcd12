"""A user's own labels: from a label file and some rows to a bundle whose reports carry them, with no code touched."""

import hashlib
import io
import json
import pickle
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from complaint_nlp import Analyzer, ConfigError, DataError, Decision, ModelError, Status
from complaint_nlp.batch import label as label_file
from complaint_nlp.batch.formats import Row, open_rows
from complaint_nlp.classify.bundle import Bundle, default_path, open_bundle, write_bundle
from complaint_nlp.classify.cascade import SPEEDS, Speed
from complaint_nlp.classify.linear import HEADS
from complaint_nlp.cli.app import app
from complaint_nlp.train.heads import HeadsResult, train_heads
from complaint_nlp.train.own_labels import load_labels, read_own

LABELS = """version: 1
tasks:
  product:
    kind: one
    values: [phone, internet, 帳單, roof]
  手法:
    kind: several
    values: [refund, repair]
"""
# in both scripts and mixed; what speaks for a value is never the same words twice in a row
PHRASES = {
    "phone": ("手機畫面一直閃", "手机屏幕碎了", "手機充電会發燙", "手机听筒没声音"),
    "internet": ("寬頻斷線三天", "宽带网速太慢", "網路連不上网", "光纤信号全无"),
    "帳單": ("帳單多收兩百元", "账单多扣了钱", "帳單金额不對", "话费账单看不懂"),
    "refund": ("我要退費", "请退款给我", "把錢退给我"),
    "repair": ("快派人來修", "请尽快维修", "師傅何時来修"),
}
ENDINGS = ("，真的很扯！", "，太过分了。", "，等了{}天。", "，打了{}次电话。", "，第{}回了。")
OUTPUTS = sum(len(values) for values in HEADS.values())
WIDTH = 48


def own_rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    draw = random.Random(seed)  # noqa: S311 - sample texts need no cryptography
    rows = []
    for number in range(count):
        product = ("phone", "internet", "帳單")[number % 3]
        wants = [value for value in ("refund", "repair") if draw.random() < 0.4]
        parts = [draw.choice(PHRASES[product]), *(draw.choice(PHRASES[value]) for value in wants)]
        ending = draw.choice(ENDINGS).format(draw.randint(2, 99))
        rows.append({"text": "，".join(parts) + ending, "product": product, "手法": wants})
    return rows


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    lines = ["text,product,手法", *(f"{row['text']},{row['product']},{'|'.join(row['手法'])}" for row in rows)]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def linear_files() -> dict[str, bytes]:
    """Return the files of the shipped bundle's linear model."""
    names = ("linear.npz", "calibration.json", "README.md")
    return {name: (default_path() / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("heads")
    (folder / "labels.yaml").write_text(LABELS, "utf-8")
    write_jsonl(folder / "own.jsonl", own_rows(150))
    others = [{**row, "text": f"你好，{row['text']}"} for row in own_rows(45, seed=9)]
    write_csv(folder / "test.csv", others)
    return folder


@pytest.fixture(scope="module")
def plain(folder: Path) -> Bundle:
    """Return a bundle without an encoder."""
    return write_bundle(
        folder / "plain", name="plain", trained_with="words", components=("linear",), files=linear_files()
    )


@pytest.fixture(scope="module")
def encoding(folder: Path) -> Bundle:
    """Return a bundle whose encoder gives every character a random vector and adds them up."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    chars = sorted({char for row in own_rows(300) for char in row["text"]} | set("手機手机壞了坏"))
    vocabulary = {piece: number for number, piece in enumerate(["[PAD]", "[UNK]", *chars])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106 - a piece, no password
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    generator = np.random.default_rng(4)
    tables = {
        "vector_of": generator.normal(size=(len(vocabulary), WIDTH)).astype(np.float32),
        "score_of": generator.normal(size=(len(vocabulary), OUTPUTS)).astype(np.float32),
        "last": np.array([2], dtype=np.int64),
        "pieces": np.array([1], dtype=np.int64),
    }
    steps = [
        ("Cast", ["attention_mask"], "flat", {"to": TensorProto.FLOAT}),
        ("Unsqueeze", ["flat", "last"], "mask", {}),
        ("Gather", ["score_of", "input_ids"], "scores", {}),
        ("Mul", ["scores", "mask"], "contributions", {}),
        ("ReduceSum", ["contributions", "pieces"], "logits", {"keepdims": 0}),
        ("Gather", ["vector_of", "input_ids"], "each", {}),
        ("Mul", ["each", "mask"], "real", {}),
        ("ReduceSum", ["real", "pieces"], "total", {"keepdims": 0}),
        ("ReduceSum", ["mask", "pieces"], "count", {"keepdims": 0}),
        ("Div", ["total", "count"], "vectors", {}),
    ]
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, [output], **more) for kind, inputs, output, more in steps],
        "encoder",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["rows", "pieces"])
            for name in ("input_ids", "attention_mask")
        ],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["rows", OUTPUTS]),
            helper.make_tensor_value_info("contributions", TensorProto.FLOAT, ["rows", "pieces", OUTPUTS]),
            helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["rows", WIDTH]),
        ],
        [numpy_helper.from_array(table, name) for name, table in tables.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    files = linear_files()
    blend = np.concatenate([np.zeros((OUTPUTS, OUTPUTS)), np.eye(OUTPUTS)]).astype(np.float32)
    files |= {
        "encoder.onnx": model.SerializeToString(),
        "tokenizer.json": tokenizer.to_str().encode(),
        "encoder.json": json.dumps({"max_tokens": 64, "padding": 0, "outputs": OUTPUTS}).encode(),
        "blend.npz": npz(matrix=blend, bias=np.zeros(OUTPUTS, np.float32)),
        "calibration.accurate.json": files["calibration.json"],
        "cascade.json": b'{"sure": 0.8}',
    }
    return write_bundle(
        folder / "encoding", name="tiny", trained_with="words", components=("linear", "encoder"), files=files
    )


@pytest.fixture(scope="module")
def trained(folder: Path, encoding: Bundle) -> HeadsResult:
    return train_heads(
        folder / "own.jsonl",
        folder / "model",
        labels=folder / "labels.yaml",
        from_model=encoding.path,
        test=[folder / "test.csv"],
        seed=3,
    )


MESSAGES = [
    ("我的手機畫面碎了，快派人來修", "traditional", "phone", ("repair",)),
    ("我的手机屏幕碎了，请尽快维修", "simplified", "phone", ("repair",)),
    ("宽带网速太慢，我要退費，真的很扯！", "mixed", "internet", ("refund",)),
    ("這個月的帳單多收了錢，看不懂", "traditional", "帳單", ()),
]


def test_reports_carry_the_own_labels_in_both_scripts_and_mixed(trained: HeadsResult) -> None:
    reports = Analyzer.load(trained.bundle.path).analyze_batch([message[0] for message in MESSAGES])
    for report, (_, script, product, wants) in zip(reports, MESSAGES, strict=True):
        assert (report.status, report.script) == (Status.OK, script)
        assert list(report.extra) == ["product", "手法"]
        one, several = report.extra["product"], report.extra["手法"]
        assert (one.labels, several.labels) == ((product,), wants)
        assert list(one.scores) == ["phone", "internet", "帳單", "roof"]
        assert sum(one.scores.values()) == pytest.approx(1.0, abs=1e-5)
        assert one.confidence == one.scores[product]
        assert several.confidence == pytest.approx(
            several.scores[wants[0]] if wants else 1 - max(several.scores.values())
        )
        assert one.evidence == several.evidence == ()
        assert type(one.labels[0]) is str


def test_figures_are_measured_out_of_fold_and_on_other_rows(trained: HeadsResult) -> None:
    assert list(trained.evaluations) == ["own labels, out of fold", f"{trained.bundle.path.parent.name}/test.csv"]
    for evaluation, count in zip(trained.evaluations.values(), (150, 45), strict=True):
        assert evaluation.messages == count
        assert evaluation.not_analysed == 0
        assert evaluation.tasks["product"].macro_f1 > 0.9
        assert evaluation.tasks["手法"].macro_f1 > 0.9
    assert evaluation.tasks["product"].values["roof"].support == 0


def test_what_was_measured_decides_what_is_automatic(trained: HeadsResult) -> None:
    tasks = trained.bundle.json("heads.json")["tasks"]
    for value in ("phone", "internet", "帳單"):
        assert 0.0 < tasks["product"]["suggest"][value] <= tasks["product"]["auto"][value] <= 1.0
    assert tasks["product"]["auto"]["roof"] == 1.01
    report = Analyzer.load(trained.bundle.path).analyze("手机屏幕碎了，请退款给我")
    assert report.extra["product"].decision is Decision.AUTO
    assert "product: never answered, for want of 5 different messages: roof" in trained.notes


@pytest.mark.parametrize("speed", SPEEDS)
def test_every_speed_gives_the_same_own_labels_whatever_else_is_in_the_batch(
    trained: HeadsResult, speed: Speed
) -> None:
    analyzer = Analyzer.load(trained.bundle.path, speed=speed)
    texts = [message[0] for message in MESSAGES]
    together = analyzer.analyze_batch([*texts, "", "not Chinese", "謝謝你們，很滿意"])
    assert [dict(report.extra) for report in together[4:6]] == [{}, {}]
    for text, report in zip(texts, together, strict=False):
        alone = analyzer.analyze(text)
        for name, result in report.extra.items():
            assert alone.extra[name].labels == result.labels
            assert list(alone.extra[name].scores.values()) == pytest.approx(list(result.scores.values()), abs=1e-4)
    wanted = [(message[2], message[3]) for message in MESSAGES]
    assert [(r.extra["product"].labels[0], r.extra["手法"].labels) for r in together[:4]] == wanted


def test_dict_and_json_hold_them_and_columns_stay_as_they_are(trained: HeadsResult, analyzer: Analyzer) -> None:
    report = pickle.loads(pickle.dumps(Analyzer.load(trained.bundle.path))).analyze(MESSAGES[0][0])  # noqa: S301 - own
    content = json.loads(report.to_json())
    assert content == report.to_dict()
    assert content["extra"]["手法"] == {
        "labels": ["repair"],
        "primary": "repair",
        "scores": dict(report.extra["手法"].scores),
        "confidence": report.extra["手法"].confidence,
        "decision": report.extra["手法"].decision.value,
        "evidence": [],
    }
    assert "手法" in report._repr_html_()
    without = analyzer.analyze(MESSAGES[0][0])
    assert without.extra == {}
    assert "extra" not in without.to_dict()
    assert list(without.to_columns()) == list(report.to_columns())


def test_the_standard_answers_stay_those_of_the_bundle_it_began_with(trained: HeadsResult, encoding: Bundle) -> None:
    before, after = Analyzer.load(encoding.path), Analyzer.load(trained.bundle.path)
    for text, *_ in MESSAGES:
        one, other = before.analyze(text).to_dict(), after.analyze(text).to_dict()
        assert {key: one[key] for key in one if key != "route"} == {
            key: other[key] for key in one if key != "route"
        }  # the route names the time
    assert trained.bundle.manifest.components == ("linear", "encoder", "heads")
    assert trained.bundle.manifest.name == "tiny + own labels"
    assert trained.bundle.manifest.trained_with == "words; own labels: 150 rows of own.jsonl"
    for name in encoding.manifest.files:
        if name != "README.md":
            assert (encoding.path / name).read_bytes() == (trained.bundle.path / name).read_bytes()
    card = (trained.bundle.path / "README.md").read_text("utf-8")
    assert card.startswith((encoding.path / "README.md").read_text("utf-8"))
    assert "## Own labels" in card
    assert "| product | phone | " in card


def test_a_bundle_without_an_encoder_will_do(folder: Path, plain: Bundle, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "own.csv", own_rows(90))
    labels = tmp_path / "labels.yaml"
    labels.write_text("version: 1\ntasks: {手法: {kind: several, values: [refund, repair]}}\n", "utf-8")
    first, second = (
        train_heads(data, tmp_path / name, labels=labels, from_model=plain.path, seed=1).bundle for name in "ab"
    )
    assert first.hash == second.hash
    assert first.manifest.components == ("linear", "heads")
    for text, wanted in (("手機壞了，請退款給我", "refund"), ("手机坏了，快派人来维修", "repair")):
        report = Analyzer.load(first.path).analyze(text)
        assert wanted in report.extra["手法"].labels
    # once more on top: the heads and their section of the card are replaced
    again = train_heads(
        [folder / "own.jsonl"], first.path, labels=labels, from_model=first.path, overwrite=True, name="own"
    ).bundle
    assert again.manifest.components == ("linear", "heads")
    assert (again.manifest.name, again.manifest.trained_with) == ("own", "words; own labels: 150 rows of own.jsonl")
    assert (again.path / "README.md").read_text("utf-8").count("## Own labels") == 1


def test_bundles_without_heads_load_as_ever(plain: Bundle, encoding: Bundle) -> None:
    for path in ("default", plain.path, encoding.path):
        assert Analyzer.load(path).analyze("手机坏了").extra == {}


# --- label files ---

WRONG_LABELS: list[tuple[str, str, int, str]] = [
    ("standard task", LABELS.replace("product:", "urgency:"), 3, "tasks.urgency: .*'urgency' is a standard task"),
    ("twice", LABELS.replace("phone, internet", "phone, phone"), 5, "'phone' stands there twice"),
    ("no values", LABELS.replace("[refund, repair]", "[]"), 8, "at least 1 item"),
    ("one of one", LABELS.replace("[phone, internet, 帳單, roof]", "[phone]"), 5, "at least two values"),
    ("kind", LABELS.replace("kind: several", "kind: many"), 7, r"kind: .*'one' or 'several' \(got 'many'\)"),
    ("empty value", LABELS.replace("[refund, repair]", "[refund, '']"), 8, "match pattern"),
    ("a bar", LABELS.replace("[refund, repair]", "['a|b', c]"), 8, "match pattern"),
    ("a truth value", LABELS.replace("[refund, repair]", "[yes, no]"), 8, r"valid string \(got True\)"),
    ("unknown key", LABELS.replace("    kind: one", "    sort: x\n    kind: one"), 4, "tasks.product.sort"),
    ("version", LABELS.replace("version: 1", "version: 2"), 1, "version"),
    ("no tasks", "version: 1\ntasks: {}\n", 2, "at least 1 item"),
    ("too many values", LABELS.replace("[refund, repair]", f"{list(map(str, range(101)))}"), 8, "at most 100 items"),
    ("name", LABELS.replace("product:", "my product:"), 3, "match pattern"),
    ("no YAML", LABELS + "x: [", 10, "not valid YAML"),
]


@pytest.mark.parametrize(
    ("content", "line", "problem"), [row[1:] for row in WRONG_LABELS], ids=[r[0] for r in WRONG_LABELS]
)
def test_a_wrong_label_file_is_named_with_its_line(tmp_path: Path, content: str, line: int, problem: str) -> None:
    path = tmp_path / "labels.yaml"
    path.write_text(content, "utf-8")
    with pytest.raises(ConfigError, match=problem) as caught:
        load_labels(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")


# --- rows ---


def test_cells_lists_and_what_is_left_out(tmp_path: Path, folder: Path) -> None:
    tasks = load_labels(folder / "labels.yaml")
    table = tmp_path / "a.csv"
    table.write_text('訊息,product,手法\n"手機\n壞了",phone,refund|repair\n坏了, internet ,\n還好,,\n', "gb18030")
    rows = read_own(table, tasks, text_column="訊息")
    assert [row.labels for row in rows] == [
        {"product": ("phone",), "手法": ("refund", "repair")},
        {"product": ("internet",), "手法": ()},
        {"手法": ()},
    ]
    assert [row.place for row in rows] == [f"{table}:{line}" for line in (2, 4, 5)]
    only = tmp_path / "b.csv"
    only.write_text("text,product\n壞了,phone\n坏了,\n", "utf-8")
    assert [row.labels for row in read_own(only, tasks)] == [{"product": ("phone",)}]
    lines = write_jsonl(
        tmp_path / "c.jsonl",
        [
            {"text": "壞了", "手法": ["repair"]},
            {"text": "坏", "手法": []},
            {"text": "好", "手法": None, "product": "phone"},
        ],
    )
    assert [row.labels for row in read_own(lines, tasks)] == [
        {"手法": ("repair",)},
        {"手法": ()},
        {"product": ("phone",)},
    ]


WRONG_ROWS: list[tuple[str, dict[str, Any], str]] = [
    (
        "unknown value",
        {"text": "壞", "product": "fridge"},
        "product: 'fridge' is not one of phone, internet, 帳單, roof",
    ),
    ("unknown in a list", {"text": "坏", "手法": ["refund", "hug"]}, "手法: 'hug' is not one of refund, repair"),
    ("two of one", {"text": "坏", "product": ["phone", "roof"]}, "product: exactly one value is needed, got 2"),
    ("twice", {"text": "壞", "手法": ["refund", "refund"]}, "手法: a value stands there twice"),
    ("no text", {"text": " ", "product": "phone"}, "text: there is no text"),
    ("text is a number", {"text": 5, "product": "phone"}, "text: there is no text"),
]


@pytest.mark.parametrize(("row", "problem"), [row[1:] for row in WRONG_ROWS], ids=[row[0] for row in WRONG_ROWS])
def test_a_wrong_row_is_named_with_file_and_line(
    tmp_path: Path, folder: Path, row: dict[str, Any], problem: str
) -> None:
    good = {"text": "手機壞了", "product": "phone", "手法": []}
    path = write_jsonl(tmp_path / "own.jsonl", [good, row, good])
    with pytest.raises(DataError) as caught:
        train_heads(path, tmp_path / "out", labels=folder / "labels.yaml")
    assert str(caught.value) == f"{path}:2: {problem}"
    assert not (tmp_path / "out").exists()


def test_csv_rows_are_named_by_the_line_they_begin_in(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text('text,product\n"兩\n行",phone\n\n壞,fridge\n坏,phone,repair\n', "utf-8")
    with pytest.raises(DataError) as caught:
        read_own(path, load_labels(folder / "labels.yaml"))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"{path}:5: product: 'fridge'")
    assert lines[1] == f"{path}:6: 3 cells where the header has 2"
    path.write_text("text,product\n" + "壞,fridge\n" * 40, "utf-8")
    with pytest.raises(DataError, match=r"\(further rows were not checked\)$"):
        read_own(path, load_labels(folder / "labels.yaml"))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("message,product\n壞,phone\n", "has no column 'text'; its columns are message, product"),
        ("text,label\n坏,phone\n", "has no column 'product' or '手法'; its columns are text, label"),
    ],
)
def test_missing_columns_are_named(tmp_path: Path, folder: Path, content: str, problem: str) -> None:
    path = tmp_path / "own.csv"
    path.write_text(content, "utf-8")
    with pytest.raises(DataError) as caught:
        read_own(path, load_labels(folder / "labels.yaml"))
    assert str(caught.value) == f"{path}: {problem}"


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (own_rows(19), "product: 19 different labelled messages are too few; at least 20 are needed"),
        (own_rows(1) * 40, "product: 1 different labelled messages are too few"),
        (
            [{**row, "product": "phone"} for row in own_rows(40)],
            "product: at least 2 of the values .* phone 40, internet 0",
        ),
        ([{**row, "手法": []} for row in own_rows(40)], "手法: at least 1 of the values .* refund 0, repair 0"),
        ([{"text": row["text"], "product": row["product"]} for row in own_rows(40)], "手法: 0 different labelled"),
    ],
    ids=["few", "one text", "one value", "none ever", "a task without a column"],
)
def test_too_little_to_learn_from_is_refused(
    tmp_path: Path, folder: Path, rows: list[dict[str, Any]], problem: str
) -> None:
    path = write_jsonl(tmp_path / "own.jsonl", rows)
    with pytest.raises(DataError, match=problem):
        train_heads(path, tmp_path / "out", labels=folder / "labels.yaml")
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_replaced_unasked_and_no_test_row_is_learnt(tmp_path: Path, folder: Path) -> None:
    labels, data = folder / "labels.yaml", folder / "own.jsonl"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("three years", "utf-8")
    with pytest.raises(DataError, match="use --overwrite"):
        train_heads(data, tmp_path / "mine", labels=labels)
    with pytest.raises(DataError, match="is not a model bundle"):
        train_heads(data, tmp_path / "mine", labels=labels, overwrite=True)
    with pytest.raises(DataError, match="150 of its messages are in the training data too"):
        train_heads(data, tmp_path / "out", labels=labels, test=[data])
    with pytest.raises(ModelError, match="no model bundle here"):
        train_heads(data, tmp_path / "out", labels=labels, from_model=tmp_path)


# --- damaged heads ---


def rewritten(bundle: Bundle, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Return a copy with other files and a manifest that agrees."""
    files = {name: (bundle.path / name).read_bytes() for name in bundle.manifest.files}
    change(files)
    manifest = bundle.manifest
    write_bundle(
        target,
        name=manifest.name,
        trained_with=manifest.trained_with,
        components=manifest.components,
        files=files,
    )
    return target


def _settings(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        files["heads.json"] = json.dumps({**json.loads(files["heads.json"]), **changes}).encode()

    return change


def _task(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        content = json.loads(files["heads.json"])
        content["tasks"]["product"].update(changes)
        files["heads.json"] = json.dumps(content).encode()

    return change


def _arrays(**arrays: Any) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.update({"heads.npz": npz(**arrays)})


def _without_arrays(files: dict[str, bytes]) -> None:
    del files["heads.npz"]


FEATURES = WIDTH + OUTPUTS
DAMAGED: list[tuple[str, Callable[[dict[str, bytes]], None], str]] = [
    ("no archive", lambda files: files.update({"heads.npz": b"PK no more"}), "heads.npz: not an archive"),
    (
        "no bias",
        _arrays(weights=np.zeros((FEATURES, 6))),
        r"heads.npz: bias should have the shape \(6,\), found nothing",
    ),
    ("shape", _arrays(weights=np.zeros((FEATURES, 5)), bias=np.zeros(5)), r"weights should have the shape \(\d+, 6\)"),
    (
        "no numbers",
        _arrays(weights=np.full((FEATURES, 6), np.nan), bias=np.zeros(6)),
        "weights holds values that are no numbers",
    ),
    ("pickled", _arrays(weights=np.array([object()] * 6), bias=np.zeros(6)), "not plain numbers|not an archive"),
    ("missing", _without_arrays, "the bundle has no file .heads.npz"),
    ("unknown key", _settings(more=1), "heads.json: more"),
    ("version", _settings(version=2), "heads.json: version"),
    ("no tasks", _settings(tasks={}), "heads.json: tasks"),
    ("values", _task(values=["phone", "internet", "帳單", "cellar"]), "heads.json: product: thresholds for phone"),
    ("kind", _task(kind="many"), "heads.json: tasks.product.kind"),
    ("width", _settings(width=WIDTH - 1), r"heads.npz: weights should have the shape"),
    ("no JSON", lambda files: files.update({"heads.json": b"{"}), "heads.json: not valid JSON"),
]


@pytest.mark.parametrize(("change", "problem"), [row[1:] for row in DAMAGED], ids=[row[0] for row in DAMAGED])
def test_damaged_heads_are_refused(
    trained: HeadsResult, tmp_path: Path, change: Callable[[dict[str, bytes]], None], problem: str
) -> None:
    target = rewritten(trained.bundle, tmp_path / "model", change)
    with pytest.raises(ModelError, match=problem):
        Analyzer.load(target)


def test_heads_that_were_changed_by_hand_are_refused(trained: HeadsResult, tmp_path: Path) -> None:
    target = rewritten(trained.bundle, tmp_path / "model", lambda _: None)
    data = bytearray((target / "heads.npz").read_bytes())
    data[-100] ^= 1
    (target / "heads.npz").write_bytes(data)
    assert hashlib.sha256(data).hexdigest() != trained.bundle.manifest.files["heads.npz"].sha256
    with pytest.raises(ModelError, match=r"heads\.npz: its content is not what the manifest says"):
        open_bundle(target)


def test_heads_on_vectors_need_the_encoder_they_were_trained_with(
    trained: HeadsResult, plain: Bundle, tmp_path: Path
) -> None:
    files = {name: (plain.path / name).read_bytes() for name in plain.manifest.files}
    files |= {name: (trained.bundle.path / name).read_bytes() for name in ("heads.npz", "heads.json")}
    bundle = write_bundle(tmp_path / "x", name="x", trained_with="x", components=("linear", "heads"), files=files)
    with pytest.raises(ModelError, match=r"heads\.json: the heads need the vectors of an encoder"):
        Analyzer.load(bundle.path)


# --- files and the command ---


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_labelled_files_get_a_column_per_own_task(trained: HeadsResult, tmp_path: Path, suffix: str) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / f"out{suffix}"
    texts = [message[0] for message in MESSAGES]
    write_jsonl(source, [{"text": text, "extra_product": "kept"} for text in ["", *texts]])
    label_file(source, target, model=trained.bundle.path, workers=1)
    columns, found = open_rows(target, None)
    rows = [row.values for row in found if isinstance(row, Row)]
    assert columns[-2:] == ["extra_product", "extra_手法"]
    assert [row["input_extra_product"] for row in rows] == ["kept"] * 5
    nothing, joined = ("", "|".join) if suffix == ".csv" else (None, list)
    assert [row["extra_product"] for row in rows] == [nothing, *(message[2] for message in MESSAGES)]
    assert [row["extra_手法"] for row in rows] == [joined(()), *(joined(message[3]) for message in MESSAGES)]


def test_the_command_trains_and_the_answers_show(folder: Path, plain: Bundle, tmp_path: Path) -> None:
    out = str(tmp_path / "model")
    arguments = ["train", "--model", "heads", "--data", str(folder / "own.jsonl"), "--out", out]
    run = CliRunner().invoke
    refused = run(app, arguments)
    assert isinstance(refused.exception, DataError)
    assert "--labels is needed" in str(refused.exception)
    done = run(app, [*arguments, "--labels", str(folder / "labels.yaml"), "--from", str(plain.path), "--name", "mine"])
    assert done.exit_code == 0, done.output
    assert "product" in done.output
    assert open_bundle(out).manifest.name == "mine"
    shown = run(app, ["analyze", "手機壞了，請退款給我", "--model", out])
    assert "手法" in shown.output
    content = json.loads(run(app, ["analyze", "手机坏了，请退款给我", "--model", out, "--json"]).output)
    assert list(content["extra"]) == ["product", "手法"]


def test_the_page_on_own_labels_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).resolve().parent.parent.parent / "docs" / "own-labels.md"
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, page.name, "exec"), names)  # noqa: S102 - our own page
    assert names["report"].status is Status.OK
    assert set(names["report"].extra) == {"product", "訴求"}
