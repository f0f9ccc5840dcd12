"""The command that measures a model on labelled messages."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from complaint_nlp.cli.options import ModelOption, SpeedOption, chosen_speed

if TYPE_CHECKING:
    from complaint_nlp.evaluation import Evaluation

_STANDARD = "all"


def evaluate(  # noqa: PLR0913 - every option of a command is an argument
    data: Annotated[list[Path], typer.Argument(help="JSONL, CSV or TSV with labelled messages.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    by_value: Annotated[bool, typer.Option("--by-value/--by-task", help="Show every value, or only the tasks.")] = True,
    split: Annotated[
        str | None, typer.Option("--split", help="Only messages of this split (messages without one are taken too).")
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option("--predictions", help="Measure this labelled table (CSV, JSONL, Parquet) instead of a model."),
    ] = None,
    intervals: Annotated[bool, typer.Option("--intervals", help="Show 95 % bootstrap intervals.")] = False,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            metavar="COLUMN",
            help="Compare the parts of the messages by script, region, length or any column of DATA, and name those "
            "that are worse than the rest by more than chance; 'all' takes all usual ones. May be repeated.",
        ),
    ] = None,
    min_messages: Annotated[
        int, typer.Option("--min-messages", min=2, help="Leave out smaller parts (with --by).")
    ] = 30,
    errors: Annotated[
        list[str] | None,
        typer.Option("--errors", metavar="TASK", help="Show the worst confident mistakes. May be repeated."),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many mistakes to show (with --errors).")] = 10,
    mask: Annotated[bool, typer.Option("--mask", help="Hide personal data in what is shown (with --errors).")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write it all to this page as well; personal data is hidden there.")
    ] = None,
    model: ModelOption = "default",
    speed: SpeedOption = None,
) -> None:
    """Compare a model's answers with labelled messages: a table per task and value."""
    from complaint_nlp.evaluation import evaluate as run

    title = ", ".join(map(str, data))
    if html is not None:
        from complaint_nlp.evaluation.fonts import cjk_family
        from complaint_nlp.evaluation.page import check_target

        # what is missing is said now, not after minutes of work
        cjk_family()
        check_target(html)
    given: Any = predictions
    if predictions is None:
        from complaint_nlp.analyzer import Analyzer

        given = Analyzer.load(model, speed=chosen_speed(speed))
    evaluation = run(given, data, split=split)
    if as_json:
        content = _extended(evaluation, intervals=intervals, by=by, min_messages=min_messages, by_value=by_value)
        for task in errors or []:
            content.setdefault("errors", {})[task] = evaluation.mistakes(task, top, mask=mask)
        typer.echo(json.dumps(content, ensure_ascii=False, indent=2))
    else:
        _print(title, evaluation, by_value=by_value, intervals=intervals, by=by, min_messages=min_messages)
        for task in errors or []:
            from complaint_nlp.cli.show_evaluation import print_mistakes

            print_mistakes(task, evaluation.mistakes(task, top, mask=mask))
    if html is not None:
        evaluation.to_html(html, title=title)
        typer.echo(f"page written to {html}", err=True)


def _divisions(evaluation: Evaluation, by: list[str] | None) -> list[str]:
    names: list[str] = []
    for name in by or []:
        names += evaluation.standard_slices() if name == _STANDARD else [name]
    return list(dict.fromkeys(names))


def _extended(
    evaluation: Evaluation, *, intervals: bool, by: list[str] | None, min_messages: int, by_value: bool
) -> dict[str, Any]:
    content = evaluation.to_dict()
    if intervals:
        rows = evaluation.interval_rows(by_value=by_value)
        content["intervals"] = [_finite(asdict(one)) for one in rows]
    if by:
        divisions = _divisions(evaluation, by)
        found = [one for name in divisions for one in evaluation.slice_rows(name, min_messages=min_messages)]
        from complaint_nlp.evaluation.slices import worst

        content["slices"] = [_finite(asdict(one)) for one in found]
        content["worst_slices"] = [_finite(asdict(one)) for one in worst(found)]
    return content


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row in which what is undefined is null: NaN is no JSON."""
    return {key: None if value != value else value for key, value in row.items()}  # noqa: PLR0124 - only NaN does


def _print(
    title: str,
    evaluation: Evaluation,
    *,
    by_value: bool,
    intervals: bool,
    by: list[str] | None,
    min_messages: int,
) -> None:
    from complaint_nlp.cli.show import print_evaluation
    from complaint_nlp.cli.show_evaluation import print_slices, print_worst
    from complaint_nlp.evaluation.slices import worst

    print_evaluation(title, evaluation, by_value=by_value, intervals=intervals)
    divisions = _divisions(evaluation, by)
    found = {name: evaluation.slice_rows(name, min_messages=min_messages) for name in divisions}
    # all parts are tested together: among many, some look bad by chance
    named = worst([one for rows in found.values() for one in rows])
    for name, rows in found.items():
        print_slices(name, rows, [one for one in named if one.by == name], min_messages=min_messages)
    if by:
        print_worst(named)
