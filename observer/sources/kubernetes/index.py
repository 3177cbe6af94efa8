"""Pods as domain values, grouped by what they belong to, recomputed only where something changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from observer.domain.cluster import Pod
from observer.domain.ids import PodRef, ServiceRef, WorkloadRef
from observer.sources.kubernetes import parse
from observer.sources.kubernetes.reflector import Key
from observer.sources.kubernetes.wire import LabelSelector, PodWire, ReplicaSetWire


@dataclass(frozen=True, slots=True)
class Term:
    """
    One condition on one label: ``operator`` is ``In``, ``NotIn``, ``Exists`` or ``DoesNotExist``.

    As in Kubernetes, ``NotIn`` is true of a pod without the label. Any other operator matches nothing.
    """

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
        return False


@dataclass(frozen=True, slots=True)
class Selector:
    """
    Pairs that must be equal, and further terms; all must hold.

    Without any condition it matches everything; whoever means "nothing" by an empty selector (a Service) has none.
    """

    pairs: tuple[tuple[str, str], ...] = ()
    terms: tuple[Term, ...] = ()

    @classmethod
    def of_map(cls, pairs: Mapping[str, str]) -> Selector:
        return cls(tuple(sorted(pairs.items())))

    @classmethod
    def of_wire(cls, selector: LabelSelector) -> Selector:
        terms = tuple(
            Term(expression.key, expression.operator, frozenset(expression.values or ()))
            for expression in selector.match_expressions or ()
        )
        return cls(tuple(sorted((selector.match_labels or {}).items())), terms)

    @classmethod
    def of_text(cls, text: str) -> Selector:
        """The comma-separated form: ``app=istiod``, ``app!=x``, ``app``, ``!app``; raises ``ValueError`` for others."""
        pairs: list[tuple[str, str]] = []
        terms: list[Term] = []
        for part in filter(None, (part.strip() for part in text.split(","))):
            if any(mark in part for mark in " ()"):
                raise ValueError(f"label selector {text!r}: only =, ==, !=, key and !key are understood")
            key, separator, value = part.partition("!=")
            if separator:
                terms.append(Term(key, "NotIn", frozenset({value})))
            elif "=" in part:
                key, _, value = part.replace("==", "=").partition("=")
                pairs.append((key, value))
            elif part.startswith("!"):
                terms.append(Term(part[1:], "DoesNotExist"))
            else:
                terms.append(Term(part, "Exists"))
        return cls(tuple(pairs), tuple(terms))

    def matches(self, labels: Mapping[str, str]) -> bool:
        for key, value in self.pairs:
            if labels.get(key) != value:
                return False
        return all(term.matches(labels) for term in self.terms)


class SelectorIndex:
    """
    Named selectors, each filed under the rarest pair it asks for.

    A pod then tries only those filed under one of its own labels, and those that ask for no pair at all: with a
    thousand Services in a namespace that is a handful.
    """

    def __init__(self, selectors: Iterable[tuple[str, Selector]]) -> None:
        listed = sorted(selectors, key=lambda item: item[0])
        common = Counter(pair for _, selector in listed for pair in selector.pairs)
        self._by_pair: dict[tuple[str, str], list[tuple[str, Selector]]] = {}
        self._rest: list[tuple[str, Selector]] = []
        for name, selector in listed:
            if selector.pairs:
                rarest = min(selector.pairs, key=lambda pair: (common[pair], pair))
                self._by_pair.setdefault(rarest, []).append((name, selector))
            else:
                self._rest.append((name, selector))

    def matching(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        """Names of the selectors that match, sorted."""
        names = [name for name, selector in self._rest if selector.matches(labels)]
        by_pair = self._by_pair
        if by_pair:
            for pair in labels.items():
                for name, selector in by_pair.get(pair, ()):
                    if selector.matches(labels):
                        names.append(name)
        if len(names) > 1:
            names.sort()
        return tuple(names)


# --- Pods as domain values, grouped by what they belong to, recomputed only where something changed


R = TypeVar("R", bound=Hashable)
Selectors = Callable[[str], Iterable[tuple[str, Selector]]]
"""Namespace to the named selectors in it."""


class Groups(dict[R, set[PodRef]]):
    """Pods by something, with the sorted tuples that are handed out."""

    def __init__(self) -> None:
        super().__init__()
        self._tuples: dict[R, tuple[PodRef, ...]] = {}
        self._stale: set[R] = set()

    def put(self, group: R, ref: PodRef) -> None:
        self.setdefault(group, set()).add(ref)
        self._stale.add(group)

    def take(self, group: R, ref: PodRef) -> None:
        self[group].discard(ref)
        self._stale.add(group)

    def tuples(self) -> dict[R, tuple[PodRef, ...]]:
        """A new mapping; groups without a pod are gone from it."""
        for group in self._stale:
            if members := self.get(group):
                self._tuples[group] = tuple(sorted(members))
            else:
                self.pop(group, None)
                self._tuples.pop(group, None)
        self._stale.clear()
        return dict(self._tuples)


class PodIndex:
    """
    Turns pods into domain values.

    A pod's value depends on itself, on the ReplicaSet that owns it and on the Services and budgets of its namespace;
    a change of any of these marks it, and ``refresh`` recomputes the marked ones.

    Attributes:
        pods, by_name, by_service, by_workload: as in ``ClusterView``, but changing.
        by_budget: names of the pods that each budget selects; ``budgets_touched`` those whose pods changed.
        chosen: the pods that ``choose`` picks.
    """

    def __init__(
        self,
        pod: Callable[[Key], PodWire | None],
        replica_set: Callable[[Key], ReplicaSetWire | None],
        services: Selectors,
        budgets: Selectors,
        choose: Callable[[Pod], bool],
    ) -> None:
        self._pod, self._replica_set = pod, replica_set
        self._services, self._budgets, self._choose = services, budgets, choose
        self._marked: set[Key] = set()
        self._in_namespace: dict[str, set[Key]] = {}
        self._of_owner: dict[str, set[Key]] = {}
        self._indexes: dict[str, tuple[SelectorIndex, SelectorIndex]] = {}
        self._matching: dict[PodRef, tuple[str, ...]] = {}
        self.pods: dict[PodRef, Pod] = {}
        self.by_name: dict[Key, PodRef] = {}
        self.by_service: Groups[ServiceRef] = Groups()
        self.by_workload: Groups[WorkloadRef] = Groups()
        self.by_budget: dict[Key, set[str]] = {}
        self.budgets_touched: set[Key] = set()
        self.chosen: set[PodRef] = set()

    @property
    def stale(self) -> bool:
        """Something is marked."""
        return bool(self._marked)

    def pod_changed(self, before: PodWire | None, now: PodWire | None) -> None:
        for version in (before, now):
            if version is None:
                continue
            key = (version.metadata.namespace, version.metadata.name)
            self._marked.add(key)
            members = self._in_namespace.setdefault(key[0], set())
            owner = parse.controller(version.metadata)
            owned = self._of_owner.setdefault(owner.uid, set()) if owner else set()
            if version is now:
                members.add(key)
                owned.add(key)
            else:
                members.discard(key)
                owned.discard(key)
                if owner and not owned:
                    del self._of_owner[owner.uid]

    def owner_changed(self, uid: str) -> None:
        """A ReplicaSet came, went or has another owner."""
        self._marked |= self._of_owner.get(uid, set())

    def selectors_changed(self, namespace: str) -> None:
        """A Service or a budget of the namespace came, went or selects differently."""
        self._indexes.pop(namespace, None)
        self._marked |= self._in_namespace.get(namespace, set())

    def refresh(self) -> set[WorkloadRef]:
        """Recompute what is marked; returns the workloads whose pods changed."""
        touched: set[WorkloadRef] = set()
        for key in self._marked:
            if (old := self.by_name.pop(key, None)) is not None:
                touched |= self._forget(old)
            if (wire := self._pod(key)) is not None:
                touched |= self._learn(wire)
        self._marked.clear()
        return touched

    def _forget(self, ref: PodRef) -> set[WorkloadRef]:
        gone = self.pods.pop(ref)
        self.by_service.take(gone.service, ref)
        self.chosen.discard(ref)
        for name in self._matching.pop(ref):
            self.by_budget[ref.namespace, name].discard(ref.name)
            self.budgets_touched.add((ref.namespace, name))
        if gone.workload is None:
            return set()
        self.by_workload.take(gone.workload, ref)
        return {gone.workload}

    def _learn(self, wire: PodWire) -> set[WorkloadRef]:
        meta = wire.metadata
        owner = parse.controller(meta)
        above = self._replica_set((meta.namespace, owner.name)) if owner and owner.kind == "ReplicaSet" else None
        workload = parse.workload_of(meta, above.metadata if above else None)
        services, budgets = self._index(meta.namespace)
        labels: Mapping[str, str] = meta.labels or {}
        pod = parse.pod(wire, workload, services.matching(labels))
        self.pods[pod.ref] = pod
        self.by_name[pod.ref.key] = pod.ref
        self.by_service.put(pod.service, pod.ref)
        self._matching[pod.ref] = matching = budgets.matching(labels)
        for name in matching:
            self.by_budget.setdefault((meta.namespace, name), set()).add(meta.name)
            self.budgets_touched.add((meta.namespace, name))
        if self._choose(pod):
            self.chosen.add(pod.ref)
        if workload is None:
            return set()
        self.by_workload.put(workload, pod.ref)
        return {workload}

    def _index(self, namespace: str) -> tuple[SelectorIndex, SelectorIndex]:
        indexes = self._indexes.get(namespace)
        if indexes is None:
            indexes = (SelectorIndex(self._services(namespace)), SelectorIndex(self._budgets(namespace)))
            self._indexes[namespace] = indexes
        return indexes
