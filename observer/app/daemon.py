"""The daemon: everything that ``supervise`` runs, ready to start."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from observer.app.alert_webhook import AlertWebhook, mailbox
from observer.app.cluster_access import ClusterAccess, connected, executor, kill_switch
from observer.app.cluster_access import hands as make_hands
from observer.app.cluster_access import journal as open_journal
from observer.app.grafana import grafana_annotations
from observer.app.outlets import outlets, self_metrics
from observer.app.outlets import tracer as make_tracer
from observer.app.people import Say, people
from observer.app.shown import show
from observer.app.sources import Sources, collector, open_eyes
from observer.config.settings.model import Settings

if TYPE_CHECKING:
    from observer.config.reload import Rules
    from observer.domain.ids import WorkloadRef
    from observer.kube.client import KubeApi
    from observer.ports.actuators import Sink
    from observer.ports.sources import Clock
    from observer.runtime.flight_recorder import FlightRecorder
    from observer.runtime.reload import Reloader
    from observer.runtime.state import LoopStatus
    from observer.runtime.supervise import Plan
    from observer.runtime.tick import Loop
    from observer.telemetry.metrics import SelfMetrics
    from observer.telemetry.tracing import IncidentTracer
    from observer.web.queries import Queries
    from observer.web.server import People, Server
    from observer.web.stream import Stream

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
    from observer.runtime.approvals import ApprovalCache
    from observer.runtime.clock import SystemClock
    from observer.runtime.dispatcher import Dispatcher
    from observer.runtime.state import LoopStatus
    from observer.runtime.tick import Loop

    clock = clock or SystemClock()
    rules = rules_of(settings, clock.now())
    settings = rules.settings
    metrics = self_metrics(settings)
    tracer = make_tracer(settings, clock, metrics.sink_dropped)
    journal = await open_journal(settings)
    hands = make_hands(settings, api, clock, journal)
    eyes = open_eyes(hands, journal.counts, metrics, wanted=lambda: loop.wanted())  # noqa: PLW0108  (made below)
    mail, approvals = mailbox(hands, journal.alerts, metrics), ApprovalCache(journal.approvals, clock)
    outside = outlets(
        settings, clock, leading=hands.lease.held, standing=lambda: loop.standing(),  # noqa: PLW0108  (made below)
        dropped=metrics.sink_dropped,
    )  # fmt: skip
    loop_status = LoopStatus(settings.engine, clock, metrics, circuits=eyes.neighbours.circuits, rules=rules)
    recorder, told = flight_recorder(settings), [*sinks(hands, tracer), *outside.sinks, *extra_sinks]
    metrics.sinks(sink.name for sink in told)
    loop = Loop(
        collector=collector(hands, eyes, mail, approvals),
        executor=executor(hands, journal.approvals),
        cluster=hands.cluster,
        journal=hands.journal,
        dispatcher=Dispatcher(told, beside=outside.tasks, dropped=metrics.sink_dropped),
        clock=clock,
        rules=rules,
        state=loop_status,
        recorder=recorder,
        mail=mail.keeper if mail is not None else None,
        approvals=approvals,
        ticks=tracer.ticks if tracer is not None else None,
    )
    board, reading, stream = show(settings, loop_status, clock, journal, metrics)
    server = make_server(settings, loop_status, metrics, mail, reading, people(hands, approvals, loop, say), stream)
    ends = [closing(metrics), *([recorder.ended] if recorder is not None else ())]
    beside = [("approvals", approvals.run), ("board", board.run), ("page", server.run)]
    return _plan(hands, eyes, mail, loop, beside, make_reloader(rules, path, loop, clock), ends)


def _plan(
    hands: ClusterAccess,
    eyes: Sources,
    mail: AlertWebhook | None,
    loop: Loop,
    beside: Sequence[tuple[str, Callable[[], Awaitable[None]]]],
    reloader: Reloader,
    ends: Sequence[Callable[[], Awaitable[None]]],
) -> Plan:
    """What runs beside the loop, what comes before its first tick, and what is closed at the end."""
    from observer.runtime.retention import keep_journal_small
    from observer.runtime.supervise import Plan

    async def warm() -> None:
        await hands.cluster.synced(WARM_SECONDS)
        await eyes.history.refresh()

    return Plan(
        loop=loop,
        dispatcher=loop.dispatcher,
        background=[
            ("kubernetes", hands.cluster.run),
            ("lease", hands.lease.run),
            *eyes.tasks(),
            *(mail.tasks() if mail is not None else ()),
            *beside,
            ("reload", reloader.run),
            ("retention", partial(keep_journal_small, hands.journal, hands.clock)),
        ],
        reload=reloader.ask,
        warm=warm,
        cleanups=[*ends, hands.journal.close, *eyes.cleanups(), loop.dispatcher.close],
    )


def flight_recorder(settings: Settings) -> FlightRecorder | None:
    """None when nothing is recorded."""
    from observer.runtime.flight_recorder import FlightRecorder

    wanted = settings.recording
    if not wanted.path:
        return None
    return FlightRecorder(Path(wanted.path), max_bytes=wanted.max_bytes, keep=wanted.keep)


def make_server(
    settings: Settings,
    loop_status: LoopStatus,
    metrics: SelfMetrics,
    mail: AlertWebhook | None,
    reading: Queries,
    persons: People | None = None,
    stream: Stream | None = None,
) -> Server:
    """The listener with everything that it answers."""
    from observer.web.server import Server, listener_tls, make_app

    tls = settings.tls
    webhook = mail.webhook if mail is not None else None
    app = make_app(loop_status, metrics.render, webhook=webhook, queries=reading, stream=stream, people=persons)
    return Server(app, settings.listen, tls=listener_tls(tls.cert_file, tls.key_file, tls.client_ca_file))


def make_reloader(rules: Rules, path: Path | None, loop: Loop, clock: Clock) -> Reloader:
    from observer.config.reload import FileWatch, read_rules, rules_of
    from observer.runtime.reload import Reloader

    def read() -> Rules:
        at = clock.now()
        return read_rules(path, at) if path is not None else rules_of(rules.settings, at)

    return Reloader(rules=rules, files=FileWatch(path), read=read, loop=loop, clock=clock, every=RELOAD_SECONDS)


def sinks(hands: ClusterAccess, tracer: IncidentTracer | None) -> list[Sink]:
    """The audit trail, which is each replica's own, and what only the leader tells: Events, traces, annotations."""
    from observer.runtime.dispatcher import LeaderOnlySink
    from observer.sinks.audit import open_audit
    from observer.sinks.kube_events import KubeEventSink

    settings = hands.settings

    def uid_of(ref: WorkloadRef) -> str:
        workload = hands.cluster.view(hands.clock.now()).workloads.get(ref)
        return workload.uid if workload is not None else ""

    outside: list[Sink] = [
        KubeEventSink(hands.api, instance=settings.lease.identity or socket.gethostname(), uid_of=uid_of)
    ]
    if tracer is not None:
        outside.append(tracer)
    if (annotations := grafana_annotations(settings)) is not None:
        outside.append(annotations)
    return [open_audit(Path(settings.audit)), *(LeaderOnlySink(sink, hands.lease.held) for sink in outside)]


def closing(metrics: SelfMetrics) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        # Its last export over OTLP may take as long as the collector needs.
        await asyncio.to_thread(metrics.close)

    return close
