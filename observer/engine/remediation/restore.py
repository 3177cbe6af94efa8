"""Restoring: the serving floor on every watch event, pods that a person took, and what a restart finds."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

from observer.domain import names
from observer.domain.action import Action, ActionKind, Mode
from observer.domain.cluster import ClusterView, Pod, ResourceKind
from observer.domain.decision import Decision, Verdict
from observer.domain.ids import Target
from observer.domain.incident import Check, Experiment, Incident, Phase
from observer.domain.kinds import Kind
from observer.domain.outcome import DrainVerdict
from observer.domain.policy import NO_POLICIES, EffectivePolicies
from observer.domain.reasons import Reason
from observer.domain.settings import EngineSettings
from observer.domain.severities import Severity
from observer.engine.context import Rules, pods_of, serves
from observer.engine.guards.capacity import floor_of, scopes
from observer.engine.guards.changes import shrinking
from observer.engine.memory import DRAIN_PHASES, Memory
from observer.engine.messages import decisions as say
from observer.engine.remediation.decision_log import DecisionLog

VIEW_LAG: Final = 15.0
"""Seconds that the watch may need to show our own label write."""


def floor_check(
    cluster: ClusterView,
    memory: Memory,
    settings: EngineSettings,
    at: float,
    policies: EffectivePolicies = NO_POLICIES,
) -> tuple[Memory, tuple[Decision, ...]]:
    """
    Does any drained pod have to come back at once?

    Called on every watch event: a peer that goes, a node drain, a rollout, a scale-down, or a person who took the
    label off. Returns the next memory and the decisions; those that restore say ACT and action RESTORE.
    """
    log = DecisionLog(at, Rules(settings, policies), memory)
    for incident in log.incidents():
        if incident.phase in DRAIN_PHASES:
            log, _ = check_drained(log, cluster, incident)
    return log.memory, log.decisions


def check_drained(log: DecisionLog, cluster: ClusterView, incident: Incident) -> tuple[DecisionLog, bool]:
    """Look after one drained pod; also returns whether it needs nothing else in this tick."""
    pod = cluster.pods.get(incident.culprit.pod) if incident.culprit.pod is not None else None
    if pod is None or pod.deleting:
        return log.close(incident, Reason.POD_GONE, say.ended("gone_while_drained", incident.culprit.name)), True
    log = _with_label(log, incident, pod)
    if not pod.drained_by_us and _taken(log, incident, pod):
        return _close_taken(log, incident, pod), True
    reason = incident.restoring or _why_restore(log, cluster, incident, pod)
    return (restore(log, incident, pod, reason), True) if reason else (log, False)


def restore(log: DecisionLog, incident: Incident, pod: Pod, reason: str) -> DecisionLog:
    """Take the label off; asked again in later ticks until it is done."""
    marked = replace(incident, restoring=incident.restoring or reason)
    log = log.put(marked)
    if incident.restoring and log.at < log.memory.not_before.get(incident.id, 0.0):
        return log
    why = marked.restoring
    action = log.action(marked, ActionKind.RESTORE, Target.of(pod.ref), version=pod.resource_version, reason=why)
    return log.act(marked, action, why, say.restoring(incident.culprit.name, why))


def recover(
    memory: Memory,
    cluster: ClusterView,
    at: float,
    settings: EngineSettings,
    policies: EffectivePolicies = NO_POLICIES,
) -> tuple[Memory, tuple[Decision, ...]]:
    """
    After a start or a change of leadership, once the cluster is known and open intents were looked up.

    An open incident whose pod carries our mark goes on where it stood, one whose pod is gone or was taken is closed,
    and a pod that carries our mark without an open incident is restored.
    """
    log = DecisionLog(at, Rules(settings, policies), memory)
    for incident in log.incidents():
        evicted = _evicted_unsaved(log, incident)
        if evicted is not None:
            log = log.phase(evicted, Phase.EVICTING)
            continue
        pod = cluster.pods.get(incident.culprit.pod) if incident.culprit.pod is not None else None
        ours = pod is not None and pod.drained_by_us and incident_of_mark(pod) in (incident.id, "")
        if incident.phase in DRAIN_PHASES:
            settled = pod is None or at - memory.label_writes.get(pod.ref, 0.0) >= VIEW_LAG
            log = log.put_baseline(incident, replace(log.baseline(incident), labelled=settled, seen=at))
            log, _ = check_drained(log, cluster, incident)
        elif incident.phase in (Phase.SUSPECTED, Phase.READMITTED) and ours:
            log = _adopt(log, incident)
    log = restore_orphans(log, cluster)
    return log.memory, log.decisions


def restore_orphans(log: DecisionLog, cluster: ClusterView) -> DecisionLog:
    """Restore what carries our mark though no open incident asks for it."""
    wanted = {i.culprit.pod for i in log.incidents() if i.phase in DRAIN_PHASES or i.phase is Phase.EVICTING}
    fresh = cluster.fresh.get(ResourceKind.PODS, 0.0)
    for ref, pod in cluster.pods.items():
        if names.DRAIN_ANNOTATION not in pod.annotations or not pod.drained or pod.deleting or ref in wanted:
            continue
        if min(log.at, fresh) - log.memory.label_writes.get(ref, 0.0) >= VIEW_LAG:
            log = _restore_orphan(log, pod)
    return log


def incident_of_mark(pod: Pod) -> str:
    """The incident that our annotation names; empty when it cannot be read."""
    try:
        mark = json.loads(pod.annotations.get(names.DRAIN_ANNOTATION, ""))
    except ValueError:
        return ""
    return str(mark.get("incident") or "") if isinstance(mark, dict) else ""


def _with_label(log: DecisionLog, incident: Incident, pod: Pod) -> DecisionLog:
    """Remembers that the label was seen on the pod."""
    baseline = log.baseline(incident)
    if pod.drained_by_us and not baseline.labelled:
        return log.put_baseline(incident, replace(baseline, labelled=True))
    return log


def _taken(log: DecisionLog, incident: Incident, pod: Pod) -> bool:
    """Whether somebody else took our mark off a pod that does not carry it: it may just not be visible yet."""
    written = log.memory.label_writes.get(pod.ref, incident.phase_since)
    if not log.baseline(incident).labelled and log.at - written < VIEW_LAG:
        return False
    return not incident.restoring


def _close_taken(log: DecisionLog, incident: Incident, pod: Pod) -> DecisionLog:
    """A person took the pod, or it was restored by hand or by the expiry job."""
    if log.at >= incident.drain_expires > 0.0 and names.DRAIN_ANNOTATION not in pod.annotations:
        return log.close(incident, Reason.EXPIRED, say.ended("drain_expired", pod.ref.name))
    reason = Reason.PERSON_TOOK_IT if names.DRAIN_ANNOTATION in pod.annotations else Reason.RESTORED_BY_PERSON
    return log.close(incident, reason, say.ended(reason, pod.ref.name), severity=Severity.WARNING)


def _why_restore(log: DecisionLog, cluster: ClusterView, incident: Incident, pod: Pod) -> str:
    """The reason why the pod must come back now; empty when it may stay drained."""
    if log.policy(incident).mode is not Mode.ENFORCE:
        return Reason.MODE
    if log.at >= incident.drain_expires:
        undecided = incident.experiment is None or incident.experiment.verdict is not DrainVerdict.DROPPED
        return Reason.CANNOT_TELL if undecided else Reason.EXPIRED
    return _others_at_work(log, cluster, incident, pod) or _floor(log, cluster, incident, pod)


def _others_at_work(log: DecisionLog, cluster: ClusterView, incident: Incident, pod: Pod) -> str:
    peers = pods_of(cluster, cluster.by_service.get(pod.service, ()), but=pod.ref)
    beneath = {cluster.nodes.get(pod.node), *(cluster.nodes.get(peer.node) for peer in peers)}
    if any(node is not None and node.draining for node in beneath):
        return Reason.NODE_DRAINING
    workload = cluster.workloads.get(pod.workload) if pod.workload is not None else None
    if workload is None:
        return ""
    if 0 <= workload.desired < log.baseline(incident).desired:
        return Reason.SCALED_DOWN
    started = incident.experiment.started if incident.experiment is not None else incident.phase_since
    if shrinking(cluster, workload.ref, started):
        return Reason.AUTOSCALER_SCALED_DOWN
    return Reason.ROLLOUT if workload.rolling(log.at) else ""


def _floor(log: DecisionLog, cluster: ClusterView, incident: Incident, pod: Pod) -> str:
    """Ready and not drained: per workload, Service and subset."""
    for _, wanted, others in scopes(cluster, pod):
        if sum(1 for other in others if serves(other)) < floor_of(wanted, log.policy(incident).guards):
            return Reason.SERVING_FLOOR
    before = log.baseline(incident).serving
    if pod.workload is not None and before >= 0:
        replicas = pods_of(cluster, cluster.by_workload.get(pod.workload, ()), but=pod.ref)
        if sum(1 for replica in replicas if serves(replica)) < before:
            return Reason.PEER_GONE
    return ""


def _evicted_unsaved(log: DecisionLog, incident: Incident) -> Incident | None:
    """An incident that was not saved with an eviction of the ledger: it happened, and is verified like any other."""
    if incident.phase in (Phase.EVICTING, Phase.VERIFYING):
        return None
    for entry in log.memory.ledger:
        if entry.incident == incident.id and entry.action_kind is ActionKind.EVICT and entry.applied:
            return replace(incident, check=Check(entry.at, 0.0), drain_expires=0.0, restoring="")
    return None


def _adopt(log: DecisionLog, incident: Incident) -> DecisionLog:
    """The label was written just before the crash: the drain goes on from here."""
    verdict = DrainVerdict.DROPPED if incident.phase is Phase.READMITTED else DrainVerdict.PENDING
    experiment = Experiment(log.at, incident.share, incident.p1, incident.p0, incident.cut, verdict=verdict)
    expires = log.at + log.policy(incident).escalation.drain_seconds
    log = log.put_baseline(incident, replace(log.baseline(incident), labelled=True, seen=log.at))
    log = log.phase(replace(incident, experiment=experiment, drain_expires=expires), Phase.DRAINING)
    return log.publish(log.incident(incident.id), Kind.RESUMED, Reason.DRAIN_FOUND, say.resumed(incident.culprit.name))


def _restore_orphan(log: DecisionLog, pod: Pod) -> DecisionLog:
    incident, policy = incident_of_mark(pod), log.policy(pod.workload)
    past = log.memory.incidents.get(incident)
    tried = past.attempts.get(ActionKind.RESTORE, 0) if past is not None else 0
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
    return log.add(
        Decision(
            "", log.at, Kind.RESTORE, Verdict.ACT, f"pod {pod.ref}", "orphan",
            say.restoring(pod.ref.name, "orphan"),
            incident=incident, action_kind=ActionKind.RESTORE, mode=policy.mode, pod=pod.ref, service=pod.service,
            workload=pod.workload, action=action, config=policy.identity, severity=Severity.WARNING,
            target=action.target,
        )
    )  # fmt: skip
