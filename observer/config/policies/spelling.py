"""Values of policies as a person writes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from observer.config.policies.windows import WEEKDAYS
from observer.config.settings.sections import KEYS, spelled
from observer.domain.policy import StandingHold, TimeWindow
from observer.domain.settings import EscalationSettings, GuardSettings, ImpactSettings

_KINDS: dict[str, type] = {
    "detectors.impact": ImpactSettings,
    "escalation": EscalationSettings,
    "guards": GuardSettings,
}


def written(path: str, value: Any) -> Any:
    """The value of ``path`` (``guards.serving_share``) as it would stand in a document: text, number, switch, list."""
    if isinstance(value, StandingHold):
        return value.reason + ("" if value.until == float("inf") else f" (until {_utc(value.until)})")
    if isinstance(value, TimeWindow):
        days = ",".join(WEEKDAYS[day] for day in sorted(value.days))
        return f"{days} {_clock(value.begin)}-{_clock(value.end)} {value.zone}"
    if isinstance(value, tuple):
        return [written(path, item) for item in value]
    prefix, _, name = path.rpartition(".")
    kinds: Mapping[str, Any] = KEYS[_KINDS[prefix]] if prefix in _KINDS else {}
    return spelled(kinds.get(name), value)


def shown(value: Any) -> str:
    """What ``written`` gave, in one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(shown, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
