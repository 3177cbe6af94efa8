"""
Who is compared with whom: pods in the order of their services, and the groups that cut through them.

Everything after this works on arrays in this order. Rows are the pods, then the groups inside one service (revision,
node, zone), then nodes and zones pooled over services. A group wins over its pods by evidence; where pod and place
cannot be told apart, that is said.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from observer.domain.cluster import ClusterView, Pod
from observer.domain.counts import BoolArray, CounterFrame, FloatArray, IntArray
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.reasons import Reason
from observer.domain.settings import DetectionSettings
from observer.domain.suspect import Culprit, CulpritKind

NO_INTS: IntArray = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class ComparisonGroups:
    """
    Attributes:
        refs: pods in the order of their services; only pods with a sidecar that are not being deleted.
        frame_row: shape (N,), row of the pod in the counter frame, -1 = it has none.
        service_of: shape (N,), index into ``services``; ``first``: shape (S + 1,), where each service begins.
        groups: culprits of the group rows; ``members`` lists their pods one group after the other from ``group_first``
            (shape (G + 1,)); ``group_service``: shape (G,).
        pools: culprits of the pooled rows; ``parts`` lists the rows (pods or groups) that each adds up, from
            ``pool_first`` (shape (P + 1,)).
        created: shape (N,), Unix seconds. ready: shape (N,). starts: shape (N, 2), restarts and newest container start.
    """

    refs: tuple[PodRef, ...] = ()
    pods: tuple[Pod, ...] = ()
    services: tuple[ServiceRef, ...] = ()
    service_of: IntArray = field(default_factory=lambda: NO_INTS)
    first: IntArray = field(default_factory=lambda: np.zeros(1, np.int64))
    frame_row: IntArray = field(default_factory=lambda: NO_INTS)
    groups: tuple[Culprit, ...] = ()
    members: IntArray = field(default_factory=lambda: NO_INTS)
    group_first: IntArray = field(default_factory=lambda: np.zeros(1, np.int64))
    group_service: IntArray = field(default_factory=lambda: NO_INTS)
    pools: tuple[Culprit, ...] = ()
    parts: IntArray = field(default_factory=lambda: NO_INTS)
    pool_first: IntArray = field(default_factory=lambda: np.zeros(1, np.int64))
    created: FloatArray = field(default_factory=lambda: np.zeros(0))
    ready: BoolArray = field(default_factory=lambda: np.zeros(0, np.bool_))
    starts: FloatArray = field(default_factory=lambda: np.zeros((0, 2)))
    position: Mapping[PodRef, int] = field(default_factory=dict)
    pods_seen: object = None
    names_seen: object = None

    @property
    def size(self) -> tuple[int, int, int]:
        """Numbers of pods, of groups and of pooled rows."""
        return len(self.refs), len(self.groups), len(self.pools)

    def peers(self, service: int) -> range:
        """Positions of a service's pods."""
        return range(int(self.first[service]), int(self.first[service + 1]))

    def group_members(self, group: int) -> IntArray:
        return self.members[self.group_first[group] : self.group_first[group + 1]]

    def culprit(self, row: int) -> Culprit:
        """Who stands in ``row``."""
        if row < len(self.refs):
            ref = self.refs[row]
            return Culprit(CulpritKind.POD, ref.namespace, ref.name, self.pods[row].service, ref)
        row -= len(self.refs)
        return self.groups[row] if row < len(self.groups) else self.pools[row - len(self.groups)]


def comparison_of(cluster: ClusterView, frame: CounterFrame, last: ComparisonGroups) -> ComparisonGroups:
    """The comparison groups of this tick; the last one itself while neither pods nor frame rows changed."""
    if last.pods_seen is cluster.pods and last.names_seen is frame.pods:
        return last
    rows = {key: row for row, key in enumerate(frame.pods)}
    services, pods, starts = _peers(cluster)
    refs = [pod.ref for pod in pods]
    if tuple(refs) == last.refs and all(_same_place(a, b) for a, b in zip(pods, last.pods, strict=True)):
        return _refreshed(last, pods, rows, cluster, frame)
    groups = _Groups(pods, services, starts, cluster)
    return ComparisonGroups(
        refs=tuple(refs),
        pods=tuple(pods),
        services=tuple(services),
        service_of=np.repeat(np.arange(len(services)), np.diff(starts)),
        first=starts,
        frame_row=_rows(refs, rows),
        groups=tuple(groups.culprits),
        members=_flat(groups.members),
        group_first=_firsts(groups.members),
        group_service=np.array(groups.service, dtype=np.int64),
        pools=tuple(groups.pools),
        parts=_flat(groups.parts),
        pool_first=_firsts(groups.parts),
        created=np.fromiter((pod.created for pod in pods), np.float64, len(pods)),
        ready=_ready(pods),
        starts=_starts(pods),
        position={ref: i for i, ref in enumerate(refs)},
        pods_seen=cluster.pods,
        names_seen=frame.pods,
    )


