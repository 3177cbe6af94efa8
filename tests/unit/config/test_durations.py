from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer.config.documents.durations import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5.0),
        ("500ms", 0.5),
        ("2.5s", 2.5),
        ("1m30s", 90.0),
        ("24h", 86_400.0),
        ("7d", 604_800.0),
        ("1d2h3m4s5ms", 93_784.005),
        ("0s", 0.0),
    ],
)
def test_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "s", "-5s", "5 s", "5S", "1s1m", "1m1m", "1.5m", "5s ", "inf", "1e3s", "\u0665s", "1:30", "5sec"]
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"^"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**12))
def test_duration_survives_writing_and_reading(milliseconds: int) -> None:
    assert round(parse_duration(format_duration(milliseconds / 1000)) * 1000) == milliseconds


@pytest.mark.parametrize(
    ("text", "count"), [("1024", 1024), ("64KiB", 65_536), ("1MB", 10**6), ("2GiB", 2 << 30), ("7B", 7)]
)
def test_size_is_read(text: str, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "KiB", "-1", "1.5MiB", "1 MiB", "1mib", "1TiB"])
def test_anything_else_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match=r"^"):
        parse_size(text)


@given(st.integers(min_value=0, max_value=1 << 40))
def test_size_survives_writing_and_reading(count: int) -> None:
    assert parse_size(format_size(count)) == count
