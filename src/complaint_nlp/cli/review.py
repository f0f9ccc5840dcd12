"""The commands of the correction loop, and drift."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import TYPE_CHECKING, Annotated

import typer

from complaint_nlp.cli.options import ModelOption, SpeedOption, chosen_speed

if TYPE_CHECKING:
    from complaint_nlp.labels import Language
    from complaint_nlp.review import ApplySummary, Drift
    from complaint_nlp.review.formats import Format

review = typer.Typer(
    name="review",
    help="Messages worth a person's minute out, corrections back in.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_MOVES = 8
LanguageOption = Annotated[str, typer.Option("--language", help="Of explanations: zh-Hant, zh-Hans or en.")]


def _language(given: str) -> Language:
    from complaint_nlp.labels import LANGUAGES

    for language in LANGUAGES:
        if given == language:
            return language
    msg = f"--language {given}: use one of {', '.join(LANGUAGES)}"
    raise typer.BadParameter(msg)


def _format(given: str | None) -> Format | None:
    from complaint_nlp.review.formats import FORMATS

    for kind in FORMATS:
        if given == kind:
            return kind
    if given is None:
        return None
    msg = f"--format {given}: use one of {', '.join(FORMATS)}"
    raise typer.BadParameter(msg)


@review.command("suggest")
def suggest(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A labelled table, or raw messages.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="File to correct.")],
    *,
    n: Annotated[int, typer.Option("--n", "-n", min=1, max=5000, help="How many messages.")] = 100,
    format_: Annotated[
        str | None, typer.Option("--format", help="xlsx, csv, label-studio or argilla; by OUT's ending when left out.")
    ] = None,
    task: Annotated[
        list[str] | None, typer.Option("--task", help="Only this task; may be repeated. All when left out.")
    ] = None,
    language: LanguageOption = "zh-Hant",
    mask: Annotated[bool, typer.Option("--mask", help="Hide personal data in the messages.")] = False,
    text_column: Annotated[str, typer.Option("--text-column", help="Column that holds the message.")] = "text",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT when it exists.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of what is drawn from large tables.")] = 0,
    model: ModelOption = "default",
    speed: SpeedOption = None,
) -> None:
    """Write the messages that are worth a person's minute, with the model's labels to correct."""
    from complaint_nlp.cli.show import progress_bar
    from complaint_nlp.review import suggest as run

    with progress_bar() as progress:
        found = run(
            source,
            target,
            n=n,
            format=_format(format_),
            tasks=task or (),
            language=_language(language),
            mask=mask,
            text_column=text_column,
            overwrite=overwrite,
            seed=seed,
            model=model,
            speed=chosen_speed(speed),
            progress=progress,
        )
    reasons = ", ".join(f"{reason.replace('_', ' ')} {count:,}" for reason, count in found.reasons.most_common())
    files = ", ".join(map(str, found.files))
    typer.echo(f"{len(found.picked):,} of {found.looked_at:,} messages written to {files} ({reasons})")
    if found.left_out:
        typer.echo(f"{found.left_out:,} rows hold no message that can be analysed", err=True)
    for note in found.notes:
        typer.echo(note, err=True)


@review.command("apply")
def apply(
    corrected: Annotated[
        Path, typer.Argument(metavar="CORRECTED", help="Excel, CSV, Label Studio or Argilla JSON, or the desk's JSONL.")
    ],
    *,
    to: Annotated[Path, typer.Option("--to", help="Training set (JSONL) to add to; made when there is none.")],
    reviewer: Annotated[str, typer.Option("--reviewer", help="Who corrected, where the file does not say.")] = "",
    all_checked: Annotated[
        bool, typer.Option("--all-checked", help="Every row counts as looked at, marked or not.")
    ] = False,
) -> None:
    """Check a corrected file, say what changed, and add it to a training set with its history."""
    from complaint_nlp.review import apply as run

    summary = run(corrected, to, reviewer=reviewer, all_checked=all_checked)
    _print_changes(summary)
    for one in summary.rejected[:10]:
        typer.echo(f"{corrected}: row {one.row}: {one.reason}", err=True)
    if summary.rejects is not None:
        typer.echo(f"{len(summary.rejected):,} rows set aside → {summary.rejects}", err=True)
    if summary.untouched:
        typer.echo(
            f"{summary.untouched:,} of {summary.rows:,} rows are neither marked as checked nor changed; "
            "mark them, or use --all-checked",
            err=True,
        )
    again = f", {summary.repeated:,} were there already" if summary.repeated else ""
    typer.echo(
        f"{summary.applied:,} corrections applied{again}: {summary.added:,} messages added, {summary.updated:,} "
        f"updated, {summary.total:,} in {to}"
    )


def _print_changes(summary: ApplySummary) -> None:
    from rich.console import Console
    from rich.table import Table

    if not summary.tasks:
        return
    table = Table()
    for column in ("task", "kept", "changed", "new", "from → to"):
        table.add_column(column, justify="right" if column in ("kept", "changed", "new") else "left", overflow="fold")
    for task, changes in summary.tasks.items():
        common = changes.moves.most_common(_MOVES)
        moves = "\n".join(f"{old} → {new}  {count:,}" for (old, new), count in common)
        rest = len(changes.moves) - len(common)
        moves += f"\n… {rest:,} more" if rest else ""
        table.add_row(task, f"{changes.kept:,}", f"{changes.changed:,}", f"{changes.new:,}", moves)
    Console().print(table)


def drift(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="Labelled table of the older period.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Labelled table of the newer period.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON.")] = False,
    fail_on: Annotated[
        str | None, typer.Option("--fail-on", help="Exit with code 1 at this verdict or worse: watch or drifted.")
    ] = None,
    text_column: Annotated[str, typer.Option("--text-column", help="Column that holds the message.")] = "text",
    language: LanguageOption = "zh-Hant",
    seed: Annotated[int, typer.Option("--seed", help="Of permutations and samples.")] = 0,
) -> None:
    """Say whether labels, confidence and words of two periods differ beyond chance, and what to do."""
    from complaint_nlp.review import drift as run
    from complaint_nlp.review.wording import VERDICTS

    chosen = _language(language)
    if fail_on is not None and fail_on not in VERDICTS[1:]:
        msg = f"--fail-on {fail_on}: use one of {', '.join(VERDICTS[1:])}"
        raise typer.BadParameter(msg)
    found = run(old, new, text_column=text_column, seed=seed)
    if as_json:
        typer.echo(found.to_json(indent=2))
    else:
        _print_drift(found, chosen)
    if fail_on is not None and VERDICTS.index(found.verdict) >= [*VERDICTS].index(fail_on):
        raise typer.Exit(1)


def _print_drift(found: Drift, language: Language) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{found.old:,} → {found.new:,}")
    for column in ("task", "mix", "PSI", "p", "confidence", "KS", "p", "review"):
        table.add_column(column, justify="left" if column in ("task", "mix", "confidence") else "right")
    sure = {one.task: one for one in found.confidence}
    for one in found.labels:
        row = [one.task, one.verdict, f"{one.psi:.2f}", f"{one.p_value:.2g}"]
        other = sure.get(one.task)
        if other is not None:
            before, after = other.review
            row += [other.verdict, f"{other.statistic:.2f}", f"{other.p_value:.2g}", f"{before:.0%} → {after:.0%}"]
        table.add_row(*row)
    Console().print(table)
    typer.echo(found.summary(language))
