"""Where facts come from: the clock, the cluster, metric and trace servers, files that people edit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from observer.domain.circuit import Circuit
from observer.domain.cluster import ClusterView
from observer.domain.counts import CallerFrame, CounterFrame, SeriesHistory, ServiceBaseline
from observer.domain.events import ObjectiveFrame, Parts
from observer.domain.graph import CallGraph, WorkloadHealth
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.slo import Objective
from observer.domain.traces import TraceSet


class Clock(Protocol):
    """``now`` is Unix seconds (UTC), for the instant of a tick; ``monotonic`` never jumps, for measuring spans."""

    def now(self) -> float: ...

    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class MetricSource(Protocol):
    """
    The hot path. Every call may raise ``SourceUnavailable`` or ``SourceProtocolError``; a partial answer (warnings,
    ``isPartial``) is raised too, never returned as if it were complete.
    """

    async def counters(self, at: float) -> CounterFrame:
        """Counters of all pods as of ``at`` (Unix seconds): three queries, all at that instant."""
        ...

    async def callers(self, at: float, services: frozenset[ServiceRef]) -> CallerFrame:
        """The callers' view of ``services`` as of ``at``: two queries, whatever their number."""
        ...

    async def recheck(
        self, at: float, seconds: float, step: float, pods: frozenset[tuple[str, str]]
    ) -> tuple[SeriesHistory, ...]:
        """The last ``seconds`` of the given pods by caller workload, flag and every latency bucket: one range query."""
        ...

    async def close(self) -> None: ...


class HistorySource(Protocol):
    """Slow questions about yesterday, asked seldom and outside the tick."""

    async def baselines(
        self, until: float, seconds: float, service_of: Mapping[tuple[str, str], ServiceRef]
    ) -> Mapping[ServiceRef, ServiceBaseline]:
        """What was usual per service. ``service_of`` maps ``(namespace, pod)`` of living pods to their service."""
        ...

    async def close(self) -> None: ...


class ObjectiveSource(Protocol):
    """
    The counters of objectives, asked seldom and outside the tick.

    A question that fails makes its objectives' rows ``failed``; only when nothing at all could be asked is
    ``SourceUnavailable`` or ``SourceProtocolError`` raised.
    """

    def parts(self, objectives: Sequence[Objective]) -> tuple[Parts, ...]:
        """Which columns each objective's answer fills."""
        ...

    def views(self, objectives: Sequence[Objective]) -> tuple[ServiceRef, ...]:
        """Services that are counted from two sides, in the order of their rows."""
        ...

    async def look(self, at: float, objectives: Sequence[Objective]) -> ObjectiveFrame:
        """Counters as of ``at`` (Unix seconds): one question for all objectives of a preset, one for each other SLI."""
        ...

    def past(self, since: float, until: float, objectives: Sequence[Objective]) -> AsyncIterator[ObjectiveFrame]:
        """The same at instants between, oldest first; as many as are cheap enough, the newest part of the time."""
        ...

    async def close(self) -> None: ...


class TraceSource(Protocol):
    """
    Distributed traces. Calls raise ``SourceUnavailable`` (also while the circuit is open) or ``SourceProtocolError``;
    a partial answer is raised too. Finding nothing is an empty set.
    """

    @property
    def circuit(self) -> Circuit: ...

    async def traces(self, at: float, seconds: float, services: frozenset[ServiceRef], limit: int) -> TraceSet:
        """Traces of the last ``seconds`` before ``at`` that touched ``services``: at most ``limit`` of each."""
        ...

    async def close(self) -> None: ...


class CallSource(Protocol):
    """The callers' own counts of all calls. Calls raise as those of ``MetricSource`` do."""

    async def calls(self, at: float, seconds: float) -> CallGraph:
        """Who called whom in the ``seconds`` before ``at`` (Unix seconds); one query, asked outside the tick."""
        ...

    async def close(self) -> None: ...


class GraphSource(Protocol):
    """A mesh console's call graph and health. Calls raise as those of ``TraceSource`` do."""

    @property
    def circuit(self) -> Circuit: ...

    async def graph(self, at: float, seconds: float, namespaces: frozenset[str]) -> CallGraph:
        """Calls into and out of ``namespaces`` in the ``seconds`` before ``at``; what is absent proves nothing."""
        ...

    async def health(
        self, at: float, seconds: float, namespaces: frozenset[str]
    ) -> Mapping[tuple[str, str], WorkloadHealth]:
        """By ``(namespace, workload)``; whoever is absent is unknown, an empty answer tells of nobody."""
        ...

    async def close(self) -> None: ...


class Cluster(Protocol):
    """Kubernetes, read side. ``view`` is cheap and never waits: the reflector keeps it."""

    def view(self, at: float) -> ClusterView: ...

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` after every watch event that touched a pod, node or workload."""
        ...

    async def pod_now(self, pod: PodRef) -> dict[str, object] | None:
        """The pod object as it is now (raw JSON), or None when that incarnation is gone."""
        ...

    async def pod_events(self, pod: PodRef) -> list[dict[str, object]]:
        """Its Kubernetes Events, oldest first (raw JSON)."""
        ...

    async def pod_logs(self, pod: PodRef, container: str, lines: int, max_bytes: int) -> str:
        """The last lines of one container's log."""
        ...


@dataclass(frozen=True, slots=True)
class QueryCost:
    """
    What one evaluation took: samples read and seconds on the server, None where the server does not tell.
    """

    samples: int | None = None
    seconds: float | None = None


class SeriesCatalogue(Protocol):
    """
    Asked as of one instant, so that all answers fit together. Selectors are PromQL vector selectors.

    Raises: SourceUnavailable, SourceProtocolError.
    """

    async def count(self, selector: str) -> int:
        """How many series it selects now."""

    async def values(self, selector: str, label: str) -> tuple[str, ...]:
        """The values of ``label`` among them, sorted; a series without the label counts as ``""``."""

    async def cost(self, expr: str) -> QueryCost:
        """What an evaluation of ``expr`` takes."""

    async def close(self) -> None:
        """Let go of connections."""


class EditedFiles(Protocol):
    """Tells whether what people wrote is another text now. Blocking; asked every few seconds, off the event loop."""

    def changed(self, wanted: Sequence[str]) -> bool:
        """
        True once after every change of content of the settings file or of anything behind ``wanted`` (files,
        directories, ``shipped``), a file that came or went included. Never raises for what is not there.
        """
        ...
