"""
Recordings of the laboratory -> the snapshots that Observer would have seen.

Each recording holds a minute or two of a real mesh with its truth. The range answers come at one-second steps with
one-second scrapes, so the scrape time of a step is the step itself. Histograms were kept with their sums and counts
only: the requests of each five-second lump are put into the bucket of their mean, which is what the mesh measured.
"""

from __future__ import annotations

import json
import lzma
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from observer.domain.classify import is_unreached, request_class
from observer.domain.cluster import ClusterView, MeshControl, Pod, ResourceKind, Workload
from observer.domain.counts import (
    CallerCounts,
    CallerFrame,
    CounterFrame,
    FloatArray,
    SeriesHistory,
)
from observer.domain.ids import PodRef, ServiceRef, WorkloadRef
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Control, Snapshot
from observer.domain.suspect import Judgement
from observer.engine.detect.judge import judge
from observer.engine.detect.state import DetectorState, OpenActions
from observer.sources.kubernetes import parse
from observer.sources.kubernetes.wire import DeploymentWire, NodeWire, PodWire, ReplicaSetWire

LAB = Path(__file__).parents[1] / "data" / "lab"
CUTS = (5.0, 25.0, 100.0, 250.0, 1000.0, 5000.0)
CONTROL = Control(paused=False, reason="", leader=True, term=1)
Key = tuple[str, str]


@dataclass(frozen=True)
class Series:
    """One series on the recording's one-second grid; NaN where it had no sample."""

    labels: Mapping[str, str]
    values: FloatArray


@dataclass(frozen=True)
class Recording:
    """One recording, parsed."""

    name: str
    meta: Mapping[str, Any]
    times: FloatArray
    requests: tuple[Series, ...]
    sums: tuple[Series, ...]
    counts: tuple[Series, ...]
    up: tuple[Series, ...]
    pods: Mapping[PodRef, Pod]
    workloads: Mapping[WorkloadRef, Workload]
    nodes: Mapping[str, Any]

    @property
    def truth(self) -> Mapping[str, Any]:
        return self.meta["truth"]

    @property
    def fault_from(self) -> float:
        return float(self.meta["fault_from"])


def _read(path: Path) -> Any:
    return json.loads(lzma.decompress(path.read_bytes()))


@cache
def load(name: str) -> Recording:
    """Read ``tests/data/lab/NAME``."""
    folder = LAB / name
    meta = json.loads((folder / "meta.json").read_text())
    answers = _read(folder / "prometheus-range.json.xz")
    first, last = float(meta["baseline_from"]), float(meta["to"])
    times: FloatArray = first + np.arange(int(last - first) + 1, dtype=np.float64)

    def series(query: str) -> tuple[Series, ...]:
        return tuple(_series(answer, times) for answer in answers[query]["data"]["result"])

    objects = _read(folder / "kubernetes.json.xz")
    up = series('up{job="mesh"}')
    pods = _pods(objects, up, times)
    return Recording(
        name=name,
        meta=meta,
        times=times,
        requests=series("istio_requests_total"),
        sums=series("istio_request_duration_milliseconds_sum"),
        counts=series("istio_request_duration_milliseconds_count"),
        up=up,
        pods=pods,
        workloads=_workloads(objects),
        nodes={one.name: one for one in (parse.node(_wire(item, NodeWire)) for item in objects["nodes"]["items"])},
    )


def _series(answer: Mapping[str, Any], times: FloatArray) -> Series:
    values = np.full(len(times), np.nan)
    for at, value in answer["values"]:
        place = round(float(at) - float(times[0]))
        if 0 <= place < len(times):
            values[place] = float(value)
    return Series(answer["metric"], values)


def _wire(item: Mapping[str, Any], kind: Any) -> Any:
    return msgspec.convert(item, kind, strict=False)


