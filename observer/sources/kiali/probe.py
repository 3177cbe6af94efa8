"""What ``observer doctor`` asks Kiali, and what to do about each red line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from observer.config.settings.sources import KialiSettings
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.domain.finding import Finding
from observer.domain.graph import CallGraph, WorkloadHealth
from observer.domain.ids import ServiceRef
from observer.ports.sources import Clock
from observer.sources.kiali.source import KialiSource

_MATCHED = 0.9
_REMEDIES: Mapping[str, str] = {
    "denied": "check kiali.login and kiali.auth.bearer_file; the account must be allowed to get the namespaces' pods",
    "timeout": "raise kiali.timeout: a graph of many namespaces takes Kiali and its Prometheus a while",
    "too_large": "raise kiali.max_bytes",
    "redirected": "give kiali.url the final address: credentials are sent to no other",
    "stale": "compare the clocks of this machine and of Kiali's, or raise kiali.stale",
    "protocol": "check kiali.url with its web root (often /kiali), and kiali.cluster where it shows several",
}


async def probe(settings: KialiSettings, *, services: frozenset[ServiceRef], clock: Clock) -> list[Finding]:
    """
    Ask what the daemon asks once a minute; nothing when no Kiali is configured.

    ``services`` are those with a living sidecar. Never raises for what a server may answer.
    """
    if not settings.url:
        return []
    source = KialiSource(settings, clock)
    namespaces = frozenset(one.namespace for one in services)
    try:
        version = await source.version()
        found = [
            Finding("kiali reachable", True, f"it answers and lets us in ({source.login})"),
            Finding("kiali version", True if version else None, version or "it does not say"),
        ]
        if namespaces:
            at = clock.now()
            graph = await source.graph(at, settings.window, namespaces)
            found += [
                Finding("kiali fresh", True, f"its graph is of {at - graph.at:.0f} s ago, over {graph.seconds:g} s"),
                _matched(graph, services),
                _health(await source.health(at, settings.window, namespaces)),
            ]
    except (SourceUnavailable, SourceProtocolError) as exc:
        remedy = _REMEDIES.get(exc.reason, "check kiali.url, the network policy and that the server is ready")
        found = [Finding("kiali reachable", False, f"{exc.reason}: {exc}", remedy)]
    finally:
        await source.close()
    return [replace(one, remedy="") if one.ok else one for one in found]


def _matched(graph: CallGraph, services: frozenset[ServiceRef]) -> Finding:
    seen = {end for edge in graph.edges for end in (edge.caller, edge.callee)} & services
    share = len(seen) / len(services)
    missing = sorted(services - seen)
    detail = f"{share:.0%} of {len(services)} services have calls in it"
    if missing:
        detail += f"; not: {', '.join(map(str, missing[:3]))}{' ...' if len(missing) > 3 else ''}"
    remedy = "without traffic in the window there is nothing to show; else check Kiali's own Prometheus address"
    return Finding("kiali services matched", True if share >= _MATCHED else None, detail, remedy)


def _health(found: Mapping[tuple[str, str], WorkloadHealth]) -> Finding:
    told = sum(1 for one in found.values() if one.requests is not None)
    return Finding(
        "kiali health",
        True if told else None,
        f"{told} of {len(found)} workloads have counted requests" if found else "it tells nothing (not filled yet)",
        "Kiali fills its health cache every few minutes; ask again, else see its log",
    )
