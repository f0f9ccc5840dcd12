"""The page as people use it, in a real browser: filters count right, nothing is loaded, all is readable."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from test_page import labelled  # type: ignore[import-not-found] # tests are no package

from complaint_nlp.insights import Insights
from complaint_nlp.insights.page import write_page

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd
    from playwright.sync_api import Browser, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (apt-get install chromium)")

HOSTILE = '</script><img src=x onerror="window.broken=1">'
# least contrast of all texts that are shown, and where it is; colours are read back from a canvas
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const behind = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const light = (colour) => colour.slice(0, 3).map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  let worst = [99, ""];
  for (const node of document.querySelectorAll("body *")) {
    const text = [...node.childNodes].filter((child) => child.nodeType === 3 && child.textContent.trim());
    if (!text.length || !node.checkVisibility() || node.closest("script, style, [disabled]")) continue;
    const style = getComputedStyle(node);
    const ground = behind(node);
    const ink = over(rgba(node instanceof SVGElement ? style.fill : style.color), ground);
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < worst[0]) worst = [ratio, `${node.outerHTML.slice(0, 80)}`];
  }
  return worst;
}"""


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    found: pd.DataFrame = labelled(900, seed=11)
    hot = found.index[(found["product"] == "冷氣") & (found.index % 2 == 0)]
    found.loc[hot, ["category", "subcategory"]] = ["quality", "quality.defect"]
    found.loc[found.index[:30], "text"] = f"冷氣漏水又漏電，修了三次{HOSTILE}"
    return found


