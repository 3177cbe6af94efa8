"""What each dialect of the query API wants to hear besides the question."""

from __future__ import annotations

from observer.config.settings.sources import Flavor, PrometheusSettings

_HIDDEN_PARAMETERS: dict[Flavor, dict[str, str]] = {
    Flavor.PROMETHEUS: {},
    Flavor.THANOS: {"dedup": "true", "partial_response": "false"},
    Flavor.MIMIR: {},
    # By default the newest 30 s are hidden and answers come from a cache; both would blind a five-second tick.
    Flavor.VICTORIAMETRICS: {"deny_partial_response": "1", "nocache": "1", "latency_offset": "1s"},
}


def flavor_parameters(flavor: Flavor) -> dict[str, str]:
    """Form fields that make this dialect answer completely or not at all."""
    return dict(_HIDDEN_PARAMETERS[flavor])


def tenant_headers(flavor: Flavor, tenant: str) -> dict[str, str]:
    """The headers that name ``tenant``; VictoriaMetrics takes ``account`` or ``account:project``."""
    if not tenant:
        return {}
    match flavor:
        case Flavor.THANOS:
            return {"THANOS-TENANT": tenant}
        case Flavor.VICTORIAMETRICS:
            account, _, project = tenant.partition(":")
            return {"AccountID": account, "ProjectID": project or "0"}
        case _:
            return {"X-Scope-OrgID": tenant}


def fixed_headers(settings: PrometheusSettings) -> dict[str, str]:
    """The headers of every request that are no secret."""
    return {**tenant_headers(settings.flavor, settings.tenant), **settings.headers}
