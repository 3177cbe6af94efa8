"""Logs as JSON lines on standard error: a fixed event word, facts as keys, nothing secret."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import BinaryIO

import msgspec
import structlog

from observer.telemetry.trace_ids import spelled, trace_id_of

_SECRET = re.compile(r"(?i)authorization|token|passw(or)?d|secret|cookie|credential|api[-_]?key|private[-_]?key")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}")
_HIDDEN = "[redacted]"
_DEEPEST = 6


def configure_logging(level: str, stream: BinaryIO | None = None) -> None:
    """
    Send every log line of the process, libraries' warnings included, to ``stream`` (standard error by default).

    ``level`` is ``debug``, ``info``, ``warning`` or ``error``; libraries never speak below ``warning``.
    """
    out = stream or sys.stderr.buffer
    number = logging.getLevelNamesMapping()[level.upper()]
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    after: list[structlog.typing.Processor] = [structlog.processors.format_exc_info, add_trace_id, redact, render]
    structlog.configure(
        processors=[*before, *after],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = _LineHandler(out, before, after)
    handler.setLevel(max(number, logging.WARNING))
    root = logging.getLogger()
    for earlier in [each for each in root.handlers if isinstance(each, _LineHandler)]:
        root.removeHandler(earlier)
    root.addHandler(handler)


class _LineHandler(logging.Handler):
    """Writes what libraries log through the standard library in the same form."""

    def __init__(
        self, out: BinaryIO, before: list[structlog.typing.Processor], after: list[structlog.typing.Processor]
    ) -> None:
        super().__init__()
        self._logger = structlog.wrap_logger(
            structlog.BytesLogger(out), processors=[*before, *after], wrapper_class=structlog.BoundLogger
        )

    def emit(self, record: logging.LogRecord) -> None:
        facts: dict[str, object] = {"logger": record.name, "text": record.getMessage()}
        if record.exc_info:
            facts["exc_info"] = record.exc_info
        method = record.levelname.lower() if record.levelno in {30, 40, 50} else "error"
        getattr(self._logger, method)("library_log", **facts)


def add_trace_id(_: object, __: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """A line that names an incident also names its trace."""
    if incident := event.get("incident"):
        event["trace_id"] = spelled(trace_id_of(str(incident)))
    return event


def redact(_: object, __: str, event: MutableMapping[str, object]) -> Mapping[str, object]:
    """Hide the values of keys that sound secret, at any depth, and credentials inside texts."""
    return {key: _clean(key, value, 0) for key, value in event.items()}


def _clean(key: str, value: object, depth: int) -> object:
    if _SECRET.search(key) and not isinstance(value, bool | int | float):
        return _HIDDEN
    if isinstance(value, str):
        return _BEARER.sub(_HIDDEN, value)
    if depth >= _DEEPEST:
        return value
    if isinstance(value, Mapping):
        return {str(name): _clean(str(name), item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean("", item, depth + 1) for item in value]
    return value


def _plain(value: object) -> object:
    """What msgspec does not know: a numpy scalar by its Python value, anything else by its text."""
    item = getattr(value, "item", None)
    return item() if callable(item) else str(value)


_ENCODER = msgspec.json.Encoder(enc_hook=_plain)


def render(_: object, __: str, event: Mapping[str, object]) -> bytes:
    """One JSON line: time, level and event first."""
    first = {key: event[key] for key in ("timestamp", "level", "event") if key in event}
    return _ENCODER.encode({**first, **event})
