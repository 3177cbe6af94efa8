"""Watches the shop's pods all the time, so that a story knows when what happened, to the second."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import requests

from tests.lab.harness.cluster import Cluster, Pod, parse_pod
from tests.lab.stack.places import API_SERVER
from tests.lab.stack.shop import NAMESPACE

_PATH = f"/api/v1/namespaces/{NAMESPACE}/pods"


@dataclass(frozen=True, slots=True)
class Sighting:
    """A pod as it was seen at an instant (Unix seconds); ``gone`` when it was deleted."""

    at: float
    pod: Pod
    gone: bool


class Witness:
    """A thread with a watch of its own. It outlives restarts of the API server."""

    def __init__(self, cluster: Cluster) -> None:
        self._session = requests.Session()
        self._session.verify, self._session.cert = cluster.session.verify, cluster.session.cert
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="witness", daemon=True)
        self.seen: list[Sighting] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        self._thread.join(timeout=10)

    def first(self, what: Callable[[Sighting], bool], since: float = 0.0) -> Sighting | None:
        return next((one for one in tuple(self.seen) if one.at >= since and what(one)), None)

    def drained(self, since: float) -> dict[str, float]:
        """Pod name to the instant at which Observer's label was first seen on it."""
        found: dict[str, float] = {}
        for one in tuple(self.seen):
            if one.at >= since and one.pod.drained_by_observer:
                found.setdefault(one.pod.name, one.at)
        return found

    def leaving(self, uid: str) -> float | None:
        """When that incarnation was first seen on its way out."""
        one = self.first(lambda one: one.pod.uid == uid and (one.gone or one.pod.deleting))
        return one.at if one else None

    def _watch(self) -> None:
        while not self._ending.is_set():
            try:
                listed = self._session.get(API_SERVER + _PATH, timeout=5).json()
                for item in listed.get("items", ()):
                    self._note(parse_pod(item), gone=False)
                query = {"watch": "1", "resourceVersion": listed["metadata"]["resourceVersion"], "timeoutSeconds": "60"}
                self._follow(query)
            except (requests.RequestException, ValueError, KeyError):
                time.sleep(0.5)

    def _follow(self, query: dict[str, str]) -> None:
        with self._session.get(API_SERVER + _PATH, params=query, stream=True, timeout=(5, 65)) as answer:
            for line in answer.iter_lines():
                if self._ending.is_set() or not line:
                    return
                event = json.loads(line)
                if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                    self._note(parse_pod(event["object"]), gone=event["type"] == "DELETED")

    def _note(self, pod: Pod, *, gone: bool) -> None:
        self.seen.append(Sighting(time.time(), pod, gone))
