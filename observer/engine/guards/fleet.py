"""The last minute of all services, asked for once a tick however many guards want to know."""

from __future__ import annotations

from observer.domain.cluster import ClusterView
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.reasons import Reason
from observer.domain.suspect import CulpritKind, Judgement, ServiceHealth

CORRELATED = frozenset({Reason.CORRELATED_FAILURE, Reason.WORKLOAD_FAILING})
"""Suppressions that mean: everything behind the service is bad."""


class Fleet:
    """Remembers what it was asked; lives as long as the tick whose judgement it reads."""

    def __init__(self, judgement: Judgement) -> None:
        self._judgement = judgement
        self._desired: int | None = None
        self._health: dict[ServiceRef, ServiceHealth | None] = {}
        self._scopes: dict[str | None, tuple[frozenset[PodRef], int]] = {}

    def health(self, service: ServiceRef) -> ServiceHealth | None:
        """The service's last minute; None when nothing is known of it."""
        if service not in self._health:
            self._health[service] = self._judgement.services.get(service)
        return self._health[service]

    def desired(self, cluster: ClusterView) -> int:
        """Replicas that all workloads together ask for."""
        if self._desired is None:
            self._desired = sum(workload.desired for workload in cluster.workloads.values())
        return self._desired

    def scope(self, namespace: str | None) -> tuple[frozenset[PodRef], int]:
        """
        ``(bad pods, number of pods with traffic)`` of a namespace, None = everywhere.

        Bad are suspected pods and all pods behind a service that fails as a whole.
        """
        if namespace not in self._scopes:
            self._scopes[namespace] = self._count(namespace)
        return self._scopes[namespace]

    def _count(self, namespace: str | None) -> tuple[frozenset[PodRef], int]:
        failing = {one.service for one in self._judgement.suppressions if one.reason in CORRELATED}
        bad: set[PodRef] = set()
        judged: set[PodRef] = set()
        for service in self._judgement.services:
            health = self.health(service) if namespace in (None, service.namespace) else None
            if health is None:
                continue
            busy = {ref for ref, rate in health.rates.items() if rate > 0.0}
            judged |= busy
            if service in failing:
                bad |= busy
        for suspect in self._judgement.suspects:
            culprit = suspect.culprit
            inside = culprit.kind is CulpritKind.POD and namespace in (None, culprit.namespace)
            if inside and culprit.pod is not None:
                bad.add(culprit.pod)
        return frozenset(bad), len(judged | bad)
