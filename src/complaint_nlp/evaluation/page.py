"""An evaluation as HTML: a small table for notebooks, and a page that needs no network."""

from __future__ import annotations

import base64
import html
import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.errors import DataError
from complaint_nlp.evaluation.texts import slice_names, task_name, value_name, word

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from complaint_nlp.evaluation.bootstrap import Interval
    from complaint_nlp.evaluation.compare import Comparison
    from complaint_nlp.evaluation.result import Evaluation
    from complaint_nlp.labels import Language

_SUMMARY: Final = (
    "messages",
    "macro_f1",
    "micro_f1",
    "weighted_f1",
    "exact_match",
    "kappa",
    "ece",
    "brier",
    "auto_share",
    "auto_accuracy",
)
_SHARES: Final = ("auto_share", "auto_accuracy")
_WORST: Final = 20
_ALPHA: Final = 0.05
_DPI: Final = 130
_STYLE: Final = """
:root{color-scheme:light dark;--text:#1b1f24;--back:#fff;--soft:#f3f5f7;--line:#d7dce1;--dim:#5b6570;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--text:#e6e9ec;--back:#15181c;--soft:#1f242a;--line:#39414a;--dim:#9aa5b1;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1200px;padding:1.5rem 1rem 4rem;color:var(--text);background:var(--back);
font:15px/1.55 system-ui,"PingFang TC","PingFang SC","Microsoft JhengHei",
"Microsoft YaHei","Noto Sans CJK TC",sans-serif}
h1{font-size:1.6rem;margin:0 0 .2rem}h2{font-size:1.2rem;margin:2.2rem 0 .6rem}h3{font-size:1rem;margin:1.4rem 0 .4rem}
p.lead{color:var(--dim);margin:0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;min-width:min(100%,28rem)}
th,td{padding:.3rem .55rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:top;white-space:nowrap}
th{font-weight:600;background:var(--soft)}
th.name,td.name{text-align:left}
td.message{text-align:left;white-space:pre-wrap;overflow-wrap:anywhere;min-width:16rem}
td.words{text-align:left;white-space:normal;min-width:7rem}
td.bad{color:var(--bad);font-weight:600}
details{border:1px solid var(--line);border-radius:8px;margin:.7rem 0;padding:0 1rem}
summary{cursor:pointer;padding:.7rem 0;font-weight:600}
summary small{color:var(--dim);font-weight:400;margin-left:.6rem}
.charts{display:flex;flex-wrap:wrap;gap:1rem;align-items:flex-start}
.charts img{max-width:100%;height:auto;background:#fff;border-radius:6px}
@media print{body{max-width:none}details{break-inside:avoid-page}}
"""
# closed sections would be missing on paper
_SCRIPT: Final = (
    "addEventListener('beforeprint',()=>document.querySelectorAll('details').forEach(d=>d.setAttribute('open','')))"
)


def summary_fragment(evaluation: Evaluation, language: Language = "en") -> str:
    """Return one row per task as an HTML fragment for notebooks."""
    head = f"<p>{_lead(evaluation, language)}</p>"
    return f"<div class='complaint-nlp-evaluation'>{head}{_summary(evaluation, language, ())}</div>"


def comparison_fragment(comparison: Comparison) -> str:
    """Return one row per task as an HTML fragment; differences whose interval leaves out 0 are bold."""
    titles = ("macro-F1 A", "macro-F1 B", "B - A", f"{comparison.level:.0%}", "p", "only A", "only B", "p (McNemar)")
    rows = []
    for one in comparison.tasks.values():
        difference = f"{one.difference:+.3f}"
        cells = [
            _cell(task_name(one.task, "en"), "name"),
            *(_cell(f"{figure:.3f}") for figure in (one.macro_f1_a, one.macro_f1_b)),
            f"<td><b>{difference}</b></td>" if one.low > 0 or one.high < 0 else _cell(difference),
            _cell(f"{one.low:+.3f} … {one.high:+.3f}"),
            _cell(f"{one.p_bootstrap:.3f}"),
            _cell(f"{one.only_a_right:,}"),
            _cell(f"{one.only_b_right:,}"),
            _cell(f"{one.p_mcnemar:.3f}"),
        ]
        rows.append("".join(cells))
    return _table([("task", True), *((title, False) for title in titles)], rows)


