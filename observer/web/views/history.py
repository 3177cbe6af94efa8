"""How the evidence of an incident went from tick to tick: kept in memory, bounded, for the plots of its page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from observer.domain.counts import FloatArray, SeriesHistory
from observer.domain.incident import Incident
from observer.domain.suspect import Symptom
from observer.engine.detect.last_minute import RecentTraffic, against_peers
from observer.runtime.status import TickResult
from observer.web.models.incident import Point

MOST_INCIDENTS: Final = 200
MOST_POINTS: Final = 600
"""An incident that lasts longer is kept in coarser steps, its newest part as it is."""
SMOOTH_SECONDS: Final = 60.0


class EvidenceHistory:
    """Points of every incident that was open since this process began."""

    def __init__(self) -> None:
        self._points: dict[str, list[Point]] = {}
        self._begun: set[str] = set()

    def of(self, incident: str) -> Sequence[Point]:
        """Oldest first; empty for an incident that this process has not seen open."""
        return tuple(self._points.get(incident, ()))

    def record(self, tick: TickResult, incidents: Iterable[Incident]) -> None:
        """Take one tick in."""
        detector = tick.memory.detector
        judged = [incident.culprit.pod for incident in incidents if incident.culprit.pod is not None]
        recent = (
            against_peers(detector.comparison, detector.minute, detector.at, judged) if tick.memory.complete else {}
        )
        for incident in incidents:
            points = self._points.setdefault(incident.id, [])
            if incident.id not in self._begun and (past := _before(incident, tick, points)):
                self._begun.add(incident.id)
                points[:0] = past
            pod = incident.culprit.pod
            peers = max(len(detector.comparison.refs) and _peers(incident, tick), 1)
            points.append(_point(incident, tick.at, recent.get(pod) if pod is not None else None, peers))
            if len(points) > MOST_POINTS:
                half = len(points) // 2
                points[:half] = points[:half:2]
        while len(self._points) > MOST_INCIDENTS:
            oldest = next(iter(self._points))
            del self._points[oldest]
            self._begun.discard(oldest)


def _peers(incident: Incident, tick: TickResult) -> int:
    view, service = tick.snapshot.cluster, incident.service
    members = view.by_service.get(service, ()) if view is not None and service is not None else ()
    return len(members) - 1


def _point(incident: Incident, at: float, recent: tuple[RecentTraffic, RecentTraffic] | None, peers: int) -> Point:
    if recent is None:
        return Point(at, evidence_score=incident.evidence_score)
    own, others = recent
    errors = incident.symptom is Symptom.ERRORS
    return Point(
        at,
        evidence_score=incident.evidence_score,
        own=(own.error_rate if own.requests else None) if errors else incident.p1,
        peers=(others.error_rate if others.requests else None) if errors else incident.p0,
        own_requests=own.rate,
        peer_requests=others.rate / peers,
    )


def _before(incident: Incident, tick: TickResult, points: Sequence[Point]) -> list[Point]:
    """The minutes before, from the answer to the second question; empty where there is none or it counts no errors."""
    recheck = tick.snapshot.rechecks.get(incident.service, ()) if incident.service is not None else ()
    pod = incident.culprit.pod
    if pod is None or incident.symptom is not Symptom.ERRORS or not recheck:
        return []
    times = max((series.times for series in recheck), key=len)
    if len(times) < 3:
        return []
    own = _summed((series for series in recheck if series.pod == pod.key), times)
    others = _summed((series for series in recheck if series.pod != pod.key), times)
    pods = max(len({series.pod for series in recheck}) - 1, 1)
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
        if times[i] < (points[0].at if points else tick.at)
    ]


def _summed(histories: Iterable[SeriesHistory], times: FloatArray) -> FloatArray:
    """Requests and errors so far at ``times``, shape (T, 2); a counter that went back goes on from where it was."""
    total = np.zeros((len(times), 2))
    for history in histories:
        for column in (0, 1):
            values = history.requests[:, column]
            finite = ~np.isnan(values)
            if finite.sum() < 2:
                continue
            grown = np.concatenate([[0.0], np.cumsum(np.maximum(np.diff(values[finite]), 0.0))])
            total[:, column] += np.interp(times, history.times[finite], grown)
    total[:, 0] += total[:, 1]
    return total


def _share(counts: FloatArray) -> float | None:
    return float(counts[1] / counts[0]) if counts[0] > 0.0 else None


def _rate(counts: FloatArray, seconds: float) -> float:
    return float(counts[0] / seconds) if seconds > 0.0 else 0.0
