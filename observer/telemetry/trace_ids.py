"""The trace of an incident has an id that follows from the incident's own: logs and spans agree without talking."""

from __future__ import annotations

import hashlib


def trace_id_of(incident: str) -> int:
    """128-bit OpenTelemetry trace id, never zero."""
    return int.from_bytes(hashlib.sha256(f"incident:{incident}".encode()).digest()[:16], "big") or 1


def spelled(trace_id: int) -> str:
    """As logs and tracing back ends write it: 32 hex digits."""
    return f"{trace_id:032x}"
