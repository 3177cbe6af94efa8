from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer.config.openslo.windows import bounds
from observer.config.openslo.words import seconds, spelled, split

DAY = 86_400.0
BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def test_months_begin_at_local_midnight_whatever_the_clocks_do() -> None:
    found = bounds(1, "M", "2026-01-01 00:00:00", "Europe/Berlin", at("2026-04-10T12:00:00"))

    assert found[:4] == (at("2026-02-01"), at("2026-03-01"), at("2026-04-01"), at("2026-05-01"))
    assert found[2] - found[1] == 31 * DAY - 3600


def test_a_day_of_a_clock_change_is_one_period() -> None:
    found = bounds(1, "d", "2026-01-01 00:00:00", "Europe/Berlin", at("2026-10-25T12:00:00"))

    assert found[2:4] == (at("2026-10-25"), at("2026-10-26"))
    assert found[3] - found[2] == 25 * 3600


def test_a_month_without_the_day_begins_on_its_last() -> None:
    found = bounds(1, "M", "2026-01-31 08:00:00", "UTC", at("2026-03-05T00:00:00", ZoneInfo("UTC")))

    starts = [datetime.fromtimestamp(one, UTC).strftime("%m-%d %H") for one in found[:4]]
    assert starts == ["01-31 08", "02-28 08", "03-31 08", "04-30 08"]


def test_before_the_start_there_is_no_period() -> None:
    assert bounds(1, "Y", "2030-01-01 00:00:00", "UTC", 0.0)[0] == at("2030-01-01", ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1m", 60),
        ("2h", 7200),
        ("30d", 30 * DAY),
        ("4w", 28 * DAY),
        ("1M", 30 * DAY),
        ("1Q", 90 * DAY),
        ("1Y", 365 * DAY),
    ],
)
def test_shorthand(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "1", "0d", "1s", "1h30m", "1.5h", "-1d", "1D", " 1d", "01d", "1d\n"])
def test_no_shorthand(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        split(text)


@given(st.integers(1, 100_000))
def test_spelling_a_length_reads_back(minutes: int) -> None:
    assert seconds(spelled(minutes * 60.0)) == minutes * 60


@given(
    count=st.integers(1, 12),
    unit=st.sampled_from("dwMQY"),
    start=st.datetimes(datetime(2000, 1, 1), datetime(2026, 12, 31)),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]),
    ahead=st.integers(0, 5000),
)
def test_now_always_lies_in_a_period_that_is_known(
    count: int, unit: str, start: datetime, zone: str, ahead: int
) -> None:
    begin = start.replace(microsecond=0)
    now = begin.replace(tzinfo=ZoneInfo(zone)).timestamp() + ahead * DAY

    found = bounds(count, unit, begin.strftime("%Y-%m-%d %H:%M:%S"), zone, now)

    assert all(a < b for a, b in pairwise(found))
    assert found[0] <= now < found[-1]
    assert found[-1] > now + 400 * DAY
    index = max(i for i, one in enumerate(found) if one <= now)
    assert index <= 2
    longest = (seconds(f"{count}{unit}") / DAY) * 1.04 + 2
    assert all(b - a <= longest * DAY for a, b in pairwise(found))
