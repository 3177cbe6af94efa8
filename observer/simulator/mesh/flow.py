"""Who may be called, who is being called, and which requests are under way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from observer.domain.counts import FloatArray, IntArray
from observer.simulator.mesh.pods import MeshPod
from observer.simulator.mesh.topology import Balancing


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """How requests ended and when (Unix seconds), one entry each."""

    outcomes: IntArray
    ends: FloatArray


class Pool:
    """
    The pods of one service.

    Attributes:
        slots: those that callers send requests to.
        running: those that run and may send requests themselves.
    """

    def __init__(self) -> None:
        self.slots: IntArray = np.zeros(0, dtype=np.int64)
        self.running: IntArray = np.zeros(0, dtype=np.int64)
        self._seats: dict[int, int] = {}
        self._free: list[int] = []

    def covers(self, pod: MeshPod) -> bool:
        """Callers send it requests."""
        return pod.slot in self.slots

    def put(self, pod: MeshPod, wanted: bool) -> None:
        """Into the balancing or out of it."""
        self.slots = _with(self.slots, pod.slot, wanted)

    def alive(self, pod: MeshPod, running: bool) -> None:
        """It runs, or no longer."""
        self.running = _with(self.running, pod.slot, running)
        if pod.gone and pod.slot in self._seats:
            self._free.append(self._seats.pop(pod.slot))

    def seats(self, slots: IntArray) -> IntArray:
        """Small numbers for pods, used again after a pod is gone: rows and columns of in-flight tables."""
        places = self._seats
        seats = []
        for slot in slots.tolist():
            seat = places.get(slot)
            if seat is None:
                seat = places[slot] = self._free.pop() if self._free else len(places)
            seats.append(seat)
        return np.array(seats, dtype=np.int64)


class Edge:
    """Calls from the pods of one service to another, with what each caller has in flight at each callee."""

    def __init__(self, caller: Pool, callee: Pool, name: str, number: int) -> None:
        self.caller = caller
        self.callee = callee
        self.name = name
        self.number = number
        self._in_flight: IntArray = np.zeros((4, 4), dtype=np.int64)
        self._sent: list[tuple[IntArray, IntArray, FloatArray]] = []

    def pick(self, callers: IntArray, rng: np.random.Generator, balancing: Balancing) -> IntArray:
        """A pod for each request."""
        slots = self.callee.slots
        first = rng.integers(0, slots.size, callers.size)
        if balancing is Balancing.RANDOM or slots.size == 1:
            return slots[first]
        second = rng.integers(0, slots.size, callers.size)
        rows, seats = self.caller.seats(callers), self.callee.seats(slots)
        self._fit(int(rows.max()), int(seats.max()))
        busier = self._in_flight[rows, seats[second]] < self._in_flight[rows, seats[first]]
        return slots[np.where(busier, second, first)]

    def sent(self, callers: IntArray, slots: IntArray, ends: FloatArray) -> None:
        """Requests are on their way until ``ends``."""
        rows, columns = self.caller.seats(callers), self.callee.seats(slots)
        self._fit(int(rows.max()), int(columns.max()))
        np.add.at(self._in_flight, (rows, columns), 1)
        self._sent.append((rows, columns, ends))

    def advance(self, now: float) -> None:
        """Forget requests that ended."""
        if not self._sent:
            return
        rows = np.concatenate([batch[0] for batch in self._sent])
        columns = np.concatenate([batch[1] for batch in self._sent])
        ends = np.concatenate([batch[2] for batch in self._sent])
        done = ends <= now
        np.subtract.at(self._in_flight, (rows[done], columns[done]), 1)
        rest = ~done
        self._sent = [(rows[rest], columns[rest], ends[rest])] if rest.any() else []

    def _fit(self, row: int, column: int) -> None:
        rows, columns = self._in_flight.shape
        if row >= rows or column >= columns:
            grown = np.zeros((max(rows, 2 * row + 2), max(columns, 2 * column + 2)), dtype=np.int64)
            grown[:rows, :columns] = self._in_flight
            self._in_flight = grown


class Flight:
    """Requests under way, to be counted by the sidecars when they end."""

    def __init__(self) -> None:
        self._parts: list[tuple[IntArray, FloatArray, FloatArray]] = []

    def add(self, series: IntArray, ends: FloatArray, milliseconds: FloatArray) -> None:
        """Count ``series`` at ``ends`` with these durations."""
        self._parts.append((series, ends, milliseconds))

    def landed(self, now: float) -> tuple[IntArray, FloatArray]:
        """Series and durations of the requests that ended by ``now``."""
        if not self._parts:
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        series = np.concatenate([part[0] for part in self._parts])
        ends = np.concatenate([part[1] for part in self._parts])
        durations = np.concatenate([part[2] for part in self._parts])
        done = ends <= now
        rest = ~done
        self._parts = [(series[rest], ends[rest], durations[rest])] if rest.any() else []
        return series[done], durations[done]


def _with(slots: IntArray, slot: int, wanted: bool) -> IntArray:
    present = slot in slots
    if wanted == present:
        return slots
    if wanted:
        return np.append(slots, slot)
    retained: IntArray = slots[slots != slot]
    return retained
