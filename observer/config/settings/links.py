"""
Addresses for people: templates with ``{fields}`` that a decision fills.

A link of which a field is empty for a decision is left out: a link works or is not there.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from string import Formatter
from typing import Final
from urllib.parse import quote, urlsplit

from observer.domain.decision import Decision
from observer.domain.decision_record import namespace_of

FIELDS: Final[Mapping[str, str]] = {
    "incident": "id of the incident",
    "decision": "id of the decision",
    "trace_id": "id of the incident's trace, 32 hex digits",
    "kind": "kind of the decision",
    "namespace": "namespace of what it is about",
    "pod": "name of the pod",
    "workload": "name of the workload",
    "workload_kind": "its kind in lower case (deployment)",
    "service": "name of the canonical service",
    "cluster": "`cluster` of the settings",
    "at_ms": "its instant, Unix milliseconds",
    "from_ms": "fifteen minutes before it",
    "to_ms": "five minutes after it",
}
"""What a template may name, and what it stands for."""

_BEFORE, _AFTER = 900.0, 300.0


def check_link(template: str) -> str | None:
    """What is wrong with a template, or None."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError as exc:
        return f"is no template: {exc}; write {{{{ for a brace"
    for _, name, spec, conversion in parts:
        if name is None:
            continue
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, n=1)
            meant = f"did you mean {{{near[0]}}}?" if near else f"known are {', '.join(FIELDS)}"
            return f"names {{{name}}}, which is no field: {meant}"
        if spec or conversion:
            return f"formats {{{name}}}; fields stand for themselves"
    try:
        address = urlsplit(_filled(template, dict.fromkeys(FIELDS, "1")))
        port_fits = address.port is None or address.port > 0
    except ValueError as exc:
        return f"is not an address: {exc}"
    if address.scheme not in {"http", "https"} or not address.hostname or not port_fits:
        return "must begin with http://host or https://host"
    if address.username is not None:
        return "must not carry credentials: everybody who is notified gets it"
    return None


class Links:
    """The links of a decision by name (``page``, ``grafana`` ...); made from templates that ``check_link`` passed."""

    def __init__(self, templates: Mapping[str, str], cluster: str) -> None:
        self._templates = {name: template for name, template in templates.items() if template}
        self._cluster = cluster

    def of(self, decision: Decision, trace_id: str) -> dict[str, str]:
        """Addresses by name; ``trace_id`` is that of the decision's incident as tracing back ends spell it."""
        values = _values(decision, trace_id if decision.incident else "", self._cluster)
        found = {}
        for name, template in self._templates.items():
            wanted = {field for _, field, _, _ in Formatter().parse(template) if field is not None}
            if all(values[field] for field in wanted):
                found[name] = _filled(template, values)
        return found


def _filled(template: str, values: Mapping[str, str]) -> str:
    return template.format_map({name: quote(value, safe="") for name, value in values.items()})


def _values(decision: Decision, trace_id: str, cluster: str) -> dict[str, str]:
    workload, service = decision.workload, decision.service
    return {
        "incident": decision.incident,
        "decision": decision.id,
        "trace_id": trace_id,
        "kind": decision.kind,
        "namespace": namespace_of(decision),
        "pod": decision.pod.name if decision.pod is not None else "",
        "workload": workload.name if workload is not None else "",
        "workload_kind": workload.kind.lower() if workload is not None else "",
        "service": service.name if service is not None else "",
        "cluster": cluster,
        "at_ms": _ms(decision.at),
        "from_ms": _ms(decision.at - _BEFORE),
        "to_ms": _ms(decision.at + _AFTER),
    }


def _ms(at: float) -> str:
    return str(round(at * 1000))
