"""The application as a whole: a file for each command, the version, and a help that loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

from observer import __version__
from observer.cli.main import COMMANDS, app
from tests.support.command_line import said


def test_each_command_stands_in_a_file_of_its_name() -> None:
    found = {command.name or command.callback.__name__: command.callback.__module__
             for command in app.registered_commands if command.callback is not None}  # fmt: skip
    assert found == {name: f"observer.cli.{name}" for name in found} and len(found) > 25
    assert list(found) == sorted(found) and {*found, "audit"} == set(COMMANDS)


@pytest.mark.parametrize("words", [("--version",), ("version",)])
def test_the_version(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    result = said(monkeypatch, capsys, *words)
    assert (result.code, result.out, result.err) == (0, f"observer {__version__}\n", "")


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\nfrom observer.cli.main import main\nsys.argv = ['observer', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({'numpy', 'aiohttp', 'pydantic', 'sqlalchemy', 'jinja2', 'yaml', 'textual'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")
