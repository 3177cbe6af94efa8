"""What waits for a person's word: the acts that the policy wants approved and that the evidence asks for."""

from __future__ import annotations

from observer.domain.action import Action, ActionKind, Mode
from observer.domain.approval import Plan, plan_of
from observer.domain.cluster import ClusterView
from observer.domain.decision import Verdict
from observer.domain.incident import Incident
from observer.domain.policy import NO_POLICIES, EffectivePolicies
from observer.domain.settings import EngineSettings
from observer.engine.memory import DRAIN_PHASES, Memory

NEEDED = "approval_needed"
"""The reason of the hold that only a person lifts."""


def waiting(
    memory: Memory, cluster: ClusterView | None, settings: EngineSettings, policies: EffectivePolicies = NO_POLICIES
) -> tuple[Plan, ...]:
    """Plans that the last tick held for want of a person's word, oldest incident first."""
    plans = (_wanted(incident, memory, cluster, settings, policies) for incident in memory.open_incidents())
    return tuple(plan for plan in plans if plan is not None)


def restore_action(incident: Incident, *, term: int = 0) -> Action | None:
    """The act that gives the incident's pod back; None while nothing of ours is on it."""
    if incident.phase not in DRAIN_PHASES or incident.culprit.pod is None:
        return None
    attempt = incident.attempts.get(ActionKind.RESTORE, 0)
    return Action(ActionKind.RESTORE, incident.id, incident.culprit.pod, attempt, term=term, reason="person")


def _wanted(
    incident: Incident,
    memory: Memory,
    cluster: ClusterView | None,
    settings: EngineSettings,
    policies: EffectivePolicies,
) -> Plan | None:
    pod = incident.culprit.pod
    if NEEDED not in incident.blocked or pod is None or cluster is None or pod not in cluster.pods:
        return None
    verdict, *rest = memory.told.get((incident.id, "step"), ("",))
    if verdict != Verdict.BLOCKED.value or not rest:
        return None
    action_kind, policy = ActionKind(rest[0]), policies.of(incident.workload, settings)
    attempt = incident.attempts.get(action_kind, 0)
    action = Action(action_kind, incident.id, pod, attempt, dry_run=policy.mode is Mode.DRY_RUN)
    return plan_of(action, seconds=policy.escalation.drain_seconds)
