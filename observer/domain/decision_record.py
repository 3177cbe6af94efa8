"""One decision as plain JSON-like values: what machines outside receive, whatever carries it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from observer.domain.decision import Decision

RECORD_VERSION = 1


def record_of(
    decision: Decision, *, cluster: str = "", trace_id: str = "", links: Mapping[str, str] | None = None
) -> dict[str, object]:
    """
    The decision under stable keys; what is unknown is left out.

    ``trace_id`` is that of its incident's trace, ``links`` are addresses by name. Instants are Unix seconds.
    """
    facts: dict[str, object] = {
        "version": RECORD_VERSION,
        "decision": decision.id,
        "at": decision.at,
        "kind": decision.kind,
        "verdict": decision.verdict.value,
        "subject": decision.subject,
        "reason": decision.reason,
        "text": decision.text,
        "severity": decision.severity,
        "mode": decision.mode.value,
        "incident": decision.incident,
        "cluster": cluster,
        "action": decision.action_kind.value if decision.action_kind is not None else "",
        "config": decision.config,
        "trace_id": trace_id if decision.incident else "",
        **_targets(decision),
        "outcome": _outcome(decision),
        "blocked_by": [
            {"guard": block.guard, "reason": block.reason, "detail": block.detail, "refused": block.refused}
            for block in decision.blocked_by
        ],
        "figures": {name: _plain(value) for name, value in decision.figures.items() if value is not None},
        "links": dict(links or {}),
    }
    return {key: value for key, value in facts.items() if value not in ("", None, [], {})}


def namespace_of(decision: Decision) -> str:
    """Namespace of whatever it is about; empty for what is in none."""
    for one in (decision.pod, decision.workload, decision.service):
        if one is not None:
            return one.namespace
    return ""


def _targets(decision: Decision) -> dict[str, object]:
    pod, workload, service = decision.pod, decision.workload, decision.service
    return {
        "pod": {"namespace": pod.namespace, "name": pod.name, "uid": pod.uid} if pod is not None else None,
        "workload": {"namespace": workload.namespace, "kind": workload.kind, "name": workload.name}
        if workload is not None
        else None,
        "service": {"namespace": service.namespace, "name": service.name} if service is not None else None,
    }


def _outcome(decision: Decision) -> dict[str, object] | None:
    if (came := decision.outcome) is None:
        return None
    found: dict[str, object] = {"action": came.action_id, "result": came.result.value, "reason": came.reason}
    return found | ({"detail": came.detail} if came.detail else {})


def _plain(value: object) -> object:
    """A JSON scalar: a numpy number (which has ``item``) as Python's own; what JSON cannot spell as its text."""
    item = getattr(value, "item", None)
    found = item() if callable(item) else value
    if isinstance(found, float) and not math.isfinite(found):
        return str(found)
    return found if isinstance(found, str | bool | int | float) else str(found)
