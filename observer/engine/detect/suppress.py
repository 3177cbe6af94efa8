"""
When nobody may be removed: the fault is not the pod's.

Many peers are sick at once; the whole service is; or its errors come from a service that it calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from observer.domain.counts import BoolArray
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.reasons import Reason
from observer.domain.settings import DetectionSettings
from observer.domain.suspect import Culprit, CulpritKind, Suppression
from observer.engine.detect.callers import CallerState
from observer.engine.detect.comparison_groups import ComparisonGroups

_PART = 0.5
"""A service inherits its errors when calls to failing services explain so large a part of them."""
_PATIENCE = 30.0
"""Seconds after which a failing service that inherits from no other is named itself."""
_FEW = 3.0
"""Fewer errors than this explain nothing."""


@dataclass(frozen=True, slots=True)
class FailingServices:
    """
    What is known of failing services.

    Attributes:
        failing: services that fail even without the pods and groups under suspicion.
        sick: the strongest suspect of each service that has one.
        calls: what callers saw and what failed at themselves.
    """

    failing: frozenset[ServiceRef]
    sick: Mapping[ServiceRef, Culprit]
    calls: CallerState


def correlated(comparison: ComparisonGroups, bad: BoolArray, settings: DetectionSettings) -> dict[ServiceRef, str]:
    """Services where more than ``bad_share`` of the peers, and at least two, are suspected; with the figures."""
    if not len(bad):
        return {}
    count = np.add.reduceat(bad.astype(np.int64), comparison.first[:-1])
    size = np.diff(comparison.first)
    chosen = np.flatnonzero((count >= 2) & (count > settings.bad_share * size))
    return {comparison.services[i]: f"{count[i]} of {size[i]} replicas are suspected" for i in chosen.tolist()}


def inherited(failing_services: FailingServices) -> dict[ServiceRef, Culprit]:
    """
    Services whose errors come from another, with the deepest one that they come from (its sick pod where it has
    one).
    """
    troubled = failing_services.failing | failing_services.sick.keys()
    sources: dict[ServiceRef, list[tuple[float, ServiceRef]]] = {}
    for (caller, called), calls in failing_services.calls.edges.items():
        if called in troubled and caller != called and calls.errors >= _FEW:
            sources.setdefault(caller, []).append((calls.errors, called))
    direct: dict[ServiceRef, ServiceRef] = {}
    for caller, answers in sources.items():
        if caller in failing_services.failing and sum(
            count for count, _ in answers
        ) >= _PART * failing_services.calls.own.get(caller, 0.0):
            direct[caller] = max(answers)[1]
    return {
        caller: _culprit_of(_deepest(caller, direct), failing_services)
        for caller in sorted(direct)
        if not _loops(caller, direct)
    }


def victims(failing_services: FailingServices, pods: Iterable[Culprit]) -> dict[PodRef, Culprit]:
    """
    Single pods most of whose errors are answers of a failing service, with whom they come from.

    It happens where calls stick to one pod or place. Calls that reached nobody stay the caller's own fault.
    """
    troubled = failing_services.failing | failing_services.sick.keys()
    passing_on: dict[PodRef, Culprit] = {}
    for culprit in pods:
        pod, service = culprit.pod, culprit.service
        if pod is None or failing_services.calls.pod_own.get(pod, 0.0) < _FEW:
            continue
        answers = [
            (calls.answered, called)
            for (caller, called), calls in failing_services.calls.pod_edges.items()
            if caller == pod and called in troubled and called != service
        ]
        if sum(count for count, _ in answers) >= _PART * failing_services.calls.pod_own[pod]:
            passing_on[pod] = _culprit_of(max(answers)[1], failing_services)
    return passing_on


def _deepest(service: ServiceRef, direct: Mapping[ServiceRef, ServiceRef]) -> ServiceRef:
    while service in direct:
        service = direct[service]
    return service


def _loops(service: ServiceRef, direct: Mapping[ServiceRef, ServiceRef]) -> bool:
    visited = {service}
    while service in direct:
        service = direct[service]
        if service in visited:
            return True
        visited.add(service)
    return False


def _culprit_of(service: ServiceRef, failing_services: FailingServices) -> Culprit:
    if service in failing_services.sick and service not in failing_services.failing:
        return failing_services.sick[service]
    return workload_culprit(service)


def workload_culprit(service: ServiceRef) -> Culprit:
    return Culprit(CulpritKind.WORKLOAD, service.namespace, service.name, service)


def suppressions(
    failing_services: FailingServices,
    crowded: Mapping[ServiceRef, str],
    at: float,
    since: Mapping[tuple[ServiceRef, Reason], float],
) -> tuple[Suppression, ...]:
    """One for each service and reason, sorted by service; the strongest explanation only."""
    result: list[Suppression] = []
    cause: Culprit | None
    victims = inherited(failing_services)
    for service in sorted(failing_services.failing | crowded.keys()):
        if service in victims:
            cause, reason = victims[service], Reason.INHERITED
            detail = f"its errors come from {cause}"
        elif service in crowded:
            cause, reason, detail = workload_culprit(service), Reason.CORRELATED_FAILURE, crowded[service]
        else:
            reason, detail = Reason.WORKLOAD_FAILING, "all replicas fail at the same unusual rate"
            cause = workload_culprit(service)
            # Whether it only passes on what it got is known when its own calls have been watched for a while.
            waited = at - since.get((service, reason), at) >= _PATIENCE
            if cause not in victims.values() and not waited:
                cause = None
        result.append(Suppression(service, reason, detail, cause, since.get((service, reason), at)))
    return tuple(result)
