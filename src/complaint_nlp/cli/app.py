"""The commands and their options."""

from __future__ import annotations

import json
import sys
from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from complaint_nlp.cli.cases import cases
from complaint_nlp.cli.evaluate import evaluate
from complaint_nlp.cli.label import label
from complaint_nlp.cli.options import (
    ModelOption,
    PlaybookOption,
    RoutingOption,
    RulesOption,
    SpeedOption,
    chosen_speed,
)
from complaint_nlp.cli.report import report as report_page
from complaint_nlp.cli.review import drift, review
from complaint_nlp.cli.serve import serve

if TYPE_CHECKING:
    from complaint_nlp.playbook.strategy.when import Fault

app = typer.Typer(
    name="complaint-nlp",
    help="Read customer complaints in traditional and simplified Chinese: what, how urgent, how it feels, what to do.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_ENC = "Encoder"
_HEADS = "Heads for your own labels"


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
    fault: Annotated[str, typer.Option("--fault", help="Whose fault it is: ours, unclear or customer.")] = "unclear",
    full: Annotated[bool, typer.Option("--full", help="Show the whole plan and all messages to the customer.")] = False,
    mask: Annotated[bool, typer.Option("--mask", help="Hide personal data in what is shown.")] = False,
    cases: Annotated[Path | None, typer.Option("--cases", help="Case base to show similar cases of.")] = None,
    model: ModelOption = "default",
    speed: SpeedOption = None,
    routing: RoutingOption = None,
    safety_rules: RulesOption = None,
    playbook: PlaybookOption = None,
) -> None:
    """Analyse one message and show labels, evidence, facts, route, plan and first reply."""
    from complaint_nlp.analyzer import Analyzer
    from complaint_nlp.cli.show import print_report
    from complaint_nlp.cli.show_handling import print_handling, print_similar
    from complaint_nlp.report import Status
    from complaint_nlp.text.chars import is_broken

    chosen = _fault(fault)
    if text is None:
        text = _standard_input("message")
    if cases is not None and not cases.is_file():
        msg = f"--cases {cases}: no such file"
        raise typer.BadParameter(msg)
    analyzer = Analyzer.load(
        model, routing=routing, safety_rules=safety_rules, playbook=playbook, cases=cases, speed=chosen_speed(speed)
    )
    report = analyzer.analyze(text)
    plan = report.plan(chosen)
    shown = report.masked() if mask else report
    if as_json:
        content = {**shown.to_dict(), "strategy": None if plan is None else plan.to_dict()}
        typer.echo(json.dumps(content, ensure_ascii=is_broken(text), indent=2))
    else:
        print_report(shown)
        if plan is not None:
            print_handling(shown, plan, full=full)
        if cases is not None:
            print_similar(report.similar(3))
    if report.status is not Status.OK:
        raise typer.Exit(2)


def _standard_input(what: str) -> str:
    if sys.stdin.isatty():
        typer.echo(f"Type the {what}, end with Ctrl-D:", err=True)
    return sys.stdin.buffer.read().decode("utf-8", errors="replace")


def _fault(given: str) -> Fault:
    from complaint_nlp.playbook.strategy.when import FAULTS

    for fault in FAULTS:
        if given == fault:
            return fault
    msg = f"--fault {given}: use one of {', '.join(FAULTS)}"
    raise typer.BadParameter(msg)


