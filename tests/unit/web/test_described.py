"""The description is whole, valid, and of what is served."""

from __future__ import annotations

import json
from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator
from typer.testing import CliRunner

from observer.cli.main import app as cli
from observer.domain.person import Role
from observer.web.openapi import description
from observer.web.routes import ROUTES
from tests.support.people import people_world


def document() -> dict[str, Any]:
    return description()


def test_it_is_valid_and_every_reference_leads_somewhere() -> None:
    found = document()
    OpenAPIV31SpecValidator(found).validate()
    names = {part.split('"')[0] for part in json.dumps(found).split("#/components/schemas/")[1:]}
    assert names <= set(found["components"]["schemas"])
    ids = [one["operationId"] for path in found["paths"].values() for one in path.values()]
    assert len(ids) == len(set(ids))


async def test_every_writing_route_is_served_and_described() -> None:
    async with people_world() as house:
        served = {
            (route.method, route.resource.canonical)
            for route in house.client.app.router.routes()
            if route.resource is not None and route.resource.canonical.startswith("/api/")
        }
    served.discard(("HEAD", "/api/v1/openapi.json"))
    table = {(route.method, route.path) for route in ROUTES}
    assert served <= table and len(table) == len(ROUTES)
    paths = document()["paths"]
    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} == table


def test_acts_name_their_role_and_all_their_errors() -> None:
    paths = document()["paths"]
    acts = [route for route in ROUTES if route.tag in {"acts", "people"}]
    for row in acts:
        one = paths[row.path][row.method.lower()]
        assert one["security"] == [{"token": []}, {"session": []}]
        assert {"401", "403", "429", "503"} <= set(one["responses"])
        if row.method == "POST":
            assert row.role in (Role.APPROVER, Role.ADMIN) and row.role.value in one["description"]
            assert {"409", "415", "422", str(row.status)} <= set(one["responses"])
    for status, answer in paths["/api/v1/pause"]["post"]["responses"].items():
        if int(status) >= 400:
            schema = answer["content"]["application/problem+json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Problem"}


def test_a_parameter_that_may_be_left_out_is_not_null() -> None:
    state = next(p for p in document()["paths"]["/api/v1/overview"]["get"]["parameters"] if p["name"] == "state")
    assert state["schema"] == {"$ref": "#/components/schemas/State"} and not state["required"]


def test_the_command_prints_the_same() -> None:
    done = CliRunner().invoke(cli, ["schema", "openapi"])
    assert done.exit_code == 0 and json.loads(done.stdout) == json.loads(json.dumps(document()))
