"""The overview and one workload: what is wrong, what was done, and what a person has to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from observer.domain.action import Mode
from observer.domain.cluster import Pod
from observer.domain.decision import Decision, Verdict
from observer.domain.incident import Incident, Phase
from observer.engine.context import REQUIRED_SOURCES
from observer.engine.detect.last_minute import RecentTraffic, against_peers
from observer.engine.remediation.approvals import NEEDED
from observer.web.models import answers
from observer.web.models.parameters import OverviewQuery
from observer.web.models.rows import ActionRequired, DecisionRow, WorkloadRow
from observer.web.views.rows import decision_row, incident_row, objective_view
from observer.web.views.view_state import ViewState

LATEST: Final = 8
MOST_INCIDENTS: Final = 50
MOST_PODS: Final = 500
MOST_DECISIONS: Final = 50
PERSONS: Final = frozenset({"approved", "withdrawn", "undone", "paused", "resumed"})
RESULTS: Final = frozenset({"closed", "verified", "drain_verdict", "replaced"}) | PERSONS
"""Kinds of decisions that tell what came of an action, or what a person did."""
SHORT: Final = frozenset({"paused", "not_leader", "deferred", "in_flight", "metrics_incomplete", "no_impact"})
"""Guards' answers that end by themselves or are told for the whole: nobody is asked because of them alone."""
PAGED_SECONDS: Final = 3600.0


def overview(state: ViewState, query: OverviewQuery) -> answers.Overview:
    """The answer for one question."""
    rows = matching(state, query)
    return answers.Overview(
        at=state.at,
        tick=state.tick.number,
        tick_seconds=state.tick.settings.tick,
        complete=state.complete,
        control=state.control,
        states=dict(state.states),
        action_required=action_required(state),
        incidents_open=len(state.open),
        incidents=tuple(incident_row(incident) for incident in state.open[-MOST_INCIDENTS:]),
        interventions=interventions(state.tick.recent),
        namespaces=state.namespaces,
        matching=len(rows),
        offset=query.offset,
        workloads=tuple(rows[query.offset : query.offset + query.limit]),
    )


def matching(state: ViewState, query: OverviewQuery) -> list[WorkloadRow]:
    """The workloads that a question means, most urgent first."""
    return [
        row
        for row in state.rows
        if query.namespace in ("", row.namespace)
        and query.state in (None, row.state)
        and (not query.q or query.q in f"{row.namespace}/{row.name}")
    ]


def interventions(recent: tuple[Decision, ...]) -> tuple[DecisionRow, ...]:
    """The latest actions, would-be actions and results, newest first."""
    acting = (Verdict.ACT, Verdict.WOULD)
    chosen = [decision for decision in recent if decision.verdict in acting or decision.kind in RESULTS]
    return tuple(decision_row(decision) for decision in reversed(chosen[-LATEST:]))


def action_required(state: ViewState) -> tuple[ActionRequired, ...]:
    """Everything that waits for a person, the most urgent first."""
    of_incidents = (item for incident in state.open for item in _of_incident(incident, state))
    return (*_of_whole(state), *of_incidents, *_of_pages(state))


def _of_whole(state: ViewState) -> Iterator[ActionRequired]:
    tick, control = state.tick, state.control
    if control.halted:
        yield ActionRequired("repair", f"Halted after a broken invariant; no actions: {control.halted}", "", None)
    if not state.complete:
        gaps = [f"{gap.source}: {gap.reason}" for gap in tick.snapshot.gaps if gap.source in REQUIRED_SOURCES]
        why = "; ".join(gaps) or "fewer than 90 % of the pods have fresh counters"
        text = f"Data incomplete; no actions until it recovers: {why}"
        yield ActionRequired("repair", text, "", tick.memory.last_complete or None)
    if control.paused:
        text = f"All actions are paused; only restores still run: {control.reason or 'no reason given'}"
        yield ActionRequired("resume", text, "", None)
    if not tick.reload.ok:
        text = f"Edited files were rejected, the previous ones stay in force: {tick.reload.detail}"
        yield ActionRequired("repair", text, "", tick.reload.at)
    if tick.reload.needs_restart:
        text = f"Restart needed for edited settings: {', '.join(tick.reload.needs_restart)}"
        yield ActionRequired("repair", text, "", tick.reload.at)


