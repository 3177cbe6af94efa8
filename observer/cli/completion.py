"""Completion in bash, zsh and fish: commands and options always, names where the daemon gives them soon enough."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from observer.cli.application import app, settings_from
from observer.cli.output import show
from observer.domain.errors import ObserverError

if TYPE_CHECKING:
    from observer.web.models.answers import Overview

PROGRAM: Final = "observer"
VARIABLE: Final = "_OBSERVER_COMPLETE"
"""While a shell asks for completions, this says in which way."""
DEADLINE: Final = 0.8
"""Seconds that a person who pressed a key waits for names at most."""
MOST: Final = "1000"


class Shell(StrEnum):
    """The shells that are known."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@app.command()
def completion(
    shell: Annotated[Shell, typer.Argument(help="Which shell.")],
) -> None:
    """
    Print what a shell reads to complete commands, options and, where the daemon answers, namespaces and names.

    For bash: `observer completion bash > ~/.local/share/bash-completion/completions/observer`.
    """
    show(None, script(shell), json=False)


def script(shell: Shell) -> str:
    """What the shell has to read to complete this program."""
    from typer._completion_shared import get_completion_script

    return get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell.value)  # nosec B604


def prepare(environment: Mapping[str, str] = os.environ) -> None:
    """Make the shells known to the application; only needed while one of them asks."""
    if VARIABLE in environment:
        from typer._completion_classes import completion_init

        completion_init()


def namespaces(ctx: typer.Context, incomplete: str) -> list[str]:
    """Namespaces that the daemon watches."""
    return _named(ctx, incomplete, lambda overview: [row.namespace for row in overview.workloads])


def workloads(ctx: typer.Context, incomplete: str) -> list[str]:
    """``NAMESPACE/WORKLOAD``."""
    return _named(ctx, incomplete, lambda overview: [f"{row.namespace}/{row.name}" for row in overview.workloads])


def subjects(ctx: typer.Context, incomplete: str) -> list[str]:
    """``KIND/NAMESPACE/NAME`` of open incidents."""
    return _named(ctx, incomplete, lambda overview: [row.subject.replace(" ", "/", 1) for row in overview.incidents])


def pods(ctx: typer.Context, incomplete: str) -> list[str]:
    """``NAMESPACE/POD`` of open incidents."""
    prefix = "pod "

    def names(overview: Overview) -> Iterable[str]:
        return (row.subject.removeprefix(prefix) for row in overview.incidents if row.subject.startswith(prefix))

    return _named(ctx, incomplete, names)


def _named(ctx: typer.Context, incomplete: str, names: Callable[[Overview], Iterable[str]]) -> list[str]:
    """Names that begin so; nothing when the daemon does not say them in time. Never fails, never prints."""
    from observer.cli.api_client import client_of
    from observer.web.models.answers import Overview

    options, environment = ctx.params, os.environ
    config = options.get("config")
    try:
        client = client_of(
            settings_from(Path(config) if config else None),
            options.get("url") or environment.get("OBSERVER_URL", ""),
            options.get("token_file") or environment.get("OBSERVER_TOKEN_FILE", ""),
            options.get("ca_file") or environment.get("OBSERVER_CA_FILE", ""),
            timeout=DEADLINE,
        )
        overview = asyncio.run(client.get("/api/v1/overview", Overview, {"limit": MOST}))
        return sorted({name for name in names(overview) if name.startswith(incomplete)})
    except ObserverError:
        return []
