"""The command ``serve``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import Annotated

import typer

_LIMITS = "Limits"
_MODEL = "Model and rules"
_ACCESS = "Access"


def serve(  # noqa: PLR0913 - every option of a command is an argument
    *,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on [127.0.0.1]; 0.0.0.0: all.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen on [8000]; 0 for a free one.")] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes [1]; each holds a model of its own.")
    ] = None,
    desk: Annotated[bool | None, typer.Option("--desk/--no-desk", help="Serve the desk page at / [yes].")] = None,
    corrections: Annotated[
        Path | None, typer.Option("--corrections", help="File that labels corrected on the desk page are added to.")
    ] = None,
    log_level: Annotated[str | None, typer.Option("--log-level", help="debug, info, warning or error [info].")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", help="Directory of a model bundle, its id on the hub, or 'default'.", rich_help_panel=_MODEL
        ),
    ] = None,
    speed: Annotated[
        str | None, typer.Option("--speed", help="fast, balanced or accurate [balanced].", rich_help_panel=_MODEL)
    ] = None,
    routing: Annotated[
        Path | None, typer.Option("--routing", help="Your own routing file (YAML).", rich_help_panel=_MODEL)
    ] = None,
    safety_rules: Annotated[
        Path | None, typer.Option("--safety-rules", help="Your own safety rules (YAML).", rich_help_panel=_MODEL)
    ] = None,
    playbook: Annotated[
        Path | None,
        typer.Option("--playbook", help="Directory of your own plans and wordings.", rich_help_panel=_MODEL),
    ] = None,
    cases: Annotated[
        Path | None, typer.Option("--cases", help="Case base to show similar cases of.", rich_help_panel=_MODEL)
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", help="Threads of the encoder [all cores].", rich_help_panel=_MODEL)
    ] = None,
    api_keys: Annotated[
        Path | None,
        typer.Option("--api-keys", help="File of hashes of API keys; without, none is asked.", rich_help_panel=_ACCESS),
    ] = None,
    cors_origins: Annotated[
        str | None,
        typer.Option(
            "--cors-origins", help="Web origins that may call, commas between [none].", rich_help_panel=_ACCESS
        ),
    ] = None,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Print a new API key and its hash, and exit.", rich_help_panel=_ACCESS)
    ] = False,
    max_chars: Annotated[
        int | None, typer.Option("--max-chars", help="Longest message [20000].", rich_help_panel=_LIMITS)
    ] = None,
    max_body_bytes: Annotated[
        int | None, typer.Option("--max-body-bytes", help="Largest body [1 MiB].", rich_help_panel=_LIMITS)
    ] = None,
    max_batch: Annotated[
        int | None, typer.Option("--max-batch", help="Most messages of a batch [1000].", rich_help_panel=_LIMITS)
    ] = None,
    max_batch_bytes: Annotated[
        int | None,
        typer.Option("--max-batch-bytes", help="Largest body of a batch, or upload [16 MiB].", rich_help_panel=_LIMITS),
    ] = None,
    max_batches: Annotated[
        int | None, typer.Option("--max-batches", help="Most batch requests at a time [4].", rich_help_panel=_LIMITS)
    ] = None,
    max_requests: Annotated[
        int | None, typer.Option("--max-requests", help="Most requests at a time [512].", rich_help_panel=_LIMITS)
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", help="Most messages analysed at once [64].", rich_help_panel=_LIMITS),
    ] = None,
    batch_wait_ms: Annotated[
        float | None,
        typer.Option("--batch-wait-ms", help="Wait so long for more of them [1].", rich_help_panel=_LIMITS),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", help="Batches analysed at a time [2].", rich_help_panel=_LIMITS)
    ] = None,
    queue_size: Annotated[
        int | None, typer.Option("--queue-size", help="Most messages waiting [512].", rich_help_panel=_LIMITS)
    ] = None,
    request_timeout: Annotated[
        float | None, typer.Option("--request-timeout", help="Seconds for a message [30].", rich_help_panel=_LIMITS)
    ] = None,
    body_timeout: Annotated[
        float | None,
        typer.Option("--body-timeout", help="Seconds for a request to arrive [10].", rich_help_panel=_LIMITS),
    ] = None,
    send_timeout: Annotated[
        float | None,
        typer.Option("--send-timeout", help="Seconds for a client to read on [30].", rich_help_panel=_LIMITS),
    ] = None,
    shutdown_timeout: Annotated[
        float | None,
        typer.Option("--shutdown-timeout", help="Seconds to finish when told to stop [30].", rich_help_panel=_LIMITS),
    ] = None,
) -> None:
    """Serve the analysis over HTTP, and the desk page at /.

    Every option can also be given as an environment variable: COMPLAINT_NLP_ and its name in capitals, such as
    COMPLAINT_NLP_MAX_CHARS; the option goes before. docs/serve.md has the rest.
    """
    given = {name: value for name, value in locals().items() if name != "new_key"}
    if new_key:
        _print_new_key()
        return
    from complaint_nlp.serve.settings import Settings, split_list

    if cors_origins is not None:
        given["cors_origins"] = split_list(cors_origins)
    from complaint_nlp.serve.run import serve as run

    run(Settings.from_environment(**given))


def _print_new_key() -> None:
    from complaint_nlp.serve.keys import new_key

    key, known = new_key()
    typer.echo("The key, which is shown only now; give it to whoever calls the service:", err=True)
    typer.echo(key)
    typer.echo("Its hash, a line for the file of --api-keys (a name may follow it, for the log):", err=True)
    typer.echo(known)
