"""What an agent does on the page, in a real browser: one message, the reply, corrections, the queue."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from desk_browser import (  # type: ignore[import-not-found] # tests are no package
    MIXED,
    SIMPLIFIED,
    TRADITIONAL,
    analyse,
    lit,
    table,
    upload,
)

from complaint_nlp.report import column_names

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from complaint_nlp import Analyzer


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
