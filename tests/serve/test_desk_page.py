"""The page in a real browser, as an agent uses it. Needs Chromium and the Python package playwright."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from complaint_nlp.report import column_names
from complaint_nlp.serve.app import create_app
from complaint_nlp.serve.keys import new_key
from complaint_nlp.serve.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.types import ASGIApp

    from complaint_nlp import Analyzer

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if CHROMIUM is None:
    pytest.skip("there is no Chromium on this machine (Debian: apt-get install chromium)", allow_module_level=True)

TRADITIONAL = "手機才買一週就一直死機，打了三次電話客服都推三阻四，我要退款！"
SIMPLIFIED = "昨晚点的外卖吃到一半发现有只蟑螂，孩子吃完一直拉肚子，必须赔我医药费！"
MIXED = "😡帳單莫名其妙多了398元，我根本没开过这个套餐，客服說會查，等了两个星期没有回覆，請把錢退給我。"
HOSTILE = (
    '<img src=x onerror="window.hit=1"></script><script>window.hit=1</script>\'"><svg onload=window.hit=1>'
    "\u202e手機壞了\u202c {{7*7}} ${window.hit=1} javascript:window.hit=1 我要退款&lt;b&gt;"
)
# the contrast of every text that can be seen, by WCAG 2.2
CONTRAST = """() => {
  const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] ?? 1]; };
  const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest(".unseen, .skip, :disabled, option, noscript")) continue;
    const chain = []; for (let e = element; e; e = e.parentElement) chain.unshift(getComputedStyle(e));
    let back = [255, 255, 255, 1], opacity = 1;
    for (const style of chain) { back = over(parse(style.backgroundColor), back); opacity *= Number(style.opacity); }
    const ink = parse(getComputedStyle(element).color);
    const front = over([ink[0], ink[1], ink[2], ink[3] * opacity], back);
    const [a, b] = [light(front.slice(0, 3)), light(back.slice(0, 3))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    const shown = walker.currentNode.data.trim().slice(0, 20);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${element.className} ${shown}`);
  }
  return found;
}"""


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Run an application on a free port and yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=2)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
            assert thread.is_alive()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def corrections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("desk") / "corrections.jsonl"


@pytest.fixture(scope="module")
def address(analyzer: Analyzer, corrections: Path) -> Iterator[str]:
    with served(create_app(Settings.from_environment({}, corrections=corrections), analyzer)) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Return a function that opens the page; afterwards nothing may have been logged or asked of other servers."""
    opened: list[Any] = []
    said: list[str] = []
    asked: list[str] = []
    expected: list[str] = []

    def open_page(width: int = 1280, scheme: str = "light", locale: str = "zh-TW", **given: Any) -> Any:
        expected.extend(given.pop("expected", ()))
        at = given.pop("at", address)
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            locale=locale,
            timezone_id="Asia/Taipei",
            **given,
        )
        opened.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(at)
        page.wait_for_selector("html.ready")
        return page

    yield open_page
    for context in opened:
        context.close()
    assert [line for line in said if not any(part in line for part in expected)] == []
    outside = [url for url in asked if not re.match(r"(blob:)?http://127\.0\.0\.1:", url)]
    assert outside == []


def analyse(page: Any, text: str) -> dict[str, Any]:
    """Type a message, analyse it and return the answer of the server."""
    page.fill("#text", text)
    with (
        page.expect_response(lambda response: "/v1/check-reply" in response.url),
        page.expect_response("**/desk/case") as got,
    ):
        page.press("#text", "Control+Enter")
    page.wait_for_selector("#findings li")
    answer: dict[str, Any] = got.value.json()
    return answer


def lit(page: Any) -> str:
    return "".join(page.locator("#marked .on").all_text_contents())


def no_sideways(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def table(tmp_path: Path, *texts: str, name: str = "messages.csv", encoding: str = "utf-8-sig") -> str:
    out = io.StringIO()
    csv.writer(out).writerows([["編號", "內容"], *([f"=A{i}", text] for i, text in enumerate(texts))])
    path = tmp_path / name
    path.write_text(out.getvalue(), encoding=encoding)
    return str(path)


def upload(page: Any, path: str) -> None:
    page.click("#tab-queue")
    page.set_input_files("#file", path)
    page.wait_for_selector("#queue-rows tr")
    page.wait_for_selector("#progress", state="hidden")


@pytest.mark.parametrize("text", [TRADITIONAL, SIMPLIFIED, MIXED])
def test_words_are_marked_where_the_server_found_them(visit: Callable[..., Any], text: str) -> None:
    page = visit()
    report = analyse(page, text)["report"]
    assert page.text_content("#marked") == text
    rows = page.locator("#labels > li")
    for place, task in enumerate(("intent", "category", "subcategory", "urgency", "emotion", "intensity")):
        chip = rows.nth(place).locator(".chip").first
        for point in (chip.hover, chip.focus) if task == "category" else (chip.focus,):
            point()
            spans = report[task]["evidence"] + (report["urgency_reasons"] if task == "urgency" else [])
            # positions are Python's: characters, an emoji counts as one
            expected = "".join(c for i, c in enumerate(text) if any(s["start"] <= i < s["end"] for s in spans))
            assert lit(page) == expected, task
    page.hover("h1")
    chip.blur()
    assert lit(page) == ""
    assert re.fullmatch(r"\d+:\d\d:\d\d|\d+ 天 \d+:\d\d:\d\d", page.text_content("#countdown"))
    assert report["route"]["department"] in page.text_content("#summary")
    assert page.input_value("#reply") == report["strategy"]["first_reply"]
    assert page.locator("#steps > li").count() == len(report["strategy"]["steps"])
    for question in report["strategy"]["questions"]:
        assert question["text"] in page.text_content("#missing")


def test_the_countdown_runs_and_says_when_it_is_late(visit: Callable[..., Any]) -> None:
    page = visit()
    page.clock.install()
    page.reload()
    page.wait_for_selector("html.ready")
    analyse(page, TRADITIONAL)
    before = page.text_content("#countdown")
    page.clock.run_for(5_000)
    assert page.text_content("#countdown") != before
    page.fill("#received", "2026-03-02T09:00")
    analyse(page, TRADITIONAL)
    page.clock.run_for(2_000)
    assert page.text_content("#countdown").startswith("已逾時")
    assert page.locator("#countdown.late").count() == 1


def test_the_check_follows_the_reply(visit: Callable[..., Any]) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    analyse(page, TRADITIONAL)
    before = page.text_content("#score")
    with page.expect_response("**/v1/check-reply"):
        page.fill("#reply", "😀不行，這是規定。")
    page.wait_for_function("before => document.querySelector('#score').textContent !== before", arg=before)
    assert int(re.findall(r"\d+", page.text_content("#score"))[0]) < int(re.findall(r"\d+", before)[0])
    page.click("#findings .words >> text=不行")
    chosen = page.evaluate("(r => r.value.slice(r.selectionStart, r.selectionEnd))(document.querySelector('#reply'))")
    assert chosen == "不行"
    page.click("#copy-reply")
    assert page.evaluate("navigator.clipboard.readText()") == "😀不行，這是規定。"
    page.select_option("#draft", "apology_letter")
    assert "\n" in page.input_value("#reply")
    page.select_option("#draft", "first_reply")
    assert page.input_value("#reply") == "😀不行，這是規定。"


def test_whose_fault_it_is_changes_the_plan_but_not_an_edited_reply(visit: Callable[..., Any]) -> None:
    page = visit()
    analyse(page, TRADITIONAL)
    before = page.text_content("#steps")
    page.fill("#reply", "我寫的回覆")
    with page.expect_response("**/desk/case"):
        page.check("#fault [value=ours]")
    page.wait_for_function("before => document.querySelector('#steps').textContent !== before", arg=before)
    assert page.input_value("#reply") == "我寫的回覆"
    assert page.locator("#fault [value=ours]").is_checked()


def test_a_correction_reaches_the_file(visit: Callable[..., Any], corrections: Path, analyzer: Analyzer) -> None:
    page = visit()
    guess = analyse(page, TRADITIONAL)["report"]["category"]["labels"]
    row = page.locator("#labels > li").nth(1)
    row.locator(".edit").click()
    for value in guess:
        row.locator(f"[value={value}]").uncheck()
    row.locator("[value=price]").check()
    row.locator("[value=quality]").check()
    row.locator("input[type=text]").fill("小林")
    with page.expect_response("**/desk/corrections"):
        row.locator("button[type=submit]").click()
    page.wait_for_selector("#labels .kept:not([hidden])")
    assert row.locator(".kept").text_content() == "✓ 已記錄更正：價格、品質"
    record = json.loads(corrections.read_text(encoding="utf-8").splitlines()[-1])
    assert record.pop("at")
    assert record == {
        "text": TRADITIONAL,
        "task": "category",
        "value": ["price", "quality"],
        "guess": guess,
        "model": analyzer.bundle.hash,
        "reviewer": "小林",
    }


def test_a_queue_is_sorted_filtered_opened_corrected_and_exported(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit()
    texts = ["師傅很準時，服務很好，謝謝！", "家里有很浓的煤气味，孩子头晕，快派人来！", TRADITIONAL, "", SIMPLIFIED]
    upload(page, table(tmp_path, *texts, encoding="utf-16"))
    opens = page.locator("#queue-rows .open")
    assert opens.nth(0).text_content() == texts[1]
    assert opens.nth(4).text_content() == "（空白）"
    assert page.get_attribute("#queue-head .col-urgency", "aria-sort") == "descending"
    page.click("#queue-head .col-text button")
    assert [opens.nth(i).text_content() for i in range(3)] == texts[:3]
    page.click("#queue-head .col-respond_by button")
    assert opens.nth(0).text_content() == texts[1]
    page.select_option("#filter", "category=incident")
    assert 1 <= opens.count() <= 2
    page.select_option("#filter", "status")
    assert opens.count() == 1
    page.select_option("#filter", "")
    page.fill("#search", "退款")
    assert opens.all_text_contents() == [TRADITIONAL]
    opens.nth(0).click()
    page.wait_for_selector("#findings li")
    assert page.text_content("#marked") == TRADITIONAL
    assert page.text_content("#walk-place") == "1 / 1"
    row = page.locator("#labels > li").nth(3)
    row.locator(".edit").click()
    row.locator("[value=low]").check()
    row.locator("button[type=submit]").click()
    page.wait_for_selector("#labels .kept:not([hidden])")
    page.click("#walk-back")
    assert page.locator("#queue-rows .level").text_content() == "低"
    page.fill("#search", "")
    with page.expect_download() as download:
        page.click("#export")
    assert download.value.suggested_filename == "messages_labelled.csv"
    content = download.value.path().read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    head, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert head == ["編號", "內容", *column_names()]
    exported = {row["內容"]: row for row in (dict(zip(head, cells, strict=True)) for cells in rows)}
    assert set(exported) == set(texts)
    assert exported[TRADITIONAL]["urgency"] == "low"
    assert exported[texts[1]]["urgency"] == "critical"
    assert {row["編號"] for row in exported.values()} == {f"'=A{i}" for i in range(5)}


def test_a_table_without_a_known_column_asks_which_it_is(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit(locale="en-GB", expected=["422"])
    path = tmp_path / "a.csv"
    path.write_text("甲,乙\n1,手机一直死机，我要退款\n", encoding="gb18030")
    page.click("#tab-queue")
    page.set_input_files("#file", str(path))
    page.wait_for_selector("#column-field:not([hidden])")
    page.wait_for_selector("#problem:not([hidden])")
    assert page.evaluate("document.activeElement.id") == "column"
    page.select_option("#column", "乙")
    page.click("#upload button[type=submit]")
    page.wait_for_selector("#queue-rows .open")
    assert page.text_content("#queue-rows .open") == "手机一直死机，我要退款"
    (tmp_path / "b.csv").write_bytes(b"")
    page.set_input_files("#file", str(tmp_path / "b.csv"))
    page.wait_for_function("() => document.querySelector('#problem').textContent.includes('b.csv: is empty')")


def test_the_language_is_the_browsers_until_another_is_chosen(visit: Callable[..., Any]) -> None:
    page = visit(locale="zh-CN")
    assert page.title() == "客诉工作台"
    report = analyse(page, TRADITIONAL)["report"]
    page.select_option("#language", "en")
    assert page.get_attribute("html", "lang") == "en"
    assert page.text_content("#labels .task-name >> nth=1") == "category"
    assert page.text_content("#plan-card h2") == "Plan"
    assert page.input_value("#reply") == report["strategy"]["first_reply"]
    page.reload()
    page.wait_for_selector("html.ready")
    assert page.title() == "Complaint desk"
    page.select_option("#language", "zh-Hant")
    assert page.text_content("#analyse span") == "分析"
    assert "undefined" not in page.text_content("body")
    assert not page.locator("[data-t]:empty").count()


def test_everything_works_from_the_keyboard(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit()
    press = page.keyboard.press
    active = "document.activeElement.id || document.activeElement.className || document.activeElement.name"
    press("Escape")
    press("?")
    assert page.locator("#help[open]").count() == 1
    press("Escape")
    assert page.locator("#help[open]").count() == 0
    press("m")
    page.keyboard.type("客服態度很差，q c f 這些字要打得進去，我要退款")
    press("Control+Enter")
    page.wait_for_selector("#findings li")
    assert page.evaluate(active) == "summary"
    press("l")
    assert "chip" in page.evaluate(active)
    assert page.locator("#marked.pointing .on").count() >= 1
    press("Enter")
    press("r")
    assert page.evaluate(active) == "reply"
    assert page.locator("#marked.pointing .on").count() >= 1, "a click keeps the words lit"
    press("Escape")
    before = page.text_content("#steps")
    with page.expect_response("**/desk/case"):
        press("f")
    page.wait_for_function("before => document.querySelector('#steps').textContent !== before", arg=before)
    assert page.locator("#fault [value=customer]").is_checked()
    page.set_input_files("#file", table(tmp_path, "第一則，手機壞了", "第二則，冰箱壞了", "第三則，燈壞了"))
    page.wait_for_selector("#queue-rows .open", state="attached")
    press("q")
    page.wait_for_selector("#progress", state="hidden")
    order = page.locator("#queue-rows .open").all_text_contents()
    page.evaluate("document.activeElement.blur()")
    press("j")
    press("j")
    assert page.evaluate("document.activeElement.textContent") == order[1]
    press("Enter")
    page.wait_for_function("text => document.querySelector('#marked').textContent === text", arg=order[1])
    assert page.evaluate(active) == "summary"
    for key, text in (("n", order[2]), ("p", order[1]), ("p", order[0])):
        press(key)
        page.wait_for_function("text => document.querySelector('#marked').textContent === text", arg=text)
        page.wait_for_function("() => document.activeElement.id === 'summary'")
    press("q")
    assert page.evaluate("document.activeElement.textContent") == order[0]
    page.evaluate("localStorage.setItem('desk.keys', 'off')")
    press("m")
    assert page.locator("#view-queue").is_visible()


def test_the_first_tab_skips_to_the_content_and_focus_is_always_seen(visit: Callable[..., Any]) -> None:
    page = visit()
    analyse(page, TRADITIONAL)
    page.evaluate("document.activeElement.blur(); document.querySelector('.skip').focus()")
    assert page.evaluate("document.querySelector('.skip').getBoundingClientRect().left") >= 0
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(
            "(e => [e.id || e.textContent.slice(0, 20),"
            " e.matches('body') ? 'solid' : getComputedStyle(e).outlineStyle])(document.activeElement)"
        )
        assert outline == "solid", name
        seen.add(name)
    assert {"text", "analyse", "reply", "copy-reply", "language"} <= seen
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, select, input, textarea')].filter((e) => e.checkVisibility() &&"
        " !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim())).map((e) => e.outerHTML)"
    )
    assert unnamed == []


def test_hostile_text_stays_text(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit(width=390)
    analyse(page, HOSTILE)
    assert page.text_content("#marked") == HOSTILE
    page.fill("#reply", HOSTILE)
    page.wait_for_timeout(600)
    assert no_sideways(page)
    path = tmp_path / "x.csv"
    path.write_text(
        f'text,"<img src=x onerror=window.hit=1>"\n"{HOSTILE.replace(chr(34), chr(34) * 2)}",1\na,b,c\n', "utf-8"
    )
    upload(page, str(path))
    assert page.text_content("#queue-rows .open") == HOSTILE[:200]
    page.click("#queue-rows .open")
    page.wait_for_selector("#findings li")
    assert page.evaluate("window.hit") is None
    assert page.locator("main img, main svg, main script, main b").count() == 0
    assert no_sideways(page)


@pytest.mark.parametrize(
    ("width", "scheme", "locale"),
    [(390, "dark", "zh-TW"), (390, "light", "en-US"), (1280, "dark", "en-US"), (1280, "light", "zh-CN")],
)
def test_it_fits_and_can_be_read(
    visit: Callable[..., Any], tmp_path: Path, width: int, scheme: str, locale: str
) -> None:
    page = visit(width, scheme, locale)
    long = "https://shop.example/" + "a" * 300
    analyse(page, f"{TRADITIONAL}{long} {MIXED}")
    page.locator("#labels .edit").nth(2).click()
    page.fill("#reply", "不行，這是規定。")
    page.wait_for_function("() => document.querySelectorAll('#findings li').length > 3")
    page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    assert no_sideways(page)
    assert page.evaluate(CONTRAST) == []
    upload(page, table(tmp_path, TRADITIONAL, long, "家里有很浓的煤气味，孩子头晕，快派人来！", "谢谢"))
    assert no_sideways(page)
    assert page.evaluate(CONTRAST) == []


def test_a_key_is_asked_for_and_kept_for_the_tab_alone(visit: Callable[..., Any], analyzer: Analyzer) -> None:
    known_key, known = new_key()
    with served(create_app(Settings(api_key_hashes=(f"{known} desk",)), analyzer)) as url:
        page = visit(at=url, expected=["401"])
        page.fill("#text", TRADITIONAL)
        page.press("#text", "Control+Enter")
        for key in ("wrong", known_key):
            page.wait_for_selector("#key[open]")
            page.fill("#key-value", key)
            page.press("#key-value", "Enter")
        page.wait_for_selector("#findings li")
        assert page.evaluate("[...Object.values(sessionStorage)]") == [known_key]
        assert known_key not in page.evaluate("Object.values(localStorage).join()")
        assert page.context.cookies() == []
        assert page.input_value("#key-value") == ""
        assert page.locator("#labels .edit").count() == 0, "this server takes no corrections"
        page.context.close()
