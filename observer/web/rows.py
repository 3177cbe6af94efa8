"""One row for each route of the API: what it takes, what it answers, who may. The description is made of these rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp.typedefs import Handler

from observer.domain.person import Role


@dataclass(frozen=True, slots=True)
class Row:
    """
    One route.

    Attributes:
        path: with its variables in braces, as aiohttp and OpenAPI both spell it.
        answer: type of the body of a success; None = no JSON.
        body, query: types of what may be sent; None = nothing.
        role: who may; None = everybody, or the handler knows its callers itself.
        errors: statuses of problems besides those that every route may have.
        handler: makes the handler of whatever serves the rows.
    """

    method: str
    path: str
    summary: str
    answer: type | None
    handler: Callable[[Any], Handler]
    status: int = HTTPStatus.OK
    body: type | None = None
    query: type | None = None
    role: Role | None = Role.VIEWER
    errors: tuple[int, ...] = ()
    tag: str = "reading"
