"""What ``observer doctor`` asks the API server, and what to do about each red line."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

from observer.config.settings.sources import KubernetesSettings
from observer.domain import names
from observer.domain.cluster import ClusterView, ResourceKind
from observer.domain.finding import Finding
from observer.domain.ids import ServiceRef
from observer.kube.client import KubeApi
from observer.kube.errors import KubeError
from observer.ports.sources import Clock
from observer.sources.kubernetes.cluster import KubernetesCluster

SYNC_SECONDS = 20.0
_OPTIONAL = {
    ResourceKind.BUDGETS: "grant list and watch on policy/poddisruptionbudgets; else nothing is drained or evicted",
    ResourceKind.AUTOSCALERS: "grant list and watch on autoscaling/horizontalpodautoscalers; else no pod is touched",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found, and the living pods with a sidecar and their services, for the questions to other sources."""

    findings: tuple[Finding, ...]
    pods: frozenset[tuple[str, str]]
    services: frozenset[ServiceRef] = frozenset()


async def probe(api: KubeApi, settings: KubernetesSettings, *, clock: Clock) -> Seen:
    """Follow the cluster for as long as it takes to know every kind, at most ``SYNC_SECONDS``."""
    try:
        await api.request("GET", "/version")
    except KubeError as exc:
        remedy = "check kubernetes.kubeconfig and context, the network policy, and the service account's token"
        return Seen((Finding("kubernetes reachable", False, str(exc), remedy),), frozenset())
    cluster = KubernetesCluster(api, settings, clock=clock, random=Random(0))  # noqa: S311  only spreads retries
    async with asyncio.TaskGroup() as group:
        following = group.create_task(cluster.run())
        await cluster.synced(SYNC_SECONDS)
        view, problems = cluster.view(clock.now()), dict(cluster.problems)
        following.cancel()
    running = {ref: pod for ref, pod in view.pods.items() if pod.sidecar and pod.phase == "Running"}
    living, services = frozenset(ref.key for ref in running), frozenset(pod.service for pod in running.values())
    reachable = Finding("kubernetes reachable", True, "it answers and takes our credentials", "")
    return Seen((reachable, *_kinds(view, problems), *_mesh(view, len(living))), living, services)


def _kinds(view: ClusterView, problems: Mapping[ResourceKind, str]) -> Iterator[Finding]:
    for kind in ResourceKind:
        complete = kind in view.fresh
        remedy = _OPTIONAL.get(kind, f"grant list and watch on {kind.value} (deploy/manifests shows the roles)")
        detail = "listed and followed" if complete else problems.get(kind, f"not known after {SYNC_SECONDS:g} s")
        yield Finding(f"kubernetes {kind.value}", complete, detail, "" if complete else remedy)


def _mesh(view: ClusterView, living: int) -> Iterator[Finding]:
    enabled = sorted(name for name in view.namespaces if view.acts_in(name))
    yield Finding(
        "namespaces labelled for action",
        True if enabled else None,
        ", ".join(enabled) or "none: Observer watches everything and acts nowhere",
        f"kubectl label namespace NAME {names.NAMESPACE_ENABLED}=true",
    )
    yield Finding(
        "pods with a sidecar",
        living > 0,
        f"{living} running",
        "label a namespace istio-injection=enabled and restart its pods, or widen kubernetes.namespaces",
    )
    yield Finding(
        "istiod",
        view.mesh.ready,
        view.mesh.detail or "ready",
        "while istiod is not ready every action but a restore is blocked; see its pods and its log",
    )
