"""What Kubernetes and the scrape targets say about the pods behind an objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from observer.domain.cluster import ClusterView, ResourceKind
from observer.domain.ids import ServiceRef, WorkloadRef
from observer.domain.slo import Objective
from observer.engine.slo.states import STALE_AFTER, Facts

KUBERNETES_STALE: Final = 60.0
"""Seconds after which what Kubernetes told is no longer known."""
SCRAPE_GRACE: Final = 90.0
"""A pod that is Ready for less may not have been scraped yet."""
_NEEDED: Final = (ResourceKind.PODS, ResourceKind.DEPLOYMENTS)

Scrapes = Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class Scene:
    """
    One instant: the cluster, the targets' last scrapes (None when not known), and the workloads that each service was
    ever seen to have, so that one that is scaled to zero is still known as its own.
    """

    at: float
    view: ClusterView
    scraped: Scrapes | None
    owners: Mapping[ServiceRef, frozenset[WorkloadRef]]


def owners_of(view: ClusterView) -> dict[ServiceRef, frozenset[WorkloadRef]]:
    """The workloads behind each service now."""
    return {
        service: frozenset(pod.workload for ref in refs if (pod := view.pods[ref]).workload is not None)
        for service, refs in view.by_service.items()
    }


def surroundings(
    objective: Objective, scene: Scene, *, failed: str = "", disagreement: str = "", newest: float | None = None
) -> Facts:
    """
    The facts beside the counters of one objective.

    ``newest`` is the newest scrape of any target (see ``newest_scrape``).
    """
    answered = not failed and scene.scraped is not None
    if objective.scope is None:
        return Facts(answered=answered, scraped=newest, disagreement=disagreement)
    if any(scene.at - scene.view.fresh.get(kind, 0.0) > KUBERNETES_STALE for kind in _NEEDED):
        return Facts(answered=answered, scraped=newest, scoped=True, disagreement=disagreement)
    refs = scene.view.by_service.get(objective.scope, ())
    pods = [scene.view.pods[ref] for ref in refs]
    named = WorkloadRef(objective.scope.namespace, "Deployment", objective.scope.name)
    owners = {
        named,
        *scene.owners.get(objective.scope, ()),
        *(pod.workload for pod in pods if pod.workload is not None),
    }
    workloads = [found for ref in owners if (found := scene.view.workloads.get(ref)) is not None]
    ready = [pod for pod in pods if pod.ready and not pod.deleting]
    settled = [pod for pod in ready if scene.at - (pod.ready_since or pod.created) > SCRAPE_GRACE]
    scraped = scene.scraped or {}
    unseen = sum(scene.at - scraped.get(pod.ref.key, 0.0) > STALE_AFTER for pod in settled)
    bare = sum(pod.workload is None for pod in pods)
    return Facts(
        answered=answered,
        scraped=newest,
        desired=sum(found.desired for found in workloads) + bare,
        ready=len(ready),
        watched=len(ready) - unseen,
        scoped=True,
        rollout=any(workload.rolling(scene.at) for workload in workloads),
        disagreement=disagreement,
    )


def newest_scrape(scraped: Scrapes | None) -> float | None:
    """The newest scrape of any target, None when targets are not known."""
    return max(scraped.values(), default=0.0) if scraped is not None else None
