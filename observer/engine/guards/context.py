"""All that a guard may look at."""

from __future__ import annotations

from dataclasses import dataclass

from observer import actions
from observer.domain.action import ActionKind
from observer.domain.attribution import Attribution
from observer.domain.cluster import ClusterView, Pod, Workload
from observer.domain.decision import LedgerEntry
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.incident import Incident
from observer.domain.policy import EffectivePolicy
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Control, Snapshot
from observer.domain.suspect import Judgement, Suspect
from observer.engine.context import Fleet, TickContext
from observer.engine.ledger import counts
from observer.engine.memory import Memory


@dataclass(frozen=True, slots=True, eq=False)
class GuardContext:
    """
    One pod and one action in the context of one tick.

    ``memory`` holds the incidents and the ledger as they stand within this tick, ``planned`` the acts that were
    already decided in it. ``in_progress`` are the open incidents in which something was done or is planned and not
    finished. ``suspect`` is today's suspicion, None while the pod is drained and silent. ``policy`` is the workload's;
    ``settings`` hold for the whole cluster. ``attribution`` is the incident's, None when nobody was asked.
    """

    tick: TickContext
    action_kind: ActionKind
    incident: Incident
    pod: Pod
    workload: Workload | None
    suspect: Suspect | None
    memory: Memory
    policy: EffectivePolicy
    in_progress: tuple[Incident, ...] = ()
    planned: tuple[LedgerEntry, ...] = ()
    attribution: Attribution | None = None

    @property
    def at(self) -> float:
        """Instant of the tick, Unix seconds."""
        return self.tick.snapshot.at

    @property
    def snapshot(self) -> Snapshot:
        return self.tick.snapshot

    @property
    def control(self) -> Control:
        return self.tick.snapshot.control

    @property
    def cluster(self) -> ClusterView:
        return self.tick.cluster

    @property
    def judgement(self) -> Judgement:
        return self.tick.judgement

    @property
    def settings(self) -> EngineSettings:
        return self.tick.rules.settings

    @property
    def fleet(self) -> Fleet:
        return self.tick.fleet

    @property
    def owner(self) -> str:
        """Name of the pod's workload, else its own, for people."""
        return self.pod.workload.name if self.pod.workload is not None else self.pod.ref.name

    @property
    def drained(self) -> bool:
        """The pod carries our label already, so its load has moved and its share of the floor is spent."""
        return self.pod.drained_by_us

    def others_in_progress(self) -> tuple[Incident, ...]:
        """Other incidents in which something was done and is not finished, this tick's plans included."""
        return tuple(other for other in self.in_progress if other.id != self.incident.id)

    def acts(self, since: float) -> tuple[LedgerEntry, ...]:
        """Harmful actions that weigh on the budgets, later than ``since``, this tick's plans included."""
        return tuple(
            entry
            for entry in (*self.memory.ledger, *self.planned)
            if actions.harmful(entry.action_kind) and entry.at > since and counts(entry)
        )

    def peers(self) -> tuple[Pod, ...]:
        """Every other living pod behind the same canonical service."""
        return self.tick.peers(self.pod)

    def health_of(self, service: ServiceRef) -> frozenset[PodRef]:
        """Pods of the service that serve healthily by the metrics; empty when nothing is known."""
        health = self.fleet.health(service)
        return health.healthy if health is not None else frozenset()
