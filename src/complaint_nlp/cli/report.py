"""The command ``report``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from complaint_nlp.labels import Language

_GUESSED = "found by its name when left out"


def report(  # noqa: PLR0913 - every option of a command is an argument
    labelled: Annotated[
        Path, typer.Argument(metavar="LABELLED", help="CSV, TSV, JSONL or Parquet, as 'complaint-nlp label' writes it.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Page to write; ends in .html.")],
    *,
    time_column: Annotated[
        str | None, typer.Option("--time-column", help=f"When messages came in; {_GUESSED}.")
    ] = None,
    text_column: Annotated[str | None, typer.Option("--text-column", help=f"The messages; {_GUESSED}.")] = None,
    product_column: Annotated[str | None, typer.Option("--product-column", help=f"Products; {_GUESSED}.")] = None,
    place_column: Annotated[str | None, typer.Option("--place-column", help=f"Branches, cities; {_GUESSED}.")] = None,
    channel_column: Annotated[str | None, typer.Option("--channel-column", help=f"Channels; {_GUESSED}.")] = None,
    customer_column: Annotated[str | None, typer.Option("--customer-column", help=f"Customers; {_GUESSED}.")] = None,
    answered_column: Annotated[
        str | None, typer.Option("--answered-column", help=f"When a message was first answered; {_GUESSED}.")
    ] = None,
    closed_column: Annotated[
        str | None, typer.Option("--closed-column", help=f"When a case was closed; {_GUESSED}.")
    ] = None,
    timezone: Annotated[str, typer.Option("--timezone", help="Of the days on the page.")] = "Asia/Taipei",
    lang: Annotated[str, typer.Option("--lang", help="Language of the page: zh-Hant, zh-Hans or en.")] = "zh-Hant",
    title: Annotated[str | None, typer.Option("--title", help="Title of the page.")] = None,
    no_mask: Annotated[bool, typer.Option("--no-mask", help="Show personal data as it stands in the table.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT when it exists.")] = False,
) -> None:
    """Write insights into a labelled table as one HTML page that needs no network.

    The page has counts and courses with filters, what rises and where it gathers, messages about the same case,
    repeat complainers, answer times, and root causes with prevention. Personal data is masked.
    """
    from complaint_nlp.cli.show import progress_bar
    from complaint_nlp.insights import Insights
    from complaint_nlp.insights.page import check_labelled, check_target, write_page

    language = _language(lang)
    check_target(out, overwrite=overwrite)
    with progress_bar() as progress:
        progress("read", 0, 1)
        insights = Insights(
            labelled,
            time_column=time_column,
            text_column=text_column,
            product_column=product_column,
            place_column=place_column,
            channel_column=channel_column,
            customer_column=customer_column,
            answered_column=answered_column,
            closed_column=closed_column,
            timezone=timezone,
            lang=language,
        )
        check_labelled(insights, labelled)
        progress("read", 1, 1)
        write_page(insights, out, lang=language, title=title, mask=not no_mask, overwrite=overwrite, progress=progress)
    for note in insights.notes:
        typer.echo(note, err=True)
    typer.echo(f"{insights.table.size:,} messages -> {out} ({out.stat().st_size / 1e6:.1f} MB)")


def _language(given: str) -> Language:
    from complaint_nlp.labels import LANGUAGES

    for language in LANGUAGES:
        if given == language:
            return language
    msg = f"--lang {given}: use one of {', '.join(LANGUAGES)}"
    raise typer.BadParameter(msg)