@pytest.fixture(scope="module")
def path(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(Insights(table), tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


class Opened:
    """A page, and what went wrong in it or was asked of the network."""

    def __init__(self, browser: Browser, path: Path, width: int = 1280, scheme: Any = "light") -> None:
        self.page: Page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("body[data-ready=yes]", timeout=30_000)

    def number(self, name: str) -> int:
        return int(self.page.locator(f"#figure-{name} b").inner_text().replace(",", ""))

    def bar(self, part: str, name: str) -> int:
        row = self.page.locator(part).locator("tbody tr").filter(has=self.page.get_by_text(name, exact=True))
        return int(row.locator("td.n").first.inner_text().replace(",", ""))


@pytest.fixture
def opened(browser: Browser, path: Path) -> Iterator[Opened]:
    made = Opened(browser, path)
    yield made
    made.page.close()
    assert made.wrong == []
    assert made.asked == [path.as_uri()]


def test_without_filters_all_messages_are_counted(opened: Opened, table: pd.DataFrame) -> None:
    assert opened.number("messages") == len(table)
    assert opened.number("grievances") == (table["category"] != "").sum()
    assert opened.number("critical") == (table["urgency"] == "critical").sum()
    assert opened.number("escalated") == table["escalate"].sum()
    late = table["answered_at"].dt.tz_localize("Asia/Taipei") > table["respond_by"]
    shown = opened.page.locator("#figure-deadline b").inner_text()
    assert abs(float(shown.rstrip("%")) - 100 * (1 - late.mean())) < 0.1
    assert opened.bar("#kinds", "故障瑕疵") == table["subcategory"].str.contains("quality.defect", regex=False).sum()
    assert opened.page.evaluate("window.broken") is None


def test_filters_count_as_pandas_does(opened: Opened, table: pd.DataFrame) -> None:
    page = opened.page
    page.get_by_role("checkbox", name="價格", exact=True).check(force=True)
    page.get_by_role("checkbox", name="服務", exact=True).check(force=True)
    page.get_by_role("checkbox", name="高", exact=True).check(force=True)
    page.get_by_role("checkbox", name="緊急", exact=True).check(force=True)
    page.get_by_role("combobox", name="地點", exact=True).select_option("上海")
    page.get_by_label("起日").fill("2026-02-01")
    page.get_by_label("迄日").fill("2026-05-31")
    chosen = table[
        table["category"].str.contains("price|service")
        & table["urgency"].isin(["high", "critical"])
        & (table["branch"] == "上海")
        & table["received_at"].between("2026-02-01", "2026-05-31 23:59:59")
    ]
    assert 5 < len(chosen) < len(table) / 2
    assert opened.number("messages") == len(chosen)
    assert opened.number("critical") == (chosen["urgency"] == "critical").sum()
    sub = chosen["subcategory"].str.split("|").explode().value_counts()
    name = page.evaluate(
        "(v) => JSON.parse(document.getElementById('data').textContent).names.subcategory[v]", sub.index[0]
    )
    assert opened.bar("#kinds", name) == sub.iloc[0]
    assert f"符合 {len(chosen)} 則" in page.locator("#matching").inner_text()
    assert "價格" in page.locator("#matching").inner_text()
    page.get_by_role("button", name="清除篩選").click()
    page.wait_for_function(f"document.querySelector('#figure-messages b').textContent === '{len(table)}'")


def test_charts_have_tables_that_tell_the_same(opened: Opened, table: pd.DataFrame) -> None:
    page = opened.page
    page.get_by_role("radio", name="月", exact=True).check(force=True)
    page.locator("#timeline").get_by_text("看成表格").click()
    rows = page.locator("#timeline details tbody tr").all_inner_texts()
    by_month = table.groupby(table["received_at"].dt.strftime("%Y-%m")).size()
    grievances = table[table["category"] != ""].groupby(table["received_at"].dt.strftime("%Y-%m")).size()
    shown = [row.split("\t") for row in rows]
    assert [cells[0][:7] for cells in shown] == list(by_month.index)
    assert [int(cells[1]) for cells in shown] == list(by_month)
    assert [int(cells[2]) for cells in shown] == list(grievances)
    assert "（不完整）" in shown[-1][0]
    page.locator("#urgency-time").get_by_text("看成表格").click()
    first = page.locator("#urgency-time details tbody tr").first.inner_text().split("\t")
    january = table[table["received_at"].dt.month == 1]["urgency"].value_counts()
    assert [int(cell) for cell in first[1:]] == [january.get(name, 0) for name in ("low", "medium", "high", "critical")]


def test_the_heat_map_counts_pairs(opened: Opened, table: pd.DataFrame) -> None:
    page = opened.page
    heads = page.locator("#heat thead th").all_inner_texts()
    cells = page.locator("#heat tbody tr").filter(has_text="冷氣").locator("td").all_inner_texts()
    there = (table["product"] == "冷氣") & table["subcategory"].str.contains("quality.defect", regex=False)
    shown = cells[heads.index("故障瑕疵") - 1]
    assert int(shown.split()[0].replace("▲", "")) == there.sum()
    assert "▲" in shown
    page.get_by_role("radio", name="地點", exact=True).check(force=True)
    assert set(page.locator("#heat tbody th").all_inner_texts()) == {"台北", "上海", "高雄"}


def test_a_finding_can_be_followed_into_the_charts(opened: Opened, table: pd.DataFrame) -> None:
    opened.page.locator("#hotspots tr", has_text="冷氣").get_by_role("button", name="在圖表中看").first.click()
    there = (table["product"] == "冷氣") & table["subcategory"].str.contains("quality.defect", regex=False)
    assert opened.number("messages") == there.sum()


def test_it_can_be_used_without_a_mouse(opened: Opened) -> None:
    page = opened.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("#timeline svg").focus()
    page.keyboard.press("End")
    last = page.locator("#timeline output").inner_text()
    page.keyboard.press("ArrowLeft")
    assert page.locator("#timeline output").inner_text() != last
    assert "訊息" in last
    page.locator("#timeline input[value=week]").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("[document.activeElement.name, document.activeElement.value]") == ["unit", "month"]
    nameless = page.evaluate("""() => [...document.querySelectorAll("input, select, button, svg, [role=region]")]
        .filter((node) => !(node.getAttribute("aria-label") || node.textContent.trim() ||
          [...(node.labels || [])].some((label) => label.textContent.trim()))).map((node) => node.outerHTML)""")
    assert nameless == []


def test_a_choice_that_matches_nothing_is_said(opened: Opened) -> None:
    opened.page.get_by_label("起日").fill("2026-06-30")
    opened.page.get_by_label("迄日").fill("2026-01-06")
    assert opened.number("messages") == 0
    assert "沒有符合篩選的訊息" in opened.page.locator("#overview").inner_text()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_is_readable(browser: Browser, path: Path, width: int, scheme: str) -> None:
    opened = Opened(browser, path, width, scheme)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    dark = scheme == "dark"
    ground = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(18, 20, 26)") is dark
    ratio, where = opened.page.evaluate(CONTRAST)
    assert ratio >= 4.5, where
    opened.page.locator("#theme").click()
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") != ground
    ratio, where = opened.page.evaluate(CONTRAST)
    assert ratio >= 4.5, where
    opened.page.close()
    assert opened.wrong == []


def test_filters_unfold_on_a_narrow_page(browser: Browser, path: Path, table: pd.DataFrame) -> None:
    opened = Opened(browser, path, 390)
    assert not opened.page.locator(".fields").is_visible()
    opened.page.locator(".filters summary").click()
    opened.page.get_by_role("combobox", name="產品", exact=True).select_option("扫地机器人")
    assert opened.number("messages") == (table["product"] == "扫地机器人").sum()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    opened.page.close()


def test_print_is_light_and_shows_all(browser: Browser, path: Path) -> None:
    opened = Opened(browser, path, scheme="dark")
    opened.page.emulate_media(media="print", color_scheme="dark")
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not opened.page.locator(".fields").is_visible()
    data = json.loads(opened.page.locator("#data").text_content() or "")
    shown = opened.page.locator("#groups article")
    assert shown.count() == len(data["insights"]["groups"]) > 6
    assert shown.last.is_visible()
    assert len(opened.page.pdf()) > 20_000
    opened.page.close()
