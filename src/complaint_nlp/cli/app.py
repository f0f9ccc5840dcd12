"""The commands and their options."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="complaint-nlp",
    help="Read customer complaints in traditional and simplified Chinese: what, how urgent, how it feels, what to do.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ModelOption = Annotated[str, typer.Option("--model", help="Directory of a model bundle, or 'default'.")]
RoutingOption = Annotated[Path | None, typer.Option("--routing", help="Your own routing file (YAML).")]
RulesOption = Annotated[Path | None, typer.Option("--safety-rules", help="Your own safety rules (YAML).")]


def _version(value: bool) -> None:  # noqa: FBT001 - typer calls it so
    if value:
        from complaint_nlp import __version__

        typer.echo(f"complaint-nlp {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Exit codes: 0 done, 1 the self-test failed, 2 wrong input or options, 130 stopped."""


@app.command()
def analyze(
    text: Annotated[str | None, typer.Argument(help="The message; read from standard input when left out.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    model: ModelOption = "default",
    routing: RoutingOption = None,
    safety_rules: RulesOption = None,
) -> None:
    """Analyse one message and show labels, evidence, route and first reply."""
    from complaint_nlp.analyzer import Analyzer
    from complaint_nlp.cli.show import print_report
    from complaint_nlp.report import Status

    if text is None:
        if sys.stdin.isatty():
            typer.echo("Type the message, end with Ctrl-D:", err=True)
        text = sys.stdin.buffer.read().decode("utf-8", errors="replace")
    report = Analyzer.load(model, routing=routing, safety_rules=safety_rules).analyze(text)
    if as_json:
        typer.echo(report.to_json(indent=2))
    else:
        print_report(report)
    if report.status is not Status.OK:
        raise typer.Exit(2)


@app.command()
def label(
    source: Annotated[Path, typer.Argument(help="CSV, TSV, JSONL or Parquet file.")],
    target: Annotated[Path, typer.Argument(help="File to write: CSV, TSV, JSONL or Parquet by its ending.")],
    *,
    text_column: Annotated[str, typer.Option("--text-column", help="Column that holds the message.")] = "text",
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="Of a text file; found out when left out (UTF-8, Big5, GB18030).")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=0, help="Processes; 0: as many as useful.")] = 0,
    preview: Annotated[int, typer.Option("--preview", min=0, help="Show the first rows as a table.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace TARGET when it exists.")] = False,
    model: ModelOption = "default",
    routing: RoutingOption = None,
    safety_rules: RulesOption = None,
) -> None:
    """Label every row of a file.

    The output has the input's columns followed by the labels; lists are joined by | in CSV. It appears only when it
    is complete. Rows that cannot be read go to TARGET.rejects.jsonl with the reason.
    """
    from complaint_nlp.batch.files import label_file
    from complaint_nlp.cli.show import print_preview, print_summary, progress_bar

    with progress_bar() as progress:
        summary = label_file(
            source,
            target,
            text_column=text_column,
            encoding=encoding,
            workers=workers,
            overwrite=overwrite,
            model=model,
            routing=routing,
            safety_rules=safety_rules,
            progress=progress,
        )
    if preview:
        print_preview(target, text_column, preview)
    print_summary(summary)


@app.command()
def train(
    data: Annotated[list[Path], typer.Option("--data", help="JSONL with labelled messages; may be repeated.")],
    out: Annotated[Path, typer.Option("--out", help="Directory of the bundle to write.")],
    *,
    model: Annotated[str, typer.Option("--model", help="Kind of model: linear.")] = "linear",
    test: Annotated[
        list[Path] | None, typer.Option("--test", help="Labelled messages to measure the result on; may be repeated.")
    ] = None,
    notes: Annotated[Path | None, typer.Option("--notes", help="Markdown to put into the model card.")] = None,
    name: Annotated[str, typer.Option("--name", help="Name of the model in its card.")] = "custom",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT when it exists.")] = False,
    draw_weight: Annotated[
        list[str] | None,
        typer.Option(
            "--draw-weight",
            help="PATTERN=N: messages whose 'draw' fits count N times for calibration and thresholds; may be repeated.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the folds and the solver.")] = 0,
) -> None:
    """Train a model bundle on labelled messages (JSONL, see docs/labels.md)."""
    from complaint_nlp.cli.show import print_evaluation, progress_bar
    from complaint_nlp.errors import DataError
    from complaint_nlp.train.run import train_bundle

    if model != "linear":
        msg = f"--model {model}: unknown kind of model; this version trains 'linear'"
        raise DataError(msg)
    with progress_bar() as progress:
        result = train_bundle(
            data,
            out,
            test=test or [],
            name=name,
            notes=notes,
            overwrite=overwrite,
            draw_weights=[_draw_weight(item) for item in draw_weight or []],
            seed=seed,
            progress=progress,
        )
    for title, evaluation in result.evaluations.items():
        print_evaluation(title, evaluation)
    typer.echo(f"bundle written to {out} (hash {result.bundle.hash[:12]})", err=True)


def _draw_weight(item: str) -> tuple[str, int]:
    pattern, _, number = item.rpartition("=")
    if not pattern or not number.isdecimal():
        msg = f"--draw-weight {item}: expected PATTERN=N with a whole number N, such as '*likely*=0'"
        raise typer.BadParameter(msg)
    return pattern, int(number)


@app.command()
def evaluate(
    data: Annotated[list[Path], typer.Argument(help="JSONL with labelled messages.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    by_value: Annotated[bool, typer.Option("--by-value/--by-task", help="Show every value, or only the tasks.")] = True,
    split: Annotated[
        str | None, typer.Option("--split", help="Only messages of this split (messages without one are taken too).")
    ] = None,
    model: ModelOption = "default",
) -> None:
    """Compare a model's answers with labelled messages: a table per task and value."""
    from complaint_nlp.analyzer import Analyzer
    from complaint_nlp.cli.show import print_evaluation
    from complaint_nlp.evaluation import evaluate as run
    from complaint_nlp.labelled import read_labelled

    evaluation = run(Analyzer.load(model), read_labelled(data, split=split))
    if as_json:
        typer.echo(json.dumps(evaluation.to_dict(), ensure_ascii=False, indent=2))
    else:
        print_evaluation(", ".join(map(str, data)), evaluation, by_value=by_value)


@app.command()
def doctor() -> None:
    """Show what is installed and whether it works: versions, OpenCC, the model, a self-test."""
    from complaint_nlp.cli.doctor import run_doctor

    if not run_doctor():
        raise typer.Exit(1)
