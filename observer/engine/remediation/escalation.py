"""Chooses the next rung of an incident, asks every brake, and writes down what follows: an act, a hold, or a would."""

from __future__ import annotations

from dataclasses import replace

from observer import actions
from observer.domain import names
from observer.domain.action import Action, ActionKind, Mode
from observer.domain.cluster import Pod
from observer.domain.decision import Blocked, LedgerEntry
from observer.domain.incident import Incident, Phase
from observer.domain.reasons import GuardName, Reason
from observer.domain.suspect import CulpritKind, Symptom, Tier
from observer.engine.context import TickContext
from observer.engine.guards import ask
from observer.engine.guards.approval import plan
from observer.engine.guards.capacity import highest_healthy_rate
from observer.engine.guards.context import GuardContext
from observer.engine.messages import decisions
from observer.engine.remediation.attribute import advise, attribution_of
from observer.engine.remediation.decision_log import DecisionLog

RETURNED = 3.0
"""Nats that must come on top after a readmission: 20 to 1 that the errors are back, not one stray error."""


def choose(log: DecisionLog, context: TickContext, incident: Incident) -> None:
    """For a suspected or readmitted pod: the rung that its evidence asks for, if it asks for one."""
    suspect, pod = context.suspect(incident), context.pod(incident)
    if suspect is None or incident.culprit.kind is not CulpritKind.POD or incident.symptom is Symptom.UNREACHED:
        return
    first = actions.first_for(log.policy(incident).escalation.actions, incident, pod)
    if incident.phase is Phase.READMITTED:
        returned = incident.evidence_score >= log.baseline(incident).base + RETURNED
        if returned and incident.tier >= Tier.EVICT:
            attempt(log, context, incident, ActionKind.DRAIN, "errors_returned")
    elif first is not None and suspect.tier >= first.tier:
        reason = Reason.CANNOT_DRAIN if first.effect is actions.Effect.REPLACEMENT else Reason.SUSPICION
        attempt(log, context, incident, first.kind, reason)
    elif incident.blocked:
        log.put(replace(incident, blocked={}))


def attempt(log: DecisionLog, context: TickContext, incident: Incident, action_kind: ActionKind, reason: str) -> bool:
    """Ask all brakes; returns whether the act was decided."""
    pod = context.pod(incident)
    if pod is None:
        _held(
            log,
            incident,
            action_kind,
            (Blocked(GuardName.POD, Reason.POD_UNKNOWN, "Kubernetes does not know this pod"),),
        )
        return False
    guard_context = _guard_context(log, context, incident, pod, action_kind)
    if blocked_by := (*_group(context, pod), *ask(guard_context)):
        _held(log, incident, action_kind, blocked_by)
        if guard_context.attribution is not None and any(block.guard == GuardName.ATTRIBUTION for block in blocked_by):
            advise(log, log.incident(incident.id), pod, guard_context.attribution)
        return False
    policy = log.policy(incident)
    would = policy.mode is Mode.SHADOW
    text = decisions.acting(
        incident, action_kind, would=would, seconds=policy.escalation.drain_seconds, needs=log.needs
    )
    free = log.put(replace(incident, blocked={}))
    if would:
        log.would(free, action_kind, reason, text)
        return False
    if policy.mode is Mode.DRY_RUN and incident.attempts.get(action_kind, 0) > 0:
        return False
    action = log.action(
        free, action_kind, actions.of(action_kind).targets(free, pod), version=pod.resource_version, reason=reason
    )
    if action_kind in policy.approvals:
        action = replace(action, approval=plan(guard_context).hash)
    log.plan(planned(action, free, log.at))
    _remember(log, context, free, pod, action_kind)
    log.act(log.incident(free.id), action, reason, text, severity="warning")
    return True


def planned(action: Action, incident: Incident, at: float) -> LedgerEntry:
    """The ledger entry of an act before its outcome is known."""
    return LedgerEntry(
        action_id=action.id,
        at=at,
        action_kind=action.action_kind,
        incident=incident.id,
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
        at=log.at,
        action_kind=action_kind,
        incident=incident,
        pod=pod,
        workload=context.cluster.workloads.get(pod.workload) if pod.workload is not None else None,
        suspect=context.suspect(incident),
        snapshot=context.snapshot,
        cluster=context.cluster,
        judgement=context.judgement,
        memory=log.memory,
        settings=log.settings,
        policy=log.policy(incident),
        fleet=context.fleet,
        in_progress=log.in_progress(),
        planned=tuple(log.planned),
        attribution=attribution_of(incident, pod, context),
    )


def _group(context: TickContext, pod: Pod) -> tuple[Blocked, ...]:
    """A group around the pod explains the evidence better: the pod is a member, not the culprit."""
    named = context.group_named(pod)
    if named is None:
        return ()
    return (
        Blocked(
            GuardName.GROUP, Reason(f"{named.kind.value}_named"), f"{named} explains the evidence better than this pod"
        ),
    )


def _held(log: DecisionLog, incident: Incident, action_kind: ActionKind, blocked_by: tuple[Blocked, ...]) -> None:
    blocked = log.block(incident, action_kind, blocked_by, decisions.blocked(incident, action_kind, blocked_by))
    policy = log.policy(incident)
    if policy.mode is Mode.SHADOW or any(block.refused for block in blocked_by):
        return
    if all(block.reason == Reason.APPROVAL_NEEDED for block in blocked_by):
        text = f"Everything but a person's word speaks for it: {blocked_by[0].detail}."
        log.tell_once(blocked, "page", f"approval_needed_{action_kind.value}", text, severity="page")
        return
    longest = log.at - min(blocked.blocked.values())
    if longest >= policy.guards.blocked_max:
        reasons = ", ".join(sorted(blocked.blocked))
        text = f"{incident.culprit.name} has been held for {longest / 60:.0f} min and still hurts users: {reasons}."
        log.tell_once(blocked, "page", "blocked_too_long", text, severity="page")


def _remember(log: DecisionLog, context: TickContext, incident: Incident, pod: Pod, action_kind: ActionKind) -> None:
    """What floor check and verification will compare with."""
    workload = context.cluster.workloads.get(pod.workload) if pod.workload is not None else None
    if action_kind is ActionKind.DRAIN:
        log.put_baseline(
            incident,
            replace(
                log.baseline(incident),
                serving=context.serving_peers(pod),
                desired=workload.desired if workload is not None else -1,
                peak=highest_healthy_rate(context.snapshot, log.memory, pod),
                labelled=False,
                own_requests=0.0,
                own_expected=0.0,
            ),
        )
    elif pod.workload is not None:
        known = tuple(sorted(ref.uid for ref in context.cluster.by_workload.get(pod.workload, ())))
        log.put(replace(incident, known_pods=known))
