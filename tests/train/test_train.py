"""From labelled messages to a bundle that answers; the same seed gives the same bundle; wrong data is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from complaint_nlp import TASKS, Analyzer, DataError, Decision, Status, __version__
from complaint_nlp.classify.bundle import open_bundle
from complaint_nlp.classify.linear import HEADS, head_slices
from complaint_nlp.labels import Urgency
from complaint_nlp.train import LabelledMessage, read_labelled
from complaint_nlp.train.linear import (
    LinearOptions,
    draw_weight,
    fit_linear,
    fit_weights,
    folds_of,
    normalize_all,
    targets_of,
)
from complaint_nlp.train.run import TrainingResult, train_bundle

DATA = Path(__file__).resolve().parent.parent.parent / "data" / "messages.jsonl"
ROWS = 200
Record = dict[str, Any]


def write(path: Path, records: list[Record]) -> Path:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    return path


@pytest.fixture(scope="module")
def records() -> dict[str, list[Record]]:
    """Return rows of the shipped data by split: some of the training part with its commonest values, some to test."""
    everything = [json.loads(line) for line in DATA.read_text("utf-8").splitlines()]
    # the time of a small training goes by the number of values: thresholds are searched for each
    train = [
        record
        for record in everything
        if record["split"] == "train"
        and record["intent"] in ("complaint", "praise", "inquiry")
        and record["urgency"] != "critical"
        and record["emotion"][0] in ("angry", "frustrated", "satisfied", "neutral")
        and record["intensity"] < 3
    ]
    return {
        "train": train[:: len(train) // ROWS][:ROWS],
        "test": [record for record in everything if record["split"] == "test"][:40],
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, records: dict[str, list[Record]]) -> Path:
    folder = tmp_path_factory.mktemp("train")
    write(folder / "both.jsonl", [*records["train"], *records["test"]])
    (folder / "notes.md").write_text("## 資料\n\nOwn messages.\n", "utf-8")
    return folder


@pytest.fixture(scope="module")
def trained(folder: Path) -> TrainingResult:
    both = folder / "both.jsonl"
    return train_bundle([both], folder / "model", test=[both], name="small", notes=folder / "notes.md", seed=3)


def _title(folder: Path) -> str:
    return f"{folder.name}/both.jsonl"


def test_a_small_training_gives_a_bundle_that_loads_and_answers(trained: TrainingResult, folder: Path) -> None:
    assert open_bundle(folder / "model") == trained.bundle
    assert trained.bundle.manifest.name == "small"
    assert trained.bundle.manifest.trained_with == f"200 messages of both.jsonl; complaint_nlp {__version__}"
    texts = ["手機一直死機，我要退款！", "手机一直死机，我要退款！", "客服态度很差，東西也壞了"]
    reports = Analyzer.load(folder / "model").analyze_batch(texts)
    assert [report.status for report in reports] == [Status.OK] * 3
    assert [report.script for report in reports] == ["traditional", "simplified", "mixed"]
    for report in reports:
        for name, task in TASKS.items():
            scores = list(report.task(name).scores.values())
            assert len(scores) == len(task.values)
            assert all(0.0 <= score <= 1.0 for score in scores)
            assert report.task(name).labels or task.kind == "multilabel"
    assert reports[0].category.labels == reports[1].category.labels


def test_it_has_learnt_something(trained: TrainingResult, folder: Path) -> None:
    # far above what the commonest answer reaches on trades it has not seen, far below what more data gives
    assert trained.evaluations[_title(folder)].messages == 40
    assert trained.evaluations[_title(folder)].not_analysed == 0
    assert trained.evaluations[_title(folder)].tasks["category"].micro_f1 > 0.4
    assert trained.evaluations["out of fold, trades left out"].messages == ROWS


def test_the_card_names_data_options_and_figures(trained: TrainingResult, folder: Path) -> None:
    card = (trained.bundle.path / "README.md").read_text("utf-8")
    header = yaml.safe_load(card.split("---")[1])  # what model hubs read
    assert header["library_name"] == "complaint_nlp"
    assert header["language"] == "zh"
    assert "# small\n" in card
    for words in (
        "200 messages of both.jsonl",
        "## 資料",
        "seed=3",
        f"| {_title(folder)} | 40 |",
        f"### {_title(folder)}, by value",
    ):
        assert words in card


def test_thresholds_are_probabilities_or_never_reached(trained: TrainingResult) -> None:
    for name, entry in trained.bundle.json("calibration.json")["tasks"].items():
        for part in ("auto", "suggest"):
            assert list(entry[part]) == list(TASKS[name].values)
            assert all(0.0 <= value <= 1.01 for value in entry[part].values())
        assert all(entry["suggest"][value] <= entry["auto"][value] for value in TASKS[name].values)


@pytest.fixture(scope="module")
def few_tasks(folder: Path, records: dict[str, list[Record]]) -> Path:
    """Return a file whose messages are labelled for two tasks only: quick to train on."""
    kept = ("id", "trade", "text", "category", "needs")
    return write(folder / "few.jsonl", [{key: row[key] for key in kept} for row in records["train"]])


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(few_tasks: Path, tmp_path: Path) -> None:
    first, second, other = (
        train_bundle([few_tasks], tmp_path / name, seed=seed).bundle
        for name, seed in (("first", 5), ("second", 5), ("other", 6))
    )
    names = sorted(path.name for path in first.path.iterdir())
    assert names == ["README.md", "bundle.json", "calibration.json", "labels.json", "linear.npz"]
    assert [name for name in names if (first.path / name).read_bytes() != (second.path / name).read_bytes()] == []
    assert first.hash == second.hash
    assert (first.path / "linear.npz").read_bytes() != (other.path / "linear.npz").read_bytes()


def test_progress_is_told_to_the_end(few_tasks: Path) -> None:
    told: dict[str, list[tuple[int, int]]] = {}
    messages = read_labelled(few_tasks)[:60]
    fit_linear(
        messages, LinearOptions(folds=2), lambda stage, done, total: told.setdefault(stage, []).append((done, total))
    )
    assert list(told) == ["normalising", "cross-validating", "fitting"]
    for steps in told.values():
        assert [done for done, _ in steps] == sorted(done for done, _ in steps)
        assert steps[-1][0] == steps[-1][1]


def test_tasks_that_are_not_labelled_are_never_decided_automatically(few_tasks: Path, tmp_path: Path) -> None:
    first = train_bundle([few_tasks], tmp_path / "few").bundle
    for text in ("手機一直死機，我要退款！", "手机一直死机，我要退款！"):
        report = Analyzer.load(first.path).analyze(text)
        assert report.status is Status.OK
        for name in ("intent", "urgency", "emotion", "intensity"):
            assert report.task(name).decision is Decision.REVIEW


# --- what is labelled and what is not ---


def message(number: int, text: str, trade: str = "", **labels: tuple[str, ...]) -> LabelledMessage:
    return LabelledMessage(str(number), text, labels, trade=trade)


def test_a_missing_key_is_masked_and_an_empty_list_is_not() -> None:
    targets = targets_of([message(1, "a", needs=()), message(2, "b"), message(3, "c", needs=("venting", "respect"))])
    needs = head_slices()["needs"]
    assert targets.known[:, needs].tolist() == [[True] * 3, [False] * 3, [True] * 3]
    assert targets.values[:, needs].tolist() == [[0, 0, 0], [0, 0, 0], [1, 1, 0]]
    others = np.ones(targets.known.shape[1], bool)
    others[needs] = False
    assert not targets.known[:, others].any()
    assert not targets.values[:, others].any()


def test_emotions_give_all_of_them_and_the_first() -> None:
    targets = targets_of([message(1, "a", emotion=("helpless", "angry"))])
    values = HEADS["emotion"]
    slices = head_slices()
    present = targets.values[0, slices["emotion"]]
    first = targets.values[0, slices["emotion_primary"]]
    assert [value for value, one in zip(values, present, strict=True) if one] == ["angry", "helpless"]
    assert [value for value, one in zip(values, first, strict=True) if one] == ["helpless"]


def test_messages_without_a_label_do_not_change_what_is_learnt_from_the_others() -> None:
    # the same texts, once unlabelled: the weights of the task come from the labelled ones alone
    labelled = [
        message(i, text, needs=("compensation",) if "退" in text else ())
        for i, text in enumerate(["請退款", "请退款", "態度差", "态度差", "要退錢", "要退钱", "太慢了", "太慢啦"] * 2)
    ]
    silent = [message(100 + i, m.text) for i, m in enumerate(labelled)]
    column = head_slices()["needs"].start + list(TASKS["needs"].values).index("compensation")

    def weights(messages: list[LabelledMessage], known: slice) -> Any:
        targets = targets_of(messages)
        assert targets.known[known, column].all()
        fitted = fit_weights(normalize_all(messages), targets, LinearOptions())
        return fitted.weights[:, column]

    alone = weights(labelled, slice(None))
    with_silent = weights([*labelled, *silent], slice(len(labelled)))
    assert np.abs(alone).max() > 0.1
    # doubling every text changes inverse document frequencies a little, not what speaks for the value
    assert np.sign(alone[np.abs(alone) > 0.05]).tolist() == np.sign(with_silent[np.abs(alone) > 0.05]).tolist()


def test_messages_of_one_trade_stay_in_one_fold() -> None:
    messages = [message(i, "手機壞了", trade=f"trade {i % 7}" if i % 3 else "") for i in range(200)]
    folds = folds_of(messages, 5, 1)
    of_trade: dict[str, set[int]] = {}
    for one, fold in zip(messages, folds.tolist(), strict=True):
        if one.trade:
            of_trade.setdefault(one.trade, set()).add(fold)
    assert len(of_trade) == 7
    assert {len(found) for found in of_trade.values()} == {1}
    assert set(folds.tolist()) == set(range(5))
    assert folds.tolist() == folds_of(messages, 5, 1).tolist() != folds_of(messages, 5, 2).tolist()


# --- what is refused ---

GOOD = {"id": "1", "text": "手機壞了", "category": ["quality"], "urgency": "low", "intensity": 2, "needs": []}
WRONG: list[tuple[str, str, str]] = [
    ("unknown value", json.dumps({"text": "坏", "urgency": "soon"}), "urgency: 'soon' is not one of low, medium"),
    ("unknown value in a list", json.dumps({"text": "壞", "needs": ["venting", "love"]}), "needs: 'love' is not one"),
    ("Chinese value", json.dumps({"text": "坏", "category": ["质量"]}), "category: '质量' is not one of quality"),
    ("intensity beyond the scale", json.dumps({"text": "壞", "intensity": 4}), "intensity: '4' is not one of 0, 1"),
    ("truth value", json.dumps({"text": "壞", "intensity": True}), "intensity: 'True' is not one of 0"),
    (
        "two of one",
        json.dumps({"text": "壞", "intent": ["praise", "other"]}),
        "intent: exactly one value is needed, got 2",
    ),
    ("none of one", json.dumps({"text": "壞", "urgency": []}), "urgency: exactly one value is needed, got 0"),
    ("no emotion", json.dumps({"text": "壞", "emotion": []}), "emotion: at least one value is needed"),
    ("twice", json.dumps({"text": "壞", "needs": ["venting", "venting"]}), "needs: a value stands there twice"),
    ("no text", json.dumps({"urgency": "low"}), "expected an object with a key 'text'"),
    ("text is a number", json.dumps({"text": 5}), "expected an object with a key 'text'"),
    ("a list", "[1]", "expected an object with a key 'text'"),
    ("no JSON", '{"text": "坏"', "Expecting"),
]


@pytest.mark.parametrize(("line", "problem"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_wrong_line_is_named_with_file_line_and_key(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n\n{line}\n{json.dumps(GOOD)}\n", "utf-8")
    for read in (lambda: read_labelled(path), lambda: train_bundle([path], tmp_path / "out")):
        with pytest.raises(DataError) as caught:
            read()
        assert str(caught.value).startswith(f"{path}:3: {problem}")
    assert not (tmp_path / "out").exists()


def test_up_to_ten_wrong_lines_are_told_at_once(tmp_path: Path) -> None:
    paths = [write(tmp_path / name, [{"text": "坏", "urgency": "soon"}] * 4) for name in ("a.jsonl", "b.jsonl")]
    with pytest.raises(DataError) as caught:
        read_labelled(paths)
    places = [line.split(": ")[0] for line in str(caught.value).splitlines()]
    assert places == [f"{path}:{number}" for path in paths for number in range(1, 5)]
    write(tmp_path / "many.jsonl", [{"text": "坏", "urgency": "soon"}] * 40)
    with pytest.raises(DataError) as caught:
        read_labelled(tmp_path / "many.jsonl")
    lines = str(caught.value).splitlines()
    assert len(lines) == 11
    assert lines[-1] == "(further lines were not checked)"


@pytest.mark.parametrize("data", ["壞了".encode("big5"), "坏了".encode("gb18030")])
def test_a_file_that_is_no_utf8_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(b'{"text": "' + data + b'"}')
    with pytest.raises(DataError, match="cannot be read as UTF-8 text") as caught:
        read_labelled(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_labelled([tmp_path / "none.jsonl"])
    assert str(caught.value).startswith(f"{tmp_path / 'none.jsonl'}: cannot be read")


def test_good_lines_are_read_as_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    line = {"text": "东西\u2028壞了", "trade": "bank", "emotion": ["angry", "anxious"], "needs": None, "intensity": "3"}
    path.write_bytes(b"\xef\xbb\xbf" + f"{json.dumps(GOOD)}\r\n\r\n{json.dumps(line, ensure_ascii=False)}".encode())
    first, second = read_labelled(path)
    assert first == LabelledMessage(
        "1", "手機壞了", {"category": ("quality",), "urgency": ("low",), "intensity": ("2",), "needs": ()}
    )
    assert second == LabelledMessage(
        "data.jsonl:3",
        "东西\u2028壞了",
        {"emotion": ("angry", "anxious"), "intensity": ("3",)},
        trade="bank",
    )


def test_only_the_wanted_split_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", [{"text": "a", "split": "train"}, {"text": "b", "split": "test"}, {"text": "c"}])
    assert [m.text for m in read_labelled(path, split="train")] == ["a", "c"]
    assert [m.text for m in read_labelled(path, split="test")] == ["b", "c"]
    assert [m.text for m in read_labelled(path)] == ["a", "b", "c"]


def test_overlap_of_train_and_test_is_refused(tmp_path: Path, records: dict[str, list[Record]]) -> None:
    train = write(tmp_path / "train.jsonl", records["train"])
    leaking = [{**row, "split": "test"} for row in records["train"][5:8]]
    test = write(tmp_path / "test.jsonl", [*records["test"], *leaking])
    with pytest.raises(DataError) as caught:
        train_bundle([train], tmp_path / "out", test=[test])
    first = leaking[0]["id"]
    assert (
        str(caught.value)
        == f"{tmp_path.name}/test.jsonl: 3 of its messages are in the training data too, {first} the first"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("prepare", [Path.mkdir, Path.touch], ids=["directory", "file"])
def test_an_existing_target_is_refused_before_anything_is_done(tmp_path: Path, prepare: Callable[[Path], None]) -> None:
    out = tmp_path / "out"
    prepare(out)
    with pytest.raises(DataError) as caught:
        train_bundle([tmp_path / "not-even-read.jsonl"], out)
    assert str(caught.value) == f"{out}: exists already; use --overwrite to replace it"
    assert list(tmp_path.iterdir()) == [out]


def test_an_existing_bundle_is_replaced_when_asked(tmp_path: Path, records: dict[str, list[Record]]) -> None:
    out = tmp_path / "out"
    data = write(
        tmp_path / "data.jsonl", [{"text": row["text"], "needs": row["needs"]} for row in records["train"][:30]]
    )
    first = train_bundle([data], out, name="first").bundle
    second = train_bundle([data], out, name="second", overwrite=True).bundle
    data.unlink()
    assert open_bundle(out) == second != first
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("rows", [0, 19])
def test_too_few_messages_are_refused(tmp_path: Path, records: dict[str, list[Record]], rows: int) -> None:
    path = write(tmp_path / "few.jsonl", records["train"][:rows])
    with pytest.raises(DataError, match=f"{rows} labelled messages are too few to train on; at least 20 are needed"):
        train_bundle([path], tmp_path / "out")


def test_a_directory_that_is_no_bundle_is_never_replaced(tmp_path: Path, records: dict[str, list[Record]]) -> None:
    data = write(tmp_path / "data.jsonl", records["train"])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("three years of work", "utf-8")
    with pytest.raises(DataError, match="not a model bundle"):
        train_bundle([data], tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text("utf-8") == "three years of work"


def test_missing_notes_are_named_before_training(tmp_path: Path, records: dict[str, list[Record]]) -> None:
    data = write(tmp_path / "data.jsonl", records["train"])
    with pytest.raises(DataError, match=r"none\.md"):
        train_bundle([data], tmp_path / "out", notes=tmp_path / "none.md")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("draw", "weight"),
    [("second:likely:urgency=critical", 0), ("third:random", 3), ("random", 3), ("enriched:price", 1), ("", 1)],
)
def test_messages_count_by_how_they_were_drawn(draw: str, weight: int) -> None:
    assert draw_weight(draw, LinearOptions(draw_weights=(("*likely*", 0), ("*random*", 3)))) == weight


def test_scales_are_also_learnt_step_by_step() -> None:
    messages = [LabelledMessage(str(i), "退款", {"urgency": (value,)}) for i, value in enumerate(Urgency)]
    outputs = sum(len(values) for values in HEADS.values())
    steps = targets_of(messages).values[:, outputs : outputs + 3]
    assert steps.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]]


def test_a_message_without_a_category_says_nothing_about_the_primary_one() -> None:
    messages = [
        LabelledMessage("1", "退款", {"category": ("price", "service")}),
        LabelledMessage("2", "謝謝", {"category": ()}),
    ]
    targets, columns = targets_of(messages), head_slices()["category_primary"]
    assert targets.known[:, columns].all(axis=1).tolist() == [True, False]
    assert targets.values[0, columns].tolist() == [0, 0, 1, 0, 0]
