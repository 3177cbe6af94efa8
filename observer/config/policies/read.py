"""Text of policy files to policies, every fault with its place; rules between documents stand in ``rules``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from observer.config.documents.faults import Fault
from observer.config.documents.marks import Document, Path, read_marked_all
from observer.config.documents.refusals import faults_of
from observer.config.policies.document import Place, Policy, Selector, Value
from observer.config.policies.keys import (
    API_VERSION,
    FLEET,
    KIND,
    NAMESPACE_WIDE,
    NESTED,
    TEST_KIND,
    Part,
    document_model,
)
from observer.config.policies.windows import instant
from observer.domain.policy import StandingHold

OPENSLO = "openslo/"
"""``apiVersion`` of objectives begins so; they may stand in the same files and are read elsewhere."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file; ``own`` is False for those that come with Observer, ``tests``: tests may stand among its documents."""

    name: str
    text: str
    own: bool = True
    tests: bool = False


def read(source: Source) -> tuple[list[Policy], list[Fault]]:
    """The policies of one file and what is wrong with it; a faulty document gives no policy."""
    policies: list[Policy] = []
    faults: list[Fault] = []
    for document in read_marked_all(source.text, source.name):
        if _is_objective(document) or (source.tests and _kind(document) == TEST_KIND):
            continue
        policy, found = _policy(document, own=source.own)
        faults += found
        if policy is not None:
            policies.append(policy)
    return policies, faults


def read_all(sources: Iterable[Source]) -> tuple[list[Policy], list[Fault]]:
    """The same for several files."""
    policies: list[Policy] = []
    faults: list[Fault] = []
    for source in sources:
        found, wrong = read(source)
        policies += found
        faults += wrong
    return policies, faults


def _is_objective(document: Document) -> bool:
    version = document.data.get("apiVersion") if isinstance(document.data, dict) else None
    return isinstance(version, str) and version.startswith(OPENSLO)


def _kind(document: Document) -> object:
    return document.data.get("kind") if isinstance(document.data, dict) else None


def _policy(document: Document, *, own: bool) -> tuple[Policy | None, list[Fault]]:
    faults = list(document.faults)
    if _kind(document) == TEST_KIND:
        hint = "observer test runs it; in a folder named tests it is passed over"
        return None, [*faults, document.fault(("kind",), "is a test of policies and no policy", hint)]
    if not isinstance(document.data, dict):
        if not faults:
            hint = f"apiVersion: {API_VERSION}, kind: {KIND}"
            faults.append(document.fault((), "must be a policy document", hint))
        return None, faults
    try:
        model = document_model().model_validate(document.data)
    except ValidationError as exc:
        broken = {fault.path for fault in faults}
        found = [fault for error in exc.errors(include_url=False) for fault in _told(document, error)]
        return None, faults + [fault for fault in found if fault.path not in broken]
    given: Any = model
    policy = Policy(
        name=given.metadata.name,
        place=_place(document, ("metadata", "name")),
        selector=_selector(given.spec.selector),
        values=dict(_values(document, given.spec, given.metadata.name)),
        own=own,
    )
    faults += list(_alone(document, policy))
    return (None if faults else policy), faults


def _told(document: Document, error: ErrorDetails) -> list[Fault]:
    path = error["loc"]
    if error["type"] == "extra_forbidden" and path[:2] == ("spec", "guards") and path[-1] in FLEET:
        hint = f"guards.{path[-1]} of the settings file"
        return [document.fault(path, "is for the whole cluster and no policy's", hint, at_key=True)]
    return faults_of(document, error, document_model())


def _selector(given: Any) -> Selector:
    spaces, loads = given.namespaces, given.workloads
    return Selector(
        enabled=bool(spaces and spaces.enabled),
        namespaces=tuple(spaces.names or ()) if spaces else (),
        namespace_labels=dict(spaces.labels or {}) if spaces else {},
        names=tuple(loads.names or ()) if loads else (),
        labels=dict(loads.labels or {}) if loads else {},
        kinds=tuple(loads.kinds or ()) if loads else (),
    )


def _values(document: Document, spec: Part, policy: str) -> Iterator[tuple[str, Value]]:
    for path, raw in _leaves(spec, ""):
        place = _place(document, ("spec", *path.split(".")))
        if path == "hold":
            until = instant(raw.until) if raw.until else float("inf")
            yield path, Value(StandingHold(raw.reason, until, policy), place, policy)
        elif path != "selector":
            yield path, Value(tuple(raw) if isinstance(raw, list) else raw, place, policy)
    if "mode" in spec.model_fields_set and "percent" not in spec.model_fields_set:
        yield "percent", Value(100.0, _place(document, ("spec", "mode")), policy)


def _leaves(part: Part, prefix: str) -> Iterator[tuple[str, Any]]:
    for name in type(part).model_fields:
        if name not in part.model_fields_set:
            continue
        path = f"{prefix}{name}"
        if path in NESTED:
            yield from _leaves(getattr(part, name), f"{path}.")
        else:
            yield path, getattr(part, name)


def _alone(document: Document, policy: Policy) -> Iterator[Fault]:
    """What a document says against itself."""
    values: Mapping[str, Value] = policy.values
    if "percent" in values and "mode" not in values:
        hint = "a percentage belongs to the mode that it limits"
        yield document.fault(("spec", "percent"), "needs mode beside it", hint)
    elif values.get("percent") is not None and values["percent"].value <= 0:
        yield document.fault(("spec", "percent"), "0 switches the mode off everywhere", "write mode: shadow")
    for path in NAMESPACE_WIDE if policy.selector.names or policy.selector.labels or policy.selector.kinds else ():
        if path in values:
            hint = "set it in a policy that selects no workloads"
            yield document.fault(("spec", *path.split(".")), "is shared by the whole namespace", hint)
    for path in ("approvals", "escalation.actions"):
        listed = values[path].value if path in values else ()
        if len(set(listed)) != len(listed):
            yield document.fault(("spec", *path.split(".")), "names a rung twice")
    if not (policy.values or document.faults):
        yield document.fault(("spec",), "sets nothing", "give it a mode, guards, or remove it")


def _place(document: Document, path: Path) -> Place:
    return Place(document.file, *(document.keys.get(path) or document.values.get(path, (0, 0))))
