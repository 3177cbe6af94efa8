"""Keeps the accounting of objectives beside the tick: asks, counts, judges, writes; the tick takes the result."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

import structlog

from observer.domain.errors import JournalUnavailable, SourceProtocolError, SourceUnavailable
from observer.domain.events import ObjectiveFrame
from observer.domain.ids import ServiceRef, WorkloadRef
from observer.domain.slo import BudgetStatus, DataState, Objective, ObjectiveStatus
from observer.domain.snapshot import Gap
from observer.engine.slo.accounting import SloAccounting
from observer.engine.slo.states import Scene, newest_scrape, owners_of, surroundings
from observer.ports.sources import Clock, Cluster, ObjectiveSource
from observer.ports.stores import CountLedger
from observer.runtime.source_cache import SourceFailure

log = structlog.get_logger(__name__)

LONGEST: Final = 372 * 86_400.0
"""How far back the ledger is read: what the coarsest buckets hold."""
REMEMBERED: Final = 3600.0
"""A pod's start is remembered so long after it is gone: its last counters may be read after its death."""
LATE: Final = 3.0
"""Refreshes after which a status is no longer known to hold."""
NEWCOMERS_EVERY: Final = 2.0
"""Seconds between two checks whether one is wanted that has no status: its service cannot be drained meanwhile."""
PRUNE_EVERY: Final = 3600.0


class ObjectiveMetrics(Protocol):
    """The self metrics that the keeper feeds (``telemetry.metrics.SelfMetrics``)."""

    def objectives(self, states: Mapping[str, int], budgets: Mapping[str, float]) -> None: ...
    def objective_look(self, duration: float, *, answered: bool, born: float) -> None: ...


