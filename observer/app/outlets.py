"""Everybody outside who is told: receivers of events, Alertmanager, people, collectors."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from observer.config.settings.model import Settings
from observer.config.settings.notifications import CloudEventSettings, NotifyKind, NotifySettings
from observer.domain.decision import Decision

if TYPE_CHECKING:
    from observer.domain.finding import Finding
    from observer.domain.ids import PodRef
    from observer.http_client.outbox import Outbox, Target
    from observer.ports.actuators import Sink
    from observer.ports.sources import Clock
    from observer.sinks.alertmanager import Alertmanagers, AlertmanagerSink, Silenced
    from observer.sinks.notify import NotifySink
    from observer.sinks.notify.senders import Sender
    from observer.telemetry.metrics import SelfMetrics
    from observer.telemetry.otlp import Collector, Origin
    from observer.telemetry.tracing import IncidentTracer

Task = tuple[str, Callable[[], Awaitable[None]]]


@dataclass(slots=True)
class Notifications:
    """Sinks, and what has to run for them beside the loop."""

    sinks: list[Sink] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)


def outlets(
    settings: Settings,
    clock: Clock,
    *,
    leading: Callable[[], bool],
    standing: Callable[[], frozenset[str] | None],
    dropped: Callable[[str], None],
) -> Notifications:
    """
    Those that the settings name. ``leading`` says whether this replica speaks, ``standing`` which incidents are open,
    None while that is not known.

    Raises: ConfigError.
    """
    from observer.runtime.dispatcher import LeaderOnlySink

    made, record = Notifications(), recorder(settings)
    found: list[Sink] = []
    if settings.cloudevents.url or settings.cloudevents.url_file:
        found.append(cloudevents(settings, clock, record))
    if settings.alertmanager.urls and (settings.alertmanager.pages or settings.alertmanager.silences):
        dispatcher = alertmanager(settings, clock, leading, standing)
        found.append(dispatcher)
        made.tasks.append((dispatcher.name, dispatcher.run))
    for one in settings.notify:
        notifier = notify(one, clock, record, dropped)
        found.append(notifier)
        made.tasks.append((notifier.name, notifier.run))
    made.sinks = [LeaderOnlySink(sink, leading) for sink in found]
    return made


def recorder(settings: Settings) -> Callable[[Decision], Mapping[str, object]]:
    """Decisions as JSON-like values, with their links and the id of their trace."""
    from observer.domain.decision_record import record_of
    from observer.telemetry.trace_ids import spelled, trace_id_of

    links = links_of(settings)

    def record(decision: Decision) -> Mapping[str, object]:
        trace = spelled(trace_id_of(decision.incident)) if decision.incident else ""
        return record_of(decision, cluster=settings.cluster, trace_id=trace, links=links(decision))

    return record


def links_of(settings: Settings) -> Callable[[Decision], Mapping[str, str]]:
    from observer.config.settings.links import Links
    from observer.telemetry.trace_ids import spelled, trace_id_of

    links = Links(asdict(settings.links), settings.cluster)
    return lambda decision: links.of(decision, spelled(trace_id_of(decision.incident)))


def cloudevents(settings: Settings, clock: Clock, record: Callable[[Decision], Mapping[str, object]]) -> Sink:
    from observer.sinks.cloudevents import CloudEventSink

    wanted = settings.cloudevents
    source = wanted.source or f"/observer/{settings.cluster or 'default'}"
    return CloudEventSink(
        outbox(wanted, "cloudevents", clock), source=source, mode=wanted.mode, kinds=wanted.kinds, record=record
    )


def alertmanager(
    settings: Settings, clock: Clock, leading: Callable[[], bool], standing: Callable[[], frozenset[str] | None]
) -> AlertmanagerSink:
    from observer.sinks.alertmanager import AlertmanagerSink, Policy

    wanted = settings.alertmanager
    policy = Policy(
        pages=wanted.pages,
        silences=wanted.silences,
        silence_seconds=wanted.silence_seconds,
        refresh=wanted.refresh,
        cluster=settings.cluster,
        labels=wanted.labels,
    )
    return AlertmanagerSink(
        alertmanagers(settings, clock), policy, clock, links=links_of(settings), leading=leading, standing=standing
    )


def alertmanagers(settings: Settings, clock: Clock) -> Alertmanagers:
    """Raises: ConfigError when the settings name none."""
    from observer.domain.errors import ConfigError
    from observer.sinks.alertmanager import Alertmanagers

    if not settings.alertmanager.urls:
        raise ConfigError("alertmanager.urls: names no Alertmanager")
    return Alertmanagers(_replicas(settings, clock))


def _replicas(settings: Settings, clock: Clock) -> list[Outbox]:
    from observer.http_client.outbox import Target

    wanted = settings.alertmanager
    return [
        _outbox(
            Target(
                "alertmanager", url=url, auth=wanted.auth, headers=wanted.headers, timeout=wanted.timeout,
                patience=2 * wanted.timeout,
            ),
            clock,
        )
        for url in wanted.urls
    ]  # fmt: skip


async def silence_own_alerts(settings: Settings, pod: PodRef, seconds: float, *, by: str, comment: str) -> Silenced:
    """
    For a command: silence the own alerts of this pod from now for ``seconds``, at most 300.

    Raises: ConfigError, SourceUnavailable, SourceProtocolError; ValueError for a time that is none.
    """
    from observer.runtime.clock import SystemClock
    from observer.sinks.alertmanager import silence_pod

    clock = SystemClock()
    api = alertmanagers(settings, clock)
    try:
        return await silence_pod(
            api, pod, at=clock.now(), seconds=seconds, by=by, comment=comment, cluster=settings.cluster
        )
    finally:
        await api.close()


async def alerts_about(settings: Settings, pod: PodRef) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """
    For a command: names of the firing alerts about this pod, its own and those that nobody may silence for it.

    Raises: ConfigError, SourceUnavailable, SourceProtocolError.
    """
    from observer.runtime.clock import SystemClock
    from observer.sinks.alertmanager import pod_alerts

    api = alertmanagers(settings, SystemClock())
    try:
        return await pod_alerts(api, pod, settings.cluster)
    finally:
        await api.close()


def notify(
    wanted: NotifySettings,
    clock: Clock,
    record: Callable[[Decision], Mapping[str, object]],
    dropped: Callable[[str], None],
) -> NotifySink:
    from observer.sinks.notify import Grouping, NotifySink, Subscription

    return NotifySink(
        wanted.name,
        sender(wanted, clock),
        hearing=Subscription(wanted.severity, frozenset(wanted.kinds), frozenset(wanted.namespaces)),
        grouping=Grouping(wanted.group_by, wanted.group_wait, wanted.group_interval),
        clock=clock,
        record=record,
        dropped=dropped,
    )


def sender(wanted: NotifySettings, clock: Clock) -> Sender:
    """Raises: ConfigError for a template that cannot be read, and for apprise where it is not installed."""
    from observer.config.settings.message_templates import PLAIN, SLACK, Message, read_message
    from observer.domain.errors import ConfigError
    from observer.sinks.notify import AppriseSender, SlackSender, WebhookSender

    section = f"notify.{wanted.name}"
    try:
        own = read_message(wanted.template_file) if wanted.template_file else None
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{section}.template_file: {exc}") from exc
    match wanted.kind:
        case NotifyKind.SLACK:
            return SlackSender(outbox(wanted, section, clock), own or Message(SLACK))
        case NotifyKind.APPRISE:
            return AppriseSender(wanted.url_file, own or Message(PLAIN), section=section, timeout=wanted.patience)
        case NotifyKind.WEBHOOK:
            return WebhookSender(outbox(wanted, section, clock), own)


def outbox(wanted: CloudEventSettings | NotifySettings, section: str, clock: Clock) -> Outbox:
    from observer.http_client.outbox import Target

    return _outbox(
        Target(
            section, url=wanted.url, url_file=wanted.url_file, auth=wanted.auth, headers=wanted.headers,
            timeout=wanted.timeout, patience=wanted.patience,
        ),
        clock,
    )  # fmt: skip


def _outbox(target: Target, clock: Clock) -> Outbox:
    from random import Random

    from observer.http_client.outbox import Outbox

    return Outbox(target, clock, Random())  # noqa: S311  (only pauses are drawn from it)


def collector(settings: Settings) -> Collector | None:
    """None without an endpoint."""
    from observer.http_client.credentials import Credentials
    from observer.telemetry.otlp import Collector

    wanted, url = settings.otlp, settings.otlp_endpoint
    if not url:
        return None
    credentials = Credentials(wanted.auth, url=url, fixed=wanted.headers, section="otlp")
    return Collector(
        url,
        credentials.headers,
        ca_file=wanted.auth.ca_file,
        cert_file=wanted.auth.cert_file,
        key_file=wanted.auth.key_file,
        insecure_skip_verify=wanted.auth.insecure_skip_verify,
        timeout=wanted.timeout,
    )


def origin(settings: Settings) -> Origin:
    from observer import __version__
    from observer.telemetry.otlp import Origin

    return Origin(settings.lease.identity or socket.gethostname(), __version__, settings.cluster)


def self_metrics(settings: Settings) -> SelfMetrics:
    """Served at ``/metrics`` and, with an endpoint, sent there. Raises: ConfigError without the ``otlp`` extra."""
    from observer.telemetry.metrics import SelfMetrics

    found = collector(settings)
    if found is None or not settings.otlp.metrics:
        return SelfMetrics()
    from observer.telemetry.otlp import metric_reader

    reader = metric_reader(found, settings.otlp.interval)
    return SelfMetrics(readers=[reader], resource=origin(settings).resource())


def tracer(settings: Settings, clock: Clock, dropped: Callable[[str], None]) -> IncidentTracer | None:
    """None when no traces are wanted. Raises: ConfigError without the ``otlp`` extra."""
    found = collector(settings)
    if found is None or not settings.otlp.traces:
        return None
    from observer.telemetry.tracing import incident_tracer

    return incident_tracer(found, origin(settings), dropped=dropped, now=clock.now)


async def _examine_collector(settings: Settings, clock: Clock) -> list[Finding]:
    """An empty export is a valid one."""
    from observer.domain.errors import ConfigError
    from observer.domain.finding import Finding
    from observer.http_client.outbox import Target
    from observer.http_client.reach import reach
    from observer.telemetry.otlp import check_installed

    found, wanted = collector(settings), settings.otlp
    signals = [name for name, on in (("traces", wanted.traces), ("metrics", wanted.metrics)) if on]
    if found is None:
        return []
    told = []
    try:
        check_installed()
    except ConfigError as exc:
        told.append(Finding("otlp installed", False, str(exc), "pip install 'observer[otlp]'"))
    for signal in signals:
        target = Target(
            "otlp", url=found.address(signal), auth=wanted.auth, headers=wanted.headers, timeout=wanted.timeout
        )
        sent = {"Content-Type": "application/x-protobuf"}
        told.append(await reach(_outbox(target, clock), f"otlp {signal}", "otlp", method="POST", headers=sent))
    return told


async def examine_outlets(settings: Settings, clock: Clock) -> Sequence[Finding]:
    """What ``observer doctor`` says about them; nobody is sent a message."""
    from observer.domain.finding import Finding
    from observer.http_client.reach import reach

    found: list[Finding] = []
    events = settings.cloudevents
    if events.url or events.url_file:
        asking = {"WebHook-Request-Origin": "observer"}
        found.append(await reach(outbox(events, "cloudevents", clock), "cloudevents", "cloudevents", headers=asking))
    for number, replica in enumerate(_replicas(settings, clock)):
        name = "alertmanager" if number == 0 else f"alertmanager {number + 1}"
        found.append(await reach(replica, name, "alertmanager", method="GET", path="/api/v2/status"))
    for one in settings.notify:
        section = f"notify.{one.name}"
        if one.kind is NotifyKind.APPRISE:
            await sender(one, clock).close()
            found.append(Finding(f"{section} reachable", None, "apprise only tells when it sends"))
        else:
            found.append(await reach(outbox(one, section, clock), section, section))
    if settings.otlp_endpoint:
        found += await _examine_collector(settings, clock)
    return found
