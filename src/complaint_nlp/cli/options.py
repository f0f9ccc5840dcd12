"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from complaint_nlp.classify.cascade import Speed

ModelOption = Annotated[
    str, typer.Option("--model", help="Directory of a model bundle, its id on the hub, or 'default'.")
]
SpeedOption = Annotated[
    str | None,
    typer.Option("--speed", help="fast, balanced (where the model has an encoder the default) or accurate."),
]
RoutingOption = Annotated[Path | None, typer.Option("--routing", help="Your own routing file (YAML).")]
RulesOption = Annotated[Path | None, typer.Option("--safety-rules", help="Your own safety rules (YAML).")]
PlaybookOption = Annotated[
    Path | None, typer.Option("--playbook", help="Directory of your own plans and wordings (see docs/handling.md).")
]


def chosen_speed(given: str | None) -> Speed | None:
    """Return the speed that was asked for.

    Raises:
        typer.BadParameter: there is no such speed.
    """
    from complaint_nlp.classify.cascade import SPEEDS

    for speed in SPEEDS:
        if given == speed:
            return speed
    if given is None:
        return None
    msg = f"--speed {given}: use one of {', '.join(SPEEDS)}"
    raise typer.BadParameter(msg)
