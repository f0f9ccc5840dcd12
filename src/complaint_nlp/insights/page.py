"""Insights as one page to hand on: a file of its own that needs no network, with charts that can be filtered."""

from __future__ import annotations

import base64
import hashlib
import html
import os
import re
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, Final, Literal

from complaint_nlp.errors import ConfigError, DataError
from complaint_nlp.insights.page_cube import NAMED, build_cube
from complaint_nlp.insights.page_messages import messages_of, messages_of_summary
from complaint_nlp.insights.page_text import script_json, shown_text, shown_values
from complaint_nlp.labels import LANGUAGES, TASKS, Language, display_name
from complaint_nlp.resources import Localized, Strict, builtin, load_yaml

if TYPE_CHECKING:
    from collections.abc import Callable

    from complaint_nlp.insights import Insights

__all__ = ["MAX_PAGE_BYTES", "check_labelled", "check_target", "page_html", "write_page"]

MAX_PAGE_BYTES: Final = 5_000_000
MAX_TITLE_CHARS: Final = 120
_SCRIPTS: Final = ("page_cube.js", "page_charts.js", "page_parts.js", "page_filters.js", "page.js")
_UNUSED: Final = ("cube", "counts", "periods", "labels")
"""Parts of the insights that the page takes from its own cube, or elsewhere."""
_NAMED_TASKS: Final = ("category", "subcategory", "urgency", "emotion", "intent")


class PageFile(Strict):
    """The schema of ``page.yaml``."""

    version: Literal[1]
    wordings: dict[str, Localized]


@cache
def _wordings() -> Mapping[str, Localized]:
    return load_yaml(builtin("insights/page.yaml"), PageFile).wordings


