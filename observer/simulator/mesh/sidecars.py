"""What every sidecar counts: Istio's standard request metrics, with the labels that the real ones carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from observer.domain.counts import BoolArray, FloatArray, IntArray
from observer.simulator.mesh.pods import Identity, MeshPod

BOUNDS: Final = np.array(
    [0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1e3, 2.5e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 1.8e6, 3.6e6], dtype=np.float64
)
"""Envoy's histogram bounds, milliseconds; ``+Inf`` comes after them."""
UNKNOWN: Final = -1
"""Peer number of whoever has no identity."""
_OUTCOMES: Final = 1 << 6
_PEERS: Final = 1 << 16
_SERVICES: Final = 1 << 14


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request ended, as a sidecar labels it."""

    code: int
    flags: str


class Outcomes:
    """Outcomes by number."""

    def __init__(self) -> None:
        self.all: list[Outcome] = []
        self.codes: IntArray = np.zeros(_OUTCOMES, dtype=np.int64)
        self._numbers: dict[Outcome, int] = {}

    def number(self, code: int, flags: str = "-") -> int:
        """The number of an outcome."""
        wanted = Outcome(code, flags)
        number = self._numbers.get(wanted)
        if number is None:
            number = self._numbers[wanted] = len(self.all)
            self.all.append(wanted)
            self.codes[number] = code
        return number


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """
    One sidecar's metrics page: row i of each array is one label set; NaN where it is not on the page (yet).

    ``buckets`` is cumulative, shape (rows, bounds + 1).
    """

    requests: FloatArray
    buckets: FloatArray
    sums: FloatArray
    counts: FloatArray


class Sidecars:
    """Counters of all sidecars. A series is one label set on one pod's page; it has a number for life."""

    def __init__(self, outcomes: Outcomes, flush: float, seed: int) -> None:
        self._outcomes = outcomes
        self._flush = flush
        self._rng = np.random.default_rng([seed, 2])
        self._index: dict[int, int] = {}
        self._labels: list[dict[str, str]] = []
        self._pages: dict[int, list[int]] = {}
        self._rows: dict[int, IntArray] = {}
        self._pods: Sequence[MeshPod] = ()
        self.peers: list[Identity] = []
        self._peer_numbers: dict[Identity, int] = {}
        self.services: list[tuple[str, str]] = []
        self._slots: IntArray = np.zeros(0, dtype=np.int64)
        self._total: FloatArray = np.zeros(0)
        self._alive: BoolArray = np.zeros(0, dtype=np.bool_)
        self._live: FloatArray = np.zeros((0, BOUNDS.size + 2))
        self._shown: FloatArray = np.zeros((0, BOUNDS.size + 2))
        self._next_flush: FloatArray = np.zeros(0)

    def know(self, pods: Sequence[MeshPod]) -> None:
        """The pods by slot; the list may grow later."""
        self._pods = pods

    def peer(self, identity: Identity) -> int:
        """The number of an identity."""
        number = self._peer_numbers.get(identity)
        if number is None:
            number = self._peer_numbers[identity] = len(self.peers)
            self.peers.append(identity)
        return number

    def service(self, namespace: str, name: str) -> int:
        """Register a service; its number."""
        self.services.append((namespace, name))
        return len(self.services) - 1

    def outbound(self, slots: IntArray, service: int, peers: IntArray, outcomes: IntArray) -> IntArray:
        """Series on callers' pages (reporter=source): requests to a service that a pod of ``peers`` answered."""
        keys = (((slots * 2 + 1) * _SERVICES + service) * _PEERS + peers + 1) * _OUTCOMES + outcomes
        return self._series(keys)

    def inbound(self, slots: IntArray, peers: IntArray, outcomes: IntArray) -> IntArray:
        """Series on servers' pages (reporter=destination): requests from pods of ``peers``."""
        keys = (slots * 2 * _SERVICES * _PEERS + peers + 1) * _OUTCOMES + outcomes
        return self._series(keys)

    def _series(self, keys: IntArray) -> IntArray:
        index = self._index
        wanted = keys.tolist()
        for key in wanted:
            if key not in index:
                self._begin(key)
        return np.array([index[key] for key in wanted], dtype=np.int64)

    def record(self, series: IntArray, milliseconds: FloatArray) -> None:
        """Count finished requests. Durations are whole milliseconds, as Envoy measures them."""
        whole = np.floor(milliseconds)
        np.add.at(self._total, series, 1.0)
        self._alive[series] = True
        np.add.at(self._live, (series, np.searchsorted(BOUNDS, whole, side="left")), 1.0)
        np.add.at(self._live[:, -1], series, whole)

    def flush(self, now: float) -> None:
        """Hand over the histograms of those sidecars whose time has come."""
        missing = len(self._pods) - self._next_flush.size
        if missing > 0:
            self._next_flush = np.append(self._next_flush, now + self._rng.uniform(0, self._flush, missing))
        due = self._next_flush <= now
        if due.any():
            used = len(self._labels)
            rows = np.flatnonzero(due[self._slots[:used]])
            self._shown[rows] = self._live[rows]
            self._next_flush[due] += self._flush * (1 + np.floor((now - self._next_flush[due]) / self._flush))

    def restart(self, slot: int) -> None:
        """A sidecar started anew: its page is empty."""
        rows = self._pages.get(slot, [])
        self._total[rows] = 0.0
        self._alive[rows] = False
        self._live[rows] = 0.0
        self._shown[rows] = 0.0

    def labels(self, slot: int, start: int) -> list[dict[str, str]]:
        """Label sets of a page from row ``start`` on."""
        return [self._labels[number] for number in self._pages.get(slot, [])[start:]]

    def page(self, slot: int) -> Page:
        """One sidecar's metrics page now."""
        rows = self._rows_of(slot)
        shown = self._shown[rows]
        buckets = np.cumsum(shown[:, :-1], axis=1)
        counts = buckets[:, -1].copy()
        hidden = counts == 0
        counts[hidden] = np.nan
        buckets[hidden] = np.nan
        return Page(
            requests=np.where(self._alive[rows], self._total[rows], np.nan),
            buckets=buckets,
            sums=np.where(hidden, np.nan, shown[:, -1]),
            counts=counts,
        )

    def _rows_of(self, slot: int) -> IntArray:
        numbers, rows = self._pages.get(slot, []), self._rows.get(slot)
        if rows is None or rows.size != len(numbers):
            rows = self._rows[slot] = np.array(numbers, dtype=np.int64)
        return rows

    def _begin(self, key: int) -> None:
        rest, outcome = divmod(key, _OUTCOMES)
        rest, peer = divmod(rest, _PEERS)
        rest, service = divmod(rest, _SERVICES)
        slot, outbound = divmod(rest, 2)
        pod, ended = self._pods[slot], self._outcomes.all[outcome]
        other = self.peers[peer - 1] if peer else None
        if outbound:
            labels = _outbound_labels(pod, self.services[service], other, ended)
        else:
            labels = _inbound_labels(pod, other, ended)
        number = self._index[key] = len(self._labels)
        self._labels.append(labels)
        self._pages.setdefault(slot, []).append(number)
        if number >= self._total.size:
            self._grow(max(256, 2 * self._total.size))
        self._slots[number] = slot

    def _grow(self, size: int) -> None:
        more = size - self._total.size
        self._slots = np.append(self._slots, np.zeros(more, dtype=np.int64))
        self._total = np.append(self._total, np.zeros(more))
        self._alive = np.append(self._alive, np.zeros(more, dtype=np.bool_))
        self._live = np.concatenate([self._live, np.zeros((more, self._live.shape[1]))])
        self._shown = np.concatenate([self._shown, np.zeros((more, self._shown.shape[1]))])


