"""The trace of an incident has an id that follows from the incident's own: logs and spans agree without talking."""

from __future__ import annotations

import hashlib


def trace_id_of(incident: str) -> int:
    """128-bit OpenTelemetry trace id, never zero."""
    return int.from_bytes(hashlib.sha256(f"incident:{incident}".encode()).digest()[:16], "big") or 1


def spelled(trace_id: int) -> str:
    """As logs and tracing back ends write it: 32 hex digits."""
    return f"{trace_id:032x}"


def span_id_of(what: str) -> int:
    """64-bit span id that follows from what the span stands for, never zero."""
    return int.from_bytes(hashlib.sha256(f"span:{what}".encode()).digest()[:8], "big") or 1


def root_span_of(incident: str) -> int:
    """Span id of the incident's root span."""
    return span_id_of(f"incident:{incident}")


def traceparent(incident: str) -> str:
    """The W3C header that makes what follows a child of the incident's root span."""
    return f"00-{spelled(trace_id_of(incident))}-{root_span_of(incident):016x}-01"


def tick_trace_of(at: float) -> int:
    """Trace id of the tick at this instant (Unix seconds)."""
    return int.from_bytes(hashlib.sha256(f"tick:{at!r}".encode()).digest()[:16], "big") or 1
