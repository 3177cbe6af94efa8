"""A test after reading: the cluster and what changes in it, the series, and what is expected. Times in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from observer.config.policies.document import Place
from observer.domain.action import ActionKind, Mode
from observer.domain.counts import FloatArray
from observer.domain.ids import ServiceRef, WorkloadRef
from observer.domain.slo import DataState

WorkloadKey = tuple[str, str]
"""``(namespace, name)``."""


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What sets one pod apart; None = as its workload says. ``restarted``: its container restarts at this instant."""

    ready: bool | None = None
    node: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    restarted: bool = False


@dataclass(frozen=True, slots=True)
class WorkloadFacts:
    """
    One workload and its pods ``NAME-1`` ... ``NAME-n``.

    Attributes:
        ready: so many of the pods are Ready, the first ones; None = all that have started.
        age: of the pods and of the rollout when the test begins. start: seconds from a pod's creation to Ready.
        touched, scaled_down, rollout: a person edits it, its autoscaler shrinks it, its rollout begins at this instant;
            ``rollout`` lasts until it is taken back, ``updated`` is how far it has got.
        budget: disruptions that a PodDisruptionBudget over its pods allows; None = there is none.
        drain_works: a drained pod gets no traffic. replacement_starts: a new pod becomes Ready.
        peak_rate: requests a second that one pod served healthily in the last day; None = four times what the busiest
            does in the test, 0 = not known. usual_error_rate: of that day.
    """

    kind: str = "Deployment"
    replicas: int = 1
    ready: int | None = None
    service: str = ""
    version: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    pod_labels: Mapping[str, str] = field(default_factory=dict)
    pod_annotations: Mapping[str, str] = field(default_factory=dict)
    age: float = 7200.0
    start: float = 20.0
    managers: tuple[str, ...] = ()
    touched: bool = False
    scaled_down: bool = False
    rollout: bool = False
    updated: int = 0
    budget: int | None = None
    drain_works: bool = True
    replacement_starts: bool = True
    gateway: bool = False
    sidecar: bool = True
    local_volumes: bool = False
    priority_class: str = ""
    peak_rate: float | None = None
    usual_error_rate: float = 0.0001
    pods: Mapping[str, PodFacts] = field(default_factory=dict)

    def ref(self, key: WorkloadKey) -> WorkloadRef:
        return WorkloadRef(key[0], self.kind, key[1])

    def serves(self, key: WorkloadKey) -> ServiceRef:
        """The canonical service of its pods."""
        return ServiceRef(key[0], self.service or key[1])


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node."""

    zone: str = "zone-a"
    ready: bool = True
    draining: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What Kubernetes and people say. ``mesh`` is istiod's health, ``paused`` the kill switch."""

    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    workloads: Mapping[WorkloadKey, WorkloadFacts] = field(default_factory=dict)
    nodes: Mapping[str, NodeFacts] = field(default_factory=dict)
    paused: bool = False
    leader: bool = True
    mesh: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """From ``at`` on ``given`` holds, as it was written, over what held before; ``approve`` are ``(pod, action)``."""

    at: float
    given: Any
    approve: tuple[tuple[str, ActionKind], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """
    One written series.

    Attributes:
        metric, labels: without ``pod`` where ``pods`` is a pattern. query: the answer of an expression instead.
        owner: workload of the pods that report it; None for a series that belongs to no pod of the test.
        samples: see ``notation.samples``.
    """

    metric: str
    labels: Mapping[str, str]
    samples: FloatArray
    place: Place
    pods: str = ""
    query: str = ""
    owner: WorkloadKey | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """
    What must have been decided between ``after`` and ``before``, or must stand at ``at``; empty = whatever.

    Attributes:
        count: so many decisions match; None = at least one.
        none: nothing stands (with ``at``).
        reason: of the decision or of one of its holds.
        told, firing: of an objective; None = whatever.
    """

    place: Place
    at: float | None = None
    after: float = 0.0
    before: float = 0.0
    count: int | None = None
    verdict: str = ""
    none: bool = False
    kind: str = ""
    action: ActionKind | None = None
    reason: str = ""
    severity: str = ""
    pod: str = ""
    objective: str = ""
    state: DataState | None = None
    told: str | None = None
    firing: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Scenario:
    """
    One test.

    Attributes:
        mode: of the settings, None = theirs. start: Unix seconds of its beginning. interval: between samples, which
            are scrapes. look: between two looks at the objectives. end: its last instant.
        objectives: templates that hold for every service although no policy names them.
    """

    name: str
    place: Place
    facts: Facts
    lines: tuple[Line, ...]
    changes: tuple[Change, ...]
    expect: tuple[Expectation, ...]
    start: float
    interval: float
    look: float
    end: float
    mode: Mode | None = None
    objectives: tuple[tuple[str, Place], ...] = ()

    @property
    def decides(self) -> bool:
        """Decisions are expected; without them only the objectives are looked at."""
        return any(not one.objective for one in self.expect)