@app.command("check-reply")
def check_reply(
    reply: Annotated[str | None, typer.Argument(help="The draft; read from standard input when left out.")] = None,
    *,
    message: Annotated[
        str | None, typer.Option("--message", help="The customer's message: what the reply needs depends on it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the review as JSON.")] = False,
    min_score: Annotated[
        int, typer.Option("--min-score", min=0, max=100, help="Exit with code 1 when the score is lower.")
    ] = 0,
    model: ModelOption = "default",
    speed: SpeedOption = None,
) -> None:
    """Check a reply before it is sent: words that hurt, what is missing, a better wording for each."""
    from complaint_nlp.cli.show_handling import print_review
    from complaint_nlp.errors import DataError
    from complaint_nlp.playbook.reply.check import check_reply as check

    draft = _standard_input("reply") if reply is None else reply
    report = None
    if message is not None:
        from complaint_nlp.analyzer import Analyzer

        report = Analyzer.load(model, speed=chosen_speed(speed)).analyze(message)
    try:
        review = check(draft, report)
    except ValueError as error:
        raise DataError(str(error)) from error
    if as_json:
        typer.echo(review.to_json(indent=2))
    else:
        print_review(draft, review)
    if review.score < min_score:
        raise typer.Exit(1)


app.command()(label)
app.add_typer(cases)


