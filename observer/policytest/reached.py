"""How many calls got lost before somebody was suspected, as the daemon asks the metric source for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final

from observer.domain.counts import CallerFrame
from observer.domain.graph import CallGraph, Reach
from observer.domain.ids import ServiceRef

LAG: Final = 120.0
WINDOW: Final = 60.0
USUAL: Final = 600.0
"""Seconds: what is told ended ``LAG`` ago and lasted so long. A test holds them to the daemon's."""


class LostCalls:
    """Remembers what callers counted of every service; tells of it while somebody is suspected."""

    def __init__(self) -> None:
        self._past: deque[tuple[float, Mapping[ServiceRef, Reach]]] = deque()
        self._usual: CallGraph | None = None

    def look(self, frame: CallerFrame, *, suspected: bool) -> tuple[CallGraph | None, CallGraph | None]:
        """``(usual_edges, earlier_edges)`` of the snapshot at this instant; ``frame`` holds every service."""
        self._past.append((frame.at, _counted(frame)))
        while len(self._past) > 1 and self._past[1][0] <= frame.at - LAG - USUAL:
            self._past.popleft()
        if not suspected or self._usual is None:
            self._usual = self._graph(frame.at - LAG, USUAL)
        return (self._usual, self._graph(frame.at - LAG, WINDOW)) if suspected else (None, None)

    def _graph(self, end: float, seconds: float) -> CallGraph:
        """What was counted between the last looks before either end; a service that lost its counters is unknown."""
        seen = [row for at, row in self._past if at <= end]
        before = [row for at, row in self._past if at <= end - seconds] or seen[:1]
        reached = {}
        for service, now in seen[-1].items() if seen else ():
            then = before[-1].get(service, Reach(0.0, 0.0))
            grown = Reach(now.calls - then.calls, now.lost - then.lost)
            if grown.calls > 0.0 and grown.lost >= 0.0:
                reached[service] = grown
        return CallGraph(end, seconds, (), reached)


def _counted(frame: CallerFrame) -> dict[ServiceRef, Reach]:
    found: dict[ServiceRef, Reach] = {}
    for (_, _, service), row in frame.rows.items():
        known = found.get(service, Reach(0.0, 0.0))
        found[service] = Reach(known.calls + row.calls, known.lost + row.lost)
    return found
