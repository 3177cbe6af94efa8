"""The last minute of every pod: what guards and experiments read of it, and its figures for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from observer.domain.counts import BoolArray, FloatArray, IntArray
from observer.domain.ids import PodRef, ServiceRef, WorkloadRef
from observer.domain.suspect import PodTally, ServiceHealth
from observer.engine.detect.comparison_groups import ComparisonGroups
from observer.engine.detect.counters import taken

MINUTE: Final = 60.0
_SLOTS: Final = 12
_SLOT: Final = MINUTE / _SLOTS


@dataclass(frozen=True, slots=True, eq=False)
class Minute:
    """
    Requests and errors of each pod in slots of five seconds.

    Attributes:
        slots: shape (N, 12, 2). slot: number of the newest slot, -1 = none yet. since: when counting began.
    """

    slots: FloatArray
    slot: int
    since: float

    @classmethod
    def empty(cls) -> Minute:
        return cls(np.zeros((0, _SLOTS, 2)), -1, 0.0)

    def carried(self, take: IntArray) -> Minute:
        return Minute(taken(self.slots, take, 0.0), self.slot, self.since)

    def leaving(self, at: float) -> tuple[FloatArray, FloatArray]:
        """Requests and errors of the slots that ``added`` will clear at ``at``, shape (N,) each."""
        places = [slot % _SLOTS for slot in self._fresh(at)]
        sums = self.slots[:, places].sum(axis=1)
        return sums[:, 0], sums[:, 1]

    def _fresh(self, at: float) -> range:
        now = int(at // _SLOT)
        if not 0 <= self.slot <= now:
            return range(now - _SLOTS + 1, now + 1)
        return range(max(self.slot + 1, now - _SLOTS + 1), now + 1)

    def added(self, requests: FloatArray, errors: FloatArray, at: float) -> Minute:
        """With this tick's counts, shape (N,) each."""
        now = int(at // _SLOT)
        slots = self.slots.copy()
        slots[:, [slot % _SLOTS for slot in self._fresh(at)]] = 0.0
        slots[:, now % _SLOTS, 0] += requests
        slots[:, now % _SLOTS, 1] += errors
        return Minute(slots, now, self.since if self.slot >= 0 else at)

    def totals(self) -> tuple[FloatArray, FloatArray]:
        """Requests and errors of the last minute, shape (N,) each."""
        sums = self.slots.sum(axis=1)
        return sums[:, 0], sums[:, 1]

    def seconds(self, at: float) -> float:
        """How long the minute is so far."""
        return float(np.clip(at - self.since, _SLOT, MINUTE))


class Tallies(Mapping[PodRef, PodTally]):
    """This tick's counts by pod; each entry is made when it is asked for, as few ever are."""

    def __init__(self, comparison: ComparisonGroups, counts: FloatArray, reported: BoolArray) -> None:
        self._comparison, self._counts, self._reported = comparison, counts, reported

    def __getitem__(self, pod: PodRef) -> PodTally:
        position = self._comparison.position[pod]
        if not self._reported[position]:
            raise KeyError(pod)
        ok, errors, _, *buckets = self._counts[position].tolist()
        slower = tuple(max(buckets[-1] - below, 0.0) for below in buckets[:-1]) if buckets else ()
        return PodTally(pod, ok + errors, errors, slower)

    def __iter__(self) -> Iterator[PodRef]:
        return (self._comparison.refs[position] for position in np.flatnonzero(self._reported).tolist())

    def __len__(self) -> int:
        return int(self._reported.sum())


class Services(Mapping[ServiceRef, ServiceHealth]):
    """The last minute of every service; each entry is made when it is asked for."""

    def __init__(self, comparison: ComparisonGroups, minute: Minute, doubted: BoolArray, at: float) -> None:
        self._comparison, self._doubted = comparison, doubted
        self._requests, self._errors = minute.totals()
        self._seconds = minute.seconds(at)
        self._index = {service: i for i, service in enumerate(comparison.services)}

    def __getitem__(self, service: ServiceRef) -> ServiceHealth:
        comparison, peers = self._comparison, self._comparison.peers(self._index[service])
        chosen = slice(peers.start, peers.stop)
        requests = self._requests[chosen]
        well = comparison.ready[chosen] & (requests > 0.0) & ~self._doubted[chosen]
        refs = comparison.refs[chosen]
        return ServiceHealth(
            service=service,
            requests=float(requests.sum()),
            errors=float(self._errors[chosen].sum()),
            healthy=frozenset(refs[i] for i in np.flatnonzero(well).tolist()),
            rates=dict(zip(refs, (requests / self._seconds).tolist(), strict=True)),
        )

    def __iter__(self) -> Iterator[ServiceRef]:
        return iter(self._comparison.services)

    def __len__(self) -> int:
        return len(self._comparison.services)


@dataclass(frozen=True, slots=True)
class RecentTraffic:
    """Events counted over the last ``seconds``; for people, nothing is judged by it."""

    requests: float
    errors: float
    seconds: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds if self.seconds > 0.0 else 0.0

    @property
    def error_rate(self) -> float:
        """Share of the requests that were errors, 0..1; 0 without a request."""
        return self.errors / self.requests if self.requests > 0.0 else 0.0


def by_service(comparison: ComparisonGroups, minute: Minute, at: float) -> Mapping[ServiceRef, RecentTraffic]:
    """The last minute up to ``at`` (Unix seconds) of every service that has a pod with a sidecar."""
    requests, errors = minute.totals()
    if not len(requests) or len(requests) != len(comparison.refs):
        return {}
    sums = np.add.reduceat(np.stack([requests, errors], axis=1), comparison.first[:-1]).tolist()
    seconds = minute.seconds(at)
    return {
        service: RecentTraffic(asked, failed, seconds)
        for service, (asked, failed) in zip(comparison.services, sums, strict=True)
    }


def by_workload(comparison: ComparisonGroups, minute: Minute, at: float) -> Mapping[WorkloadRef, RecentTraffic]:
    """The same of every workload that has a pod with a sidecar."""
    requests, errors = minute.totals()
    if not len(requests) or len(requests) != len(comparison.refs):
        return {}
    rows: dict[WorkloadRef, int] = {}
    row_of = np.array([rows.setdefault(pod.workload, len(rows)) if pod.workload else -1 for pod in comparison.pods])
    owned = row_of >= 0
    asked = np.bincount(row_of[owned], requests[owned], len(rows)).tolist()
    failed = np.bincount(row_of[owned], errors[owned], len(rows)).tolist()
    seconds = minute.seconds(at)
    return {workload: RecentTraffic(asked[row], failed[row], seconds) for workload, row in rows.items()}


def against_peers(
    comparison: ComparisonGroups, minute: Minute, at: float, pods: Iterable[PodRef]
) -> Mapping[PodRef, tuple[RecentTraffic, RecentTraffic]]:
    """Each pod's own last minute and that of its peers together; pods that are not judged are left out."""
    requests, errors = minute.totals()
    if len(requests) != len(comparison.refs):
        return {}
    seconds = minute.seconds(at)
    compared = {}
    for pod in pods:
        if (row := comparison.position.get(pod)) is None:
            continue
        peers = comparison.peers(int(comparison.service_of[row]))
        chosen = slice(peers.start, peers.stop)
        own = RecentTraffic(float(requests[row]), float(errors[row]), seconds)
        asked, failed = float(requests[chosen].sum()), float(errors[chosen].sum())
        compared[pod] = (own, RecentTraffic(asked - own.requests, failed - own.errors, seconds))
    return compared
