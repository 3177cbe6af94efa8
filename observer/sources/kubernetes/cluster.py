"""Implements ``ports.sources.Cluster`` over the API server: reflectors for the picture, single reads for evidence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Protocol

import msgspec
import structlog

from observer.config.settings.sources import KubernetesSettings
from observer.domain.cluster import ClusterView, ResourceKind
from observer.domain.errors import SourceProtocolError
from observer.domain.ids import PodRef
from observer.kube import paths
from observer.kube.client import KubeApi
from observer.kube.errors import KubeError, NotFound, as_source_error
from observer.ports.sources import Clock
from observer.sources.kubernetes import wire
from observer.sources.kubernetes.reflector import Reflector, Store, W
from observer.sources.kubernetes.view import Assembly

log = structlog.get_logger(__name__)

_CORE = "/api/v1"
_APPS = "/apis/apps/v1"
_EVENTS = 200
_LOG_FETCH = 4 * 1024 * 1024
_ISTIOD = "istiod"


class Following(Protocol):
    """Keeps up with a part of the cluster."""

    async def run(self) -> None: ...


class KubernetesCluster:
    """
    The cluster as the API server tells it.

    Nothing is known until ``run`` has been started; ``view`` never waits and says by ``fresh`` what it knows. A kind
    that we may not read, or that the server does not serve, is absent from ``fresh`` and named in ``problems``.
    """

    def __init__(self, api: KubeApi, settings: KubernetesSettings, *, clock: Clock, random: Random) -> None:
        self._api, self._settings, self._clock, self._random = api, settings, clock, random
        self._listeners: list[Callable[[], None]] = []
        only = settings.namespaces
        extra = (_ISTIOD,) if only and settings.istiod_namespace not in only else ()
        self._assembly = Assembly(
            clock,
            self._touched,
            istiod_namespace=settings.istiod_namespace,
            istiod_selector=settings.istiod_selector,
            scopes=only or ("",),
            pod_scopes=(only or ("",)) + extra,
        )

    @property
    def problems(self) -> Mapping[ResourceKind, str]:
        """Kinds that cannot be seen, and what the server said about it."""
        return {kind: why for kind, store in self._assembly.stores.items() if (why := store.problem)}

    def view(self, at: float) -> ClusterView:
        return self._assembly.view(at)

    def subscribe(self, changed: Callable[[], None]) -> None:
        self._listeners.append(changed)

    async def run(self) -> None:
        """Follow every kind until cancelled."""
        async with asyncio.TaskGroup() as group:
            for reflector in self._reflectors():
                group.create_task(reflector.run())

    async def synced(self, within: float) -> bool:
        """Wait at most ``within`` seconds until every kind is known or known to be refused; tells whether all are."""
        deadline = self._clock.monotonic() + within
        stores = self._assembly.stores.values()
        while any(store.fresh is None and not store.problem for store in stores):
            if self._clock.monotonic() >= deadline:
                break
            await self._clock.sleep(0.05)
        return all(store.fresh is not None for store in stores)

    async def pod_now(self, pod: PodRef) -> dict[str, object] | None:
        body = await self._read(f"pod {pod}", paths.pod(pod.namespace, pod.name))
        if body is None:
            return None
        meta = body.get("metadata")
        return body if isinstance(meta, dict) and meta.get("uid") == pod.uid else None

    async def pod_events(self, pod: PodRef) -> list[dict[str, object]]:
        query = {"fieldSelector": f"involvedObject.uid={pod.uid}", "limit": str(_EVENTS)}
        body = await self._read(f"events of {pod}", paths.core_events(pod.namespace), query) or {}
        items = body.get("items") or []
        if not isinstance(items, list):
            raise SourceProtocolError(f"kubernetes: events of {pod}: items is no list")
        return sorted(items, key=_event_time)

    async def pod_logs(self, pod: PodRef, container: str, lines: int, max_bytes: int) -> str:
        # limitBytes cuts off the end, and the end is what matters: the cap is applied here, to the beginning.
        query = {"container": container, "tailLines": str(lines), "limitBytes": str(max(max_bytes, _LOG_FETCH))}
        try:
            answer = await self._api.request("GET", paths.pod(pod.namespace, pod.name, "log"), query=query)
        except KubeError as exc:
            raise as_source_error(f"log of {pod} {container}", exc) from exc
        return answer.body[-max_bytes:].decode("utf-8", "replace")

    async def _read(self, what: str, path: str, query: Mapping[str, str] | None = None) -> dict[str, object] | None:
        try:
            answer = await self._api.request("GET", path, query=query)
            return msgspec.json.decode(answer.body, type=dict[str, object])
        except NotFound:
            return None
        except KubeError as exc:
            raise as_source_error(what, exc) from exc
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise SourceProtocolError(f"kubernetes: {what}: {exc}") from exc

    def _reflectors(self) -> Iterator[Following]:
        settings, stores = self._settings, self._assembly
        yield from self._of(ResourceKind.PODS, _CORE, wire.PodWire, stores.pods)
        yield from self._of(ResourceKind.REPLICASETS, _APPS, wire.ReplicaSetWire, stores.replica_sets)
        yield from self._of(ResourceKind.DEPLOYMENTS, _APPS, wire.DeploymentWire, stores.deployments)
        yield from self._of(ResourceKind.SERVICES, _CORE, wire.ServiceWire, stores.services)
        yield from self._of(ResourceKind.NODES, _CORE, wire.NodeWire, stores.nodes, everywhere=True)
        yield from self._of(ResourceKind.NAMESPACES, _CORE, wire.NamespaceWire, stores.namespaces, everywhere=True)
        yield from self._of(ResourceKind.BUDGETS, "/apis/policy/v1", wire.BudgetWire, stores.budgets)
        yield from self._of(ResourceKind.AUTOSCALERS, "/apis/autoscaling/v2", wire.AutoscalerWire, stores.autoscalers)
        if settings.namespaces and settings.istiod_namespace not in settings.namespaces:
            path = paths.pods(settings.istiod_namespace)
            istiods = {"labelSelector": settings.istiod_selector}
            yield self._reflector(ResourceKind.PODS, path, wire.PodWire, stores.pods, _ISTIOD, istiods)

    def _of(
        self, kind: ResourceKind, group: str, shape: type[W], store: Store[W], *, everywhere: bool = False
    ) -> Iterator[Following]:
        """One for each namespace that is followed; ``everywhere``: the kind lives in none."""
        for namespace in ("",) if everywhere else self._settings.namespaces or ("",):
            path = paths.collection(group, kind.value, namespace)
            yield self._reflector(kind, path, shape, store, namespace)

    def _reflector(
        self,
        kind: ResourceKind,
        path: str,
        shape: type[W],
        store: Store[W],
        scope: str,
        selectors: Mapping[str, str] | None = None,
    ) -> Reflector[W]:
        return Reflector(
            self._api,
            kind,
            path,
            shape,
            store,
            clock=self._clock,
            random=self._random,
            page=self._settings.page,
            timeout=self._settings.timeout,
            selectors=selectors,
            scope=scope,
        )

    def _touched(self) -> None:
        for changed in self._listeners:
            changed()


def _event_time(event: object) -> str:
    """The instant an Event tells of, as text: RFC 3339 in UTC sorts by itself."""
    if not isinstance(event, dict):
        return ""
    for key in ("lastTimestamp", "eventTime", "firstTimestamp"):
        if isinstance(instant := event.get(key), str):
            return instant
    return ""
