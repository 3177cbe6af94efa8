"""Concise builders of domain values for tests: pods, workloads, cluster views, judgements, snapshots."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from observer.domain import names
from observer.domain.action import ActionKind, Mode
from observer.domain.cluster import (
    Autoscaler,
    ClusterView,
    DisruptionBudget,
    MeshControl,
    Node,
    Pod,
    ResourceKind,
    Workload,
)
from observer.domain.counts import ServiceBaseline
from observer.domain.decision import LedgerEntry
from observer.domain.ids import PodRef, ServiceRef, Target, WorkloadRef
from observer.domain.incident import Incident, Phase
from observer.domain.reasons import Reason
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Control, Gap, Snapshot
from observer.domain.suspect import (
    CallerTally,
    Culprit,
    CulpritKind,
    Evidence,
    Judgement,
    PodTally,
    ServiceHealth,
    Suppression,
    Suspect,
    Symptom,
    Tier,
)

NOW = 1_790_000_000.0
"""A fixed instant, Unix seconds."""
CUTS = (5.0, 25.0, 100.0, 250.0, 1000.0, 5000.0)
SHOP = "shop"


def workload_ref(name: str = "catalog", namespace: str = SHOP) -> WorkloadRef:
    return WorkloadRef(namespace, "Deployment", name)


def service_ref(name: str = "catalog", namespace: str = SHOP) -> ServiceRef:
    return ServiceRef(namespace, name)


def pod(name: str = "catalog-1", *, app: str = "", namespace: str = SHOP, **changes: Any) -> Pod:
    """A healthy pod of Deployment ``app`` (by default the name up to its last dash), an hour old."""
    app = app or name.rsplit("-", 1)[0]
    made = Pod(
        ref=PodRef(namespace, name, f"uid-{name}"),
        resource_version="1",
        labels={"app": app},
        annotations={},
        node="node-1",
        ip="10.0.0.1",
        phase="Running",
        ready=True,
        ready_since=NOW - 3590.0,
        created=NOW - 3600.0,
        started=NOW - 3595.0,
        deleting=False,
        restarts=0,
        waiting="",
        owner_kind="ReplicaSet",
        owner_name=f"{app}-abc",
        owner_uid=f"uid-{app}-abc",
        workload=workload_ref(app, namespace),
        service=service_ref(app, namespace),
        revision="latest",
        template="abc",
        sidecar=True,
        priority_class="",
        local_volumes=False,
        selects=(app,),
    )
    return replace(made, **changes)


def drained(pod: Pod, incident: str = "", *, ours: bool = True) -> Pod:
    """The pod with the drain label, and with our annotation unless somebody else drained it."""
    note = {names.DRAIN_ANNOTATION: json.dumps({"incident": incident, "by": "observer"})} if ours else {}
    return replace(
        pod,
        labels={**pod.labels, names.DRAIN_LABEL: names.DRAIN_VALUE},
        annotations={**pod.annotations, **note},
    )


def workload(name: str = "catalog", *, desired: int = 4, namespace: str = SHOP, **changes: Any) -> Workload:
    """A Deployment that is rolled out, available and left alone for a day."""
    made = Workload(
        ref=workload_ref(name, namespace),
        uid=f"uid-{name}",
        annotations={},
        desired=desired,
        replicas=desired,
        updated=desired,
        available=desired,
        observed=True,
        paused=False,
        progressing_since=NOW - 86_400.0,
        progress_deadline=600.0,
        managers=(),
        touched=None,
        usual_start=5.0,
    )
    return replace(made, **changes)


def cluster(
    pods: Iterable[Pod] = (),
    workloads: Iterable[Workload] = (),
    *,
    at: float = NOW,
    budgets: Sequence[DisruptionBudget] = (),
    autoscalers: Sequence[Autoscaler] = (),
    nodes: Iterable[Node] = (),
    namespaces: Mapping[str, Mapping[str, str]] | None = None,
    mesh: MeshControl | None = None,
    fresh: Mapping[ResourceKind, float] | None = None,
) -> ClusterView:
    """A view with its indexes. Without ``workloads`` each Deployment of the pods wants as many as there are."""
    everyone = {pod.ref: pod for pod in pods}
    by_workload: dict[WorkloadRef, tuple[PodRef, ...]] = {}
    by_service: dict[ServiceRef, tuple[PodRef, ...]] = {}
    for one in everyone.values():
        by_service[one.service] = (*by_service.get(one.service, ()), one.ref)
        if one.workload is not None:
            by_workload[one.workload] = (*by_workload.get(one.workload, ()), one.ref)
    known = {workload.ref: workload for workload in workloads}
    for ref, members in by_workload.items():
        known.setdefault(ref, workload(ref.name, desired=len(members), namespace=ref.namespace))
    hosts = {node.name: node for node in nodes}
    for one in everyone.values():
        hosts.setdefault(one.node, Node(one.node, "zone-a", ready=True, draining=False))
    enabled = {ref.namespace: {names.NAMESPACE_ENABLED: "true"} for ref in everyone}
    return ClusterView(
        at=at,
        fresh=dict.fromkeys(ResourceKind, at) if fresh is None else fresh,
        pods=everyone,
        workloads=known,
        budgets=tuple(budgets),
        autoscalers=tuple(autoscalers),
        nodes=hosts,
        namespaces=enabled if namespaces is None else namespaces,
        mesh=mesh or MeshControl(True, ""),
        by_name={ref.key: ref for ref in everyone},
        by_service=by_service,
        by_workload=by_workload,
    )


def catalog(count: int = 4, *, app: str = "catalog", **changes: Any) -> list[Pod]:
    """``count`` healthy siblings: ``catalog-1`` and so on."""
    return [pod(f"{app}-{number}", **changes) for number in range(1, count + 1)]


def evidence(
    *,
    score: float = 18.0,
    requests: float = 200.0,
    bad_rate: float = 0.3,
    peer_bad_rate: float = 0.0,
    share: float = 0.25,
    **changes: Any,
) -> Evidence:
    """Figures of a pod that fails 30 % of its requests beside flawless siblings."""
    peers = requests * (1.0 - share) / share
    made = Evidence(
        symptom=Symptom.ERRORS,
        score=score,
        acting_score=score,
        history_score=None,
        requests=requests,
        bad=requests * bad_rate,
        peer_requests=peers,
        peer_bad=peers * peer_bad_rate,
        share=share,
        bins=6,
        onset=NOW - 20.0,
        dispersion=1.0,
    )
    return replace(made, **changes)


def suspect(
    pod: Pod, tier: Tier = Tier.DRAIN, *, impact: bool = True, found: Evidence | None = None, **changes: Any
) -> Suspect:
    """A suspicion against one pod; its nats follow the tier unless ``found`` says otherwise."""
    score = {Tier.NONE: 5.0, Tier.ANNOTATE: 10.0, Tier.DRAIN: 17.0, Tier.EVICT: 21.0, Tier.NODE: 25.0}[tier]
    culprit = Culprit(CulpritKind.POD, pod.ref.namespace, pod.ref.name, pod.service, pod.ref)
    made = Suspect(culprit, found or evidence(score=score), tier, impact=impact)
    return replace(made, **changes)


def group_suspect(kind: CulpritKind, name: str, service: ServiceRef | None = None, tier: Tier = Tier.EVICT) -> Suspect:
    """A suspicion against a revision, node, zone or workload."""
    namespace = service.namespace if service is not None else ""
    culprit = Culprit(kind, namespace, name, service)
    return Suspect(culprit, evidence(score=25.0), tier, Tier.ANNOTATE, Reason(f"{kind.value}_named"), impact=True)


def tally(pod: Pod, requests: float, errors: float = 0.0, slow: tuple[float, ...] = ()) -> PodTally:
    return PodTally(pod.ref, requests, errors, slow or (0.0,) * len(CUTS))


def callers(service: ServiceRef, requests: float, errors: float = 0.0, slow: tuple[float, ...] = ()) -> CallerTally:
    return CallerTally(service, requests, errors, 0.0, slow or (0.0,) * len(CUTS))


def health(
    pods: Iterable[Pod],
    *,
    rate: float = 10.0,
    unhealthy: Iterable[Pod] = (),
    rates: Mapping[PodRef, float] | None = None,
) -> dict[ServiceRef, ServiceHealth]:
    """The last minute of every service of ``pods``: all Ready and undrained ones serve healthily but ``unhealthy``."""
    bad = {one.ref for one in unhealthy}
    found: dict[ServiceRef, ServiceHealth] = {}
    members: dict[ServiceRef, list[Pod]] = {}
    for pod in pods:
        members.setdefault(pod.service, []).append(pod)
    for service, group in members.items():
        each = {one.ref: (rates or {}).get(one.ref, 0.0 if one.drained else rate) for one in group}
        well = frozenset(one.ref for one in group if one.ready and not one.drained and one.ref not in bad)
        found[service] = ServiceHealth(service, 60.0 * sum(each.values()), 0.0, well, each)
    return found


def judgement(
    *,
    at: float = NOW,
    complete: bool = True,
    suspects: Iterable[Suspect] = (),
    suppressions: Iterable[Suppression] = (),
    services: Mapping[ServiceRef, ServiceHealth] | None = None,
    tallies: Iterable[PodTally] = (),
    seen_by: Iterable[CallerTally] = (),
) -> Judgement:
    return Judgement(
        at=at,
        complete=complete,
        suspects=tuple(suspects),
        suppressions=tuple(suppressions),
        services=dict(services or {}),
        tallies={tally.pod: tally for tally in tallies},
        callers={one.service: one for one in seen_by},
        watch=frozenset(),
        recheck=frozenset(),
        cuts=CUTS,
    )


def baseline(service: ServiceRef | None = None, *, peak: float = 100.0) -> ServiceBaseline:
    """A quiet day in which one pod served up to ``peak`` requests a second."""
    return ServiceBaseline(service or service_ref(), 1e6, 100.0, 0.001, peak, NOW - 86_400.0, NOW)


def snapshot(
    view: ClusterView | None,
    *,
    at: float = NOW,
    paused: bool = False,
    leader: bool = True,
    gaps: Sequence[Gap] = (),
    peak: float = 100.0,
    approvals: Mapping[str, float] | None = None,
    **seen: Any,
) -> Snapshot:
    """
    A picture with a running switch, the Lease held, and a known peak for every service (0 = none known).

    ``seen``: graphs and traces.
    """
    services = view.by_service if view is not None else {}
    return Snapshot(
        at=at,
        counters=None,
        callers=None,
        cluster=view,
        control=Control(paused=paused, reason="paused by a test" if paused else "", leader=leader, term=7),
        gaps=tuple(gaps),
        baselines={service: baseline(service, peak=peak) for service in services} if peak > 0.0 else {},
        approvals=approvals or {},
        **seen,
    )


def enforce(**changes: Any) -> EngineSettings:
    """Default settings in mode enforce."""
    return replace(EngineSettings(mode=Mode.ENFORCE, identity="test"), **changes)


def incident_of(name: str, *, phase: Phase = Phase.SUSPECTED, app: str = "catalog", **changes: Any) -> Incident:
    """An incident about one pod of the shop, by default only suspected."""
    one = pod(name, app=app)
    made = Incident(
        id=f"incident-{name}",
        opened=NOW - 30.0,
        culprit=Culprit(CulpritKind.POD, "shop", name, one.service, one.ref),
        symptom=Symptom.ERRORS,
        phase=phase,
        phase_since=NOW - 10.0,
        workload=one.workload,
        service=one.service,
        node="node-1",
        revision="latest",
        tier=Tier.EVICT,
        share=0.25,
        p1=0.3,
    )
    return replace(made, **changes)


def ledger_entry(
    name: str = "catalog-9",
    *,
    ago: float = 60.0,
    action_kind: ActionKind = ActionKind.EVICT,
    incident: str = "",
    **changes: Any,
) -> LedgerEntry:
    """An applied act in the budget ledger, so many seconds ago."""
    one = pod(name)
    made = LedgerEntry(
        action_id=f"act-{name}-{ago}-{action_kind.value}-{incident}",
        at=NOW - ago,
        action_kind=action_kind,
        incident=incident or f"old-{name}",
        target=Target.of(one.ref),
        workload=one.workload,
        service=one.service,
        culprit_kind="pod",
        symptom="errors",
        node="node-1",
        revision="latest",
        settled=True,
        applied=True,
    )
    return replace(made, **changes)
