"""
The mesh's counters and traces without HTTP: what the sources would read of the simulated servers, for long benches.

Samples come from the same memory that answers the query API, with the same look-back and staleness; a test holds both
ways equal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from observer.domain.classify import is_unreached, request_class
from observer.domain.counts import (
    CallerCounts,
    CallerFrame,
    CounterFrame,
    FloatArray,
    IntArray,
    RequestClass,
    SeriesHistory,
)
from observer.domain.graph import CallGraph, Edge, EdgeSource
from observer.domain.ids import ServiceRef
from observer.domain.traces import Span, SpanSide, TraceSet
from observer.simulator.scrape import DURATION, REQUESTS, UP
from observer.simulator.spans import MeshSpan, SpanBook
from observer.simulator.tsdb import Labels, Match, Matcher, Selection, TimeSeriesMemory

CUTS: Final = (5.0, 25.0, 100.0, 250.0, 1000.0, 5000.0)
"""Latency cut points, milliseconds, unless told otherwise."""
_UNKNOWN: Final = "unknown"
_SERVED: Final = (Matcher("reporter", Match.EQUAL, "destination"),)
_SENT: Final = (Matcher("reporter", Match.EQUAL, "source"),)
_CLASSES: Final = len(RequestClass)
_NO_FLAGS: Final = "-"

PodName = tuple[str, str]
"""Namespace and name."""
_Towards = tuple[str, str, ServiceRef]
"""A calling pod and the service it calls."""


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """Where each series of a selection is added up: ``cells`` (-1 = nowhere) of a table with a row for each of ``keys``."""

    selection: Selection
    keys: tuple[PodName, ...]
    cells: IntArray


class Direct:
    """One Prometheus server's memory and the tracer's, read in process. ``cuts`` in milliseconds."""

    def __init__(self, memory: TimeSeriesMemory, spans: SpanBook, cuts: tuple[float, ...] = CUTS) -> None:
        self._memory, self._spans, self._cuts = memory, spans, cuts
        self._le: dict[str, int] = {"+Inf": len(cuts)}
        for column, cut in enumerate(cuts):
            self._le |= {f"{cut:g}": column, f"{cut:.1f}": column}
        self._plans: dict[str, _Plan] = {}
        self._sending: dict[str, tuple[Selection, dict[ServiceRef, list[tuple[int, _Towards, int]]]]] = {}

    def counters(self, at: float) -> CounterFrame:
        """See ``ports.sources.MetricSource.counters``, for a mesh without gateways."""
        width = len(self._cuts) + 1
        requests = self._table(REQUESTS, at, _class_cell, _CLASSES)
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
        pods = tuple(sorted(requests.keys() | buckets.keys() | scraped.keys()))
        counts = np.array([requests.get(pod, np.full(_CLASSES, np.nan)) for pod in pods]).reshape(-1, _CLASSES)
        known = ~np.isnan(counts).all(axis=1)
        counts[known[:, None] & np.isnan(counts)] = 0.0
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
        rows = {key: CallerCounts(*counts, tuple(slow.get(key, ()))) for key, counts in classes.items()}
        return CallerFrame(at, watched, self._cuts, rows)

    def recheck(self, at: float, seconds: float, step: float, pods: frozenset[PodName]) -> tuple[SeriesHistory, ...]:
        """See ``ports.sources.MetricSource.recheck``."""
        times = at - step * np.arange(int(seconds // step), -1, -1, dtype=np.float64)
        instants = np.rint(times * 1000.0).astype(np.int64)
        found: dict[tuple[PodName, str], _Past] = {}
        for metric in (REQUESTS, f"{DURATION}_bucket"):
            for block, table, rows in self._memory.select(metric, _SERVED).parts:
                if _pod(block.target) not in pods:
                    continue
                columns, valid = block.newest(instants)
                values = np.where(valid, table.values[rows[:, None], columns], np.nan)
                for row, series in zip(rows.tolist(), values, strict=True):
                    labels = table.labels[row]
                    past = found.setdefault((_pod(labels), _caller(labels)), _Past(len(times)))
                    past.add(labels, series)
        return tuple(past.closed(pod, caller, times) for (pod, caller), past in sorted(found.items()) if past.known())

    def graph(self, since: float, until: float) -> CallGraph:
        """Calls between two instants as callers and callees counted them, like ``GraphSource.graph`` from series."""
        sums: dict[tuple[ServiceRef, ServiceRef], dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for side, matchers in (("sent", _SENT), ("served", _SERVED)):
            chosen = self._memory.select(REQUESTS, matchers)
            values, present, _ = chosen.instant(np.rint(np.array([since, until]) * 1000.0).astype(np.int64))
            grown = np.where(present[:, 1], values[:, 1] - np.where(present[:, 0], values[:, 0], 0.0), 0.0)
            for labels, count in zip(chosen.series.labels, np.maximum(grown, 0.0).tolist(), strict=True):
                _tell(sums[(_source(labels), _asked(labels))], labels, side, count)
        edges = tuple(_edge(pair, row) for pair, row in sorted(sums.items()) if row["sent"] or row["served"])
        return CallGraph(until, until - since, edges)

    def traces(self, since: float, until: float, limit: int = 1000) -> TraceSet:
        """The newest traces that began in between, oldest first."""
        kept: list[list[MeshSpan]] = []
        for trace in self._spans.traces(until):
            begun = min(span.start for span in trace)
            if begun < since:
                break
            if len(kept) == limit:
                break
            kept.append(trace)
        spans = tuple(_span(span) for trace in reversed(kept) for span in trace if span.pod is not None)
        return TraceSet(until, until - since, spans, truncated=len(kept) == limit)

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
        chosen, known = self._memory.select(metric, _SERVED), self._plans.get(metric)
        if known is not None and known.selection is chosen:
            return known
        rows: dict[PodName, int] = {}
        cells = np.full(len(chosen.series.labels), -1, dtype=np.int64)
        for place, labels in enumerate(chosen.series.labels):
            column = cell(labels)
            if column is not None:
                cells[place] = rows.setdefault(_pod(labels), len(rows)) * width + column
        plan = self._plans[metric] = _Plan(chosen, tuple(rows), cells)
        return plan

    def _sent(
        self, metric: str, at: float, watched: frozenset[ServiceRef], cell: Callable[[Labels], int | None]
    ) -> Iterable[tuple[_Towards, int, float]]:
        """What callers counted towards the watched services: who, which cell, how many."""
        chosen = self._memory.select(metric, _SENT)
        known = self._sending.get(metric)
        if known is None or known[0] is not chosen:
            by_service: dict[ServiceRef, list[tuple[int, _Towards, int]]] = defaultdict(list)
            for place, labels in enumerate(chosen.series.labels):
                if (column := cell(labels)) is not None:
                    service = _asked(labels)
                    by_service[service].append((place, (*_pod(labels), service), column))
            known = self._sending[metric] = (chosen, by_service)
        values, present, _ = chosen.instant(_ms(at))
        for service in sorted(watched):
            for place, key, column in known[1].get(service, ()):
                if present[place, 0]:
                    yield key, column, float(values[place, 0])


class _Past:
    """One pod's counters by caller over time while they are added up; NaN = no series then."""

    def __init__(self, size: int) -> None:
        self._requests = np.full((size, _CLASSES), np.nan)
        self._buckets: dict[float, FloatArray] = {}
        self._flags: dict[str, FloatArray] = {}

    def add(self, labels: Labels, values: FloatArray) -> None:
        """One series."""
        if (le := labels.get("le")) is not None:
            bound = float(le)
            self._buckets[bound] = _sum(self._buckets.get(bound), values)
            return
        how = _how(labels)
        one = request_class(*how)
        self._requests[:, one] = _sum(self._requests[:, one], values)
        if one is RequestClass.ERROR:
            flag = how[1] or _NO_FLAGS
            self._flags[flag] = _sum(self._flags.get(flag), values)

    def known(self) -> bool:
        """Any request was counted."""
        return not bool(np.isnan(self._requests).all())

    def closed(self, pod: PodName, caller: str, times: FloatArray) -> SeriesHistory:
        """A class or flag without a series has had no request while the pod had any series of this caller."""
        seen = np.any(~np.isnan(self._requests), axis=1)
        requests = np.where(seen[:, None] & np.isnan(self._requests), 0.0, self._requests)
        flags = {one: np.where(seen & np.isnan(values), 0.0, values) for one, values in sorted(self._flags.items())}
        bounds = sorted(self._buckets)
        if not bounds:
            return SeriesHistory(pod, caller, times, requests, flags=flags)
        table = np.stack([self._buckets[bound] for bound in bounds], axis=1)
        return SeriesHistory(pod, caller, times, requests, tuple(bounds[:-1]), table, flags)


