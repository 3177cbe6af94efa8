"""``observer run``: the daemon."""

from __future__ import annotations

import asyncio

from observer.app.daemon import run_daemon
from observer.cli.application import Config, app, settings_from, settings_path


@app.command()
def run(config: Config = None) -> None:
    """Run the daemon until SIGTERM."""
    raise SystemExit(asyncio.run(run_daemon(settings_from(config), settings_path(config))))
