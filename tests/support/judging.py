"""Feeds the judges by hand: say what every pod did since the last scrape, get the judgement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from observer.domain.cluster import ClusterView, Pod
from observer.domain.counts import CallerCounts, CallerFrame, CounterFrame, FloatArray, SeriesHistory, ServiceBaseline
from observer.domain.graph import CallGraph, Reach
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.settings import EngineSettings
from observer.domain.slo import ObjectiveStatus
from observer.domain.snapshot import Control, Snapshot
from observer.domain.suspect import Judgement, Suspect, Tier
from observer.engine.detect.judge import judge
from observer.engine.detect.state import DetectorState, OpenActions
from tests.support.builders import CUTS, NOW, cluster

Did = tuple[float, ...]
"""``(ok, errors)`` or ``(ok, errors, slow)``: requests, and how many of them took 400 ms instead of 20."""
GOOD: Did = (50.0, 0.0)
SICK: Did = (35.0, 15.0)


@dataclass
class Feed:
    """
    Counters of some pods, grown tick by tick.

    ``recheck`` answers the second question from the same counters; ``settings.tick`` is the scrape interval too.
    """

    pods: list[Pod]
    settings: EngineSettings = field(default_factory=EngineSettings)
    recheck: bool = True
    open_actions: OpenActions = field(default_factory=OpenActions)
    baselines: Mapping[ServiceRef, ServiceBaseline] = field(default_factory=dict)
    objectives: Mapping[ServiceRef, tuple[ObjectiveStatus, ...]] = field(default_factory=dict)
    state: DetectorState = field(default_factory=DetectorState.empty)
    at: float = NOW
    judgement: Judgement | None = None

    def __post_init__(self) -> None:
        self.totals: dict[str, FloatArray] = {}
        self.slow: dict[str, float] = {}
        self.edges: dict[tuple[PodRef, ServiceRef], FloatArray] = {}
        self._past: list[tuple[float, dict[str, FloatArray]]] = []
        self._calls: list[tuple[float, dict[ServiceRef, FloatArray]]] = []
        self._usual: CallGraph | None = None
        self.order: list[str] | None = None

    def view(self) -> ClusterView:
        return cluster(self.pods, at=self.at)

    def did(self, did: Mapping[str, Did]) -> None:
        """Add to the counters without a tick."""
        for name, what in did.items():
            total = self.totals.setdefault(name, np.zeros(3))
            total += np.array([what[0], what[1], 0.0])
            self.slow[name] = self.slow.get(name, 0.0) + (what[2] if len(what) > 2 else 0.0)

    def called(self, calls: Mapping[tuple[str, str], tuple[float, float, float]]) -> None:
        """Add to what callers saw: ``(caller pod, service)`` to ok, errors and those of them that reached nobody."""
        by_name = {pod.ref.name: pod.ref for pod in self.pods}
        for (caller, service), (ok, errors, unreached) in calls.items():
            key = (by_name[caller], ServiceRef(by_name[caller].namespace, service))
            self.edges[key] = self.edges.get(key, np.zeros(3)) + np.array([ok, errors, unreached])

    def tick(self, did: Mapping[str, Did] | None = None, **changes: Any) -> Judgement:
        """One tick; ``changes`` replace fields of the counter frame."""
        self.did(did or {})
        self.at += self.settings.tick
        frame = replace(self.frame(), **changes)
        self._past.append((self.at, {name: self._row(name) for name in self.totals}))
        return self.look(frame)

    def look(self, frame: CounterFrame | None) -> Judgement:
        """Judge a frame of one's own."""
        asked = self.judgement
        usual, earlier = self._graphs(bool(asked is not None and asked.watch))
        snapshot = Snapshot(
            at=self.at,
            counters=frame,
            callers=self._callers(asked.watch) if asked is not None and asked.watch else None,
            cluster=self.view(),
            control=Control(paused=False, reason="", leader=True, term=1),
            rechecks={one: self._again(one) for one in asked.recheck} if asked is not None and self.recheck else {},
            baselines=self.baselines,
            objectives=self.objectives,
            usual_edges=usual,
            earlier_edges=earlier,
        )
        self.state, self.judgement = judge(self.state, snapshot, self.settings, self.open_actions)
        return self.judgement

    def frame(self) -> CounterFrame:
        names = list(self.order or sorted(self.totals))
        requests = np.array([self.totals[name] for name in names]).reshape(len(names), 3)
        every = requests[:, 0] + requests[:, 1]
        slow = np.array([self.slow[name] for name in names])
        fast = every - slow
        buckets = np.stack([0 * fast, fast, fast, fast, every, every, every], axis=1)
        return CounterFrame(
            at=self.at,
            pods=tuple(("shop", name) for name in names),
            requests=requests,
            cuts=CUTS,
            buckets=buckets,
            scraped=np.full(len(names), self.at),
            targets=np.ones(len(names), np.int64),
        )

    def _graphs(self, curious: bool) -> tuple[CallGraph | None, CallGraph | None]:
        """As the daemon keeps them: ten minutes while nobody is suspected, and a minute that is over."""
        sums: dict[ServiceRef, FloatArray] = {}
        for (_, service), counts in self.edges.items():
            sums[service] = sums.get(service, np.zeros(3)) + counts
        self._calls.append((self.at, {service: counts.copy() for service, counts in sums.items()}))
        if not curious or self._usual is None:
            self._usual = self._graph(600.0)
        return (self._usual, self._graph(60.0)) if curious else (None, None)

    def _graph(self, seconds: float) -> CallGraph:
        """Calls of so many seconds that ended two minutes ago."""
        end = self.at - 120.0
        first, last = ([row for at, row in self._calls if at <= instant] for instant in (end - seconds, end))
        before = first[-1] if first else self._calls[0][1]
        after = last[-1] if last else {}
        reached = {}
        for service, counts in after.items():
            ok, bad, lost = (counts - before.get(service, np.zeros(3))).tolist()
            if ok + bad > 0.0:
                reached[service] = Reach(ok + bad, lost)
        return CallGraph(end, seconds, (), reached)

    def _row(self, name: str) -> FloatArray:
        """Requests by class, then by latency."""
        total, slow = self.totals[name], self.slow[name]
        every = float(total[0] + total[1])
        fast = every - slow
        return np.array([*total, 0.0, fast, fast, fast, every, every, every])

    def _callers(self, watched: frozenset[ServiceRef]) -> CallerFrame:
        rows = {
            (ref.namespace, ref.name, service): CallerCounts(float(ok), float(bad), 0.0, float(lost))
            for (ref, service), (ok, bad, lost) in self.edges.items()
            if service in watched
        }
        return CallerFrame(self.at, watched, CUTS, rows)

    def _again(self, service: ServiceRef) -> tuple[SeriesHistory, ...]:
        times = np.array([at for at, _ in self._past])
        found = []
        for pod in self.pods:
            if pod.service == service:
                rows = np.array([seen.get(pod.ref.name, np.full(10, np.nan)) for _, seen in self._past])
                found.append(SeriesHistory(pod.ref.key, "shop/caller", times, rows[:, :3], CUTS, rows[:, 3:]))
        return tuple(found)


def acting(judgement: Judgement, tier: Tier = Tier.DRAIN) -> set[str]:
    """Names of pods that evidence and ceiling would let act on."""
    return {
        suspect.culprit.name
        for suspect in judgement.suspects
        if suspect.culprit.pod and min(suspect.tier, suspect.ceiling) >= tier
    }


def suspect_of(judgement: Judgement, name: str) -> Suspect:
    return next(suspect for suspect in judgement.suspects if suspect.culprit.name == name)


def everybody(pods: Iterable[Pod], did: Did, **others: Did) -> dict[str, Did]:
    """The same for all pods but those named (dashes as underscores)."""
    changed = {name.replace("_", "-"): what for name, what in others.items()}
    return {pod.ref.name: changed.get(pod.ref.name, did) for pod in pods}


def fed(feed: Feed, ticks: int, did: dict[str, tuple[float, ...]]) -> Feed:
    """The same feed after so many ticks in which everybody did the same."""
    for _ in range(ticks):
        feed.tick(did)
    return feed
