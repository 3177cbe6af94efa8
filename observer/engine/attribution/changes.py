"""What was changed shortly before is likelier to be at fault; what was restarted after it began is less so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from observer.domain.attribution import Cause, CauseKind, Change, ChangeKind, EvidenceLine, Placement
from observer.domain.cluster import ClusterView, Pod

_SCORE: Final = {
    ChangeKind.ROLLOUT: 3.0,
    ChangeKind.NODE_CONDITION: 2.0,
    ChangeKind.CONFIG: 2.0,
    ChangeKind.RESTART: 1.0,
}
_AFTER: Final = -5.0
"""A pod that was restarted after the onset and fails all the same is not what began it."""
_YOUNG: Final = 1800.0
"""Seconds before the onset within which a change is suspicious."""
_SLACK: Final = 60.0
"""An onset is estimated: a change up to so many seconds after it may still have caused it."""


def change_lines(changes: Iterable[Change], onset: float) -> list[tuple[Cause, EvidenceLine]]:
    """The prior of each change, given when the incident began."""
    found = []
    for change in changes:
        age = onset - change.at
        ago = f"{change.kind.value.replace('_', ' ')} {abs(age):.0f} s {'before' if age >= 0.0 else 'after'} the onset"
        text = f"{ago}: {change.detail}" if change.detail else ago
        if change.kind is ChangeKind.RESTART and age < -_SLACK:
            found.append((change.cause, EvidenceLine("change", _AFTER, text)))
        elif change.kind is ChangeKind.NODE_CONDITION or -_SLACK <= age <= _YOUNG:
            # A condition that stands counts whenever it was noticed.
            found.append((change.cause, EvidenceLine("change", _SCORE[change.kind], text)))
    return found


def changes_of(view: ClusterView) -> tuple[Change, ...]:
    """Rollouts and restarts that the picture of the cluster shows, and nodes that are unwell or being drained."""
    found: list[Change] = []
    for node in sorted(view.nodes.values(), key=lambda one: one.name):
        if not node.ready or node.draining:
            detail = "not ready" if not node.ready else "cordoned or draining"
            found.append(Change(ChangeKind.NODE_CONDITION, view.at, Cause(CauseKind.NODE, "", node.name), detail))
    revisions: dict[Cause, float] = {}
    for ref in sorted(view.pods):
        pod = view.pods[ref]
        cause = Cause(CauseKind.POD, ref.namespace, ref.name, pod.service, ref)
        if pod.restarts and pod.started is not None:
            found.append(Change(ChangeKind.RESTART, pod.started, cause, f"{pod.restarts} restarts"))
        workload = view.workloads.get(pod.workload) if pod.workload is not None else None
        if workload is not None:
            revision = Cause(CauseKind.REVISION, ref.namespace, revision_of(pod), pod.service)
            revisions[revision] = workload.progressing_since
    found += [
        Change(ChangeKind.ROLLOUT, since, cause)
        for cause, since in sorted(revisions.items(), key=lambda one: str(one[0]))
    ]
    return tuple(found)


def revision_of(pod: Pod) -> str:
    """How a pod's revision is named: its Deployment, else its direct owner, else its version label."""
    return pod.workload.name if pod.workload is not None else pod.owner_name or pod.revision


def seats_of(view: ClusterView) -> dict[tuple[str, str], Placement]:
    """Where each pod of the picture sits."""
    found = {}
    for ref, pod in view.pods.items():
        node = view.nodes.get(pod.node)
        zone = node.zone if node is not None else ""
        found[ref.key] = Placement(ref, pod.service, revision_of(pod), pod.node, zone, pod.created)
    return found
