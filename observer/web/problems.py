"""Errors as ``application/problem+json`` (RFC 9457): the same shape for every route of the API."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from aiohttp import web
from msgspec import Struct

PROBLEM_JSON = "application/problem+json"


class Problem(Struct, frozen=True):
    """
    What went wrong. ``title`` is the status in words, ``detail`` says what to do about it, ``reason`` is a fixed
    snake_case word for machines where there is one.
    """

    status: int
    title: str
    detail: str
    type: str = "about:blank"
    reason: str = ""


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """The answer for an error."""
    body = msgspec.json.encode(Problem(status, HTTPStatus(status).phrase, detail))
    return web.Response(status=status, body=body, content_type=PROBLEM_JSON, headers=headers)
