"""Keeps the callers' view of who calls whom beside the tick: what is usual while all is well, and what is now."""

from __future__ import annotations

from typing import Final

from observer.domain.graph import CallGraph
from observer.domain.ids import ServiceRef
from observer.domain.snapshot import Gap
from observer.ports.sources import CallSource, Clock
from observer.runtime.kept import PACE, SourceCache

WINDOW: Final = 60.0
"""Seconds that "now" is counted over."""
USUAL: Final = 600.0
"""Seconds that "usual" is counted over; they end ``LAG`` before they are asked for."""
LAG: Final = 120.0
"""Seconds that a fault may take to be suspected without being counted as usual."""
REFRESH: Final = 15.0
QUIET: Final = 60.0
"""Seconds between two questions for the usual while nobody is suspected."""
EARLIER: Final = 5.0 * QUIET
"""Seconds for which an earlier minute, which ended ``LAG`` before it was asked for, is shown."""
HELD: Final = 3600.0
"""Seconds for which the usual is held while somebody is: what is asked for later holds the incident itself."""


class CallCache:
    """
    One question a minute while all is well; at once for new suspects, then every ``REFRESH`` seconds, and once a minute
    for a minute that is over.
    """

    def __init__(self, source: CallSource, clock: Clock) -> None:
        self.source = source
        self._now: SourceCache[CallGraph] = SourceCache("edges", clock, REFRESH)
        self._usual: SourceCache[CallGraph] = SourceCache("edges", clock, QUIET, good_for=HELD)
        self._earlier: SourceCache[CallGraph] = SourceCache("edges", clock, QUIET, good_for=EARLIER)
        self._clock = clock
        self._wanted: frozenset[ServiceRef] = frozenset()
        self._asked: frozenset[ServiceRef] = frozenset()

    def suspected(self, services: frozenset[ServiceRef]) -> None:
        """Who is suspected now."""
        self._wanted = services

    def now(self, at: float) -> CallGraph | None:
        """See ``Snapshot.edges``."""
        return self._now.answer(at)

    def usual(self, at: float) -> CallGraph | None:
        """See ``Snapshot.usual_edges``; told together with ``now`` only."""
        return self._usual.answer(at) if self._now.answer(at) is not None else None

    def earlier(self, at: float) -> CallGraph | None:
        """See ``Snapshot.earlier_edges``; told together with ``now`` only."""
        return self._earlier.answer(at) if self._now.answer(at) is not None else None

    def gaps(self) -> tuple[Gap, ...]:
        """The last failures, while they last."""
        failures = (self._now.failure, self._usual.failure, self._earlier.failure)
        return tuple(dict.fromkeys(one for one in failures if one is not None))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(PACE)

    async def look(self) -> None:
        """Ask, if it is time to."""
        wanted, at = self._wanted, self._clock.now()
        known = self._usual.answer(at) is not None
        if self._usual.due(at) and not (wanted and known):
            await self._usual.ask(lambda now: self.source.calls(now - LAG, USUAL))
        if not wanted:
            self._now.forget()
            self._earlier.forget()
            self._asked = frozenset()
            return
        if self._now.due(self._clock.now()) or not wanted <= self._asked:
            self._asked = wanted
            await self._now.ask(lambda now: self.source.calls(now, WINDOW))
        if self._earlier.due(self._clock.now()):
            await self._earlier.ask(lambda now: self.source.calls(now - LAG, WINDOW))
