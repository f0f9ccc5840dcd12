"""The page as a file: whole, self-contained, masked, and proof against what customers write."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from complaint_nlp import ConfigError, DataError
from complaint_nlp.insights import Insights, page
from complaint_nlp.insights.page_text import script_json, shown_text
from complaint_nlp.labels import LANGUAGES, Language
from complaint_nlp.resources import builtin

ROOT = Path(__file__).resolve().parent.parent.parent
PARTS = sorted(Path(builtin("insights")).glob("page*.js"))
HOSTILE = '</script><img src=x onerror="alert(1)">\u2028 \u202e反過來 <!-- <script> & \' " \x00'
PHONE = "0912345678"


def labelled(size: int = 600, seed: int = 3) -> pd.DataFrame:
    """Return a labelled table of the project's own messages, half of a year long."""
    lines = (ROOT / "data" / "messages.jsonl").read_text(encoding="utf-8").splitlines()[:400]
    found = pd.DataFrame(json.loads(line) for line in lines)
    draw = np.random.default_rng(seed)
    table = found.iloc[draw.integers(0, len(found), size)].reset_index(drop=True)
    table = table[["text", "intent", "category", "subcategory", "urgency", "emotion", "intensity", "needs", "demands"]]
    for name in ("category", "subcategory", "emotion", "needs", "demands"):
        table[name] = table[name].map("|".join)
    received = pd.Timestamp("2026-01-05") + pd.to_timedelta(np.sort(draw.integers(0, 180 * 24 * 60, size)), unit="min")
    table["received_at"] = received
    table["product"] = draw.choice(["洗衣機 AW-800", "扫地机器人", "冷氣", "<b>電鍋</b>", ""], size)
    table["branch"] = draw.choice(["台北", "上海", "高雄"], size)
    table["customer_id"] = [f"C{number:05}" for number in draw.integers(0, size // 2, size)]
    table["answered_at"] = received + pd.to_timedelta(draw.gamma(1.5, 14, size), unit="h")
    table["respond_by"] = (received + pd.Timedelta(hours=24)).tz_localize("Asia/Taipei").tz_convert("UTC")
    table["escalate"] = table["urgency"] == "critical"
    return table.assign(status="ok", department="客服部")


def content(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def data_of(written: str) -> dict[str, Any]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', written, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


@pytest.fixture(scope="module")
def insights() -> Insights:
    table = labelled()
    table.loc[:40, "text"] = f"洗衣機漏水修三次了還是漏，請打{PHONE}找我 {HOSTILE}"
    return Insights(table)


@pytest.fixture(scope="module")
def summary(insights: Insights) -> dict[str, Any]:
    """Return the insights as they come back from a JSON file."""
    found: dict[str, Any] = json.loads(json.dumps(insights.to_dict(lang="zh-Hans")))
    return found


@pytest.fixture(scope="module")
def written(insights: Insights, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("page") / "report.html"
    assert page.write_page(insights, out) == out
    return content(out)


class Elements(HTMLParser):
    """All elements with their attributes, and the texts of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_nothing_is_loaded_and_only_its_own_script_may_run(written: str) -> None:
    found = Elements(written).found
    assert [tag for tag, _ in found] == [
        *("html", "head", "meta", "meta", "meta", "meta", "meta", "title", "style"),
        *("body", "noscript", "p", "script", "script"),
    ]
    assert not {name for _, attributes in found for name in attributes} & {"src", "href", "style", "onload"}
    policy = next(attributes["content"] for _, attributes in found if "http-equiv" in attributes)
    assert policy
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    for kind, body in (
        ("script", written.rpartition("<script>")[2].partition("</script>")[0]),
        ("style", written.partition("<style>")[2].partition("</style>")[0]),
    ):
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
        assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", body)


def test_what_customers_write_stays_text(written: str) -> None:
    for bad in ("<img", "\u2028", "\u202e", "\x00", "<b>"):
        assert bad not in written
    assert written.count("</script>") == 2
    shown = json.dumps(data_of(written), ensure_ascii=False)
    assert "</script><img src=x onerror=" in shown
    assert "<b>電鍋</b>" in shown


def test_personal_data_is_masked_unless_asked_for(insights: Insights, written: str) -> None:
    assert PHONE not in written
    assert "個人資料已遮蔽" in written
    assert "[電話]" in written
    assert data_of(written)["insights"]["repeaters"]["top"][0]["customer"].startswith("*")
    open_page = page.page_html(insights, mask=False)
    assert PHONE in open_page
    assert data_of(open_page)["insights"]["masked"] is False


def test_numbers_in_names_of_products_are_masked() -> None:
    table = labelled(300)
    table["product"] = np.where(table["subcategory"].str.contains("quality"), f"門號 {PHONE}", "冷氣")
    found = Insights(table).to_dict(lang="zh-Hant")
    assert PHONE in {spot["value"].split()[-1] for spot in found["hotspots"]}
    masked = page.page_html(found)
    assert PHONE not in masked
    assert "門號 **********" in data_of(masked)["insights"]["hotspots"][0]["value"]
    assert PHONE in page.page_html(found, mask=False)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_language_is_whole(insights: Insights, lang: Language) -> None:
    written = page.page_html(insights, lang=lang, title="三月 <客訴>")
    assert f'<html lang="{lang}">' in written
    assert f"<title>{html.escape('三月 <客訴>')}</title>" in written
    data = data_of(written)
    assert data["names"]["category"]["price"] == {"zh-Hant": "價格", "zh-Hans": "价格", "en": "price"}[lang]
    assert data["wordings"]["filters"] == {"zh-Hant": "篩選", "zh-Hans": "筛选", "en": "Filters"}[lang]


def test_wordings_are_those_that_the_page_says() -> None:
    source = "\n".join(map(content, PARTS))
    said = set(re.findall(r't\("(\w+)"', source))
    # keys that are put together, or chosen by the data
    said |= {"period_by_week", "period_by_month", "urgency_over_time", "emotion_over_time", "day", "week", "month"}
    said |= {"first_answer", "close", "same_text", "same_meaning", "masked", "not_masked"}
    said |= {"title", "noscript", "no_cube", "coarse_week", "coarse_month", "sets_cut", "primary_only"}
    assert said == set(page._wordings())
    for key, wording in page._wordings().items():
        places = [set(re.findall(r"\{(\w+)\}", wording.get(lang))) for lang in LANGUAGES]
        assert places[0] == places[1] == places[2], key
        assert wording.en, key


def test_scripts_write_text_nodes_only() -> None:
    source = "\n".join(map(content, PARTS))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function|fetch\(", source)


def test_a_summary_makes_a_page_too(summary: dict[str, Any]) -> None:
    data = data_of(page.page_html(summary, lang="zh-Hant"))
    assert data["lang"] == "zh-Hans"
    assert data["cube"]["rows"] == 600
    assert "第一个细类" in data["notes"][0]
    without = data_of(page.page_html({**summary, "cube": None}))
    assert without["cube"] is None
    assert "没有筛选" in without["notes"][0]
    with pytest.raises(DataError, match=r"no insights: .* found the keys rises"):
        page.page_html({"rises": []})


def test_a_page_is_written_whole_or_not_at_all(
    summary: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "report.html"
    page.write_page(summary, out)
    first = out.read_bytes()
    with pytest.raises(ConfigError, match="exists already"):
        page.write_page(summary, out)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        page.write_page(summary, out, overwrite=True)
    monkeypatch.undo()
    assert out.read_bytes() == first
    assert list(tmp_path.iterdir()) == [out]
    page.write_page(summary, out, title="新的", overwrite=True)
    assert "<title>新的</title>" in content(out)


def test_refusals_say_what_to_do(insights: Insights, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ends in \.html"):
        page.write_page(insights, tmp_path / "report.pdf")
    with pytest.raises(ConfigError, match=r"folder .* does not exist"):
        page.write_page(insights, tmp_path / "no" / "report.html")
    with pytest.raises(ConfigError, match="unknown language 'fr'"):
        page.write_page(insights, tmp_path / "report.html", lang="fr")  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"label it first: complaint-nlp label ours\.csv"):
        page.check_labelled(Insights(pd.DataFrame({"text": ["冷氣不冷"]})), "ours.csv")


def test_a_page_that_would_be_too_large_is_refused(
    summary: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "MAX_PAGE_BYTES", 10_000)
    with pytest.raises(DataError, match="more than 10,000; report a shorter period"):
        page.write_page(summary, tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("正常 text\n兩行", "正常 text\n兩行"),
        ("\u202eabc\u2066", "abc"),
        ("半個\ud83d字", "半個\ufffd字"),
        ("\x1b[31m紅", "[31m紅"),
        (3, "3"),
    ],
)
def test_shown_text_keeps_what_can_be_shown(text: object, shown: str) -> None:
    assert shown_text(text) == shown


def test_shown_text_is_cut() -> None:
    assert shown_text("一二三四五", 4) == "一二三…"
    assert shown_text("一二三四", 4) == "一二三四"


def test_script_json_reads_back() -> None:
    value = {"a": HOSTILE, "b": [1, 2.5, None, True]}
    made = script_json(value)
    assert json.loads(made) == value
    assert not set("<>&\u2028\u2029") & set(made)
    with pytest.raises(ValueError, match="Out of range"):
        script_json([float("nan")])
