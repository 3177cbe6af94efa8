"""Traces of suspected services: one question a service, a few at once, whole traces, each span once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from observer.config.settings.sources import JaegerSettings
from observer.domain.circuit import Circuit
from observer.domain.errors import SourceProtocolError
from observer.domain.ids import ServiceRef
from observer.domain.traces import Span, SpanSide, TraceSet
from observer.http_client.breaker import Breaker
from observer.http_client.client import Endpoint, HttpClient, refused
from observer.ports.sources import Clock
from observer.sources.jaeger.dialects import Dialect, choose, reason_of
from observer.sources.jaeger.semantics import cluster_of, span_of

SERVICES: Final = 20
"""At most so many services are asked about at once."""
SPANS: Final = 50_000
"""At most so many spans are kept."""
_AT_ONCE: Final = 4
_KNOWN_FOR: Final = 60.0


@dataclass(slots=True)
class _Server:
    """What is known of the server while it answers well."""

    dialect: Dialect
    services: frozenset[str]
    since: float


@dataclass(frozen=True, slots=True)
class _Found:
    """Spans of one service's traces, the clusters that they name, and whether there may be more traces."""

    spans: tuple[Span, ...]
    clusters: frozenset[str]
    more: bool


class JaegerSource:
    """
    Implements ``ports.sources.TraceSource`` over Jaeger's query API.

    Which API the server speaks is found out by its list of services, and again after every failure.
    """

    def __init__(self, settings: JaegerSettings, clock: Clock) -> None:
        self._client = HttpClient(
            Endpoint(
                "jaeger",
                url=settings.url,
                auth=settings.auth,
                headers=settings.headers,
                timeout=settings.timeout,
                max_bytes=settings.max_bytes,
                follow=True,
            )
        )
        self._cluster = settings.cluster
        self._clock = clock
        self._breaker = Breaker(clock)
        self._server: _Server | None = None

    @property
    def circuit(self) -> Circuit:
        """See ``TraceSource.circuit``."""
        return self._breaker.circuit

    @property
    def api_version(self) -> str:
        """``v3`` or ``v1``; empty while that is not known."""
        return self._server.dialect.name if self._server is not None else ""

    async def services(self) -> frozenset[str]:
        """The names under which the server knows services, at most a minute old."""
        return (await self._breaker.ask(self._known)).services

    async def traces(self, at: float, seconds: float, services: frozenset[ServiceRef], limit: int) -> TraceSet:
        """
        See ``TraceSource.traces``. A service that the server does not know has no traces.

        ``truncated`` when a service had ``limit`` traces or more, or there were more services or spans than are kept.
        Raises ``SourceProtocolError`` where several clusters report and none was named.
        """
        if not services:
            return TraceSet(at, seconds, ())
        return await self._breaker.ask(lambda: self._traces(at, seconds, services, limit))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _traces(self, at: float, seconds: float, services: frozenset[ServiceRef], limit: int) -> TraceSet:
        server = await self._known()
        named = sorted({name for service in services if (name := known_as(service, server.services))})
        gate = asyncio.Semaphore(_AT_ONCE)

        async def search(name: str) -> _Found:
            async with gate:
                return await self._search(server.dialect, name, at - seconds, at, limit)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(search(name)) for name in named[:SERVICES]]
        except ExceptionGroup as failed:
            self._server = None
            raise failed.exceptions[0] from None
        searches = [task.result() for task in tasks]
        clusters = frozenset().union(*(search.clusters for search in searches))
        if not self._cluster and len(clusters) > 1:
            shown = ", ".join(sorted(clusters)[:5])
            raise SourceProtocolError(f"spans of several clusters ({shown[:200]}): name this one in jaeger.cluster")
        spans, cut = in_order(span for search in searches for span in search.spans)
        return TraceSet(
            at,
            seconds,
            spans,
            truncated=cut or len(named) > SERVICES or any(search.more for search in searches),
        )

    async def _known(self) -> _Server:
        now = self._clock.now()
        if self._server is None or not 0 <= now - self._server.since < _KNOWN_FOR:
            self._server = None
            self._server = _Server(*await choose(self._client), now)
        return self._server

    async def _search(self, dialect: Dialect, service: str, start: float, end: float, limit: int) -> _Found:
        """The spans of one service's traces."""
        answer = await self._client.get(dialect.traces_path, dialect.search(service, start, end, limit))
        if answer.status == HTTPStatus.NOT_FOUND and dialect.nothing(answer.body):
            return _Found((), frozenset(), more=False)
        if answer.status != HTTPStatus.OK:
            raise refused(answer.status, reason_of(answer))
        if not answer.has_json:
            raise SourceProtocolError(f"answered {answer.content_type} instead of JSON")
        return await asyncio.to_thread(self._read, dialect, answer.body, limit)

    def _read(self, dialect: Dialect, body: bytes, limit: int) -> _Found:
        spans: list[Span] = []
        clusters: set[str] = set()
        for record in dialect.parse_traces(body):
            spans.append(span_of(record, self._cluster))
            clusters.add(cluster_of(record))
        return _Found(tuple(spans), frozenset(clusters - {""}), more=len({span.trace for span in spans}) >= limit)


def known_as(service: ServiceRef, names: frozenset[str]) -> str:
    """
    The name under which the server knows a service, empty when it does not.

    The mesh names services ``NAME.NAMESPACE``; where it was told to use a label, and for applications that report
    themselves, it is the bare name.
    """
    for name in (f"{service.name}.{service.namespace}", service.name):
        if name in names:
            return name
    return ""


def in_order(spans: Iterable[Span]) -> tuple[tuple[Span, ...], bool]:
    """
    Each span once, traces oldest first, at most ``SPANS``; and whether any trace had to be left out.

    The same trace comes with every service that it touched. A client and a server span may share an id.
    """
    traces: dict[str, dict[tuple[str, SpanSide], Span]] = {}
    for span in spans:
        traces.setdefault(span.trace, {}).setdefault((span.span, span.side), span)
    begun: Mapping[str, float] = {name: min(span.start for span in some.values()) for name, some in traces.items()}
    retained: list[list[Span]] = []
    room = SPANS
    for name in sorted(traces, key=lambda name: (-begun[name], name)):  # the newest are kept
        if len(traces[name]) > room:
            continue  # one that is too large keeps the others
        room -= len(traces[name])
        retained.append(sorted(traces[name].values(), key=lambda span: (span.start, span.span, span.side)))
    return tuple(span for some in reversed(retained) for span in some), len(retained) < len(traces)
