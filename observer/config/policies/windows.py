"""Windows as people write them (weekdays, local times, a zone) and the offsets that the engine needs of a zone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from observer.config.documents.values import Check, wrong
from observer.domain.policy import TimeWindow

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
AHEAD_DAYS = 400
"""So far ahead the changes of a zone's offset are known to a window; whoever runs longer reads the zones again."""

_CLOCK = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])", re.ASCII)
_CLOCK_PATTERN = r"^([01][0-9]|2[0-4]):[0-5][0-9]$"


def _check_clock(value: str) -> str | None:
    """``HH:MM``, up to 24:00."""
    match = _CLOCK.fullmatch(value)
    if match is None or (match[1] == "24" and match[2] != "00"):
        return f'must be a local time from 00:00 to 24:00, got "{value[:20]}"'
    return None


def minutes(value: str) -> int:
    """Minutes since midnight of ``HH:MM``."""
    hours, _, rest = value.partition(":")
    return int(hours) * 60 + int(rest)


def _check_zone(value: str) -> str | None:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f'is no time zone that this machine knows, got "{value[:60]}"'
    return None


def _check_instant(value: str) -> str | None:
    """RFC 3339 with an offset."""
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return f'must be an instant such as 2026-12-01T08:00:00Z, got "{value[:40]}"'
    return None if found.tzinfo is not None else "must carry its offset from UTC, for example 2026-12-01T08:00:00Z"


def instant(value: str) -> float:
    """Unix seconds."""
    return datetime.fromisoformat(value).timestamp()


CLOCK: Final = Check(_check_clock, _CLOCK_PATTERN)
INSTANT: Final = Check(_check_instant)
ZONE: Final = Check(_check_zone)


def window(days: Iterable[str], begin: str, end: str, zone: str) -> TimeWindow:
    """The window of weekdays, two local times and a zone. Raises: a refusal where it could mean two things."""
    first, last = minutes(begin), minutes(end)
    if first == last:
        raise wrong("from and to are the same time", 'a whole day is from: "00:00", to: "24:00"')
    if first == 1440:
        raise wrong("from must be before 24:00", 'write "00:00" and the day after')
    return TimeWindow(frozenset(WEEKDAYS.index(day) for day in days), first, last, zone)


def placed(time_window: TimeWindow, at: float) -> TimeWindow:
    """The window with the offsets of its zone from a day before ``at`` (Unix seconds) to ``AHEAD_DAYS`` after it."""
    return TimeWindow(
        time_window.days,
        time_window.begin,
        time_window.end,
        time_window.zone,
        _offsets(time_window.zone, int(at // 86_400)),
    )


@lru_cache(maxsize=256)
def _offsets(name: str, day: int) -> tuple[tuple[float, float], ...]:
    here, first = ZoneInfo(name), datetime.fromtimestamp((day - 1) * 86_400, UTC)
    found = [(first.timestamp(), _offset(first, here))]
    for step in range(1, AHEAD_DAYS + 2):
        after = first + timedelta(days=step)
        if (offset := _offset(after, here)) != found[-1][1]:
            found.append((_change(after - timedelta(days=1), after, here), offset))
    return tuple(found)


def _change(before: datetime, after: datetime, here: ZoneInfo) -> float:
    """The second at which the zone's offset became that of ``after``."""
    low, high, wanted = int(before.timestamp()), int(after.timestamp()), _offset(after, here)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(datetime.fromtimestamp(middle, UTC), here) == wanted:
            high = middle
        else:
            low = middle
    return float(high)


def _offset(at: datetime, here: ZoneInfo) -> float:
    shift = at.astimezone(here).utcoffset()
    return shift.total_seconds() if shift is not None else 0.0
