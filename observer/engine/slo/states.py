"""
What the data of an objective is worth, before anybody looks at a burn rate.

"No data" has many causes that call for opposite answers: nobody calls, nothing runs, nothing is scraped, a typo in a
selector, a rollout. Kubernetes, ``up`` and the counters together tell them apart; what they cannot tell is not OK.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from observer.domain.cluster import ClusterView, ResourceKind
from observer.domain.ids import ServiceRef, WorkloadRef
from observer.domain.slo import DataState, Objective

STALE_AFTER: Final = 180.0
"""Seconds without any scrape after which counters that stand say nothing; the slowest usual interval is a minute."""
DISAGREE_SHARE: Final = 0.25
DISAGREE_EVENTS: Final = 50.0


@dataclass(frozen=True, slots=True)
class Facts:
    """
    What is known about one objective's data at one instant: first by its counters, then by Kubernetes and the targets.

    Attributes:
        answered: every question was answered whole at this instant.
        series: counters of the objective seen now; ``parts_missing`` names a part of the SLI without any series while
            the other has some (``no bucket 300 ms``).
        ever: there were series before. since: first look that counted anything, Unix seconds, None before it.
        moved: there were events within the window of silence.
        scraped: newest scrape of a target that carries the series, Unix seconds; None when targets are not known.
        desired, ready, watched: pods that Kubernetes wants, that are Ready, and those of the ready ones whose target
            was scraped; None when the objective belongs to no service, or Kubernetes is not known.
        scoped: the objective belongs to a service, so that Kubernetes must be known.
        rollout: a rollout of its workload is in progress.
        disagreement: how two views of the same calls differ, empty when they agree.
        uncertain: a counter fell although nothing restarted.
    """

    answered: bool = True
    series: int = 1
    parts_missing: str = ""
    ever: bool = True
    since: float | None = None
    moved: bool = True
    scraped: float | None = None
    desired: int | None = None
    ready: int | None = None
    watched: int | None = None
    scoped: bool = False
    rollout: bool = False
    disagreement: str = ""
    uncertain: bool = False


def state_of(facts: Facts, at: float, shortest: float) -> tuple[DataState, str]:
    """The state and why; ``shortest`` is the objective's shortest window in seconds, ``at`` Unix seconds."""
    if facts.disagreement:
        return DataState.CONFLICT, facts.disagreement
    if not facts.answered:
        return DataState.STALE, "the metric source did not answer"
    if facts.scoped and facts.desired is None:
        return DataState.PARTIAL, "Kubernetes is not known, so it is unknown which pods should be seen"
    if facts.parts_missing:
        return DataState.ABSENT, facts.parts_missing
    return _with_series(facts, at, shortest) if facts.series else _without_series(facts)


def _with_series(facts: Facts, at: float, shortest: float) -> tuple[DataState, str]:
    if facts.scraped is not None and at - facts.scraped > STALE_AFTER:
        return DataState.STALE, f"nothing was scraped for {at - facts.scraped:.0f} s"
    if (missing := _unwatched(facts)) > 0:
        return DataState.PARTIAL, f"{missing} of {facts.ready} serving pods are not scraped"
    if facts.uncertain:
        return DataState.PARTIAL, "a counter fell although no container restarted"
    if facts.since is None or at - facts.since < shortest:
        age = 0.0 if facts.since is None else at - facts.since
        return DataState.NEW, f"counted for {age:.0f} s, the shortest window is {shortest:.0f} s"
    if not facts.moved:
        return DataState.IDLE, "no calls; pods serve, targets are up and counters stand"
    return DataState.OK, ""


def _without_series(facts: Facts) -> tuple[DataState, str]:
    if not facts.ever:
        return DataState.ABSENT, "there never was a series: no call yet, or the selector matches nothing"
    if facts.desired == 0:
        return DataState.IDLE, "scaled to zero"
    if facts.desired is None:
        return DataState.ABSENT, "its series are gone"
    if not facts.ready:
        phase = "; a rollout is in progress" if facts.rollout else ""
        return DataState.ABSENT, f"its series are gone and none of {facts.desired} pods is Ready{phase}"
    if (missing := _unwatched(facts)) > 0:
        return DataState.ABSENT, f"its series are gone and {missing} of {facts.ready} Ready pods are not scraped"
    why = "since the rollout" if facts.rollout else "since they started"
    return DataState.IDLE, f"all {facts.ready} Ready pods are scraped and have not been called {why}"


def _unwatched(facts: Facts) -> int:
    if facts.ready is None or facts.watched is None:
        return 0
    return max(facts.ready - facts.watched, 0)


def disagreement(callers: float, callees: float) -> str:
    """
    How the callers' and the pods' own count of the same calls differ, in words; empty when they agree well enough.

    ``callers`` are only those calls that reached a pod.
    """
    most = max(callers, callees)
    if abs(callers - callees) <= max(DISAGREE_SHARE * most, DISAGREE_EVENTS):
        return ""
    return f"callers count {callers:.0f} calls that arrived, the pods themselves {callees:.0f}"


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
