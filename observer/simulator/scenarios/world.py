"""A whole simulated cluster: Kubernetes objects, the mesh on them, Prometheus over it, both APIs on loopback."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final, Self

from aiohttp import web

from observer.domain import names
from observer.simulator.clock import EPSILON, SimClock, run_ready
from observer.simulator.jaeger.api import JaegerApi
from observer.simulator.kiali.api import ROOT, KialiApi
from observer.simulator.kubernetes import objects
from observer.simulator.kubernetes.api import API, KubeApi, make_app
from observer.simulator.kubernetes.controllers import Controllers
from observer.simulator.kubernetes.faults import KubeFaults
from observer.simulator.kubernetes.kinds import Obj
from observer.simulator.kubernetes.store import Store
from observer.simulator.mesh.faults import Fault
from observer.simulator.mesh.pods import PodTable
from observer.simulator.mesh.topology import MeshSpec, ScrapeSpec, Surge, shop
from observer.simulator.mesh.traffic import Mesh
from observer.simulator.prometheus.api import PrometheusApi
from observer.simulator.prometheus.scrape import Scraper

SETTLING: Final = 40.0
"""Simulated seconds before the history in which the pods of a new cluster start."""
COARSE: Final = 1.0
"""Seconds of a step while history is made."""
PEAK: Final = 2.2
"""Factor on the load in the middle third of the history: what the pods have served healthily before."""
FAR_BEHIND: Final = 2.0
"""Seconds behind a wall clock from which on steps are coarse, until the cluster has caught up."""
LOOPBACK: Final = "127.0.0.1"


class World:
    """
    The simulated cluster.

    Attributes:
        clock, store, controllers, mesh: its parts; change them while it runs.
        scrapers: the Prometheus servers, one unless the scrape specification says otherwise.
        prometheus: their HTTP API and its switches.
        jaeger, kiali: the tracing server and the mesh console over the same mesh, with their switches.
        kubernetes, kube_faults: the API server with what it was asked, and its switches.
    """

    def __init__(
        self,
        spec: MeshSpec | None = None,
        seed: int = 1,
        clock: SimClock | None = None,
        *,
        scrape: ScrapeSpec | None = None,
        history: float = 0.0,
        age: float = 0.0,
        extra: Iterable[Obj] = (),
        enabled: bool = True,
    ) -> None:
        """
        Build the cluster and let its pods start; afterwards the clock stands (or runs) where it stood before.

        ``history`` is the number of seconds of traffic made before now, with a peak in the middle; ``age`` how many
        seconds the pods have been Ready when that begins, so that nothing in the cluster is new; ``extra`` objects
        (budgets, autoscalers) are added to the cluster; ``enabled`` labels the namespace for action.
        """
        self.spec = spec or shop()
        self.clock = clock or SimClock()
        present = self.clock.now()
        begin = present - history - SETTLING
        self.clock.freeze(begin - age)
        self.store = Store(self.clock, seed=seed)
        for obj in [*cluster(self.spec, enabled=enabled), *extra]:
            self.store.add(obj)
        self.controllers = Controllers(self.store, self.clock, random.Random(seed))  # noqa: S311 - a simulation
        if age:
            self._grow_old(begin)
        self.mesh = Mesh(self.spec, PodTable(self.store), seed, begin)
        wanted = scrape or ScrapeSpec()
        wanted = replace(wanted, retention=max(wanted.retention, history + wanted.retention / 2))
        self.scrapers = [Scraper(wanted, self.mesh, seed, replica) for replica in range(wanted.replicas)]
        self.prometheus = PrometheusApi(list(self.scrapers), self.clock.now, seed)
        self.jaeger = JaegerApi(self.mesh.spans, self.clock.now)
        self.kiali = KialiApi(self.scrapers[0].memory, self.clock.now)
        self.kube_faults = KubeFaults()
        self._kubernetes_app = make_app(self.store, self.controllers, self.clock, faults=self.kube_faults)
        self.kubernetes: KubeApi = self._kubernetes_app[API]
        self._runners: list[web.AppRunner] = []
        self._pump: asyncio.Task[None] | None = None
        self._make_history(begin, present)

    def _grow_old(self, until: float) -> None:
        """The pods start, without a mesh to send them anything; then nothing happens."""
        since = self.clock.now()
        while self.clock.now() < min(since + SETTLING, until) - EPSILON:
            self.clock.advance(COARSE)
            self.controllers.tick(self.clock.now())
        self.clock.advance_to(until)

    def _make_history(self, begin: float, present: float) -> None:
        since = begin + SETTLING
        third = (present - since) / 3
        self.mesh.load.surges.append(Surge(0.0, begin, since))
        self.mesh.load.surges.append(Surge(PEAK, since + third, present - third))
        self.run(since, COARSE)
        self.run(present - SETTLING / 4, COARSE)
        self.run(present, self.spec.step)
        self.clock.release()

    def run(self, until: float, step: float = COARSE) -> None:
        """Everything that happens until then, step by step; for worlds in virtual time that nobody asks over HTTP."""
        while self.mesh.now < until - EPSILON:
            self._one_step(min(self.mesh.now + step, until))

    def _one_step(self, at: float) -> None:
        if self.clock.frozen:
            self.clock.advance_to(at)
        self.controllers.tick(at)
        self.mesh.step_to(at)
        for scraper in self.scrapers:
            scraper.run(at)

    async def advance(self, seconds: float, step: float | None = None) -> None:
        """Virtual time: let ``seconds`` pass; sleepers on the clock run in their turn, each at its instant."""
        until = self.mesh.now + seconds
        while self.mesh.now < until - EPSILON:
            self._one_step(
                min(self.mesh.now + (step or self.spec.step), until, max(self.clock.next_due, self.mesh.now))
            )
            await run_ready(1)
        await run_ready()

    def skip(self, seconds: float, step: float) -> None:
        """Virtual time: traffic goes on in steps of ``step`` seconds, and who sleeps on the clock wakes at its end."""
        self.run(self.mesh.now + seconds, step)

    async def serve(self) -> tuple[str, str]:
        """Listen on loopback, ports of the system's choice; a wall clock begins to drive the cluster. The addresses."""
        prometheus = await self._listen(self.prometheus.app())
        kubernetes = await self._listen(self._kubernetes_app)
        if not self.clock.virtual:
            self._pump = asyncio.get_running_loop().create_task(self._follow(), name="simulator")
        return prometheus, kubernetes

    async def serve_neighbours(self) -> tuple[str, str]:
        """Jaeger and Kiali listen on loopback too; the addresses, with Kiali's web root."""
        return await self._listen(self.jaeger.app()), await self._listen(self.kiali.app()) + ROOT

    async def _listen(self, app: web.Application) -> str:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, LOOPBACK, 0).start()
        return f"http://{LOOPBACK}:{runner.addresses[0][1]}"

    async def _follow(self) -> None:
        """Keep up with a wall clock."""
        while True:
            lag = self.clock.now() - self.mesh.now
            if lag < self.spec.step:
                await self.clock.sleep(self.spec.step - lag)
            else:
                self._one_step(self.mesh.now + (min(lag, COARSE) if lag > FAR_BEHIND else self.spec.step))
                await asyncio.sleep(0)

    async def close(self) -> None:
        """Stop listening; raises what the driving task died of, if it did."""
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()
        if self._pump is not None:
            self._pump.cancel()
            with suppress(asyncio.CancelledError):
                await self._pump
            self._pump = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def inject(self, *faults: Fault) -> None:
        """Set faults as the lab does: by a request from outside the mesh to each pod that is named."""
        self.mesh.faults.set(*faults)
        wanted = {name for fault in faults for name in fault.where.pods}
        for pod in sorted(self.mesh.pods.living(), key=lambda pod: (pod.name, pod.identity.namespace)):
            if pod.name in wanted:
                self.mesh.visit(pod)

    def pods_of(self, service: str, version: str = "") -> list[str]:
        """Names of the living pods of a service, sorted."""
        return sorted(
            pod.name
            for pod in self.mesh.pods.living()
            if pod.identity.service == service and version in ("", pod.identity.version)
        )

    def stop_prometheus(self) -> None:
        """Every Prometheus server goes down: no scrapes, connections are reset."""
        for scraper in self.scrapers:
            scraper.stop()

    def start_prometheus(self) -> None:
        """They come back with what they remember."""
        for scraper in self.scrapers:
            scraper.start()


def cluster(spec: MeshSpec, *, enabled: bool = True) -> Sequence[Obj]:
    """The Kubernetes objects of a mesh: nodes, namespaces, istiod, services, Deployments."""
    labels = {objects.INJECTION_LABEL: "enabled"}
    if enabled:
        labels[names.NAMESPACE_ENABLED] = "true"
    nodes = [objects.node(name, zone=zone, index=i) for i, (name, zone) in enumerate(spec.nodes, 1)]
    spaces = [objects.namespace("default"), objects.namespace("kube-system")]
    home = [*objects.istiod(), *objects.observer_home()]
    home += [objects.namespace(name, labels) for name in spec.namespaces]
    services = [
        objects.service(spec.namespace_of(service.name), service.name, {"app": service.name})
        for service in spec.services
    ]
    workloads = [
        objects.deployment(
            spec.namespace_of(w.service),
            w.name,
            {"app": w.service, "version": w.version} | ({names.GATEWAY_KIND: "ingressgateway"} if w.gateway else {}),
            w.replicas,
        )
        for w in spec.workloads
    ]
    return [*nodes, *spaces, *home, *services, *workloads]