def _of_incident(incident: Incident, state: ViewState) -> Iterator[ActionRequired]:
    name = incident.culprit.name
    if (plan := state.plans.get(incident.id)) is not None:
        text = f"{name}: approval required: {plan.action_kind.value}"
        yield ActionRequired("approve", text, incident.id, incident.blocked.get(NEEDED))
        return
    policy = state.tick.policies.of(incident.workload, state.tick.settings)
    if incident.phase is Phase.DRAINED and policy.escalation.hold_for_human:
        yield ActionRequired("look", f"{name} is drained and kept for inspection", incident.id, incident.phase_since)
    lasting = {reason: since for reason, since in incident.blocked.items() if reason not in SHORT}
    if lasting and policy.mode is not Mode.SHADOW:
        first = min(lasting.values())
        words = ", ".join(sorted(lasting)).replace("_", " ")
        yield ActionRequired("look", f"{name}: action blocked: {words}", incident.id, first)


def _of_pages(state: ViewState) -> Iterator[ActionRequired]:
    """What was paged in the last hour, once a subject, unless it is an open incident's or was taken back."""
    open_ids = {incident.id for incident in state.open}
    latest: dict[tuple[str, str], Decision] = {}
    for decision in state.tick.recent:
        recent = state.at - decision.at < PAGED_SECONDS and decision.verdict is Verdict.TELL
        if decision.severity == "page" and recent and decision.incident not in open_ids:
            latest[decision.subject, decision.kind] = decision
    for decision in latest.values():
        yield ActionRequired("see", decision.text, decision.incident, decision.at)


def workload_view(state: ViewState, namespace: str, name: str) -> answers.WorkloadView | None:
    """None when the cluster has no such workload."""
    row, view = state.by_name.get((namespace, name)), state.tick.snapshot.cluster
    if row is None or view is None:
        return None
    refs = {**view.workloads, **view.by_workload}
    ref = next(ref for ref in refs if (ref.namespace, ref.name) == (namespace, name))
    pods = sorted(
        (view.pods[key] for key in view.by_workload.get(ref, ()) if key in view.pods), key=lambda pod: pod.ref
    )
    services = sorted({pod.service for pod in pods})
    memory, policy = state.tick.memory, state.tick.policies.applied.get(ref)
    incidents = [incident for incident in memory.incidents.values() if incident.workload == ref]
    objectives = [status for service in services for status in state.tick.snapshot.objectives.get(service, ())]
    about = {f"service {service}" for service in services} | {f"workload {namespace}/{name}"}
    decisions = [decision for decision in state.tick.recent if decision.workload == ref or decision.subject in about]
    first = pods[:MOST_PODS]
    detector, shown = memory.detector, [pod.ref for pod in first]
    recent = against_peers(detector.comparison, detector.minute, detector.at, shown) if state.complete else {}
    return answers.WorkloadView(
        at=state.at,
        workload=row,
        policies=policy.names if policy is not None else (),
        services=tuple(map(str, services)),
        objectives=tuple(objective_view(status) for status in objectives),
        pods_total=len(pods),
        pods=tuple(_pod(pod, recent.get(pod.ref), incidents) for pod in first),
        incidents=tuple(incident_row(incident) for incident in sorted(incidents, key=lambda item: -item.opened)),
        decisions=tuple(decision_row(decision) for decision in reversed(decisions[-MOST_DECISIONS:])),
    )


def _pod(pod: Pod, recent: tuple[RecentTraffic, RecentTraffic] | None, incidents: list[Incident]) -> answers.PodView:
    open_ids = (incident.id for incident in incidents if incident.culprit.pod == pod.ref and not incident.closed)
    return answers.PodView(
        name=pod.ref.name,
        uid=pod.ref.uid,
        service=str(pod.service),
        revision=pod.revision,
        node=pod.node,
        ready=pod.ready,
        drained=pod.drained,
        sidecar=pod.sidecar,
        restarts=pod.restarts,
        waiting=pod.waiting,
        created=pod.created,
        requests=recent[0].rate if recent is not None else None,
        error_rate=recent[0].error_rate if recent is not None and recent[0].requests else None,
        incident=next(open_ids, ""),
    )
