"""The command ``label``."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import TYPE_CHECKING, Annotated

import typer

from complaint_nlp.cli.options import (
    ModelOption,
    RoutingOption,
    RulesOption,
    SpeedOption,
    chosen_speed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


def label(  # noqa: PLR0913 - every option of a command is an argument
    source: Annotated[
        str, typer.Argument(help="CSV, TSV, JSONL, Parquet, Excel; - for JSONL from standard input; or URL#table.")
    ],
    target: Annotated[
        str, typer.Argument(help="File to write, its format by its ending; - for JSONL to the output; or URL#table.")
    ],
    *,
    text_column: Annotated[str, typer.Option("--text-column", help="Column that holds the message.")] = "text",
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="Of a text file; found out when left out (UTF-8, Big5, GB18030).")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=0, help="Processes; 0: as many as useful.")] = 0,
    preview: Annotated[int, typer.Option("--preview", min=0, help="Show the first rows as a table.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace TARGET when it exists.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped or killed.")] = False,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="Only such rows: brand=A, date>=2024-01-01, text~退款; may be repeated."),
    ] = None,
    sample: Annotated[float, typer.Option("--sample", help="Part of the rows, such as 0.1; always the same.")] = 1.0,
    columns: Annotated[str | None, typer.Option("--columns", help="Own columns to keep, with commas between.")] = None,
    max_rejects: Annotated[
        int | None, typer.Option("--max-rejects", min=0, help="Stop when more rows than this cannot be read.")
    ] = None,
    partition_by: Annotated[
        str | None, typer.Option("--partition-by", help="Write a Parquet folder by these columns, commas between.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Label the first rows, check all, write nothing.")] = False,
    key: Annotated[
        str | None, typer.Option("--key", help="Of a table: column to read it by; its primary key when left out.")
    ] = None,
    cache: Annotated[Path | None, typer.Option("--cache", help="File that keeps labels for later runs.")] = None,
    mask: Annotated[bool, typer.Option("--mask", help="Hide personal data in the message and in evidence.")] = False,
    model: ModelOption = "default",
    speed: SpeedOption = None,
    routing: RoutingOption = None,
    safety_rules: RulesOption = None,
) -> None:
    """Label every row of a file.

    The output has the input's columns followed by the labels; lists are joined by | in CSV. It appears only when it
    is complete; a run that is stopped keeps its finished parts, and --resume goes on. Rows that cannot be read go to
    TARGET.rejects.jsonl with the reason; TARGET.manifest.json says how the labels came about.
    """
    from complaint_nlp.batch import label as label_file
    from complaint_nlp.cli.show import label_progress, print_preview, print_summary

    with _stoppable(), label_progress() as progress:
        summary = label_file(
            source,
            target,
            progress=progress,
            text_column=text_column,
            encoding=encoding,
            workers=workers,
            overwrite=overwrite,
            resume=resume,
            model=model,
            speed=chosen_speed(speed),
            routing=routing,
            safety_rules=safety_rules,
            mask=mask,
            where=tuple(where or ()),
            sample=_share(sample),
            columns=_names(columns),
            max_rejects=max_rejects,
            partition_by=_names(partition_by) or (),
            dry_run=dry_run,
            cache=cache,
            key=key,
        )
    if preview and summary.target is not None:
        print_preview(target, text_column, preview)
    print_summary(summary)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let a request to end (SIGTERM) stop the work as Ctrl-C does, and say after either what is kept."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()  # no other may ask for signals
    before = signal.signal(signal.SIGTERM, stop) if main else None
    try:
        yield
    except KeyboardInterrupt as stopped:
        for note in getattr(stopped, "__notes__", ()):
            typer.echo(f"complaint-nlp: {note}", err=True)
        raise
    finally:
        if main:
            signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _share(sample: float) -> float:
    if not 0.0 < sample <= 1.0:
        msg = f"--sample {sample}: expected a part of the rows, above 0 and at most 1"
        raise typer.BadParameter(msg)
    return sample


def _names(given: str | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(name.strip() for name in given.split(",") if name.strip())
