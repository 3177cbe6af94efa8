"""The ReplicaSet controller: keeps as many pods as asked, adopts and releases them by their labels."""

from __future__ import annotations

from typing import Final

from observer.simulator.kubernetes import pods as kube_pods
from observer.simulator.kubernetes.events import EventWriter
from observer.simulator.kubernetes.kinds import Obj
from observer.simulator.kubernetes.pods import controller_of, is_active, is_ready
from observer.simulator.kubernetes.selectors import matches_selector
from observer.simulator.kubernetes.store import Store

Key = tuple[str, str]

DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"


class ReplicaSetController:
    """Looks only at ReplicaSets whose pods or spec changed since the last tick."""

    def __init__(self, store: Store, events: EventWriter) -> None:
        self._store = store
        self._events = events
        self._sets: dict[str, Key] = {}
        self._pods: dict[str, dict[Key, None]] = {}
        self._owner: dict[Key, str] = {}
        self._orphans: set[Key] = set()
        self._dirty: dict[str, None] = {}
        store.subscribe(self._seen)
        for plural in ("replicasets", "pods"):
            for obj in store.list(plural):
                self._seen(plural, "ADDED", obj)

    def tick(self) -> None:
        """Bring every changed ReplicaSet to the number of pods it wants."""
        dirty, self._dirty = self._dirty, {}
        for uid in dirty:
            key = self._sets.get(uid)
            if key is not None:
                self._reconcile(uid, key)
            else:
                self._collect(uid)

    def pods_of(self, uid: str) -> list[Obj]:
        """Every pod that the controller with this uid owns, those on their way out too."""
        pods = (self._store.get("pods", *key) for key in self._pods.get(uid, ()))
        return [pod for pod in pods if pod is not None]

    def _seen(self, plural: str, kind: str, obj: Obj) -> None:
        meta = obj["metadata"]
        if plural == "replicasets":
            self._sets[meta["uid"]] = (meta["namespace"], meta["name"])
            if kind == "DELETED":
                del self._sets[meta["uid"]]
            self._dirty[meta["uid"]] = None
        elif plural == "pods":
            self._index((meta["namespace"], meta["name"]), kind, obj)

    def _index(self, key: Key, kind: str, pod: Obj) -> None:
        ref = controller_of(pod)
        uid = ref["uid"] if ref is not None and kind != "DELETED" else ""
        before = self._owner.get(key, "")
        if before != uid and before:
            self._pods[before].pop(key, None)
            self._dirty[before] = None
        if uid:
            self._owner[key] = uid
            self._pods.setdefault(uid, {})[key] = None
            self._dirty[uid] = None
        else:
            self._owner.pop(key, None)
        if kind == "DELETED" or ref is not None:
            self._orphans.discard(key)
        else:
            self._orphans.add(key)
            self._dirty.update(dict.fromkeys(uid for uid, place in self._sets.items() if place[0] == key[0]))

    def _reconcile(self, uid: str, key: Key) -> None:
        owner = self._store.entry("replicasets", *key).object
        self._release(owner)
        self._adopt(owner)
        pods = [pod for pod in self.pods_of(uid) if is_active(pod)]
        wanted = int(owner["spec"].get("replicas", 1))
        if len(pods) < wanted:
            self._grow(owner, wanted - len(pods))
        elif len(pods) > wanted:
            self._shrink(owner, pods, len(pods) - wanted)
        self._write_status(owner)

    def _release(self, owner: Obj) -> None:
        for pod in self.pods_of(owner["metadata"]["uid"]):
            if is_active(pod) and not matches_selector(owner["spec"]["selector"], pod["metadata"].get("labels", {})):
                meta = pod["metadata"]
                self._store.modify(
                    "pods", meta["namespace"], meta["name"], lambda new: new["metadata"].pop("ownerReferences")
                )

    def _adopt(self, owner: Obj) -> None:
        meta = owner["metadata"]
        for key in sorted(self._orphans):
            pod = self._store.get("pods", *key) if key[0] == meta["namespace"] else None
            if (
                pod is not None
                and is_active(pod)
                and matches_selector(owner["spec"]["selector"], pod["metadata"].get("labels", {}))
            ):
                self._own(key, owner)

    def _own(self, key: Key, owner: Obj) -> None:
        reference = kube_pods.owner_reference(owner)
        self._store.modify("pods", *key, lambda new: new["metadata"].update(ownerReferences=[reference]))

    def _grow(self, owner: Obj, count: int) -> None:
        meta = owner["metadata"]
        inject = kube_pods.injects(self._store.get("namespaces", "", meta["namespace"]))
        for _ in range(count):
            name = self._store.generate_name(f"{meta['name']}-")
            new = kube_pods.from_template(owner["spec"]["template"], owner, name, inject)
            pod = self._store.create("pods", new, take=True)
            self._events.emit(
                owner, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}", "replicaset-controller"
            )

    def _shrink(self, owner: Obj, pods: list[Obj], count: int) -> None:
        crowd: dict[str, int] = {}
        for pod in pods:
            node = pod["spec"].get("nodeName", "")
            crowd[node] = crowd.get(node, 0) + 1
        for pod in sorted(pods, key=lambda pod: _rank(pod, crowd))[:count]:
            meta = pod["metadata"]
            grace = kube_pods.grace_of(pod) if pod["spec"].get("nodeName") else 0.0
            self._store.mark_deleted("pods", meta["namespace"], meta["name"], grace)
            self._events.emit(owner, "SuccessfulDelete", f"Deleted pod: {meta['name']}", "replicaset-controller")

    def _write_status(self, owner: Obj) -> None:
        pods = self.pods_of(owner["metadata"]["uid"])
        active = [pod for pod in pods if is_active(pod)]
        ready = sum(1 for pod in active if is_ready(pod))
        status: Obj = {
            "replicas": len(active),
            "terminatingReplicas": sum("deletionTimestamp" in p["metadata"] for p in pods),
        }
        if active:
            status["fullyLabeledReplicas"] = len(active)
        if ready:
            status.update(readyReplicas=ready, availableReplicas=ready)

        def write(new: Obj) -> None:
            new["status"] = {**status, "observedGeneration": new["metadata"]["generation"]}

        meta = owner["metadata"]
        self._store.modify("replicasets", meta["namespace"], meta["name"], write, subresource="status")

    def _collect(self, uid: str) -> None:
        """The owner is gone: its pods go too. Pods of owners that never were here stay."""
        for pod in self.pods_of(uid):
            ref = controller_of(pod)
            if ref is not None and ref["kind"] == "ReplicaSet" and is_active(pod) and uid not in self._sets:
                meta = pod["metadata"]
                self._store.mark_deleted("pods", meta["namespace"], meta["name"], kube_pods.grace_of(pod))


def _rank(pod: Obj, crowd: dict[str, int]) -> tuple[object, ...]:
    """Order in which pods are given up: unplaced, pending, not ready, cheap, crowded, young first."""
    meta, node = pod["metadata"], pod["spec"].get("nodeName", "")
    try:
        cost = int(meta.get("annotations", {}).get(DELETION_COST, "0"))
    except ValueError:
        cost = 0
    since = next(
        (item["lastTransitionTime"] for item in pod["status"].get("conditions", ()) if item["type"] == "Ready"), ""
    )
    restarts = max((row["restartCount"] for row in pod["status"].get("containerStatuses", ())), default=0)
    return (
        bool(node),
        pod["status"].get("phase") != "Pending",
        is_ready(pod),
        cost,
        -crowd[node],
        _newest_first(since),
        -restarts,
        _newest_first(meta["creationTimestamp"]),
        meta["name"],
    )


def _newest_first(stamp: str) -> tuple[int, ...]:
    return tuple(-ord(letter) for letter in stamp)
