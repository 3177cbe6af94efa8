"""``observer record``: the looking half of the daemon in shadow mode, recorded."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from observer.app.cluster_access import connected
from observer.app.daemon import build
from observer.cli.application import Config, app, settings_from
from observer.domain.action import Mode
from observer.domain.errors import RecordingError

if TYPE_CHECKING:
    from observer.config.settings.model import Settings

LONGER: Final = "allow more time with --seconds; `observer doctor` says what a tick lacks"


@app.command()
def record(
    folder: Annotated[Path, typer.Option("--out", "-o", help="Folder for the recording; it is made.")],
    seconds: Annotated[float, typer.Option(min=1, help="Stop after so long.")] = 600.0,
    config: Config = None,
) -> None:
    """Watch in shadow mode and record what is seen and decided, for `observer replay`; writes nothing else."""
    raise SystemExit(asyncio.run(run_record(settings_from(config), folder, seconds)))


async def run_record(settings: Settings, folder: Path, seconds: float) -> int:
    """
    Exit code 0; the files are named on standard output.

    Raises: RecordingError when the folder cannot be made, or no tick was recorded.
    """
    from observer.runtime.supervise import stop_on_signals, supervise
    from observer.telemetry.logging import configure_logging

    before = await asyncio.to_thread(_made, folder)
    configure_logging(settings.log_level)
    stop = asyncio.Event()
    stop_on_signals(stop)
    with tempfile.TemporaryDirectory(prefix="observer-record-") as scratch:
        watching = _only_watching(settings, folder, Path(scratch))
        async with connected(watching) as api, asyncio.TaskGroup() as group:
            await api.open()
            plan = await build(watching, api)
            daemon = group.create_task(supervise(plan, stop))
            await asyncio.wait({daemon}, timeout=seconds)
            stop.set()
    files = await asyncio.to_thread(_files, folder)
    if not set(files) - set(before):
        raise RecordingError(f"{folder}: no tick ended within {seconds:g} s: nothing was recorded", step=LONGER)
    for path in files:
        sys.stdout.write(f"{path}\n")
    return 0


def _made(folder: Path) -> list[Path]:
    """What is in the folder already. Raises: RecordingError when it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise RecordingError(f"--out {folder}: cannot be made: {exc.strerror}", step="name another folder") from exc
    return _files(folder)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.rec"))


def _only_watching(settings: Settings, folder: Path, scratch: Path) -> Settings:
    """The same eyes without a hand: no policy may take it out of shadow, and nothing of the real daemon is touched."""

    from observer.config.settings.model import LeaseSettings, RecordingSettings, WebhookSettings

    return replace(
        settings,
        engine=replace(settings.engine, mode=Mode.SHADOW),
        policies=(),
        lease=LeaseSettings(enabled=False),
        webhook=WebhookSettings(),
        recording=RecordingSettings(path=str(folder), max_bytes=settings.recording.max_bytes, keep=10_000),
        journal=f"sqlite+aiosqlite:///{scratch / 'journal.db'}",
        journal_password_file="",
        audit=str(scratch / "audit.jsonl"),
        listen="127.0.0.1:0",
    )
