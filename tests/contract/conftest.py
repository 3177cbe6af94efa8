"""How many contract tests passed on each side: a contract that only one side keeps is none."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.support.contract_sides import SIDE_NAMES, side_of, uneven

_SIDES = pytest.StashKey[dict[str, str]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Remember the side of each test by its id."""
    found = {item.nodeid: side_of(item) for item in items}
    config.stash[_SIDES] = {nodeid: side for nodeid, side in found.items() if side}


def _passed(config: pytest.Config) -> Counter[str]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    sides = config.stash.get(_SIDES, {})
    told = reporter.stats.get("passed", []) if isinstance(reporter, pytest.TerminalReporter) else []
    return Counter(sides[report.nodeid] for report in told if report.nodeid in sides)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash.get(_SIDES, {}):
        passed = _passed(config)
        counts = ", ".join(f"{passed[side]} on the {side} side" for side in SIDE_NAMES)
        terminalreporter.line(f"contract tests passed: {counts}", bold=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With the lab's servers every test has a real side: unequal numbers are a failure."""
    demanded = os.environ.get("OBSERVER_LAB_KUBECONFIG") and session.exitstatus == pytest.ExitCode.OK
    if demanded and uneven(_passed(session.config)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
