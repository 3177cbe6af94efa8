"""Who hears of decisions outside the cluster: receivers of events, Alertmanager, people, Grafana."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from observer.domain.decision import Decision
from observer.domain.errors import ConfigError

if TYPE_CHECKING:
    from observer.config.settings.model import GrafanaSettings, Settings
    from observer.config.settings.notifications import CloudEventSettings, NotifySettings
    from observer.domain.finding import Finding
    from observer.domain.ids import PodRef
    from observer.http_client.delivery import Receiver
    from observer.ports.actuators import Sink
    from observer.ports.sources import Clock
    from observer.sinks.alertmanager.api import Alertmanagers, Silenced
    from observer.sinks.alertmanager.sink import AlertmanagerSink
    from observer.sinks.grafana.annotations import GrafanaAnnotations
    from observer.sinks.grafana.client import GrafanaClient
    from observer.sinks.notify import NotifySink, Sender

Task = tuple[str, Callable[[], Awaitable[None]]]


@dataclass(frozen=True, slots=True)
class Notifications:
    """Sinks, and what has to run for them beside the loop."""

    sinks: Sequence[Sink]
    tasks: Sequence[Task]


def notifications(
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

    record = recorder(settings)
    sinks: list[Sink] = []
    tasks: list[Task] = []
    if settings.cloudevents.url or settings.cloudevents.url_file:
        sinks.append(cloudevents(settings, clock, record))
    if settings.alertmanager.urls and (settings.alertmanager.pages or settings.alertmanager.silences):
        pages = alertmanager(settings, clock, leading, standing)
        sinks.append(pages)
        tasks.append((pages.name, pages.run))
    for wanted in settings.notify:
        notifier = notify(wanted, clock, record, dropped)
        sinks.append(notifier)
        tasks.append((notifier.name, notifier.run))
    return Notifications([LeaderOnlySink(sink, leading) for sink in sinks], tasks)


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
        receiver(wanted, "cloudevents", clock), source=source, mode=wanted.mode, kinds=wanted.kinds, record=record
    )


def alertmanager(
    settings: Settings, clock: Clock, leading: Callable[[], bool], standing: Callable[[], frozenset[str] | None]
) -> AlertmanagerSink:
    from observer.sinks.alertmanager.sink import AlertmanagerSink, Policy

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
    from observer.sinks.alertmanager.api import Alertmanagers

    if not settings.alertmanager.urls:
        raise ConfigError("alertmanager.urls: names no Alertmanager")
    return Alertmanagers(_replicas(settings, clock))


def _replicas(settings: Settings, clock: Clock) -> list[Receiver]:
    from observer.http_client.client import Endpoint
    from observer.http_client.delivery import Receiver

    wanted = settings.alertmanager
    endpoints = [
        Endpoint("alertmanager", url=url, auth=wanted.auth, headers=wanted.headers, timeout=wanted.timeout)
        for url in wanted.urls
    ]
    return [Receiver(endpoint, clock, patience=2 * wanted.timeout) for endpoint in endpoints]


async def silence_own_alerts(settings: Settings, pod: PodRef, seconds: float, *, by: str, comment: str) -> Silenced:
    """
    For a command: silence the own alerts of this pod from now for ``seconds``, at most 300.

    Raises: ConfigError, SourceUnavailable, SourceProtocolError; ValueError for a time that is none.
    """
    from observer.runtime.clock import SystemClock
    from observer.sinks.alertmanager.api import silence_pod

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
    from observer.sinks.alertmanager.api import pod_alerts

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
    from observer.config.settings.notifications import NotifyKind
    from observer.sinks.notify import AppriseSender, SlackSender, WebhookSender

    section = f"notify.{wanted.name}"
    try:
        own = read_message(wanted.template_file) if wanted.template_file else None
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{section}.template_file: {exc}") from exc
    match wanted.kind:
        case NotifyKind.SLACK:
            return SlackSender(receiver(wanted, section, clock), own or Message(SLACK))
        case NotifyKind.APPRISE:
            return AppriseSender(wanted.url_file, own or Message(PLAIN), section=section, timeout=wanted.patience)
        case NotifyKind.WEBHOOK:
            return WebhookSender(receiver(wanted, section, clock), own)


def receiver(wanted: CloudEventSettings | NotifySettings, section: str, clock: Clock) -> Receiver:
    from observer.http_client.client import Endpoint
    from observer.http_client.delivery import Receiver

    endpoint = Endpoint(
        section,
        url=wanted.url,
        url_file=wanted.url_file,
        auth=wanted.auth,
        headers=wanted.headers,
        timeout=wanted.timeout,
    )
    return Receiver(endpoint, clock, patience=wanted.patience)


async def examine_notifications(settings: Settings, clock: Clock) -> Sequence[Finding]:
    """What ``observer doctor`` says about them; nobody is sent a message."""
    from observer.app.telemetry import examine_collector
    from observer.config.settings.notifications import NotifyKind
    from observer.domain.finding import Finding
    from observer.http_client.client import Request
    from observer.http_client.delivery import probe

    findings: list[Finding] = []
    events = settings.cloudevents
    if events.url or events.url_file:
        asking = Request("OPTIONS", headers={"WebHook-Request-Origin": "observer"})
        findings.append(await probe(receiver(events, "cloudevents", clock), "cloudevents", "cloudevents", asking))
    for number, replica in enumerate(_replicas(settings, clock)):
        name = "alertmanager" if number == 0 else f"alertmanager {number + 1}"
        findings.append(await probe(replica, name, "alertmanager", Request(path="/api/v2/status")))
    for wanted in settings.notify:
        section = f"notify.{wanted.name}"
        if wanted.kind is NotifyKind.APPRISE:
            await sender(wanted, clock).close()
            findings.append(Finding(f"{section} reachable", None, "apprise only tells when it sends"))
        else:
            findings.append(await probe(receiver(wanted, section, clock), section, section, Request("OPTIONS")))
    return [*findings, *await examine_collector(settings, clock)]


def grafana_annotations(settings: Settings) -> GrafanaAnnotations | None:
    """None where no Grafana is named. Raises: ConfigError for settings that can never work."""
    from observer.sinks.grafana.annotations import GrafanaAnnotations

    return GrafanaAnnotations(_grafana(settings.grafana)) if settings.grafana.url else None


async def probe_grafana(settings: Settings) -> list[Finding]:
    """What ``observer doctor`` says of it; nothing where no Grafana is named."""
    from observer.sinks.grafana.client import probe

    if not settings.grafana.url:
        return []
    client = _grafana(settings.grafana)
    try:
        return await probe(client)
    finally:
        await client.close()


async def publish_dashboards(
    where: GrafanaSettings,
    dashboards: Sequence[Mapping[str, object]],
    *,
    folder: str,
    namespace: str,
    overwrite: bool,
) -> tuple[str, dict[str, str]]:
    """
    Bring dashboards into a Grafana; ``folder`` is the uid of the folder, made if need be (empty: none is chosen).

    Returns which API took them, and what became of each by its uid. Raises: GrafanaRefused, SourceUnavailable, and
    ConfigError for an address or credentials that can never work.
    """
    from observer.sinks.grafana.publish import Publisher

    client = _grafana(where)
    try:
        publisher = Publisher(client, folder=folder, namespace=namespace, overwrite=overwrite)
        await publisher.make_folder()
        done = {str(each["uid"]): (await publisher.publish(each)).value for each in dashboards}
        return (await publisher.api()).version or "the older API", done
    finally:
        await client.close()


def _grafana(where: GrafanaSettings) -> GrafanaClient:
    from observer.http_client.client import Endpoint
    from observer.sinks.grafana.client import GrafanaClient

    endpoint = Endpoint("grafana", url=where.url, auth=where.auth, headers=where.headers, timeout=where.timeout)
    return GrafanaClient(endpoint)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A summary in every form that a receiver may want: Slack's blocks, JSON for machines, lines for all others."""

    title: str
    severity: str
    blocks: Mapping[str, object]
    body: Mapping[str, object]
    lines: Sequence[str]


