"""Facts as a person writes them, laid over those that held before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from observer.policytest.scenario import Facts, NodeFacts, PodFacts, WorkloadFacts, WorkloadKey

Known = TypeVar("Known", PodFacts, WorkloadFacts, NodeFacts)


def split(name: str) -> WorkloadKey:
    """Namespace and name of ``NAMESPACE/NAME``. Raises: ValueError."""
    space, slash, rest = name.partition("/")
    if not (space and slash and rest) or "/" in rest:
        raise ValueError(name)
    return space, rest


def laid_over(facts: Facts, given: Any) -> Facts:
    """``facts`` after what ``given`` (a validated mapping) changes of them; what happens only once is over."""
    workloads = {key: over(one) for key, one in facts.workloads.items()}
    for name, more in (given.workloads or {}).items():
        key = split(name)
        workloads[key] = _changed(workloads.get(key, WorkloadFacts()), more)
    nodes = dict(facts.nodes)
    for name, more in (given.nodes or {}).items():
        nodes[name] = _changed(nodes.get(name, NodeFacts()), more)
    spaces = {name: {**facts.namespaces.get(name, {}), **labels} for name, labels in (given.namespaces or {}).items()}
    return replace(
        facts,
        workloads=workloads,
        nodes=nodes,
        namespaces={**facts.namespaces, **spaces},
        **{name: getattr(given, name) for name in ("paused", "leader", "mesh") if getattr(given, name) is not None},
    )


def over(facts: WorkloadFacts) -> WorkloadFacts:
    """The same after the instant: nobody edits it any more, no container restarts."""
    pods = {name: replace(one, restarted=False) for name, one in facts.pods.items()}
    return replace(facts, touched=False, scaled_down=False, pods=pods)


def _changed(known: Known, given: Any) -> Known:
    values: dict[str, Any] = {}
    for item in fields(known):
        if item.name not in given.model_fields_set:
            continue
        value, before = getattr(given, item.name), getattr(known, item.name)
        if item.name == "pods":
            value = {**before, **{name: _changed(before.get(name, PodFacts()), one) for name, one in value.items()}}
        elif isinstance(before, Mapping):
            value = {**before, **value}
        values[item.name] = tuple(value) if isinstance(value, list) else value
    return replace(known, **values)
