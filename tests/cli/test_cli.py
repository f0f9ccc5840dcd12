"""The command line: what people and scripts rely on."""

import csv
import io
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import complaint_nlp
from complaint_nlp import Analyzer
from complaint_nlp.cli import main
from complaint_nlp.labels import TASKS, Language, display_name
from complaint_nlp.resources import builtin

COMMANDS = ["analyze", "check-reply", "label", "train", "evaluate", "report", "drift", "serve", "doctor"]
PROGRAM = str(Path(sys.executable).with_name("complaint-nlp"))
TRADITIONAL = "手機才買一週就一直死機，客服還推三阻四，我要退款！"
SIMPLIFIED = "快递显示签收但我根本没收到，客服一直不回复"
MIXED = "這顆行動電源壞了，打客服没人接"


class Result(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], analyzer: Analyzer) -> Run:
    """Return a function that runs the command in this process, with the model that is loaded already."""
    load = Analyzer.load

    def loaded(model: str | Path = "default", **options: Any) -> Analyzer:
        own = str(model) != "default" or any(options.values())
        return load(model, **options) if own else analyzer

    def call(*arguments: str, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(Analyzer, "load", loaded)
        monkeypatch.setattr(sys, "argv", ["complaint-nlp", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        monkeypatch.setenv("COLUMNS", "200")
        capsys.readouterr()
        code: object = 0
        try:
            main()
        except SystemExit as stopped:
            code = stopped.code or 0
        captured = capsys.readouterr()
        assert isinstance(code, int)
        return Result(code, captured.out, captured.err)

    return call


def real(*arguments: str, stdin: bytes = b"", cwd: Path | None = None) -> Result:
    """Run the installed program."""
    done = subprocess.run(  # noqa: S603 - our own program
        [PROGRAM, *arguments], input=stdin, capture_output=True, check=False, cwd=cwd, timeout=60
    )
    return Result(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))


def one_line(text: str) -> str:
    assert "Traceback" not in text
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    return lines[0]


# --- help and version


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_command(run: Run, flag: str) -> None:
    result = run(flag)
    assert result.code == 0
    assert [name for name in COMMANDS if re.search(rf"\b{name}\b", result.out)] == COMMANDS


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("analyze", ["--json", "--model", "--routing", "--safety-rules"]),
        ("label", ["--text-column", "--encoding", "--workers", "--preview", "--overwrite", "--model", "--routing"]),
        ("train", ["--data", "--out", "--model", "--test", "--notes", "--name", "--overwrite", "--seed"]),
        ("evaluate", ["--json", "--by-value", "--by-task", "--split", "--model"]),
        ("doctor", ["--help"]),
    ],
)
def test_help_of_every_command_names_its_options(run: Run, command: str, options: list[str]) -> None:
    result = run(command, "--help")
    assert result.code == 0
    assert f"complaint-nlp {command}" in result.out
    assert [option for option in options if option not in result.out] == []


def test_no_command_shows_the_help_and_an_unknown_one_is_refused(run: Run) -> None:
    bare = run()
    assert "Usage" in bare.out + bare.err
    assert "analyze" in bare.out + bare.err
    result = run("anlyze")
    assert result.code == 2
    assert "No such command" in result.err


def test_installed_program_tells_its_version() -> None:
    assert real("--version") == (0, f"complaint-nlp {complaint_nlp.__version__}\n", "")


# --- analyze


@pytest.mark.parametrize(("text", "language"), [(TRADITIONAL, "zh-Hant"), (SIMPLIFIED, "zh-Hans"), (MIXED, "zh-Hant")])
def test_analyze_shows_the_report_in_the_customers_script(
    run: Run, analyzer: Analyzer, text: str, language: Language
) -> None:
    result = run("analyze", text)
    assert (result.code, result.err) == (0, "")
    assert text in result.out
    report = analyzer.analyze(text)
    assert report.route is not None
    assert report.strategy is not None
    shown = [report.route.department, *(step.action for step in report.strategy.steps)]
    for name in TASKS:
        shown.append(display_name(name, None, language))
        shown += [display_name(name, label, language) for label in report.task(name).labels]
    unwrapped = re.sub(r"\s", "", result.out)
    assert [words for words in shown if re.sub(r"\s", "", words) not in unwrapped] == []


def test_analyze_shows_why_it_is_urgent(run: Run) -> None:
    result = run("analyze", "廚房瓦斯味很重")
    assert "! 疑似瓦斯外洩：瓦斯味" in result.out
    assert "▲" in result.out


