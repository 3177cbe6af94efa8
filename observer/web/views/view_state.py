"""
One tick -> the rows that every page shows. Made once a tick, in a thread; nobody changes it afterwards.

What cannot be seen is UNKNOWN. A workload is healthy only when its pods were judged in this tick, were called, and
nothing speaks against them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from observer.domain.approval import Plan
from observer.domain.cluster import ClusterView, Pod
from observer.domain.decision import Decision
from observer.domain.ids import ServiceRef, WorkloadRef
from observer.domain.incident import Incident
from observer.domain.slo import ObjectiveStatus
from observer.engine.detect.last_minute import RecentTraffic, by_service, by_workload
from observer.engine.memory import IN_PROGRESS
from observer.engine.remediation.approvals import waiting
from observer.runtime.status import TickResult
from observer.web.models.rows import URGENCY, Control, NamespaceRow, State, WorkloadRow
from observer.web.views.rows import burn, headline, overdraft

STANDING: Final = frozenset({"suppressed", "unreached", "frozen"})
"""Kinds of decisions that hold until they are taken back."""
QUIET: Final = frozenset({"few_reported", "warming_up"})
"""Reasons of a suppression that are no trouble."""


@dataclass(frozen=True, slots=True, eq=False)
class ViewState:
    """
    What the last tick looks like.

    Attributes:
        rows: every workload, the most urgent first. by_name: the same by ``(namespace, name)``.
        namespaces: every namespace that has a workload, the most urgent first.
        open: open incidents, oldest first. standing: what was published and still holds, by subject.
        services: the last minute by service. plans: what waits for approval, by incident.
    """

    tick: TickResult
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
        return self.tick.at

    @property
    def complete(self) -> bool:
        """The tick saw enough to act on."""
        return self.tick.memory.complete


def view_state_of(tick: TickResult) -> ViewState:
    """The view state of one tick; some milliseconds of work for a thousand workloads."""
    facts = _Facts.of(tick)
    view = tick.snapshot.cluster
    rows = tuple(sorted(facts.rows(view), key=_urgency)) if view is not None else ()
    return ViewState(
        tick=tick,
        control=control_of(tick),
        rows=rows,
        namespaces=_namespaces(rows),
        states=Counter(row.state.value for row in rows),
        open=facts.open,
        standing=facts.standing,
        services=facts.services,
        by_name={(row.namespace, row.name): row for row in rows},
        plans={plan.incident: plan for plan in waiting(tick.memory, view, tick.settings, tick.policies)},
    )


def control_of(tick: TickResult) -> Control:
    """May anything be written?"""
    control = tick.snapshot.control
    return Control(tick.settings.mode, control.paused, control.reason, control.leader, control.term, tick.halted)


def standing(tick: TickResult) -> dict[str, Decision]:
    """What was published and was not taken back, by subject; quiet reasons left out."""
    keys = {key for key in tick.memory.published if key[1] in STANDING}
    return {
        decision.subject: decision
        for decision in tick.recent
        if (decision.subject, decision.kind) in keys and decision.reason not in QUIET
    }


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known beside the cluster itself, indexed."""

    tick: TickResult
    open: tuple[Incident, ...]
    standing: Mapping[str, Decision]
    services: Mapping[ServiceRef, RecentTraffic]
    workloads: Mapping[WorkloadRef, RecentTraffic]
    incidents: Mapping[object, Sequence[Incident]]

    @classmethod
    def of(cls, tick: TickResult) -> _Facts:
        incidents: dict[object, list[Incident]] = defaultdict(list)
        open_incidents = tick.memory.open_incidents()
        for incident in open_incidents:
            incidents[incident.workload if incident.workload is not None else incident.service].append(incident)
        detector = tick.memory.detector
        services = by_service(detector.comparison, detector.minute, detector.at)
        workloads = by_workload(detector.comparison, detector.minute, detector.at)
        return cls(tick, open_incidents, standing(tick), services, workloads, incidents)

    def rows(self, view: ClusterView) -> Iterable[WorkloadRow]:
        for ref in {**view.workloads, **view.by_workload}:
            yield self._row(ref, view)

    def _row(self, ref: WorkloadRef, view: ClusterView) -> WorkloadRow:
        tick = self.tick
        complete = tick.memory.complete
        pods = [pod for key in view.by_workload.get(ref, ()) if (pod := view.pods.get(key)) is not None]
        workload = view.workloads.get(ref)
        services = {pod.service for pod in pods}
        incidents = [incident for key in (ref, *services) for incident in self.incidents.get(key, ())]
        objectives = [status for name in services for status in tick.snapshot.objectives.get(name, ())]
        subjects = (f"workload {ref.namespace}/{ref.name}", *(f"service {name}" for name in services))
        decisions = [self.standing[subject] for subject in subjects if subject in self.standing]
        recent = self.workloads.get(ref) if complete else None
        ready, desired = sum(pod.ready for pod in pods), workload.desired if workload is not None else None
        state, text = _state(incidents, decisions, objectives, recent, _Pods(pods, ready, desired, complete))
        policy = tick.policies.applied.get(ref)
        return WorkloadRow(
            namespace=ref.namespace,
            kind=ref.kind,
            name=ref.name,
            state=state,
            headline=text,
            mode=policy.mode if policy is not None else tick.settings.mode,
            enabled=view.acts_in(ref.namespace),
            ready=ready,
            pods=len(pods),
            desired=desired,
            requests=recent.rate if recent is not None else None,
            error_rate=recent.error_rate if recent is not None and recent.requests else None,
            budget_left=_least(status.budget.remaining for status in objectives if status.state.known),
            burn=max((rate for status in objectives if (rate := burn(status)) is not None), default=None),
            incidents=tuple(incident.id for incident in incidents),
        )


