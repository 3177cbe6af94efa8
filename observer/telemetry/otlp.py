"""Traces and metrics out over OTLP/HTTP: bounded, tried again within a timeout, and what is lost is counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import requests
from opentelemetry.context import Context
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from requests.auth import AuthBase

from observer.domain.errors import ConfigError, SourceUnavailable

MOST_WAITING = 2048
"""Spans that wait to be sent; more are lost and counted."""
_BATCH = 512
SINK = "otel"
"""Under this name lost spans are counted: that of the sink that makes them."""


@dataclass(frozen=True, slots=True)
class Collector:
    """
    An OTLP/HTTP collector.

    ``headers`` gives those of the next request, credentials included; ``ca_file``, ``cert_file`` and ``key_file`` are
    empty for the system's authorities and for no certificate of our own. ``timeout`` bounds all tries of one batch.
    """

    endpoint: str
    headers: Callable[[], Mapping[str, str]] = dict
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    insecure_skip_verify: bool = False
    timeout: float = 10.0

    def address(self, signal: str) -> str:
        """Of ``traces`` or ``metrics``: the standard path below the endpoint."""
        bare = self.endpoint.rstrip("/")
        for path in ("/v1/traces", "/v1/metrics"):
            bare = bare.removesuffix(path)
        return f"{bare}/v1/{signal}"


@dataclass(frozen=True, slots=True)
class Origin:
    """Who sends: this process, and the cluster that it watches."""

    instance: str = ""
    version: str = ""
    cluster: str = ""
    more: Mapping[str, str] = field(default_factory=dict)

    def resource(self) -> Resource:
        facts = {
            "service.name": "observer",
            "service.instance.id": self.instance,
            "service.version": self.version,
            "k8s.cluster.name": self.cluster,
            **self.more,
        }
        return Resource({name: value for name, value in facts.items() if value})


def check_installed() -> None:
    """Raises: ConfigError without the ``otlp`` extra."""
    try:
        import opentelemetry.exporter.otlp.proto.http  # noqa: F401  (only whether it is there)
    except ImportError as exc:
        raise _missing() from exc


def span_processor(collector: Collector, dropped: Callable[[str], None]) -> SpanProcessor:
    """Sends spans in batches from its own thread. Raises: ConfigError without the ``otlp`` extra."""
    try:
        from opentelemetry.exporter.otlp.proto.http import Compression
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as exc:
        raise _missing() from exc
    session = _session(collector)
    exporter = OTLPSpanExporter(
        endpoint=collector.address("traces"),
        certificate_file=collector.ca_file or None,
        client_certificate_file=collector.cert_file or None,
        client_key_file=collector.key_file or None,
        timeout=collector.timeout,
        compression=Compression.Gzip,
        session=session,
    )
    _trust(session, collector)
    return BoundedSpans(exporter, dropped)


def metric_reader(collector: Collector, interval: float) -> MetricReader:
    """Sends all metrics every ``interval`` seconds. Raises: ConfigError without the ``otlp`` extra."""
    try:
        from opentelemetry.exporter.otlp.proto.http import Compression
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    except ImportError as exc:
        raise _missing() from exc
    session = _session(collector)
    exporter = OTLPMetricExporter(
        endpoint=collector.address("metrics"),
        certificate_file=collector.ca_file or None,
        client_certificate_file=collector.cert_file or None,
        client_key_file=collector.key_file or None,
        timeout=collector.timeout,
        compression=Compression.Gzip,
        session=session,
    )
    _trust(session, collector)
    return PeriodicExportingMetricReader(
        exporter, export_interval_millis=interval * 1000, export_timeout_millis=collector.timeout * 1000
    )


class BoundedSpans(SpanProcessor):
    """A batch processor that counts what it loses: the newest span when too many wait, and batches nobody took."""

    def __init__(self, exporter: SpanExporter, dropped: Callable[[str], None], *, most: int = MOST_WAITING) -> None:
        self._dropped, self._most = dropped, most
        self._waiting, self._lock = 0, threading.Lock()
        self._inner: SpanProcessor = BatchSpanProcessor(
            _Counted(exporter, self._sent), max_queue_size=2 * most, max_export_batch_size=min(_BATCH, most)
        )

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self._inner.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        with self._lock:
            full = self._waiting >= self._most
            self._waiting += not full
        if full:
            self._dropped(SINK)
            return
        self._inner.on_end(span)

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)

    def _sent(self, count: int, *, taken: bool) -> None:
        with self._lock:
            self._waiting -= count
        for _ in range(0 if taken else count):
            self._dropped(SINK)


class _Counted(SpanExporter):
    def __init__(self, inner: SpanExporter, sent: Callable[..., None]) -> None:
        self._inner, self._sent = inner, sent

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            result = self._inner.export(spans)
        finally:
            self._sent(len(spans), taken=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)


class _FreshHeaders(AuthBase):
    """Asks for the headers before each request: secrets are read again when their files change."""

    def __init__(self, headers: Callable[[], Mapping[str, str]]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        try:
            request.headers.update(self._headers())
        except SourceUnavailable as exc:
            raise requests.exceptions.InvalidHeader(str(exc)) from exc
        return request


def _session(collector: Collector) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.auth = _FreshHeaders(collector.headers)
    return session


def _trust(session: requests.Session, collector: Collector) -> None:
    # The exporter sets what it verifies by; this one wish it does not know.
    if collector.insecure_skip_verify:
        session.verify = False


def _missing() -> ConfigError:
    return ConfigError("otlp_endpoint is set, but the OTLP exporter is missing: pip install 'observer[otlp]'")
