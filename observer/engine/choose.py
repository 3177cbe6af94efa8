"""Chooses the next rung of an incident, asks every brake, and writes down what follows: an act, a hold, or a would."""

from __future__ import annotations

from dataclasses import replace

from observer.domain import names
from observer.domain.action import Action, Mode, Rung
from observer.domain.cluster import Pod
from observer.domain.decision import Hold, LedgerEntry
from observer.domain.incident import Incident, Phase
from observer.domain.suspect import CulpritKind, Symptom, Tier
from observer.engine import explain
from observer.engine.guards import ask
from observer.engine.guards.capacity import highest_healthy_rate
from observer.engine.guards.rules import plan
from observer.engine.guards.situation import Situation
from observer.engine.inquest import advise, blame_of
from observer.engine.sight import Sight
from observer.engine.turn import Turn

RETURNED = 3.0
"""Nats that must come on top after a readmission: 20 to 1 that the errors are back, not one stray error."""


def choose(turn: Turn, sight: Sight, incident: Incident) -> None:
    """For a suspected or readmitted pod: the rung that its evidence asks for, if it asks for one."""
    suspect, pod = sight.suspect(incident), sight.pod(incident)
    if suspect is None or incident.culprit.kind is not CulpritKind.POD or incident.symptom is Symptom.UNREACHED:
        return
    rungs = turn.policy(incident).ladder.rungs
    can_drain = Rung.DRAIN in rungs and (pod is None or (pod.sidecar and not pod.gateway))
    if incident.phase is Phase.READMITTED:
        returned = incident.nats >= turn.backdrop(incident).base + RETURNED
        if returned and incident.tier >= Tier.EVICT:
            attempt(turn, sight, incident, Rung.DRAIN, "errors_returned")
    elif can_drain and suspect.tier >= Tier.DRAIN:
        attempt(turn, sight, incident, Rung.DRAIN, "suspicion")
    elif not can_drain and Rung.EVICT in rungs and suspect.tier >= Tier.EVICT:
        attempt(turn, sight, incident, Rung.EVICT, "cannot_drain")
    elif incident.held:
        turn.put(replace(incident, held={}))


def attempt(turn: Turn, sight: Sight, incident: Incident, rung: Rung, reason: str) -> bool:
    """Ask all brakes; returns whether the act was decided."""
    pod = sight.pod(incident)
    if pod is None:
        _held(turn, incident, rung, (Hold("pod", "pod_unknown", "Kubernetes does not know this pod"),))
        return False
    situation = _situation(turn, sight, incident, pod, rung)
    if holds := (*_group(sight, pod), *ask(situation)):
        _held(turn, incident, rung, holds)
        if situation.blame is not None and any(hold.guard == "blame" for hold in holds):
            advise(turn, turn.incident(incident.id), pod, situation.blame)
        return False
    policy = turn.policy(incident)
    would = policy.mode is Mode.SHADOW
    text = explain.acting(incident, rung, would=would, seconds=policy.ladder.drain_seconds, needs=turn.needs)
    free = turn.put(replace(incident, held={}))
    if would:
        turn.would(free, rung, reason, text)
        return False
    if policy.mode is Mode.DRY_RUN and incident.attempts.get(rung, 0) > 0:
        return False
    action = turn.action(free, rung, pod.ref, version=pod.resource_version, reason=reason)
    if rung in policy.approvals:
        action = replace(action, approval=plan(situation).hash)
    turn.plan(planned(action, free, turn.at))
    _remember(turn, sight, free, pod, rung)
    turn.act(turn.incident(free.id), action, reason, text, severity="warning")
    return True


def planned(action: Action, incident: Incident, at: float) -> LedgerEntry:
    """The ledger entry of an act before its outcome is known."""
    return LedgerEntry(
        action_id=action.id,
        at=at,
        rung=action.rung,
        incident=incident.id,
        pod=action.pod,
        workload=incident.workload,
        service=incident.service,
        culprit_kind=incident.culprit.kind.value,
        symptom=incident.symptom.value,
        node=incident.node,
        revision=incident.revision,
    )


def wants_human(turn: Turn, sight: Sight, incident: Incident) -> bool:
    """Settings or the workload ask to keep a drained culprit for a person."""
    workload = sight.cluster.workloads.get(incident.workload) if incident.workload is not None else None
    asked = workload is not None and workload.annotations.get(names.HOLD_FOR_HUMAN) == "true"
    return asked or turn.policy(incident).ladder.hold_for_human


def _situation(turn: Turn, sight: Sight, incident: Incident, pod: Pod, rung: Rung) -> Situation:
    return Situation(
        at=turn.at,
        rung=rung,
        incident=incident,
        pod=pod,
        workload=sight.cluster.workloads.get(pod.workload) if pod.workload is not None else None,
        suspect=sight.suspect(incident),
        snapshot=sight.snapshot,
        cluster=sight.cluster,
        judgement=sight.judgement,
        memory=turn.memory,
        settings=turn.settings,
        policy=turn.policy(incident),
        fleet=sight.fleet,
        in_hand=turn.in_hand(),
        planned=tuple(turn.planned),
        blame=blame_of(incident, pod, sight),
    )


def _group(sight: Sight, pod: Pod) -> tuple[Hold, ...]:
    """A group around the pod explains the evidence better: the pod is a member, not the culprit."""
    named = sight.group_named(pod)
    if named is None:
        return ()
    return (Hold("group", f"{named.kind.value}_named", f"{named} explains the evidence better than this pod"),)


def _held(turn: Turn, incident: Incident, rung: Rung, holds: tuple[Hold, ...]) -> None:
    held = turn.hold(incident, rung, holds, explain.held(incident, rung, holds))
    policy = turn.policy(incident)
    if policy.mode is Mode.SHADOW or any(hold.refused for hold in holds):
        return
    if all(hold.reason == "approval_needed" for hold in holds):
        text = f"Everything but a person's word speaks for it: {holds[0].detail}."
        turn.tell_once(held, "page", f"approval_needed_{rung.value}", text, severity="page")
        return
    longest = turn.at - min(held.held.values())
    if longest >= policy.guards.hold_max:
        reasons = ", ".join(sorted(held.held))
        text = f"{incident.culprit.name} has been held for {longest / 60:.0f} min and still hurts users: {reasons}."
        turn.tell_once(held, "page", "hold_outlived", text, severity="page")


def _remember(turn: Turn, sight: Sight, incident: Incident, pod: Pod, rung: Rung) -> None:
    """What floor check and verification will compare with."""
    workload = sight.cluster.workloads.get(pod.workload) if pod.workload is not None else None
    if rung is Rung.DRAIN:
        turn.put_backdrop(
            incident,
            replace(
                turn.backdrop(incident),
                serving=sight.serving_mates(pod),
                desired=workload.desired if workload is not None else -1,
                peak=highest_healthy_rate(sight.snapshot, turn.memory, pod),
                labelled=False,
                own_requests=0.0,
                own_expected=0.0,
            ),
        )
    elif pod.workload is not None:
        known = tuple(sorted(ref.uid for ref in sight.cluster.by_workload.get(pod.workload, ())))
        turn.put(replace(incident, known_pods=known))