@pytest.mark.parametrize(
    ("text", "script"), [(TRADITIONAL, "traditional"), (SIMPLIFIED, "simplified"), (MIXED, "mixed")]
)
def test_analyze_json_is_the_report(run: Run, analyzer: Analyzer, text: str, script: str) -> None:
    result = run("analyze", text, "--json")
    assert (result.code, result.err) == (0, "")
    found, wanted = json.loads(result.out), analyzer.analyze(text).to_dict()
    found["route"].pop("respond_by")
    wanted["route"].pop("respond_by")
    assert found == wanted
    assert (found["text"], found["script"], found["status"]) == (text, script, "ok")
    assert set(TASKS) < set(found)


@pytest.mark.parametrize("text", [TRADITIONAL, SIMPLIFIED])
def test_installed_program_reads_standard_input_and_answers_in_json(text: str) -> None:
    result = real("analyze", "--json", stdin=text.encode())
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out)["text"] == text


def test_standard_input_that_is_no_utf_8_still_gets_an_answer(run: Run) -> None:
    result = run("analyze", "--json", stdin=b"\xff\xfe" + TRADITIONAL.encode())
    assert result.code == 0
    assert json.loads(result.out)["text"].endswith(TRADITIONAL)


@pytest.mark.parametrize(
    ("text", "status"), [("", "empty"), (" \n\u200b", "empty"), ("好", "too_short"), ("hello there", "not_chinese")]
)
def test_text_that_cannot_be_analysed_ends_with_2_and_one_line(run: Run, text: str, status: str) -> None:
    for result in (run("analyze", text), run("analyze", stdin=text.encode())):
        assert result.code == 2
        assert one_line(result.out + result.err).startswith(f"{status}: ")
    result = run("analyze", text, "--json")
    assert (result.code, json.loads(result.out)["status"]) == (2, status)


def test_hostile_markup_in_a_message_is_shown_as_written(run: Run) -> None:
    text = "[red]手機壞了[/red][/] {0} %s"
    result = run("analyze", text)
    assert result.code == 0
    assert text in result.out


# --- label


@pytest.mark.parametrize("workers", ["0", "1"])
def test_label_csv_from_end_to_end(run: Run, tmp_path: Path, workers: str) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out" / "labelled.csv"
    source.write_text(f"編號,内容\n1,{TRADITIONAL}\n2,{SIMPLIFIED}\n3,{MIXED}\n4\n5,\n", encoding="utf-8")
    result = run("label", str(source), str(target), "--text-column", "内容", "--workers", workers, "--preview", "5")
    assert result.code == 0
    with target.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["編號"] for row in rows] == ["1", "2", "3", "5"]
    assert [row["status"] for row in rows] == ["ok", "ok", "ok", "empty"]
    assert [row["script"] for row in rows[:3]] == ["traditional", "simplified", "mixed"]
    assert "refund" in rows[0]["demands"].split("|")
    assert "4 rows labelled" in result.err
    assert "1 rows set aside" in result.err
    record = json.loads((tmp_path / "out" / "labelled.csv.rejects.jsonl").read_text(encoding="utf-8"))
    assert (record["row"], record["reason"]) == (4, "1 cells where the header has 2")
    assert "手機才買一週" in result.out
    assert "快递显示签收" in result.out


def test_label_as_the_installed_program(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(f"text\n{TRADITIONAL}\n".encode("big5"))
    result = real("label", "in.csv", "out.jsonl", cwd=tmp_path)
    assert (result.code, result.out) == (0, "")
    row = json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8"))
    assert (row["text"], row["script"]) == (TRADITIONAL, "traditional")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["in.csv", "out.jsonl", "out.jsonl.manifest.json"]


def test_label_shows_paths_as_they_are(run: Run, tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "[red]x[" / "b].csv"
    source.write_text(f'text\n{TRADITIONAL}\n"a",b\n', encoding="utf-8")
    result = run("label", str(source), str(target), "--preview", "1")
    assert result.code == 0
    assert "[red]x[/b].csv" in result.err.replace("\n", "")
    assert target.is_file()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.csv", "out.csv"], "nowhere.csv: no such file"),
        (["in.csv", "out.xls"], "unknown file ending '.xls'"),
        (["in.csv", "in.csv"], "is the input itself"),
        (["in.csv", "old.csv"], "exists already; use --overwrite"),
        (
            ["in.csv", "out.csv", "--text-column", "body"],
            "has no column 'body'; its columns are text (use --text-column)",
        ),
        (["in.csv", "out.csv", "--encoding", "klingon"], "unknown encoding: klingon"),
        (["in.csv", "out.csv", "--model", "nowhere"], "nowhere: no model bundle here"),
        (["in.csv", "out.csv", "--workers", "1", "--safety-rules", "in.csv"], "in.csv:1: file: Input should be"),
    ],
)
def test_label_mistakes_end_with_2_and_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text(f"text\n{TRADITIONAL}\n", encoding="utf-8")
    Path("old.csv").write_text("old", encoding="utf-8")
    result = run("label", *arguments)
    assert result.code == 2
    line = one_line(result.err)
    assert line.startswith("complaint-nlp: ")
    assert says in line
    assert sorted(item.name for item in tmp_path.iterdir()) == ["in.csv", "old.csv"]
    assert Path("old.csv").read_text(encoding="utf-8") == "old"


