"""What all commands share: the application, common options, the settings that are asked for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from observer.domain.errors import ConfigError
from observer.domain.words import unfit

if TYPE_CHECKING:
    from observer.cli.api_client import ApiClient
    from observer.config.settings.model import Settings

T = TypeVar("T")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Finds the pod that passes its probes and still fails its users, replaces it, and proves that it helped.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Settings file; default: $OBSERVER_CONFIG, else the built-in defaults."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Url = Annotated[
    str, typer.Option("--url", envvar="OBSERVER_URL", help="Address of the daemon; default: `listen` of the settings.")
]
TokenFile = Annotated[
    str, typer.Option("--token-file", envvar="OBSERVER_TOKEN_FILE", help="File with the token to show to the daemon.")
]
CaFile = Annotated[
    str, typer.Option("--ca-file", envvar="OBSERVER_CA_FILE", help="Who signed the daemon's certificate, if not known.")
]


def settings_from(config: Path | None) -> Settings:
    """The settings of ``--config``, of ``$OBSERVER_CONFIG``, or the defaults. Raises: ConfigError."""
    from observer.config.settings.read import default, load

    path = settings_path(config)
    if path is None:
        return default()
    if not path.exists():
        by = "--config" if config is not None else "$OBSERVER_CONFIG"
        raise ConfigError(f"{by} {path}: there is no such file", step="name a settings file, or leave it out")
    return load(path)


def settings_path(config: Path | None) -> Path | None:
    """The settings file in use; None = the built-in defaults."""
    return config or (Path(named) if (named := os.environ.get("OBSERVER_CONFIG")) else None)


def awaited(work: Coroutine[object, object, T]) -> T:
    """What ``work`` returns; what is logged meanwhile goes to standard error, since standard output is the answer's."""
    from observer.telemetry.logging import configure_logging

    configure_logging("error")
    return asyncio.run(work)


def client_from(settings: Settings, url: str, token_file: str, ca_file: str) -> ApiClient:
    """The way to the daemon's API that the options name. Raises: ConfigError."""
    from observer.cli.api_client import client_of

    return client_of(settings, url, token_file, ca_file)


def words(field: str, text: str) -> str:
    """The text as it is. Raises: ConfigError when others must not be shown it."""
    if wrong := unfit(field, text):
        raise ConfigError(wrong)
    return text


def who_is_here() -> str:
    """The login name, as the environment says it. Raises: ConfigError when it is no name."""
    for variable in ("USER", "LOGNAME"):
        if name := os.environ.get(variable):
            return words(f"${variable}", name)
    return "unknown"
