"""A mesh without an API server: a store of pods made by hand, and time moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from observer.simulator.mesh.pods import PodTable
from observer.simulator.mesh.topology import MeshSpec, ScrapeSpec, ServiceSpec, SourceSpec, WorkloadSpec
from observer.simulator.mesh.traffic import Mesh
from observer.simulator.prometheus.promql import Evaluator, Vector, parse
from observer.simulator.prometheus.scrape import Scraper

START = 1_000_000.0
Obj = dict[str, Any]


class TinyStore:
    """What the mesh needs of an object store."""

    def __init__(self) -> None:
        self.objects: dict[str, Obj] = {}
        self._callbacks: list[Callable[[str, str, Obj], None]] = []

    def list(self, plural: str) -> list[Obj]:
        return list(self.objects.values()) if plural == "pods" else []

    def subscribe(self, callback: Callable[[str, str, Obj], None]) -> None:
        self._callbacks.append(callback)

    def put(self, obj: Obj) -> None:
        uid = obj["metadata"]["uid"]
        kind = "MODIFIED" if uid in self.objects else "ADDED"
        self.objects[uid] = obj
        self._tell(kind, obj)

    def remove(self, obj: Obj) -> None:
        del self.objects[obj["metadata"]["uid"]]
        self._tell("DELETED", obj)

    def _tell(self, kind: str, obj: Obj) -> None:
        for callback in self._callbacks:
            callback("pods", kind, obj)


def pod(
    name: str, app: str, ip: str, *, version: str = "v1", namespace: str = "shop", workload: str = "", node: str = "n1"
) -> Obj:
    """A ready pod with a sidecar, as the API server shows it."""
    owner = f"{workload or f'{app}-{version}'}-abc12"
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "labels": {
                "app": app,
                "version": version,
                "pod-template-hash": "abc12",
                "service.istio.io/canonical-name": app,
                "service.istio.io/canonical-revision": version,
            },
            "ownerReferences": [{"kind": "ReplicaSet", "name": owner, "controller": True}],
        },
        "spec": {"nodeName": node, "containers": [{"name": "app"}], "initContainers": [{"name": "istio-proxy"}]},
        "status": {
            "phase": "Running",
            "podIP": ip,
            "conditions": [{"type": "Ready", "status": "True"}],
            "initContainerStatuses": [{"name": "istio-proxy", "restartCount": 0}],
        },
    }


def labelled(obj: Obj, **labels: str) -> Obj:
    """The same pod with more labels."""
    meta = {**obj["metadata"], "labels": {**obj["metadata"]["labels"], **labels}}
    return {**obj, "metadata": meta}


def drained(obj: Obj) -> Obj:
    return labelled(obj, **{"istio.io/draining": "true"})


def small_spec(**changes: Any) -> MeshSpec:
    """load -> front (1 pod) -> store (4 pods), 40 requests a second."""
    described: dict[str, Any] = {
        "namespace": "shop",
        "services": (ServiceSpec("front", calls=("store",)), ServiceSpec("store")),
        "workloads": (WorkloadSpec("front-v1", "front", "v1", 1), WorkloadSpec("store-v1", "store", "v1", 4)),
        "sources": (SourceSpec("load", "front", 40.0),),
        "step": 0.1,
    }
    return MeshSpec(**{**described, **changes})


class Rig:
    """A small mesh that is scraped, driven step by step; at ``START`` all pods are balanced and the load begins."""

    def __init__(self, spec: MeshSpec | None = None, scrape: ScrapeSpec | None = None, seed: int = 1) -> None:
        self.store = TinyStore()
        self.pods = {"load-0": pod("load-0", "load", "10.0.0.9", workload="load")}
        self.pods["front-0"] = pod("front-0", "front", "10.0.0.8")
        for number in range(4):
            name = f"store-{number}"
            self.pods[name] = pod(name, "store", f"10.0.0.{number}", node=f"n{1 + number % 2}")
        for one in self.pods.values():
            self.store.put(one)
        self.mesh = Mesh(spec or small_spec(), PodTable(self.store), seed, START - 3.0)
        self.scraper = Scraper(scrape or ScrapeSpec(), self.mesh, seed)
        self.scraper.discover()
        self.quiet(3.0)
        self.mesh.load.factor = 1.0

    def run(self, seconds: float) -> None:
        end = self.mesh.now + seconds
        while self.mesh.now < end - 1e-9:
            at = min(self.mesh.now + self.mesh.spec.step, end)
            self.mesh.step_to(at)
            self.scraper.run(at)

    def quiet(self, seconds: float = 8.0) -> None:
        """No more load, until all that was under way is over and scraped."""
        self.mesh.load.factor = 0.0
        self.run(seconds)

    def change(self, obj: Obj) -> None:
        self.pods[obj["metadata"]["name"]] = obj
        self.store.put(obj)

    def ask(self, query: str, at: float | None = None) -> dict[tuple[tuple[str, str], ...], float]:
        """Instant query: sorted label pairs to value."""
        instant = np.array([round((self.mesh.now if at is None else at) * 1000)], dtype=np.int64)
        found = Evaluator(self.scraper.memory, instant).evaluate(parse(query))
        assert isinstance(found, Vector)
        return {
            tuple(sorted(labels.items())): float(value[0])
            for labels, value, present in zip(found.series.labels, found.values, found.present, strict=True)
            if present[0]
        }

    def by(self, label: str, query: str, at: float | None = None) -> dict[str, float]:
        """Instant query whose series differ in one label: its value to theirs."""
        return {dict(key)[label]: value for key, value in self.ask(query, at).items()}