# --- evaluate


@pytest.fixture
def labelled(tmp_path: Path, analyzer: Analyzer) -> Path:
    """Return a file whose labels are the model's own answers, but for one intent."""
    path = tmp_path / "labelled.jsonl"
    records: list[dict[str, Any]] = []
    for text in (TRADITIONAL, SIMPLIFIED, MIXED, "謝謝店員幫忙，非常滿意！", "营业时间到几点？"):
        report = analyzer.analyze(text)
        labels = {
            name: [str(label) for label in report.task(name).labels]
            if task.is_multilabel
            else str(report.task(name).primary)
            for name, task in TASKS.items()
        }
        records.append(
            {"id": f"r{len(records)}", "split": "test" if len(records) < 2 else "train", "text": text, **labels}
        )
    records[0]["intent"] = "other"
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return path


def test_evaluate_prints_a_table_per_task_and_value(run: Run, labelled: Path) -> None:
    result = run("evaluate", str(labelled))
    assert (result.code, result.err) == (0, "")
    assert "(5 messages)" in result.out
    assert [name for name in (*TASKS, "emotion_primary", "complaint", "praise") if name not in result.out] == []
    brief = run("evaluate", str(labelled), "--by-task")
    assert "praise" not in brief.out


def test_evaluate_json_holds_the_figures(run: Run, labelled: Path) -> None:
    result = run("evaluate", str(labelled), "--json")
    assert (result.code, result.err) == (0, "")
    figures = json.loads(result.out)
    assert figures["messages"] == 5
    assert figures["tasks"]["intent"]["exact_match"] == pytest.approx(0.8)
    assert all(score["exact_match"] == 1.0 for name, score in figures["tasks"].items() if name != "intent")


def test_evaluate_takes_one_split_and_several_files(run: Run, labelled: Path) -> None:
    one = json.loads(run("evaluate", str(labelled), "--json", "--split", "test").out)
    assert (one["messages"], one["tasks"]["intent"]["exact_match"]) == (2, 0.5)
    assert json.loads(run("evaluate", str(labelled), str(labelled), "--json").out)["messages"] == 10


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"text": "手機壞了", "intent": "rant"}', "labelled.jsonl:3: intent: 'rant' is not one of complaint"),
        ('{"text": "手机坏了", "category": ["qualty"]}', "labelled.jsonl:3: category: 'qualty' is not one of quality"),
        ('{"text": "手机坏了", "emotion": []}', "labelled.jsonl:3: emotion: at least one value is needed"),
        (
            '{"text": "手机坏了", "urgency": ["low", "high"]}',
            "labelled.jsonl:3: urgency: exactly one value is needed, got 2",
        ),
        ('{"text": 5}', "labelled.jsonl:3: expected an object with a key 'text'"),
        ("[1]", "labelled.jsonl:3: expected an object with a key 'text'"),
        ("手機壞了", "labelled.jsonl:3: Expecting value"),
        ("[" * 100_000, "labelled.jsonl:3: "),
    ],
)
def test_evaluate_names_file_and_line_of_a_wrong_record(run: Run, labelled: Path, line: str, says: str) -> None:
    lines = labelled.read_text(encoding="utf-8").splitlines()
    lines.insert(2, line)
    labelled.write_text("\n".join(lines), encoding="utf-8")
    result = run("evaluate", str(labelled))
    assert (result.code, result.out) == (2, "")
    assert says in one_line(result.err)


def test_evaluate_as_the_installed_program_refuses_wrong_files(labelled: Path) -> None:
    labelled.write_text('{"text": "手機壞了"}\n{"text": \n', encoding="utf-8")
    result = real("evaluate", str(labelled))
    assert (result.code, result.out) == (2, "")
    assert one_line(result.err).startswith(f"complaint-nlp: {labelled}:2: ")


