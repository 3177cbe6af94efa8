"""Giving back: the serving floor on every watch event, pods that a person took, and what a restart finds."""

from __future__ import annotations

import json
from dataclasses import replace

from observer.domain import names
from observer.domain.action import Action, Mode, Rung
from observer.domain.cluster import ClusterView, Kind, Pod
from observer.domain.decision import Decision, Verdict
from observer.domain.incident import Check, Experiment, Incident, Phase
from observer.domain.outcome import DrainVerdict
from observer.domain.policy import UNRULED, PolicyBook
from observer.domain.settings import EngineSettings
from observer.engine import explain
from observer.engine.guards.capacity import floor_of, scopes
from observer.engine.guards.changes import shrinking
from observer.engine.guards.situation import pods_of, serves
from observer.engine.memory import DRAIN_PHASES, Memory
from observer.engine.rollout import rolling
from observer.engine.turn import Turn

VIEW_LAG = 15.0
"""Seconds that the watch may need to show our own label write."""


def floor_check(
    cluster: ClusterView, memory: Memory, settings: EngineSettings, at: float, book: PolicyBook = UNRULED
) -> tuple[Memory, tuple[Decision, ...]]:
    """
    Does any drained pod have to come back at once?

    Called on every watch event: a sibling that goes, a node drain, a rollout, a scale-down, or a person who took the
    label off. Returns the next memory and the decisions; those that give back say ACT and rung RESTORE.
    """
    turn = Turn(at, settings, memory, book=book)
    for incident in turn.incidents():
        if incident.phase in DRAIN_PHASES:
            look_after(turn, cluster, incident)
    return turn.finish(), tuple(turn.decisions)


def look_after(turn: Turn, cluster: ClusterView, incident: Incident) -> bool:
    """Look after one drained pod; returns whether it needs nothing else in this turn."""
    pod = cluster.pods.get(incident.culprit.pod) if incident.culprit.pod is not None else None
    if pod is None or pod.deleting:
        turn.close(incident, "pod_gone", f"{incident.culprit.name} is gone while it was drained; nothing to give back.")
        return True
    if _taken(turn, incident, pod):
        return True
    reason = incident.giving_back or _why_give_back(turn, cluster, incident, pod)
    if reason:
        give_back(turn, incident, pod, reason)
        return True
    return False


def give_back(turn: Turn, incident: Incident, pod: Pod, reason: str) -> None:
    """Take the label off; asked again in later turns until it is done."""
    known = bool(incident.giving_back)
    marked = turn.put(replace(incident, giving_back=incident.giving_back or reason))
    if known and turn.at < turn.memory.not_before.get(incident.id, 0.0):
        return
    action = turn.action(marked, Rung.RESTORE, pod.ref, version=pod.resource_version, reason=marked.giving_back)
    turn.act(marked, action, marked.giving_back, explain.restoring(incident.culprit.name, marked.giving_back))


def recover(
    memory: Memory, cluster: ClusterView, at: float, settings: EngineSettings, book: PolicyBook = UNRULED
) -> tuple[Memory, tuple[Decision, ...]]:
    """
    After a start or a change of leadership, once the cluster is known and open intents were looked up.

    An open incident whose pod carries our mark goes on where it stood, one whose pod is gone or was taken is closed,
    and a pod that carries our mark without an open incident is given back.
    """
    turn = Turn(at, settings, memory, book=book)
    for incident in turn.incidents():
        if _evicted_unsaved(turn, incident):
            continue
        pod = cluster.pods.get(incident.culprit.pod) if incident.culprit.pod is not None else None
        ours = pod is not None and pod.drained_by_us and mark_of(pod) in (incident.id, "")
        if incident.phase in DRAIN_PHASES:
            settled = pod is None or at - memory.label_writes.get(pod.ref, 0.0) >= VIEW_LAG
            turn.put_backdrop(incident, replace(turn.backdrop(incident), labelled=settled, seen=at))
            look_after(turn, cluster, incident)
        elif incident.phase in (Phase.SUSPECTED, Phase.READMITTED) and ours and pod is not None:
            _adopt(turn, incident)
    orphans(turn, cluster)
    return turn.finish(), tuple(turn.decisions)


def orphans(turn: Turn, cluster: ClusterView) -> None:
    """Give back what carries our mark though no open incident asks for it."""
    wanted = {i.culprit.pod for i in turn.incidents() if i.phase in DRAIN_PHASES or i.phase is Phase.EVICTING}
    fresh = cluster.fresh.get(Kind.PODS, 0.0)
    for ref, pod in cluster.pods.items():
        if names.DRAIN_ANNOTATION not in pod.annotations or not pod.drained or pod.deleting or ref in wanted:
            continue
        if min(turn.at, fresh) - turn.memory.label_writes.get(ref, 0.0) < VIEW_LAG:
            continue
        _give_orphan_back(turn, pod)


def mark_of(pod: Pod) -> str:
    """The incident that our annotation names; empty when it cannot be read."""
    try:
        mark = json.loads(pod.annotations.get(names.DRAIN_ANNOTATION, ""))
    except ValueError:
        return ""
    return str(mark.get("incident") or "") if isinstance(mark, dict) else ""


