"""What ``observer doctor`` asks Jaeger, and what to do about each red line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from observer.config.settings.sources import JaegerSettings
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.domain.finding import Finding
from observer.domain.ids import ServiceRef
from observer.domain.traces import TraceSet
from observer.ports.sources import Clock
from observer.sources.jaeger.source import JaegerSource, known_as

_SAMPLED = 5
_MATCHED = 0.9
_AHEAD = 60.0
"""Seconds beyond now that are looked at too: spans of a node whose clock is ahead."""
_REMEDIES: Mapping[str, str] = {
    "denied": "check jaeger.auth: the files must hold what the proxy before Jaeger expects",
    "timeout": "raise jaeger.timeout or lower jaeger.traces",
    "too_large": "raise jaeger.max_bytes or lower jaeger.traces",
    "redirected": "give jaeger.url the final address: credentials are sent to no other",
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
    try:
        names = await source.services()
        matched = frozenset(one for one in services if known_as(one, names))
        found = [
            Finding("jaeger reachable", True, "it answers and takes our credentials"),
            _api(source.api_version),
            _matched(services, matched, names),
        ]
        if matched:
            at = clock.now()
            some = frozenset(sorted(matched)[:_SAMPLED])
            found += _traces(await source.traces(at + _AHEAD, settings.window + _AHEAD, some, settings.traces), at)
    except (SourceUnavailable, SourceProtocolError) as exc:
        remedy = _REMEDIES.get(exc.reason, "check jaeger.url, the network policy and that the server is ready")
        found = [Finding("jaeger reachable", False, f"{exc.reason}: {exc}", remedy)]
    finally:
        await source.close()
    return [replace(one, remedy="") if one.ok else one for one in found]


def _api(api_version: str) -> Finding:
    if api_version == "v3":
        return Finding("jaeger version", True, "it speaks the v3 API")
    return Finding("jaeger version", True, "it speaks the v1 API only, which servers after 2.20 have no more")


def _matched(services: frozenset[ServiceRef], matched: frozenset[ServiceRef], names: frozenset[str]) -> Finding:
    name = "jaeger services matched"
    if not services:
        return Finding(name, None, "no living service with a sidecar is known to compare with")
    share = len(matched) / len(services)
    missing = sorted(services - matched)
    detail = f"{share:.0%} of {len(services)} services have spans ({len(names)} names there)"
    if missing:
        detail += f"; not: {', '.join(map(str, missing[:3]))}{' ...' if len(missing) > 3 else ''}"
    remedy = (
        "turn tracing on for these sidecars (a Telemetry resource with a sampling above 0); names must read "
        "NAME.NAMESPACE or NAME"
    )
    return Finding(name, share >= _MATCHED or None if matched else False, detail, remedy)


def _traces(found: TraceSet, at: float) -> Iterator[Finding]:
    if not found.spans:
        yield Finding(
            "jaeger fresh",
            None,
            f"no span in the last {found.seconds - _AHEAD:g} s of {_SAMPLED} services at most",
            "sampling may be too low for the traffic (the mesh's default is 1 %), or the collector gets nothing",
        )
        return
    newest = max(one.start + one.seconds for one in found.spans)
    age = at - newest
    yield Finding(
        "jaeger fresh",
        -5.0 <= age <= found.seconds,
        f"newest of {len(found.spans)} spans {age:.1f} s ago",
        "the clocks of this machine and of the nodes differ",
    )
    share = sum(1 for one in found.spans if one.pod) / len(found.spans)
    yield Finding(
        "jaeger pods",
        True if share >= _MATCHED else None,
        f"{share:.0%} of the spans name their pod",
        "spans need node_id (sidecars) or k8s.pod.name (applications, set by the OpenTelemetry collector)",
    )
