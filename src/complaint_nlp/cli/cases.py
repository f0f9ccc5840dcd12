"""The commands around solved cases."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from complaint_nlp.cli.options import ModelOption  # noqa: TC001 - typer reads annotations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from complaint_nlp.cases import CaseBase

cases = typer.Typer(
    name="cases",
    help="Solved cases in one file, found again by meaning and labels.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

BaseArgument = Annotated[Path, typer.Argument(metavar="BASE", help="File of the case base.")]
CaseArgument = Annotated[int, typer.Argument(metavar="CASE", help="Number of the case.")]


@contextmanager
def _opened(base: Path, model: str, *, create: bool = False) -> Iterator[CaseBase]:
    from complaint_nlp.analyzer import Analyzer
    from complaint_nlp.errors import DataError

    if not create and not base.is_file():
        msg = f"{base}: no such file; make one with 'complaint-nlp cases import {base} CASES.jsonl'"
        raise DataError(msg)
    with Analyzer.load(model, speed="fast").open_cases(base) as opened:
        yield opened


@cases.command("import")
def import_cases(
    base: BaseArgument,
    source: Annotated[Path, typer.Argument(help="JSONL: text, handling, outcome, labels by task, source_id.")],
    *,
    mask: Annotated[bool, typer.Option("--mask", help="Store nothing personal.")] = False,
    model: ModelOption = "default",
) -> None:
    """Add the cases of a file; the base is made when there is none. Bad lines are set aside with the reason."""
    from complaint_nlp.cli.show import progress_bar
    from complaint_nlp.facts.masking import mask as masked

    with _opened(base, model, create=True) as opened:
        with progress_bar() as progress:
            summary = opened.import_cases(source, mask=masked if mask else None, progress=progress)
        for rejected in summary.rejected:
            typer.echo(f"{source}:{rejected.line}: {rejected.reason}", err=True)
        typer.echo(f"{len(summary.ids):,} cases added, {len(summary.rejected):,} set aside, {len(opened):,} in all")


@cases.command("export")
def export_cases(
    base: BaseArgument,
    target: Annotated[Path, typer.Argument(help="JSONL file to write.")],
    *,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace TARGET when it exists.")] = False,
    model: ModelOption = "default",
) -> None:
    """Write all cases, retired ones too."""
    with _opened(base, model) as opened:
        typer.echo(f"{opened.export(target, overwrite=overwrite):,} cases written to {target}")


@cases.command()
def search(
    base: BaseArgument,
    text: Annotated[str, typer.Argument(help="A message.")],
    *,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many cases.")] = 5,
    only_reviewed: Annotated[bool, typer.Option("--only-reviewed", help="Leave out what nobody has reviewed.")] = False,
    model: ModelOption = "default",
) -> None:
    """Show the cases most like a message."""
    from complaint_nlp.cli.show_handling import print_similar

    with _opened(base, model) as opened:
        print_similar(opened.search(text, k, only_reviewed=only_reviewed))


@cases.command()
def review(
    base: BaseArgument,
    case: CaseArgument,
    *,
    reviewer: Annotated[str, typer.Option("--reviewer", help="Who has looked at it.")],
    note: Annotated[str, typer.Option("--note", help="What there is to say.")] = "",
    model: ModelOption = "default",
) -> None:
    """Mark a case as reviewed."""
    with _opened(base, model) as opened:
        opened.review(case, reviewer, note)
        typer.echo(f"case {case} reviewed by {reviewer}")


@cases.command()
def retire(
    base: BaseArgument,
    case: CaseArgument,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why it is out of date or wrong.")],
    model: ModelOption = "default",
) -> None:
    """Take a case out of use for good; it is kept as history."""
    with _opened(base, model) as opened:
        opened.retire(case, reason)
        typer.echo(f"case {case} retired")


@cases.command()
def reindex(base: BaseArgument, *, model: ModelOption = "default") -> None:
    """Compute the vectors anew after a change of model; can be stopped and called again."""
    from complaint_nlp.analyzer import Analyzer
    from complaint_nlp.cases import CaseBase
    from complaint_nlp.cli.show import progress_bar

    analyzer = Analyzer.load(model, speed="fast")
    with progress_bar() as progress:
        count = CaseBase(base, analyzer.embed, model_hash=analyzer.embedding_hash).reindex(progress=progress)
    typer.echo(f"{count:,} vectors computed")
