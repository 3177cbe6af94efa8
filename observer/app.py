"""
Puts the house together. The only file that names concrete classes.

They are imported inside the factories, so that a command loads only what it uses: ``check`` and ``--help`` load no
Kubernetes client.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from observer.config.model import Settings
from observer.domain.action import Rung
from observer.domain.errors import ConfigError

if TYPE_CHECKING:
    from observer.actuators.killswitch import ConfigMapSwitch
    from observer.domain.finding import Finding
    from observer.domain.ids import WorkloadRef
    from observer.domain.outcome import Outcome
    from observer.domain.slo import Objective
    from observer.journal.store import SqlJournal
    from observer.kube.client import KubeApi
    from observer.ports.actuators import KillSwitch
    from observer.ports.clock import Clock
    from observer.ports.sinks import Sink
    from observer.ports.sources import HistorySource, MetricSource, ObjectiveSource
    from observer.ports.stores import CountLedger, Journal, Lease
    from observer.runtime.collect import Collector
    from observer.runtime.evidence import EvidenceKeeper
    from observer.runtime.execute import Executor
    from observer.runtime.history import HistoryKeeper
    from observer.runtime.objectives import ObjectiveKeeper
    from observer.runtime.supervise import Plan
    from observer.sources.kubernetes.cluster import KubernetesCluster
    from observer.telemetry.metrics import SelfMetrics

WARM_SECONDS = 30.0
"""How long the first tick waits for the first picture of the cluster; after it the tick tells what is missing."""


async def run_daemon(settings: Settings) -> int:
    """``observer run``: until a signal; the exit code is 0 for an orderly end."""
    from observer.runtime.supervise import stop_on_signals, supervise
    from observer.telemetry.logging import configure_logging

    configure_logging(settings.log_level)
    stop = asyncio.Event()
    stop_on_signals(stop)
    async with connected(settings) as api:
        await api.open()
        await kill_switch(api, settings).ensure()
        await supervise(await build(settings, api), stop)
    return 0


@dataclass(frozen=True, slots=True)
class Hands:
    """What both the looking and the acting half of the loop need."""

    settings: Settings
    api: KubeApi
    clock: Clock
    cluster: KubernetesCluster
    journal: Journal
    lease: Lease
    switch: KillSwitch


async def build(
    settings: Settings,
    api: KubeApi,
    *,
    extra_sinks: Sequence[Sink] = (),
    wanted: Callable[[], tuple[Objective, ...]] = tuple,
) -> Plan:
    """
    Everything ``supervise`` runs, ready to start; ``wanted`` tells the objectives that hold now.

    Fails early with ``ConfigError`` or ``JournalUnavailable``.
    """
    from observer.runtime.clock import SystemClock
    from observer.runtime.state import Watcher
    from observer.runtime.supervise import Plan
    from observer.runtime.tell import Teller
    from observer.runtime.tick import Loop
    from observer.telemetry.metrics import SelfMetrics
    from observer.web.server import Server, make_app

    clock, metrics = SystemClock(), SelfMetrics()
    hands = Hands(
        settings=settings,
        api=api,
        clock=clock,
        cluster=_cluster(settings, api, clock),
        journal=(journal := await _journal(settings)),
        lease=_lease(settings, api, clock),
        switch=kill_switch(api, settings),
    )
    source, past = _metric_sources(settings)
    history = _history(hands, past)
    objectives, seen = _objectives(hands, journal.counts, metrics, wanted)
    teller = Teller([*_sinks(hands), *extra_sinks], dropped=metrics.sink_dropped)
    watcher = Watcher(settings.engine, clock, metrics)
    loop = Loop(
        collector=_collector(hands, source, history, objectives),
        executor=_executor(hands),
        cluster=hands.cluster,
        journal=hands.journal,
        teller=teller,
        clock=clock,
        settings=settings.engine,
        state=watcher,
    )
    server = Server(make_app(watcher, metrics.render), settings.listen)

    async def warm() -> None:
        await hands.cluster.synced(WARM_SECONDS)
        await history.refresh()

    return Plan(
        loop=loop,
        teller=teller,
        background=[*_keepers(hands, history, objectives), ("page", server.run)],
        warm=warm,
        cleanups=[_closing(metrics), hands.journal.close, source.close, past.close, seen.close, teller.close],
    )


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[KubeApi]:
    """The API server, closed afterwards."""
    from observer.kube.client import KubeApi

    kubernetes = settings.kubernetes
    api = KubeApi.of(kubeconfig=kubernetes.kubeconfig, context=kubernetes.context, timeout=kubernetes.timeout)
    try:
        yield api
    finally:
        await api.close()


def kill_switch(api: KubeApi, settings: Settings) -> ConfigMapSwitch:
    """The ConfigMap that stops every write."""
    from observer.actuators.killswitch import ConfigMapSwitch

    return ConfigMapSwitch(api, namespace=settings.own_namespace)


@asynccontextmanager
async def open_journal(settings: Settings) -> AsyncIterator[Journal]:
    """The journal for reading by a command, closed afterwards."""
    journal = await _journal(settings)
    try:
        yield journal
    finally:
        await journal.close()


def migrate_journal(settings: Settings) -> str:
    """Bring the journal's schema up to date; returns its revision."""
    from observer.journal.schema import migrate

    return migrate(_journal_url(settings))


