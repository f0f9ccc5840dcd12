"""Running the service under uvicorn, in one process or several."""

from __future__ import annotations

import logging
import logging.config
import os
import shutil
import signal
import sys
import tempfile
import threading
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Final

from complaint_nlp.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from complaint_nlp.serve.settings import Settings

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_SWITCH_SECONDS: Final = 0.0005
_LOG = logging.getLogger("complaint_nlp.serve")


def serve(settings: Settings) -> None:
    """Serve until told to stop (SIGTERM, Ctrl-C); running requests are then brought to their end.

    Raises:
        ConfigError: a setting or a file it names is wrong, or the extra ``serve`` is not installed.
        ModelError: the model cannot be loaded.
    """
    check_installed()
    from complaint_nlp.serve.logs import log_config

    logging.config.dictConfig(log_config(settings.log_level))
    if settings.host not in _LOOPBACK and not (settings.api_keys or settings.api_key_hashes):
        _LOG.warning("listening beyond this machine without API keys: everybody who reaches it may use it")
    if settings.workers == 1:
        _serve_alone(settings)
    else:
        _serve_many(settings)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end what is still loading: the first process of a container ignores it unless it asks for it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)  # uvicorn has its own, and sends itself the signal again in the end


def check_installed() -> None:
    """Do nothing where the service can run.

    Raises:
        ConfigError: the extra ``serve`` is not installed.
    """
    try:
        import fastapi
        import prometheus_client
        import uvicorn
    except ImportError as error:
        msg = f"the service needs FastAPI, uvicorn and prometheus_client: pip install 'complaint-nlp[serve]' ({error})"
        raise ConfigError(msg) from error
    del fastapi, prometheus_client, uvicorn


def server_options(settings: Settings) -> dict[str, Any]:
    """Return how uvicorn is to serve."""
    from complaint_nlp.serve.logs import log_config

    return {
        "host": settings.host,
        "port": settings.port,
        "http": "complaint_nlp.serve.http:Protocol",
        "ws": "none",
        "log_config": log_config(settings.log_level),
        "access_log": False,
        "server_header": False,
        "timeout_keep_alive": 15,
        "timeout_graceful_shutdown": settings.shutdown_timeout or None,
        "h11_max_incomplete_event_size": 65_536,
    }


def _serve_alone(settings: Settings) -> None:
    import uvicorn

    from complaint_nlp.serve.app import create_app

    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    with _ended_by_sigterm():
        app = create_app(settings)
    _prepare_process(settings)
    uvicorn.Server(uvicorn.Config(app, **server_options(settings))).run()


def _serve_many(settings: Settings) -> None:
    import uvicorn

    # what is wrong is said once, before there are processes that would be started again and again
    with _ended_by_sigterm(), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(_try, settings).result()
    with _shared_counts():
        os.environ.update(settings.to_environment())
        uvicorn.run(
            f"{__name__}:worker_app",
            factory=True,
            workers=settings.workers,
            timeout_worker_healthcheck=60,  # a process that loads a model is not dead
            **server_options(settings),
        )


def _try(settings: Settings) -> None:
    from complaint_nlp.serve.app import create_app

    create_app(settings)


@contextmanager
def _shared_counts() -> Iterator[None]:
    """Let all processes leave their counts in one folder, which is removed in the end."""
    folder = tempfile.mkdtemp(prefix="complaint-nlp-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def worker_app() -> Any:  # noqa: ANN401 - FastAPI, where it is installed
    """Return the application of one of several processes."""
    from complaint_nlp.serve.app import create_app
    from complaint_nlp.serve.settings import Settings

    settings = Settings.from_environment()
    _prepare_process(settings)
    return create_app(settings)


def _prepare_process(settings: Settings) -> None:
    from complaint_nlp.serve.http import Protocol

    Protocol.head_timeout = settings.body_timeout
    # the thread that talks to clients gets its turn sooner than the 5 ms that Python lets others run on
    sys.setswitchinterval(_SWITCH_SECONDS)
