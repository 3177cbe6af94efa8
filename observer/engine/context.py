"""What one tick sees: the snapshot, the judges' answer and the cluster, with suspects found by pod."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from observer.domain.cluster import ClusterView, Pod
from observer.domain.ids import PodRef
from observer.domain.incident import Incident
from observer.domain.snapshot import Snapshot
from observer.domain.suspect import Culprit, CulpritKind, Judgement, PodTally, Suspect
from observer.engine.attribution.attributor import Attributor
from observer.engine.attribution.membership import belongs
from observer.engine.guards.context import pods_of, serves
from observer.engine.guards.fleet import Fleet


@dataclass(frozen=True, slots=True, eq=False)
class TickContext:
    """
    ``by_culprit`` holds the strongest suspicion of each culprit, ``groups`` those of them that are no pod;
    ``attributor``
    answers who is to blame.
    """

    snapshot: Snapshot
    judgement: Judgement
    cluster: ClusterView
    by_culprit: Mapping[Culprit, Suspect]
    fleet: Fleet
    groups: tuple[Culprit, ...]
    attributor: Attributor

    @classmethod
    def of(cls, snapshot: Snapshot, judgement: Judgement, cluster: ClusterView) -> TickContext:
        found: dict[Culprit, Suspect] = {}
        for suspect in judgement.suspects:
            found.setdefault(suspect.culprit, suspect)
        groups = tuple(culprit for culprit in found if culprit.kind is not CulpritKind.POD)
        return cls(
            snapshot, judgement, cluster, found, Fleet(judgement), groups, Attributor(snapshot, judgement, cluster)
        )

    def pod(self, incident: Incident) -> Pod | None:
        """The incarnation that the incident is about, while it exists."""
        return self.cluster.pods.get(incident.culprit.pod) if incident.culprit.pod is not None else None

    def suspect(self, incident: Incident) -> Suspect | None:
        return self.by_culprit.get(incident.culprit)

    def tally(self, ref: PodRef | None) -> PodTally | None:
        return self.judgement.tallies.get(ref) if ref is not None else None

    def peers(self, pod: Pod) -> tuple[Pod, ...]:
        """Every other living pod behind the same service."""
        return pods_of(self.cluster, self.cluster.by_service.get(pod.service, ()), but=pod.ref)

    def serving_peers(self, pod: Pod) -> int:
        """How many other pods of its workload serve."""
        if pod.workload is None:
            return 0
        workload_peers = pods_of(self.cluster, self.cluster.by_workload.get(pod.workload, ()), but=pod.ref)
        return sum(1 for peer in workload_peers if serves(peer))

    def peer_counts(self, pod: Pod) -> tuple[float, float, tuple[float, ...]]:
        """``(requests, errors, slow by cut)`` of all siblings in this tick."""
        found = [tally for peer in self.peers(pod) if (tally := self.tally(peer.ref)) is not None]
        slow = tuple(sum(column) for column in zip(*(tally.bad_by_cut for tally in found), strict=False))
        return sum(t.requests for t in found), sum(t.errors for t in found), slow

    def group_named(self, pod: Pod) -> Culprit | None:
        """A suspected group that the pod belongs to: it explains the evidence better than the pod does."""
        return next((culprit for culprit in self.groups if belongs(pod, culprit, self.cluster)), None)