async def send_report(settings: Settings, name: str, report: Outgoing) -> None:
    """
    Send it to the receiver of that name, with the patience that its section gives.

    Raises: ConfigError when there is none of that name, SourceUnavailable when it did not take it.
    """
    import msgspec

    from observer.config.settings.message_templates import PLAIN, Message
    from observer.config.settings.notifications import NotifyKind
    from observer.runtime.clock import SystemClock
    from observer.sinks.notify import AppriseSender

    wanted = next((each for each in settings.notify if each.name == name), None)
    if wanted is None:
        named = ", ".join(each.name for each in settings.notify) or "none: add `notify` to them"
        raise ConfigError(f"--send {name}: the settings name no such receiver; there is {named}")
    section = f"notify.{wanted.name}"
    if wanted.kind is NotifyKind.APPRISE:
        apprise = AppriseSender(wanted.url_file, Message(PLAIN), section=section, timeout=wanted.patience)
        await apprise.send(_facts(report))
        return
    body = report.blocks if wanted.kind is NotifyKind.SLACK else report.body
    box = receiver(wanted, section, SystemClock())
    try:
        await box.deliver(msgspec.json.encode(body), {"Content-Type": "application/json"})
    finally:
        await box.close()


def _facts(report: Outgoing) -> dict[str, object]:
    """What a template of notifications sees."""
    return {
        "title": report.title,
        "severity": report.severity,
        "group": "report",
        "more": 0,
        "links": {},
        "decisions": [{"text": line} for line in report.lines],
    }
