"""The entry point. Importing a command's file registers it; ``--help`` lists them by name."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from observer.cli.application import app
from observer.cli.completion import prepare
from observer.cli.failures import described, sole
from observer.cli.output import fail
from observer.domain.errors import ObserverError

__all__ = ["COMMANDS", "app", "main"]

COMMANDS: Final = (
    "approve", "audit", "check", "completion", "convert", "dashboards", "demo", "diagnose", "doctor", "incidents",
    "migrate", "page", "pause", "record", "replay", "report", "restore", "resume", "rules", "run", "schema", "silence",
    "status", "test", "top", "undo", "version", "why",
)  # fmt: skip
"""Each is a file beside this one."""
for _name in COMMANDS:
    import_module(f"observer.cli.{_name}")
app.registered_commands.sort(key=lambda command: str(command.name or getattr(command.callback, "__name__", "")))


def main() -> None:
    """Entry point: turns Observer's own errors into one clear message with a next step and a stable exit code."""
    prepare()
    try:
        app()
    except ObserverError as exc:
        fail(*described(exc))
    except ExceptionGroup as group:  # tasks that ran together ended together
        if (fault := sole(group)) is None:
            raise
        fail(*described(fault))
