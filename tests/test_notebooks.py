"""The notebooks run from top to bottom and find what they say, and what they keep can be read on a repository page."""

from __future__ import annotations

import base64
import importlib.util
import json
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

from complaint_nlp.evaluation.fonts import cjk_family, missing_characters
from complaint_nlp.text import Normalizer, Script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MAX_BYTES = 500_000
MAX_TEXT = 20_000
"""Characters of an output that is no picture and no page of its own."""
# where files of a machine lie; the outputs name files of the project alone
_PATH = re.compile(r"(?<![\w.])/(?:work|root|home|Users|tmp|var|opt|usr|private|mnt)/|\b[A-Z]:\\\\|ipykernel_")
_HAN = re.compile(r"[\u3007\u4e00-\u9fff]")

# asked in the notebook's own process after its last cell
_QUESTIONS = {
    "01_quickstart": """{
        "reply": report.strategy.first_reply, "second_reply": danger.strategy.first_reply,
        "urgency": [str(report.urgency.primary), str(danger.urgency.primary)],
        "reasons": len(report.urgency_reasons), "facts": [fact.kind.value for fact in report.facts.items],
        "score": review.score, "statuses": labelled["status"].value_counts().to_dict(), "rows": len(table),
    }""",
    "02_evaluate": """{
        "messages": evaluation.messages,
        "macro_f1": {name: score.macro_f1 for name, score in evaluation.tasks.items()},
        "fast": {name: score.macro_f1 for name, score in fast.tasks.items()},
        "alpha": {name: one.alpha for name, one in agreed.tasks.items()},
        "pictures": page.count("<img"), "remote": "src='http" in page or 'src="http' in page,
    }""",
    "03_finetune_your_labels": """{
        "macro_f1": {name: macro_f1(answers) for name, answers in found.items()},
        "auto": float(right[decisions == "auto"].mean()), "all": float(right.mean()),
        "same": again.analyze(text).extra["callback"] == own.analyze(text).extra["callback"],
        "learnt": gone_on.messages,
        "changes": [(one.macro_f1_a, one.macro_f1_b) for one in gone_on.changes.values()],
        "corrected": {task: [one.kept, one.changed] for task, one in summary.tasks.items()},
        "left": folder.exists(),
    }""",
    "04_insights": """{
        "rises": [[one["by"], one["value"], f"{one['start']:%Y-%m-%d}", f"{one['end']:%Y-%m-%d}"]
                  for one in rises.to_dict("records")],
        "hotspots": hotspots[["value", "subcategory"]].to_numpy().tolist(),
        "groups": groups[["size", "subcategory"]].to_numpy().tolist(),
        "copies": groups["rows"].explode().map(labelled["text"].get).str.contains("保温瓶|保溫瓶").sum().item(),
        "page": size,
    }""",
}


