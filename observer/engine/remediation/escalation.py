"""Chooses the next action of an incident, asks every guard, and writes down what follows: act, block, or would."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from observer import actions
from observer.domain import names
from observer.domain.action import Action, ActionKind, Mode
from observer.domain.cluster import Pod
from observer.domain.decision import Blocked, LedgerEntry
from observer.domain.incident import Incident, Phase
from observer.domain.kinds import Kind
from observer.domain.reasons import GuardName, Reason
from observer.domain.severities import Severity
from observer.domain.suspect import CulpritKind, Symptom, Tier
from observer.engine.context import TickContext
from observer.engine.guards.approval import plan
from observer.engine.guards.capacity import highest_healthy_rate
from observer.engine.guards.context import GuardContext
from observer.engine.guards.order import ask
from observer.engine.messages import decisions as say
from observer.engine.remediation.attribute import advise, attribution_of
from observer.engine.remediation.decision_log import DecisionLog

RETURNED: Final = 3.0
"""Evidence that must come on top after a readmission: 20 to 1 that the errors are back, not one stray error."""


def choose(log: DecisionLog, context: TickContext, incident: Incident) -> DecisionLog:
    """For a suspected or readmitted pod: the action that its evidence asks for, if it asks for one."""
    suspect, pod = context.suspect(incident), context.pod(incident)
    if suspect is None or incident.culprit.kind is not CulpritKind.POD or incident.symptom is Symptom.UNREACHED:
        return log
    first = actions.first_for(log.policy(incident).escalation.actions, incident, pod)
    if incident.phase is Phase.READMITTED:
        returned = incident.evidence_score >= log.baseline(incident).base + RETURNED
        if returned and incident.tier >= Tier.EVICT:
            return attempt(log, context, incident, ActionKind.DRAIN, Reason.ERRORS_RETURNED)
    elif first is not None and suspect.tier >= first.tier:
        reason = Reason.CANNOT_DRAIN if first.effect is actions.Effect.REPLACEMENT else Reason.SUSPICION
        return attempt(log, context, incident, first.kind, reason)
    elif incident.blocked:
        return log.put(replace(incident, blocked={}))
    return log


def attempt(
    log: DecisionLog, context: TickContext, incident: Incident, action_kind: ActionKind, reason: str
) -> DecisionLog:
    """Ask all guards; the act is planned when none blocks it."""
    pod = context.pod(incident)
    if pod is None:
        unknown = Blocked(GuardName.POD, Reason.POD_UNKNOWN, "Kubernetes does not know this pod")
        return _blocked(log, incident, action_kind, (unknown,))
    guard_context = _guard_context(log, context, incident, pod, action_kind)
    if blocked_by := (*_group(context, pod), *ask(guard_context)):
        log = _blocked(log, incident, action_kind, blocked_by)
        attribution = guard_context.attribution
        if attribution is not None and any(answer.guard == GuardName.ATTRIBUTION for answer in blocked_by):
            log = advise(log, log.incident(incident.id), pod, attribution)
        return log
    policy = log.policy(incident)
    would = policy.mode is Mode.SHADOW
    text = say.acting(
        incident, action_kind, would=would, seconds=policy.escalation.drain_seconds, needs=log.rules.evidence_needed
    )
    free = replace(incident, blocked={})
    log = log.put(free)
    if would:
        return log.would(free, action_kind, reason, text)
    if policy.mode is Mode.DRY_RUN and incident.attempts.get(action_kind, 0) > 0:
        return log
    target = actions.of(action_kind).targets(free, pod)
    action = log.action(free, action_kind, target, version=pod.resource_version, reason=reason)
    if action_kind in policy.approvals:
        action = replace(action, approval=plan(guard_context).hash)
    log = _remember(log.plan(ledger_entry(action, free, log.at)), context, free, pod, action_kind)
    return log.act(log.incident(free.id), action, reason, text, severity=Severity.WARNING)


def ledger_entry(action: Action, incident: Incident | None, at: float) -> LedgerEntry:
    """The entry of an act in the budget ledger before its outcome is known; ``incident`` None = its own is unknown."""
    if incident is None:
        kind = action.action_kind
        return LedgerEntry(action.id, at, kind, action.incident, action.target, None, None, "pod", "", "", "")
    return LedgerEntry(
        action_id=action.id,
        at=at,
        action_kind=action.action_kind,
        incident=action.incident,
        target=action.target,
        workload=incident.workload,
        service=incident.service,
        culprit_kind=incident.culprit.kind.value,
        symptom=incident.symptom.value,
        node=incident.node,
        revision=incident.revision,
    )


def wants_human(log: DecisionLog, context: TickContext, incident: Incident) -> bool:
    """Settings or the workload ask to keep a drained culprit for a person."""
    workload = context.cluster.workloads.get(incident.workload) if incident.workload is not None else None
    asked = workload is not None and workload.annotations.get(names.HOLD_FOR_HUMAN) == "true"
    return asked or log.policy(incident).escalation.hold_for_human


def _guard_context(
    log: DecisionLog, context: TickContext, incident: Incident, pod: Pod, action_kind: ActionKind
) -> GuardContext:
    return GuardContext(
        tick=context,
        action_kind=action_kind,
        incident=incident,
        pod=pod,
        workload=context.cluster.workloads.get(pod.workload) if pod.workload is not None else None,
        suspect=context.suspect(incident),
        memory=log.memory,
        policy=log.policy(incident),
        in_progress=log.in_progress(),
        planned=log.planned,
        attribution=attribution_of(incident, pod, context),
    )


def _group(context: TickContext, pod: Pod) -> tuple[Blocked, ...]:
    """A group around the pod explains the evidence better: the pod is a member, not the culprit."""
    named = context.group_named(pod)
    if named is None:
        return ()
    reason = Reason(f"{named.kind.value}_named")
    return (Blocked(GuardName.GROUP, reason, f"{named} explains the evidence better than this pod"),)


def _blocked(
    log: DecisionLog, incident: Incident, action_kind: ActionKind, blocked_by: tuple[Blocked, ...]
) -> DecisionLog:
    log = log.block(incident, action_kind, blocked_by, say.blocked(incident, action_kind, blocked_by))
    policy, standing = log.policy(incident), log.incident(incident.id)
    if policy.mode is Mode.SHADOW or any(answer.refused for answer in blocked_by):
        return log
    if all(answer.reason == Reason.APPROVAL_NEEDED for answer in blocked_by):
        text = say.approval(incident.culprit.name, action_kind, blocked_by[0].detail)
        return log.publish_once(
            standing, Kind.PAGE, f"approval_needed_{action_kind.value}", text, severity=Severity.PAGE
        )
    longest = log.at - min(standing.blocked.values())
    if longest < policy.guards.blocked_max:
        return log
    text = say.blocked_too_long(incident.culprit.name, longest, sorted(standing.blocked))
    return log.publish_once(standing, Kind.PAGE, Reason.BLOCKED_TOO_LONG, text, severity=Severity.PAGE)


def _remember(
    log: DecisionLog, context: TickContext, incident: Incident, pod: Pod, action_kind: ActionKind
) -> DecisionLog:
    """What floor check and verification will compare with."""
    if actions.has_effect(action_kind, actions.Effect.EXPERIMENT):
        workload = context.cluster.workloads.get(pod.workload) if pod.workload is not None else None
        baseline = replace(
            log.baseline(incident),
            serving=context.serving_replicas(pod),
            desired=workload.desired if workload is not None else -1,
            peak=highest_healthy_rate(context.snapshot, log.memory, pod),
            labelled=False,
            own_requests=0.0,
            own_expected=0.0,
        )
        return log.put_baseline(incident, baseline)
    if pod.workload is None:
        return log
    uids = tuple(sorted(ref.uid for ref in context.cluster.by_workload.get(pod.workload, ())))
    return log.put(replace(incident, known_pods=uids))
