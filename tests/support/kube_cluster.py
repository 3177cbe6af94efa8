"""A simulated cluster whose time is moved by hand, for tests of the simulator itself."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

from observer.simulator.clock import SimClock
from observer.simulator.kubernetes import objects as kube_objects
from observer.simulator.kubernetes import pods
from observer.simulator.kubernetes.controllers import Controllers
from observer.simulator.kubernetes.store import Store

Obj = dict[str, Any]


class HandCluster:
    """Two nodes, namespace ``shop`` (injected) and whatever else is given; nothing happens until ``run``."""

    def __init__(self, *objects: Obj, injected: bool = True, nodes: int = 2) -> None:
        self.clock = SimClock()
        self.store = Store(self.clock)
        self.controllers = Controllers(self.store, self.clock, random.Random(7))
        labels = {kube_objects.INJECTION_LABEL: "enabled"} if injected else {}
        self.store.add(kube_objects.namespace("shop", labels))
        for index in range(1, nodes + 1):
            self.store.add(kube_objects.node(f"n{index}", index=index))
        for obj in objects:
            self.store.add(obj)

    def run(self, seconds: float, step: float = 0.5, check: Callable[[], None] | None = None) -> None:
        """Let time pass; ``check`` is called after every step."""
        self.controllers.tick()
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            self.controllers.tick()
            if check is not None:
                check()

    def pods(self, app: str = "", *, leaving: bool = False) -> list[Obj]:
        """Pods of an app, those on their way out only when asked for."""
        found = (pod for pod in self.store.list("pods", "shop") if app in ("", pod["metadata"]["labels"].get("app")))
        return [pod for pod in found if leaving or "deletionTimestamp" not in pod["metadata"]]

    def ready(self, app: str = "") -> list[str]:
        """Names of ready pods that stay."""
        return [name_of(pod) for pod in self.pods(app) if pods.is_ready(pod)]

    def status(self, plural: str, name: str) -> Obj:
        """Status of one object in the shop."""
        return dict(self.store.entry(plural, "shop", name).object["status"])

    def replicasets(self, app: str) -> dict[str, int]:
        """Wanted replicas by ReplicaSet name."""
        found = (item for item in self.store.list("replicasets", "shop") if item["metadata"]["labels"]["app"] == app)
        return {name_of(item): item["spec"]["replicas"] for item in found}

    def events(self, reason: str) -> list[Obj]:
        """Events with this reason."""
        return [event for event in self.store.list("events") if event["reason"] == reason]


def app(name: str, replicas: int, **more: Any) -> Obj:
    """A Deployment ``name-v1``."""
    return kube_objects.deployment("shop", f"{name}-v1", {"app": name, "version": "v1"}, replicas, **more)


def name_of(obj: Obj) -> str:
    """Its name."""
    return str(obj["metadata"]["name"])


def names_of(objects: Iterable[Obj]) -> set[str]:
    """Their names."""
    return {name_of(obj) for obj in objects}
