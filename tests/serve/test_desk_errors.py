"""What goes wrong is said in the language of the interface, in a real browser; the server's own words follow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import httpx
import pytest
from desk_browser import (  # type: ignore[import-not-found] # tests are no package
    SIMPLIFIED,
    TRADITIONAL,
    analyse,
    served,
    table,
)

from complaint_nlp.serve.app import create_app
from complaint_nlp.serve.desk_queue import MAX_BYTES
from complaint_nlp.serve.desk_texts import desk_file
from complaint_nlp.serve.keys import new_key
from complaint_nlp.serve.problems import CODES, Code
from complaint_nlp.serve.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from complaint_nlp import Analyzer
    from complaint_nlp.labels import Language

LANGUAGES: list[tuple[str, Language]] = [("zh-TW", "zh-Hant"), ("zh-CN", "zh-Hans"), ("en-GB", "en")]
every_language = pytest.mark.parametrize(("locale", "language"), LANGUAGES)
REFUSED = ["the server responded with a status of"]
HOSTILE = "a.csv: <img src=x onerror=window.hit=1> \u202ebroken"
VALUES = {"limit": "1,234,567", "megabytes": "1.235", "seconds": "12"}


def said(page: Any, expected: str, place: str = "#problem") -> None:
    """Wait until a place says what is expected."""
    page.wait_for_function(
        "([place, text]) => { const found = document.querySelector(place);"
        " return found.checkVisibility() && found.textContent.includes(text); }",
        arg=[place, expected],
    )


def words(name: str, language: Language, group: str = "interface", **values: object) -> str:
    text = getattr(desk_file(), group)[name].get(language)
    for key, value in values.items():
        text = text.replace(f"{{{key}}}", str(value))
    assert "{" not in text
    return str(text)


@every_language
def test_every_refusal_has_its_words(visit: Callable[..., Any], locale: str, language: Language) -> None:
    page = visit(locale=locale, expected=REFUSED)
    answers: list[dict[str, Any]] = []
    page.route("**/desk/case", lambda route: route.fulfill(**answers.pop()))
    page.fill("#text", TRADITIONAL)

    def refuse(status: int, body: str, **headers: str) -> None:
        answers.append({"status": status, "body": body, "headers": headers})
        page.click("#analyse")

    for code in set(get_args(Code)) - {"key_needed"}:
        content = {"code": code, "detail": f"{code} {HOSTILE}", "limit": 1_234_567}
        refuse(422, json.dumps(content), **{"retry-after": "12"})
        said(page, f"{code} {HOSTILE}")
        assert page.text_content("#problem") == words(code, language, "problems", **VALUES) + f"{code} {HOSTILE}"
        assert page.text_content("#problem small") == f"{code} {HOSTILE}"
    # what a proxy before the server says
    for status, code in ((413, "body_too_large"), (502, "server_error"), (504, "timeout"), (418, "invalid_value")):
        refuse(status, "<html><h1>Bad</h1></html>")
        said(page, f"{words(code, language, 'problems')}HTTP {status}")
    assert CODES[502] == "server_error"
    assert page.evaluate("window.hit") is None
    assert page.locator("#problem img").count() == 0
    page.unroute("**/desk/case")
    analyse(page, SIMPLIFIED)
    assert page.is_hidden("#problem"), "what goes right takes the problem away"


@every_language
def test_messages_that_cannot_be_read_say_so(
    visit: Callable[..., Any], analyzer: Analyzer, locale: str, language: Language
) -> None:
    page = visit(locale=locale, expected=[*REFUSED, "ERR_INTERNET_DISCONNECTED"])
    page.click("#analyse")
    said(page, words("nothing_to_read", language))
    most = f"{analyzer.max_chars:,}"
    for text, status in (
        ("Where is my parcel? I want my money back", "not_chinese"),
        ("壞", "too_short"),
        ("壞" * (analyzer.max_chars + 1), "too_long"),
    ):
        page.fill("#text", text)
        page.click("#analyse")
        said(page, words(status, language, "statuses", limit=most), "#summary")
    assert "20,001 characters" in page.text_content("#summary small")
    assert page.get_attribute("#summary small", "lang") == "en"
    page.fill("#received", "2996-03-02T09:00")
    page.click("#analyse")
    said(page, words("wrong_time", language, "problems"))
    page.fill("#received", "")
    analyse(page, TRADITIONAL)
    page.fill("#reply", "您好" * 10_001)
    said(page, words("text_too_long", language, "problems", limit="20,000"))
    page.context.set_offline(True)
    page.click("#analyse")
    said(page, words("unreachable", language))
    for _, other in LANGUAGES:
        page.select_option("#language", other)
        said(page, words("unreachable", other))


@every_language
def test_tables_that_cannot_be_read_say_so(visit: Callable[..., Any], locale: str, language: Language) -> None:
    page = visit(locale=locale, expected=REFUSED)
    page.click("#tab-queue")
    page.click("#upload button[type=submit]")
    said(page, words("nothing_to_upload", language))
    for name, content, code in (
        ("a.xlsx", b"PK", "table_kind"),
        ("b.csv", b"PK\x03\x04\x14\x00\xff\xfe\x9c\x81\n\x80\x90\xff\n", "table_encoding"),
        ("c.csv", b"", "table_empty"),
        ("d.csv", b"text,text\n1,2\n", "table_header"),
        ("<b>.csv", b"x" * (MAX_BYTES + 1), "table_too_large"),
    ):
        page.set_input_files("#file", {"name": name, "mimeType": "text/csv", "buffer": content})
        said(page, words(code, language, "problems", megabytes=5))
    rows = "編號,內容\n1,手機壞了\n2,多,一格\n".encode() + b"3,\xff\n" + "4,少\n5,又,多\n".encode()
    page.set_input_files("#file", {"name": "e.csv", "mimeType": "text/csv", "buffer": rows})
    page.wait_for_selector("#queue-rows .open")
    page.wait_for_selector("#progress", state="hidden")
    comma, dot = (", ", "; ") if language == "en" else ("、", "；")
    lines = dot.join(
        words("rejected_lines", language, lines=comma.join(where), reason=words(why, language, "rejects"))
        for where, why in ((["3", "6"], "row_cells"), (["4"], "row_encoding"))
    )
    said(page, words("rejected", language, n=3, lines=lines), "#rejects")
    assert "3 cells where the header has 2" in page.text_content("#rejects small")


@every_language
def test_a_queue_that_breaks_off_says_how_far_it_came(
    visit: Callable[..., Any], tmp_path: Path, locale: str, language: Language
) -> None:
    page = visit(locale=locale, expected=REFUSED)
    path = table(tmp_path, TRADITIONAL, SIMPLIFIED)
    answer = httpx.post(
        f"{page.url}desk/queue?name=a.csv",
        content=Path(path).read_bytes(),
        headers={"content-type": "application/octet-stream"},
        timeout=60,
    )
    head, first, *_ = answer.text.splitlines()
    bodies = [
        "",
        "",
        json.dumps({"error": {"code": "timeout", "status": 504, "detail": "not analysed in time"}}) + "\n",
    ]
    page.route("**/desk/queue?*", lambda route: route.fulfill(body=f"{head}\n{first}\n{bodies.pop()}"))
    page.click("#tab-queue")
    page.set_input_files("#file", path)
    for reason in (words("timeout", language, "problems") + "not analysed in time", words("unreachable", language)):
        said(page, words("broken_off", language, n=1, reason=reason))
        assert page.locator("#queue-rows .open").count() == 1
        page.click("#upload button[type=submit]")


@every_language
def test_refused_keys_and_corrections_say_so(
    visit: Callable[..., Any], analyzer: Analyzer, tmp_path: Path, locale: str, language: Language
) -> None:
    known_key, known = new_key()
    (tmp_path / "taken").write_text("")
    settings = Settings(api_key_hashes=(f"{known} desk",), corrections=tmp_path / "taken/corrections.jsonl")
    with served(create_app(settings, analyzer)) as url:
        page = visit(at=url, locale=locale, expected=REFUSED)
        page.fill("#text", TRADITIONAL)
        page.click("#analyse")
        page.wait_for_selector("#key[open]")
        assert page.is_hidden("#key-wrong")
        page.fill("#key-value", "cnlp_wrong")
        page.press("#key-value", "Enter")
        said(page, words("key_wrong", language), "#key-wrong")
        page.click("#key button[value='']")
        said(page, words("key_left", language))
        page.click("#analyse")
        page.wait_for_selector("#key[open]")
        page.fill("#key-value", known_key)
        page.press("#key-value", "Enter")
        page.wait_for_selector("#findings li")
        assert page.is_hidden("#problem")
        row = page.locator("#labels > li").nth(3)
        row.locator(".edit").click()
        row.locator("[value=low]").check()
        row.locator("button[type=submit]").click()
        said(page, words("correction_not_written", language, "problems"))
        assert page.locator("#labels .kept:not([hidden])").count() == 0
        page.context.close()


def test_a_page_without_its_server_says_so_in_all_languages(visit: Callable[..., Any]) -> None:
    page = visit(expected=REFUSED)
    page.route("**/desk/setup", lambda route: route.fulfill(status=502, body="<html>"))
    page.reload()
    for part in ("連不上伺服器", "连不上服务器", "The server cannot be reached"):
        said(page, part, "#lost")
