"""Does a pod belong to a suspected group?"""

from __future__ import annotations

from observer.domain.cluster import ClusterView, Pod
from observer.domain.suspect import Culprit, CulpritKind


def belongs(pod: Pod, group: Culprit, cluster: ClusterView) -> bool:
    """A node of which nothing is known may be in any zone."""
    if group.service is not None and group.service != pod.service:
        return False
    match group.kind:
        case CulpritKind.REVISION:
            deployment = pod.workload.name if pod.workload is not None else ""
            return group.name in (deployment, pod.revision, pod.owner_name)
        case CulpritKind.NODE:
            return group.name == pod.node
        case CulpritKind.ZONE:
            node = cluster.nodes.get(pod.node)
            return node is None or group.name == node.zone
        case _:
            return group.service == pod.service
