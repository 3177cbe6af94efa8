"""A set of policies, and which of them are in force for each workload of a cluster."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from observer.config.policies.document import Policy, Subject, Value
from observer.config.policies.inherit import (
    BUILT_IN,
    DOUBT,
    EffectiveValues,
    applied,
    base_values,
    inside,
    layered,
    resolve,
)
from observer.config.policies.rules import contradictions
from observer.config.settings.model import Settings
from observer.domain.cluster import ClusterView
from observer.domain.ids import WorkloadRef
from observer.domain.policy import EffectivePolicies, EffectivePolicy

_DAY = 86_400.0


@dataclass(frozen=True, slots=True, eq=False)
class PolicySet:
    """Policies that passed every check, with the settings beneath them."""

    policies: tuple[Policy, ...]
    base: Mapping[str, Value]
    settings: Settings

    @property
    def identity(self) -> str:
        """Twelve hex digits of all documents, whatever their order; empty without any."""
        if not self.policies:
            return ""
        parts = sorted(repr((policy.name, policy.rank, policy.selector, _plain(policy))) for policy in self.policies)
        text = "\n".join([self.settings.engine.identity, *parts])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def beneath(self, settings: Settings) -> PolicySet:
        """The same policies over other settings."""
        known = {path: value.place for path, value in self.base.items() if value.place != BUILT_IN}
        return PolicySet(self.policies, base_values(settings, known), settings)

    def effective(self, subject: Subject) -> EffectiveValues:
        """What holds for one workload, every value with its place."""
        return resolve(self.policies, subject, self.base)


class EffectivePolicyCache:
    """Keeps the effective policies up to date; workloads that the same documents reach share one policy."""

    def __init__(self, policies: PolicySet) -> None:
        self._set = policies
        self._identity = policies.identity
        self._largest = max(policies.settings.prometheus.cuts_ms)
        self._beneath = set(contradictions(layered((), policies.base), policies.settings.engine, self._largest))
        self._by_shape: dict[tuple[tuple[int, ...], bool], EffectivePolicy] = {}
        self._known: dict[WorkloadRef, tuple[Mapping[str, str], Mapping[str, str], EffectivePolicy | None]] = {}
        self._looked_at: tuple[object, ...] = (None,)
        self._day = -1.0
        self._policies = EffectivePolicies(identity=self._identity)

    def policies(self, cluster: ClusterView | None, at: float) -> EffectivePolicies:
        """The applied policy of every workload of ``cluster`` at ``at``, Unix seconds; the last one without a view."""
        if cluster is None or not self._set.policies:
            return self._policies
        changed = self._new_day(at)
        looked_at = (cluster.workloads, cluster.by_workload, cluster.pods, cluster.namespaces)
        if not changed and all(one is other for one, other in zip(looked_at, self._looked_at, strict=False)):
            return self._policies  # mappings are never changed after they were handed out
        self._looked_at = looked_at
        seen: dict[WorkloadRef, EffectivePolicy] = {}
        for subject in subjects(cluster):
            known = self._known.get(subject.ref)
            if known is None or known[0] != subject.labels or known[1] != subject.namespace_labels:
                known = (subject.labels, subject.namespace_labels, self._applied(subject, at))
                self._known[subject.ref] = known
                changed = True
            if known[2] is not None:
                seen[subject.ref] = known[2]
        if changed or len(seen) != len(self._policies.applied):
            self._known = {ref: self._known[ref] for ref in self._known if ref in seen or ref in cluster.workloads}
            self._policies = EffectivePolicies(identity=self._identity, applied=seen)
        return self._policies

    def _new_day(self, at: float) -> bool:
        """Zones are looked up anew once a day: offsets reach only so far ahead."""
        if at // _DAY == self._day:
            return False
        self._day = at // _DAY
        self._by_shape.clear()
        self._known.clear()
        return True

    def _applied(self, subject: Subject, at: float) -> EffectivePolicy | None:
        reaching = tuple(i for i, policy in enumerate(self._set.policies) if policy.selector.matches(subject))
        if not reaching:
            return None
        effective = layered([self._set.policies[i] for i in reaching], self._set.base)
        within = inside(subject.ref, effective.values["percent"].value)
        shape = (reaching, within)
        if shape not in self._by_shape:
            engine = self._set.settings.engine
            found = [
                contradiction
                for contradiction in contradictions(effective, engine, self._largest)
                if contradiction not in self._beneath
            ]
            faults = tuple(f"{path} {message}" for path, message, _ in found)
            self._by_shape[shape] = applied(effective, engine, inside_percent=within, at=at, faults=faults)
        return self._by_shape[shape]


def subjects(cluster: ClusterView) -> Iterator[Subject]:
    """Every workload that has pods or is watched; labels of a kind that is not watched are those of its pods."""
    nobody: Mapping[str, str] = {}
    for ref in {**cluster.workloads, **cluster.by_workload}:
        spaces = cluster.namespaces.get(ref.namespace, nobody)
        workload = cluster.workloads.get(ref)
        if workload is not None:
            yield Subject(ref, workload.labels, spaces)
        else:
            first = min(cluster.by_workload[ref], default=None)
            pod = cluster.pods.get(first) if first is not None else None
            yield Subject(ref, pod.labels if pod is not None else nobody, spaces)


def modes(policies: EffectivePolicies) -> dict[str, int]:
    """Number of workloads under a policy by mode, for status and metrics."""
    return dict(sorted(Counter(policy.mode.value for policy in policies.applied.values()).items()))


def doubts(policies: EffectivePolicies) -> dict[str, str]:
    """Workloads whose policies disagree, with the words."""
    found = {}
    for ref, one in policies.applied.items():
        texts = [hold.reason for hold in one.holds if hold.source == DOUBT]
        if texts:
            found[str(ref)] = "; ".join(texts)
    return found


def _plain(policy: Policy) -> list[tuple[str, str]]:
    return sorted((path, repr(value.value)) for path, value in policy.values.items())
