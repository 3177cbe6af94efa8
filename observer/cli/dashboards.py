"""``observer dashboards``: Grafana's pages as files, as ConfigMaps, for provisioning, or straight into a Grafana."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import typer

from observer.app.commands import now
from observer.cli.application import Json, app, awaited
from observer.cli.output import EXIT_BAD_INPUT, fail, show
from observer.cli.rules import documented
from observer.dashboards.model import Dashboard
from observer.dashboards.render import rendered
from observer.domain.errors import ConfigError, SourceUnavailable

FOLDER: Final = "observer"
TITLE: Final = "Observer"
_REACH: Final = "is that Grafana running, and is it the address of --publish? behind a proxy of its own, add the path"
_FILE: Final = "name a file that is there, or leave it out"


@app.command()
def dashboards(
    *,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the JSON files; it is made.")] = None,
    objective: Annotated[
        list[Path] | None,
        typer.Option("--objective", help="OpenSLO file: one dashboard an objective instead of the shipped ones."),
    ] = None,
    service: Annotated[
        list[str] | None, typer.Option("--service", "-s", help="NAMESPACE/NAME for templates; many times.")
    ] = None,
    cluster: Annotated[str, typer.Option(help="Name of the cluster, as in `observer rules`.")] = "",
    configmap: Annotated[
        str, typer.Option("--configmap", help="NAMESPACE: write ConfigMaps for Grafana's sidecar instead of JSON.")
    ] = "",
    provisioning: Annotated[
        str,
        typer.Option(
            "--provisioning", help="PATH of the JSON files in Grafana: also write the provider that loads them."
        ),
    ] = "",
    publish: Annotated[str, typer.Option("--publish", help="Grafana URL to publish to.")] = "",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="With --publish: file with a service account's token.")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option("--ca-file", help="With --publish: who signs its certificate.")
    ] = None,
    folder: Annotated[str, typer.Option(help="Uid of the folder in Grafana; empty: none is chosen.")] = "observer",
    namespace: Annotated[
        str, typer.Option(help="With --publish, of the newer API: default, org-2, stacks-7.")
    ] = "default",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="With --publish: also what others have changed or own.")
    ] = False,
    queries: Annotated[bool, typer.Option("--queries", help="Print every query of every panel.")] = False,
    json: Json = False,
) -> None:
    """
    Write Observer's Grafana dashboards as files, or publish them; the same version writes the same bytes.

    Exit codes: 2 bad input, 4 Grafana refused or does not answer.
    """
    _check_wanted(out, publish, queries=queries)
    brought = {"--token-file": token_file, "--ca-file": ca_file, "--overwrite": overwrite}
    _check_company(brought, "--publish URL", publish)
    _check_company({"--configmap": configmap, "--provisioning": provisioning}, "--out FOLDER", out)
    made = wanted(objective or (), service or (), now(), cluster=cluster)
    if queries:
        show(*listed(made), json=json)
    if out:
        show(*write(out, texts(made, namespace=configmap, path=provisioning, folder=folder)), json=json)
    if publish:
        target = Target(publish, token_file, ca_file, folder, namespace, overwrite)
        show(*awaited(publish_all(made, target)), json=json)


def _check_wanted(out: Path | None, publish: str, *, queries: bool) -> None:
    if not (out or publish or queries):
        step = "`--out FOLDER` writes files, `--publish URL` publishes them to a Grafana, `--queries` only prints"
        fail("one of --out FOLDER, --publish URL or --queries is required", EXIT_BAD_INPUT, step)


def _check_company(given: Mapping[str, object], wanted: str, value: object) -> None:
    """Options that mean something only beside another one must not be lost in silence."""
    if not value and (lost := [name for name, option_value in given.items() if option_value]):
        fail(f"{', '.join(lost)}: only with {wanted}", EXIT_BAD_INPUT, f"add {wanted}, or leave it out")


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
    from observer.dashboards.catalogue import shipped
    from observer.dashboards.objective import of_objective

    if not objectives:
        if services:
            raise ConfigError("--service: needs --objective FILE with a template (observer.dev/each: service)")
        return list(shipped())
    documents = documented(objectives, services, at, cluster=cluster)
    return [of_objective(objective) for objective in documents.objectives]


def texts(dashboards: Sequence[Dashboard], *, namespace: str, path: str, folder: str) -> dict[str, str]:
    """
    The files to write: JSON, and what else is asked for: ``namespace`` of ConfigMaps, ``path`` of the JSON files in
    Grafana's own file system for provisioning.
    """
    from observer.dashboards.catalogue import files
    from observer.dashboards.delivery import CONFIG_MAPS, PROVIDER, config_maps, provider

    by_name = {} if namespace else files(dashboards)
    if namespace:
        by_name[CONFIG_MAPS] = config_maps(dashboards, namespace=namespace, folder=TITLE if folder else "")
    if path:
        by_name[PROVIDER] = provider(path, folder=folder, title=TITLE)
    return by_name


def write(folder: Path, made: dict[str, str]) -> tuple[dict[str, object], str]:
    """Write the files; returns what ``--json`` and the terminal show. Raises: ConfigError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"--out {folder}: {exc.strerror}") from exc
    return {"folder": str(folder), "files": sorted(made)}, "\n".join(str(folder / name) for name in sorted(made))


async def publish_all(dashboards: Sequence[Dashboard], target: Target) -> tuple[dict[str, object], str]:
    """Into a running Grafana; returns what ``--json`` and the terminal show. Raises as ``publish_dashboards`` does."""
    from observer.app.notifications import publish_dashboards
    from observer.cli.api_client import check_address
    from observer.config.settings.model import GrafanaSettings
    from observer.config.settings.sources import HttpAuth

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
            [rendered(dashboard) for dashboard in dashboards],
            folder=target.folder,
            namespace=target.namespace,
            overwrite=target.overwrite,
        )
    except SourceUnavailable as exc:
        exc.step = exc.step or _REACH
        raise
    lines = [f"{uid:<40} {what}" for uid, what in done.items()]
    return {"api": api, "folder": target.folder, "dashboards": done}, "\n".join(lines)


def listed(dashboards: Sequence[Dashboard]) -> tuple[list[dict[str, object]], str]:
    """Every query of ``dashboards``, for machines and for people."""
    from observer.dashboards.catalogue import questions

    queries = questions(dashboards)
    rows = [dict(query._asdict()) for query in queries]
    lines = [
        f"{query.dashboard} | {query.panel} | {query.expr}{f'  (needs: {query.event})' if query.event else ''}"
        for query in queries
    ]
    return rows, "\n".join(lines)
