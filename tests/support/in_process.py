"""
The mesh's counters and traces without HTTP: what the sources would read of the simulated servers, for long benches.

Samples come from the same memory that answers the query API, with the same look-back and staleness; a test holds both
ways equal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeVar

import numpy as np

from observer.domain.classify import is_unreached, request_class
from observer.domain.counts import (
    BoolArray,
    CallerCounts,
    CallerFrame,
    CounterFrame,
    FloatArray,
    IntArray,
    RequestClass,
    SeriesHistory,
)
from observer.domain.graph import CallGraph, Edge, EdgeSource, Reach
from observer.domain.ids import ServiceRef
from observer.domain.traces import Span, SpanSide, TraceSet
from observer.simulator.mesh.pods import MeshPod
from observer.simulator.mesh.spans import TRACES, MeshSpan, SpanRecorder
from observer.simulator.prometheus.scrape import DURATION, REQUESTS, UP
from observer.simulator.prometheus.tsdb import Labels, Match, Matcher, Selection, TimeSeriesMemory

CUTS: Final = (5.0, 25.0, 100.0, 250.0, 1000.0, 5000.0)
"""Latency cut points, milliseconds, unless told otherwise."""
_UNKNOWN: Final = "unknown"
_SERVED: Final = (Matcher("reporter", Match.EQUAL, "destination"),)
_SENT: Final = (Matcher("reporter", Match.EQUAL, "source"),)
_CLASSES: Final = len(RequestClass)
_NO_FLAGS: Final = "-"

K = TypeVar("K", float, str)
PodName = tuple[str, str]
"""Namespace and name."""
_Towards = tuple[str, str, ServiceRef]
"""A calling pod and the service it calls."""


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """Where each series is added up: ``cells`` (-1 = nowhere) of a table with a row for each of ``keys``."""

    selection: Selection
    keys: tuple[PodName, ...]
    cells: IntArray


class InProcess:
    """One Prometheus server's memory and the tracer's, read in process. ``cuts`` in milliseconds."""

    def __init__(self, memory: TimeSeriesMemory, spans: SpanRecorder, cuts: tuple[float, ...] = CUTS) -> None:
        self._memory, self._spans, self._cuts = memory, spans, cuts
        self._le: dict[str, int] = {"+Inf": len(cuts)}
        for column, cut in enumerate(cuts):
            self._le |= {f"{cut:g}": column, f"{cut:.1f}": column}
        self._plans: dict[str, _Plan] = {}
        self._labels: dict[int, tuple[Labels, _Towards, int | None]] = {}
        self._read: dict[str, tuple[int, tuple[Span, ...]]] = {}
        self._sending: dict[str, tuple[Selection, dict[ServiceRef, list[tuple[int, _Towards, int]]]]] = {}

    def counters(self, at: float) -> CounterFrame:
        """See ``ports.sources.MetricSource.counters``, for a mesh without gateways."""
        width = len(self._cuts) + 1
        asked = self._table(REQUESTS, at, _class_cell, _CLASSES)
        buckets = self._table(f"{DURATION}_bucket", at, self._cut_cell, width)
        ups = self._memory.select(UP, ())
        values, present, times = ups.instant(_ms(at))
        scraped: dict[PodName, float] = {}
        targets: dict[PodName, int] = defaultdict(int)
        for labels, up, there, when in zip(ups.series.labels, values[:, 0], present[:, 0], times[:, 0], strict=True):
            if there and "pod" in labels:
                name = _pod(labels)
                scraped[name] = max(scraped.get(name, 0.0), float(up * when))
                targets[name] += 1
        pods = tuple(sorted(asked.keys() | buckets.keys() | scraped.keys()))
        counts = np.array([asked.get(pod, np.full(_CLASSES, np.nan)) for pod in pods]).reshape(-1, _CLASSES)
        counted = ~np.isnan(counts).all(axis=1)
        counts[counted[:, None] & np.isnan(counts)] = 0.0
        return CounterFrame(
            at=at,
            pods=pods,
            requests=counts,
            cuts=self._cuts,
            buckets=np.array([buckets.get(pod, np.full(width, np.nan)) for pod in pods]).reshape(-1, width),
            scraped=np.array([scraped.get(pod, np.nan) for pod in pods]),
            targets=np.array([targets[pod] for pod in pods], dtype=np.int64),
            outward=np.zeros(len(pods), dtype=np.bool_),
        )

    def callers(self, at: float, watched: frozenset[ServiceRef]) -> CallerFrame:
        """See ``ports.sources.MetricSource.callers``."""
        classes: dict[_Towards, list[float]] = {}
        for key, how, value in self._sent(REQUESTS, at, watched, _caller_cell):
            row = classes.setdefault(key, [0.0] * (_CLASSES + 1))
            row[how % _CLASSES] += value
            row[_CLASSES] += value if how >= _CLASSES else 0.0
        slow: dict[_Towards, list[float]] = {}
        for key, column, value in self._sent(f"{DURATION}_bucket", at, watched, self._cut_cell):
            if key in classes:
                slow.setdefault(key, [0.0] * (len(self._cuts) + 1))[column] += value
        rows = {
            key: CallerCounts(ok, error, excluded, unreached, tuple(slow.get(key, ())))
            for key, (ok, error, excluded, unreached) in classes.items()
        }
        return CallerFrame(at, watched, self._cuts, rows)

    def recheck(self, at: float, seconds: float, step: float, pods: frozenset[PodName]) -> tuple[SeriesHistory, ...]:
        """See ``ports.sources.MetricSource.recheck``."""
        times = at - step * np.arange(int(seconds // step), -1, -1, dtype=np.float64)
        instants = np.rint(times * 1000.0).astype(np.int64)
        histories: dict[tuple[PodName, str], _Past] = {}
        for metric in (REQUESTS, f"{DURATION}_bucket"):
            for block, table, rows in self._memory.select(metric, _SERVED).parts:
                if _pod(block.target) not in pods:
                    continue
                columns, valid = block.newest(instants)
                values = table.values[rows[:, None], columns]
                present = valid & ~np.isnan(values)
                values = np.where(present, values, 0.0)
                for row, series, there in zip(rows.tolist(), values, present, strict=True):
                    labels = table.labels[row]
                    key = _pod(labels), _caller(labels)
                    if key not in histories:
                        histories[key] = _Past(len(times))
                    histories[key].add(labels, series, there)
        closed = (past.closed(*key, times) for key, past in sorted(histories.items(), key=lambda item: item[0]))
        return tuple(history for history in closed if history is not None)

    def graph(self, since: float, until: float) -> CallGraph:
        """Calls between two instants as callers and callees counted them, like ``GraphSource.graph`` from series."""
        sums: dict[tuple[ServiceRef, ServiceRef], dict[str, float]] = defaultdict(lambda: defaultdict(float))
        reached: dict[ServiceRef, Reach] = {}
        for side, matchers in (("sent", _SENT), ("served", _SERVED)):
            chosen = self._memory.select(REQUESTS, matchers)
            values, present, _ = chosen.instant(np.rint(np.array([since, until]) * 1000.0).astype(np.int64))
            grown = np.where(present[:, 1], values[:, 1] - np.where(present[:, 0], values[:, 0], 0.0), 0.0)
            for labels, count in zip(chosen.series.labels, np.maximum(grown, 0.0).tolist(), strict=True):
                callee = _asked(labels)
                _tell(sums[(_source(labels), callee)], labels, side, count)
                if side == "sent" and count:
                    before = reached.get(callee, Reach(0.0, 0.0))
                    reached[callee] = Reach(before.calls + count, before.lost + (count if _is_lost(labels) else 0.0))
        edges = tuple(_edge(pair, row) for pair, row in sorted(sums.items()) if row["sent"] or row["served"])
        return CallGraph(until, until - since, edges, reached)

    def traces(self, since: float, until: float, limit: int = 1000) -> TraceSet:
        """The newest traces that began in between, oldest first."""
        retained: list[tuple[Span, ...]] = []
        for trace in self._spans.traces(until):
            begun = min(span.start for span in trace)
            if begun < since:
                break
            if len(retained) == limit:
                break
            retained.append(self._spans_of(trace))
        spans = tuple(span for trace in reversed(retained) for span in trace)
        return TraceSet(until, until - since, spans, truncated=len(retained) == limit)

    def _spans_of(self, trace: list[MeshSpan]) -> tuple[Span, ...]:
        """A trace is read once for as long as no more of its spans end."""
        key = trace[0].trace
        size, spans = self._read.get(key, (0, ()))
        if size != len(trace):
            spans = tuple(_span(span, span.pod) for span in trace if span.pod is not None)
            if len(self._read) > 2 * TRACES:
                self._read.clear()
            self._read[key] = (len(trace), spans)
        return spans

    def _cut_cell(self, labels: Labels) -> int | None:
        return self._le.get(labels["le"])

    def _table(
        self, metric: str, at: float, cell: Callable[[Labels], int | None], width: int
    ) -> dict[PodName, FloatArray]:
        """Sums by pod and column of what the pods' own sidecars counted; NaN where there is no series."""
        plan = self._plan(metric, cell, width)
        values, present, _ = plan.selection.instant(_ms(at))
        used = present[:, 0] & (plan.cells >= 0)
        size = len(plan.keys) * width
        sums = np.bincount(plan.cells[used], values[used, 0], size)
        counted = np.bincount(plan.cells[used], minlength=size) > 0
        table = np.where(counted, sums, np.nan).reshape(-1, width)
        return {key: row for key, row in zip(plan.keys, table, strict=True) if not np.isnan(row).all()}

    def _plan(self, metric: str, cell: Callable[[Labels], int | None], width: int) -> _Plan:
        chosen, plans = self._memory.select(metric, _SERVED), self._plans.get(metric)
        if plans is not None and plans.selection is chosen:
            return plans
        rows: dict[PodName, int] = {}
        cells = np.full(len(chosen.series.labels), -1, dtype=np.int64)
        for place, labels in enumerate(chosen.series.labels):
            read = self._labels.get(id(labels))
            if read is None:
                read = self._labels[id(labels)] = (labels, (*_pod(labels), _asked(labels)), cell(labels))
            _, (namespace, pod, _), column = read
            if column is not None:
                cells[place] = rows.setdefault((namespace, pod), len(rows)) * width + column
        plan = self._plans[metric] = _Plan(chosen, tuple(rows), cells)
        return plan

    def _sent(
        self, metric: str, at: float, watched: frozenset[ServiceRef], cell: Callable[[Labels], int | None]
    ) -> Iterable[tuple[_Towards, int, float]]:
        """What callers counted towards the watched services: who, which cell, how many."""
        chosen = self._memory.select(metric, _SENT)
        plan = self._sending.get(metric)
        if plan is None or plan[0] is not chosen:
            by_service: dict[ServiceRef, list[tuple[int, _Towards, int]]] = defaultdict(list)
            for place, labels in enumerate(chosen.series.labels):
                read = self._labels.get(id(labels))
                if read is None:
                    # The labels are kept beside, so that no other's are ever at the same address.
                    read = self._labels[id(labels)] = (labels, (*_pod(labels), _asked(labels)), cell(labels))
                _, key, column = read
                if column is not None:
                    by_service[key[2]].append((place, key, column))
            plan = self._sending[metric] = (chosen, by_service)
        values, present, _ = chosen.instant(_ms(at))
        for service in sorted(watched):
            for place, key, column in plan[1].get(service, ()):
                if present[place, 0]:
                    yield key, column, float(values[place, 0])


