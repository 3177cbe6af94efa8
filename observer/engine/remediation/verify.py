"""Did the replacement help? The same symptom, on the replacement, with enough requests."""

from __future__ import annotations

import math
from dataclasses import replace

from observer.domain.cluster import ClusterView, Pod
from observer.domain.incident import Check, Incident
from observer.domain.outcome import Verification
from observer.domain.settings import EscalationSettings
from observer.domain.suspect import PodTally
from observer.engine.remediation.drain_experiment import bad_of, floor_rate, kullback

CREATION_SLACK = 2.0
"""Seconds: creation times are whole seconds of another clock."""


def start_deadline(evicted: float, usual_start: float | None, settings: EscalationSettings) -> float:
    """When a replacement that is not Ready counts as worse, Unix seconds."""
    usual = usual_start if usual_start is not None and usual_start > 0.0 else settings.default_start
    return evicted + settings.start_factor * usual


def replacement(incident: Incident, cluster: ClusterView, evicted: float) -> Pod | None:
    """The pod that took the culprit's place: of the same workload and not there when the eviction was decided."""
    if incident.workload is None:
        return None
    candidates = [
        pod
        for ref in cluster.by_workload.get(incident.workload, ())
        if (pod := cluster.pods.get(ref)) is not None
        and pod.ref.uid not in incident.known_pods
        and pod.ref != incident.culprit.pod
        and pod.created >= evicted - CREATION_SLACK
        and not pod.deleting
    ]
    return min(candidates, key=lambda pod: (not pod.ready, pod.created, pod.ref), default=None)


def observe(check: Check, incident: Incident, tally: PodTally, settings: EscalationSettings) -> Check:
    """The verification after one more tick of the replacement's own counts."""
    requests = check.requests + tally.requests
    bad = check.bad + bad_of(tally, incident.cut)
    good = min(floor_rate(incident.p0, incident.requests, incident.share), incident.p1 / 2.0)
    p1, p0 = _inside(incident.p1), _inside(good)
    odds = bad * math.log(p0 / p1) + (requests - bad) * math.log((1.0 - p0) / (1.0 - p1))
    counted = replace(check, requests=requests, bad=bad, log_odds=odds)
    return replace(counted, verdict=judge(counted, incident, settings))


def judge(check: Check, incident: Incident, settings: EscalationSettings) -> Verification:
    """The verdict on what was counted so far; ``PENDING`` while there is too little."""
    bound = math.log(settings.verify_odds)
    if check.requests < settings.verify_requests:
        return Verification.PENDING
    rate = min(check.bad / check.requests, 1.0)
    if rate > incident.p1 and check.requests * kullback(rate, _inside(incident.p1)) >= bound:
        return Verification.WORSE
    if check.log_odds >= bound:
        return Verification.FIXED
    if check.log_odds <= -bound:
        return Verification.NO_CHANGE
    return Verification.PENDING


def _inside(rate: float) -> float:
    return min(max(rate, 1e-6), 1.0 - 1e-6)