def write_page(
    insights: Insights | Mapping[str, Any],
    out: str | Path,
    *,
    lang: Language = "zh-Hant",
    title: str | None = None,
    mask: bool = True,
    overwrite: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Path:
    """Write insights as one HTML file; it is there whole or not at all.

    Args:
        insights: the insights of a table; or what :meth:`Insights.to_dict` returned, then filters are as fine as its
            ``cube``, and ``lang`` and ``mask`` are what the dict was made with.
        out: file to write.
        lang: language of the page.
        title: title of the page; a general one when left out.
        mask: hide personal data in examples, names of products and places, and customers.
        overwrite: replace the file when it exists.
        progress: called with a stage, and how many steps of how many are done.

    Returns:
        The path of the file, less than 5 MB in size.

    Raises:
        ConfigError: the language is unknown, the file exists and ``overwrite`` is false, it does not end in ``.html``,
            or its folder does not exist.
        DataError: the table has no analysed messages, or the page would be larger.
    """
    out = check_target(out, overwrite=overwrite)
    content = page_html(insights, lang=lang, title=title, mask=mask, progress=progress).encode()
    if len(content) > MAX_PAGE_BYTES:
        msg = f"the page would have {len(content):,} bytes, more than {MAX_PAGE_BYTES:,}; report a shorter period"
        raise DataError(msg)
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        part.chmod(0o666 & ~_umask())
        part.replace(out)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return out


def check_target(out: str | Path, *, overwrite: bool = False) -> Path:
    """Return the path of a page to write.

    Raises:
        ConfigError: it does not end in ``.html``, its folder does not exist, or it exists and may not be replaced.
    """
    out = Path(out)
    if out.suffix.lower() not in (".html", ".htm"):
        msg = f"{out}: the page is HTML, so give it a name that ends in .html"
        raise ConfigError(msg)
    if not out.parent.is_dir():
        msg = f"{out}: the folder {out.parent} does not exist; make it first"
        raise ConfigError(msg)
    if out.exists() and not overwrite:
        msg = f"{out} exists already; choose another name, or replace it with overwrite=True (--overwrite)"
        raise ConfigError(msg)
    return out


def check_labelled(insights: Insights, source: object) -> None:
    """Check that the messages have labels.

    Raises:
        DataError: they have none.
    """
    if not {"category", "subcategory", "urgency"} & set(insights.table.frame.columns):
        msg = (
            f"{source}: has no label columns (category, subcategory, urgency...); label it first: "
            f"complaint-nlp label {source} LABELLED.csv"
        )
        raise DataError(msg)


def _umask() -> int:
    """Return the process's mask of rights; it can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def page_html(
    insights: Insights | Mapping[str, Any],
    *,
    lang: Language = "zh-Hant",
    title: str | None = None,
    mask: bool = True,
    progress: Callable[[str, int, int], None] | None = None,
) -> str:
    """Return the page as HTML; arguments and errors are those of :func:`write_page`."""
    if lang not in LANGUAGES:
        msg = f"unknown language {lang!r}; use one of {', '.join(LANGUAGES)}"
        raise ConfigError(msg)
    tell = progress or (lambda _stage, _done, _total: None)
    tell("statistics", 0, 2)
    found = _summary(insights, lang, mask=mask)
    lang = found["lang"]
    tell("counts", 1, 2)
    cube = _cube(insights, found)
    if mask:
        _mask_names(found, cube)
    say = {key: text.get(lang) for key, text in _wordings().items()}
    data = {
        "lang": lang,
        "title": shown_text(title or say["title"], MAX_TITLE_CHARS),
        "made": datetime.now(UTC).astimezone().strftime("%Y-%m-%d %H:%M"),
        "wordings": say,
        "names": _names(found, lang),
        "insights": {key: value for key, value in found.items() if key not in _UNUSED},
        "cube": cube,
        "notes": _notes(insights, cube, lang),
    }
    page = _assembled(shown_values(data), say)
    tell("counts", 2, 2)
    return page


def _summary(insights: Insights | Mapping[str, Any], lang: Language, *, mask: bool) -> dict[str, Any]:
    found = dict(insights) if isinstance(insights, Mapping) else insights.to_dict(mask=mask, lang=lang)
    if not {"overview", "lang"} <= set(found):
        msg = f"these are no insights: expected what Insights.to_dict() returns, found the keys {', '.join(found)}"
        raise DataError(msg)
    return found


def _cube(insights: Insights | Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any] | None:
    if not isinstance(insights, Mapping):
        return build_cube(messages_of(insights))
    summary = found.get("cube")
    messages = messages_of_summary(summary, found["overview"].get("to")) if summary else None
    return None if messages is None else build_cube(messages)


def _mask_names(found: dict[str, Any], cube: Mapping[str, Any] | None) -> None:
    """Hide personal data in names of products, places and channels: free text now and then holds a number."""
    from complaint_nlp.facts.masking import mask

    def hidden(text: str) -> str:
        return mask(text, keep_length=True)

    for axis in () if cube is None else cube["axes"]:
        if axis["name"] in NAMED:
            axis["values"] = [hidden(value) for value in axis["values"]]
    for key in ("rises", "hotspots"):
        found[key] = [
            {**one, "value": hidden(one["value"]), "name": hidden(one["name"])} if one["by"] in NAMED else one
            for one in found.get(key) or ()
        ]


def _names(found: Mapping[str, Any], lang: Language) -> dict[str, dict[str, str]]:
    names = {
        name: {str(value): display_name(name, value, lang) for value in TASKS[name].values} for name in _NAMED_TASKS
    }
    return {**names, "dimension": dict(found.get("labels", {}).get("dimension", {}))}


def _notes(insights: Insights | Mapping[str, Any], cube: Mapping[str, Any] | None, lang: Language) -> list[str]:
    """Return what a reader has to know of the charts."""
    if cube is None:
        return [_wordings()["no_cube"].get(lang)]
    notes = []
    unit = next((axis["unit"] for axis in cube["axes"] if axis["name"] == "day"), "day")
    if isinstance(insights, Mapping):
        notes.append(_wordings()["primary_only"].get(lang))
    elif unit != "day":
        notes.append(_wordings()[f"coarse_{unit}"].get(lang))
    if cube["label_sets_cut"]:
        notes.append(_wordings()["sets_cut"].get(lang).replace("{n}", f"{cube['label_sets_cut']:,}"))
    return notes


def _assembled(data: Mapping[str, Any], say: Mapping[str, str]) -> str:
    style = _resource("page.css")
    script = "(() => {\n'use strict';\n" + "\n".join(map(_resource, _SCRIPTS)) + "\n})();\n"
    policy = (
        f"default-src 'none'; script-src {_hashed(script)}; style-src {_hashed(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
    return Template(_resource("page.html")).substitute(
        lang=data["lang"],
        policy=policy,
        title=html.escape(data["title"]),
        style=style,
        script=script,
        noscript=html.escape(say["noscript"]),
        data=script_json(data),
    )


@cache
def _resource(name: str) -> str:
    """Return a file of the page without what only its authors need."""
    text = builtin(f"insights/{name}").read_text(encoding="utf-8")
    return re.sub(r"^/\*.*\*/\n", "", text) if name.endswith(".js") else text


def _hashed(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
