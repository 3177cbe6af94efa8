"""A mesh made by hand: what its sidecars show, as other set-ups write it, scraped by the simulated Prometheus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from observer.config.settings.model import Settings
from observer.config.settings.sources import PrometheusSettings
from observer.domain.cluster import ClusterView, Pod
from observer.domain.finding import Finding
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Control, Snapshot
from observer.domain.suspect import Judgement
from observer.engine.detect.judge import judge
from observer.engine.detect.state import DetectorState
from observer.sources.prometheus.probe import probe
from observer.sources.prometheus.source import PrometheusSource
from tests.support.builders import cluster, pod
from tests.support.metric_worlds import Page, SimulatedWorld, simulated_world

Labels = dict[str, str]
Counts = dict[tuple[tuple[str, str], ...], float]
"""Requests so far, by the sorted labels of their series."""
REQUESTS = "istio_requests_total"
BUCKETS = "istio_request_duration_milliseconds_bucket"
BOUNDS = ("5", "25", "100", "250", "1000", "5000", "+Inf")
FRONT = "front"
"""The service that calls all others."""
EDGE = "edge"
"""The service of a gateway's pods: they answer nobody's requests, they pass them on."""
SHOP = {FRONT: 2, "catalog": 4, "cart": 4}


def as_written(labels: Labels) -> Labels:
    """As Istio writes it."""
    return dict(labels)


def one_job(labels: Labels) -> list[Labels]:
    """Each sidecar is scraped by one job."""
    return [labels]


@dataclass
class HandMesh:
    """
    Sidecars of services in namespace shop; each pod is scraped once an ``interval``, at an offset of its own.

    Attributes:
        services: replicas by service.
        series: what becomes of each series' labels on the way to the store.
        targets: the targets that a pod's own target becomes.
        gateway: workload name of the pods of ``EDGE``.
        shown: whether a pod's page can be read.
        up: whether the store holds ``up`` of the pods.
        foreign: what others expose under our pods' names, with the labels of the target that does.
    """

    world: SimulatedWorld
    services: Mapping[str, int] = field(default_factory=lambda: dict(SHOP))
    interval: float = 5.0
    series: Callable[[Labels], Labels] = as_written
    targets: Callable[[Labels], list[Labels]] = one_job
    gateway: str = "istio-ingressgateway"
    shown: bool = True
    up: bool = True
    pods: list[Pod] = field(default_factory=list)
    counts: dict[str, Counts] = field(default_factory=dict)
    foreign: dict[str, tuple[Labels, Counts]] = field(default_factory=dict)
    state: DetectorState = field(default_factory=DetectorState.empty)
    judgements: list[Judgement] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.began = self.now = self.world.at
        old = self.began - 3600.0
        for service, replicas in self.services.items():
            for number in range(replicas):
                made = pod(f"{service}-{number}", app=service, created=old, started=old)
                self.pods.append(made)
                self.counts[made.ref.name] = {}

    # --- what happens

    def answers(self, name: str, requests: float, **labels: str) -> None:
        """A pod answers requests of its callers: 200 unless ``labels`` say otherwise."""
        service = name.rpartition("-")[0]
        self._count(name, requests, "destination", service, {"source_workload": "front-v1"} | labels)

    def calls(self, name: str, service: str, requests: float, **labels: str) -> None:
        """A pod calls a service."""
        caller = name.rpartition("-")[0]
        workload = self.gateway if caller == EDGE else f"{caller}-v1"
        self._count(name, requests, "source", service, {"source_workload": workload} | labels)

    def everybody_answers(self, requests: float, *but: str) -> None:
        """Every pod does but the gateway's and those of services named; the front calls as many."""
        answering = [each for each in self.pods if each.ref.name.rpartition("-")[0] not in (EDGE, *but)]
        for each in answering:
            self.answers(each.ref.name, requests)
            if (service := each.ref.name.rpartition("-")[0]) != FRONT and FRONT in self.services:
                self.calls(f"{FRONT}-0", service, requests)

    def exposed(self, name: str, target: Labels, requests: float, **labels: str) -> None:
        """Somebody else's target exposes series of a pod's answers."""
        _, counts = self.foreign.setdefault(name, (target, {}))
        _add(counts, requests, "destination", name.rpartition("-")[0], {"source_workload": "front-v1"} | labels)

    def _count(self, name: str, requests: float, reporter: str, service: str, labels: Mapping[str, str]) -> None:
        _add(self.counts[name], requests, reporter, service, labels)

    def relabelled(self, service: str, **labels: str) -> None:
        """The pods of a service carry labels."""
        self.pods = [replace(each, labels=labels) if each.service.name == service else each for each in self.pods]

    # --- what is seen of it

    def page(self, name: str) -> Page:
        """What a sidecar shows; each request took between 5 and 25 ms."""
        if not self.shown:
            return None
        return self._page(self.counts[name])

    def _page(self, counts: Counts) -> Page:
        shown = []
        for key, count in counts.items():
            labels = self.series(dict(key))
            shown.append((REQUESTS, labels, count))
            shown += [(BUCKETS, labels | {"le": le}, 0.0 if le == "5" else count) for le in BOUNDS]
        return shown

    def scrape(self, since: float) -> None:
        """Every target whose turn came after ``since``, in order."""
        due: list[tuple[float, str]] = []
        for number, each in enumerate(self.pods):
            offset = self.interval * number / len(self.pods)
            turn = self.began + offset + self.interval * ((self.now - self.began - offset) // self.interval)
            if turn > since:
                due.append((turn, each.ref.name))
        for turn, name in sorted(due):
            self.world.at = turn
            labels = {"namespace": "shop", "pod": name, "job": "mesh", "instance": f"{name}:15020"}
            for target in self.targets(labels):
                # Labels of the target win over a page's own of the same name, as without honor_labels.
                self.world.scrape(tuple(sorted(target.items())), self.page(name), up=self.up)
            if name in self.foreign:
                target, counts = self.foreign[name]
                self.world.scrape(tuple(sorted((labels | target).items())), self._page(counts))
        self.world.at = self.now
        self.world.memory.touched()

    def pass_time(self, seconds: float, traffic: Callable[[], None]) -> None:
        """``traffic`` is counted, then whose turn it is is scraped."""
        since, self.now = self.now, self.now + seconds
        traffic()
        self.scrape(since)

    def view(self) -> ClusterView:
        return cluster(self.pods, at=self.now)

    def settings(self, **changes: Any) -> PrometheusSettings:
        return replace(self.world.settings, **changes)

    async def findings(self, **changes: Any) -> Sequence[Finding]:
        """What ``observer doctor`` finds in the store; ``changes`` are settings of Prometheus."""
        every = replace(Settings(), prometheus=self.settings(**changes))
        return await probe(every, pods=frozenset(each.ref.key for each in self.pods), at=self.now)

    async def red(self, **changes: Any) -> str:
        """Details and remedies of what is red."""
        return " | ".join(
            f"{f.name}: {f.detail} -> {f.remedy}" for f in await self.findings(**changes) if f.ok is False
        )

    async def ticks(self, count: int, traffic: Callable[[], None], *, tick: float = 5.0) -> Judgement:
        """So many ticks of the daemon's judging half; ``judgements`` keeps what each of them found."""
        source, settings = PrometheusSource(self.settings()), EngineSettings(tick=tick)
        try:
            for _ in range(count):
                self.pass_time(tick, traffic)
                self.state, judgement = judge(self.state, await self._snapshot(source, tick), settings)
                self.judgements.append(judgement)
        finally:
            await source.close()
        return self.judgements[-1]

    async def _snapshot(self, source: PrometheusSource, tick: float) -> Snapshot:
        at, view = self.now, self.view()
        asked = self.judgements[-1] if self.judgements else None
        counters = await source.counters(at)
        callers = await source.callers(at, asked.watch) if asked is not None and asked.watch else None
        rechecks = {}
        for service in asked.recheck if asked is not None else ():
            pods = frozenset(ref.key for ref in view.by_service[service])
            rechecks[service] = await source.recheck(at, 600.0, tick, pods)
        control = Control(paused=False, reason="", leader=True, term=1)
        return Snapshot(at, counters, callers, view, control, rechecks=rechecks)

    def suspected(self) -> set[str]:
        """Names of those whom the newest judgement suspects."""
        return {suspect.culprit.name for suspect in self.judgements[-1].suspects}

    def gaps(self, since: int = 0) -> list[str]:
        """Details of what was missing in the judgements from number ``since`` on."""
        return [gap.detail for judgement in self.judgements[since:] for gap in judgement.gaps]


def _add(counts: Counts, requests: float, reporter: str, service: str, labels: Mapping[str, str]) -> None:
    every = {
        "reporter": reporter,
        "response_code": "200",
        "response_flags": "-",
        "request_protocol": "http",
        "source_workload_namespace": "shop",
        "source_canonical_service": labels["source_workload"].removesuffix("-v1"),
        "destination_canonical_service": service,
        "destination_workload": f"{service}-v1",
        "destination_workload_namespace": "shop",
        "destination_service_name": service,
        "destination_service_namespace": "shop",
        "destination_service": f"{service}.shop.svc.cluster.local",
    } | dict(labels)
    key = tuple(sorted(every.items()))
    counts[key] = counts.get(key, 0.0) + requests


@asynccontextmanager
async def hand_mesh(**options: Any) -> AsyncIterator[HandMesh]:
    """A mesh with fields of ``HandMesh`` set."""
    async with simulated_world() as world:
        yield HandMesh(world, **options)
