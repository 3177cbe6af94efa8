"""Times on the command line: how far back a question reaches, and how an answer spells instants and spans."""

from __future__ import annotations

from datetime import UTC, datetime

from observer.config.documents.durations import parse_duration
from observer.domain.errors import ConfigError

LONGEST = 400 * 86_400.0


def since(text: str, now: float) -> float:
    """
    The instant that ``--since`` means, Unix seconds: a duration before ``now``, or an instant with its zone.

    Raises: ConfigError.
    """
    try:
        before = now - parse_duration(text)
    except ValueError:
        before = _instant(text)
    if before > now:
        raise ConfigError(f"--since {text}: lies in the future")
    return max(before, now - LONGEST)


def length(text: str, option: str) -> float:
    """Seconds of a duration that an option holds. Raises: ConfigError."""
    try:
        return parse_duration(text)
    except ValueError as exc:
        raise ConfigError(f"{option} {text!r}: expected a duration such as 90s, 5m or 24h") from exc


def instant(at: float) -> str:
    """``2026-11-25 06:00:00`` in UTC; empty for no instant."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S") if at else ""


def clock(at: float) -> str:
    """``06:00:00`` in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def span(seconds: float) -> str:
    """A length for people in two units at most: ``45 s``, ``3 min 5 s``, ``2 h 10 min``, ``3 d 4 h``."""
    left = round(max(seconds, 0.0))
    parts: list[tuple[int, str]] = []
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append((count, unit))
    shown = [f"{count} {unit}" for count, unit in parts[:2] if count]
    return " ".join(shown) or "0 s"


def _instant(text: str) -> float:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as exc:
        raise ConfigError(
            f"--since {text!r}: expected a duration such as 24h or 7d, or an instant such as 2026-11-25T06:00Z"
        ) from exc
    if at.tzinfo is None:
        raise ConfigError(f"--since {text!r}: the instant has no zone; add Z for UTC")
    return at.timestamp()
