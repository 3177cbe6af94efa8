"""
Many independent services in one stream of snapshots, fast enough for pod-years.

Requests are drawn second by second; each target is scraped at its own offset. What is drawn is known, so that the
truth (who is sick, since when, how many requests it answered) can be set against what is decided. The world obeys: a
drained pod gets no requests until it is given back, an evicted one is replaced by a healthy one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from observer.domain.action import Action, ActionKind
from observer.domain.counts import (
    CallerCounts,
    CallerFrame,
    CounterFrame,
    FloatArray,
    IntArray,
    SeriesHistory,
    ServiceBaseline,
)
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.outcome import Outcome, Result
from observer.domain.snapshot import Control, Snapshot
from tests.bench.picture import START, Picture

CUTS: Final = (5.0, 25.0, 100.0, 250.0, 1000.0, 5000.0)
_LATENCY: Final = np.array([0.10, 0.62, 0.245, 0.03, 0.004, 0.0008, 0.0002])
_SLOW: Final = np.array([0.05, 0.40, 0.40, 0.13, 0.018, 0.0015, 0.0005])
_CONTROL: Final = Control(paused=False, reason="", leader=True, term=1)
_RETAINED: Final = 121


@dataclass(frozen=True)
class Fault:
    """From second ``since`` the first pod of every service, or of the first ``services``, fails this part."""

    since: int
    rate: float
    services: int | None = None


@dataclass(frozen=True)
class Regime:
    """
    What is normal.

    Attributes:
        rate: requests a second of one pod. usual: error rate.
        burst: mean seconds between bursts that hit a whole service (0 = none), of up to 20 s at 30 % errors.
        clump: correlation of errors within a pod's five seconds. wave: size of the daily swing of the load, 0..1.
        rollout: seconds between two replacements of a service's pods, one pod after another (0 = none).
    """

    name: str
    rate: float = 20.0
    usual: float = 0.001
    burst: float = 0.0
    clump: float = 0.0
    wave: float = 0.0
    rollout: float = 0.0


REGIMES: Final = (
    Regime("iid"),
    Regime("burst", burst=600.0),
    Regime("overdispersed", clump=0.01),
    Regime("diurnal", wave=0.8),
    Regime("rollout", rollout=1200.0),
)


@dataclass
class World:
    """Services of ``size`` pods each under one regime; ``stream`` yields snapshots every ``tick`` seconds."""

    regime: Regime
    services: int
    size: int = 10
    tick: int = 5
    interval: int = 5
    seed: int = 1
    fault: Fault | None = None
    latency: bool = True
    named: tuple[ServiceRef, ...] = ()
    seconds: int = 0
    culprit_requests: FloatArray = field(init=False)
    """Shape (services,): requests that the sick pods answered since the fault."""

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)
        count, columns = self.services * self.size, len(CUTS) + 1
        self.picture = Picture(self.services, self.size, self.named)
        self._service = np.repeat(np.arange(self.services), self.size)
        self._total = np.zeros((count, 3))
        self._slow = np.zeros((count, columns))
        self._offset = self._random.integers(0, self.interval, count)
        self._shown = np.full((count, 3), np.nan)
        self._shown_slow = np.full((count, columns), np.nan)
        self._scraped = np.full(count, np.nan)
        self._burst_until = np.zeros(self.services)
        self._clumps = np.full(count, self.regime.usual)
        self._weight = np.ones(count)
        self._sick = np.zeros(count, np.bool_)
        if self.fault is not None:
            self._sick[: (self.fault.services or self.services) * self.size : self.size] = True
        self._retained = np.full((count, 2 * _RETAINED, 3), np.nan)
        self._instants: list[float] = []
        self._seen = np.zeros((self.services, 2 + columns))
        self.culprit_requests = np.zeros(self.services)
        self.baselines = {
            one: ServiceBaseline(one, 1e6, 1e6 * self.regime.usual, 0.005, 100.0, START - 86400.0, START)
            for one in self.picture.refs
        }
        self.asked: frozenset[ServiceRef] = frozenset()
        self.watched: frozenset[ServiceRef] = frozenset()

    @property
    def at(self) -> float:
        return START + self.seconds

    @property
    def refs(self) -> list[PodRef]:
        return [pod.ref for pod in self.picture.pods]

    def stream(self, seconds: int) -> Iterator[Snapshot]:
        """
        Snapshots for so long.

        Set ``asked`` to the services that shall be asked again, ``watched`` to those whose callers shall be seen.
        """
        for _ in range(seconds // self.tick):
            for _ in range(self.tick):
                self._second()
            yield self._snapshot()

    def obey(self, action: Action) -> Outcome:
        """Carry an act out as a cluster would; an evicted pod's place is taken at once by one that is not sick."""
        row = self.picture.rows.get(action.pod)
        if row is None:
            return Outcome(action.id, Result.SUPERSEDED, "gone")
        if action.action_kind is ActionKind.EVICT:
            self._sick[row] = False
            self._renew([row])
        else:
            self.picture.mark(row, action.incident if action.action_kind is ActionKind.DRAIN else "")
        self._balance()
        return Outcome(action.id, Result.APPLIED, "applied")

    def _balance(self) -> None:
        """Each service's requests go to its pods that are not drained."""
        taking = np.array([not pod.drained for pod in self.picture.pods], np.float64)
        left = np.add.reduceat(taking, np.arange(0, len(taking), self.size))
        self._weight = taking * (self.size / np.maximum(left, 1.0))[self._service]

    def _second(self) -> None:
        self.seconds += 1
        regime, draw, count = self.regime, self._random, len(self._total)
        load = 1.0 + regime.wave * np.sin(2.0 * np.pi * self.seconds / 86400.0 + np.arange(count) // self.size)
        requests = draw.poisson(regime.rate * load * self._weight)
        bad = draw.binomial(requests, self._rates())
        self._total[:, 0] += requests - bad
        self._total[:, 1] += bad
        self._seen[:, :2] += np.add.reduceat(np.stack([requests - bad, bad], axis=1), self._firsts())
        if self.latency:
            slow = self._burst_until > self.seconds
            shares = np.where(slow[self._service][:, None], _SLOW, _LATENCY)
            times = np.cumsum(draw.multinomial(requests, shares), axis=1)
            self._slow += times
            self._seen[:, 2:] += np.add.reduceat(times, self._firsts())
        if self.fault is not None and self.seconds > self.fault.since:
            self.culprit_requests += requests[:: self.size]
        if regime.rollout and self.seconds % max(1, int(regime.rollout / self.size)) == 0:
            self._replace_one()
        due = (self.seconds - self._offset) % self.interval == 0
        self._shown[due], self._shown_slow[due], self._scraped[due] = self._total[due], self._slow[due], self.at

    def _firsts(self) -> IntArray:
        return np.arange(0, len(self._total), self.size)

    def _rates(self) -> FloatArray:
        regime, draw = self.regime, self._random
        rates = np.full(len(self._total), regime.usual)
        if regime.clump:
            if self.seconds % 5 == 0:
                weight = 1.0 / regime.clump - 1.0
                self._clumps = draw.beta(regime.usual * weight, (1.0 - regime.usual) * weight, len(rates))
            rates = self._clumps.copy()
        if regime.burst:
            begun = draw.random(self.services) < 1.0 / regime.burst
            self._burst_until = np.where(begun, self.seconds + draw.integers(1, 20, self.services), self._burst_until)
            rates = np.where((self._burst_until > self.seconds)[self._service], 0.3, rates)
        if self.fault is not None and self.seconds > self.fault.since:
            rates[self._sick] = self.fault.rate
        return rates

    def _replace_one(self) -> None:
        """One pod of every service is replaced; its counters begin anew under another name."""
        turn = int(self.seconds // max(1, int(self.regime.rollout / self.size))) % self.size
        self._renew((np.arange(self.services) * self.size + turn).tolist())
        self._balance()

    def _renew(self, rows: list[int]) -> None:
        self._total[rows], self._slow[rows], self._retained[rows] = 0.0, 0.0, np.nan
        self._shown[rows], self._shown_slow[rows], self._scraped[rows] = np.nan, np.nan, np.nan
        self.picture.replace(rows, self.at)

    def _snapshot(self) -> Snapshot:
        self._keep()
        frame = CounterFrame(
            at=self.at,
            pods=self.picture.names,
            requests=self._shown.copy(),
            cuts=CUTS if self.latency else (),
            buckets=self._shown_slow.copy() if self.latency else self._shown_slow[:, :1] * np.nan,
            scraped=self._scraped.copy(),
            targets=np.ones(len(self._shown), np.int64),
        )
        return Snapshot(
            at=self.at,
            counters=frame,
            callers=self._callers(),
            cluster=self.picture.view(self.at),
            control=_CONTROL,
            rechecks={service: self._history(service) for service in self.asked},
            baselines=self.baselines,
        )

    def _callers(self) -> CallerFrame | None:
        """One gateway outside the mesh calls everybody."""
        if not self.watched:
            return None
        rows = {}
        for service in self.watched:
            ok, error, *times = self._seen[self.picture.number[service]].tolist()
            counts = CallerCounts(ok, error, 0.0, 0.0, tuple(times) if self.latency else ())
            rows[("front", "gateway", service)] = counts
        return CallerFrame(self.at, self.watched, CUTS if self.latency else (), rows)

    def _keep(self) -> None:
        """What was shown lately, in a strip whose older half is dropped when it is full."""
        if len(self._instants) == 2 * _RETAINED:
            self._retained[:, :_RETAINED] = self._retained[:, _RETAINED:]
            self._instants = self._instants[_RETAINED:]
        self._retained[:, len(self._instants)] = self._shown
        self._instants.append(self.at)

    def _history(self, service: ServiceRef) -> tuple[SeriesHistory, ...]:
        index, until = self.picture.number[service], len(self._instants)
        rows, since = slice(index * self.size, (index + 1) * self.size), max(0, len(self._instants) - _RETAINED)
        times, tables = np.array(self._instants[since:]), self._retained[rows, since:until].copy()
        return tuple(
            SeriesHistory(key, "front/gateway", times, table)
            for key, table in zip(self.picture.names[rows], tables, strict=True)
        )
