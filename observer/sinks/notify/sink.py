"""Gathers decisions into messages: those of one group that come close together become one."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from observer.config.settings.message_templates import facts_of
from observer.config.settings.notifications import GroupBy
from observer.domain.decision import Decision
from observer.domain.decision_record import SEVERITIES, at_least, namespace_of
from observer.domain.errors import SourceUnavailable
from observer.http_client.delivery import DeliveryHealth
from observer.ports.sources import Clock
from observer.sinks.notify.senders import Sender

MOST_GROUPS = 200
MOST_LISTED = 10
"""Decisions that one message lists; the others are counted."""
_CLOSING_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Subscription:
    """Which decisions a receiver hears of: at least as grave as ``severity``; ``kinds``, ``namespaces`` empty = all."""

    severity: str = "warning"
    kinds: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()

    def wants(self, decision: Decision) -> bool:
        """What belongs to no namespace (Observer itself is blind, frozen, reloaded) is for everybody."""
        if self.kinds and decision.kind not in self.kinds:
            return False
        home = namespace_of(decision)
        if self.namespaces and home and home not in self.namespaces:
            return False
        return at_least(decision.severity, self.severity)


@dataclass(frozen=True, slots=True)
class Grouping:
    """``wait`` for more of a group before its first message, ``interval`` between its messages; seconds."""

    by: GroupBy = GroupBy.INCIDENT
    wait: float = 10.0
    interval: float = 60.0

    def key(self, decision: Decision) -> str:
        """The group of a decision; what has no such thing is grouped by its subject."""
        match self.by:
            case GroupBy.ALL:
                return "all"
            case GroupBy.INCIDENT:
                return decision.incident or decision.subject
            case GroupBy.WORKLOAD:
                return str(decision.workload or decision.service or decision.subject)
            case GroupBy.NAMESPACE:
                return namespace_of(decision) or decision.subject


@dataclass(slots=True)
class _Group:
    due: float
    records: list[Mapping[str, object]] = field(default_factory=list)
    more: int = 0
    severity: str = SEVERITIES[0]

    @property
    def count(self) -> int:
        return len(self.records) + self.more


class NotifySink:
    """
    Implements ``ports.actuators.Sink``. ``publish`` only sorts; ``run`` sends and has to run beside the loop.

    Args:
        record: a decision as JSON-like values. dropped: called with this sink's name for each decision that is lost.
    """

    def __init__(
        self,
        name: str,
        sender: Sender,
        *,
        hearing: Subscription,
        grouping: Grouping,
        clock: Clock,
        record: Callable[[Decision], Mapping[str, object]],
        dropped: Callable[[str], None],
    ) -> None:
        self.name = f"notify_{name}"
        self._sender, self._hearing, self._grouping = sender, hearing, grouping
        self._clock, self._record, self._health = clock, record, DeliveryHealth(self.name, dropped)
        self._groups: OrderedDict[str, _Group] = OrderedDict()
        self._sent: OrderedDict[str, float] = OrderedDict()
        self._changed = asyncio.Event()

    async def publish(self, decision: Decision) -> None:
        """Raises ``SourceUnavailable`` when too many groups wait: this decision is lost."""
        if not self._hearing.wants(decision):
            return
        key, now = self._grouping.key(decision), self._clock.monotonic()
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= MOST_GROUPS:
                raise SourceUnavailable(f"{MOST_GROUPS} groups wait to be sent", reason="busy")
            since = self._sent.get(key)
            earliest = since + self._grouping.interval if since is not None else now
            group = self._groups[key] = _Group(due=max(now + self._grouping.wait, earliest))
        group.records.append(self._record(decision))
        if len(group.records) > MOST_LISTED:
            del group.records[0]
            group.more += 1
        if not at_least(group.severity, decision.severity):
            group.severity = decision.severity
        if decision.severity == "page":
            group.due = now
        self._changed.set()

    async def run(self) -> None:
        """Send what is due until cancelled."""
        while True:
            self._changed.clear()
            await self.send_due()
            try:
                async with asyncio.timeout(self._until_due()):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def send_due(self) -> None:
        """Send every group whose time has come, the most urgent first."""
        now = self._clock.monotonic()
        due = [key for key, group in self._groups.items() if group.due <= now]
        for key in sorted(due, key=lambda name: self._groups[name].severity != "page"):
            await self._send(key)

    async def close(self) -> None:
        """Send what waits, within five seconds, and close the connection."""
        try:
            async with asyncio.timeout(_CLOSING_SECONDS):
                for key in list(self._groups):
                    await self._send(key)
        except TimeoutError:
            self._health.lost("no time was left", sum(group.count for group in self._groups.values()))
        await self._sender.close()

    async def _send(self, key: str) -> None:
        group = self._groups.pop(key)
        try:
            await self._sender.send(facts_of(key, group.records, more=group.more, severity=group.severity))
        except SourceUnavailable as exc:
            self._health.lost(str(exc), group.count)
            return
        except asyncio.CancelledError:
            self._groups[key] = group  # not known to be sent: ``close`` tries once more
            raise
        self._sent[key] = self._clock.monotonic()
        self._sent.move_to_end(key)
        if len(self._sent) > MOST_GROUPS:
            self._sent.popitem(last=False)
        self._health.succeeded()

    def _until_due(self) -> float | None:
        first = min((group.due for group in self._groups.values()), default=None)
        return None if first is None else max(first - self._clock.monotonic(), 0.0)
