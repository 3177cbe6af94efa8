"""Starts and ends everything in order: first what senses, last what acts; on the way out the other way round."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from observer.domain.errors import JournalUnavailable
from observer.ports.sources import Clock
from observer.ports.stores import Journal
from observer.runtime.dispatcher import Dispatcher
from observer.runtime.tick import Loop

log = structlog.get_logger(__name__)

JOURNAL_RETENTION: Final = 30 * 86_400.0
"""Longer than any budget, back-off or freeze looks back; the audit trail keeps everything."""
PRUNE_EVERY: Final = 3_600.0


@dataclass(slots=True)
class Plan:
    """
    What the daemon consists of.

    ``background`` are tasks that live as long as the daemon (reflector, Lease, history, page); ``cleanups`` run last
    in, first out, after everything has stopped; ``warm`` waits until sources are known well enough to begin;
    ``reload`` asks for edited files to be read now.
    """

    loop: Loop
    dispatcher: Dispatcher
    background: Sequence[tuple[str, Callable[[], Awaitable[None]]]]
    reload: Callable[[], None]
    warm: Callable[[], Coroutine[object, None, None]]
    cleanups: list[Callable[[], Awaitable[None]]] = field(default_factory=list)


async def supervise(plan: Plan, stop: asyncio.Event) -> None:
    """
    Run until ``stop`` is set. A background task that ends by itself or raises ends the daemon with its error: the
    platform restarts it, and the journal says where to go on.
    """
    try:
        await plan.loop.restore()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_lasting(name, start), name=name) for name, start in plan.background]
            tasks.append(group.create_task(_lasting("sinks", plan.dispatcher.run), name="sinks"))
            ending = group.create_task(stop.wait(), name="stop")
            await _first(group.create_task(plan.warm(), name="warm"), ending)
            if not stop.is_set():
                tasks.append(group.create_task(_lasting("tick", plan.loop.run), name="tick"))
                tasks.append(group.create_task(_lasting("floor", plan.loop.watch_floor), name="floor"))
            await ending
            log.info("shutdown_started")
            acting = [task for task in tasks if task.get_name() in {"tick", "floor"}]
            for task in acting:
                task.cancel()
            await asyncio.wait(acting, timeout=30) if acting else None
            await plan.dispatcher.flush(5.0)
            for task in reversed(tasks):
                task.cancel()
    finally:
        for cleanup in reversed(plan.cleanups):
            await cleanup()
    log.info("shutdown_completed")


def stop_on_signals(stop: asyncio.Event) -> None:
    """SIGTERM and SIGINT end the daemon in order."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


def reload_on_signal(reload: Callable[[], None]) -> None:
    """SIGHUP has edited files read at once."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)


async def _lasting(name: str, start: Callable[[], Awaitable[None]]) -> None:
    await start()
    raise RuntimeError(f"{name} ended by itself")


async def _first(wanted: asyncio.Task[None], ending: asyncio.Task[bool]) -> None:
    await asyncio.wait({wanted, ending}, return_when=asyncio.FIRST_COMPLETED)
    if not wanted.done():
        wanted.cancel()
        await asyncio.wait({wanted})


async def keep_journal_small(journal: Journal, clock: Clock) -> None:
    """Prune once an hour until cancelled; a journal that fails is told and asked again an hour later."""
    while True:
        await clock.sleep(PRUNE_EVERY)
        try:
            dropped = await journal.prune(clock.now() - JOURNAL_RETENTION)
        except JournalUnavailable as exc:
            log.warning("journal_prune_failed", detail=str(exc))
        else:
            log.info("journal_pruned", rows=dropped)
