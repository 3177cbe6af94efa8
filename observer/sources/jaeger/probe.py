"""What ``observer doctor`` asks Jaeger, and what to do about each red line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from observer.config.settings.sources import JaegerSettings
from observer.domain.finding import Finding
from observer.domain.ids import ServiceRef
from observer.domain.traces import TraceSet
from observer.http_client.examine import MATCHED, coverage, examined
from observer.ports.sources import Clock
from observer.sources.jaeger.source import JaegerSource, known_as

_SAMPLED = 5
_AHEAD = 60.0
"""Seconds beyond now that are looked at too: spans of a node whose clock is ahead."""
_REMEDIES: Mapping[str, str] = {
    "denied": "check jaeger.auth: the files must hold what the proxy before Jaeger expects",
    "timeout": "raise jaeger.timeout or lower jaeger.traces",
    "too_large": "raise jaeger.max_bytes or lower jaeger.traces",
    "partial": "a part of Jaeger's storage did not answer: see its log",
    "protocol": "check jaeger.url with its base path (often /jaeger), and jaeger.cluster where several report to it",
}


async def probe(settings: JaegerSettings, *, services: frozenset[ServiceRef], clock: Clock) -> list[Finding]:
    """
    Ask what a tick with suspects would ask; nothing when no Jaeger is configured.

    ``services`` are those with a living sidecar. Never raises for what a server may answer.
    """
    if not settings.url:
        return []
    source = JaegerSource(settings, clock)

    async def look() -> list[Finding]:
        names = await source.services()
        matched = frozenset(service for service in services if known_as(service, names))
        findings = [
            Finding("jaeger reachable", True, "it answers and takes our credentials"),
            _api(source.api_version),
            _matched(services, matched, names),
        ]
        if matched:
            at = clock.now()
            sampled = frozenset(sorted(matched)[:_SAMPLED])
            traces = await source.traces(at + _AHEAD, settings.window + _AHEAD, sampled, settings.traces)
            findings += _traces(traces, at)
        return findings

    try:
        return await examined("jaeger", look, _REMEDIES)
    finally:
        await source.close()


def _api(api_version: str) -> Finding:
    if api_version == "v3":
        return Finding("jaeger version", True, "it speaks the v3 API")
    return Finding("jaeger version", True, "it speaks the v1 API only, which servers after 2.20 have no more")


def _matched(services: frozenset[ServiceRef], matched: frozenset[ServiceRef], names: frozenset[str]) -> Finding:
    name = "jaeger services matched"
    if not services:
        return Finding(name, None, "no living service with a sidecar is known to compare with")
    share, detail = coverage(
        len(services), sorted(services - matched), f"services have spans ({len(names)} names there)"
    )
    remedy = (
        "turn tracing on for these sidecars (a Telemetry resource with a sampling above 0); names must read "
        "NAME.NAMESPACE or NAME"
    )
    return Finding(name, share >= MATCHED or None if matched else False, detail, remedy)


def _traces(traces: TraceSet, at: float) -> Iterator[Finding]:
    if not traces.spans:
        yield Finding(
            "jaeger fresh",
            None,
            f"no span in the last {traces.seconds - _AHEAD:g} s of {_SAMPLED} services at most",
            "sampling may be too low for the traffic (the mesh's default is 1 %), or the collector gets nothing",
        )
        return
    newest = max(span.start + span.seconds for span in traces.spans)
    age = at - newest
    yield Finding(
        "jaeger fresh",
        -5.0 <= age <= traces.seconds,
        f"newest of {len(traces.spans)} spans {age:.1f} s ago",
        "the clocks of this machine and of the nodes differ",
    )
    share = sum(1 for span in traces.spans if span.pod) / len(traces.spans)
    yield Finding(
        "jaeger pods",
        True if share >= MATCHED else None,
        f"{share:.0%} of the spans name their pod",
        "spans need node_id (sidecars) or k8s.pod.name (applications, set by the OpenTelemetry collector)",
    )