@pytest.fixture(scope="module")
def run() -> Callable[[nbformat.NotebookNode, Path], None]:
    """Return what runs a notebook, the same as ``make notebooks``."""
    spec = importlib.util.spec_from_file_location("notebooks_run", ROOT / "notebooks" / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Callable[[nbformat.NotebookNode, Path], None] = module.run
    return function


@pytest.fixture(scope="module", autouse=True)
def own_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep settings and history of whoever runs the tests out of them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        patch.delenv("MPLBACKEND", raising=False)
        yield


def read(path: Path) -> nbformat.NotebookNode:
    notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    return notebook


def code_cells(notebook: nbformat.NotebookNode) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kinds(cell: Any) -> list[list[str]]:
    """Return what a cell shows: by output its type and its forms."""
    shown = [[one.output_type, one.get("name", ""), *sorted(one.get("data", {}))] for one in cell.outputs]
    return sorted(shown)


def texts(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """Yield every output that is text."""
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "stream":
                yield output.text
            for form, content in output.get("data", {}).items():
                if not form.startswith("image/"):
                    yield content if isinstance(content, str) else json.dumps(content)


def pictures(notebook: nbformat.NotebookNode) -> Iterator[bytes]:
    """Yield every PNG that is kept."""
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                yield base64.b64decode(output.data["image/png"])


def complaints_about(notebook: nbformat.NotebookNode) -> list[str]:
    """Return errors and warnings among the outputs."""
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    wrong = [one for one in outputs if one.output_type == "error" or one.get("name") == "stderr"]
    return [str(one.get("text") or one.get("evalue")) for one in wrong]


def is_script(text: str, script: Script) -> bool:
    return Normalizer().normalize(text).script is script


def check_quickstart(found: dict[str, Any]) -> None:
    assert is_script(found["reply"], Script.TRADITIONAL)
    assert is_script(found["second_reply"], Script.SIMPLIFIED)
    assert found["urgency"][0] in ("high", "critical")
    assert found["urgency"][1] == "critical"
    assert found["reasons"] >= 1
    assert {"order", "phone", "deadline"} <= set(found["facts"])
    assert found["score"] < 60
    assert found["statuses"] == {"ok": 69, "not_chinese": 2, "empty": 1}
    assert found["rows"] == 72


def check_evaluate(found: dict[str, Any]) -> None:
    assert found["messages"] == 400
    assert all(0.4 < figure < 1 for figure in found["macro_f1"].values()), found["macro_f1"]
    assert found["macro_f1"]["category"] > found["fast"]["category"]
    assert all(0.75 < alpha < 1 for alpha in found["alpha"].values()), found["alpha"]
    assert found["pictures"] >= 9
    assert not found["remote"]


def check_finetune(found: dict[str, Any]) -> None:
    assert found["macro_f1"]["always the same"] < 0.5
    assert found["macro_f1"]["head"] > 0.7
    assert found["all"] < found["auto"]
    assert found["same"]
    assert found["learnt"] == 100
    assert all(abs(after - before) < 0.05 for before, after in found["changes"]), found["changes"]
    assert sum(found["corrected"]["urgency"]) == 100
    assert found["corrected"]["urgency"][1] > 0
    assert not found["left"]


def check_insights(found: dict[str, Any]) -> None:
    assert [rise[:2] for rise in found["rises"]] == [["subcategory", "service.slow"]]
    start, end = found["rises"][0][2:]
    assert "2025-09-06" <= start <= "2025-09-11"
    assert "2025-09-16" <= end <= "2025-09-21"
    assert found["hotspots"] == [["高雄店", "service.attitude"]]
    assert found["groups"] == [[11, "quality.hygiene"]]
    assert found["copies"] == 11
    assert 10_000 < found["page"] < 5_000_000


_CHECKS = {
    "01_quickstart": check_quickstart,
    "02_evaluate": check_evaluate,
    "03_finetune_your_labels": check_finetune,
    "04_insights": check_insights,
}


def test_every_notebook_is_checked() -> None:
    assert [path.stem for path in NOTEBOOKS] == list(_QUESTIONS) == list(_CHECKS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_and_finds_what_it_says(
    path: Path, run: Callable[[nbformat.NotebookNode, Path], None], tmp_path: Path
) -> None:
    (tmp_path / "data").symlink_to(ROOT / "data")
    folder = tmp_path / "notebooks"
    folder.mkdir()
    kept, notebook = read(path), read(path)
    for cell in code_cells(notebook):
        cell.outputs, cell.execution_count = [], None
    question = f"import json\n\nprint(json.dumps({_QUESTIONS[path.stem]}, ensure_ascii=False))"
    notebook.cells.append(nbformat.v4.new_code_cell(question))  # type: ignore[no-untyped-call]
    run(notebook, folder)
    answer = notebook.cells.pop().outputs[0].text
    assert complaints_about(notebook) == []
    _CHECKS[path.stem](json.loads(answer))
    # a cell that shows something keeps something of the same kind
    assert [kinds(cell) for cell in code_cells(kept)] == [kinds(cell) for cell in code_cells(notebook)]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_kept_is_whole_and_can_be_read_on_a_page(path: Path) -> None:
    notebook = read(path)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert 8 <= len(notebook.cells) <= 15
    assert complaints_about(notebook) == []
    assert not any("execution" in cell.metadata for cell in cells)
    assert notebook.metadata.language_info == {"name": "python"}
    assert path.stat().st_size < MAX_BYTES
    for text in texts(notebook):
        assert _PATH.search(text) is None, text
        assert "\r" not in text
        assert "\x1b" not in text
        assert "widget" not in text
        assert "<script" not in text
    # a table as HTML is long for its tags, so the plain form is measured
    plain = [one.get("text") or one.data.get("text/plain", "") for cell in cells for one in cell.outputs]
    assert max(map(len, plain)) < MAX_TEXT
    for picture in pictures(notebook):
        width, height = struct.unpack(">II", picture[16:24])
        assert 200 < width < 1_600
        assert 200 < height < 1_600


def test_both_scripts_are_shown() -> None:
    for path in NOTEBOOKS:
        notebook = read(path)
        written = "".join([*texts(notebook), *(cell.source for cell in code_cells(notebook))])
        for chars in ("這說沒務貨單報師評", "这说没务货单报师评"):
            assert set(chars) & set(written), path.stem


@pytest.mark.parametrize("language", ["zh-Hant", "zh-Hans"])
def test_the_font_of_charts_has_all_characters(language: Any) -> None:
    drawn = {char for path in NOTEBOOKS for cell in code_cells(read(path)) for char in _HAN.findall(cell.source)}
    assert len(drawn) > 100
    assert missing_characters(cjk_family(language), sorted(drawn)) == ""


def test_a_chart_with_empty_boxes_would_be_noticed(
    run: Callable[[nbformat.NotebookNode, Path], None], tmp_path: Path
) -> None:
    source = 'import matplotlib.pyplot as plt\n\nplt.subplots()[1].set_title("投訴", family="DejaVu Sans");'
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])  # type: ignore[no-untyped-call]
    run(notebook, tmp_path)
    assert len(list(pictures(notebook))) == 1
    assert any("Glyph" in text for text in complaints_about(notebook))


@pytest.mark.parametrize("text", ["saved in /home/wang/model", "File C:\\\\Users\\\\wang", "in /var/lib/x.py"])
def test_paths_would_be_noticed(text: str) -> None:
    assert _PATH.search(text)
