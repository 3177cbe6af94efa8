"""The picture that follows changes is the picture that a fresh look would give."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from observer.domain.cluster import ClusterView, ResourceKind
from observer.sources.kubernetes import wire
from observer.sources.kubernetes.view import Assembly

Obj = dict[str, Any]
SPACES, NAMES, APPS = ("a", "b"), ("x", "y", "z"), ("web", "db")
SHAPES: dict[ResourceKind, Any] = {
    ResourceKind.PODS: wire.PodWire,
    ResourceKind.REPLICASETS: wire.ReplicaSetWire,
    ResourceKind.DEPLOYMENTS: wire.DeploymentWire,
    ResourceKind.SERVICES: wire.ServiceWire,
    ResourceKind.BUDGETS: wire.BudgetWire,
}


class Still:
    """A clock that stands."""

    def now(self) -> float:
        return 5.0

    def monotonic(self) -> float:
        return 5.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@dataclass
class Side:
    """An assembly, and what its stores hold."""

    assembly: Assembly
    held: dict[tuple[ResourceKind, str, str], Any] = field(default_factory=dict)


def assembly(touched: Callable[[], None] = lambda: None) -> Assembly:
    return Assembly(Still(), touched, istiod_namespace="a", istiod_selector="app=web")


labels = st.fixed_dictionaries({"app": st.sampled_from(APPS), "version": st.sampled_from("12")})
selector = st.sampled_from([None, {}, {"app": "web"}, {"app": "db", "version": "1"}, {"version": "2"}])
owner = st.sampled_from([None, *(f"rs-{name}" for name in NAMES)])


@st.composite
def changes(draw: st.DrawFn) -> tuple[ResourceKind, Obj | None, str, str]:
    """One object put or dropped: kind, body (None = dropped), namespace, name."""
    kind, space, name = draw(st.sampled_from(list(SHAPES))), draw(st.sampled_from(SPACES)), draw(st.sampled_from(NAMES))
    if draw(st.booleans()) and draw(st.booleans()):
        return kind, None, space, name
    uid = f"{kind}-{name}-{draw(st.integers(0, 1))}" if kind is ResourceKind.PODS else f"{kind}-{space}-{name}"
    meta: Obj = {"name": name, "namespace": space, "uid": uid, "labels": draw(labels)}
    body: Obj = {"metadata": meta}
    if kind is ResourceKind.PODS:
        above = draw(st.sampled_from([None, *NAMES]))
        if above:
            uid = f"{ResourceKind.REPLICASETS}-{space}-{above}"
            meta["ownerReferences"] = [{"kind": "ReplicaSet", "name": above, "uid": uid, "controller": True}]
        ready = {"type": "Ready", "status": draw(st.sampled_from(["True", "False"]))}
        body["status"] = {"conditions": [{**ready, "lastTransitionTime": "2026-01-01T00:00:07Z"}]}
    elif kind is ResourceKind.REPLICASETS and (above := draw(st.sampled_from([None, *NAMES]))):
        uid = f"{ResourceKind.DEPLOYMENTS}-{space}-{above}"
        meta["ownerReferences"] = [{"kind": "Deployment", "name": above, "uid": uid, "controller": True}]
        meta["annotations"] = {"deployment.kubernetes.io/revision": str(draw(st.integers(1, 3)))}
        meta["creationTimestamp"] = f"2026-01-01T00:00:0{draw(st.integers(0, 9))}Z"
    elif kind is ResourceKind.SERVICES:
        body["spec"] = {"selector": draw(selector)}
    elif kind is ResourceKind.BUDGETS and (found := draw(selector)) is not None:
        body["spec"] = {"selector": {"matchLabels": found}}
    return kind, body, space, name


def apply(side: Side, change: tuple[ResourceKind, Obj | None, str, str], version: int) -> None:
    kind, body, space, name = change
    store = side.assembly.stores[kind]
    if body is None:
        if (old := side.held.pop((kind, space, name), None)) is not None:
            store.drop("", old)
        return
    body = {**body, "metadata": {**body["metadata"], "resourceVersion": str(version)}}
    one = msgspec.json.decode(json.dumps(body).encode(), type=SHAPES[kind])
    side.held[kind, space, name] = one
    store.put("", one)


def fresh_look(side: Side) -> ClusterView:
    """All that is held, listed at once into an assembly that knew nothing."""
    again = assembly()
    for kind, store in again.stores.items():
        store.replace("", [one for key, one in side.held.items() if key[0] is kind])
        store.alive("")
    return again.view(1.0)


@given(st.lists(st.tuples(changes(), st.booleans()), max_size=40))
def test_following_equals_looking_afresh(steps: list[tuple[tuple[ResourceKind, Obj | None, str, str], bool]]) -> None:
    side = Side(assembly())
    for store in side.assembly.stores.values():
        store.alive("")
    for version, (change, look) in enumerate(steps):
        apply(side, change, version)
        if look:
            side.assembly.view(1.0)
    seen, again = side.assembly.view(1.0), fresh_look(side)
    for field_ in ("pods", "by_name", "by_service", "by_workload", "workloads", "budgets", "mesh", "fresh"):
        assert getattr(seen, field_) == getattr(again, field_), field_


@given(st.lists(changes(), min_size=1, max_size=25))
def test_a_list_after_the_fact_changes_nothing(steps: list[tuple[ResourceKind, Obj | None, str, str]]) -> None:
    """A relist brings the same objects again: no pod is computed anew, nobody is told."""
    told: list[int] = []
    side = Side(assembly(lambda: told.append(1)))
    for version, change in enumerate(steps):
        apply(side, change, version)
    before, count = side.assembly.view(1.0), len(told)
    for kind, store in side.assembly.stores.items():
        store.replace("", [one for key, one in side.held.items() if key[0] is kind])
    after = side.assembly.view(2.0)
    assert len(told) == count
    assert after.pods is before.pods
    assert after.by_service is before.by_service
    assert after.workloads is before.workloads


@given(st.lists(changes(), min_size=1, max_size=30))
def test_a_picture_is_never_changed_after_it_was_handed_out(
    steps: list[tuple[ResourceKind, Obj | None, str, str]],
) -> None:
    side = Side(assembly())
    taken: list[tuple[ClusterView, str]] = []
    for version, change in enumerate(steps):
        apply(side, change, version)
        view = side.assembly.view(1.0)
        taken.append((view, shown(view)))
    assert all(shown(view) == text for view, text in taken)


def shown(view: ClusterView) -> str:
    return repr((view.pods, view.by_name, view.by_service, view.by_workload, view.workloads, view.budgets))
