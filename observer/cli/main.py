"""The entry point. Importing the files of commands registers them, those of the daemon first."""

from __future__ import annotations

from observer.cli import daemon_commands, dashboard_commands, file_commands, people_commands, word_commands
from observer.cli.application import app
from observer.cli.completion import prepare
from observer.cli.failures import sole, told
from observer.cli.output import fail
from observer.domain.errors import ObserverError

__all__ = [
    "app", "daemon_commands", "dashboard_commands", "file_commands", "main", "people_commands", "word_commands",
]  # fmt: skip


def main() -> None:
    """Entry point: turns Observer's own errors into one clear message with a next step and a stable exit code."""
    prepare()
    try:
        app()
    except ObserverError as exc:
        fail(*told(exc))
    except ExceptionGroup as group:  # tasks that ran together ended together
        if (fault := sole(group)) is None:
            raise
        fail(*told(fault))
