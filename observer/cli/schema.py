"""``observer schema``: the schemas of files that people write, of events, and of the API."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from importlib import import_module
from typing import Annotated, Final

import typer

from observer.cli.application import app
from observer.cli.output import show


class SchemaOf(StrEnum):
    """What ``observer schema`` knows."""

    SETTINGS = "settings"
    POLICY = "healthpolicy"
    OPENSLO = "openslo"
    TEST = "policytest"
    OPENAPI = "openapi"
    EVENTS = "cloudevents"


_MAKERS: Final = {
    SchemaOf.SETTINGS: ("observer.config.settings.read", "schema"),
    SchemaOf.POLICY: ("observer.config.policies.keys", "schema"),
    SchemaOf.OPENSLO: ("observer.config.openslo.documents", "schema"),
    SchemaOf.TEST: ("observer.policytest.keys", "schema"),
    SchemaOf.OPENAPI: ("observer.web.openapi", "description"),
    SchemaOf.EVENTS: ("observer.exchange.event_schema", "schema"),
}
"""The function that makes each one; its module is loaded when it is asked for."""


@app.command()
def schema(
    kind: Annotated[SchemaOf, typer.Argument(help="Which file the schema is for.")] = SchemaOf.SETTINGS,
) -> None:
    """
    Print the JSON Schema of the settings file, health policies, their tests, OpenSLO documents or CloudEvents.

    With openapi: the API in OpenAPI 3.1, as the daemon serves it at /api/v1/openapi.json.
    """
    module, name = _MAKERS[kind]
    make: Callable[[], object] = getattr(import_module(module), name)
    show(make(), "", json=True)
