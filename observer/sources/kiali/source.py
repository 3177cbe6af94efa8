"""The call graph and the health of workloads, asked for as of one instant."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus

from observer.config.settings.sources import KialiSettings
from observer.domain.circuit import Circuit
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.domain.graph import CallGraph, WorkloadHealth
from observer.http_client.breaker import Breaker
from observer.ports.sources import Clock
from observer.sources.kiali.graph import Health, parse_clusters, parse_graph, parse_namespace
from observer.sources.kiali.session import Session, checked, parse_version


class KialiSource:
    """Implements ``ports.sources.GraphSource`` over Kiali's API, 1.0 to 2.x."""

    def __init__(self, settings: KialiSettings, clock: Clock) -> None:
        self._session = Session(settings)
        self._cluster, self._stale = settings.cluster, settings.stale
        self._breaker = Breaker(clock)
        self._by_namespace = False

    @property
    def circuit(self) -> Circuit:
        """See ``GraphSource.circuit``."""
        return self._breaker.circuit

    @property
    def login(self) -> str:
        """How it lets us in; empty while that is not known."""
        return self._session.login

    async def version(self) -> str:
        """What it says of its version, empty when it does not."""
        return parse_version(await self._breaker.ask(self._status))

    async def graph(self, at: float, seconds: float, namespaces: frozenset[str]) -> CallGraph:
        """
        See ``GraphSource.graph``. Events are Kiali's rates times its window; edges without requests (TCP) are left out.

        Raises ``SourceUnavailable`` (``stale``) for a picture of another time, ``SourceProtocolError`` where several
        clusters are shown and none was named.
        """
        if not namespaces:
            return CallGraph(at, seconds, ())
        return await self._breaker.ask(lambda: self._graph(at, seconds, namespaces))

    async def health(
        self, at: float, seconds: float, namespaces: frozenset[str]
    ) -> Mapping[tuple[str, str], WorkloadHealth]:
        """See ``GraphSource.health``."""
        if not namespaces:
            return {}
        return await self._breaker.ask(lambda: self._health(at, seconds, namespaces))

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def _status(self) -> bytes:
        return checked(await self._session.get("/api/status", {}))

    async def _graph(self, at: float, seconds: float, namespaces: frozenset[str]) -> CallGraph:
        asked = {
            "namespaces": ",".join(sorted(namespaces)),
            "graphType": "workload",
            "duration": f"{round(seconds)}s",
            # A set time also goes past the cache.
            "queryTime": str(int(at)),
            "appenders": "responseTime",
            "responseTime": "95",
        }
        body = checked(await self._session.get("/api/namespaces/graph", asked))
        picture = await asyncio.to_thread(parse_graph, body, seconds, self._cluster)
        if abs(at - picture.at) > self._stale:
            age = f"{at - picture.at:.0f} s" if picture.at else "unknown age"
            raise SourceUnavailable(f"the graph is old ({age}), or the clocks differ", reason="stale")
        if not self._cluster and len(picture.clusters) > 1:
            shown = ", ".join(sorted(picture.clusters)[:5])
            raise SourceProtocolError(f"it shows several clusters ({shown}): name this one in kiali.cluster")
        return CallGraph(picture.at, picture.seconds, picture.edges)

    async def _health(self, at: float, seconds: float, namespaces: frozenset[str]) -> Health:
        window = {"type": "workload", "rateInterval": f"{round(seconds)}s", "queryTime": str(int(at))}
        if not self._by_namespace:
            asked = {"namespaces": ",".join(sorted(namespaces)), **window}
            if self._cluster:
                asked["clusterName"] = self._cluster
            answer = await self._session.get("/api/clusters/health", asked)
            if answer.status != HTTPStatus.NOT_FOUND:
                return parse_clusters(checked(answer), seconds)
        health: Health = {}
        for namespace in sorted(namespaces):
            answer = await self._session.get(f"/api/namespaces/{namespace}/health", window)
            health |= parse_namespace(checked(answer), namespace, seconds)
        # Only when the old route answered is the server an old one.
        self._by_namespace = True
        return health
