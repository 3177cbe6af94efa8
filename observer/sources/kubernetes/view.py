"""Assembles the cluster's picture from the stores, touching only what changed since the last one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

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
from observer.domain.ids import PodRef, ServiceRef, WorkloadRef
from observer.ports.sources import Clock
from observer.sources.kubernetes import parse
from observer.sources.kubernetes.index import PodIndex, Selector
from observer.sources.kubernetes.reflector import Key, Store
from observer.sources.kubernetes.wire import (
    AutoscalerWire,
    BudgetWire,
    DeploymentWire,
    NamespaceWire,
    NodeWire,
    PodWire,
    ReplicaSetWire,
    ServiceWire,
)


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """What a view is made of but for its instant; handed out, so never changed."""

    pods: Mapping[PodRef, Pod] = field(default_factory=dict)
    by_name: Mapping[Key, PodRef] = field(default_factory=dict)
    by_service: Mapping[ServiceRef, tuple[PodRef, ...]] = field(default_factory=dict)
    by_workload: Mapping[WorkloadRef, tuple[PodRef, ...]] = field(default_factory=dict)
    workloads: Mapping[WorkloadRef, Workload] = field(default_factory=dict)
    budgets: tuple[DisruptionBudget, ...] = ()
    autoscalers: tuple[Autoscaler, ...] = ()
    nodes: Mapping[str, Node] = field(default_factory=dict)
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    istiod: tuple[PodRef, ...] = ()


class Assembly:
    """
    The stores of all kinds and the picture made of them.

    ``touched`` is called after a change of pods, nodes or workloads. ``pod_scopes`` are the reflectors' parts of the
    pods, ``scopes`` those of the other namespaced kinds. ``view`` costs what changed since the last one, and a copy
    of the mappings if anything did.
    """

    def __init__(
        self,
        clock: Clock,
        touched: Callable[[], None],
        *,
        istiod_namespace: str,
        istiod_selector: str,
        scopes: tuple[str, ...] = ("",),
        pod_scopes: tuple[str, ...] = ("",),
    ) -> None:
        self._clock = clock
        self._istiod_namespace, self._istiod_text = istiod_namespace, istiod_selector
        self._istiod = Selector.of_text(istiod_selector)
        self.pods: Store[PodWire] = Store(clock, self._pod, touched, pod_scopes)
        self.replica_sets: Store[ReplicaSetWire] = Store(clock, self._replica_set, touched, scopes)
        self.deployments: Store[DeploymentWire] = Store(clock, self._deployment, touched, scopes)
        self.nodes: Store[NodeWire] = Store(clock, self._other, touched)
        self.services: Store[ServiceWire] = Store(clock, self._service, _nobody, scopes)
        self.namespaces: Store[NamespaceWire] = Store(clock, self._other, _nobody)
        self.budgets: Store[BudgetWire] = Store(clock, self._budget, _nobody, scopes)
        self.autoscalers: Store[AutoscalerWire] = Store(clock, self._autoscaler, _nobody, scopes)
        self.stores: Mapping[ResourceKind, Store[Any]] = {
            ResourceKind.PODS: self.pods,
            ResourceKind.REPLICASETS: self.replica_sets,
            ResourceKind.DEPLOYMENTS: self.deployments,
            ResourceKind.SERVICES: self.services,
            ResourceKind.NODES: self.nodes,
            ResourceKind.NAMESPACES: self.namespaces,
            ResourceKind.BUDGETS: self.budgets,
            ResourceKind.AUTOSCALERS: self.autoscalers,
        }
        self._selecting: dict[str, dict[str, Selector]] = {}
        self._budgeting: dict[str, dict[str, Selector]] = {}
        self._index = PodIndex(
            self.pods.get,
            self.replica_sets.get,
            lambda namespace: self._selecting.get(namespace, {}).items(),
            lambda namespace: self._budgeting.get(namespace, {}).items(),
            lambda pod: pod.ref.namespace == istiod_namespace and self._istiod.matches(pod.labels),
        )
        self._sets_of: dict[str, dict[Key, ReplicaSetWire]] = {}
        self._workloads: dict[WorkloadRef, Workload] = {}
        self._stale: set[Key] = set()
        self._budgets: dict[Key, DisruptionBudget] = {}
        self._stale_budgets: set[Key] = set()
        self._stale_rest = True
        self._shrank: dict[Key, float | None] = {}
        self._parts = _Parts()

    def view(self, at: float) -> ClusterView:
        """The picture now, dated ``at`` (Unix seconds)."""
        if self._index.stale or self._stale or self._stale_budgets or self._stale_rest:
            self._parts = self._assemble()
        parts = self._parts
        return ClusterView(
            at=at,
            fresh={kind: fresh for kind, store in self.stores.items() if (fresh := store.fresh) is not None},
            pods=parts.pods,
            workloads=parts.workloads,
            budgets=parts.budgets,
            autoscalers=parts.autoscalers,
            nodes=parts.nodes,
            namespaces=parts.namespaces,
            mesh=self._mesh(parts),
            by_name=parts.by_name,
            by_service=parts.by_service,
            by_workload=parts.by_workload,
        )

    def _assemble(self) -> _Parts:
        index, old = self._index, self._parts
        pods_changed = index.stale
        self._stale |= {(ref.namespace, ref.name) for ref in index.refresh() if ref.kind == "Deployment"}
        workloads = self._refresh_workloads() if self._stale else old.workloads
        self._stale_rest = False
        return _Parts(
            pods=dict(index.pods) if pods_changed else old.pods,
            by_name=dict(index.by_name) if pods_changed else old.by_name,
            by_service=index.by_service.tuples() if pods_changed else old.by_service,
            by_workload=index.by_workload.tuples() if pods_changed else old.by_workload,
            workloads=workloads,
            budgets=self._parse_budgets(),
            autoscalers=tuple(self._parse_autoscalers()),
            nodes={node.metadata.name: parse.node(node) for node in self.nodes},
            namespaces={namespace.metadata.name: namespace.metadata.labels or {} for namespace in self.namespaces},
            istiod=tuple(sorted(index.chosen)),
        )

    def _refresh_workloads(self) -> Mapping[WorkloadRef, Workload]:
        for key in self._stale:
            ref = WorkloadRef(key[0], "Deployment", key[1])
            wire = self.deployments.get(key)
            if wire is None:
                self._workloads.pop(ref, None)
                continue
            newest = parse.newest_replica_set(self._sets_of.get(wire.metadata.uid, {}).values())
            self._workloads[ref] = parse.workload(wire, newest, self._usual_start(ref))
        self._stale.clear()
        return dict(self._workloads)

    def _usual_start(self, ref: WorkloadRef) -> float | None:
        pods = (self._index.pods[pod] for pod in self._index.by_workload.get(ref, ()))
        took = [pod.ready_since - pod.created for pod in pods if pod.ready_since is not None and pod.restarts == 0]
        return median(took) if took else None

    def _parse_budgets(self) -> tuple[DisruptionBudget, ...]:
        """Sorted by namespace and name; only those that changed, or whose pods did, are made anew."""
        stale = self._stale_budgets | self._index.budgets_touched
        if not stale:
            return self._parts.budgets
        for key in stale:
            if (wire := self.budgets.get(key)) is not None:
                self._budgets[key] = parse.budget(wire, frozenset(self._index.by_budget.get(key, ())))
            else:
                self._budgets.pop(key, None)
                self._index.by_budget.pop(key, None)
        self._stale_budgets.clear()
        self._index.budgets_touched.clear()
        return tuple(self._budgets[key] for key in sorted(self._budgets))

    def _parse_autoscalers(self) -> Iterator[Autoscaler]:
        for namespace in sorted(
            self.autoscalers, key=lambda autoscaler: (autoscaler.metadata.namespace, autoscaler.metadata.name)
        ):
            yield parse.autoscaler(namespace, self._shrank.get((namespace.metadata.namespace, namespace.metadata.name)))

    def _mesh(self, parts: _Parts) -> MeshControl:
        if self.pods.fresh is None:
            return MeshControl(None, f"the pods of {self._istiod_namespace} are not known")
        if not parts.istiod:
            return MeshControl(False, f"no pod in {self._istiod_namespace} matches {self._istiod_text}")
        able = sum(1 for ref in parts.istiod if parts.pods[ref].ready and not parts.pods[ref].deleting)
        return MeshControl(able > 0, f"{able} of {len(parts.istiod)} istiod pods are Ready")

    def _pod(self, before: PodWire | None, now: PodWire | None) -> None:
        self._index.pod_changed(before, now)

    def _replica_set(self, before: ReplicaSetWire | None, now: ReplicaSetWire | None) -> None:
        for version in (before, now):
            owner = parse.controller(version.metadata) if version is not None else None
            if version is None or owner is None:
                continue
            key = (version.metadata.namespace, version.metadata.name)
            peers = self._sets_of.setdefault(owner.uid, {})
            if version is now:
                peers[key] = version
            else:
                peers.pop(key, None)
            if not peers:
                del self._sets_of[owner.uid]
            if owner.kind == "Deployment":
                self._stale.add((version.metadata.namespace, owner.name))
        if before is None or now is None or before.metadata.uid != now.metadata.uid or _owner(before) != _owner(now):
            for uid in {version.metadata.uid for version in (before, now) if version is not None}:
                self._index.owner_changed(uid)

    def _deployment(self, before: DeploymentWire | None, now: DeploymentWire | None) -> None:
        for version in (before, now):
            if version is not None:
                self._stale.add((version.metadata.namespace, version.metadata.name))

    def _service(self, before: ServiceWire | None, now: ServiceWire | None) -> None:
        old = before.spec.selector if before is not None else None
        new = now.spec.selector if now is not None else None
        service = now or before
        if service is not None and old != new:
            # A Service without a selector selects nothing: its endpoints are somebody else's business.
            selector = Selector.of_map(new) if new else None
            self._select(self._selecting, service.metadata.namespace, service.metadata.name, selector)

    def _budget(self, before: BudgetWire | None, now: BudgetWire | None) -> None:
        old = Selector.of_wire(before.spec.selector) if before is not None and before.spec.selector else None
        new = Selector.of_wire(now.spec.selector) if now is not None and now.spec.selector else None
        budget = now or before
        if budget is not None:
            self._stale_budgets.add((budget.metadata.namespace, budget.metadata.name))
        if budget is not None and old != new:
            self._select(self._budgeting, budget.metadata.namespace, budget.metadata.name, new)

    def _select(
        self, selectors: dict[str, dict[str, Selector]], namespace: str, name: str, selector: Selector | None
    ) -> None:
        if selector is not None:
            selectors.setdefault(namespace, {})[name] = selector
        elif namespace in selectors:
            selectors[namespace].pop(name, None)
        self._index.selectors_changed(namespace)

    def _autoscaler(self, before: AutoscalerWire | None, now: AutoscalerWire | None) -> None:
        self._stale_rest = True
        if now is None:
            if before is not None:
                self._shrank.pop((before.metadata.namespace, before.metadata.name), None)
            return
        key = (now.metadata.namespace, now.metadata.name)
        self._shrank[key] = parse.shrank_at(before, now, self._shrank.get(key), self._clock.now())

    def _other(self, _before: object, _now: object) -> None:
        self._stale_rest = True


def _owner(replica_set: ReplicaSetWire) -> str:
    owner = parse.controller(replica_set.metadata)
    return owner.uid if owner else ""


def _nobody() -> None:
    """Changes of this kind move nobody to look at once."""
