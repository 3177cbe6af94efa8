"""The entry point. Importing the files of commands registers them, those of the daemon first."""

from __future__ import annotations

from observer.cli import daemon_commands, dashboard_commands, file_commands
from observer.cli.application import app
from observer.cli.output import EXIT_BAD_INPUT, EXIT_UNREACHABLE, fail
from observer.domain.errors import ConfigError, JournalUnavailable, ObserverError, RecordingError

__all__ = ["app", "daemon_commands", "dashboard_commands", "file_commands", "main"]


def main() -> None:
    """Entry point: turns Observer's own errors into one clear line and a stable exit code."""
    try:
        app()
    except ConfigError as exc:
        fail(str(exc), EXIT_BAD_INPUT)
    except RecordingError as exc:
        fail(str(exc), EXIT_BAD_INPUT)
    except JournalUnavailable as exc:
        fail(f"journal: {exc}", EXIT_UNREACHABLE)
    except ObserverError as exc:
        fail(str(exc), EXIT_UNREACHABLE)
