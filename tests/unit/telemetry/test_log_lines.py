from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
import structlog

from observer.telemetry.logging import configure_logging
from observer.telemetry.trace_ids import spelled, trace_id_of


class Lines:
    def __init__(self) -> None:
        self.raw = io.BytesIO()

    def read(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(line) for line in self.raw.getvalue().splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    held = Lines()
    handlers = list(logging.getLogger().handlers)
    configure_logging("info", held.raw)
    yield held
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers


def test_a_line_is_json_with_time_level_and_event_first(lines: Lines) -> None:
    structlog.get_logger("x").info("tick_completed", tick=3, share=np.float64(0.5), where=structlog.__class__)

    line = lines.read()[0]
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert line["timestamp"].endswith("Z")
    assert (line["level"], line["event"], line["tick"], line["share"]) == ("info", "tick_completed", 3, 0.5)


def test_below_the_level_nothing_is_written(lines: Lines) -> None:
    structlog.get_logger().debug("query_sent")

    assert lines.read() == []


def test_secrets_are_hidden_at_any_depth(lines: Lines) -> None:
    structlog.get_logger().warning(
        "source_failed",
        token="abc",
        headers={"Authorization": "Bearer abcdefghijkl", "accept": "json"},
        calls=[{"api_key": "k1"}, {"password": "k2", "status": 403}],
        error="got 401 for Authorization: Bearer abcdefghijkl at 10.0.0.1",
        token_count=5,
    )

    text = lines.raw.getvalue().decode()
    assert not any(secret in text for secret in ("abc", "k1", "k2"))
    line = lines.read()[0]
    assert line["headers"]["accept"] == "json"
    assert line["calls"][1]["status"] == 403
    assert line["token_count"] == 5
    assert line["error"] == "got 401 for Authorization: [redacted] at 10.0.0.1"


def test_a_line_of_an_incident_names_its_trace(lines: Lines) -> None:
    structlog.get_logger().info("decided", incident="inc-1")
    structlog.get_logger().info("decided", incident="")

    first, second = lines.read()
    assert first["trace_id"] == spelled(trace_id_of("inc-1"))
    assert "trace_id" not in second


def test_an_error_with_its_traceback_stays_one_line(lines: Lines) -> None:
    try:
        raise ValueError("no such pod")
    except ValueError:
        structlog.get_logger().exception("tick_failed")

    (line,) = lines.read()
    assert line["level"] == "error"
    assert "ValueError: no such pod" in line["exception"]


def test_libraries_speak_in_the_same_form_from_warning_on(lines: Lines) -> None:
    logging.getLogger("aiohttp.client").warning("slow %s", "answer")
    logging.getLogger("aiohttp.client").info("not heard")
    try:
        raise OSError("gone")
    except OSError:
        logging.getLogger("asyncio").exception("task failed")

    first, second = lines.read()
    assert (first["event"], first["logger"], first["text"], first["level"]) == (
        "library_log",
        "aiohttp.client",
        "slow answer",
        "warning",
    )
    assert "OSError: gone" in second["exception"]


def test_configuring_twice_does_not_double_the_lines(lines: Lines) -> None:
    configure_logging("info", lines.raw)
    logging.getLogger("x").warning("once")

    assert len(lines.read()) == 1


def test_trace_ids_are_stable_and_distinct() -> None:
    assert trace_id_of("a") == trace_id_of("a") != trace_id_of("b")
    assert 0 < trace_id_of("a") < 1 << 128
    assert len(spelled(trace_id_of("a"))) == 32
