"""Who calls whom, as the callers' sidecars counted it: the graph of meshes without a console."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from observer.config.settings.sources import PrometheusSettings
from observer.domain.classify import ERROR_FLAGS, flags_of, is_unreached, request_class
from observer.domain.counts import RequestClass
from observer.domain.graph import CallGraph, Edge, EdgeSource, Reach
from observer.domain.ids import ServiceRef
from observer.sources.prometheus.edges import Destinations
from observer.sources.prometheus.frames import class_labels
from observer.sources.prometheus.parse import Sample, labels, vector
from observer.sources.prometheus.profiles import MetricProfile, profile_for
from observer.sources.prometheus.queries import UNKNOWN, Queries
from observer.sources.prometheus.transport import Transport

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
