"""Notifications for people: gathered into groups, worded by a template, sent by Slack, a webhook or apprise."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from observer.config.settings.message_templates import Message, facts_of
from observer.config.settings.notifications import GroupBy
from observer.domain.decision import Decision
from observer.domain.decision_record import namespace_of
from observer.domain.errors import ConfigError, SourceUnavailable
from observer.domain.severities import Severity, at_least
from observer.http_client.credentials import SecretFile
from observer.http_client.delivery import DeliveryHealth, Receiver
from observer.ports.sources import Clock

_JSON = {"Content-Type": "application/json"}


class Sender(Protocol):
    """Sends one message; ``facts`` are what a template sees (``config.messages``)."""

    async def send(self, facts: Mapping[str, object]) -> None:
        """Raises: SourceUnavailable; the text holds no secret."""
        ...

    async def close(self) -> None: ...


class SlackSender:
    """An incoming webhook of Slack, or of what speaks like it (Mattermost, Rocket.Chat, Google Chat)."""

    def __init__(self, receiver: Receiver, message: Message) -> None:
        self._receiver, self._message = receiver, message

    async def send(self, facts: Mapping[str, object]) -> None:
        body = {"text": _rendered(self._message, facts)}
        await self._receiver.deliver(msgspec.json.encode(body), _JSON)

    async def close(self) -> None:
        await self._receiver.close()


class WebhookSender:
    """
    A machine. Without a template the body is JSON: ``version``, ``title``, ``severity``, ``group``, ``decisions``,
    ``more`` and ``links``. With one it is what the template says, named JSON when it is.
    """

    def __init__(self, receiver: Receiver, message: Message | None) -> None:
        self._receiver, self._message = receiver, message

    async def send(self, facts: Mapping[str, object]) -> None:
        if self._message is None:
            await self._receiver.deliver(msgspec.json.encode({"version": 1, **facts}), _JSON)
            return
        body = _rendered(self._message, facts).encode()
        await self._receiver.deliver(body, _JSON if _is_json(body) else {"Content-Type": "text/plain; charset=utf-8"})

    async def close(self) -> None:
        await self._receiver.close()


class AppriseSender:
    """
    Whatever apprise reaches: ``addresses`` is a file with one of its addresses a line, ``#`` begins a comment.

    Needs the ``notify`` extra; its blocking work runs in a thread. Raises: ConfigError when it is not installed.
    """

    def __init__(self, addresses: str, message: Message, *, section: str, timeout: float) -> None:
        try:
            import apprise
        except ImportError as exc:
            raise ConfigError(
                f"{section} wants apprise, which is not installed: pip install 'observer[notify]'"
            ) from exc
        # Its own lines may spell an address, and addresses hold secrets.
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        self._apprise, self._section, self._timeout = apprise, section, timeout
        self._addresses, self._message = SecretFile(addresses, lines=True), message

    async def send(self, facts: Mapping[str, object]) -> None:
        text = _rendered(self._message, facts)
        try:
            async with asyncio.timeout(self._timeout):
                sent = await asyncio.to_thread(self._notify, str(facts["title"]), text, str(facts["severity"]))
        except TimeoutError as exc:
            raise SourceUnavailable(f"apprise took longer than {self._timeout:g} s", reason="timeout") from exc
        if not sent:
            raise SourceUnavailable("apprise could not send to every address", reason="refused")

    async def close(self) -> None:
        """Nothing is held."""

    def _notify(self, title: str, text: str, severity: str) -> bool:
        everyone = self._apprise.Apprise()
        for line in self._addresses.read().splitlines():
            address = line.strip()
            if address and not address.startswith("#") and not everyone.add(address):
                raise SourceUnavailable(f"{self._section}.url_file: a line is no address of apprise", reason="denied")
        if not len(everyone):
            raise SourceUnavailable(f"{self._section}.url_file: holds no address", reason="denied")
        kind = {"page": self._apprise.NotifyType.FAILURE, "warning": self._apprise.NotifyType.WARNING}
        return bool(
            everyone.notify(body=text, title=title, notify_type=kind.get(severity, self._apprise.NotifyType.INFO))
        )


def _rendered(message: Message, facts: Mapping[str, object]) -> str:
    try:
        return message.render(facts)
    except ValueError as exc:
        raise SourceUnavailable(f"template: {exc}", reason="refused") from exc


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


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
    severity: str = Severity.INFO

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
