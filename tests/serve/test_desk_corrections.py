"""Corrections are appended whole, whoever writes at the same time and whatever happened before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from complaint_nlp import DataError
from complaint_nlp.serve.desk_corrections import Correction, CorrectionsFile

if TYPE_CHECKING:
    from pathlib import Path


def correction(text: str = "手機壞了", **given: object) -> Correction:
    fields = {
        "task": "category",
        "value": ["quality"],
        "guess": ["service"],
        "model": "abc",
        "at": "2026-01-02T03:04:05Z",
    }
    return Correction(text=text, **{**fields, **given})  # type: ignore[arg-type]


def records(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_lines_hold_what_was_given_and_no_empty_reviewer(tmp_path: Path) -> None:
    path = tmp_path / "new/folder/corrections.jsonl"
    file = CorrectionsFile(path)
    file.append(correction("第一行\n第二行“引号”"))
    file.append(correction("客服態度差", task="urgency", value="high", guess=None, reviewer="小林"))
    first, second = records(path)
    assert first == {
        "text": "第一行\n第二行“引号”",
        "task": "category",
        "value": ["quality"],
        "guess": ["service"],
        "model": "abc",
        "at": "2026-01-02T03:04:05Z",
    }
    assert second["reviewer"] == "小林"
    assert second["value"] == "high"
    assert second["guess"] is None


@pytest.mark.skipif(os.name != "posix", reason="other systems have other permissions")
def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "corrections.jsonl"
    CorrectionsFile(path).append(correction())
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_line_cut_off_by_a_crash_costs_no_other_line(tmp_path: Path) -> None:
    path = tmp_path / "corrections.jsonl"
    path.write_bytes('{"text": "寫到一半'.encode())
    CorrectionsFile(path).append(correction("完整的一行"))
    broken, whole = path.read_text(encoding="utf-8").splitlines()
    assert broken == '{"text": "寫到一半'
    assert json.loads(whole)["text"] == "完整的一行"


def test_half_a_character_is_written_as_an_escape(tmp_path: Path) -> None:
    path = tmp_path / "corrections.jsonl"
    CorrectionsFile(path).append(correction("壞掉的\ud83d字"))
    assert records(path)[0]["text"] == "壞掉的\ud83d字"


def test_threads_and_processes_write_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "corrections.jsonl"
    program = textwrap.dedent("""
        import sys
        from pathlib import Path
        from complaint_nlp.serve.desk_corrections import Correction, CorrectionsFile
        file = CorrectionsFile(Path(sys.argv[1]))
        for i in range(20):
            file.append(Correction(f"p{sys.argv[2]}-{i} " + "字" * 5000, "category", [], None, "m", "now"))
    """)
    processes = [
        subprocess.Popen([sys.executable, "-c", program, str(path), str(n)])  # noqa: S603 - the program above
        for n in range(2)
    ]
    file = CorrectionsFile(path)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: file.append(correction(f"t{i} " + "字" * 5000)), range(20)))
    assert [process.wait(60) for process in processes] == [0, 0]
    names = {str(record["text"]).split()[0] for record in records(path)}
    assert names == {f"p{n}-{i}" for n in range(2) for i in range(20)} | {f"t{i}" for i in range(20)}
    assert all(len(str(record["text"])) > 5000 for record in records(path))


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "corrections.jsonl"
    file = CorrectionsFile(path)
    file.append(correction("之前的一行"))

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="cannot be written: No space left"):
        file.append(correction("寫不下的一行"))
    assert [record["text"] for record in records(path)] == ["之前的一行"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file/corrections\.jsonl: the correction cannot be written"):
        CorrectionsFile(tmp_path / "file/corrections.jsonl").append(correction())