def _pods(objects: Mapping[str, Any], up: tuple[Series, ...], times: FloatArray) -> dict[PodRef, Pod]:
    sets = {item["metadata"]["uid"]: _wire(item, ReplicaSetWire) for item in objects["replicasets"]["items"]}
    found: dict[PodRef, Pod] = {}
    for item in objects["pods"]["items"]:
        wire = _wire(item, PodWire)
        owner = parse.controller(wire.metadata)
        above = sets.get(owner.uid) if owner is not None else None
        workload = parse.workload_of(wire.metadata, above.metadata if above is not None else None)
        pod = parse.pod(wire, workload, (parse.canonical_service(wire.metadata, workload).name,))
        found[pod.ref] = pod
    names = {ref.name for ref in found}
    for one in up:
        name = one.labels["pod"]
        if name not in names:
            # Gone by the end of the recording: like a sibling of its ReplicaSet in all that matters.
            like = next(pod for pod in found.values() if pod.owner_name == name.rsplit("-", 1)[0])
            ref = PodRef(one.labels["namespace"], name, f"gone-{name}")
            found[ref] = replace(like, ref=ref, created=float(times[0]) - 3600.0)
    return found


def _workloads(objects: Mapping[str, Any]) -> dict[WorkloadRef, Workload]:
    found = {}
    for item in objects["deployments"]["items"]:
        one = parse.workload(_wire(item, DeploymentWire), None, None)
        # The shop was rolled out long before, as far as the engine is concerned.
        found[one.ref] = replace(one, progressing_since=0.0)
    return found


