"""The list of log events is closed: what is logged stands in it, and what stands in it is logged."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from observer.telemetry.log_events import LOG_EVENTS

SOURCES = sorted((Path(__file__).parents[3] / "observer").rglob("*.py"))
LEVELS = {"debug", "info", "warning", "error"}


def logged() -> Iterator[str]:
    """Every text that a log line, or what logs for others (``SourceFailure``), is given as its event."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = node.func
            if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "log":
                yield from texts(node.args[0]) if called.attr in LEVELS else ()
            elif isinstance(called, ast.Name) and called.id == "SourceFailure":
                yield from texts(node.args[1])


def texts(node: ast.expr) -> Iterator[str]:
    return (each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str))


def test_every_event_is_listed_and_every_listed_one_is_logged() -> None:
    assert set(logged()) | {"library_log"} == set(LOG_EVENTS)


def test_events_are_words_and_sorted_and_each_has_a_sentence() -> None:
    assert list(LOG_EVENTS) == sorted(LOG_EVENTS)
    for event, meaning in LOG_EVENTS.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", event)
        assert meaning[0].isupper() and meaning.endswith(".") and len(meaning) < 120
