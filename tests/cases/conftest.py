"""What holds for the cases: those that need minutes of real time run only where they are asked for."""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked ``full`` unless ``OBSERVER_CASES_FULL=1``."""
    if os.environ.get("OBSERVER_CASES_FULL") == "1":
        return
    full = [item for item in items if item.get_closest_marker("full")]
    if full:
        config.hook.pytest_deselected(items=full)
        items[:] = [item for item in items if item not in full]
