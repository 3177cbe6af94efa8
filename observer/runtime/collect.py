"""All sources of one tick at one instant; whoever fails or is late becomes a gap, never an exception."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from observer.domain.cluster import ClusterView
from observer.domain.counts import SeriesHistory
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.domain.ids import ServiceRef
from observer.domain.snapshot import UNREADABLE, Control, Gap, Snapshot
from observer.ports.actuators import KillSwitch
from observer.ports.sources import Cluster, MetricSource
from observer.ports.stores import Lease
from observer.runtime.inbox import AlertCache, ApprovalCache
from observer.runtime.objectives import ObjectiveCache
from observer.runtime.source_cache import BaselineCache, DependencyCaches

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """What the last judgement wants to know more about: services by their callers, services asked again."""

    watch: frozenset[ServiceRef] = frozenset()
    recheck: frozenset[ServiceRef] = frozenset()


class Collector:
    """
    Asks every source for one instant.

    ``deadline`` (seconds) bounds the whole collection; ``recheck_seconds`` and ``step`` shape the range query.
    """

    def __init__(
        self,
        *,
        metrics: MetricSource,
        cluster: Cluster,
        history: BaselineCache,
        neighbours: DependencyCaches | None = None,
        switch: KillSwitch,
        lease: Lease,
        objectives: ObjectiveCache | None = None,
        alerts: AlertCache | None = None,
        approvals: ApprovalCache | None = None,
        deadline: float,
        recheck_seconds: float,
        step: float,
    ) -> None:
        self._metrics, self._cluster, self._history = metrics, cluster, history
        self._switch, self._lease = switch, lease
        self._objectives, self._alerts, self._approvals = objectives, alerts, approvals
        self._neighbours = neighbours or DependencyCaches()
        self._deadline, self._recheck_seconds, self._step = deadline, recheck_seconds, step

    async def snapshot(self, at: float, question: SnapshotRequest) -> Snapshot:
        """The picture as of ``at`` (Unix seconds); ``gaps`` names every source that did not answer fully."""
        gaps: list[Gap] = []
        view = self._cluster.view(at)
        self._neighbours.suspected(question.watch | question.recheck)
        async with asyncio.TaskGroup() as group:
            counters = group.create_task(self._ask("prometheus", self._metrics.counters(at), gaps))
            callers = (
                group.create_task(self._ask("prometheus", self._metrics.callers(at, question.watch), gaps))
                if question.watch
                else None
            )
            pods = self._pods(view, question.recheck)
            recheck = group.create_task(self._ask_again(at, frozenset(pods), gaps)) if pods else None
            switch = group.create_task(self._read_switch())
        paused, why = switch.result()
        series = (recheck.result() if recheck is not None else None) or ()
        asked_again: dict[ServiceRef, list[SeriesHistory]] = {}
        for history in series:
            asked_again.setdefault(pods[history.pod], []).append(history)
        gaps += [*self._history.gaps(), *self._neighbours.gaps()]
        objectives = self._objectives
        if objectives is not None:
            gaps.extend(objectives.gaps())
        return Snapshot(
            at=at,
            counters=counters.result(),
            callers=callers.result() if callers is not None else None,
            cluster=view,
            control=Control(paused=paused, reason=why, leader=self._lease.held(), term=self._lease.term),
            gaps=tuple(dict.fromkeys(gaps)),  # two questions that failed alike are one gap
            rechecks={service: tuple(histories) for service, histories in asked_again.items()},
            baselines=self._history.baselines,
            objectives=objectives.by_service(at) if objectives is not None else {},
            approvals=self._approvals.standing(at) if self._approvals is not None else {},
            alerts=self._alerts.pending() if self._alerts is not None else (),
            traces=self._neighbours.traces(at),
            graph=self._neighbours.graph(at),
            edges=self._neighbours.edges(at),
            usual_edges=self._neighbours.usual_edges(at),
            earlier_edges=self._neighbours.earlier_edges(at),
        )

    async def _ask(self, source: str, question: Awaitable[T], gaps: list[Gap]) -> T | None:
        try:
            async with asyncio.timeout(self._deadline):
                return await question
        except TimeoutError:
            gaps.append(Gap(source, "timeout", f"no answer within {self._deadline:g} s"))
        except (SourceUnavailable, SourceProtocolError) as exc:
            gaps.append(Gap(source, exc.reason, str(exc)))
        return None

    async def _ask_again(
        self, at: float, pods: frozenset[tuple[str, str]], gaps: list[Gap]
    ) -> tuple[SeriesHistory, ...] | None:
        """Without an answer nothing is confirmed; that blinds nobody, so it is a gap of its own."""
        question = self._metrics.recheck(at, self._recheck_seconds, self._step, pods)
        return await self._ask("recheck", question, gaps)

    async def _read_switch(self) -> tuple[bool, str]:
        try:
            async with asyncio.timeout(self._deadline):
                return await self._switch.read()
        except TimeoutError:
            return True, f"{UNREADABLE}: the kill switch gave no answer within {self._deadline:g} s"

    @staticmethod
    def _pods(view: ClusterView, services: frozenset[ServiceRef]) -> Mapping[tuple[str, str], ServiceRef]:
        return {ref.key: service for service in services for ref in view.by_service.get(service, ())}
