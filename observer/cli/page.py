"""``observer page``: a recording on the page, read-only."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from observer.cli.application import app
from observer.domain.errors import ObserverError


@app.command()
def page(
    recording: Annotated[Path, typer.Option("--recording", "-r", help="A recording, for example of `demo --day`.")],
    listen: Annotated[str, typer.Option(help="Address on the loopback interface.")] = "127.0.0.1:8090",
) -> None:
    """Show a recording on the page and the reading API, as the daemon showed it at its end; nothing can be written."""
    raise SystemExit(asyncio.run(run_page(recording, listen)))


async def run_page(file: Path, listen: str) -> int:
    """Until a signal; exit code 0. Raises: RecordingError, ConfigError."""
    from observer.app.recorded import show_recording
    from observer.runtime.supervise import stop_on_signals
    from observer.telemetry.logging import configure_logging

    configure_logging("warning")
    stop, started = asyncio.Event(), asyncio.Event()
    stop_on_signals(stop)
    failure: ObserverError | None = None
    async with asyncio.TaskGroup() as group:
        announcing = group.create_task(_announce(started, f"http://{listen}"))
        try:
            await show_recording(file, listen, stop, started=started)
        except ObserverError as exc:
            failure = exc  # raised outside: the group would wrap it, and nobody could tell what it was
        finally:
            announcing.cancel()
    if failure is not None:
        raise failure
    return 0


async def _announce(started: asyncio.Event, where: str) -> None:
    await started.wait()
    sys.stdout.write(f"{where} shows the recording; Ctrl-C ends it\n")
    sys.stdout.flush()
