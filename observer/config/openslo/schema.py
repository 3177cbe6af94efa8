"""JSON Schema of OpenSLO v1 documents as this house reads them, for editors."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from observer.config.openslo.models import API_VERSION, SPECS, Metadata
from observer.domain import names


def schema() -> dict[str, Any]:
    """Draft 2020-12. What keys say about each other (one of good and bad) stands in ``docs/openslo.md`` only."""
    models: list[type[BaseModel]] = [Metadata, *SPECS.values()]
    references, shared = models_json_schema([(model, "validation") for model in models])
    metadata = references[Metadata, "validation"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{names.OBSERVER}:schema:openslo:1",
        "title": "OpenSLO v1",
        "description": "Objectives as Observer reads them. Its own annotations begin with observer.dev/.",
        "oneOf": [
            {
                "type": "object",
                "title": kind,
                "additionalProperties": False,
                "required": ["apiVersion", "kind", "metadata", "spec"],
                "properties": {
                    "apiVersion": {"const": API_VERSION},
                    "kind": {"const": kind},
                    "metadata": {**metadata, "description": "Name of the document, and what stands beside it."},
                    "spec": {**references[model, "validation"], "description": f"The {kind} itself."},
                },
            }
            for kind, model in SPECS.items()
        ],
        **shared,
    }
