"""How the evidence of an incident went from tick to tick: kept in memory, bounded, for the plots of its page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from observer.domain.counts import FloatArray, SeriesHistory
from observer.domain.incident import Incident
from observer.domain.suspect import Symptom
from observer.engine.detect.lately import RecentTraffic, against_peers
from observer.runtime.status import TickResult

MOST_INCIDENTS: Final = 200
MOST_POINTS: Final = 600
"""An incident that lasts longer is kept in coarser steps, its newest part as it is."""
SMOOTH_SECONDS: Final = 60.0


class Point(Struct, frozen=True):
    """
    One instant: evidence in nats, bad rates 0..1 of the pod and of its siblings, requests a second of the pod and of
    the mean sibling. Null = not known then.
    """

    at: float
    evidence_score: float | None = None
    own: float | None = None
    peers: float | None = None
    own_requests: float | None = None
    peer_requests: float | None = None


class EvidenceHistory:
    """Points of every incident that was open since this process began."""

    def __init__(self) -> None:
        self._points: dict[str, list[Point]] = {}
        self._begun: set[str] = set()

    def of(self, incident: str) -> Sequence[Point]:
        """Oldest first; empty for an incident that this process has not seen open."""
        return tuple(self._points.get(incident, ()))

    def note(self, seen: TickResult, incidents: Iterable[Incident]) -> None:
        """Take one tick in."""
        judged = [one.culprit.pod for one in incidents if one.culprit.pod is not None]
        lately = against_peers(seen.memory.detector, judged) if seen.memory.complete else {}
        for one in incidents:
            points = self._points.setdefault(one.id, [])
            if one.id not in self._begun and (past := _before(one, seen, points)):
                self._begun.add(one.id)
                points[:0] = past
            pod = one.culprit.pod
            workload_peers = max(len(seen.memory.detector.comparison.refs) and _workload_peers(one, seen), 1)
            points.append(_point(one, seen.at, lately.get(pod) if pod is not None else None, workload_peers))
            if len(points) > MOST_POINTS:
                half = len(points) // 2
                points[:half] = points[:half:2]
        while len(self._points) > MOST_INCIDENTS:
            oldest = next(iter(self._points))
            del self._points[oldest]
            self._begun.discard(oldest)


def _workload_peers(one: Incident, seen: TickResult) -> int:
    view = seen.snapshot.cluster
    members = view.by_service.get(one.service, ()) if view is not None and one.service is not None else ()
    return len(members) - 1


def _point(one: Incident, at: float, lately: tuple[RecentTraffic, RecentTraffic] | None, workload_peers: int) -> Point:
    if lately is None:
        return Point(at, evidence_score=one.evidence_score)
    own, others = lately
    errors = one.symptom is Symptom.ERRORS
    return Point(
        at,
        evidence_score=one.evidence_score,
        own=(own.error_rate if own.requests else None) if errors else one.p1,
        peers=(others.error_rate if others.requests else None) if errors else one.p0,
        own_requests=own.rate,
        peer_requests=others.rate / workload_peers,
    )


def _before(one: Incident, seen: TickResult, known: Sequence[Point]) -> list[Point]:
    """The minutes before, from the answer to the second question; empty where there is none or it counts no errors."""
    found = seen.snapshot.rechecks.get(one.service, ()) if one.service is not None else ()
    pod = one.culprit.pod
    if pod is None or one.symptom is not Symptom.ERRORS or not found:
        return []
    times = max((series.times for series in found), key=len)
    if len(times) < 3:
        return []
    own = _summed((series for series in found if series.pod == pod.key), times)
    others = _summed((series for series in found if series.pod != pod.key), times)
    pods = max(len({series.pod for series in found}) - 1, 1)
    steps = max(round(SMOOTH_SECONDS / float(np.median(np.diff(times)))), 1)
    return [
        Point(
            float(times[i]),
            own=_share(own[i] - own[i - steps]),
            peers=_share(others[i] - others[i - steps]),
            own_requests=_rate(own[i] - own[i - steps], times[i] - times[i - steps]),
            peer_requests=_rate(others[i] - others[i - steps], times[i] - times[i - steps]) / pods,
        )
        for i in range(steps, len(times))
        if times[i] < (known[0].at if known else seen.at)
    ]


def _summed(series: Iterable[SeriesHistory], times: FloatArray) -> FloatArray:
    """Requests and errors so far at ``times``, shape (T, 2); a counter that went back goes on from where it was."""
    total = np.zeros((len(times), 2))
    for one in series:
        for column in (0, 1):
            values = one.requests[:, column]
            known = ~np.isnan(values)
            if known.sum() < 2:
                continue
            grown = np.concatenate([[0.0], np.cumsum(np.maximum(np.diff(values[known]), 0.0))])
            total[:, column] += np.interp(times, one.times[known], grown)
    total[:, 0] += total[:, 1]
    return total


def _share(counts: FloatArray) -> float | None:
    return float(counts[1] / counts[0]) if counts[0] > 0.0 else None


def _rate(counts: FloatArray, seconds: float) -> float:
    return float(counts[0] / seconds) if seconds > 0.0 else 0.0
