"""
The mesh: requests flow from the load through the services, and every sidecar counts them.

Time goes in steps (``MeshSpec.step``). Within a step arrivals are Poisson and each request is followed on its own:
which pod it goes to, how long each hop takes, how it ends. It is counted in the step in which it ends.
"""

from __future__ import annotations

import heapq
import itertools
from typing import Final

import numpy as np

from observer.domain.counts import BoolArray, FloatArray, IntArray
from observer.simulator.mesh.faults import FaultSet, PairRules, Sidecar, hits
from observer.simulator.mesh.flow import Answer, Edge, Flight, Pool
from observer.simulator.mesh.pods import NO_SLOT, MeshPod, PodTable
from observer.simulator.mesh.sidecars import UNKNOWN, Outcomes, Sidecars
from observer.simulator.mesh.spans import SpanRecorder
from observer.simulator.mesh.topology import Load, MeshSpec, ServiceSpec

REFUSED: Final = 0.001
"""Seconds until a refused connection is known."""


class Mesh:
    """
    The mesh that a specification describes.

    Attributes:
        faults: set and clear them at any time.
        load: likewise.
        sidecars: what they counted. spans: what a tracer recorded of them.
    """

    def __init__(self, spec: MeshSpec, pods: PodTable, seed: int, now: float) -> None:
        self.spec = spec
        self.pods = pods
        self.faults = FaultSet()
        self.load = Load(spec.sources)
        self.now = now
        self.outcomes = Outcomes()
        self.sidecars = Sidecars(self.outcomes, spec.flush, seed)
        self.sidecars.know(pods.pods)
        homes = {service.name: spec.namespace_of(service.name) for service in spec.services}
        self._homes = {source.workload: spec.namespace for source in spec.sources} | homes
        self.spans = SpanRecorder(spec.traced, seed, pods.pods, self.outcomes, self._homes)
        self._rng = np.random.default_rng([seed, 1])
        self._ok = self.outcomes.number(200)
        self._unreached = self.outcomes.number(503, "UF")
        self._exhausted = self.outcomes.number(503, "URX,UF")
        self._nobody = self.outcomes.number(503, "UH")
        self._gave_up = self.outcomes.number(0, "DC")
        self._upstream = self.outcomes.number(502)
        self._services = {service.name: service for service in spec.services}
        self._pools = {name: Pool() for name in [*self._services, *(s.workload for s in spec.sources)]}
        numbers = {name: self.sidecars.service(spec.namespace_of(name), name) for name in self._services}
        pairs = [(s.name, callee) for s in spec.services for callee in s.calls]
        pairs += [(s.workload, s.target) for s in spec.sources]
        self._edges = {
            (caller, callee): Edge(self._pools[caller], self._pools[callee], callee, numbers[callee])
            for caller, callee in dict.fromkeys(pairs)
        }
        self._gateways = {workload.service for workload in spec.workloads if workload.gateway}
        self._flight = Flight()
        self._flips: list[tuple[float, int, MeshPod]] = []
        self._flip_order = itertools.count()
        self._effects = Effects()
        self._restarts: dict[int, str] = {}
        pods.listen(self._pod_changed)

    def step_to(self, end: float) -> None:
        """Let everything happen that happens until ``end`` (Unix seconds)."""
        start, self.now = self.now, end
        self._propagate(end)
        self._effects.refresh(start, self)
        for source in self.load.sources:
            rate = source.rate_at(start) * self.load.factor_at(start)
            count = int(self._rng.poisson(rate * (end - start)))
            callers = self._pools[source.workload].running
            if count and callers.size:
                begin = np.sort(self._rng.uniform(start, end, count))
                edge = self._edges[(source.workload, source.target)]
                border = source.workload in self._gateways
                self._call(edge, self._rng.choice(callers, count), begin, self.spans.roots(count), border=border)
        self.spans.close_step()
        series, durations = self._flight.landed(end)
        if series.size:
            self.sidecars.record(series, durations)
        for edge in self._edges.values():
            edge.advance(end)
        self.sidecars.flush(end)

    def visit(self, pod: MeshPod) -> None:
        """
        One request from outside the mesh, as a person sends it: counted with an unknown caller (not by a gateway).
        """
        if pod.identity.service in self._gateways:
            return
        series = self.sidecars.inbound(_one(pod.slot), _one(UNKNOWN), _one(self._ok))
        self.sidecars.record(series, np.ones(1))

    def restart_sidecar(self, pod: MeshPod) -> None:
        """Its counters begin anew."""
        self.sidecars.restart(pod.slot)

    def sidecar_state(self, pod: MeshPod) -> Sidecar:
        """Whether its metrics page can be scraped."""
        if pod.gone or not pod.running:
            return Sidecar.DEAD
        if pod.slot == NO_SLOT:
            return Sidecar.SERVES if pod.ready else Sidecar.DEAD
        self._effects.refresh(self.now, self)
        return Sidecar(int(self._effects.state[pod.slot]))

    def balanced(self, service: str) -> list[str]:
        """Names of the pods that callers of a service send requests to."""
        return [self.pods.pods[slot].name for slot in self._pools[service].slots.tolist()]

    def _pod_changed(self, pod: MeshPod) -> None:
        pool = self._pools.get(pod.identity.service)
        if pool is None or pod.identity.namespace != self._homes[pod.identity.service]:
            return
        self._effects.stale = True
        if self._restarts.setdefault(pod.slot, pod.sidecar_started) != pod.sidecar_started:
            self._restarts[pod.slot] = pod.sidecar_started
            self.restart_sidecar(pod)
        pool.alive(pod, pod.running and not pod.deleting)
        if pod.wanted != pool.covers(pod):
            delay = float(self._rng.uniform(*self.spec.propagation))
            heapq.heappush(self._flips, (self.now + delay, next(self._flip_order), pod))

    def _propagate(self, now: float) -> None:
        """Tell the callers of changed endpoints; without a control plane nobody tells them."""
        if not self.pods.control_plane_up:
            return
        while self._flips and self._flips[0][0] <= now:
            _, _, pod = heapq.heappop(self._flips)
            self._pools[pod.identity.service].put(pod, pod.wanted)

    def _call(
        self, edge: Edge, callers: IntArray, start: FloatArray, within: IntArray, *, border: bool = False
    ) -> Answer:
        """Requests from these caller pods (of a gateway: ``border``), begun at ``start``; what they get, and when."""
        spans = self.spans.begin(within)
        count = callers.size
        ended = np.full(count, self._nobody, dtype=np.int64)
        peers = np.full(count, UNKNOWN, dtype=np.int64)
        ends = start + REFUSED
        open_ = np.arange(count)
        begin, resends = start, np.zeros(count, dtype=np.int64)
        for attempt in range(self.spec.retries + 1):
            if not open_.size or not edge.callee.slots.size:
                break
            slots = edge.pick(callers[open_], self._rng, self.spec.balancing)
            resends[open_] = attempt
            deadline = start[open_] + self.spec.timeout
            answer = self._attempt(edge, callers[open_], slots, (begin, deadline), spans[open_])
            edge.sent(callers[open_], slots, answer.ends)
            ended[open_], ends[open_] = answer.outcomes, answer.ends
            peers[open_] = self._effects.peer[slots]
            again = self.outcomes.codes[answer.outcomes] == 503
            if attempt and attempt == self.spec.retries:
                ended[open_[answer.outcomes == self._unreached]] = self._exhausted
            open_, begin = open_[again], answer.ends[again]
        if border:
            failed = self._rng.random(count) < self._effects.error_rate(callers)
            ended[failed] = self._effects.error[callers[failed]]
            ends = ends + self._effects.slow[callers]
        self.spans.sent(spans, callers, edge.name, (start, ends), ended, resends)
        self._flight.add(self.sidecars.outbound(callers, edge.number, peers, ended), ends, (ends - start) * 1000.0)
        return Answer(ended, ends)

    def _attempt(
        self, edge: Edge, callers: IntArray, slots: IntArray, times: tuple[FloatArray, FloatArray], within: IntArray
    ) -> Answer:
        """One attempt each, with its begin and its deadline: reaches a pod and is served, or does not."""
        begin, deadline = times
        arrive = begin + self._lognormal(self.spec.hop, self.spec.hop_spread, slots.size)
        outcomes = np.full(slots.size, self._unreached, dtype=np.int64)
        state = self._effects.state[slots]
        ends = begin + np.where(state == Sidecar.FROZEN, self.spec.connect_timeout, REFUSED)
        reached = state == Sidecar.SERVES
        if self._effects.pairs:
            lost = self._effects.pairs.lost(callers, slots, self._rng.random(slots.size))
            ends[lost] = begin[lost] + self.spec.connect_timeout
            reached &= ~lost
        if reached.any():
            service = self._services[edge.name]
            window = arrive[reached], deadline[reached]
            served = self._serve(service, slots[reached], callers[reached], window, within[reached])
            outcomes[reached] = served.outcomes
            # The way back; a caller that gave up waits for nothing.
            back = np.minimum(served.ends + self.spec.hop / 2, deadline[reached])
            ends[reached] = back
        late = ends > deadline
        outcomes[late], ends[late] = self._gave_up, deadline[late]
        return Answer(outcomes, ends)

    def _serve(
        self,
        service: ServiceSpec,
        slots: IntArray,
        callers: IntArray,
        times: tuple[FloatArray, FloatArray],
        within: IntArray,
    ) -> Answer:
        """Pods work on requests from their arrival to their deadline; their sidecars count them when they end."""
        arrive, deadline = times
        spans = self.spans.begin(within)
        effects = self._effects
        work = self._lognormal(service.work, service.spread, slots.size) * effects.factor[slots]
        slow = effects.slow[slots]
        if slow.any():
            work += slow * self._rng.uniform(0.7, 1.3, slots.size)
        ends = arrive + work
        failed = self._rng.random(slots.size) < effects.error_rate(slots)
        outcomes = np.where(failed, effects.error[slots], self._ok)
        if effects.pairs:
            failed |= effects.pairs.failed(callers, slots, self._rng.random(slots.size), outcomes)
        going = ~failed
        if service.calls and going.any():
            bad, done = self._depend(service, slots[going], ends[going], spans[going])
            outcomes[going] = np.where(bad, self._upstream, self._ok)
            ends[going] = done
        late = ends > deadline
        outcomes[late], ends[late] = self._gave_up, deadline[late]
        self.spans.served(spans, slots, callers, service.name, (arrive, ends), outcomes)
        series = self.sidecars.inbound(slots, effects.peer[callers], outcomes)
        self._flight.add(series, ends, (ends - arrive) * 1000.0)
        return Answer(outcomes, ends)

    def _depend(
        self, service: ServiceSpec, slots: IntArray, begin: FloatArray, within: IntArray
    ) -> tuple[BoolArray, FloatArray]:
        """The calls that a service makes for each request: whether any failed, and when all were done."""
        bad = np.zeros(slots.size, dtype=np.bool_)
        done = begin.copy()
        for callee in service.calls:
            going = np.arange(slots.size) if service.parallel else np.flatnonzero(~bad)
            if not going.size:
                break
            at = begin[going] if service.parallel else done[going]
            answer = self._call(self._edges[(service.name, callee)], slots[going], at, within[going])
            codes = self.outcomes.codes[answer.outcomes]
            bad[going] |= (codes >= 500) | (codes == 0)
            done[going] = np.maximum(done[going], answer.ends)
        return bad, done

    def _lognormal(self, median: float, sigma: float, count: int) -> FloatArray:
        drawn: FloatArray = median * np.exp(sigma * self._rng.standard_normal(count))
        return drawn


