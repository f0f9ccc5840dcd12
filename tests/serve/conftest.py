"""The page of the service in a real browser. Needs Chromium and the Python package playwright."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from complaint_nlp import Analyzer


@pytest.fixture(scope="module")
def corrections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("desk") / "corrections.jsonl"


@pytest.fixture(scope="module")
def address(analyzer: Analyzer, corrections: Path) -> Iterator[str]:
    from desk_browser import served  # type: ignore[import-not-found] # tests are no package

    from complaint_nlp.serve.app import create_app
    from complaint_nlp.serve.settings import Settings

    with served(create_app(Settings.from_environment({}, corrections=corrections), analyzer)) as url:
        yield url


@pytest.fixture(scope="module")  # while it is open no other test can run an event loop
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("there is no Chromium on this machine (Debian: apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
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
        page.set_default_timeout(60_000)  # many tests may share few cores
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
