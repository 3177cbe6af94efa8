"""Values of policies as a person writes them."""

from __future__ import annotations

from datetime import UTC, datetime

from observer.config.declarations import written as as_written
from observer.config.policies.keys import settings
from observer.config.policies.windows import WEEKDAYS
from observer.domain.policy import StandingHold, TimeWindow
from observer.domain.settings import Setting


def written(path: str, value: object) -> object:
    """The value of ``path`` (``guards.serving_share``) as it would stand in a document: text, number, switch, list."""
    if isinstance(value, StandingHold):
        return value.reason + ("" if value.until == float("inf") else f" (until {_utc(value.until)})")
    if isinstance(value, TimeWindow):
        days = ",".join(WEEKDAYS[day] for day in sorted(value.days))
        return f"{days} {_clock(value.begin)}-{_clock(value.end)} {value.zone}"
    if isinstance(value, tuple):
        return [written(path, item) for item in value]
    known = settings().get(path)
    return as_written(value, known.setting if known is not None else Setting())


def shown(value: object) -> str:
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
