"""The API described in OpenAPI 3.1: made of the same rows and models that serve it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from inspect import cleandoc
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from observer import __version__
from observer.domain.person import Role
from observer.web.acts import ROWS
from observer.web.alerts import PATH as ALERTS
from observer.web.alerts import WireNotification
from observer.web.people.door import CSRF_HEADER, require
from observer.web.problems import PROBLEM_JSON, Problem
from observer.web.refusals import FORM
from observer.web.routes import ROUTES
from observer.web.stream import PATH as STREAM

PATH: Final = "/api/v1/openapi.json"
_REF: Final = "#/components/schemas/{name}"
_JSON: Final = "application/json"
_TEXT: Final = "text/plain"
_DOOR: Final = (401, 403, 421, 429, 503)
"""What anybody may be told at the door: unknown, no role, another host, too many failures, nobody can tell."""
_FREE: Final[dict[Any, dict[str, Any]]] = {
    dict: {"type": "object"},
    list: {"type": "array", "items": {"type": "object"}},
}
_WAYS: Final[list[dict[str, list[str]]]] = [{"token": []}, {"session": []}]


class Accepted(Struct, frozen=True):
    """How many alerts are now on disk."""

    accepted: int


class RecentQuery(Struct, frozen=True):
    """How many."""

    limit: Annotated[int, Meta(ge=1, le=500, description="At most so many, the newest.")] = 100


@dataclass(frozen=True, slots=True)
class Operation:
    """
    One route as it is described.

    ``answer`` is a model, or the media type of an answer that has none; ``role`` None = the route itself knows who may.
    """

    method: str
    path: str
    summary: str
    tag: str
    answer: type[Any] | str
    status: int = HTTPStatus.OK
    query: type[Struct] | None = None
    body: type[Struct] | None = None
    role: Role | None = Role.VIEWER
    errors: tuple[int, ...] = ()
    cached: bool = False


def operations() -> Iterator[Operation]:
    """Every route of the API, and the probes."""
    for path, told in (("/healthz", "The process lives"), ("/readyz", "A tick has ended lately")):
        errors = (503,) if path == "/readyz" else ()
        yield Operation("GET", path, told, "probes", _TEXT, role=None, errors=errors)
    yield Operation("GET", "/metrics", "Self metrics for Prometheus", "probes", _TEXT, role=None)
    yield Operation("GET", "/api/status", "What the loop is doing, as `observer status` shows it", "reading", dict)
    yield Operation(
        "GET", "/api/decisions", "The newest decisions, oldest first", "reading", list, query=RecentQuery, errors=(400,)
    )
    yield Operation("GET", PATH, "This description", "reading", dict)
    yield Operation("GET", STREAM, "Ticks and decisions as they come", "reading", "text/event-stream")
    for route in ROUTES:
        yield Operation(
            route.method, route.path, route.summary.rstrip("."), "reading", route.answer,
            query=route.query, errors=route.errors, cached=True,
        )  # fmt: skip
    for row in ROWS:
        yield Operation(
            row.method, row.path, row.summary, row.tag, row.answer or dict,
            status=row.status, body=row.body, role=row.role, errors=row.errors,
        )  # fmt: skip
    yield Operation(
        "POST", ALERTS, "Alerts of Alertmanager's webhook (version 4)", "webhook", Accepted,
        status=HTTPStatus.ACCEPTED, body=WireNotification, role=None, errors=(400, 401, 413, 503),
    )  # fmt: skip


def description(found: Iterable[Operation] | None = None) -> dict[str, Any]:
    """The whole document."""
    known = tuple(found if found is not None else operations())
    schemas = _schemas(known)
    paths: dict[str, dict[str, Any]] = {}
    for one in known:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Observer",
            "version": __version__,
            "description": "What Observer sees, decides and does, and what people may do about it.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of the cluster, or the one that was printed at start.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "observer-session",
                    "description": f"Of a browser; unsafe methods repeat the session's token in {CSRF_HEADER}. "
                    "Over TLS the cookie is called __Host-observer.",
                },
                "webhook": {"type": "http", "scheme": "bearer", "description": "Section `webhook` of the settings."},
            },
        },
        "tags": [
            {"name": "reading", "description": "What is seen and decided."},
            {"name": "acts", "description": "What a person may do, with the hash of the plan that was shown."},
            {"name": "people", "description": "Who asks."},
            {"name": "webhook", "description": "Alerts that ask Observer to look."},
            {"name": "probes", "description": "For the kubelet and for Prometheus."},
        ],
    }


def add_description(app: web.Application) -> None:
    """Serve the document."""
    body = msgspec.json.encode(description())

    async def serve(request: web.Request) -> web.Response:
        require(request, Role.VIEWER)
        return web.Response(body=body, content_type=_JSON)

    app.router.add_get(PATH, serve)


def _schemas(known: Iterable[Operation]) -> dict[str, Any]:
    """Every model that is sent or answered, by name; those of queries are spelled out as parameters."""
    models: list[Any] = [Problem]
    for one in known:
        models += [kind for kind in (one.answer, one.body, one.query) if isinstance(kind, type) and kind not in _FREE]
    _, found = msgspec.json.schema_components(models, ref_template=_REF)
    return {name: _documented(schema) for name, schema in sorted(found.items())}


def _documented(schema: dict[str, Any]) -> dict[str, Any]:
    told = schema.get("description")
    return {**schema, "description": cleandoc(told).replace("``", "`")} if told else schema


def _operation(one: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    parameters = [*_path_parameters(one.path), *_query_parameters(one.query, schemas)]
    body: dict[str, Any] = {
        "operationId": _name(one),
        "summary": one.summary,
        "tags": [one.tag],
        "responses": dict(_responses(one)),
        "security": _WAYS if one.role is not None else [{"webhook": []}] if one.tag == "webhook" else [],
    }
    if one.role not in (None, Role.VIEWER):
        body["description"] = f"Needs role `{one.role}`."
    if parameters:
        body["parameters"] = parameters
    if one.body is not None:
        content: dict[str, Any] = {_JSON: {"schema": _ref(one.body)}}
        if one.role is not None:
            content[FORM] = {"schema": _ref(one.body)}
        body["requestBody"] = {"required": True, "content": content}
    return body


def _responses(one: Operation) -> Iterator[tuple[str, Any]]:
    yield str(one.status), {"description": HTTPStatus(one.status).phrase, "content": _content(one)}
    if one.body is not None and one.role is not None:
        yield "303", {"description": "A form of a browser goes on to the page that it came for."}
    if one.cached:
        yield "304", {"description": "As the caller has it already (`If-None-Match`)."}
    problem = {PROBLEM_JSON: {"schema": _ref(Problem)}}
    for status in sorted({*one.errors, *(_DOOR if one.role is not None else (421,))}):
        content = {_TEXT: {"schema": {"type": "string"}}} if one.path == "/readyz" and status == 503 else problem
        yield str(status), {"description": HTTPStatus(status).phrase, "content": content}


def _content(one: Operation) -> dict[str, Any]:
    if isinstance(one.answer, str):
        return {one.answer: {"schema": {"type": "string"}}}
    return {_JSON: {"schema": _FREE.get(one.answer) or _ref(one.answer)}}


def _path_parameters(path: str) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", path):
        schema: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 253}
        if name == "id":
            schema = {"type": "string", "pattern": "^[0-9a-f]{1,64}$"}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(query: type[Struct] | None, schemas: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One parameter for each field of the model; null stands for a parameter that is left out."""
    if query is None:
        return
    for name, schema in schemas[query.__name__]["properties"].items():
        shown = dict(schema)
        if "anyOf" in shown:
            shown = {**next(kind for kind in shown["anyOf"] if kind != {"type": "null"})}
        told = {"description": schema["description"]} if "description" in schema else {}
        if shown.get("default", "") is None:
            del shown["default"]
        shown.pop("description", None)
        yield {"name": name, "in": "query", "required": False, "schema": shown, **told}


def _ref(kind: type[Any]) -> dict[str, str]:
    return {"$ref": _REF.format(name=kind.__name__)}


def _name(one: Operation) -> str:
    words = re.findall(r"[a-z0-9]+", one.path.removeprefix("/api/v1").replace("{", "by-").lower())
    return "_".join([one.method.lower(), *words])
