"""A simulated cluster without HTTP: what a tick would have seen of it as a snapshot, and a hand that obeys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from observer.domain import names
from observer.domain.action import Action, ActionKind
from observer.domain.cluster import ResourceKind
from observer.domain.counts import ServiceBaseline
from observer.domain.graph import CallGraph
from observer.domain.ids import ServiceRef
from observer.domain.outcome import Outcome, Result
from observer.domain.snapshot import Control, Snapshot
from observer.domain.traces import TraceSet
from observer.runtime import source_cache as caches
from observer.simulator.kubernetes.kinds import Obj
from observer.simulator.kubernetes.status import Refused
from observer.simulator.mesh.topology import MeshSpec
from observer.simulator.scenarios.world import World
from observer.sources.kubernetes import wire
from observer.sources.kubernetes.view import Assembly
from tests.support.in_process import InProcess

WINDOW: Final = 600.0
"""Seconds that are asked again for a suspect."""
LOOK_BACK: Final = 300.0
"""Seconds of calls and traces that a snapshot carries."""
TRACES: Final = 200
REFRESH: Final = 30.0
_DAY: Final = 86_400.0
_CONTROL: Final = Control(paused=False, reason="", leader=True, term=1)
_SHAPES: Final[Mapping[ResourceKind, Any]] = {
    ResourceKind.PODS: wire.PodWire,
    ResourceKind.REPLICASETS: wire.ReplicaSetWire,
    ResourceKind.DEPLOYMENTS: wire.DeploymentWire,
    ResourceKind.SERVICES: wire.ServiceWire,
    ResourceKind.NODES: wire.NodeWire,
    ResourceKind.NAMESPACES: wire.NamespaceWire,
    ResourceKind.BUDGETS: wire.BudgetWire,
    ResourceKind.AUTOSCALERS: wire.AutoscalerWire,
}


@dataclass
class Stage:
    """
    ``look`` shows what a tick sees. Set ``asked`` to the services whose last minutes shall be asked again, ``watched``
    to those whose callers shall be seen; calls and traces are shown while there are any of either.
    """

    world: World
    asked: frozenset[ServiceRef] = frozenset()
    watched: frozenset[ServiceRef] = frozenset()
    direct: InProcess = field(init=False)

    def __post_init__(self) -> None:
        self.direct = InProcess(self.world.scrapers[0].memory, self.world.mesh.spans)
        self._assembly = Assembly(
            self.world.clock, lambda: None, istiod_namespace="istio-system", istiod_selector="app=istiod"
        )
        for kind in ResourceKind:
            for obj in self.world.store.list(kind.value):
                self._heard(kind.value, "ADDED", obj)
        self.world.store.subscribe(self._heard)
        self._usual_calls: CallGraph | None = None
        self._usual_at = 0.0
        self._now_calls: CallGraph | None = None
        self._calls_for: frozenset[ServiceRef] = frozenset()
        self._earlier_calls: CallGraph | None = None
        self._retained: TraceSet | None = None
        self._kept_for: frozenset[ServiceRef] = frozenset()
        self._usual = usual_errors(self.world.spec)

    def look(self, tick: float) -> Snapshot:
        """As of now; questions about the past are asked in steps of ``tick`` seconds."""
        at = self.world.mesh.now
        for store in self._assembly.stores.values():
            store.alive("")
        view = self._assembly.view(at)
        curious = self.asked | self.watched
        return Snapshot(
            at=at,
            counters=self.direct.counters(at),
            callers=self.direct.callers(at, self.watched) if self.watched else None,
            cluster=view,
            control=_CONTROL,
            rechecks={
                service: self.direct.recheck(at, WINDOW, tick, frozenset(ref.key for ref in view.by_service[service]))
                for service in self.asked
                if service in view.by_service
            },
            baselines=self._baselines(at),
            traces=self._traces(at, curious),
            edges=self._calls(at, curious),
            usual_edges=self._usual_calls if curious else None,
            earlier_edges=self._earlier(at, curious),
        )

    def obey(self, action: Action) -> Outcome:
        """Carry an act out as the API server would."""
        pod, store = action.pod, self.world.store
        found = store.get("pods", pod.namespace, pod.name)
        if found is None or found["metadata"]["uid"] != pod.uid:
            return Outcome(action.id, Result.SUPERSEDED, "gone")
        if action.action_kind is ActionKind.EVICT:
            try:
                self.world.controllers.evict(pod.namespace, pod.name, uid=pod.uid)
            except Refused as refused:
                return Outcome(action.id, Result.REFUSED, str(refused))
        elif action.action_kind is ActionKind.DRAIN:
            note = json.dumps({"incident": action.incident, "expires": action.expires})
            store.modify("pods", pod.namespace, pod.name, lambda new: _mark(new, note))
        elif action.action_kind is ActionKind.RESTORE:
            store.modify("pods", pod.namespace, pod.name, _unmark)
        return Outcome(action.id, Result.APPLIED, "applied")

    def _calls(self, at: float, curious: frozenset[ServiceRef]) -> CallGraph | None:
        """As the daemon keeps them: what is usual while nobody is suspected, what is now while somebody is."""
        if self._usual_calls is None or (not curious and at - self._usual_at >= caches.QUIET):
            self._usual_calls = self.direct.graph(at - caches.LAG - caches.USUAL, at - caches.LAG)
            self._usual_at = at
        if not curious:
            self._now_calls, self._calls_for = None, curious
        elif self._now_calls is None or at - self._now_calls.at >= caches.REFRESH or not curious <= self._calls_for:
            self._now_calls, self._calls_for = self.direct.graph(at - caches.WINDOW, at), curious
        return self._now_calls

    def _earlier(self, at: float, curious: frozenset[ServiceRef]) -> CallGraph | None:
        """A minute that is over, asked once a minute while somebody is suspected."""
        retained = self._earlier_calls
        if not curious:
            retained = None
        elif retained is None or at - caches.LAG - retained.at >= caches.QUIET:
            retained = self.direct.graph(at - caches.LAG - caches.WINDOW, at - caches.LAG)
        self._earlier_calls = retained
        return retained

    def _traces(self, at: float, curious: frozenset[ServiceRef]) -> TraceSet | None:
        """As the daemon keeps them: asked at once for new suspects, then every ``REFRESH`` seconds."""
        if not curious:
            self._retained, self._kept_for = None, curious
        elif self._retained is None or at - self._retained.at >= REFRESH or not curious <= self._kept_for:
            self._retained, self._kept_for = self.direct.traces(at - LOOK_BACK, at, TRACES), curious
        return self._retained

    def _baselines(self, at: float) -> dict[ServiceRef, ServiceBaseline]:
        """A day without faults, as the mesh was described."""
        peak = 3.0 * sum(source.rate for source in self.world.spec.sources)
        found = {}
        for name, rate in self._usual.items():
            ref = ServiceRef(self.world.spec.namespace_of(name), name)
            found[ref] = ServiceBaseline(ref, 1e6, 1e6 * rate, max(3.0 * rate, 0.002), peak, at - _DAY, at)
        return found

    def _heard(self, plural: str, kind: str, obj: Obj) -> None:
        try:
            which = ResourceKind(plural)
        except ValueError:
            return
        one = msgspec.convert(obj, _SHAPES[which], strict=False)
        store = self._assembly.stores[which]
        if kind == "DELETED":
            store.drop("", one)
        else:
            store.put("", one)


def _mark(pod: Obj, note: str) -> None:
    pod["metadata"].setdefault("labels", {})[names.DRAIN_LABEL] = names.DRAIN_VALUE
    pod["metadata"].setdefault("annotations", {})[names.DRAIN_ANNOTATION] = note


def _unmark(pod: Obj) -> None:
    pod["metadata"].get("labels", {}).pop(names.DRAIN_LABEL, None)
    pod["metadata"].get("annotations", {}).pop(names.DRAIN_ANNOTATION, None)


def usual_errors(spec: MeshSpec) -> dict[str, float]:
    """Share of requests that each service fails when all is well: its own errors and those of what it calls."""
    described = {service.name: service for service in spec.services}
    known: dict[str, float] = {}

    def rate(name: str) -> float:
        if name not in known:
            well = 1.0 - described[name].error_rate
            for callee in described[name].calls:
                well *= 1.0 - rate(callee)
            known[name] = 1.0 - well
        return known[name]

    return {name: rate(name) for name in described}
