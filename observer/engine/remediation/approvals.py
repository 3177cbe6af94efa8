"""What waits for a person's word: the acts that the policy wants approved and that the evidence asks for."""

from __future__ import annotations

from observer import actions
from observer.domain.action import Action, ActionKind, Mode
from observer.domain.approval import Plan
from observer.domain.cluster import ClusterView
from observer.domain.decision import Verdict
from observer.domain.ids import Target
from observer.domain.incident import Incident
from observer.domain.policy import NO_POLICIES, EffectivePolicies
from observer.domain.reasons import Reason
from observer.domain.settings import EngineSettings
from observer.engine.memory import DRAIN_PHASES, Memory

NEEDED = Reason.APPROVAL_NEEDED
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
    return Action(ActionKind.RESTORE, incident.id, Target.of(incident.culprit.pod), attempt, term=term, reason="person")


def _wanted(
    incident: Incident,
    memory: Memory,
    cluster: ClusterView | None,
    settings: EngineSettings,
    policies: EffectivePolicies,
) -> Plan | None:
    ref = incident.culprit.pod
    pod = cluster.pods.get(ref) if cluster is not None and ref is not None else None
    if NEEDED not in incident.blocked or pod is None:
        return None
    verdict, *rest = memory.published.get((incident.id, "step"), ("",))
    if verdict != Verdict.BLOCKED.value or not rest:
        return None
    action_kind, policy = ActionKind(rest[0]), policies.of(incident.workload, settings)
    attempt = incident.attempts.get(action_kind, 0)
    target = actions.of(action_kind).targets(incident, pod)
    action = Action(action_kind, incident.id, target, attempt, dry_run=policy.mode is Mode.DRY_RUN)
    return actions.plan_of(action, seconds=policy.escalation.drain_seconds)
