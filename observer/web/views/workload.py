"""``/workloads/NAMESPACE/NAME``: one workload with its pods, objectives and what was decided about it."""

from __future__ import annotations

from msgspec import Struct

from observer.domain.cluster import Pod
from observer.domain.incident import Incident
from observer.engine.detect.lately import RecentTraffic, against_peers
from observer.web.views.models import DecisionRow, IncidentRow, ObjectiveView, WorkloadRow
from observer.web.views.picture import ViewState
from observer.web.views.rows import decision_row, incident_row, objective_view

MOST_PODS = 500
MOST_DECISIONS = 50


class PodView(Struct, frozen=True):
    """One pod; ``requests`` a second and ``error_rate`` 0..1 over the last minute, null where it is not judged."""

    name: str
    uid: str
    service: str
    revision: str
    node: str
    ready: bool
    drained: bool
    sidecar: bool
    restarts: int
    waiting: str
    created: float
    requests: float | None
    error_rate: float | None
    incident: str


class WorkloadView(Struct, frozen=True):
    """One workload. ``pods`` holds at most 500 of ``pods_total``; ``policies`` names the documents that reach it."""

    at: float
    workload: WorkloadRow
    policies: tuple[str, ...]
    services: tuple[str, ...]
    objectives: tuple[ObjectiveView, ...]
    pods_total: int
    pods: tuple[PodView, ...]
    incidents: tuple[IncidentRow, ...]
    decisions: tuple[DecisionRow, ...]


def workload_view(picture: ViewState, namespace: str, name: str) -> WorkloadView | None:
    """None when the cluster has no such workload."""
    row, view = picture.by_name.get((namespace, name)), picture.seen.snapshot.cluster
    if row is None or view is None:
        return None
    ref = next(one for one in {**view.workloads, **view.by_workload} if (one.namespace, one.name) == (namespace, name))
    pods = [view.pods[one] for one in view.by_workload.get(ref, ()) if one in view.pods]
    services = sorted({pod.service for pod in pods})
    memory, applied = picture.seen.memory, picture.seen.policies.applied.get(ref)
    known = [one for one in memory.incidents.values() if one.workload == ref]
    objectives = [one for service in services for one in picture.seen.snapshot.objectives.get(service, ())]
    about = {f"service {service}" for service in services} | {f"workload {namespace}/{name}"}
    decisions = [one for one in picture.seen.recent if one.workload == ref or one.subject in about]
    shown = sorted(pods, key=lambda pod: pod.ref)[:MOST_PODS]
    lately = against_peers(memory.detector, (pod.ref for pod in shown)) if picture.sighted else {}
    return WorkloadView(
        at=picture.at,
        workload=row,
        policies=applied.names if applied is not None else (),
        services=tuple(map(str, services)),
        objectives=tuple(objective_view(one) for one in objectives),
        pods_total=len(pods),
        pods=tuple(_pod(one, lately.get(one.ref), known) for one in shown),
        incidents=tuple(incident_row(one) for one in sorted(known, key=lambda one: -one.opened)),
        decisions=tuple(decision_row(one) for one in reversed(decisions[-MOST_DECISIONS:])),
    )


def _pod(pod: Pod, lately: tuple[RecentTraffic, RecentTraffic] | None, incidents: list[Incident]) -> PodView:
    return PodView(
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
        requests=lately[0].rate if lately is not None else None,
        error_rate=lately[0].error_rate if lately is not None and lately[0].requests else None,
        incident=next((one.id for one in incidents if one.culprit.pod == pod.ref and not one.closed), ""),
    )
