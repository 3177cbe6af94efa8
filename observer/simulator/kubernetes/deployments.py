"""The Deployment controller: one ReplicaSet per template, rolled over within maxSurge and maxUnavailable."""

from __future__ import annotations

import hashlib
import math
from typing import Final

import msgspec

from observer.domain import names
from observer.simulator.kubernetes.events import EventWriter
from observer.simulator.kubernetes.kinds import Obj, parse_time, rfc3339
from observer.simulator.kubernetes.pods import controller_of, owner_reference
from observer.simulator.kubernetes.replicasets import ReplicaSetController
from observer.simulator.kubernetes.store import SAFE, Store, copy

Key = tuple[str, str]

REVISION: Final = "deployment.kubernetes.io/revision"
DESIRED: Final = "deployment.kubernetes.io/desired-replicas"
MAXIMUM: Final = "deployment.kubernetes.io/max-replicas"
MANAGER: Final = "kube-controller-manager"


class DeploymentController:
    """Looks only at Deployments that changed, or whose rollout is not finished."""

    def __init__(self, store: Store, replicasets: ReplicaSetController, events: EventWriter) -> None:
        self._store = store
        self._replicasets = replicasets
        self._events = events
        self._sets: dict[str, dict[Key, None]] = {}
        self._dirty: dict[Key, None] = {}
        self._rolling: dict[Key, None] = {}
        store.subscribe(self._seen)
        for plural in ("deployments", "replicasets"):
            for obj in store.list(plural):
                self._seen(plural, "ADDED", obj)

    def tick(self, now: float) -> None:
        """One step of every rollout that can take one."""
        dirty, self._dirty = {**self._rolling, **self._dirty}, {}
        for key in dirty:
            deployment = self._store.get("deployments", *key)
            if deployment is None:
                self._rolling.pop(key, None)
            else:
                self._reconcile(deployment, now)

    def _seen(self, plural: str, kind: str, obj: Obj) -> None:
        meta = obj["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        if plural == "deployments":
            self._dirty[key] = None
            if kind == "DELETED":
                self._collect(meta["uid"])
        elif plural == "replicasets":
            ref = controller_of(obj)
            if ref is None:
                return
            owned = self._sets.setdefault(ref["uid"], {})
            if kind == "DELETED":
                owned.pop(key, None)
            else:
                owned[key] = None
            self._dirty[(key[0], ref["name"])] = None

    def _collect(self, uid: str) -> None:
        for key in list(self._sets.pop(uid, {})):
            self._store.delete("replicasets", *key)

    def _reconcile(self, deployment: Obj, now: float) -> None:
        owned = [
            item
            for key in self._sets.get(deployment["metadata"]["uid"], ())
            if (item := self._store.get("replicasets", *key))
        ]
        new = next((item for item in owned if _same_template(item, deployment)), None)
        if not deployment["spec"].get("paused"):
            if new is None:
                new = self._make_set(deployment, owned)
                owned.append(new)
            self._take_revision(deployment, new, owned)
            self._roll(deployment, new, [item for item in owned if item is not new])
            self._clean(deployment, new, owned)
        elif owned:
            newest = max(owned, key=_revision)
            others = sum(_wanted(item) for item in owned if item is not newest)
            self._scale(deployment, newest, max(int(deployment["spec"]["replicas"]) - others, 0))
        self._write_status(deployment, new, now)

    def _make_set(self, deployment: Obj, owned: list[Obj]) -> Obj:
        meta, spec = deployment["metadata"], deployment["spec"]
        digest = template_hash(spec["template"])
        template = copy(spec["template"])
        labels = {**template["metadata"]["labels"], names.POD_TEMPLATE_HASH: digest}
        template["metadata"]["labels"] = labels
        selector = {**spec["selector"]["matchLabels"], names.POD_TEMPLATE_HASH: digest}
        body = {
            "metadata": {
                "name": f"{meta['name']}-{digest}",
                "namespace": meta["namespace"],
                "labels": labels,
                "annotations": {REVISION: str(max(map(_revision, owned), default=0) + 1)},
                "ownerReferences": [owner_reference(deployment)],
            },
            "spec": {"replicas": 0, "selector": {"matchLabels": selector}, "template": template},
            "status": {"replicas": 0},
        }
        return self._store.create("replicasets", body, manager=MANAGER)

    def _take_revision(self, deployment: Obj, new: Obj, owned: list[Obj]) -> None:
        """The current ReplicaSet has the highest revision, also when it is an old one that came back."""
        meta = new["metadata"]
        highest = max((_revision(item) for item in owned if item is not new), default=0)
        if _revision(new) <= highest:
            self._annotate("replicasets", meta["namespace"], meta["name"], str(highest + 1))
        current = self._store.entry("replicasets", meta["namespace"], meta["name"]).object
        if deployment["metadata"].get("annotations", {}).get(REVISION) != str(_revision(current)):
            self._annotate("deployments", meta["namespace"], deployment["metadata"]["name"], str(_revision(current)))

    def _annotate(self, plural: str, namespace: str, name: str, revision: str) -> None:
        def change(obj: Obj) -> None:
            obj["metadata"].setdefault("annotations", {})[REVISION] = revision

        self._store.modify(plural, namespace, name, change, manager=MANAGER)

    def _roll(self, deployment: Obj, new: Obj, old: list[Obj]) -> None:
        spec = deployment["spec"]
        desired = int(spec["replicas"])
        standing = [item for item in old if _wanted(item) > 0]
        if spec["strategy"]["type"] == "Recreate":
            for item in standing:
                self._scale(deployment, item, 0)
            if not standing and not any(self._replicasets.pods_of(item["metadata"]["uid"]) for item in old):
                self._scale(deployment, new, desired)
            return
        surge, unavailable = limits(deployment)
        total = _wanted(new) + sum(map(_wanted, old))
        if _wanted(new) > desired:
            self._scale(deployment, new, desired)
        elif _wanted(new) < desired:
            self._scale(deployment, new, min(desired, _wanted(new) + max(desired + surge - total, 0)))
        self._shrink_old(deployment, new, standing, desired - unavailable)

    def _shrink_old(self, deployment: Obj, new: Obj, standing: list[Obj], least: int) -> None:
        """First give up pods of old ReplicaSets that are not available anyway, then available ones above the floor."""
        new_now = self._store.entry("replicasets", new["metadata"]["namespace"], new["metadata"]["name"]).object
        total = _wanted(new_now) + sum(map(_wanted, standing))
        spare = total - least - (_wanted(new_now) - _available(new_now))
        for item in sorted(standing, key=_revision):
            broken = min(_wanted(item) - _available(item), max(spare, 0))
            if broken > 0:
                self._scale(deployment, item, _wanted(item) - broken)
                spare -= broken
        available = _available(new_now) + sum(map(_available, standing))
        for item in sorted(standing, key=_revision):
            now = self._store.entry("replicasets", item["metadata"]["namespace"], item["metadata"]["name"]).object
            down = min(_wanted(now), max(available - least, 0))
            if down > 0:
                self._scale(deployment, now, _wanted(now) - down)
                available -= down

    def _scale(self, deployment: Obj, owned: Obj, replicas: int) -> None:
        meta, before = owned["metadata"], _wanted(owned)
        desired = int(deployment["spec"]["replicas"])
        surge = limits(deployment)[0]
        marks = {DESIRED: str(desired), MAXIMUM: str(desired + surge)}

        def change(obj: Obj) -> None:
            obj["spec"]["replicas"] = replicas
            obj["metadata"].setdefault("annotations", {}).update(marks)

        self._store.modify("replicasets", meta["namespace"], meta["name"], change, manager=MANAGER)
        if replicas != before:
            word = "up" if replicas > before else "down"
            message = f"Scaled {word} replica set {meta['name']} from {before} to {replicas}"
            self._events.emit(deployment, "ScalingReplicaSet", message, "deployment-controller")

    def _clean(self, deployment: Obj, new: Obj, owned: list[Obj]) -> None:
        """Remove empty ReplicaSets beyond the history limit, oldest first."""
        limit = int(deployment["spec"].get("revisionHistoryLimit", 10))
        empty = [
            item for item in owned if item is not new and _wanted(item) == 0 and item["status"].get("replicas", 0) == 0
        ]
        for item in sorted(empty, key=_revision)[: max(len(empty) - limit, 0)]:
            self._store.delete("replicasets", item["metadata"]["namespace"], item["metadata"]["name"])

    def _write_status(self, deployment: Obj, new: Obj | None, now: float) -> None:
        meta = deployment["metadata"]
        key = (meta["namespace"], meta["name"])
        owned = [item for place in self._sets.get(meta["uid"], ()) if (item := self._store.get("replicasets", *place))]
        current = None if new is None else self._store.get("replicasets", key[0], new["metadata"]["name"])
        status = _counts(deployment, owned, current)
        old = deployment.get("status", {})
        conditions = _conditions(deployment, old, status, current, now)
        finished = conditions[1]["reason"] in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded")
        (self._rolling.pop(key, None) if finished else self._rolling.update({key: None}))

        def write(obj: Obj) -> None:
            obj["status"] = {**status, "conditions": conditions, "observedGeneration": obj["metadata"]["generation"]}

        self._store.modify("deployments", *key, write, manager=MANAGER, subresource="status")


def _counts(deployment: Obj, owned: list[Obj], current: Obj | None) -> Obj:
    desired = int(deployment["spec"]["replicas"])
    total = sum(int(item["status"].get("replicas", 0)) for item in owned)
    available = sum(map(_available, owned))
    numbers = {
        "replicas": total,
        "updatedReplicas": int(current["status"].get("replicas", 0)) if current is not None else 0,
        "readyReplicas": sum(int(item["status"].get("readyReplicas", 0)) for item in owned),
        "availableReplicas": available,
        "unavailableReplicas": max(desired - available, 0) if total <= desired else max(total - available, 0),
    }
    status: Obj = {key: value for key, value in numbers.items() if value}
    status["terminatingReplicas"] = sum(int(item["status"].get("terminatingReplicas", 0)) for item in owned)
    return status


def _conditions(deployment: Obj, old: Obj, status: Obj, current: Obj | None, now: float) -> list[Obj]:
    desired = int(deployment["spec"]["replicas"])
    enough = status.get("availableReplicas", 0) >= desired - limits(deployment)[1]
    reason, text = ("MinimumReplicasAvailable", "has") if enough else ("MinimumReplicasUnavailable", "does not have")
    available = _condition(
        old, "Available", enough, reason=reason, message=f"Deployment {text} minimum availability.", now=now
    )
    return [available, _progressing(deployment, old, status, current, now)]


def _progressing(deployment: Obj, old: Obj, status: Obj, current: Obj | None, now: float) -> Obj:
    desired = int(deployment["spec"]["replicas"])
    name = current["metadata"]["name"] if current is not None else deployment["metadata"]["name"]
    done = (
        status.get("updatedReplicas", 0) == desired == status.get("availableReplicas", 0) == status.get("replicas", 0)
    )
    before = next((item for item in old.get("conditions", ()) if item["type"] == "Progressing"), None)
    if current is None and before is not None:
        return dict(before)
    if done or (before and before["reason"] == "NewReplicaSetAvailable" and not _moved(old, status, current)):
        message = f'ReplicaSet "{name}" has successfully progressed.'
        return _condition(old, "Progressing", True, reason="NewReplicaSetAvailable", message=message, now=now)
    if before is not None and not _moved(old, status, current):
        deadline = float(deployment["spec"].get("progressDeadlineSeconds", 600))
        if before["reason"] == "ProgressDeadlineExceeded" or parse_time(before["lastUpdateTime"]) + deadline <= now:
            message = f'ReplicaSet "{name}" has timed out progressing.'
            return _condition(old, "Progressing", False, reason="ProgressDeadlineExceeded", message=message, now=now)
        return dict(before)
    message = f'ReplicaSet "{name}" is progressing.'
    return _condition(old, "Progressing", True, reason="ReplicaSetUpdated", message=message, now=now, fresh=True)


def _moved(old: Obj, status: Obj, current: Obj | None) -> bool:
    """The rollout got further since the last status: more updated, or fewer old, or more available pods."""
    before = next((item for item in old.get("conditions", ()) if item["type"] == "Progressing"), None)
    if before is not None and current is not None and f'"{current["metadata"]["name"]}"' not in before["message"]:
        return True
    more = any(
        status.get(key, 0) > old.get(key, 0) for key in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    stale = status.get("replicas", 0) - status.get("updatedReplicas", 0)
    return more or stale < old.get("replicas", 0) - old.get("updatedReplicas", 0)


def _condition(old: Obj, kind: str, status: bool, *, reason: str, message: str, now: float, fresh: bool = False) -> Obj:
    text = "True" if status else "False"
    before = next((item for item in old.get("conditions", ()) if item["type"] == kind), None)
    same = before is not None and (before["status"], before["reason"], before["message"]) == (text, reason, message)
    if before is not None and same and not fresh:
        return dict(before)
    moved = before["lastTransitionTime"] if before is not None and before["status"] == text else rfc3339(now)
    return {
        "lastTransitionTime": moved,
        "lastUpdateTime": rfc3339(now),
        "message": message,
        "reason": reason,
        "status": text,
        "type": kind,
    }


def limits(deployment: Obj) -> tuple[int, int]:
    """``(maxSurge, maxUnavailable)`` in pods; surge rounds up, unavailable down, and never both are 0."""
    desired = int(deployment["spec"]["replicas"])
    rolling = deployment["spec"]["strategy"].get("rollingUpdate") or {"maxSurge": 0, "maxUnavailable": desired}
    surge, unavailable = rolling.get("maxSurge", "25%"), rolling.get("maxUnavailable", "25%")
    up = surge if isinstance(surge, int) else math.ceil(int(surge.removesuffix("%")) * desired / 100)
    down = unavailable if isinstance(unavailable, int) else int(unavailable.removesuffix("%")) * desired // 100
    return up, max(down, 1) if up == 0 else down


def template_hash(template: Obj) -> str:
    """``pod-template-hash``: the same for the same template, spelt with letters that make no words."""
    number = int.from_bytes(hashlib.sha256(msgspec.json.encode(template, order="sorted")).digest()[:4], "big")
    return "".join(SAFE[ord(digit) % len(SAFE)] for digit in str(number))


def _same_template(owned: Obj, deployment: Obj) -> bool:
    template = {**owned["spec"]["template"]}
    labels = {k: v for k, v in template["metadata"]["labels"].items() if k != names.POD_TEMPLATE_HASH}
    template["metadata"] = {**template["metadata"], "labels": labels}
    return bool(template == deployment["spec"]["template"])


def _revision(owned: Obj) -> int:
    return int(owned["metadata"].get("annotations", {}).get(REVISION, 0))


def _wanted(owned: Obj) -> int:
    return int(owned["spec"].get("replicas", 0))


def _available(owned: Obj) -> int:
    return int(owned["status"].get("availableReplicas", 0))