class Effects:
    """What the faults and the background errors make of each pod, by slot; worked out when something changed."""

    def __init__(self) -> None:
        self.stale = True
        self.state: IntArray = np.zeros(0, dtype=np.int64)
        self.slow: FloatArray = np.zeros(0)
        self.factor: FloatArray = np.zeros(0)
        self.error: IntArray = np.zeros(0, dtype=np.int64)
        self.peer: IntArray = np.zeros(0, dtype=np.int64)
        self.pairs = PairRules()
        self._rate: FloatArray = np.zeros(0)
        self._noise: FloatArray = np.ones(0)
        self._second = -1
        self._version = -1
        self._until = 0.0

    def error_rate(self, slots: IntArray) -> FloatArray:
        """Share of requests that fail now, 0 to 1."""
        rate: FloatArray = np.minimum(self._rate[slots] * self._noise[slots], 1.0)
        return rate

    def refresh(self, now: float, mesh: Mesh) -> None:
        """Bring up to date with faults, pods and time."""
        if self.stale or self._version != mesh.faults.version or now >= self._until:
            self._work_out(now, mesh)
        variance = mesh.spec.overdispersion
        if self._noise.size != self._rate.size or (variance and int(now) != self._second):
            self._second = int(now)
            size = self._rate.size
            self._noise = mesh._rng.gamma(1 / variance, variance, size) if variance else np.ones(size)  # noqa: SLF001

    def _work_out(self, now: float, mesh: Mesh) -> None:
        pods, services = mesh.pods.pods, {service.name: service for service in mesh.spec.services}
        size = len(pods)
        self.stale, self._version, self._until = False, mesh.faults.version, mesh.faults.next_change(now)
        self.slow, self.factor = np.zeros(size), np.ones(size)
        self.error = np.full(size, mesh.outcomes.number(500), dtype=np.int64)
        self.state = np.array([Sidecar.DEAD if pod.gone else Sidecar.SERVES for pod in pods], dtype=np.int64)
        self.peer = np.array([mesh.sidecars.peer(pod.identity) for pod in pods], dtype=np.int64)
        background = {name: service.error_rate for name, service in services.items()}
        self._rate = np.array([background.get(pod.identity.service, 0.0) for pod in pods], dtype=np.float64)
        worst = self._rate.copy()
        active = mesh.faults.active(now)
        pairs = [(fault, mesh.outcomes.number(fault.error_code)) for fault in active if fault.by_pair]
        self.pairs = PairRules.of(pairs, pods)
        for fault in active:
            if fault.by_pair:
                continue
            code = mesh.outcomes.number(fault.error_code)
            for pod in mesh.pods.living():
                if not hits(fault.where, pod):
                    continue
                slot = pod.slot
                self._rate[slot] = 1 - (1 - self._rate[slot]) * (1 - fault.error_rate)
                if fault.error_rate > worst[slot]:
                    worst[slot], self.error[slot] = fault.error_rate, code
                self.slow[slot] += fault.slow_seconds
                self.factor[slot] *= fault.slow_factor
                self.state[slot] = max(int(self.state[slot]), fault.sidecar)


def _one(value: int) -> IntArray:
    return np.array([value], dtype=np.int64)
