"""Every check, offline and live, by its id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from observer.config.lint.check import Check
from observer.config.lint.live.queries import LiveCheck
from observer.config.lint.live.registry import LIVE
from observer.config.lint.registry import OFFLINE

_ALL: Final[tuple[Check | LiveCheck, ...]] = (*OFFLINE, *LIVE)
CHECKS: Final[Mapping[str, Check | LiveCheck]] = {check.id: check for check in _ALL}
"""In the order in which they are listed."""
