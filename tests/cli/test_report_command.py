"""The command ``report``: from a labelled file to one page."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import typer
from typer.testing import CliRunner

from complaint_nlp.cli.report import report
from complaint_nlp.errors import ComplaintNlpError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEADER = "編號,受理時間,品名,內容,status,intent,category,subcategory,urgency,emotion,intensity,escalate\n"
ROWS = (
    "1,2026-03-02 09:00,洗衣機,洗衣機漏水請打0912345678,ok,complaint,quality,quality.defect,medium,angry,2,false\n",
    "2,2026-03-02 10:00,洗衣機,漏水没人理,ok,complaint,quality|service,quality.defect|service.slow,high,,2,false\n",
    "3,2026-03-04 11:00,冷氣,冷氣漏電冒煙,ok,complaint,incident,incident.danger,critical,anxious|angry,3,true\n",
    "4,2026-03-05 11:00,冷氣,謝謝,ok,praise,,,low,satisfied,1,false\n",
    "5,2026-03-05 12:00,冷氣,,empty,,,,,,,\n",
)


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run() -> Callable[..., Result]:
    app = typer.Typer()
    app.command()(report)

    def call(*arguments: object) -> Result:
        done = CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "200"})
        if isinstance(done.exception, ComplaintNlpError):
            return Result(2, done.stdout, str(done.exception))
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return Result(done.exit_code, done.stdout, done.stderr)

    return call


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "labelled.csv"
    path.write_text(HEADER + "".join(ROWS), encoding="utf-8-sig")
    return path


def data_of(path: Path) -> dict[str, Any]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_a_labelled_file_becomes_a_page(run: Callable[..., Result], table: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    done = run(table, out, "--title", "三月 <客訴>")
    assert (done.code, done.out) == (0, f"4 messages -> {out} (0.1 MB)\n")
    assert "「產品」採用欄位「品名」" in done.err
    data = data_of(out)
    assert data["title"] == "三月 <客訴>"
    assert data["lang"] == "zh-Hant"
    assert data["cube"]["rows"] == 4
    product = next(axis for axis in data["cube"]["axes"] if axis["name"] == "product")
    assert product["values"] == ["冷氣", "洗衣機"]
    assert "0912345678" not in out.read_text(encoding="utf-8")


def test_options_reach_the_page(run: Callable[..., Result], table: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    done = run(table, out, "--lang", "zh-Hans", "--no-mask", "--place-column", "品名", "--time-column", "受理時間")
    assert done.code == 0
    data = data_of(out)
    assert (data["lang"], data["insights"]["masked"]) == ("zh-Hans", False)
    assert [axis["name"] for axis in data["cube"]["axes"]][:2] == ["day", "place"]
    assert "0912345678" in out.read_text(encoding="utf-8")


def test_jsonl_and_parquet_say_the_same(run: Callable[..., Result], table: Path, tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.read_csv(table, dtype=str, keep_default_na=False)
    for name in ("category", "subcategory", "emotion"):
        frame[name] = frame[name].map(lambda value: value.split("|") if value else [])
    frame.to_parquet(tmp_path / "labelled.parquet")
    frame.to_json(tmp_path / "labelled.jsonl", orient="records", lines=True, force_ascii=False)
    cubes = []
    for source in (table, tmp_path / "labelled.parquet", tmp_path / "labelled.jsonl"):
        out = tmp_path / f"{source.suffix[1:]}.html"
        assert run(source, out).code == 0
        cubes.append(data_of(out)["cube"])
    assert cubes[0] == cubes[1] == cubes[2]


def test_what_cannot_be_used_is_refused(run: Callable[..., Result], table: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    plain = tmp_path / "plain.csv"
    plain.write_text("text\n冷氣不冷\n", encoding="utf-8")
    refused = run(plain, out)
    assert refused.code == 2
    assert (
        f"no label columns (category, subcategory, urgency...); label it first: complaint-nlp label {plain}"
        in refused.err
    )
    assert "no such file" in run(tmp_path / "no.csv", out).err
    assert "no column 'Zeit'" in run(table, out, "--time-column", "Zeit").err
    assert "ends in .html" in run(table, tmp_path / "report.csv", "--overwrite").err
    assert "use one of zh-Hant, zh-Hans, en" in run(table, out, "--lang", "fr").err
    empty = tmp_path / "empty.csv"
    empty.write_text(HEADER + ROWS[-1], encoding="utf-8")
    assert "no analysed messages" in run(empty, out).err
    assert not out.exists()


def test_a_page_is_replaced_when_told_to(run: Callable[..., Result], table: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    out.write_text("mine", encoding="utf-8")
    refused = run(table, out)
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert out.read_text(encoding="utf-8") == "mine"
    assert run(table, out, "--overwrite").code == 0
    assert data_of(out)["cube"]["rows"] == 4