def evaluation_page(evaluation: Evaluation, *, title: str | None, language: Language, errors: int, mask: bool) -> str:
    """Return the page; see :meth:`Evaluation.to_html`."""
    shown = html.escape(title or word("title", language))
    intervals = evaluation.interval_rows()
    tasks = "".join(_task(evaluation, name, language, errors, mask=mask) for name in evaluation.tasks)
    lead = _lead(evaluation, language)
    return (
        f"<!DOCTYPE html>\n<html lang='{language}'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width,initial-scale=1'>"
        f"<title>{shown}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{shown}</h1><p class='lead'>{lead}</p>"
        f"<h2>{word('summary', language)}</h2>{_summary(evaluation, language, intervals)}"
        f"{_worst(evaluation, language)}<h2>{word('by_value', language)}</h2>{tasks}"
        f"<script>{_SCRIPT}</script></body></html>\n"
    )


def check_target(path: str | Path) -> None:
    """Refuse a place where no page can be written, before the work for it begins.

    Raises:
        DataError: the folder does not exist, or the path is one.
    """
    target = Path(path)
    if not target.parent.is_dir() or target.is_dir():
        why = "it is a folder" if target.is_dir() else f"there is no folder {target.parent}"
        msg = f"{target}: cannot be written: {why}"
        raise DataError(msg)


