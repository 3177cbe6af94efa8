"""What waits for a person's word: the acts that the policy wants approved and that the evidence asks for."""

from __future__ import annotations

from observer.domain.action import Action, Mode, Rung
from observer.domain.approval import Plan, plan_of
from observer.domain.cluster import ClusterView
from observer.domain.decision import Verdict
from observer.domain.incident import Incident
from observer.domain.policy import UNRULED, PolicyBook
from observer.domain.settings import EngineSettings
from observer.engine.memory import DRAIN_PHASES, Memory

NEEDED = "approval_needed"
"""The reason of the hold that only a person lifts."""


def waiting(
    memory: Memory, cluster: ClusterView | None, settings: EngineSettings, book: PolicyBook = UNRULED
) -> tuple[Plan, ...]:
    """Plans that the last tick held for want of a person's word, oldest incident first."""
    found = (_wanted(one, memory, cluster, settings, book) for one in memory.open_incidents())
    return tuple(plan for plan in found if plan is not None)


def undoable(incident: Incident, *, term: int = 0) -> Action | None:
    """The act that gives the incident's pod back; None while nothing of ours is on it."""
    if incident.phase not in DRAIN_PHASES or incident.culprit.pod is None:
        return None
    attempt = incident.attempts.get(Rung.RESTORE, 0)
    return Action(Rung.RESTORE, incident.id, incident.culprit.pod, attempt, term=term, reason="person")


def _wanted(
    incident: Incident, memory: Memory, cluster: ClusterView | None, settings: EngineSettings, book: PolicyBook
) -> Plan | None:
    pod = incident.culprit.pod
    if NEEDED not in incident.held or pod is None or cluster is None or pod not in cluster.pods:
        return None
    verdict, *rest = memory.told.get((incident.id, "step"), ("",))
    if verdict != Verdict.HOLD.value or not rest:
        return None
    rung, policy = Rung(rest[0]), book.of(incident.workload, settings)
    attempt = incident.attempts.get(rung, 0)
    action = Action(rung, incident.id, pod, attempt, dry_run=policy.mode is Mode.DRY_RUN)
    return plan_of(action, seconds=policy.ladder.drain_seconds)