def _sum(known: FloatArray | None, values: FloatArray) -> FloatArray:
    if known is None:
        return values
    result: FloatArray = np.where(np.isnan(known) & np.isnan(values), np.nan, np.nan_to_num(known) + np.nan_to_num(values))
    return result


def _ms(at: float) -> IntArray:
    return np.array([round(at * 1000)], dtype=np.int64)


def _pod(labels: Labels) -> PodName:
    return labels.get("namespace", ""), labels.get("pod", "")


def _how(labels: Labels) -> tuple[str, str, str]:
    return labels["response_code"], labels["response_flags"], ""


def _class_cell(labels: Labels) -> int:
    return request_class(*_how(labels))


def _caller_cell(labels: Labels) -> int:
    """The class, plus their number for calls that reached nobody."""
    how = _how(labels)
    return request_class(*how) + (_CLASSES if is_unreached(*how) else 0)


def _source(labels: Labels) -> ServiceRef:
    name = labels["source_canonical_service"]
    return ServiceRef("" if name == _UNKNOWN else labels["source_workload_namespace"], name)


def _asked(labels: Labels) -> ServiceRef:
    """Whom a call was meant for, whether or not a pod answered it."""
    return ServiceRef(labels["destination_service_namespace"], labels["destination_service_name"])


def _caller(labels: Labels) -> str:
    name = labels["source_workload"]
    return _UNKNOWN if name == _UNKNOWN else f"{labels['source_workload_namespace']}/{name}"


