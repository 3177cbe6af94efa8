"""The daemon: everything that ``supervise`` runs, ready to start."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from observer.app.cluster_access import ClusterAccess, cluster_access, connected, executor, kill_switch
from observer.app.cluster_access import journal as open_journal
from observer.app.notifications import grafana_annotations, notifications
from observer.app.sources import Sources, collector, open_sources
from observer.app.telemetry import self_metrics, tracer
from observer.app.web import AlertWebhook, Say, alert_webhook, make_server, people, show

if TYPE_CHECKING:
    from observer.config.reload import Rules
    from observer.config.settings.model import Settings
    from observer.domain.ids import WorkloadRef
    from observer.kube.client import KubeApi
    from observer.ports.actuators import Sink
    from observer.ports.sources import Clock
    from observer.runtime.flight_recorder import FlightRecorder
    from observer.runtime.reload import Reloader
    from observer.runtime.supervise import Plan
    from observer.runtime.tick import Loop
    from observer.telemetry.metrics import SelfMetrics
    from observer.telemetry.tracing import IncidentTracer

WARM_SECONDS = 30.0
"""How long the first tick waits for the first picture of the cluster; after it the tick tells what is missing."""
RELOAD_SECONDS = 5.0
"""How often edited files are looked for."""


async def run_daemon(settings: Settings, path: Path | None = None) -> int:
    """``observer run``: until a signal; the exit code is 0 for an orderly end. ``path`` is the settings' file."""
    from observer.runtime.supervise import reload_on_signal, stop_on_signals, supervise
    from observer.telemetry.logging import configure_logging

    configure_logging(settings.log_level)
    stop = asyncio.Event()
    stop_on_signals(stop)
    async with connected(settings) as api:
        await api.open()
        await kill_switch(api, settings).ensure()
        plan = await build(settings, api, path=path, say=_say)
        reload_on_signal(plan.reload)
        await supervise(plan, stop)
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"observer: {text}\n")  # not through the log, which others keep
    sys.stderr.flush()


async def build(
    settings: Settings,
    api: KubeApi,
    *,
    path: Path | None = None,
    extra_sinks: Sequence[Sink] = (),
    say: Say = lambda _: None,
    clock: Clock | None = None,
) -> Plan:
    """
    Everything ``supervise`` runs, ready to start. Fails early with ``ConfigError`` or ``JournalUnavailable``.

    ``path`` is the file that ``settings`` were read from; without it only edited policies are taken into force. ``say``
    is told the local token; ``clock`` is the simulator's where it is not the system's.
    """
    from observer.config.reload import rules_of
    from observer.runtime.clock import SystemClock
    from observer.runtime.dispatcher import Dispatcher
    from observer.runtime.inbox import ApprovalCache
    from observer.runtime.status import LoopStatus
    from observer.runtime.tick import Loop

    clock = clock or SystemClock()
    rules = rules_of(settings, clock.now())
    settings = rules.settings
    metrics = self_metrics(settings)
    traces = tracer(settings, clock, metrics.sink_dropped)
    journal = await open_journal(settings)
    access = cluster_access(settings, api, clock, journal)
    sources = open_sources(access, journal.counts, metrics, wanted=lambda: loop.wanted())  # noqa: PLW0108  (made below)
    webhook, approvals = alert_webhook(access, journal.alerts, metrics), ApprovalCache(journal.approvals, clock)
    outside = notifications(
        settings, clock, leading=access.lease.held, standing=lambda: loop.standing(),  # noqa: PLW0108  (made below)
        dropped=metrics.sink_dropped,
    )  # fmt: skip
    loop_status = LoopStatus(settings.engine, clock, metrics, circuits=sources.neighbours.circuits, rules=rules)
    recorder, published = flight_recorder(settings), [*sinks(access, traces), *outside.sinks, *extra_sinks]
    metrics.sinks(sink.name for sink in published)
    loop = Loop(
        collector=collector(access, sources, webhook, approvals),
        executor=executor(access, journal.approvals),
        cluster=access.cluster,
        journal=access.journal,
        dispatcher=Dispatcher(published, beside=outside.tasks, dropped=metrics.sink_dropped),
        clock=clock,
        rules=rules,
        state=loop_status,
        recorder=recorder,
        alerts=webhook.inbox if webhook is not None else None,
        approvals=approvals,
        ticks=traces.ticks if traces is not None else None,
    )
    views, queries, stream = show(settings, loop_status, clock, journal, metrics)
    persons = people(access, approvals, loop, say)
    server = make_server(settings, loop_status, metrics, webhook, queries, persons, stream)
    ends = [closing(metrics), *([recorder.ended] if recorder is not None else ())]
    beside = [("approvals", approvals.run), ("views", views.run), ("page", server.run)]
    return _plan(access, sources, webhook, loop, beside, make_reloader(rules, path, loop, clock), ends)


