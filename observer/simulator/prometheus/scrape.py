"""The scraping side of the simulated Prometheus: discovery, targets with offsets, staleness, lost scrapes."""

from __future__ import annotations

import heapq
import itertools
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from observer.domain.counts import FloatArray, IntArray
from observer.simulator.kubernetes.kinds import Obj
from observer.simulator.mesh.faults import Sidecar
from observer.simulator.mesh.pods import MeshPod
from observer.simulator.mesh.sidecars import BOUNDS, Page
from observer.simulator.mesh.topology import ScrapeSpec
from observer.simulator.mesh.traffic import Mesh
from observer.simulator.prometheus.tsdb import NAME, Block, TimeSeriesMemory

JOB: Final = "mesh"
PORT: Final = 15020
CONTROL_JOB: Final = "istiod"
CONTROL_PORT: Final = 15014
REQUESTS: Final = "istio_requests_total"
DURATION: Final = "istio_request_duration_milliseconds"
UP: Final = "up"
STALE_AFTER: Final = 2.2
"""Intervals from the last scrape of a target that is no longer wanted until its series end."""
TargetKey = tuple[int, tuple[tuple[str, str], ...]]
_ONE: Final[FloatArray] = np.ones(1)
_ZERO: Final[FloatArray] = np.zeros(1)


@dataclass(slots=True, eq=False)
class Target:
    """One target: a pod under one set of labels."""

    pod: MeshPod
    block: Block
    offset: float
    wanted: bool = True
    life: int = 0
    """Grows when it is retired or comes back: what was planned before is void."""
    rows: int = 0
    last: float = 0.0
    healthy: bool | None = None


