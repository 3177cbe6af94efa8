"""A recording on the page: read-only, as the daemon would have shown it at the recording's end."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from observer.config.documents.values import check_listen
from observer.config.settings.consistency import host_of, is_loopback
from observer.domain.errors import ConfigError, RecordingError

if TYPE_CHECKING:
    from observer.journal.store import SqlJournal
    from observer.recording.events import Event
    from observer.runtime.status import LoopStatus
    from observer.telemetry.metrics import SelfMetrics
    from observer.web.server import Server


@dataclass(frozen=True, slots=True)
class FixedClock:
    """The instant at which the recording ends; what lasts is measured by the running machine."""

    at: float

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def show_recording(file: Path, listen: str, stop: asyncio.Event, *, started: asyncio.Event | None = None) -> None:
    """
    Serve page and reading API until ``stop``; nothing can be written and no cluster is asked. ``started`` is set once
    everything was read and the listener is open.

    Raises: RecordingError; ConfigError when ``listen`` is no address, is taken, or is reached from other machines.
    """
    from observer.recording.files import Recording

    if why := check_listen(listen):
        raise ConfigError(f"--listen {why}")
    if not is_loopback(host_of(listen)):
        raise ConfigError(f"--listen {listen}: a recording asks nobody who they are; listen on 127.0.0.1")
    with tempfile.TemporaryDirectory(prefix="observer-page-") as folder, Recording(file) as recording:
        journal = await _journal(Path(folder))
        try:
            server = await _server(recording.events(), journal, listen, file)
            async with server.opened():
                if started is not None:
                    started.set()
                await stop.wait()
        finally:
            await journal.close()


async def _journal(folder: Path) -> SqlJournal:
    from observer.journal.store import SqlJournal

    return await SqlJournal.open(f"sqlite+aiosqlite:///{folder / 'journal.db'}")


async def _server(events: Iterable[Event], journal: SqlJournal, listen: str, file: Path) -> Server:
    from observer.app.web import show
    from observer.config.settings.read import default
    from observer.telemetry.metrics import SelfMetrics
    from observer.web.people.auth import AuthMiddleware, SignInMethods
    from observer.web.people.sessions import Sessions, Throttle
    from observer.web.people.sign_in import SignIn
    from observer.web.server import People, Server, make_app

    metrics = SelfMetrics()
    loop_status = await _watched(events, journal, metrics, file)
    result = loop_status.result
    if result is None:
        raise RecordingError(f"{file}: holds no tick")
    clock = FixedClock(result.at)
    views, queries, stream = show(default(), loop_status, clock, journal, metrics)
    await views.refresh()
    hosts = frozenset({"localhost", "127.0.0.1", "::1", host_of(listen)})
    middleware = AuthMiddleware(
        SignInMethods(hosts=hosts), Sessions(clock, lasts=1.0, idle=1.0), Throttle(clock), secure=False
    )
    people = People(middleware, SignIn(middleware), None)
    return Server(make_app(loop_status, metrics.render, queries=queries, people=people, stream=stream), listen)


async def _watched(events: Iterable[Event], journal: SqlJournal, metrics: SelfMetrics, file: Path) -> LoopStatus:
    """Everything decided again and put where the page looks: the watcher, and a journal of its own."""
    from observer.recording.events import Settled, Ticked
    from observer.recording.replay import followed
    from observer.runtime.execute import with_outcome
    from observer.runtime.status import LoopStatus

    loop_status: LoopStatus | None = None
    saved: dict[str, object] = {}
    for event, memory in followed(events):
        rules = getattr(event, "rules", None)
        if rules is not None and loop_status is None:
            loop_status = LoopStatus(rules.settings, FixedClock(0.0), metrics)
        decisions = list(getattr(event, "decisions", ()))
        if isinstance(event, Settled):
            decisions.insert(0, with_outcome(event.decision, event.outcome))
        for decision in decisions:
            await journal.record(decision)
            if loop_status is not None:
                loop_status.decided(decision)
        for key, incident in memory.incidents.items():
            if saved.get(key) is not incident:
                await journal.save(incident)
                saved[key] = incident
        if isinstance(event, Ticked) and loop_status is not None:
            loop_status.ticked(memory, event.snapshot, 0.0, "", event.rules.policies)
    if loop_status is None:
        raise RecordingError(f"{file}: holds no tick")
    return loop_status
