"""Giving back: the serving floor on every watch event, pods that a person took, and what a restart finds."""

from __future__ import annotations

import json
from dataclasses import replace

from observer.domain import names
from observer.domain.action import Action, ActionKind, Mode
from observer.domain.cluster import ClusterView, Pod, ResourceKind
from observer.domain.decision import Decision, Verdict
from observer.domain.ids import Target
from observer.domain.incident import Check, Experiment, Incident, Phase
from observer.domain.outcome import DrainVerdict
from observer.domain.policy import NO_POLICIES, EffectivePolicies
from observer.domain.settings import EngineSettings
from observer.engine.guards.capacity import floor_of, scopes
from observer.engine.guards.changes import shrinking
from observer.engine.guards.context import pods_of, serves
from observer.engine.memory import DRAIN_PHASES, Memory
from observer.engine.messages import decisions
from observer.engine.remediation.decision_log import DecisionLog
from observer.engine.rollout import rolling

VIEW_LAG = 15.0
"""Seconds that the watch may need to show our own label write."""


def floor_check(
    cluster: ClusterView, memory: Memory, settings: EngineSettings, at: float, policies: EffectivePolicies = NO_POLICIES
) -> tuple[Memory, tuple[Decision, ...]]:
    """
    Does any drained pod have to come back at once?

    Called on every watch event: a sibling that goes, a node drain, a rollout, a scale-down, or a person who took the
    label off. Returns the next memory and the decisions; those that give back say ACT and rung RESTORE.
    """
    log = DecisionLog(at, settings, memory, policies=policies)
    for incident in log.incidents():
        if incident.phase in DRAIN_PHASES:
            check_drained(log, cluster, incident)
    return log.finish(), tuple(log.decisions)


def check_drained(log: DecisionLog, cluster: ClusterView, incident: Incident) -> bool:
    """Look after one drained pod; returns whether it needs nothing else in this turn."""
    pod = cluster.pods.get(incident.culprit.pod) if incident.culprit.pod is not None else None
    if pod is None or pod.deleting:
        log.close(incident, "pod_gone", f"{incident.culprit.name} is gone while it was drained; nothing to give back.")
        return True
    if _taken(log, incident, pod):
        return True
    reason = incident.restoring or _why_give_back(log, cluster, incident, pod)
    if reason:
        give_back(log, incident, pod, reason)
        return True
    return False


def give_back(log: DecisionLog, incident: Incident, pod: Pod, reason: str) -> None:
    """Take the label off; asked again in later turns until it is done."""
    known = bool(incident.restoring)
    marked = log.put(replace(incident, restoring=incident.restoring or reason))
    if known and log.at < log.memory.not_before.get(incident.id, 0.0):
        return
    action = log.action(
        marked, ActionKind.RESTORE, Target.of(pod.ref), version=pod.resource_version, reason=marked.restoring
    )
    log.act(marked, action, marked.restoring, decisions.restoring(incident.culprit.name, marked.restoring))


def recover(
    memory: Memory, cluster: ClusterView, at: float, settings: EngineSettings, policies: EffectivePolicies = NO_POLICIES
) -> tuple[Memory, tuple[Decision, ...]]:
    """
    After a start or a change of leadership, once the cluster is known and open intents were looked up.

    An open incident whose pod carries our mark goes on where it stood, one whose pod is gone or was taken is closed,
    and a pod that carries our mark without an open incident is given back.
    """
    log = DecisionLog(at, settings, memory, policies=policies)
    for incident in log.incidents():
        if _evicted_unsaved(log, incident):
            continue
        pod = cluster.pods.get(incident.culprit.pod) if incident.culprit.pod is not None else None
        ours = pod is not None and pod.drained_by_us and incident_of_mark(pod) in (incident.id, "")
        if incident.phase in DRAIN_PHASES:
            settled = pod is None or at - memory.label_writes.get(pod.ref, 0.0) >= VIEW_LAG
            log.put_baseline(incident, replace(log.baseline(incident), labelled=settled, seen=at))
            check_drained(log, cluster, incident)
        elif incident.phase in (Phase.SUSPECTED, Phase.READMITTED) and ours and pod is not None:
            _adopt(log, incident)
    restore_orphans(log, cluster)
    return log.finish(), tuple(log.decisions)


def restore_orphans(log: DecisionLog, cluster: ClusterView) -> None:
    """Give back what carries our mark though no open incident asks for it."""
    wanted = {i.culprit.pod for i in log.incidents() if i.phase in DRAIN_PHASES or i.phase is Phase.EVICTING}
    fresh = cluster.fresh.get(ResourceKind.PODS, 0.0)
    for ref, pod in cluster.pods.items():
        if names.DRAIN_ANNOTATION not in pod.annotations or not pod.drained or pod.deleting or ref in wanted:
            continue
        if min(log.at, fresh) - log.memory.label_writes.get(ref, 0.0) < VIEW_LAG:
            continue
        _give_orphan_back(log, pod)


def incident_of_mark(pod: Pod) -> str:
    """The incident that our annotation names; empty when it cannot be read."""
    try:
        mark = json.loads(pod.annotations.get(names.DRAIN_ANNOTATION, ""))
    except ValueError:
        return ""
    return str(mark.get("incident") or "") if isinstance(mark, dict) else ""


