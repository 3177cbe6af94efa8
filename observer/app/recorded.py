"""A recording on the page: read-only, as the daemon would have shown it at the recording's end."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from observer.config.exposure import host_of, is_loopback
from observer.config.kinds import check_listen
from observer.domain.errors import ConfigError, RecordingError

if TYPE_CHECKING:
    from observer.journal.store import SqlJournal
    from observer.recording.events import Event
    from observer.runtime.state import Watcher
    from observer.telemetry.metrics import SelfMetrics
    from observer.web.server import Server


@dataclass(frozen=True, slots=True)
class StandingClock:
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
    from observer.config.settings import default
    from observer.telemetry.metrics import SelfMetrics
    from observer.web.people.door import Door, Ways
    from observer.web.people.sessions import Sessions
    from observer.web.people.sign_in import SignIn
    from observer.web.people.throttle import Throttle
    from observer.web.server import People, Server, make_app

    metrics = SelfMetrics()
    watcher = await _watched(events, journal, metrics, file)
    result = watcher.seen
    if result is None:
        raise RecordingError(f"{file}: holds no tick")
    clock = StandingClock(result.at)
    board, reading, stream = show(default(), watcher, clock, journal, metrics)
    await board.refresh()
    hosts = frozenset({"localhost", "127.0.0.1", "::1", host_of(listen)})
    door = Door(Ways(hosts=hosts), Sessions(clock, lasts=1.0, idle=1.0), Throttle(clock), secure=False)
    people = People(door, SignIn(door), None)
    return Server(make_app(watcher, metrics.render, reading=reading, people=people, stream=stream), listen)


async def _watched(events: Iterable[Event], journal: SqlJournal, metrics: SelfMetrics, file: Path) -> Watcher:
    """Everything decided again and put where the page looks: the watcher, and a journal of its own."""
    from observer.recording.events import Settled, Ticked
    from observer.recording.replay import followed
    from observer.runtime.execute import with_outcome
    from observer.runtime.state import Watcher

    watcher: Watcher | None = None
    saved: dict[str, object] = {}
    for event, memory in followed(events):
        ruling = getattr(event, "ruling", None)
        if ruling is not None and watcher is None:
            watcher = Watcher(ruling.settings, StandingClock(0.0), metrics)
        decisions = list(getattr(event, "decisions", ()))
        if isinstance(event, Settled):
            decisions.insert(0, with_outcome(event.decision, event.outcome))
        for decision in decisions:
            await journal.record(decision)
            if watcher is not None:
                watcher.decided(decision)
        for key, incident in memory.incidents.items():
            if saved.get(key) is not incident:
                await journal.save(incident)
                saved[key] = incident
        if isinstance(event, Ticked) and watcher is not None:
            watcher.ticked(memory, event.snapshot, 0.0, "", event.ruling.book)
    if watcher is None:
        raise RecordingError(f"{file}: holds no tick")
    return watcher
