"""The types of Observer's CloudEvents and the JSON Schema (draft 2020-12) of each, for those who receive them."""

from __future__ import annotations

from typing import Final

from observer.domain import names
from observer.domain.action import ActionKind, Mode
from observer.domain.decision import Verdict
from observer.domain.decision_record import RECORD_VERSION
from observer.domain.kinds import Kind
from observer.domain.outcome import Result
from observer.domain.severities import Severity

_WORD: Final = {"type": "string", "minLength": 1}
_SCALAR: Final = {"type": ["string", "number", "boolean"]}


def event_type(kind: str) -> str:
    """``dev.observer.drain.v1``: the type of the event that tells a decision of this kind."""
    return f"{names.EVENT_TYPE}.{kind}.v{RECORD_VERSION}"


def schema() -> dict[str, object]:
    """
    Everything that ``observer schema cloudevents`` prints: an event in structured mode, its data under ``decision``.

    A receiver of binary mode validates the body against ``#/$defs/decision``.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": names.EVENT_SCHEMA,
        "title": "Observer's CloudEvents",
        "description": "One event a decision. Events of other kinds may come with later versions: pass over them.",
        "type": "object",
        "required": ["specversion", "id", "source", "type", "time", "subject", "datacontenttype", "dataschema", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {**_WORD, "description": "Unique with source, and the same when an event is sent again."},
            "source": {**_WORD, "format": "uri-reference"},
            "type": {"enum": [event_type(kind) for kind in Kind]},
            "subject": {**_WORD, "description": "NAMESPACE/pod/NAME and the like, or observer."},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"const": "application/json"},
            "dataschema": {"const": names.EVENT_SCHEMA},
            "traceparent": {"type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$"},
            "data": {"$ref": "#/$defs/decision"},
        },
        "allOf": [_agree(kind) for kind in Kind],
        "$defs": {"decision": decision_schema()},
    }


def decision_schema() -> dict[str, object]:
    """The data of every event. New keys may appear; those that are listed keep their meaning within a version."""
    return {
        "type": "object",
        "required": ["version", "decision", "at", "kind", "verdict", "subject", "reason", "text", "severity", "mode"],
        "properties": {
            "version": {"const": RECORD_VERSION},
            "decision": {**_WORD, "description": "Id of the decision."},
            "at": {"type": "number", "description": "Its instant, Unix seconds."},
            "kind": {"enum": [kind.value for kind in Kind]},
            "verdict": {"enum": [verdict.value for verdict in Verdict]},
            "subject": {"type": "string", "description": "The culprit in words."},
            "reason": {**_WORD, "description": "Fixed word for machines."},
            "text": {"type": "string", "description": "The sentence for people."},
            "severity": {"enum": [severity.value for severity in Severity]},
            "mode": {"enum": [mode.value for mode in Mode]},
            "incident": _WORD,
            "cluster": _WORD,
            "action": {"enum": [action.value for action in ActionKind]},
            "config": {**_WORD, "description": "Identity of the settings that were in force."},
            "trace_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
            "pod": _named("namespace", "name", "uid"),
            "workload": _named("namespace", "kind", "name"),
            "service": _named("namespace", "name"),
            "outcome": {
                "type": "object",
                "required": ["action", "result", "reason"],
                "properties": {
                    "action": _WORD,
                    "result": {"enum": [result.value for result in Result]},
                    "reason": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
            "blocked_by": {"type": "array", "items": _block()},
            "figures": {"type": "object", "additionalProperties": _SCALAR},
            "links": {"type": "object", "additionalProperties": {"type": "string", "format": "uri"}},
            "truncated": {"const": True, "description": "Figures and guards were left out: the event was too large."},
        },
    }


def _agree(kind: str) -> dict[str, object]:
    """A type says what its data says."""
    return {
        "if": {"properties": {"type": {"const": event_type(kind)}}, "required": ["type"]},
        "then": {"properties": {"data": {"properties": {"kind": {"const": kind}}}}},
    }


def _named(*parts: str) -> dict[str, object]:
    return {"type": "object", "required": list(parts), "properties": {part: {"type": "string"} for part in parts}}


def _block() -> dict[str, object]:
    words = {"guard": _WORD, "reason": _WORD, "detail": {"type": "string"}, "refused": {"type": "boolean"}}
    return {"type": "object", "required": list(words), "properties": words}
