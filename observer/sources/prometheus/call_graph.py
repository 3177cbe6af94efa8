"""Who calls whom, as the callers' sidecars counted it: the graph of meshes without a console."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from observer.config.settings.sources import PrometheusSettings
from observer.domain.classify import ERROR_FLAGS, flags_of, is_unreached, request_class
from observer.domain.counts import CallerCounts, CallerFrame, RequestClass
from observer.domain.graph import CallGraph, Edge, EdgeSource, Reach
from observer.domain.ids import ServiceRef
from observer.sources.prometheus.frames import class_labels, column_of
from observer.sources.prometheus.parse import Sample, labels, vector
from observer.sources.prometheus.profiles import MetricProfile, profile_for
from observer.sources.prometheus.queries import UNKNOWN, Queries
from observer.sources.prometheus.transport import Transport

CallerRow = tuple[str, str, ServiceRef]


@dataclass(slots=True)
class _Counts:
    """One row while it is summed up."""

    classes: list[float] = field(default_factory=lambda: [0.0] * len(RequestClass))
    unreached: float = 0.0
    buckets: dict[int, float] = field(default_factory=dict)

    def closed(self, cuts: int) -> CallerCounts:
        """The finished row; a cut that no series had is NaN."""
        shares = tuple(self.buckets.get(i, float("nan")) for i in range(cuts + 1)) if self.buckets else ()
        ok, error, excluded = self.classes
        return CallerCounts(ok=ok, error=error, excluded=excluded, unreached=self.unreached, buckets=shares)


class Destinations:
    """
    Tells the watched service of a call.

    The canonical service is the pod's own word. A call that reached nobody has none, only the host that was asked for:
    then the service that this host led to for other callers, else the service of the host's name.
    """

    def __init__(
        self, profile: MetricProfile, watched: frozenset[ServiceRef] | None, rows: Iterable[Mapping[str, str]]
    ) -> None:
        """``watched``: None = every service."""
        self._profile, self._watched = profile, watched
        behind: dict[ServiceRef, set[ServiceRef]] = defaultdict(set)
        for series in rows:
            service, host = self._named(series), self._host(series)
            if service is not None and host is not None:
                behind[host].add(service)
        self._behind = behind

    def service(self, series: Mapping[str, str]) -> ServiceRef | None:
        """The watched service this series counts for, None when it is none or cannot be told."""
        service = self._named(series)
        if service is None and (host := self._host(series)) is not None:
            candidates = self._behind.get(host, set())
            service = next(iter(candidates)) if len(candidates) == 1 else host
        return service if self._watched is None or service in self._watched else None

    def _named(self, series: Mapping[str, str]) -> ServiceRef | None:
        return self._pair(series, "service_namespace", "service")

    def _host(self, series: Mapping[str, str]) -> ServiceRef | None:
        if not self._profile.host_is_cluster:
            return self._pair(series, "host_namespace", "host")
        parts = series.get(self._profile.label("host") or "", "").split("|")
        name, _, rest = parts[3].partition(".") if len(parts) == 4 else ("", "", "")
        namespace = rest.split(".")[0]
        return ServiceRef(namespace, name) if name and namespace else None

    def _pair(self, series: Mapping[str, str], namespace_role: str, name_role: str) -> ServiceRef | None:
        namespace = series.get(self._profile.label(namespace_role) or "", "")
        name = series.get(self._profile.label(name_role) or "", "")
        return None if {namespace, name} & {"", UNKNOWN} else ServiceRef(namespace, name)


def caller_frame(
    at: float,
    watched: frozenset[ServiceRef],
    cuts_ms: tuple[float, ...],
    *,
    profile: MetricProfile,
    requests: list[Sample],
    buckets: list[Sample],
) -> CallerFrame:
    """The callers' counts towards the watched services as of ``at``; series without a calling pod are left out."""
    asked = [(labels(sample.metric), sample.value.value) for sample in requests]
    slow = [(labels(sample.metric), sample.value.value) for sample in buckets]
    destinations = Destinations(profile, watched, (series for series, _ in asked))
    rows: dict[CallerRow, _Counts] = defaultdict(_Counts)
    for series, value in asked:
        if (row := _row_of(series, profile, destinations)) is not None:
            how = class_labels(series, profile)
            rows[row].classes[request_class(*how)] += value
            if is_unreached(*how):
                rows[row].unreached += value
    for series, value in slow:
        column = column_of(series.get(profile.label("le") or "", ""), cuts_ms, profile.unit)
        row = _row_of(series, profile, destinations)
        if row is not None and column is not None and row in rows:
            rows[row].buckets[column] = rows[row].buckets.get(column, 0.0) + value
    return CallerFrame(at, watched, cuts_ms, {row: counts.closed(len(cuts_ms)) for row, counts in rows.items()})


