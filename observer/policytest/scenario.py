"""A test after reading: the cluster and what changes in it, the series, and what is expected. Times in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Final, TypeVar

from pydantic import Field

from observer.config.documents import values as kinds
from observer.config.documents.declarations import Models, Part, Reads, Section, Switch, changed
from observer.config.policies.document import Place
from observer.config.policies.keys import WORKLOAD_KINDS
from observer.domain.action import ActionKind, Mode
from observer.domain.counts import FloatArray
from observer.domain.ids import ServiceRef, WorkloadRef
from observer.domain.settings import Setting, seconds
from observer.domain.slo import DataState

MODELS: Final = Models({}, inherits=True)
"""What reads facts: every key may be left out."""
LONGEST: Final = 40 * 86_400.0
"""A test may cover so much, seconds."""
WorkloadKey = tuple[str, str]
"""``(namespace, name)``."""
Words = Mapping[str, str]
_ANY = kinds.Check(empty=True)
_Labels = dict[str, Annotated[str, _ANY]]
_COUNT: Final = 1000


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What sets one pod apart."""

    ready: Annotated[bool | None, Setting("Its probe passes; without it, as its workload says.")] = None
    node: Annotated[str, Setting("Node that it runs on; without it, one of its own.")] = ""
    labels: Annotated[_Labels, Setting("Labels on top of those of its workload's pods.")] = field(default_factory=dict)
    annotations: Annotated[_Labels, Setting("Annotations on top of those of its workload's pods.")] = field(
        default_factory=dict
    )
    restarted: Annotated[bool, Setting("Its container restarts at this instant.")] = False


@dataclass(frozen=True, slots=True)
class WorkloadFacts:
    """One workload and its pods ``NAME-1`` ... ``NAME-n``."""

    kind: Annotated[str, Setting("Kind of the workload."), kinds.Words(WORKLOAD_KINDS)] = "Deployment"
    replicas: Annotated[
        int, Setting("Pods that are wanted; more are births, fewer take the newest away.", ge=0, le=_COUNT)
    ] = 1
    ready: Annotated[
        int | None,
        Setting("So many of the pods are Ready, the first ones; without it, all that started.", ge=0, le=_COUNT),
    ] = None
    service: Annotated[str, Setting("Canonical service of its pods; without it, its name.")] = ""
    version: Annotated[str, Setting("Canonical revision of its pods.")] = ""
    labels: Annotated[_Labels, Setting("Labels of the workload itself.")] = field(default_factory=dict)
    annotations: Annotated[_Labels, Setting("Annotations of the workload itself.")] = field(default_factory=dict)
    pod_labels: Annotated[_Labels, Setting("Labels of its pods.")] = field(default_factory=dict)
    pod_annotations: Annotated[_Labels, Setting("Annotations of its pods.")] = field(default_factory=dict)
    age: Annotated[float, seconds("Age of pods and rollout when the test begins.", 0, LONGEST)] = 7200.0
    start: Annotated[float, seconds("Time from a pod's creation until it is Ready.", 0, LONGEST)] = 20.0
    managers: Annotated[tuple[str, ...], Setting("Other controllers that own it: argo, flux, flagger.")] = ()
    touched: Annotated[bool, Setting("A person edits it at this instant.")] = False
    scaled_down: Annotated[bool, Setting("Its autoscaler removes pods at this instant.")] = False
    rollout: Annotated[bool, Setting("A rollout is under way from here on, until it is taken back.")] = False
    updated: Annotated[int, Setting("Replicas that the rollout has replaced.", ge=0, le=_COUNT)] = 0
    budget: Annotated[
        int | None,
        Setting("Disruptions that its PodDisruptionBudget allows; without it, there is none.", ge=0, le=_COUNT),
    ] = None
    drain_works: Annotated[bool, Setting("A drained pod gets no traffic.")] = True
    replacement_starts: Annotated[bool, Setting("A new pod becomes Ready.")] = True
    gateway: Annotated[bool, Setting("Its pods are a gateway's.")] = False
    sidecar: Annotated[bool, Setting("Its pods have a sidecar.")] = True
    local_volumes: Annotated[bool, Setting("Its pods lose data on their node.")] = False
    priority_class: Annotated[str, Setting("Priority class of its pods.")] = ""
    peak_rate: Annotated[
        float | None,
        Setting(
            "Requests a second that one pod served healthily in the last day; without it, four times what the "
            "busiest does in the test; 0 = not known.",
            ge=0,
            le=1e9,
        ),
    ] = None
    usual_error_rate: Annotated[float, Setting("Share of requests that failed in the last day.", ge=0, le=1)] = 0.0001
    pods: Annotated[dict[str, PodFacts], Setting("What sets single pods apart, by name.")] = field(default_factory=dict)

    def ref(self, key: WorkloadKey) -> WorkloadRef:
        return WorkloadRef(key[0], self.kind, key[1])

    def serves(self, key: WorkloadKey) -> ServiceRef:
        """The canonical service of its pods."""
        return ServiceRef(key[0], self.service or key[1])


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node."""

    zone: Annotated[str, Setting("Its zone.")] = "zone-a"
    ready: Annotated[bool, Setting("It is Ready.")] = True
    draining: Annotated[bool, Setting("Its pods are being moved away.")] = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What Kubernetes and people say."""

    namespaces: Mapping[str, Words] = field(default_factory=dict)
    workloads: Mapping[WorkloadKey, WorkloadFacts] = field(default_factory=dict)
    nodes: Mapping[str, NodeFacts] = field(default_factory=dict)
    paused: bool = False
    leader: bool = True
    mesh: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """From ``at`` on ``given`` holds, as it was written, over what held before; ``approve`` are ``(pod, action)``."""

    at: float
    given: FactKeys
    approve: tuple[tuple[str, ActionKind], ...] = ()


