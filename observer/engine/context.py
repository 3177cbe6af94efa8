"""What one tick goes by: the snapshot, the judges' answer and the cluster, and the rules that hold for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from observer.domain.cluster import ClusterView, Pod
from observer.domain.ids import PodRef, ServiceRef, WorkloadRef
from observer.domain.incident import Incident
from observer.domain.policy import NO_POLICIES, EffectivePolicies, EffectivePolicy
from observer.domain.reasons import Reason
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Snapshot
from observer.domain.suspect import Culprit, CulpritKind, Judgement, PodTally, ServiceHealth, Suspect, Tier
from observer.engine.attribution.attributor import Attributor, belongs

REQUIRED_SOURCES: Final = frozenset({"prometheus", "kubernetes", "control"})
"""Sources without which a tick cannot be judged. Without ``history`` those guards block that need it."""
CORRELATED: Final = frozenset({Reason.CORRELATED_FAILURE, Reason.WORKLOAD_FAILING})
"""Suppressions that mean: everything behind the service is bad."""


@dataclass(frozen=True, slots=True)
class Rules:
    """
    What was configured: the settings, and the effective policy of each workload.

    ``evidence_needed`` is the evidence score of each tier; empty where no text tells it.
    """

    settings: EngineSettings
    policies: EffectivePolicies = NO_POLICIES
    evidence_needed: Mapping[Tier, float] = field(default_factory=dict)
    _without_policy: EffectivePolicy = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_without_policy", EffectivePolicy.of(self.settings))

    def policy(self, subject: Incident | WorkloadRef | None) -> EffectivePolicy:
        """What holds for an incident's workload, or for a workload; the settings where no policy does."""
        workload = subject.workload if isinstance(subject, Incident) else subject
        if workload is None:
            return self._without_policy
        return self.policies.applied.get(workload, self._without_policy)


class Fleet:
    """The last minute of all services, worked out once a tick however many guards want to know."""

    def __init__(self, judgement: Judgement) -> None:
        self._judgement = judgement
        self._desired: int | None = None
        self._scopes: dict[str | None, tuple[frozenset[PodRef], int]] = {}

    def health(self, service: ServiceRef) -> ServiceHealth | None:
        """The service's last minute; None when nothing is known of it."""
        return self._judgement.services.get(service)

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
        failing = {entry.service for entry in self._judgement.suppressions if entry.reason in CORRELATED}
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


@dataclass(frozen=True, slots=True, eq=False)
class TickContext:
    """
    ``by_culprit`` holds the strongest suspicion of each culprit, ``groups`` those of them that are no pod;
    ``attributor`` answers which cause the evidence speaks for.
    """

    rules: Rules
    snapshot: Snapshot
    judgement: Judgement
    cluster: ClusterView
    by_culprit: Mapping[Culprit, Suspect]
    fleet: Fleet
    groups: tuple[Culprit, ...]
    attributor: Attributor

    @classmethod
    def of(cls, snapshot: Snapshot, judgement: Judgement, cluster: ClusterView, rules: Rules) -> TickContext:
        strongest: dict[Culprit, Suspect] = {}
        for suspect in judgement.suspects:
            strongest.setdefault(suspect.culprit, suspect)
        groups = tuple(culprit for culprit in strongest if culprit.kind is not CulpritKind.POD)
        attributor = Attributor(snapshot, judgement, cluster)
        return cls(rules, snapshot, judgement, cluster, strongest, Fleet(judgement), groups, attributor)

    def pod(self, incident: Incident) -> Pod | None:
        """The incarnation that the incident is about, while it exists."""
        return self.cluster.pods.get(incident.culprit.pod) if incident.culprit.pod is not None else None

    def suspect(self, incident: Incident) -> Suspect | None:
        return self.by_culprit.get(incident.culprit)

    def tally(self, ref: PodRef | None) -> PodTally | None:
        return self.judgement.tallies.get(ref) if ref is not None else None

    def peers(self, pod: Pod) -> tuple[Pod, ...]:
        """Every other living pod behind the same canonical service."""
        return pods_of(self.cluster, self.cluster.by_service.get(pod.service, ()), but=pod.ref)

    def serving_replicas(self, pod: Pod) -> int:
        """How many other pods of its workload serve."""
        if pod.workload is None:
            return 0
        replicas = pods_of(self.cluster, self.cluster.by_workload.get(pod.workload, ()), but=pod.ref)
        return sum(1 for replica in replicas if serves(replica))

    def peer_counts(self, pod: Pod) -> tuple[float, float, tuple[float, ...]]:
        """``(requests, errors, slow by cut)`` of all peers in this tick."""
        tallies = [tally for peer in self.peers(pod) if (tally := self.tally(peer.ref)) is not None]
        slow = tuple(sum(column) for column in zip(*(tally.bad_by_cut for tally in tallies), strict=False))
        return sum(t.requests for t in tallies), sum(t.errors for t in tallies), slow

    def group_named(self, pod: Pod) -> Culprit | None:
        """A suspected group that the pod belongs to: it explains the evidence better than the pod does."""
        return next((culprit for culprit in self.groups if belongs(pod, culprit, self.cluster)), None)


def pods_of(cluster: ClusterView, refs: tuple[PodRef, ...], *, but: PodRef | None = None) -> tuple[Pod, ...]:
    """The living pods among ``refs``; those being deleted are on their way out and do not count."""
    return tuple(pod for ref in refs if ref != but and (pod := cluster.pods.get(ref)) is not None and not pod.deleting)


def serves(pod: Pod) -> bool:
    """Ready and not drained, by whomever: what callers may reach."""
    return pod.ready and not pod.drained and not pod.deleting
