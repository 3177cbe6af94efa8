"""``observer page``: a recording on the page, read-only."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from observer.app.recorded import show_recording
from observer.runtime.supervise import stop_on_signals
from observer.telemetry.logging import configure_logging


async def run_page(file: Path, listen: str) -> int:
    """Until a signal; exit code 0. Raises: RecordingError, ConfigError."""
    configure_logging("warning")
    stop, started = asyncio.Event(), asyncio.Event()
    stop_on_signals(stop)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(show_recording(file, listen, stop, started=started))
        telling = group.create_task(_told(started, f"http://{listen}"))
        await asyncio.wait({serving})
        telling.cancel()
    return 0


async def _told(started: asyncio.Event, where: str) -> None:
    await started.wait()
    sys.stdout.write(f"{where} shows the recording; Ctrl-C ends it\n")
    sys.stdout.flush()
