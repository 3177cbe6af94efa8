"""What holds for every test: programs that may be missing, skips that are told aloud, seeds that stay the same."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

settings.register_profile("house", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("OBSERVER_HYPOTHESIS", "house"))

# Programs that come as wheels stand beside the interpreter, and go before what a machine happens to have.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command that a test calls in this process sets logging up for it: the next test's lines must not go there."""
    root = logging.getLogger()
    configured, known, handlers = structlog.is_configured(), structlog.get_config(), list(root.handlers)
    yield
    root.handlers[:] = handlers
    if configured:
        structlog.configure(**known)
    else:
        structlog.reset_defaults()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what ``needs`` a program that is not installed."""
    for item in items:
        wanted = [str(name) for marker in item.iter_markers("needs") for name in marker.args]
        if missing := sorted({name for name in wanted if shutil.which(name) is None}):
            item.add_marker(pytest.mark.skip(reason=f"{', '.join(missing)} not installed (deploy/debian-packages.sh)"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where ``CI`` is set, a test that did not run is a failure."""
    if os.environ.get("CI") and session.exitstatus == pytest.ExitCode.OK and _skipped(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name every test that did not run, in capitals."""
    skipped = _skipped(config)
    if not skipped:
        return
    terminalreporter.section("NOT RUN", sep="=", red=True, bold=True)
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        terminalreporter.line(f"NOT RUN: {report.nodeid}: {reason.removeprefix('Skipped: ')}", red=True)
    if os.environ.get("CI"):
        terminalreporter.line("CI is set: tests that did not run count as failed", red=True, bold=True)


def _skipped(config: pytest.Config) -> list[pytest.TestReport]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    found = reporter.stats.get("skipped", []) if isinstance(reporter, pytest.TerminalReporter) else []
    return [report for report in found if isinstance(report, pytest.TestReport)]
