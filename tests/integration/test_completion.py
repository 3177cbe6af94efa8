"""Completion as bash runs it, and as the other shells ask for it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from observer.cli.completion import VARIABLE, Shell, script
from tests.support.scripted_api import threaded

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A PATH with the program of this checkout in it."""
    program = tmp_path / "bin" / "observer"
    program.parent.mkdir()
    code = "import sys; sys.argv[0] = 'observer'; from observer.cli.main import main; main()"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(code)} "$@"\n')
    program.chmod(0o755)
    retained = {name: value for name, value in os.environ.items() if not name.startswith("OBSERVER")}
    path = f"{program.parent}:{os.environ['PATH']}"
    return {
        **retained,
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "OBSERVER_URL": "http://127.0.0.1:1",
        "HOME": str(tmp_path),
    }


def in_bash(environment: dict[str, str], *words: str) -> list[str]:
    """What bash offers after these words, the last of which is not finished; asked as bash itself asks."""
    line = " ".join(words)
    asked = f"""
        set -e
        {script(Shell.BASH)}
        function_name=$(complete -p observer | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
        COMP_WORDS=({" ".join(map(shlex.quote, words))}) COMP_CWORD={len(words) - 1}
        COMP_LINE={shlex.quote(line)} COMP_POINT={len(line)}
        "$function_name" observer {shlex.quote(words[-1])} {shlex.quote(words[-2])}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", asked], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert not done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [(("observer", "inc"), ["incidents"]), (("observer", "report", "--format", "s"), ["slack"])],
)
def test_bash_completes_commands_and_words(
    environment: dict[str, str], words: tuple[str, ...], offered: list[str]
) -> None:
    assert in_bash(environment, *words) == offered


def test_bash_completes_names_that_the_daemon_knows(environment: dict[str, str]) -> None:
    with threaded() as daemon:
        assert in_bash(environment | {"OBSERVER_URL": daemon.url}, "observer", "why", "pod/b") == ["pod/bank/pay-2"]
    assert in_bash(environment, "observer", "top", "--namespace", "") == [], "without a daemon there are no names"


@pytest.mark.parametrize(
    ("shell", "asked"),
    [
        (Shell.ZSH, {"_TYPER_COMPLETE_ARGS": "observer inc"}),
        (Shell.FISH, {"_TYPER_COMPLETE_ARGS": "observer inc", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ],
)
def test_other_shells_are_answered_too(environment: dict[str, str], shell: Shell, asked: dict[str, str]) -> None:
    wanted = environment | asked | {VARIABLE: f"complete_{shell}"}
    found = subprocess.run(["observer"], env=wanted, capture_output=True, text=True, check=True)
    assert "incidents" in found.stdout and not found.stderr
