"""One suite for ``ports.sources.Cluster``, against a real API server and against the simulator's: they must agree."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from observer.domain.cluster import ClusterView, ResourceKind
from observer.domain.errors import SourceUnavailable
from observer.domain.ids import PodRef, ServiceRef, WorkloadRef
from observer.kube import paths
from observer.simulator.kubernetes import objects
from observer.sources.kubernetes.cluster import KubernetesCluster
from tests.support.kube_sim import until
from tests.support.kube_worlds import PATIENCE, SIDES, KubeWorld, kube_world, reference

APPS, POLICY, SCALING = "/apis/apps/v1", "/apis/policy/v1", "/apis/autoscaling/v2"


@pytest.fixture(params=SIDES)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[KubeWorld]:
    async with kube_world(request.param, tmp_path) as found:
        yield found


def seen(cluster: KubernetesCluster) -> ClusterView:
    return cluster.view(time.time())


async def test_a_pod_knows_its_workload_service_and_revision(world: KubeWorld) -> None:
    await world.deployment("web", 2)
    async with world.watched() as cluster:
        view = seen(cluster)
    workload, service = WorkloadRef(world.namespace, "Deployment", "web-v1"), ServiceRef(world.namespace, "web")
    refs = view.by_workload[workload]
    assert len(refs) == 2
    assert refs == view.by_service[service] == tuple(sorted(refs))
    for ref in refs:
        pod = view.pods[ref]
        assert (pod.workload, pod.service, pod.revision) == (workload, service, "v1")
        assert (pod.owner_kind, pod.owner_name) == ("ReplicaSet", f"web-v1-{pod.template}")
        assert (pod.phase, pod.ready, pod.deleting, pod.restarts, pod.waiting) == ("Running", True, False, 0, "")
        assert view.by_name[ref.key] == ref
        assert pod.node in view.nodes
        assert pod.ip
        assert pod.started is not None
        assert pod.ready_since is not None
        assert pod.created <= pod.started <= pod.ready_since
        assert (pod.sidecar, pod.local_volumes, pod.drained, pod.selects) == (False, False, False, ())


async def test_every_kind_is_fresh_and_stays_so(world: KubeWorld) -> None:
    async with world.watched() as cluster:
        first = seen(cluster).fresh
        assert set(first) == set(ResourceKind)
        assert not cluster.problems
        await until(lambda: all(seen(cluster).fresh[kind] > first[kind] for kind in ResourceKind), within=PATIENCE)


async def test_a_deployment_is_told_as_its_controller_tells_it(world: KubeWorld) -> None:
    await world.deployment("web", 2)
    async with world.watched() as cluster:
        found = seen(cluster).workloads[WorkloadRef(world.namespace, "Deployment", "web-v1")]
        assert (found.desired, found.replicas, found.updated, found.available) == (2, 2, 2, 2)
        assert found.observed
        assert not found.paused
        assert found.progress_deadline == 600
        assert found.managers == ()
        assert found.touched is None, "creating it was no edit"
        assert found.usual_start is not None
        assert found.usual_start >= 0


async def test_changes_arrive_and_are_announced(world: KubeWorld) -> None:
    async with world.watched() as cluster:
        announced: list[int] = []
        cluster.subscribe(lambda: announced.append(len(seen(cluster).pods)))
        await world.deployment("web", 1)
        workload = WorkloadRef(world.namespace, "Deployment", "web-v1")
        await until(lambda: len(seen(cluster).by_workload.get(workload, ())) == 1, within=PATIENCE)
        assert announced
        path = world.path(APPS, "deployments", "web-v1")
        await world.patch(path, {"spec": {"replicas": 3}})
        await until(lambda: len(seen(cluster).by_workload.get(workload, ())) == 3, within=PATIENCE)
        await until(lambda: seen(cluster).workloads[workload].available == 3, within=PATIENCE)
        await world.delete(path, propagationPolicy="Background")
        await until(lambda: workload not in seen(cluster).workloads, within=PATIENCE)
        await until(lambda: workload not in seen(cluster).by_workload, within=PATIENCE)


async def test_a_view_that_was_handed_out_does_not_change(world: KubeWorld) -> None:
    async with world.watched() as cluster:
        before = seen(cluster)
        pods, names = dict(before.pods), dict(before.by_name)
        ref = await world.bare_pod("late")
        await until(lambda: ref in seen(cluster).pods, within=PATIENCE)
        assert (before.pods, before.by_name) == (pods, names)
        assert ref not in before.pods


async def test_a_new_template_is_a_rollout_with_a_younger_replica_set(world: KubeWorld) -> None:
    await world.deployment("web", 1)
    workload = WorkloadRef(world.namespace, "Deployment", "web-v1")
    async with world.watched() as cluster:
        before = seen(cluster).workloads[workload]
        templates = {pod.template for pod in seen(cluster).pods.values() if pod.workload == workload}
        await asyncio.sleep(1.1)  # Kubernetes counts in whole seconds
        change = {"metadata": {"annotations": {"again": "yes"}}}
        await world.patch(world.path(APPS, "deployments", "web-v1"), {"spec": {"template": change}})
        await until(lambda: seen(cluster).workloads[workload].progressing_since > before.progressing_since)
        await until(
            lambda: not templates & {pod.template for pod in seen(cluster).pods.values() if pod.workload == workload},
            within=PATIENCE,
        )


async def test_an_edit_by_a_person_is_seen(world: KubeWorld) -> None:
    await world.deployment("web", 1)
    workload = WorkloadRef(world.namespace, "Deployment", "web-v1")
    path = world.path(APPS, "deployments", "web-v1")
    async with world.watched() as cluster, asyncio.timeout(PATIENCE):
        edits = 0
        while seen(cluster).workloads[workload].touched is None:
            edits += 1
            await world.patch(path, {"metadata": {"annotations": {"edit": str(edits)}}})
            await asyncio.sleep(0.5)
        assert seen(cluster).workloads[workload].annotations["edit"]


async def test_another_controllers_mark_is_seen(world: KubeWorld) -> None:
    await world.deployment("web", 1, labels={"kustomize.toolkit.fluxcd.io/name": "shop"})
    async with world.watched() as cluster:
        assert seen(cluster).workloads[WorkloadRef(world.namespace, "Deployment", "web-v1")].managers == ("flux",)


async def test_a_budget_names_its_pods_and_its_allowance(world: KubeWorld) -> None:
    await world.deployment("web", 2)
    await world.budget("keep", "web", 1)
    async with world.watched() as cluster:
        (budget,) = (one for one in seen(cluster).budgets if one.namespace == world.namespace)
        assert budget.name == "keep"
        assert budget.pods == {pod["metadata"]["name"] for pod in await world.pods("web")}
        assert (budget.disruptions_allowed, budget.current) == (1, True)
        await world.delete(world.path(POLICY, "poddisruptionbudgets", "keep"))
        await until(lambda: not [one for one in seen(cluster).budgets if one.namespace == world.namespace])


async def test_an_autoscaler_names_its_target(world: KubeWorld) -> None:
    await world.deployment("web", 1)
    await world.create(SCALING, "horizontalpodautoscalers", objects.autoscaler(world.namespace, "web", "web-v1"))
    async with world.watched() as cluster:
        (found,) = (one for one in seen(cluster).autoscalers if one.namespace == world.namespace)
    assert (found.name, found.target) == ("web", WorkloadRef(world.namespace, "Deployment", "web-v1"))
    assert found.scaled_down_at is None


async def test_services_that_select_a_pod_are_known(world: KubeWorld) -> None:
    await world.deployment("web", 1)
    ref = await world.one_pod("web")
    async with world.watched() as cluster:
        for name, selector in (("by-app", {"app": "web"}), ("by-both", {"app": "web", "version": "v1"})):
            await world.create("/api/v1", "services", service(name, selector))
        await world.create("/api/v1", "services", service("other", {"app": "other"}))
        await world.create("/api/v1", "services", service("without", {}))
        await until(lambda: seen(cluster).pods[ref].selects == ("by-app", "by-both"))
        await world.delete(world.path("/api/v1", "services", "by-app"))
        await until(lambda: seen(cluster).pods[ref].selects == ("by-both",))


async def test_a_namespace_acts_when_it_is_labelled(world: KubeWorld) -> None:
    async with world.watched() as cluster:
        assert not seen(cluster).acts_in(world.namespace)
        await world.patch(
            f"/api/v1/namespaces/{world.namespace}", {"metadata": {"labels": {"observer.dev/enabled": "true"}}}
        )
        await until(lambda: seen(cluster).acts_in(world.namespace))


async def test_a_cordoned_node_is_draining(world: KubeWorld) -> None:
    async with world.watched() as cluster:
        name = max(seen(cluster).nodes)
        assert seen(cluster).nodes[name].ready
        assert not seen(cluster).nodes[name].draining
        try:
            await world.patch(f"/api/v1/nodes/{name}", {"spec": {"unschedulable": True}})
            await until(lambda: seen(cluster).nodes[name].draining)
        finally:
            await world.patch(f"/api/v1/nodes/{name}", {"spec": {"unschedulable": None}})
        await until(lambda: not seen(cluster).nodes[name].draining)


async def test_the_heir_of_a_name_is_another_pod(world: KubeWorld) -> None:
    async with world.watched() as cluster:
        first = await world.bare_pod("same")
        await until(lambda: seen(cluster).by_name.get(first.key) == first)
        await world.delete(paths.pod(first.namespace, first.name), gracePeriodSeconds=0)
        await world.gone(paths.pod(first.namespace, first.name))
        second = await world.bare_pod("same")
        assert second.uid != first.uid
        await until(lambda: seen(cluster).by_name.get(first.key) == second)
        assert first not in seen(cluster).pods
        assert await cluster.pod_now(first) is None
        found = await cluster.pod_now(second)
        assert found is not None
        assert reference(found) == second


async def test_a_bare_pod_has_no_workload(world: KubeWorld) -> None:
    async with world.watched() as cluster:
        ref = await world.bare_pod("alone", labels={"app.kubernetes.io/name": "shop"})
        await until(lambda: ref in seen(cluster).pods)
        pod = seen(cluster).pods[ref]
    assert (pod.workload, pod.owner_kind, pod.owner_name, pod.template) == (None, "", "", "")
    assert (pod.service, pod.revision) == (ServiceRef(world.namespace, "shop"), "latest")


async def test_a_pod_that_is_being_deleted_says_so(world: KubeWorld) -> None:
    async with world.watched() as cluster:
        ref = await world.bare_pod("blocked", finalizer="observer.dev/test")
        path = paths.pod(ref.namespace, ref.name)
        await world.delete(path, gracePeriodSeconds=0)
        await until(lambda: ref in seen(cluster).pods and seen(cluster).pods[ref].deleting)
        await world.patch(path, {"metadata": {"finalizers": None}})
        await until(lambda: ref not in seen(cluster).pods)


async def test_events_of_a_pod_are_its_own_and_in_order(world: KubeWorld) -> None:
    await world.deployment("web", 2)
    ref = await world.one_pod("web")
    async with world.watched() as cluster:
        events = await cluster.pod_events(ref)
    reasons = [event["reason"] for event in events]
    assert reasons[0] == "Scheduled"
    assert "Started" in reasons
    assert {event["involvedObject"]["uid"] for event in events} == {ref.uid}  # type: ignore[index]
    assert await cluster.pod_events(PodRef(ref.namespace, ref.name, "00000000-0000-0000-0000-000000000000")) == []


async def test_logs_are_the_last_lines_and_bounded(world: KubeWorld) -> None:
    await world.deployment("web", 1)
    ref = await world.one_pod("web")
    async with world.watched() as cluster:
        text = await cluster.pod_logs(ref, "app", 1, 10)
        assert len(text.encode()) <= 10
        with pytest.raises(SourceUnavailable):
            await cluster.pod_logs(ref, "no-such-container", 1, 10)
        with pytest.raises(SourceUnavailable):
            await cluster.pod_logs(PodRef(ref.namespace, "no-such-pod", "x"), "app", 1, 10)


async def test_istiod_is_judged_by_its_own_pods(world: KubeWorld) -> None:
    await world.deployment("web", 1)
    async with world.watched(istiod_namespace=world.namespace, istiod_selector="app=web") as cluster:
        mesh = seen(cluster).mesh
        assert (mesh.ready, mesh.detail) == (True, "1 of 1 istiod pods are Ready")
        await world.patch(world.path(APPS, "deployments", "web-v1"), {"spec": {"replicas": 0}})
        await until(lambda: seen(cluster).mesh.ready is False, within=PATIENCE)
    async with world.watched(istiod_namespace=world.namespace, istiod_selector="app=istiod") as cluster:
        assert seen(cluster).mesh.ready is False


async def test_only_the_chosen_namespaces_and_istiod_are_followed(world: KubeWorld) -> None:
    await world.deployment("web", 1)
    async with world.watched(
        namespaces=("elsewhere",), istiod_namespace=world.namespace, istiod_selector="app=web"
    ) as cluster:
        view = seen(cluster)
        assert {ref.namespace for ref in view.pods} == {world.namespace}
        assert view.workloads == {}
        assert view.mesh.ready is True
        assert set(view.fresh) == set(ResourceKind)
    async with world.watched(namespaces=(world.namespace,), istiod_namespace=world.namespace) as cluster:
        assert set(seen(cluster).workloads) == {WorkloadRef(world.namespace, "Deployment", "web-v1")}


def service(name: str, selector: dict[str, str]) -> dict[str, object]:
    spec: dict[str, object] = {"ports": [{"port": 80}]}
    if selector:
        spec["selector"] = selector
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
