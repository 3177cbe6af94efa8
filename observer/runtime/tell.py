"""Fans each decision out to the sinks through bounded queues: a slow sink loses records, never a decision's time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from observer.domain.decision import Decision
from observer.ports.sinks import Sink

log = structlog.get_logger(__name__)


class Teller:
    """One bounded queue and one worker a sink. ``dropped`` is called with the sink's name for every lost record."""

    def __init__(self, sinks: Sequence[Sink], *, size: int = 1000, dropped: Callable[[str], None]) -> None:
        self._sinks = sinks
        self._dropped = dropped
        self._queues: dict[str, asyncio.Queue[Decision]] = {sink.name: asyncio.Queue(size) for sink in sinks}

    def tell(self, decision: Decision) -> None:
        """Hand a decision to every sink without waiting."""
        for name, queue in self._queues.items():
            try:
                queue.put_nowait(decision)
            except asyncio.QueueFull:
                self._dropped(name)

    async def run(self) -> None:
        """Serve all queues until cancelled."""
        async with asyncio.TaskGroup() as group:
            for sink in self._sinks:
                group.create_task(self._serve(sink), name=f"sink-{sink.name}")

    async def flush(self, seconds: float) -> None:
        """Wait until everything told so far was handed on, at most ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(queue.join() for queue in self._queues.values()))
        except TimeoutError:
            left = {name: queue.qsize() for name, queue in self._queues.items() if queue.qsize()}
            log.warning("sinks_not_flushed", left=left)

    async def close(self) -> None:
        for sink in self._sinks:
            await sink.close()

    async def _serve(self, sink: Sink) -> None:
        queue, failing = self._queues[sink.name], False
        while True:
            decision = await queue.get()
            try:
                await sink.tell(decision)
                if failing:
                    log.info("sink_recovered", sink=sink.name)
                failing = False
            except Exception as exc:  # noqa: BLE001  task boundary: one sink's mistake must not end the others
                self._dropped(sink.name)
                if not failing:
                    log.warning("sink_failed", sink=sink.name, error=f"{type(exc).__name__}: {exc}")
                failing = True
            finally:
                queue.task_done()
