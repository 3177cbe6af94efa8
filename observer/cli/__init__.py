"""The command line. Nothing heavy is imported here: ``observer --help`` and ``check`` must start fast."""

from observer.cli.main import main

__all__ = ["main"]
