"""What ``complaint-nlp evaluate`` and ``train`` print about an evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from complaint_nlp.evaluation import Comparison, Evaluation, Slice

_FOLDING: Final = ("slice", "evidence", "message", "measured on")
_LEFT: Final = ("task", "value", "slice", "by", "true", "predicted", "decision", "evidence", "message", "measured on")


def print_figures(title: str, evaluation: Evaluation, *, by_value: bool, intervals: bool) -> None:
    """Print one row per task, and with ``by_value`` one per task and value.

    Args:
        title: of the table.
        evaluation: its figures.
        by_value: the values as well.
        intervals: 95 % bootstrap intervals of the macro-F1 and, with ``by_value``, of every value's F1.
    """
    console = Console()
    found = evaluation.interval_rows(by_value=by_value) if intervals else []
    between = {
        (one.task, one.value): f"{_number(one.low)}-{_number(one.high)}"
        for one in found
        if one.figure in ("macro_f1", "f1")
    }
    rows = evaluation.summary_rows()
    calibrated = any("ece" in row for row in rows)
    decided = any("auto_share" in row for row in rows)
    columns = ["task", "macro-F1", *(["95 %"] if intervals else []), "micro-F1", "weighted", "exact", "kappa", "n"]
    table = _table(columns, f"{escape(title)} ({evaluation.messages:,} messages)")
    for row in rows:
        cells = [row["task"], _number(row["macro_f1"]), *([between[row["task"], None]] if intervals else [])]
        cells += [_number(row[name]) for name in ("micro_f1", "weighted_f1", "exact_match", "kappa")]
        table.add_row(*cells, f"{row['messages']:,}")
    console.print(table)
    if calibrated or decided:  # a table of their own: one of all would not fit into a terminal of 80 columns
        trust = _table(["task", *(["ECE", "Brier"] if calibrated else []), *(["auto", "right"] if decided else [])])
        for row in rows:
            cells = [_number(row.get(name)) for name in ("ece", "brier")] if calibrated else []
            cells += [_share(row.get(name)) for name in ("auto_share", "auto_accuracy")] if decided else []
            trust.add_row(row["task"], *cells)
        console.print(trust)
    if not by_value:
        return
    detail = _table(["task", "value", "precision", "recall", "F1", *(["95 %"] if intervals else []), "support"])
    for name, score in evaluation.tasks.items():
        for value, figures in score.values.items():
            numbers = [_number(figure) for figure in (figures.precision, figures.recall, figures.f1)]
            numbers += [between[name, value]] if intervals else []
            detail.add_row(name, value, *numbers, f"{figures.support:,}")
        detail.add_section()
    console.print(detail)


def print_slices(by: str, found: Sequence[Slice], worst: Sequence[Slice], *, min_messages: int) -> None:
    """Print the parts of the messages, and those that are worse than the rest by more than chance.

    Args:
        by: what the messages were divided by.
        found: all parts with enough messages.
        worst: those that are worse.
        min_messages: how many messages are enough.
    """
    console = Console()
    if not found:
        console.print(f"by {escape(by)}: no part has {min_messages} messages and others beside it")
        return
    named = {(one.task, one.value) for one in worst}
    table = _table(["task", "slice", "micro-F1", "rest", "change", "95 %", "n"], f"by {escape(by)}")
    last = found[0].task
    for one in found:
        if one.task != last:
            table.add_section()
        last = one.task
        style = "bold red" if (one.task, one.value) in named else ""
        table.add_row(
            one.task,
            Text(one.value, style=style),
            _number(one.estimate),
            _number(one.rest),
            Text(_signed(one.difference), style=style),
            f"{_signed(one.difference_low)} to {_signed(one.difference_high)}",
            f"{one.messages:,}",
        )
    console.print(table)


def print_worst(worst: Sequence[Slice]) -> None:
    """Print in words which parts are worse than the rest by more than chance."""
    console = Console()
    if not worst:
        console.print("no slice is worse than the rest by more than chance", highlight=False)
    for one in worst:
        console.print(
            Text(
                f"worse than the rest: {one.task}, {one.by} {one.value}: {one.estimate:.3f} against {one.rest:.3f} "
                f"({one.difference:+.3f}, adjusted p {one.p_value:.3f}, {one.messages:,} messages)"
            )
        )


def print_mistakes(task: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print the worst confident mistakes of a task."""
    console = Console()
    if not rows:
        console.print(f"{escape(task)}: no mistakes")
        return
    table = _table(["message", "true", "predicted", "confidence", "decision", "evidence"], f"{escape(task)}: mistakes")
    table.show_lines = True
    for row in rows:
        words = " ".join(f"「{word}」" for word in row["evidence"].split("|") if word)
        labels = [Text((row[side] or "—").replace("|", "\n")) for side in ("true", "predicted")]
        confidence = "" if row["confidence"] is None else f"{row['confidence']:.0%}"
        table.add_row(Text(row["text"].replace("\n", " ")), *labels, confidence, row["decision"] or "", Text(words))
    console.print(table)


def _table(columns: Sequence[str], title: str | None = None) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        folds = column in _FOLDING
        table.add_column(column, justify="left" if column in _LEFT else "right", overflow="fold", no_wrap=not folds)
    return table


def _number(figure: float | None) -> str:
    return "" if figure is None else f"{figure:.3f}".replace("0.", ".", 1)


def _signed(figure: float) -> str:
    return f"{figure:+.3f}".replace("0.", ".", 1)


def _share(figure: float | None) -> str:
    return "" if figure is None else f"{figure:.0%}"


def print_changes(changes: Mapping[str, Comparison], messages: int) -> None:
    """Print what going on from a model gave, by test file and speed."""
    title = f"mean macro-F1 before and after {messages:,} corrected messages"
    table = _table(("measured on", "messages", "before", "after", "change", "95 % interval"), title)
    for where, one in changes.items():
        interval = f"{one.low:+.3f} to {one.high:+.3f}"
        figures = (f"{one.macro_f1_a:.3f}", f"{one.macro_f1_b:.3f}", f"{one.difference:+.3f}", interval)
        table.add_row(where, f"{one.messages:,}", *figures)
    Console().print(table)
