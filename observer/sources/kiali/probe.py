"""What ``observer doctor`` asks Kiali, and what to do about each red line."""

from __future__ import annotations

from collections.abc import Mapping

from observer.config.settings.sources import KialiSettings
from observer.domain.finding import Finding
from observer.domain.graph import CallGraph, WorkloadHealth
from observer.domain.ids import ServiceRef
from observer.http_client.examine import MATCHED, coverage, examined
from observer.ports.sources import Clock
from observer.sources.kiali.source import KialiSource

_REMEDIES: Mapping[str, str] = {
    "denied": "check kiali.login and kiali.auth.bearer_file; the account must be allowed to get the namespaces' pods",
    "timeout": "raise kiali.timeout: a graph of many namespaces takes Kiali and its Prometheus a while",
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

    async def look() -> list[Finding]:
        namespaces = frozenset(service.namespace for service in services)
        version = await source.version()
        findings = [
            Finding("kiali reachable", True, f"it answers and lets us in ({source.login})"),
            Finding("kiali version", True if version else None, version or "it does not say"),
        ]
        if namespaces:
            at = clock.now()
            graph = await source.graph(at, settings.window, namespaces)
            findings += [
                Finding("kiali fresh", True, f"its graph is of {at - graph.at:.0f} s ago, over {graph.seconds:g} s"),
                _matched(graph, services),
                _health(await source.health(at, settings.window, namespaces)),
            ]
        return findings

    try:
        return await examined("kiali", look, _REMEDIES)
    finally:
        await source.close()


def _matched(graph: CallGraph, services: frozenset[ServiceRef]) -> Finding:
    calling = {end for edge in graph.edges for end in (edge.caller, edge.callee)}
    share, detail = coverage(len(services), sorted(services - calling), "services have calls in it")
    remedy = "without traffic in the window there is nothing to show; else check Kiali's own Prometheus address"
    return Finding("kiali services matched", True if share >= MATCHED else None, detail, remedy)


def _health(workloads: Mapping[tuple[str, str], WorkloadHealth]) -> Finding:
    counted = sum(1 for workload in workloads.values() if workload.requests is not None)
    return Finding(
        "kiali health",
        True if counted else None,
        f"{counted} of {len(workloads)} workloads have counted requests"
        if workloads
        else "it tells nothing (not filled yet)",
        "Kiali fills its health cache every few minutes; ask again, else see its log",
    )
