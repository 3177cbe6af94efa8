"""Kubernetes' two spellings of an instant, in UTC whatever the machine's time zone."""

from __future__ import annotations

from datetime import UTC, datetime


def micro_time(at: float) -> str:
    """Unix seconds as MicroTime: ``2026-01-01T00:00:00.000000Z``."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def rfc3339(at: float) -> str:
    """Unix seconds as Time: ``2026-01-01T00:00:00Z`` (whole seconds, cut)."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unix(text: str) -> float:
    """RFC 3339 to Unix seconds; raises ``ValueError`` for anything else or an instant without a zone."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    return instant.timestamp()
