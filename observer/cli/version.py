"""``observer version`` and ``observer --version``."""

from __future__ import annotations

from typing import Annotated

import typer

from observer import __version__
from observer.cli.application import Json, app
from observer.cli.output import show


@app.command()
def version(json: Json = False) -> None:
    """Print the version."""
    show({"version": __version__}, f"observer {__version__}", json=json)


def _print_and_end(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_and_end, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """What stands before the command."""
