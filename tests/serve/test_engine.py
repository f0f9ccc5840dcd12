"""Concurrent messages are analysed together; the queue is bounded, and everything has its time."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from complaint_nlp.report import Report, Status
from complaint_nlp.serve.engine import BusyError, Engine, StoppedError
from complaint_nlp.serve.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from complaint_nlp import Analyzer


class Slow:
    """Stands for an analyzer that is held up until it is let go, and notes which batches it got."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.go = threading.Event()
        self.begun = threading.Event()

    def analyze_batch(self, texts: Sequence[str]) -> list[Report]:
        self.batches.append(list(texts))
        self.begun.set()
        assert self.go.wait(20)
        if "坏" in texts:
            raise RuntimeError(texts[0])
        return [Report(text, Status.NOT_CHINESE) for text in texts]


def with_engine(analyzer: Any, settings: Settings, use: Callable[[Engine], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        engine = Engine(cast("Analyzer", analyzer), settings)
        await engine.start()
        try:
            return await use(engine)
        finally:
            if isinstance(analyzer, Slow):
                analyzer.go.set()
            await engine.stop()

    return asyncio.run(run())


async def begun(slow: Slow) -> None:
    assert await asyncio.to_thread(slow.begun.wait, 20)


def test_what_waits_is_analysed_together_and_everybody_gets_their_own_report() -> None:
    slow = Slow()
    texts = [f"訊息{i}" for i in range(10)]

    async def use(engine: Engine) -> list[Report]:
        first = asyncio.create_task(engine.analyze("第一則"))
        await begun(slow)
        rest = [asyncio.create_task(engine.analyze(text)) for text in texts]
        await asyncio.sleep(0.05)
        slow.go.set()
        return [await task for task in (first, *rest)]

    reports = with_engine(slow, Settings(batch_size=4, concurrency=1), use)
    assert [report.text for report in reports] == ["第一則", *texts]
    assert slow.batches == [["第一則"], texts[:4], texts[4:8], texts[8:]]


def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    slow = Slow()

    async def use(engine: Engine) -> int:
        running = [asyncio.create_task(engine.analyze("快递丢了"))]
        await begun(slow)
        running += [asyncio.create_task(engine.analyze("退款")) for _ in range(3)]
        await asyncio.sleep(0.05)
        assert engine.waiting == 3
        with pytest.raises(BusyError) as refused:
            await engine.analyze("沒有位子了")
        slow.go.set()
        await asyncio.gather(*running)
        assert (await engine.analyze("又有位子了")).text == "又有位子了"
        return refused.value.retry_after

    assert 1 <= with_engine(slow, Settings(queue_size=3, concurrency=1), use) <= 60


def test_what_is_given_up_is_not_analysed_any_more() -> None:
    slow = Slow()

    async def use(engine: Engine) -> None:
        first = asyncio.create_task(engine.analyze("一"))
        await begun(slow)
        with pytest.raises(TimeoutError):
            await engine.analyze("等太久了")
        with pytest.raises(TimeoutError):
            await first
        slow.go.set()
        assert (await engine.analyze("後來的")).text == "後來的"

    with_engine(slow, Settings(request_timeout=0.2, concurrency=1), use)
    assert ["等太久了"] not in slow.batches


def test_a_batch_that_breaks_is_told_to_those_who_wait_and_the_next_goes_on() -> None:
    slow = Slow()
    slow.go.set()

    async def use(engine: Engine) -> None:
        with pytest.raises(RuntimeError):
            await engine.analyze("坏")
        assert engine.is_running
        assert (await engine.analyze("好的")).text == "好的"

    with_engine(slow, Settings(), use)


def test_stopping_finishes_what_waits_and_takes_nothing_more() -> None:
    slow = Slow()

    async def use(engine: Engine) -> None:
        tasks = [asyncio.create_task(engine.analyze(f"第{i}則")) for i in range(5)]
        await begun(slow)
        stopping = asyncio.create_task(engine.stop())
        await asyncio.sleep(0.05)
        assert not engine.is_running
        with pytest.raises(StoppedError):
            await engine.analyze("太晚了")
        slow.go.set()
        await stopping
        assert [task.result().text for task in tasks] == [f"第{i}則" for i in range(5)]

    with_engine(slow, Settings(batch_size=2, concurrency=1), use)


def test_single_messages_go_before_those_of_a_batch_request() -> None:
    slow = Slow()

    async def use(engine: Engine) -> list[str]:
        many = asyncio.create_task(engine.analyze_many([f"批{i}" for i in range(40)]))
        await begun(slow)
        single = asyncio.create_task(engine.analyze("單則"))
        await asyncio.sleep(0.05)
        slow.go.set()
        await single
        return [report.text for report in await many]

    texts = with_engine(slow, Settings(batch_size=8, concurrency=1), use)
    assert texts == [f"批{i}" for i in range(40)]
    assert next(i for i, batch in enumerate(slow.batches) if "單則" in batch) == 1
    assert all(len(batch) <= 8 for batch in slow.batches)
    assert "批8" in slow.batches[1] or "批4" in slow.batches[1], "a batch request always gets a part"


def test_a_stream_that_nobody_reads_on_leaves_nothing_behind() -> None:
    slow = Slow()
    slow.go.set()

    async def use(engine: Engine) -> int:
        stream = engine.stream((f"批{i}", None, lambda report: report) for i in range(1000))
        await anext(stream)
        await stream.aclose()
        await asyncio.sleep(0.05)
        return engine.waiting

    assert with_engine(slow, Settings(batch_size=8), use) == 0
    assert sum(map(len, slow.batches)) < 100


def test_every_message_of_a_batch_has_its_own_time_of_reception(analyzer: Analyzer) -> None:
    text = "家裡瓦斯味很重，打了兩次電話都沒人來"
    ordinary = "快递三天了还没到，打电话也没人接，我要退款"
    times = [datetime(2026, 11, 9, 2, 30, tzinfo=UTC) + timedelta(days=i, hours=3 * i) for i in range(4)]
    pairs = [(one, moment) for moment in times for one in (text, ordinary)]

    async def use(engine: Engine) -> list[Report]:
        return list(await asyncio.gather(*(engine.analyze(one, moment) for one, moment in pairs)))

    for (one, moment), report in zip(pairs, with_engine(analyzer, Settings(), use), strict=True):
        alone = analyzer.analyze(one, received_at=moment)
        assert report.route == alone.route
        assert report.strategy is not None
        assert alone.strategy is not None
        assert report.strategy.first_reply == alone.strategy.first_reply
        assert report.facts.to_dict() == alone.facts.to_dict() if hasattr(alone.facts, "to_dict") else True


def test_masked_reports_hold_no_personal_data(analyzer: Analyzer) -> None:
    async def use(engine: Engine) -> Report:
        return await engine.analyze("請打0912345678聯絡我，冰箱壞了兩次", mask=True)

    report = with_engine(analyzer, Settings(), use)
    assert "0912345678" not in report.to_json()
    assert "**********" in report.text


def test_an_engine_that_was_not_started_says_so() -> None:
    engine = Engine(cast("Analyzer", SimpleNamespace()), Settings())

    async def ask() -> None:
        await engine.analyze("你好")

    with pytest.raises(StoppedError):
        asyncio.run(ask())
