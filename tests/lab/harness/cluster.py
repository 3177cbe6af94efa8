"""The cluster as the stories see it: the API server over HTTP with the administrator's certificate."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import requests

from tests.lab.stack.places import API_SERVER, OBSERVER_ACCOUNT, Places
from tests.lab.stack.shop import NAMESPACE

DRAIN_LABEL: Final = "istio.io/draining"
DRAIN_ANNOTATION: Final = "observer.dev/drained"
_MERGE: Final = {"Content-Type": "application/merge-patch+json"}
_JSON_PATCH: Final = {"Content-Type": "application/json-patch+json"}


@dataclass(frozen=True, slots=True)
class Pod:
    """One incarnation of a pod of the shop. ``created`` is Unix seconds; ``containers`` maps names to runtime ids."""

    name: str
    uid: str
    app: str
    version: str
    node: str
    ip: str
    ready: bool
    deleting: bool
    created: float
    restarts: int
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    containers: Mapping[str, str]

    @property
    def drained(self) -> bool:
        """Taken out of its callers' balancing, by whomever."""
        return DRAIN_LABEL in self.labels

    @property
    def drained_by_observer(self) -> bool:
        return self.drained and DRAIN_ANNOTATION in self.annotations


@dataclass(frozen=True, slots=True)
class Write:
    """One write that the API server let Observer make, from the server's own audit log."""

    at: float
    verb: str
    resource: str
    namespace: str
    name: str
    code: int

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {self.namespace}/{self.name} -> {self.code}"


class Cluster:
    """Reads and changes what a person could with kubectl; every call is bounded in time."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self.session = requests.Session()
        self.session.verify = str(places.pki / "ca.crt")
        self.session.cert = (str(places.pki / "admin.crt"), str(places.pki / "admin.key"))

    def call(
        self, verb: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """The answer, whatever its status."""
        return self.session.request(verb, API_SERVER + path, json=body, headers=headers, timeout=10)

    def get(self, path: str) -> dict[str, Any]:
        answer = self.call("GET", path)
        answer.raise_for_status()
        return dict(answer.json())

    def pods(self, app: str = "", version: str = "", namespace: str = NAMESPACE) -> list[Pod]:
        """Living pods by name, the ones on their way out left out."""
        found = [parse_pod(item) for item in self.get(f"/api/v1/namespaces/{namespace}/pods")["items"]]
        wanted = [pod for pod in found if not pod.deleting and app in ("", pod.app) and version in ("", pod.version)]
        return sorted(wanted, key=lambda pod: pod.name)

    def pod(self, name: str) -> Pod | None:
        """The pod that has the name now, deleting ones included."""
        answer = self.call("GET", f"/api/v1/namespaces/{NAMESPACE}/pods/{name}")
        return parse_pod(answer.json()) if answer.status_code == 200 else None

    def patch(self, path: str, body: object) -> None:
        self.call("PATCH", path, body, _MERGE).raise_for_status()

    def patch_pod(self, pod: Pod, metadata: object) -> None:
        self.patch(f"/api/v1/namespaces/{NAMESPACE}/pods/{pod.name}", {"metadata": metadata})

    def patch_deployment(self, name: str, body: object) -> None:
        self.patch(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}", body)

    def patch_template(self, name: str, operations: list[dict[str, Any]]) -> None:
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}"
        self.call("PATCH", path, operations, _JSON_PATCH).raise_for_status()

    def deployments(self, namespace: str = NAMESPACE) -> dict[str, dict[str, Any]]:
        items = self.get(f"/apis/apps/v1/namespaces/{namespace}/deployments")["items"]
        return {item["metadata"]["name"]: item for item in items}

    def delete_pod(self, pod: Pod) -> None:
        self.call("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod.name}").raise_for_status()

    def cordon(self, node: str, *, on: bool) -> None:
        self.patch(f"/api/v1/nodes/{node}", {"spec": {"unschedulable": on}})

    def events(self) -> list[dict[str, Any]]:
        """Events of the shop that Observer wrote."""
        items = self.get(f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events")["items"]
        return [item for item in items if item.get("reportingController", "").startswith("observer.dev")]

    def writes(self, since: float) -> list[Write]:
        """What Observer's account wrote and the server accepted, oldest first."""
        return [write for write in self._audited() if write.at >= since and write.code < 300]

    def _audited(self) -> Iterator[Write]:
        log = self._places.run / "audit.jsonl"
        for line in log.read_text().splitlines() if log.exists() else ():
            try:
                event = json.loads(line)
            except ValueError:
                continue  # the line that is being written
            if event.get("user", {}).get("username") != OBSERVER_ACCOUNT or event.get("stage") != "ResponseComplete":
                continue
            target = event.get("objectRef", {})
            resource = "/".join(part for part in (target.get("resource"), target.get("subresource")) if part)
            yield Write(
                at=seconds(event["requestReceivedTimestamp"]),
                verb=event["verb"],
                resource=resource,
                namespace=target.get("namespace", ""),
                name=target.get("name", ""),
                code=int(event.get("responseStatus", {}).get("code", 0)),
            )


def parse_pod(item: Mapping[str, Any]) -> Pod:
    """A pod from the API server's JSON."""
    meta, spec, status = item["metadata"], item["spec"], item.get("status", {})
    labels = meta.get("labels", {})
    conditions = {one["type"]: one["status"] for one in status.get("conditions", ())}
    states = status.get("containerStatuses", ())
    sidecars = [one for one in status.get("initContainerStatuses", ()) if one["name"] == "istio-proxy"]
    return Pod(
        name=meta["name"],
        uid=meta["uid"],
        app=labels.get("app", ""),
        version=labels.get("version", ""),
        node=spec.get("nodeName", ""),
        ip=status.get("podIP", ""),
        ready=conditions.get("Ready") == "True",
        deleting="deletionTimestamp" in meta,
        created=seconds(meta["creationTimestamp"]),
        restarts=sum(one.get("restartCount", 0) for one in (*states, *sidecars)),
        labels=labels,
        annotations=meta.get("annotations", {}),
        containers={one["name"]: one.get("containerID", "") for one in (*states, *sidecars)},
    )


def seconds(stamp: str) -> float:
    """Unix seconds of an RFC 3339 instant."""
    return datetime.fromisoformat(stamp).timestamp()


def eventually(check: Any, what: str, *, within: float, every: float = 0.5) -> Any:
    """Ask until the answer is true, and return it; an ``AssertionError`` says what did not come."""
    end = time.monotonic() + within
    while True:
        try:
            if answer := check():
                return answer
            last = ""
        except requests.RequestException as exc:
            last = f" ({type(exc).__name__})"
        if time.monotonic() > end:
            raise AssertionError(f"not within {within:.0f} s: {what}{last}")
        time.sleep(every)
