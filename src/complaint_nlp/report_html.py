"""A report as an HTML fragment for notebooks."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final

from complaint_nlp.labels import TASKS, Language, display_name

if TYPE_CHECKING:
    from complaint_nlp.report import Report

# one hue per task, from Okabe and Ito's palette, which colour-blind readers can tell apart
_COLOURS: Final = {
    "category": "230,159,0",
    "urgency": "213,94,0",
    "emotion": "204,121,167",
    "demands": "0,114,178",
}


def to_html(report: Report) -> str:
    """Return the message with its evidence in colour, the labels, the route and the first reply, all escaped."""
    language: Language = "zh-Hans" if report.script == "simplified" else "zh-Hant"
    rows = []
    for name in TASKS:
        result = report.task(name)
        labels = "、".join(display_name(name, label, language) for label in result.labels) or "—"
        rows.append(
            f"<tr><th style='text-align:left'>{display_name(name, None, language)}</th><td>{html.escape(labels)}</td>"
            f"<td>{result.confidence:.0%}</td><td>{result.decision.value}</td></tr>"
        )
    for name, own in report.extra.items():
        rows.append(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td>{html.escape('、'.join(own.labels)) or '—'}</td>"
            f"<td>{own.confidence:.0%}</td><td>{own.decision.value}</td></tr>"
        )
    legend = " ".join(
        f"<span style='background:rgba({colour},.45);padding:0 .3em'>{display_name(name, None, language)}</span>"
        for name, colour in _COLOURS.items()
        if report.task(name).evidence
    )
    extra = ""
    if report.route is not None:
        extra += f"<p>→ {html.escape(report.route.department)} · {report.route.respond_by:%Y-%m-%d %H:%M}</p>"
    if report.strategy is not None:
        extra += f"<blockquote>{html.escape(report.strategy.first_reply)}</blockquote>"
    return (
        f"<div class='complaint-nlp-report'><p style='font-size:1.1em;white-space:pre-wrap'>{_marked(report)}</p>"
        f"<p>{legend}</p><table>{''.join(rows)}</table>{extra}</div>"
    )


def _marked(report: Report) -> str:
    """Return the escaped message with the strongest task's colour behind every evidence character."""
    owner: list[tuple[float, str] | None] = [None] * len(report.text)
    for name in _COLOURS:
        for span in report.task(name).evidence:
            for i in range(span.start, span.end):
                current = owner[i]
                if current is None or current[0] < span.weight:
                    owner[i] = (span.weight, name)
    pieces: list[str] = []
    start = 0
    for i in range(1, len(report.text) + 1):
        if i < len(report.text) and owner[i] == owner[start]:
            continue
        piece, mark = html.escape(report.text[start:i]), owner[start]
        if mark is None:
            pieces.append(piece)
        else:
            shade = 0.25 + 0.5 * min(mark[0], 1.0)
            pieces.append(
                f"<mark title='{mark[1]}' style='background:rgba({_COLOURS[mark[1]]},{shade:.2f})'>{piece}</mark>"
            )
        start = i
    return "".join(pieces)
