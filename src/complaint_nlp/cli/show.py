"""What the commands print, for people."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from complaint_nlp.labels import TASKS, Language, display_name
from complaint_nlp.report import Decision, Report, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rich.console import RenderableType

    from complaint_nlp.batch.options import LabelProgress, LabelSummary
    from complaint_nlp.evaluation import Evaluation

_URGENCY_STYLES = {"critical": "bold white on red", "high": "bold red", "medium": "yellow", "low": "green"}
_DECISION_STYLES = {Decision.AUTO: "green", Decision.SUGGEST: "yellow", Decision.REVIEW: "dim"}
_MIX = 3
"""Labels of a kind that are shown beside the bar."""
_EVIDENCE_STYLES = {"category": "black on yellow", "urgency": "white on red", "emotion": "black on magenta"}


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a callable that shows how far a stage has come; on standard error, only on a terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total or None)
            bar.update(tasks[stage], completed=done, total=total or None)

        yield report


class _Rate(ProgressColumn):
    """How many rows a second, of late."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s", style="progress.data.speed")


class _LabelBar(Progress):
    """A bar with a line below it."""

    below = Text()

    def get_renderables(self) -> Iterator[RenderableType]:
        """Yield the bar and the line."""
        yield from super().get_renderables()
        yield self.below


class _LabelReport:
    """Shows how far labelling has come, and which labels were found."""

    def __init__(self, bar: _LabelBar) -> None:
        self._bar = bar
        self._task: TaskID | None = None

    def __call__(self, stage: str, done: int, total: int, /) -> None:
        """Report that ``done`` of about ``total`` rows are finished."""
        if self._task is None:  # what is done already says nothing about the speed
            self._task = self._bar.add_task(stage, total=total or None, completed=done)
        else:
            self._bar.update(self._task, completed=done, total=total or None)

    def found(self, counts: Mapping[str, Mapping[str, int]], /) -> None:
        """Report how often every label occurs so far."""
        self._bar.below = Text(label_mix(counts), style="dim", no_wrap=True, overflow="ellipsis")


@contextmanager
def label_progress() -> Iterator[LabelProgress]:
    """Yield a callable that shows rate, time left and labels so far; on standard error, only on a terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with _LabelBar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield _LabelReport(bar)


def label_mix(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Return in one line how often the most frequent urgencies, intents and matters occur."""
    parts = []
    for name in ("urgency", "intent", "category"):
        found = counts.get(name, {})
        most = sorted(found.items(), key=lambda item: -item[1])[:_MIX]
        whole = sum(found.values())
        if most:
            parts.append("  ".join(f"{label} {count / whole:.0%}" for label, count in most))
    return " · ".join(parts)


def print_report(report: Report) -> None:
    """Print one report with its evidence marked in the message."""
    console = Console()
    language: Language = "zh-Hans" if report.script == "simplified" else "zh-Hant"
    if report.status is not Status.OK:
        why = escape(report.error or "nothing to analyse")
        console.print(f"[bold]{report.status.value}[/bold]: {why}", highlight=False)
        return
    marked = Text(report.text)
    for name, style in _EVIDENCE_STYLES.items():
        for span in report.task(name).evidence:
            marked.stylize(style, span.start, span.end)
    console.print(marked)
    table = Table(box=None, pad_edge=False)
    for title in ("", "", "confidence", "decision", "evidence"):
        table.add_column(title)
    for name in TASKS:
        result = report.task(name)
        labels = "、".join(display_name(name, label, language) for label in result.labels) or "—"
        style = _URGENCY_STYLES.get(str(result.primary), "") if name == "urgency" else "bold"
        words = " ".join(f"「{span.text}」" for span in result.evidence).replace("\n", " ")
        table.add_row(
            display_name(name, None, language),
            Text(labels, style=style),
            f"{result.confidence:.0%}",
            Text(result.decision.value, style=_DECISION_STYLES[result.decision]),
            Text(words, style="dim"),
        )
    for name, own in report.extra.items():
        table.add_row(
            Text(name),
            Text("、".join(own.labels) or "—", style="bold"),
            f"{own.confidence:.0%}",
            Text(own.decision.value, style=_DECISION_STYLES[own.decision]),
            "",
        )
    console.print(table)
    for reason in report.urgency_reasons:
        console.print(Text(f"! {reason.reason}：{reason.text}", style="red"))
    if report.route is not None:
        inform = f"（{'、'.join(report.route.inform)}）" if report.route.inform else ""
        escalate = " ▲" if report.route.escalate else ""
        due = report.route.respond_by.astimezone()
        console.print(Text(f"→ {report.route.department}{inform}{escalate}  ⏱ {due:%Y-%m-%d %H:%M %Z}", style="cyan"))


def print_preview(target: str, text_column: str, rows: int) -> None:
    """Print the first labelled rows of a file or table as a coloured table."""
    from complaint_nlp.batch.files import read_rows
    from complaint_nlp.batch.sql import is_sql
    from complaint_nlp.batch.sql_location import parse_location

    title = str(parse_location(target)) if is_sql(target) else target  # without its password
    table = Table(title=escape(title), show_lines=True)
    for title, width in (
        ("message", 40),
        ("category", None),
        ("urgency", None),
        ("emotion", None),
        ("department", None),
    ):
        table.add_column(title, max_width=width, overflow="fold")
    for row in read_rows(target, rows):
        text = str(row.get(text_column) or "").replace("\n", " ")
        shown = text if len(text) <= 60 else text[:59] + "…"  # noqa: PLR2004 - what fits a table cell
        if row["status"] != Status.OK.value:
            table.add_row(Text(shown), Text(str(row["status"]), style="dim"), "", "", "")
            continue
        language: Language = "zh-Hans" if row.get("script") == "simplified" else "zh-Hant"
        subs = "\n".join(display_name("subcategory", value, language) for value in row["subcategory"])
        matter = subs or display_name("intent", row["intent"], language)
        urgency = Text(display_name("urgency", row["urgency"], language), style=_URGENCY_STYLES[row["urgency"]])
        feeling = "\n".join(display_name("emotion", value, language) for value in row["emotion"])
        table.add_row(Text(shown), matter, urgency, feeling, row["department"])
    Console().print(table)


def print_summary(summary: LabelSummary) -> None:
    """Print what a labelling run did and found."""
    console = Console(stderr=True)
    rate = (summary.rows - summary.resumed) / summary.seconds if summary.seconds else 0.0
    target = "" if summary.target is None else f" → {escape(str(summary.target))}"
    console.print(f"[bold]{summary.rows:,}[/bold] rows labelled in {summary.seconds:.1f} s ({rate:,.0f}/s){target}")
    if summary.resumed:
        console.print(f"{summary.resumed:,} of them were finished before")
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("", overflow="fold")
    for title, counts in summary.counts.items():
        parts = [f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda item: -item[1])]
        table.add_row(title, "  ".join(parts))
    console.print(table)
    if summary.rejected:
        where = "write to a file to have them listed" if summary.rejects is None else escape(str(summary.rejects))
        console.print(f"[yellow]{summary.rejected:,} rows set aside[/yellow] → {where}")


def print_evaluation(title: str, evaluation: Evaluation, *, by_value: bool = False, intervals: bool = False) -> None:
    """Print the figures of an evaluation; with ``intervals`` the macro-F1 has its 95 % bootstrap interval."""
    from complaint_nlp.cli.show_evaluation import print_figures

    print_figures(title, evaluation, by_value=by_value, intervals=intervals)