async def give_back(api: KubeApi, *, now: float, force: bool, only: str | None) -> Sequence[tuple[str, Outcome]]:
    """Give back what Observer drained; see ``actuators.expired``."""
    from observer.actuators.expired import restore_expired

    return await restore_expired(api, now, force=force, only=only)


async def examine_sources(settings: Settings) -> Sequence[Finding]:
    """What ``observer doctor`` prints."""
    from observer.runtime.clock import SystemClock
    from observer.sources.kubernetes.probe import probe as probe_kubernetes
    from observer.sources.prometheus.probe import probe as probe_prometheus

    clock = SystemClock()
    async with connected(settings) as api:
        seen = await probe_kubernetes(api, settings.kubernetes, clock=clock)
        return [*seen.findings, *await probe_prometheus(settings, pods=seen.pods, at=clock.now())]


def _cluster(settings: Settings, api: KubeApi, clock: Clock) -> KubernetesCluster:
    from random import Random

    from observer.sources.kubernetes.cluster import KubernetesCluster

    # Only back-off is drawn from it, so that replicas do not relist in step.
    return KubernetesCluster(api, settings.kubernetes, clock=clock, random=Random())  # noqa: S311


def _metric_sources(settings: Settings) -> tuple[MetricSource, HistorySource]:
    from observer.sources.prometheus import PrometheusSource
    from observer.sources.prometheus.history import PrometheusHistory

    return PrometheusSource(settings.prometheus), PrometheusHistory(settings.prometheus)


async def _journal(settings: Settings) -> SqlJournal:
    from observer.journal.store import SqlJournal

    return await SqlJournal.open(_journal_url(settings))


