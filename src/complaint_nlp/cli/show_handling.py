"""What the commands print about handling: facts, the plan, similar cases, the review of a reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from complaint_nlp.cases import SimilarCase
    from complaint_nlp.playbook.reply.types import ReplyReview
    from complaint_nlp.playbook.strategy.plan import Strategy
    from complaint_nlp.report import Report

_SEVERITY_STYLES = {"high": "bold red", "medium": "yellow", "low": "dim"}
_CASE_CHARS = 120
_MOST_FACTS = 20


def print_handling(report: Report, plan: Strategy, *, full: bool) -> None:
    """Print what the message tells and leaves open, and what to do and say.

    Args:
        report: the report of the message.
        plan: how to handle it.
        full: the whole plan and all messages to the customer; else what is needed first.
    """
    console = Console()
    # a long letter says the same again and again
    told = list(dict.fromkeys(f"{fact.kind.value} 「{fact.text}」" for fact in report.facts.items))
    further = f"  … {len(told) - _MOST_FACTS} more" if len(told) > _MOST_FACTS else ""
    _print_line(console, "facts", "  ".join(told[:_MOST_FACTS]).replace("\n", " ") + further)
    _print_line(console, "missing", ", ".join(report.missing))
    steps = [f"{step.name}：{step.action}" + (f"（{step.why}）" if full else "") for step in plan.steps]
    _print_list(console, "steps", steps, numbered=True)
    if full:
        _print_plan(console, plan)
    _print_list(console, "options", (f"{it.option}：{it.condition}（{it.authority_name}）" for it in plan.remedies))
    _print_list(console, "ask", (question.text for question in plan.questions))
    _print_list(console, "follow-up", [plan.follow_up.progress, plan.follow_up.call_back])
    _print(console, Text(f"✉ {plan.first_reply}"))
    if full:
        for title, message in (
            ("apology letter", plan.apology_letter),
            ("progress note", plan.progress_note),
            ("follow-up message", plan.follow_up_message),
        ):
            console.print(Text(f"\n✉ {title}", style="bold"))
            _print(console, Text(message))


def _print_plan(console: Console, plan: Strategy) -> None:
    """Print the parts of a plan that are not needed first."""
    _print_list(console, "tone", (f"{it.emotion.value}：{it.do} ✗ {it.avoid}" for it in plan.tactics))
    _print_list(console, "must hold", (it.text for it in plan.must_include))
    if plan.impact is not None:
        consequences = (f"{it.name}：{it.soften}" for it in plan.impact.consequences)
        _print_list(console, "impact", [f"{plan.impact.interest_name}：{plan.impact.advice}", *consequences])
    authority = plan.authority
    _print_list(console, "decides", [f"{authority.who}：{authority.may}", *authority.notes, *authority.ladder])
    _print_list(console, "tell", (f"{it.who}：{it.about}" for it in plan.inform))
    _print_list(console, "ask then", plan.follow_up.ask)
    _print_list(console, "record", plan.follow_up.record)
    _print_list(console, "prevent", plan.prevention)


def _print(console: Console, text: Text) -> None:
    # a line without blanks is broken by the terminal, not moved to the next one
    console.print(text, soft_wrap=True)


def _print_line(console: Console, title: str, words: str) -> None:
    if words:
        _print(console, Text(f"{title}: ", style="bold").append(words, style="not bold"))


def _print_list(console: Console, title: str, items: Iterable[str], *, numbered: bool = False) -> None:
    found = list(items)
    if found:
        console.print(Text(title, style="bold"))
        for place, item in enumerate(found, 1):
            _print(console, Text(f"  {f'{place}.' if numbered else '·'} {item}"))


def print_similar(cases: Sequence[SimilarCase]) -> None:
    """Print solved cases: how like they are, what was done, how it ended."""
    console = Console()
    for found in cases:
        text = found.case.text.replace("\n", " ")
        shown = text if len(text) <= _CASE_CHARS else f"{text[: _CASE_CHARS - 1]}…"
        console.print(Text(f"≈ {found.score:.2f}  {shown}"))
        for words in (found.case.handling, found.case.outcome):
            if words:
                console.print(Text(f"    {words}", style="dim"))


def print_review(reply: str, review: ReplyReview) -> None:
    """Print a reply with the words to change marked, and why and how to change them."""
    console = Console()
    marked = Text(reply)
    table = Table(box=None, pad_edge=False)
    for title in ("", "words", "why", "better"):
        table.add_column(title, overflow="fold")
    for finding in review.findings:
        style = _SEVERITY_STYLES[finding.severity]
        if finding.start is not None and finding.end is not None:
            marked.stylize(f"reverse {style}", finding.start, finding.end)
        words = (finding.text or "—").replace("\n", " ")
        table.add_row(
            Text(finding.rule.value, style=style), Text(words), Text(finding.reason), Text(finding.suggestion)
        )
    console.print(marked)
    console.print(Text(f"{review.score} / 100", style="bold"))
    if review.findings:
        console.print(table)
