"""What Observer says of itself: its own metrics and traces, served and sent."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from observer.config.settings.model import Settings
    from observer.domain.finding import Finding
    from observer.ports.sources import Clock
    from observer.telemetry.metrics import SelfMetrics
    from observer.telemetry.otlp import Collector, Origin
    from observer.telemetry.tracing import IncidentTracer


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

    sender = collector(settings)
    if sender is None or not settings.otlp.metrics:
        return SelfMetrics()
    from observer.telemetry.otlp import metric_reader

    reader = metric_reader(sender, settings.otlp.interval)
    return SelfMetrics(readers=[reader], resource=origin(settings).resource())


def tracer(settings: Settings, clock: Clock, dropped: Callable[[str], None]) -> IncidentTracer | None:
    """None when no traces are wanted. Raises: ConfigError without the ``otlp`` extra."""
    sender = collector(settings)
    if sender is None or not settings.otlp.traces:
        return None
    from observer.telemetry.tracing import incident_tracer

    return incident_tracer(sender, origin(settings), dropped=dropped, now=clock.now)


async def examine_collector(settings: Settings, clock: Clock) -> list[Finding]:
    """What ``observer doctor`` says of it; an empty export is a valid one."""
    from observer.domain.errors import ConfigError
    from observer.domain.finding import Finding
    from observer.http_client.client import Endpoint, Request
    from observer.http_client.delivery import Receiver, probe
    from observer.telemetry.otlp import check_installed

    sender, wanted = collector(settings), settings.otlp
    signals = [name for name, on in (("traces", wanted.traces), ("metrics", wanted.metrics)) if on]
    if sender is None:
        return []
    findings = []
    try:
        check_installed()
    except ConfigError as exc:
        findings.append(Finding("otlp installed", False, str(exc), "pip install 'observer[otlp]'"))
    for signal in signals:
        endpoint = Endpoint(
            "otlp", url=sender.address(signal), auth=wanted.auth, headers=wanted.headers, timeout=wanted.timeout
        )
        export = Request("POST", headers={"Content-Type": "application/x-protobuf"})
        findings.append(await probe(Receiver(endpoint, clock), f"otlp {signal}", "otlp", export))
    return findings