class _Sum:
    """A column over time; NaN where no series was."""

    def __init__(self, size: int) -> None:
        self._total = np.zeros(size)
        self._seen = np.zeros(size, dtype=np.bool_)

    def add(self, values: FloatArray, there: BoolArray) -> None:
        self._total += values
        self._seen |= there

    @property
    def values(self) -> FloatArray:
        return np.where(self._seen, self._total, np.nan)


class _Past:
    """One pod's counters by caller over time while they are added up; NaN = no series then."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._classes = [_Sum(size) for _ in RequestClass]
        self._buckets: dict[float, _Sum] = {}
        self._flags: dict[str, _Sum] = {}

    def add(self, labels: Labels, values: FloatArray, there: BoolArray) -> None:
        """One series: its values, 0 where it is not ``there``."""
        if (le := labels.get("le")) is not None:
            self._of(self._buckets, float(le)).add(values, there)
            return
        how = _how(labels)
        kind = _class(*how)
        self._classes[kind].add(values, there)
        if kind is RequestClass.ERROR:
            self._of(self._flags, how[1] or _NO_FLAGS).add(values, there)

    def _of(self, sums: dict[K, _Sum], key: K) -> _Sum:
        if key not in sums:
            sums[key] = _Sum(self._size)
        return sums[key]

    def closed(self, pod: PodName, caller: str, times: FloatArray) -> SeriesHistory | None:
        """A class or flag without a series has had no request while the pod had any series of this caller."""
        requests = np.stack([sums.values for sums in self._classes], axis=1)
        counted = np.any(~np.isnan(requests), axis=1)
        if not counted.any():
            return None
        requests = np.where(counted[:, None] & np.isnan(requests), 0.0, requests)
        by_flag = {name: sums.values for name, sums in sorted(self._flags.items())}
        flags = {name: np.where(counted & np.isnan(values), 0.0, values) for name, values in by_flag.items()}
        bounds = sorted(self._buckets)
        if not bounds:
            return SeriesHistory(pod, caller, times, requests, flags=flags)
        table = np.stack([self._buckets[bound].values for bound in bounds], axis=1)
        return SeriesHistory(pod, caller, times, requests, tuple(bounds[:-1]), table, flags)


def _ms(at: float) -> IntArray:
    return np.array([round(at * 1000)], dtype=np.int64)


def _pod(labels: Labels) -> PodName:
    return labels.get("namespace", ""), labels.get("pod", "")


@cache
def _class(code: str, flags: str, grpc: str) -> RequestClass:
    return request_class(code, flags, grpc)


def _how(labels: Labels) -> tuple[str, str, str]:
    return labels["response_code"], labels["response_flags"], ""


def _class_cell(labels: Labels) -> int:
    return _class(*_how(labels))


def _caller_cell(labels: Labels) -> int:
    """The class, plus their number for calls that reached nobody."""
    how = _how(labels)
    return _class(*how) + (_CLASSES if is_unreached(*how) else 0)


def _source(labels: Labels) -> ServiceRef:
    name = labels["source_canonical_service"]
    return ServiceRef("" if name == _UNKNOWN else labels["source_workload_namespace"], name)


def _asked(labels: Labels) -> ServiceRef:
    """Whom a call was meant for, whether or not a pod answered it."""
    return ServiceRef(labels["destination_service_namespace"], labels["destination_service_name"])


def _caller(labels: Labels) -> str:
    name = labels["source_workload"]
    return _UNKNOWN if name == _UNKNOWN else f"{labels['source_workload_namespace']}/{name}"


def _is_lost(labels: Labels) -> bool:
    how = _how(labels)
    return _class(*how) is RequestClass.EXCLUDED or is_unreached(*how)


def _tell(row: dict[str, float], labels: Labels, side: str, count: float) -> None:
    how = _how(labels)
    kind = _class(*how)
    if kind is RequestClass.EXCLUDED or not count:
        return
    row[side] += count
    if kind is RequestClass.ERROR:
        row[f"{side} errors"] += count
        if side == "sent":
            row[f"flag {how[1]}" if is_unreached(*how) else "flag "] += count


def _edge(pair: tuple[ServiceRef, ServiceRef], row: dict[str, float]) -> Edge:
    side = "sent" if row["sent"] else "served"
    flags = {name.removeprefix("flag "): count for name, count in row.items() if name.startswith("flag ")}
    return Edge(
        *pair, row[side], row[f"{side} errors"], flags, row["served"], row["served errors"],
        sources=frozenset({EdgeSource.METRICS}),
    )  # fmt: skip


def _span(span: MeshSpan, pod: MeshPod) -> Span:
    """As the tracing server's answer reads."""
    own, ended = pod.identity, span.outcome
    code = str(ended.code) if ended.code else ""
    flags = "" if ended.flags == _NO_FLAGS else ended.flags
    host = f"{span.called}.{span.home}.svc.cluster.local"
    return Span(
        trace=span.trace,
        span=span.span,
        parent=span.parent,
        side=SpanSide.SERVER if span.server else SpanSide.CLIENT,
        namespace=own.namespace,
        service=own.service,
        pod=pod.name,
        workload=own.workload,
        node="",
        peer="" if span.server else host,
        operation=f"{host}:80/*",
        start=span.start,
        seconds=span.end - span.start,
        error=_class(code, flags, "") is RequestClass.ERROR,
        code=code,
        flags=flags,
        request=span.request,
        resends=span.resends,
    )
