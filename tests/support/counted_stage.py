"""Counters as a metric source would read them, for walks through the whole engine: detectors to verification."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from observer.domain.cluster import Pod
from observer.domain.counts import CallerCounts, CallerFrame, CounterFrame, FloatArray, SeriesHistory
from observer.domain.decision import Decision
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.snapshot import Snapshot
from observer.engine.decide import decide
from tests.support.builders import CUTS, pod, snapshot
from tests.support.stage import Stage


@dataclass
class Counted(Stage):
    """
    A stage whose judgement comes from the real detectors over drawn counts.

    ``front`` pods call every service. Two ticks may pass between a scrape and its judgement, as in life.
    """

    seed: int = 7
    front: tuple[Pod, ...] = field(default_factory=lambda: (pod("front-1"), pod("front-2")))
    slow_share: float = 0.01
    outage: bool = False
    totals: dict[PodRef, FloatArray] = field(default_factory=dict)
    called: dict[ServiceRef, FloatArray] = field(default_factory=dict)
    past: list[tuple[float, dict[PodRef, FloatArray]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = np.random.default_rng(self.seed)
        self.pods = [*self.pods, *self.front]

    def tick(self) -> tuple[Decision, ...]:
        self.at += self.step
        self._start_pods()
        self._count()
        picture = snapshot(self.now(), at=self.at, gaps=self.gaps, **self.picture)
        picture = replace(
            picture,
            counters=None if self.outage else self._frame(),
            callers=None if self.outage or not self.memory.watch else self._caller_frame(),
            rechecks={} if self.outage else self._rechecks(),
        )
        self.memory, decisions = self._decide(picture)
        self.carry_out(decisions)
        return decisions

    def _decide(self, picture: Snapshot) -> Any:
        return decide(picture, self.memory, self.settings, self.policies)

    def _count(self) -> None:
        """One tick of requests: the load is split evenly over pods that take traffic."""
        self.past = [*self.past, (self.at - self.step, {ref: one.copy() for ref, one in self.totals.items()})][-120:]
        services: dict[ServiceRef, list[Pod]] = {}
        for one in self.pods:
            services.setdefault(one.service, []).append(one)
        for service, members in services.items():
            takers = [member for member in members if self.takes_traffic(member)]
            for one in members:
                total = self.totals.setdefault(one.ref, np.zeros(3 + len(CUTS) + 1))
                requests = int(self.dice.poisson(self.load * self.step / len(takers))) if one in takers else 0
                errors = int(self.dice.binomial(requests, min(self.faults.get(one.ref.name, 0.0) + 0.001, 1.0)))
                late = int(self.dice.binomial(requests, max(self.slow.get(one.ref.name, 0.0), self.slow_share)))
                counts = np.zeros(3 + len(CUTS) + 1)
                counts[:2] = requests - errors, errors
                counts[3:] = [0, requests - late, requests - late, requests - late, requests, requests, requests]
                total += counts
                self.called[service] = self.called.get(service, np.zeros_like(counts)) + counts
                if self.background and one in takers:
                    lost = int(self.dice.binomial(requests, self.background))
                    self.called[service][:2] += (-lost, lost)

    def _frame(self) -> CounterFrame:
        alive = [pod for pod in self.pods if pod.ref in self.totals and (pod.ready or self.totals[pod.ref].any())]
        table = np.array([self.totals[one.ref] for one in alive])
        return CounterFrame(
            at=self.at,
            pods=tuple(one.ref.key for one in alive),
            requests=table[:, :3],
            cuts=CUTS,
            buckets=table[:, 3:],
            scraped=np.array([self.at - 0.1 - 0.2 * (hash_of(one) % 4) for one in alive]),
            targets=np.ones(len(alive), np.int64),
        )

    def _caller_frame(self) -> CallerFrame:
        watched = self.memory.watch
        rows = {
            ("shop", self.front[0].ref.name, service): CallerCounts(
                total[0], total[1], total[2], 0.0, tuple(total[3:].tolist())
            )
            for service, total in self.called.items()
            if service in watched
        }
        return CallerFrame(self.at, watched, CUTS, rows)

    def _rechecks(self) -> dict[ServiceRef, tuple[SeriesHistory, ...]]:
        """The last ten minutes again, all calls by one workload."""
        now = [*self.past, (self.at, dict(self.totals))]
        times = np.array([at for at, _ in now])
        nothing = np.full(3 + len(CUTS) + 1, np.nan)

        def history(ref: PodRef) -> SeriesHistory:
            rows = np.array([seen.get(ref, nothing) for _, seen in now])
            return SeriesHistory(ref.key, "shop/front", times, rows[:, :3], CUTS, rows[:, 3:])

        return {
            service: tuple(history(ref) for ref in self.now().by_service.get(service, ()))
            for service in self.memory.recheck
        }


def hash_of(pod: Pod) -> int:
    """A number that belongs to the pod's name and is the same in every run."""
    return sum(map(ord, pod.ref.name))
