"""Completion in bash, zsh and fish: commands and options always, names where the daemon gives them soon enough."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import typer

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
    return _named(ctx, incomplete, lambda seen: [one["namespace"] for one in seen["workloads"]])


def workloads(ctx: typer.Context, incomplete: str) -> list[str]:
    """``NAMESPACE/WORKLOAD``."""
    return _named(ctx, incomplete, lambda seen: [f"{one['namespace']}/{one['name']}" for one in seen["workloads"]])


def subjects(ctx: typer.Context, incomplete: str) -> list[str]:
    """``KIND/NAMESPACE/NAME`` of open incidents."""
    return _named(ctx, incomplete, lambda seen: [one["subject"].replace(" ", "/", 1) for one in seen["incidents"]])


def pods(ctx: typer.Context, incomplete: str) -> list[str]:
    """``NAMESPACE/POD`` of open incidents."""
    return _named(
        ctx,
        incomplete,
        lambda seen: [
            name for one in seen["incidents"] if (name := one["subject"].removeprefix("pod ")) != one["subject"]
        ],
    )


def _named(ctx: typer.Context, incomplete: str, names: Callable[[Mapping[str, Any]], Iterable[str]]) -> list[str]:
    """Names that begin so; nothing when the daemon does not say them in time. Never fails, never prints."""
    import asyncio

    from observer.cli.application import settings_from
    from observer.cli.door import client_of
    from observer.domain.errors import ObserverError

    given = ctx.params
    config, environment = given.get("config"), os.environ
    try:
        door = client_of(
            settings_from(Path(config) if config else None),
            given.get("url") or environment.get("OBSERVER_URL", ""),
            given.get("token_file") or environment.get("OBSERVER_TOKEN_FILE", ""),
            given.get("ca_file") or environment.get("OBSERVER_CA_FILE", ""),
            timeout=DEADLINE,
        )
        seen = asyncio.run(door.ask("/api/v1/overview", {"limit": MOST}))
        return sorted({name for name in names(seen) if name.startswith(incomplete)})
    except (ObserverError, KeyError, TypeError, AttributeError):
        return []
