"""Scheduler and kubelets in one: brings pods up, restarts their containers, takes them away."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from typing import Final

from observer.simulator.kubernetes import pods
from observer.simulator.kubernetes.events import EventWriter
from observer.simulator.kubernetes.kinds import Obj, parse_time, rfc3339
from observer.simulator.kubernetes.pods import set_condition
from observer.simulator.kubernetes.store import Store

Key = tuple[str, str]

SANDBOX_SHARE: Final = 0.4
"""Share of a pod's start that passes before its containers run."""


class Kubelet:
    """
    Moves every pod through its life as time goes on.

    ``start_seconds`` and ``stop_seconds`` are ranges, drawn per pod. A pod whose image is in ``missing_images`` waits
    with ImagePullBackOff until the image is there.
    """

    def __init__(
        self,
        store: Store,
        rng: random.Random,
        events: EventWriter,
        start_seconds: tuple[float, float],
        stop_seconds: tuple[float, float],
    ) -> None:
        self.missing_images: set[str] = set()
        self._store = store
        self._rng = rng
        self._events = events
        self._start = start_seconds
        self._stop = stop_seconds
        self._due: list[tuple[float, int, Key, str, str]] = []
        self._order = itertools.count()
        self._unscheduled: dict[Key, None] = {}
        self._waiting: dict[Key, None] = {}
        self._leaving: dict[Key, str] = {}
        self._probes_fail: set[str] = set()
        self._places: dict[Key, tuple[str, str]] = {}
        self._load: Counter[str] = Counter()
        self._spread: Counter[tuple[str, str]] = Counter()
        self._next_address = 0
        store.subscribe(self._seen)
        for pod in store.list("pods"):
            self._seen("pods", "ADDED", pod)

    def tick(self, now: float) -> None:
        """Do everything that is due by ``now``."""
        self._schedule(now)
        for key in list(self._waiting):
            self._retry_pull(key, now)
        while self._due and self._due[0][0] <= now:
            at, _, key, uid, step = heapq.heappop(self._due)
            pod = self._store.get("pods", *key)
            if pod is not None and pod["metadata"]["uid"] == uid:
                self._step(step, pod, key, max(at, now))

    def set_ready(self, namespace: str, name: str, ready: bool, now: float) -> None:
        """Let the readiness probe of a running pod fail, or pass again."""
        pod = self._store.entry("pods", namespace, name).object
        (self._probes_fail.discard if ready else self._probes_fail.add)(pod["metadata"]["uid"])
        if pod["status"].get("phase") == "Running":
            self._mark_ready((namespace, name), ready, now)

    def restart_container(
        self, namespace: str, name: str, container: str, now: float, *, exit_code: int, reason: str, down: float
    ) -> None:
        """End one container and start it again after ``down`` seconds; its restartCount goes up."""

        def crash(pod: Obj) -> None:
            row = pods.status_of(pod, container)
            if row is None:
                raise KeyError(f"pod {namespace}/{name} has no container {container}")
            began = row["state"].get("running", {}).get("startedAt", rfc3339(now))
            ended = {"exitCode": exit_code, "reason": reason, "startedAt": began, "finishedAt": rfc3339(now)}
            row.update(state={"terminated": ended}, lastState={}, ready=False, started=False)
            _conditions(pod, False, now)

        pod = self._write((namespace, name), crash)
        self._later(now + down, (namespace, name), pod["metadata"]["uid"], f"restart:{container}")

    def _seen(self, plural: str, kind: str, obj: Obj) -> None:
        if plural != "pods":
            return
        meta = obj["metadata"]
        key = (meta["namespace"], meta["name"])
        if kind == "DELETED":
            self._forget(key, meta["uid"])
            return
        node = obj["spec"].get("nodeName", "")
        if node and key not in self._places:
            self._place(key, obj, node)
        if not node:
            self._unscheduled[key] = None
        if kind == "ADDED" and node and not obj["status"].get("conditions"):
            self._later(self._store.now(), key, meta["uid"], "accept")
        if "deletionTimestamp" in meta and self._leaving.get(key) != meta["deletionTimestamp"]:
            self._leaving[key] = meta["deletionTimestamp"]
            self._begin_stop(key, obj)
        elif (
            "deletionTimestamp" in meta
            and not meta.get("finalizers")
            and obj["status"].get("phase") in ("Succeeded", "Failed")
        ):
            self._later(self._store.now(), key, meta["uid"], "remove")

    def _forget(self, key: Key, uid: str) -> None:
        self._unscheduled.pop(key, None)
        self._waiting.pop(key, None)
        self._leaving.pop(key, None)
        self._probes_fail.discard(uid)
        node, group = self._places.pop(key, ("", ""))
        if node:
            self._load[node] -= 1
            self._spread[(node, group)] -= 1

    def _place(self, key: Key, pod: Obj, node: str) -> None:
        group = _group(pod)
        self._places[key] = (node, group)
        self._load[node] += 1
        self._spread[(node, group)] += 1

    def _later(self, at: float, key: Key, uid: str, step: str) -> None:
        heapq.heappush(self._due, (at, next(self._order), key, uid, step))

    def _schedule(self, now: float) -> None:
        if not self._unscheduled:
            return
        nodes = [node["metadata"]["name"] for node in self._store.list("nodes") if schedulable(node)]
        for key in list(self._unscheduled):
            pod = self._store.get("pods", *key)
            if pod is None or "deletionTimestamp" in pod["metadata"]:
                self._unscheduled.pop(key)
            elif nodes:
                self._unscheduled.pop(key)
                self._bind(key, pod, nodes, now)
            elif pods.condition(pod, "PodScheduled") != "False":
                self._write(key, lambda new: _unschedulable(new, now))

    def _bind(self, key: Key, pod: Obj, nodes: list[str], now: float) -> None:
        group = _group(pod)
        chosen = min(nodes, key=lambda name: (self._spread[(name, group)], self._load[name], name))

        def bind(new: Obj) -> None:
            new["spec"]["nodeName"] = chosen
            set_condition(new, "PodScheduled", True, now)

        bound = self._write(key, bind)
        self._events.emit(
            bound, "Scheduled", f"Successfully assigned {key[0]}/{key[1]} to {chosen}", "default-scheduler"
        )
        self._step("accept", bound, key, now)

    def _step(self, step: str, pod: Obj, key: Key, now: float) -> None:
        if step == "kill":
            self._kill(pod, key, now)
        elif step == "remove":
            self._store.delete("pods", *key, uid=pod["metadata"]["uid"])
        elif "deletionTimestamp" in pod["metadata"]:
            return
        elif step == "accept":
            self._accept(pod, key, now)
        elif step == "run":
            self._run(key, now)
        elif step == "ready":
            self._mark_ready(key, pod["metadata"]["uid"] not in self._probes_fail, now)
        elif step.startswith("restart:"):
            self._restarted(key, step.partition(":")[2], now)

    def _accept(self, pod: Obj, key: Key, now: float) -> None:
        host = self._host_address(pod["spec"]["nodeName"])
        missing = pods.images(pod) & self.missing_images

        def accept(new: Obj) -> None:
            new["status"].update(hostIP=host, hostIPs=[{"ip": host}], startTime=rfc3339(now), observedGeneration=1)
            waiting = (
                {"waiting": {"reason": "ErrImagePull", "message": f"pull of {sorted(missing)} failed"}}
                if missing
                else None
            )
            states = {
                item["name"]: waiting for item in new["spec"]["containers"] if waiting and item["image"] in missing
            }
            pods.write_statuses(new, states, False)
            _conditions(new, False, now, initialized=not new["spec"].get("initContainers"))

        accepted = self._write(key, accept)
        if missing:
            self._waiting[key] = None
            self._events.emit(
                accepted, "Failed", f"Failed to pull image: {', '.join(sorted(missing))}", "kubelet", warn=True
            )
            return
        whole = self._rng.uniform(*self._start)
        uid = pod["metadata"]["uid"]
        self._later(now + whole * SANDBOX_SHARE, key, uid, "run")
        self._later(now + whole, key, uid, "ready")

    def _retry_pull(self, key: Key, now: float) -> None:
        pod = self._store.get("pods", *key)
        if pod is None or "deletionTimestamp" in pod["metadata"]:
            self._waiting.pop(key, None)
            return
        missing = pods.images(pod) & self.missing_images
        if not missing:
            self._waiting.pop(key)
            self._step("accept", pod, key, now)
            return

        def back_off(new: Obj) -> None:
            for row in new["status"]["containerStatuses"]:
                if row["image"] in missing:
                    row["state"] = {
                        "waiting": {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{row["image"]}"'}
                    }

        self._write(key, back_off)

    def _run(self, key: Key, now: float) -> None:
        address = self._address()
        began = {"running": {"startedAt": rfc3339(now)}}
        done = {
            "terminated": {"exitCode": 0, "reason": "Completed", "startedAt": rfc3339(now), "finishedAt": rfc3339(now)}
        }

        def run(new: Obj) -> None:
            new["status"].update(phase="Running", podIP=address, podIPs=[{"ip": address}])
            started = [*new["spec"]["containers"], *new["spec"].get("initContainers", ())]
            once = {
                item["name"] for item in new["spec"].get("initContainers", ()) if item.get("restartPolicy") != "Always"
            }
            pods.write_statuses(new, {item["name"]: done if item["name"] in once else began for item in started}, False)
            _conditions(new, False, now)

        self._events.emit(self._write(key, run), "Started", "Container started", "kubelet")

    def _mark_ready(self, key: Key, ready: bool, now: float) -> None:
        def mark(new: Obj) -> None:
            for row in (*new["status"].get("containerStatuses", ()), *new["status"].get("initContainerStatuses", ())):
                if "running" in row["state"]:
                    row["ready"] = ready
            up = all("running" in row["state"] for row in new["status"].get("containerStatuses", ()))
            _conditions(new, ready and up, now)

        changed = self._write(key, mark)
        if not ready:
            self._events.emit(
                changed,
                "Unhealthy",
                "Readiness probe failed: HTTP probe failed with statuscode: 503",
                "kubelet",
                warn=True,
            )

    def _restarted(self, key: Key, container: str, now: float) -> None:
        def start(new: Obj) -> None:
            row = pods.status_of(new, container)
            if row is None or "terminated" not in row["state"]:
                return
            row.update(lastState=row["state"], restartCount=row["restartCount"] + 1, started=True)
            row["state"] = {"running": {"startedAt": rfc3339(now)}}
            row["containerID"] = f"containerd://{new['metadata']['uid']}-{container}-{row['restartCount']}"

        pod = self._write(key, start)
        self._later(now + self._rng.uniform(*self._start) / 2, key, pod["metadata"]["uid"], "ready")

    def _begin_stop(self, key: Key, pod: Obj) -> None:
        grace = float(pod["metadata"].get("deletionGracePeriodSeconds", 0))
        wait = min(self._rng.uniform(*self._stop), grace) if pod["spec"].get("nodeName") else 0.0
        now = self._store.now()
        self._later(
            min(now + wait, parse_time(pod["metadata"]["deletionTimestamp"])), key, pod["metadata"]["uid"], "kill"
        )
        if pod["status"].get("phase") == "Running":
            self._events.emit(pod, "Killing", "Stopping container", "kubelet")

    def _kill(self, pod: Obj, key: Key, now: float) -> None:
        if not pod["metadata"].get("finalizers"):
            self._store.delete("pods", *key, uid=pod["metadata"]["uid"])
            return

        def end(new: Obj) -> None:
            ended = {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": rfc3339(now)}}
            pods.write_statuses(new, {item["name"]: ended for item in new["spec"]["containers"]}, False)
            new["status"]["phase"] = "Succeeded"
            _conditions(new, False, now)

        if pod["status"].get("phase") != "Succeeded":
            self._write(key, end)

    def _write(self, key: Key, change: Callable[[Obj], None]) -> Obj:
        return self._store.modify("pods", *key, change, subresource="status")

    def _host_address(self, node: str) -> str:
        obj = self._store.get("nodes", "", node)
        return str(obj["status"]["addresses"][0]["address"]) if obj else ""

    def _address(self) -> str:
        self._next_address += 1
        block, host = divmod(self._next_address - 1, 253)
        return f"198.18.{block + 1}.{host + 2}" if block < 255 else f"198.20.{block - 255}.{host + 2}"


def schedulable(node: Obj) -> bool:
    """Ready and not cordoned."""
    return not node["spec"].get("unschedulable") and pods.condition(node, "Ready") != "False"


def _group(pod: Obj) -> str:
    ref = pods.controller_of(pod)
    return f"{pod['metadata']['namespace']}/{pod['metadata'].get('labels', {}).get('app', ref['name'] if ref else '')}"


def _unschedulable(pod: Obj, now: float) -> None:
    message = "0 nodes are available: node(s) were unschedulable."
    set_condition(pod, "PodScheduled", False, now, reason="Unschedulable", message=message)


def _conditions(pod: Obj, ready: bool, now: float, *, initialized: bool = True) -> None:
    why = {} if ready else {"reason": "ContainersNotReady", "message": "containers with unready status"}
    set_condition(pod, "PodReadyToStartContainers", True, now)
    set_condition(pod, "Initialized", initialized, now)
    gates = all(pods.condition(pod, gate["conditionType"]) == "True" for gate in pod["spec"].get("readinessGates", ()))
    set_condition(pod, "Ready", ready and gates, now, **why)
    set_condition(pod, "ContainersReady", ready, now, **why)