def _inbound_labels(pod: MeshPod, caller: Identity | None, ended: Outcome) -> dict[str, str]:
    own = pod.identity
    labels = {
        "connection_security_policy": "mutual_tls" if caller else "none",
        **_destination(own),
        "destination_app": pod.labels.get("app", "unknown"),
        "destination_version": pod.labels.get("version", "unknown"),
        **_service(own.namespace, own.service),
        **_source(caller),
        **_ended(ended),
        "reporter": "destination",
    }
    if caller:
        labels |= {"destination_principal": own.principal, "source_principal": caller.principal}
    return labels


def _outbound_labels(pod: MeshPod, service: tuple[str, str], server: Identity | None, ended: Outcome) -> dict[str, str]:
    own = pod.identity
    labels = {
        "connection_security_policy": "unknown",
        **_destination(server),
        **_service(*service),
        **_source(own),
        "source_app": pod.labels.get("app", "unknown"),
        "source_version": pod.labels.get("version", "unknown"),
        "source_principal": own.principal,
        **_ended(ended),
        "reporter": "source",
    }
    if server:
        labels["destination_principal"] = server.principal
    return labels


def _destination(server: Identity | None) -> dict[str, str]:
    return {
        "destination_canonical_revision": server.version if server else "unknown",
        "destination_canonical_service": server.service if server else "unknown",
        "destination_cluster": "Kubernetes",
        "destination_workload": server.workload if server else "unknown",
        "destination_workload_namespace": server.namespace if server else "unknown",
    }


def _service(namespace: str, name: str) -> dict[str, str]:
    return {
        "destination_service": f"{name}.{namespace}.svc.cluster.local",
        "destination_service_name": name,
        "destination_service_namespace": namespace,
    }


def _source(caller: Identity | None) -> dict[str, str]:
    return {
        "source_canonical_revision": caller.version if caller else "unknown",
        "source_canonical_service": caller.service if caller else "unknown",
        "source_cluster": "Kubernetes",
        "source_workload": caller.workload if caller else "unknown",
        "source_workload_namespace": caller.namespace if caller else "unknown",
    }


def _ended(ended: Outcome) -> dict[str, str]:
    return {"request_protocol": "http", "response_code": str(ended.code), "response_flags": ended.flags}
