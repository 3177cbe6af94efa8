"""``observer dashboards``: Grafana's pages as files, as ConfigMaps, for provisioning, or straight into a Grafana."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from observer.cli.rules import documented
from observer.config.settings.auth import HttpAuth
from observer.config.settings.model import GrafanaSettings
from observer.dashboards.catalogue import files, questions, shipped
from observer.dashboards.delivery import CONFIG_MAPS, PROVIDER, config_maps, provider
from observer.dashboards.model import Dashboard
from observer.dashboards.objective import of_objective
from observer.dashboards.render import rendered
from observer.domain.errors import ConfigError, SourceUnavailable

FOLDER: Final = "observer"
TITLE: Final = "Observer"
_REACH: Final = "is that Grafana running, and is it the address of --publish? behind a proxy of its own, add the path"
_FILE: Final = "name a file that is there, or leave it out"


@dataclass(frozen=True, slots=True)
class Target:
    """A Grafana to publish to, as the options name it."""

    url: str
    token: Path | None = None
    ca: Path | None = None
    folder: str = FOLDER
    namespace: str = "default"
    overwrite: bool = False


def wanted(objectives: Sequence[Path], services: Sequence[str], at: float, *, cluster: str = "") -> list[Dashboard]:
    """
    The shipped dashboards, or one for each objective of ``objectives``, templates for every service.

    Raises: ConfigError with every fault of the documents, or naming the option at fault.
    """
    if not objectives:
        if services:
            raise ConfigError("--service: needs --objective FILE with a template (observer.dev/each: service)")
        return list(shipped())
    found = documented(objectives, services, at, cluster=cluster)
    return [of_objective(one) for one in found.objectives]


def texts(dashboards: Sequence[Dashboard], *, namespace: str, path: str, folder: str) -> dict[str, str]:
    """
    The files to write: JSON, and what else is asked for: ``namespace`` of ConfigMaps, ``path`` of the JSON files in
    Grafana's own file system for provisioning.
    """
    found = {} if namespace else files(dashboards)
    if namespace:
        found[CONFIG_MAPS] = config_maps(dashboards, namespace=namespace, folder=TITLE if folder else "")
    if path:
        found[PROVIDER] = provider(path, folder=folder, title=TITLE)
    return found


def write(folder: Path, made: dict[str, str]) -> tuple[dict[str, Any], str]:
    """Write the files; returns what ``--json`` and the terminal show. Raises: ConfigError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"--out {folder}: {exc.strerror}") from exc
    return {"folder": str(folder), "files": sorted(made)}, "\n".join(str(folder / name) for name in sorted(made))


async def publish(dashboards: Sequence[Dashboard], target: Target) -> tuple[dict[str, Any], str]:
    """Into a running Grafana; returns what ``--json`` and the terminal show. Raises as ``publish_dashboards`` does."""
    from observer.app.notifications import publish_dashboards
    from observer.cli.door import check_address

    check_address("--publish", target.url)
    if target.token is not None and not target.token.is_file():
        raise ConfigError(f"--token-file {target.token}: no such file", step=_FILE)
    if target.ca is not None and not target.ca.is_file():
        raise ConfigError(f"--ca-file {target.ca}: no such file", step=_FILE)
    auth = HttpAuth(bearer_file=str(target.token or ""), ca_file=str(target.ca or ""))
    where = replace(GrafanaSettings(), url=target.url, auth=auth, timeout=15.0)
    try:
        api, done = await publish_dashboards(
            where,
            [rendered(one) for one in dashboards],
            folder=target.folder,
            namespace=target.namespace,
            overwrite=target.overwrite,
        )
    except SourceUnavailable as exc:
        exc.step = exc.step or _REACH
        raise
    lines = [f"{uid:<40} {what}" for uid, what in done.items()]
    return {"api": api, "folder": target.folder, "dashboards": done}, "\n".join(lines)


def listed(dashboards: Sequence[Dashboard]) -> tuple[list[dict[str, Any]], str]:
    """Every query of ``dashboards``, for machines and for people."""
    found = questions(dashboards)
    rows = [dict(one._asdict()) for one in found]
    lines = [
        f"{one.dashboard} | {one.panel} | {one.expr}{f'  (needs: {one.event})' if one.event else ''}" for one in found
    ]
    return rows, "\n".join(lines)
