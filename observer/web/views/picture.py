"""
One tick -> the rows that every page shows. Made once a tick, in a thread; nobody changes it afterwards.

What cannot be seen is UNKNOWN. A workload is healthy only when its pods were judged in this tick, were called, and
nothing speaks against them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from observer.domain.approval import Plan
from observer.domain.cluster import ClusterView, Pod
from observer.domain.decision import Decision
from observer.domain.ids import ServiceRef, WorkloadRef
from observer.domain.incident import Incident
from observer.domain.slo import ObjectiveStatus
from observer.engine.detect.lately import RecentTraffic, by_service, by_workload
from observer.engine.memory import IN_PROGRESS
from observer.engine.remediation.approvals import waiting
from observer.runtime.status import TickResult
from observer.web.views.models import Control, NamespaceRow, WorkloadRow
from observer.web.views.rows import burn, headline, overdraft
from observer.web.views.states import QUIET, STANDING, URGENCY, State

NOBODY: Mapping[WorkloadRef, RecentTraffic] = {}


@dataclass(frozen=True, slots=True, eq=False)
class ViewState:
    """
    What the last tick looks like.

    Attributes:
        rows: every workload, the most urgent first. by_name: the same by ``(namespace, name)``.
        namespaces: every namespace that has a workload, the most urgent first.
        open: open incidents, oldest first. standing: what was told and holds, by subject.
        services: the last minute by service. plans: what waits for a person's word, by incident.
    """

    seen: TickResult
    control: Control
    rows: tuple[WorkloadRow, ...]
    namespaces: tuple[NamespaceRow, ...]
    states: Mapping[str, int]
    open: tuple[Incident, ...]
    standing: Mapping[str, Decision]
    services: Mapping[ServiceRef, RecentTraffic]
    by_name: Mapping[tuple[str, str], WorkloadRow] = field(default_factory=dict)
    plans: Mapping[str, Plan] = field(default_factory=dict)

    @property
    def at(self) -> float:
        """The instant of the tick, Unix seconds."""
        return self.seen.at

    @property
    def sighted(self) -> bool:
        """The tick saw enough to act on."""
        return self.seen.memory.complete


def view_state_of(seen: TickResult) -> ViewState:
    """The picture of one tick; some milliseconds of work for a thousand workloads."""
    facts = _Facts.of(seen)
    view = seen.snapshot.cluster
    rows = tuple(sorted(facts.rows(view), key=_urgency)) if view is not None else ()
    return ViewState(
        seen=seen,
        control=control_of(seen),
        rows=rows,
        namespaces=_namespaces(rows),
        states=Counter(row.state.value for row in rows),
        open=facts.open,
        standing=facts.standing,
        services=facts.services,
        by_name={(row.namespace, row.name): row for row in rows},
        plans={one.incident: one for one in waiting(seen.memory, view, seen.settings, seen.policies)},
    )


def control_of(seen: TickResult) -> Control:
    """May anything be written?"""
    control = seen.snapshot.control
    return Control(seen.settings.mode, control.paused, control.reason, control.leader, control.term, seen.halted)


def standing(seen: TickResult) -> dict[str, Decision]:
    """What was told and was not taken back, by subject; quiet reasons left out."""
    kinds = {key for key in seen.memory.told if key[1] in STANDING}
    found: dict[str, Decision] = {}
    for one in seen.recent:
        if (one.subject, one.kind) in kinds and one.reason not in QUIET:
            found[one.subject] = one
    return found


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known beside the cluster itself, indexed."""

    seen: TickResult
    open: tuple[Incident, ...]
    standing: Mapping[str, Decision]
    services: Mapping[ServiceRef, RecentTraffic]
    workloads: Mapping[WorkloadRef, RecentTraffic]
    incidents: Mapping[object, Sequence[Incident]]

    @classmethod
    def of(cls, seen: TickResult) -> _Facts:
        incidents: dict[object, list[Incident]] = defaultdict(list)
        found = seen.memory.open_incidents()
        for one in found:
            incidents[one.workload if one.workload is not None else one.service].append(one)
        detector = seen.memory.detector
        services, workloads = by_service(detector), by_workload(detector)
        return cls(seen, found, standing(seen), services, workloads, incidents)

    def rows(self, view: ClusterView) -> Iterable[WorkloadRow]:
        for ref in {**view.workloads, **view.by_workload}:
            yield self._row(ref, view)

    def _row(self, ref: WorkloadRef, view: ClusterView) -> WorkloadRow:
        seen = self.seen
        pods = [pod for one in view.by_workload.get(ref, ()) if (pod := view.pods.get(one)) is not None]
        known = view.workloads.get(ref)
        services = {pod.service for pod in pods}
        mine = [*self.incidents.get(ref, ()), *(one for name in services for one in self.incidents.get(name, ()))]
        objectives = [one for name in services for one in seen.snapshot.objectives.get(name, ())]
        told = [
            one
            for subject in (f"workload {ref.namespace}/{ref.name}", *(f"service {name}" for name in services))
            if (one := self.standing.get(subject)) is not None
        ]
        lately = self.workloads.get(ref) if seen.memory.complete else None
        ready, desired = sum(pod.ready for pod in pods), known.desired if known is not None else None
        state, text = _state(mine, told, objectives, lately, _Pods(pods, ready, desired, seen.memory.complete))
        applied = seen.policies.applied.get(ref)
        return WorkloadRow(
            namespace=ref.namespace,
            kind=ref.kind,
            name=ref.name,
            state=state,
            headline=text,
            mode=applied.mode if applied is not None else seen.settings.mode,
            enabled=view.acts_in(ref.namespace),
            ready=ready,
            pods=len(pods),
            desired=desired,
            requests=lately.rate if lately is not None else None,
            error_rate=lately.error_rate if lately is not None and lately.requests else None,
            budget_left=_least(one.budget.remaining for one in objectives if one.state.known),
            burn=max((rate for one in objectives if (rate := burn(one)) is not None), default=None),
            incidents=tuple(one.id for one in mine),
        )


