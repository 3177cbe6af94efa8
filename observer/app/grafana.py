"""What speaks to Grafana: annotations of the daemon, dashboards of the command, a look of ``doctor``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from observer.config.model import GrafanaSettings, Settings
    from observer.domain.finding import Finding
    from observer.sinks.grafana import GrafanaAnnotations, GrafanaClient


def grafana_annotations(settings: Settings) -> GrafanaAnnotations | None:
    """None where no Grafana is named. Raises: ConfigError for settings that can never work."""
    from observer.sinks.grafana import GrafanaAnnotations

    return GrafanaAnnotations(_client(settings.grafana)) if settings.grafana.url else None


async def probe_grafana(settings: Settings) -> list[Finding]:
    """What ``observer doctor`` says of it; nothing where no Grafana is named."""
    from observer.sinks.grafana.client import probe

    if not settings.grafana.url:
        return []
    client = _client(settings.grafana)
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
    from observer.sinks.grafana import Publisher

    client = _client(where)
    try:
        publisher = Publisher(client, folder=folder, namespace=namespace, overwrite=overwrite)
        await publisher.make_folder()
        done = {str(each["uid"]): (await publisher.publish(each)).value for each in dashboards}
        return (await publisher.api()).version or "the older API", done
    finally:
        await client.close()


def _client(where: GrafanaSettings) -> GrafanaClient:
    from observer.http_client.client import Endpoint
    from observer.sinks.grafana import GrafanaClient

    endpoint = Endpoint("grafana", url=where.url, auth=where.auth, headers=where.headers, timeout=where.timeout)
    return GrafanaClient(endpoint)
