"""
Counters of a test: the written series, scrape by scrape, following the pods that Observer takes traffic from.

What a pod without traffic was written to answer goes to its replica peers, who answer it as they answer their own; a
pod that came in another's place serves as its peers do, unless series of its own were written. Calls that find no pod
fail at the callers. The callers' own counters add up what the pods answered.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from observer.domain.ids import PodRef, ServiceRef
from observer.engine.slo.presets import ISTIO
from observer.policytest.read import BUCKETS, OF_PODS, REQUESTS, UP
from observer.policytest.scenario import Line, Scenario, WorkloadKey
from observer.policytest.world import SimulatedPod, World

CALLER: Final = ("callers", "callers-1")
"""The one pod that calls everybody."""
LOOKBACK: Final = 300.0
"""A series without a sample for so long is gone, as for Prometheus."""

_RETAINED: Final = 121
"""Scrapes that are remembered for the second question."""

Labels = tuple[tuple[str, str], ...]


class Name(NamedTuple):
    """One counter: metric and sorted labels, ``pod`` and ``namespace`` left out."""

    metric: str
    labels: Labels

    @property
    def words(self) -> dict[str, str]:
        return dict(self.labels)


@dataclass(slots=True)
class Target:
    """What is scraped of one pod: its counters as they are (``own``) and as they were read last (``read``)."""

    own: dict[Name, float] = field(default_factory=dict)
    read: dict[Name, float] = field(default_factory=dict)
    scraped: float = 0.0
    down: bool = False


@dataclass(slots=True)
class _Cursor:
    """Where a line stands: its last sample and when that was (index of the scrape)."""

    value: float = math.nan
    at: int = -1
    ended: bool = True


@dataclass(slots=True)
class Step:
    """What one line grew by: ``grown`` events, ``seen`` a sample is there; ``fell``: it began anew at ``grown``."""

    grown: float = 0.0
    seen: bool = False
    fell: bool = False


class Traffic:
    """All counters at the last scrape. ``calls`` are the callers' counters of each service."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._cursors = [_Cursor() for _ in scenario.lines]
        self.targets: dict[PodRef, Target] = {}
        self.calls: dict[ServiceRef, dict[Name, float]] = {}
        self._busiest: dict[WorkloadKey, float] = {}
        self.at = 0.0
        self.scrapes = -1
        self.past: list[tuple[float, dict[PodRef, dict[Name, float]]]] = []

    def advance(self, world: World) -> None:
        """Take in every scrape that is due at the world's instant."""
        while (at := self._scenario.start + (self.scrapes + 1) * self._scenario.interval) <= world.at:
            self.scrapes += 1
            self.at = at
            self._scrape(world)
            self.past = [*self.past, (at, {ref: dict(one.read) for ref, one in self.targets.items()})][-_RETAINED:]

    def raw(self) -> Iterator[tuple[Line, float]]:
        """Every series that belongs to no pod of the mesh, with its value now."""
        for line, cursor in zip(self._scenario.lines, self._cursors, strict=True):
            counted = line.query or line.metric not in OF_PODS or line.owner is None
            age = (self.scrapes - cursor.at) * self._scenario.interval
            if counted and not cursor.ended and age < LOOKBACK:
                yield line, cursor.value

    def busiest(self, key: WorkloadKey) -> float:
        """Requests a second of the busiest pod of a workload so far."""
        return self._busiest.get(key, 0.0)

    # --- one scrape

    def _scrape(self, world: World) -> None:
        for ref in [ref for ref in self.targets if ref not in world.pods]:
            del self.targets[ref]
        steps = [self._step(line, cursor) for line, cursor in zip(self._scenario.lines, self._cursors, strict=True)]
        for ref in world.pods:
            self.targets.setdefault(ref, Target())
        written = {ref: self._written(pod, steps) for ref, pod in world.pods.items()}
        self._replacements(world, written)
        services: dict[ServiceRef, list[SimulatedPod]] = {}
        for pod in world.pods.values():
            services.setdefault(world.facts.workloads[pod.key].serves(pod.key), []).append(pod)
        for service, members in services.items():
            self._serve(world, service, members, written)
        for ref, pod in world.pods.items():
            self._read(pod, self.targets[ref], steps)

    def _step(self, line: Line, cursor: _Cursor) -> Step:
        value = line.samples[self.scrapes] if self.scrapes < len(line.samples) else math.nan
        if math.isnan(value):
            return Step()
        if math.isinf(value):
            cursor.ended = True
            return Step()
        before, cursor.value, cursor.at, cursor.ended = cursor.value, float(value), self.scrapes, False
        if math.isnan(before):
            return Step(cursor.value, seen=True)
        fell = cursor.value < before
        return Step(cursor.value if fell else cursor.value - before, seen=True, fell=fell)

    def _written(self, pod: SimulatedPod, steps: list[Step]) -> dict[Name, Step] | None:
        """What the pod was written to serve since the last scrape; None where nothing was written of it."""
        found: dict[Name, Step] = {}
        known = False
        for line, step in zip(self._scenario.lines, steps, strict=True):
            if line.metric in (REQUESTS, BUCKETS) and _reports(line, pod):
                known = True
                name = _name(line)
                old = found.get(name, Step())
                found[name] = Step(old.grown + step.grown, old.seen or step.seen, old.fell or step.fell)
        return found if known else None

    def _replacements(self, world: World, written: dict[PodRef, dict[Name, Step] | None]) -> None:
        """Who came in another's place and has no series of its own does what the first pods do on average."""
        for ref, pod in world.pods.items():
            if pod.name == pod.replaces or written[ref] is not None:
                continue
            peers = [
                steps
                for other, steps in written.items()
                if steps is not None and world.pods[other].key == pod.key and world.pods[other].name != pod.name
            ]
            names = {name for steps in peers for name in steps}
            written[ref] = {
                name: Step(sum(steps.get(name, Step()).grown for steps in peers) / len(peers), seen=True)
                for name in sorted(names)
            }

    def _serve(
        self,
        world: World,
        service: ServiceRef,
        members: list[SimulatedPod],
        written: Mapping[PodRef, dict[Name, Step] | None],
    ) -> None:
        asked = {pod.ref: _requests(written[pod.ref] or {}) for pod in members}
        serving = [pod for pod in members if world.serves(pod)]
        wanted, retained = sum(asked.values()), sum(asked[pod.ref] for pod in serving)
        calls = self.calls.setdefault(service, {})
        if not retained and wanted:
            lost = Name(REQUESTS, _sorted({"response_code": "503", "response_flags": "UH"}))
            calls[lost] = calls.get(lost, 0.0) + wanted
        scale = wanted / retained if retained else 0.0
        for pod in members if self.scrapes else ():
            rate = asked[pod.ref] / self._scenario.interval
            self._busiest[pod.key] = max(self._busiest.get(pod.key, 0.0), rate)
        for pod in members:
            own = self.targets[pod.ref].own
            for name, step in (written[pod.ref] or {}).items():
                if step.fell:
                    own[name] = 0.0
                grown = step.grown * scale if pod in serving else 0.0
                own[name] = own.get(name, 0.0) + grown
                if not world.facts.workloads[pod.key].gateway:
                    calls[name] = calls.get(name, 0.0) + grown
        if not calls:
            del self.calls[service]

    def _read(self, pod: SimulatedPod, target: Target, steps: list[Step]) -> None:
        """The scrape itself: what the metric server knows of the pod from now on."""
        lines = [(i, line) for i, line in enumerate(self._scenario.lines) if _reports(line, pod)]
        ups = [self._cursors[i].value for i, line in lines if line.metric == UP]
        target.down = bool(ups) and ups[-1] == 0.0
        counters = [i for i, line in lines if line.metric != UP]
        if target.down or (counters and not any(steps[i].seen for i in counters) and not self._ended(counters)):
            return
        target.scraped = self.at
        gone = {_name(self._scenario.lines[i]) for i in counters if self._cursors[i].ended}
        target.read = {name: math.floor(value + 1e-6) for name, value in target.own.items() if name not in gone}

    def _ended(self, counters: list[int]) -> bool:
        return all(self._cursors[i].ended for i in counters)


def _reports(line: Line, pod: SimulatedPod) -> bool:
    if line.owner != pod.key:
        return False
    return bool(re.fullmatch(line.pods, pod.name)) if line.pods else line.labels.get("pod") == pod.name


def _name(line: Line) -> Name:
    labels = {key: value for key, value in line.labels.items() if key not in ("pod", "namespace", ISTIO.reporter)}
    return Name(line.metric, _sorted(labels))


def _sorted(labels: Mapping[str, str]) -> Labels:
    return tuple(sorted(labels.items()))


def _requests(steps: Mapping[Name, Step]) -> float:
    return sum(step.grown for name, step in steps.items() if name.metric == REQUESTS)
