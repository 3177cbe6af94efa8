"""All that a brake may look at, and what a brake is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from observer.domain.action import ActionKind
from observer.domain.attribution import Attribution
from observer.domain.cluster import ClusterView, Pod, Workload
from observer.domain.decision import Allowed, Blocked, LedgerEntry
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.incident import Incident
from observer.domain.policy import EffectivePolicy
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Control, Snapshot
from observer.domain.suspect import Judgement, Suspect
from observer.engine.context import Fleet, pods_of
from observer.engine.memory import Memory, counts


@dataclass(frozen=True, slots=True, eq=False)
class GuardContext:
    """
    One pod, one rung, one tick.

    ``memory`` holds the incidents and the ledger as they stand within this tick, ``planned`` the acts that were
    already decided in it. ``in_progress`` are the open incidents in which something was done or is planned and not
    finished. ``suspect`` is today's suspicion, None while the pod is drained and silent. ``policy`` is the workload's;
    ``settings`` hold for the whole cluster. ``attribution`` is the incident's, None when nobody was asked.
    """

    at: float
    action_kind: ActionKind
    incident: Incident
    pod: Pod
    workload: Workload | None
    suspect: Suspect | None
    snapshot: Snapshot
    cluster: ClusterView
    judgement: Judgement
    memory: Memory
    settings: EngineSettings
    policy: EffectivePolicy
    fleet: Fleet
    in_progress: tuple[Incident, ...] = ()
    planned: tuple[LedgerEntry, ...] = ()
    attribution: Attribution | None = None

    @property
    def control(self) -> Control:
        return self.snapshot.control

    @property
    def drained(self) -> bool:
        """The pod carries our label already, so its load has moved and its share of the floor is spent."""
        return self.pod.drained_by_us

    def others_in_progress(self) -> tuple[Incident, ...]:
        """Other incidents in which something was done and is not finished, this tick's plans included."""
        return tuple(other for other in self.in_progress if other.id != self.incident.id)

    def acts(self, since: float) -> tuple[LedgerEntry, ...]:
        """Acts that do harm and weigh on the budgets, later than ``since``, this tick's plans included."""
        return tuple(
            entry
            for entry in (*self.memory.ledger, *self.planned)
            if entry.action_kind in (ActionKind.DRAIN, ActionKind.EVICT) and entry.at > since and counts(entry)
        )

    def peers(self) -> tuple[Pod, ...]:
        """Every other living pod behind the same canonical service."""
        return pods_of(self.cluster, self.cluster.by_service.get(self.pod.service, ()), but=self.pod.ref)

    def health_of(self, service: ServiceRef) -> frozenset[PodRef]:
        """Pods of the service that serve healthily by the metrics; empty when nothing is known."""
        health = self.fleet.health(service)
        return health.healthy if health is not None else frozenset()


Guard = Callable[[GuardContext], Allowed | Blocked]
