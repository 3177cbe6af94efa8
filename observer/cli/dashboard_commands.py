"""The command of Grafana's dashboards; its body is imported when it is called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from observer.cli.application import Json, app, awaited
from observer.cli.output import EXIT_BAD_INPUT, fail, show


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
    publish: Annotated[str, typer.Option("--publish", help="URL of a Grafana to bring them to.")] = "",
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
    from observer.app import now
    from observer.cli.dashboards import Target, listed, texts, wanted, write
    from observer.cli.dashboards import publish as bring

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
        show(*awaited(bring(made, target)), json=json)


def _check_wanted(out: Path | None, publish: str, *, queries: bool) -> None:
    if not (out or publish or queries):
        step = "`--out FOLDER` writes files, `--publish URL` brings them to a Grafana, `--queries` only prints"
        fail("say --out FOLDER, --publish URL or --queries", EXIT_BAD_INPUT, step)


def _check_company(given: Mapping[str, object], wanted: str, value: object) -> None:
    """Options that mean something only beside another one must not be lost in silence."""
    if not value and (lost := [name for name, one in given.items() if one]):
        fail(f"{', '.join(lost)}: only with {wanted}", EXIT_BAD_INPUT, f"add {wanted}, or leave it out")
