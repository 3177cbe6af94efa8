"""Commands as the console script runs them, in this process: exit code and what was printed."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from observer.cli.main import main


@dataclass(frozen=True)
class CommandResult:
    """What a command left behind."""

    code: int
    out: str
    err: str


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> CommandResult:
    """Run one command to its end."""
    monkeypatch.setattr(sys, "argv", ["observer", *words])
    code: int | str | None = 0
    try:
        main()
    except SystemExit as exc:
        code = exc.code
    out, err = capsys.readouterr()
    assert isinstance(code, int | None)
    return CommandResult(code or 0, out, err)
