"""Times as Kubernetes writes them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import lru_cache


def rfc3339(seconds: float) -> str:
    """Unix seconds as ``2026-01-01T00:00:00Z``."""
    return _whole(math.floor(seconds))


@lru_cache(maxsize=4096)
def _whole(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> float:
    """Unix seconds of an RFC 3339 time; raises ValueError."""
    return datetime.fromisoformat(text).timestamp()
