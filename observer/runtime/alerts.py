"""Hands pending alerts from the inbox to the loop, and the loop's answers back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from observer.domain.alert import Alert
from observer.domain.decision import Decision
from observer.domain.errors import JournalUnavailable
from observer.engine.remediation.alerts import ANSWERS
from observer.ports.sources import Clock
from observer.ports.stores import AlertInbox

log = structlog.get_logger(__name__)

READ_SECONDS = 30.0
"""The inbox is read again at least so often: another replica may have accepted something."""
KEPT_SECONDS = 7 * 86_400.0
"""Alerts are kept so long: a sender repeats its news for hours, not for days."""
PRUNE_EVERY = 3600.0


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
                async with asyncio.timeout(READ_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _exchange(self) -> None:
        for alert, answer in tuple(self._answered.items()):
            await self._inbox.answer(alert, answer, self._clock.now())
        written = set(self._answered)
        if (now := self._clock.now()) - self._pruned >= PRUNE_EVERY:
            await self._inbox.prune(now - KEPT_SECONDS)
            self._pruned = now
        self._pending = tuple(await self._inbox.pending())
        still = {alert.id for alert in self._pending}
        self._answered = {key: value for key, value in self._answered.items() if key not in written or key in still}