def test_evaluate_refuses_what_holds_no_labels(run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("", encoding="utf-8")
    for path, says in ((empty, "there is no labelled message"), (tmp_path / "nowhere.jsonl", "No such file")):
        result = run("evaluate", str(path))
        assert result.code == 2
        assert says in one_line(result.err)
    (tmp_path / "big5.jsonl").write_bytes('{"text": "手機壞了"}'.encode("big5"))
    assert "cannot be read as UTF-8 text" in one_line(run("evaluate", str(tmp_path / "big5.jsonl")).err)


# --- doctor, own files, stopping


def test_doctor_finds_this_installation_healthy() -> None:
    result = real("doctor")
    assert (result.code, result.err) == (0, "")
    assert f"complaint-nlp {complaint_nlp.__version__}" in result.out
    assert "FAILED" not in result.out
    assert "MISSING" not in result.out
    assert result.out.count("ok: ") == 3


def test_doctor_says_when_the_model_is_broken(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Analyzer:
        msg = "somewhere: linear.npz is damaged"
        raise complaint_nlp.ModelError(msg)

    run("--version")  # puts its own loader in place first
    monkeypatch.setattr(Analyzer, "load", broken)
    monkeypatch.setattr(sys, "argv", ["complaint-nlp", "doctor"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1


@pytest.mark.parametrize("command", ["analyze", "label", "evaluate"])
def test_unknown_model_directory_ends_with_2_and_one_line(run: Run, labelled: Path, command: str) -> None:
    arguments = {
        "analyze": [TRADITIONAL],
        "label": [str(labelled), str(labelled.with_name("out.csv"))],
        "evaluate": [str(labelled)],
    }[command]
    missing = labelled.with_name("no-model")
    result = run(command, *arguments, "--model", str(missing))
    assert (result.code, result.out) == (2, "")
    assert one_line(result.err).startswith(f"complaint-nlp: {missing}: no model bundle here")


def test_wrong_routing_file_ends_with_2_and_names_the_line(run: Run, tmp_path: Path) -> None:
    shipped = builtin("triage/routing.yaml").read_text(encoding="utf-8")
    path = tmp_path / "routing.yaml"
    old = "  price.refund: {department: billing}"
    path.write_text(shipped.replace(old, "  price.refund: {department: nobody}"), encoding="utf-8")
    number = shipped[: shipped.index(old)].count("\n") + 1
    for text in (TRADITIONAL, SIMPLIFIED):
        result = run("analyze", text, "--routing", str(path))
        assert (result.code, result.out) == (2, "")
        assert one_line(result.err).startswith(f"complaint-nlp: {path}:{number}: routes.price.refund: ")
    assert real("analyze", TRADITIONAL, "--routing", str(path)).code == 2


@pytest.mark.parametrize(
    "arguments", [["--help"], ["analyze", TRADITIONAL], ["analyze", SIMPLIFIED, "--json"]], ids=["help", "text", "json"]
)
def test_reader_that_has_seen_enough_causes_no_traceback(arguments: list[str]) -> None:
    process = subprocess.Popen(  # noqa: S603 - our own program
        [PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()  # as head does, but before anything is written
    errors = process.stderr.read().decode("utf-8")
    process.stderr.close()
    process.wait(timeout=60)
    assert errors == ""


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let child processes hear SIGINT, which a shell's background jobs are started deaf to."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_with_130_and_no_traceback() -> None:
    process = subprocess.Popen(  # noqa: S603 - our own program
        [PROGRAM, "analyze"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        # it waits for standard input once the message is asked for: its imports are done when it sleeps in a read
        deadline = time.monotonic() + 60
        while not _waits_for_input(process.pid):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert b"Traceback" not in errors
    assert errors.decode().strip().endswith("complaint-nlp: stopped")


def _waits_for_input(pid: int) -> bool:
    """Return whether a process sleeps with the analyzer loaded; a second of rest where the system does not tell."""
    maps = Path(f"/proc/{pid}/maps")
    if not maps.exists():
        time.sleep(5)
        return True
    try:
        asleep = " S " in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        return asleep and "_multiarray_umath" in maps.read_text(encoding="utf-8")
    except OSError:
        return False


def test_a_fact_that_a_long_letter_repeats_is_shown_once(run: Run) -> None:
    calls = "".join(f"第{i}次打電話，等了{i + 5}分鐘，" for i in range(2, 40))
    shown = run("analyze", f"除濕機三天就壞了，{calls}除濕機三天就壞了，我要退款", "--speed", "fast").out
    assert shown.count("product 「除濕機」") == 1
    assert re.search(r"… \d+ more", " ".join(shown.split()))