@app.command()
def train(  # noqa: PLR0913 - every option of a command is an argument
    data: Annotated[
        list[Path],
        typer.Option("--data", help="JSONL, CSV or TSV with labelled messages (heads: or Parquet); may be repeated."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Directory of the bundle to write.")],
    *,
    model: Annotated[
        str, typer.Option("--model", help="linear, encoder (a linear one as well), or heads (for your own labels).")
    ] = "linear",
    from_model: Annotated[
        str | None,
        typer.Option(
            "--from", help="Bundle to go on from, or 'default': it learns from DATA and must not get worse on TEST."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With --from: write the model even if it is worse than the one before.")
    ] = False,
    test: Annotated[
        list[Path] | None, typer.Option("--test", help="Labelled messages to measure the result on; may be repeated.")
    ] = None,
    notes: Annotated[Path | None, typer.Option("--notes", help="Markdown to put into the model card.")] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the model in its card; 'custom' when left out.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT when it exists.")] = False,
    draw_weight: Annotated[
        list[str] | None,
        typer.Option(
            "--draw-weight",
            help="PATTERN=N: messages whose 'draw' fits count N times for calibration and thresholds; may be repeated.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of everything random.")] = 0,
    base: Annotated[
        str | None, typer.Option("--base", help="Encoder to start from: a directory or a hub id.", rich_help_panel=_ENC)
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option("--work", help="Folder for finished stages: call again to go on.", rich_help_panel=_ENC),
    ] = None,
    auxiliary: Annotated[
        Path | None, typer.Option("--auxiliary", help="Folder with public sets to learn from.", rich_help_panel=_ENC)
    ] = None,
    unlabelled: Annotated[
        list[Path] | None,
        typer.Option("--unlabelled", help="Texts, one a line (.txt, .xz); may be repeated.", rich_help_panel=_ENC),
    ] = None,
    corpus_labels: Annotated[
        Path | None,
        typer.Option("--corpus-labels", help="Labels of some of the unlabelled texts by hash.", rich_help_panel=_ENC),
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option("--teacher", help="Bundle that labels the unlabelled texts.", rich_help_panel=_ENC),
    ] = None,
    layers: Annotated[
        int | None, typer.Option("--layers", min=1, help="Layers of the base to keep.", rich_help_panel=_ENC)
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Passes over the data.", rich_help_panel=_ENC)] = 3,
    folds: Annotated[
        int,
        typer.Option("--folds", min=1, max=5, help="Fifths to train without, for the blend.", rich_help_panel=_ENC),
    ] = 2,
    heads_only: Annotated[
        bool, typer.Option("--heads-only", help="Leave the encoder as it is.", rich_help_panel=_ENC)
    ] = False,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda.", rich_help_panel=_ENC)] = "cpu",
    compiled: Annotated[
        bool,
        typer.Option("--compile", help="Compile first (minutes; C++ compiler), then be faster.", rich_help_panel=_ENC),
    ] = False,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="Label file (YAML) that names your tasks and values.", rich_help_panel=_HEADS),
    ] = None,
    text_column: Annotated[
        str, typer.Option("--text-column", help="Column that holds the message.", rich_help_panel=_HEADS)
    ] = "text",
) -> None:
    """Train a model bundle on labelled messages (see docs/labels.md; for your own labels docs/own-labels.md)."""
    from complaint_nlp.cli.show import print_evaluation, progress_bar
    from complaint_nlp.errors import DataError

    common: dict[str, Any] = {"test": test or [], "overwrite": overwrite, "seed": seed}
    if model == "heads":
        common["from_model"] = from_model or "default"
        _train_heads(data, out, labels, {**common, "name": name, "text_column": text_column})
        return
    if from_model is not None:
        if model != "linear":
            msg = f"--from goes on from a bundle as it is; leave out --model {model}"
            raise DataError(msg)
        _go_on(data, out, {**common, "from_model": from_model, "force": force, "name": name})
        return
    from complaint_nlp.train.run import EncoderSources, encoder_options, train_bundle, train_encoder_bundle

    if model not in ("linear", "encoder"):
        msg = f"--model {model}: unknown kind of model; this version trains 'linear', 'encoder' and 'heads'"
        raise DataError(msg)
    weights = [_draw_weight(item) for item in draw_weight or []]
    common |= {"name": name or "custom", "notes": notes}
    with progress_bar() as progress:
        if model == "linear":
            result = train_bundle(data, out, draw_weights=weights, progress=progress, **common)
        else:
            if base is None:
                msg = "--model encoder: --base is needed: the directory or hub id of a Hugging Face encoder"
                raise DataError(msg)
            result = train_encoder_bundle(
                data,
                out,
                sources=EncoderSources(base, auxiliary, unlabelled or [], corpus_labels, teacher),
                work=work or out.with_name(f"{out.name}.work"),
                options=encoder_options(
                    layers, epochs, device, folds_run=folds, heads_only=heads_only, compiled=compiled
                ),
                draw_weights=weights,
                progress=progress,
                **common,
            )
    for title, evaluation in result.evaluations.items():
        print_evaluation(title, evaluation)
    typer.echo(f"bundle written to {out} (hash {result.bundle.hash[:12]})", err=True)


def _go_on(data: list[Path], out: Path, options: dict[str, Any]) -> None:
    from complaint_nlp.cli.show import progress_bar
    from complaint_nlp.cli.show_evaluation import print_changes
    from complaint_nlp.train.go_on import go_on

    with progress_bar() as progress:
        result = go_on(data, out, progress=progress, **options)
    print_changes(result.changes, result.messages)
    typer.echo(f"bundle written to {out} (hash {result.bundle.hash[:12]})", err=True)


def _train_heads(data: list[Path], out: Path, labels: Path | None, options: dict[str, Any]) -> None:
    from complaint_nlp.cli.show import print_evaluation, progress_bar
    from complaint_nlp.errors import DataError
    from complaint_nlp.train.heads import train_heads

    if labels is None:
        msg = "--model heads: --labels is needed: a file that names your tasks and values (see docs/own-labels.md)"
        raise DataError(msg)
    with progress_bar() as progress:
        result = train_heads(data, out, labels=labels, progress=progress, **options)
    for title, evaluation in result.evaluations.items():
        print_evaluation(title, evaluation, by_value=True)
    for note in result.notes:
        typer.echo(note, err=True)
    typer.echo(f"bundle written to {out} (hash {result.bundle.hash[:12]})", err=True)


def _draw_weight(item: str) -> tuple[str, int]:
    pattern, _, number = item.rpartition("=")
    if not pattern or not number.isdecimal():
        msg = f"--draw-weight {item}: expected PATTERN=N with a whole number N, such as '*likely*=0'"
        raise typer.BadParameter(msg)
    return pattern, int(number)


app.command()(evaluate)
app.command("report")(report_page)
app.add_typer(review)
app.command()(drift)
app.command()(serve)


@app.command()
def doctor() -> None:
    """Show what is installed and whether it works: versions, OpenCC, the model, a self-test."""
    from complaint_nlp.cli.doctor import run_doctor

    if not run_doctor():
        raise typer.Exit(1)
