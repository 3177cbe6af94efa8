"""Text of policy files to policies, every fault with its place; rules between documents stand in ``rules``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from observer.config.documents.declarations import Part
from observer.config.documents.faults import Fault
from observer.config.documents.marks import Document, Path, read_marked_all
from observer.config.documents.refusals import validated
from observer.config.policies.document import Level, Place, Policy, Selector, Value
from observer.config.policies.keys import API_VERSION, KIND, TEST_KIND, SelectorKeys, SpecKeys, document_model, settings
from observer.config.policies.windows import instant
from observer.domain.policy import StandingHold
from observer.domain.settings import GuardSettings, declared

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
    given, found = validated(document_model(), document.data, document)
    if given is None:
        return None, faults + [_cluster_wide(fault) for fault in found]
    policy = Policy(
        name=given.metadata.name,
        place=_place(document, ("metadata", "name")),
        selector=_selector(given.spec.selector),
        values=dict(_values(document, given.spec, given.metadata.name)),
        own=own,
    )
    faults += list(_alone(document, policy))
    return (None if faults else policy), faults


def _cluster_wide(fault: Fault) -> Fault:
    """A key that only the settings file may have is known, and yet no policy's."""
    above, _, name = fault.path.rpartition(".")
    fleet = {item.name for item in declared(GuardSettings) if item.setting.cluster_wide}
    if above != "spec.guards" or name not in fleet:
        return fault
    return replace(
        fault, message="is for the whole cluster and no policy's", hint=f"guards.{name} of the settings file"
    )


def _selector(given: SelectorKeys) -> Selector:
    spaces, loads = given.namespaces, given.workloads
    return Selector(
        enabled=spaces.enabled,
        namespaces=tuple(spaces.names),
        namespace_labels=dict(spaces.labels),
        names=tuple(loads.names),
        labels=dict(loads.labels),
        kinds=tuple(loads.kinds),
    )


def _values(document: Document, spec: SpecKeys, policy: str) -> Iterator[tuple[str, Value]]:
    for path, raw in _leaves(spec, ""):
        place = _place(document, ("spec", *path.split(".")))
        yield path, Value(tuple(raw) if isinstance(raw, list) else raw, place, policy)
    if spec.hold is not None:
        until = instant(spec.hold.until) if spec.hold.until else float("inf")
        yield "hold", Value(StandingHold(spec.hold.reason, until, policy), _place(document, ("spec", "hold")), policy)
    if "mode" in spec.model_fields_set and "percent" not in spec.model_fields_set:
        yield "percent", Value(100.0, _place(document, ("spec", "mode")), policy)


def _leaves(part: Part, prefix: str) -> Iterator[tuple[str, object]]:
    """What inherits: sections key by key."""
    for name in type(part).model_fields:
        path, value = f"{prefix}{name}", getattr(part, name)
        if name not in part.model_fields_set or path in ("selector", "hold"):
            continue
        if isinstance(value, Part):
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value


def _alone(document: Document, policy: Policy) -> Iterator[Fault]:
    """What a document says against itself."""
    values: Mapping[str, Value] = policy.values
    if "percent" in values and "mode" not in values:
        hint = "a percentage belongs to the mode that it limits"
        yield document.fault(("spec", "percent"), "needs mode beside it", hint)
    elif values.get("percent") is not None and values["percent"].value <= 0:
        yield document.fault(("spec", "percent"), "0 switches the mode off everywhere", "write mode: shadow")
    for path in values if policy.selector.level is Level.WORKLOAD else ():
        if path in settings() and settings()[path].setting.namespace_wide:
            hint = "set it in a policy that selects no workloads"
            yield document.fault(("spec", *path.split(".")), "is shared by the whole namespace", hint)
    for path in ("approvals", "escalation.actions"):
        listed = values[path].value if path in values else ()
        if len(set(listed)) != len(listed):
            yield document.fault(("spec", *path.split(".")), "names an action twice")
    if not (policy.values or document.faults):
        yield document.fault(("spec",), "sets nothing", "give it a mode, guards, or remove it")


def _place(document: Document, path: Path) -> Place:
    return Place(document.file, *(document.keys.get(path) or document.values.get(path, (0, 0))))
