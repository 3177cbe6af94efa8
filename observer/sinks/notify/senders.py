"""How a finished message reaches its readers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

import msgspec

from observer.config.settings.message_templates import Message
from observer.domain.errors import ConfigError, SourceUnavailable
from observer.http_client.credentials import SecretFile
from observer.http_client.delivery import Receiver

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