def _taken(turn: Turn, incident: Incident, pod: Pod) -> bool:
    """Somebody else changed the mark: a person took the pod, or it was given back by hand or by the expiry job."""
    backdrop = turn.backdrop(incident)
    if pod.drained_by_us:
        if not backdrop.labelled:
            turn.put_backdrop(incident, replace(backdrop, labelled=True))
        return False
    written = turn.memory.label_writes.get(pod.ref, incident.phase_since)
    if not backdrop.labelled and turn.at - written < VIEW_LAG:
        return False
    if incident.giving_back:
        return False
    if names.DRAIN_ANNOTATION in pod.annotations:
        text = f"A person took the drain label off {pod.ref.name}. Observer leaves the pod alone."
        turn.close(incident, "person_took_it", text, severity="warning")
    elif turn.at >= incident.drain_expires > 0.0:
        turn.close(incident, "expired", f"{pod.ref.name} was given back when its drain expired.")
    else:
        text = f"{pod.ref.name} was given back by hand before its drain expired. Observer leaves the pod alone."
        turn.close(incident, "given_back_by_person", text, severity="warning")
    return True


def _why_give_back(turn: Turn, cluster: ClusterView, incident: Incident, pod: Pod) -> str:
    """The reason why the pod must come back now; empty when it may stay drained."""
    if turn.policy(incident).mode is not Mode.ENFORCE:
        return "mode"
    if turn.at >= incident.drain_expires:
        undecided = incident.experiment is None or incident.experiment.verdict is not DrainVerdict.DROPPED
        return "cannot_tell" if undecided else "expired"
    return _others_at_work(turn, cluster, incident, pod) or _floor(turn, cluster, incident, pod)


def _others_at_work(turn: Turn, cluster: ClusterView, incident: Incident, pod: Pod) -> str:
    node = cluster.nodes.get(pod.node)
    siblings = pods_of(cluster, cluster.by_service.get(pod.service, ()), but=pod.ref)
    beneath = {node, *(cluster.nodes.get(mate.node) for mate in siblings)}
    if any(one is not None and one.draining for one in beneath):
        return "node_draining"
    workload = cluster.workloads.get(pod.workload) if pod.workload is not None else None
    if workload is None or pod.workload is None:
        return ""
    backdrop = turn.backdrop(incident)
    if 0 <= workload.desired < backdrop.desired:
        return "scaled_down"
    started = incident.experiment.started if incident.experiment is not None else incident.phase_since
    if shrinking(cluster, pod.workload, started):
        return "autoscaler_scaled_down"
    return "rollout" if rolling(workload, turn.at) else ""


def _floor(turn: Turn, cluster: ClusterView, incident: Incident, pod: Pod) -> str:
    """Ready and not drained: per workload, Service and subset."""
    for _, wanted, others in scopes(cluster, pod):
        if sum(1 for other in others if serves(other)) < floor_of(wanted, turn.policy(incident).guards):
            return "serving_floor"
    before = turn.backdrop(incident).serving
    if pod.workload is not None and before >= 0:
        mates = pods_of(cluster, cluster.by_workload.get(pod.workload, ()), but=pod.ref)
        if sum(1 for mate in mates if serves(mate)) < before:
            return "sibling_gone"
    return ""


def _evicted_unsaved(turn: Turn, incident: Incident) -> bool:
    """The ledger has an eviction that the incident was not saved with: it happened, and is verified like any other."""
    if incident.phase in (Phase.EVICTING, Phase.VERIFYING):
        return False
    for entry in turn.memory.ledger:
        if entry.incident == incident.id and entry.rung is Rung.EVICT and entry.applied:
            known = replace(incident, check=Check(entry.at, 0.0), drain_expires=0.0, giving_back="")
            turn.phase(known, Phase.EVICTING)
            return True
    return False


def _adopt(turn: Turn, incident: Incident) -> None:
    """The label was written just before the crash: the drain goes on from here."""
    verdict = DrainVerdict.DROPPED if incident.phase is Phase.READMITTED else DrainVerdict.PENDING
    experiment = Experiment(turn.at, incident.share, incident.p1, incident.p0, incident.cut, verdict=verdict)
    expires = turn.at + turn.policy(incident).ladder.drain_seconds
    turn.put_backdrop(incident, replace(turn.backdrop(incident), labelled=True, seen=turn.at))
    turn.phase(replace(incident, experiment=experiment, drain_expires=expires), Phase.DRAINING)
    text = f"{incident.culprit.name} was drained just before Observer stopped; the experiment goes on."
    turn.tell(turn.incident(incident.id), "resumed", "drain_found", text)


def _give_orphan_back(turn: Turn, pod: Pod) -> None:
    incident, policy = mark_of(pod), turn.policy(pod.workload)
    known = turn.memory.incidents.get(incident)
    tried = known.attempts.get(Rung.RESTORE, 0) if known is not None else 0
    entries = sum(1 for e in turn.memory.ledger if e.pod == pod.ref and e.rung is Rung.RESTORE)
    action = Action(
        rung=Rung.RESTORE,
        incident=incident,
        pod=pod.ref,
        attempt=max(tried, entries),
        resource_version=pod.resource_version,
        term=turn.memory.term,
        reason="orphan",
    )
    turn.add(
        Decision(
            "", turn.at, "restore", Verdict.ACT, f"pod {pod.ref}", "orphan",
            explain.restoring(pod.ref.name, "orphan"),
            incident=incident, rung=Rung.RESTORE, mode=policy.mode, pod=pod.ref, service=pod.service,
            workload=pod.workload, action=action, config=policy.identity, severity="warning",
        )
    )  # fmt: skip
