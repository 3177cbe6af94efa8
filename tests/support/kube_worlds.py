"""
The two sides of the Kubernetes contract: the simulator's API server and a real one.

The real one is named by ``OBSERVER_LAB_KUBECONFIG``; without it only the simulator is tested. Everything happens in a
namespace of its own, which is deleted afterwards. ``OBSERVER_LAB_IMAGE`` is an image every node has.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from observer.config.settings.sources import KubernetesSettings
from observer.domain.ids import PodRef
from observer.kube import paths
from observer.kube.client import KubeApi
from observer.kube.errors import NotFound
from observer.runtime.clock import SystemClock
from observer.simulator.kubernetes import objects
from observer.sources.kubernetes.cluster import KubernetesCluster
from tests.support.kube_sim import connected, running, simulated_kube

Obj = dict[str, Any]
REAL = os.environ.get("OBSERVER_LAB_KUBECONFIG", "")
SIDES = ["simulator", *(["real"] if REAL else [])]
IMAGE = os.environ.get("OBSERVER_LAB_IMAGE", "lab.local/pause:1")
PATIENCE = 60.0
_PATCH = "application/merge-patch+json"
_APPS = "/apis/apps/v1"


@dataclass
class KubeWorld:
    """One API server and a fresh namespace on it."""

    side: str
    api: KubeApi
    namespace: str

    async def get(self, path: str, **query: str) -> Obj:
        """A JSON object by path."""
        return decoded((await self.api.request("GET", path, query=query)).body)

    async def create(self, group: str, plural: str, body: Obj) -> Obj:
        """Create an object in the namespace."""
        body = {**body, "metadata": {"namespace": self.namespace, **body["metadata"]}}
        answer = await self.api.request("POST", paths.collection(group, plural, self.namespace), body=body)
        return decoded(answer.body)

    async def patch(self, path: str, body: Obj, *, manager: str = "kubectl-edit") -> Obj:
        """Merge-patch an object, as a person would."""
        answer = await self.api.request(
            "PATCH", path, body=body, content_type=_PATCH, query={"fieldManager": manager, "fieldValidation": "Strict"}
        )
        return decoded(answer.body)

    async def delete(self, path: str, **options: object) -> None:
        """Delete an object, as a person would."""
        await self.api.request("DELETE", path, body={"kind": "DeleteOptions", "apiVersion": "v1", **options})

    def path(self, group: str, plural: str, name: str) -> str:
        """Path of an object in the namespace."""
        return f"{paths.collection(group, plural, self.namespace)}/{name}"

    async def deployment(self, app: str, replicas: int, *, version: str = "v1", labels: Mapping[str, str] = {}) -> None:
        """A Deployment ``app-version`` whose pods are Ready when this returns."""
        name, containers = f"{app}-{version}", pod_spec()["containers"]
        body = objects.deployment(
            self.namespace, name, {"app": app, "version": version}, replicas, containers=containers
        )
        body["metadata"]["labels"] |= labels
        body["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1
        await self.create(_APPS, "deployments", body)
        await self.available(name, replicas)

    async def available(self, name: str, replicas: int) -> None:
        """Wait until a Deployment has so many Ready pods."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await self.get(self.path(_APPS, "deployments", name))
                if found.get("status", {}).get("availableReplicas", 0) == replicas:
                    return
                await asyncio.sleep(0.1)

    async def bare_pod(self, name: str, *, labels: Mapping[str, str] = {}, finalizer: str = "") -> PodRef:
        """A pod of nobody's, when it is Ready and its status stands still."""
        meta: Obj = {"name": name, "labels": dict(labels)} if labels else {"name": name}
        if finalizer:
            meta["finalizers"] = [finalizer]
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod_spec()}
        ref = reference(await self.create("/api/v1", "pods", body))
        async with asyncio.timeout(PATIENCE):
            while not is_ready(await self.pod(ref)):
                await asyncio.sleep(0.1)
        return ref

    async def budget(self, name: str, app: str, least: int) -> None:
        """A PodDisruptionBudget whose status has been computed when this returns."""
        body = objects.disruption_budget(self.namespace, name, {"app": app}, min_available=least)
        await self.create("/apis/policy/v1", "poddisruptionbudgets", body)
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await self.get(self.path("/apis/policy/v1", "poddisruptionbudgets", name))
                status = found.get("status", {})
                if status.get("observedGeneration") == found["metadata"]["generation"] and status.get("expectedPods"):
                    return
                await asyncio.sleep(0.1)

    async def pods(self, app: str) -> list[Obj]:
        """The pods of an app that are not being deleted, by name."""
        found = await self.get(paths.pods(self.namespace), labelSelector=f"app={app}")
        living = [pod for pod in found["items"] if "deletionTimestamp" not in pod["metadata"]]
        return sorted(living, key=lambda pod: pod["metadata"]["name"])

    async def one_pod(self, app: str) -> PodRef:
        """The first pod of an app."""
        return reference((await self.pods(app))[0])

    async def pod(self, ref: PodRef) -> Obj:
        """A pod as it is now."""
        return await self.get(paths.pod(ref.namespace, ref.name))

    async def gone(self, path: str) -> None:
        """Wait until an object is not there any more."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await self.get(path)
                except NotFound:
                    return
                await asyncio.sleep(0.1)

    @asynccontextmanager
    async def watched(self, **changes: Any) -> AsyncIterator[KubernetesCluster]:
        """A cluster source that follows this server and knows everything."""
        settings = KubernetesSettings(**{"page": 3, "timeout": 10.0} | changes)
        cluster = KubernetesCluster(self.api, settings, clock=SystemClock(), random=Random(1))
        async with running(cluster.run):
            assert await cluster.synced(PATIENCE), cluster.problems
            yield cluster


@asynccontextmanager
async def kube_world(side: str, folder: Path) -> AsyncIterator[KubeWorld]:
    """A fresh namespace on one side."""
    if side == "simulator":
        nodes = [objects.node(f"n{i}", zone=f"zone-{i}", index=i) for i in (1, 2)]
        async with (
            simulated_kube([*nodes, *(objects.namespace(one) for one in ("default", "contract"))]) as kube,
            connected(folder, kube.url) as api,
        ):
            yield KubeWorld(side, api, "contract")
        return
    api = KubeApi.of(kubeconfig=REAL)
    name = f"contract-{secrets.token_hex(4)}"
    try:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await api.request("POST", "/api/v1/namespaces", body=body)
        yield KubeWorld(side, api, name)
    finally:
        await api.request("DELETE", f"/api/v1/namespaces/{name}", body={})
        await api.close()


def pod_spec() -> Obj:
    """One container that does nothing, and ends at once when told to."""
    return {
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "app", "image": IMAGE, "imagePullPolicy": "IfNotPresent"}],
    }


def reference(pod: Obj) -> PodRef:
    """The incarnation that a pod object is."""
    meta = pod["metadata"]
    return PodRef(meta["namespace"], meta["name"], meta["uid"])


def is_ready(pod: Obj) -> bool:
    """The condition says so."""
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))


def decoded(body: bytes) -> Obj:
    """A JSON object."""
    return msgspec.json.decode(body, type=dict[str, Any])