def write_page(path: str | Path, page: str) -> None:
    """Write a page whole or not at all.

    Raises:
        DataError: the file cannot be written.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as stream:
                stream.write(page)
            temporary.chmod(0o644)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        msg = f"{target}: cannot be written: {error}"
        raise DataError(msg) from error


def _lead(evaluation: Evaluation, language: Language) -> str:
    counts = (("messages", evaluation.messages), ("not_analysed", evaluation.not_analysed))
    return " · ".join(f"{word(name, language)} {count:,}" for name, count in counts)


def _cell(text: object, kind: str = "") -> str:
    return f"<td class='{kind}'>{html.escape(str(text))}</td>" if kind else f"<td>{html.escape(str(text))}</td>"


def _table(head: Iterable[tuple[str, bool]], rows: Sequence[str]) -> str:
    titles = "".join(f"<th{' class=name' if name else ''}>{html.escape(title)}</th>" for title, name in head)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<div class='scroll'><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>"


def _figure(name: str, value: Any) -> str:  # noqa: ANN401 - a number or None
    if value is None:
        return ""
    if name == "messages":
        return f"{value:,}"
    return f"{value:.0%}" if name in _SHARES else f"{value:.3f}"


def _summary(evaluation: Evaluation, language: Language, intervals: Sequence[Interval]) -> str:
    rows = evaluation.summary_rows()
    columns = [name for name in _SUMMARY if any(row.get(name) is not None for row in rows)]
    between = {one.task: f"{one.low:.3f} – {one.high:.3f}" for one in intervals if one.figure == "macro_f1"}
    head = [(word("task", language), True), *((word(name, language), False) for name in columns)]
    if between:
        head.insert(3, (word("interval", language), False))
    lines = []
    for row in rows:
        cells = [_cell(_figure(name, row.get(name))) for name in columns]
        if between:
            cells.insert(2, _cell(between[row["task"]]))
        lines.append(_cell(task_name(row["task"], language), "name") + "".join(cells))
    return _table(head, lines)


def _worst(evaluation: Evaluation, language: Language) -> str:
    if not evaluation.standard_slices():
        return ""
    found = evaluation.worst_rows(alpha=_ALPHA)[:_WORST]
    title = f"<h2>{word('worst_slices', language)}</h2>"
    if not found:
        return f"{title}<p>{word('no_worst_slices', language)}</p>"
    names = ("task", "slice", "messages", "micro_f1", "rest", "difference")
    rows = []
    for one in found:
        by, value = slice_names(one.by, one.value, language)
        rows.append(
            _cell(task_name(one.task, language), "name")
            + _cell(f"{by}：{value}", "name")
            + _cell(f"{one.messages:,}")
            + _cell(f"{one.estimate:.3f} ({one.low:.3f} – {one.high:.3f})")
            + _cell(f"{one.rest:.3f}")
            + _cell(f"{one.difference:+.3f}", "bad")
        )
    return title + _table([(word(name, language), name in ("task", "slice")) for name in names], rows)


def _task(evaluation: Evaluation, name: str, language: Language, errors: int, *, mask: bool) -> str:
    score = evaluation.tasks[name]
    heading = f"macro-F1 {score.macro_f1:.3f} · {word('messages', language)} {score.messages:,}"
    names = ("value", "precision", "recall", "f1", "support")
    rows = [
        _cell(value_name(name, value, language), "name")
        + "".join(_cell(f"{figure:.3f}") for figure in (one.precision, one.recall, one.f1))
        + _cell(f"{one.support:,}")
        for value, one in score.values.items()
    ]
    values = _table([(word(key, language), key == "value") for key in names], rows)
    mistakes = _mistakes(evaluation, name, language, errors, mask=mask)
    return (
        f"<details><summary>{html.escape(task_name(name, language))}<small>{heading}</small></summary>"
        f"<div class='charts'>{values}{_charts(evaluation, name, language)}</div>{mistakes}</details>"
    )


def _charts(evaluation: Evaluation, name: str, language: Language) -> str:
    answers = evaluation.task_answers(name)
    kinds = ["confusion"]
    if answers.confidence is not None and bool(answers.analysed.any()):
        kinds += ["reliability", "coverage"]
    return "".join(_image(evaluation, kind, name, language) for kind in kinds)


def _image(evaluation: Evaluation, kind: str, name: str, language: Language) -> str:
    """Return a chart as an image within the page."""
    axes = getattr(evaluation.plot, kind)(name, language=language)
    stream = io.BytesIO()
    import matplotlib.pyplot as plt

    try:
        axes.figure.savefig(stream, format="png", dpi=_DPI)
        width = round(axes.figure.get_figwidth() * 80)
    finally:
        plt.close(axes.figure)
    content = base64.b64encode(stream.getvalue()).decode("ascii")
    return f"<img width='{width}' alt='{html.escape(axes.get_title())}' src='data:image/png;base64,{content}'>"


def _mistakes(evaluation: Evaluation, name: str, language: Language, errors: int, *, mask: bool) -> str:
    if evaluation.require_answers().messages is None or not errors:
        return ""
    title = f"<h3>{word('mistakes', language)}</h3>"
    found = evaluation.mistakes(name, errors, mask=mask)
    if not found:
        return f"{title}<p>{word('no_mistakes', language)}</p>"
    head = [
        (word(key, language), True) for key in ("message", "true", "predicted", "confidence", "decision", "evidence")
    ]
    rows = []
    for row in found:
        labels = [
            "、".join(value_name(name, value, language) for value in row[side].split("|") if value) or "—"
            for side in ("true", "predicted")
        ]
        confidence = "" if row["confidence"] is None else f"{row['confidence']:.0%}"
        decision = "" if row["decision"] is None else word(row["decision"], language)
        rows.append(
            _cell(row["text"], "message")
            + "".join(_cell(text, "words") for text in labels)
            + _cell(confidence)
            + _cell(decision, "name")
            + _cell(" ".join(f"「{part}」" for part in row["evidence"].split("|") if part), "words")
        )
    return title + _table(head, rows)