def _tell(row: dict[str, float], labels: Labels, side: str, count: float) -> None:
    how = _how(labels)
    kind = request_class(*how)
    if kind is RequestClass.EXCLUDED or not count:
        return
    row[side] += count
    if kind is RequestClass.ERROR:
        row[f"{side} errors"] += count
        if side == "sent":
            row[f"flag {how[1]}" if is_unreached(*how) else "flag "] += count


def _edge(pair: tuple[ServiceRef, ServiceRef], row: dict[str, float]) -> Edge:
    told = "sent" if row["sent"] else "served"
    flags = {name.removeprefix("flag "): count for name, count in row.items() if name.startswith("flag ")}
    return Edge(
        *pair, row[told], row[f"{told} errors"], flags, row["served"], row["served errors"],
        sources=frozenset({EdgeSource.METRICS}),
    )  # fmt: skip


def _span(span: MeshSpan) -> Span:
    """As the tracing server's answer reads."""
    assert span.pod is not None
    own, ended = span.pod.identity, span.outcome
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
        pod=span.pod.name,
        workload=own.workload,
        node="",
        peer="" if span.server else host,
        operation=f"{host}:80/*",
        start=span.start,
        seconds=span.end - span.start,
        error=request_class(code, flags) is RequestClass.ERROR,
        code=code,
        flags=flags,
        request=span.request,
        resends=span.resends,
    )