class Scraper:
    """One Prometheus server: scrapes the mesh into its own memory at its own offsets."""

    def __init__(self, spec: ScrapeSpec, mesh: Mesh, seed: int, replica: int = 0) -> None:
        self.spec = spec
        self.memory = TimeSeriesMemory(spec.retention)
        self._stopped = False
        self._mesh = mesh
        self._rng = np.random.default_rng([seed, 3, replica])
        self._targets: dict[TargetKey, Target] = {}
        self._retired: dict[TargetKey, Target] = {}
        self._due: list[tuple[float, int, int, Target]] = []
        self._order = itertools.count()
        self._next_look = mesh.now + float(self._rng.uniform(0, spec.discovery))
        self._changed = True
        retained = spec.bounds or tuple(BOUNDS.tolist())
        self._columns: IntArray = np.flatnonzero(np.append(np.isin(BOUNDS, retained), True))
        self._bounds = [_bound(x, spec.float_bounds) for x in BOUNDS.tolist() if x in retained] + ["+Inf"]
        mesh.pods.listen(self._pod_changed)

    @property
    def stopped(self) -> bool:
        """The server is down."""
        return self._stopped

    def stop(self) -> None:
        """Down: no scrapes, no answers."""
        self._stopped = True

    def start(self) -> None:
        """
        Up again, with what it remembers.

        It no longer knows what it scraped before: the series of targets that went meanwhile get no staleness marker.
        """
        if not self._stopped:
            return
        self._stopped, self._changed = False, True
        wanted = self._wanted()
        for key in [key for key in self._targets if key not in wanted]:
            forgotten = self._targets.pop(key)
            forgotten.life += 1
            forgotten.wanted, forgotten.block.ended = False, True
            self._retired[key] = forgotten

    def run(self, now: float) -> None:
        """Do everything that was due by ``now``."""
        while self._next_look <= now:
            self._look(self._next_look)
            self._next_look += self.spec.discovery
        while self._due and self._due[0][0] <= now:
            at, _, life, target = heapq.heappop(self._due)
            if life != target.life:
                continue
            if not self._stopped:
                self._visit(target, at)
            elif target.wanted:
                self._plan(target, at + self.spec.interval)
            else:
                target.block.ended = True

    def discover(self) -> None:
        """Look at the pods now instead of at the next round."""
        self._look(self._mesh.now)

    def targets(self) -> list[Obj]:
        """As ``/api/v1/targets`` shows them."""
        return [self._shown(target) for target in self._targets.values()]

    def _shown(self, target: Target) -> Obj:
        address = target.block.target["instance"]
        health = "unknown" if target.healthy is None else "up" if target.healthy else "down"
        return {
            "discoveredLabels": {"__address__": address, "__metrics_path__": "/stats/prometheus"},
            "labels": target.block.target,
            "scrapePool": target.block.target["job"],
            "scrapeUrl": f"http://{address}/stats/prometheus",
            "globalUrl": f"http://{address}/stats/prometheus",
            "lastError": "context deadline exceeded" if health == "down" else "",
            "lastScrape": datetime.fromtimestamp(target.last, UTC).isoformat().replace("+00:00", "Z"),
            "lastScrapeDuration": 0.005,
            "health": health,
            "scrapeInterval": f"{self.spec.interval:g}s",
            "scrapeTimeout": f"{self.spec.interval:g}s",
        }

    def _pod_changed(self, _: MeshPod) -> None:
        self._changed = True

    def _look(self, now: float) -> None:
        """Discovery: begin new targets, retire those that are no longer wanted."""
        self.memory.forget(round(now * 1000))
        self._retired = {key: target for key, target in self._retired.items() if self.memory.keeps(target.block)}
        if not self._changed or self._stopped:
            return
        self._changed = False
        wanted = self._wanted()
        for key in [key for key in self._targets if key not in wanted]:
            self._retire(key)
        for key, (pod, labels) in wanted.items():
            if key not in self._targets:
                self._begin(key, pod, labels, now)

    def _wanted(self) -> dict[TargetKey, tuple[MeshPod, dict[str, str]]]:
        """The targets that should be, by what tells them apart."""
        wanted: dict[TargetKey, tuple[MeshPod, dict[str, str]]] = {}
        for pod in self._mesh.pods.living():
            if pod.sidecar and pod.running and pod.ip:
                labels = self._target_labels(pod)
                wanted[(pod.slot, tuple(sorted(labels.items())))] = (pod, labels)
        for pod in self._mesh.pods.control():
            if pod.running and pod.ip:
                labels = {"instance": f"{pod.ip}:{CONTROL_PORT}", "job": CONTROL_JOB}
                wanted[(pod.slot, tuple(sorted(labels.items())))] = (pod, labels)
        return wanted

    def _target_labels(self, pod: MeshPod) -> dict[str, str]:
        labels = {
            "instance": f"{pod.ip}:{PORT}",
            "job": JOB,
            "namespace": pod.identity.namespace,
            "pod": pod.name,
        }
        if self.spec.map_pod_labels:
            labels |= {re.sub(r"[^a-zA-Z0-9_]", "_", name): value for name, value in pod.labels.items() if value}
        return labels

    def _begin(self, key: TargetKey, pod: MeshPod, labels: dict[str, str], now: float) -> None:
        target = self._retired.pop(key, None)
        if target is None:
            block = self.memory.open(labels)
            block.table(UP).add([{NAME: UP, **labels}])
            target = Target(pod, block, float(self._rng.uniform(0, self.spec.interval)))
        else:  # The same series go on.
            target.life += 1
            target.wanted, target.block.ended = True, False
        self._targets[key] = target
        interval = self.spec.interval
        first = np.floor((now - target.offset) / interval) * interval + target.offset + interval
        self._plan(target, float(first))

    def _retire(self, key: TargetKey) -> None:
        """Its loop ends now; its series end only after it had the time to come back."""
        target = self._retired[key] = self._targets.pop(key)
        target.life += 1
        target.wanted = False
        self._plan(target, (target.last or self._mesh.now) + STALE_AFTER * self.spec.interval)

    def _plan(self, target: Target, at: float) -> None:
        heapq.heappush(self._due, (at, next(self._order), target.life, target))

    def _visit(self, target: Target, at: float) -> None:
        at_ms = round(at * 1000)
        if not target.wanted:
            target.block.append(at_ms, {})
            target.block.ended = True
            return
        self._plan(target, at + self.spec.interval)
        if self.spec.lost and self._rng.random() < self.spec.lost:
            return
        target.last = at
        failed = self.spec.failed and self._rng.random() < self.spec.failed
        target.healthy = not failed and self._mesh.sidecar_state(target.pod) is Sidecar.SERVES
        columns = {UP: _ONE if target.healthy else _ZERO}
        if target.healthy:
            columns |= self._columns_of(target)
        target.block.append(at_ms, columns)

    def _columns_of(self, target: Target) -> dict[str, FloatArray]:
        page = self._mesh.sidecars.page(target.pod.slot)
        if not page.requests.size:
            return {}
        if page.requests.size > target.rows:
            self._learn(target)
        return {
            REQUESTS: page.requests,
            f"{DURATION}_bucket": _retained(page, self._columns),
            f"{DURATION}_sum": page.sums,
            f"{DURATION}_count": page.counts,
        }

    def _learn(self, target: Target) -> None:
        """New series on the page."""
        block = target.block
        fresh = [labels | block.target for labels in self._mesh.sidecars.labels(target.pod.slot, target.rows)]
        target.rows += len(fresh)
        for metric in (REQUESTS, f"{DURATION}_sum", f"{DURATION}_count"):
            block.table(metric).add([{NAME: metric, **labels} for labels in fresh])
        metric = f"{DURATION}_bucket"
        block.table(metric).add([{NAME: metric, **labels, "le": bound} for labels in fresh for bound in self._bounds])
        self.memory.touched()


def _retained(page: Page, columns: IntArray) -> FloatArray:
    retained: FloatArray = page.buckets[:, columns].reshape(-1)
    return retained


def _bound(value: float, as_float: bool) -> str:
    whole = value.is_integer()
    text = str(int(value)) if whole else repr(value)
    return f"{text}.0" if as_float and whole else text
