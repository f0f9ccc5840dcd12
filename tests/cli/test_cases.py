"""The commands around solved cases, check-reply, and the plan on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from complaint_nlp.cli import main

ROOT = Path(__file__).resolve().parent.parent.parent
SOLVED = ROOT / "data" / "samples" / "solved.jsonl"
MESSAGE = "洗衣機修了三次還是漏水，樓下也淹了，請打0912345678"


class Result(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the program in this process."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> Result:
        monkeypatch.setattr("sys.argv", ["complaint-nlp", *map(str, arguments)])
        capsys.readouterr()
        code: object = 0
        try:
            main()
        except SystemExit as stopped:
            code = stopped.code or 0
        written = capsys.readouterr()
        assert isinstance(code, int)
        return Result(code, written.out, written.err)

    return call


def test_solved_cases_go_in_and_are_found_in_both_scripts(run: Run, tmp_path: Path) -> None:
    base = tmp_path / "cases.db"
    broken = tmp_path / "solved.jsonl"
    broken.write_text(SOLVED.read_text(encoding="utf-8") + '{"handling": "no text"}\n', encoding="utf-8")
    given = run("cases", "import", base, broken, "--mask")
    assert given.code == 0
    assert "9 cases added, 1 set aside, 9 in all" in given.out
    assert "solved.jsonl:10: " in given.err
    for text in ("洗衣機又漏水了", "洗衣机又漏水了"):
        assert "洗衣機修了兩次還是漏水" in run("cases", "search", base, text, "-k", 1).out
    assert run("cases", "search", base, "洗衣機", "--only-reviewed").out == ""
    assert run("cases", "review", base, 3, "--reviewer", "王組長", "--note", "可參考").code == 0
    assert "洗衣機修了兩次" in run("cases", "search", base, "洗衣機", "--only-reviewed").out
    assert run("cases", "retire", base, 3, "--reason", "過時").code == 0
    assert "洗衣機修了兩次" not in run("cases", "search", base, "洗衣機", "-k", 9).out
    assert run("cases", "export", base, tmp_path / "out.jsonl").code == 0
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["status"] for row in rows].count("retired") == 1
    assert run("cases", "reindex", base).out == "0 vectors computed\n"


def test_a_missing_case_base_is_refused_with_advice(run: Run, tmp_path: Path) -> None:
    for arguments in (("search", tmp_path / "none.db", "壞了"), ("export", tmp_path / "none.db", tmp_path / "x.jsonl")):
        result = run("cases", *arguments)
        assert result.code == 2
        assert "no such file" in result.err
        assert "cases import" in result.err
    assert list(tmp_path.iterdir()) == []
    assert run("analyze", MESSAGE, "--cases", tmp_path / "none.db").code == 2


def test_analyze_shows_plan_similar_cases_and_hides_what_is_personal(run: Run, tmp_path: Path) -> None:
    base = tmp_path / "cases.db"
    run("cases", "import", base, SOLVED)
    result = run("analyze", MESSAGE, "--full", "--mask", "--cases", base, "--fault", "ours")
    assert result.code == 0
    assert "0912345678" not in result.out
    assert "**********" in result.out
    for words in ("apology letter", "progress note", "follow-up message", "prevent", "≈ 0."):
        assert words in result.out
    short = run("analyze", MESSAGE)
    assert "apology letter" not in short.out
    assert "✉" in short.out
    assert run("analyze", MESSAGE, "--fault", "theirs").code == 2


@pytest.mark.parametrize("fault", ["ours", "unclear", "customer"])
def test_json_holds_the_plan_that_was_asked_for(run: Run, fault: str) -> None:
    content = json.loads(run("analyze", MESSAGE, "--json", "--mask", "--fault", fault).out)
    assert content["strategy"]["fault"] == fault
    assert "0912345678" not in json.dumps(content)
    assert [fact["kind"] for fact in content["facts"] if fact["kind"] == "phone"] == ["phone"]


def test_check_reply_shows_what_to_change(run: Run) -> None:
    result = run("check-reply", "您好，不行，這是規定，我們會儘快處理。", "--message", MESSAGE)
    assert result.code == 0
    for words in ("flat_negative", "vague_time", "missing_apology", "/ 100"):
        assert words in result.out
    assert run("check-reply", "不行，這是規定", "--min-score", 90).code == 1
    review = json.loads(run("check-reply", "不行，这是规定", "--json").out)
    assert review["script"] == "simplified"
    assert review["findings"][0]["text"] == "不行"
    assert run("check-reply", "好" * 20_001).code == 2
