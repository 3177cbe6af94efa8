"""Hands the words that people gave to the loop, and tells people what waits for theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from observer.domain.approval import Approval, Plan
from observer.domain.errors import JournalUnavailable
from observer.ports.sources import Clock
from observer.ports.stores import ApprovalStore

log = structlog.get_logger(__name__)

READ_SECONDS = 2.0
"""The book is read again so often while something waits: another replica or the command line may have written."""
IDLE_SECONDS = 30.0
KEPT_SECONDS = 30 * 86_400.0
"""Words are kept so long for those who ask who said what; the audit trail keeps them for good."""
PRUNE_EVERY = 3600.0


class ApprovalCache:
    """``standing`` and ``plans`` are cheap and never wait. ``run`` is the worker that reads the book."""

    def __init__(self, policies: ApprovalStore, clock: Clock) -> None:
        self._book, self._clock = policies, clock
        self._standing: tuple[Approval, ...] = ()
        self._pruned = 0.0
        self._changed = asyncio.Event()
        self.plans: tuple[Plan, ...] = ()

    def standing(self, at: float) -> Mapping[str, float]:
        """Plan to the instant until which it is approved, of those that count at ``at`` (Unix seconds)."""
        until_of: dict[str, float] = {}
        for approval in self._standing:
            if approval.given <= at < approval.until:
                until_of[approval.plan] = max(until_of.get(approval.plan, 0.0), approval.until)
        return until_of

    def wanted(self, plans: tuple[Plan, ...]) -> None:
        """What waits after this tick."""
        if plans and not self.plans:
            self._changed.set()
        self.plans = plans

    def plan(self, incident: str) -> Plan | None:
        """What waits in this incident; None = nothing does."""
        return next((plan for plan in self.plans if plan.incident == incident), None)

    def given(self, incident: str, at: float) -> tuple[Approval, ...]:
        """Words that count for this incident at ``at``."""
        counting = (approval for approval in self._standing if approval.given <= at < approval.until)
        return tuple(approval for approval in counting if approval.incident == incident)

    async def give(self, approval: Approval) -> None:
        """Returns once it is on disk; the next tick sees it. Raises: JournalUnavailable."""
        await self._book.give(approval)
        self._standing = (*self._standing, approval)
        self._changed.set()

    async def withdraw(self, plan: str, who: str, at: float) -> bool:
        """Returns whether there was something to take back. Raises: JournalUnavailable."""
        withdrawn = await self._book.withdraw(plan, who, at)
        self._standing = tuple(approval for approval in self._standing if approval.plan != plan)
        self._changed.set()
        return withdrawn

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            self._changed.clear()
            try:
                await self._read()
            except JournalUnavailable as exc:
                # What was read before still expires by itself, and the book is asked again before each write.
                log.warning("approvals_read_failed", detail=str(exc))
            try:
                async with asyncio.timeout(READ_SECONDS if self.plans or self._standing else IDLE_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _read(self) -> None:
        now = self._clock.now()
        if now - self._pruned >= PRUNE_EVERY:
            await self._book.prune(now - KEPT_SECONDS)
            self._pruned = now
        self._standing = tuple(await self._book.standing(now))
