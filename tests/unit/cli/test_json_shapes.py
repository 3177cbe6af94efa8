"""What ``--json`` of the reading commands looks like: another key or kind breaks somebody's script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from observer.cli.doctor import rows
from observer.domain.finding import Finding
from observer.sinks.audit import open_audit
from tests.support.command_line import said
from tests.support.journals import a_night, write_night
from tests.support.scripted_api import threaded

TEXT, NUMBER, BOOL, WHOLE = {"type": "string"}, {"type": "number"}, {"type": "boolean"}, {"type": "integer"}
MAYBE_TEXT, MAYBE_NUMBER = {"type": ["string", "null"]}, {"type": ["number", "null"]}


def of(**properties: Any) -> dict[str, Any]:
    """Exactly these keys."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def many(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def maybe(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


INCIDENT = {
    "id": TEXT, "subject": TEXT, "namespace": TEXT, "workload": TEXT, "service": TEXT, "symptom": TEXT, "phase": TEXT,
    "tier": TEXT, "opened": NUMBER, "closed": MAYBE_NUMBER, "bad_rate": NUMBER, "peer_bad_rate": NUMBER,
    "evidence_score": NUMBER, "blocked": many(of(reason=TEXT, since=NUMBER)), "drain_verdict": MAYBE_TEXT,
    "verification": MAYBE_TEXT, "evidence_at": TEXT, "outcome": TEXT, "headline": TEXT,
}  # fmt: skip
POD = of(namespace=TEXT, name=TEXT, uid=TEXT)
DECISION = of(
    id=TEXT, at=NUMBER, kind=TEXT, verdict=TEXT, subject=TEXT, reason=TEXT, text=TEXT, incident=TEXT,
    action_kind=MAYBE_TEXT, mode=TEXT, pod=maybe(POD), service=maybe(of(namespace=TEXT, name=TEXT)),
    workload=maybe(of(namespace=TEXT, kind=TEXT, name=TEXT)), action=maybe({"type": "object"}),
    outcome=maybe(of(action_id=TEXT, result=TEXT, reason=TEXT, detail=TEXT, retry_after=NUMBER)),
    blocked_by=many(of(guard=TEXT, reason=TEXT, detail=TEXT, refused=BOOL)), figures={"type": "object"}, config=TEXT,
    severity=TEXT, target=maybe(of(kind=TEXT, namespace=TEXT, name=TEXT, uid=TEXT)),
)  # fmt: skip
REPORT = of(
    headline=TEXT, since=NUMBER, until=NUMBER, modes=many(TEXT), decisions=WHOLE, notes=many(TEXT),
    action_required=many(of(kind=TEXT, subject=TEXT, at=NUMBER, text=TEXT)),
    impacts=many(of(
        incident=TEXT, subject=TEXT, service=TEXT, symptom=TEXT, opened=NUMBER, closed=MAYBE_NUMBER, bad_rate=NUMBER,
        peer_bad_rate=NUMBER, bad=NUMBER, requests=NUMBER, outcome=TEXT,
    )),
    troubles=many(of(subject=TEXT, reason=TEXT, at=NUMBER, text=TEXT)),
    budgets=many(of(
        objective=TEXT, name=TEXT, target=MAYBE_NUMBER, bad=NUMBER, total=NUMBER, spent=MAYBE_NUMBER,
        remaining=MAYBE_NUMBER,
    )),
    interventions=many(of(
        incident=TEXT, subject=TEXT, at=NUMBER, steps=many(TEXT), would=BOOL, helped={"type": ["boolean", "null"]},
        result=TEXT,
    )),
    blocked=many(of(reason=TEXT, incidents=WHOLE, subject=TEXT, detail=TEXT, standing=BOOL)),
    blindness=many(of(cause=TEXT, seconds=NUMBER, times=WHOLE, lasting=BOOL)),
)  # fmt: skip
LIVE = of(
    source={"const": "daemon"}, mode=TEXT, config=TEXT, ticks=WHOLE, complete_ticks=WHOLE, complete=BOOL,
    last_tick=NUMBER, paused=BOOL, paused_reason=TEXT, leader=BOOL, term=WHOLE, halted=TEXT,
    policies=of(identity=TEXT, workloads={"type": "object"}, conflicting={"type": "object"}),
    reload=of(ok=BOOL, at=NUMBER, detail=TEXT, needs_restart=many(TEXT)), gaps=many({"type": "object"}),
    circuits=many({"type": "object"}), overdrawn=many({"type": "object"}), incidents=many(of(**INCIDENT)),
)  # fmt: skip
SHAPES: dict[tuple[str, ...], dict[str, Any]] = {
    ("version",): of(version=TEXT),
    ("status",): of(source={"const": "journal"}, incidents=many(of(**INCIDENT))),
    ("incidents",): of(since=MAYBE_NUMBER, more=WHOLE, incidents=many(of(**INCIDENT))),
    ("incidents", "--since", "2026-01-01T00:00Z", "--open"): of(
        since=MAYBE_NUMBER, more=WHOLE, incidents=many(of(**INCIDENT))
    ),
    ("why", "pod/shop/cart-1"): of(
        subject=TEXT, decisions=many(DECISION), evidence={"type": "object"}, attribution={"type": "object"}
    ),
    ("report", "--since", "2026-01-01T00:00Z"): REPORT,
    ("audit", "verify"): of(
        files=many(TEXT), whole=BOOL, records=WHOLE, last_seq=WHOLE, last_hash=MAYBE_TEXT, fault=TEXT, notes=many(TEXT)
    ),
}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("OBSERVER_URL", "OBSERVER_TOKEN_FILE", "OBSERVER_CA_FILE"):
        monkeypatch.delenv(name, raising=False)
    sink = open_audit(tmp_path / "audit.jsonl")
    for decision in a_night()[1]:
        sink._append(decision)
    sink._file.close()
    path = tmp_path / "observer.yaml"
    path.write_text(f"journal: {write_night(tmp_path)}\nlisten: 127.0.0.1:1\naudit: {tmp_path / 'audit.jsonl'}\n")
    monkeypatch.setenv("OBSERVER_CONFIG", str(path))
    return path


@pytest.mark.parametrize("command", list(SHAPES), ids=" ".join)
def test_the_shape_is_kept(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    found = said(monkeypatch, capsys, *command, "--json")
    assert found.code == 0 and not found.err
    body = json.loads(found.out)
    jsonschema.validate(body, SHAPES[command])
    lists = [value for value in body.values() if isinstance(value, list)]
    assert not lists or any(lists), "a shape that is tried on nothing says nothing"


def test_the_daemons_status(config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with threaded() as daemon:
        found = said(monkeypatch, capsys, "status", "--json", "--url", daemon.url)
    jsonschema.validate(json.loads(found.out), LIVE)


def test_findings_of_doctor() -> None:
    shape = many(of(name=TEXT, ok={"type": ["boolean", "null"]}, detail=TEXT, remedy=TEXT))
    jsonschema.validate(rows([Finding("a", None, "b"), Finding("c", True, "d", "e")]), shape)
