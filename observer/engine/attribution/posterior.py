"""
Evidence, members and changes -> probabilities: the sum of the scores of each cause, normalised; nothing else.

What was changed shortly before the onset is likelier to be at fault; what was restarted after it is less so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from observer.domain.attribution import (
    UNKNOWN,
    Cause,
    CauseKind,
    Change,
    ChangeKind,
    EvidenceLine,
    Placement,
    RankedCause,
    workload_cause,
)
from observer.domain.cluster import ClusterView, Pod
from observer.domain.ids import ServiceRef
from observer.engine.attribution.evidence import MemberEvidence, ServiceEvidence
from observer.engine.messages.wording import percent

DOUBT: Final = 3.0
"""Score that UNKNOWN starts with: about 20:1 against a cause for which nothing speaks."""
_MOST_LINES: Final = 8
_CAUTION: Final = [
    *map(CauseKind, ("unknown", "external", "edge", "caller", "workload", "zone", "node", "revision", "pod"))
]
"""Of causes that are as probable the one comes first that is acted on least."""


def posterior(
    all_evidence: Iterable[ServiceEvidence],
    members: Iterable[MemberEvidence],
    changes: Iterable[tuple[Cause, EvidenceLine]],
    blind: float = 0.0,
) -> tuple[RankedCause, ...]:
    """
    Rank every cause that anything speaks for, and UNKNOWN, which gains ``blind`` for what was not seen.

    A member (pod, revision, node) shares its service's evidence and adds what sets it apart from the service as a
    whole. Ties are broken against the more drastic act: UNKNOWN first, pods last.
    """
    lines: dict[Cause, list[EvidenceLine]] = {
        UNKNOWN: [EvidenceLine("doubt", DOUBT + blind, "no cause, or none that can be seen")]
    }
    of_service: dict[ServiceRef, list[EvidenceLine]] = {}
    inherited: dict[ServiceRef, float] = {}
    for service_evidence in all_evidence:
        _count(service_evidence, lines, of_service)
        for service, part in service_evidence.inherited.items():
            inherited[service] = max(inherited.get(service, 0.0), part)
    members_evidence = sorted(
        members, key=lambda member: (str(member.cause), member.line.word, member.line.score, member.line.text)
    )
    for member_evidence in members_evidence:
        of_service.setdefault(member_evidence.service, [])
    for service, service_lines in of_service.items():
        lines.setdefault(workload_cause(service), []).extend(service_lines)
    _count_members(members_evidence, lines, of_service)
    for cause, line in sorted(changes, key=lambda item: (str(item[0]), item[1].text)):
        if cause.kind is CauseKind.REVISION and cause not in lines and cause.service in of_service:
            # All pods are of the new revision: it is the service's own trouble by another name.
            lines[cause] = list(of_service[cause.service])
        if cause in lines:
            lines[cause].append(line)
    return _normalised(lines, inherited)


def _count_members(
    members_evidence: Iterable[MemberEvidence],
    lines: dict[Cause, list[EvidenceLine]],
    of_service: Mapping[ServiceRef, list[EvidenceLine]],
) -> None:
    shared: set[tuple[Cause, ServiceRef]] = set()
    for member in members_evidence:
        # A node accounts for the trouble of every service that names it.
        if (member.cause, member.service) not in shared:
            lines.setdefault(member.cause, []).extend(of_service[member.service])
            shared.add((member.cause, member.service))
        lines[member.cause].append(member.line)


def _count(
    service_evidence: ServiceEvidence,
    lines: dict[Cause, list[EvidenceLine]],
    of_service: dict[ServiceRef, list[EvidenceLine]],
) -> None:
    for service, share in service_evidence.services.items():
        text = service_evidence.texts.get(service, "")
        said = f"{percent(share)} of the {service_evidence.word.replace('_', ' ')}" + (f": {text}" if text else "")
        of_service.setdefault(service, []).append(
            EvidenceLine(service_evidence.word, service_evidence.score * share, said)
        )
    for cause, share in service_evidence.others.items():
        line = EvidenceLine(
            service_evidence.word, service_evidence.score * share, f"{percent(share)} of the {service_evidence.word}"
        )
        lines.setdefault(cause, []).append(line)
    if service_evidence.unexplained > 1e-9 and service_evidence.score > 0.0:
        score = service_evidence.score * service_evidence.unexplained
        lines[UNKNOWN].append(
            EvidenceLine(service_evidence.word, score, f"{percent(service_evidence.unexplained)} without a cause")
        )


def _normalised(
    lines: Mapping[Cause, list[EvidenceLine]], inherited: Mapping[ServiceRef, float]
) -> tuple[RankedCause, ...]:
    score = {cause: math.fsum(line.score for line in reasons) for cause, reasons in lines.items()}
    top = max(score.values())
    weights = {cause: math.exp(value - top) for cause, value in score.items()}
    whole = math.fsum(weights.values())
    ranked = [
        RankedCause(
            cause,
            weights[cause] / whole,
            score[cause],
            inherited.get(cause.service, 0.0) if cause.service is not None and cause.callee is None else 0.0,
            tuple(sorted(reasons, key=lambda line: (-abs(line.score), line.word, line.text))[:_MOST_LINES]),
        )
        for cause, reasons in lines.items()
    ]
    return tuple(
        sorted(
            ranked,
            key=lambda entry: (-entry.probability, _CAUTION.index(entry.cause.kind), str(entry.cause)),
        )
    )


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
    result = []
    for change in changes:
        age = onset - change.at
        ago = f"{change.kind.value.replace('_', ' ')} {abs(age):.0f} s {'before' if age >= 0.0 else 'after'} the onset"
        text = f"{ago}: {change.detail}" if change.detail else ago
        if change.kind is ChangeKind.RESTART and age < -_SLACK:
            result.append((change.cause, EvidenceLine("change", _AFTER, text)))
        elif change.kind is ChangeKind.NODE_CONDITION or -_SLACK <= age <= _YOUNG:
            # A condition that stands counts whenever it was noticed.
            result.append((change.cause, EvidenceLine("change", _SCORE[change.kind], text)))
    return result


def changes_of(view: ClusterView) -> tuple[Change, ...]:
    """Rollouts and restarts that the picture of the cluster shows, and nodes that are unwell or being drained."""
    changes: list[Change] = []
    for node in sorted(view.nodes.values(), key=lambda node: node.name):
        if not node.ready or node.draining:
            detail = "not ready" if not node.ready else "cordoned or draining"
            changes.append(Change(ChangeKind.NODE_CONDITION, view.at, Cause(CauseKind.NODE, "", node.name), detail))
    revisions: dict[Cause, float] = {}
    for ref in sorted(view.pods):
        pod = view.pods[ref]
        cause = Cause(CauseKind.POD, ref.namespace, ref.name, pod.service, ref)
        if pod.restarts and pod.started is not None:
            changes.append(Change(ChangeKind.RESTART, pod.started, cause, f"{pod.restarts} restarts"))
        workload = view.workloads.get(pod.workload) if pod.workload is not None else None
        if workload is not None:
            revision = Cause(CauseKind.REVISION, ref.namespace, revision_of(pod), pod.service)
            revisions[revision] = workload.progressing_since
    changes += [
        Change(ChangeKind.ROLLOUT, since, cause)
        for cause, since in sorted(revisions.items(), key=lambda item: str(item[0]))
    ]
    return tuple(changes)


def revision_of(pod: Pod) -> str:
    """How a pod's revision is named: its Deployment, else its direct owner, else its version label."""
    return pod.workload.name if pod.workload is not None else pod.owner_name or pod.revision


def seats_of(view: ClusterView) -> dict[tuple[str, str], Placement]:
    """Where each pod of the picture sits."""
    result = {}
    for ref, pod in view.pods.items():
        node = view.nodes.get(pod.node)
        zone = node.zone if node is not None else ""
        result[ref.key] = Placement(ref, pod.service, revision_of(pod), pod.node, zone, pod.created)
    return result
