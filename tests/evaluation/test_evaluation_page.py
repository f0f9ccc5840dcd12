"""Charts and the page: every label is readable, nothing is fetched, nothing personal is told."""

from __future__ import annotations

import base64
import io
import re
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pytest
from made import messages_of, random_labels, reports_of

from complaint_nlp import DataError, Evaluation, evaluate
from complaint_nlp.evaluation import evaluate_labels, fonts
from complaint_nlp.evaluation.texts import _texts, value_name, word
from complaint_nlp.labelled import LabelledMessage
from complaint_nlp.labels import LANGUAGES, TASKS, Language, Task, display_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

mpl.use("Agg")
COUNT = 90


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    truth = random_labels(1, COUNT)
    messages = messages_of(truth, source=["銀行" if row % 2 else "银行" for row in range(COUNT)])
    messages[0] = LabelledMessage("m0", "<b>手機壞了</b>，請打0912345678", messages[0].labels, source="銀行")
    answers = random_labels(2, COUNT, like=truth)
    answers[0] = random_labels(77, 1)[0]
    sure = np.random.default_rng(0).random(COUNT)
    sure[0] = 1.0
    return evaluate(reports_of(messages, answers, dict.fromkeys(TASKS, sure.tolist())), messages)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def drawn(text: str, family: str) -> NDArray[np.uint8]:
    """Return the rendered text as it comes out of a PNG, without its margin."""
    from matplotlib import image
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1, 1), dpi=100)
    figure.text(0.2, 0.3, text, family=family, fontsize=40)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    stream.seek(0)
    pixels: NDArray[np.uint8] = (image.imread(stream)[:, :, :3].mean(axis=2) < 0.5).astype(np.uint8)
    return pixels


def glyphs_differ(family: str) -> None:
    shapes = {char: drawn(char, family) for char in "投訴诉緊紧費费憤愤"}
    for char, shape in shapes.items():
        assert shape.sum() > 100, f"{char} is not drawn"
    assert len({shape.tobytes() for shape in shapes.values()}) == len(shapes)


@pytest.mark.parametrize("language", LANGUAGES)
def test_characters_are_drawn_and_are_no_boxes(language: Language) -> None:
    family = fonts.cjk_family(language)
    glyphs_differ(family)
    with pytest.warns(UserWarning, match="missing from font"):
        box = drawn("\U0001f9ff", family)  # a character that no such font has
    assert all((drawn(char, family) != box).any() for char in fonts.PROBE)


def test_where_the_system_has_no_font_the_shipped_one_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.font_manager import fontManager

    plain = [entry for entry in fontManager.ttflist if "DejaVu" in entry.name]
    monkeypatch.setattr(fontManager, "ttflist", plain)
    fonts.cjk_family.cache_clear()
    try:
        family = fonts.cjk_family("zh-Hant")
        assert family == "Noto Sans SC"
        everything = "".join(
            display_name(name, value, language)
            for name, task in TASKS.items()
            for value in task.values
            for language in LANGUAGES
        )
        assert fonts.missing_characters(family, everything) == ""
        glyphs_differ(family)
    finally:
        fonts.cjk_family.cache_clear()


def test_all_words_of_charts_have_glyphs() -> None:
    for language in LANGUAGES:
        words = "".join(text.get(language) for text in _texts().values())
        assert fonts.missing_characters(fonts.cjk_family(language), words) == ""


CHARTS: dict[str, Any] = {
    "confusion": {"task": "category"},
    "reliability": {"task": "urgency"},
    "coverage": {"task": "intent"},
    "slices": {"by": "source", "task": "intent", "n_resamples": 20},
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("chart", CHARTS)
def test_charts_are_axes_in_the_readers_language(evaluation: Evaluation, chart: str, language: Language) -> None:
    axes = getattr(evaluation.plot, chart)(**CHARTS[chart], language=language)
    assert display_name(CHARTS[chart]["task"], None, language) in axes.get_title()
    # a missing glyph would be a warning, and that an error
    axes.figure.savefig(io.BytesIO(), format="png")
    if chart == "confusion":
        names = [label.get_text() for label in axes.get_yticklabels()]
        assert names[:2] == [display_name("category", value, language) for value in ("quality", "service")]


def test_charts_show_the_figures_and_take_axes(evaluation: Evaluation) -> None:
    import matplotlib.pyplot as plt

    _, given = plt.subplots()
    axes = evaluation.plot.confusion("urgency", ax=given)
    assert axes is given
    counts = evaluation.confusion("urgency")
    assert sorted(int(text.get_text()) for text in axes.texts) == sorted(counts.to_numpy()[counts.to_numpy() > 0])
    curve = evaluation.plot.coverage("urgency").lines[0].get_xydata()
    assert np.asarray(curve).tolist() == evaluation.coverage("urgency")[["coverage", "accuracy"]].to_numpy().tolist()
    with pytest.raises(DataError, match="no part has enough messages"):
        evaluation.plot.slices("source", "intent", min_messages=80)


def test_the_page_holds_everything_and_needs_no_network(evaluation: Evaluation, tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    page = evaluation.to_html(target, title="三月 <測試>")
    assert target.read_text(encoding="utf-8") == page
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert "<title>三月 &lt;測試&gt;</title>" in page
    assert not re.search(r"https?://|<link|src='(?!data:)|@import|url\(", page)
    images = re.findall(r"src='data:image/png;base64,([^']+)'", page)
    assert len(images) == 3 * len(evaluation.tasks)
    assert all(base64.b64decode(image).startswith(b"\x89PNG") for image in images)
    for name in TASKS:
        assert display_name(name) in page
    assert f"{evaluation.tasks['intent'].macro_f1:.3f}" in page
    assert "0912345678" not in page
    assert "&lt;b&gt;手機壞了" in page
    assert "<b>手機" not in page
    assert "投訴" in page
    assert "投诉" not in re.sub(r"<td class='message'>.*?</td>", "", page)


def test_a_page_that_cannot_be_written_is_refused_at_once(evaluation: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be written"):
        evaluation.to_html(tmp_path / "missing" / "page.html")
    with pytest.raises(DataError, match="it is a folder"):
        evaluation.to_html(tmp_path)


def test_own_tasks_and_labels_alone_have_a_page_too() -> None:
    own = {"branch": Task("branch", "single", ("台北", "上海"))}
    truth = [{"branch": ("台北",)}, {"branch": ("上海",)}] * 5
    evaluation = evaluate_labels(truth[1:] + truth[:1], truth, tasks=own)
    page = evaluation.to_html(language="zh-Hans")
    assert "台北" in page
    assert word("mistakes", "zh-Hans") not in page
    assert value_name("branch", "台北", "en") == "台北"
    assert evaluation._repr_html_().count("<tr>") == 2


def test_notebooks_show_a_small_table(evaluation: Evaluation) -> None:
    shown = evaluation._repr_html_()
    assert "primary emotion" in shown
    assert f"{evaluation.tasks['demands'].macro_f1:.3f}" in shown
    assert "<img" not in shown
