"""The last minute as figures for people, all workloads at once. Nothing is judged by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from observer.domain.ids import PodRef, ServiceRef, WorkloadRef
from observer.engine.detect.state import DetectorState


@dataclass(frozen=True, slots=True)
class RecentTraffic:
    """Events counted over the last ``seconds``."""

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


def by_service(state: DetectorState) -> Mapping[ServiceRef, RecentTraffic]:
    """Every service that has a pod with a sidecar."""
    comparison = state.comparison
    requests, errors = state.minute.totals()
    if not len(requests) or len(requests) != len(comparison.refs):
        return {}
    sums = np.add.reduceat(np.stack([requests, errors], axis=1), comparison.first[:-1]).tolist()
    seconds = state.minute.seconds(state.at)
    return {
        service: RecentTraffic(asked, failed, seconds)
        for service, (asked, failed) in zip(comparison.services, sums, strict=True)
    }


def by_workload(state: DetectorState) -> Mapping[WorkloadRef, RecentTraffic]:
    """Every workload that has a pod with a sidecar."""
    comparison = state.comparison
    requests, errors = state.minute.totals()
    if not len(requests) or len(requests) != len(comparison.refs):
        return {}
    places: dict[WorkloadRef, int] = {}
    rows = [places.setdefault(pod.workload, len(places)) if pod.workload else -1 for pod in comparison.pods]
    known = np.array(rows) >= 0
    index = np.array(rows)[known]
    asked = np.bincount(index, requests[known], len(places)).tolist()
    failed = np.bincount(index, errors[known], len(places)).tolist()
    seconds = state.minute.seconds(state.at)
    return {ref: RecentTraffic(asked[row], failed[row], seconds) for ref, row in places.items()}


def against_peers(state: DetectorState, pods: Iterable[PodRef]) -> Mapping[PodRef, tuple[RecentTraffic, RecentTraffic]]:
    """Each pod's own last minute and that of its siblings together; pods that are not judged are left out."""
    comparison = state.comparison
    requests, errors = state.minute.totals()
    if len(requests) != len(comparison.refs):
        return {}
    seconds = state.minute.seconds(state.at)
    found = {}
    for pod in pods:
        if (row := comparison.position.get(pod)) is None:
            continue
        peers = comparison.peers(int(comparison.service_of[row]))
        chosen = slice(peers.start, peers.stop)
        own = RecentTraffic(float(requests[row]), float(errors[row]), seconds)
        asked, failed = float(requests[chosen].sum()), float(errors[chosen].sum())
        found[pod] = (own, RecentTraffic(asked - own.requests, failed - own.errors, seconds))
    return found
