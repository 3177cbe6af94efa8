"""Time windows of a document as the engine wants them; calendar periods are computed here, where zones are known."""

from __future__ import annotations

import calendar
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from observer.config.openslo.models import START_FORMAT, TimeWindow
from observer.config.openslo.words import seconds, split
from observer.domain.slo import CalendarWindow, RollingWindow

_BEFORE: Final = 2
_AHEAD: Final = timedelta(days=400)
_MONTHS: Final = {"M": 1, "Q": 3, "Y": 12}
_DAYS: Final = {"d": 1, "w": 7}


def window_of(window: TimeWindow, at: float) -> RollingWindow | CalendarWindow:
    """``at`` (Unix seconds) is the time of loading, around which calendar bounds are computed."""
    if window.calendar is None:
        return RollingWindow(seconds(window.duration))
    count, unit = split(window.duration)
    start, zone = window.calendar.start_time, window.calendar.time_zone
    return CalendarWindow(count, unit, start, zone, bounds(count, unit, start, zone, at))


def bounds(count: int, unit: str, start: str, zone: str, at: float) -> tuple[float, ...]:
    """
    Starts of the periods of ``count`` ``unit`` (``d w M Q Y``) since ``start``, a local time in ``zone``: the two
    before the one that holds ``at``, that one, and all within the next 400 days, with the one after them.

    Days are the zone's own days, 23 or 25 hours long where clocks change; a month that lacks the day of ``start``
    begins on its last day. Before ``start`` no period begins. Unix seconds, ascending.
    """
    local, step = datetime.strptime(start, START_FORMAT), _step(count, unit)  # noqa: DTZ007 - the zone is joined below

    def instant(index: int) -> float:
        return step(local, index).replace(tzinfo=ZoneInfo(zone)).timestamp()

    length = seconds(f"{count}{unit}")
    current = max(0, int((at - instant(0)) / length) - 2)
    while instant(current + 1) <= at:
        current += 1
    end = (datetime.fromtimestamp(at, UTC) + _AHEAD).timestamp()
    found: list[float] = []
    index = max(0, current - _BEFORE)
    while not found or found[-1] <= end or index <= current + 1:
        found.append(instant(index))
        index += 1
    return tuple(found)


def _step(count: int, unit: str) -> Callable[[datetime, int], datetime]:
    if unit in _DAYS:
        days = count * _DAYS[unit]
        return lambda local, index: local + timedelta(days=days * index)
    months = count * _MONTHS[unit]
    return lambda local, index: _months_later(local, months * index)


def _months_later(local: datetime, months: int) -> datetime:
    whole = local.year * 12 + local.month - 1 + months
    year, month = divmod(whole, 12)
    day = min(local.day, calendar.monthrange(year, month + 1)[1])
    return local.replace(year=year, month=month + 1, day=day)