@dataclass(frozen=True, slots=True)
class _Pods:
    """A workload's pods, and whether the tick saw enough to judge them."""

    all: Sequence[Pod]
    ready: int
    desired: int | None
    complete: bool


def _state(
    incidents: Sequence[Incident],
    decisions: Sequence[Decision],
    objectives: Sequence[ObjectiveStatus],
    recent: RecentTraffic | None,
    pods: _Pods,
) -> tuple[State, str]:
    """State and the sentence for it: the most urgent thing that holds."""
    paging = next((status for status in objectives if status.alert == "page"), None)
    if decisions:
        return State.FAILING, decisions[-1].text
    if incidents:
        worst = min(incidents, key=lambda incident: (URGENCY[_of_incident(incident)], incident.opened))
        return _of_incident(worst), headline(worst)
    if paging is not None:
        return State.FAILING, paging.text
    return _of_surroundings(objectives, recent, pods)


def _of_incident(incident: Incident) -> State:
    if incident.blocked:
        return State.BLOCKED
    return State.ACTING if incident.phase in IN_PROGRESS else State.SUSPECTED


def _of_surroundings(
    objectives: Sequence[ObjectiveStatus], recent: RecentTraffic | None, pods: _Pods
) -> tuple[State, str]:
    """Nobody is suspected: what else could be wrong."""
    wanted = pods.desired if pods.desired is not None else len(pods.all)
    if pods.ready < wanted:
        return State.DEGRADED, f"{pods.ready} of {wanted} pods are Ready"
    burning = next((status for status in objectives if status.alert), None)
    if burning is not None:
        return State.DEGRADED, burning.text
    overdrawn = [status for status in objectives if status.overdrawn]
    if overdrawn:
        return State.OVERDRAWN, overdraft(min(overdrawn, key=lambda status: status.budget.remaining))
    if not wanted:
        return State.IDLE, "scaled to zero"
    if not pods.complete:
        return State.UNKNOWN, "this tick was not seen in full"
    if recent is None:
        return State.UNKNOWN, "no sidecar: its requests are not seen"
    unknown = next((status for status in objectives if not status.state.known), None)
    if unknown is not None:
        return State.UNKNOWN, f"{unknown.objective.slo}: {unknown.detail or unknown.state.value}"
    if not recent.requests:
        return State.IDLE, "nobody called in the last minute"
    return State.HEALTHY, ""


def _namespaces(rows: Sequence[WorkloadRow]) -> tuple[NamespaceRow, ...]:
    by_namespace: dict[str, list[WorkloadRow]] = defaultdict(list)
    for row in rows:  # the most urgent first, so the first one met is the worst
        by_namespace[row.namespace].append(row)
    namespaces = [
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
    return tuple(sorted(namespaces, key=lambda row: (URGENCY[row.worst], row.namespace)))


def _urgency(row: WorkloadRow) -> tuple[int, float, str, str, str]:
    left = row.budget_left if row.budget_left is not None else 1.0
    return URGENCY[row.state], left, row.namespace, row.name, row.kind


def _least(values: Iterable[float]) -> float | None:
    return min(values, default=None)
