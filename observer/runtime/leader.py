"""
The right to act: leadership by compare-and-swap on a Lease.

The rules that keep two Observers from acting at once:

- ``held`` is answered by our own monotonic clock alone: from the moment *before* the last successful write on, for
  ``renew_deadline`` seconds. Whoever wants to take over waits the whole ``duration``, which is longer, from the moment
  *after* it saw our write. No answer, no reset connection and no hanging server can stretch what we believe.
- Times in the Lease are for people: they are never compared.
- Every change of hands raises ``transitions``, the fencing number that actions carry.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import structlog

from observer.config.settings.model import LeaseSettings
from observer.domain.errors import ConfigError, SourceProtocolError, SourceUnavailable
from observer.ports.sources import Clock
from observer.ports.stores import LeaseRecord, LeaseStore

log = structlog.get_logger(__name__)


def unique_identity(name: str = "") -> str:
    """A holder's name that no other process and no earlier life of this one has."""
    return f"{name or socket.gethostname()}_{os.getpid()}_{secrets.token_hex(4)}"


class AlwaysLeader:
    """Implements ``ports.stores.Lease`` where a person guarantees that there is one Observer only (the demo)."""

    @property
    def term(self) -> int:
        return 1

    def held(self) -> bool:
        return True

    async def run(self) -> None:
        """There is nothing to renew: wait to be cancelled."""
        await asyncio.Event().wait()


class LeaseElector:
    """
    Implements ``ports.stores.Lease``.

    Args:
        settings: ``identity`` must be unique to this process (see ``unique_identity``, taken when it is empty): who
            finds its own name in the Lease believes that it holds it. Others wait ``duration`` seconds without a
            change; we act at most ``renew_deadline`` seconds after the last renewal; ``retry`` between two tries.
        random: spreads the tries. call_limit: seconds that one call to the store may take.
    """

    def __init__(
        self,
        store: LeaseStore,
        settings: LeaseSettings,
        clock: Clock,
        *,
        random: Random | None = None,
        call_limit: float = 3.0,
    ) -> None:
        duration, renew, retry = settings.duration, settings.renew_deadline, settings.retry
        if not duration > renew > 1.2 * retry > 0:
            raise ConfigError(
                f"lease: need duration ({duration:g}) > renew_deadline ({renew:g}) > 1.2 * retry ({retry:g})"
            )
        self._store, self._clock, self._call_limit = store, clock, call_limit
        self._random = random or Random()  # noqa: S311  (spreads tries, guards nothing)
        self._identity = settings.identity or unique_identity()
        self._duration, self._renew_deadline, self._retry = duration, renew, retry
        self._mine: LeaseRecord | None = None
        self._seen: LeaseRecord | None = None
        self._seen_at = 0.0
        self._until = float("-inf")
        self._failing = ""

    @property
    def identity(self) -> str:
        """Our name in the Lease."""
        return self._identity

    @property
    def holder(self) -> str:
        """Who holds the Lease as far as we know; empty when nobody does or we do not know."""
        return self._identity if self.held() else (self._seen.holder if self._seen else "")

    @property
    def term(self) -> int:
        return self._mine.transitions if self._mine is not None and self.held() else 0

    def held(self) -> bool:
        return self._clock.monotonic() < self._until

    async def run(self) -> None:
        """Try for ever; on the way out give the Lease back, so that the next one need not wait."""
        try:
            while True:
                await self._try()
                await self._clock.sleep(self._retry * self._random.uniform(1.0, 1.2))
        finally:
            await self._release()

    async def _try(self) -> None:
        before, mine = self.held(), self._mine
        try:
            await (self._renew(mine) if mine is not None else self._acquire())
        except (TimeoutError, SourceUnavailable, SourceProtocolError) as exc:
            if not self._failing:
                log.warning("lease_renewal_failed", error=f"{type(exc).__name__}: {exc}", held=self.held())
            self._failing = type(exc).__name__
        else:
            self._failing = ""
        if self.held() is not before:
            log.info("lease_acquired" if self.held() else "lease_lost", term=self.term, holder=self.holder)

    async def _renew(self, mine: LeaseRecord) -> None:
        """Write our record again. A refusal may be the echo of a write of ours whose answer was lost: look."""
        if await self._swap(mine):
            return
        record = await self._read()
        if record is None or record.holder != self._identity:
            self._mine, self._until = None, float("-inf")
            self._notice(record)
            return
        await self._swap(record)

    async def _acquire(self) -> None:
        record = await self._read()
        if record is None:
            await self._swap(LeaseRecord("", 0, self._duration, "", ""), gain=True)
            return
        if record.holder == self._identity:
            # A write of ours that took effect although its answer never came.
            await self._swap(record)
            return
        self._notice(record)
        waited = self._clock.monotonic() - self._seen_at
        if not record.holder or waited >= max(record.duration, self._duration):
            await self._swap(record, gain=True)

    async def _swap(self, base: LeaseRecord, *, gain: bool = False) -> bool:
        """Put our name on top of ``base``; what we may believe counts from before the call."""
        asked = self._clock.monotonic()
        wanted = replace(
            base,
            holder=self._identity,
            transitions=base.transitions + 1 if gain else base.transitions,
            duration=self._duration,
            renewed=self._stamp(),
        )
        async with asyncio.timeout(self._call_limit):
            written = await self._store.swap(wanted)
        if written is None:
            return False
        self._mine, self._until = written, asked + self._renew_deadline
        return True

    async def _read(self) -> LeaseRecord | None:
        async with asyncio.timeout(self._call_limit):
            return await self._store.read()

    def _notice(self, record: LeaseRecord | None) -> None:
        """Remember when we first saw this very record: the only clock by which another's lease runs out."""
        if record != self._seen:
            self._seen, self._seen_at = record, self._clock.monotonic()

    async def _release(self) -> None:
        mine, self._mine, self._until = self._mine, None, float("-inf")
        if mine is None:
            return
        try:
            async with asyncio.timeout(self._call_limit):
                await self._store.swap(replace(mine, holder="", duration=1.0, renewed=self._stamp()))
        except (TimeoutError, SourceUnavailable, SourceProtocolError) as exc:
            log.warning("lease_not_released", error=f"{type(exc).__name__}: {exc}")

    def _stamp(self) -> str:
        return datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
