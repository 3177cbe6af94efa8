"""What speaks to Grafana: annotations of the daemon, dashboards of the command, a look of ``doctor``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from observer.config.settings.model import GrafanaSettings, Settings
    from observer.domain.finding import Finding
    from observer.sinks.grafana import GrafanaAnnotations, GrafanaClient


def grafana_annotations(settings: Settings) -> GrafanaAnnotations | None:
    """None where no Grafana is named. Raises: ConfigError for settings that can never work."""
    from observer.sinks.grafana import GrafanaAnnotations

    return GrafanaAnnotations(_door(settings.grafana)) if settings.grafana.url else None


async def probe_grafana(settings: Settings) -> list[Finding]:
    """What ``observer doctor`` says of it; nothing where no Grafana is named."""
    from observer.sinks.grafana.probe import probe

    if not settings.grafana.url:
        return []
    door = _door(settings.grafana)
    try:
        return await probe(door)
    finally:
        await door.close()


async def publish_dashboards(
    where: GrafanaSettings,
    dashboards: Sequence[Mapping[str, Any]],
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

    door = _door(where)
    try:
        publisher = Publisher(door, folder=folder, namespace=namespace, overwrite=overwrite)
        await publisher.make_folder()
        done = {str(one["uid"]): (await publisher.publish(one)).value for one in dashboards}
        return (await publisher.api()).version or "the older API", done
    finally:
        await door.close()


def _door(where: GrafanaSettings) -> GrafanaClient:
    from observer.sinks.grafana import GrafanaClient

    return GrafanaClient(url=where.url, auth=where.auth, headers=where.headers, timeout=where.timeout)
