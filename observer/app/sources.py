"""Everything that looks: the metric server, traces, the call graph, objectives, and the picture of a tick."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from observer.app.cluster_access import ClusterAccess, connected
from observer.app.notifications import examine_notifications, probe_grafana
from observer.app.web import AlertWebhook

if TYPE_CHECKING:
    from observer.config.settings.model import Settings
    from observer.domain.finding import Finding
    from observer.domain.slo import Objective
    from observer.ports.sources import (
        Clock,
        GraphSource,
        HistorySource,
        MetricSource,
        ObjectiveSource,
        SeriesCatalogue,
        TraceSource,
    )
    from observer.ports.stores import CountLedger
    from observer.runtime.collect import Collector
    from observer.runtime.inbox import ApprovalCache
    from observer.runtime.objectives import ObjectiveCache
    from observer.runtime.source_cache import BaselineCache, DependencyCaches
    from observer.telemetry.metrics import SelfMetrics


def trace_source(settings: Settings, clock: Clock) -> TraceSource | None:
    if not settings.jaeger.url:
        return None
    from observer.sources.jaeger.source import JaegerSource

    return JaegerSource(settings.jaeger, clock)


def graph_source(settings: Settings, clock: Clock) -> GraphSource | None:
    if not settings.kiali.url:
        return None
    from observer.sources.kiali.source import KialiSource

    return KialiSource(settings.kiali, clock)


def neighbours(access: ClusterAccess, traces: TraceSource | None, graphs: GraphSource | None) -> DependencyCaches:
    from observer.runtime.source_cache import CallCache, DependencyCaches, GraphCache, TraceCache
    from observer.sources.prometheus.call_graph import PrometheusCallGraph

    jaeger, kiali = access.settings.jaeger, access.settings.kiali
    return DependencyCaches(
        traces=TraceCache(traces, access.clock, window=jaeger.window, refresh=jaeger.refresh, limit=jaeger.traces)
        if traces is not None
        else None,
        graph=GraphCache(graphs, access.cluster, access.clock, window=kiali.window, refresh=kiali.refresh)
        if graphs is not None
        else None,
        calls=CallCache(PrometheusCallGraph(access.settings.prometheus), access.clock),
    )


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that looks, with what has to run for it and to be closed after it."""

    metrics: MetricSource
    past: HistorySource
    history: BaselineCache
    counted: ObjectiveSource
    objectives: ObjectiveCache
    neighbours: DependencyCaches

    def tasks(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """Names and bodies of what runs beside the loop."""
        return [("history", self.history.run), ("objectives", self.objectives.run), *self.neighbours.tasks()]

    def cleanups(self) -> list[Callable[[], Awaitable[None]]]:
        """What closes the connections."""
        return [self.metrics.close, self.past.close, self.counted.close, self.neighbours.close]


def open_sources(
    access: ClusterAccess, ledger: CountLedger, metrics: SelfMetrics, *, wanted: Callable[[], tuple[Objective, ...]]
) -> Sources:
    """``wanted`` tells the objectives that hold now."""
    from observer.runtime.objectives import ObjectiveCache
    from observer.runtime.source_cache import BaselineCache
    from observer.sources.prometheus.history import PrometheusHistory
    from observer.sources.prometheus.objectives import PrometheusObjectives
    from observer.sources.prometheus.source import PrometheusSource

    settings, clock, cluster = access.settings, access.clock, access.cluster
    asked = settings.prometheus
    past, counted = PrometheusHistory(asked), PrometheusObjectives(asked)
    return Sources(
        metrics=PrometheusSource(asked),
        past=past,
        history=BaselineCache(past, cluster, clock, seconds=asked.history_seconds, refresh=asked.history_refresh),
        counted=counted,
        objectives=ObjectiveCache(
            counted, cluster, clock, ledger, metrics, wanted=wanted, refresh=asked.objective_refresh
        ),
        neighbours=neighbours(access, trace_source(settings, clock), graph_source(settings, clock)),
    )


def collector(
    access: ClusterAccess, sources: Sources, webhook: AlertWebhook | None, approvals: ApprovalCache | None = None
) -> Collector:
    """Makes the picture of a tick."""
    from observer.runtime.collect import Collector

    asked = access.settings.prometheus
    return Collector(
        metrics=sources.metrics,
        cluster=access.cluster,
        history=sources.history,
        neighbours=sources.neighbours,
        switch=access.switch,
        lease=access.lease,
        objectives=sources.objectives,
        alerts=webhook.inbox if webhook is not None else None,
        approvals=approvals,
        deadline=asked.timeout,
        recheck_seconds=asked.recheck_seconds,
        step=access.settings.engine.tick,
    )


async def examine_sources(settings: Settings) -> Sequence[Finding]:
    """What ``observer doctor`` prints."""
    from observer.runtime.clock import SystemClock
    from observer.sources.jaeger.probe import probe as probe_jaeger
    from observer.sources.kiali.probe import probe as probe_kiali
    from observer.sources.kubernetes.probe import probe as probe_kubernetes
    from observer.sources.prometheus.probe import probe as probe_prometheus

    clock = SystemClock()
    async with connected(settings) as api:
        kubernetes = await probe_kubernetes(api, settings.kubernetes, clock=clock)
        return [
            *kubernetes.findings,
            *await probe_prometheus(settings, pods=kubernetes.pods, at=clock.now()),
            *await probe_jaeger(settings.jaeger, services=kubernetes.services, clock=clock),
            *await probe_kiali(settings.kiali, services=kubernetes.services, clock=clock),
            *await examine_notifications(settings, clock),
            *await probe_grafana(settings),
        ]


def series_catalogue(settings: Settings, at: float) -> SeriesCatalogue:
    """What ``observer check --live`` asks; as of ``at``, to be closed."""
    from observer.sources.prometheus.catalogue import PrometheusCatalogue

    return PrometheusCatalogue(settings.prometheus, at)
