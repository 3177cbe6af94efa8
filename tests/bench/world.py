"""
Many independent services in one stream of counter frames, fast enough for pod-years.

Requests are drawn second by second; each target is scraped at its own offset. What is drawn is known, so that the
truth (who is sick, since when, how many requests it answered) can be set against what the judges say.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from observer.domain.cluster import ClusterView, Kind, MeshControl, Node, Pod
from observer.domain.counts import CounterFrame, FloatArray, SeriesHistory, ServiceBaseline
from observer.domain.ids import PodRef, ServiceRef, WorkloadRef
from observer.domain.snapshot import Control, Snapshot

START: Final = 1_790_000_000.0
CUTS: Final = (5.0, 25.0, 100.0, 250.0, 1000.0, 5000.0)
_LATENCY: Final = np.array([0.10, 0.62, 0.245, 0.03, 0.004, 0.0008, 0.0002])
_SLOW: Final = np.array([0.05, 0.40, 0.40, 0.13, 0.018, 0.0015, 0.0005])
_CONTROL: Final = Control(paused=False, reason="", leader=True, term=1)
_KEPT: Final = 121


@dataclass(frozen=True)
class Fault:
    """From second ``since`` the first pod of every service fails this part of its requests."""

    since: int
    rate: float


@dataclass(frozen=True)
class Regime:
    """
    What is normal.

    Attributes:
        rate: requests a second of one pod. usual: error rate.
        burst: mean seconds between bursts that hit a whole service (0 = none), of up to 20 s at 30 % errors.
        clump: correlation of errors within a pod's five seconds. wave: size of the daily swing of the load, 0..1.
        rollout: seconds between two replacements of a service's pods, one pod after another (0 = none).
    """

    name: str
    rate: float = 20.0
    usual: float = 0.001
    burst: float = 0.0
    clump: float = 0.0
    wave: float = 0.0
    rollout: float = 0.0


REGIMES: Final = (
    Regime("iid"),
    Regime("burst", burst=600.0),
    Regime("overdispersed", clump=0.01),
    Regime("diurnal", wave=0.8),
    Regime("rollout", rollout=1200.0),
)


@dataclass
class World:
    """Services of ``size`` pods each under one regime; ``stream`` yields snapshots every ``tick`` seconds."""

    regime: Regime
    services: int
    size: int = 10
    tick: int = 5
    interval: int = 5
    seed: int = 1
    fault: Fault | None = None
    latency: bool = True
    seconds: int = 0
    culprit_requests: FloatArray = field(init=False)
    """Shape (services,): requests that the sick pods answered since the fault."""

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)
        count = self.services * self.size
        self._service = np.repeat(np.arange(self.services), self.size)
        self._total = np.zeros((count, 3))
        self._slow = np.zeros((count, len(CUTS) + 1))
        self._offset = self._random.integers(0, self.interval, count)
        self._shown = np.full((count, 3), np.nan)
        self._shown_slow = np.full((count, len(CUTS) + 1), np.nan)
        self._scraped = np.full(count, np.nan)
        self._generation = np.zeros(count, np.int64)
        self._created = np.full(count, START - 7200.0)
        self._burst_until = np.zeros(self.services)
        self._clumps = np.full(count, self.regime.usual)
        self._kept: deque[tuple[float, FloatArray]] = deque(maxlen=_KEPT)
        self.culprit_requests = np.zeros(self.services)
        self.bin_requests: deque[tuple[float, FloatArray]] = deque(maxlen=40)
        self._refs = [ServiceRef("null", f"s{i:04d}") for i in range(self.services)]
        self._pods: list[Pod] = []
        self._rebuild()
        self.baselines = {
            one: ServiceBaseline(one, 1e6, 1e6 * self.regime.usual, 0.005, 100.0, START - 86400.0, START)
            for one in self._refs
        }
        self.asked: frozenset[ServiceRef] = frozenset()

    @property
    def at(self) -> float:
        return START + self.seconds

    @property
    def refs(self) -> list[PodRef]:
        return [pod.ref for pod in self._pods]

    def stream(self, seconds: int) -> Iterator[Snapshot]:
        """Snapshots for so long; set ``asked`` to the services that shall be asked again."""
        for _ in range(seconds // self.tick):
            for _ in range(self.tick):
                self._second()
            yield self._snapshot()

    def _second(self) -> None:
        self.seconds += 1
        regime, draw, count = self.regime, self._random, len(self._total)
        load = 1.0 + regime.wave * np.sin(2.0 * np.pi * self.seconds / 86400.0 + np.arange(count) // self.size)
        requests = draw.poisson(regime.rate * load)
        bad = draw.binomial(requests, self._rates())
        self._total[:, 0] += requests - bad
        self._total[:, 1] += bad
        if self.latency:
            slow = self._burst_until > self.seconds
            shares = np.where(slow[self._service][:, None], _SLOW, _LATENCY)
            self._slow += np.cumsum(draw.multinomial(requests, shares), axis=1)
        if self.fault is not None and self.seconds > self.fault.since:
            self.culprit_requests += requests[:: self.size]
        if regime.rollout and self.seconds % max(1, int(regime.rollout / self.size)) == 0:
            self._replace_one()
        due = (self.seconds - self._offset) % self.interval == 0
        self._shown[due], self._shown_slow[due], self._scraped[due] = self._total[due], self._slow[due], self.at

    def _rates(self) -> FloatArray:
        regime, draw = self.regime, self._random
        rates = np.full(len(self._total), regime.usual)
        if regime.clump:
            if self.seconds % 5 == 0:
                weight = 1.0 / regime.clump - 1.0
                self._clumps = draw.beta(regime.usual * weight, (1.0 - regime.usual) * weight, len(rates))
            rates = self._clumps.copy()
        if regime.burst:
            begun = draw.random(self.services) < 1.0 / regime.burst
            self._burst_until = np.where(begun, self.seconds + draw.integers(1, 20, self.services), self._burst_until)
            rates = np.where((self._burst_until > self.seconds)[self._service], 0.3, rates)
        if self.fault is not None and self.seconds > self.fault.since:
            rates[:: self.size] = self.fault.rate
        return rates

    def _replace_one(self) -> None:
        """One pod of every service is replaced; its counters begin anew under another name."""
        turn = int(self.seconds // max(1, int(self.regime.rollout / self.size))) % self.size
        rows = np.arange(self.services) * self.size + turn
        self._total[rows], self._slow[rows] = 0.0, 0.0
        for _, shown in self._kept:
            shown[rows] = np.nan
        self._shown[rows], self._shown_slow[rows], self._scraped[rows] = np.nan, np.nan, np.nan
        self._generation[rows] += 1
        self._created[rows] = self.at
        self._rebuild()

    def _rebuild(self) -> None:
        last = dict(enumerate(self._pods))
        pods = []
        for i, (service, generation) in enumerate(zip(self._service.tolist(), self._generation.tolist(), strict=True)):
            name = f"s{service:04d}-{i % self.size:02d}-{generation}"
            known = last.get(i)
            pods.append(known if known is not None and known.ref.name == name else self._pod(name, i, service))
        self._pods = pods
        self._names = tuple(pod.ref.key for pod in pods)
        by_service = {
            ref: tuple(pod.ref for pod in pods[i * self.size : (i + 1) * self.size]) for i, ref in enumerate(self._refs)
        }
        self._view = ClusterView(
            at=self.at,
            fresh=dict.fromkeys(Kind, self.at),
            pods={pod.ref: pod for pod in pods},
            workloads={},
            budgets=(),
            autoscalers=(),
            nodes={pod.node: Node(pod.node, "", ready=True, draining=False) for pod in pods},
            namespaces={"null": {"observer.dev/enabled": "true"}},
            mesh=MeshControl(True, ""),
            by_name={pod.ref.key: pod.ref for pod in pods},
            by_service=by_service,
        )

    def _pod(self, name: str, i: int, service: int) -> Pod:
        created, generation = float(self._created[i]), int(self._generation[i])
        return Pod(
            ref=PodRef("null", name, f"uid-{name}"), resource_version="1", labels={}, annotations={},
            node=f"n{service:04d}-{i % self.size}", ip="", phase="Running", ready=True, ready_since=created,
            created=created, started=created, deleting=False, restarts=0, waiting="", owner_kind="ReplicaSet",
            owner_name=f"s{service:04d}-{generation}", owner_uid=f"rs-{service}-{generation}",
            workload=WorkloadRef("null", "Deployment", f"s{service:04d}"), service=self._refs[service],
            revision="v1", template=str(generation), sidecar=True, priority_class="", local_volumes=False,
            selects=(f"s{service:04d}",),
        )  # fmt: skip

    def _snapshot(self) -> Snapshot:
        shown = self._shown.copy()
        self._kept.append((self.at, shown))
        self._view = replace(self._view, at=self.at)
        frame = CounterFrame(
            at=self.at,
            pods=self._names,
            requests=shown.copy(),
            cuts=CUTS if self.latency else (),
            buckets=self._shown_slow.copy() if self.latency else self._shown_slow[:, :1] * np.nan,
            scraped=self._scraped.copy(),
            targets=np.ones(len(shown), np.int64),
        )
        return Snapshot(
            at=self.at,
            counters=frame,
            callers=None,
            cluster=self._view,
            control=_CONTROL,
            rechecks={service: self._history(service) for service in self.asked},
            baselines=self.baselines,
        )

    def _history(self, service: ServiceRef) -> tuple[SeriesHistory, ...]:
        index = int(service.name[1:])
        rows = slice(index * self.size, (index + 1) * self.size)
        times = np.array([at for at, _ in self._kept])
        tables = np.stack([shown[rows] for _, shown in self._kept], axis=1)
        return tuple(
            SeriesHistory(key, "null/caller", times, table)
            for key, table in zip(self._names[rows], tables, strict=True)
        )
