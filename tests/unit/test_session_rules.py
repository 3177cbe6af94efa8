"""A test whose program is missing is named aloud, and where CI is set it fails the run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
TESTS = """
import pytest

@pytest.mark.needs("no-such-program", "sh")
def test_missing():
    assert True

@pytest.mark.needs("sh")
def test_there():
    assert True
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text())
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = needs(*programs): x\n")
    return tmp_path


def run(project: Path, *words: str, ci: bool = False) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST_")}
    env |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | ({"CI": "1"} if ci else {})
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)


def test_what_did_not_run_is_named_in_capitals(project: Path) -> None:
    done = run(project)

    assert done.returncode == 0
    assert "1 passed, 1 skipped" in done.stdout
    assert "NOT RUN: test_some.py::test_missing: no-such-program not installed" in done.stdout
    assert "test_there:" not in done.stdout


@pytest.mark.parametrize("words", [(), ("-p", "xdist", "-n", "1")])
def test_where_ci_is_set_it_fails_the_run(project: Path, words: tuple[str, ...]) -> None:
    done = run(project, *words, ci=True)

    assert done.returncode == 1
    assert "CI is set: tests that did not run count as failed" in done.stdout


def test_nothing_is_said_when_all_ran(project: Path) -> None:
    done = run(project, "-k", "there", ci=True)

    assert done.returncode == 0
    assert "NOT RUN" not in done.stdout
