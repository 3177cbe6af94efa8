"""Fans each decision out to the sinks through bounded queues: a slow sink loses records, never a decision's time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import structlog

from observer.domain.decision import Decision
from observer.http_client.delivery import DeliveryHealth, DeliveryQueue
from observer.ports.actuators import Sink

log = structlog.get_logger(__name__)

_RESTART_SECONDS: Final = 5.0


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
        names = {sink.name for sink in sinks} | {name for name, _ in beside}
        self._health = {name: DeliveryHealth(name, dropped) for name in names}
        self._queues = [
            DeliveryQueue(sink.name, partial(self._deliver, sink), size=size, dropped=dropped) for sink in sinks
        ]

    def publish(self, decision: Decision) -> None:
        """Hand a decision to every sink without waiting."""
        for queue in self._queues:
            queue.add(decision)

    async def run(self) -> None:
        """Serve all queues until cancelled."""
        async with asyncio.TaskGroup() as group:
            for queue in self._queues:
                group.create_task(queue.run(), name=f"sink-{queue.name}")
            for name, body in self._beside:
                group.create_task(self._restarting(name, body), name=f"beside-{name}")

    async def flush(self, seconds: float) -> None:
        """Wait until everything published so far was handed on, at most ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(queue.join() for queue in self._queues))
        except TimeoutError:
            log.warning(
                "sinks_not_flushed", left={queue.name: queue.waiting for queue in self._queues if queue.waiting}
            )

    async def close(self) -> None:
        """Close all at once: one that takes its time does not take that of the others."""
        ended = await asyncio.gather(*(sink.close() for sink in self._sinks), return_exceptions=True)
        for sink, failure in zip(self._sinks, ended, strict=True):
            if failure is not None:
                log.warning("sink_not_closed", sink=sink.name, error=f"{type(failure).__name__}: {failure}")

    async def _deliver(self, sink: Sink, decision: Decision) -> None:
        await self._guard(sink.name, sink.publish(decision))

    async def _restarting(self, name: str, body: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._guard(name, body())
            await asyncio.sleep(_RESTART_SECONDS)

    async def _guard(self, name: str, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as exc:  # noqa: BLE001  task boundary: one sink's mistake must not end the others
            self._health[name].lost(f"{type(exc).__name__}: {exc}")
        else:
            self._health[name].succeeded()


class LeaderOnlySink:
    """A sink that hears nothing on a replica that does not hold the Lease: one of them speaks to the outside."""

    def __init__(self, sink: Sink, leading: Callable[[], bool]) -> None:
        self._sink, self._leading = sink, leading

    @property
    def name(self) -> str:
        return self._sink.name

    async def publish(self, decision: Decision) -> None:
        if self._leading():
            await self._sink.publish(decision)

    async def close(self) -> None:
        await self._sink.close()
