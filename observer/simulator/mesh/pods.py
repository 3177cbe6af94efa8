"""The pods of the object store as the mesh and the scraper see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from observer.domain import names
from observer.simulator.kubernetes.kinds import Obj

SIDECAR = "istio-proxy"
ISTIO_SYSTEM = "istio-system"
NO_SLOT = -1
"""The slot of a pod that is no part of the mesh's traffic."""


class ObjectStore(Protocol):
    """The part of ``kube_store.Store`` that the mesh reads."""

    def list(self, plural: str) -> list[Obj]: ...

    def subscribe(self, callback: Callable[[str, str, Obj], None]) -> None: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells the pods of one workload and version from others in the metrics."""

    namespace: str
    workload: str
    service: str
    version: str
    account: str

    @property
    def principal(self) -> str:
        """SPIFFE identity."""
        return f"spiffe://cluster.local/ns/{self.namespace}/sa/{self.account}"


@dataclass(slots=True, eq=False)
class MeshPod:
    """
    One incarnation of a pod.

    Attributes:
        slot: its number, never used again.
        sidecar_started: changes when its sidecar was started anew.
        gone: deleted from the API server.
    """

    slot: int
    name: str
    uid: str
    identity: Identity
    labels: Mapping[str, str] = field(default_factory=dict)
    node: str = ""
    ip: str = ""
    sidecar: bool = False
    running: bool = False
    ready: bool = False
    deleting: bool = False
    gone: bool = False
    sidecar_started: str = ""

    @property
    def wanted(self) -> bool:
        """Callers should send it requests."""
        return self.ready and not self.deleting and not self.gone and not self.labels.get(names.DRAIN_LABEL)


class PodTable:
    """Keeps up with the store; whoever needs to know of changes asks for those since it last asked."""

    def __init__(self, store: ObjectStore) -> None:
        self.pods: list[MeshPod] = []
        """By slot, gone ones included."""
        self._by_uid: dict[str, MeshPod] = {}
        self._by_name: dict[tuple[str, str], MeshPod] = {}
        self._control: dict[str, MeshPod] = {}
        self._control_seen = False
        self._listeners: list[Callable[[MeshPod], None]] = []
        for obj in store.list("pods"):
            self._changed("pods", "ADDED", obj)
        store.subscribe(self._changed)

    def listen(self, changed: Callable[[MeshPod], None]) -> None:
        """Call ``changed`` after every change of a pod, and now for each that is there."""
        self._listeners.append(changed)
        for pod in [*self._by_uid.values(), *self._control.values()]:
            changed(pod)

    def named(self, namespace: str, name: str) -> MeshPod | None:
        """The incarnation that lives now."""
        return self._by_name.get((namespace, name))

    def living(self) -> list[MeshPod]:
        """All that are not gone."""
        return list(self._by_uid.values())

    @property
    def control_plane_up(self) -> bool:
        """An istiod pod is ready, or the mesh was built without one."""
        return not self._control_seen or any(pod.ready for pod in self._control.values())

    def control(self) -> list[MeshPod]:
        """The istiod pods that are not gone; their slot is ``NO_SLOT``."""
        return list(self._control.values())

    def _changed(self, plural: str, kind: str, obj: Obj) -> None:
        if plural != "pods":
            return
        meta = obj["metadata"]
        if meta.get("namespace") == ISTIO_SYSTEM:
            if meta.get("labels", {}).get("app") == "istiod":
                self._control_changed(kind, obj)
            return
        pod = self._by_uid.get(meta["uid"])
        if pod is None:
            pod = MeshPod(len(self.pods), meta["name"], meta["uid"], _identity(obj))
            self.pods.append(pod)
            self._by_uid[pod.uid] = self._by_name[(meta["namespace"], pod.name)] = pod
        _read(pod, obj, gone=kind == "DELETED")
        if pod.gone:
            del self._by_uid[pod.uid]
            if self._by_name.get((meta["namespace"], pod.name)) is pod:
                del self._by_name[(meta["namespace"], pod.name)]
        self._note(pod)

    def _control_changed(self, kind: str, obj: Obj) -> None:
        self._control_seen = True
        uid = obj["metadata"]["uid"]
        pod = self._control.get(uid) or MeshPod(NO_SLOT, obj["metadata"]["name"], uid, _identity(obj))
        _read(pod, obj, gone=kind == "DELETED")
        if pod.gone:
            self._control.pop(uid, None)
        else:
            self._control[uid] = pod
        self._note(pod)

    def _note(self, pod: MeshPod) -> None:
        for listener in self._listeners:
            listener(pod)


def _read(pod: MeshPod, obj: Obj, *, gone: bool) -> None:
    meta, spec, status = obj["metadata"], obj.get("spec", {}), obj.get("status", {})
    pod.labels = meta.get("labels", {})
    pod.node, pod.ip = spec.get("nodeName", ""), status.get("podIP", "")
    pod.sidecar = any(container["name"] == SIDECAR for container in _containers(spec))
    pod.gone = gone
    pod.running = not gone and status.get("phase") == "Running"
    pod.ready = pod.running and _is_ready(obj)
    pod.deleting = "deletionTimestamp" in meta
    pod.sidecar_started = _sidecar_started(status)


def _containers(spec: Obj) -> list[Obj]:
    return [*spec.get("containers", []), *spec.get("initContainers", [])]


def _is_ready(obj: Obj) -> bool:
    conditions = obj.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _sidecar_started(status: Obj) -> str:
    for container in [*status.get("containerStatuses", []), *status.get("initContainerStatuses", [])]:
        if container["name"] == SIDECAR:
            return f"{container.get('restartCount', 0)}"
    return "0"


def _identity(obj: Obj) -> Identity:
    meta = obj["metadata"]
    labels = meta.get("labels", {})
    owner = next((owner["name"] for owner in meta.get("ownerReferences", []) if owner.get("controller")), meta["name"])
    return Identity(
        namespace=meta["namespace"],
        workload=owner.removesuffix(f"-{labels.get(names.POD_TEMPLATE_HASH, '')}"),
        service=labels.get(names.CANONICAL_NAME) or labels.get("app") or owner,
        version=labels.get(names.CANONICAL_REVISION) or labels.get("version") or "latest",
        account=obj.get("spec", {}).get("serviceAccountName") or "default",
    )