def _plan(
    access: ClusterAccess,
    sources: Sources,
    webhook: AlertWebhook | None,
    loop: Loop,
    beside: Sequence[tuple[str, Callable[[], Awaitable[None]]]],
    reloader: Reloader,
    ends: Sequence[Callable[[], Awaitable[None]]],
) -> Plan:
    """What runs beside the loop, what comes before its first tick, and what is closed at the end."""
    from observer.runtime.supervise import Plan, keep_journal_small

    async def warm() -> None:
        await access.cluster.synced(WARM_SECONDS)
        await sources.history.refresh()

    return Plan(
        loop=loop,
        dispatcher=loop.dispatcher,
        background=[
            ("kubernetes", access.cluster.run),
            ("lease", access.lease.run),
            *sources.tasks(),
            *(webhook.tasks() if webhook is not None else ()),
            *beside,
            ("reload", reloader.run),
            ("retention", partial(keep_journal_small, access.journal, access.clock)),
        ],
        reload=reloader.ask,
        warm=warm,
        cleanups=[*ends, access.journal.close, *sources.cleanups(), loop.dispatcher.close],
    )


def flight_recorder(settings: Settings) -> FlightRecorder | None:
    """None when nothing is recorded."""
    from observer.runtime.flight_recorder import FlightRecorder

    wanted = settings.recording
    if not wanted.path:
        return None
    return FlightRecorder(Path(wanted.path), max_bytes=wanted.max_bytes, keep=wanted.keep)


def make_reloader(rules: Rules, path: Path | None, loop: Loop, clock: Clock) -> Reloader:
    from observer.config.reload import FileWatch, read_rules, rules_of
    from observer.runtime.reload import Reloader

    def read() -> Rules:
        at = clock.now()
        return read_rules(path, at) if path is not None else rules_of(rules.settings, at)

    return Reloader(rules=rules, files=FileWatch(path), read=read, loop=loop, clock=clock, every=RELOAD_SECONDS)


def sinks(access: ClusterAccess, traces: IncidentTracer | None) -> list[Sink]:
    """The audit trail, which is each replica's own, and what only the leader tells: Events, traces, annotations."""
    from observer.runtime.dispatcher import LeaderOnlySink
    from observer.sinks.audit import open_audit
    from observer.sinks.kube_events import KubeEventSink

    settings = access.settings

    def uid_of(ref: WorkloadRef) -> str:
        workload = access.cluster.view(access.clock.now()).workloads.get(ref)
        return workload.uid if workload is not None else ""

    outside: list[Sink] = [
        KubeEventSink(access.api, instance=settings.lease.identity or socket.gethostname(), uid_of=uid_of)
    ]
    if traces is not None:
        outside.append(traces)
    if (annotations := grafana_annotations(settings)) is not None:
        outside.append(annotations)
    return [open_audit(Path(settings.audit)), *(LeaderOnlySink(sink, access.lease.held) for sink in outside)]


def closing(metrics: SelfMetrics) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        # Its last export over OTLP may take as long as the collector needs.
        await asyncio.to_thread(metrics.close)

    return close