def _taken(log: DecisionLog, incident: Incident, pod: Pod) -> bool:
    """Somebody else changed the mark: a person took the pod, or it was given back by hand or by the expiry job."""
    baseline = log.baseline(incident)
    if pod.drained_by_us:
        if not baseline.labelled:
            log.put_baseline(incident, replace(baseline, labelled=True))
        return False
    written = log.memory.label_writes.get(pod.ref, incident.phase_since)
    if not baseline.labelled and log.at - written < VIEW_LAG:
        return False
    if incident.restoring:
        return False
    if names.DRAIN_ANNOTATION in pod.annotations:
        text = f"A person took the drain label off {pod.ref.name}. Observer leaves the pod alone."
        log.close(incident, "person_took_it", text, severity="warning")
    elif log.at >= incident.drain_expires > 0.0:
        log.close(incident, "expired", f"{pod.ref.name} was given back when its drain expired.")
    else:
        text = f"{pod.ref.name} was given back by hand before its drain expired. Observer leaves the pod alone."
        log.close(incident, "restored_by_person", text, severity="warning")
    return True


def _why_give_back(log: DecisionLog, cluster: ClusterView, incident: Incident, pod: Pod) -> str:
    """The reason why the pod must come back now; empty when it may stay drained."""
    if log.policy(incident).mode is not Mode.ENFORCE:
        return "mode"
    if log.at >= incident.drain_expires:
        undecided = incident.experiment is None or incident.experiment.verdict is not DrainVerdict.DROPPED
        return "cannot_tell" if undecided else "expired"
    return _others_at_work(log, cluster, incident, pod) or _floor(log, cluster, incident, pod)


def _others_at_work(log: DecisionLog, cluster: ClusterView, incident: Incident, pod: Pod) -> str:
    node = cluster.nodes.get(pod.node)
    peers = pods_of(cluster, cluster.by_service.get(pod.service, ()), but=pod.ref)
    beneath = {node, *(cluster.nodes.get(peer.node) for peer in peers)}
    if any(one is not None and one.draining for one in beneath):
        return "node_draining"
    workload = cluster.workloads.get(pod.workload) if pod.workload is not None else None
    if workload is None or pod.workload is None:
        return ""
    baseline = log.baseline(incident)
    if 0 <= workload.desired < baseline.desired:
        return "scaled_down"
    started = incident.experiment.started if incident.experiment is not None else incident.phase_since
    if shrinking(cluster, pod.workload, started):
        return "autoscaler_scaled_down"
    return "rollout" if rolling(workload, log.at) else ""


def _floor(log: DecisionLog, cluster: ClusterView, incident: Incident, pod: Pod) -> str:
    """Ready and not drained: per workload, Service and subset."""
    for _, wanted, others in scopes(cluster, pod):
        if sum(1 for other in others if serves(other)) < floor_of(wanted, log.policy(incident).guards):
            return "serving_floor"
    before = log.baseline(incident).serving
    if pod.workload is not None and before >= 0:
        workload_peers = pods_of(cluster, cluster.by_workload.get(pod.workload, ()), but=pod.ref)
        if sum(1 for peer in workload_peers if serves(peer)) < before:
            return "peer_gone"
    return ""


def _evicted_unsaved(log: DecisionLog, incident: Incident) -> bool:
    """The ledger has an eviction that the incident was not saved with: it happened, and is verified like any other."""
    if incident.phase in (Phase.EVICTING, Phase.VERIFYING):
        return False
    for entry in log.memory.ledger:
        if entry.incident == incident.id and entry.action_kind is ActionKind.EVICT and entry.applied:
            known = replace(incident, check=Check(entry.at, 0.0), drain_expires=0.0, restoring="")
            log.phase(known, Phase.EVICTING)
            return True
    return False


def _adopt(log: DecisionLog, incident: Incident) -> None:
    """The label was written just before the crash: the drain goes on from here."""
    verdict = DrainVerdict.DROPPED if incident.phase is Phase.READMITTED else DrainVerdict.PENDING
    experiment = Experiment(log.at, incident.share, incident.p1, incident.p0, incident.cut, verdict=verdict)
    expires = log.at + log.policy(incident).escalation.drain_seconds
    log.put_baseline(incident, replace(log.baseline(incident), labelled=True, seen=log.at))
    log.phase(replace(incident, experiment=experiment, drain_expires=expires), Phase.DRAINING)
    text = f"{incident.culprit.name} was drained just before Observer stopped; the experiment goes on."
    log.tell(log.incident(incident.id), "resumed", "drain_found", text)


def _give_orphan_back(log: DecisionLog, pod: Pod) -> None:
    incident, policy = incident_of_mark(pod), log.policy(pod.workload)
    known = log.memory.incidents.get(incident)
    tried = known.attempts.get(ActionKind.RESTORE, 0) if known is not None else 0
    entries = sum(1 for e in log.memory.ledger if e.target.pod == pod.ref and e.action_kind is ActionKind.RESTORE)
    action = Action(
        action_kind=ActionKind.RESTORE,
        incident=incident,
        target=Target.of(pod.ref),
        attempt=max(tried, entries),
        resource_version=pod.resource_version,
        term=log.memory.term,
        reason="orphan",
    )
    log.add(
        Decision(
            "", log.at, "restore", Verdict.ACT, f"pod {pod.ref}", "orphan",
            decisions.restoring(pod.ref.name, "orphan"),
            incident=incident, action_kind=ActionKind.RESTORE, mode=policy.mode, pod=pod.ref, service=pod.service,
            workload=pod.workload, action=action, config=policy.identity, severity="warning",
            target=action.target,
        )
    )  # fmt: skip