class Replay:
    """
    Feeds a recording to the judges tick by tick.

    Args:
        tick: seconds. offsets: scrape times differ by pod within a second, by a fixed hash.
        thin: keep each request with this probability. rename: pods get other names. order: seed of the rows' order.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        tick: float = 1.0,
        thin: float = 1.0,
        rename: bool = False,
        order: int | None = None,
        aged: bool = True,
    ) -> None:
        self.recording, self.tick = recording, tick
        self._thin, self._rename, self._order = thin, rename, order
        self._random = np.random.default_rng(7)
        self._names = self._renamed()
        self._pods = self._living(aged)
        self._rows = self._counters()
        self._callers = self._caller_series()

    def name(self, pod: str) -> str:
        """What a pod is called in this replay."""
        return self._names.get(pod, pod)

    def _renamed(self) -> dict[str, str]:
        names = sorted({ref.name for ref in self.recording.pods})
        shuffled = list(np.random.default_rng(3).permutation(len(names)))
        return {name: f"p{shuffled[i]:03d}-{name[::-1]}" for i, name in enumerate(names)} if self._rename else {}

    def _living(self, aged: bool) -> dict[PodRef, tuple[Pod, float, float]]:
        """Pods with the instants between which they live."""
        born = {}
        for one in self.recording.up:
            seen = np.flatnonzero(~np.isnan(one.values))
            born[one.labels["pod"]] = (self.recording.times[seen[0]], self.recording.times[seen[-1]])
        start, end = self.recording.times[0], self.recording.times[-1]
        living = {}
        for pod in self.recording.pods.values():
            first, last = born.get(pod.ref.name, (start, end))
            ref = replace(pod.ref, name=self.name(pod.ref.name))
            new = first > start + 2.0
            created = first - 3.0 if new else (start - 3600.0 if aged else pod.created)
            living[ref] = (
                replace(
                    pod, ref=ref, created=created, started=created, ready_since=created, ready=True, deleting=False
                ),
                first if new else -np.inf,
                last if last < end - 2.0 else np.inf,
            )
        return living

    def view(self, at: float) -> ClusterView:
        """The cluster at ``at``."""
        pods = {ref: pod for ref, (pod, first, last) in self._pods.items() if first <= at <= last}
        services: dict[ServiceRef, list[PodRef]] = defaultdict(list)
        workloads: dict[WorkloadRef, list[PodRef]] = defaultdict(list)
        refs = list(pods)
        if self._order is not None:
            refs = [refs[i] for i in np.random.default_rng(self._order).permutation(len(refs))]
        for ref in refs:
            services[pods[ref].service].append(ref)
            if (workload := pods[ref].workload) is not None:
                workloads[workload].append(ref)
        return ClusterView(
            at=at,
            fresh=dict.fromkeys(ResourceKind, at),
            pods=pods,
            workloads=self.recording.workloads,
            budgets=(),
            autoscalers=(),
            nodes=self.recording.nodes,
            namespaces={"shop": {"observer.dev/enabled": "true"}},
            mesh=MeshControl(True, ""),
            by_name={ref.key: ref for ref in pods},
            by_service={service: tuple(refs) for service, refs in services.items()},
            by_workload={workload: tuple(refs) for workload, refs in workloads.items()},
        )

    def _key(self, labels: Mapping[str, str]) -> Key:
        return labels["namespace"], self.name(labels["pod"])

    def _thinned(self, values: FloatArray) -> FloatArray:
        """A counter of the requests that were kept."""
        if self._thin >= 1.0:
            return values
        known = np.nan_to_num(values)
        growth = np.maximum(np.diff(known, prepend=known[0]), 0.0)
        retained = self._random.binomial(growth.astype(np.int64), self._thin)
        return np.where(np.isnan(values), np.nan, _first(values) + np.cumsum(retained))

    def _counters(self) -> dict[Key, FloatArray]:
        """``(namespace, pod)`` -> shape (T, 3 + cuts + 1)."""
        size = len(self.recording.times)
        rows: dict[Key, FloatArray] = {}
        for request in self.recording.requests:
            if request.labels["reporter"] == "destination":
                row = rows.setdefault(self._key(request.labels), np.full((size, 3 + len(CUTS) + 1), np.nan))
                column = int(request_class(request.labels["response_code"], request.labels["response_flags"]))
                _add(row, column, self._thinned(request.values))
        for total, count in zip(self.recording.sums, self.recording.counts, strict=True):
            assert total.labels["pod"] == count.labels["pod"]
            if total.labels["reporter"] == "destination":
                row = rows[self._key(total.labels)]
                for column, values in enumerate(_buckets(total.values, self._thinned(count.values), count.values)):
                    _add(row, 3 + column, values)
        for row in rows.values():
            for part in (slice(0, 3), slice(3, None)):
                there = ~np.isnan(row[:, part]).all(axis=1)
                block = row[there, part]
                block[np.isnan(block)] = 0.0
                row[there, part] = block
        return rows

    def _caller_series(self) -> list[tuple[Key, ServiceRef, str, Series]]:
        found = []
        for request in self.recording.requests:
            labels = request.labels
            service = ServiceRef(labels["destination_service_namespace"], labels["destination_canonical_service"])
            found.append((self._key(labels), service, labels["reporter"], Series(labels, request.values)))
        return found

    def snapshots(self, watch: Any = None) -> Iterator[Snapshot]:
        """The ticks; ``watch`` is a mutable pair of sets ``(watched, rechecked)`` that the caller updates."""
        asked = watch if watch is not None else [frozenset(), frozenset()]
        times = self.recording.times
        keys = sorted(self._rows)
        if self._order is not None:
            keys = [keys[i] for i in np.random.default_rng(self._order).permutation(len(keys))]
        names = tuple(keys)
        step = max(1, round(self.tick))
        views: dict[frozenset[PodRef], ClusterView] = {}
        for place in range(0, len(times), step):
            at = float(times[place])
            view = self.view(at)
            view = views.setdefault(frozenset(view.pods), view)
            yield Snapshot(
                at=at,
                counters=self._frame(place, names),
                callers=self._caller_frame(place, asked[0]) if asked[0] else None,
                cluster=view,
                control=CONTROL,
                rechecks={service: self._histories(place, service, view) for service in asked[1]},
            )

    def _frame(self, place: int, names: tuple[Key, ...]) -> CounterFrame:
        up = {self._key(one.labels): one.values[place] for one in self.recording.up}
        table = np.stack([self._rows[name][place] for name in names])
        at = float(self.recording.times[place])
        scraped = np.array([at * up[name] if not np.isnan(up.get(name, np.nan)) else np.nan for name in names])
        targets = (~np.isnan(scraped)).astype(np.int64)
        return CounterFrame(at, names, table[:, :3].copy(), CUTS, table[:, 3:].copy(), scraped, targets)

    def _caller_frame(self, place: int, watched: frozenset[ServiceRef]) -> CallerFrame:
        sums: dict[tuple[str, str, ServiceRef], list[float]] = {}
        for (namespace, pod), service, reporter, one in self._callers:
            value = float(one.values[place])
            if reporter != "source" or service not in watched or np.isnan(value):
                continue
            row = sums.setdefault((namespace, pod, service), [0.0] * 4)
            row[int(request_class(one.labels["response_code"], one.labels["response_flags"]))] += value
            row[3] += value if is_unreached(one.labels["response_code"], one.labels["response_flags"]) else 0.0
        at = float(self.recording.times[place])
        return CallerFrame(
            at, watched, CUTS, {key: CallerCounts(row[0], row[1], row[2], row[3]) for key, row in sums.items()}
        )

    def _histories(self, place: int, service: ServiceRef, view: ClusterView) -> tuple[SeriesHistory, ...]:
        pods = {ref.key for ref in view.by_service.get(service, ())}
        begin = max(0, place - 600)
        sums: dict[tuple[Key, str], FloatArray] = {}
        for key, _, reporter, one in self._callers:
            if reporter != "destination" or key not in pods:
                continue
            caller = f"{one.labels['source_workload_namespace']}/{one.labels['source_workload']}"
            table = sums.setdefault((key, caller), np.full((place + 1 - begin, 3), np.nan))
            column = request_class(one.labels["response_code"], one.labels["response_flags"])
            _add(table, int(column), one.values[begin : place + 1])
        for table in sums.values():
            known = ~np.isnan(table).all(axis=1)
            table[known] = np.nan_to_num(table[known])
        times, span = self.recording.times[begin : place + 1], slice(begin, place + 1)
        found, told = [], set[Key]()
        for (key, caller), table in sorted(sums.items()):
            # The recordings hold latency by pod only: its first caller stands for all.
            slow = self._rows[key][span, 3:] if key not in told else np.zeros((len(times), len(CUTS) + 1))
            told.add(key)
            found.append(SeriesHistory(key, caller, times, table, CUTS, slow))
        return tuple(found)

    def judged(
        self, settings: EngineSettings, open_actions: OpenActions | None = None
    ) -> Iterator[tuple[float, Judgement]]:
        """Seconds since the fault, and the judgement of each tick."""
        state = DetectorState.empty()
        asked: list[frozenset[ServiceRef]] = [frozenset(), frozenset()]
        for snapshot in self.snapshots(asked):
            state, judgement = judge(state, snapshot, settings, open_actions)
            asked[0], asked[1] = judgement.watch, judgement.recheck
            yield snapshot.at - self.recording.fault_from, judgement


def _add(row: FloatArray, column: int, values: FloatArray) -> None:
    known = ~np.isnan(values)
    row[known, column] = np.nan_to_num(row[known, column]) + values[known]


def _buckets(total: FloatArray, retained: FloatArray, count: FloatArray) -> list[FloatArray]:
    """Cumulative counts at most as slow as each cut, and of all."""
    lumps = np.diff(np.nan_to_num(count), prepend=np.nan_to_num(count)[0])
    spent = np.diff(np.nan_to_num(total), prepend=np.nan_to_num(total)[0])
    growth = np.maximum(np.diff(np.nan_to_num(retained), prepend=np.nan_to_num(retained)[0]), 0.0)
    mean = np.divide(spent, lumps, out=np.zeros_like(spent), where=lumps > 0.0)
    columns = []
    for cut in (*CUTS, math.inf):
        below = np.array([_below(cut, one) for one in mean])
        # Whole requests, and none lost: what is cut off here is carried to the next lump.
        grown = np.floor(_first(retained) + np.cumsum(growth * below) + 1e-6)
        columns.append(np.where(np.isnan(count), np.nan, grown))
    return columns


def _first(values: FloatArray) -> float:
    """Where a counter stood when the recording began; one that began later began at zero."""
    return float(np.nan_to_num(values)[0])


def _below(cut: float, mean: float) -> float:
    """Part of the requests at most as slow as ``cut`` under a log-normal law with log deviation 0.4."""
    if mean <= 0.0 or math.isinf(cut):
        return 1.0
    return 0.5 * (1.0 + math.erf((math.log(cut / mean) + 0.5 * 0.4**2) / (0.4 * math.sqrt(2.0))))
