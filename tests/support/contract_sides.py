"""The two sides of a contract suite: the simulator, and the real server that it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

SIDE_NAMES: Final = ("simulator", "real")


def side_of(item: pytest.Item) -> str:
    """The side that a test was parametrised with; empty for tests that have none."""
    call = getattr(item, "callspec", None)  # tests without parameters have none
    parameters = call.params.values() if call is not None else ()
    return next((value for value in parameters if isinstance(value, str) and value in SIDE_NAMES), "")


def uneven(passed: Mapping[str, int]) -> bool:
    """Do the sides differ in how many tests passed, or did none pass?"""
    counts = {passed.get(side, 0) for side in SIDE_NAMES}
    return len(counts) > 1 or counts == {0}
