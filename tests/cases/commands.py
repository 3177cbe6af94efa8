"""Commands as people call them, in this process."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner, Result

from observer.cli.main import app

FILES = Path(__file__).parent


def call(*words: object) -> Result:
    """Run one command of ``observer`` to its end."""
    return CliRunner().invoke(app, [str(word) for word in words])


def told(done: Result) -> str:
    """Everything that a command printed, in one line."""
    return " ".join((done.stdout + done.stderr).split())
