"""What ``observer doctor`` asks Grafana, and what to do about each red line."""

from __future__ import annotations

from observer.domain import names
from observer.domain.errors import SourceUnavailable
from observer.domain.finding import Finding
from observer.sinks.grafana.door import GrafanaClient, refusal

_REMEDY = "check grafana.url with its root path, and grafana.auth.bearer_file: annotations are lost, decisions are not"


async def probe(door: GrafanaClient) -> list[Finding]:
    """Reachable, and may annotations be read? Never raises for what a server may answer. Nothing is written."""
    try:
        health = await door.ask("GET", "/api/health")
        if not health.good:
            told = f"HTTP {health.status} at /api/health"
            return [Finding("grafana reachable", False, told, _REMEDY)]
        found = [Finding("grafana reachable", True, f"version {health.mapping().get('version') or 'not told'}")]
        reply = await door.ask("GET", "/api/annotations", parameters={"tags": names.GRAFANA_TAG, "limit": "1"})
    except SourceUnavailable as exc:
        return [Finding("grafana reachable", False, str(exc), _REMEDY)]
    if not reply.good:
        return [*found, Finding("grafana annotations", False, str(refusal(reply, "reading annotations")), _REMEDY)]
    return [*found, Finding("grafana annotations", True, "they can be read; whether written, the first act shows")]
