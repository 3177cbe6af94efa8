"""What others sent, between the journal and the loop: alerts and the loop's answers to them, and people's approvals."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

import structlog

from observer.domain.alert import Alert
from observer.domain.approval import Approval, Plan
from observer.domain.decision import Decision
from observer.domain.errors import JournalUnavailable
from observer.engine.remediation.alerts import ANSWERS
from observer.ports.sources import Clock
from observer.ports.stores import AlertInbox, ApprovalStore

log = structlog.get_logger(__name__)

ALERTS_EVERY: Final = 30.0
"""The inbox is read again at least so often: another replica may have accepted something."""
ALERT_RETENTION: Final = 7 * 86_400.0
"""Alerts are kept so long: a sender repeats its news for hours, not for days."""
APPROVALS_EVERY: Final = 2.0
"""Approvals are read again so often while something waits: another replica or the command line may have written."""
IDLE_EVERY: Final = 30.0
APPROVAL_RETENTION: Final = 30 * 86_400.0
"""Approvals are kept so long for those who ask who said what; the audit trail keeps them for good."""
PRUNE_EVERY: Final = 3600.0


class AlertCache:
    """``pending`` is cheap and never waits. What was answered and could not be written down is tried again."""

    def __init__(self, inbox: AlertInbox, clock: Clock) -> None:
        self._inbox, self._clock = inbox, clock
        self._pending: tuple[Alert, ...] = ()
        self._answered: dict[str, str] = {}
        self._pruned = 0.0
        self._changed = asyncio.Event()

    def accepted(self) -> None:
        """Something new is in the inbox."""
        self._changed.set()

    def pending(self) -> tuple[Alert, ...]:
        """Alerts that wait for an answer, oldest first."""
        return tuple(alert for alert in self._pending if alert.id not in self._answered)

    def answer(self, decisions: Iterable[Decision]) -> None:
        """Take the answers out of a tick's decisions."""
        for decision in decisions:
            if decision.kind == "alert" and decision.reason in ANSWERS:
                self._answered[str(decision.figures["alert"])] = decision.reason
                self._changed.set()

    async def run(self) -> None:
        """Read and write until cancelled."""
        while True:
            try:
                await self._exchange()
            except JournalUnavailable as exc:
                log.warning("alert_inbox_failed", detail=str(exc))
                await self._clock.sleep(1.0)
            self._changed.clear()
            try:
                async with asyncio.timeout(ALERTS_EVERY):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _exchange(self) -> None:
        for alert, answer in tuple(self._answered.items()):
            await self._inbox.answer(alert, answer, self._clock.now())
        written = set(self._answered)
        if (now := self._clock.now()) - self._pruned >= PRUNE_EVERY:
            await self._inbox.prune(now - ALERT_RETENTION)
            self._pruned = now
        self._pending = tuple(await self._inbox.pending())
        still = {alert.id for alert in self._pending}
        self._answered = {key: value for key, value in self._answered.items() if key not in written or key in still}


class ApprovalCache:
    """``standing`` and ``plans`` are cheap and never wait. ``run`` is the worker that reads the store."""

    def __init__(self, policies: ApprovalStore, clock: Clock) -> None:
        self._store, self._clock = policies, clock
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
        await self._store.give(approval)
        self._standing = (*self._standing, approval)
        self._changed.set()

    async def withdraw(self, plan: str, who: str, at: float) -> bool:
        """Returns whether there was something to take back. Raises: JournalUnavailable."""
        withdrawn = await self._store.withdraw(plan, who, at)
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
                # What was read before still expires by itself, and the store is asked again before each write.
                log.warning("approvals_read_failed", detail=str(exc))
            try:
                async with asyncio.timeout(APPROVALS_EVERY if self.plans or self._standing else IDLE_EVERY):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _read(self) -> None:
        now = self._clock.now()
        if now - self._pruned >= PRUNE_EVERY:
            await self._store.prune(now - APPROVAL_RETENTION)
            self._pruned = now
        self._standing = tuple(await self._store.standing(now))