@dataclass(frozen=True, slots=True)
class _Pods:
    """A workload's pods, and whether this tick was seen in full."""

    all: Sequence[Pod]
    ready: int
    desired: int | None
    sighted: bool


def _state(
    incidents: Sequence[Incident],
    told: Sequence[Decision],
    objectives: Sequence[ObjectiveStatus],
    lately: RecentTraffic | None,
    pods: _Pods,
) -> tuple[State, str]:
    """State and the sentence for it: the most urgent thing that holds."""
    paged = next((one for one in objectives if one.told == "page"), None)
    if told:
        return State.FAILING, told[-1].text
    if incidents:
        one = min(incidents, key=lambda item: (URGENCY[_of_incident(item)], item.opened))
        return _of_incident(one), headline(one)
    if paged is not None:
        return State.FAILING, paged.text
    return _of_surroundings(objectives, lately, pods)


def _of_incident(one: Incident) -> State:
    if one.blocked:
        return State.HELD
    return State.ACTING if one.phase in IN_PROGRESS else State.SUSPECTED


def _of_surroundings(
    objectives: Sequence[ObjectiveStatus], lately: RecentTraffic | None, pods: _Pods
) -> tuple[State, str]:
    """Nobody is suspected: what else could be wrong."""
    wanted = pods.desired if pods.desired is not None else len(pods.all)
    if pods.ready < wanted:
        return State.DEGRADED, f"{pods.ready} of {wanted} pods are Ready"
    burning = next((one for one in objectives if one.told), None)
    if burning is not None:
        return State.DEGRADED, burning.text
    spent = min((one for one in objectives if one.overdrawn), key=lambda one: one.budget.remaining, default=None)
    if spent is not None:
        return State.OVERDRAWN, overdraft(spent)
    if not wanted:
        return State.IDLE, "scaled to zero"
    if not pods.sighted:
        return State.UNKNOWN, "this tick was not seen in full"
    if lately is None:
        return State.UNKNOWN, "no sidecar: its requests are not seen"
    unseen = next((one for one in objectives if not one.state.known), None)
    if unseen is not None:
        return State.UNKNOWN, f"{unseen.objective.slo}: {unseen.detail or unseen.state.value}"
    if not lately.requests:
        return State.IDLE, "nobody called in the last minute"
    return State.HEALTHY, ""


def _namespaces(rows: Sequence[WorkloadRow]) -> tuple[NamespaceRow, ...]:
    by_namespace: dict[str, list[WorkloadRow]] = defaultdict(list)
    for row in rows:  # the most urgent first, so the first one met is the worst
        by_namespace[row.namespace].append(row)
    found = [
        NamespaceRow(
            namespace=name,
            enabled=members[0].enabled,
            workloads=len(members),
            states=dict(Counter(row.state.value for row in members)),
            worst=members[0].state,
            budget_left=_least(row.budget_left for row in members if row.budget_left is not None),
        )
        for name, members in by_namespace.items()
    ]
    return tuple(sorted(found, key=lambda one: (URGENCY[one.worst], one.namespace)))


def _urgency(row: WorkloadRow) -> tuple[int, float, str, str, str]:
    left = row.budget_left if row.budget_left is not None else 1.0
    return URGENCY[row.state], left, row.namespace, row.name, row.kind


def _least(values: Iterable[float]) -> float | None:
    return min(values, default=None)