def _row_of(series: Mapping[str, str], profile: MetricProfile, destinations: Destinations) -> CallerRow | None:
    namespace = series.get(profile.label("target_namespace") or "", "")
    pod = series.get(profile.label("target_pod") or "", "")
    service = destinations.service(series)
    return (namespace, pod, service) if pod and service is not None else None


# --- Who calls whom, as the callers' sidecars counted it: the graph of meshes without a console


OUTSIDE: Final = ServiceRef("", UNKNOWN)


class PrometheusCallGraph:
    """Implements ``ports.sources.CallSource``: one question, whatever the number of services."""

    def __init__(self, settings: PrometheusSettings) -> None:
        self._transport = Transport(settings)
        self._profile = profile_for(settings.profile, settings.labels)
        self._queries = Queries(self._profile, selector=settings.selector, up_selector=settings.up_selector)

    async def calls(self, at: float, seconds: float) -> CallGraph:
        """See ``CallSource.calls``. A profile whose series name no caller has an empty graph."""
        if self._profile.label("source_workload") is None:
            return CallGraph(at, seconds, ())
        body = await self._transport.instant(self._queries.calls(seconds), at)
        return call_graph(at, seconds, vector(body), self._profile)

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()


def call_graph(at: float, seconds: float, samples: list[Sample], profile: MetricProfile) -> CallGraph:
    """
    The increases of one window, summed up by caller and callee; excluded requests are nobody's errors, but lost.

    A flag of ``errors_by_flag`` is the error flag of calls that reached no pod, empty for those that were answered.
    """
    asked = [(labels(sample.metric), sample.value.value) for sample in samples]
    destinations = Destinations(profile, None, (series for series, _ in asked))
    requests: dict[tuple[ServiceRef, str, ServiceRef], float] = defaultdict(float)
    errors: dict[tuple[ServiceRef, str, ServiceRef], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    calls: dict[ServiceRef, float] = defaultdict(float)
    lost: dict[ServiceRef, float] = defaultdict(float)
    for series, value in asked:
        callee, how = destinations.service(series), class_labels(series, profile)
        kind = request_class(*how)
        if callee is None or not value > 0.0:
            continue
        calls[callee] += value
        if kind is RequestClass.EXCLUDED:
            lost[callee] += value
            continue
        caller, workload = _caller(series, profile)
        requests[caller, workload, callee] += value
        if kind is RequestClass.ERROR:
            errors[caller, workload, callee][",".join(sorted(flags_of(how[1]) & ERROR_FLAGS))] += value
            lost[callee] += value if is_unreached(*how) else 0.0
    edges = [
        Edge(
            caller=key[0],
            callee=key[2],
            requests=requests[key],
            errors=sum(errors[key].values()) if key in errors else 0.0,
            errors_by_flag=dict(sorted(errors[key].items())) if key in errors else {},
            caller_workload=key[1],
            sources=frozenset({EdgeSource.METRICS}),
        )
        for key in sorted(requests)
    ]
    reached = {callee: Reach(calls[callee], lost.get(callee, 0.0)) for callee in sorted(calls)}
    return CallGraph(at, seconds, tuple(edges), reached)


def _caller(series: Mapping[str, str], profile: MetricProfile) -> tuple[ServiceRef, str]:
    """The calling service and workload; a mesh that does not name the service calls it like its workload."""
    namespace = series.get(profile.label("source_namespace") or "", "")
    workload = series.get(profile.label("source_workload") or "", "")
    service = series.get(profile.label("source_service") or "", "")
    name = service if service not in ("", UNKNOWN) else workload
    if {namespace, name} & {"", UNKNOWN}:
        return OUTSIDE, ""
    return ServiceRef(namespace, name), workload
