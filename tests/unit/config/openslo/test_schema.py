from __future__ import annotations

import json
from typing import Any

from observer.config.openslo.documents import schema
from observer.config.openslo.models import SPECS


def objects(value: Any) -> list[dict[str, Any]]:
    """Every schema of a mapping with named keys, at any depth."""
    inner = (
        [one for part in (value.values() if isinstance(value, dict) else value) for one in objects(part)]
        if isinstance(value, dict | list)
        else []
    )
    return ([value] if isinstance(value, dict) and "properties" in value else []) + inner


def test_every_kind_has_its_schema_and_unknown_keys_are_refused() -> None:
    body = json.loads(json.dumps(schema()))

    assert [one["properties"]["kind"]["const"] for one in body["oneOf"]] == list(SPECS)
    assert all(one["additionalProperties"] is False for one in objects(body))


def test_keys_are_spelled_as_in_the_documents_and_every_reference_leads_somewhere() -> None:
    body: Any = schema()
    text = json.dumps(body)

    assert set(body["$defs"]["SloSpec"]["required"]) == {"service", "budgetingMethod", "timeWindow", "objectives"}
    assert "time_window" not in text
    named = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert named <= set(body["$defs"])
    assert "objectives" in body["$defs"]["SloSpec"]["properties"]