def _journal_url(settings: Settings) -> str:
    """The URL with its password, which only ever comes from a file."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(settings.journal)
        if settings.journal_password_file:
            url = url.set(password=Path(settings.journal_password_file).read_text(encoding="utf-8").strip())
    except ArgumentError as exc:
        raise ConfigError("journal: not a database URL; for example sqlite+aiosqlite:///observer.db") from exc
    except OSError as exc:
        raise ConfigError(f"journal_password_file: {exc.strerror}: {settings.journal_password_file}") from exc
    return url.render_as_string(hide_password=False)


def _lease(settings: Settings, api: KubeApi, clock: Clock) -> Lease:
    from observer.actuators.lease_store import KubeLeaseStore
    from observer.runtime.leader import AlwaysLeader, LeaseElector, unique_identity

    wanted = settings.lease
    if not wanted.enabled:
        return AlwaysLeader()
    store = KubeLeaseStore(api, namespace=settings.own_namespace, name=wanted.name)
    return LeaseElector(store, replace(wanted, identity=unique_identity(wanted.identity)), clock)


def _history(hands: Hands, source: HistorySource) -> HistoryKeeper:
    from observer.runtime.history import HistoryKeeper

    asked = hands.settings.prometheus
    return HistoryKeeper(
        source, hands.cluster, hands.clock, seconds=asked.history_seconds, refresh=asked.history_refresh
    )


def _objectives(
    hands: Hands, ledger: CountLedger, metrics: SelfMetrics, wanted: Callable[[], tuple[Objective, ...]]
) -> tuple[ObjectiveKeeper, ObjectiveSource]:
    from observer.runtime.objectives import ObjectiveKeeper
    from observer.sources.prometheus.objectives import PrometheusObjectives

    asked = hands.settings.prometheus
    source = PrometheusObjectives(asked)
    refresh = asked.objective_refresh
    return (
        ObjectiveKeeper(source, hands.cluster, hands.clock, ledger, metrics, wanted=wanted, refresh=refresh),
        source,
    )


def _keepers(
    hands: Hands, history: HistoryKeeper, objectives: ObjectiveKeeper
) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
    """What runs beside the tick."""
    from observer.runtime.retention import keep_journal_small

    return [
        ("kubernetes", hands.cluster.run),
        ("lease", hands.lease.run),
        ("history", history.run),
        ("objectives", objectives.run),
        ("retention", partial(keep_journal_small, hands.journal, hands.clock)),
    ]


def _collector(hands: Hands, source: MetricSource, history: HistoryKeeper, objectives: ObjectiveKeeper) -> Collector:
    from observer.runtime.collect import Collector

    asked = hands.settings.prometheus
    return Collector(
        metrics=source,
        cluster=hands.cluster,
        history=history,
        switch=hands.switch,
        lease=hands.lease,
        objectives=objectives,
        deadline=asked.timeout,
        recheck_seconds=asked.recheck_seconds,
        step=hands.settings.engine.tick,
    )


def _executor(hands: Hands) -> Executor:
    from observer.actuators.drain import DrainActuator
    from observer.actuators.evict import EvictActuator
    from observer.runtime.execute import Executor

    settings = hands.settings
    drain = DrainActuator(hands.api, by=settings.lease.identity or socket.gethostname())
    tick, patience = settings.engine.tick, settings.prometheus.timeout
    return Executor(
        actuators={Rung.DRAIN: drain, Rung.RESTORE: drain, Rung.EVICT: EvictActuator(hands.api)},
        cluster=hands.cluster,
        journal=hands.journal,
        lease=hands.lease,
        switch=hands.switch,
        evidence=_evidence(hands),
        clock=hands.clock,
        fresh_for=max(2 * tick, patience + tick),
    )


def _sinks(hands: Hands) -> list[Sink]:
    from observer.sinks.audit import open_audit
    from observer.sinks.kube_events import KubeEventSink
    from observer.telemetry.tracing import incident_tracer

    settings = hands.settings

    def uid_of(ref: WorkloadRef) -> str:
        workload = hands.cluster.view(hands.clock.now()).workloads.get(ref)
        return workload.uid if workload is not None else ""

    sinks: list[Sink] = [
        open_audit(Path(settings.audit)),
        KubeEventSink(hands.api, instance=settings.lease.identity or socket.gethostname(), uid_of=uid_of),
    ]
    if (tracer := incident_tracer(settings.otlp_endpoint)) is not None:
        sinks.append(tracer)
    return sinks


def _evidence(hands: Hands) -> EvidenceKeeper:
    from observer.runtime.evidence import EvidenceKeeper

    kept = hands.settings.evidence
    return EvidenceKeeper(
        hands.cluster,
        Path(kept.path),
        logs=kept.logs,
        lines=kept.log_lines,
        max_bytes=kept.max_bytes,
        redact=kept.redact,
    )


def _closing(metrics: SelfMetrics) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        metrics.close()

    return close
