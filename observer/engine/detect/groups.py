"""Pod or place? A group wins over its pods by evidence; where the two cannot be told apart, that is said."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from observer.domain.cluster import ClusterView, Pod
from observer.domain.counts import BoolArray, FloatArray, IntArray
from observer.domain.reasons import Reason
from observer.domain.settings import DetectionSettings
from observer.domain.suspect import Culprit, CulpritKind
from observer.engine.detect.roster import ComparisonGroups

_MOSTLY: Final = 0.5


@dataclass(frozen=True, slots=True)
class Contest:
    """
    Who explains the evidence best, for one symptom.

    Attributes:
        winners: rows to be named, pods and groups.
        beaten: group row to the pods that it explains; explained: those pods.
        near: pod row to a group that explains nearly as much.
    """

    winners: tuple[int, ...]
    beaten: dict[int, tuple[int, ...]]
    near: dict[int, int]


def contest(
    comparison: ComparisonGroups, suspected: list[int], weigh: Callable[[int], float], margin: float
) -> Contest:
    """
    Nested comparison of the suspected rows, smallest group first: a larger one must beat what stands by ``margin``.

    ``weigh`` tells a row's evidence in nats without caps: with them, all rows of a strong fault look alike.
    """
    pods = len(comparison.refs)
    score = {row: weigh(row) for row in suspected}
    nobody = -math.inf
    standing: dict[int, int] = {row: row for row in suspected if row < pods}
    near: dict[int, int] = {}
    groups = sorted((row for row in suspected if row >= pods), key=lambda row: (len(pods_of(comparison, row)), row))
    named: dict[int, tuple[int, ...]] = {}
    for group in groups:
        members = pods_of(comparison, group).tolist()
        rivals = {standing.get(member, member) for member in members}
        best = max(rivals, key=lambda row: (score.get(row, nobody), -row))
        if score[group] >= score.get(best, nobody) + margin:
            for rival in rivals:
                named.pop(rival, None)
            named[group] = tuple(members)
            standing.update(dict.fromkeys(members, group))
        elif best < pods and score[group] > score[best] - margin:
            near[best] = group
    winners = [row for row in suspected if row in named or (row < pods and standing[row] == row)]
    return Contest(tuple(winners), named, near)


def pods_of(comparison: ComparisonGroups, row: int) -> IntArray:
    """Positions of the pods that a row stands for."""
    pods, groups = len(comparison.refs), len(comparison.groups)
    if row < pods:
        return np.array([row], dtype=np.int64)
    if row < pods + groups:
        return comparison.group_members(row - pods)
    pool = row - pods - groups
    parts = comparison.parts[comparison.pool_first[pool] : comparison.pool_first[pool + 1]]
    return np.concatenate([pods_of(comparison, int(part)) for part in parts])


def explained(comparison: ComparisonGroups, bad: FloatArray, over: BoolArray) -> BoolArray:
    """
    Shape (R, X): groups most of whose bad requests were those of pods that are no more to be blamed.

    ``bad``: shape (R, X), since the run began; ``over``: shape (N, X), pods that are gone or whose fault ended. Such a
    pod cannot stand against the group any more: what it did would become the group's.
    """
    rows = np.zeros(bad.shape, dtype=np.bool_)
    pods = len(comparison.refs)
    lost = np.where(over, bad[:pods], 0.0)
    for row in (np.flatnonzero(bad[pods:].any(axis=1)) + pods).tolist() if lost.any() else ():
        part = lost[pods_of(comparison, row)].sum(axis=0)
        rows[row] = (part > 0.0) & (part >= _MOSTLY * bad[row])
    return rows


def tie(
    comparison: ComparisonGroups,
    position: int,
    suspected: frozenset[int],
    cluster: ClusterView,
    at: float,
    settings: DetectionSettings,
) -> tuple[Reason, Culprit] | None:
    """
    The place that cannot be told from the pod: it is the only judged sibling there, and something speaks against it.

    ``suspected`` are positions of pods at the annotate tier. Returns a fixed reason word with the place.
    """
    pod = comparison.pods[position]
    peers = [comparison.pods[i] for i in comparison.peers(int(comparison.service_of[position])) if i != position]
    if pod.node and all(other.node != pod.node for other in peers):
        for other in sorted(suspected):
            neighbour = comparison.pods[other]
            if neighbour.node == pod.node and neighbour.service != pod.service:
                return Reason.TIE_NODE, Culprit(CulpritKind.NODE, "", pod.node)
    lone = bool(peers) and all(_revision(other) != _revision(pod) for other in peers)
    if lone and at - _revision_since(pod, cluster) < settings.young_revision:
        return Reason.TIE_REVISION, Culprit(CulpritKind.REVISION, pod.ref.namespace, _revision_name(pod), pod.service)
    return None


def _revision(pod: Pod) -> tuple[object, ...]:
    return (pod.workload, pod.owner_uid)


def _revision_name(pod: Pod) -> str:
    return pod.workload.name if pod.workload is not None else pod.owner_name or pod.revision


def _revision_since(pod: Pod, cluster: ClusterView) -> float:
    workload = cluster.workloads.get(pod.workload) if pod.workload is not None else None
    return workload.progressing_since if workload is not None else pod.created