def _peers(cluster: ClusterView) -> tuple[list[ServiceRef], list[Pod], IntArray]:
    """Services with their judged pods one after the other, and where each begins."""
    services: list[ServiceRef] = []
    pods: list[Pod] = []
    first = [0]
    for service in sorted(cluster.by_service, key=lambda ref: (ref.namespace, ref.name)):
        judged = [
            pod
            for ref in cluster.by_service[service]
            if (pod := cluster.pods.get(ref)) is not None and pod.sidecar and not pod.deleting
        ]
        if judged:
            judged.sort(key=lambda pod: (pod.ref.name, pod.ref.uid))
            services.append(service)
            pods.extend(judged)
            first.append(len(pods))
    return services, pods, np.array(first, dtype=np.int64)


def carried(new: ComparisonGroups, old: ComparisonGroups) -> IntArray:
    """Shape (rows of ``new``,): the row of ``old`` that holds the same pod or group, -1 = it is new."""
    pods = np.fromiter((old.position.get(ref, -1) for ref in new.refs), np.int64, len(new.refs))
    base, count = len(old.refs), len(old.refs) + len(old.groups)
    old_rows = {culprit: base + i for i, culprit in enumerate(old.groups)}
    old_rows |= {culprit: count + i for i, culprit in enumerate(old.pools)}
    rest = [old_rows.get(culprit, -1) for culprit in (*new.groups, *new.pools)]
    return np.concatenate([pods, np.array(rest, dtype=np.int64)])


def _same_place(pod: Pod, other: Pod) -> bool:
    return pod is other or (pod.node, pod.revision, pod.owner_uid, pod.workload) == (
        other.node,
        other.revision,
        other.owner_uid,
        other.workload,
    )


def _refreshed(
    last: ComparisonGroups,
    pods: list[Pod],
    rows: Mapping[tuple[str, str], int],
    cluster: ClusterView,
    frame: CounterFrame,
) -> ComparisonGroups:
    return replace(
        last,
        pods=tuple(pods),
        frame_row=_rows(last.refs, rows),
        ready=_ready(pods),
        starts=_starts(pods),
        pods_seen=cluster.pods,
        names_seen=frame.pods,
    )


def _ready(pods: list[Pod]) -> BoolArray:
    return np.fromiter((pod.ready for pod in pods), np.bool_, len(pods))


def _starts(pods: list[Pod]) -> FloatArray:
    flat = [(float(pod.restarts), pod.started if pod.started is not None else -1.0) for pod in pods]
    return np.array(flat, dtype=np.float64).reshape(len(flat), 2)


def _rows(refs: list[PodRef] | tuple[PodRef, ...], rows: Mapping[tuple[str, str], int]) -> IntArray:
    return np.fromiter((rows.get((ref.namespace, ref.name), -1) for ref in refs), np.int64, len(refs))


def _flat(lists: list[list[int]]) -> IntArray:
    return np.array([item for part in lists for item in part], dtype=np.int64)


def _firsts(lists: list[list[int]]) -> IntArray:
    return np.cumsum([0, *(len(part) for part in lists)], dtype=np.int64)


class _Groups:
    """Collects the groups inside each service, then what nodes and zones hold over services."""

    def __init__(self, pods: list[Pod], services: list[ServiceRef], first: IntArray, cluster: ClusterView) -> None:
        self._pods, self._cluster = pods, cluster
        self.culprits: list[Culprit] = []
        self.members: list[list[int]] = []
        self.service: list[int] = []
        self._cells: dict[tuple[CulpritKind, str], list[int]] = defaultdict(list)
        for index, service in enumerate(services):
            self._split(index, service, range(int(first[index]), int(first[index + 1])))
        pooled = {key: rows for key, rows in sorted(self._cells.items()) if len(rows) > 1}
        self.pools = [Culprit(kind, "", name) for kind, name in pooled]
        self.parts = list(pooled.values())

    def _split(self, index: int, service: ServiceRef, peers: range) -> None:
        if len(peers) < 2:
            return
        listed: set[tuple[int, ...]] = set()
        for kind, name_of in (
            (CulpritKind.REVISION, _deployment),
            (CulpritKind.REVISION, lambda pod: pod.revision),
            (CulpritKind.REVISION, _replica_set),
            (CulpritKind.NODE, lambda pod: pod.node),
            (CulpritKind.ZONE, self._zone),
        ):
            parts: dict[str, list[int]] = defaultdict(list)
            for position in peers:
                if name := name_of(self._pods[position]):
                    parts[name].append(position)
            for name, positions in sorted(parts.items()):
                if len(positions) == len(peers):
                    continue
                row = positions[0]
                if len(positions) > 1:
                    if kind is CulpritKind.REVISION and tuple(positions) in listed:
                        continue
                    listed.add(tuple(positions))
                    row = len(self._pods) + len(self.culprits)
                    self.culprits.append(Culprit(kind, service.namespace, name, service))
                    self.members.append(positions)
                    self.service.append(index)
                if kind is not CulpritKind.REVISION:
                    self._cells[(kind, name)].append(row)

    def _zone(self, pod: Pod) -> str:
        node = self._cluster.nodes.get(pod.node)
        return node.zone if node is not None else ""


def _deployment(pod: Pod) -> str:
    return pod.workload.name if pod.workload is not None else ""


def _replica_set(pod: Pod) -> str:
    return pod.owner_name


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

    ``weigh`` tells a row's evidence score without caps: with them, all rows of a strong fault look alike.
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
    Shape (R, X): groups most of whose bad requests were those of pods that are suspected no more.

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
    The place that cannot be told from the pod: it is the only judged peer there, and something speaks against it.

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
