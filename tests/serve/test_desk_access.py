"""Whoever opens the page can use it: languages, keys of the keyboard, widths, contrast, hostile texts, API keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from desk_browser import (  # type: ignore[import-not-found] # tests are no package
    CONTRAST,
    HOSTILE,
    MIXED,
    TRADITIONAL,
    analyse,
    no_sideways,
    served,
    table,
    upload,
)

from complaint_nlp.serve.app import create_app
from complaint_nlp.serve.keys import new_key
from complaint_nlp.serve.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from complaint_nlp import Analyzer


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
