"""Requests that come at the same time are analysed together, in threads, behind a bounded queue.

ONNX Runtime and NumPy let other threads run while they compute, and a batch costs less than its messages one by one. A
batch is whatever waits when a thread is free: alone a message is not kept waiting for company, under load batches grow.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from complaint_nlp.errors import ComplaintNlpError
from complaint_nlp.report import Status
from complaint_nlp.serve.logs import log_error

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

    from complaint_nlp.analyzer import Analyzer
    from complaint_nlp.report import Report
    from complaint_nlp.serve.metrics import Metrics
    from complaint_nlp.serve.settings import Settings

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_MOST_RETRY_AFTER: Final = 60


class BusyError(ComplaintNlpError):
    """As many messages wait as may.

    Attributes:
        retry_after: seconds after which there should be room, 1 to 60.
    """

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoppedError(ComplaintNlpError):
    """The service is being stopped, or has not started."""


@dataclass(eq=False, slots=True)
class _Job:
    text: str | None
    received_at: datetime | None
    render: Callable[[Report | None], Any]
    future: asyncio.Future[Any]


class Engine:
    """Analyses messages of concurrent requests together.

    It works between :meth:`start` and :meth:`stop`, in one event loop.

    Args:
        analyzer: what analyses.
        settings: sizes and times.
        metrics: where batches are counted; nowhere when ``None``.
    """

    def __init__(self, analyzer: Analyzer, settings: Settings, metrics: Metrics | None = None) -> None:
        self.analyzer = analyzer
        self._settings = settings
        self._metrics = metrics
        self._waiting: deque[_Job] = deque()
        self._bulk: deque[_Job] = deque()
        self._rate = 50.0  # messages a second, a running mean; the start is a guess
        self._busy_since: dict[int, float] = {}
        self._runners: list[asyncio.Task[None]] = []
        self._accepting = False
        self._arrived = asyncio.Event()
        self._pool: ThreadPoolExecutor | None = None

    async def start(self) -> None:
        """Begin to take messages."""
        count = self._settings.concurrency
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="analyze")
        self._accepting = True
        self._runners = [asyncio.create_task(self._run(number), name=f"analyze-{number}") for number in range(count)]

    async def stop(self) -> None:
        """Take no more messages, finish those that wait, and let the threads go."""
        self._accepting = False
        self._arrived.set()
        await asyncio.gather(*self._runners)
        if self._pool is not None:
            self._pool.shutdown(wait=True)

    @property
    def waiting(self) -> int:
        """How many messages wait to be analysed."""
        return len(self._waiting) + len(self._bulk)

    @property
    def stuck_for(self) -> float:
        """For how many seconds the batch that takes longest has been running; 0 where none runs."""
        return time.monotonic() - min(self._busy_since.values()) if self._busy_since else 0.0

    @property
    def is_running(self) -> bool:
        """Whether messages are taken, and all threads are there to analyse them."""
        return self._accepting and bool(self._runners) and not any(runner.done() for runner in self._runners)

    async def analyze(self, text: str, received_at: datetime | None = None, *, mask: bool = False) -> Report:
        """Return the report on one message.

        Args:
            text: the message.
            received_at: when it came in, with its time zone; now, when ``None``.
            mask: hide personal data.

        Raises:
            BusyError: too many messages wait.
            StoppedError: the service is being stopped.
            TimeoutError: it was not analysed within ``request_timeout``.
        """

        def render(report: Report | None) -> Report:
            assert report is not None  # noqa: S101 - there is a text
            return report.masked() if mask else report

        return await self.run(render, text, received_at)

    async def analyze_many(self, texts: Iterable[str], received_at: datetime | None = None) -> list[Report]:
        """Return one report per message, in order; messages of single requests go before them.

        Raises:
            StoppedError: the service is being stopped.
            TimeoutError: a message was not analysed within ``request_timeout``.
        """

        def render(report: Report | None) -> Report:
            assert report is not None  # noqa: S101 - there are texts
            return report

        return [report async for report in self.stream([(text, received_at, render) for text in texts])]

    async def run(
        self, render: Callable[[Report | None], T], text: str | None, received_at: datetime | None = None
    ) -> T:
        """Return what ``render`` makes of the report on a message, in the thread that analyses.

        Args:
            render: takes the report; ``None`` where there is no message.
            text: the message, if any.
            received_at: as in :meth:`analyze`.

        Raises:
            BusyError: too many messages wait.
            StoppedError: the service is being stopped.
            TimeoutError: it did not come to an end within ``request_timeout``.
        """
        if len(self._waiting) >= self._settings.queue_size:
            msg = f"{len(self._waiting)} messages wait already"
            raise BusyError(msg, self.retry_after)
        job = self._submit(self._waiting, render, text, received_at)
        async with asyncio.timeout(self._settings.request_timeout):
            made: T = await job.future
        return made

    async def stream(
        self, jobs: Iterable[tuple[str, datetime | None, Callable[[Report | None], T]]]
    ) -> AsyncGenerator[T]:
        """Yield what is made of the reports on many messages, in order, as they become ready.

        Single messages go before those of streams. Only as many as fit half a batch are under way at a time.

        Args:
            jobs: for every message its text, when it came in, and what to make of the report.

        Raises:
            StoppedError: the service is being stopped.
            TimeoutError: a message was not analysed within ``request_timeout``.
        """
        window = max(1, self._settings.batch_size // 2)
        under_way: deque[asyncio.Future[Any]] = deque()
        try:
            for text, received_at, render in jobs:
                under_way.append(self._submit(self._bulk, render, text, received_at).future)
                if len(under_way) >= 2 * window:
                    # half of them at once: one at a time would refill the queue in ones, and batches with it
                    for _ in range(window):
                        yield await self._in_time(under_way.popleft())
            while under_way:
                yield await self._in_time(under_way.popleft())
        finally:
            for future in under_way:  # nobody reads on
                if not future.cancel() and not future.cancelled():
                    future.exception()  # looked at, so that asyncio does not write it to the log

    async def _in_time(self, future: asyncio.Future[T]) -> T:
        async with asyncio.timeout(self._settings.request_timeout):
            return await future

    @property
    def retry_after(self) -> int:
        """Seconds until the messages that wait now are done, as far as it can be told: 1 to 60."""
        return min(_MOST_RETRY_AFTER, max(1, math.ceil(self.waiting / self._rate)))

    def _submit(
        self,
        queue: deque[_Job],
        render: Callable[[Report | None], Any],
        text: str | None,
        received_at: datetime | None,
    ) -> _Job:
        if not self._accepting:
            msg = "the service is being stopped"
            raise StoppedError(msg)
        job = _Job(text, received_at, render, asyncio.get_running_loop().create_future())
        queue.append(job)
        self._arrived.set()
        return job

    async def _run(self, number: int) -> None:
        """Analyse batches until there is nothing more to do."""
        loop = asyncio.get_running_loop()
        while True:
            while not self.waiting:
                if not self._accepting:
                    return
                self._arrived.clear()
                await self._arrived.wait()
            if self._settings.batch_wait_ms and self.waiting < self._settings.batch_size:
                await asyncio.sleep(self._settings.batch_wait_ms / 1000)
            batch = self._take()
            if not batch:
                continue
            self._busy_since[number] = started = time.monotonic()
            try:
                await loop.run_in_executor(self._pool, self._work, batch, loop)
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
                log_error(_LOG, "a batch could not be analysed", error)
                for job in batch:
                    _settle(job.future, None, error)
            finally:
                del self._busy_since[number]
            seconds = max(time.monotonic() - started, 1e-6)
            self._rate += 0.2 * (len(batch) / seconds * len(self._runners) - self._rate)

    def _take(self) -> list[_Job]:
        """Return the next batch: single messages first, though a batch request always gets a part."""
        size = self._settings.batch_size
        batch: list[_Job] = []
        reserved = min(len(self._bulk), size // 4)
        for queue, limit in ((self._waiting, size - reserved), (self._bulk, size)):
            while queue and len(batch) < limit:
                job = queue.popleft()
                if not job.future.done():  # given up while it waited
                    batch.append(job)
        return batch

    def _work(self, batch: Sequence[_Job], loop: asyncio.AbstractEventLoop) -> None:
        """Analyse a batch and hand every result over as soon as it is there; runs in a thread."""
        with_text = [job for job in batch if job.text is not None]
        if self._metrics is not None and with_text:
            self._metrics.batch_size.observe(len(with_text))
        reports = iter(self.analyzer.analyze_batch([job.text for job in with_text]) if with_text else ())
        for job in batch:
            report = None if job.text is None else next(reports)
            if job.future.done():
                continue
            made, problem = None, None
            try:
                if report is not None and job.received_at is not None:
                    report = _received(report, job.received_at, self.analyzer)
                if report is not None and self._metrics is not None:
                    self._metrics.count_message(report)
                made = job.render(report)
            except Exception as error:  # noqa: BLE001 - one message must not take the others along
                problem = error
            loop.call_soon_threadsafe(_settle, job.future, made, problem)


def _settle(future: asyncio.Future[Any], result: object, problem: Exception | None) -> None:
    if future.done():
        return
    if problem is None:
        future.set_result(result)
    else:
        future.set_exception(problem)


def _received(report: Report, received_at: datetime, analyzer: Analyzer) -> Report:
    """Return a report as it would be had the message come in at that time: all of a batch were analysed as of now."""
    if report.status is not Status.OK or report.route is None or report.handling is None:
        return report
    received = received_at.astimezone(UTC)
    due = analyzer.respond_by(report.urgency.labels[0], received)
    hours = round((due - received) / timedelta(hours=1), 2)
    local = received.astimezone(report.handling.received_at.tzinfo)
    return replace(
        report,
        route=replace(report.route, respond_by=due, respond_within_hours=hours),
        handling=replace(report.handling, received_at=local),
    )
