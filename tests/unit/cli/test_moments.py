"""What ``--since`` understands, and how spans are spelled."""

from __future__ import annotations

import pytest

from observer.cli.moments import instant, length, since, span
from observer.domain.errors import ConfigError

NOW = 1_795_000_000.0


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("24h", NOW - 86_400),
        ("1m30s", NOW - 90),
        ("2026-11-18T00:00Z", 1_794_960_000.0),
        ("2026-11-18T01:00+01:00", 1_794_960_000.0),
        ("9999d", NOW - 400 * 86_400),
    ],
)
def test_a_duration_or_an_instant(text: str, at: float) -> None:
    assert since(text, NOW) == at


@pytest.mark.parametrize(
    ("text", "why"),
    [("yesterday", "24h or 7d"), ("3", "24h or 7d"), ("2026-11-18T00:00", "no zone"), ("2999-01-01T00:00Z", "future")],
)
def test_what_is_not_understood_is_told_with_an_example(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        since(text, NOW)


def test_a_length_names_its_option() -> None:
    assert length("5m", "--for") == 300
    with pytest.raises(ConfigError, match="--for '5'"):
        length("5", "--for")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (0.4, "0 s"), (45, "45 s"), (185, "3 min 5 s"), (7800, "2 h 10 min"), (3600, "1 h"),
        (273_700, "3 d 4 h"), (-5, "0 s"), (86_401, "1 d"),
    ],
)  # fmt: skip
def test_spans(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_no_instant_is_empty() -> None:
    assert instant(0.0) == "" and instant(1_794_960_000.0) == "2026-11-18 00:00:00"
