"""Statuses to errors."""

from __future__ import annotations

import json

import pytest

from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.kube.errors import (
    BadAnswer,
    Conflict,
    Forbidden,
    KubeError,
    LimitKind,
    ServerError,
    Status,
    StatusError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    as_source_error,
    status_error,
    typed,
)


def test_a_status_object_is_read() -> None:
    body = {"kind": "Status", "reason": "Conflict", "message": "changed", "details": {"causes": [{"reason": "X"}]}}
    error = status_error(409, json.dumps(body).encode(), {})
    assert type(error) is Conflict
    assert (error.code, error.reason, error.message, error.causes) == (409, "Conflict", "changed", ("X",))


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'{"details": 3}', b"\xff\xfe", b'{"message": 5}', b"null"])
def test_any_other_body_is_text(body: bytes) -> None:
    error = status_error(503, body, {})
    assert type(error) is ServerError
    assert error.code == 503


def test_the_http_status_counts_not_what_the_body_says() -> None:
    assert type(status_error(403, b'{"code": 200}', {})) is Forbidden


def test_long_messages_are_cut() -> None:
    error = status_error(400, b"x" * 100_000, {})
    assert len(str(error)) < 500


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0), ("-1", 0.0)]
)
def test_retry_after_is_seconds_or_nothing(header: str, seconds: float) -> None:
    error = status_error(429, b"", {"Retry-After": header})
    assert isinstance(error, TooManyRequests)
    assert (error.retry_after, error.kind) == (seconds, LimitKind.PRIORITY)


def test_an_unknown_code_is_still_a_refusal() -> None:
    assert type(typed(Status(code=418))) is StatusError
    assert type(typed(Status(code=599))) is ServerError


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (Unavailable("gone"), SourceUnavailable, "unreachable"),
        (BadAnswer("odd"), SourceProtocolError, "protocol"),
        (Forbidden(Status(code=403)), SourceUnavailable, "denied"),
        (Unauthorized(Status(code=401)), SourceUnavailable, "denied"),
        (ServerError(Status(code=500)), SourceUnavailable, "unreachable"),
    ],
)
def test_sources_get_their_own_words(error: KubeError, kind: type[Exception], reason: str) -> None:
    found = as_source_error("pods", error)
    assert type(found) is kind
    assert found.reason == reason
    assert "pods" in str(found)
