"""The API described in OpenAPI 3.1: made of the table of routes and the models that serve it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from inspect import cleandoc
from typing import Final

import msgspec
from msgspec import Struct

from observer import __version__
from observer.domain.person import Role
from observer.web.models.rows import Problem
from observer.web.people.auth import CSRF_HEADER
from observer.web.problems import FORM, PROBLEM_JSON
from observer.web.routes import JSON, ROUTES, TEXT, Route

Schema = dict[str, object]
_REF: Final = "#/components/schemas/{name}"
_ALWAYS: Final = (401, 403, 421, 429, 503)
"""What anybody may be told before a handler runs: unknown, no role, another host, too many failures, cannot be told."""
_WAYS: Final[list[dict[str, list[str]]]] = [{"token": []}, {"session": []}]
_TAGS: Final = {
    "reading": "What is seen and decided.",
    "acts": "What a person may do, with the hash of the plan that was shown.",
    "people": "Who asks.",
    "webhook": "Alerts that ask Observer to look.",
    "probes": "For the kubelet and for Prometheus.",
}


def description(routes: Iterable[Route] = ROUTES) -> Schema:
    """The whole document."""
    table = tuple(routes)
    schemas = _schemas(table)
    paths: dict[str, Schema] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
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
        "components": {"schemas": schemas, "securitySchemes": _security()},
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
    }


def _security() -> Schema:
    return {
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
    }


def _schemas(table: Iterable[Route]) -> dict[str, Schema]:
    """Every model that is sent or answered, by name; those of queries are spelled out as parameters."""
    models: list[type[Struct]] = [Problem]
    for route in table:
        models += [model for model in (route.answer, route.body, route.query) if isinstance(model, type)]
    _, components = msgspec.json.schema_components(models, ref_template=_REF)
    return {name: _documented(schema) for name, schema in sorted(components.items())}


def _documented(schema: Schema) -> Schema:
    text = schema.get("description")
    return {**schema, "description": cleandoc(text).replace("``", "`")} if isinstance(text, str) else schema


def _operation(route: Route, schemas: Mapping[str, Schema]) -> Schema:
    parameters = [*_path_parameters(route.parameters), *_query_parameters(route.query, schemas)]
    operation: Schema = {
        "operationId": _name(route),
        "summary": route.summary,
        "tags": [route.tag],
        "responses": dict(_responses(route)),
        "security": _WAYS if route.role is not None else [{"webhook": []}] if route.tag == "webhook" else [],
    }
    if route.role not in (None, Role.VIEWER):
        operation["description"] = f"Needs role `{route.role}`."
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        kinds = (JSON, FORM) if route.role is not None else (JSON,)
        operation["requestBody"] = {
            "required": True,
            "content": {kind: {"schema": _ref(route.body)} for kind in kinds},
        }
    return operation


def _responses(route: Route) -> Iterator[tuple[str, Schema]]:
    yield str(route.status), {"description": HTTPStatus(route.status).phrase, "content": _content(route.answer)}
    if route.body is not None and route.role is not None:
        yield "303", {"description": "A form of a browser goes on to the page that it came for."}
    if route.cached:
        yield "304", {"description": "As the caller has it already (`If-None-Match`)."}
    for status in sorted({*route.errors, *(_ALWAYS if route.role is not None else (421,))}):
        plain = route.answer == TEXT and status in route.errors
        content: Schema = _content(TEXT) if plain else {PROBLEM_JSON: {"schema": _ref(Problem)}}
        yield str(status), {"description": HTTPStatus(status).phrase, "content": content}


def _content(answer: type[Struct] | str) -> Schema:
    if isinstance(answer, str):
        return {answer: {"schema": {"type": "object" if answer == JSON else "string"}}}
    return {JSON: {"schema": _ref(answer)}}


def _path_parameters(names: Iterable[str]) -> Iterator[Schema]:
    for name in names:
        schema: Schema = {"type": "string", "minLength": 1, "maxLength": 253}
        if name == "id":
            schema = {"type": "string", "pattern": "^[0-9a-f]{1,64}$"}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(query: type[Struct] | None, schemas: Mapping[str, Schema]) -> Iterator[Schema]:
    """One parameter for each field of the model; null stands for a parameter that is left out."""
    properties = schemas[query.__name__]["properties"] if query is not None else None
    if not isinstance(properties, dict):
        return
    for name, schema in properties.items():
        shown: Schema = dict(schema)
        kinds = shown.get("anyOf")
        if isinstance(kinds, list):
            shown = dict(next(kind for kind in kinds if kind != {"type": "null"}))
        if shown.get("default", "") is None:
            del shown["default"]
        shown.pop("description", None)
        text = {"description": schema["description"]} if "description" in schema else {}
        yield {"name": name, "in": "query", "required": False, "schema": shown, **text}


def _ref(model: type[Struct]) -> dict[str, str]:
    return {"$ref": _REF.format(name=model.__name__)}


def _name(route: Route) -> str:
    words = re.findall(r"[a-z0-9]+", route.path.removeprefix("/api/v1").replace("{", "by-").lower())
    return "_".join([route.method.lower(), *words])
