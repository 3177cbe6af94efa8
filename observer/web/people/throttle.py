"""Failed sign-ins are few: after some from one place, or many from everywhere, the next ones wait."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

from observer.ports.sources import Clock

WINDOW: Final = 300.0
"""Seconds that a failure counts."""
FROM_ONE: Final = 10
FROM_ALL: Final = 200
_PLACES: Final = 2048


class Throttle:
    """Counts failures by the place that they came from (see ``door.place_at``); success forgives nothing, time does."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all: deque[float] = deque(maxlen=FROM_ALL)
        self._places: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, place: str) -> float:
        """Seconds until this place may try again; 0 = now."""
        now = self._clock.monotonic()
        found = self._places.get(place, deque[float]())
        waits = [0.0]
        for failures, most in ((found, FROM_ONE), (self._all, FROM_ALL)):
            if len(failures) >= most:
                waits.append(failures[0] + WINDOW - now)
        return max(waits)

    def failed(self, place: str) -> None:
        now = self._clock.monotonic()
        self._all.append(now)
        self._places.setdefault(place, deque(maxlen=FROM_ONE)).append(now)
        self._places.move_to_end(place)
        while len(self._places) > _PLACES:
            self._places.popitem(last=False)
