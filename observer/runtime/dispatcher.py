"""Fans each decision out to the sinks through bounded queues: a slow sink loses records, never a decision's time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from observer.domain.decision import Decision
from observer.ports.actuators import Sink

log = structlog.get_logger(__name__)

_AGAIN_SECONDS = 5.0


class Dispatcher:
    """
    One bounded queue and one worker a sink. ``dropped`` is called with the sink's name for every lost record.

    ``beside`` are names of sinks and what has to run for them all the time: it is begun again when it fails.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        size: int = 1000,
        dropped: Callable[[str], None],
        beside: Sequence[tuple[str, Callable[[], Awaitable[None]]]] = (),
    ) -> None:
        self._sinks, self._beside = sinks, beside
        self._dropped = dropped
        self._queues: dict[str, asyncio.Queue[Decision]] = {sink.name: asyncio.Queue(size) for sink in sinks}
        self._failing: set[str] = set()

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
            for name, body in self._beside:
                group.create_task(self._keep(name, body), name=f"beside-{name}")

    async def flush(self, seconds: float) -> None:
        """Wait until everything told so far was handed on, at most ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(queue.join() for queue in self._queues.values()))
        except TimeoutError:
            left = {name: queue.qsize() for name, queue in self._queues.items() if queue.qsize()}
            log.warning("sinks_not_flushed", left=left)

    async def close(self) -> None:
        """Close all at once: one that takes its time does not take that of the others."""
        ended = await asyncio.gather(*(sink.close() for sink in self._sinks), return_exceptions=True)
        for sink, failure in zip(self._sinks, ended, strict=True):
            if failure is not None:
                log.warning("sink_not_closed", sink=sink.name, error=f"{type(failure).__name__}: {failure}")

    async def _serve(self, sink: Sink) -> None:
        queue = self._queues[sink.name]
        while True:
            decision = await queue.get()
            try:
                await self._guarded(sink.name, sink.tell(decision))
            finally:
                queue.task_done()

    async def _keep(self, name: str, body: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._guarded(name, body())
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _guarded(self, name: str, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as exc:  # noqa: BLE001  task boundary: one sink's mistake must not end the others
            self._dropped(name)
            if name not in self._failing:
                log.warning("sink_failed", sink=name, error=f"{type(exc).__name__}: {exc}")
            self._failing.add(name)
            return
        if name in self._failing:
            log.info("sink_recovered", sink=name)
        self._failing.discard(name)


class LeaderOnlySink:
    """A sink that hears nothing on a replica that does not hold the Lease: the outside is told once, not by each."""

    def __init__(self, sink: Sink, leading: Callable[[], bool]) -> None:
        self._sink, self._leading = sink, leading

    @property
    def name(self) -> str:
        return self._sink.name

    async def tell(self, decision: Decision) -> None:
        if self._leading():
            await self._sink.tell(decision)

    async def close(self) -> None:
        await self._sink.close()
