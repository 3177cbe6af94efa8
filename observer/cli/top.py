"""``observer top``: the daemon's overview on the terminal, live."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

from observer.app.commands import now
from observer.cli.application import CaFile, Config, TokenFile, Url, app, client_from, settings_from
from observer.cli.completion import namespaces
from observer.cli.output import paint_for
from observer.domain.errors import ConfigError

if TYPE_CHECKING:
    from observer.cli.api_client import ApiClient
    from observer.cli.top_view import TopView, WorkloadFilter


WITHOUT: Final = "observer top needs the extra `tui`: pip install 'observer[tui]'; or take --plain"


@app.command()
def top(
    *,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Only workloads of this namespace.", autocompletion=namespaces)
    ] = "",
    text: Annotated[str, typer.Option("--filter", help="Only workloads whose namespace/name holds this text.")] = "",
    every: Annotated[float, typer.Option(min=0.5, max=3600, help="Seconds between two updates.")] = 2.0,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of the full screen.")] = False,
    url: Url = "",
    token_file: TokenFile = "",
    ca_file: CaFile = "",
    config: Config = None,
) -> None:
    """
    Watch the daemon live: actions required of people, open incidents, workloads, interventions; needs the extra `tui`.

    Where standard output is no terminal it prints once. Keys: arrows and enter (why), i, w, / (filter), space, r, q.
    """
    from observer.cli.top_view import WorkloadFilter

    client = client_from(settings_from(config), url, token_file, ca_file)
    interactive = sys.stdout.isatty() and sys.stdin.isatty()
    with suppress(KeyboardInterrupt):
        run_top(client, WorkloadFilter(namespace, text), every=every, plain=plain, interactive=interactive)


def run_top(client: ApiClient, only: WorkloadFilter, *, every: float, plain: bool, interactive: bool) -> None:
    """
    The full screen on a terminal, lines with ``plain``, once where standard output is no terminal.

    Raises: ApiError when the daemon cannot be asked at the start, ConfigError without the extra.
    """
    from observer.cli.top_view import fetch, text

    if not interactive:
        view = asyncio.run(fetch(client, only, now()))
        sys.stdout.write(text(view, paint_for(sys.stdout)) + "\n")
    elif plain:
        asyncio.run(_lines(client, only, every))
    else:
        if importlib.util.find_spec("textual") is None:
            raise ConfigError(WITHOUT)
        asyncio.run(_screen(client, only, every))


async def _lines(client: ApiClient, only: WorkloadFilter, every: float) -> None:
    from observer.cli.top_view import fetch, refreshed

    def write(said: str) -> None:
        sys.stdout.write(said)
        sys.stdout.flush()

    await refreshed(lambda: fetch(client, only, now()), write, asyncio.sleep, paint_for(sys.stdout), every)


async def _screen(client: ApiClient, only: WorkloadFilter, every: float) -> None:
    from observer.cli.top_screen import Top
    from observer.cli.top_view import decisions_about, fetch

    patient = replace(client, timeout=max(client.timeout, every))

    async def ask(wanted: WorkloadFilter) -> TopView:
        return await fetch(patient, wanted, now())

    async def decisions(query: dict[str, str]) -> list[str]:
        return await decisions_about(patient, query)

    await Top(await ask(only), ask, decisions, only=only, every=every).run_async()
