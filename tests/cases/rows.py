"""
The marks of the cases.

Each case is an input that real clusters make, with the value that is right for it. A case that comes out wrong today is
a strict expected failure whose reason names its row and the kind of fault; whoever mends the kind takes the mark away.
"""

from __future__ import annotations

from typing import Any

import pytest


def wrong(row: str, kind: str) -> pytest.MarkDecorator:
    """``row`` is wrong today: its assertions fail, nothing else does."""
    return pytest.mark.xfail(strict=True, raises=AssertionError, reason=f"{row}: {kind}")


def case(*values: Any, row: str = "", kind: str = "", name: str = "") -> Any:
    """A parameter set: wrong today where ``kind`` is given, a control otherwise."""
    return pytest.param(*values, id=name or str(values[0]), marks=[wrong(row, kind)] if kind else [])
