"""Errors of the API as ``application/problem+json`` (RFC 9457), the same shape for every route; a form gets a page."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from observer.web import bare_pages as pages
from observer.web.models.rows import Problem

API: Final = "/api/"
FORM: Final = "application/x-www-form-urlencoded"
PROBLEM_JSON: Final = "application/problem+json"


class ApiProblem(web.HTTPException):
    """Raised to answer with a problem; ``status`` is 400 or above."""

    def __init__(self, status: int, reason: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        self.status_code = status
        body = msgspec.json.encode(Problem(status, HTTPStatus(status).phrase, detail, reason=reason)).decode()
        super().__init__(text=body, content_type=PROBLEM_JSON, headers=headers)
        self.word, self.detail = reason, detail


async def form_of(request: web.Request) -> Mapping[str, str]:
    """
    The fields of a plain form, the first of each name.

    Raises: ApiProblem 415 for another kind of body or another charset than UTF-8 (what a browser sends for our pages;
    some of the others make text that cannot be written down again), 422 for bytes that are no UTF-8.
    """
    if request.content_type != FORM:
        raise ApiProblem(415, "unsupported_media_type", f"send {FORM}")
    if (request.charset or "utf-8").lower() not in {"utf-8", "utf8"}:
        raise ApiProblem(415, "unsupported_media_type", f"send {FORM} with charset utf-8")
    try:
        form = await request.post()
    except UnicodeDecodeError as exc:
        raise ApiProblem(422, "not_understood", f"the form is no UTF-8: {exc.reason}") from exc
    return {name: str(form[name]) for name in form}


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error below ``/api/`` is a problem, those of the framework included; a form gets a page to read."""
    try:
        return await handler(request)
    except ApiProblem as exc:
        if request.content_type == FORM and "text/html" in request.headers.get(hdrs.ACCEPT, ""):
            return pages.html(pages.not_done(exc.detail), status=exc.status, headers=_retained(exc))
        raise
    except web.HTTPException as exc:
        if exc.status < HTTPStatus.BAD_REQUEST or not request.path.startswith(API):
            raise
        raise ApiProblem(exc.status, _word(exc.status), (exc.text or "").strip(), _retained(exc)) from exc


def _retained(exc: web.HTTPException) -> dict[str, str]:
    return {name: exc.headers[name] for name in ("Allow", "Retry-After", "WWW-Authenticate") if name in exc.headers}


def _word(status: int) -> str:
    return HTTPStatus(status).phrase.lower().replace(" ", "_").replace("-", "_")