class ObjectiveCache:
    """
    Looks every ``refresh`` seconds at the counters of ``wanted()``; nothing is asked while there is none.

    ``wanted`` may answer differently from look to look (a reload): counts are kept by identity.
    """

    def __init__(
        self,
        source: ObjectiveSource,
        cluster: Cluster,
        clock: Clock,
        ledger: CountLedger,
        metrics: ObjectiveMetrics,
        *,
        wanted: Callable[[], tuple[Objective, ...]] = tuple,
        refresh: float = 30.0,
    ) -> None:
        self._source, self._cluster, self._clock = source, cluster, clock
        self._ledger, self._metrics = ledger, metrics
        self._wanted, self._refresh = wanted, refresh
        self._accounting: SloAccounting | None = None
        self._failure = SourceFailure("objectives", "objective_query_failed")
        self._started: dict[tuple[str, str], tuple[float, float]] = {}
        self._owners: dict[ServiceRef, frozenset[WorkloadRef]] = {}
        self._failed: Mapping[int, str] = {}
        self._scraped: Mapping[tuple[str, str], float] | None = None
        self._pruned = 0.0
        self._unread: frozenset[str] = frozenset()
        self.statuses: tuple[ObjectiveStatus, ...] = ()
        """As of the last look, in the order of ``wanted``, composites last."""

    def gaps(self) -> tuple[Gap, ...]:
        """The last failure, while it lasts."""
        return self._failure.gaps()

    def by_service(self, at: float) -> Mapping[ServiceRef, tuple[ObjectiveStatus, ...]]:
        """
        The statuses of each service's own objectives for a tick at ``at``.

        One that was looked at too long ago, or is wanted and was never looked at, is STALE, whatever it was: it must
        not let anybody be drained.
        """
        by_service: dict[ServiceRef, list[ObjectiveStatus]] = {}
        for status in (*self.statuses, *(_unseen(objective, at) for objective in self._newcomers())):
            if status.objective.scope is not None:
                by_service.setdefault(status.objective.scope, []).append(self._aged(status, at))
        return {service: tuple(statuses) for service, statuses in by_service.items()}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            began = self._clock.monotonic()
            await self.look()
            await self._rest(max(self._refresh - (self._clock.monotonic() - began), 1.0))

    async def _rest(self, seconds: float) -> None:
        """Until the next look; what is wanted and was never looked at does not wait so long."""
        end = self._clock.monotonic() + seconds
        while (left := end - self._clock.monotonic()) > 0.0:
            await self._clock.sleep(min(left, NEWCOMERS_EVERY))
            if self._newcomers():
                return

    def _newcomers(self) -> list[Objective]:
        looked_at = {status.objective.id for status in self.statuses}
        return [objective for objective in self._wanted() if objective.id not in looked_at]

    async def look(self) -> None:
        """One look; a failure leaves the counts and makes the states unknown."""
        wanted = self._wanted()
        if not wanted:
            self._accounting, self.statuses, self._failure.gap = None, (), None
            return
        at, began = self._clock.now(), self._clock.monotonic()
        self._remember(at)
        frame = await self._frame(at, wanted)
        accounting = await self._accounting_of(wanted, frame, at)
        born = accounting.born
        if frame is not None:
            self._failed, self._scraped = frame.failed, frame.scraped
            await asyncio.to_thread(accounting.count, frame.readings, self._starts())
        self.statuses = self._judge(accounting, at, answered=frame is not None)
        await self._write(accounting, at)
        duration = self._clock.monotonic() - began
        self._metrics.objective_look(duration, answered=frame is not None, born=accounting.born - born)
        states = Counter(status.state.value for status in self.statuses)
        budgets = {status.objective.id: status.budget.remaining for status in self.statuses}
        self._metrics.objectives({state.value: states[state.value] for state in DataState}, budgets)

    async def _frame(self, at: float, wanted: Sequence[Objective]) -> ObjectiveFrame | None:
        return await self._failure.guard(self._source.look(at, wanted), self._refresh)

    async def _accounting_of(
        self, wanted: tuple[Objective, ...], frame: ObjectiveFrame | None, at: float
    ) -> SloAccounting:
        """That of these objectives: the same, a new one that inherits, or the first one with the ledger read."""
        old = self._accounting
        if old is not None and old.plan.objectives == wanted and not (self._unread or (frame and not old.at)):
            return old
        if old is not None and old.plan.objectives == wanted:
            accounting = old
        else:
            accounting = SloAccounting(wanted, self._source.parts(wanted), self._source.views(wanted))
            inherited = accounting.inherit(old) if old is not None else frozenset()
            self._unread = frozenset(objective.id for objective in wanted) - inherited
            self._accounting = accounting
        if self._unread and await self._read(accounting, at):
            self._unread = frozenset()
        if frame is not None and not accounting.at and not self._unread:
            await self._fill(accounting, wanted, at)
        return accounting

    async def _read(self, accounting: SloAccounting, at: float) -> bool:
        """Take the ledger in; while it cannot be read, counting goes on and it is tried again."""
        try:
            counts = await self._ledger.counts(at - LONGEST, at)
        except JournalUnavailable as exc:
            log.warning("objective_ledger_not_read", detail=str(exc))
            return False
        fresh = [count for count in counts if count.objective in self._unread]
        await asyncio.to_thread(accounting.restore, fresh)
        return True

    async def _fill(self, accounting: SloAccounting, wanted: tuple[Objective, ...], at: float) -> None:
        """What the metric source remembers of the time since the ledger's last bucket, before the first live look."""
        since = accounting.latest()
        try:
            async for frame in self._source.past(since, at - 1.0, wanted):
                accounting.count(frame.readings, self._starts())
                await asyncio.sleep(0)
        except (SourceUnavailable, SourceProtocolError) as exc:
            log.warning("objective_backfill_failed", reason=exc.reason, detail=str(exc))

    def _judge(self, accounting: SloAccounting, at: float, *, answered: bool) -> tuple[ObjectiveStatus, ...]:
        scene = Scene(at, self._cluster.view(at), self._scraped, self._owners)
        newest = newest_scrape(self._scraped)
        differing = accounting.disagreements(at)
        around = []
        for row, objective in enumerate(accounting.plan.objectives):
            failed = self._failed.get(row, "") if answered else "the metric source did not answer"
            own = objective.scope if objective.preset is not None else None
            differs = differing.get(own, "") if own is not None else ""
            around.append(surroundings(objective, scene, failed=failed, disagreement=differs, newest=newest))
        return accounting.statuses(at, around)

    async def _write(self, accounting: SloAccounting, at: float) -> None:
        closed = accounting.closed(at)
        try:
            if closed:
                await self._ledger.add(closed)
            if at - self._pruned > PRUNE_EVERY:
                self._pruned = at
                await self._ledger.prune(at)
        except JournalUnavailable as exc:
            accounting.reopen(closed)
            log.warning("objective_ledger_not_written", detail=str(exc), counts=len(closed))

    def _remember(self, at: float) -> None:
        view = self._cluster.view(at)
        for ref, pod in view.pods.items():
            if (start := pod.started if pod.started is not None else pod.created) is not None:
                self._started[ref.key] = (start, at)
        self._started = {key: times for key, times in self._started.items() if at - times[1] < REMEMBERED}
        self._owners |= {service: owners for service, owners in owners_of(view).items() if owners}

    def _starts(self) -> dict[tuple[str, str], float]:
        return {key: start for key, (start, _) in self._started.items()}

    def _aged(self, status: ObjectiveStatus, at: float) -> ObjectiveStatus:
        if (age := at - status.at) <= LATE * self._refresh:
            return status
        return replace(status, state=DataState.STALE, detail=f"last looked at {age:.0f} s ago", alert="")


def _unseen(objective: Objective, at: float) -> ObjectiveStatus:
    return ObjectiveStatus(objective, at, DataState.STALE, "not looked at yet", BudgetStatus(at, 0.0, 0.0, 0.0))
