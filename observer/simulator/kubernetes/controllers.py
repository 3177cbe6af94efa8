"""
The controllers of a cluster, driven by hand: nothing happens between two ``tick``s.

Deployments make ReplicaSets, ReplicaSets make pods, pods are scheduled, start, become ready and end; budgets are
counted; what lost its owner is collected. ``Controllers.frozen`` stops single controllers, for tests of lag.
"""

from __future__ import annotations

import random
from typing import Final

from observer.simulator.kubernetes import disruption, pods
from observer.simulator.kubernetes.deployments import DeploymentController
from observer.simulator.kubernetes.events import EventWriter
from observer.simulator.kubernetes.kinds import Obj
from observer.simulator.kubernetes.kubelet import Kubelet
from observer.simulator.kubernetes.replicasets import ReplicaSetController
from observer.simulator.kubernetes.status import Refused, check_preconditions
from observer.simulator.kubernetes.store import Instant, Store

ROUNDS: Final = 12
"""How often one tick lets the controllers answer each other before it leaves the rest to the next."""

EXPIRY_SECONDS: Final = 60.0


class Controllers:
    """
    All of them over one store.

    ``start_seconds`` (scheduled to ready) and ``stop_seconds`` (deletion mark to gone, never past the grace) are
    ranges, drawn per pod from ``rng``. ``events`` false keeps them from writing Events (large clusters).
    """

    def __init__(
        self,
        store: Store,
        clock: Instant,
        rng: random.Random,
        *,
        start_seconds: tuple[float, float] = (2.0, 4.0),
        stop_seconds: tuple[float, float] = (1.0, 2.0),
        events: bool = True,
    ) -> None:
        self._store = store
        self._clock = clock
        self._events = EventWriter(store, on=events)
        self._kubelet = Kubelet(store, rng, self._events, start_seconds, stop_seconds)
        self._replicasets = ReplicaSetController(store, self._events)
        self._deployments = DeploymentController(store, self._replicasets, self._events)
        self._budgets = disruption.BudgetController(store)
        self._next_expiry = clock.now() + EXPIRY_SECONDS
        self.frozen: set[str] = set()
        """Whose controller does nothing: ``deployments``, ``replicasets``, ``pods``, ``poddisruptionbudgets``."""

    @property
    def missing_images(self) -> set[str]:
        """Images that no node can pull; change it freely."""
        return self._kubelet.missing_images

    def tick(self, now: float | None = None) -> None:
        """Let every controller do what is due by ``now`` (Unix seconds; the clock's time by default)."""
        at = self._clock.now() if now is None else now
        for _ in range(ROUNDS):
            before = self._store.version
            if "deployments" not in self.frozen:
                self._deployments.tick(at)
            if "replicasets" not in self.frozen:
                self._replicasets.tick()
            if "pods" not in self.frozen:
                self._kubelet.tick(at)
            if self._store.version == before:
                break
        if "poddisruptionbudgets" not in self.frozen:
            self._budgets.tick(at)
        if at >= self._next_expiry:
            self._next_expiry = at + EXPIRY_SECONDS
            self._events.expire(at)

    def delete_pod(self, namespace: str, name: str, *, grace: float | None = None, uid: str | None = None) -> Obj:
        """Begin a pod's graceful end; ``grace`` defaults to its own. Refuses with 404, or 409 for another uid."""
        pod = self._store.entry("pods", namespace, name).object
        check_preconditions("Pod", pod, {"uid": uid})
        seconds = pods.grace_of(pod) if grace is None else grace
        if seconds <= 0 and not pod["metadata"].get("finalizers"):
            return self._store.delete("pods", namespace, name)
        return self._store.mark_deleted("pods", namespace, name, seconds)

    def scale(self, namespace: str, deployment: str, replicas: int) -> None:
        """Change a Deployment's replicas, as a person would."""
        self._store.modify(
            "deployments", namespace, deployment, lambda new: new["spec"].update(replicas=replicas), manager="kubectl"
        )

    def set_image(self, namespace: str, deployment: str, image: str) -> None:
        """Change the first container's image: the start of a rollout."""

        def change(new: Obj) -> None:
            new["spec"]["template"]["spec"]["containers"][0]["image"] = image

        self._store.modify("deployments", namespace, deployment, change, manager="kubectl-set")

    def set_ready(self, namespace: str, pod: str, ready: bool) -> None:
        """Let a pod's readiness probe fail, or pass again."""
        self._kubelet.set_ready(namespace, pod, ready, self._clock.now())

    def restart_container(
        self, namespace: str, pod: str, container: str, *, exit_code: int = 1, reason: str = "Error", down: float = 1.0
    ) -> None:
        """End a container; it runs again ``down`` seconds later with a higher restartCount."""
        self._kubelet.restart_container(
            namespace, pod, container, self._clock.now(), exit_code=exit_code, reason=reason, down=down
        )

    def cordon(self, node: str, *, on: bool = True) -> None:
        """Make a node unschedulable (with the taint that comes with it), or schedulable again."""

        def change(new: Obj) -> None:
            if on:
                new["spec"].update(
                    unschedulable=True, taints=[{"effect": "NoSchedule", "key": "node.kubernetes.io/unschedulable"}]
                )
            else:
                new["spec"].pop("unschedulable", None)
                new["spec"].pop("taints", None)

        self._store.modify("nodes", "", node, change, manager="kubectl")

    def drain(self, node: str) -> list[str]:
        """Cordon a node and evict its pods as ``kubectl drain`` does; returns the names that a budget still holds."""
        self.cordon(node)
        refused = []
        for pod in self._store.list("pods"):
            meta = pod["metadata"]
            if pod["spec"].get("nodeName") == node and pods.is_active(pod):
                try:
                    self.evict(meta["namespace"], meta["name"])
                except Refused:
                    refused.append(str(meta["name"]))
        return refused

    def evict(
        self,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        version: str | None = None,
        grace: float | None = None,
        dry_run: bool = False,
    ) -> None:
        """
        The Eviction API; refuses as the real server does.

        Budgets are judged, and paid, before the preconditions (``uid``, resource ``version``) are looked at.
        """
        pod = self._store.entry("pods", namespace, name).object
        disruption.check(self._store, pod, spend=not dry_run)
        check_preconditions("Pod", pod, {"uid": uid, "resourceVersion": version})
        if not dry_run:
            self.delete_pod(namespace, name, grace=grace)