class FactKeys(Part):
    """Facts as they are written: what is left out stays as it was."""

    namespaces: dict[str, _Labels] = Field({}, description="Labels of each namespace.")
    workloads: dict[str, Annotated[Section, Reads(MODELS, WorkloadFacts)]] = Field(
        {}, description="Workloads by NAMESPACE/NAME; their pods are NAME-1 to NAME-n."
    )
    nodes: dict[str, Annotated[Section, Reads(MODELS, NodeFacts)]] = Field({}, description="Nodes by name.")
    paused: Switch = Field(False, description="The kill switch pauses all actions.")
    leader: Switch = Field(True, description="Observer holds the Lease.")
    mesh: Switch = Field(True, description="istiod is healthy.")


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
        reason: of the decision or of one of its guards' answers.
        alert, firing: of an objective; None = whatever, an empty ``alert`` = nobody is alerted.
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
    alert: str | None = None
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
        return any(not expectation.objective for expectation in self.expect)


Known = TypeVar("Known", PodFacts, WorkloadFacts, NodeFacts)


def split(name: str) -> WorkloadKey:
    """Namespace and name of ``NAMESPACE/NAME``. Raises: ValueError."""
    space, slash, rest = name.partition("/")
    if not (space and slash and rest) or "/" in rest:
        raise ValueError(name)
    return space, rest


def laid_over(facts: Facts, given: FactKeys) -> Facts:
    """``facts`` after what ``given`` (a validated mapping) changes of them; what happens only once is over."""
    workloads = {key: over(one) for key, one in facts.workloads.items()}
    for name, more in given.workloads.items():
        key = split(name)
        workloads[key] = _changed(workloads.get(key, WorkloadFacts()), more)
    nodes = dict(facts.nodes)
    for name, more in given.nodes.items():
        nodes[name] = _changed(nodes.get(name, NodeFacts()), more)
    spaces = {name: {**facts.namespaces.get(name, {}), **labels} for name, labels in given.namespaces.items()}
    return replace(
        facts,
        workloads=workloads,
        nodes=nodes,
        namespaces={**facts.namespaces, **spaces},
        **{name: getattr(given, name) for name in ("paused", "leader", "mesh") if name in given.model_fields_set},
    )


def over(facts: WorkloadFacts) -> WorkloadFacts:
    """The same after the instant: nobody edits it any more, no container restarts."""
    pods = {name: replace(one, restarted=False) for name, one in facts.pods.items()}
    return replace(facts, touched=False, scaled_down=False, pods=pods)


def _changed(known: Known, given: Section) -> Known:
    values: dict[str, object] = {}
    for item in fields(known):
        if item.name not in given.model_fields_set:
            continue
        value, before = getattr(given, item.name), getattr(known, item.name)
        if item.name == "pods":
            value = {**before, **{name: _changed(before.get(name, PodFacts()), one) for name, one in value.items()}}
        elif isinstance(before, Mapping):
            value = {**before, **value}
        values[item.name] = tuple(value) if isinstance(value, list) else value
    return changed(known, values)
