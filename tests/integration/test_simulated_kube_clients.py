"""Clients that other people wrote talk to the simulated API server as to a real one."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from observer.simulator.kubernetes.api import API
from observer.simulator.kubernetes.kubeconfig import write_kubeconfig
from observer.simulator.kubernetes.objects import disruption_budget, shop_objects
from tests.support.kube_sim import SimulatedKube, simulated_kube, until

pytestmark = pytest.mark.integration
SHOP = [("cart", "v1", 3), ("front", "v1", 2)]


@pytest.fixture
async def kube() -> AsyncIterator[SimulatedKube]:
    budget = disruption_budget("shop", "cart", {"app": "cart"}, max_unavailable=1)
    async with simulated_kube([*shop_objects(SHOP), budget]) as made:
        await until(lambda: ready(made) == 5)
        yield made


def ready(kube: SimulatedKube) -> int:
    """Ready pods of the shop."""
    replicasets = kube.store.list("replicasets", "shop")
    return sum(item["status"].get("readyReplicas", 0) for item in replicasets)


async def test_kubernetes_asyncio(kube: SimulatedKube, tmp_path: Path) -> None:
    from kubernetes_asyncio import client, config, watch

    evicting: Any = client.V1Eviction

    kube.faults.tokens = {"secret": "observer"}
    settings = client.Configuration()
    where = write_kubeconfig(tmp_path / "kubeconfig", kube.url, "secret")
    await config.load_kube_config(str(where), client_configuration=settings)
    async with client.ApiClient(settings) as api:
        core: Any = client.CoreV1Api(api)
        pods = await core.list_namespaced_pod("shop", label_selector="app=cart", limit=2)
        assert len(pods.items) == 2
        assert pods.metadata.remaining_item_count is None, "unknown under a selector"
        pod = pods.items[0].metadata
        body = {"metadata": {"labels": {"istio.io/draining": "true"}}}
        seen: list[tuple[str, str]] = []
        stream = watch.Watch().stream(
            core.list_namespaced_pod, "shop", label_selector="istio.io/draining", timeout_seconds=2
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(_collect(stream, seen))
            await core.patch_namespaced_pod(
                pod.name, "shop", body, _content_type="application/strategic-merge-patch+json"
            )
        assert (seen[0][1], seen[0][0]) == (pod.name, "ADDED")
        _, status, _ = await core.create_namespaced_pod_eviction_with_http_info(
            pod.name,
            "shop",
            evicting(metadata={"name": pod.name}, delete_options={"preconditions": {"uid": pod.uid}}),
        )
        assert status == 201
        other = pods.items[1].metadata.name
        with pytest.raises(client.ApiException) as refused:
            await core.create_namespaced_pod_eviction(other, "shop", evicting(metadata={"name": other}))
        assert refused.value.status == 429
        review = await client.AuthenticationV1Api(api).create_token_review(
            client.V1TokenReview(spec=client.V1TokenReviewSpec(token="secret"))
        )
        assert review.status.user.username == "observer"


async def _collect(stream: Any, seen: list[tuple[str, str]]) -> None:
    seen.extend([(event["type"], event["object"].metadata.name) async for event in stream])


class Kubectl:
    """Runs kubectl against one server; it sends no token over plain HTTP."""

    def __init__(self, url: str, home: Path) -> None:
        self._config = write_kubeconfig(home / "kubeconfig", url, namespace="shop")
        self._env = {**os.environ, "KUBECONFIG": str(self._config), "HOME": str(home)}

    async def __call__(self, *words: str) -> tuple[int, str, str]:
        """Exit code, output, complaints."""
        process = await asyncio.create_subprocess_exec(
            "kubectl", *words, env=self._env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), 60)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode or 0, out.decode(), err.decode()

    async def json(self, *words: str) -> Any:
        """The output as JSON."""
        code, out, err = await self(*words, "-o", "json")
        assert code == 0, err
        return json.loads(out)


@pytest.mark.needs("kubectl")
async def test_kubectl(kube: SimulatedKube, tmp_path: Path) -> None:
    kubectl = Kubectl(kube.url, tmp_path)
    pods = await kubectl.json("get", "pods", "-l", "app=cart")
    name = pods["items"][0]["metadata"]["name"]
    assert (await kubectl("label", "pod", name, "istio.io/draining=true"))[0] == 0
    labelled = kube.store.entry("pods", "shop", name).object["metadata"]
    assert labelled["labels"]["istio.io/draining"] == "true"
    assert labelled["managedFields"][0]["manager"] == "kubectl-label"
    assert (await kubectl("scale", "deployment/front-v1", "--replicas=4"))[0] == 0
    await until(lambda: ready(kube) == 7)
    assert (await kubectl("rollout", "restart", "deployment/front-v1"))[0] == 0
    code, out, err = await kubectl("rollout", "status", "deployment/front-v1", "--timeout=50s")
    assert (code, "successfully rolled out" in out) == (0, True), err
    assert "app: started" in (await kubectl("logs", name))[1]
    code, _, err = await kubectl("delete", "pod", name)
    assert code == 0, err
    assert [call.name for call in kube.app[API].deletes()] == [name]
    code, _, err = await kubectl("get", "pod", name)
    assert (code, f'pods "{name}" not found' in err) == (1, True)


@pytest.mark.needs("kubectl")
async def test_kubectl_drains_a_node(kube: SimulatedKube, tmp_path: Path) -> None:
    kubectl = Kubectl(kube.url, tmp_path)
    code, out, err = await kubectl("drain", "n1", "--ignore-daemonsets", "--timeout=50s")
    assert (code, "node/n1 drained" in out) == (0, True), err
    assert not [pod for pod in kube.store.list("pods") if pod["spec"].get("nodeName") == "n1"]
    assert kube.asked("create", "pods/eviction")
    assert not kube.app[API].deletes()
    assert (await kubectl("uncordon", "n1"))[0] == 0
    assert "unschedulable" not in kube.store.entry("nodes", "", "n1").object["spec"]
